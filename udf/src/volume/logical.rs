//! Logical volume descriptor (ECMA-167 3/10.6, UDF 2.2.4): label, block size, partitions, and the way to the files.

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::general::{CharSpec, DString, Descriptor, EntityIdentifier, ExtentAd, LongAd, Tag, TagIdentifier};

/// The fixed part; `map_table_length` bytes of partition maps follow.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct LogicalVolumeDescriptor {
    /// Identifier 6.
    pub tag: Tag,
    /// The highest of its kind prevails (ECMA-167 3/8.4.1).
    pub volume_descriptor_sequence_number: U32,
    /// CS0.
    pub descriptor_character_set: CharSpec,
    /// The label.
    pub logical_volume_identifier: DString<128>,
    /// Bytes in a block, which is a sector.
    pub logical_block_size: U32,
    /// `*OSTA UDF Compliant` with the revision.
    pub domain_identifier: EntityIdentifier,
    /// In UDF the extent of the file set descriptor sequence.
    pub logical_volume_contents_use: LongAd,
    /// Bytes of partition maps.
    pub map_table_length: U32,
    /// How many maps.
    pub number_of_partition_maps: U32,
    /// Who made it.
    pub implementation_identifier: EntityIdentifier,
    /// Free.
    pub implementation_use: [u8; 128],
    /// Where the integrity descriptors are.
    pub integrity_sequence_extent: ExtentAd,
}

const _: () = assert!(size_of::<LogicalVolumeDescriptor>() == 440);

impl Descriptor for LogicalVolumeDescriptor {
    const IDENTIFIER: TagIdentifier = TagIdentifier::LOGICAL_VOLUME;
    const NAME: &'static str = "logical volume descriptor";
}
