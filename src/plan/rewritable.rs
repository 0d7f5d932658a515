//! New volumes that can be changed in place: a partition that reaches as far as the volume, with a bitmap of what is free.
//!
//! ```text
//!   288 = P
//!   | bitmap, alone in its clusters | file set, entries, directories, data | free ...             | trailer
//! ```
//!
//! The bitmap is at the partition's beginning, where Linux presumes it, and shares no write unit with anything, so that it can be
//! written over.

use std::ops::Range;

use udf::Sector;
use udf::file::SpaceBitmapDescriptor;

use super::bitmap::Bitmap;
use super::frame::{self, CLUSTER_BLOCKS, TRAILER_BLOCKS};
use super::space::{Spaces, add_blocks};
use super::{Content, Layout, Plan, Segment, Sparing, Spec, room};
use crate::error::{Error, Result};
use crate::tree::{InodeId, Tree};

/// What is known of the partition before anything is laid out in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ample {
    /// Its blocks.
    pub(super) blocks: u32,
    /// Those of its bitmap, from the first on.
    pub(super) bitmap_blocks: u32,
}

impl Ample {
    /// The partition of a volume of this specification, if it is to be changed in place.
    pub(super) fn of(spec: &Spec, sparing: Option<&Sparing>) -> Result<Option<Self>> {
        let Some(total) = spec.rewritable_blocks else { return Ok(None) };
        if spec.revision.rules().metadata_partition {
            return Err(Error::refused(
                format!("volumes of revision {} that are changed in place are not made yet", spec.revision),
                "choose revision 2.01 or an older one, which Linux can write to, too (-r 2.01)",
            ));
        }
        let end = total.saturating_sub(TRAILER_BLOCKS).saturating_add(1) / CLUSTER_BLOCKS * CLUSTER_BLOCKS;
        let blocks = end.saturating_sub(frame::PARTITION_START.0 + 1);
        let blocks = sparing.map_or(blocks, Sparing::partition_blocks);
        let bitmap = SpaceBitmapDescriptor::blocks(blocks, spec.block_size);
        let bitmap_blocks = add_blocks(0, u64::from(bitmap).next_multiple_of(CLUSTER_BLOCKS.into()))?;
        Ok(Some(Self { blocks, bitmap_blocks }))
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
            let around = u64::from(frame::PARTITION_START.0 + TRAILER_BLOCKS + CLUSTER_BLOCKS);
            return Err(Error::NoSpace {
                needed_bytes: (u64::from(layout.end) + around) * u64::from(spec.block_size.bytes()),
                available_bytes: spec.block_size.bytes_in(spec.rewritable_blocks.unwrap_or(0)),
            });
        }
        let file = |inode: &InodeId| {
            let start = layout.data + spaces.places[inode.index()].body;
            start..start + spaces.body_blocks(tree, *inode, spec.block_size)
        };
        let mut used: Vec<Range<u32>> = spaces.files.iter().map(file).collect();
        used.push(0..spaces.metadata_end);
        layout.end = self.blocks;
        let all = 0..self.blocks;
        Ok(Bitmap { place: 0..self.bitmap_blocks, free: room::without(&[all], &room::joined(used)) })
    }
}

impl Plan {
    /// What is free at the end of a partition that can be changed in place.
    pub(super) fn free_end(&self) -> Option<Segment> {
        let free = self.bitmaps.last()?.free.last().filter(|free| free.end == self.layout.end)?;
        let start = Sector(self.partition_start.0 + free.start);
        Some(Segment { start, blocks: free.end - free.start, twin: None, content: Content::Zeros })
    }
}
