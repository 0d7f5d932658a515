//! Change points: every change is one, and can be taken back.

use std::collections::BTreeSet;

use super::{BuildError, FileSystemImage};
use crate::error::Result;
use crate::scan::Outcome;
use crate::tree::{InodeId, NodeId};

/// What of the imported session is no longer as it was, beside the tree itself; and how to take that back.
#[derive(Debug, Default)]
pub(super) struct Changes {
    directories: BTreeSet<NodeId>,
    attributes: BTreeSet<InodeId>,
    linked: Vec<(NodeId, InodeId)>,
    undo: Vec<Undo>,
}

#[derive(Clone, Copy, Debug)]
enum Undo {
    Directory(NodeId),
    Attributes(InodeId),
    Linked,
}

/// Everything before a change.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    journal: usize,
    changes: usize,
    warnings: usize,
    label: Option<String>,
}

impl Changes {
    pub(super) fn directory(&mut self, node: NodeId) {
        if self.directories.insert(node) {
            self.undo.push(Undo::Directory(node));
        }
    }

    pub(super) fn attributes(&mut self, inode: InodeId) {
        if self.attributes.insert(inode) {
            self.undo.push(Undo::Attributes(inode));
        }
    }

    /// A further name of something that was imported.
    pub(super) fn linked(&mut self, node: NodeId, inode: InodeId) {
        self.linked.push((node, inode));
        self.undo.push(Undo::Linked);
    }

    /// Whether the tree knows the attributes of something that was imported.
    pub(super) fn has_attributes(&self, inode: InodeId) -> bool {
        self.attributes.contains(&inode)
    }

    pub(super) fn add(&mut self, outcome: &Outcome) {
        outcome.changed_directories.iter().for_each(|node| self.directory(*node));
        outcome.changed_attributes.iter().for_each(|inode| self.attributes(*inode));
        outcome.linked.iter().for_each(|(node, inode)| self.linked(*node, *inode));
    }

    fn undo_to(&mut self, len: usize) {
        while self.undo.len() > len {
            match self.undo.pop() {
                Some(Undo::Directory(node)) => _ = self.directories.remove(&node),
                Some(Undo::Attributes(inode)) => _ = self.attributes.remove(&inode),
                Some(Undo::Linked) => _ = self.linked.pop(),
                None => {}
            }
        }
    }

    /// All of it, as the end of an import wants it.
    pub(super) fn outcome(&self) -> Outcome {
        Outcome {
            changed_directories: self.directories.clone(),
            changed_attributes: self.attributes.clone(),
            linked: self.linked.clone(),
            ..Outcome::default()
        }
    }
}

impl FileSystemImage<'_> {
    /// Does something wholly or not at all; if it was done, it is one more change.
    pub(super) fn change<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let mark = Mark {
            journal: self.tree.journal_len(),
            changes: self.changes.undo.len(),
            warnings: self.warnings.len(),
            label: self.label.clone(),
        };
        match act(self) {
            Ok(done) => {
                self.used_blocks = None;
                self.points.push(mark);
                Ok(done)
            }
            Err(error) => {
                self.restore(&mark);
                Err(error)
            }
        }
    }

    fn restore(&mut self, mark: &Mark) {
        self.tree.undo_to(mark.journal);
        self.changes.undo_to(mark.changes);
        self.warnings.truncate(mark.warnings);
        self.label.clone_from(&mark.label);
        self.used_blocks = None;
    }

    /// Whether the next session would hold anything else than the one that was imported.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.label.is_some() || self.tree.journal_len() > 0 || !self.changes.undo.is_empty()
    }

    /// How many changes were made, and not taken back.
    #[must_use]
    pub fn change_point(&self) -> usize {
        self.points.len()
    }

    /// Takes back all changes but the first so many.
    pub fn roll_back_to(&mut self, point: usize) -> Result<()> {
        let (locked, made) = (self.locked, self.points.len());
        if point < locked || point > made {
            return Err(BuildError::NoChangePoint { asked: point, locked, made }.into());
        }
        if let Some(mark) = self.points.get(point).cloned() {
            self.restore(&mark);
            self.points.truncate(point);
        }
        Ok(())
    }

    /// What was changed so far can no longer be taken back.
    pub fn lock_in_change_point(&mut self) {
        self.locked = self.points.len();
    }
}
