//! Sparable partitions (UDF 2.2.9, 2.2.12): one partition, but for packets that a table says lie elsewhere.

use alloc::{vec, vec::Vec};

use zerocopy::FromBytes;

use super::ReadAt;
use super::device::read_exact;
use super::space::Run;
use super::warning::{Remedy, Warnings};
use crate::error::{Corrupt, Fault, Place, Result};
use crate::general::{Descriptor, EntityIdentifier};
use crate::partition::{SparablePartitionMap, SparingEntry, SparingTable};
use crate::units::{BlockSize, Sector};

/// Copies of the table that a map has room for.
const MAX_COPIES: u8 = 4;

/// A sparable partition: its map, and all copies of its table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SparablePartition {
    /// The map, as recorded.
    pub map: SparablePartitionMap,
    /// The first sector of the partition.
    pub start: Sector,
    /// The copies of the sparing table, in the order of the map.
    pub copies: Vec<SparingTableCopy>,
    /// The copy that counts: of those with the highest sequence number the first. `None` if none can be read.
    pub prevailing: Option<usize>,
    /// Packets of the partition that lie elsewhere: first block and first sector, ascending by block.
    relocated: Vec<(u32, u32)>,
}

/// A copy of the sparing table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SparingTableCopy {
    /// Where it lies.
    pub sector: Sector,
    /// Its fixed part; `None` if it cannot be read.
    pub table: Option<SparingTable>,
    /// Its entries, as recorded.
    pub entries: Vec<SparingEntry>,
}

impl SparablePartition {
    /// The partition that begins at a sector, with all copies of its table, read from a device. What is wrong with one is passed over.
    pub fn read<R: ReadAt>(
        device: &R,
        block_size: BlockSize,
        map: SparablePartitionMap,
        start: Sector,
    ) -> Result<Self> {
        Self::load(device, block_size, map, start, &mut Warnings::new(false))
    }

    /// Reads all copies of the table. If none is good, nothing is taken to be relocated.
    pub(super) fn load<R: ReadAt>(
        device: &R,
        block_size: BlockSize,
        map: SparablePartitionMap,
        start: Sector,
        warnings: &mut Warnings,
    ) -> Result<Self> {
        let field = |field, value| Corrupt::new(MAP, Place::Within, Fault::Field { field, value });
        if map.packet_length.get() == 0 {
            return Err(field("packet length", 0).into());
        }
        if !(1..=MAX_COPIES).contains(&map.number_of_sparing_tables) {
            let cause = field("number of sparing tables", map.number_of_sparing_tables.into());
            warnings.bend(cause, Remedy::NoSparingTable)?;
        }
        let (mut copies, mut faults) = (Vec::new(), Vec::new());
        for location in map.locations() {
            let sector = Sector(location);
            copies.push(SparingTableCopy::read(device, block_size, sector).unwrap_or_else(|error| {
                faults.push(error);
                SparingTableCopy { sector, table: None, entries: Vec::new() }
            }));
        }
        let prevailing = prevailing(&copies);
        let remedy = if prevailing.is_some() { Remedy::OtherSparingTable } else { Remedy::NoSparingTable };
        for fault in faults {
            warnings.bend(fault, remedy)?;
        }
        let entries = prevailing.and_then(|index| copies.get(index)).map(|copy| copy.entries.as_slice());
        let mut relocated: Vec<_> = entries
            .unwrap_or_default()
            .iter()
            .filter(|entry| entry.is_in_use())
            .map(|entry| (entry.original_location.get(), entry.mapped_location.get()))
            .collect();
        // Of two entries for one packet, which should not be, the first counts, as for those who search from the front.
        relocated.sort_by_key(|(original, _)| *original);
        relocated.dedup_by_key(|(original, _)| *original);
        Ok(Self { map, start, copies, prevailing, relocated })
    }

    /// The entries that count.
    #[must_use]
    pub fn entries(&self) -> &[SparingEntry] {
        let copy = self.prevailing.and_then(|index| self.copies.get(index));
        copy.map(|copy| copy.entries.as_slice()).unwrap_or_default()
    }

    /// Packets that lie elsewhere: their first block in the partition and their first sector, ascending by block.
    #[must_use]
    pub fn relocated(&self) -> &[(u32, u32)] {
        &self.relocated
    }

    /// The run that begins with a block; it ends where a packet begins that lies elsewhere, or with such a packet.
    pub(super) fn find(&self, block: u32, length_blocks: u32) -> Option<Run> {
        let left = length_blocks.checked_sub(block).filter(|blocks| *blocks > 0)?;
        let packet = u32::from(self.map.packet_length.get());
        let inside = block.checked_rem(packet)?;
        let first = block.checked_sub(inside)?;
        let here = self.relocated.binary_search_by_key(&first, |(original, _)| *original).ok();
        let (sector, blocks) = if let Some((_, mapped)) = here.and_then(|index| self.relocated.get(index)) {
            (Sector(*mapped).checked_add(inside)?, packet.saturating_sub(inside))
        } else {
            // An entry that names no packet's first block relocates nothing, and must not end a run where it begins.
            let next = self.relocated.partition_point(|(original, _)| *original <= block);
            let until = self.relocated.get(next).map_or(left, |(original, _)| original.saturating_sub(block));
            (self.start.checked_add(block)?, until)
        };
        Some(Run { sector, blocks: blocks.min(left) })
    }
}

const MAP: &str = "sparable partition map";

/// The first of the copies with the highest sequence number.
fn prevailing(copies: &[SparingTableCopy]) -> Option<usize> {
    let mut best: Option<(usize, u32)> = None;
    for (index, copy) in copies.iter().enumerate() {
        let Some(number) = copy.table.map(|table| table.sequence_number.get()) else { continue };
        if best.is_none_or(|(_, highest)| number > highest) {
            best = Some((index, number));
        }
    }
    best.map(|(index, _)| index)
}

impl SparingTableCopy {
    fn read<R: ReadAt>(device: &R, block_size: BlockSize, sector: Sector) -> Result<Self> {
        let offset = block_size.offset_of(sector);
        let mut bytes = vec![0; size_of::<SparingTable>()];
        read_exact(device, offset, &mut bytes)?;
        // The seal covers the entries too; how many there are must be believed first, but is a 16-bit number.
        let entries = usize::from(SparingTable::peek(&bytes, sector)?.reallocation_table_length.get());
        let length =
            size_of::<SparingTable>().saturating_add(entries.saturating_mul(size_of::<SparingEntry>()));
        bytes.resize(length.max(block_size.len()), 0);
        read_exact(device, offset, &mut bytes)?;
        let table = *SparingTable::view(&bytes, sector.0, sector)?;
        if !table.sparing_identifier.is(EntityIdentifier::SPARING_TABLE) {
            let fault = Fault::Missing("identifier of a sparing table");
            return Err(Corrupt::new(SparingTable::NAME, sector, fault).into());
        }
        let tail = bytes.get(size_of::<SparingTable>()..).unwrap_or_default();
        let entries = <[SparingEntry]>::ref_from_prefix_with_elems(tail, entries)
            .map(|(entries, _)| entries.to_vec())
            .unwrap_or_default();
        Ok(Self { sector, table: Some(table), entries })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{
        Fixture, HELLO, PACKET, PARTITION, RELOCATED, RESERVE, SPARING_TABLES, Scratched,
    };
    use super::super::{OpenOptions, PartitionKind, Volume};
    use super::*;
    use crate::units::BlockAddress;

    fn sparable<R: ReadAt>(volume: &Volume<R>) -> &SparablePartition {
        let PartitionKind::Sparable(sparable) = &volume.partitions()[0].kind else { unreachable!() };
        sparable
    }

    fn remedies<R: ReadAt>(volume: &Volume<R>) -> Vec<Remedy> {
        volume.warnings().iter().map(|warning| warning.remedy).collect()
    }

    #[test]
    fn packets_that_lie_elsewhere_are_read_from_there_below_metadata_too() {
        for has_metadata in [false, true] {
            let fixture = Fixture::with_sparing(has_metadata);
            let options = OpenOptions { strict: true, ..OpenOptions::default() };
            let volume = Volume::open(fixture.image.clone(), &options).unwrap();
            assert_eq!(volume.read_all(&volume.lookup("hello.txt").unwrap(), 100).unwrap(), b"hello world");
            assert_eq!(volume.walk(&volume.root().unwrap()).filter(Result::is_err).count(), 0);
            assert_eq!(sparable(&volume).relocated(), RELOCATED);
            assert_eq!(sparable(&volume).entries().len(), 4);
            assert_eq!(
                volume.locate(fixture.at(HELLO)).unwrap().sector.0,
                fixture.sectors_of(fixture.at(HELLO))[0]
            );
        }
    }

    #[test]
    fn runs_end_where_packets_lie_elsewhere_and_with_them() {
        let volume = Fixture::with_sparing(false).open();
        let length = volume.partitions()[0].length_blocks;
        for (block, sector, blocks) in [
            (0, 64, PACKET),
            (31, 64 + 31, 1),
            (32, PARTITION + 32, 64),
            (95, PARTITION + 95, 1),
            (100, 96 + 4, 28),
            (128, PARTITION + 128, length - 128),
            (length - 1, PARTITION + length - 1, 1),
        ] {
            let run = volume.locate(BlockAddress::new(0, block)).unwrap();
            assert_eq!(run, Run { sector: Sector(sector), blocks }, "block {block}");
        }
        assert!(volume.locate(BlockAddress::new(0, length)).is_err());
    }

    /// A run of no blocks was read again and again.
    #[test]
    fn entries_that_name_no_beginning_of_a_packet_relocate_nothing_and_every_run_has_blocks() {
        let mut fixture = Fixture::with_sparing(false);
        for sector in SPARING_TABLES {
            fixture.sparing_table(sector, 9, &[RELOCATED[0], (33, 5000), (70, 6000), RELOCATED[1]]);
        }
        let volume = fixture.open();
        let length = volume.partitions()[0].length_blocks;
        for block in 0..length {
            let run = volume.locate(BlockAddress::new(0, block)).unwrap();
            let mapped = RELOCATED.iter().find(|(first, _)| (*first..first + PACKET).contains(&block));
            let sector = mapped.map_or(PARTITION + block, |(first, mapped)| mapped + block - first);
            assert_eq!(run.sector, Sector(sector), "block {block}");
            assert!((1..=length - block).contains(&run.blocks), "block {block}: {} blocks", run.blocks);
        }
    }

    #[test]
    fn the_copy_with_the_highest_sequence_number_counts() {
        let mut fixture = Fixture::with_sparing(false);
        for (numbers, counts) in [([8, 7], 0), ([7, 8], 1), ([8, 8], 0), ([u32::MAX, 1], 0)] {
            for (index, (sector, number)) in SPARING_TABLES.into_iter().zip(numbers).enumerate() {
                let relocated = if index == counts { &RELOCATED[..] } else { &[(0, 5000)] };
                fixture.sparing_table(sector, number, relocated);
            }
            let volume = fixture.open();
            assert_eq!(sparable(&volume).prevailing, Some(counts));
            volume.lookup("hello.txt").unwrap();
        }
    }

    #[test]
    fn a_copy_that_cannot_be_read_is_replaced_by_another() {
        let mut fixture = Fixture::with_sparing(false);
        fixture.sector(SPARING_TABLES[0])[60] ^= 1;
        let volume = fixture.open();
        assert_eq!(remedies(&volume), [Remedy::OtherSparingTable]);
        assert!(sparable(&volume).copies[0].table.is_none() && sparable(&volume).prevailing == Some(1));
        volume.lookup("hello.txt").unwrap();

        let image = Fixture::with_sparing(false).image;
        let device = Scratched { image, bad_sectors: std::vec![SPARING_TABLES[0]] };
        let volume = Volume::open(device, &OpenOptions::default()).unwrap();
        assert_eq!(remedies(&volume), [Remedy::OtherSparingTable]);
    }

    #[test]
    fn without_any_copy_packets_are_read_from_where_they_were() {
        let mut fixture = Fixture::with_sparing(false);
        for sector in SPARING_TABLES {
            fixture.sector(sector)[60] ^= 1;
        }
        // What is in the first packet is rubbish there.
        assert!(Volume::open(&fixture.image, &OpenOptions::default()).is_err());
        for block in 0..PACKET {
            let spare = fixture.sector(64 + block)[..2048].to_vec();
            fixture.sector(PARTITION + block)[..2048].copy_from_slice(&spare);
        }
        let volume = fixture.open();
        assert_eq!(remedies(&volume), [Remedy::NoSparingTable; 2]);
        assert_eq!((sparable(&volume).prevailing, sparable(&volume).entries().len()), (None, 0));
    }

    #[test]
    fn entries_need_no_order_and_may_lie() {
        let mut fixture = Fixture::with_sparing(false);
        // The first of two for one packet counts; one beyond the partition does no harm.
        let unsorted = [(96, 96), (4_000_000, 64), (0, 64), (0, 5000)];
        for sector in SPARING_TABLES {
            fixture.sparing_table(sector, 8, &unsorted);
        }
        fixture.open().lookup("hello.txt").unwrap();
        for sector in SPARING_TABLES {
            fixture.sparing_table(sector, 9, &[(0, u32::MAX)]);
        }
        assert!(Volume::open(&fixture.image, &OpenOptions::default()).is_err());
    }

    #[test]
    fn maps_without_packets_or_with_too_many_tables_are_damage() {
        for (offset, value, is_damage) in [(40, 0, true), (42, 0, false), (42, 5, false)] {
            let mut fixture = Fixture::with_sparing(false);
            for start in [super::super::fixture::MAIN, RESERVE] {
                let (logical, mut maps) = fixture.logical(2);
                maps[offset] = value;
                fixture.write(start + 1, start + 1, &logical, &maps);
            }
            let options = OpenOptions { strict: true, ..OpenOptions::default() };
            assert!(Volume::open(&fixture.image, &options).is_err(), "{offset} {value}");
            let lenient = Volume::open(&fixture.image, &OpenOptions::default());
            assert_eq!(lenient.is_err(), is_damage || value == 0, "{offset} {value}");
        }
    }
}
