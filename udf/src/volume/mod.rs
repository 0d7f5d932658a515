//! Volume structure (ECMA-167 parts 2 and 3): from the recognition sequence to the logical volume, a file a descriptor.

mod anchor;
mod implementation_use;
mod integrity;
mod logical;
mod partition;
mod pointer;
mod primary;
mod recognition;
mod terminating;
mod unallocated;

pub use anchor::AnchorVolumeDescriptorPointer;
pub use implementation_use::ImplementationUseVolumeDescriptor;
pub use integrity::{
    IntegrityImplementationUse, IntegrityType, LogicalVolumeIntegrityDescriptor, NOT_COUNTED,
};
pub use logical::LogicalVolumeDescriptor;
pub use partition::{AccessType, PartitionDescriptor, PartitionHeaderDescriptor};
pub use pointer::VolumeDescriptorPointer;
pub use primary::PrimaryVolumeDescriptor;
pub use recognition::VolumeStructureDescriptor;
pub use terminating::TerminatingDescriptor;
pub use unallocated::UnallocatedSpaceDescriptor;

/// The least length of a volume descriptor sequence in sectors (UDF 2.2.3.1, 2.2.3.2).
pub const MINIMUM_SEQUENCE_SECTORS: u32 = 16;
/// Where the first anchor lies, counted from the beginning of the session (ECMA-167 3/8.4.2.1).
pub const ANCHOR_SECTOR: u32 = 256;
/// Where an open disc with a reserved track has its anchor, and a session of ours its last (UDF 6.10.1.1).
pub const SECOND_ANCHOR_SECTOR: u32 = 512;
