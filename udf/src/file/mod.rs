//! File structure (ECMA-167 part 4): file set, ICBs, file entries, directories, allocation, attributes, a file a descriptor.

mod allocation_extent;
pub mod attribute;
mod bitmap;
mod entry;
mod icb;
mod identifier;
pub mod known_attribute;
pub mod path_component;
mod set;

pub use allocation_extent::AllocationExtentDescriptor;
pub use bitmap::SpaceBitmapDescriptor;
pub use entry::{ExtendedFileEntry, FileEntry, UnallocatedSpaceEntry, permissions};
pub use icb::{AllocationForm, FileType, IcbTag, IndirectEntry, Strategy, TerminalEntry, flags};
pub use identifier::{FileIdentifier, FileIdentifierDescriptor, characteristics};
pub use known_attribute::KnownAttribute;
pub use set::{FileSetDescriptor, NON_ALLOCATABLE_FILE, NON_ALLOCATABLE_SPACE};
