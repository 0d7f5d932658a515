//! The structures outside the partition: recognition, anchors, descriptor sequences, integrity.

use udf::general::{
    CharSpec, DString, Descriptor, EntityIdentifier, ExtentAd, LongAd, Tag, TagIdentifier, Timestamp,
};
use udf::partition::{MetadataPartitionMap, NO_BITMAP_FILE, PhysicalPartitionMap};
use udf::volume::{
    AccessType, AnchorVolumeDescriptorPointer, IntegrityImplementationUse, LogicalVolumeDescriptor,
    LogicalVolumeIntegrityDescriptor, PartitionDescriptor, PartitionHeaderDescriptor, TerminatingDescriptor,
    UnallocatedSpaceDescriptor, VolumeStructureDescriptor,
};
use udf::{BlockAddress, Sector};
use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

use crate::plan::record::{SessionRecord, developer};
use crate::plan::{Bitmap, Frame, Plan, Upper};

/// The newest revision that is known here.
pub(super) const MAXIMUM_WRITE: u16 = udf::Revision::V2_60.number();

impl Plan {
    /// Beginning, NSR and terminating descriptor; the fourth place stays blank (ECMA-167 2/8, UDF 2.1.7).
    pub(super) fn recognition(&self, first: u32, out: &mut [u8]) {
        let size = self.block_size();
        let stride = size.bytes_in(size.recognition_stride_blocks());
        let (from, to) = (size.bytes_in(first), size.bytes_in(first) + out.len() as u64);
        let nsr = self.shape.rules().recognition_identifier;
        let identifiers = [VolumeStructureDescriptor::BEGINNING, nsr, VolumeStructureDescriptor::TERMINATING];
        for (index, identifier) in (0u64..).zip(identifiers) {
            // All but the first seven bytes are zeros, and a descriptor begins with a block.
            let start = index * stride;
            if (from..to).contains(&start) {
                let descriptor = VolumeStructureDescriptor::new(identifier);
                let at = super::to_usize(start - from);
                out[at..at + 7].copy_from_slice(&descriptor.as_bytes()[..7]);
            }
        }
    }

    pub(super) fn anchor(&self, at: Sector, out: &mut [u8]) {
        let bytes = self.block_size().bytes() * Frame::sequence_blocks();
        let extent = |start| ExtentAd::new(bytes, start);
        let anchor = AnchorVolumeDescriptorPointer::new(extent(self.frame.main), extent(self.frame.reserve));
        anchor.write(&[], out, self.seal, at.0);
    }

    /// Both sequences hold the same; each is rendered whole and then cut, since it is no more than 16 blocks.
    pub(super) fn sequence(&self, start: Sector, first: u32, out: &mut [u8]) {
        let len = self.block_size().len();
        let mut blocks = vec![0; len * 6];
        let mut parts = blocks.chunks_mut(len).zip(start.0..);
        let mut next = || parts.next().expect("six blocks");
        let (seal, number) = (self.seal, |number: u32| number.into());
        let (block, at) = next();
        udf::volume::PrimaryVolumeDescriptor {
            volume_descriptor_sequence_number: number(1),
            ..self.heads.primary
        }
        .write(&[], block, seal, at);
        let (block, at) = next();
        let (logical, maps) = self.logical_volume(2);
        logical.write(&maps, block, seal, at);
        let (block, at) = next();
        self.partition_descriptor(3).write(&[], block, seal, at);
        let (block, at) = next();
        UnallocatedSpaceDescriptor {
            tag: Tag::default(),
            volume_descriptor_sequence_number: number(4),
            number_of_allocation_descriptors: 0.into(),
        }
        .write(&[], block, seal, at);
        let (block, at) = next();
        udf::volume::ImplementationUseVolumeDescriptor {
            volume_descriptor_sequence_number: number(5),
            ..self.heads.information
        }
        .write(&[], block, seal, at);
        let (block, at) = next();
        TerminatingDescriptor::new().write(&[], block, seal, at);
        let skip = first as usize * len;
        if let Some(rest) = blocks.get(skip..) {
            let common = rest.len().min(out.len());
            out[..common].copy_from_slice(&rest[..common]);
        }
    }

    fn partition_descriptor(&self, number: u32) -> PartitionDescriptor {
        let bitmap = self.bitmaps.last();
        let access = match (&self.table, bitmap) {
            (Some(_), _) => AccessType::WriteOnce,
            (None, Some(_)) if self.sparing.is_some() => AccessType::Rewritable,
            (None, Some(bitmap)) if !bitmap.is_recorded() => AccessType::PseudoOverwritable,
            (None, Some(_)) => AccessType::Overwritable,
            (None, None) => AccessType::ReadOnly,
        };
        let none = PartitionHeaderDescriptor::NONE;
        PartitionDescriptor {
            tag: Tag::default(),
            volume_descriptor_sequence_number: number.into(),
            partition_flags: 1.into(),
            partition_number: self.partition_number.into(),
            partition_contents: EntityIdentifier::new(self.shape.rules().partition_contents, [0; 8]),
            partition_contents_use: bitmap.map_or(none, |bitmap| bitmap.header(self.block_size())),
            access_type: access.number().into(),
            partition_starting_location: self.partition_start.0.into(),
            partition_length: self.partition_blocks().into(),
            implementation_identifier: developer(),
            implementation_use: [0; 128],
            reserved: [0; 156],
        }
    }

    /// The partition ends where the session's trailer begins, unless something else is said.
    pub(super) fn partition_blocks(&self) -> u32 {
        self.partition_blocks.unwrap_or_else(|| self.frame.start.0 - self.partition_start.0)
    }

    fn logical_volume(&self, number: u32) -> (LogicalVolumeDescriptor, Vec<u8>) {
        let mut maps = match &self.sparing {
            Some(sparing) => self.sparable_map(sparing).as_bytes().to_vec(),
            None => PhysicalPartitionMap::new(self.partition_number).as_bytes().to_vec(),
        };
        let mut count = 1;
        if let Some(map) = self.metadata_map() {
            maps.extend_from_slice(map.as_bytes());
            count = 2;
        }
        if self.table.is_some() {
            maps.extend_from_slice(self.virtual_map().as_bytes());
            count = 2;
        }
        let size = self.block_size();
        let file_set = BlockAddress::new(self.metadata_reference(), self.file_set_number());
        let integrity = ExtentAd::new(size.bytes() * Frame::integrity_blocks(), self.frame.integrity);
        let descriptor = LogicalVolumeDescriptor {
            tag: Tag::default(),
            volume_descriptor_sequence_number: number.into(),
            descriptor_character_set: CharSpec::OSTA_COMPRESSED_UNICODE,
            logical_volume_identifier: self.heads.label,
            logical_block_size: size.bytes().into(),
            domain_identifier: EntityIdentifier::domain(self.revision()),
            logical_volume_contents_use: LongAd::icb(
                size.bytes() * self.shape.file_set_blocks(),
                file_set,
                0,
            ),
            map_table_length: u32::try_from(maps.len()).unwrap_or(0).into(),
            number_of_partition_maps: U32::new(count),
            implementation_identifier: developer(),
            implementation_use: self.session_record().implementation_use(),
            integrity_sequence_extent: integrity,
        };
        (descriptor, maps)
    }

    fn metadata_map(&self) -> Option<MetadataPartitionMap> {
        let file = self.layout.metadata.as_ref()?;
        let bitmap = self.metadata_bitmaps.last();
        Some(MetadataPartitionMap {
            partition_map_type: 2,
            partition_map_length: 64,
            reserved_1: [0; 2],
            partition_type_identifier: EntityIdentifier::udf(
                EntityIdentifier::METADATA_PARTITION,
                self.revision(),
            ),
            volume_sequence_number: 1.into(),
            partition_number: self.partition_number.into(),
            metadata_file_location: file.main_entry.into(),
            metadata_mirror_file_location: file.mirror_entry.into(),
            metadata_bitmap_file_location: bitmap.map_or(NO_BITMAP_FILE, Bitmap::file_location).into(),
            allocation_unit_size: file.unit_blocks.into(),
            alignment_unit_size: u16::try_from(file.unit_blocks).unwrap_or(u16::MAX).into(),
            flags: if file.duplicate { MetadataPartitionMap::DUPLICATE_METADATA } else { 0 },
            reserved_2: [0; 5],
        })
    }

    fn session_record(&self) -> SessionRecord {
        let (start, last) = (self.frame.start.0, self.frame.last.0);
        let Some(base) = &self.base else { return SessionRecord::new(1, start, last) };
        let number = u16::try_from(base.session_number.saturating_add(1)).unwrap_or(u16::MAX);
        SessionRecord {
            previous_start: base.session_start.0.into(),
            previous_main: base.sequences.0,
            previous_reserve: base.sequences.1,
            ..SessionRecord::new(number, start, last)
        }
    }

    pub(super) fn integrity(&self, start: Sector, first: u32, out: &mut [u8]) {
        let len = self.block_size().len();
        for (block, index) in out.chunks_mut(len).zip(first..).take_while(|(_, index)| *index < 2) {
            let at = start.0 + index;
            if index == 0 {
                let (descriptor, tail) = self.integrity_descriptor();
                descriptor.write(&tail, block, self.seal, at);
            } else {
                TerminatingDescriptor::new().write(&[], block, self.seal, at);
            }
        }
    }

    fn integrity_descriptor(&self) -> (LogicalVolumeIntegrityDescriptor, Vec<u8>) {
        let (minimum_read, minimum_write) = self.minimum_revisions();
        let mut sizes = vec![self.partition_blocks()];
        sizes.extend(self.layout.metadata.as_ref().map(|file| file.blocks));
        sizes.extend(self.table.is_some().then_some(u32::MAX));
        let information = IntegrityImplementationUse {
            implementation_id: developer(),
            number_of_files: self.files.into(),
            number_of_directories: self.directories.into(),
            minimum_udf_read_revision: minimum_read.into(),
            minimum_udf_write_revision: minimum_write.into(),
            maximum_udf_write_revision: MAXIMUM_WRITE.into(),
        };
        let mut tail = Vec::new();
        // Nothing is free on a read-only partition; nobody knows of a virtual one, nor of one whose drive keeps the account.
        let free = [&self.bitmaps, &self.metadata_bitmaps];
        let free = free.map(|bitmaps| bitmaps.last().map_or(0, Bitmap::counted_blocks));
        let free = sizes.iter().zip(free).map(|(size, free)| if *size == u32::MAX { *size } else { free });
        tail.extend(free.flat_map(u32::to_le_bytes));
        tail.extend(sizes.iter().flat_map(|size| size.to_le_bytes()));
        tail.extend_from_slice(information.as_bytes());
        let descriptor = LogicalVolumeIntegrityDescriptor {
            tag: Tag::default(),
            recording_date_and_time: Timestamp::new(self.recorded, self.zone_minutes),
            // With a virtual allocation table it stays open for ever (UDF 2.60 2.2.11).
            integrity_type: u32::from(self.table.is_none()).into(),
            next_integrity_extent: ExtentAd::default(),
            unique_id: self.unique_ids.next.into(),
            reserved: [0; 24],
            number_of_partitions: u32::try_from(sizes.len()).unwrap_or(0).into(),
            length_of_implementation_use: u32::try_from(size_of_val(&information)).unwrap_or(0).into(),
        };
        (descriptor, tail)
    }

    /// The least revisions that readers and writers must know.
    pub(super) fn minimum_revisions(&self) -> (u16, u16) {
        let rules = self.shape.rules();
        if self.table.is_some() {
            return (rules.minimum_without_metadata, rules.minimum_without_metadata);
        }
        // Those who do not know the access type must not write (UDF 2.60 2.2.6.4).
        if self.bitmaps.last().is_some_and(|bitmap| !bitmap.is_recorded()) {
            return (rules.minimum_read, rules.number);
        }
        (rules.minimum_read, rules.minimum_write)
    }

    /// The map of the partition in which file set and entries are.
    pub(crate) fn metadata_reference(&self) -> u16 {
        u16::from(self.shape.upper != Upper::None)
    }

    /// The map of the partition in which directories and allocation extents are.
    pub(super) fn body_reference(&self) -> u16 {
        u16::from(self.shape.upper == Upper::Metadata)
    }

    /// The file set's block in that partition.
    pub(crate) fn file_set_number(&self) -> u32 {
        let block = || self.spaces.block(self.file_set_block);
        self.table.as_ref().map_or_else(block, |table| table.file_set_number)
    }

    /// The new volume's file set, or the old one with what changed.
    pub(super) fn file_set(&self, block: &mut [u8]) {
        let size = self.block_size();
        let root = BlockAddress::new(self.metadata_reference(), self.root_entry);
        let root_directory_icb = LongAd::icb(size.bytes(), root, 0);
        let mut descriptor = if self.base.is_some() {
            *udf::file::FileSetDescriptor::peek(block, udf::Place::Within).expect("a block holds it")
        } else {
            self.new_file_set()
        };
        descriptor.recording_date_and_time = Timestamp::new(self.now, self.zone_minutes);
        descriptor.logical_volume_identifier = self.heads.label;
        descriptor.root_directory_icb = root_directory_icb;
        // This is the last one: an older one that it led to would hide it.
        descriptor.next_extent = LongAd::default();
        block.fill(0);
        descriptor.write(&[], block, self.seal, self.file_set_number());
    }

    fn new_file_set(&self) -> udf::file::FileSetDescriptor {
        udf::file::FileSetDescriptor {
            tag: Tag::default(),
            recording_date_and_time: Timestamp::ZERO,
            interchange_level: 3.into(),
            maximum_interchange_level: 3.into(),
            character_set_list: 1.into(),
            maximum_character_set_list: 1.into(),
            file_set_number: 0.into(),
            file_set_descriptor_number: 0.into(),
            logical_volume_identifier_character_set: CharSpec::OSTA_COMPRESSED_UNICODE,
            logical_volume_identifier: self.heads.label,
            file_set_character_set: CharSpec::OSTA_COMPRESSED_UNICODE,
            file_set_identifier: self.heads.file_set,
            copyright_file_identifier: DString::EMPTY,
            abstract_file_identifier: DString::EMPTY,
            root_directory_icb: LongAd::default(),
            domain_identifier: EntityIdentifier::domain(self.revision()),
            next_extent: LongAd::default(),
            system_stream_directory_icb: self.system_stream_icb(),
            reserved: [0; 32],
        }
    }

    /// Ends the file set sequence.
    pub(super) fn file_set_end(&self, block: &mut [u8]) {
        block.fill(0);
        TerminatingDescriptor::new().write(&[], block, self.seal, self.file_set_number() + 1);
    }

    pub(super) fn is_extended(&self) -> bool {
        self.shape.rules().extended_file_entries
    }

    /// Reseals the header of an attribute space whose entry lies elsewhere now.
    pub(super) fn seal_attributes(&self, space: &mut [u8], location: u32) {
        if space.len() >= 24 {
            Tag::seal(&mut space[..24], TagIdentifier::EXTENDED_ATTRIBUTE_HEADER, self.seal, location);
        }
    }
}
