//! The metadata partition of a volume that is changed in place: which of its blocks can be written to, where they lie in both
//! copies, and how it grows (UDF 2.2.13).
//!
//! What is new goes to metadata blocks that are free, so that the metadata file stays as it is, in one extent where it was in
//! one: some readers know no more. Only when they do not suffice, it gets further extents, and with them new entries.

use std::ops::Range;

use udf::BlockSize;

use super::Segment;
use super::base::{BaseMetadata, Run};
use super::layout::{self, MetadataFile};
use super::room::{joined, whole_units, without};
use super::segment::Content;
use crate::error::{Error, Result};

/// A metadata partition that is changed in place.
#[derive(Clone, Debug)]
pub struct MetadataInPlace {
    /// Its copies.
    pub files: BaseMetadata,
    /// The entry of the metadata file.
    pub main_entry: u32,
    /// The entry of the mirror.
    pub mirror_entry: u32,
    /// Extents begin at multiples of so many blocks.
    pub alignment_unit_blocks: u32,
    /// Blocks of it that are free, as its bitmap says; ascending and apart.
    pub free: Vec<Range<u32>>,
    /// Blocks of it that hold what nothing leads to any more when the change is done; ascending and apart.
    pub released: Vec<Range<u32>>,
    /// Allocation extents of the metadata file and its mirror, in the partition below; ascending and apart.
    pub chains: Vec<Range<u32>>,
    /// All blocks of its bitmap file, which lie in the partition below; ascending and apart.
    pub bitmap: Vec<Range<u32>>,
    /// The entry of that file.
    pub bitmap_entry: u32,
}

impl MetadataInPlace {
    /// Blocks of the partition.
    pub(super) fn blocks(&self) -> u32 {
        self.files.main.last().map_or(0, |run| run.range().end)
    }

    /// All that it takes of the partition below.
    pub(crate) fn blocks_below(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        let entries = [self.main_entry, self.mirror_entry].map(|entry| entry..entry.saturating_add(1));
        let runs = self.files.main.iter().chain(&self.files.mirror).map(Run::place);
        entries.into_iter().chain(runs).chain(self.chains.iter().chain(&self.bitmap).cloned())
    }

    /// Free blocks that share a write unit with none that is used, in neither copy.
    pub(super) fn usable(&self, partition_start: u32, unit: u32) -> Vec<Range<u32>> {
        let whole = |runs: &[Run]| {
            let of_run = |run: &Run| {
                let free = common(&self.free, run.range());
                let below: Vec<_> = free.map(|free| shifted(&free, run.first, run.block)).collect();
                let units = whole_units(&below, partition_start, unit);
                units.into_iter().map(|unit| shifted(&unit, run.block, run.first)).collect::<Vec<_>>()
            };
            joined(runs.iter().flat_map(of_run).collect())
        };
        let (main, mirror) = (whole(&self.files.main), whole(&self.files.mirror));
        without(&main, &without(&main, &mirror))
    }

    /// The blocks of the bitmap file, if a new one can be written over it: so many blocks from its entry on, and behind them only
    /// what is free up to the end of their write unit.
    pub(super) fn bitmap_to_write_over(
        &self,
        needed: u32,
        free: &[Range<u32>],
        (partition_start, unit): (u32, u32),
    ) -> Option<Range<u32>> {
        let [place] = self.bitmap.as_slice() else { return None };
        let start = partition_start.checked_add(place.start)?;
        let is_at_entry = place.start == self.bitmap_entry && start.is_multiple_of(unit);
        let end = partition_start.checked_add(place.end)?.checked_next_multiple_of(unit)? - partition_start;
        let is_alone = without(std::slice::from_ref(&(place.end..end)), free).is_empty();
        (is_at_entry && is_alone && place.end - place.start >= needed)
            .then(|| place.start..place.start + needed)
    }

    /// The metadata file as it is, or with so many more blocks at least, which are taken out of `usable`: its own as near to the
    /// beginning as they can be, those of the mirror as near to the end, unless that can only be reached over all that is free.
    pub(super) fn with(
        &self,
        more_blocks: u32,
        usable: &mut Vec<Range<u32>>,
        (write_unit_blocks, is_appended): (u32, bool),
        block_size: BlockSize,
    ) -> Result<MetadataFile> {
        let files = &self.files;
        let unit = files.allocation_unit_blocks.max(1);
        let mut file = MetadataFile {
            main_entry: self.main_entry,
            mirror_entry: self.mirror_entry,
            main: files.main.clone(),
            mirror: files.mirror.clone(),
            duplicate: files.duplicate,
            blocks: self.blocks(),
            unit_blocks: unit,
        };
        if more_blocks == 0 {
            return Ok(file);
        }
        let mut take = |grain: &Grain, blocks: Option<u32>| {
            blocks.and_then(|blocks| grain.take(usable, blocks)).ok_or_else(|| Error::NoSpace {
                needed_bytes: block_size.bytes_in(more_blocks),
                available_bytes: usable.iter().map(|run| block_size.bytes_in(run.end - run.start)).sum(),
            })
        };
        let wanted = more_blocks.checked_next_multiple_of(unit);
        let extents = Grain { unit, alignment: self.alignment_unit_blocks.max(1), from_end: false };
        let entry = Grain { unit: write_unit_blocks.max(1), alignment: 1, from_end: false };
        let longer =
            |old: &[Run], extents| layout::merge(old, &runs_from(file.blocks, extents), block_size, unit);
        file.main = longer(&files.main, take(&extents, wanted)?);
        file.main_entry = take(&entry, Some(entry.unit))?[0].start;
        let from_end = !is_appended;
        let (extents, entry) = (Grain { from_end, ..extents }, Grain { from_end, ..entry });
        file.mirror =
            if files.duplicate { longer(&files.mirror, take(&extents, wanted)?) } else { file.main.clone() };
        file.mirror_entry = take(&entry, Some(entry.unit))?[0].start;
        file.blocks = file.main.last().map_or(0, |run| run.range().end);
        let most = layout::descriptors_in_entry(block_size);
        let extents = file.main.len().max(file.mirror.len());
        if extents > most {
            let what = "extents of the metadata file";
            return Err(Error::Limit { what, value: extents as u64, limit: most as u64 });
        }
        Ok(file)
    }
}

impl MetadataFile {
    /// Blocks of both copies from `first` on, those of the partition below.
    pub(super) fn extents_from(&self, first: u32) -> Vec<Range<u32>> {
        let mut extents = Vec::new();
        for run in self.main.iter().chain(self.mirror.iter().filter(|_| self.duplicate)) {
            let new = run.first.max(first)..run.range().end.max(first);
            extents.push(shifted(&new, run.first, run.block));
        }
        joined(extents)
    }

    /// The segments of blocks that lie together in the metadata partition, in both copies. `number` is that of the first in the
    /// metadata space.
    pub(super) fn segments(&self, blocks: &Range<u32>, number: u32, partition_start: u32) -> Vec<Segment> {
        let mut segments = Vec::new();
        let mirror: &[Run] = if self.duplicate { &self.mirror } else { &[] };
        for run in &self.main {
            let Some(main) = common(std::slice::from_ref(blocks), run.range()).next() else { continue };
            let mut at = main.start;
            while at < main.end {
                let twin = mirror.iter().find(|twin| twin.range().contains(&at));
                let end = twin.map_or(main.end, |twin| main.end.min(twin.range().end));
                let sector = |run: &Run| udf::Sector(partition_start + run.block + (at - run.first));
                let content = Content::Metadata { first: number + (at - blocks.start) };
                let segment =
                    Segment { start: sector(run), blocks: end - at, twin: twin.map(sector), content };
                segments.push(segment);
                segments.extend(segment.twin.map(|start| Segment { start, twin: None, ..segment }));
                at = end;
            }
        }
        segments
    }
}

/// How extents are taken out of free blocks: as multiples of a unit, from multiples of an alignment on.
struct Grain {
    unit: u32,
    alignment: u32,
    from_end: bool,
}

impl Grain {
    /// Takes so many blocks, a multiple of the unit: in one piece if there is one, and else in as few as there are.
    fn take(&self, usable: &mut Vec<Range<u32>>, blocks: u32) -> Option<Vec<Range<u32>>> {
        let aligned = whole_units(usable, 0, self.alignment);
        let room = |range: &Range<u32>| (range.end - range.start) / self.unit * self.unit;
        let mut pieces: Vec<_> = aligned.into_iter().filter(|range| room(range) > 0).collect();
        if self.from_end {
            pieces.reverse();
        }
        match pieces.iter().position(|range| room(range) >= blocks) {
            Some(whole) => pieces = vec![pieces[whole].clone()],
            None => pieces.sort_by_key(|range| std::cmp::Reverse(room(range))),
        }
        let (mut left, mut taken) = (blocks, Vec::new());
        for range in pieces {
            let count = room(&range).min(left);
            // From the end, but from a multiple of the alignment on all the same.
            let start = if self.from_end {
                (range.end - count) / self.alignment * self.alignment
            } else {
                range.start
            };
            taken.push(start..start + count);
            left -= count;
            if left == 0 {
                *usable = without(usable, &joined(taken.clone()));
                return Some(taken);
            }
        }
        None
    }
}

/// Extents one behind the other, from block `first` of the metadata partition on.
fn runs_from(mut first: u32, extents: Vec<Range<u32>>) -> Vec<Run> {
    let run = |extent: Range<u32>| {
        let run = Run { first, block: extent.start, blocks: extent.end - extent.start };
        first = run.range().end;
        run
    };
    extents.into_iter().map(run).collect()
}

/// What of ascending ranges lies in another one.
fn common(ranges: &[Range<u32>], within: Range<u32>) -> impl Iterator<Item = Range<u32>> + '_ {
    let from = ranges.partition_point(|range| range.end <= within.start);
    let inside = ranges[from..].iter().take_while(move |range| range.start < within.end);
    inside.map(move |range| range.start.max(within.start)..range.end.min(within.end))
}

fn shifted(range: &Range<u32>, from: u32, to: u32) -> Range<u32> {
    range.start - from + to..range.end - from + to
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(first: u32, block: u32, blocks: u32) -> Run {
        Run { first, block, blocks }
    }

    fn partition(main: &[Run], mirror: &[Run], free: &[Range<u32>]) -> MetadataInPlace {
        MetadataInPlace {
            files: BaseMetadata {
                file_set_block: 0,
                main: main.to_vec(),
                mirror: mirror.to_vec(),
                duplicate: main != mirror,
                allocation_unit_blocks: 32,
            },
            main_entry: 1,
            mirror_entry: 999,
            alignment_unit_blocks: 32,
            free: free.to_vec(),
            released: Vec::new(),
            chains: Vec::new(),
            bitmap: std::iter::once(10..12).collect(),
            bitmap_entry: 10,
        }
    }

    #[test]
    fn only_units_that_are_free_in_both_copies_are_used() {
        let (main, mirror) = ([run(0, 64, 64), run(64, 256, 32)], [run(0, 1000, 96)]);
        let metadata = partition(&main, &mirror, &[10..60, 70..96]);
        assert_eq!(metadata.usable(0, 1), [10..60, 70..96]);
        // In the mirror a unit of 16 begins 8 blocks later.
        assert_eq!(metadata.usable(0, 16), [24..48, 80..88]);
        assert_eq!(metadata.usable(0, 32), [] as [Range<u32>; 0]);
    }

    #[test]
    fn a_file_grows_in_whole_units_and_its_mirror_far_away() {
        let metadata = partition(&[run(0, 64, 64)], &[run(0, 1024, 64)], &[]);
        let mut usable = Vec::from([130..200, 300..301, 400..700]);
        let file = metadata.with(40, &mut usable, (1, false), BlockSize::B2048).unwrap();
        assert_eq!((file.blocks, file.main_entry, file.mirror_entry), (128, 130, 699));
        assert_eq!(file.main, [run(0, 64, 64), run(64, 416, 64)]);
        assert_eq!(file.mirror, [run(0, 1024, 64), run(64, 608, 64)]);
        assert_eq!(file.extents_from(64), [416..480, 608..672]);
        let in_pieces =
            metadata.with(200, &mut Vec::from([128..256, 320..400, 512..800]), (1, false), BlockSize::B2048);
        assert_eq!(in_pieces.unwrap().mirror.len(), 4);
        assert!(
            metadata.with(300, &mut Vec::from([128..256, 512..800]), (1, false), BlockSize::B2048).is_err()
        );
    }

    #[test]
    fn segments_are_cut_where_either_copy_is() {
        let metadata =
            partition(&[run(0, 64, 32), run(32, 200, 32)], &[run(0, 500, 40), run(40, 700, 24)], &[]);
        let file = metadata.with(0, &mut Vec::new(), (1, false), BlockSize::B2048).unwrap();
        let segments = file.segments(&(30..44), 7, 1000);
        let found: Vec<_> =
            segments.iter().map(|s| (s.start.0, s.blocks, s.twin.map(|twin| twin.0), s.content)).collect();
        let at = |first| Content::Metadata { first };
        assert_eq!(
            found,
            [
                (1094, 2, Some(1530), at(7)),
                (1530, 2, None, at(7)),
                (1200, 8, Some(1532), at(9)),
                (1532, 8, None, at(9)),
                (1208, 4, Some(1700), at(17)),
                (1700, 4, None, at(17)),
            ]
        );
    }
}
