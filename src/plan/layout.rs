//! Where the two spaces lie in the partition: one after the other, or metadata in a file with a mirror far away.

use std::collections::BTreeSet;

use udf::BlockSize;
use udf::file::ExtendedFileEntry;

use super::base::{BaseMetadata, Run};
use super::frame::CLUSTER_BLOCKS;
use super::space::{Spaces, add_blocks, alignment_blocks};
use crate::error::Result;
use crate::tree::{InodeId, Tree};

/// Where the spaces of one session lie; all blocks are those of the partition.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The block of data space block 0.
    pub data: u32,
    /// The metadata file, if metadata has a partition of its own.
    pub metadata: Option<MetadataFile>,
    /// Blocks of the metadata space that are written, each run with where it goes.
    pub written: Vec<Run>,
    /// The same runs again, in the mirror.
    pub mirrored: Vec<Run>,
    /// The block after the last.
    pub end: u32,
}

/// The metadata file and its mirror.
#[derive(Clone, Debug)]
pub struct MetadataFile {
    /// The entry of the file.
    pub main_entry: u32,
    /// The entry of the mirror.
    pub mirror_entry: u32,
    /// The extents of the file.
    pub main: Vec<Run>,
    /// The extents of the mirror.
    pub mirror: Vec<Run>,
    /// The mirror's extents are its own.
    pub duplicate: bool,
    /// Blocks of the file, a multiple of the allocation unit.
    pub blocks: u32,
    /// Extents are multiples of so many blocks and begin at such.
    pub unit_blocks: u32,
}

/// What changes among the blocks that the previous session recorded.
pub(super) struct Changes<'a> {
    /// Inodes whose entry changes.
    pub(super) entries: &'a [InodeId],
    /// The file set descriptor changes.
    pub(super) file_set: bool,
}

/// Metadata up to this size is recorded anew with each session, in one extent: some readers know no more.
const COMPACT_UP_TO_BYTES: u64 = 8 << 20;

/// Both spaces in one partition: the metadata space begins at the block that its numbers say.
pub(super) fn physical(spaces: &Spaces, first: u32, block_size: BlockSize) -> Result<Layout> {
    let data = align(spaces.metadata_end, alignment_blocks(block_size))?;
    let written = vec![Run { first, block: first, blocks: spaces.metadata_end - first }];
    let end = add_blocks(data, u64::from(spaces.data_blocks))?;
    Ok(Layout { data, metadata: None, written, mirrored: Vec::new(), end })
}

/// A new volume's metadata file: one extent, data, the mirror at the other end.
pub(super) fn metadata_file(spaces: &Spaces, duplicate: bool, block_size: BlockSize) -> Result<Layout> {
    let blocks = align(spaces.metadata_end, CLUSTER_BLOCKS)?;
    let all = Run { first: 0, block: 0, blocks };
    around(spaces, 0, &[all], None, duplicate, CLUSTER_BLOCKS, block_size)
}

/// The metadata file of a further session, from partition block `first` on.
///
/// Either everything is recorded again in one extent, or only allocation units with new or changed blocks are, and the file's
/// extents lead to the old ones for the rest.
pub(super) fn grown_metadata_file(
    tree: &Tree,
    spaces: &Spaces,
    changes: &Changes<'_>,
    base: &BaseMetadata,
    first: u32,
    block_size: BlockSize,
) -> Result<Layout> {
    let unit = base.allocation_unit_blocks.max(CLUSTER_BLOCKS);
    let old_blocks = base.main.last().map_or(0, |run| run.first + run.blocks);
    let blocks = align(spaces.metadata_end.max(old_blocks), unit)?;
    let mut units: BTreeSet<u32> = (old_blocks / unit..blocks / unit).collect();
    units.extend(
        changes.entries.iter().filter_map(|id| tree.inode(*id).kept).map(|kept| kept.icb.block.0 / unit),
    );
    if changes.file_set {
        units.insert(base.file_set_block / unit);
    }
    let aligned = |runs: &[Run]| {
        runs.iter().all(|run| [run.first, run.blocks, run.block].iter().all(|n| n.is_multiple_of(unit)))
    };
    let written = runs_of(&units, unit);
    let small = block_size.bytes_in(blocks) <= COMPACT_UP_TO_BYTES;
    if !small && aligned(&base.main) && aligned(&base.mirror) && old_blocks.is_multiple_of(unit) {
        let layout = around(spaces, first, &written, Some(base), base.duplicate, unit, block_size)?;
        let most = descriptors_in_entry(block_size);
        let fits = |file: &MetadataFile| file.main.len() <= most && file.mirror.len() <= most;
        if layout.metadata.as_ref().is_some_and(fits) {
            return Ok(layout);
        }
    }
    let all = Run { first: 0, block: 0, blocks };
    around(spaces, first, &[all], None, base.duplicate, unit, block_size)
}

/// Allocation descriptors in the entry of a metadata file, which has no extended attributes.
pub(super) fn descriptors_in_entry(block_size: BlockSize) -> usize {
    (block_size.len() - size_of::<ExtendedFileEntry>()) / 8
}

/// Main entry, written runs, data, mirrored runs, mirror entry, from partition block `first` on.
fn around(
    spaces: &Spaces,
    first: u32,
    runs: &[Run],
    base: Option<&BaseMetadata>,
    duplicate: bool,
    unit: u32,
    block_size: BlockSize,
) -> Result<Layout> {
    let main_entry = align(first, unit)?;
    let (written, at) = put(runs, add_blocks(main_entry, u64::from(unit))?)?;
    let data = align(at, alignment_blocks(block_size))?;
    let at = add_blocks(data, u64::from(spaces.data_blocks))?;
    let (mirrored, at) = if duplicate { put(runs, align(at, unit)?)? } else { (Vec::new(), at) };
    let mirror_entry = align(at, unit)?;
    let end = add_blocks(mirror_entry, 1)?;
    let main = merge(base.map_or(&[], |base| &base.main), &written, block_size, unit);
    let mirror = if duplicate {
        merge(base.map_or(&[], |base| &base.mirror), &mirrored, block_size, unit)
    } else {
        main.clone()
    };
    let blocks = main.last().map_or(0, |run| run.first + run.blocks);
    let file = MetadataFile { main_entry, mirror_entry, main, mirror, duplicate, blocks, unit_blocks: unit };
    Ok(Layout { data, metadata: Some(file), written, mirrored, end })
}

/// The runs one after the other from `at` on, and where they end.
fn put(runs: &[Run], mut at: u32) -> Result<(Vec<Run>, u32)> {
    let mut placed = Vec::with_capacity(runs.len());
    for run in runs {
        placed.push(Run { block: at, ..*run });
        at = add_blocks(at, u64::from(run.blocks))?;
    }
    Ok((placed, at))
}

fn runs_of(units: &BTreeSet<u32>, unit: u32) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for index in units {
        let first = index * unit;
        match runs.last_mut() {
            Some(last) if last.first + last.blocks == first => last.blocks += unit,
            _ => runs.push(Run { first, block: 0, blocks: unit }),
        }
    }
    runs
}

/// The extents of a metadata file in which `written` replaces or follows what was in `old`, cut to the longest extent.
pub(super) fn merge(old: &[Run], written: &[Run], block_size: BlockSize, unit: u32) -> Vec<Run> {
    let mut merged = Vec::new();
    let mut new = written.iter().copied().peekable();
    for run in old {
        let (mut at, end) = (run.first, run.first + run.blocks);
        while at < end {
            match new.peek().copied() {
                Some(next) if next.first <= at => {
                    push(&mut merged, next, block_size, unit);
                    at = next.first + next.blocks;
                    new.next();
                }
                next => {
                    let until = next.map_or(end, |next| next.first.min(end));
                    push(
                        &mut merged,
                        Run { first: at, block: run.block + (at - run.first), blocks: until - at },
                        block_size,
                        unit,
                    );
                    at = until;
                }
            }
        }
    }
    new.for_each(|run| push(&mut merged, run, block_size, unit));
    merged
}

fn push(merged: &mut Vec<Run>, mut run: Run, block_size: BlockSize, unit: u32) {
    let covered = merged.last().map_or(0, |last: &Run| last.first + last.blocks);
    if covered > run.first {
        // A new run reached over the end of the old one before.
        let skip = covered - run.first;
        if skip >= run.blocks {
            return;
        }
        run = Run { first: covered, block: run.block + skip, blocks: run.blocks - skip };
    }
    let longest = block_size.max_extent_bytes() / block_size.bytes() / unit * unit;
    while run.blocks > 0 {
        match merged.last_mut() {
            Some(last) if last.block + last.blocks == run.block && last.blocks < longest => {
                let more = run.blocks.min(longest - last.blocks);
                last.blocks += more;
                run = Run { first: run.first + more, block: run.block + more, blocks: run.blocks - more };
            }
            _ => {
                let blocks = run.blocks.min(longest);
                merged.push(Run { blocks, ..run });
                run =
                    Run { first: run.first + blocks, block: run.block + blocks, blocks: run.blocks - blocks };
            }
        }
    }
}

fn align(block: u32, unit: u32) -> Result<u32> {
    let aligned = u64::from(block).next_multiple_of(u64::from(unit));
    add_blocks(0, aligned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(first: u32, block: u32, blocks: u32) -> Run {
        Run { first, block, blocks }
    }

    #[test]
    fn a_changed_unit_splits_an_extent() {
        let merged = merge(&[run(0, 100, 96)], &[run(32, 500, 32), run(96, 532, 32)], BlockSize::B2048, 32);
        assert_eq!(merged, [run(0, 100, 32), run(32, 500, 32), run(64, 164, 32), run(96, 532, 32)]);
    }

    #[test]
    fn long_files_are_cut_at_units() {
        let merged = merge(&[], &[run(0, 64, 1_000_000)], BlockSize::B2048, 32);
        assert_eq!(merged[0].blocks % 32, 0);
        assert!(merged[0].blocks <= 524_287);
        assert_eq!(merged.iter().map(|run| run.blocks).sum::<u32>(), 1_000_000);
    }

    proptest! {
        #[test]
        fn every_block_is_mapped_to_the_newest_copy(
            old in proptest::collection::vec(1u32..5, 1..6),
            changed in proptest::collection::btree_set(0u32..30, 0..12),
            grown in 0u32..4,
        ) {
            let (mut first, mut runs) = (0, Vec::new());
            for (number, units) in (1..).zip(&old) {
                runs.push(run(first, 10_000 * number, units * 32));
                first += units * 32;
            }
            let old_units = first / 32;
            let units: BTreeSet<u32> =
                changed.into_iter().filter(|unit| *unit < old_units).chain(old_units..old_units + grown).collect();
            let (written, _) = put(&runs_of(&units, 32), 900_000).unwrap();
            let merged = merge(&runs, &written, BlockSize::B2048, 32);
            let find = |runs: &[Run], block: u32| {
                runs.iter().find(|r| (r.first..r.first + r.blocks).contains(&block)).map(|r| r.block + block - r.first)
            };
            let mut expected_first = 0;
            for run in &merged {
                prop_assert_eq!(run.first, expected_first);
                expected_first += run.blocks;
            }
            for block in 0..(old_units + grown) * 32 {
                let expected = find(&written, block).or_else(|| find(&runs, block));
                prop_assert_eq!(find(&merged, block), expected);
            }
        }
    }
}
