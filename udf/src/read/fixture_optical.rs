//! What the volumes in memory need on write-once and rewritable discs: virtual allocation tables and sparing tables.

use std::vec::Vec;

use zerocopy::IntoBytes;

use super::VirtualTableForm;
use super::fixture::*;
use crate::file::attribute::{AttributeHead, IMPLEMENTATION_USE};
use crate::file::{AllocationForm, FileType, IcbTag};
use crate::general::{DString, Descriptor, EntityIdentifier};
use crate::partition::{
    SparablePartitionMap, SparingEntry, SparingTable, VirtualTableExtension, VirtualTableHeader,
    VirtualTableTrailer,
};
use crate::revision::Revision;
use crate::units::BlockAddress;

/// The label in virtual allocation tables, and the unique id of their entry.
pub(super) const NEWER_LABEL: &str = "renamed";
pub(super) const TABLE_ID: u64 = 77;

/// The entries of the table: each virtual block lies before the one before it.
pub(super) fn entries() -> Vec<u32> {
    (0..VIRTUAL_BLOCKS).map(|block| FIRST_VIRTUAL - block).collect()
}

/// The body of a table.
pub(super) fn table(form: VirtualTableForm, entries: &[u32], previous: u32) -> Vec<u8> {
    let entries: Vec<u8> = entries.iter().flat_map(|entry| entry.to_le_bytes()).collect();
    match form {
        VirtualTableForm::Trailer => {
            let identifier = EntityIdentifier::udf(EntityIdentifier::VIRTUAL_TABLE, Revision::V1_50);
            let trailer = VirtualTableTrailer { identifier, previous_icb_location: previous.into() };
            [&entries, trailer.as_bytes()].concat()
        }
        VirtualTableForm::Header => {
            let mut header: VirtualTableHeader = blank();
            header.length_of_header = 152.into();
            header.logical_volume_identifier = DString::new(NEWER_LABEL).unwrap();
            header.previous_icb_location = previous.into();
            header.number_of_files = 33.into();
            header.number_of_directories = 22.into();
            header.minimum_udf_read_revision = 0x0201.into();
            header.minimum_udf_write_revision = 0x0201.into();
            header.maximum_udf_write_revision = 0x0250.into();
            [header.as_bytes(), &entries].concat()
        }
    }
}

/// The attribute that adds to a table of 1.50, in an attribute space.
pub(super) fn extension(verification_id: u64) -> Vec<u8> {
    let mut extension: VirtualTableExtension = blank();
    extension.verification_id = verification_id.into();
    extension.number_of_files = 33.into();
    extension.number_of_directories = 22.into();
    extension.logical_volume_identifier = DString::new(NEWER_LABEL).unwrap();
    let head = AttributeHead {
        attribute_type: IMPLEMENTATION_USE.into(),
        attribute_subtype: 1,
        reserved: [0; 3],
        attribute_length: 196.into(),
    };
    let identifier = EntityIdentifier::udf(EntityIdentifier::VIRTUAL_TABLE_EXTENSION, Revision::V1_50);
    let length = 146u32.to_le_bytes();
    let mut space = std::vec![0; 24];
    for part in [head.as_bytes(), &length, identifier.as_bytes(), extension.as_bytes(), &[0; 2]] {
        space.extend_from_slice(part);
    }
    space
}

impl Fixture {
    /// Writes a table with the standard entries, embedded in its entry, to a block of partition 0.
    pub(super) fn virtual_table(&mut self, block: u32, form: VirtualTableForm, previous: u32) {
        self.virtual_table_with(block, form, &table(form, &entries(), previous), &[]);
    }

    /// Writes a table with this body and these attributes to a block of partition 0.
    pub(super) fn virtual_table_with(
        &mut self,
        block: u32,
        form: VirtualTableForm,
        body: &[u8],
        attributes: &[u8],
    ) {
        let kind = match form {
            VirtualTableForm::Trailer => FileType::UNSPECIFIED,
            VirtualTableForm::Header => FileType::VIRTUAL_ALLOCATION_TABLE,
        };
        let tag = IcbTag::new(kind, AllocationForm::Embedded, 0);
        let mut fixed = extended_entry(tag, body.len() as u64, body.len());
        fixed.unique_id = TABLE_ID.into();
        fixed.length_of_extended_attributes = length(attributes).into();
        self.put(BlockAddress::new(0, block), &fixed, &[attributes, body].concat());
    }

    pub(super) fn sparable_map(&self) -> SparablePartitionMap {
        let mut map: SparablePartitionMap = blank();
        map.partition_map_type = 2;
        map.partition_map_length = 64;
        map.partition_type_identifier =
            EntityIdentifier::udf(EntityIdentifier::SPARABLE_PARTITION, Revision::V2_01);
        map.packet_length = u16::try_from(PACKET).unwrap().into();
        map.number_of_sparing_tables = 2;
        map.size_of_each_sparing_table = self.bytes(1).into();
        for (field, sector) in map.locations_of_sparing_tables.iter_mut().zip(SPARING_TABLES) {
            *field = sector.into();
        }
        map
    }

    /// Both copies of the sparing table, and rubbish where the packets were that lie elsewhere now.
    pub(super) fn sparing(&mut self) {
        for sector in SPARING_TABLES {
            self.sparing_table(sector, 7, &RELOCATED);
        }
        for (first, _) in RELOCATED {
            let bytes = self.bytes(PACKET) as usize;
            self.sector(PARTITION + first)[..bytes].fill(0xEE);
        }
    }

    /// A copy of the sparing table, with a spare packet that is free and one that is damaged.
    pub(super) fn sparing_table(&mut self, sector: u32, sequence_number: u32, relocated: &[(u32, u32)]) {
        let mut fixed: SparingTable = blank();
        fixed.sparing_identifier = EntityIdentifier::udf(EntityIdentifier::SPARING_TABLE, Revision::V2_01);
        fixed.sequence_number = sequence_number.into();
        let others = [(SparingEntry::DEFECTIVE, 9000), (SparingEntry::AVAILABLE, 9032)];
        let entries: Vec<u8> = relocated
            .iter()
            .chain(&others)
            .flat_map(|(original, mapped)| [original.to_le_bytes(), mapped.to_le_bytes()].concat())
            .collect();
        fixed.reallocation_table_length = u16::try_from(entries.len() / 8).unwrap().into();
        fixed.write(&entries, self.sector(sector), SEAL, sector);
    }
}
