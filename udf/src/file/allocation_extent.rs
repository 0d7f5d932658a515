//! Allocation extent descriptor (ECMA-167 4/14.5, UDF 2.3.11): more allocation descriptors than fit the entry.

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::general::{Descriptor, Tag, TagIdentifier};

/// The fixed part; allocation descriptors of the entry's form follow, in the same block.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct AllocationExtentDescriptor {
    /// Identifier 258.
    pub tag: Tag,
    /// 0.
    pub previous_allocation_extent_location: U32,
    /// Bytes of allocation descriptors.
    pub length_of_allocation_descriptors: U32,
}

const _: () = assert!(size_of::<AllocationExtentDescriptor>() == 24);

impl Descriptor for AllocationExtentDescriptor {
    const IDENTIFIER: TagIdentifier = TagIdentifier::ALLOCATION_EXTENT;
    const NAME: &'static str = "allocation extent descriptor";
}
