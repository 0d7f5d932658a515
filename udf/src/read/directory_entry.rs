//! A name in a directory, as a file identifier descriptor has it (ECMA-167 4/14.4).

use alloc::{string::String, vec::Vec};

use crate::file::characteristics;
use crate::general::{LongAd, Tag, text};
use crate::units::BlockAddress;

/// A name in a directory, and the ICB that it stands for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DirectoryEntry {
    /// Where in the directory's body the file identifier descriptor begins.
    pub offset_bytes: u64,
    /// Its length in the directory, padding included.
    pub len_bytes: u32,
    /// The block in which it begins.
    pub block: BlockAddress,
    /// Its tag.
    pub tag: Tag,
    /// 1.
    pub version: u16,
    /// See [`characteristics`].
    pub characteristics: u8,
    /// The ICB, with the unique id beside it.
    pub icb: LongAd,
    /// The name in d-characters; empty for the parent.
    pub name: Vec<u8>,
    /// Begins with an entity identifier if there is any.
    pub implementation_use: Vec<u8>,
}

impl DirectoryEntry {
    /// The name; what has no meaning in it becomes U+FFFD.
    #[must_use]
    pub fn name_text(&self) -> String {
        text::decode_lossy(&self.name)
    }

    /// Whether it leads back to the directory above.
    #[must_use]
    pub fn is_parent(&self) -> bool {
        self.characteristics & characteristics::PARENT != 0
    }

    /// Whether it is only what a deleted file left.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.characteristics & characteristics::DELETED != 0
    }

    /// Whether it stands for a file that is there.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.is_parent() && !self.is_deleted()
    }

    /// Whether users should not see it at first.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.characteristics & characteristics::HIDDEN != 0
    }

    /// Whether it says that it stands for a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.characteristics & characteristics::DIRECTORY != 0
    }
}
