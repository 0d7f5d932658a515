//! The two spaces of a volume: metadata (file set, entries, directories, allocation extents) and data, each block counted
//! from the space's own beginning, before anybody knows where on the volume they lie.

use std::collections::{BTreeMap, HashMap};

use udf::file::{ExtendedFileEntry, FileEntry, FileIdentifierDescriptor, NON_ALLOCATABLE_FILE, attribute};
use udf::general::{ExtentKind, Tag, Timestamp, text};
use udf::revision::Rules;
use udf::{BlockSize, Revision};

use super::extents;
use super::ground::{Ground, Rooms};
use super::order::{Order, Owner, UniqueIds, low_id};
use super::room::Purpose;
use crate::error::{Error, Result};
use crate::tree::{Content, Inode, InodeId, Kind, NodeId, Tree};

/// "Nowhere": of an inode without an entry, or of a body that is embedded or empty.
pub const NOWHERE: u32 = u32::MAX;
/// Files from here on begin at multiples of 4096 bytes, so that file systems can share their blocks with the image.
const ALIGNED_FROM_BYTES: u64 = 64 * 1024;
const ALIGNMENT_BYTES: u32 = 4096;
/// As much as an implementation use must at least have: its identifier.
const NAME_PADDING_LEN: usize = 32;
/// Every so many names of a long directory the plan notes where they begin.
pub const MARK_EVERY: usize = 512;

/// Where an inode's parts are.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its entry: a block of the metadata space, or of the virtual partition.
    pub icb: u32,
    /// A file's first block in the data space; a directory's index into [`Spaces::bodies`].
    pub body: u32,
    /// The low 32 bits of its unique id.
    pub unique_id: u32,
}

impl Place {
    const NOWHERE: Self = Self { icb: NOWHERE, body: NOWHERE, unique_id: 0 };
}

/// A directory's body that does not fit its entry.
#[derive(Clone, Debug)]
pub struct DirectoryBody {
    /// Whose.
    pub node: NodeId,
    /// First block in the metadata space.
    pub first: u32,
    /// How long it is.
    pub bytes: u64,
    /// Where every [`MARK_EVERY`]-th child's name begins.
    pub marks: Box<[u64]>,
}

/// A file's allocation descriptors that do not fit its entry.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    /// First block in the metadata space; they lie together.
    pub first: u32,
    /// How many blocks.
    pub blocks: u32,
}

/// Where everything is, in the two spaces.
#[derive(Debug)]
pub struct Spaces {
    /// By inode. Without a virtual partition, new entries have the numbers of the blocks they are in.
    pub places: Vec<Place>,
    /// Inodes with a new entry, in the order of their entries.
    pub entries: Vec<InodeId>,
    /// The first block of the file set, if there are blocks for it.
    pub file_set: u32,
    /// The block of the first new entry; the others follow.
    pub first_entry: u32,
    /// Directories' bodies, in the order of their blocks.
    pub bodies: Vec<DirectoryBody>,
    /// Allocation extents, by inode.
    pub chains: BTreeMap<InodeId, Chain>,
    /// The same by first block.
    pub chain_blocks: BTreeMap<u32, InodeId>,
    /// Files with data, in the order of their first blocks in the data space.
    pub files: Vec<InodeId>,
    /// The block after the last of the metadata space.
    pub metadata_end: u32,
    /// Blocks of the data space.
    pub data_blocks: u32,
    /// Directories of named streams and the new streams in them: whose unique id they have.
    pub owners: HashMap<InodeId, Owner>,
    /// Bodies of symbolic links.
    pub targets: BTreeMap<InodeId, Vec<u8>>,
    /// Where blocks are taken from, if they lie wherever a partition has free ones: then the numbers of both spaces are those of
    /// their rooms, or of the one that they have together.
    pub rooms: Option<Rooms>,
}

/// What the spaces depend on beside the tree.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The revision.
    pub revision: Revision,
    /// The block size.
    pub block_size: BlockSize,
    /// Whether small bodies go into their entries.
    pub embed: bool,
    /// What lies upon the partition of the data.
    pub upper: Upper,
    /// Others may change the volume in place.
    pub rewritable: bool,
    /// The root begins with the name of a new file that is the Non-Allocatable Space (UDF 1.50 2.3.13).
    pub space_file: bool,
}

/// The partition upon the physical one, in which metadata has its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upper {
    /// There is none: all have blocks of the one partition.
    None,
    /// A metadata partition: file set, entries, directories and allocation extents are in it.
    Metadata,
    /// A virtual partition: file set and entries are in it, each by its number in the table.
    Virtual,
}

impl Shape {
    /// What the revision asks for.
    #[must_use]
    pub fn rules(&self) -> &'static Rules {
        self.revision.rules()
    }

    /// Bytes of a fresh inode's extended attributes.
    #[must_use]
    pub fn attributes(&self, inode: &Inode, zone_minutes: i16) -> attribute::Attributes {
        let created = inode.attributes.created;
        attribute::Attributes {
            creation: (!self.rules().extended_file_entries).then(|| Timestamp::new(created, zone_minutes)),
            device: match inode.content {
                Content::Device(major, minor) => Some((major, minor)),
                _ => None,
            },
        }
    }

    /// Bytes that a fresh entry has for a body or for allocation descriptors.
    #[must_use]
    pub fn capacity(&self, inode: &Inode) -> usize {
        self.entry_room() - self.attributes(inode, 0).len()
    }

    /// Bytes that an entry has for the body of its directory; `room` without heed of others. Linux destroys a directory that
    /// outgrows an entry with extended attributes, so where it may come to that, such a directory has blocks from the first.
    #[must_use]
    pub fn directory_capacity(&self, room: usize, has_attributes: bool) -> usize {
        if self.rewritable && has_attributes { 0 } else { room }
    }

    /// Files need long allocation descriptors, because their data and their entries are in different partitions.
    #[must_use]
    pub fn long_descriptors(&self) -> bool {
        self.upper != Upper::None
    }

    /// Bytes of implementation use in a name that begins at byte `at` of a directory's blocks: none, unless the tag of the next
    /// one would not lie in one block, which on write-once media it must (UDF 2.3.4.4).
    #[must_use]
    pub fn name_padding(&self, at: u64, name_len: usize) -> usize {
        let block = self.block_size.len() as u64;
        let end = at + FileIdentifierDescriptor::len_with(0, name_len) as u64;
        let left = block - end % block;
        if self.upper == Upper::Virtual && left < Tag::LEN as u64 { NAME_PADDING_LEN } else { 0 }
    }

    /// Bytes in a block behind an entry without extended attributes.
    #[must_use]
    pub fn entry_room(&self) -> usize {
        let extended = self.rules().extended_file_entries;
        let fixed = if extended { size_of::<ExtendedFileEntry>() } else { size_of::<FileEntry>() };
        self.block_size.len() - fixed
    }

    /// Bytes of an allocation descriptor of a file.
    #[must_use]
    pub fn descriptor_len(&self) -> usize {
        if self.long_descriptors() { 16 } else { 8 }
    }

    /// Blocks of the file set descriptor sequence: the descriptor, and one that ends it where an extent may be longer than
    /// a block (UDF 2.3.10).
    #[must_use]
    pub fn file_set_blocks(&self) -> u32 {
        if self.upper == Upper::Virtual { 1 } else { 2 }
    }

    /// Allocation descriptors in an allocation extent, the one that leads to the next included.
    #[must_use]
    pub fn descriptors_in_extent(&self) -> usize {
        (self.block_size.len() - 24) / self.descriptor_len()
    }
}

impl Spaces {
    /// Lays out the tree.
    /// `capacity_kept` says how many bytes a kept directory's entry has for its body; `numbers`, with a virtual partition,
    /// those of its blocks that are free.
    pub(super) fn lay_out(
        tree: &Tree,
        order: Order,
        unique_ids: &mut UniqueIds,
        shape: Shape,
        ground: Ground,
        capacity_kept: &dyn Fn(InodeId) -> Result<usize>,
        numbers: Option<&mut dyn Iterator<Item = u32>>,
    ) -> Result<Self> {
        let mut spaces = Self {
            places: vec![Place::NOWHERE; tree.inode_count()],
            file_set: 0,
            first_entry: 0,
            entries: order.entries,
            bodies: Vec::new(),
            chains: BTreeMap::new(),
            chain_blocks: BTreeMap::new(),
            files: Vec::new(),
            metadata_end: 0,
            data_blocks: 0,
            owners: order.owners,
            targets: BTreeMap::new(),
            rooms: None,
        };
        match ground {
            Ground::Open(first, reserved) => {
                spaces.file_set = first;
                spaces.metadata_end = add_blocks(first, reserved.into())?;
            }
            Ground::Rooms(mut rooms, reserved) => {
                spaces.file_set =
                    rooms.of_metadata_mut().take_together(Purpose::Metadata, reserved.into())?;
                spaces.rooms = Some(rooms);
            }
        }
        spaces.first_entry = spaces.take_entries()?;
        spaces.place_entries(tree, &order.changed, unique_ids, numbers)?;
        for directory in order.directories {
            spaces.place_directory(tree, directory, shape, capacity_kept)?;
        }
        for index in 0..spaces.entries.len() {
            spaces.place_file(tree, spaces.entries[index], shape)?;
        }
        Ok(spaces)
    }

    fn place_entries(
        &mut self,
        tree: &Tree,
        changed: &[InodeId],
        unique_ids: &mut UniqueIds,
        mut numbers: Option<&mut dyn Iterator<Item = u32>>,
    ) -> Result<()> {
        let root = tree.node(tree.root()).inode;
        for (index, inode) in self.entries.iter().enumerate() {
            let of_owner = self.owners.get(inode).map(|owner| match owner {
                Owner::Fresh(owner) => self.places[owner.0 as usize].unique_id,
                Owner::Kept(unique_id) => *unique_id,
            });
            let place = &mut self.places[inode.0 as usize];
            place.icb = match (&mut numbers, tree.inode(*inode).kept) {
                (None, _) => add_blocks(self.first_entry, index as u64)?,
                (Some(_), Some(kept)) => kept.icb.block.0,
                (Some(numbers), None) => numbers.next().ok_or(Error::Limit {
                    what: "entries of the virtual allocation table",
                    value: u64::from(u32::MAX),
                    limit: u64::from(u32::MAX) - 1,
                })?,
            };
            place.unique_id = match tree.inode(*inode).kept {
                Some(kept) => kept.unique_id,
                None if let Some(unique_id) = of_owner => unique_id,
                None if *inode == root => 0,
                None => {
                    let id = low_id(unique_ids.next)?;
                    unique_ids.next += 1;
                    id
                }
            };
        }
        for inode in changed {
            if let Some(kept) = tree.inode(*inode).kept {
                let place = &mut self.places[inode.0 as usize];
                place.icb = kept.icb.block.0;
                place.unique_id = kept.unique_id;
            }
        }
        Ok(())
    }

    fn place_directory(
        &mut self,
        tree: &Tree,
        node: NodeId,
        shape: Shape,
        capacity_kept: &dyn Fn(InodeId) -> Result<usize>,
    ) -> Result<()> {
        let id = tree.node(node).inode;
        let inode = tree.inode(id);
        if self.places[id.0 as usize].icb == NOWHERE {
            return Ok(()); // Kept, loaded, and not changed.
        }
        let mut marks = Vec::new();
        let mut bytes = FileIdentifierDescriptor::len_with(0, 0) as u64;
        if shape.space_file && node == tree.root() {
            bytes += FileIdentifierDescriptor::len_with(0, text::encode(NON_ALLOCATABLE_FILE).len()) as u64;
        }
        let mut unpadded = bytes;
        for (index, child) in tree.children(node).iter().enumerate() {
            if index % MARK_EVERY == 0 {
                marks.push(bytes);
            }
            let name_len = tree.name(*child).len();
            let padding = shape.name_padding(bytes, name_len);
            unpadded += FileIdentifierDescriptor::len_with(0, name_len) as u64;
            bytes += FileIdentifierDescriptor::len_with(padding, name_len) as u64;
        }
        let capacity = if inode.kept.is_some() {
            capacity_kept(id)?
        } else {
            let has_attributes = !shape.attributes(inode, 0).is_empty();
            shape.directory_capacity(shape.capacity(inode), has_attributes)
        };
        // In an entry all lies in one block.
        if unpadded <= capacity as u64 {
            return Ok(());
        }
        let first = self.take_metadata(shape.block_size.blocks_for(bytes))?;
        self.places[id.0 as usize].body = u32::try_from(self.bodies.len()).unwrap_or(NOWHERE);
        self.bodies.push(DirectoryBody { node, first, bytes, marks: marks.into() });
        Ok(())
    }

    fn place_file(&mut self, tree: &Tree, id: InodeId, shape: Shape) -> Result<()> {
        let inode = tree.inode(id);
        if inode.kept.is_some() {
            return Ok(());
        }
        let capacity = shape.capacity(inode);
        if let Content::Target(target) = inode.content {
            return self.place_target(id, tree.text(target), capacity, shape);
        }
        let size = tree.size_bytes(id);
        if inode.kind != Kind::File || size == 0 || is_embedded(size, capacity, shape) {
            return Ok(());
        }
        let blocks = extents::recorded_blocks(tree, id, shape.block_size);
        if blocks > 0 {
            let aligned = if size < ALIGNED_FROM_BYTES { 1 } else { alignment_blocks(shape.block_size) };
            self.places[id.0 as usize].body = self.take_data(blocks, aligned)?;
            self.files.push(id);
        }
        // A file below 16 GiB that lies together cannot need more descriptors than the smallest entry has.
        if size > 16 << 30
            || self.rooms.is_some()
            || matches!(inode.content, Content::Host(crate::tree::HostFile { holes: Some(_), .. }))
        {
            self.place_chain(tree, id, capacity, shape)?;
        }
        Ok(())
    }

    fn place_target(&mut self, id: InodeId, target: &[u8], capacity: usize, shape: Shape) -> Result<()> {
        let body =
            udf::file::path_component::encode(&String::from_utf8_lossy(target)).ok_or(Error::Limit {
                what: "bytes of a name in the target of a symbolic link",
                value: target.len() as u64,
                limit: 254,
            })?;
        if body.len() > capacity {
            let blocks = shape.block_size.blocks_for(body.len() as u64);
            self.places[id.0 as usize].body = self.take_data_together(blocks)?;
            self.files.push(id);
        }
        self.targets.insert(id, body);
        Ok(())
    }

    fn place_chain(&mut self, tree: &Tree, id: InodeId, capacity: usize, shape: Shape) -> Result<()> {
        let in_entry = capacity / shape.descriptor_len();
        let body = self.places[id.0 as usize].body;
        let pieces = extents::pieces(tree, id, shape.block_size);
        let descriptors = |piece: extents::Piece| {
            if piece.kind != ExtentKind::Recorded {
                return 1;
            }
            let blocks = u32::try_from(shape.block_size.blocks_for(piece.bytes.into())).unwrap_or(0);
            self.data_runs(0, body + piece.block, blocks).len()
        };
        let count: usize = pieces.map(descriptors).sum();
        if count <= in_entry {
            return Ok(());
        }
        // The last place in the entry, and in each extent but the last, leads to the next extent.
        let (mut left, mut blocks) = (count - (in_entry - 1), 0u32);
        while left > 0 {
            blocks += 1;
            let room = shape.descriptors_in_extent();
            left = if left <= room { 0 } else { left - (room - 1) };
        }
        let first = self.take_metadata(blocks.into())?;
        self.chains.insert(id, Chain { first, blocks });
        self.chain_blocks.insert(first, id);
        Ok(())
    }

    /// The entry of an inode: a new one, or where an earlier session recorded it.
    #[must_use]
    pub fn icb(&self, tree: &Tree, inode: InodeId) -> u32 {
        match (self.places[inode.0 as usize].icb, tree.inode(inode).kept) {
            (NOWHERE, Some(kept)) => kept.icb.block.0,
            (icb, _) => self.block(icb),
        }
    }
}

/// Whether a file of this size is recorded inside its entry.
#[must_use]
pub fn is_embedded(size_bytes: u64, capacity: usize, shape: Shape) -> bool {
    shape.embed && size_bytes <= capacity as u64
}

/// The multiple of blocks at which large files begin.
#[must_use]
pub(super) fn alignment_blocks(block_size: BlockSize) -> u32 {
    (ALIGNMENT_BYTES / block_size.bytes()).max(1)
}

/// Addresses are 32 bits wide, and the last one is left out so that every count fits too.
pub(super) fn add_blocks(first: u32, blocks: u64) -> Result<u32> {
    let end = u64::from(first) + blocks;
    u32::try_from(end).ok().filter(|end| *end != u32::MAX).ok_or(Error::Limit {
        what: "blocks of the volume",
        value: end,
        limit: u64::from(u32::MAX) - 1,
    })
}
