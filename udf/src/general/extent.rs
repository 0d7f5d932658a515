//! Extents and addresses (ECMA-167 3/7.1, 4/7.1, 4/14.14): where things lie, and how far they are recorded.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::units::{BlockAddress, Sector};

/// An extent of sectors of the volume space (ECMA-167 3/7.1).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ExtentAd {
    /// Bytes, below 2^30.
    pub length: U32,
    /// First sector; 0 if the length is 0.
    pub location: U32,
}

/// A block of a partition (ECMA-167 4/7.1).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct LbAddr {
    /// Block number in the partition.
    pub logical_block_number: U32,
    /// Index into the partition maps.
    pub partition_reference_number: U16,
}

/// An extent in the partition of the structure that names it (ECMA-167 4/14.14.1).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ShortAd {
    /// Bits 0-29: bytes; bits 30-31: an [`ExtentKind`].
    pub length_and_type: U32,
    /// First block.
    pub position: U32,
}

/// An extent in any partition of the logical volume (ECMA-167 4/14.14.2).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct LongAd {
    /// Bits 0-29: bytes; bits 30-31: an [`ExtentKind`].
    pub length_and_type: U32,
    /// First block.
    pub location: LbAddr,
    /// Bit 0: the extent is erased (UDF 2.3.10.1).
    pub flags: U16,
    /// In a file identifier's ICB and a stream directory's ICB, the low 32 bits of the unique id (UDF 2.3.4.3, from 2.00).
    pub unique_id: U32,
}

const _: () = assert!(size_of::<ExtentAd>() == 8 && size_of::<LbAddr>() == 6);
const _: () = assert!(size_of::<ShortAd>() == 8 && size_of::<LongAd>() == 16);

/// How far an extent is recorded: the top two bits of its length (ECMA-167 4/14.14.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExtentKind {
    /// Allocated and recorded.
    Recorded,
    /// Allocated but not recorded: reads as zeros.
    Allocated,
    /// Neither: a hole, reads as zeros.
    Unallocated,
    /// The extent holds an allocation extent descriptor with more allocation descriptors.
    Continuation,
}

const LENGTH_MASK: u32 = (1 << 30) - 1;

impl ExtentKind {
    /// The kind in the top two bits.
    #[must_use]
    pub const fn of(length_and_type: u32) -> Self {
        match length_and_type >> 30 {
            0 => Self::Recorded,
            1 => Self::Allocated,
            2 => Self::Unallocated,
            _ => Self::Continuation,
        }
    }

    /// Kind and length in one word; of the length the low 30 bits.
    #[must_use]
    pub const fn with_length(self, bytes: u32) -> u32 {
        let kind = match self {
            Self::Recorded => 0,
            Self::Allocated => 1,
            Self::Unallocated => 2,
            Self::Continuation => 3,
        };
        kind << 30 | bytes & LENGTH_MASK
    }
}

impl ExtentAd {
    /// So many bytes from a sector.
    #[must_use]
    pub fn new(bytes: u32, start: Sector) -> Self {
        Self { length: bytes.into(), location: start.0.into() }
    }

    /// The first sector.
    #[must_use]
    pub fn start(&self) -> Sector {
        Sector(self.location.get())
    }
}

impl From<BlockAddress> for LbAddr {
    fn from(address: BlockAddress) -> Self {
        Self {
            logical_block_number: address.block.0.into(),
            partition_reference_number: address.partition.0.into(),
        }
    }
}

impl From<LbAddr> for BlockAddress {
    fn from(address: LbAddr) -> Self {
        Self::new(address.partition_reference_number.get(), address.logical_block_number.get())
    }
}

impl ShortAd {
    /// An extent of this kind.
    #[must_use]
    pub fn new(kind: ExtentKind, bytes: u32, block: u32) -> Self {
        Self { length_and_type: kind.with_length(bytes).into(), position: block.into() }
    }

    /// How far it is recorded.
    #[must_use]
    pub fn kind(&self) -> ExtentKind {
        ExtentKind::of(self.length_and_type.get())
    }

    /// Its length in bytes, below 2^30.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        self.length_and_type.get() & LENGTH_MASK
    }
}

impl LongAd {
    /// An extent of this kind.
    #[must_use]
    pub fn new(kind: ExtentKind, bytes: u32, start: BlockAddress) -> Self {
        Self { length_and_type: kind.with_length(bytes).into(), location: start.into(), ..Self::default() }
    }

    /// The recorded extent of an ICB, with the unique id that file identifiers keep beside it.
    #[must_use]
    pub fn icb(bytes: u32, start: BlockAddress, unique_id: u32) -> Self {
        Self { unique_id: unique_id.into(), ..Self::new(ExtentKind::Recorded, bytes, start) }
    }

    /// How far it is recorded.
    #[must_use]
    pub fn kind(&self) -> ExtentKind {
        ExtentKind::of(self.length_and_type.get())
    }

    /// Its length in bytes, below 2^30.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        self.length_and_type.get() & LENGTH_MASK
    }

    /// Its first block.
    #[must_use]
    pub fn start(&self) -> BlockAddress {
        self.location.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_length_share_a_word() {
        for kind in
            [ExtentKind::Recorded, ExtentKind::Allocated, ExtentKind::Unallocated, ExtentKind::Continuation]
        {
            let extent = LongAd::new(kind, LENGTH_MASK, BlockAddress::new(1, 7));
            assert_eq!((extent.kind(), extent.bytes()), (kind, LENGTH_MASK));
            assert_eq!(extent.start(), BlockAddress::new(1, 7));
        }
    }
}
