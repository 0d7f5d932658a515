//! The metadata space: which of its blocks are what, and what must be fetched for them.

use std::ops::Range;

use udf::file::AllocationExtentDescriptor;
use udf::general::{Descriptor, Tag};

use super::blocks_in;
use crate::plan::{Fetch, From, Mirror, NOWHERE, Plan, Run, is_embedded};
use crate::tree::{self, InodeId, Tree};

impl Plan {
    /// Blocks of the metadata space that the previous session recorded.
    fn old_runs(&self) -> &[Run] {
        let metadata = self.base.as_ref().and_then(|base| base.metadata.as_ref());
        metadata.map_or(&[], |metadata| &metadata.main)
    }

    /// Blocks of the old metadata, in pieces that lie together in the mirror, each with the run of it that it lies in.
    fn mirrored(&self, blocks: &Range<u32>) -> Vec<(Range<u32>, Option<Run>)> {
        let metadata = self.base.as_ref().and_then(|base| base.metadata.as_ref());
        let Some(metadata) = metadata.filter(|metadata| metadata.duplicate) else {
            return Vec::from_iter((!blocks.is_empty()).then(|| (blocks.clone(), None)));
        };
        let mut pieces = Vec::new();
        let mut at = blocks.start;
        for run in &metadata.mirror {
            let piece = common(&(at..blocks.end), &run.range());
            if piece.is_empty() {
                continue;
            }
            if piece.start > at {
                pieces.push((at..piece.start, None));
            }
            at = piece.end;
            pieces.push((piece, Some(*run)));
        }
        if at < blocks.end {
            pieces.push((at..blocks.end, None));
        }
        pieces
    }

    fn new_entries(&self) -> Range<u32> {
        let count = u32::try_from(self.spaces.entries.len()).unwrap_or(u32::MAX);
        self.spaces.first_entry..self.spaces.first_entry + count
    }

    /// Whether the file set is among the blocks that change.
    fn file_set_blocks(&self) -> Range<u32> {
        if self.file_set_block == NOWHERE {
            return 0..0;
        }
        let carried_over = !self.old_runs().is_empty() && !self.heads.relabelled;
        let end = self.file_set_block + if carried_over { 0 } else { self.shape.file_set_blocks() };
        // Of a volume that others made only the descriptor itself is known to be there.
        let end = if self.old_runs().is_empty() { end } else { end.min(self.file_set_block + 1) };
        self.file_set_block..end
    }

    pub(super) fn metadata_fetches(&self, tree: &Tree, first: u32, blocks: u32, each: &mut dyn FnMut(Fetch)) {
        let range = first..first + blocks;
        let size = self.block_size();
        let at = |block: u32| size.bytes_in(block - first);
        let place =
            |run: &Run, block: u32| size.bytes_in(self.partition_start.0 + run.block + (block - run.first));
        for run in self.old_runs() {
            for (blocks, second) in self.mirrored(&common(&range, &run.range())) {
                let mirror = second
                    .map(|second| Mirror { offset_bytes: place(&second, blocks.start), first: blocks.start });
                let from = From::Volume { offset_bytes: place(run, blocks.start), mirror };
                let bytes = size.bytes_in(blocks.end - blocks.start);
                each(Fetch { at_bytes: at(blocks.start), bytes, from });
            }
        }
        if let Some(base) = &self.base
            && self.old_runs().is_empty()
            && range.contains(&self.file_set_block)
        {
            let (offset_bytes, mirror) = (base.file_set_offset_bytes, base.file_set_mirror);
            let from = From::Volume { offset_bytes, mirror };
            each(Fetch { at_bytes: at(self.file_set_block), bytes: u64::from(size.bytes()), from });
        }
        for block in common(&range, &self.new_entries()) {
            let inode = self.entry_at(block);
            if let Some((inside, bytes, from)) = self.entry_fetch(tree, inode) {
                each(Fetch { at_bytes: at(block) + inside, bytes, from });
            }
        }
    }

    fn entry_at(&self, block: u32) -> InodeId {
        self.spaces.entries[(block - self.spaces.first_entry) as usize]
    }

    /// What a new entry needs: the old entry of what is kept, the body of a file that it embeds.
    fn entry_fetch(&self, tree: &Tree, id: InodeId) -> Option<(u64, u64, From)> {
        let inode = tree.inode(id);
        if inode.kept.is_some() {
            let entry = self.base.as_ref()?.entries.get(&id)?;
            let from = From::Volume { offset_bytes: entry.offset_bytes, mirror: entry.mirror };
            return Some((0, u64::from(self.block_size().bytes()), from));
        }
        if !matches!(inode.content, tree::Content::Host(_) | tree::Content::Input(_)) {
            return None;
        }
        let (size_bytes, capacity) = (tree.size_bytes(id), self.shape.capacity(inode));
        let embedded = size_bytes > 0 && is_embedded(size_bytes, capacity, self.shape);
        let head = (self.block_size().len() - capacity) as u64;
        embedded.then_some((head, size_bytes, From::File { inode: id, offset_bytes: 0 }))
    }

    pub(super) fn metadata(&self, tree: &Tree, first: u32, out: &mut [u8]) {
        let range = first..first + blocks_in(out, self.block_size());
        let len = self.block_size().len();
        let mut block_at = |block: u32, render: &mut dyn FnMut(&mut [u8])| {
            let start = (block - first) as usize * len;
            render(&mut out[start..start + len]);
        };
        for block in common(&range, &self.file_set_blocks()) {
            let is_end = block > self.file_set_block;
            block_at(block, &mut |out| if is_end { self.file_set_end(out) } else { self.file_set(out) });
        }
        for block in common(&range, &self.own_files()) {
            let number = block - self.own_files().start;
            block_at(block, &mut |out| self.own_file(number, out));
        }
        for block in common(&range, &self.new_entries()) {
            let inode = self.entry_at(block);
            let number = self.spaces.icb(tree, inode);
            block_at(block, &mut |out| self.entry(tree, inode, number, out));
        }
        for (block, inode) in self.patches.range(range.clone()) {
            block_at(*block, &mut |out| self.entry(tree, *inode, *block, out));
        }
        self.bodies(tree, &range, out);
        self.chains(tree, &range, out);
    }

    /// Directories' bodies, as far as they lie in the range.
    fn bodies(&self, tree: &Tree, range: &Range<u32>, out: &mut [u8]) {
        let size = self.block_size();
        let from = self.body_before(range.start);
        for body in self.spaces.bodies[from..].iter().take_while(|body| body.first < range.end) {
            let start = size.bytes_in(range.start.max(body.first) - body.first);
            let end = size.bytes_in(range.end - body.first).min(body.bytes);
            if start < end {
                let at = super::to_usize(size.bytes_in(range.start.max(body.first) - range.start));
                let out = &mut out[at..at + super::to_usize(end - start)];
                self.directory_part(tree, body, start, out);
            }
        }
    }

    /// Allocation extents, as far as they lie in the range (ECMA-167 4/14.5).
    fn chains(&self, tree: &Tree, range: &Range<u32>, out: &mut [u8]) {
        let len = self.block_size().len();
        let before = self.spaces.chain_blocks.range(..range.start).next_back();
        for (_, inode) in before.into_iter().chain(self.spaces.chain_blocks.range(range.clone())) {
            let chain = self.spaces.chains[inode];
            let blocks = common(range, &(chain.first..chain.first + chain.blocks));
            if blocks.is_empty() {
                continue;
            }
            let parts = self.descriptor_parts(tree, *inode);
            for block in blocks {
                // The first part is in the entry.
                let part = &parts[(block - chain.first) as usize + 1];
                let start = (block - range.start) as usize * len;
                let out = &mut out[start..start + len];
                let descriptor = AllocationExtentDescriptor {
                    tag: Tag::default(),
                    previous_allocation_extent_location: 0.into(),
                    length_of_allocation_descriptors: u32::try_from(part.len()).unwrap_or(0).into(),
                };
                let block = self.spaces.block(block);
                descriptor.write(part, out, self.seal, block);
                if !self.shape.rules().allocation_extent_crc_is_full {
                    Tag::seal_partly(out, AllocationExtentDescriptor::IDENTIFIER, self.seal, block, 8);
                }
            }
        }
    }
}

fn common(a: &Range<u32>, b: &Range<u32>) -> Range<u32> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}
