//! Type 1 partition map (ECMA-167 3/10.7.2): the blocks are those of one partition.

use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Six bytes that name a partition by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct PhysicalPartitionMap {
    /// 1.
    pub partition_map_type: u8,
    /// 6.
    pub partition_map_length: u8,
    /// 1.
    pub volume_sequence_number: U16,
    /// Of a partition descriptor.
    pub partition_number: U16,
}

const _: () = assert!(size_of::<PhysicalPartitionMap>() == 6);

impl PhysicalPartitionMap {
    /// The map of the partition with this number, on volume 1.
    #[must_use]
    pub fn new(partition_number: u16) -> Self {
        Self {
            partition_map_type: 1,
            partition_map_length: 6,
            volume_sequence_number: 1.into(),
            partition_number: partition_number.into(),
        }
    }
}
