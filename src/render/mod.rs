//! From a plan to bytes: pure, and unable to fail, because the plan has checked everything.

mod directory;
mod entry;
mod in_place;
mod metadata;
mod sparable;
mod table;
mod volume;

use udf::BlockSize;

use crate::plan::{Content, Fetch, From, Plan, Segment, Step, stretches};
use crate::tree::{self, InodeId, Tree};

/// What streaming needs of a plan: its steps, and how the blocks of a segment come to be.
pub trait Render: Sync {
    /// The size of a block.
    fn block_size(&self) -> BlockSize;

    /// What is to be written, step by step.
    fn steps(&self) -> &[Step];

    /// Blocks from sector 0 to the end of the volume.
    fn end_blocks(&self) -> u32;

    /// Calls `each` with what must be fetched into `blocks` blocks of `segment`, from its `first`-th on, in ascending order of
    /// places. What no fetch covers must be zeros before [`render`](Self::render).
    fn fetches(&self, tree: &Tree, segment: &Segment, first: u32, blocks: u32, each: &mut dyn FnMut(Fetch));

    /// Completes those blocks in `out`, which holds what was fetched, and zeros elsewhere. Cannot fail. For data there is
    /// nothing to do.
    fn render(&self, tree: &Tree, segment: &Segment, first: u32, out: &mut [u8]);
}

impl Render for Plan {
    fn block_size(&self) -> BlockSize {
        self.block_size()
    }

    fn steps(&self) -> &[Step] {
        self.steps()
    }

    fn end_blocks(&self) -> u32 {
        self.end_blocks()
    }

    fn fetches(&self, tree: &Tree, segment: &Segment, first: u32, blocks: u32, each: &mut dyn FnMut(Fetch)) {
        match segment.content {
            Content::Metadata { first: base } => self.metadata_fetches(tree, base + first, blocks, each),
            Content::Data { first: base } => {
                self.data_pieces(tree, base + first, blocks, &mut |inode, offset_bytes, at_bytes, bytes| {
                    if matches!(tree.inode(inode).content, tree::Content::Host(_) | tree::Content::Input(_)) {
                        each(Fetch { at_bytes, bytes, from: From::File { inode, offset_bytes } });
                    }
                });
            }
            _ => {}
        }
    }

    fn render(&self, tree: &Tree, segment: &Segment, first: u32, out: &mut [u8]) {
        match segment.content {
            Content::Zeros => {}
            Content::Recognition => self.recognition(first, out),
            Content::Anchor => self.anchor(segment.start, out),
            Content::Sequence => self.sequence(segment.start, first, out),
            Content::SparingTable => self.sparing_table(segment.start, out),
            Content::Integrity => self.integrity(segment.start, first, out),
            Content::Table { first: base } => self.table_body(base + first, out),
            Content::TableEntry => self.table_entries(segment.start, first, out),
            Content::MetadataEntry { mirror } => self.metadata_file_entry(mirror, out),
            Content::Metadata { first: base } => self.metadata(tree, base + first, out),
            Content::Bitmap { which, first: base } => self.space_bitmap(which, base + first, out),
            Content::MetadataBitmap { which, first: base } => self.metadata_bitmap(which, base + first, out),
            Content::Prepared { first: base } => self.prepared(base + first, out),
            Content::Data { first: base } => {
                let blocks = blocks_in(out, self.block_size());
                let mut copies = Vec::new();
                self.data_pieces(tree, base + first, blocks, &mut |inode, offset, at, bytes| {
                    copies.push((inode, offset, at, bytes));
                });
                for (inode, offset, at, bytes) in copies {
                    if let Some(body) = self.body_in_memory(tree, inode) {
                        let (offset, at, bytes) = (to_usize(offset), to_usize(at), to_usize(bytes));
                        out[at..at + bytes].copy_from_slice(&body[offset..offset + bytes]);
                    }
                }
            }
        }
    }
}

impl Plan {
    /// Calls `each` with (inode, offset in its body, offset in the range, bytes) for what lies in a range of the data space.
    fn data_pieces(
        &self,
        tree: &Tree,
        first: u32,
        blocks: u32,
        each: &mut dyn FnMut(InodeId, u64, u64, u64),
    ) {
        let size = self.block_size();
        let (from, to) = (size.bytes_in(first), size.bytes_in(first) + size.bytes_in(blocks));
        let files = &self.spaces.files;
        let place = |inode: InodeId| self.spaces.places[inode.0 as usize].body;
        let begin = files.partition_point(|inode| place(*inode) <= first).saturating_sub(1);
        for inode in files[begin..].iter().copied().take_while(|inode| place(*inode) < first + blocks) {
            let start = size.bytes_in(place(inode));
            let mut piece = |offset: u64, block: u32, bytes: u64| {
                let start = start + size.bytes_in(block);
                let (low, high) = (start.max(from), (start + bytes).min(to));
                if low < high {
                    each(inode, offset + (low - start), low - from, high - low);
                }
            };
            if let Some(target) = self.spaces.targets.get(&inode) {
                piece(0, 0, target.len() as u64);
            } else {
                let recorded = stretches(tree, inode, size).filter(|stretch| stretch.recorded);
                recorded.for_each(|stretch| piece(stretch.offset_bytes, stretch.block, stretch.bytes));
            }
        }
    }

    /// The body of what is not a file of the host.
    fn body_in_memory<'a>(&'a self, tree: &'a Tree, inode: InodeId) -> Option<&'a [u8]> {
        match tree.inode(inode).content {
            tree::Content::Memory(body) => Some(tree.body(body)),
            tree::Content::Target(_) => self.spaces.targets.get(&inode).map(Vec::as_slice),
            _ => None,
        }
    }
}

/// Whole blocks in a buffer.
fn blocks_in(out: &[u8], block_size: BlockSize) -> u32 {
    u32::try_from(out.len() / block_size.len()).unwrap_or(u32::MAX)
}

/// Lengths inside a buffer fit memory.
fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
