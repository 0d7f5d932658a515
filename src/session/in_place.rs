//! Volumes that are changed in place: which can be, what is free on them, and what a change sets free.

use std::collections::BTreeSet;
use std::ops::Range;

use udf::file::{NON_ALLOCATABLE_FILE, SpaceBitmapDescriptor};
use udf::general::{ExtentAd, ExtentKind, LongAd, Tag, TagIdentifier};
use udf::read::{Entry, FreeForm, Freedom, PartitionKind, ReadAt, Volume};
use udf::volume::AccessType;
use udf::{BlockAddress, PartitionReference, Sector};

use super::import::Import;
use crate::error::{Error, Result};
use crate::plan::frame::CLUSTER_BLOCKS;
use crate::plan::{BaseInPlace, MetadataInPlace, Mirror, Recorded, Run, joined, without};
use crate::tree::{Content, Tree};

/// The partition of all blocks.
const PARTITION: PartitionReference = PartitionReference(0);
/// The metadata partition upon it, if there is one.
const METADATA: PartitionReference = PartitionReference(1);
/// Longer sequences than any writer makes are not held in memory.
const LONGEST_SEQUENCE_BYTES: u32 = 1 << 20;

/// Whether a volume is meant to be changed where it lies: it has an account of what is free, and its partition can be written
/// to at any place (ECMA-167 3/10.5.7).
pub fn is_rewritable<R: ReadAt>(volume: &Volume<R>) -> bool {
    let access = volume.partitions().first().and_then(|partition| partition.access);
    matches!(access, Some(AccessType::Overwritable | AccessType::Rewritable))
        && !volume.free_sets(PARTITION).is_empty()
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
    if volume.partitions().len() > 1 && volume.free_sets(METADATA).is_empty() {
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
            "mend the volume first: mkudf-ms repair",
        ));
    }
    if volume.integrity().is_none() {
        return Err(Error::refused("the volume has no readable integrity descriptor", anew));
    }
    Ok(())
}

/// Blocks of a partition that nothing leads to any more.
type Released = (PartitionReference, Range<u32>);

fn one_block(at: BlockAddress) -> Released {
    (at.partition, at.block.0..at.block.0.saturating_add(1))
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

    /// An error if what says which blocks can never be used would be lost: the hidden file that sparable volumes have up to 1.50
    /// (UDF 1.50 2.3.13). Spare packets may lie in them.
    pub(super) fn unless_own(&self, lost: &BTreeSet<BlockAddress>) -> Result<()> {
        let volume = &self.volume;
        let is_sparable = |kind: &PartitionKind| matches!(kind, PartitionKind::Sparable(_));
        if !volume.partitions().iter().any(|partition| is_sparable(&partition.kind)) {
            return Ok(());
        }
        match volume.child(&volume.root()?, NON_ALLOCATABLE_FILE)? {
            Some(found) if found.is_hidden() && lost.contains(&found.icb.start()) => Err(Error::refused(
                format!(
                    "the file {NON_ALLOCATABLE_FILE:?} says which blocks of the medium can never be used"
                ),
                "leave it where it is",
            )),
            _ => Ok(()),
        }
    }

    /// Where the metadata mirror has a block once more, if the volume is changed in place and its mirror has blocks of its own.
    pub(super) fn mirror_of(&self, block: BlockAddress) -> Result<Option<Mirror>> {
        let Some(PartitionKind::Metadata(metadata)) = self.volume.partitions().get(1).map(|it| &it.kind)
        else {
            return Ok(None);
        };
        let (Some(main), Some(mirror)) = (&metadata.main, &metadata.mirror) else { return Ok(None) };
        if self.in_place.is_none() || block.partition != METADATA || main.extents() == mirror.extents() {
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

    /// What a change in place needs to know; `lost` are ICBs that nothing refers to any more.
    pub(super) fn base_in_place(
        &self,
        tree: &Tree,
        lost: &BTreeSet<BlockAddress>,
        write_unit_blocks: u32,
    ) -> Result<BaseInPlace> {
        let volume = &self.volume;
        let partition_blocks = volume.partitions().first().map_or(0, |partition| partition.length_blocks);
        let (main, reserve) = volume.sequences();
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
        let Account { free, bitmap, others, own } = self.account()?;
        let (mut released, of_metadata): (Vec<_>, Vec<_>) =
            self.released(tree, lost)?.into_iter().partition(|(partition, _)| *partition == PARTITION);
        released.extend(others.into_iter().map(|range| (PARTITION, range)));
        released.retain(|(_, range)| range.end <= partition_blocks);
        let ranges = |of: Vec<Released>| joined(of.into_iter().map(|(_, range)| range).collect());
        let (released, of_metadata) = (ranges(released), ranges(of_metadata));
        let (kept, kept_in_metadata): (Vec<_>, Vec<_>) = tree
            .inodes()
            .filter_map(|inode| inode.kept)
            .map(|kept| one_block(kept.icb))
            .partition(|(partition, _)| *partition == PARTITION);
        let metadata = self.metadata_in_place(of_metadata, &ranges(kept_in_metadata))?;
        // An account that calls free what is seen to be used is wrong, and nothing is lost for it.
        let mut seen: Vec<_> = released.iter().cloned().chain(own).chain(ranges(kept)).collect();
        seen.extend(metadata.iter().flat_map(MetadataInPlace::blocks_below));
        let free = without(&free, &joined(seen));
        Ok(BaseInPlace {
            partition_blocks,
            free,
            avoided: joined(avoided),
            released,
            metadata,
            bitmap,
            write_unit_blocks,
            main: self.sequence(main, "main")?,
            reserve: self.sequence(reserve, "reserve")?,
            integrity: Recorded { start: integrity, bytes: sector },
        })
    }

    /// What is free, by whatever account there is: what has been freed, and would have to be erased on media that are not
    /// written here, too.
    fn account(&self) -> Result<Account> {
        let (mut free, mut bitmap, mut others, mut own) = (Vec::new(), None, Vec::new(), Vec::new());
        let block_size = self.volume.block_size();
        let partition_blocks =
            self.volume.partitions().first().map_or(0, |partition| partition.length_blocks);
        // An extent that is longer than its bitmap may reach over what is not the bitmap's; that stays as it is.
        let needed = SpaceBitmapDescriptor::blocks(partition_blocks, block_size);
        let most = needed.checked_next_multiple_of(CLUSTER_BLOCKS).unwrap_or(needed);
        for set in self.volume.free_sets(PARTITION) {
            self.volume.free_runs(&set, &mut |run| {
                free.push(run.start..run.start.saturating_add(run.blocks));
            })?;
            let start = set.place.block.0;
            let blocks = u32::try_from(block_size.blocks_for(set.bytes.into())).unwrap_or(u32::MAX);
            own.push(start..start.saturating_add(blocks));
            let blocks = blocks.min(most);
            match (set.form, set.freedom) {
                (FreeForm::Bitmap, Freedom::Unallocated) => {
                    bitmap = Some(start..start.saturating_add(blocks));
                }
                // A table may go on elsewhere; what is not known to be its own stays where it is.
                (FreeForm::Table, _) => others.push(start..start.saturating_add(1)),
                _ => others.push(start..start.saturating_add(blocks)),
            }
        }
        Ok(Account { free: joined(free), bitmap, others, own })
    }

    /// What is known of the metadata partition, if there is one, of which these blocks become free, and those have entries that stay.
    fn metadata_in_place(
        &self,
        mut released: Vec<Range<u32>>,
        kept: &[Range<u32>],
    ) -> Result<Option<MetadataInPlace>> {
        let Some(PartitionKind::Metadata(metadata)) = self.volume.partitions().get(1).map(|it| &it.kind)
        else {
            return Ok(None);
        };
        let Some(files) = self.metadata(self.volume.file_set_address())? else { return Ok(None) };
        let blocks_below = self.volume.partitions().first().map_or(0, |partition| partition.length_blocks);
        let blocks = self.volume.partitions().get(1).map_or(0, |partition| partition.length_blocks);
        let is_below = |run: &Run| run.block.checked_add(run.blocks).is_some_and(|end| end <= blocks_below);
        let is_whole = |runs: &[Run]| {
            let end = runs.last().map_or(0, |run| run.first.saturating_add(run.blocks));
            end == blocks && runs.iter().all(is_below)
        };
        if !is_whole(&files.main) || !is_whole(&files.mirror) {
            return Err(Error::refused(
                "the metadata file and its mirror are not as long as they say, or lie outside the partition",
                "mend the volume first: mkudf-ms repair",
            ));
        }
        let mut free = Vec::new();
        for set in self.volume.free_sets(METADATA) {
            self.volume.free_runs(&set, &mut |run| {
                free.push(run.start..run.start.saturating_add(run.blocks));
            })?;
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
        let file_set = self.volume.file_set_address();
        let recorded = self.volume.logical().logical_volume_contents_use;
        if recorded.start() == file_set {
            let blocks = self.volume.block_size().blocks_for(recorded.bytes().into());
            let end = file_set.block.0.saturating_add(u32::try_from(blocks).unwrap_or(0));
            released.push((file_set.partition, file_set.block.0..end));
        }
        Ok(released)
    }

    fn body_blocks(&self, entry: &Entry, released: &mut Vec<Released>) -> Result<()> {
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

    fn sequence(&self, extent: ExtentAd, which: &str) -> Result<Recorded> {
        let mend = "mend the volume first: mkudf-ms repair";
        let block_size = self.volume.block_size();
        let bytes = extent.length.get();
        if bytes == 0 || bytes > LONGEST_SEQUENCE_BYTES {
            return Err(Error::refused(
                format!("the {which} volume descriptor sequence has {bytes} bytes"),
                mend,
            ));
        }
        let mut sectors =
            vec![0; usize::try_from(block_size.blocks_for(bytes.into())).unwrap_or(0) * block_size.len()];
        self.volume.read_sectors(extent.start(), &mut sectors)?;
        let mut kinds = BTreeSet::new();
        for block in sectors.chunks(block_size.len()) {
            let Some(tag) = Tag::read(block).filter(|tag| tag.checksum == tag.expected_checksum()) else {
                continue;
            };
            // A seal over blocks that change would have to be changed with them.
            if usize::from(tag.descriptor_crc_length.get()) > block_size.len() - Tag::LEN {
                let reason = format!(
                    "the {which} volume descriptor sequence has a descriptor whose CRC goes beyond it"
                );
                return Err(Error::refused(reason, mend));
            }
            if tag.kind() == TagIdentifier::TERMINATING {
                break;
            }
            kinds.insert(tag.kind());
        }
        let needed = [TagIdentifier::PRIMARY_VOLUME, TagIdentifier::PARTITION, TagIdentifier::LOGICAL_VOLUME];
        if !needed.iter().all(|kind| kinds.contains(kind)) {
            let reason = format!("the {which} volume descriptor sequence is damaged, or goes on elsewhere");
            return Err(Error::refused(reason, mend));
        }
        Ok(Recorded { start: extent.start(), bytes: sectors })
    }
}
