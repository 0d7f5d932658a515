//! File set descriptor (ECMA-167 4/14.1, UDF 2.3.2): where the root directory is.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::general::{
    CharSpec, DString, Descriptor, EntityIdentifier, LongAd, Tag, TagIdentifier, Timestamp,
};

/// The stream of the system that has the blocks that can never be used (UDF 3.3.7.2).
pub const NON_ALLOCATABLE_SPACE: &str = "*UDF Non-Allocatable Space";
/// The hidden file in the root directory that has them where there are no streams (UDF 1.50, 2.3.13).
pub const NON_ALLOCATABLE_FILE: &str = "Non-Allocatable Space";

/// One in each logical volume.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct FileSetDescriptor {
    /// Identifier 256.
    pub tag: Tag,
    /// When it was made.
    pub recording_date_and_time: Timestamp,
    /// 3.
    pub interchange_level: U16,
    /// 3.
    pub maximum_interchange_level: U16,
    /// 1: CS0.
    pub character_set_list: U32,
    /// 1: CS0.
    pub maximum_character_set_list: U32,
    /// 0.
    pub file_set_number: U32,
    /// 0.
    pub file_set_descriptor_number: U32,
    /// CS0.
    pub logical_volume_identifier_character_set: CharSpec,
    /// The same as in the logical volume descriptor.
    pub logical_volume_identifier: DString<128>,
    /// CS0.
    pub file_set_character_set: CharSpec,
    /// Not empty.
    pub file_set_identifier: DString<32>,
    /// Empty, or the name of a file in the root.
    pub copyright_file_identifier: DString<32>,
    /// Empty, or the name of a file in the root.
    pub abstract_file_identifier: DString<32>,
    /// The root directory.
    pub root_directory_icb: LongAd,
    /// `*OSTA UDF Compliant` with the revision.
    pub domain_identifier: EntityIdentifier,
    /// 0.
    pub next_extent: LongAd,
    /// The system stream directory, or 0 (from 2.00).
    pub system_stream_directory_icb: LongAd,
    /// 0.
    pub reserved: [u8; 32],
}

const _: () = assert!(size_of::<FileSetDescriptor>() == 512);

impl Descriptor for FileSetDescriptor {
    const IDENTIFIER: TagIdentifier = TagIdentifier::FILE_SET;
    const NAME: &'static str = "file set descriptor";
}
