//! What only sparable volumes have: the map, the sparing table, and the streams of the system with the Non-Allocatable Space in it.

use udf::BlockAddress;
use udf::Sector;
use udf::file::{
    AllocationForm, ExtendedFileEntry, FileIdentifierDescriptor, FileType, IcbTag, characteristics, flags,
    permissions,
};
use udf::general::{Descriptor, EntityIdentifier, LongAd, Tag, Timestamp, text};
use udf::partition::{SparablePartitionMap, SparingTable};
use zerocopy::FromZeros;

use crate::plan::record::developer;
use crate::plan::{Plan, Sparing};

/// The name of the stream (UDF 3.3.7.2).
const NON_ALLOCATABLE: &str = "*UDF Non-Allocatable Space";

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
        let address = BlockAddress::new(self.metadata_reference(), self.system_streams().start);
        let bytes = self.block_size().bytes();
        self.sparing.map_or_else(LongAd::default, |_| LongAd::icb(bytes, address, 0))
    }

    /// The directory of the system's streams, or the one stream in it, by its block behind the file set (UDF 3.3.5, 3.3.7.2).
    pub(super) fn system_stream(&self, number: u32, out: &mut [u8]) {
        let block = |number: u32| self.system_streams().start + number;
        let icb = |number| {
            let address = BlockAddress::new(self.metadata_reference(), block(number));
            LongAd::icb(self.block_size().bytes(), address, 0)
        };
        let mut names = Vec::new();
        let (kind, more_flags, form) = if number == 0 {
            let parent = characteristics::PARENT | characteristics::DIRECTORY;
            FileIdentifierDescriptor::new(parent, icb(0)).append_to(
                &[],
                &[],
                &mut names,
                self.seal,
                block(0),
            );
            let name = text::encode(NON_ALLOCATABLE);
            FileIdentifierDescriptor::new(characteristics::METADATA, icb(1)).append_to(
                &[],
                &name,
                &mut names,
                self.seal,
                block(0),
            );
            (FileType::STREAM_DIRECTORY, 0, AllocationForm::Embedded)
        } else {
            (FileType::REGULAR, flags::STREAM | flags::SYSTEM, AllocationForm::Short)
        };
        let stamp = Timestamp::new(self.now, self.zone_minutes);
        let mut entry = ExtendedFileEntry::new_zeroed();
        entry.icb_tag = IcbTag::new(kind, form, more_flags);
        entry.file_link_count = 1.into();
        (entry.uid, entry.gid) = (u32::MAX.into(), u32::MAX.into());
        entry.permissions = permissions::from_mode(0o444).into();
        entry.access_date_and_time = stamp;
        entry.modification_date_and_time = stamp;
        entry.creation_date_and_time = stamp;
        entry.attribute_date_and_time = stamp;
        entry.checkpoint = 1.into();
        entry.implementation_identifier = developer();
        let length = names.len() as u64;
        (entry.information_length, entry.object_size) = (length.into(), length.into());
        entry.length_of_allocation_descriptors = u32::try_from(length).unwrap_or(0).into();
        entry.write(&names, out, self.seal, block(number));
    }
}
