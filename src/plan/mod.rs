//! Where everything goes: pure arithmetic over a tree and a specification, or over a tree and the previous session.
//!
//! Everything that can be known before the first byte is read or written is known here: every extent, every unique id, the
//! exact size. No file is opened, no clock is asked, no thread started; same input, same plan.

mod attempt;
pub mod base;
mod bitmap;
mod extents;
pub mod frame;
mod ground;
mod heads;
mod in_place;
mod layout;
mod logical;
mod metadata_in_place;
mod order;
mod outset;
mod pseudo_overwrite;
pub mod record;
mod rewritable;
mod room;
mod segment;
mod sequential;
mod space;
mod sparable;
mod spec;
mod table;

use std::collections::BTreeMap;
use std::fmt;

use udf::general::{Moment, Seal};
use udf::{BlockSize, Revision, Sector};

pub use base::{Base, BaseInPlace, BaseMetadata, BaseTable, KeptEntry, Recorded, Run};
pub use extents::{Piece, Stretch, pieces, stretches};
pub use frame::Frame;
pub(crate) use heads::Heads;
pub use layout::{Layout, MetadataFile};
pub use metadata_in_place::MetadataInPlace;
pub use order::Owner;
pub(crate) use order::UniqueIds;
pub use room::Room;
pub(crate) use room::{joined, without};
pub use segment::{Content, Fetch, From, Mirror, Segment, Step};
pub use sequential::SequentialTarget;
pub use space::{Chain, DirectoryBody, MARK_EVERY, NOWHERE, Place, Shape, Spaces, Upper, is_embedded};
pub(crate) use sparable::{SPACE_FILE_ID, Sparing};
pub use spec::{Identifiers, Spec, Uuid};
pub(crate) use table::{EXTENSION_LEN, Extension, Table};

use crate::error::{Error, Result};
use crate::tree::{InodeId, NodeId, Tree};
pub(crate) use bitmap::{Bitmap, head as bitmap_head};
use ground::Ground;
use order::FIRST_UNIQUE_ID;
use outset::{Laid, Outset};
use rewritable::Ample;

/// What is asked of a further session, beside its tree.
#[derive(Clone, Debug)]
pub struct AppendSpec {
    /// The time of recording.
    pub now: Moment,
    /// The zone in which new times are recorded, in minutes east of UTC.
    pub zone_minutes: i16,
    /// A new label.
    pub label: Option<String>,
    /// Small bodies are recorded inside their file entries.
    pub embed: bool,
}

/// A volume, or a further session of one, worked out to the last block.
#[derive(Debug)]
pub struct Plan {
    pub(crate) shape: Shape,
    pub(crate) zone_minutes: i16,
    pub(crate) now: Moment,
    pub(crate) seal: Seal,
    pub(crate) heads: Heads,
    pub(crate) spaces: Spaces,
    pub(crate) layout: Layout,
    pub(crate) frame: Frame,
    pub(crate) partition_start: Sector,
    pub(crate) partition_number: u16,
    /// Where in the metadata space the file set is recorded; nowhere if it stays as it is.
    pub(crate) file_set_block: u32,
    /// The virtual allocation table, if there is one.
    pub(crate) table: Option<Table>,
    /// Blocks of the partition; without it, the partition ends where the trailer begins.
    pub(crate) partition_blocks: Option<u32>,
    pub(crate) root_entry: u32,
    pub(crate) unique_ids: UniqueIds,
    pub(crate) patches: BTreeMap<u32, InodeId>,
    pub(crate) base: Option<Base>,
    pub(crate) recorded: Moment,
    pub(crate) files: u32,
    pub(crate) directories: u32,
    pub(crate) data_bytes: u64,
    /// Bitmaps of free space, if the volume can be changed in place: the last is the one that stays.
    pub(crate) bitmaps: Vec<Bitmap>,
    /// The same of the metadata partition.
    pub(crate) metadata_bitmaps: Vec<Bitmap>,
    /// Where a new sparable volume has spare packets and sparing tables.
    pub(crate) sparing: Option<Sparing>,
    /// Blocks that are ready to be written.
    pub(crate) prepared: Vec<u8>,
    steps: Vec<Step>,
    end_blocks: u32,
}

impl Plan {
    /// Plans a new volume.
    pub fn create(tree: &Tree, spec: &Spec) -> Result<Self> {
        Self::create_at(tree, spec, None)
    }

    /// A new volume at the beginning of its medium, or where a medium goes on that is written one sector after the other.
    fn create_at(tree: &Tree, spec: &Spec, target: Option<&SequentialTarget>) -> Result<Self> {
        let rules = spec.revision.rules();
        let sparing = Sparing::of(spec)?;
        let shape = Shape {
            revision: spec.revision,
            block_size: spec.block_size,
            embed: spec.embed,
            upper: if rules.metadata_partition { Upper::Metadata } else { Upper::None },
            rewritable: spec.rewritable_blocks.is_some(),
            space_file: sparing.is_some() && !rules.streams,
        };
        sparable::unless_taken(tree, shape)?;
        let ample = Ample::of(spec, sparing.as_ref())?;
        // A metadata partition has numbers of its own.
        let first = ample.filter(|_| !rules.metadata_partition).map_or(0, |ample| ample.bitmap_blocks);
        let mut order = order::walk(tree, true)?;
        let own_files = u32::from(shape.space_file);
        let (counts, latest) = ((order.fresh_files + own_files, order.fresh_directories), order.latest);
        let further_names = std::mem::take(&mut order.further_names);
        let mut unique_ids = UniqueIds::new(FIRST_UNIQUE_ID + u64::from(own_files));
        let kept = |_| Ok(0);
        let spaces = Spaces::lay_out(
            tree,
            order,
            &mut unique_ids,
            shape,
            Ground::Open(first, shape.file_set_blocks() + sparing.map_or(0, |_| sparable::own_blocks(shape))),
            &kept,
            None,
        )?;
        unique_ids.give_to(&further_names)?;
        let mut layout = match ample.filter(|_| rules.metadata_partition) {
            Some(ample) => ample.metadata_file(&spaces, spec)?,
            None if rules.metadata_partition => {
                layout::metadata_file(&spaces, spec.redundant_metadata, spec.block_size)?
            }
            None => layout::physical(&spaces, first, spec.block_size)?,
        };
        let bitmap = ample.map(|ample| ample.fill(tree, &spaces, &mut layout, spec)).transpose()?;
        let metadata_bitmap =
            ample.and_then(|ample| ample.metadata_bitmap(&spaces, &layout, spec.block_size));
        let partition_start = target.map_or(Ok(frame::PARTITION_START), SequentialTarget::partition_start)?;
        let slot = frame::reserve_slots(spec.block_size).next();
        let frame = match &sparing {
            Some(sparing) => Frame::after(sparing.end(), slot).ok_or_else(|| too_large(sparing.end()))?,
            None => frame_of(&layout, partition_start, slot, target)?,
        };
        let partition_blocks =
            target.map(|_| layout.end).or(sparing.map(|sparing| sparing.partition_blocks()));
        let outset = Outset::of_new_volume(spec, Heads::new(spec)?, partition_start, latest);
        let laid = Laid { shape, spaces, unique_ids, layout, frame, counts };
        let bitmaps = Vec::from_iter(bitmap);
        let metadata_bitmaps = Vec::from_iter(metadata_bitmap);
        let begun = Self::begun(tree, outset, laid);
        let mut plan = Self { partition_blocks, bitmaps, metadata_bitmaps, sparing, ..begun };
        match target {
            Some(target) => plan.steps_of_sequential_session(target)?,
            None => plan.steps_of_new_volume(spec.device_blocks)?,
        }
        Ok(plan)
    }

    /// Blocks from the first of the medium to the last of the volume, without those that it says are free.
    #[must_use]
    pub fn used_blocks(&self) -> u32 {
        self.end_blocks - self.bitmaps.last().map_or(0, Bitmap::free_blocks)
    }

    /// Plans a further session on top of `base`.
    pub fn append(tree: &Tree, spec: &AppendSpec, mut base: Base) -> Result<Self> {
        if let Some(old) = base.in_place.take() {
            return Self::change_in_place(tree, spec, base, &old);
        }
        if base.table.is_some() {
            return Self::append_to_table(tree, spec, base);
        }
        let shape = Shape {
            revision: base.revision,
            block_size: base.block_size,
            embed: spec.embed,
            upper: if base.metadata.is_some() { Upper::Metadata } else { Upper::None },
            rewritable: false,
            space_file: false,
        };
        let moves = base.metadata.is_none();
        let mut order = order::walk(tree, moves)?;
        let (counts, latest) = (base.counts_with(&order), order.latest);
        if !moves {
            order.changed.extend(&base.relinked);
        }
        let changed = order.changed.clone();
        let further_names = std::mem::take(&mut order.further_names);
        let mut unique_ids = UniqueIds::new(base.next_unique_id);
        let target = base.sequential;
        let free_start = target.map_or(Ok(base.free_start), |target| target.content_start())?;
        let first = free_start
            .checked_sub(base.partition_start.0)
            .map(|block| block.next_multiple_of(frame::CLUSTER_BLOCKS));
        let first =
            first.ok_or_else(|| Error::Options(String::from("the free space lies before the partition")))?;
        let capacity_of = |inode| base.capacity_of(inode, shape);
        let relabelled = spec.label.as_ref().is_some_and(|label| *label != base.label);
        let (spaces, layout, file_set_block) = if let Some(metadata) = &base.metadata {
            let old = metadata.main.last().map_or(0, |run| run.first + run.blocks);
            let spaces = Spaces::lay_out(
                tree,
                order,
                &mut unique_ids,
                shape,
                Ground::Open(old, 0),
                &capacity_of,
                None,
            )?;
            let patch = layout::Changes { entries: &changed, file_set: relabelled };
            let layout =
                layout::grown_metadata_file(tree, &spaces, &patch, metadata, first, base.block_size)?;
            (spaces, layout, metadata.file_set_block)
        } else {
            let spaces = Spaces::lay_out(
                tree,
                order,
                &mut unique_ids,
                shape,
                Ground::Open(first, shape.file_set_blocks()),
                &capacity_of,
                None,
            )?;
            let layout = layout::physical(&spaces, first, base.block_size)?;
            (spaces, layout, first)
        };
        unique_ids.give_to(&further_names)?;
        let frame = frame_of(&layout, base.partition_start, base.reserve_slot, target.as_ref())?;
        let patches =
            changed.iter().filter_map(|id| Some((tree.inode(*id).kept?.icb.block.0, *id))).collect();
        let partition_blocks = target.map(|_| layout.end);
        let heads = Heads::next(&base, spec)?;
        let outset = Outset::following(base, spec, heads, latest);
        let laid = Laid { shape, spaces, unique_ids, layout, frame, counts };
        let mut plan = Self { file_set_block, partition_blocks, patches, ..Self::begun(tree, outset, laid) };
        match &target {
            Some(target) => plan.steps_of_sequential_session(target)?,
            None => plan.steps_of_session()?,
        }
        Ok(plan)
    }

    /// The segments in the partition.
    fn partition_segments(&self) -> Vec<Segment> {
        let sector = |block: u32| Sector(self.partition_start.0 + block);
        let one = |start, blocks, content| Segment { start, blocks, twin: None, content };
        let mut segments = Vec::new();
        for (index, run) in self.layout.written.iter().enumerate() {
            let twin = self.layout.mirrored.get(index).map(|run| sector(run.block));
            let content = Content::Metadata { first: run.first };
            segments.push(Segment { twin, ..one(sector(run.block), run.blocks, content) });
        }
        for run in &self.layout.mirrored {
            segments.push(one(sector(run.block), run.blocks, Content::Metadata { first: run.first }));
        }
        if let Some(file) = &self.layout.metadata {
            segments.push(one(sector(file.main_entry), 1, Content::MetadataEntry { mirror: false }));
            segments.push(one(sector(file.mirror_entry), 1, Content::MetadataEntry { mirror: true }));
        }
        segments.push(one(sector(self.layout.data), self.spaces.data_blocks, Content::Data { first: 0 }));
        segments.extend(self.bitmap_segments());
        segments
    }

    /// A new image is one ascending step. On a device, where an old volume may be, the anchors come when all else is durable, and
    /// nothing is written where much of a partition is free.
    fn steps_of_new_volume(&mut self, device_blocks: Option<u32>) -> Result<()> {
        let mut segments = self.frame.head(self.shape.block_size);
        segments.extend(self.partition_segments());
        segments.extend(self.frame.trailer(self.shape.block_size));
        segments.extend(self.sparing.iter().flat_map(Sparing::segments));
        if let Some(blocks) = device_blocks {
            self.check_fits(blocks)?;
            let mut tiled = frame::tile(segments, 0, self.end_blocks);
            cut_out(&mut tiled, frame::first_anchor());
            self.free_segments().for_each(|free| cut_out(&mut tiled, free));
            let anchors = [frame::first_anchor()].into_iter().chain(self.anchors_at_end(blocks));
            self.steps = vec![Step { segments: tiled }, Step { segments: anchors.collect() }];
        } else {
            segments.push(frame::first_anchor());
            self.steps = vec![Step { segments: frame::tile(segments, 0, self.end_blocks) }];
        }
        Ok(())
    }

    /// First the whole session, in space that nobody uses; then the anchors at a device's end; last the one at 256, which is
    /// the moment at which the new session takes over.
    fn steps_of_session(&mut self) -> Result<()> {
        let Some(base) = &self.base else { return Ok(()) };
        let mut segments = self.partition_segments();
        segments.extend(self.frame.trailer(self.shape.block_size));
        let mut session = frame::tile(segments, base.free_start, self.end_blocks);
        if self.frame.reserve < self.frame.start {
            let blocks = Frame::sequence_blocks();
            session.insert(
                0,
                Segment { start: self.frame.reserve, blocks, twin: None, content: Content::Sequence },
            );
        }
        self.steps = vec![Step { segments: session }];
        if let Some(blocks) = base.device_blocks {
            self.check_fits(blocks)?;
            let backup: Vec<_> = self.anchors_at_end(blocks).collect();
            self.steps.push(Step { segments: backup });
        }
        self.steps.push(Step { segments: vec![frame::first_anchor()] });
        self.steps.retain(|step| !step.segments.is_empty());
        Ok(())
    }

    fn check_fits(&self, device_blocks: u32) -> Result<()> {
        let size = self.shape.block_size;
        // The device's own last anchors must not fall into the session.
        let needed = u64::from(self.end_blocks);
        if needed <= u64::from(device_blocks) {
            return Ok(());
        }
        Err(Error::NoSpace {
            needed_bytes: needed * u64::from(size.bytes()),
            available_bytes: size.bytes_in(device_blocks),
        })
    }

    /// Anchors at the last block of a device and 256 before it, as far as they lie behind the session (ECMA-167 3/8.4.2.1).
    fn anchors_at_end(&self, device_blocks: u32) -> impl Iterator<Item = Segment> + use<> {
        let (last, end) = (device_blocks - 1, self.end_blocks);
        [last.saturating_sub(udf::volume::ANCHOR_SECTOR), last]
            .into_iter()
            .filter(move |at| *at >= end)
            .map(|at| Segment { start: Sector(at), ..frame::first_anchor() })
    }

    /// The size of a block.
    #[must_use]
    pub fn block_size(&self) -> BlockSize {
        self.shape.block_size
    }

    /// The revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.shape.revision
    }

    /// What is written, step by step.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Blocks from sector 0 to the volume's end.
    #[must_use]
    pub fn end_blocks(&self) -> u32 {
        self.end_blocks
    }

    /// The size of the volume in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.block_size().bytes_in(self.end_blocks)
    }

    /// Names of files and number of directories on the volume, as its integrity descriptor counts them.
    #[must_use]
    pub fn counts(&self) -> (u32, u32) {
        (self.files, self.directories)
    }

    /// Bytes that are written.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        let blocks =
            self.steps.iter().flat_map(|step| &step.segments).map(|segment| u64::from(segment.blocks));
        blocks.sum::<u64>() * u64::from(self.block_size().bytes())
    }

    /// Files that have blocks of their own among those that are written: first sector and number of blocks, in their order; a
    /// file in several pieces, once for each.
    pub fn files<'a>(&'a self, tree: &'a Tree) -> impl Iterator<Item = (InodeId, Sector, u32)> + 'a {
        let size = self.block_size();
        self.spaces.files.iter().flat_map(move |inode| {
            let block = self.spaces.places[inode.0 as usize].body;
            let blocks = self.spaces.body_blocks(tree, *inode, size);
            let runs = self.spaces.data_runs(self.layout.data, block, blocks);
            runs.into_iter().map(|run| (*inode, Sector(self.partition_start.0 + run.block), run.blocks))
        })
    }

    /// The directory with a body of its own that begins at or before `block` of the metadata space, and its index.
    pub(crate) fn body_before(&self, block: u32) -> usize {
        self.spaces.bodies.partition_point(|body| body.first <= block).saturating_sub(1)
    }

    /// The low half of the unique id beside a name, and the characteristics it had in an earlier session.
    pub(crate) fn name_facts(&self, tree: &Tree, node: NodeId) -> (u32, u8) {
        let inode = tree.node(node).inode;
        let Some(kept) = tree.inode(inode).kept else {
            let further = self.unique_ids.of_further_name(node);
            return (further.unwrap_or_else(|| self.spaces.places[inode.0 as usize].unique_id), 0);
        };
        let further = self.base.as_ref().and_then(|base| base.further_names.get(&node)).copied();
        further.unwrap_or((kept.unique_id, kept.characteristics))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, directories) = self.counts();
        writeln!(f, "UDF {} with blocks of {} bytes", self.revision(), self.block_size())?;
        writeln!(f, "{files} files and {directories} directories, {} bytes of data new", self.data_bytes)?;
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(f, "step {number}:")?;
            for Segment { start, blocks, content, .. } in &step.segments {
                writeln!(f, "  {:>10} {blocks:>10}  {content:?}", start.0)?;
            }
        }
        write!(f, "{} blocks, {} bytes", self.end_blocks, self.size_bytes())
    }
}

/// The frame around or behind what is in the partition.
fn frame_of(
    layout: &Layout,
    partition_start: Sector,
    slot: Option<Sector>,
    target: Option<&SequentialTarget>,
) -> Result<Frame> {
    let end = space::add_blocks(partition_start.0, u64::from(layout.end))?;
    if let Some(target) = target {
        return Frame::around(target.next_writable, end, target.write_unit_blocks);
    }
    Frame::after(end, slot).ok_or_else(|| too_large(end))
}

fn too_large(end: u32) -> Error {
    let value = u64::from(end) + u64::from(frame::TRAILER_BLOCKS);
    Error::Limit { what: "blocks of the volume", value, limit: u64::from(u32::MAX) - 1 }
}

fn data_bytes(tree: &Tree, spaces: &Spaces) -> u64 {
    spaces.entries.iter().map(|inode| tree.size_bytes(*inode)).sum()
}

/// Takes the blocks of `gap` out of the segment of zeros that they lie in, if there is one.
fn cut_out(segments: &mut Vec<Segment>, gap: Segment) {
    let covers = |s: &Segment| s.start <= gap.start && gap.start.0 + gap.blocks <= s.start.0 + s.blocks;
    let Some(index) = segments.iter().position(|s| s.content == Content::Zeros && covers(s)) else { return };
    let whole = segments[index];
    let before = Segment { blocks: gap.start.0 - whole.start.0, ..whole };
    let after = Segment {
        start: Sector(gap.start.0 + gap.blocks),
        blocks: whole.blocks - before.blocks - gap.blocks,
        ..whole
    };
    segments.splice(index..=index, [before, after].into_iter().filter(|segment| segment.blocks > 0));
}
