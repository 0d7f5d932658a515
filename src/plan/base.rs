//! What an append builds on: the previous session, as facts. Whoever imports a volume fills this in; planning only reads it.

use std::collections::HashMap;
use std::ops::Range;

use udf::general::{DString, ExtentAd, Moment, Seal};
use udf::volume::{ImplementationUseVolumeDescriptor, PrimaryVolumeDescriptor};
use udf::{BlockSize, Revision, Sector};

use super::metadata_in_place::MetadataInPlace;
use super::order::Order;
use super::space::Shape;
use super::{Mirror, SequentialTarget};
use crate::error::{Error, Result};
use crate::tree::{Attributes, InodeId, NodeId};

/// The previous session.
#[derive(Clone, Debug)]
pub struct Base {
    /// Its block size.
    pub block_size: BlockSize,
    /// Its revision.
    pub revision: Revision,
    /// The descriptor version and serial number of its tags, which every session keeps (UDF 2.2.1.1).
    pub seal: Seal,
    /// Its primary volume descriptor.
    pub primary: PrimaryVolumeDescriptor,
    /// Its logical volume information.
    pub information: Option<ImplementationUseVolumeDescriptor>,
    /// Its label.
    pub label: String,
    /// The same as it is recorded: there is more than one way for some.
    pub recorded_label: Option<DString<128>>,
    /// The number of its partition.
    pub partition_number: u16,
    /// Where its partition begins: there it begins in every session.
    pub partition_start: Sector,
    /// Which session it is, counted from 1.
    pub session_number: u32,
    /// Where it begins for those who look for sessions.
    pub session_start: Sector,
    /// Its main and reserve volume descriptor sequence.
    pub sequences: (ExtentAd, ExtentAd),
    /// The next unique id that is free.
    pub next_unique_id: u64,
    /// Names of files, those already removed from the tree not counted.
    pub files: u32,
    /// Directories, those already removed from the tree not counted.
    pub directories: u32,
    /// When it was recorded.
    pub recorded: Moment,
    /// The first sector after everything that any session needs.
    pub free_start: u32,
    /// A place for the reserve sequence far from the session, if there is one.
    pub reserve_slot: Option<Sector>,
    /// The size of the device; `None` for an image file, which grows.
    pub device_blocks: Option<u32>,
    /// Its file set descriptor: where on the device, in bytes.
    pub file_set_offset_bytes: u64,
    /// Where it is once more, if it is and the volume is changed in place.
    pub file_set_mirror: Option<Mirror>,
    /// Where the next logical session goes, on a medium that is written one sector after the other. A virtual allocation
    /// table has its own.
    pub sequential: Option<SequentialTarget>,
    /// Its virtual allocation table, if it has one.
    pub table: Option<BaseTable>,
    /// Its metadata partition, if it has one and grows by sessions.
    pub metadata: Option<BaseMetadata>,
    /// What is known of it beside all that, if it is changed in place.
    pub in_place: Option<BaseInPlace>,
    /// Further names of kept inodes that the tree has loaded: the unique id beside each and its characteristics.
    pub further_names: HashMap<NodeId, (u32, u8)>,
    /// Kept inodes whose entry changes though none of their names is in the tree.
    pub relinked: Vec<InodeId>,
    /// Entries of kept inodes that the tree has loaded.
    pub entries: HashMap<InodeId, KeptEntry>,
}

impl Base {
    /// Bytes that the entry of a kept directory has for its body.
    pub(super) fn capacity_of(&self, inode: InodeId, shape: Shape) -> Result<usize> {
        let entry = self.entries.get(&inode);
        let room =
            entry.map(|entry| shape.directory_capacity(entry.capacity_bytes as usize, entry.has_attributes));
        room.ok_or_else(|| Error::Options(format!("entry of inode {} is not loaded", inode.0)))
    }

    /// Names of files and directories with what is new; a volume may lie about what it has.
    pub(super) fn counts_with(&self, order: &Order) -> (u32, u32) {
        let files = self.files.saturating_add(order.fresh_files);
        (files, self.directories.saturating_add(order.fresh_directories))
    }
}

/// The virtual allocation table of the previous state.
#[derive(Clone, Debug)]
pub struct BaseTable {
    /// Its entries.
    pub entries: Vec<u32>,
    /// Its ICB, a block of the partition underneath.
    pub icb: u32,
    /// Its bytes.
    pub body: Vec<u8>,
    /// Where its bytes are recorded, block by block, in the partition underneath; empty if they are inside its ICB.
    pub body_blocks: Vec<u32>,
    /// The file set's number.
    pub file_set_number: u32,
    /// Numbers of entries that nothing refers to any more.
    pub gone: Vec<u32>,
    /// Blocks of the partition underneath, as its descriptor says.
    pub partition_blocks: u32,
    /// Where the new state goes.
    pub target: SequentialTarget,
}

/// A volume that is changed in place: what is free, and what is written over.
#[derive(Clone, Debug)]
pub struct BaseInPlace {
    /// Blocks of the partition.
    pub partition_blocks: u32,
    /// Blocks of it that are free, as the volume records them, or those behind all data where the drive keeps the account; ascending
    /// and apart.
    pub free: Vec<Range<u32>>,
    /// Free blocks that nothing is to be recorded in: packets that lie elsewhere. Ascending and apart.
    pub avoided: Vec<Range<u32>>,
    /// Blocks that hold what nothing leads to any more when the change is done; ascending and apart.
    pub released: Vec<Range<u32>>,
    /// Where the bitmap of unallocated space lies, if that is how the volume records it.
    pub bitmap: Option<Range<u32>>,
    /// So many blocks are lost together if the power fails while one of them is written.
    pub write_unit_blocks: u32,
    /// The main volume descriptor sequence, as it is recorded.
    pub main: Recorded,
    /// The reserve volume descriptor sequence.
    pub reserve: Recorded,
    /// The logical volume integrity descriptor.
    pub integrity: Recorded,
    /// The metadata partition, if there is one.
    pub metadata: Option<MetadataInPlace>,
    /// It is pseudo-overwritable: there are no bitmaps, and data only goes behind data.
    pub pseudo_overwrite: bool,
    /// The blocks that the drive goes on with, if it is on a disc in one: those for what is new, and for what is written again.
    pub goes_on: Option<Range<u32>>,
    /// It is marked as being changed: the reserve sequence may lead to another tree than the main one.
    pub is_open: bool,
}

/// Whole sectors, as they are recorded.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The first.
    pub start: Sector,
    /// All of them.
    pub bytes: Vec<u8>,
}

/// The metadata partition of the previous state.
#[derive(Clone, Debug)]
pub struct BaseMetadata {
    /// Which block of it the file set descriptor is.
    pub file_set_block: u32,
    /// Its extents, main copy, without gaps from block 0 on.
    pub main: Vec<Run>,
    /// The extents of the mirror; the main ones if it has none of its own.
    pub mirror: Vec<Run>,
    /// The mirror has extents of its own.
    pub duplicate: bool,
    /// Extents are multiples of so many blocks.
    pub allocation_unit_blocks: u32,
}

/// Blocks of the metadata space that lie together in the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first, in the metadata space.
    pub first: u32,
    /// The first, in the partition.
    pub block: u32,
    /// How many.
    pub blocks: u32,
}

impl Run {
    /// Its blocks in the metadata space.
    pub(crate) fn range(&self) -> std::ops::Range<u32> {
        self.first..self.first + self.blocks
    }

    /// Where they lie in the partition.
    pub(crate) fn place(&self) -> std::ops::Range<u32> {
        self.block..self.block + self.blocks
    }
}

/// An entry of the previous session.
#[derive(Clone, Copy, Debug)]
pub struct KeptEntry {
    /// Where on the device it lies.
    pub offset_bytes: u64,
    /// Where it lies once more, if it does and the volume is changed in place.
    pub mirror: Option<Mirror>,
    /// Bytes in it for a body or for allocation descriptors.
    pub capacity_bytes: u32,
    /// Its attributes.
    pub attributes: Attributes,
    /// It has extended attributes.
    pub has_attributes: bool,
    /// It leads to a directory of named streams.
    pub has_streams: bool,
    /// Bytes of those of them that are no more.
    pub lost_stream_bytes: u64,
}
