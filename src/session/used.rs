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
    /// Entries that have names, some of them several.
    named: BTreeSet<BlockAddress>,
    /// Entries that belong to another one: streams, their directories, extended attributes.
    owned: BTreeSet<BlockAddress>,
    /// Bytes that further directories of streams may have: all together fit on the device unless they share blocks.
    room_bytes: u64,
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

    /// Notes that an entry belongs to another one; an error if it has a name, or belongs to a third.
    fn claim(&mut self, entry: &Entry) -> Result<()> {
        if self.named.contains(&entry.icb) || !self.owned.insert(entry.icb) {
            return Err(claimed_twice(entry));
        }
        Ok(())
    }

    /// Blocks of the metadata partition that nothing leads to.
    pub(super) fn free_of_metadata(&self, blocks: u32) -> Vec<Range<u32>> {
        let all = 0..blocks;
        without(&[all], &self.of(UPPER))
    }

    /// Blocks of these that nothing leads to and nothing needs.
    pub(super) fn free_in(&self, blocks: Range<u32>, mut needed: Vec<Range<u32>>) -> Vec<Range<u32>> {
        needed.extend(self.of(PARTITION));
        without(&[blocks], &joined(needed))
    }

    /// Blocks behind all data and behind block `behind`, without those that are `needed` for anything else.
    pub(super) fn free_behind(&self, behind: u32, needed: Vec<Range<u32>>, blocks: u32) -> Vec<Range<u32>> {
        let end = self.of(PARTITION).last().map_or(behind, |last| last.end.max(behind));
        let rest = end..blocks.max(end);
        without(&[rest], &joined(needed))
    }
}

impl<R: ReadAt> Import<R> {
    /// Walks the tree. What cannot be read is an error, and what is not clear: nobody could tell what it uses.
    pub(super) fn used(&self) -> Result<Used> {
        let volume = &self.volume;
        if volume.logical().logical_volume_contents_use.start() != volume.file_set_address() {
            return Err(unclear("the volume has more than one file set"));
        }
        let room_bytes = volume.device().size_bytes();
        let mut used = Used { directories: 1, next_unique_id: 16, room_bytes, ..Used::default() };
        let root = volume.root()?;
        self.add_named(&root, &mut used)?;
        for step in volume.walk(&root) {
            let (_, name, entry) = step.map_err(|error| Error::Volume(error.error))?;
            used.next_unique_id =
                used.next_unique_id.max(u64::from(name.icb.unique_id.get()).saturating_add(1));
            let count = if entry.is_directory() { &mut used.directories } else { &mut used.files };
            *count = count.saturating_add(1);
            self.add_named(&entry, &mut used)?;
        }
        if let Some(streams) = volume.system_streams()? {
            self.add_streams(&streams, &mut used)?;
        }
        used.blocks.extend(self.file_set_blocks().map(one_block));
        Ok(used)
    }

    /// Adds an entry that a name leads to, with all that belongs to it, unless another name did before.
    fn add_named(&self, entry: &Entry, used: &mut Used) -> Result<()> {
        if used.owned.contains(&entry.icb) {
            return Err(claimed_twice(entry));
        }
        if !used.named.insert(entry.icb) {
            return Ok(());
        }
        self.add(entry, used)?;
        self.add_attributes(entry, used)?;
        match self.volume.streams(entry)? {
            Some(streams) => self.add_streams(&streams, used),
            None => Ok(()),
        }
    }

    /// Adds a directory of streams, and those in it, which have neither streams nor directories among them (UDF 3.3.5).
    fn add_streams(&self, directory: &Entry, used: &mut Used) -> Result<()> {
        self.add_owned(directory, used)?;
        used.room_bytes = used
            .room_bytes
            .checked_sub(directory.size_bytes)
            .ok_or_else(|| unclear("directories of streams share their blocks"))?;
        for name in self.volume.directory(directory)?.live() {
            let stream = self.volume.entry(&name?.icb)?;
            if stream.is_directory() {
                return Err(unclear(&format!(
                    "the directory of streams at {} has another in it",
                    directory.icb
                )));
            }
            self.add_owned(&stream, used)?;
        }
        Ok(())
    }

    /// Adds an entry that belongs to one other.
    fn add_owned(&self, entry: &Entry, used: &mut Used) -> Result<()> {
        used.claim(entry)?;
        if entry.stream_directory.is_some() {
            return Err(unclear(&format!("the stream at {} has streams", entry.icb)));
        }
        self.add(entry, used)?;
        self.add_attributes(entry, used)
    }

    /// Adds the file of further extended attributes of an entry, which has none itself.
    fn add_attributes(&self, entry: &Entry, used: &mut Used) -> Result<()> {
        let Some(attributes) = self.volume.extended_attribute_file(entry)? else { return Ok(()) };
        used.claim(&attributes)?;
        if attributes.stream_directory.is_some() || attributes.extended_attribute_icb.is_some() {
            return Err(unclear(&format!(
                "the extended attributes at {} have more of their own",
                attributes.icb
            )));
        }
        self.add(&attributes, used)
    }

    fn add(&self, entry: &Entry, used: &mut Used) -> Result<()> {
        if entry.strategy != Strategy::Single {
            return Err(unclear(&format!(
                "the entry at {} is of strategy 4096, which is not written",
                entry.icb
            )));
        }
        used.next_unique_id = used.next_unique_id.max(entry.unique_id.saturating_add(1));
        used.blocks.push(one_block(entry.icb));
        self.body_blocks(entry, &mut used.blocks)?;
        // Every one takes a block, unless they share them.
        let blocks = u64::from(self.blocks_of(PARTITION)).saturating_add(self.blocks_of(UPPER).into());
        if used.blocks.len() as u64 > blocks {
            return Err(unclear(
                "the files of the volume have more extents than it has blocks: they share them",
            ));
        }
        Ok(())
    }
}

fn claimed_twice(entry: &Entry) -> Error {
    unclear(&format!(
        "the entry at {} is a stream, or has extended attributes, of more than one file",
        entry.icb
    ))
}

fn unclear(reason: &str) -> Error {
    Error::refused(reason, "make a new volume from its files: extract them, then create")
}
