//! Directories: file identifier descriptors, the parent's first, then that of a file that the volume has of itself, then the
//! children's in the order of their names.

use udf::BlockAddress;
use udf::file::{FileIdentifierDescriptor, characteristics};
use udf::general::LongAd;

use zerocopy::IntoBytes;

use crate::plan::record::developer;
use crate::plan::{DirectoryBody, MARK_EVERY, Plan};
use crate::tree::{InodeId, Kind, NodeId, Tree};

impl Plan {
    /// The part of a directory's body that begins at byte `start`, a multiple of the block size.
    pub(super) fn directory_part(&self, tree: &Tree, body: &DirectoryBody, start: u64, out: &mut [u8]) {
        let end = start + out.len() as u64;
        // From the last mark before the part on; before the first mark stands the parent.
        let mark = body.marks.partition_point(|mark| *mark <= start).saturating_sub(1);
        let (first_child, mut at) = match body.marks.get(mark) {
            Some(offset) if *offset <= start => (mark * MARK_EVERY, *offset),
            _ => (0, 0),
        };
        let mut identifier = Vec::with_capacity(300);
        let mut emit = |identifier: &[u8], at: u64| {
            let (low, high) = (at.max(start), (at + identifier.len() as u64).min(end));
            if low < high {
                let from = super::to_usize(low - at);
                let to = super::to_usize(low - start);
                let len = super::to_usize(high - low);
                out[to..to + len].copy_from_slice(&identifier[from..from + len]);
            }
        };
        let first = self.spaces.block(body.first);
        let block_of =
            |at: u64| first + u32::try_from(at / u64::from(self.block_size().bytes())).unwrap_or(0);
        if at == 0 {
            self.parent(tree, body.node, block_of(0), &mut identifier);
            self.space_file_name(tree, body.node, block_of(0), &mut identifier);
            emit(&identifier, 0);
            at = identifier.len() as u64;
        }
        for child in &tree.children(body.node)[first_child..] {
            if at >= end {
                break;
            }
            identifier.clear();
            let padding = self.shape.name_padding(at, tree.name(*child).len());
            self.name(tree, *child, block_of(at), padding, &mut identifier);
            emit(&identifier, at);
            at += identifier.len() as u64;
        }
    }

    /// A whole body whose descriptors are all located at `location`: one embedded in its entry (UDF 2.3.4).
    pub(super) fn embedded_directory(&self, tree: &Tree, node: NodeId, location: u32) -> Vec<u8> {
        let mut body = Vec::new();
        self.parent(tree, node, location, &mut body);
        self.space_file_name(tree, node, location, &mut body);
        for child in tree.children(node) {
            self.name(tree, *child, location, 0, &mut body);
        }
        body
    }

    fn parent(&self, tree: &Tree, node: NodeId, location: u32, out: &mut Vec<u8>) {
        let parent = tree.node(node).parent;
        let (icb, flags) = if let Some(owner) = tree.stream_owner(node) {
            // Streams are below a file, and their ids are the file's (UDF 3.2.1.1, 3.3.5).
            let unique_id = self.spaces.places[tree.node(node).inode.index()].unique_id;
            let is_directory = tree.inode(owner).kind == Kind::Directory;
            let flags = if is_directory { characteristics::DIRECTORY } else { 0 };
            (self.inode_icb(tree, owner, unique_id), flags)
        } else {
            let unique_id = if parent == tree.root() { 0 } else { self.name_facts(tree, parent).0 };
            (self.icb(tree, parent, unique_id), characteristics::DIRECTORY)
        };
        let flags = characteristics::PARENT | flags;
        FileIdentifierDescriptor::new(flags, icb).append_to(&[], &[], out, self.seal, location);
    }

    fn name(&self, tree: &Tree, node: NodeId, location: u32, padding: usize, out: &mut Vec<u8>) {
        let developer = developer();
        let padding = &developer.as_bytes()[..padding];
        let inode = tree.inode_of(node);
        let directory = if inode.kind == Kind::Directory { characteristics::DIRECTORY } else { 0 };
        let (unique_id, kept) = self.name_facts(tree, node);
        let icb = self.icb(tree, node, unique_id);
        FileIdentifierDescriptor::new(directory | kept & characteristics::HIDDEN, icb).append_to(
            padding,
            tree.name(node),
            out,
            self.seal,
            location,
        );
    }

    /// The ICB of a node, with the unique id beside it from 2.00 on (UDF 2.3.4.3).
    fn icb(&self, tree: &Tree, node: NodeId, unique_id: u32) -> LongAd {
        self.inode_icb(tree, tree.node(node).inode, unique_id)
    }

    pub(super) fn inode_icb(&self, tree: &Tree, inode: InodeId, unique_id: u32) -> LongAd {
        let block = self.spaces.icb(tree, inode);
        let unique_id = if self.shape.rules().streams { unique_id } else { 0 };
        LongAd::icb(self.block_size().bytes(), BlockAddress::new(self.metadata_reference(), block), unique_id)
    }
}
