//! Virtual allocation tables: each one that is left is a state of its volume; where the newest is lost, entries tell what it said.

use std::collections::BTreeMap;

use udf::file::{AllocationForm, ExtendedFileEntry, FileSetDescriptor, FileType, IcbTag};
use udf::general::{Descriptor, ExtentKind, ShortAd};
use udf::partition::{NO_BLOCK, PartitionMap, PartitionMaps, PhysicalPartitionMap, VirtualTableHeader};
use udf::read::{ReadAt, Volume};
use udf::{Block, BlockAddress, Sector};
use zerocopy::{FromZeros, IntoBytes};

use super::catalogue::{Catalogue, Kind, Record};
use super::frame::Frame;
use super::framed::{Framed, Patch};
use super::ground::version;
use super::rough::RoughDevice;
use super::state::{State, longest};
use super::view::{Roots, SEAL, open};

/// Tables of a volume that are looked at, the newest first.
const MOST_TABLES: usize = 4096;
/// Entries of all tables that are read, together: 256 MiB of them.
pub(super) const MOST_ENTRIES: u64 = 1 << 26;
/// Blocks of contents that a table which is put together may have: more numbers than a disc has blocks.
const MOST_NUMBERS: u32 = 1 << 26;

/// The virtual allocation table that a state is read through.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// The sector of its ICB, the last one of them that are the same.
    pub(super) sector: u32,
    /// Where on the device that is, or would be.
    pub(super) at_bytes: u64,
    /// Its ICB and its entries, if it was put together.
    pub(super) patches: Vec<Patch>,
}

impl Table {
    /// Whether no such table was found, and it was put together.
    pub(super) fn is_put_together(&self) -> bool {
        !self.patches.is_empty()
    }
}

/// States of which each has its table: those that need one, once for each table that is left, and as what was recorded behind
/// the last one says.
pub(super) fn generations<'a, R: ReadAt>(
    device: &'a RoughDevice<R>,
    states: Vec<State>,
    catalogue: &Catalogue,
    budget: &mut u64,
) -> Vec<State> {
    let (volumes, mut all): (Vec<State>, Vec<State>) = states.into_iter().partition(State::is_virtual);
    // Of those of which nothing is known the first is to be believed first.
    let Some(newest) = volumes.iter().rev().max_by_key(|state| state.at_bytes) else { return all };
    let mut left = MOST_ENTRIES;
    let mut found: Vec<State> = Vec::new();
    let mut copy_of = None;
    let tables = catalogue.tables().rev().filter(|table| newest.frame.sector(table.at_bytes).is_some());
    let mut probes: BTreeMap<Option<u64>, Option<Volume<Framed<'a, R>>>> = BTreeMap::new();
    for table in tables.take(MOST_TABLES) {
        // The descriptors of its session are the last before it.
        let before = volumes.iter().rev().filter(|state| state.at_bytes < Some(table.at_bytes));
        let state = before.max_by_key(|state| state.at_bytes).unwrap_or(newest);
        let probe = probes.entry(state.at_bytes).or_insert_with(|| probe(device, state));
        let head = probe.as_ref().and_then(|probe| {
            probe.virtual_table_head(BlockAddress::new(0, table.location)).ok().filter(|head| {
                let run = probe.locate(head.entry.icb).ok();
                run.map(|run| run.sector.0) == state.frame.sector(table.at_bytes)
            })
        });
        // Writers fill a unit with copies, of which the last counts.
        let Some(head) = head.filter(|head| copy_of != Some(version(&head.entry))) else { continue };
        copy_of = Some(version(&head.entry));
        let Some(rest) = left.checked_sub(head.entry_count) else { break };
        left = rest;
        let Some(sector) = state.frame.sector(table.at_bytes) else { continue };
        let table = Table { sector, at_bytes: table.at_bytes, patches: Vec::new() };
        found.push(state.with_table(table));
    }
    let last = found.iter().find_map(|state| Some((state.table.as_ref()?.sector, opened(device, state)?)));
    let last = last.as_ref().map(|(sector, volume)| (*sector, volume));
    // Only the volume's own descriptors tell that there were tables; and where another volume is, they may be left over.
    if last.is_some() || (all.is_empty() && found.is_empty() && newest.at_bytes.is_some()) {
        all.extend(behind(device, newest, last, catalogue, budget));
    }
    all.extend(found);
    all
}

fn opened<'a, R: ReadAt>(device: &'a RoughDevice<R>, state: &State) -> Option<Volume<Framed<'a, R>>> {
    // The file set may be lost.
    open(device, state, Vec::new(), None).or_else(|| open(device, state, Vec::new(), Some(Roots::default())))
}

/// The partition underneath, as long as can be, to look for tables in.
fn probe<'a, R: ReadAt>(device: &'a RoughDevice<R>, state: &State) -> Option<Volume<Framed<'a, R>>> {
    let mut state = state.clone();
    let number = lower(&state)?;
    state.map_table = PhysicalPartitionMap::new(number).as_bytes().to_vec();
    state.logical.number_of_partition_maps = 1.into();
    state.logical.map_table_length = u32::try_from(state.map_table.len()).ok()?.into();
    longest(&mut state.partitions);
    open(device, &state, Vec::new(), Some(Roots::default()))
}

/// The number of the partition underneath.
fn lower(state: &State) -> Option<u16> {
    PartitionMaps::new(&state.map_table).flatten().find_map(|map| match map {
        PartitionMap::Physical(map) => Some(map.partition_number.get()),
        _ => None,
    })
}

fn start(state: &State) -> Option<u32> {
    let number = lower(state)?;
    let partition = state.partitions.iter().find(|partition| partition.partition_number == number)?;
    Some(partition.partition_starting_location.get())
}

/// The state that what was recorded behind the last table tells of, or all that was recorded if none is left: what has a number
/// there replaces what had it.
fn behind<R: ReadAt>(
    device: &RoughDevice<R>,
    newest: &State,
    last: Option<(u32, &Volume<Framed<'_, R>>)>,
    catalogue: &Catalogue,
    budget: &mut u64,
) -> Option<State> {
    let is_behind = |at_bytes| {
        newest.frame.sector(at_bytes).is_some_and(|sector| last.is_none_or(|(last, _)| sector > last))
    };
    let records = catalogue.records.iter().filter(|record| is_behind(record.at_bytes));
    let sets = catalogue.of_kind::<FileSetDescriptor>().filter(|(whole, _)| is_behind(whole.at_bytes));
    let mut places = numbered(newest, records);
    if places.is_empty() {
        return None;
    }
    places.extend(sets.map(|(whole, _)| (whole.at_bytes, whole.location)));
    places.sort_unstable();
    let (mut entries, mut header) = (Vec::new(), VirtualTableHeader::new_zeroed());
    let mut entry = ExtendedFileEntry::new_zeroed();
    if let Some((_, volume)) = last {
        let table = volume.virtual_table()?;
        entries = table.entries().iter().map(|entry| entry.get()).collect();
        header = table.head.header.unwrap_or(header);
        entry.modification_date_and_time = table.head.entry.modified;
    }
    // How many files there are now is not known.
    header.number_of_files = u32::MAX.into();
    header.number_of_directories = u32::MAX.into();
    put_together(newest, device, entries, &places, (header, entry), budget)
}

/// A state for entries that no table leads to: of each number the last.
pub(super) fn of_records<'c, R: ReadAt>(
    device: &RoughDevice<R>,
    state: &State,
    records: impl Iterator<Item = &'c Record>,
    budget: &mut u64,
) -> Option<State> {
    let mut places = numbered(state, records);
    places.sort_unstable();
    let header = VirtualTableHeader::new_zeroed();
    put_together(state, device, Vec::new(), &places, (header, ExtendedFileEntry::new_zeroed()), budget)
}

/// Where entries lie that may have a number in a table, and which.
fn numbered<'c>(state: &State, records: impl Iterator<Item = &'c Record>) -> Vec<(u64, u32)> {
    let records = records.filter(|record| is_in_virtual(state, record));
    records.map(|record| (record.at_bytes, record.location)).collect()
}

/// Whether a record is of an entry that may have a number in a table, and is no table itself.
fn is_in_virtual(state: &State, record: &Record) -> bool {
    let in_lower = || {
        let sector = state.frame.sector(record.at_bytes);
        sector.zip(start(state)).and_then(|(sector, start)| sector.checked_sub(start))
            == Some(record.location)
    };
    match record.kind {
        Kind::Entry(FileType::VIRTUAL_ALLOCATION_TABLE) | Kind::Parent | Kind::Space => false,
        Kind::Entry(FileType::UNSPECIFIED) => !in_lower(),
        Kind::Entry(_) => true,
    }
}

/// A state with a table that has these entries, but for those numbers that lie at these places; of two the later.
fn put_together<R: ReadAt>(
    state: &State,
    device: &RoughDevice<R>,
    mut entries: Vec<u32>,
    places: &[(u64, u32)],
    (mut header, mut entry): (VirtualTableHeader, ExtendedFileEntry),
    budget: &mut u64,
) -> Option<State> {
    let (block_size, start) = (state.frame.block_size, start(state)?);
    // Behind the end of the device: its ICB, then its body.
    let sector = end(&state.frame, device)?;
    let blocks = block_size.blocks_for(device.size_bytes());
    let most = u32::try_from(blocks).unwrap_or(u32::MAX).min(sector).min(MOST_NUMBERS);
    for (at_bytes, number) in places.iter().filter(|(_, number)| *number < most) {
        let Some(block) = state.frame.sector(*at_bytes).and_then(|sector| sector.checked_sub(start)) else {
            continue;
        };
        let index = usize::try_from(*number).ok()?;
        if entries.len() <= index {
            entries.resize(index + 1, NO_BLOCK);
        }
        entries[index] = block;
    }
    *budget = budget.checked_sub(entries.len() as u64).filter(|_| !entries.is_empty())?;
    header.length_of_header = u16::try_from(size_of::<VirtualTableHeader>()).ok()?.into();
    header.length_of_implementation_use = 0.into();
    header.previous_icb_location = NO_BLOCK.into();
    let mut body = header.as_bytes().to_vec();
    body.extend(entries.iter().flat_map(|entry| entry.to_le_bytes()));
    let block = sector.checked_sub(start)?;
    let list = extents(u64::try_from(body.len()).ok()?, block.checked_add(1)?, block_size)?;
    entry.icb_tag = IcbTag::new(FileType::VIRTUAL_ALLOCATION_TABLE, AllocationForm::Short, 0);
    entry.information_length = u64::try_from(body.len()).ok()?.into();
    entry.object_size = entry.information_length;
    entry.length_of_allocation_descriptors = u32::try_from(list.as_bytes().len()).ok()?.into();
    let mut icb = vec![0; block_size.len()];
    entry.write(list.as_bytes(), &mut icb, SEAL, block);
    body.resize(body.len().next_multiple_of(block_size.len()), 0);
    let at = |sector: u32| block_size.offset_of(Sector(sector));
    let patches = vec![
        Patch { volume_bytes: at(sector), bytes: icb },
        Patch { volume_bytes: at(sector.checked_add(1)?), bytes: body },
    ];
    let at_bytes = state.frame.device_byte(at(sector))?;
    let mut state = state.with_table(Table { sector, at_bytes, patches });
    longest(&mut state.partitions);
    state.is_inferred = true;
    Some(state)
}

/// The extents of so many bytes from a block on.
fn extents(bytes: u64, first: u32, block_size: udf::BlockSize) -> Option<Vec<ShortAd>> {
    let most = u64::from(block_size.max_extent_bytes());
    let mut list = Vec::new();
    let (mut left, mut block) = (bytes, Block(first));
    while left > 0 {
        let piece = left.min(most);
        list.push(ShortAd::new(ExtentKind::Recorded, u32::try_from(piece).ok()?, block.0));
        block = Block(block.0.checked_add(u32::try_from(block_size.blocks_for(piece)).ok()?)?);
        left -= piece;
    }
    Some(list)
}

/// The first sector that is not on the device.
fn end<R: ReadAt>(frame: &Frame, device: &RoughDevice<R>) -> Option<u32> {
    let bytes = frame.volume_byte(device.size_bytes())?;
    u32::try_from(frame.block_size.blocks_for(bytes)).ok()
}
