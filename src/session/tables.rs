//! Virtual allocation tables: the states of a volume that they stand for, and the newest as the base of the next.

use std::collections::BTreeSet;

use udf::general::ExtentKind;
use udf::read::{OpenOptions, PartitionKind, ReadAt, VirtualPartition, Volume};
use udf::{BlockAddress, Sector};

use super::history::{Provenance, Session, identity};
use super::import::Newest;
use super::refuse::physical_start;
use crate::error::{Error, Result};
use crate::plan::record::SessionRecord;
use crate::plan::{BaseTable, SequentialTarget};

/// The virtual partition, if a volume has one upon a physical one.
pub(super) fn virtual_partition<R: ReadAt>(volume: &Volume<R>) -> Option<&VirtualPartition> {
    match volume.partitions() {
        [lower, upper] if matches!(lower.kind, PartitionKind::Physical { .. }) => match &upper.kind {
            PartitionKind::Virtual(partition) if partition.lower.0 == 0 => Some(partition),
            _ => None,
        },
        _ => None,
    }
}

/// The states of the volume, the newest first: each table remembers the one before it, and each session the one before.
pub(super) fn states<R: ReadAt>(device: &R, newest: Volume<&R>, options: &OpenOptions) -> Vec<Session> {
    let mut volume = newest;
    let Some(table) = volume.virtual_table() else { return Vec::new() };
    let (mut head, mut found) = (table.head.clone(), Vec::new());
    let mut open = OpenOptions { block_size: Some(volume.block_size()), ..*options };
    while let Some(sector) = sector_of(&volume, head.entry.icb) {
        let start = session_start(&volume);
        if !found.is_empty() && sector < start {
            // It belongs to the session before, whose descriptors say how long the partition was.
            let Some(older) = previous_session(&volume, options) else { break };
            let options = OpenOptions { last_sector: Some(sector), ..older };
            let Ok(opened) = Volume::open(device, &options) else { break };
            let Some(table) = opened.virtual_table().filter(|table| table.head.entry.icb == head.entry.icb)
            else {
                break;
            };
            head = table.head.clone();
            (volume, open) = (opened, older);
        }
        let last_sector = if found.is_empty() { open.last_sector } else { Some(sector) };
        let (files, directories) = head.counts().unzip();
        let integrity = volume.integrity();
        found.push(Session {
            number: 0,
            start: session_start(&volume),
            label: head.label().unwrap_or_else(|| volume.logical().logical_volume_identifier.decode_lossy()),
            recorded: head.entry.modified.moment(),
            files: files.or(integrity.and_then(|integrity| integrity.files)),
            directories: directories.or(integrity.and_then(|integrity| integrity.directories)),
            bytes: 0,
            open: OpenOptions { last_sector, ..open },
            ours: SessionRecord::read(volume.logical()).is_some(),
            provenance: if found.is_empty() { Provenance::Current } else { Provenance::Remembered },
            table: Some(sector),
            identity: identity(&volume, Some(&head)),
            place: sector.0,
            end: Some(sector.0.saturating_add(1)),
        });
        // Only what lies before can have been there before.
        let Some(previous) = head.previous.filter(|previous| previous.block < head.entry.icb.block) else {
            break;
        };
        let Ok(before) = volume.virtual_table_head(previous) else { break };
        head = before;
    }
    found
}

/// Where the session begins whose descriptors these are.
fn session_start<R: ReadAt>(volume: &Volume<R>) -> Sector {
    let record = SessionRecord::read(volume.logical());
    record.map_or(volume.found().session_start, |record| Sector(record.start.get()))
}

fn previous_session<R: ReadAt>(volume: &Volume<R>, options: &OpenOptions) -> Option<OpenOptions> {
    let record =
        SessionRecord::read(volume.logical()).filter(|record| record.previous_main.length.get() != 0)?;
    Some(OpenOptions {
        session_start: Some(Sector(record.previous_start.get())),
        block_size: Some(volume.block_size()),
        sequences: Some((record.previous_main, record.previous_reserve)),
        ..*options
    })
}

fn sector_of<R: ReadAt>(volume: &Volume<R>, block: BlockAddress) -> Option<Sector> {
    volume.locate(block).ok().map(|run| run.sector)
}

/// The table that a further state builds on, with the numbers that are free in it from now on: that of `volume`, which may be
/// an older one. What follows it follows the newest.
pub(super) fn base_table<R: ReadAt>(
    volume: &Volume<R>,
    target: Option<SequentialTarget>,
    newest: &Newest,
    gone: &BTreeSet<BlockAddress>,
) -> Result<Option<BaseTable>> {
    let Some(partition) = virtual_partition(volume) else { return Ok(None) };
    let (table, lower) = (&partition.table, partition.lower);
    let entry = &table.head.entry;
    let mut body_blocks = Vec::new();
    for extent in volume.extents(entry) {
        let extent = extent?;
        let blocks = u32::try_from(extent.blocks(volume.block_size())).unwrap_or(u32::MAX);
        let first = extent.start.block.0;
        let is_below = extent.kind == ExtentKind::Recorded && extent.start.partition == lower;
        // Of others no block is taken over.
        body_blocks.extend(
            (first..first.saturating_add(blocks)).map(|block| if is_below { Some(block) } else { None }),
        );
    }
    let body_blocks = body_blocks.into_iter().collect::<Option<Vec<_>>>().unwrap_or_default();
    let blocks = newest.partition_blocks;
    let gone = gone.iter().filter(|block| block.partition != lower).map(|block| block.block.0);
    Ok(Some(BaseTable {
        entries: table.entries().iter().map(|block| block.get()).collect(),
        icb: newest.table_icb.unwrap_or(entry.icb.block.0),
        body: volume.read_all(entry, entry.size_bytes)?,
        body_blocks,
        file_set_number: volume.file_set_address().block.0,
        gone: gone.collect(),
        partition_blocks: blocks,
        target: match target {
            Some(target) => target,
            None => end_of_image(volume, blocks)?,
        },
    }))
}

/// Where an image goes on that nothing is known of but its sectors: at its end, in the session that is there.
fn end_of_image<R: ReadAt>(volume: &Volume<R>, partition_blocks: u32) -> Result<SequentialTarget> {
    let size = volume.block_size();
    let blocks = size.blocks_for(volume.device().size_bytes());
    let blocks = u32::try_from(blocks).map_err(|_| Error::Limit {
        what: "blocks of the volume",
        value: blocks,
        limit: u64::from(u32::MAX),
    })?;
    let end = physical_start(volume).unwrap_or(0).saturating_add(partition_blocks);
    let unit = [32, 16].into_iter().find(|unit| blocks.is_multiple_of(*unit)).unwrap_or(1);
    Ok(SequentialTarget {
        next_writable: Sector(blocks),
        begins_session: false,
        capacity_blocks: end.max(blocks),
        write_unit_blocks: unit,
        closes_session: false,
        takes_any_order: true,
    })
}
