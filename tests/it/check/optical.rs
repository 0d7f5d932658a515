//! Sound volumes as there are on write-once and rewritable discs: with a virtual partition, and with a sparable one.

use mkudf_ms::tree::{Content, Kind, Tree};
use udf::file::FileType;
use udf::general::{EntityIdentifier, Tag, TagIdentifier};
use udf::partition::{NO_BLOCK, SparingEntry, VirtualPartitionMap};
use udf::{BlockSize, Revision};
use zerocopy::IntoBytes;

use super::image::{Image, add32, attributes, get32, name, put, reseal, seal, set_crc_length};

/// Where main sequence and integrity sequence are moved: before the partition, so that it can go on to the end.
const MAIN: u32 = 64;
const INTEGRITY: u32 = 128;
/// Blocks between what has been recorded and the virtual allocation table: the last but 256 has an anchor.
const GAP: u32 = 300;
/// Of sparable volumes: blocks of a packet, and where tables and spare packets lie.
pub(crate) const PACKET: u32 = 32;
pub(crate) const TABLES: [u32; 2] = [64, 96];
pub(crate) const SPARES: [u32; 3] = [128, 160, 192];

/// A tree whose files are all embedded in their entries, and which has an entry that only deleted names led to.
fn small_tree() -> Tree {
    let mut tree = Tree::new(attributes(0o755));
    let directory = tree.add_directory(attributes(0o755));
    let directory = tree.link(tree.root(), &name("dir"), directory).unwrap();
    for (parent, called) in [(directory, "file"), (tree.root(), "other")] {
        let body = tree.add_body(b"a few bytes"[..].into());
        let inode = tree.add_inode(Kind::File, attributes(0o644), body);
        tree.link(parent, &name(called), inode).unwrap();
    }
    let fifo = tree.add_inode(Kind::Fifo, attributes(0o644), Content::None);
    tree.link(tree.root(), &name("fifo"), fifo).unwrap();
    tree
}

/// The lengths in a file entry: where they stand, and where the body begins.
struct Fields {
    unique_id: usize,
    attribute_bytes: usize,
    allocation_bytes: usize,
    body: usize,
}

fn fields(entry: &[u8]) -> Fields {
    let extended = Tag::read(entry).unwrap().kind() == TagIdentifier::EXTENDED_FILE_ENTRY;
    let shift = if extended { 40 } else { 0 };
    Fields {
        unique_id: 160 + shift,
        attribute_bytes: 168 + shift,
        allocation_bytes: 172 + shift,
        body: 176 + shift,
    }
}

impl Image {
    /// A volume with a virtual partition, in which everything is but the table.
    pub(crate) fn with_virtual_partition(revision: Revision) -> Self {
        let mut image = Self::of(&small_tree(), revision, BlockSize::B2048);
        let [partition, _] = image.descriptor(TagIdentifier::PARTITION);
        let (start, blocks) = (get32(image.sector(partition), 188), get32(image.sector(partition), 192));
        let used = image.used_entries();
        let next_unique_id = image.volume().integrity().unwrap().next_unique_id;
        image.move_sequences();
        let table = blocks + GAP;
        image.describe_virtual_partition(revision, table + 1);
        image.bytes.truncate((start + blocks) as usize * 2048);
        image.bytes.resize((start + table + 1) as usize * 2048, 0);
        let mut anchor = image.sector(256).to_vec();
        put(&mut anchor, 12, &(start + table - 256).to_le_bytes());
        reseal(&mut anchor);
        image.sector(start + table - 256).copy_from_slice(&anchor);
        for block in 0..blocks {
            image.lead_into_partition_1(start + block);
        }
        let mut entries = vec![NO_BLOCK; *used.iter().max().unwrap() as usize + 1];
        for block in used {
            entries[block as usize] = block;
        }
        // One that nobody uses, in between or at the end.
        entries.push(NO_BLOCK);
        image.add_table(revision, table, &entries, next_unique_id);
        image
    }

    /// The blocks of the file set and of all entries.
    fn used_entries(&self) -> Vec<u32> {
        let volume = self.volume();
        let root = volume.root().unwrap();
        let below = volume.walk(&root).map(|step| step.unwrap().2.icb.block.0);
        let file_set = volume.file_set_address().block.0;
        let blocks = volume.logical().logical_volume_contents_use.bytes() / 2048;
        let mut used: Vec<u32> =
            (file_set..file_set + blocks).chain([root.icb.block.0]).chain(below).collect();
        used.sort_unstable();
        used.dedup();
        used
    }

    /// Moves main and integrity sequence before the partition, and leaves no anchor but the first.
    fn move_sequences(&mut self) {
        let [main, _] = self.sequences();
        let [integrity] = self.integrity();
        for (from, to) in (main..main + 16).zip(MAIN..).chain([(integrity, INTEGRITY)]) {
            let mut block = self.sector(from).to_vec();
            if Tag::read(&block).unwrap() != Tag::default() {
                put(&mut block, 12, &to.to_le_bytes());
                reseal(&mut block);
            }
            self.sector(to).copy_from_slice(&block);
        }
        self.change(&[256], |anchor| put(anchor, 20, &MAIN.to_le_bytes()));
        let [_, reserve] = self.descriptor(TagIdentifier::LOGICAL_VOLUME);
        let sectors = [reserve, reserve - self.sequences()[1] + MAIN];
        self.change(&sectors, |logical| {
            put(logical, 432, &8192u32.to_le_bytes());
            put(logical, 436, &INTEGRITY.to_le_bytes());
        });
    }

    fn describe_virtual_partition(&mut self, revision: Revision, blocks: u32) {
        let [_, reserve] = self.sequences();
        let kind = |image: &mut Self, sector: u32| Tag::read(image.sector(sector)).unwrap().kind();
        let identifier = EntityIdentifier::udf(EntityIdentifier::VIRTUAL_PARTITION, revision);
        let map = VirtualPartitionMap::new(identifier, 0);
        for sector in (MAIN..MAIN + 16).chain(reserve..reserve + 16) {
            match kind(self, sector) {
                TagIdentifier::LOGICAL_VOLUME => self.change(&[sector], |logical| {
                    put(logical, 256, &[1]);
                    put(logical, 264, &[70]);
                    put(logical, 268, &[2]);
                    put(logical, 446, map.as_bytes());
                    set_crc_length(logical, 424 + 70);
                }),
                TagIdentifier::PARTITION => self.change(&[sector], |partition| {
                    put(partition, 184, &[2]);
                    put(partition, 192, &blocks.to_le_bytes());
                }),
                _ => {}
            }
        }
        self.change(&[INTEGRITY], |integrity| {
            let used = integrity[88..88 + 46].to_vec();
            put(integrity, 28, &[0]);
            put(integrity, 72, &[2]);
            for (at, number) in [(80, 0), (84, u32::MAX), (88, blocks), (92, u32::MAX)] {
                put(integrity, at, &number.to_le_bytes());
            }
            put(integrity, 96, &used);
            set_crc_length(integrity, 64 + 16 + 46);
        });
    }

    /// Whatever leads from this block to another, leads to the same block of partition 1.
    fn lead_into_partition_1(&mut self, sector: u32) {
        let block = self.sector(sector);
        match Tag::read(block).unwrap().kind() {
            TagIdentifier::FILE_SET => put(block, 408, &[1]),
            TagIdentifier::FILE_ENTRY | TagIdentifier::EXTENDED_FILE_ENTRY
                if block[27] == FileType::DIRECTORY.0 =>
            {
                let fields = fields(block);
                let mut at = fields.body + get32(block, fields.attribute_bytes) as usize;
                let end = at + get32(block, fields.allocation_bytes) as usize;
                while at < end {
                    let length = (38 + usize::from(block[at + 19])).next_multiple_of(4);
                    put(block, at + 28, &[1]);
                    reseal(&mut block[at..at + length]);
                    at += length;
                }
            }
            _ => return,
        }
        reseal(block);
    }

    /// Records the table, embedded in an entry like that of the root.
    fn add_table(&mut self, revision: Revision, at: u32, entries: &[u32], unique_id: u64) {
        let logical = (MAIN..MAIN + 16).find(|sector| {
            Tag::read(&self.bytes[*sector as usize * 2048..]).unwrap().kind() == TagIdentifier::LOGICAL_VOLUME
        });
        let label = self.sector(logical.unwrap())[84..212].to_vec();
        let integrity = self.sector(INTEGRITY).to_vec();
        let entries: Vec<u8> = entries.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        let (kind, body) = if revision.rules().streams {
            let mut header = vec![0; 152];
            put(&mut header, 0, &[152]);
            put(&mut header, 4, &label);
            put(&mut header, 132, &[0xFF; 4]);
            // Counts and revisions, as the integrity descriptor has them.
            put(&mut header, 136, &integrity[96 + 32..96 + 46]);
            (FileType::VIRTUAL_ALLOCATION_TABLE, [header, entries].concat())
        } else {
            let identifier = EntityIdentifier::udf(EntityIdentifier::VIRTUAL_TABLE, revision);
            (FileType::UNSPECIFIED, [&entries, identifier.as_bytes(), &[0xFF; 4]].concat())
        };
        let last = self.last();
        let start = last - at;
        let mut block = (start..last).map(|sector| self.sector(sector).to_vec()).find(|block| {
            block[27] == FileType::DIRECTORY.0 && Tag::read(block).unwrap().identifier.get() > 260
        });
        let entry = block.as_mut().unwrap();
        let fields = fields(entry);
        let length = u32::try_from(body.len()).unwrap();
        put(entry, 12, &at.to_le_bytes());
        put(entry, 27, &[kind.0]);
        put(entry, 34, &[3, 0]);
        put(entry, 48, &[0, 0]);
        put(entry, 56, &length.to_le_bytes());
        if fields.body == 216 {
            put(entry, 64, &length.to_le_bytes());
        }
        put(entry, fields.unique_id, &unique_id.to_le_bytes());
        put(entry, fields.attribute_bytes, &[0; 4]);
        put(entry, fields.allocation_bytes, &length.to_le_bytes());
        entry[fields.body..].fill(0);
        put(entry, fields.body, &body);
        set_crc_length(entry, fields.body - 16 + body.len());
        reseal(entry);
        let entry = entry.clone();
        self.sector(last).copy_from_slice(&entry);
    }

    /// A volume with a virtual partition, and behind its table another that remembers it.
    pub(crate) fn with_another_table(&self) -> Self {
        let mut image = self.clone();
        let [partition, _] = image.descriptor(TagIdentifier::PARTITION);
        let (start, old) = (get32(image.sector(partition), 188), self.last());
        let sectors = image.descriptor(TagIdentifier::PARTITION);
        image.change(&sectors, |partition| add32(partition, 192, 1));
        let mut table = image.sector(old).to_vec();
        let fields = fields(&table);
        let body = fields.body + get32(&table, fields.attribute_bytes) as usize;
        let end = body + get32(&table, fields.allocation_bytes) as usize;
        // In the header, or at the end of the trailer.
        let is_header = table[27] == FileType::VIRTUAL_ALLOCATION_TABLE.0;
        put(&mut table, if is_header { body + 132 } else { end - 4 }, &(old - start).to_le_bytes());
        put(&mut table, 12, &(old + 1 - start).to_le_bytes());
        reseal(&mut table);
        image.bytes.extend(table);
        image
    }

    /// The number of entries of the table of a volume of 2.00 or later, and where in its block the first is.
    pub(crate) fn table_entries(&self) -> (usize, usize) {
        (self.volume().virtual_table().unwrap().entries().len(), 216 + 152)
    }

    /// The block of the partition underneath in which the table is.
    pub(crate) fn table_block(&self) -> u32 {
        self.volume().virtual_table().unwrap().head.entry.icb.block.0
    }

    /// A sparable volume: the first packet is relocated, two more could be.
    pub(crate) fn with_sparable_partition() -> Self {
        Self::new(Revision::V2_01, BlockSize::B2048).sparable()
    }

    /// The same with few files.
    pub(crate) fn with_small_sparable_partition() -> Self {
        Self::of(&small_tree(), Revision::V2_01, BlockSize::B2048).sparable()
    }

    fn sparable(mut self) -> Self {
        let image = &mut self;
        let [partition, _] = image.descriptor(TagIdentifier::PARTITION);
        let (start, blocks) = (get32(image.sector(partition), 188), get32(image.sector(partition), 192));
        let more = i32::try_from(blocks.next_multiple_of(PACKET) - blocks).unwrap();
        let sectors = image.descriptor(TagIdentifier::PARTITION);
        image.change(&sectors, |partition| add32(partition, 192, more));
        let sectors = image.integrity();
        image.change(&sectors, |integrity| add32(integrity, 84, more));
        let identifier = EntityIdentifier::udf(EntityIdentifier::SPARABLE_PARTITION, Revision::V2_01);
        let sectors = image.descriptor(TagIdentifier::LOGICAL_VOLUME);
        image.change(&sectors, |logical| {
            put(logical, 264, &[64]);
            put(logical, 440, &[2, 64, 0, 0]);
            put(logical, 444, identifier.as_bytes());
            put(logical, 476, &[1, 0, 0, 0, 32, 0, 2, 0]);
            put(logical, 484, &2048u32.to_le_bytes());
            put(logical, 488, &TABLES[0].to_le_bytes());
            put(logical, 492, &TABLES[1].to_le_bytes());
            put(logical, 496, &[0; 8]);
            set_crc_length(logical, 424 + 64);
        });
        let packet = PACKET as usize * 2048;
        let (from, to) = (start as usize * 2048, SPARES[0] as usize * 2048);
        image.bytes.copy_within(from..from + packet, to);
        image.bytes[from..from + packet].fill(0xAA);
        let [one, two, three] = SPARES;
        let entries = [(0, one), (SparingEntry::AVAILABLE, two), (SparingEntry::AVAILABLE, three)];
        image.set_tables(&TABLES, 5, &entries);
        self
    }

    /// Records copies of the sparing table.
    pub(crate) fn set_tables(&mut self, sectors: &[u32], number: u32, entries: &[(u32, u32)]) {
        let identifier = EntityIdentifier::udf(EntityIdentifier::SPARING_TABLE, Revision::V2_01);
        for sector in sectors {
            let block = self.sector(*sector);
            block.fill(0);
            put(block, 16, identifier.as_bytes());
            put(block, 48, &u16::try_from(entries.len()).unwrap().to_le_bytes());
            put(block, 52, &number.to_le_bytes());
            for (index, (original, mapped)) in entries.iter().enumerate() {
                put(block, 56 + 8 * index, &original.to_le_bytes());
                put(block, 60 + 8 * index, &mapped.to_le_bytes());
            }
            let length = 56 + 8 * entries.len();
            Tag::seal(&mut block[..length], TagIdentifier::SPARING_TABLE, seal(), *sector);
        }
    }
}
