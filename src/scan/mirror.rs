//! Takes out of the tree what earlier sessions recorded and the sources no longer hold.

use std::collections::HashSet;

use super::Scanner;
use crate::error::Result;
use crate::tree::{Kind, Name, NodeId};

/// What is needed to tell what is gone.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    /// What earlier sessions recorded under a name that a source lists, whatever became of that.
    seen: HashSet<NodeId>,
    /// Directories of earlier sessions that were gone through.
    directories: Vec<NodeId>,
}

impl Scanner<'_> {
    /// A source lists this name.
    pub(super) fn see(&mut self, parent: NodeId, name: &Name) {
        if self.options.mirror
            && let Some(node) = self.tree.child(parent, name)
            && self.tree.inode_of(node).kept.is_some()
        {
            self.mirror.seen.insert(node);
        }
    }

    /// A source lists this name, which is new and stands for something that an earlier session recorded.
    pub(super) fn see_node(&mut self, node: NodeId) {
        if self.options.mirror {
            self.mirror.seen.insert(node);
        }
    }

    /// A source lists this directory.
    pub(super) fn mirror_directory(&mut self, directory: NodeId) {
        if self.options.mirror && self.tree.inode_of(directory).kept.is_some() {
            self.mirror.directories.push(directory);
        }
    }

    /// Removes what no source listed. This comes after all sources, because several may share a directory.
    pub(super) fn mirror(&mut self) -> Result<()> {
        for directory in std::mem::take(&mut self.mirror.directories) {
            self.progress.check()?;
            let children = self.tree.children(directory).iter().copied();
            let gone: Vec<_> = children.filter(|node| self.is_gone(*node)).collect();
            for node in gone {
                self.touch(directory);
                self.outcome.removed += self.tree.unlink(node) as u64;
            }
        }
        Ok(())
    }

    fn is_gone(&self, node: NodeId) -> bool {
        let inode = self.tree.inode_of(node);
        let protected = || {
            let is_directory = inode.kind == Kind::Directory;
            let path = self.tree.path(node);
            self.options.protected.contains(&&path[1..])
                || self.options.exclude.excludes(&path[1..], is_directory)
        };
        inode.kept.is_some() && !self.mirror.seen.contains(&node) && !protected()
    }
}
