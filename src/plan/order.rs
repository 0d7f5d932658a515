//! The order of things: which inodes get entries, in which order, under which unique ids.

use std::collections::{HashMap, HashSet};

use udf::general::Moment;

use crate::error::{Error, Result};
use crate::tree::{Content, InodeId, Kind, NodeId, Streams, Tree};

/// The first unique id that is not reserved (UDF 3.2.1.1).
pub(super) const FIRST_UNIQUE_ID: u64 = 16;

/// Whose unique id a named stream has (UDF 3.2.1.1).
#[derive(Clone, Copy, Debug)]
pub enum Owner {
    /// That of an inode with a new entry, which comes before the stream's.
    Fresh(InodeId),
    /// The low half of one that an earlier session gave.
    Kept(u32),
}

/// What a walk over the loaded part of a tree finds.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Inodes that need a new entry: children of one directory together, directories depth first.
    pub(super) entries: Vec<InodeId>,
    /// Kept inodes whose entry must change, in no particular order.
    pub(super) changed: Vec<InodeId>,
    /// Directories whose body is recorded, in the order of their entries.
    pub(super) directories: Vec<NodeId>,
    /// Names but the first of an inode with several.
    pub(super) further_names: Vec<NodeId>,
    /// Names of fresh inodes that are no directories.
    pub(super) fresh_files: u32,
    /// Fresh directories.
    pub(super) fresh_directories: u32,
    /// Directories of named streams and the new streams in them: whose unique id they have.
    pub(super) owners: HashMap<InodeId, Owner>,
    /// The latest of all times of fresh inodes.
    pub(super) latest: Moment,
}

/// Walks the loaded part of the tree. `moves` says whether a directory that an earlier session recorded gets a new entry
/// (`true`) or changes the one it has (`false`).
pub(super) fn walk(tree: &Tree, moves: bool) -> Result<Order> {
    let mut order = Order { latest: Moment::MIN, ..Order::default() };
    let mut seen = HashSet::new();
    order.enter(tree, tree.root(), moves, &mut seen);
    let mut stack = vec![tree.root()];
    while let Some(directory) = stack.pop() {
        order.directories.push(directory);
        let children = tree.children(directory);
        let mut subdirectories = 0u32;
        for child in children {
            order.enter(tree, *child, moves, &mut seen);
            subdirectories += u32::from(tree.inode_of(*child).kind == Kind::Directory);
        }
        check_links(subdirectories)?;
        let loaded =
            children.iter().rev().filter(|c| matches!(tree.inode_of(**c).content, Content::Directory(_)));
        stack.extend(loaded);
    }
    Ok(order)
}

/// A directory has a link from itself and one from each directory in it; the count is 16 bits wide (ECMA-167 4/14.9.6).
fn check_links(subdirectories: u32) -> Result<()> {
    let limit = u32::from(u16::MAX) - 2;
    if subdirectories <= limit {
        return Ok(());
    }
    let what = "directories in one directory";
    Err(Error::Limit { what, value: u64::from(subdirectories), limit: u64::from(limit) })
}

impl Order {
    fn enter(&mut self, tree: &Tree, node: NodeId, moves: bool, seen: &mut HashSet<InodeId>) {
        let id = tree.node(node).inode;
        let inode = tree.inode(id);
        if inode.kept.is_none() {
            if inode.kind == Kind::Directory {
                self.fresh_directories += 1;
            } else {
                self.fresh_files += 1;
            }
        }
        if inode.links > 1 && inode.kind != Kind::Directory && !seen.insert(id) {
            if inode.kept.is_none() {
                self.further_names.push(node);
            }
            return;
        }
        match inode.kept {
            None => self.new_entry(tree, id),
            // Entries that move: of all directories, because each names its parent.
            Some(_) if moves && matches!(inode.content, Content::Directory(_)) => self.entries.push(id),
            Some(kept) if kept.changed && moves => self.entries.push(id),
            Some(kept) if kept.changed => self.changed.push(id),
            Some(_) => return,
        }
        if let Some(streams) = tree.streams(id) {
            self.enter_streams(tree, id, streams, moves);
        }
    }

    fn new_entry(&mut self, tree: &Tree, id: InodeId) {
        let times = tree.inode(id).attributes;
        let latest = times.accessed.max(times.modified).max(times.changed).max(times.created);
        self.latest = self.latest.max(latest);
        self.entries.push(id);
    }

    /// The directory of the named streams of an inode whose entry is recorded, and those of them that are new. They count as
    /// neither files nor directories.
    fn enter_streams(&mut self, tree: &Tree, owner: InodeId, streams: Streams, moves: bool) {
        let directory = tree.node(streams.node).inode;
        match tree.inode(directory).kept {
            None => self.new_entry(tree, directory),
            Some(_) if moves => self.entries.push(directory),
            Some(kept) if kept.changed => self.changed.push(directory),
            Some(_) => return,
        }
        let unique_id = streams.owner_unique_id.map_or(Owner::Fresh(owner), Owner::Kept);
        self.owners.insert(directory, unique_id);
        self.directories.push(streams.node);
        for stream in tree.children(streams.node) {
            let stream = tree.node(*stream).inode;
            if tree.inode(stream).kept.is_none() {
                self.new_entry(tree, stream);
                self.owners.insert(stream, unique_id);
            }
        }
    }
}

/// Which unique id belongs to which entry and name.
#[derive(Debug, Default)]
pub(crate) struct UniqueIds {
    by_further_name: HashMap<NodeId, u32>,
    /// The first that is free afterwards.
    pub(crate) next: u64,
}

impl UniqueIds {
    /// No further name has one yet; `next` is free.
    pub(super) fn new(next: u64) -> Self {
        Self { by_further_name: HashMap::new(), next }
    }

    /// Gives ids to the further names of inodes. To be called when the inodes have theirs: the id of a further name is
    /// larger than its entry's (UDF 2.3.4.3).
    pub(super) fn give_to(&mut self, further_names: &[NodeId]) -> Result<()> {
        self.by_further_name.reserve(further_names.len());
        for node in further_names {
            self.by_further_name.insert(*node, low_id(self.next)?);
            self.next += 1;
        }
        Ok(())
    }

    pub(super) fn of_further_name(&self, node: NodeId) -> Option<u32> {
        self.by_further_name.get(&node).copied()
    }
}

/// A unique id as names hold it. Beyond 2^32 they would no longer be unique (UDF 3.2.1.1).
pub(super) fn low_id(id: u64) -> Result<u32> {
    u32::try_from(id).map_err(|_| Error::Limit { what: "unique id", value: id, limit: u64::from(u32::MAX) })
}
