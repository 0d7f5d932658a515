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

use udf::file::SpaceBitmapDescriptor;

use super::bitmap::Bitmap;
use super::extents::recorded_blocks;
use super::frame::{self, CLUSTER_BLOCKS, TRAILER_BLOCKS};
use super::space::{Spaces, add_blocks};
use super::{Layout, Plan, Segment, Spec, Step, room};
use crate::error::{Error, Result};
use crate::tree::Tree;

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
    pub(super) fn of(spec: &Spec) -> Result<Option<Self>> {
        let Some(total) = spec.rewritable_blocks else { return Ok(None) };
        if spec.revision.rules().metadata_partition {
            return Err(Error::refused(
                format!("volumes of revision {} that are changed in place are not made yet", spec.revision),
                "choose revision 2.01 or an older one, which Linux can write to, too (-r 2.01)",
            ));
        }
        let end = total.saturating_sub(TRAILER_BLOCKS).saturating_add(1) / CLUSTER_BLOCKS * CLUSTER_BLOCKS;
        let blocks = end.saturating_sub(frame::PARTITION_START.0 + 1);
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
        let file = |inode: &crate::tree::InodeId| {
            let start = layout.data + spaces.places[inode.index()].body;
            let blocks = match spaces.targets.get(inode) {
                Some(target) => spec.block_size.blocks_for(target.len() as u64),
                None => recorded_blocks(tree, *inode, spec.block_size),
            };
            start..start + u32::try_from(blocks).unwrap_or(0)
        };
        let mut used: Vec<Range<u32>> = spaces.files.iter().map(file).collect();
        used.push(0..spaces.metadata_end);
        layout.end = self.blocks;
        let all = 0..self.blocks;
        Ok(Bitmap { place: 0..self.bitmap_blocks, free: room::without(&[all], &room::joined(used)) })
    }
}

impl Plan {
    /// The steps of a new volume, on a device without writing what is free.
    pub(super) fn steps_of_rewritable_volume(&mut self, spec: &Spec) -> Result<()> {
        let mut head = self.frame.head(self.shape.block_size);
        head.extend(self.partition_segments());
        head.extend(self.bitmap_segments());
        let trailer = self.frame.trailer(self.shape.block_size);
        let Some(blocks) = spec.device_blocks else {
            head.extend(trailer);
            head.push(frame::first_anchor());
            self.steps = vec![Step { segments: frame::tile(head, 0, self.end_blocks) }];
            return Ok(());
        };
        self.check_fits(blocks)?;
        let content_end = head.iter().map(|segment: &Segment| segment.start.0 + segment.blocks).max();
        let mut segments = frame::tile(head, 0, content_end.unwrap_or(0));
        super::cut_out(&mut segments, frame::first_anchor());
        segments.extend(frame::tile(trailer, self.frame.start.0, self.end_blocks));
        let anchors = [frame::first_anchor()].into_iter().chain(self.anchors_at_end(blocks));
        self.steps = vec![Step { segments }, Step { segments: anchors.collect() }];
        Ok(())
    }
}
