//! Sound volumes in memory, and the means to spoil exactly one thing in them: structures are found, changed, sealed again.

use mkudf_ms::device::MemoryDevice;
use mkudf_ms::plan::Plan;
use mkudf_ms::progress::Progress;
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::{Attributes, Content, Kind, Name, NodeId, Tree};
use udf::check::{Report, check};
use udf::file::{FileIdentifierDescriptor, SpaceBitmapDescriptor};
use udf::general::{ExtentKind, Tag, TagIdentifier, crc16, text};
use udf::read::{Extent, OpenOptions, PartitionKind, Volume};
use udf::{BlockAddress, BlockSize, Revision};

use crate::support::build::{NOW, spec};

/// Blocks of the file `spare`, which gives them up to whoever needs blocks that nobody uses.
const SPARE_BLOCKS: u32 = 64;

/// Everything that a volume can have beside streams.
pub(crate) fn tree() -> Tree {
    let mut made = Made { tree: Tree::new(attributes(0o755)) };
    let root = made.tree.root();
    let directory = made.directory(root, "dir");
    made.file(directory, "file", b"a few bytes");
    let data = made.file(root, "data", &[7; 10_000]);
    made.tree.link(directory, &name("hard"), data).unwrap();
    made.file(root, "other", &[8; 9000]);
    made.file(root, "empty", b"");
    made.file(root, "x", b"of a short name");
    made.file(root, "spare", &vec![9; SPARE_BLOCKS as usize * 4096]);
    let target = made.tree.add_text(b"dir/file");
    made.inode(root, "link", Kind::SymbolicLink, Content::Target(target));
    made.inode(root, "device", Kind::CharacterDevice, Content::Device(10, 200));
    made.inode(root, "fifo", Kind::Fifo, Content::None);
    made.directory(root, "sub");
    // Names of which one begins less than a tag's length before the end of 4096 bytes.
    let big = made.directory(root, "big");
    for number in 0..120 {
        made.file(big, &format!("n{number:04}"), &[1; 100]);
    }
    made.tree
}

struct Made {
    tree: Tree,
}

impl Made {
    fn inode(
        &mut self,
        parent: NodeId,
        called: &str,
        kind: Kind,
        content: Content,
    ) -> mkudf_ms::tree::InodeId {
        let inode = self.tree.add_inode(kind, attributes(0o644), content);
        self.tree.link(parent, &name(called), inode).unwrap();
        inode
    }

    fn file(&mut self, parent: NodeId, called: &str, body: &[u8]) -> mkudf_ms::tree::InodeId {
        let content = self.tree.add_body(body.into());
        self.inode(parent, called, Kind::File, content)
    }

    fn directory(&mut self, parent: NodeId, called: &str) -> NodeId {
        let inode = self.tree.add_directory(attributes(0o755));
        self.tree.link(parent, &name(called), inode).unwrap()
    }
}

pub(crate) fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

pub(crate) fn attributes(mode: u16) -> Attributes {
    Attributes { mode, uid: 1000, gid: 1000, accessed: NOW, modified: NOW, changed: NOW, created: NOW }
}

/// A volume in memory.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    pub(crate) block_size: BlockSize,
}

impl Image {
    /// A volume of [`tree`].
    pub(crate) fn new(revision: Revision, block_size: BlockSize) -> Self {
        Self::of(&tree(), revision, block_size)
    }

    pub(crate) fn of(tree: &Tree, revision: Revision, block_size: BlockSize) -> Self {
        let plan = Plan::create(tree, &spec(revision, block_size)).unwrap();
        let device = MemoryDevice::new();
        stream(&plan, tree, &device, None, &Progress::new(), &StreamOptions::default()).unwrap();
        Self { bytes: device.into_bytes(), block_size }
    }

    pub(crate) fn check(&self) -> Report {
        self.check_with(&OpenOptions::default())
    }

    pub(crate) fn check_with(&self, options: &OpenOptions) -> Report {
        check(&self.bytes, options, &mut |_| ())
    }

    pub(crate) fn volume(&self) -> Volume<&Vec<u8>> {
        Volume::open(&self.bytes, &OpenOptions::default()).unwrap()
    }

    fn len(&self) -> usize {
        self.block_size.len()
    }

    pub(crate) fn last(&self) -> u32 {
        u32::try_from(self.bytes.len() / self.len()).unwrap() - 1
    }

    pub(crate) fn sector(&mut self, sector: u32) -> &mut [u8] {
        let len = self.len();
        let start = sector as usize * len;
        &mut self.bytes[start..start + len]
    }

    /// Changes sectors in the same way and seals what they begin with again.
    pub(crate) fn change(&mut self, sectors: &[u32], change: impl Fn(&mut [u8])) {
        for sector in sectors {
            let block = self.sector(*sector);
            change(block);
            reseal(block);
        }
    }

    /// Where the anchors are.
    pub(crate) fn anchors(&self) -> [u32; 3] {
        [256, self.last() - 256, self.last()]
    }

    pub(crate) fn sequences(&self) -> [u32; 2] {
        let (main, reserve) = self.volume().sequences();
        [main, reserve].map(|extent| extent.start().0)
    }

    /// Where both sequences have the descriptor of this kind.
    pub(crate) fn descriptor(&self, kind: TagIdentifier) -> [u32; 2] {
        self.sequences().map(|start| {
            let at = |sector: u32| Tag::read(&self.bytes[sector as usize * self.len()..]).unwrap().kind();
            (start..start + 16).find(|sector| at(*sector) == kind).unwrap()
        })
    }

    /// Where the integrity descriptor is.
    pub(crate) fn integrity(&self) -> [u32; 1] {
        [self.volume().integrity().unwrap().sector.0]
    }

    /// All places where a block is: those of the metadata partition have two.
    pub(crate) fn copies(&self, address: BlockAddress) -> Vec<u32> {
        let volume = self.volume();
        let partition = &volume.partitions()[usize::from(address.partition.0)];
        let PartitionKind::Metadata(metadata) = &partition.kind else {
            return vec![volume.locate(address).unwrap().sector.0];
        };
        let below = |extents: &[Extent]| {
            let mut first = 0;
            for extent in extents {
                let blocks = u32::try_from(extent.blocks(self.block_size)).unwrap();
                if (first..first + blocks).contains(&address.block.0) {
                    let block = extent.start.checked_add(address.block.0 - first).unwrap();
                    return volume.locate(block).unwrap().sector.0;
                }
                first += blocks;
            }
            panic!("{address} is in no extent")
        };
        let files = [&metadata.main, &metadata.mirror];
        files.map(|file| below(file.as_ref().unwrap().extents())).to_vec()
    }

    /// Where the file set descriptor is.
    pub(crate) fn file_set(&self) -> Vec<u32> {
        self.copies(self.volume().file_set_address())
    }

    /// The ICB of a path.
    pub(crate) fn icb(&self, path: &str) -> BlockAddress {
        self.volume().lookup(path).unwrap().icb
    }

    /// Where the entry of a path is.
    pub(crate) fn entry(&self, path: &str) -> Vec<u32> {
        self.copies(self.icb(path))
    }

    /// Changes the file identifier of a path, and seals it and the entry that it is embedded in.
    pub(crate) fn change_name(&mut self, path: &str, change: impl Fn(&mut [u8])) {
        let (directory, called) = path.rsplit_once('/').unwrap();
        self.change_nth(directory, &|name| name == text::encode(called), &change);
    }

    /// Changes the file identifier of a directory's parent.
    pub(crate) fn change_parent(&mut self, directory: &str, change: impl Fn(&mut [u8])) {
        self.change_nth(directory, &<[u8]>::is_empty, &change);
    }

    fn change_nth(&mut self, directory: &str, is_it: &dyn Fn(&[u8]) -> bool, change: &dyn Fn(&mut [u8])) {
        let volume = self.volume();
        let entry = volume.lookup(directory).unwrap();
        let found = volume.directory(&entry).unwrap().map(Result::unwrap).find(|child| is_it(&child.name));
        let (block, len) = (found.as_ref().unwrap().block, found.unwrap().len_bytes as usize);
        drop(volume);
        for sector in self.copies(block) {
            let bytes = self.sector(sector);
            let is_name = |at: &usize| {
                let rest = &bytes[*at..];
                rest[..2] == [1, 1]
                    && FileIdentifierDescriptor::split(rest, udf::Place::Within)
                        .is_ok_and(|found| is_it(found.name))
            };
            let at = (0..bytes.len() - 38).step_by(4).find(is_name).unwrap();
            change(&mut bytes[at..at + len]);
            reseal(&mut bytes[at..at + len]);
            if at != 0 && Tag::read(bytes).unwrap().kind() != TagIdentifier::FILE_IDENTIFIER {
                reseal(bytes);
            }
        }
    }

    /// Takes its blocks from the file `spare`, which then is empty, and returns the first.
    pub(crate) fn spare(&mut self) -> BlockAddress {
        let extents = self.volume().body(&self.volume().lookup("spare").unwrap()).unwrap().extents().to_vec();
        let sectors = self.entry("spare");
        self.change(&sectors, |entry| {
            // Embedded, and nothing of it: information length, object size, blocks recorded, allocation descriptors.
            put(entry, 34, &[entry[34] | 3]);
            put(entry, 56, &[0; 24]);
            put(entry, 212, &[0; 4]);
            entry[216..].fill(0);
            set_crc_length(entry, 216 - 16);
        });
        extents[0].start
    }

    /// Makes the partition pseudo-overwritable.
    pub(crate) fn make_pseudo_overwritable(&mut self) {
        let sectors = self.descriptor(TagIdentifier::PARTITION);
        self.change(&sectors, |partition| put(partition, 184, &[0]));
        let sectors = self.integrity();
        self.change(&sectors, |integrity| {
            // Nobody counts what is free; behind the tables and the implementation's identifier, who may write.
            put(integrity, 80, &[0xFF; 8]);
            put(integrity, 80 + 16 + 42, &Revision::V2_60.number().to_le_bytes());
        });
    }

    /// Makes the partition overwritable, with a bitmap of what is used by the reader's account, in spare blocks.
    pub(crate) fn make_rewritable(&mut self) -> BlockAddress {
        let first = self.spare();
        let volume = self.volume();
        let blocks = volume.partitions()[0].length_blocks;
        let mut used = vec![false; blocks as usize];
        let bitmap_bytes = blocks.div_ceil(8);
        let bitmap_blocks = (bitmap_bytes + 24).div_ceil(self.block_size.bytes());
        let mut take = |start: u32, count: u32| used[start as usize..(start + count) as usize].fill(true);
        take(first.block.0, bitmap_blocks);
        take(volume.file_set_address().block.0, 2);
        let root = volume.root().unwrap();
        let below = volume.walk(&root).map(|step| step.unwrap().2);
        for entry in [root.clone()].into_iter().chain(below) {
            take(entry.icb.block.0, 1);
            for extent in volume.extents(&entry).map(Result::unwrap) {
                if extent.kind != ExtentKind::Unallocated {
                    take(extent.start.block.0, u32::try_from(extent.blocks(self.block_size)).unwrap());
                }
            }
        }
        let free = used.iter().filter(|used| !**used).count();
        let mut bitmap = vec![0; bitmap_bytes as usize];
        for (block, _) in used.iter().enumerate().filter(|(_, used)| !**used) {
            bitmap[block / 8] |= 1 << (block % 8);
        }
        let start = volume.locate(first).unwrap().sector.0 as usize * self.len();
        drop(volume);
        let space = &mut self.bytes[start..start + bitmap_blocks as usize * self.block_size.len()];
        space.fill(0);
        put(space, 16, &blocks.to_le_bytes());
        put(space, 20, &bitmap_bytes.to_le_bytes());
        put(space, 24, &bitmap);
        let kind = <SpaceBitmapDescriptor as udf::general::Descriptor>::IDENTIFIER;
        Tag::seal_partly(space, kind, seal(), first.block.0, 8);
        let sectors = self.descriptor(TagIdentifier::PARTITION);
        let bytes = bitmap_blocks * self.block_size.bytes();
        self.change(&sectors, |partition| {
            put(partition, 184, &[4]);
            put(partition, 56 + 8, &bytes.to_le_bytes());
            put(partition, 56 + 12, &first.block.0.to_le_bytes());
        });
        let sectors = self.integrity();
        self.change(&sectors, |integrity| put(integrity, 80, &u32::try_from(free).unwrap().to_le_bytes()));
        first
    }
}

/// How the volumes here are sealed.
pub(crate) fn seal() -> udf::general::Seal {
    udf::general::Seal { descriptor_version: 3, serial_number: 1 }
}

pub(crate) fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    bytes[at..at + new.len()].copy_from_slice(new);
}

pub(crate) fn get32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Adds to a number.
pub(crate) fn add32(bytes: &mut [u8], at: usize, more: i32) {
    let sum = get32(bytes, at).wrapping_add_signed(more);
    put(bytes, at, &sum.to_le_bytes());
}

pub(crate) fn set_crc_length(bytes: &mut [u8], length: usize) {
    put(bytes, 10, &u16::try_from(length).unwrap().to_le_bytes());
}

/// Makes CRC and checksum fit again; all else in the tag stays.
pub(crate) fn reseal(bytes: &mut [u8]) {
    let length = usize::from(u16::from_le_bytes([bytes[10], bytes[11]]));
    // A length that goes beyond the end has no CRC that fits.
    if let Some(covered) = bytes.get(16..16 + length) {
        let crc = crc16(covered);
        put(bytes, 8, &crc.to_le_bytes());
    }
    bytes[4] = Tag::read(bytes).unwrap().expected_checksum();
}
