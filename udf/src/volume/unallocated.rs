//! Unallocated space descriptor (ECMA-167 3/10.8, UDF 2.2.5): sectors of the volume that nobody uses.

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::general::{Descriptor, Tag, TagIdentifier};

/// The fixed part; so many [`ExtentAd`](crate::general::ExtentAd) follow. None at all is legal, and usual.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct UnallocatedSpaceDescriptor {
    /// Identifier 7.
    pub tag: Tag,
    /// The highest of its kind prevails (ECMA-167 3/8.4.1).
    pub volume_descriptor_sequence_number: U32,
    /// How many extents follow.
    pub number_of_allocation_descriptors: U32,
}

const _: () = assert!(size_of::<UnallocatedSpaceDescriptor>() == 24);

impl Descriptor for UnallocatedSpaceDescriptor {
    const IDENTIFIER: TagIdentifier = TagIdentifier::UNALLOCATED_SPACE;
    const NAME: &'static str = "unallocated space descriptor";
}
