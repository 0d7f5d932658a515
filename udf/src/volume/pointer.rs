//! Volume descriptor pointer (ECMA-167 3/10.3): the sequence goes on elsewhere.

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::general::{Descriptor, ExtentAd, Tag, TagIdentifier};

/// Ends an extent of a volume descriptor sequence and names the next.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct VolumeDescriptorPointer {
    /// Identifier 3.
    pub tag: Tag,
    /// The highest of its kind prevails (ECMA-167 3/8.4.1).
    pub volume_descriptor_sequence_number: U32,
    /// Where the sequence goes on.
    pub next_volume_descriptor_sequence_extent: ExtentAd,
    /// 0.
    pub reserved: [u8; 484],
}

const _: () = assert!(size_of::<VolumeDescriptorPointer>() == 512);

impl Descriptor for VolumeDescriptorPointer {
    const IDENTIFIER: TagIdentifier = TagIdentifier::VOLUME_POINTER;
    const NAME: &'static str = "volume descriptor pointer";
}
