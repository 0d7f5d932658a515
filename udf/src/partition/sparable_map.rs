//! Sparable partition map (UDF 2.2.9): the blocks are those of one partition, but for packets that lie elsewhere.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::general::EntityIdentifier;

/// A type 2 map; it takes the place of a type 1 map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct SparablePartitionMap {
    /// 2.
    pub partition_map_type: u8,
    /// 64.
    pub partition_map_length: u8,
    /// 0.
    pub reserved_1: [u8; 2],
    /// [`EntityIdentifier::SPARABLE_PARTITION`].
    pub partition_type_identifier: EntityIdentifier,
    /// 1.
    pub volume_sequence_number: U16,
    /// Of a partition descriptor.
    pub partition_number: U16,
    /// Blocks of a packet, which is relocated as a whole: 16 or 32.
    pub packet_length: U16,
    /// How many copies of the sparing table there are, 1 to 4.
    pub number_of_sparing_tables: u8,
    /// 0.
    pub reserved_2: u8,
    /// Bytes that are allocated for each copy.
    pub size_of_each_sparing_table: U32,
    /// The sectors at which the copies begin; what is not used is 0.
    pub locations_of_sparing_tables: [U32; 4],
}

const _: () = assert!(size_of::<SparablePartitionMap>() == 64);

impl SparablePartitionMap {
    /// The sectors at which the copies of the sparing table begin.
    pub fn locations(&self) -> impl Iterator<Item = u32> + '_ {
        let count = usize::from(self.number_of_sparing_tables);
        self.locations_of_sparing_tables.iter().take(count).map(|location| location.get())
    }
}
