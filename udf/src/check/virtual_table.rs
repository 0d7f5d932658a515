//! Virtual partitions: the table that counts, those before it, and which of its blocks are used (R074 to R080).

use super::context::{At, Context};
use super::entry::Facts;
use super::files::Files;
use super::identifier::Expected;

use super::integrity::{Integrity, Revisions};
use super::logical::{Map, MapKind};
use super::role::Role;
use super::text::Empty;
use crate::general::{EntityIdentifier, LongAd, Tag, TagIdentifier};
use crate::partition::{NO_BLOCK, VirtualTableHeader};
use crate::read::{
    PartitionKind, ReadAt, VirtualPartition, VirtualTable, VirtualTableForm, VirtualTableHead,
};
use crate::units::{BlockAddress, PartitionReference};
use crate::volume::{AccessType, PartitionDescriptor};

pub(super) const TABLE: &str = "virtual allocation table";
/// What implementation use begins with, if there is any: an entity identifier.
const LEAST_USE_BYTES: u16 = 32;
/// Generations that are followed: a disc that is closed and opened again and again has some hundreds.
const MAX_GENERATIONS: u32 = 1 << 12;
/// Unused blocks that are told of; of one rule no more findings are kept.
const MAX_UNUSED: usize = 1000;

impl<R: ReadAt> Context<'_, R> {
    /// A virtual partition is for what can be written once, one block after the other.
    pub(super) fn upon_write_once(&mut self, at: At, maps: &[Map], partitions: &[PartitionDescriptor]) {
        let write_once = AccessType::WriteOnce.number();
        for map in maps.iter().filter(|map| map.kind == MapKind::Virtual) {
            let named = partitions.iter().find(|partition| partition.partition_number == map.number);
            if let Some(access) =
                named.map(|partition| partition.access_type).filter(|access| *access != write_once)
            {
                self.warning(65, at, format_args!("a virtual partition upon one of access type {access}"));
            }
        }
    }

    /// The sizes that the integrity descriptor has for a virtual partition: nobody counts them (UDF 2.2.6.2).
    pub(super) fn virtual_sizes(&mut self, integrity: &Integrity, maps: &[Map]) {
        let tables = integrity.free_blocks.iter().zip(&integrity.size_blocks);
        for (number, (map, (free, size))) in maps.iter().zip(tables).enumerate() {
            if map.kind == MapKind::Virtual && (*free, *size) != (u32::MAX, u32::MAX) {
                self.error(
                    69,
                    integrity.at,
                    format_args!(
                        "free space and size of the virtual partition {number} are {free:#x} and {size:#x}"
                    ),
                );
            }
        }
    }
}

impl<R: ReadAt> Files<'_, R> {
    /// The virtual partition, of which there is one at most.
    fn virtual_partition(&self) -> Option<(PartitionReference, &VirtualPartition)> {
        self.volume.partitions().iter().zip(0_u16..).find_map(|(partition, reference)| {
            match &partition.kind {
                PartitionKind::Virtual(upper) => Some((PartitionReference(reference), &**upper)),
                _ => None,
            }
        })
    }

    /// Checks the table that counts, and those before it.
    pub(super) fn virtual_table(&mut self) {
        let volume = self.volume;
        let Some(table) = volume.virtual_table() else { return };
        let head = &table.head;
        let icb = head.entry.icb;
        let at = At::new(TABLE, icb);
        self.virtual_table_entry(at, head);
        if head.has_wrong_file_type {
            self.error(74, at, format_args!("file type {} is that of the other form", head.entry.kind.0));
        }
        let sector = volume.locate(icb).map(|run| run.sector.0);
        if let Ok(behind) = sector.map(|sector| self.context.last.0.saturating_sub(sector))
            && behind > 0
        {
            self.context.note(74, at, format_args!("there are {behind} blocks behind it"));
        }
        self.virtual_table_form(at, head);
        self.virtual_entries(at);
        self.generations(head);
    }

    /// Its file entry, as that of any file, and what must not be in it.
    fn virtual_table_entry(&mut self, at: At, head: &VirtualTableHead) {
        let icb = LongAd::icb(self.block_size().bytes(), head.entry.icb, 0);
        let Some(block) = self.read_block(at, icb.start()) else { return };
        let Some(facts) = self.visit(&icb, &block, Role::VirtualTable) else { return };
        let Facts { links, streams, .. } = facts;
        if links != 0 {
            self.error(99, at, format_args!("link count is {links}, must be 0"));
        }
        if streams.is_some() {
            self.error(77, at, format_args!("it has streams"));
        }
        if Tag::read(&block).is_some_and(|tag| tag.kind() == TagIdentifier::EXTENDED_FILE_ENTRY) {
            self.context.note(
                77,
                at,
                format_args!("its entry is an extended one, which old systems do not read"),
            );
        }
    }

    fn virtual_table_form(&mut self, at: At, head: &VirtualTableHead) {
        let size = head.entry.size_bytes;
        if !size.is_multiple_of(4) {
            self.error(75, at, format_args!("{size} bytes, which are no whole entries"));
        }
        let trailer_is_due = !self.context.rules().streams;
        if trailer_is_due != (head.form == VirtualTableForm::Trailer) {
            let revision = self.context.revision;
            self.error(75, at, format_args!("its form is not that of UDF {revision}"));
        }
        if let Some(trailer) = &head.trailer {
            let expected = Expected::Udf(EntityIdentifier::VIRTUAL_TABLE);
            self.context.identifier(at, "identifier", &trailer.identifier, expected);
        }
        if let Some(header) = &head.header {
            self.virtual_table_header(at, header, head.has_untold_use);
        }
    }

    fn virtual_table_header(&mut self, at: At, header: &VirtualTableHeader, has_untold_use: bool) {
        let bytes = header.length_of_implementation_use.get();
        if bytes != 0 && bytes < LEAST_USE_BYTES || !bytes.is_multiple_of(4) {
            self.error(75, at, format_args!("{bytes} bytes of implementation use"));
        }
        if has_untold_use {
            self.error(75, at, format_args!("an implementation use that its length does not tell of"));
        }
        if header.reserved != 0 {
            self.error(75, at, format_args!("reserved field is {}", header.reserved));
        }
        let (label, logical) =
            (&header.logical_volume_identifier, &self.volume.logical().logical_volume_identifier);
        if label != logical {
            self.context.note(
                45,
                at,
                format_args!("label is {label:?}, in the logical volume descriptor {logical:?}"),
            );
        }
        self.context.text(at, "logical volume identifier", label, Empty::Forbidden);
        let revisions = Revisions {
            read: header.minimum_udf_read_revision.get(),
            write: header.minimum_udf_write_revision.get(),
            most: header.maximum_udf_write_revision.get(),
        };
        self.context.known_revisions(at, revisions);
    }

    /// Each entry must be a block that exists.
    fn virtual_entries(&mut self, at: At) {
        let Some((_, upper)) = self.virtual_partition() else { return };
        let Some(lower) = self.partition(upper.lower) else { return };
        let blocks = lower.length_blocks;
        let volume = self.volume;
        let entries = volume.virtual_table().map(VirtualTable::entries).unwrap_or_default();
        if entries.is_empty() {
            self.warning(76, at, format_args!("it is empty"));
        } else if entries.len() as u64 > u64::from(blocks) {
            let count = entries.len();
            self.error(76, at, format_args!("{count} entries, the partition has {blocks} blocks"));
        }
        for (number, entry) in entries.iter().enumerate() {
            if *entry != NO_BLOCK && entry.get() >= blocks {
                self.error(
                    76,
                    at,
                    format_args!("entry {number} is block {entry}, the partition has {blocks}"),
                );
            }
        }
    }

    /// Each table names the one before it, which was recorded earlier: so the chain ends.
    fn generations(&mut self, newest: &VirtualTableHead) {
        let mut at = newest.entry.icb;
        let mut previous = newest.previous;
        for _ in 0..MAX_GENERATIONS {
            let Some(icb) = previous else { return };
            if icb.block >= at.block {
                self.error(
                    75,
                    At::new(TABLE, at),
                    format_args!("the table before it lies behind it, at {icb}"),
                );
                return;
            }
            match self.volume.virtual_table_head(icb) {
                Ok(head) => previous = head.previous,
                Err(error) => {
                    self.error(75, At::new(TABLE, at), format_args!("the table before it at {icb}: {error}"));
                    return;
                }
            }
            at = icb;
        }
    }

    /// Whether an address is a virtual block that the table marks as unused.
    pub(super) fn is_unused_virtual(&self, address: BlockAddress) -> bool {
        let Some((reference, upper)) = self.virtual_partition() else { return false };
        let entry = usize::try_from(address.block.0).ok().and_then(|block| upper.table.entries().get(block));
        address.partition == reference && entry.is_some_and(|entry| *entry == NO_BLOCK)
    }

    /// Blocks of a virtual partition that are used, where they really lie.
    pub(super) fn take_virtual(&mut self, at: At, start: BlockAddress, blocks: u64) -> bool {
        let volume = self.volume;
        let Some((reference, upper)) = self.virtual_partition() else { return true };
        let lower_reference = upper.lower;
        let (Some(lower), Some(table)) = (self.partition(lower_reference), volume.virtual_table()) else {
            return true;
        };
        let mut sole = true;
        if start.partition != reference {
            return sole;
        }
        let skip = usize::try_from(start.block.0).unwrap_or(usize::MAX);
        let count = usize::try_from(blocks).unwrap_or(usize::MAX);
        for (entry, block) in table.entries().iter().skip(skip).take(count).zip(start.block.0..) {
            if *entry == NO_BLOCK {
                self.error(78, at, format_args!("virtual block {block} is used, but marked as not"));
                self.complete = false;
                continue;
            }
            let place = BlockAddress::new(lower_reference.0, entry.get());
            if self.used.take(lower, place, 1).is_some() {
                self.error(
                    113,
                    at,
                    format_args!("{place}, where virtual block {block} lies, is used by something else too"),
                );
                sole = false;
            }
        }
        sole
    }

    /// What can be said of the table when all has been seen.
    pub(super) fn virtual_use(&mut self) {
        let volume = self.volume;
        let Some((reference, _)) = self.virtual_partition() else { return };
        let (Some(table), Some(partition)) = (volume.virtual_table(), self.partition(reference)) else {
            return;
        };
        let at = At::new(TABLE, table.head.entry.icb);
        if !self.complete {
            return;
        }
        let unused =
            table.entries().iter().zip(0_u32..).filter(|(entry, block)| {
                **entry != NO_BLOCK && !self.used.is_used(partition, reference, *block)
            });
        let unused: alloc::vec::Vec<u32> = unused.map(|(_, block)| block).take(MAX_UNUSED).collect();
        for block in unused {
            self.warning(79, at, format_args!("nobody uses virtual block {block}, which is not marked so"));
        }
    }
}
