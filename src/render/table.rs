//! The virtual allocation table: its map, its blocks and its ICB.

use udf::Sector;
use udf::file::attribute::{AttributeHead, ExtendedAttributeHeaderDescriptor, IMPLEMENTATION_USE};
use udf::file::{AllocationForm, ExtendedFileEntry, FileEntry, FileType, IcbTag};
use udf::general::{EntityIdentifier, ExtentKind, ShortAd, Tag, TagIdentifier, Timestamp};
use udf::partition::{VirtualPartitionMap, VirtualTableExtension};
use udf::revision::VirtualTableForm;
use zerocopy::{FromZeros, IntoBytes};

use super::entry::{Body, Head, embedded, write_fixed};
use crate::plan::record::developer;
use crate::plan::{EXTENSION_LEN, Extension, Plan, Table};

impl Plan {
    pub(super) fn virtual_map(&self) -> VirtualPartitionMap {
        let identifier = EntityIdentifier::udf(EntityIdentifier::VIRTUAL_PARTITION, self.revision());
        VirtualPartitionMap::new(identifier, self.partition_number)
    }

    /// Blocks of the table that are recorded anew, from the `first`-th of them on.
    pub(super) fn table_body(&self, first: u32, out: &mut [u8]) {
        let Some(table) = &self.table else { return };
        let len = self.block_size().len();
        for (block, index) in out.chunks_mut(len).zip(table.new_blocks.iter().skip(first as usize)) {
            let start = *index as usize * len;
            let bytes = &table.body[start..table.body.len().min(start + len)];
            block[..bytes.len()].copy_from_slice(bytes);
        }
    }

    /// The ICB once in each block; each copy says where it lies.
    pub(super) fn table_entries(&self, start: Sector, first: u32, out: &mut [u8]) {
        let Some(table) = &self.table else { return };
        let location = start.0 + first - self.partition_start.0;
        for (block, location) in out.chunks_mut(self.block_size().len()).zip(location..) {
            self.table_entry(table, location, block);
        }
    }

    fn table_entry(&self, table: &Table, location: u32, out: &mut [u8]) {
        let now = Timestamp::new(self.recorded, self.zone_minutes);
        macro_rules! fixed {
            ($entry:ident) => {
                $entry.uid = u32::MAX.into();
                $entry.gid = u32::MAX.into();
                $entry.access_date_and_time = now;
                $entry.modification_date_and_time = now;
                $entry.attribute_date_and_time = now;
                $entry.checkpoint = 1.into();
                $entry.implementation_identifier = developer();
                $entry.unique_id = table.unique_id.into();
            };
        }
        if self.is_extended() {
            let mut entry = ExtendedFileEntry::new_zeroed();
            fixed!(entry);
            entry.creation_date_and_time = now;
            write_fixed(out, &entry);
        } else {
            let mut entry = FileEntry::new_zeroed();
            fixed!(entry);
            write_fixed(out, &entry);
        }
        let kind = match self.shape.rules().virtual_table {
            Some(VirtualTableForm::Trailer) => FileType::UNSPECIFIED,
            _ => FileType::VIRTUAL_ALLOCATION_TABLE,
        };
        let attributes =
            table.extension.map(|extension| self.extension(&extension, table.unique_id, location));
        let attributes = attributes.unwrap_or_default();
        let fixed = self.block_size().len() - self.shape.entry_room();
        out[fixed..fixed + attributes.len()].copy_from_slice(&attributes);
        let body = self.table_extents(table);
        let icb_tag = IcbTag::new(kind, body.form, 0);
        let head = Head { icb_tag, links: 0, attributes: None, attributes_len: attributes.len() };
        self.finish(out, &head, &body, location);
    }

    /// The extended attributes of a table's ICB up to 1.50: the label and the counts, which the table has no place for.
    fn extension(&self, extension: &Extension, unique_id: u64, location: u32) -> Vec<u8> {
        let rules = self.shape.rules();
        let absent = if rules.absent_attribute_is_ones {
            u32::MAX
        } else {
            EXTENSION_LEN.try_into().unwrap_or(u32::MAX)
        };
        let header_len = size_of::<ExtendedAttributeHeaderDescriptor>();
        let mut header = ExtendedAttributeHeaderDescriptor {
            tag: Tag::default(),
            implementation_attributes_location: u32::try_from(header_len).unwrap_or(u32::MAX).into(),
            application_attributes_location: absent.into(),
        };
        Tag::seal(header.as_mut_bytes(), TagIdentifier::EXTENDED_ATTRIBUTE_HEADER, self.seal, location);
        let mut bytes = header.as_bytes().to_vec();
        let use_len = u32::try_from(size_of::<VirtualTableExtension>()).unwrap_or(u32::MAX);
        let length = u32::try_from(EXTENSION_LEN - header_len).unwrap_or(u32::MAX);
        let head = AttributeHead {
            attribute_type: IMPLEMENTATION_USE.into(),
            attribute_subtype: 1,
            reserved: [0; 3],
            attribute_length: length.into(),
        };
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(&use_len.to_le_bytes());
        let identifier = EntityIdentifier::udf(EntityIdentifier::VIRTUAL_TABLE_EXTENSION, self.revision());
        bytes.extend_from_slice(identifier.as_bytes());
        // Of the attribute's head and identifier (UDF 3.3.4.5).
        let checksum = bytes[header_len..].iter().fold(0u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
        let fields = VirtualTableExtension {
            header_checksum: checksum.into(),
            verification_id: unique_id.into(),
            number_of_files: extension.files.into(),
            number_of_directories: extension.directories.into(),
            logical_volume_identifier: extension.label,
        };
        bytes.extend_from_slice(fields.as_bytes());
        bytes.resize(EXTENSION_LEN, 0);
        bytes
    }

    /// Embedded, or short descriptors of the partition that the ICB is in.
    fn table_extents(&self, table: &Table) -> Body {
        if table.runs.is_empty() {
            return embedded(table.body.clone());
        }
        let size = self.block_size();
        let total = table.body.len() as u64;
        let descriptor = |run: &crate::plan::Run| {
            let start = size.bytes_in(run.first);
            let length = size.bytes_in(run.blocks).min(total - start);
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            ShortAd::new(ExtentKind::Recorded, length, run.block).as_bytes().to_vec()
        };
        let bytes: Vec<u8> = table.runs.iter().flat_map(descriptor).collect();
        Body {
            form: AllocationForm::Short,
            length: bytes.len(),
            bytes: Some(bytes),
            information_length: total,
            blocks_recorded: size.blocks_for(total),
        }
    }
}
