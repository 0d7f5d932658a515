//! What a volume uses, by its tree: where the drive keeps the account of what is free, nothing else on the volume tells
//! (UDF 2.60 2.2.14.2). With it come the counts and the next unique id, which a change that broke off left as they were.

use std::collections::BTreeSet;
use std::ops::Range;

use udf::BlockAddress;
use udf::file::Strategy;
use udf::read::{Entry, ReadAt};

use super::import::Import;
use super::in_place::{PARTITION, Released, UPPER, one_block};
use crate::error::{Error, Result};
use crate::plan::{joined, without};

/// What is used of the partition of all blocks and of the metadata partition upon it, and by how many.
#[derive(Debug, Default)]
pub(super) struct Used {
    blocks: Vec<Released>,
    seen: BTreeSet<BlockAddress>,
    /// Names of files.
    pub(super) files: u32,
    pub(super) directories: u32,
    /// Higher than every unique id on the volume.
    pub(super) next_unique_id: u64,
}

impl Used {
    fn of(&self, partition: udf::PartitionReference) -> Vec<Range<u32>> {
        let of_it = self.blocks.iter().filter(|(of, _)| *of == partition);
        joined(of_it.map(|(_, range)| range.clone()).collect())
    }

    /// Blocks of the metadata partition that nothing leads to.
    pub(super) fn free_of_metadata(&self, blocks: u32) -> Vec<Range<u32>> {
        let all = 0..blocks;
        without(&[all], &self.of(UPPER))
    }

    /// Blocks behind all data and behind block `behind`, without those that are `needed` for anything else.
    pub(super) fn free_behind(&self, behind: u32, needed: Vec<Range<u32>>, blocks: u32) -> Vec<Range<u32>> {
        let end = self.of(PARTITION).last().map_or(behind, |last| last.end.max(behind));
        let rest = end..blocks.max(end);
        without(&[rest], &joined(needed))
    }
}

impl<R: ReadAt> Import<R> {
    /// Walks the tree. What cannot be read is an error: nobody could tell what it uses.
    pub(super) fn used(&self) -> Result<Used> {
        if self.volume.logical().logical_volume_contents_use.start() != self.volume.file_set_address() {
            return Err(Error::refused(
                "the volume has more than one file set",
                "make a new volume from its files: extract them, then create",
            ));
        }
        let mut used = Used { directories: 1, next_unique_id: 16, ..Used::default() };
        let root = self.volume.root()?;
        self.add_with_streams(&root, &mut used)?;
        for step in self.volume.walk(&root) {
            let (_, name, entry) = step.map_err(|error| Error::Volume(error.error))?;
            used.next_unique_id =
                used.next_unique_id.max(u64::from(name.icb.unique_id.get()).saturating_add(1));
            let count = if entry.is_directory() { &mut used.directories } else { &mut used.files };
            *count = count.saturating_add(1);
            self.add_with_streams(&entry, &mut used)?;
        }
        if let Some(streams) = self.volume.system_streams()? {
            self.add_stream_directory(&streams, &mut used)?;
        }
        used.blocks.extend(self.file_set_blocks().map(one_block));
        Ok(used)
    }

    fn add_with_streams(&self, entry: &Entry, used: &mut Used) -> Result<()> {
        if !self.add(entry, used)? {
            return Ok(()); // By another name.
        }
        if let Some(attributes) = self.volume.extended_attribute_file(entry)? {
            self.add(&attributes, used)?;
        }
        match self.volume.streams(entry)? {
            Some(streams) => self.add_stream_directory(&streams, used),
            None => Ok(()),
        }
    }

    fn add_stream_directory(&self, streams: &Entry, used: &mut Used) -> Result<()> {
        if !self.add(streams, used)? {
            return Ok(());
        }
        for step in self.volume.walk(streams) {
            self.add(&step.map_err(|error| Error::Volume(error.error))?.2, used)?;
        }
        Ok(())
    }

    /// Adds an entry and its body, unless it has been added before.
    fn add(&self, entry: &Entry, used: &mut Used) -> Result<bool> {
        if !used.seen.insert(entry.icb) {
            return Ok(false);
        }
        if entry.strategy != Strategy::Single {
            return Err(Error::refused(
                format!("the entry at {} is of strategy 4096, which is not written", entry.icb),
                "make a new volume from the files: extract them, then create",
            ));
        }
        used.next_unique_id = used.next_unique_id.max(entry.unique_id.saturating_add(1));
        used.blocks.push(one_block(entry.icb));
        self.body_blocks(entry, &mut used.blocks)?;
        // Every one takes a block, unless they share them.
        let blocks = u64::from(self.blocks_of(PARTITION)).saturating_add(self.blocks_of(UPPER).into());
        if used.blocks.len() as u64 > blocks {
            return Err(Error::refused(
                "the files of the volume have more extents than it has blocks: they share them",
                "make a new volume from its files: extract them, then create",
            ));
        }
        Ok(true)
    }
}
