//! The virtual allocation table (UDF 1.50 2.2.10, UDF 2.60 2.2.11): its entries are blocks of the partition underneath.
//!
//! Up to 1.50 the entries come first and a trailer ends the file, whose type is 0; from 2.00 on a header begins it, and the
//! type is 248.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::general::{DString, EntityIdentifier};

/// An entry of the table, or the location of the previous one: there is none.
pub const NO_BLOCK: u32 = u32::MAX;

/// What ends a table up to 1.50 (UDF 1.50 2.2.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct VirtualTableTrailer {
    /// [`EntityIdentifier::VIRTUAL_TABLE`].
    pub identifier: EntityIdentifier,
    /// The ICB of the table before this one, a block of the partition underneath, or [`NO_BLOCK`].
    pub previous_icb_location: U32,
}

const _: () = assert!(size_of::<VirtualTableTrailer>() == 36);

/// What begins a table from 2.00 on (UDF 2.60 2.2.11). Implementation use and then the entries follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct VirtualTableHeader {
    /// Where the entries begin: the length of this header and of the implementation use.
    pub length_of_header: U16,
    /// Bytes of implementation use: none, or at least 32, and a multiple of 4.
    pub length_of_implementation_use: U16,
    /// The label: the one in the logical volume descriptor cannot be changed any more.
    pub logical_volume_identifier: DString<128>,
    /// The ICB of the table before this one, a block of the partition underneath, or [`NO_BLOCK`].
    pub previous_icb_location: U32,
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
    /// 0.
    pub reserved: U16,
}

const _: () = assert!(size_of::<VirtualTableHeader>() == 152);

/// What an extended attribute of the table's ICB adds to a table up to 1.50 (UDF 1.50 errata): the implementation use of an
/// attribute [`EntityIdentifier::VIRTUAL_TABLE_EXTENSION`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct VirtualTableExtension {
    /// Of the attribute's first 48 bytes (UDF 3.3.4.5).
    pub header_checksum: U16,
    /// The unique id of the ICB, else the attribute is left over from another one.
    pub verification_id: U64,
    /// Names of files in all directories, hard links counted each.
    pub number_of_files: U32,
    /// Directories, the root among them.
    pub number_of_directories: U32,
    /// The label.
    pub logical_volume_identifier: DString<128>,
}

const _: () = assert!(size_of::<VirtualTableExtension>() == 146);
