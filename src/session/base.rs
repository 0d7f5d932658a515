//! The end of an import: what became of the old names, and the facts that the next session is planned on.

use std::collections::{BTreeMap, BTreeSet};

use udf::general::{LongAd, Seal};
use udf::read::{Entry, MetadataFile, ReadAt};
use udf::{BlockAddress, Sector};

use super::import::{Import, mark_changed};
use super::in_place::{UPPER, is_pseudo_overwritable};
use super::refuse::physical_start;
use super::tables::base_table;
use super::used::Used;
use crate::error::{Error, Result, Warning};
use crate::plan::frame::{PARTITION_START, reserve_slots};
use crate::plan::{Base, BaseMetadata, Frame, Run};
use crate::scan::Outcome;
use crate::tree::{Attributes, Content, Kept, Kind, Tree};

/// Metadata partitions that grow by larger units (UDF 2.60 2.2.10) are not continued: each extent of theirs begins at a multiple
/// of it, and what lies between is lost. No ECC block is larger than 64 blocks.
const LARGEST_ALLOCATION_UNIT_BLOCKS: u32 = 1 << 16;

impl<R: ReadAt> Import<R> {
    /// Ends the import: counts what is gone, and returns what the next session builds on, with what was noticed.
    pub fn finish(mut self, tree: &mut Tree, outcome: &Outcome) -> Result<(Base, Vec<Warning>)> {
        let base = self.end(tree, outcome)?;
        Ok((base, self.warnings))
    }

    /// What [`finish`](Self::finish) would return, with the import and its tree to be used further. `tree` is a copy.
    pub(crate) fn preview(&mut self, tree: &mut Tree, outcome: &Outcome) -> Result<(Base, Vec<Warning>)> {
        let (entries, further_names) = (self.entries.clone(), self.further_names.clone());
        let base = self.end(tree, outcome);
        (self.entries, self.further_names) = (entries, further_names);
        self.relinked.clear();
        Ok((base?, self.warnings.clone()))
    }

    fn end(&mut self, tree: &mut Tree, outcome: &Outcome) -> Result<Base> {
        for directory in &outcome.changed_directories {
            mark_changed(tree, *directory);
        }
        let mut names = Names::default();
        for (_, inode) in &outcome.linked {
            if let Some(kept) = tree.inode(*inode).kept {
                *names.change.entry(kept.icb).or_default() += 1;
                names.linked += 1;
            }
        }
        self.count_gone(tree, &mut names)?;
        self.change_attributes(tree, outcome)?;
        self.count_lost_streams(tree)?;
        self.change_links(tree, &mut names)?;
        self.lose_streams(&mut names)?;
        self.move_streams(tree)?;
        self.unless_numbered(tree)?;
        let is_untold = self.in_place.is_some() && is_pseudo_overwritable(&self.volume);
        let used = is_untold.then(|| self.used()).transpose()?;
        let mut base = self.base(&names, used.as_ref())?;
        if let Some(write_unit_blocks) = self.in_place {
            self.unless_own(tree)?;
            let in_place = self.base_in_place(tree, &names.lost, write_unit_blocks, used.as_ref())?;
            base.in_place = Some(in_place);
        }
        // A further name has a unique id of its own (UDF 3.2.1.1).
        for (node, _) in outcome.linked.iter().filter(|(node, inode)| tree.node(*node).inode == *inode) {
            let id = u32::try_from(base.next_unique_id).map_err(|_| Error::Limit {
                what: "unique id",
                value: base.next_unique_id,
                limit: u64::from(u32::MAX),
            })?;
            base.further_names.insert(*node, (id, 0));
            base.next_unique_id += 1;
        }
        Ok(base)
    }

    fn count_gone(&self, tree: &Tree, names: &mut Names) -> Result<()> {
        for (node, inode) in tree.gone() {
            let inode = tree.inode(*inode);
            if let Some(kept) = inode.kept {
                if tree.stream_owner(tree.node(*node).parent).is_some() {
                    // Streams are not counted, and have one name.
                    names.lost.insert(kept.icb);
                    continue;
                }
                // What lay in a directory that was in the tree is listed by itself; it may also have been moved elsewhere.
                let is_loaded = matches!(inode.content, Content::Directory(_));
                self.count_entry(&kept, is_loaded, names)?;
            }
        }
        Ok(())
    }

    fn count_entry(&self, kept: &Kept, is_loaded: bool, names: &mut Names) -> Result<()> {
        if is_loaded {
            names.directories += 1;
            names.lost.insert(kept.icb);
            return Ok(());
        }
        let entry = self.volume.entry(&kept.entry_icb())?;
        if !entry.is_directory() {
            names.gone(&entry);
            return Ok(());
        }
        names.directories += 1;
        names.lost.insert(entry.icb);
        for step in self.volume.walk(&entry) {
            let step = step.map_err(|error| Error::Volume(error.error))?;
            if step.2.is_directory() {
                names.directories += 1;
                names.lost.insert(step.2.icb);
            } else {
                names.gone(&step.2);
            }
        }
        Ok(())
    }

    fn change_attributes(&mut self, tree: &mut Tree, outcome: &Outcome) -> Result<()> {
        for inode in &outcome.changed_attributes {
            let Some(kept) = tree.inode(*inode).kept else { continue };
            let entry = self.volume.entry(&kept.entry_icb())?;
            let facts = self.facts(&entry)?;
            self.entries.insert(*inode, facts);
            tree.inode_mut(*inode).kept = Some(Kept { changed: true, ..kept });
        }
        Ok(())
    }

    /// What a file has in its streams counts into the size of the object (ECMA-167 4/14.17.11).
    fn count_lost_streams(&mut self, tree: &Tree) -> Result<()> {
        for (node, inode) in tree.gone() {
            let Some(owner) = tree.stream_owner(tree.node(*node).parent) else { continue };
            if let (Some(kept), Some(owner)) = (tree.inode(*inode).kept, self.entries.get_mut(&owner)) {
                let stream = self.volume.entry(&kept.entry_icb())?;
                owner.lost_stream_bytes = owner.lost_stream_bytes.saturating_add(stream.size_bytes);
            }
        }
        Ok(())
    }

    /// Files that lost or won a name but have others keep their entry, with another link count.
    fn change_links(&mut self, tree: &mut Tree, names: &mut Names) -> Result<()> {
        let mut lost = Vec::new();
        for (icb, change) in names.change.iter().filter(|(_, change)| **change != 0) {
            let entry = self.volume.entry(&LongAd::icb(self.volume.block_size().bytes(), *icb, 0))?;
            let links = i32::from(names_of(&entry)) + change;
            if links <= 0 {
                lost.push(*icb);
                continue;
            }
            let change = u16::try_from(links).ok().and_then(|_| i16::try_from(*change).ok());
            let link_change = change.ok_or(Error::Limit {
                what: "names of one file",
                value: u64::try_from(links).unwrap_or(0),
                limit: u64::from(u16::MAX),
            })?;
            let inode = self.files.get(icb).copied().unwrap_or_else(|| {
                let inode = tree.add_inode(Kind::File, Attributes::default(), Content::None);
                tree.inode_mut(inode).kept = Some(self.kept_at(*icb));
                inode
            });
            if !self.entries.contains_key(&inode) {
                let facts = self.facts(&entry)?;
                self.entries.insert(inode, facts);
                tree.inode_mut(inode).attributes = facts.attributes;
            }
            if let Some(kept) = &mut tree.inode_mut(inode).kept {
                kept.link_change = link_change;
                kept.changed = true;
            }
            if tree.inode(inode).links == 0 {
                self.relinked.push(inode);
            }
        }
        names.lost.extend(lost);
        // What has a name in the tree is there, whatever was counted.
        let kept = tree.kept().filter(|(_, links)| *links > 0);
        for (icb, _) in kept {
            names.lost.remove(&icb);
        }
        Ok(())
    }

    /// An error if entries stay under their numbers in a metadata or virtual partition, and one that changes has none: its new state would
    /// be recorded under a number that nothing leads to.
    fn unless_numbered(&self, tree: &Tree) -> Result<()> {
        if self.entries_move() {
            return Ok(());
        }
        let changed = tree.inodes().filter_map(|inode| inode.kept.filter(|kept| kept.changed));
        let mut needed = changed.map(|kept| kept.icb).chain([self.volume.file_set_address()]);
        match needed.find(|icb| icb.partition != UPPER) {
            None => Ok(()),
            Some(icb) => Err(Error::refused(
                format!(
                    "the entry at {icb} lies outside the partition that the volume's entries are numbered in"
                ),
                "make a new volume from its files: extract them, then create",
            )),
        }
    }

    /// What belonged to a file that is gone is gone, too.
    fn lose_streams(&self, names: &mut Names) -> Result<()> {
        for owner in names.with_streams.intersection(&names.lost.clone()) {
            let entry = self.volume.entry(&LongAd::icb(self.volume.block_size().bytes(), *owner, 0))?;
            let Some(streams) = self.volume.streams(&entry)? else { continue };
            names.lost.insert(streams.icb);
            for stream in self.volume.directory(&streams)?.live() {
                names.lost.insert(stream?.icb.start());
            }
        }
        Ok(())
    }

    fn kept_at(&self, icb: BlockAddress) -> Kept {
        let icb_bytes = self.volume.block_size().bytes();
        Kept { icb, icb_bytes, unique_id: 0, characteristics: 0, link_change: 0, changed: true }
    }

    /// What is `used` counts before what the integrity descriptor says; what unique ids there are, that says if it is closed.
    fn base(&mut self, names: &Names, used: Option<&Used>) -> Result<Base> {
        let volume = &self.volume;
        let missing = |what: &'static str| Error::Options(format!("the volume has no {what}"));
        let integrity = volume.integrity().ok_or_else(|| missing("integrity descriptor"))?;
        let revision = volume.revision().ok_or_else(|| missing("known revision"))?;
        let physical = volume.partitions().first().ok_or_else(|| missing("partition"))?;
        let size = volume.block_size();
        let file_set = volume.file_set_address();
        let device_blocks = u32::try_from(volume.device_blocks()).unwrap_or(u32::MAX);
        // What is new first: of names that came and went in one session there may be more than there were.
        let counted = |count: Option<u32>, new: u32, gone: u32| {
            count.unwrap_or(0).saturating_add(new).saturating_sub(gone)
        };
        let recounted = used.filter(|_| !volume.is_consistent());
        let tag = volume.file_set().tag;
        Ok(Base {
            block_size: size,
            revision,
            seal: Seal {
                descriptor_version: tag.descriptor_version.get(),
                serial_number: tag.serial_number.get(),
            },
            primary: *volume.primary(),
            information: volume.information().copied(),
            recorded_label: Some(volume.file_set().logical_volume_identifier)
                .filter(|recorded| recorded.decode_lossy() == volume.label()),
            label: volume.label(),
            partition_number: physical.number,
            partition_start: physical.start().ok_or_else(|| missing("physical partition"))?,
            session_number: self.newest.session.number,
            session_start: self.newest.session.start,
            sequences: self.newest.sequences,
            next_unique_id: integrity
                .next_unique_id
                .max(self.newest.next_unique_id)
                .max(recounted.map_or(16, |used| used.next_unique_id)),
            files: counted(used.map_or(integrity.files, |used| Some(used.files)), names.linked, names.files),
            directories: counted(
                used.map_or(integrity.directories, |used| Some(used.directories)),
                0,
                names.directories,
            ),
            recorded: self.newest.recorded,
            free_start: self.newest.free_start,
            reserve_slot: self.reserve_slot()?,
            device_blocks: (self.fixed_size || self.in_place.is_some()).then_some(device_blocks),
            file_set_offset_bytes: size.offset_of(volume.locate(file_set)?.sector),
            file_set_mirror: self.mirror_of(file_set)?,
            sequential: self.sequential,
            table: base_table(volume, self.sequential, &self.newest, &names.lost)?,
            metadata: if self.in_place.is_some() { None } else { self.metadata(file_set)? },
            in_place: None,
            further_names: std::mem::take(&mut self.further_names),
            relinked: std::mem::take(&mut self.relinked),
            entries: std::mem::take(&mut self.entries),
        })
    }

    /// A blank cluster before the first anchor, on volumes whose beginning was laid out by this implementation.
    fn reserve_slot(&self) -> Result<Option<Sector>> {
        let is_elsewhere = self.sequential.is_some() || self.in_place.is_some();
        if is_elsewhere || !self.all_ours || physical_start(&self.volume) != Some(PARTITION_START.0) {
            return Ok(None);
        }
        let size = self.volume.block_size();
        let mut blocks = vec![0; size.len() * Frame::sequence_blocks() as usize];
        for slot in reserve_slots(size) {
            self.volume.read_sectors(slot, &mut blocks)?;
            if blocks.iter().all(|byte| *byte == 0) {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    pub(super) fn metadata(&self, file_set: BlockAddress) -> Result<Option<BaseMetadata>> {
        let Some(partition) = self.metadata_partition() else { return Ok(None) };
        let (Some(main), Some(mirror)) = (&partition.main, &partition.mirror) else {
            return Err(Error::refused(
                "one of the two copies of the metadata cannot be read",
                "copy the volume's files to a new volume before more is lost: extract, then create",
            ));
        };
        let allocation_unit_blocks = partition.map.allocation_unit_size.get().max(1);
        let size = self.volume.block_size();
        let longest_extent_blocks = size.max_extent_bytes() / size.bytes();
        if allocation_unit_blocks > LARGEST_ALLOCATION_UNIT_BLOCKS.min(longest_extent_blocks) {
            return Err(Error::refused(
                format!(
                    "the metadata partition grows by units of {allocation_unit_blocks} blocks, as no medium has them"
                ),
                "copy the volume's files to a new volume: extract, then create",
            ));
        }
        // A mirror that the map does not own up to may have what the main file lost, and reading takes it from there.
        let is_told = partition.map.flags & udf::partition::MetadataPartitionMap::DUPLICATE_METADATA != 0;
        let duplicate = is_told || main.extents() != mirror.extents();
        Ok(Some(BaseMetadata {
            file_set_block: file_set.block.0,
            main: self.runs(main)?,
            mirror: self.runs(mirror)?,
            duplicate,
            allocation_unit_blocks,
        }))
    }

    fn runs(&self, file: &MetadataFile) -> Result<Vec<Run>> {
        let size = self.volume.block_size();
        let mut first = 0u32;
        let mut runs = Vec::new();
        for extent in file.extents() {
            let blocks = u32::try_from(extent.blocks(size)).unwrap_or(u32::MAX);
            if extent.kind != udf::general::ExtentKind::Recorded {
                return Err(Error::refused(
                    "the metadata file has holes, which is not written",
                    "make a new volume from the files: extract them, then create",
                ));
            }
            runs.push(Run { first, block: extent.start.block.0, blocks });
            first = first.saturating_add(blocks);
        }
        // All of it may be recorded again: no more than there is on the device.
        let device_blocks = self.volume.device_blocks();
        if u64::from(first) > device_blocks {
            return Err(Error::refused(
                format!("the metadata file claims {first} blocks, and the volume has {device_blocks}"),
                "check the volume: mkudf-ms check",
            ));
        }
        Ok(runs)
    }
}

/// What is no longer in the tree, and what has other names than before.
#[derive(Debug, Default)]
struct Names {
    files: u32,
    directories: u32,
    /// Further names of what was there.
    linked: u32,
    /// Files with several names: how many more, or fewer, they have now.
    change: BTreeMap<BlockAddress, i32>,
    /// ICBs that nothing refers to any more.
    lost: BTreeSet<BlockAddress>,
    /// Files with fewer names than before that have named streams.
    with_streams: BTreeSet<BlockAddress>,
}

/// How many names a file has: the directory of its streams has none for it, but counts as a link.
fn names_of(entry: &Entry) -> u16 {
    entry.links.saturating_sub(u16::from(entry.stream_directory.is_some()))
}

impl Names {
    fn gone(&mut self, entry: &Entry) {
        let icb = entry.icb;
        self.files += 1;
        if entry.stream_directory.is_some() {
            self.with_streams.insert(icb);
        }
        if names_of(entry) > 1 || self.change.contains_key(&icb) {
            *self.change.entry(icb).or_default() -= 1;
        } else {
            self.lost.insert(icb);
        }
    }
}
