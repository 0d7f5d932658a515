//! Plans for discs in pseudo-overwrite: into which tracks a new volume divides them, and what a change costs there.
//!
//! What is written again takes a cluster of those that the disc would have gone on with, so data come first, and in one piece.

use std::ops::Range;

use super::base::BaseInPlace;
use super::frame::CLUSTER_BLOCKS;
use super::room::{joined, without};
use super::{Content, Plan, Segment, Step};
use crate::error::{Error, Result};

/// What is new in a change, as steps; in pseudo-overwrite data are one of their own, because what is written again may take what the
/// disc would have gone on with. What is left of the write units there is free, and filled, so that nobody needs to read it.
pub(super) fn steps(new: Vec<Segment>, old: &BaseInPlace) -> Vec<Step> {
    if !old.pseudo_overwrite {
        return vec![Step { segments: new }];
    }
    let (data, rest): (Vec<_>, Vec<_>) = new.into_iter().partition(is_data);
    [data, rest].map(|segments| Step { segments: filled_up(segments, old.write_unit_blocks.max(1)) }).into()
}

fn is_data(segment: &Segment) -> bool {
    matches!(segment.content, Content::Data { .. })
}

fn place(segment: &Segment) -> Range<u32> {
    segment.start.0..segment.start.0 + segment.blocks
}

/// The write units that segments lie in.
fn units<'a>(segments: impl Iterator<Item = &'a Segment>, unit: u32) -> Vec<Range<u32>> {
    let whole = |range: Range<u32>| range.start / unit * unit..range.end.next_multiple_of(unit);
    joined(segments.map(place).map(whole).collect())
}

fn filled_up(mut segments: Vec<Segment>, unit: u32) -> Vec<Segment> {
    let used = joined(segments.iter().map(place).collect());
    let rest = without(&units(segments.iter(), unit), &used);
    segments.extend(rest.into_iter().map(|rest| Segment {
        start: udf::Sector(rest.start),
        blocks: rest.end - rest.start,
        twin: None,
        content: Content::Zeros,
    }));
    segments.sort_by_key(|segment| segment.start);
    segments
}

/// An error unless the disc has clusters left for what is new, and for all that is written again.
pub(super) fn unless_full(plan: &Plan, old: &BaseInPlace) -> Result<()> {
    let Some(goes_on) = &old.goes_on else { return Ok(()) };
    let unit = old.write_unit_blocks.max(1);
    let sector = |block: u32| plan.partition_start.0.saturating_add(block);
    let (start, limit) = (sector(goes_on.start), sector(goes_on.end));
    let (mut end, mut again_blocks) = (start, 0);
    for step in &plan.steps {
        let ends = step.segments.iter().map(|segment| place(segment).end);
        end = ends.filter(|end| *end <= limit).fold(end, u32::max);
        let again = units(step.segments.iter().filter(|segment| !is_data(segment)), unit);
        again_blocks += again.iter().map(|range| u64::from(range.end - range.start)).sum::<u64>();
    }
    let needed = u64::from(end.next_multiple_of(unit) - start) + again_blocks;
    let available = u64::from(limit.saturating_sub(start));
    if needed <= available {
        return Ok(());
    }
    let bytes = |blocks: u64| blocks * u64::from(plan.block_size().bytes());
    Err(Error::NoSpace { needed_bytes: bytes(needed), available_bytes: bytes(available) })
}

impl Plan {
    /// The tracks that a disc in pseudo-overwrite is divided into for a new volume on it, each of so many sectors; another has the
    /// rest. One goes on with metadata, one with data, one with the metadata mirror, and the last is full from the beginning.
    #[must_use]
    pub fn tracks(&self) -> Vec<u32> {
        let is_without_bitmap = self.bitmaps.last().is_some_and(|bitmap| !bitmap.is_recorded());
        let Some(file) = self.layout.metadata.as_ref().filter(|_| is_without_bitmap) else {
            return Vec::new();
        };
        let mirror = file.mirror.iter().filter(|_| file.duplicate).map(|run| run.block).min();
        let borders = [Some(self.layout.data), mirror, Some(file.mirror_entry)].into_iter().flatten();
        let mut borders: Vec<u32> = borders
            .map(|block| self.partition_start.0.saturating_add(block) / CLUSTER_BLOCKS * CLUSTER_BLOCKS)
            .collect();
        borders.dedup();
        let starts = std::iter::once(0).chain(borders.iter().copied());
        starts
            .zip(&borders)
            .map(|(start, end)| end.saturating_sub(start))
            .filter(|sectors| *sectors > 0)
            .collect()
    }
}
