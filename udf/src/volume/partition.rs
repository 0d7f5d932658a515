//! Partition descriptor (ECMA-167 3/10.5, UDF 2.2.14) and the header in it (ECMA-167 4/14.3, UDF 2.3.3).

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::general::{Descriptor, EntityIdentifier, ShortAd, Tag, TagIdentifier};

/// How a partition may be written (ECMA-167 3/10.5.7, UDF 2.2.14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AccessType {
    /// 0: the drive remaps what is overwritten (from 2.60).
    PseudoOverwritable,
    /// 1: not at all.
    ReadOnly,
    /// 2: each block once.
    WriteOnce,
    /// 3: after erasing.
    Rewritable,
    /// 4: freely.
    Overwritable,
}

impl AccessType {
    /// The meaning of a recorded number.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::PseudoOverwritable),
            1 => Some(Self::ReadOnly),
            2 => Some(Self::WriteOnce),
            3 => Some(Self::Rewritable),
            4 => Some(Self::Overwritable),
            _ => None,
        }
    }

    /// The number recorded.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::PseudoOverwritable => 0,
            Self::ReadOnly => 1,
            Self::WriteOnce => 2,
            Self::Rewritable => 3,
            Self::Overwritable => 4,
        }
    }
}

/// Where the sets of free blocks are (ECMA-167 4/14.3); positions are blocks of this partition.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct PartitionHeaderDescriptor {
    /// Free space ready to be written, as a table.
    pub unallocated_space_table: ShortAd,
    /// Free space ready to be written, as a bitmap.
    pub unallocated_space_bitmap: ShortAd,
    /// 0 in UDF.
    pub partition_integrity_table: ShortAd,
    /// Free space that must be erased first, as a table.
    pub freed_space_table: ShortAd,
    /// Free space that must be erased first, as a bitmap.
    pub freed_space_bitmap: ShortAd,
    /// 0.
    pub reserved: [u8; 88],
}

const _: () = assert!(size_of::<PartitionHeaderDescriptor>() == 128);

impl PartitionHeaderDescriptor {
    /// No set of free blocks: as on read-only partitions.
    pub const NONE: Self = Self {
        unallocated_space_table: NO_EXTENT,
        unallocated_space_bitmap: NO_EXTENT,
        partition_integrity_table: NO_EXTENT,
        freed_space_table: NO_EXTENT,
        freed_space_bitmap: NO_EXTENT,
        reserved: [0; 88],
    };
}

const NO_EXTENT: ShortAd = ShortAd { length_and_type: U32::ZERO, position: U32::ZERO };

/// One for each partition of the volume.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct PartitionDescriptor {
    /// Identifier 5.
    pub tag: Tag,
    /// The highest of its kind prevails (ECMA-167 3/8.4.1).
    pub volume_descriptor_sequence_number: U32,
    /// Bit 0: space is allocated for it.
    pub partition_flags: U16,
    /// By which partition maps name it.
    pub partition_number: U16,
    /// `+NSR02` or `+NSR03`.
    pub partition_contents: EntityIdentifier,
    /// The partition header descriptor.
    pub partition_contents_use: PartitionHeaderDescriptor,
    /// An [`AccessType`].
    pub access_type: U32,
    /// First sector.
    pub partition_starting_location: U32,
    /// Sectors.
    pub partition_length: U32,
    /// Who made it.
    pub implementation_identifier: EntityIdentifier,
    /// Free.
    pub implementation_use: [u8; 128],
    /// 0.
    pub reserved: [u8; 156],
}

const _: () = assert!(size_of::<PartitionDescriptor>() == 512);

impl Descriptor for PartitionDescriptor {
    const IDENTIFIER: TagIdentifier = TagIdentifier::PARTITION;
    const NAME: &'static str = "partition descriptor";
}
