//! States of volumes: a logical volume descriptor and the partitions that it needs, found together or put together.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use udf::BlockAddress;
use udf::file::{FileSetDescriptor, FileType};
use udf::general::{DString, EntityIdentifier, LongAd};
use udf::partition::{
    MetadataPartitionMap, PartitionMap, PartitionMaps, PhysicalPartitionMap, VirtualPartitionMap,
};
use udf::volume::{LogicalVolumeDescriptor, PartitionDescriptor, PrimaryVolumeDescriptor};
use zerocopy::{FromZeros, IntoBytes};

use super::catalogue::{Catalogue, Kind, Record, Whole};
use super::frame::{Frame, partition_starts};
use super::spare;
use super::tables::Table;

/// Descriptors of one sequence lie no further apart: the least length of a sequence, so that its neighbour is another.
const SEQUENCE_BLOCKS: u64 = 16;
/// States that are put together from what is known of metadata files and file sets.
const MOST_INFERRED: usize = 64;

/// What a volume said of itself at some time.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) frame: Frame,
    pub(super) logical: LogicalVolumeDescriptor,
    pub(super) map_table: Vec<u8>,
    pub(super) partitions: Vec<PartitionDescriptor>,
    /// Which volume it is; `None` if that descriptor is lost.
    pub(super) primary: Option<PrimaryVolumeDescriptor>,
    /// Where the logical volume descriptor lies, if it was not inferred.
    pub(super) at_bytes: Option<u64>,
    /// Where a partition begins had to be inferred.
    pub(super) is_inferred: bool,
    /// The virtual allocation table that it is read through, where there is one.
    pub(super) table: Option<Table>,
}

impl State {
    /// Whether it is read through a virtual allocation table.
    pub(super) fn is_virtual(&self) -> bool {
        PartitionMaps::new(&self.map_table).flatten().any(|map| matches!(map, PartitionMap::Virtual(_)))
    }

    /// The same with a table, which lies in the partition underneath.
    pub(super) fn with_table(&self, table: Table) -> Self {
        let mut state = self.clone();
        for partition in &mut state.partitions {
            let start = partition.partition_starting_location.get();
            let least = table.sector.saturating_sub(start).saturating_add(1);
            partition.partition_length = partition.partition_length.get().max(least).into();
        }
        Self { table: Some(table), ..state }
    }

    /// The states that logical volume descriptors tell of: one for each content, those further behind first.
    pub(super) fn described(catalogue: &Catalogue, frame: &Frame) -> Vec<Self> {
        let mut found: Vec<(&[u8], Self)> = Vec::new();
        let in_frame = |whole: &Whole| frame.sector(whole.at_bytes) == Some(whole.location);
        for (whole, logical) in catalogue.of_kind::<LogicalVolumeDescriptor>() {
            let length = usize::try_from(logical.map_table_length.get()).unwrap_or(usize::MAX);
            let from = size_of::<LogicalVolumeDescriptor>();
            let Some(map_table) = from.checked_add(length).and_then(|to| whole.bytes.get(from..to)) else {
                continue;
            };
            if !in_frame(whole) || logical.logical_block_size.get() != frame.block_size.bytes() {
                continue;
            }
            // Main and reserve sequence hold the same: what one has lost the other may have kept.
            if let Some((_, state)) = found.iter_mut().find(|(content, _)| *content == whole.content()) {
                state.complete(catalogue, whole.at_bytes);
                state.at_bytes = state.at_bytes.max(Some(whole.at_bytes));
                continue;
            }
            let mut state = Self {
                frame: *frame,
                logical: *logical,
                map_table: map_table.to_vec(),
                partitions: Vec::new(),
                primary: None,
                at_bytes: Some(whole.at_bytes),
                is_inferred: false,
                table: None,
            };
            state.complete(catalogue, whole.at_bytes);
            found.push((whole.content(), state));
        }
        let mut states: Vec<Self> = found.into_iter().map(|(_, state)| state).collect();
        let start = OnceCell::new();
        for state in &mut states {
            state.borrow(catalogue, &start);
        }
        states.sort_by_key(|state| Reverse(state.at_bytes));
        states
    }

    /// Takes what it lacks from the sequence around a place: of each descriptor the highest number, of equal ones the nearest.
    fn complete(&mut self, catalogue: &Catalogue, at_bytes: u64) {
        let near = SEQUENCE_BLOCKS * u64::from(self.frame.block_size.bytes());
        let distance =
            |whole: &Whole| Some(whole.at_bytes.abs_diff(at_bytes)).filter(|distance| *distance < near);
        let mut best: BTreeMap<u16, (u32, Reverse<u64>, PartitionDescriptor)> = BTreeMap::new();
        for (whole, partition) in catalogue.of_kind::<PartitionDescriptor>() {
            let Some(distance) = distance(whole) else { continue };
            let rank = (partition.volume_descriptor_sequence_number.get(), Reverse(distance));
            let slot = best.entry(partition.partition_number.get());
            let slot = slot.or_insert((rank.0, rank.1, *partition));
            if rank > (slot.0, slot.1) {
                *slot = (rank.0, rank.1, *partition);
            }
        }
        for (number, (.., partition)) in best {
            if self.partitions.iter().all(|old| old.partition_number != number) {
                self.partitions.push(partition);
            }
        }
        if self.primary.is_none() {
            let all = catalogue.of_kind::<PrimaryVolumeDescriptor>();
            let nearest = all.filter_map(|(whole, primary)| Some((distance(whole)?, primary)));
            self.primary = nearest.min_by_key(|(distance, _)| *distance).map(|(_, primary)| *primary);
        }
    }

    /// Takes a partition that it still lacks from the nearest sequence that has one of its number, or infers where it begins.
    fn borrow(&mut self, catalogue: &Catalogue, start: &OnceCell<Option<u32>>) {
        let place = self.at_bytes.unwrap_or(0);
        for number in numbers(&self.map_table) {
            if self.partitions.iter().any(|partition| partition.partition_number == number) {
                continue;
            }
            let others = catalogue.of_kind::<PartitionDescriptor>();
            let others = others.filter(|(_, partition)| partition.partition_number == number);
            let nearest = others.min_by_key(|(whole, _)| whole.at_bytes.abs_diff(place));
            let inferred = || {
                self.is_inferred = true;
                let start = start.get_or_init(|| physical_start(catalogue, &self.frame));
                Some(partition(number, (*start)?))
            };
            if let Some(partition) = nearest.map(|(_, partition)| *partition).or_else(inferred) {
                self.partitions.push(partition);
            }
        }
    }

    /// States put together from entries and file sets alone, the one to believe first.
    pub(super) fn inferred(catalogue: &Catalogue, frame: &Frame) -> Vec<Self> {
        let Some(start) = physical_start(catalogue, frame) else { return Vec::new() };
        let mains = metadata_files(catalogue, frame, start, FileType::METADATA);
        let reference = u16::from(!mains.is_empty());
        let places = file_sets(catalogue, frame, reference);
        let mirrors = metadata_files(catalogue, frame, start, FileType::METADATA_MIRROR);
        let maps: Vec<Option<(u32, u32)>> = if mains.is_empty() && mirrors.is_empty() {
            vec![None]
        } else {
            // Each session has a pair of its own; pairs are recorded in the same order.
            let count = mains.len().max(mirrors.len());
            let or_other = |list: &[u32], other: &[u32], index: usize| {
                list.get(index).or(other.get(index)).copied().unwrap_or_default()
            };
            (0..count)
                .map(|index| Some((or_other(&mains, &mirrors, index), or_other(&mirrors, &mains, index))))
                .collect()
        };
        let combinations = maps.into_iter().flat_map(|map| places.iter().map(move |place| (map, *place)));
        combinations
            .take(MOST_INFERRED)
            .map(|(map, place)| Self::put_together(frame, start, map, place).spared(catalogue))
            .collect()
    }

    fn put_together(frame: &Frame, start: u32, metadata: Option<(u32, u32)>, set: BlockAddress) -> Self {
        let map = metadata.map(|(main, mirror)| metadata_map(main, mirror));
        Self::with_maps(frame, start, map.as_ref().map(IntoBytes::as_bytes), set)
    }

    /// The same with the sparing tables that are left.
    fn spared(mut self, catalogue: &Catalogue) -> Self {
        if let Some(map) = spare::map(catalogue, &self.frame) {
            let lower = size_of::<PhysicalPartitionMap>();
            self.map_table.splice(..lower, map.as_bytes().iter().copied());
            self.logical.map_table_length = u32::try_from(self.map_table.len()).unwrap_or(u32::MAX).into();
        }
        self
    }

    /// The same for a volume with virtual allocation tables, if what may be one is left: its partition begins where they say.
    pub(super) fn inferred_virtual(catalogue: &Catalogue, frame: &Frame) -> Vec<Self> {
        let starts = partition_starts(catalogue.tables(), frame);
        let Some((start, _)) = starts.first() else { return Vec::new() };
        let identifier = EntityIdentifier::implementation(EntityIdentifier::VIRTUAL_PARTITION);
        let map = VirtualPartitionMap::new(identifier, 0);
        let places = file_sets(catalogue, frame, 1).into_iter().take(MOST_INFERRED);
        places.map(|set| Self::with_maps(frame, *start, Some(map.as_bytes()), set)).collect()
    }

    /// A volume of a partition from a sector on, and perhaps one upon it.
    fn with_maps(frame: &Frame, start: u32, upper: Option<&[u8]>, set: BlockAddress) -> Self {
        let mut map_table = PhysicalPartitionMap::new(0).as_bytes().to_vec();
        map_table.extend_from_slice(upper.unwrap_or_default());
        let mut logical = LogicalVolumeDescriptor::new_zeroed();
        logical.logical_block_size = frame.block_size.bytes().into();
        logical.logical_volume_contents_use = LongAd::icb(frame.block_size.bytes(), set, 0);
        logical.map_table_length = u32::try_from(map_table.len()).unwrap_or(u32::MAX).into();
        logical.number_of_partition_maps = if upper.is_some() { 2 } else { 1 }.into();
        logical.logical_volume_identifier = DString::new("").unwrap_or(logical.logical_volume_identifier);
        Self {
            frame: *frame,
            logical,
            map_table,
            partitions: vec![partition(0, start)],
            primary: None,
            at_bytes: None,
            is_inferred: true,
            table: None,
        }
    }

    /// A state for what is in a partition that begins at a sector, of which nothing else is known.
    pub(super) fn of_partition(frame: &Frame, start: u32) -> Self {
        Self::put_together(frame, start, None, BlockAddress::default())
    }
}

/// The places of the file sets that are left, the newest first, in a partition; of none that which it would have by default.
fn file_sets(catalogue: &Catalogue, frame: &Frame, reference: u16) -> Vec<BlockAddress> {
    let mut sets: Vec<_> = catalogue.of_kind::<FileSetDescriptor>().collect();
    sets.sort_by_key(|(whole, set)| Reverse((set.recording_date_and_time.moment(), whole.at_bytes)));
    let mut places: Vec<BlockAddress> = Vec::new();
    for (whole, _) in sets {
        let place = BlockAddress::new(reference, whole.location);
        if frame.sector(whole.at_bytes).is_some() && !places.contains(&place) {
            places.push(place);
        }
    }
    if places.is_empty() {
        places.push(BlockAddress::default());
    }
    places
}

/// The partitions that maps name.
fn numbers(map_table: &[u8]) -> Vec<u16> {
    let maps = PartitionMaps::new(map_table).flatten();
    maps.filter_map(|map| match map {
        PartitionMap::Physical(map) => Some(map.partition_number.get()),
        PartitionMap::Sparable(map) => Some(map.partition_number.get()),
        _ => None,
    })
    .collect()
}

/// A partition from a sector on, as long as can be: whether a block is on the device, the device tells.
fn partition(number: u16, start: u32) -> PartitionDescriptor {
    let mut partition = PartitionDescriptor::new_zeroed();
    partition.partition_number = number.into();
    partition.access_type = 1.into();
    partition.partition_starting_location = start.into();
    longest(std::slice::from_mut(&mut partition));
    partition
}

/// Makes partitions as long as can be.
pub(super) fn longest(partitions: &mut [PartitionDescriptor]) {
    let kept = 2 * u32::try_from(SEQUENCE_BLOCKS).unwrap_or(0);
    for partition in partitions {
        let start = partition.partition_starting_location.get();
        partition.partition_length = (u32::MAX - start).saturating_sub(kept).into();
    }
}

/// Where the partition begins whose blocks are those of the device: that of the metadata files, if there are any.
fn physical_start(catalogue: &Catalogue, frame: &Frame) -> Option<u32> {
    let files = catalogue
        .records
        .iter()
        .filter(|record| matches!(record.kind, Kind::Entry(FileType::METADATA | FileType::METADATA_MIRROR)));
    // What was relocated lies in no partition.
    let spare = spare::packets(catalogue, frame);
    let is_relocated =
        |record: &Record| frame.sector(record.at_bytes).is_some_and(|sector| spare::is_in(&spare, sector));
    let is_in_place = |record: &&Record| spare.is_empty() || !is_relocated(record);
    let all = || partition_starts(catalogue.records.iter().filter(is_in_place), frame);
    let votes = Some(partition_starts(files, frame)).filter(|votes| !votes.is_empty()).unwrap_or_else(all);
    votes.first().map(|(start, _)| *start)
}

/// The blocks of metadata files of a type, those further behind first.
fn metadata_files(catalogue: &Catalogue, frame: &Frame, start: u32, file_type: FileType) -> Vec<u32> {
    let of_partition = |at_bytes, location| {
        frame.sector(at_bytes).and_then(|sector| sector.checked_sub(start)) == Some(location)
    };
    let found = catalogue.entries(file_type).filter(|record| of_partition(record.at_bytes, record.location));
    let mut found: Vec<u32> = found.map(|record| record.location).collect();
    found.sort_unstable_by_key(|location| Reverse(*location));
    found
}

fn metadata_map(main: u32, mirror: u32) -> MetadataPartitionMap {
    let mut map = MetadataPartitionMap::new_zeroed();
    map.partition_map_type = 2;
    map.partition_map_length = 64;
    map.partition_type_identifier = EntityIdentifier::implementation(EntityIdentifier::METADATA_PARTITION);
    map.volume_sequence_number = 1.into();
    map.metadata_file_location = main.into();
    map.metadata_mirror_file_location = mirror.into();
    map.metadata_bitmap_file_location = udf::partition::NO_BITMAP_FILE.into();
    map
}
