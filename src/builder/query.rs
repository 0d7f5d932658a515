//! Asking what is there.

use super::{BuildError, FileSystemImage};
use crate::error::{Error, Result};
use crate::tree::{Attributes, Kind, NodeId};

/// Something on the volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemInfo {
    /// Its name; empty for the root directory.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The size of a regular file; 0 of anything else.
    pub size_bytes: u64,
    /// Owner, permissions and times.
    pub attributes: Attributes,
    /// Its content is where an earlier session recorded it.
    pub is_imported: bool,
}

impl FileSystemImage<'_> {
    /// What is there under a path; `None` if nothing is.
    pub fn kind(&mut self, path: &str) -> Result<Option<Kind>> {
        match self.info(path) {
            Ok(info) => Ok(Some(info.kind)),
            Err(Error::Build(BuildError::NotFound { .. } | BuildError::NotDirectory { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is there under a path, and what is known of it.
    pub fn info(&mut self, path: &str) -> Result<ItemInfo> {
        let node = self.find(path)?;
        self.info_of(node)
    }

    /// What is in a directory, in the order of names.
    pub fn list(&mut self, path: &str) -> Result<Vec<ItemInfo>> {
        let node = self.find(path)?;
        self.load(node, path)?;
        self.tree.children(node).to_vec().into_iter().map(|child| self.info_of(child)).collect()
    }

    pub(super) fn info_of(&mut self, node: NodeId) -> Result<ItemInfo> {
        let id = self.tree.node(node).inode;
        let inode = *self.tree.inode(id);
        let mut info = ItemInfo {
            name: self.tree.name_text(node),
            kind: inode.kind,
            size_bytes: self.tree.size_bytes(id),
            attributes: self.attributes_of(node)?,
            is_imported: inode.kept.is_some(),
        };
        if let (Some(disc), Some(kept)) = (&self.disc, inode.kept)
            && inode.kind != Kind::Directory
        {
            let entry = disc.import.volume().entry(&kept.entry_icb())?;
            info.kind = crate::session::kind_of(entry.kind).unwrap_or(Kind::File);
            info.size_bytes = if info.kind == Kind::File { entry.size_bytes } else { 0 };
        }
        Ok(info)
    }
}
