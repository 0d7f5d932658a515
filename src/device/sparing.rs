//! Sparable media: a packet that cannot be written is written to a spare one, and the sparing tables say so (UDF 2.60 2.2.12).

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Mutex;

use udf::general::{Descriptor as _, Seal, Tag};
use udf::partition::{SparingEntry, SparingTable};
use udf::read::{OpenOptions, PartitionKind, ReadAt, SparablePartition, Volume};
use udf::{BlockSize, BoxedError, Sector};
use zerocopy::IntoBytes as _;

use super::buffer::length;
use super::{Order, WriteAt, lock};
use crate::error::Warning;

/// A target with a sparable partition. What fails to be written there goes to a spare packet, with what else is in its packet; then
/// all copies of the sparing table are recorded, one durable before the next, so that one is sound whenever the power fails. Until
/// then the old table counts, and the old packet. If no spare packet is left, that write fails as it did.
///
/// Offsets are those of the medium: what is relocated is written, and read, elsewhere.
pub struct Sparing<'a> {
    reader: &'a dyn ReadAt,
    /// `None` if it is only read.
    device: Option<&'a dyn WriteAt>,
    block_size: BlockSize,
    partition: Sector,
    partition_blocks: u32,
    packet_blocks: u32,
    tables: Vec<Sector>,
    seal: Seal,
    table: Mutex<Table>,
}

/// The sparing table as it is now.
struct Table {
    fixed: SparingTable,
    entries: Vec<SparingEntry>,
    /// The same by packets: first sectors, and the first sectors of the spare ones.
    relocated: BTreeMap<u32, u32>,
    warnings: Vec<Warning>,
}

impl<'a> Sparing<'a> {
    /// The medium of a volume, which `reader` reads and `device` writes, if it is written to; `None` if it has no sparable partition,
    /// or no sparing table that can be read.
    pub fn find<R: ReadAt>(
        volume: &Volume<R>,
        reader: &'a dyn ReadAt,
        device: Option<&'a dyn WriteAt>,
    ) -> Option<Self> {
        let found = volume.partitions().iter().find_map(|partition| match &partition.kind {
            PartitionKind::Sparable(sparable) => Some((sparable, partition.length_blocks)),
            _ => None,
        });
        let (sparable, partition_blocks) = found?;
        Self::new(sparable, partition_blocks, volume.block_size(), reader, device)
    }

    /// Has something done to the medium that `reader` reads and `device` writes, by way of its spare packets if the volume on it,
    /// opened so, has any; returns what was relocated, too.
    pub fn through<T>(
        reader: &'a dyn ReadAt,
        device: &'a dyn WriteAt,
        open: &OpenOptions,
        act: impl FnOnce(&dyn WriteAt, &dyn ReadAt) -> T,
    ) -> (T, Vec<Warning>) {
        let volume = Volume::open(reader, open).ok();
        match volume.and_then(|volume| Self::find(&volume, reader, Some(device))) {
            Some(sparing) => (act(&sparing, &sparing), sparing.warnings()),
            None => (act(device, reader), Vec::new()),
        }
    }

    fn new(
        sparable: &SparablePartition,
        partition_blocks: u32,
        block_size: BlockSize,
        reader: &'a dyn ReadAt,
        device: Option<&'a dyn WriteAt>,
    ) -> Option<Self> {
        let copy = sparable.copies.get(sparable.prevailing?)?;
        let fixed = copy.table?;
        let sector = |block: u32| sparable.start.0.saturating_add(block);
        Some(Self {
            reader,
            device,
            block_size,
            partition: sparable.start,
            partition_blocks,
            packet_blocks: u32::from(sparable.map.packet_length.get()).max(1),
            tables: sparable.copies.iter().map(|copy| copy.sector).collect(),
            seal: Seal {
                descriptor_version: fixed.tag.descriptor_version.get(),
                serial_number: fixed.tag.serial_number.get(),
            },
            table: Mutex::new(Table {
                fixed,
                entries: copy.entries.clone(),
                relocated: sparable.relocated().iter().map(|(block, to)| (sector(*block), *to)).collect(),
                warnings: Vec::new(),
            }),
        })
    }

    fn device(&self) -> io::Result<&'a dyn WriteAt> {
        self.device.ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "the medium is only read"))
    }

    /// What was relocated since.
    pub fn warnings(&self) -> Vec<Warning> {
        std::mem::take(&mut lock(&self.table).warnings)
    }

    /// The first sector of the packet that holds a sector of the partition.
    fn packet_of(&self, sector: u32) -> Option<u32> {
        let block = sector.checked_sub(self.partition.0).filter(|block| *block < self.partition_blocks)?;
        Some(self.partition.0 + block / self.packet_blocks * self.packet_blocks)
    }

    /// Parts of a stretch that lie in one packet each, or between packets: offset, bytes from where in the stretch, packet.
    fn parts(&self, offset_bytes: u64, bytes: usize) -> Vec<(u64, std::ops::Range<usize>, Option<u32>)> {
        let block = u64::from(self.block_size.bytes());
        let mut parts = Vec::new();
        let mut at = 0;
        while at < bytes {
            let offset = offset_bytes + at as u64;
            let sector = u32::try_from(offset / block).unwrap_or(u32::MAX);
            let packet = self.packet_of(sector);
            // Outside of the partition a part ends where that begins, or not at all.
            let end = match packet {
                Some(first) => u64::from(first + self.packet_blocks) * block,
                None if sector < self.partition.0 => u64::from(self.partition.0) * block,
                None => u64::MAX,
            };
            let count = usize::try_from(end - offset).unwrap_or(usize::MAX).min(bytes - at);
            parts.push((offset, at..at + count, packet));
            at += count;
        }
        parts
    }

    /// Where a part lies now.
    fn place(&self, table: &Table, offset_bytes: u64, packet: Option<u32>) -> u64 {
        let moved = packet.and_then(|packet| Some((packet, *table.relocated.get(&packet)?)));
        match moved {
            Some((from, to)) => {
                offset_bytes - self.block_size.offset_of(Sector(from)) + self.block_size.offset_of(Sector(to))
            }
            None => offset_bytes,
        }
    }

    /// Writes a part of a packet that cannot be written, with the rest of it, to a spare one.
    fn relocate(
        &self,
        table: &mut Table,
        packet: u32,
        (offset_bytes, bytes): (u64, &[u8]),
        why: &io::Error,
    ) -> io::Result<()> {
        let failed = |what: &str| io::Error::new(why.kind(), format!("{why}; {what}"));
        let start = self.block_size.offset_of(Sector(packet));
        let inside = length(offset_bytes - start);
        let mut whole = vec![0; length(self.block_size.bytes_in(self.packet_blocks))];
        // Only what is around it is read: what is written here may be just what cannot be read.
        let from = self.place(table, start, Some(packet));
        let (head, rest) = whole.split_at_mut(inside);
        let (written, tail) = rest.split_at_mut(bytes.len());
        written.copy_from_slice(bytes);
        for (skip, around) in [(0, head), (inside + bytes.len(), tail)] {
            if !around.is_empty() {
                let read = self.reader.read_at(from + skip as u64, around);
                read.map_err(|_| {
                    failed(&format!("the rest of the packet at sector {packet} cannot be read"))
                })?;
            }
        }
        // If it was relocated before, its spare packet is damaged, too.
        for entry in table
            .entries
            .iter_mut()
            .filter(|entry| entry.is_in_use() && entry.original_location.get() == packet - self.partition.0)
        {
            entry.original_location.set(SparingEntry::DEFECTIVE);
        }
        loop {
            let spare = table.entries.iter_mut().find(|entry| entry.is_available()).ok_or_else(|| {
                failed("no spare packet is left: copy what is on the medium to another one")
            })?;
            let to = Sector(spare.mapped_location.get());
            let device = self.device()?;
            let written = device.write_at(self.block_size.offset_of(to), &whole);
            if written.and_then(|()| device.flush()).is_err() {
                spare.original_location.set(SparingEntry::DEFECTIVE);
                continue;
            }
            spare.original_location.set(packet - self.partition.0);
            table.entries.sort_by_key(|entry| entry.original_location.get());
            table.relocated.insert(packet, to.0);
            self.record(table)?;
            let left = table.entries.iter().filter(|entry| entry.is_available()).count();
            table.warnings.push(Warning::Relocated { sector: packet, to: to.0, left });
            return Ok(());
        }
    }

    /// Records all copies of the table, each durable before the next; one must be.
    fn record(&self, table: &mut Table) -> io::Result<()> {
        let number = table.fixed.sequence_number.get().wrapping_add(1);
        table.fixed.sequence_number.set(number);
        let mut bytes = table.fixed.as_bytes().to_vec();
        bytes.extend(table.entries.as_bytes());
        let sealed = bytes.len();
        bytes.resize(sealed.next_multiple_of(self.block_size.len()), 0);
        let device = self.device()?;
        let (mut recorded, mut failure) = (0, None);
        for sector in &self.tables {
            Tag::seal(&mut bytes[..sealed], SparingTable::IDENTIFIER, self.seal, sector.0);
            let written = device.write_at(self.block_size.offset_of(*sector), &bytes);
            match written.and_then(|()| device.flush()) {
                Ok(()) => recorded += 1,
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) if recorded == 0 => Err(error),
            _ => Ok(()),
        }
    }
}

impl WriteAt for Sparing<'_> {
    fn order(&self) -> Order {
        self.device.map_or(Order::Any, WriteAt::order)
    }

    fn capacity_bytes(&self) -> Option<u64> {
        self.device.and_then(WriteAt::capacity_bytes)
    }

    fn reserve(&self, end_bytes: u64) -> io::Result<()> {
        self.device()?.reserve(end_bytes)
    }

    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        let parts = self.parts(offset_bytes, bytes.len());
        let is_moved = {
            let table = lock(&self.table);
            parts.iter().any(|(_, _, packet)| packet.is_some_and(|it| table.relocated.contains_key(&it)))
        };
        let device = self.device()?;
        if !is_moved && device.write_at(offset_bytes, bytes).is_ok() {
            return Ok(());
        }
        for (offset, range, packet) in parts {
            let part = &bytes[range];
            let mut table = lock(&self.table);
            let to = self.place(&table, offset, packet);
            match (device.write_at(to, part), packet) {
                (Ok(()), _) => {}
                // A medium that is full is not damaged.
                (Err(error), Some(packet)) if error.kind() != io::ErrorKind::StorageFull => {
                    self.relocate(&mut table, packet, (offset, part), &error)?;
                }
                (Err(error), _) => return Err(error),
            }
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.device()?.flush()
    }
}

impl ReadAt for Sparing<'_> {
    fn size_bytes(&self) -> u64 {
        self.reader.size_bytes()
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        for (offset, range, packet) in self.parts(offset_bytes, out.len()) {
            let from = self.place(&lock(&self.table), offset, packet);
            self.reader.read_at(from, &mut out[range])?;
        }
        Ok(())
    }

    fn sector_size_bytes(&self) -> Option<u32> {
        self.reader.sector_size_bytes()
    }
}

impl fmt::Debug for Sparing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sparing").field("partition", &self.partition).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use udf::general::EntityIdentifier;
    use udf::partition::SparablePartitionMap;
    use udf::read::SparingTableCopy;
    use zerocopy::FromZeros as _;

    use super::*;
    use crate::device::{Faulty, MemoryDevice};

    const BLOCK: BlockSize = BlockSize::B2048;
    /// Packets of four blocks from sector 8 on, three spare ones, and two copies of the table.
    const SPARES: [u32; 3] = [100, 104, 108];
    const TABLES: [u32; 2] = [120, 121];

    /// The memory, some sectors of which fail.
    fn damaged<'m>(memory: &'m MemoryDevice, bad: &[u32]) -> Faulty<&'m MemoryDevice> {
        Faulty::new(memory)
            .damaged(bad.iter().map(|sector| u64::from(*sector) * 2048).map(|at| at..at + 2048))
    }

    /// The partition as its tables have it.
    fn partition(memory: &MemoryDevice) -> SparablePartition {
        let mut map = SparablePartitionMap::new_zeroed();
        map.packet_length.set(4);
        map.number_of_sparing_tables = 2;
        map.locations_of_sparing_tables[0].set(TABLES[0]);
        map.locations_of_sparing_tables[1].set(TABLES[1]);
        let size = memory.size_bytes();
        assert!(size >= 122 * 2048, "{size}");
        SparablePartition::read(memory, BLOCK, map, Sector(8)).unwrap()
    }

    fn made() -> MemoryDevice {
        let memory = MemoryDevice::new();
        for sector in 0..122_u32 {
            memory.write_at(u64::from(sector) * 2048, &[u8::try_from(sector).unwrap(); 2048]).unwrap();
        }
        let mut fixed = SparingTable::new_zeroed();
        fixed.sparing_identifier =
            EntityIdentifier::udf(EntityIdentifier::SPARING_TABLE, udf::Revision::V2_01);
        fixed.reallocation_table_length.set(3);
        fixed.sequence_number.set(7);
        let entries = SPARES.map(|spare| SparingEntry {
            original_location: SparingEntry::AVAILABLE.into(),
            mapped_location: spare.into(),
        });
        for table in TABLES {
            let mut out = vec![0; 2048];
            let seal = Seal { descriptor_version: 2, serial_number: 1 };
            fixed.write(entries.as_bytes(), &mut out, seal, table);
            memory.write_at(u64::from(table) * 2048, &out).unwrap();
        }
        memory
    }

    fn sector(device: &dyn ReadAt, sector: u32) -> u8 {
        let mut block = [0; 2048];
        device.read_at(u64::from(sector) * 2048, &mut block).unwrap();
        assert!(block.iter().all(|byte| *byte == block[0]));
        block[0]
    }

    fn write(sparing: &Sparing<'_>, first: u32, blocks: usize) -> io::Result<()> {
        sparing.write_at(u64::from(first) * 2048, &vec![255; blocks * 2048])
    }

    #[test]
    fn a_packet_that_fails_is_whole_in_a_spare_one_and_all_tables_say_so() {
        let memory = made();
        // The first spare packet is damaged, too.
        let device = damaged(&memory, &[17, 101]);
        let sparing = Sparing::new(&partition(&memory), 40, BLOCK, &memory, Some(&device)).unwrap();
        write(&sparing, 14, 5).unwrap();
        let expected = [Warning::Relocated { sector: 16, to: 104, left: 1 }];
        assert_eq!(sparing.warnings(), expected);
        assert_eq!(
            (14..24).map(|at| sector(&sparing, at)).collect::<Vec<_>>(),
            [255, 255, 255, 255, 255, 19, 20, 21, 22, 23]
        );
        assert_eq!((sector(&memory, 104), sector(&memory, 106), sector(&memory, 107)), (255, 255, 19));

        let after = partition(&memory);
        assert_eq!(after.relocated(), [(8, 104)]);
        let tables: Vec<_> = after
            .copies
            .iter()
            .map(|copy: &SparingTableCopy| copy.table.unwrap().sequence_number.get())
            .collect();
        assert_eq!(tables, [8, 8]);
        let states: Vec<_> = after.entries().iter().map(|entry| entry.original_location.get()).collect();
        assert_eq!(states, [8, SparingEntry::DEFECTIVE, SparingEntry::AVAILABLE]);
        // What goes there later goes to the spare one, whether or not the tables are read again.
        for sparing in [sparing, Sparing::new(&after, 40, BLOCK, &memory, Some(&device)).unwrap()] {
            memory.write_at(107 * 2048, &[19; 2048]).unwrap();
            write(&sparing, 19, 1).unwrap();
            assert_eq!((sector(&memory, 107), sector(&sparing, 19)), (255, 255));
        }
    }

    #[test]
    fn what_cannot_be_spared_fails_as_it_did_and_changes_no_table() {
        let memory = made();
        let full = damaged(&memory, &[12, 100, 104, 108]);
        let sparing = Sparing::new(&partition(&memory), 40, BLOCK, &memory, Some(&full)).unwrap();
        let error = write(&sparing, 12, 1).unwrap_err();
        assert!(error.to_string().contains("no spare packet is left"), "{error}");
        // Outside of the partition nothing is spared.
        let outside = damaged(&memory, &[5, 60]);
        let sparing = Sparing::new(&partition(&memory), 40, BLOCK, &memory, Some(&outside)).unwrap();
        for at in [5, 60] {
            assert_eq!(
                write(&sparing, at, 1).unwrap_err().raw_os_error(),
                Some(rustix::io::Errno::IO.raw_os_error())
            );
        }
        assert_eq!(partition(&memory).relocated(), []);
        assert_eq!(sparing.warnings(), []);
        let read_only = Sparing::new(&partition(&memory), 40, BLOCK, &memory, None).unwrap();
        assert!(write(&read_only, 12, 1).is_err());
    }

    #[test]
    fn one_table_that_cannot_be_written_is_not_all() {
        let memory = made();
        let device = damaged(&memory, &[12, TABLES[0]]);
        let sparing = Sparing::new(&partition(&memory), 40, BLOCK, &memory, Some(&device)).unwrap();
        write(&sparing, 12, 4).unwrap();
        assert_eq!(partition(&memory).relocated(), [(4, 100)], "the copy with the higher number counts");
    }
}
