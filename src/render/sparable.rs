//! What only sparable volumes have: the map, the sparing table, and the Non-Allocatable Space, a stream of the system or a hidden file.

use udf::file::{
    AllocationForm, ExtendedFileEntry, FileEntry, FileIdentifierDescriptor, FileType, IcbTag,
    NON_ALLOCATABLE_FILE, NON_ALLOCATABLE_SPACE, characteristics, flags, permissions,
};
use udf::general::{Descriptor, EntityIdentifier, LongAd, Tag, text};
use udf::partition::{SparablePartitionMap, SparingTable};
use udf::{BlockAddress, Sector};
use zerocopy::FromZeros;

use super::entry::{Body, Head, embedded, write_fixed};
use crate::plan::{Plan, SPACE_FILE_ID, Sparing};
use crate::tree::{Attributes, NodeId, Tree};

impl Plan {
    /// The map, which takes the place of the physical partition's (UDF 2.2.9).
    pub(super) fn sparable_map(&self, sparing: &Sparing) -> SparablePartitionMap {
        let [first, second] = sparing.tables;
        let table_bytes = size_of::<SparingTable>() + sparing.entries().len();
        SparablePartitionMap {
            partition_map_type: 2,
            partition_map_length: 64,
            reserved_1: [0; 2],
            partition_type_identifier: EntityIdentifier::udf(
                EntityIdentifier::SPARABLE_PARTITION,
                self.revision(),
            ),
            volume_sequence_number: 1.into(),
            partition_number: self.partition_number.into(),
            packet_length: sparing.packet_blocks.into(),
            number_of_sparing_tables: 2,
            reserved_2: 0,
            size_of_each_sparing_table: u32::try_from(table_bytes).unwrap_or(0).into(),
            locations_of_sparing_tables: [first.0.into(), second.0.into(), 0.into(), 0.into()],
        }
    }

    /// A copy of the sparing table (UDF 2.2.12).
    pub(super) fn sparing_table(&self, at: Sector, out: &mut [u8]) {
        let Some(sparing) = &self.sparing else { return };
        let table = SparingTable {
            tag: Tag::default(),
            sparing_identifier: EntityIdentifier::udf(EntityIdentifier::SPARING_TABLE, self.revision()),
            reallocation_table_length: u16::try_from(sparing.spares).unwrap_or(u16::MAX).into(),
            reserved: 0.into(),
            sequence_number: 1.into(),
        };
        table.write(&sparing.entries(), out, self.seal, at.0);
    }

    /// Where the file set has the directory of the system's streams, if there is one.
    pub(super) fn system_stream_icb(&self) -> LongAd {
        let is_there = self.sparing.is_some() && !self.shape.space_file;
        if is_there { self.own_icb(self.own_files().start) } else { LongAd::default() }
    }

    fn own_icb(&self, block: u32) -> LongAd {
        LongAd::icb(self.block_size().bytes(), BlockAddress::new(self.metadata_reference(), block), 0)
    }

    /// What the volume has of itself, by its block behind the file set.
    pub(super) fn own_file(&self, number: u32, out: &mut [u8]) {
        if self.shape.space_file { self.space_file(out) } else { self.system_stream(number, out) }
    }

    /// The Non-Allocatable Space where there are no streams: nothing is in it yet (UDF 1.50 2.3.13).
    fn space_file(&self, out: &mut [u8]) {
        let mut entry = FileEntry::new_zeroed();
        entry.checkpoint = 1.into();
        entry.unique_id = SPACE_FILE_ID.into();
        write_fixed(out, &entry);
        let (body, now) = (nothing(), self.now);
        let icb_tag = IcbTag::new(FileType::REGULAR, body.form, flags::SYSTEM);
        let (mode, uid, gid) = (0o444, u32::MAX, u32::MAX);
        let attributes =
            Attributes { mode, uid, gid, accessed: now, modified: now, changed: now, created: now };
        let head = Head { icb_tag, links: 1, attributes: Some(attributes), attributes_len: 0 };
        self.finish(out, &head, &body, self.own_files().start);
    }

    /// Its name, which the root begins with behind its parent's.
    pub(super) fn space_file_name(&self, tree: &Tree, node: NodeId, location: u32, out: &mut Vec<u8>) {
        if self.shape.space_file && node == tree.root() {
            let icb = self.own_icb(self.own_files().start);
            let identifier = FileIdentifierDescriptor::new(characteristics::HIDDEN, icb);
            identifier.append_to(&[], &text::encode(NON_ALLOCATABLE_FILE), out, self.seal, location);
        }
    }

    /// The directory of the system's streams, or the one stream in it, by its block behind the file set (UDF 3.3.5, 3.3.7.2).
    fn system_stream(&self, number: u32, out: &mut [u8]) {
        let location = self.own_files().start + number;
        let (kind, more_flags, body) = if number == 0 {
            (FileType::STREAM_DIRECTORY, 0, embedded(self.system_stream_names(location)))
        } else {
            (FileType::REGULAR, flags::STREAM | flags::SYSTEM, nothing())
        };
        let entry =
            ExtendedFileEntry { permissions: permissions::from_mode(0o444).into(), ..self.nobodys_entry() };
        write_fixed(out, &entry);
        let icb_tag = IcbTag::new(kind, body.form, more_flags);
        let head = Head { icb_tag, links: 1, attributes: None, attributes_len: 0 };
        self.finish(out, &head, &body, location);
    }

    /// What is in that directory, which is its own parent: the Non-Allocatable Space, in the block behind it.
    fn system_stream_names(&self, directory: u32) -> Vec<u8> {
        let parent = characteristics::PARENT | characteristics::DIRECTORY;
        let mut names = Vec::new();
        for (flags, block, name) in [
            (parent, directory, Vec::new()),
            (characteristics::METADATA, directory + 1, text::encode(NON_ALLOCATABLE_SPACE)),
        ] {
            let identifier = FileIdentifierDescriptor::new(flags, self.own_icb(block));
            identifier.append_to(&[], &name, &mut names, self.seal, directory);
        }
        names
    }
}

/// A body of extents, of which there are none.
fn nothing() -> Body {
    let (form, bytes) = (AllocationForm::Short, Some(Vec::new()));
    Body { form, bytes, length: 0, information_length: 0, blocks_recorded: 0 }
}
