//! Plans for discs in pseudo-overwrite: into which tracks a new volume divides them, and what a change costs there.
//!
//! What is written again takes a cluster of those that the disc would have gone on with, so data come first, and in one piece.

use std::ops::Range;

use super::base::BaseInPlace;
use super::frame::CLUSTER_BLOCKS;
use super::room::{joined, without};
use super::{Content, Plan, Segment, Step};
use crate::error::{Error, Result};

/// What is new in a change, as steps, and what makes the reserve sequence follow the main one, before anything is written over that it
/// may lead to. In pseudo-overwrite data are a step of their own, and on a disc the first: they go where nothing was recorded,
/// and what is written again may take what the disc would have gone on with. What is left of the write units there is free, and
/// filled, so that nobody needs to read it.
pub(super) fn steps(new: Vec<Segment>, old: &BaseInPlace, follow: Step) -> Vec<Step> {
    if !old.pseudo_overwrite {
        return vec![follow, Step { segments: new }];
    }
    let all = joined(new.iter().map(place).collect());
    let (data, rest): (Vec<_>, Vec<_>) = new.into_iter().partition(is_data);
    let [data, rest] = [data, rest]
        .map(|segments| Step { segments: filled_up(segments, &all, old.write_unit_blocks.max(1)) });
    if old.goes_on.is_some() { vec![data, follow, rest] } else { vec![follow, data, rest] }
}

fn is_data(segment: &Segment) -> bool {
    matches!(segment.content, Content::Data { .. })
}

fn place(segment: &Segment) -> Range<u32> {
    segment.start.0..segment.start.0 + segment.blocks
}

fn whole(range: Range<u32>, unit: u32) -> Range<u32> {
    range.start / unit * unit..range.end.checked_next_multiple_of(unit).unwrap_or(range.end)
}

/// The write units that segments lie in.
fn units<'a>(segments: impl Iterator<Item = &'a Segment>, unit: u32) -> Vec<Range<u32>> {
    joined(segments.map(place).map(|range| whole(range, unit)).collect())
}

/// Blocks of the write units of what is written one after the other: whatever does not touch is written by itself, though it be
/// in the same unit.
fn written_blocks<'a>(segments: impl Iterator<Item = &'a Segment>, unit: u32) -> u64 {
    let runs = joined(segments.map(place).collect());
    runs.into_iter().map(|run| whole(run, unit)).map(|run| u64::from(run.end - run.start)).sum()
}

/// Segments, and zeros in what is left of their write units by `all` that is new.
fn filled_up(mut segments: Vec<Segment>, all: &[Range<u32>], unit: u32) -> Vec<Segment> {
    let rest = without(&units(segments.iter(), unit), all);
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
        again_blocks += written_blocks(step.segments.iter().filter(|segment| !is_data(segment)), unit);
    }
    let needed = u64::from(whole(start..end, unit).end.saturating_sub(start)) + again_blocks;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_fill_units_up_and_nothing_that_is_new_elsewhere() {
        let segment =
            |start: u32, blocks, content| Segment { start: udf::Sector(start), blocks, twin: None, content };
        let metadata = segment(70, 10, Content::Metadata { first: 0 });
        let all = [64..66, 70..80];
        let filled = filled_up(vec![metadata], &all, 32);
        let places: Vec<_> = filled.iter().map(|segment| (place(segment), segment.content)).collect();
        assert_eq!(places, [(66..70, Content::Zeros), (70..80, metadata.content), (80..96, Content::Zeros)]);
    }

    /// The first sectors of a sequence and one behind them are written one after the other, and cost the drive two clusters.
    #[test]
    fn what_does_not_touch_costs_a_unit_of_its_own() {
        let at = |start: u32, blocks| Segment {
            start: udf::Sector(start),
            blocks,
            twin: None,
            content: Content::Prepared { first: 0 },
        };
        assert_eq!(written_blocks([at(32, 2), at(36, 1)].iter(), 32), 64);
        assert_eq!(written_blocks([at(32, 2), at(34, 1)].iter(), 32), 32);
    }
}
