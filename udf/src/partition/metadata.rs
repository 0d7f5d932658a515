//! Metadata partition map (UDF 2.2.10): the blocks are those of a file, which is kept twice.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::general::EntityIdentifier;

/// In `metadata_bitmap_file_location`: there is none, as on read-only partitions.
pub const NO_BITMAP_FILE: u32 = u32::MAX;

/// A type 2 map; locations are blocks of the partition underneath.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct MetadataPartitionMap {
    /// 2.
    pub partition_map_type: u8,
    /// 64.
    pub partition_map_length: u8,
    /// 0.
    pub reserved_1: [u8; 2],
    /// [`EntityIdentifier::METADATA_PARTITION`].
    pub partition_type_identifier: EntityIdentifier,
    /// 1.
    pub volume_sequence_number: U16,
    /// Of the partition underneath.
    pub partition_number: U16,
    /// The metadata file's entry.
    pub metadata_file_location: U32,
    /// The metadata mirror file's entry.
    pub metadata_mirror_file_location: U32,
    /// The metadata bitmap file's entry, or [`NO_BITMAP_FILE`].
    pub metadata_bitmap_file_location: U32,
    /// Extents of the metadata file are multiples of so many blocks.
    pub allocation_unit_size: U32,
    /// And begin at multiples of so many blocks.
    pub alignment_unit_size: U16,
    /// Bit 0: the mirror has blocks of its own.
    pub flags: u8,
    /// 0.
    pub reserved_2: [u8; 5],
}

const _: () = assert!(size_of::<MetadataPartitionMap>() == 64);

impl MetadataPartitionMap {
    /// Bit 0 of `flags`: what is in the metadata file is recorded a second time in blocks of the mirror file.
    pub const DUPLICATE_METADATA: u8 = 1;
}
