//! Changing what is there, new or imported: removing, renaming, moving, attributes.

use super::{BuildError, Conflict, FileSystemImage};
use crate::error::Result;
use crate::tree::{Attributes, Kind, NodeId};

impl FileSystemImage<'_> {
    /// Removes a file, or a directory that is empty. What earlier sessions hold of it stays there.
    pub fn remove(&mut self, path: &str) -> Result<()> {
        self.change(|image| {
            let node = image.find(path)?;
            if node == image.tree.root() {
                return Err(BuildError::Root.into());
            }
            if image.tree.inode_of(node).kind == Kind::Directory {
                image.load(node, path)?;
                if !image.tree.children(node).is_empty() {
                    return Err(BuildError::DirectoryNotEmpty { path: path.into() }.into());
                }
            }
            image.unlink(node);
            Ok(())
        })
    }

    /// Removes a file, or a directory with all that is in it; of the root directory, only what is in it.
    pub fn remove_tree(&mut self, path: &str) -> Result<()> {
        self.change(|image| {
            let node = image.find(path)?;
            if node == image.tree.root() {
                for child in image.tree.children(node).to_vec() {
                    image.unlink(child);
                }
            } else {
                image.unlink(node);
            }
            Ok(())
        })
    }

    pub(super) fn unlink(&mut self, node: NodeId) {
        self.touch(self.tree.node(node).parent);
        self.tree.unlink(node);
    }

    /// Gives something another path: another name, another directory, or both. No data is written again for that.
    pub fn rename(&mut self, from: &str, to: &str, on_conflict: Conflict) -> Result<()> {
        self.change(|image| {
            let node = image.find(from)?;
            let place = image.place(to)?;
            if node == image.tree.root() {
                return Err(BuildError::Root.into());
            }
            if place.there == Some(node) {
                return Ok(());
            }
            let up = std::iter::successors(Some(place.parent), |at| Some(image.tree.node(*at).parent));
            if up.take_while(|at| *at != image.tree.root()).any(|at| at == node) {
                return Err(BuildError::IntoItself { from: from.into(), to: to.into() }.into());
            }
            if !image.makes_way(place.there, to, on_conflict)? {
                return Ok(());
            }
            if let Some(there) = place.there {
                image.unlink(there);
            }
            image.touch(image.tree.node(node).parent);
            image.touch(place.parent);
            if image.tree.inode_of(node).kind == Kind::Directory {
                // It names its parent.
                image.load(node, from)?;
                image.touch(node);
            }
            let moved = image.tree.move_to(node, place.parent, &place.name);
            moved.map_err(|_| BuildError::Exists { path: to.into() }.into())
        })
    }

    /// Gives a file one more name: both stand for the same thing then, and neither is the first. No data is written again.
    ///
    /// Directories have one name.
    pub fn add_hard_link(&mut self, existing: &str, to: &str, on_conflict: Conflict) -> Result<()> {
        self.change(|image| {
            let node = image.find(existing)?;
            let id = image.tree.node(node).inode;
            if image.tree.inode(id).kind == Kind::Directory {
                return Err(BuildError::NotFile { path: existing.into() }.into());
            }
            let place = image.place(to)?;
            if place.there.is_some_and(|there| image.tree.node(there).inode == id) {
                // Replacing one of its names by itself changes nothing.
                return image.makes_way(place.there, to, on_conflict).map(drop);
            }
            if !image.makes_way(place.there, to, on_conflict)? {
                return Ok(());
            }
            let new = image.put(&place, id, to)?;
            if image.tree.inode(id).kept.is_some() {
                image.changes.linked(new, id);
            }
            Ok(())
        })
    }

    /// The attributes of something.
    pub fn attributes(&mut self, path: &str) -> Result<Attributes> {
        let node = self.find(path)?;
        self.attributes_of(node)
    }

    pub(super) fn attributes_of(&mut self, node: NodeId) -> Result<Attributes> {
        let id = self.tree.node(node).inode;
        let inode = self.tree.inode(id);
        let is_known = inode.kept.is_none()
            || self.changes.has_attributes(id)
            || matches!(inode.content, crate::tree::Content::Directory(_));
        match (&self.disc, inode.kept) {
            (Some(disc), Some(kept)) if !is_known => {
                let icb = kept.entry_icb();
                Ok(crate::session::attributes(&disc.import.volume().entry(&icb)?))
            }
            _ => Ok(inode.attributes),
        }
    }

    /// Gives something other attributes. It cannot be created later than it was read or changed.
    pub fn set_attributes(&mut self, path: &str, attributes: Attributes) -> Result<()> {
        let Attributes { accessed, modified, changed, created, mode, .. } = attributes;
        if created > accessed || created > modified || created > changed {
            return Err(BuildError::InvalidDate { path: path.into() }.into());
        }
        let attributes = Attributes { mode: mode & 0o7777, ..attributes };
        self.change(|image| {
            let node = image.find(path)?;
            let id = image.tree.node(node).inode;
            if image.tree.inode(id).kind == Kind::Directory {
                image.load(node, path)?;
                image.touch(node);
            } else if image.tree.inode(id).kept.is_some() {
                image.changes.attributes(id);
            }
            image.tree.set_attributes(id, attributes);
            Ok(())
        })
    }

    /// Notes that a directory is no longer what the imported session recorded.
    pub(super) fn touch(&mut self, directory: NodeId) {
        if self.tree.inode_of(directory).kept.is_some() {
            self.changes.directory(directory);
        }
    }
}
