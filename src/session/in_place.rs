//! Volumes that are changed in place: which can be, what is free on them, and what a change sets free.

use std::collections::BTreeSet;
use std::ops::Range;

use udf::file::{NON_ALLOCATABLE_FILE, SpaceBitmapDescriptor};
use udf::general::{ExtentKind, LongAd, Tag, TagIdentifier};
use udf::read::{DirectoryEntry, Entry, FreeForm, FreeRun, FreeSet, Freedom, PartitionKind, ReadAt, Volume};
use udf::volume::AccessType;
use udf::{BlockAddress, PartitionReference, Sector};

use super::import::Import;
use super::refuse::physical_start;
use super::used::Used;
use crate::error::{Error, Result};
use crate::media::multisession::PseudoOverwrite;
use crate::plan::frame::CLUSTER_BLOCKS;
use crate::plan::{BaseInPlace, MetadataInPlace, Recorded, joined, without};
use crate::tree::{Content, Inode, NodeId, Tree};

/// The partition of all blocks.
pub(super) const PARTITION: PartitionReference = PartitionReference(0);
/// The metadata or virtual partition upon it, in which entries have their numbers, if there is one.
pub(super) const UPPER: PartitionReference = PartitionReference(1);
/// Whether a volume is meant to be changed where it lies: its partition can be written to at any place (ECMA-167 3/10.5.7), and
/// it has an account of what is free, or the drive has.
pub fn is_rewritable<R: ReadAt>(volume: &Volume<R>) -> bool {
    match access(volume) {
        Some(AccessType::Overwritable | AccessType::Rewritable) => !volume.free_sets(PARTITION).is_empty(),
        Some(AccessType::PseudoOverwritable) => true,
        _ => false,
    }
}

/// Whether the drive puts elsewhere what is written again on a volume, and keeps the account of what is free (UDF 2.60 2.2.14.2).
pub fn is_pseudo_overwritable<R: ReadAt>(volume: &Volume<R>) -> bool {
    access(volume) == Some(AccessType::PseudoOverwritable)
}

fn access<R: ReadAt>(volume: &Volume<R>) -> Option<AccessType> {
    volume.partitions().first().and_then(|partition| partition.access)
}

/// An error unless this volume can be changed in place.
pub(super) fn unless_changeable<R: ReadAt>(volume: &Volume<R>) -> Result<()> {
    let anew = "make a new volume from its files: extract them, then create";
    let known = match volume.partitions() {
        [one] => one.start().is_some(),
        [one, two] => one.start().is_some() && matches!(two.kind, PartitionKind::Metadata(_)),
        _ => false,
    };
    if !known || volume.revision().is_none() {
        return Err(Error::refused(
            "only volumes with one partition, and at most a metadata partition upon it, are changed in place",
            "append a session instead (--layout session), or make a new volume from its files",
        ));
    }
    if is_pseudo_overwritable(volume) {
        let is_bare = |partition| volume.free_sets(partition).is_empty();
        if volume.partitions().len() < 2 || !is_bare(PARTITION) || !is_bare(UPPER) {
            return Err(Error::refused(
                "the volume is pseudo-overwritable, but has no metadata partition, or has an account of its free blocks",
                anew,
            ));
        }
    } else if volume.partitions().len() > 1 && volume.free_sets(UPPER).is_empty() {
        return Err(Error::refused(
            "the volume's metadata partition has no readable account of its free blocks",
            anew,
        ));
    }
    if !is_rewritable(volume) {
        return Err(Error::refused(
            "the volume has no account of its free space, or its partition cannot be written to again",
            "append a session instead (--layout session)",
        ));
    }
    if volume.used_reserve() {
        return Err(Error::refused(
            "the main volume descriptor sequence is damaged; only the reserve one could be read",
            mend(volume),
        ));
    }
    if volume.integrity().is_none() {
        return Err(Error::refused("the volume has no readable integrity descriptor", anew));
    }
    if is_pseudo_overwritable(volume) && holds_descriptors(volume) {
        return Err(Error::refused(
            "descriptors of the volume lie inside its partition, where nothing says that they are used",
            anew,
        ));
    }
    let end = volume.partitions().first().and_then(|partition| {
        partition.start().map(|start| u64::from(start.0) + u64::from(partition.length_blocks))
    });
    if end.is_none_or(|end| end > volume.device_blocks() || end >= u64::from(u32::MAX)) {
        return Err(Error::refused(
            "the volume's partition reaches beyond the end of the image or device, part of which is missing",
            "bring back what is missing, or save what is there: mkudf-ms rescue",
        ));
    }
    Ok(())
}

/// What to do about damage: on write-once media nothing is repaired.
pub(super) fn mend<R: ReadAt>(volume: &Volume<R>) -> &'static str {
    if is_pseudo_overwritable(volume) {
        "make a new volume from its files: extract them, then create"
    } else {
        "mend the volume first: mkudf-ms repair"
    }
}

/// Whether anchors, sequences or integrity descriptors lie inside the first partition.
fn holds_descriptors<R: ReadAt>(volume: &Volume<R>) -> bool {
    let Some(first) = volume.partitions().first() else { return false };
    let start = first.start().map_or(0, |start| u64::from(start.0));
    let partition = start..start.saturating_add(first.length_blocks.into());
    let (main, reserve) = volume.sequences();
    let extents = [main, reserve, volume.logical().integrity_sequence_extent].map(|extent| {
        let first = u64::from(extent.start().0);
        first..first.saturating_add(volume.block_size().blocks_for(extent.length.get().into()))
    });
    let single = volume.found().anchors.iter().map(|anchor| anchor.sector);
    let single = single.chain(volume.integrity().map(|integrity| integrity.sector));
    let single = single.map(|sector| u64::from(sector.0)..u64::from(sector.0) + 1);
    extents.into_iter().chain(single).any(|range| range.start < partition.end && partition.start < range.end)
}

/// A file set's sequence has no more descriptors than a few.
const LONGEST_FILE_SET_BLOCKS: u32 = 32;

/// Blocks of a partition that nothing leads to any more.
pub(super) type Released = (PartitionReference, Range<u32>);

pub(super) fn one_block(at: BlockAddress) -> Released {
    (at.partition, at.block.0..at.block.0.saturating_add(1))
}

/// Entries that stay where they are.
fn staying(tree: &Tree) -> impl Iterator<Item = BlockAddress> + '_ {
    let stay = |inode: &&Inode| inode.links > 0 && !matches!(inode.content, Content::Directory(_));
    tree.inodes()
        .filter(stay)
        .filter_map(|inode| inode.kept.filter(|kept| !kept.changed))
        .map(|kept| kept.icb)
}

/// What a volume records of its free space.
struct Account {
    free: Vec<Range<u32>>,
    /// Where the bitmap of unallocated space lies.
    bitmap: Option<Range<u32>>,
    /// Where everything else of it lies.
    others: Vec<Range<u32>>,
    /// All that it takes.
    own: Vec<Range<u32>>,
}

impl<R: ReadAt> Import<R> {
    /// Blocks up to the end of what a volume is in that is changed in place, and so does not grow; `None` if it grows.
    pub(crate) fn end_in_place(&self) -> Option<u32> {
        self.in_place.map(|_| u32::try_from(self.volume.device_blocks()).unwrap_or(u32::MAX))
    }

    /// An error if what says which blocks can never be used would be lost or get another name: the hidden file that sparable volumes
    /// have up to 1.50 (UDF 1.50 2.3.13). Spare packets may lie in them.
    pub(super) fn unless_own(&self, tree: &Tree) -> Result<()> {
        let volume = &self.volume;
        let is_sparable = |kind: &PartitionKind| matches!(kind, PartitionKind::Sparable(_));
        if !volume.partitions().iter().any(|partition| is_sparable(&partition.kind)) {
            return Ok(());
        }
        let found = volume.child(&volume.root()?, NON_ALLOCATABLE_FILE)?.filter(DirectoryEntry::is_hidden);
        let Some(found) = found else { return Ok(()) };
        let is_it = |node: &NodeId| {
            let kept = tree.inode_of(*node).kept;
            tree.name_text(*node) == NON_ALLOCATABLE_FILE
                && kept.is_some_and(|kept| kept.icb == found.icb.start())
        };
        if tree.children(tree.root()).iter().any(is_it) {
            return Ok(());
        }
        Err(Error::refused(
            format!("the file {NON_ALLOCATABLE_FILE:?} says which blocks of the medium can never be used"),
            "leave it where it is",
        ))
    }

    /// What a change in place needs to know; `lost` are ICBs that nothing refers to any more, `used` what is used of a volume that has no
    /// account of what is free.
    pub(super) fn base_in_place(
        &self,
        tree: &Tree,
        lost: &BTreeSet<BlockAddress>,
        write_unit_blocks: u32,
        used: Option<&Used>,
    ) -> Result<BaseInPlace> {
        let volume = &self.volume;
        let partition_blocks = self.blocks_of(PARTITION);
        let (main, reserve) = self.recorded_sequences()?;
        let mut avoided = Vec::new();
        let mut write_unit_blocks = write_unit_blocks;
        if let Some(PartitionKind::Sparable(sparable)) = volume.partitions().first().map(|it| &it.kind) {
            let packet = u32::from(sparable.map.packet_length.get());
            write_unit_blocks = write_unit_blocks.max(packet);
            avoided
                .extend(sparable.relocated().iter().map(|(block, _)| *block..block.saturating_add(packet)));
        }
        let integrity = volume.integrity().map_or(Sector(0), |integrity| integrity.sector);
        let mut sector = vec![0; volume.block_size().len()];
        volume.read_sectors(integrity, &mut sector)?;
        let Account { mut free, bitmap, others, own } = self.account()?;
        let (mut released, of_metadata): (Vec<_>, Vec<_>) =
            self.released(tree, lost)?.into_iter().partition(|(partition, _)| *partition == PARTITION);
        released.extend(others.into_iter().map(|range| (PARTITION, range)));
        released.retain(|(_, range)| range.end <= partition_blocks);
        let ranges = |of: Vec<Released>| joined(of.into_iter().map(|(_, range)| range).collect());
        let (released, of_metadata) = (ranges(released), ranges(of_metadata));
        let (kept, kept_in_metadata): (Vec<_>, Vec<_>) =
            staying(tree).map(one_block).partition(|(partition, _)| *partition == PARTITION);
        let metadata = self.metadata_in_place(of_metadata, &ranges(kept_in_metadata), used)?;
        let goes_on = self.pseudo_overwrite.map(|facts| self.goes_on(&facts));
        if let (Some(used), Some(metadata)) = (used, &metadata) {
            let behind = metadata.files.main.first().map_or(0, |run| run.place().end);
            let needed = metadata.blocks_below().collect();
            free = match goes_on.clone() {
                Some(blocks) => used.free_in(blocks, needed),
                None => used.free_behind(behind, needed, partition_blocks),
            };
        }
        // Nothing that is seen to be needed becomes free, whatever else claims it; nor is it free, whatever the account says.
        let mut needed = ranges(kept);
        needed.extend(metadata.iter().flat_map(MetadataInPlace::blocks_below));
        let released = without(&released, &joined(needed.clone()));
        needed.extend(released.iter().cloned().chain(own));
        let free = without(&free, &joined(needed));
        Ok(BaseInPlace {
            partition_blocks,
            free,
            avoided: joined(avoided),
            released,
            metadata,
            bitmap,
            write_unit_blocks,
            main,
            reserve,
            integrity: Recorded { start: integrity, bytes: sector },
            pseudo_overwrite: used.is_some(),
            goes_on,
            is_open: !volume.is_consistent(),
        })
    }

    /// Blocks of the partition that a disc in pseudo-overwrite goes on with.
    fn goes_on(&self, facts: &PseudoOverwrite) -> Range<u32> {
        let start = physical_start(&self.volume).unwrap_or(0);
        let block = |sector: u32| sector.saturating_sub(start);
        let end = block(facts.next_writable.saturating_add(facts.free_sectors));
        block(facts.next_writable)..end.min(self.blocks_of(PARTITION)).max(block(facts.next_writable))
    }

    /// What is free, by whatever account there is: what has been freed, and would have to be erased on media that are not
    /// written here, too.
    fn account(&self) -> Result<Account> {
        let (mut free, mut bitmap, mut others, mut own) = (Vec::new(), None, Vec::new(), Vec::new());
        let block_size = self.volume.block_size();
        for set in self.volume.free_sets(PARTITION) {
            self.free_blocks_of(&set, &mut free)?;
            let start = set.place.block.0;
            let blocks = u32::try_from(block_size.blocks_for(set.bytes.into())).unwrap_or(u32::MAX);
            own.push(start..start.saturating_add(blocks));
            if set.form == FreeForm::Table {
                // It may go on elsewhere; what is not known to be its own stays where it is.
                others.push(start..start.saturating_add(1));
                continue;
            }
            let place = start..start.saturating_add(self.blocks_of_bitmap(start, blocks)?);
            match set.freedom {
                Freedom::Unallocated => bitmap = Some(place),
                Freedom::Freed => others.push(place),
            }
        }
        Ok(Account { free: joined(free), bitmap, others, own })
    }

    /// Adds the free blocks of a set to others.
    pub(super) fn free_blocks_of(&self, set: &FreeSet, free: &mut Vec<Range<u32>>) -> Result<()> {
        let mut add = |run: FreeRun| free.push(run.start..run.start.saturating_add(run.blocks));
        Ok(self.volume.free_runs(set, &mut add)?)
    }

    /// Blocks of a partition.
    pub(super) fn blocks_of(&self, partition: PartitionReference) -> u32 {
        let found = self.volume.partitions().get(usize::from(partition.0));
        found.map_or(0, |partition| partition.length_blocks)
    }

    /// How many blocks of its extent a bitmap takes: what it needs, and behind that zeros up to a cluster's end. An extent that is longer
    /// may reach over what is not the bitmap's, and that stays as it is.
    fn blocks_of_bitmap(&self, start: u32, blocks: u32) -> Result<u32> {
        let (block_size, partition_blocks) = (self.volume.block_size(), self.blocks_of(PARTITION));
        let needed = SpaceBitmapDescriptor::blocks(partition_blocks, block_size).min(blocks);
        let most = needed.checked_next_multiple_of(CLUSTER_BLOCKS).unwrap_or(needed).min(blocks);
        let end = start.saturating_add(most);
        if end > partition_blocks {
            return Ok(needed);
        }
        let mut block = vec![0; block_size.len()];
        for at in start.saturating_add(needed)..end {
            let sector = self.volume.locate(BlockAddress::new(PARTITION.0, at))?.sector;
            self.volume.read_sectors(sector, &mut block)?;
            if block.iter().any(|byte| *byte != 0) {
                return Ok(needed);
            }
        }
        Ok(most)
    }

    /// Blocks that nothing leads to any more: of what is gone, of entries that are recorded anew, and of directories with them.
    fn released(&self, tree: &Tree, lost: &BTreeSet<BlockAddress>) -> Result<Vec<Released>> {
        let block_bytes = self.volume.block_size().bytes();
        let mut released = Vec::new();
        let mut seen = BTreeSet::new();
        let mut release = |icb: BlockAddress, with_body: bool| {
            if !seen.insert(icb) {
                return Ok(());
            }
            let entry = self.volume.entry(&LongAd::icb(block_bytes, icb, 0))?;
            released.push(one_block(icb));
            if with_body { self.body_blocks(&entry, &mut released) } else { Ok(()) }
        };
        for icb in lost {
            release(*icb, true)?;
        }
        for inode in tree.inodes() {
            let Some(kept) = inode.kept else { continue };
            if matches!(inode.content, Content::Directory(_)) {
                release(kept.icb, true)?;
            } else if kept.changed {
                release(kept.icb, false)?;
            }
        }
        if self.volume.logical().logical_volume_contents_use.start() == self.volume.file_set_address() {
            released.extend(self.file_set_blocks().map(one_block));
        }
        Ok(released)
    }

    /// The blocks of the file set's sequence, from the file set on.
    pub(super) fn file_set_blocks(&self) -> impl Iterator<Item = BlockAddress> + '_ {
        let first = self.volume.file_set_address();
        let bytes = self.volume.logical().logical_volume_contents_use.bytes();
        let blocks = u32::try_from(self.volume.block_size().blocks_for(bytes.into())).unwrap_or(0);
        let blocks = (0..blocks.min(LONGEST_FILE_SET_BLOCKS)).map_while(move |skip| first.checked_add(skip));
        blocks.take_while(|at| self.is_of_file_set(*at))
    }

    /// Whether a block has a descriptor of the file set's sequence. Its extent may be longer.
    fn is_of_file_set(&self, at: BlockAddress) -> bool {
        let mut block = vec![0; self.volume.block_size().len()];
        let read = self.volume.locate(at).and_then(|run| self.volume.read_sectors(run.sector, &mut block));
        let kind = read.ok().and_then(|()| Tag::read(&block)).map(|tag| tag.kind());
        matches!(kind, Some(TagIdentifier::FILE_SET | TagIdentifier::TERMINATING))
    }

    pub(super) fn body_blocks(&self, entry: &Entry, released: &mut Vec<Released>) -> Result<()> {
        let mut extents = self.volume.extents(entry);
        for extent in extents.by_ref() {
            let extent = extent?;
            if matches!(extent.kind, ExtentKind::Recorded | ExtentKind::Allocated) {
                let blocks = u32::try_from(extent.blocks(self.volume.block_size())).unwrap_or(u32::MAX);
                let start = extent.start.block.0;
                released.push((extent.start.partition, start..start.saturating_add(blocks)));
            }
        }
        released.extend(extents.allocation_extents().map(one_block));
        Ok(())
    }
}
