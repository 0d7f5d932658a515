//! Named streams (UDF 3.3.5): bodies that a file has beside its own. Their directory is a node that no listing shows.

use super::journal::Undo;
use super::{InodeId, Node, NodeId, Text, Tree};

/// The directory of the named streams of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams {
    /// Its node; the streams are its children.
    pub node: NodeId,
    /// The low half of the unique id of the inode that they belong to, if an earlier session gave it one.
    pub owner_unique_id: Option<u32>,
}

impl Tree {
    /// Gives an inode a directory for named streams. `below` is one of its names, by which the streams are told of.
    ///
    /// # Panics
    /// Beyond 2^32 names.
    pub fn add_streams(
        &mut self,
        owner: InodeId,
        below: NodeId,
        directory: InodeId,
        owner_unique_id: Option<u32>,
    ) -> NodeId {
        let node = NodeId(u32::try_from(self.nodes.len()).expect("fewer than 2^32 names"));
        self.nodes.push(Node { parent: below, inode: directory, name: Text::EMPTY });
        self.count(node, directory);
        self.streams.insert(owner, Streams { node, owner_unique_id });
        self.stream_owners.insert(node, owner);
        self.note(Undo::Streams(owner));
        node
    }

    pub(super) fn forget_streams(&mut self, owner: InodeId) {
        if let Some(streams) = self.streams.remove(&owner) {
            self.stream_owners.remove(&streams.node);
        }
    }

    /// The directory of an inode's named streams, if it has one and it is in the tree.
    #[must_use]
    pub fn streams(&self, owner: InodeId) -> Option<Streams> {
        self.streams.get(&owner).copied()
    }

    /// The inode whose streams are in this directory; `None` if it is none of streams.
    #[must_use]
    pub fn stream_owner(&self, directory: NodeId) -> Option<InodeId> {
        self.stream_owners.get(&directory).copied()
    }

    /// Inodes whose streams are in the tree, with their directories.
    pub fn all_streams(&self) -> impl Iterator<Item = (InodeId, Streams)> {
        self.streams.iter().map(|(owner, streams)| (*owner, *streams))
    }
}
