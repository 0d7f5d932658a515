//! The sparing table (UDF 2.2.12): which packets of a sparable partition lie elsewhere.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::general::{Descriptor, EntityIdentifier, Tag, TagIdentifier};

/// The fixed part; entries follow, ascending by original location.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct SparingTable {
    /// Identifier 0, located at the sector of this copy.
    pub tag: Tag,
    /// [`EntityIdentifier::SPARING_TABLE`].
    pub sparing_identifier: EntityIdentifier,
    /// How many entries follow.
    pub reallocation_table_length: U16,
    /// 0.
    pub reserved: U16,
    /// Grows with each change; the copies with the highest one count.
    pub sequence_number: U32,
}

const _: () = assert!(size_of::<SparingTable>() == 56);

impl Descriptor for SparingTable {
    const IDENTIFIER: TagIdentifier = TagIdentifier::SPARING_TABLE;
    const NAME: &'static str = "sparing table";
}

/// A spare packet, and what it stands for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SparingEntry {
    /// The first block of the packet of the partition that is relocated, or [`AVAILABLE`](Self::AVAILABLE) or
    /// [`DEFECTIVE`](Self::DEFECTIVE).
    pub original_location: U32,
    /// The first sector of the spare packet.
    pub mapped_location: U32,
}

const _: () = assert!(size_of::<SparingEntry>() == 8);

impl SparingEntry {
    /// Nothing is relocated there yet.
    pub const AVAILABLE: u32 = 0xFFFF_FFFF;
    /// The spare packet itself is damaged.
    pub const DEFECTIVE: u32 = 0xFFFF_FFF0;

    /// Whether a packet can be relocated there.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.original_location.get() == Self::AVAILABLE
    }

    /// Whether a packet of the partition is relocated there; numbers from [`DEFECTIVE`](Self::DEFECTIVE) on are no blocks.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.original_location.get() < Self::DEFECTIVE
    }
}
