//! File entries (ECMA-167 4/14.9, 4/14.17, UDF 2.3.6): who owns a file, when it changed, where its body is.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::IcbTag;
use crate::general::{Descriptor, EntityIdentifier, LongAd, Tag, TagIdentifier, Timestamp};

/// Permission bits (ECMA-167 4/14.9.5): five for others, shifted by 5 for the group, by 10 for the owner.
#[allow(missing_docs, reason = "the names are the standard's")]
pub mod permissions {
    pub const EXECUTE: u32 = 1;
    pub const WRITE: u32 = 1 << 1;
    pub const READ: u32 = 1 << 2;
    pub const CHANGE_ATTRIBUTES: u32 = 1 << 3;
    pub const DELETE: u32 = 1 << 4;

    /// The bits for a mode's `rwxrwxrwx`: delete goes with write, changing attributes is the owner's (UDF 3.3.3.3).
    #[must_use]
    pub const fn from_mode(mode: u32) -> u32 {
        // "Other" and "group" of a mode are 3 bits wide, of a permission word 5.
        let spread = mode & 0o7 | (mode & 0o70) << 2 | (mode & 0o700) << 4;
        let delete = (spread & (WRITE | WRITE << 5 | WRITE << 10)) << 3;
        spread | delete | CHANGE_ATTRIBUTES << 10
    }

    /// The `rwxrwxrwx` of a permission word.
    #[must_use]
    pub const fn to_mode(word: u32) -> u32 {
        word & 0o7 | (word >> 2) & 0o70 | (word >> 4) & 0o700
    }
}

/// The entry of revisions up to 1.50, and of the first VAT. The fixed part: extended attributes and then allocation
/// descriptors, or the embedded body, follow.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct FileEntry {
    /// Identifier 261.
    pub tag: Tag,
    /// Kind of file, strategy, flags.
    pub icb_tag: IcbTag,
    /// Owner; 0xFFFFFFFF for none.
    pub uid: U32,
    /// Group; 0xFFFFFFFF for none.
    pub gid: U32,
    /// See [`permissions`].
    pub permissions: U32,
    /// How many file identifiers lead here.
    pub file_link_count: U16,
    /// 0.
    pub record_format: u8,
    /// 0.
    pub record_display_attributes: u8,
    /// 0.
    pub record_length: U32,
    /// Bytes of the body.
    pub information_length: U64,
    /// Blocks in recorded extents.
    pub logical_blocks_recorded: U64,
    /// Last access.
    pub access_date_and_time: Timestamp,
    /// Last change of the body.
    pub modification_date_and_time: Timestamp,
    /// Last change of this entry.
    pub attribute_date_and_time: Timestamp,
    /// 1 and up.
    pub checkpoint: U32,
    /// 0, or the ICB of a file of extended attributes.
    pub extended_attribute_icb: LongAd,
    /// Who wrote it.
    pub implementation_identifier: EntityIdentifier,
    /// 0 for the root, else 16 and up (UDF 3.2.1.1).
    pub unique_id: U64,
    /// Bytes of extended attributes, a multiple of 4.
    pub length_of_extended_attributes: U32,
    /// Bytes of allocation descriptors, or of the embedded body.
    pub length_of_allocation_descriptors: U32,
}

const _: () = assert!(size_of::<FileEntry>() == 176);

impl Descriptor for FileEntry {
    const IDENTIFIER: TagIdentifier = TagIdentifier::FILE_ENTRY;
    const NAME: &'static str = "file entry";
}

/// The entry from 2.00 on: with a creation time and named streams.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ExtendedFileEntry {
    /// Identifier 266.
    pub tag: Tag,
    /// Kind of file, strategy, flags.
    pub icb_tag: IcbTag,
    /// Owner; 0xFFFFFFFF for none.
    pub uid: U32,
    /// Group; 0xFFFFFFFF for none.
    pub gid: U32,
    /// See [`permissions`].
    pub permissions: U32,
    /// How many file identifiers lead here.
    pub file_link_count: U16,
    /// 0.
    pub record_format: u8,
    /// 0.
    pub record_display_attributes: u8,
    /// 0.
    pub record_length: U32,
    /// Bytes of the body.
    pub information_length: U64,
    /// Bytes of the body and of all named streams.
    pub object_size: U64,
    /// Blocks in recorded extents.
    pub logical_blocks_recorded: U64,
    /// Last access.
    pub access_date_and_time: Timestamp,
    /// Last change of the body.
    pub modification_date_and_time: Timestamp,
    /// When the file was made; not later than the others.
    pub creation_date_and_time: Timestamp,
    /// Last change of this entry.
    pub attribute_date_and_time: Timestamp,
    /// 1 and up.
    pub checkpoint: U32,
    /// 0.
    pub reserved: U32,
    /// 0, or the ICB of a file of extended attributes.
    pub extended_attribute_icb: LongAd,
    /// 0, or the directory of the named streams.
    pub stream_directory_icb: LongAd,
    /// Who wrote it.
    pub implementation_identifier: EntityIdentifier,
    /// 0 for the root, else 16 and up (UDF 3.2.1.1).
    pub unique_id: U64,
    /// Bytes of extended attributes, a multiple of 4.
    pub length_of_extended_attributes: U32,
    /// Bytes of allocation descriptors, or of the embedded body.
    pub length_of_allocation_descriptors: U32,
}

const _: () = assert!(size_of::<ExtendedFileEntry>() == 216);

impl Descriptor for ExtendedFileEntry {
    const IDENTIFIER: TagIdentifier = TagIdentifier::EXTENDED_FILE_ENTRY;
    const NAME: &'static str = "extended file entry";
}

/// Free space as a list of extents (ECMA-167 4/14.11, UDF 2.3.7): [`ShortAd`](crate::general::ShortAd)s follow.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct UnallocatedSpaceEntry {
    /// Identifier 263.
    pub tag: Tag,
    /// File type 1.
    pub icb_tag: IcbTag,
    /// Bytes of allocation descriptors.
    pub length_of_allocation_descriptors: U32,
}

const _: () = assert!(size_of::<UnallocatedSpaceEntry>() == 40);

impl Descriptor for UnallocatedSpaceEntry {
    const IDENTIFIER: TagIdentifier = TagIdentifier::UNALLOCATED_SPACE_ENTRY;
    const NAME: &'static str = "unallocated space entry";
}

#[cfg(test)]
mod tests {
    use super::permissions::{self, CHANGE_ATTRIBUTES, DELETE, READ, WRITE};

    #[test]
    fn every_mode_survives() {
        for mode in 0..=0o777 {
            assert_eq!(permissions::to_mode(permissions::from_mode(mode)), mode);
        }
        assert_eq!(
            permissions::from_mode(0o644),
            (READ | WRITE | CHANGE_ATTRIBUTES | DELETE) << 10 | READ << 5 | READ
        );
    }
}
