//! Partition maps (ECMA-167 3/10.7, UDF 2.2.8-2.2.10): how the logical volume is laid upon partitions.
//!
//! A partition kind is three files of one name: its bytes here, its arm in the block mapping of `read`, and its placement
//! in whoever writes volumes.

mod map;
mod metadata;
mod physical;

pub use map::{PartitionMap, PartitionMaps};
pub use metadata::{MetadataPartitionMap, NO_BITMAP_FILE};
pub use physical::PhysicalPartitionMap;
