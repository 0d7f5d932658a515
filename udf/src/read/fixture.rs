//! A small volume in memory, made block by block, for the tests of this room.

use std::vec::Vec;

use zerocopy::IntoBytes;

use super::{OpenOptions, ReadAt, VirtualTableForm, Volume};
use crate::error::BoxedError;
use crate::file::{
    AllocationExtentDescriptor, AllocationForm, ExtendedFileEntry, FileEntry, FileIdentifierDescriptor,
    FileSetDescriptor, FileType, IcbTag, characteristics,
};
use crate::general::{
    CharSpec, DString, Descriptor, EntityIdentifier, ExtentAd, ExtentKind, LongAd, Moment, Seal, ShortAd,
    Tag, TagIdentifier, Timestamp, text,
};
use crate::partition::{MetadataPartitionMap, NO_BLOCK, PhysicalPartitionMap, VirtualPartitionMap};
use crate::revision::Revision;
use crate::units::{BlockAddress, BlockSize, Sector};
use crate::volume::*;

pub(super) const SEAL: Seal = Seal { descriptor_version: 3, serial_number: 1 };
pub(super) const MAIN: u32 = 128;
pub(super) const RESERVE: u32 = 160;
pub(super) const INTEGRITY: u32 = 192;
pub(super) const PARTITION: u32 = 288;
pub(super) const BLOCKS: u32 = 1024;
/// Blocks of the standard tree: in partition 0, or 1 if there is a metadata partition.
pub(super) const ROOT: u32 = 2;
pub(super) const HELLO: u32 = 3;
pub(super) const HOLES: u32 = 4;
pub(super) const SUB: u32 = 5;
pub(super) const LINK: u32 = 6;
/// Where in partition 0 the metadata file, its mirror and their blocks are: 8 blocks, a hole of 4, 4 more.
pub(super) const METADATA: (u32, u32) = (1, 500);
pub(super) const METADATA_BLOCKS: [u32; 2] = [100, 140];
pub(super) const MIRROR_BLOCKS: [u32; 2] = [510, 530];
/// Blocks of the virtual partition, and the block of partition 0 in which the first lies; each of the others lies before the
/// one before it.
pub(super) const VIRTUAL_BLOCKS: u32 = 60;
pub(super) const FIRST_VIRTUAL: u32 = 300;
/// The block of partition 0 in which the table of the virtual partition lies: the last.
pub(super) const VIRTUAL_TABLE: u32 = BLOCKS - PARTITION - 2;
/// The copies of the sparing table; the packets that lie elsewhere, and the sectors of the spare ones.
pub(super) const SPARING_TABLES: [u32; 2] = [200, 220];
pub(super) const PACKET: u32 = 32;
pub(super) const RELOCATED: [(u32, u32); 2] = [(0, 64), (96, 96)];

/// Which partitions there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) has_metadata: bool,
    pub(super) is_virtual: Option<VirtualTableForm>,
    pub(super) is_sparable: bool,
}

#[derive(Clone)]
pub(super) struct Fixture {
    pub(super) image: Vec<u8>,
    pub(super) block_size: BlockSize,
    pub(super) layout: Layout,
}

impl Fixture {
    /// A volume with one type 1 map and the standard tree.
    pub(super) fn plain(block_size: BlockSize) -> Self {
        Self::new(block_size, Layout::default())
    }

    /// A volume whose tree is in a metadata partition of 16 blocks in two extents with a hole between, and a mirror.
    pub(super) fn with_metadata() -> Self {
        Self::new(BlockSize::B2048, Layout { has_metadata: true, ..Layout::default() })
    }

    /// A volume whose tree is in a virtual partition, with a table of this form as its last block.
    pub(super) fn with_virtual(form: VirtualTableForm) -> Self {
        Self::new(BlockSize::B2048, Layout { is_virtual: Some(form), ..Layout::default() })
    }

    /// A volume whose partition is sparable, with or without a metadata partition upon it; what is in the packets that lie
    /// elsewhere has rubbish where it was.
    pub(super) fn with_sparing(has_metadata: bool) -> Self {
        Self::new(BlockSize::B2048, Layout { is_sparable: true, has_metadata, ..Layout::default() })
    }

    fn new(block_size: BlockSize, layout: Layout) -> Self {
        let image = std::vec![0; BLOCKS as usize * block_size.len()];
        let mut this = Self { image, block_size, layout };
        this.recognition();
        for sector in [256, BLOCKS - 1] {
            this.anchor(sector, MAIN, RESERVE);
        }
        for start in [MAIN, RESERVE] {
            this.sequence(start);
        }
        this.integrity(INTEGRITY, 16, ExtentAd::default());
        if layout.is_sparable {
            this.sparing();
        }
        if layout.has_metadata {
            this.metadata_files();
        }
        if let Some(form) = layout.is_virtual {
            this.virtual_table(VIRTUAL_TABLE, form, NO_BLOCK);
        }
        this.tree();
        this
    }

    pub(super) fn open(&self) -> Volume<Vec<u8>> {
        Volume::open(self.image.clone(), &OpenOptions::default()).unwrap()
    }

    /// The address of a block of the tree.
    pub(super) fn at(&self, block: u32) -> BlockAddress {
        BlockAddress::new(u16::from(self.layout.has_metadata || self.layout.is_virtual.is_some()), block)
    }

    pub(super) fn bytes(&self, blocks: u32) -> u32 {
        blocks * self.block_size.bytes()
    }

    /// The bytes of a sector and all behind it.
    pub(super) fn sector(&mut self, sector: u32) -> &mut [u8] {
        let at = sector as usize * self.block_size.len();
        &mut self.image[at..]
    }

    /// The sectors of a block: two, where there is a mirror.
    pub(super) fn sectors_of(&self, address: BlockAddress) -> Vec<u32> {
        let block = address.block.0;
        if address.partition.0 == 0 {
            return std::vec![self.sector_of(block)];
        }
        if self.layout.is_virtual.is_some() {
            return std::vec![PARTITION + FIRST_VIRTUAL - block];
        }
        let place = |starts: [u32; 2]| {
            self.sector_of(if block < 8 { starts[0] + block } else { starts[1] + block - 12 })
        };
        std::vec![place(METADATA_BLOCKS), place(MIRROR_BLOCKS)]
    }

    /// The sector of a block of partition 0.
    pub(super) fn sector_of(&self, block: u32) -> u32 {
        let packets = if self.layout.is_sparable { &RELOCATED[..] } else { &[] };
        let elsewhere = packets.iter().find(|(first, _)| (*first..first + PACKET).contains(&block));
        elsewhere.map_or(PARTITION + block, |(first, spare)| spare + block - first)
    }

    pub(super) fn write<D: Descriptor>(&mut self, sector: u32, location: u32, fixed: &D, tail: &[u8]) {
        fixed.write(tail, self.sector(sector), SEAL, location);
    }

    /// Writes a descriptor to a block, in all its copies.
    pub(super) fn put<D: Descriptor>(&mut self, address: BlockAddress, fixed: &D, tail: &[u8]) {
        for sector in self.sectors_of(address) {
            self.write(sector, address.block.0, fixed, tail);
        }
    }

    /// Writes bytes from a block on, in all its copies.
    pub(super) fn put_bytes(&mut self, address: BlockAddress, bytes: &[u8]) {
        for sector in self.sectors_of(address) {
            self.sector(sector)[..bytes.len()].copy_from_slice(bytes);
        }
    }

    fn recognition(&mut self) {
        let stride = self.block_size.bytes().max(2048) as usize;
        for (number, identifier) in [b"BEA01", b"NSR03", b"TEA01"].into_iter().enumerate() {
            let at = 32768 + number * stride;
            let descriptor = VolumeStructureDescriptor::new(identifier);
            self.image[at..at + 2048].copy_from_slice(descriptor.as_bytes());
        }
    }

    pub(super) fn anchor(&mut self, sector: u32, main: u32, reserve: u32) {
        let extent = |start| ExtentAd::new(16 * self.block_size.bytes(), Sector(start));
        self.write(sector, sector, &AnchorVolumeDescriptorPointer::new(extent(main), extent(reserve)), &[]);
    }

    /// A sequence of five descriptors: primary, logical, partition, information, terminating.
    pub(super) fn sequence(&mut self, start: u32) {
        let primary = Self::primary(1);
        self.write(start, start, &primary, &[]);
        let (logical, maps) = self.logical(2);
        self.write(start + 1, start + 1, &logical, &maps);
        let partition = self.partition(3);
        self.write(start + 2, start + 2, &partition, &[]);
        let mut information: ImplementationUseVolumeDescriptor = blank();
        information.implementation_identifier = EntityIdentifier::udf("*UDF LV Info", Revision::V2_01);
        information.volume_descriptor_sequence_number = 4.into();
        self.write(start + 3, start + 3, &information, &[]);
        self.write(start + 4, start + 4, &TerminatingDescriptor::new(), &[]);
    }

    fn primary(number: u32) -> PrimaryVolumeDescriptor {
        let mut primary: PrimaryVolumeDescriptor = blank();
        primary.volume_descriptor_sequence_number = number.into();
        primary.volume_identifier = DString::new("primary").unwrap();
        primary
    }

    pub(super) fn logical(&self, number: u32) -> (LogicalVolumeDescriptor, Vec<u8>) {
        let mut maps = PhysicalPartitionMap::new(0).as_bytes().to_vec();
        if self.layout.is_sparable {
            maps = self.sparable_map().as_bytes().to_vec();
        }
        if let Some(form) = self.layout.is_virtual {
            let revision = match form {
                VirtualTableForm::Header => Revision::V2_01,
                VirtualTableForm::Trailer => Revision::V1_50,
            };
            let identifier = EntityIdentifier::udf(EntityIdentifier::VIRTUAL_PARTITION, revision);
            maps.extend(VirtualPartitionMap::new(identifier, 0).as_bytes());
        }
        if self.layout.has_metadata {
            let mut map: MetadataPartitionMap = blank();
            map.partition_map_type = 2;
            map.partition_map_length = 64;
            map.partition_type_identifier =
                EntityIdentifier::udf(EntityIdentifier::METADATA_PARTITION, Revision::V2_50);
            map.metadata_file_location = METADATA.0.into();
            map.metadata_mirror_file_location = METADATA.1.into();
            map.metadata_bitmap_file_location = u32::MAX.into();
            map.flags = MetadataPartitionMap::DUPLICATE_METADATA;
            maps.extend(map.as_bytes());
        }
        let mut logical: LogicalVolumeDescriptor = blank();
        logical.volume_descriptor_sequence_number = number.into();
        logical.logical_volume_identifier = DString::new("a label").unwrap();
        logical.logical_block_size = self.block_size.bytes().into();
        logical.domain_identifier = EntityIdentifier::domain(Revision::V2_01);
        logical.logical_volume_contents_use = LongAd::new(ExtentKind::Recorded, self.bytes(2), self.at(0));
        logical.map_table_length = length(&maps).into();
        logical.number_of_partition_maps = (1 + u32::from(self.at(0).partition.0)).into();
        logical.integrity_sequence_extent = ExtentAd::new(self.bytes(4), Sector(INTEGRITY));
        (logical, maps)
    }

    pub(super) fn partition(&self, number: u32) -> PartitionDescriptor {
        let mut partition: PartitionDescriptor = blank();
        partition.volume_descriptor_sequence_number = number.into();
        let access = match self.layout {
            Layout { is_virtual: Some(_), .. } => AccessType::WriteOnce,
            Layout { is_sparable: true, .. } => AccessType::Rewritable,
            _ => AccessType::ReadOnly,
        };
        partition.access_type = access.number().into();
        partition.partition_starting_location = PARTITION.into();
        partition.partition_length = (BLOCKS - PARTITION - 1).into();
        partition
    }

    pub(super) fn integrity(&mut self, sector: u32, next_unique_id: u64, next: ExtentAd) {
        let mut fixed: LogicalVolumeIntegrityDescriptor = blank();
        fixed.integrity_type = u32::from(self.layout.is_virtual.is_none()).into();
        fixed.unique_id = next_unique_id.into();
        fixed.next_integrity_extent = next;
        fixed.number_of_partitions = 1.into();
        fixed.length_of_implementation_use = 46.into();
        let mut tail = [7u32.to_le_bytes(), 735u32.to_le_bytes()].concat();
        let mut used: IntegrityImplementationUse = blank();
        used.number_of_files = 3.into();
        used.number_of_directories = 2.into();
        tail.extend(used.as_bytes());
        self.write(sector, sector, &fixed, &tail);
    }

    fn metadata_files(&mut self) {
        let copies = [(METADATA.0, METADATA_BLOCKS), (METADATA.1, MIRROR_BLOCKS)];
        for ((entry, [first, second]), kind) in
            copies.into_iter().zip([FileType::METADATA, FileType::METADATA_MIRROR])
        {
            let extents = [
                ShortAd::new(ExtentKind::Recorded, self.bytes(8), first),
                ShortAd::new(ExtentKind::Unallocated, self.bytes(4), 0),
                ShortAd::new(ExtentKind::Recorded, self.bytes(4), second),
            ];
            let size = self.bytes(16).into();
            self.entry(BlockAddress::new(0, entry), kind, AllocationForm::Short, size, extents.as_bytes());
        }
    }

    /// An extended file entry.
    pub(super) fn entry(
        &mut self,
        address: BlockAddress,
        kind: FileType,
        form: AllocationForm,
        size: u64,
        allocation: &[u8],
    ) {
        let fixed = extended_entry(IcbTag::new(kind, form, 0), size, allocation.len());
        self.put(address, &fixed, allocation);
    }

    /// An allocation extent with these descriptors.
    pub(super) fn allocation_extent(&mut self, address: BlockAddress, descriptors: &[u8]) {
        let mut fixed: AllocationExtentDescriptor = blank();
        fixed.length_of_allocation_descriptors = length(descriptors).into();
        self.put(address, &fixed, descriptors);
    }

    /// The ICB of a block of the tree.
    pub(super) fn icb(&self, block: u32) -> LongAd {
        LongAd::icb(self.block_size.bytes(), self.at(block), 0)
    }

    /// A directory body: the parent and these names.
    pub(super) fn names(&self, parent: u32, location: u32, names: &[(&str, u8, u32)]) -> Vec<u8> {
        let mut body = Vec::new();
        let of_parent = characteristics::PARENT | characteristics::DIRECTORY;
        FileIdentifierDescriptor::new(of_parent, self.icb(parent)).append_to(
            &[],
            &[],
            &mut body,
            SEAL,
            location,
        );
        for (name, characteristics, icb) in names {
            FileIdentifierDescriptor::new(*characteristics, self.icb(*icb)).append_to(
                &[],
                &text::encode(name),
                &mut body,
                SEAL,
                location,
            );
        }
        body
    }

    /// A root whose body is one extent from block 7 on, three files, and a directory in its ICB.
    fn tree(&mut self) {
        let mut file_set: FileSetDescriptor = blank();
        file_set.root_directory_icb = self.icb(ROOT);
        file_set.logical_volume_identifier_character_set = CharSpec::OSTA_COMPRESSED_UNICODE;
        self.put(self.at(0), &file_set, &[]);
        self.put(self.at(1), &TerminatingDescriptor::new(), &[]);

        let directory = characteristics::DIRECTORY;
        let body = self.names(
            ROOT,
            7,
            &[("hello.txt", 0, HELLO), ("holes", 0, HOLES), ("sub", directory, SUB), ("日本", 0, LINK)],
        );
        self.root(&body);
        self.entry(self.at(HELLO), FileType::REGULAR, AllocationForm::Embedded, 11, b"hello world");
        self.holes();
        let body = self.names(ROOT, SUB, &[("gone", characteristics::DELETED, 0), ("deep.txt", 0, HELLO)]);
        self.entry(self.at(SUB), FileType::DIRECTORY, AllocationForm::Embedded, body.len() as u64, &body);
        let target = crate::file::path_component::encode("sub/deep.txt").unwrap();
        let size = target.len() as u64;
        self.entry(self.at(LINK), FileType::SYMBOLIC_LINK, AllocationForm::Embedded, size, &target);
    }

    /// Writes a root directory with this body from block 7 on.
    pub(super) fn root(&mut self, body: &[u8]) {
        let extent = ShortAd::new(ExtentKind::Recorded, length(body), 7);
        let size = body.len() as u64;
        self.entry(self.at(ROOT), FileType::DIRECTORY, AllocationForm::Short, size, extent.as_bytes());
        self.put_bytes(self.at(7), body);
    }

    /// A file of a block of 1, a hole of a block, an unrecorded block, and 100 bytes of 2.
    fn holes(&mut self) {
        let data = |block| BlockAddress::new(0, block);
        let bytes = self.block_size.bytes();
        let extents = [
            LongAd::new(ExtentKind::Recorded, bytes, data(20)),
            LongAd::new(ExtentKind::Unallocated, bytes, data(0)),
            LongAd::new(ExtentKind::Allocated, bytes, data(21)),
            LongAd::new(ExtentKind::Recorded, 100, data(22)),
        ];
        let size = u64::from(bytes) * 3 + 100;
        self.entry(self.at(HOLES), FileType::REGULAR, AllocationForm::Long, size, extents.as_bytes());
        for (block, byte) in [(20, 1), (21, 0xFF), (22, 2)] {
            self.put_bytes(data(block), &std::vec![byte; bytes as usize]);
        }
    }
}

/// How many bytes these are, as descriptors have it.
pub(super) fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

/// A descriptor of zeros.
pub(super) fn blank<D: zerocopy::FromZeros>() -> D {
    D::new_zeroed()
}

pub(super) fn extended_entry(icb_tag: IcbTag, size: u64, allocation_bytes: usize) -> ExtendedFileEntry {
    let mut fixed: ExtendedFileEntry = blank();
    fixed.icb_tag = icb_tag;
    fixed.permissions = crate::file::permissions::from_mode(0o644).into();
    fixed.file_link_count = 1.into();
    fixed.information_length = size.into();
    fixed.object_size = size.into();
    fixed.modification_date_and_time = Timestamp::new(Moment::from_unix(1_000_000_000, 0), 0);
    fixed.creation_date_and_time = Timestamp::new(Moment::from_unix(999_999_999, 0), 0);
    fixed.length_of_allocation_descriptors = u32::try_from(allocation_bytes).unwrap().into();
    fixed
}

/// A file entry of the older form, with extended attributes.
pub(super) fn file_entry(
    icb_tag: IcbTag,
    size: u64,
    attributes: &[u8],
    allocation: &[u8],
) -> (FileEntry, Vec<u8>) {
    let mut fixed: FileEntry = blank();
    fixed.icb_tag = icb_tag;
    fixed.information_length = size.into();
    fixed.length_of_extended_attributes = length(attributes).into();
    fixed.length_of_allocation_descriptors = length(allocation).into();
    (fixed, [attributes, allocation].concat())
}

/// Seals the descriptor that fills `bytes` anew, with the location it has.
pub(super) fn seal_again(bytes: &mut [u8]) {
    let tag = Tag::read(bytes).unwrap();
    Tag::seal(bytes, TagIdentifier(tag.identifier.get()), SEAL, tag.location.get());
}

/// A device that cannot read some of its sectors of 2048 bytes.
pub(super) struct Scratched {
    pub(super) image: Vec<u8>,
    pub(super) bad_sectors: Vec<u32>,
}

impl ReadAt for Scratched {
    fn size_bytes(&self) -> u64 {
        self.image.size_bytes()
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        let sectors = offset_bytes / 2048..(offset_bytes + out.len() as u64).div_ceil(2048);
        if self.bad_sectors.iter().any(|bad| sectors.contains(&u64::from(*bad))) {
            return Err("medium error".into());
        }
        self.image.read_at(offset_bytes, out)
    }
}
