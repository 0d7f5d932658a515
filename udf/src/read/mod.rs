//! Reading: from a device to a volume, its directories and data.
//!
//! ```text
//!   ReadAt --search--> Found --open--> Volume --lookup, walk--> Entry --directory--> DirectoryEntry ...
//!   a device           anchors,        descriptors,              \------body-------> bytes
//!                      untrusted       partitions, checked
//! ```
//!
//! The files, lowest first: `device` (bytes), `sectors` (volume descriptors, one by one), `recognition` and `found` (is this
//! UDF, and where), `warning` and `tolerance` (what is bent), `sequence` and `integrity` (what the volume says of itself), `space` and `mapping` (blocks of
//! partitions), `entry`, `extents` and `body` (files), `sparable`, `virtual_table` and `virtual_partition`, `metadata` and
//! `partition` (from maps to partitions), `file_set`, `open` and `volume` (all of it together), `directory`, `path`, `walk`, `free_space`.
//!
//! Everything is positioned and takes `&self`, so that threads can share a volume. What is on the volume is never
//! trusted: every sum is checked, chains end, sizes are bounded before memory is taken for them.

mod body;
mod device;
mod directory;
mod directory_entry;
mod entry;
mod extents;
mod file_set;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod fixture_optical;
mod found;
mod free_space;
#[cfg(test)]
mod hostile;
#[cfg(feature = "std")]
mod image_file;
mod integrity;
mod mapping;
mod metadata;
mod open;
mod partition;
mod partition_table;
mod path;
mod recognition;
mod sectors;
mod sequence;
mod space;
mod sparable;
mod streams;
mod tolerance;
mod virtual_partition;
mod virtual_table;
mod volume;
mod walk;
mod warning;

pub use body::Body;
pub use device::ReadAt;
pub use directory::Directory;
pub use directory_entry::DirectoryEntry;
pub use entry::Entry;
pub use extents::{Extent, Extents};
pub use found::{Found, FoundAnchor, OpenOptions};
pub use free_space::{FreeForm, FreeRun, FreeSet, Freedom};
#[cfg(feature = "std")]
pub use image_file::ImageFile;
pub use integrity::Integrity;
pub use metadata::{MetadataFile, MetadataPartition};
pub use partition::{Partition, PartitionKind};
pub use space::Run;
pub use sparable::{SparablePartition, SparingTableCopy};
pub use tolerance::{Tolerance, Tolerated};
pub use virtual_partition::VirtualPartition;
pub use virtual_table::{VirtualTable, VirtualTableForm, VirtualTableHead};
pub use volume::Volume;
pub use walk::{Walk, WalkError};
pub use warning::{Remedy, Warning};
