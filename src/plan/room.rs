//! Free blocks of a partition as one space, whose numbers count them whatever lies between, and what a plan takes of it.

use std::ops::Range;

use udf::BlockSize;

use super::Run;
use super::space::NOWHERE;
use crate::error::{Error, Result};

/// What blocks are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// File set, entries, directories and allocation extents.
    Metadata,
    /// Bodies of files.
    Data,
}

/// The free blocks, and how far they are taken: from the first on, and never back.
#[derive(Clone, Debug)]
pub struct Room {
    /// By number and by block ascending.
    runs: Vec<Run>,
    block_size: BlockSize,
    /// Bodies of files lie together where there is a place for them, though what is passed over for it stays free.
    is_ample: bool,
    next: u32,
    taken: Vec<(Purpose, Range<u32>)>,
}

impl Room {
    /// The room in these blocks, ascending and apart.
    pub(super) fn new(free: &[Range<u32>], block_size: BlockSize, is_ample: bool) -> Self {
        let mut runs: Vec<Run> = Vec::with_capacity(free.len());
        for blocks in free.iter().filter(|blocks| !blocks.is_empty()) {
            let first = runs.last().map_or(0, |last| last.first + last.blocks);
            runs.push(Run { first, block: blocks.start, blocks: blocks.end - blocks.start });
        }
        Self { runs, block_size, is_ample, next: 0, taken: Vec::new() }
    }

    /// Takes blocks that lie together; the number of the first.
    pub(super) fn take_together(&mut self, purpose: Purpose, blocks: u64) -> Result<u32> {
        let first = self.together(blocks).ok_or_else(|| self.too_small(blocks))?;
        self.take_at(purpose, first, blocks)
    }

    /// Takes blocks, in pieces if there is no other way; the number of the first.
    pub(super) fn take(&mut self, purpose: Purpose, blocks: u64) -> Result<u32> {
        let together = self.together(blocks).filter(|_| self.is_ample);
        self.take_at(purpose, together.unwrap_or(self.next), blocks)
    }

    fn take_at(&mut self, purpose: Purpose, first: u32, blocks: u64) -> Result<u32> {
        let end = u64::from(first) + blocks;
        let end = u32::try_from(end).ok().filter(|end| *end <= self.blocks());
        let end = end.ok_or_else(|| self.too_small(blocks))?;
        match self.taken.last_mut() {
            Some((last, range)) if *last == purpose && range.end == first => range.end = end,
            _ => self.taken.push((purpose, first..end)),
        }
        self.next = end;
        Ok(first)
    }

    /// Where from here on so many blocks lie together.
    fn together(&self, blocks: u64) -> Option<u32> {
        let from = self.runs.partition_point(|run| run.range().end <= self.next);
        self.runs[from..].iter().find_map(|run| {
            let first = run.first.max(self.next);
            (u64::from(run.range().end - first) >= blocks).then_some(first)
        })
    }

    fn too_small(&self, blocks: u64) -> Error {
        let bytes = |blocks: u64| blocks * u64::from(self.block_size.bytes());
        Error::NoSpace {
            needed_bytes: bytes(u64::from(self.next) + blocks),
            available_bytes: bytes(self.blocks().into()),
        }
    }

    fn blocks(&self) -> u32 {
        self.runs.last().map_or(0, |last| last.range().end)
    }

    /// The block of a number.
    pub(crate) fn block(&self, number: u32) -> u32 {
        let run = self.runs.partition_point(|run| run.range().end <= number);
        self.runs.get(run).map_or(NOWHERE, |run| run.block + (number - run.first))
    }

    /// The runs that a range of numbers lies in.
    pub(crate) fn pieces(&self, numbers: Range<u32>) -> impl Iterator<Item = Run> + '_ {
        let from = self.runs.partition_point(|run| run.range().end <= numbers.start);
        self.runs[from..].iter().take_while(move |run| run.first < numbers.end).map(move |run| {
            let first = run.first.max(numbers.start);
            let blocks = run.range().end.min(numbers.end) - first;
            Run { first, block: run.block + (first - run.first), blocks }
        })
    }

    /// What has been taken, and where that lies, in ascending order.
    pub(crate) fn taken(&self) -> impl Iterator<Item = (Purpose, Run)> + '_ {
        self.taken.iter().flat_map(|(purpose, range)| self.pieces(range.clone()).map(|run| (*purpose, run)))
    }
}

/// What is left of ranges without others; all are ascending and apart.
pub(crate) fn without(from: &[Range<u32>], taken: &[Range<u32>]) -> Vec<Range<u32>> {
    let mut left = Vec::with_capacity(from.len() + taken.len());
    let mut taken = taken.iter().peekable();
    for range in from {
        let mut at = range.start;
        while let Some(gone) = taken.peek().filter(|gone| gone.start < range.end) {
            if gone.start > at {
                left.push(at..gone.start);
            }
            at = at.max(gone.end);
            if gone.end > range.end {
                break; // It reaches into the next one, too.
            }
            taken.next();
        }
        if at < range.end {
            left.push(at..range.end);
        }
    }
    left
}

/// Sorts ranges and joins those that touch or overlap.
pub(crate) fn joined(mut ranges: Vec<Range<u32>>) -> Vec<Range<u32>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<u32>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// Cuts ranges to the whole units in them; a unit begins at a multiple of `unit` behind block `origin` counted backwards, that is
/// where `origin + block` is one.
pub(super) fn whole_units(ranges: &[Range<u32>], origin: u32, unit: u32) -> Vec<Range<u32>> {
    let (origin, unit) = (u64::from(origin), u64::from(unit.max(1)));
    let cut = |range: &Range<u32>| {
        let start = (origin + u64::from(range.start)).next_multiple_of(unit) - origin;
        let end = ((origin + u64::from(range.end)) / unit * unit).checked_sub(origin)?;
        let (start, end) = (u32::try_from(start).ok()?, u32::try_from(end).ok()?);
        (start < end).then_some(start..end)
    };
    ranges.iter().filter_map(cut).collect()
}

/// Takes blocks out of the smallest range that has so many together: what is taken first is not in the way of the rest.
pub(super) fn take_best(ranges: &mut [Range<u32>], blocks: u32) -> Option<u32> {
    let length = |range: &Range<u32>| range.end - range.start;
    let fits = ranges.iter_mut().filter(|range| length(range) >= blocks);
    let best = fits.min_by_key(|range| length(range))?;
    let first = best.start;
    best.start += blocks;
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_lies_together_passes_over_what_is_too_small_and_pieces_do_not() {
        let free = [10..12, 20..25, 40..44];
        let mut room = Room::new(&free, BlockSize::B2048, true);
        assert_eq!(room.take_together(Purpose::Metadata, 3).unwrap(), 2);
        assert_eq!(room.block(2), 20);
        assert_eq!(room.take(Purpose::Data, 4).unwrap(), 7);
        assert_eq!(room.block(7), 40);
        assert!(matches!(room.take(Purpose::Data, 1), Err(Error::NoSpace { .. })));

        let mut room = Room::new(&free, BlockSize::B2048, false);
        assert_eq!(room.take(Purpose::Data, 9).unwrap(), 0);
        let runs: Vec<_> = room.taken().map(|(_, run)| (run.first, run.block, run.blocks)).collect();
        assert_eq!(runs, [(0, 10, 2), (2, 20, 5), (7, 40, 2)]);
        assert!(room.take_together(Purpose::Metadata, 3).is_err());
    }

    #[test]
    fn only_whole_units_are_taken_where_a_unit_may_be_lost() {
        let whole = |ranges: &[(u32, u32)], origin, unit| {
            let ranges: Vec<_> = ranges.iter().map(|(start, end)| *start..*end).collect();
            let units = whole_units(&ranges, origin, unit);
            units.iter().map(|range| (range.start, range.end)).collect::<Vec<_>>()
        };
        assert_eq!(whole(&[(0, 15), (20, 60), (61, 64)], 1, 16), [(31, 47)]);
        assert_eq!(whole(&[(0, 15), (20, 60)], 16, 16), [(32, 48)]);
        assert_eq!(whole(&[(3, 5)], 7, 1), [(3, 5)]);
    }

    #[test]
    fn the_smallest_place_that_fits_is_taken() {
        let mut free = vec![0..10, 20..24, 30..36];
        assert_eq!(take_best(&mut free, 4), Some(20));
        assert_eq!(take_best(&mut free, 4), Some(30));
        assert_eq!(take_best(&mut free, 11), None);
        assert_eq!(free, [0..10, 24..24, 34..36]);
    }

    proptest! {
        #[test]
        fn sets_of_ranges_are_what_they_say(
            a in proptest::collection::vec((0u32..200, 0u32..9), 0..12),
            b in proptest::collection::vec((0u32..200, 0u32..9), 0..12),
        ) {
            let ranges = |of: Vec<(u32, u32)>| joined(of.into_iter().map(|(at, len)| at..at + len).collect());
            let (a, b) = (ranges(a), ranges(b));
            let has = |of: &[Range<u32>], block: u32| of.iter().any(|range| range.contains(&block));
            let left = without(&a, &b);
            for block in 0..220 {
                prop_assert_eq!(has(&left, block), has(&a, block) && !has(&b, block), "block {}", block);
            }
            prop_assert!(left.windows(2).all(|two| two[0].end <= two[1].start));
        }
    }
}
