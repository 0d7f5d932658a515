//! Opening a state of a volume: through what is recorded of it, or around what of it is lost.

use std::cmp::Reverse;

use udf::file::{FileSetDescriptor, FileType};
use udf::general::{Descriptor, ExtentAd, LongAd, Moment, Seal};
use udf::partition::{PartitionMap, PartitionMaps};
use udf::read::{Entry, Extent, OpenOptions, PartitionKind, ReadAt, Volume};
use udf::volume::{LogicalVolumeDescriptor, PrimaryVolumeDescriptor, TerminatingDescriptor};
use udf::{BlockAddress, PartitionReference, Sector};
use zerocopy::FromZeros;

use super::catalogue::{Catalogue, Kind, Record};
use super::frame::Frame;
use super::framed::{Framed, Patch};
use super::metadata;
use super::rough::RoughDevice;
use super::state::State;
use super::tables::Table;
use crate::plan::record::SessionRecord;

/// A sequence that exists in memory only: at the last sectors that a number can name, behind any device.
const SEQUENCE: Sector = Sector(u32::MAX - 127);
const SEQUENCE_BLOCKS: u32 = 127;
/// Descriptors that are put in the place of others carry this seal; nobody looks at it.
pub(super) const SEAL: Seal = Seal { descriptor_version: 3, serial_number: 0 };

/// How the way from the volume's descriptors to the root directory was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// It is whole.
    Whole,
    /// Descriptors of the volume are lost; the file set was found.
    FoundFileSet,
    /// The file set is lost; a directory that is its own parent was found.
    FoundRoot,
    /// Neither was found.
    Lost,
}

/// What a file set leads to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Roots {
    /// The root directory.
    pub(super) directory: LongAd,
    /// The directory of the system's streams, if there is one.
    streams: LongAd,
}

/// A state of a volume that can be read.
#[derive(Debug)]
pub(super) struct View<'a, R> {
    pub(super) volume: Volume<Framed<'a, R>>,
    pub(super) state: State,
    pub(super) way: Way,
    pub(super) record: Option<SessionRecord>,
    /// Nothing but entries tells of it: no volume, a partition only.
    pub(super) is_partition: bool,
}

impl<'a, R: ReadAt> View<'a, R> {
    /// Opens a state: as it is; then with a file set, metadata files, or both, that are inferred.
    pub(super) fn open(device: &'a RoughDevice<R>, state: &State, catalogue: &Catalogue) -> Option<Self> {
        let record = SessionRecord::read(&state.logical);
        let way = if state.is_inferred { Way::FoundFileSet } else { Way::Whole };
        let view =
            |volume, way| Some(Self { volume, state: state.clone(), way, record, is_partition: false });
        if let Some(volume) = open(device, state, Vec::new(), None) {
            return view(volume, way);
        }
        for patches in [Vec::new(), metadata::guess(state, catalogue)] {
            if let Some(volume) = open(device, state, patches.clone(), None) {
                return view(volume, Way::FoundFileSet);
            }
            let nowhere = Roots::default();
            let Some(probe) = open(device, state, patches.clone(), Some(nowhere)) else { continue };
            let (way, root) = root(&probe, &state.frame, catalogue);
            return view(open(device, state, patches, Some(root))?, way);
        }
        None
    }

    /// Opens a partition of which nothing but entries tells.
    pub(super) fn of_partition(device: &'a RoughDevice<R>, state: State) -> Option<Self> {
        let volume = open(device, &state, Vec::new(), Some(Roots::default()))?;
        Some(Self { volume, state, way: Way::Lost, record: None, is_partition: true })
    }

    /// Where a block lies on the device.
    pub(super) fn device_byte(&self, address: BlockAddress) -> Option<u64> {
        let run = self.volume.locate(address).ok()?;
        self.state.frame.device_byte(self.state.frame.block_size.offset_of(run.sector))
    }

    /// Whether it is read through a virtual allocation table that was put together.
    pub(super) fn is_put_together(&self) -> bool {
        self.state.table.as_ref().is_some_and(Table::is_put_together)
    }

    /// Where the virtual allocation table lies on the device, if it is one that was found there.
    pub(super) fn device_byte_of_table(&self) -> Option<u64> {
        self.state.table.as_ref().filter(|table| !table.is_put_together()).map(|table| table.at_bytes)
    }

    /// Whether an entry lies in the partition under a virtual one, as only tables do.
    pub(super) fn is_in_lower(&self, entry: &Entry) -> bool {
        self.state.table.is_some() && entry.kind == FileType::UNSPECIFIED && entry.icb.partition.0 == 0
    }

    /// All places on the device where a block lies: two, where there is a mirror.
    pub(super) fn device_bytes(&self, address: BlockAddress) -> impl Iterator<Item = u64> + '_ {
        self.device_byte(address).into_iter().chain(self.mirror_byte(address))
    }

    fn mirror_byte(&self, address: BlockAddress) -> Option<u64> {
        let partition = self.volume.partitions().get(usize::from(address.partition.0))?;
        let PartitionKind::Metadata(metadata) = &partition.kind else { return None };
        let file = metadata.mirror.as_ref().filter(|_| metadata.main.is_some())?;
        let mut left = u64::from(address.block.0);
        for extent in file.extents() {
            let blocks = extent.blocks(self.state.frame.block_size);
            if left < blocks {
                let below = extent.start.checked_add(u32::try_from(left).ok()?)?;
                return self.device_byte(below);
            }
            left -= blocks;
        }
        None
    }

    /// The address of what lies at a place of the device and says that it is at a block, if both agree.
    pub(super) fn address(&self, at_bytes: u64, location: u32) -> Option<BlockAddress> {
        address_in(&self.volume, &self.state.frame, at_bytes, location).or_else(|| {
            let mut all = addresses(&self.volume, location);
            all.find(|address| self.mirror_byte(*address) == Some(at_bytes))
        })
    }

    /// The stretches of the device that a recorded extent lies in: first byte and length.
    pub(super) fn stretches(&self, extent: &Extent) -> Vec<(u64, u64)> {
        let block_size = self.state.frame.block_size;
        let mut found = Vec::new();
        let mut at = extent.start;
        let mut left_bytes = extent.bytes;
        while left_bytes > 0 {
            let Ok(run) = self.volume.locate(at) else { break };
            let bytes = block_size.bytes_in(run.blocks).min(left_bytes);
            if let Some(start) = self.state.frame.device_byte(block_size.offset_of(run.sector)) {
                found.push((start, bytes));
            }
            left_bytes -= bytes;
            let Some(next) = at.checked_add(run.blocks) else { break };
            at = next;
        }
        found
    }

    /// When the state was recorded, as far as is known.
    pub(super) fn recorded(&self) -> Option<Moment> {
        let set = self.volume.file_set().recording_date_and_time.moment();
        let volume = self.state.primary.and_then(|primary| primary.recording_date_and_time.moment());
        let integrity = self.volume.integrity().and_then(|integrity| integrity.recorded.moment());
        let table = self.volume.virtual_table().and_then(|table| table.head.entry.modified.moment());
        integrity.max(table).or(set.max(volume))
    }

    /// Whether nothing that the state holds can have been written over since: its partition says so.
    pub(super) fn is_write_protected(&self) -> bool {
        use udf::volume::AccessType::{ReadOnly, WriteOnce};
        let is_protected =
            |partition: &udf::read::Partition| matches!(partition.access, Some(ReadOnly | WriteOnce));
        !self.state.is_inferred && self.volume.partitions().iter().all(is_protected)
    }
}

/// Opens a state with a sequence that is put together in memory, and perhaps a root directory.
pub(super) fn open<'a, R: ReadAt>(
    device: &'a RoughDevice<R>,
    state: &State,
    mut patches: Vec<Patch>,
    roots: Option<Roots>,
) -> Option<Volume<Framed<'a, R>>> {
    let block_size = state.frame.block_size;
    let mut state = state.clone();
    if let Some(roots) = roots {
        patches.push(put_file_set(&mut state, roots)?);
    }
    let mut bytes = vec![0; usize::try_from(block_size.bytes_in(SEQUENCE_BLOCKS)).ok()?];
    let mut sector = 0;
    let mut put = |length: usize, write: &dyn Fn(&mut [u8], u32)| {
        let blocks = length.div_ceil(block_size.len());
        let start = sector * block_size.len();
        let end = start + blocks * block_size.len();
        let location = SEQUENCE.0 + u32::try_from(sector).ok()?;
        write(bytes.get_mut(start..end)?, location);
        sector += blocks;
        Some(())
    };
    let primary = state.primary.unwrap_or_else(PrimaryVolumeDescriptor::new_zeroed);
    put(size_of::<PrimaryVolumeDescriptor>(), &|out, location| {
        primary.write(&[], out, SEAL, location);
    })?;
    let logical_length = size_of::<LogicalVolumeDescriptor>() + state.map_table.len();
    put(logical_length, &|out, location| {
        state.logical.write(&state.map_table, out, SEAL, location);
    })?;
    for partition in &state.partitions {
        put(512, &|out, location| {
            partition.write(&[], out, SEAL, location);
        })?;
    }
    put(512, &|out, location| {
        TerminatingDescriptor::new_zeroed().write(&[], out, SEAL, location);
    })?;
    patches.push(Patch { volume_bytes: block_size.offset_of(SEQUENCE), bytes });
    let table = state.table.take();
    let mut more_bytes = 0;
    if let Some(table) = table.as_ref().filter(|table| table.is_put_together()) {
        patches.extend_from_slice(&table.patches);
        let end_bytes = block_size.offset_of(Sector(table.sector.checked_add(1)?));
        more_bytes = end_bytes.checked_sub(state.frame.volume_byte(device.size_bytes())?)?;
    }
    let sequence = ExtentAd::new(u32::try_from(block_size.bytes_in(SEQUENCE_BLOCKS)).ok()?, SEQUENCE);
    let options = OpenOptions {
        block_size: Some(block_size),
        sequences: Some((sequence, sequence)),
        last_sector: table.as_ref().map(|table| Sector(table.sector)),
        ..OpenOptions::default()
    };
    let volume = Volume::open(Framed { device, frame: state.frame, patches, more_bytes }, &options).ok()?;
    // Otherwise it is an earlier table, which is another state.
    let is_asked_for = table.is_none_or(|table| {
        let found = volume.virtual_table().and_then(|found| volume.locate(found.head.entry.icb).ok());
        found.is_none_or(|run| run.sector.0 == table.sector)
    });
    is_asked_for.then_some(volume)
}

/// Puts a file set descriptor with this root behind the end of the first partition.
fn put_file_set(state: &mut State, roots: Roots) -> Option<Patch> {
    let block_size = state.frame.block_size;
    let mut physical = PartitionMaps::new(&state.map_table).flatten().zip(0_u16..).filter_map(
        |(map, reference)| match map {
            PartitionMap::Physical(map) => Some((map.partition_number, reference)),
            PartitionMap::Sparable(map) => Some((map.partition_number, reference)),
            _ => None,
        },
    );
    let (number, reference) = physical.next()?;
    let partition = state.partitions.iter_mut().find(|partition| partition.partition_number == number)?;
    let block = partition.partition_length.get();
    partition.partition_length = block.checked_add(1)?.into();
    let sector = partition.partition_starting_location.get().checked_add(block)?;
    let address = BlockAddress::new(reference, block);
    state.logical.logical_volume_contents_use = LongAd::icb(block_size.bytes(), address, 0);
    let mut set = FileSetDescriptor::new_zeroed();
    set.root_directory_icb = roots.directory;
    set.system_stream_directory_icb = roots.streams;
    let mut bytes = vec![0; block_size.len()];
    set.write(&[], &mut bytes, SEAL, block);
    Some(Patch { volume_bytes: block_size.offset_of(Sector(sector)), bytes })
}

/// The root directory: that of the newest file set that is found, or the newest directory that is its own parent.
fn root<R: ReadAt>(volume: &Volume<Framed<'_, R>>, frame: &Frame, catalogue: &Catalogue) -> (Way, Roots) {
    let sets = catalogue.of_kind::<FileSetDescriptor>();
    let sets = sets.filter(|(whole, set)| {
        let is_here = address_in(volume, frame, whole.at_bytes, whole.location).is_some();
        is_here && volume.entry(&set.root_directory_icb).is_ok_and(|root| root.is_directory())
    });
    let newest = sets.max_by_key(|(whole, set)| (set.recording_date_and_time.moment(), whole.at_bytes));
    if let Some((_, set)) = newest {
        let roots = Roots { directory: set.root_directory_icb, streams: set.system_stream_directory_icb };
        return (Way::FoundFileSet, roots);
    }
    let directories = catalogue.entries(FileType::DIRECTORY);
    let roots = directories.filter_map(|record| Some((record.at_bytes, root_at(volume, frame, record)?)));
    let newest = roots.max_by_key(|(at_bytes, entry)| (entry.attributes_changed.moment(), *at_bytes));
    match newest {
        Some((_, entry)) => {
            let directory = LongAd::icb(frame.block_size.bytes(), entry.icb, 0);
            (Way::FoundRoot, Roots { directory, ..Roots::default() })
        }
        None => (Way::Lost, Roots::default()),
    }
}

/// The directory of a record, if it is its own parent.
fn root_at<R: ReadAt>(volume: &Volume<Framed<'_, R>>, frame: &Frame, record: &Record) -> Option<Entry> {
    debug_assert_eq!(record.kind, Kind::Entry(FileType::DIRECTORY));
    let address = address_in(volume, frame, record.at_bytes, record.location)?;
    let entry = volume.entry(&LongAd::icb(frame.block_size.bytes(), address, 0)).ok()?;
    let first = volume.directory(&entry).ok()?.next()?.ok()?;
    (first.is_parent() && first.icb.start() == address).then_some(entry)
}

/// The addresses that a block of this number has in the partitions of a volume.
fn addresses<R: ReadAt>(volume: &Volume<R>, location: u32) -> impl Iterator<Item = BlockAddress> {
    let count = u16::try_from(volume.partitions().len()).unwrap_or(u16::MAX);
    (0..count).map(move |partition| BlockAddress {
        partition: PartitionReference(partition),
        block: udf::Block(location),
    })
}

fn address_in<R: ReadAt>(
    volume: &Volume<R>,
    frame: &Frame,
    at_bytes: u64,
    location: u32,
) -> Option<BlockAddress> {
    let sector = frame.sector(at_bytes)?;
    addresses(volume, location)
        .find(|address| volume.locate(*address).is_ok_and(|run| run.sector.0 == sector))
}

/// The order in which states are believed: the latest first.
pub(super) fn age<R: ReadAt>(view: &View<'_, R>) -> impl Ord + use<R> {
    let number = view.record.map_or(0, |record| record.number.get());
    let table = view.state.table.as_ref().map(|table| table.at_bytes);
    (Reverse(view.recorded()), Reverse(number), Reverse(table), Reverse(view.state.at_bytes))
}
