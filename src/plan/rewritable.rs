//! New volumes that can be changed in place: a partition that reaches as far as the volume, with a bitmap of what is free.
//!
//! ```text
//!   288 = P
//!   | bitmap, alone in its clusters | file set, entries, directories, data | free ...             | trailer
//! ```
//!
//! The bitmap is at the partition's beginning, where Linux presumes it, and shares no write unit with anything, so that it can be
//! written over. From 2.50 on metadata is in a partition of its own, which has room for more:
//!
//! ```text
//!   | bitmap | entry | bitmap file | metadata | more to come | data | free ...    | mirror | more to come | entry | trailer
//! ```
//!
//! Pseudo-overwritable ones are the same without bitmaps.

use std::ops::Range;

use udf::file::SpaceBitmapDescriptor;
use udf::{BlockSize, Revision, Sector};

use super::base::Run;
use super::bitmap::{self, Bitmap};
use super::frame::{self, CLUSTER_BLOCKS, TRAILER_BLOCKS};
use super::layout::{self, MetadataFile};
use super::space::{Spaces, add_blocks, alignment_blocks};
use super::{Content, Layout, Plan, Segment, Sparing, Spec, room};
use crate::error::{Error, Result};
use crate::tree::{InodeId, Tree};

/// A new metadata partition has this part of the partition, if it does not need more,
const METADATA_PART: u32 = 64;
/// but at least so many blocks, unless that is more than
const LEAST_METADATA_BLOCKS: u32 = 8 * CLUSTER_BLOCKS;
/// this part.
const LARGEST_METADATA_PART: u32 = 16;

/// What is known of the partition before anything is laid out in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ample {
    /// Its blocks.
    pub(super) blocks: u32,
    /// Those of its bitmap, from the first on; none if it is pseudo-overwritable.
    pub(super) bitmap_blocks: u32,
}

impl Ample {
    /// The partition of a volume of this specification, if it is to be changed in place.
    pub(super) fn of(spec: &Spec, sparing: Option<&Sparing>) -> Result<Option<Self>> {
        let Some(total) = spec.rewritable_blocks else { return Ok(None) };
        let end = total.saturating_sub(TRAILER_BLOCKS).saturating_add(1) / CLUSTER_BLOCKS * CLUSTER_BLOCKS;
        let blocks = end.saturating_sub(frame::PARTITION_START.0 + 1);
        let blocks = sparing.map_or(blocks, Sparing::partition_blocks);
        if spec.pseudo_overwrite {
            return Self::without_bitmap(blocks, spec.revision).map(Some);
        }
        let bitmap = SpaceBitmapDescriptor::blocks(blocks, spec.block_size);
        let bitmap_blocks = add_blocks(0, u64::from(bitmap).next_multiple_of(CLUSTER_BLOCKS.into()))?;
        Ok(Some(Self { blocks, bitmap_blocks }))
    }

    /// That of a volume whose drive keeps the account of what is free.
    fn without_bitmap(blocks: u32, revision: Revision) -> Result<Self> {
        if revision.rules().pseudo_overwrite {
            return Ok(Self { blocks, bitmap_blocks: 0 });
        }
        let reason = format!("there are no pseudo-overwritable volumes of revision {revision}");
        Err(Error::refused(reason, "leave out -r, or choose 2.60"))
    }

    /// Blocks of a bitmap file of a metadata partition of so many blocks.
    fn bitmap_file_blocks(self, bits: u32, block_size: BlockSize) -> u32 {
        if self.bitmap_blocks == 0 { 0 } else { bitmap::file_blocks(bits, block_size) }
    }

    /// The layout of this content with a metadata partition: its file at the beginning, its mirror at the end, and in both room for
    /// more than there is now.
    pub(super) fn metadata_file(self, spaces: &Spaces, spec: &Spec) -> Result<Layout> {
        let up = |block: u64| block.next_multiple_of(CLUSTER_BLOCKS.into());
        let down = |block: u64| block / u64::from(CLUSTER_BLOCKS) * u64::from(CLUSTER_BLOCKS);
        let copies = if spec.redundant_metadata { 2 } else { 1 };
        let used = up(spaces.metadata_end.into());
        let main_entry = u64::from(self.bitmap_blocks);
        let bitmap_file = main_entry + u64::from(CLUSTER_BLOCKS);
        // The last cluster ends with the first block of the trailer.
        let mirror_entry = down(self.blocks.into());
        let part = |of: u32| u64::from(self.blocks / of);
        let wanted = (4 * used).max(part(METADATA_PART)).max(LEAST_METADATA_BLOCKS.into());
        let wanted = up(wanted.min(part(LARGEST_METADATA_PART)).max(used));
        let bits = u32::try_from(wanted).unwrap_or(u32::MAX);
        let main = up(bitmap_file + u64::from(self.bitmap_file_blocks(bits, spec.block_size)));
        let aligned = u64::from(alignment_blocks(spec.block_size));
        let least = (main + copies * used).next_multiple_of(aligned) + u64::from(spaces.data_blocks);
        let Some(spare) = mirror_entry.checked_sub(least) else {
            return Err(too_small(least + u64::from(CLUSTER_BLOCKS), spec));
        };
        let blocks = wanted.min(used + down(spare / copies));
        let data = (main + blocks).next_multiple_of(aligned);
        let block = |number| add_blocks(0, number);
        let run = |start| Ok::<_, Error>(Run { first: 0, block: block(start)?, blocks: block(blocks)? });
        let main = run(main)?;
        let mirror = if spec.redundant_metadata { run(mirror_entry - blocks)? } else { main };
        let extents = |run: Run| layout::merge(&[], &[run], spec.block_size, CLUSTER_BLOCKS);
        let file = MetadataFile {
            main_entry: block(main_entry)?,
            mirror_entry: block(mirror_entry)?,
            main: extents(main),
            mirror: extents(mirror),
            duplicate: spec.redundant_metadata,
            blocks: block(blocks)?,
            unit_blocks: CLUSTER_BLOCKS,
        };
        let now = |run: Run| Run { blocks: spaces.metadata_end, ..run };
        Ok(Layout {
            data: block(data)?,
            metadata: Some(file),
            written: vec![now(main)],
            mirrored: if spec.redundant_metadata { vec![now(mirror)] } else { Vec::new() },
            end: self.blocks,
        })
    }

    /// The layout of this content, which now ends where the partition does; and what is free.
    pub(super) fn fill(
        self,
        tree: &Tree,
        spaces: &Spaces,
        layout: &mut Layout,
        spec: &Spec,
    ) -> Result<Bitmap> {
        if layout.end > self.blocks {
            return Err(too_small(layout.end.into(), spec));
        }
        let body = |inode: &InodeId| {
            let start = layout.data + spaces.places[inode.index()].body;
            start..start + spaces.body_blocks(tree, *inode, spec.block_size)
        };
        let mut used: Vec<Range<u32>> = spaces.files.iter().map(body).collect();
        if let Some(file) = &layout.metadata {
            used.push(0..self.bitmap_blocks);
            used.extend([file.main_entry, file.mirror_entry].map(|entry| entry..entry + 1));
            used.extend(self.metadata_bitmap(spaces, layout, spec.block_size).map(|bitmap| bitmap.place));
            used.extend(file.extents_from(0));
        } else {
            used.push(0..spaces.metadata_end);
        }
        layout.end = self.blocks;
        let all = 0..self.blocks;
        Ok(Bitmap { place: 0..self.bitmap_blocks, free: room::without(&[all], &room::joined(used)) })
    }

    /// What is free of the metadata partition, if there is one, and its bitmap file: behind the cluster of the metadata file's entry.
    pub(super) fn metadata_bitmap(
        self,
        spaces: &Spaces,
        layout: &Layout,
        block_size: BlockSize,
    ) -> Option<Bitmap> {
        let file = layout.metadata.as_ref()?;
        let start = file.main_entry + CLUSTER_BLOCKS;
        let end = start + self.bitmap_file_blocks(file.blocks, block_size);
        Some(Bitmap { place: start..end, free: std::iter::once(spaces.metadata_end..file.blocks).collect() })
    }
}

fn too_small(needed_blocks: u64, spec: &Spec) -> Error {
    let around = u64::from(frame::PARTITION_START.0 + TRAILER_BLOCKS + CLUSTER_BLOCKS);
    Error::NoSpace {
        needed_bytes: (needed_blocks + around) * u64::from(spec.block_size.bytes()),
        available_bytes: spec.block_size.bytes_in(spec.rewritable_blocks.unwrap_or(0)),
    }
}

impl Plan {
    /// Much that is free in a new partition that can be changed in place, and in the metadata partition upon it.
    pub(super) fn free_segments(&self) -> impl Iterator<Item = Segment> + '_ {
        let free = self.bitmaps.last().into_iter().flat_map(|bitmap| bitmap.free.iter().cloned());
        let to_come = self.metadata_bitmaps.last().into_iter().flat_map(|bitmap| &bitmap.free);
        let to_come = to_come
            .flat_map(|free| self.layout.metadata.iter().flat_map(|file| file.extents_from(free.start)));
        let much = free.chain(to_come).filter(|free| free.end - free.start >= CLUSTER_BLOCKS);
        much.map(|free| Segment {
            start: Sector(self.partition_start.0 + free.start),
            blocks: free.end - free.start,
            twin: None,
            content: Content::Zeros,
        })
    }
}
