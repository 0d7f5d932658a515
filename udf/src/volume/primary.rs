//! Primary volume descriptor (ECMA-167 3/10.1, UDF 2.2.2): which volume of which set.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::general::{
    CharSpec, DString, Descriptor, EntityIdentifier, ExtentAd, Tag, TagIdentifier, Timestamp,
};

/// One in each volume descriptor sequence.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct PrimaryVolumeDescriptor {
    /// Identifier 1.
    pub tag: Tag,
    /// The highest of its kind prevails (ECMA-167 3/8.4.1).
    pub volume_descriptor_sequence_number: U32,
    /// 0.
    pub primary_volume_descriptor_number: U32,
    /// Not empty.
    pub volume_identifier: DString<32>,
    /// 1.
    pub volume_sequence_number: U16,
    /// 1: one volume in the set.
    pub maximum_volume_sequence_number: U16,
    /// 2 for one volume, 3 for a set.
    pub interchange_level: U16,
    /// 2 or 3.
    pub maximum_interchange_level: U16,
    /// 1: CS0.
    pub character_set_list: U32,
    /// 1: CS0.
    pub maximum_character_set_list: U32,
    /// Begins with 8 hexadecimal digits of a time and 8 characters of the implementation's choice (UDF 2.2.2.5).
    pub volume_set_identifier: DString<128>,
    /// CS0.
    pub descriptor_character_set: CharSpec,
    /// CS0.
    pub explanatory_character_set: CharSpec,
    /// None: 0.
    pub volume_abstract: ExtentAd,
    /// None: 0.
    pub volume_copyright_notice: ExtentAd,
    /// May be empty.
    pub application_identifier: EntityIdentifier,
    /// When this descriptor was made.
    pub recording_date_and_time: Timestamp,
    /// Who made it.
    pub implementation_identifier: EntityIdentifier,
    /// Free.
    pub implementation_use: [u8; 64],
    /// 0.
    pub predecessor_volume_descriptor_sequence_location: U32,
    /// Bit 0: the set identifier is common to the set.
    pub flags: U16,
    /// 0.
    pub reserved: [u8; 22],
}

const _: () = assert!(size_of::<PrimaryVolumeDescriptor>() == 512);

impl Descriptor for PrimaryVolumeDescriptor {
    const IDENTIFIER: TagIdentifier = TagIdentifier::PRIMARY_VOLUME;
    const NAME: &'static str = "primary volume descriptor";
}
