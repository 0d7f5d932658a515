//! Partition maps (ECMA-167 3/10.7, UDF 2.2.8-2.2.10): how the logical volume is laid upon partitions, and the tables of
//! those kinds that need one (UDF 2.2.11, 2.2.12).
//!
//! A partition kind is three files of one name: its bytes here, its arm in the block mapping of `read`, and its placement
//! in whoever writes volumes.

mod map;
mod metadata;
mod physical;
mod sparable_map;
mod sparing_table;
mod virtual_map;
mod virtual_table;

pub use map::{PartitionMap, PartitionMaps};
pub use metadata::{MetadataPartitionMap, NO_BITMAP_FILE};
pub use physical::PhysicalPartitionMap;
pub use sparable_map::SparablePartitionMap;
pub use sparing_table::{SparingEntry, SparingTable};
pub use virtual_map::VirtualPartitionMap;
pub use virtual_table::{NO_BLOCK, VirtualTableExtension, VirtualTableHeader, VirtualTableTrailer};
