//! Steps and segments: what is to be written where, and in which order things must become durable.

use udf::Sector;

use crate::tree::InodeId;

/// Segments that may be written in any order; the next step begins when all of this one is durable on the medium.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// In sector order, without overlap.
    pub segments: Vec<Segment>,
}

/// Blocks that lie together and are made in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The first sector.
    pub start: Sector,
    /// How many.
    pub blocks: u32,
    /// The same blocks are recorded once more from this sector on, as segments of their own of the same plan. A device that
    /// can be written in any order gets both from one rendering.
    pub twin: Option<Sector>,
    /// What they are.
    pub content: Content,
}

/// What blocks hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Zeros.
    Zeros,
    /// The volume recognition sequence.
    Recognition,
    /// An anchor volume descriptor pointer.
    Anchor,
    /// A volume descriptor sequence.
    Sequence,
    /// A copy of the sparing table.
    SparingTable,
    /// The logical volume integrity sequence.
    Integrity,
    /// The entry of the metadata file (`false`) or of its mirror (`true`), with its allocation extents.
    MetadataEntry {
        /// Which.
        mirror: bool,
    },
    /// File set, entries and directories: the part of the metadata space that begins at this block.
    Metadata {
        /// A block of the metadata space.
        first: u32,
    },
    /// The part of the virtual allocation table's new blocks that begins at this one.
    Table {
        /// Counted from the first new one.
        first: u32,
    },
    /// The ICB of the virtual allocation table, once in each block.
    TableEntry,
    /// A bitmap of free space: the part of it that begins at this block of it.
    Bitmap {
        /// Which of the plan's.
        which: usize,
        /// Counted from the bitmap's first.
        first: u32,
    },
    /// The bitmap file of a metadata partition, its entry first: the part of it that begins at this block of it.
    MetadataBitmap {
        /// Which of the plan's.
        which: usize,
        /// Counted from the entry.
        first: u32,
    },
    /// What is written over in place: blocks that the plan holds, from this one on.
    Prepared {
        /// Counted from the first that it holds.
        first: u32,
    },
    /// File data: the part of the data space that begins at this block.
    Data {
        /// A block of the data space.
        first: u32,
    },
}

/// Bytes that have to be fetched before blocks can be rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Where they go, counted from the beginning of the blocks asked for.
    pub at_bytes: u64,
    /// How many.
    pub bytes: u64,
    /// Where they come from.
    pub from: From,
}

/// Where bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// A file of the tree, from this byte on.
    File {
        /// Which.
        inode: InodeId,
        /// First byte.
        offset_bytes: u64,
    },
    /// The volume as it is on the target, from this byte of the device on.
    Volume {
        /// First byte.
        offset_bytes: u64,
        /// Where the volume has the same bytes once more, to tell whether one of the two is damaged.
        mirror: Option<Mirror>,
    },
}

/// The second copy of metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// First byte on the device.
    pub offset_bytes: u64,
    /// The number of the first block in the metadata partition.
    pub first: u32,
}
