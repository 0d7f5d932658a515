//! Named streams (UDF 3.3.5): bodies that a file has beside its own. Their directory is a node that no listing shows.

use super::journal::Undo;
use super::{InodeId, Name, Node, NodeId, Text, Tree};

/// Names that begin so are UDF's own (UDF 3.3.8); these are those of files that anybody may write.
const RESERVED: &str = "*UDF";
const OF_FILES: [&str; 4] = ["*UDF Macintosh Resource Fork", "*UDF OS/2 EA", "*UDF NT ACL", "*UDF UNIX ACL"];

/// The name of a stream of a file, if it can be one; else why not.
pub(crate) fn stream_name(name: &str) -> Result<Name, String> {
    if name.starts_with(RESERVED) && !OF_FILES.contains(&name) {
        return Err(String::from("names of streams that begin with *UDF are reserved"));
    }
    Name::new(name).map_err(|fault| fault.to_string())
}

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
        self.keep_streams(owner, Streams { node, owner_unique_id });
        self.note(Undo::Streams(owner));
        node
    }

    pub(super) fn keep_streams(&mut self, owner: InodeId, streams: Streams) {
        self.streams.insert(owner, streams);
        self.stream_owners.insert(streams.node, owner);
    }

    /// Takes the directory of an inode's named streams away again: one that no session has recorded, and that is empty.
    pub(crate) fn remove_streams(&mut self, owner: InodeId) {
        if let Some(streams) = self.streams(owner) {
            self.forget_streams(owner);
            self.note(Undo::NoStreams(owner, streams));
        }
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
