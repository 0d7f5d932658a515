//! Virtual partition map (UDF 2.2.8): the blocks are those of another partition, in the order that a table says.

use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::general::EntityIdentifier;

/// A type 2 map. Where the table is, it does not say: at the end of what is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct VirtualPartitionMap {
    /// 2.
    pub partition_map_type: u8,
    /// 64.
    pub partition_map_length: u8,
    /// 0.
    pub reserved_1: [u8; 2],
    /// [`EntityIdentifier::VIRTUAL_PARTITION`]; the revision in its suffix says which form the table has.
    pub partition_type_identifier: EntityIdentifier,
    /// 1.
    pub volume_sequence_number: U16,
    /// Of the partition underneath.
    pub partition_number: U16,
    /// 0.
    pub reserved_2: [u8; 24],
}

const _: () = assert!(size_of::<VirtualPartitionMap>() == 64);

impl VirtualPartitionMap {
    /// The map upon the partition with this number, on volume 1.
    #[must_use]
    pub fn new(partition_type_identifier: EntityIdentifier, partition_number: u16) -> Self {
        Self {
            partition_map_type: 2,
            partition_map_length: 64,
            reserved_1: [0; 2],
            partition_type_identifier,
            volume_sequence_number: 1.into(),
            partition_number: partition_number.into(),
            reserved_2: [0; 24],
        }
    }
}
