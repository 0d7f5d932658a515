//! Implementation use volume descriptor (ECMA-167 3/10.4), in UDF "LV Info" (UDF 2.2.7): label and owner once more.

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::general::{CharSpec, DString, Descriptor, EntityIdentifier, Tag, TagIdentifier};

/// The one with the identifier `*UDF LV Info`; others, private ones, may stand beside it.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ImplementationUseVolumeDescriptor {
    /// Identifier 4.
    pub tag: Tag,
    /// The highest of its kind prevails (ECMA-167 3/8.4.1).
    pub volume_descriptor_sequence_number: U32,
    /// [`EntityIdentifier::LOGICAL_VOLUME_INFORMATION`].
    pub implementation_identifier: EntityIdentifier,
    /// CS0.
    pub logical_volume_information_character_set: CharSpec,
    /// The same as in the logical volume descriptor.
    pub logical_volume_identifier: DString<128>,
    /// Owner.
    pub logical_volume_information_1: DString<36>,
    /// Organisation.
    pub logical_volume_information_2: DString<36>,
    /// Contact.
    pub logical_volume_information_3: DString<36>,
    /// Who wrote it.
    pub implementation_id: EntityIdentifier,
    /// Free.
    pub implementation_use: [u8; 128],
}

const _: () = assert!(size_of::<ImplementationUseVolumeDescriptor>() == 512);

impl Descriptor for ImplementationUseVolumeDescriptor {
    const IDENTIFIER: TagIdentifier = TagIdentifier::IMPLEMENTATION_USE_VOLUME;
    const NAME: &'static str = "implementation use volume descriptor";
}
