//! Space bitmap descriptor (ECMA-167 4/14.12, UDF 2.3.8): one bit a block, 1 for free.

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::general::{Descriptor, Tag, TagIdentifier};
use crate::units::BlockSize;

/// The fixed part; `number_of_bytes` of bitmap follow, block `8 k + b` being bit `b` of byte `k`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct SpaceBitmapDescriptor {
    /// Identifier 264; its CRC covers 8 bytes.
    pub tag: Tag,
    /// Blocks of the partition.
    pub number_of_bits: U32,
    /// At least an eighth of that.
    pub number_of_bytes: U32,
}

const _: () = assert!(size_of::<SpaceBitmapDescriptor>() == 24);

impl SpaceBitmapDescriptor {
    /// Blocks of the bitmap of a partition of so many. Linux presumes it in the partition's first ones, wherever it is, and
    /// allocates nothing if those are marked as free: who writes leaves them marked as used, and who checks lets that pass.
    #[must_use]
    pub fn blocks(bits: u32, block_size: BlockSize) -> u32 {
        let bytes = (size_of::<Self>() as u64).saturating_add(bits.div_ceil(8).into());
        u32::try_from(block_size.blocks_for(bytes)).unwrap_or(u32::MAX)
    }
}

impl Descriptor for SpaceBitmapDescriptor {
    const IDENTIFIER: TagIdentifier = TagIdentifier::SPACE_BITMAP;
    const NAME: &'static str = "space bitmap descriptor";
}
