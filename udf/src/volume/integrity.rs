//! Logical volume integrity descriptor (ECMA-167 3/10.10, UDF 2.2.6): open or closed, free space, counts.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::general::{Descriptor, EntityIdentifier, ExtentAd, Tag, TagIdentifier, Timestamp};

/// In the tables of free space and sizes: "not counted here" (UDF 2.2.6.2).
pub const NOT_COUNTED: u32 = u32::MAX;

/// Whether the volume is being written (ECMA-167 3/10.10.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IntegrityType {
    /// 0: an update is under way, or was interrupted.
    Open,
    /// 1: everything is consistent.
    Close,
}

impl IntegrityType {
    /// The meaning of a recorded number.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Open),
            1 => Some(Self::Close),
            _ => None,
        }
    }
}

/// The fixed part. Free space of each partition, size of each partition (`U32` each) and, in UDF, an
/// [`IntegrityImplementationUse`] follow.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct LogicalVolumeIntegrityDescriptor {
    /// Identifier 9.
    pub tag: Tag,
    /// When the volume was last changed.
    pub recording_date_and_time: Timestamp,
    /// An [`IntegrityType`].
    pub integrity_type: U32,
    /// Where further integrity descriptors are, or 0.
    pub next_integrity_extent: ExtentAd,
    /// The next unique id that is free, at least 16 (ECMA-167 4/14.15.1).
    pub unique_id: U64,
    /// 0.
    pub reserved: [u8; 24],
    /// As many as there are partition maps.
    pub number_of_partitions: U32,
    /// Bytes of implementation use, at least 46.
    pub length_of_implementation_use: U32,
}

const _: () = assert!(size_of::<LogicalVolumeIntegrityDescriptor>() == 80);

impl Descriptor for LogicalVolumeIntegrityDescriptor {
    const IDENTIFIER: TagIdentifier = TagIdentifier::LOGICAL_VOLUME_INTEGRITY;
    const NAME: &'static str = "logical volume integrity descriptor";
}

/// What UDF keeps in the implementation use of an integrity descriptor (UDF 2.2.6.4).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct IntegrityImplementationUse {
    /// Who wrote last.
    pub implementation_id: EntityIdentifier,
    /// Names of files in all directories, hard links counted each.
    pub number_of_files: U32,
    /// Directories, the root among them.
    pub number_of_directories: U32,
    /// The least revision that a reader must know.
    pub minimum_udf_read_revision: U16,
    /// The least revision that a writer must know.
    pub minimum_udf_write_revision: U16,
    /// The highest revision that any writer of this volume knew.
    pub maximum_udf_write_revision: U16,
}

const _: () = assert!(size_of::<IntegrityImplementationUse>() == 46);
