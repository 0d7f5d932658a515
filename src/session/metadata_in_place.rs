//! The metadata partition of a volume that is changed in place: its files, its free blocks, its second copy.

use std::ops::Range;

use udf::BlockAddress;
use udf::read::{MetadataPartition, PartitionKind, ReadAt};

use super::import::Import;
use super::in_place::{PARTITION, Released, UPPER, mend, one_block};
use super::used::Used;
use crate::error::{Error, Result};
use crate::plan::{MetadataInPlace, Mirror, Run, joined, without};

impl<R: ReadAt> Import<R> {
    /// The metadata partition, if there is one.
    pub(super) fn metadata_partition(&self) -> Option<&MetadataPartition> {
        match &self.volume.partitions().get(usize::from(UPPER.0))?.kind {
            PartitionKind::Metadata(metadata) => Some(metadata),
            _ => None,
        }
    }

    /// Where the metadata mirror has a block once more, if the volume is changed in place and its mirror has blocks of its own.
    pub(super) fn mirror_of(&self, block: BlockAddress) -> Result<Option<Mirror>> {
        let Some(metadata) = self.metadata_partition() else { return Ok(None) };
        let (Some(main), Some(mirror)) = (&metadata.main, &metadata.mirror) else { return Ok(None) };
        if self.in_place.is_none() || block.partition != UPPER || main.extents() == mirror.extents() {
            return Ok(None);
        }
        let size = self.volume.block_size();
        let mut skip = u64::from(block.block.0);
        for extent in mirror.extents() {
            if skip < extent.blocks(size) {
                let Some(at) = extent.start.checked_add(u32::try_from(skip).unwrap_or(u32::MAX)) else {
                    break;
                };
                let offset_bytes = size.offset_of(self.volume.locate(at)?.sector);
                return Ok(Some(Mirror { offset_bytes, first: block.block.0 }));
            }
            skip -= extent.blocks(size);
        }
        Ok(None)
    }

    /// What is known of the metadata partition, if there is one, of which these blocks become free, and those have entries that stay;
    /// `used` is what is used of a volume that has no account of what is free.
    pub(super) fn metadata_in_place(
        &self,
        mut released: Vec<Range<u32>>,
        kept: &[Range<u32>],
        used: Option<&Used>,
    ) -> Result<Option<MetadataInPlace>> {
        let Some(metadata) = self.metadata_partition() else { return Ok(None) };
        let Some(mut files) = self.metadata(self.volume.file_set_address())? else { return Ok(None) };
        files.duplicate &= files.main != files.mirror;
        let (blocks_below, blocks) = (self.blocks_of(PARTITION), self.blocks_of(UPPER));
        let is_below = |run: &Run| run.block.checked_add(run.blocks).is_some_and(|end| end <= blocks_below);
        let is_whole = |runs: &[Run]| {
            let end = runs.last().map_or(0, |run| run.first.saturating_add(run.blocks));
            end == blocks && runs.iter().all(is_below)
        };
        let second = files.mirror.iter().filter(|_| files.duplicate);
        if !is_whole(&files.main) || !is_whole(&files.mirror) || !are_apart(files.main.iter().chain(second)) {
            return Err(Error::refused(
                "the metadata file and its mirror are not as long as they say, overlap, or lie outside the partition",
                mend(&self.volume),
            ));
        }
        let mut free = used.map_or_else(Vec::new, |used| used.free_of_metadata(blocks));
        for set in self.volume.free_sets(UPPER) {
            self.free_blocks_of(&set, &mut free)?;
        }
        let mut bitmap = Vec::new();
        if let Some(entry) = &metadata.bitmap {
            self.body_blocks(entry, &mut bitmap)?;
            bitmap.push(one_block(entry.block));
        }
        let chains = [&metadata.main, &metadata.mirror].into_iter().flatten();
        let chains = chains.flat_map(|file| file.allocation_extents.iter().copied().map(one_block));
        let below = |of: Vec<Released>| {
            let lies_below =
                |(partition, range): &Released| *partition == PARTITION && range.end <= blocks_below;
            joined(of.into_iter().filter(lies_below).map(|(_, range)| range).collect())
        };
        released.retain(|range| range.end <= blocks);
        let released = without(&released, kept);
        let free = without(&without(&joined(free), &released), kept);
        let map = &metadata.map;
        Ok(Some(MetadataInPlace {
            files,
            main_entry: map.metadata_file_location.get(),
            mirror_entry: map.metadata_mirror_file_location.get(),
            alignment_unit_blocks: map.alignment_unit_size.get().into(),
            free,
            released,
            chains: below(chains.collect()),
            bitmap: below(bitmap),
            bitmap_entry: map.metadata_bitmap_file_location.get(),
        }))
    }
}

/// Whether no block of the partition below is in these runs twice: then what is free in one is needed in none.
fn are_apart<'a>(runs: impl Iterator<Item = &'a Run>) -> bool {
    let mut ranges: Vec<_> = runs.map(|run| run.block..run.block.saturating_add(run.blocks)).collect();
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.windows(2).all(|two| two[0].end <= two[1].start)
}
