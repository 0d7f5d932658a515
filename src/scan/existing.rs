//! What a scan asks of the sessions that the tree came from.

use crate::error::{Error, Result};
use crate::tree::{Attributes, Kind, NodeId, Tree};

/// Something of the host, as it would be recorded.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What it is; never a directory.
    pub kind: Kind,
    /// The size of a regular file; 0 of anything else.
    pub size_bytes: u64,
    /// Attributes, after all options.
    pub attributes: &'a Attributes,
    /// The target of a symbolic link; empty for anything else.
    pub target: &'a str,
    /// Major and minor number of a device; 0 for anything else.
    pub device: (u32, u32),
}

/// How two things compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// They are not the same.
    Other,
    /// They are of the same kind, size and time of modification, but owner, group or permissions differ.
    Content,
    /// All of that is the same.
    All,
}

/// The sessions that a tree came from, for the inodes that are [`kept`](crate::tree::Inode::kept).
pub trait Existing {
    /// Gives a kept directory that has no [`Content`](crate::tree::Content) yet its children and its attributes. It stays
    /// kept: whether it changes is told by [`Outcome::changed_directories`](super::Outcome::changed_directories).
    fn load(&mut self, tree: &mut Tree, directory: NodeId) -> Result<()>;

    /// How what is recorded, a kept inode that is no directory, compares with what is on the host.
    fn compare(&mut self, tree: &Tree, node: NodeId, facts: &Facts<'_>) -> Result<Sameness>;
}

/// For trees in which nothing is kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSession;

impl Existing for NoSession {
    fn load(&mut self, tree: &mut Tree, directory: NodeId) -> Result<()> {
        let path = tree.path(directory);
        Err(Error::Options(format!("{path} is of an earlier session, and none was given")))
    }

    fn compare(&mut self, _: &Tree, _: NodeId, _: &Facts<'_>) -> Result<Sameness> {
        Ok(Sameness::Other)
    }
}
