//! Sparable partitions: their maps, all copies of the sparing table, and where both lie (R052, R064, R081, R082).

use alloc::{vec, vec::Vec};

use zerocopy::FromBytes;

use super::context::{At, Context, Stretch};
use super::files::Files;
use super::identifier::Expected;
use super::logical::Map;
use super::seal::{CrcLength, Expected as ExpectedTag, Sealed, is_zero};
use crate::general::{Descriptor, EntityIdentifier};
use crate::partition::{SparablePartitionMap, SparingEntry, SparingTable};
use crate::read::{PartitionKind, ReadAt};
use crate::units::Sector;
use crate::volume::PartitionDescriptor;

/// Packets are ECC blocks, of DVD or of CD (UDF 2.2.9).
const PACKET_BLOCKS: [u16; 2] = [16, 32];
/// The size of the fixed part of a table, and what sizes are multiples of.
const LEAST_TABLE_BYTES: u32 = 56;
const ENTRY_BYTES: u32 = 8;
const MAX_TABLES: u8 = 4;
/// Original locations from here to the one of defective packets are reserved (UDF 2.2.12).
const FIRST_RESERVED: u32 = SparingEntry::DEFECTIVE;
const SPARE: &str = "spare packet";

/// A copy of the table that could be understood.
struct TableCopy {
    at: At,
    number: u32,
    entries: Vec<SparingEntry>,
}

impl<R: ReadAt> Context<'_, R> {
    /// Checks the maps of sparable partitions and the tables that they name.
    pub(super) fn sparing(&mut self, at: At, maps: &[Map], partitions: &[PartitionDescriptor]) {
        for map in maps {
            let named = partitions.iter().find(|partition| partition.partition_number == map.number);
            let (Some(sparable), Some(partition)) = (map.sparable, named) else { continue };
            self.packets(at, &sparable, partition);
            let Some(packet) = Some(u32::from(sparable.packet_length.get())).filter(|blocks| *blocks > 0)
            else {
                continue;
            };
            self.table_places(at, &sparable, packet);
            let copies: Vec<_> = sparable
                .locations()
                .filter_map(|sector| self.table_copy(Sector(sector), &sparable))
                .collect();
            for copy in &copies {
                self.entries(copy, packet, partition);
            }
            self.equivalent(&copies);
            let newest = copies.iter().max_by_key(|copy| copy.number);
            for entry in newest.map(|copy| copy.entries.as_slice()).unwrap_or_default() {
                let bytes = u64::from(self.block_size.bytes()).saturating_mul(packet.into());
                self.takes_spare(SPARE, Sector(entry.mapped_location.get()), bytes, partition);
            }
        }
    }

    fn packets(&mut self, at: At, map: &SparablePartitionMap, partition: &PartitionDescriptor) {
        let packet = map.packet_length.get();
        if !PACKET_BLOCKS.contains(&packet) {
            self.error(64, at, format_args!("packets of {packet} blocks, must be 16 or 32"));
        }
        let (start, blocks) = (partition.partition_starting_location.get(), partition.partition_length.get());
        let whole = |number: u32| number.checked_rem(packet.into()).is_none_or(|rest| rest == 0);
        if !whole(start) || !whole(blocks) {
            self.error(
                52,
                at,
                format_args!(
                    "the partition of {blocks} blocks from sector {start} on is not whole packets of {packet}"
                ),
            );
        }
    }

    /// How many copies there are, how large, and how far from each other.
    fn table_places(&mut self, at: At, map: &SparablePartitionMap, packet: u32) {
        let (count, bytes) = (map.number_of_sparing_tables, map.size_of_each_sparing_table.get());
        if !(1..=MAX_TABLES).contains(&count) {
            self.error(64, at, format_args!("{count} sparing tables, must be 1 to {MAX_TABLES}"));
        } else if count == 1 {
            self.warning(64, at, format_args!("one sparing table, should be two"));
        }
        if bytes < LEAST_TABLE_BYTES || !bytes.is_multiple_of(ENTRY_BYTES) {
            self.error(64, at, format_args!("sparing tables of {bytes} bytes"));
        }
        let places: Vec<u32> = map.locations().collect();
        let packet_of = |sector: u32| sector.checked_div(packet);
        for (number, place) in places.iter().enumerate() {
            if place.checked_rem(packet) != Some(0) {
                self.warning(
                    64,
                    at,
                    format_args!("the sparing table at sector {place} does not begin a packet"),
                );
            }
            let mut earlier = places.iter().take(number);
            if earlier.any(|other| packet_of(*other) == packet_of(*place)) {
                self.error(
                    64,
                    at,
                    format_args!("the sparing table at sector {place} shares a packet with another"),
                );
            }
        }
    }

    /// A copy of the table, if there is one that can be understood.
    fn table_copy(&mut self, sector: Sector, map: &SparablePartitionMap) -> Option<TableCopy> {
        let at = At::new(SparingTable::NAME, sector);
        let mut bytes = vec![0; self.block_size.len()];
        if !self.read(at, sector, &mut bytes) {
            return None;
        }
        // Its tag identifier is 0, which is what nothing looks like, too.
        if is_zero(&bytes) {
            self.error(10, at, format_args!("nothing but zeros where it must be"));
            return None;
        }
        let table = *SparingTable::peek(&bytes, sector).ok()?;
        let count = usize::from(table.reallocation_table_length.get());
        let length =
            size_of::<SparingTable>().saturating_add(count.saturating_mul(size_of::<SparingEntry>()));
        let allocated = map.size_of_each_sparing_table.get();
        if u64::from(allocated) < length as u64 {
            self.error(81, at, format_args!("{length} bytes long, {allocated} are allocated"));
        }
        if length > bytes.len() {
            bytes.resize(self.block_size.len().saturating_mul(length.div_ceil(self.block_size.len())), 0);
            if !self.read(at, sector, &mut bytes) {
                return None;
            }
        }
        let kind = SparingTable::IDENTIFIER;
        let expected = ExpectedTag { kind, location: sector.0, bytes: length, crc: CrcLength::Whole };
        if self.seal(at, &bytes, expected) != Sealed::Sound {
            return None;
        }
        self.zeros_behind(at, &bytes, length);
        if table.sparing_identifier.is(EntityIdentifier::SPARING_TABLE) {
            let identifier = Expected::Udf(EntityIdentifier::SPARING_TABLE);
            self.identifier(at, "sparing identifier", &table.sparing_identifier, identifier);
        } else {
            let found = table.sparing_identifier.text_bytes().escape_ascii();
            self.error(81, at, format_args!("identifier is \"{found}\""));
        }
        if table.reserved != 0 {
            self.error(81, at, format_args!("reserved field is {}", table.reserved));
        }
        let tail = bytes.get(size_of::<SparingTable>()..)?;
        let (entries, _) = <[SparingEntry]>::ref_from_prefix_with_elems(tail, count).ok()?;
        Some(TableCopy { at, number: table.sequence_number.get(), entries: entries.to_vec() })
    }

    fn entries(&mut self, copy: &TableCopy, packet: u32, partition: &PartitionDescriptor) {
        let (at, blocks, last) = (copy.at, partition.partition_length.get(), self.last.0);
        if copy.entries.is_empty() {
            self.warning(81, at, format_args!("it is empty: nothing can be relocated"));
        }
        let pairs = copy.entries.iter().zip(copy.entries.iter().skip(1));
        for (one, other) in pairs {
            let (first, second) = (one.original_location.get(), other.original_location.get());
            if first > second {
                self.error(
                    81,
                    at,
                    format_args!("the packet at block {second} stands behind that at {first}"),
                );
            } else if first == second && one.is_in_use() {
                self.error(81, at, format_args!("the packet at block {first} is relocated twice"));
            }
        }
        for entry in &copy.entries {
            let (original, mapped) = (entry.original_location.get(), entry.mapped_location.get());
            let is_block = original < FIRST_RESERVED;
            let fits = original.checked_rem(packet) == Some(0)
                && original.checked_add(packet).is_some_and(|end| end <= blocks);
            let is_marker = matches!(original, SparingEntry::AVAILABLE | SparingEntry::DEFECTIVE);
            if is_block && !fits || !is_block && !is_marker {
                self.error(81, at, format_args!("block {original:#x} begins no packet of the partition"));
            }
            let end = u64::from(mapped).saturating_add(packet.into());
            if mapped.checked_rem(packet) != Some(0) || end > u64::from(last).saturating_add(1) {
                self.error(81, at, format_args!("sector {mapped} begins no packet of the volume"));
            }
        }
        let mut spares: Vec<_> = copy.entries.iter().map(|entry| entry.mapped_location.get()).collect();
        spares.sort_unstable();
        for (one, other) in spares.iter().zip(spares.iter().skip(1)) {
            if one == other {
                self.error(81, at, format_args!("the spare packet at sector {one} stands there twice"));
            }
        }
    }

    fn equivalent(&mut self, copies: &[TableCopy]) {
        let Some((first, others)) = copies.split_first() else { return };
        for other in others {
            if other.number != first.number || other.entries != first.entries {
                let (one, two) = (first.at.place, other.number);
                self.error(
                    81,
                    other.at,
                    format_args!("number {two} differs from number {} at {one}", first.number),
                );
            }
        }
    }

    /// Notes where a table or a spare packet lies: on its own, or in its partition, where nobody may allocate it.
    pub(super) fn takes_spare(
        &mut self,
        structure: &'static str,
        first: Sector,
        bytes: u64,
        partition: &PartitionDescriptor,
    ) {
        let start = u64::from(partition.partition_starting_location.get());
        let end = start.saturating_add(partition.partition_length.get().into());
        if (start..end).contains(&u64::from(first.0)) {
            let first = u64::from(first.0);
            let end = first.saturating_add(self.block_size.blocks_for(bytes));
            self.spares_inside.push(Stretch { structure, first, end });
        } else {
            self.takes(structure, first, bytes);
        }
    }

    /// Notes where the copies of the tables lie.
    pub(super) fn takes_tables(&mut self, maps: &[Map], partitions: &[PartitionDescriptor]) {
        for map in maps {
            let named = partitions.iter().find(|partition| partition.partition_number == map.number);
            let (Some(sparable), Some(partition)) = (map.sparable, named) else { continue };
            let bytes = sparable.size_of_each_sparing_table.get().into();
            for sector in sparable.locations() {
                self.takes_spare(SparingTable::NAME, Sector(sector), bytes, partition);
            }
        }
    }
}

impl<R: ReadAt> Files<'_, R> {
    /// What is not to be allocated, against what is relocated and what stands in for it.
    pub(super) fn spares(&mut self) {
        let partitions = self.volume.partitions().iter().zip(0_u16..);
        let sparable = partitions.filter_map(|(partition, reference)| match &partition.kind {
            PartitionKind::Sparable(sparable) => Some((&**sparable, reference)),
            _ => None,
        });
        for (sparable, reference) in sparable {
            let size = self.block_size();
            let never = self.non_allocatable.clone().unwrap_or_default();
            let never = never.into_iter().filter(|extent| extent.start.partition.0 == reference);
            let never: Vec<(u64, u64)> = never
                .map(|extent| {
                    let first = u64::from(extent.start.block.0);
                    (first, first.saturating_add(extent.blocks(size)))
                })
                .collect();
            let at = At::new(SparingTable::NAME, sparable.start);
            let packet = u64::from(sparable.map.packet_length.get());
            for (original, _) in sparable.relocated() {
                let (first, end) = (u64::from(*original), u64::from(*original).saturating_add(packet));
                if never.iter().any(|(from, to)| *from < end && first < *to) {
                    self.error(
                        82,
                        at,
                        format_args!("the packet at block {original} is relocated, but not to be allocated"),
                    );
                }
            }
            for stretch in core::mem::take(&mut self.context.spares_inside) {
                let inside = |sector: u64| sector.checked_sub(sparable.start.0.into());
                let (Some(first), Some(end)) = (inside(stretch.first), inside(stretch.end)) else { continue };
                if !never.iter().any(|(from, to)| *from <= first && end <= *to) {
                    let name = stretch.structure;
                    self.error(
                        82,
                        at,
                        format_args!("the {name} at block {first} of the partition can be allocated"),
                    );
                }
            }
            if self.non_allocatable.is_none() && self.complete {
                self.context.note(128, at, format_args!("there is no Non-Allocatable Space"));
            }
        }
    }
}
