//! Changing a volume in place: all that is new goes to free blocks, and one sector decides which tree there is.
//!
//! ```text
//!   1  free blocks           entries, directories, data, file set; bitmap A, which calls nothing free that is taken now
//!   2  integrity             open
//!   3  reserve sequence      bitmap A, the new file set
//!   4  main sequence         bitmap A
//!   5  main sequence         the new file set: from here on there is the new tree
//!   6  where the bitmap was  bitmap B, which calls free what is no longer used
//!   7  reserve sequence      bitmap B
//!   8  main sequence         bitmap B
//!   9  integrity             closed: counts, free blocks, the next unique id
//! ```
//!
//! Between two steps everything is durable. Whatever stops it, a reader finds the old tree or the new one, and whoever writes to
//! the volume finds a bitmap that calls nothing free that either needs. `docs/crash-safety.md` has the proof and the price.

use std::ops::Range;

use udf::file::SpaceBitmapDescriptor;
use udf::general::{LongAd, Tag, TagIdentifier, Timestamp};
use udf::volume::{
    ImplementationUseVolumeDescriptor, IntegrityImplementationUse, IntegrityType, LogicalVolumeDescriptor,
    LogicalVolumeIntegrityDescriptor, PartitionDescriptor, PartitionHeaderDescriptor,
    PrimaryVolumeDescriptor,
};
use udf::{BlockAddress, Sector};
use zerocopy::FromBytes;

use super::base::{Base, BaseInPlace, Recorded};
use super::bitmap::Bitmap;
use super::frame::Frame;
use super::ground::Ground;
use super::heads::Heads;
use super::order::{self, UniqueIds};
use super::outset::{Laid, Outset};
use super::record::developer;
use super::room::{self, Purpose, Room};
use super::space::{Shape, Spaces, Upper};
use super::{AppendSpec, Content, Layout, Plan, Segment, Step};
use crate::error::{Error, Result};
use crate::tree::Tree;

impl Plan {
    /// Plans a change of a volume whose partition can be written to.
    pub(super) fn change_in_place(
        tree: &Tree,
        spec: &AppendSpec,
        base: Base,
        old: &BaseInPlace,
    ) -> Result<Self> {
        let shape = Shape {
            revision: base.revision,
            block_size: base.block_size,
            embed: spec.embed,
            upper: Upper::None,
            rewritable: true,
        };
        let usable = room::without(&old.free, &old.avoided);
        let mut usable = room::whole_units(&usable, base.partition_start.0, old.write_unit_blocks);
        let bitmaps = bitmaps(old, &base, &mut usable)?;
        let end = old.partition_blocks;
        let end_blocks = base.device_blocks.unwrap_or(end.saturating_add(base.partition_start.0));
        let frame = Frame::with_sequences(base.session_start, base.sequences, end_blocks);
        let lay_out = |is_ample| {
            let mut order = order::walk(tree, true)?;
            let (counts, latest) = (base.counts_with(&order), order.latest);
            let further_names = std::mem::take(&mut order.further_names);
            let mut unique_ids = UniqueIds::new(base.next_unique_id);
            let room = Room::new(&usable, base.block_size, is_ample);
            let ground = Ground::Room(room, shape.file_set_blocks());
            let capacity_of = |inode| base.capacity_of(inode, shape);
            let spaces = Spaces::lay_out(tree, order, &mut unique_ids, shape, ground, &capacity_of, None)?;
            unique_ids.give_to(&further_names)?;
            let (data, metadata, written, mirrored) = (0, None, Vec::new(), Vec::new());
            let layout = Layout { data, metadata, written, mirrored, end };
            let laid = Laid { shape, spaces, unique_ids, layout, frame, counts };
            Ok((laid, latest))
        };
        // What is passed over to keep files together may be what the rest would need.
        let (laid, latest) = match lay_out(true) {
            Err(Error::NoSpace { .. }) => lay_out(false)?,
            result => result?,
        };
        let heads = Heads::next(&base, spec)?;
        let outset = Outset::following(base, spec, heads, latest);
        let mut plan = Self { partition_blocks: Some(end), ..Self::begun(tree, outset, laid) };
        let free = plan.free_blocks(old, &bitmaps);
        plan.bitmaps = bitmaps.into_iter().zip(free).map(|(place, free)| Bitmap { place, free }).collect();
        plan.steps_in_place(old);
        Ok(plan)
    }

    /// What is free without what is taken; and with what is released, the first bitmap among that.
    fn free_blocks(&self, old: &BaseInPlace, [first, second]: &[Range<u32>; 2]) -> [Vec<Range<u32>>; 2] {
        let mut taken: Vec<_> = self.taken().map(|(_, run)| run.block..run.block + run.blocks).collect();
        taken.extend([first.clone(), second.clone()]);
        let careful = room::without(&old.free, &room::joined(taken));
        let gone = old.bitmap.iter().filter(|bitmap| *bitmap != second).chain([first]);
        let released = old.released.iter().chain(gone).cloned();
        let presumed = 0..SpaceBitmapDescriptor::blocks(old.partition_blocks, self.block_size());
        let released = room::without(&room::joined(released.collect()), &[presumed]);
        let all = room::joined(careful.iter().cloned().chain(released).collect());
        [careful, all]
    }

    fn taken(&self) -> impl Iterator<Item = (Purpose, super::Run)> + '_ {
        self.spaces.room.iter().flat_map(Room::taken)
    }

    fn steps_in_place(&mut self, old: &BaseInPlace) {
        let mut new: Vec<_> = self
            .taken()
            .map(|(purpose, run)| {
                let content = match purpose {
                    Purpose::Metadata => Content::Metadata { first: run.first },
                    Purpose::Data => Content::Data { first: run.first },
                };
                segment(self.partition_start.0 + run.block, run.blocks, content)
            })
            .collect();
        let mut bitmaps = self.bitmap_segments();
        let is_over_old = old.bitmap.as_ref() == self.bitmaps.last().map(|bitmap| &bitmap.place);
        let over_old = Step { segments: bitmaps.split_off(if is_over_old { 1 } else { 2 }) };
        new.extend(bitmaps);
        new.sort_by_key(|segment| segment.start);
        let header = |which: usize| self.bitmaps[which].header(self.block_size());
        let (careful, all) = (header(0), header(1));
        let reserve = [(&careful, true), (&all, true)]
            .map(|(header, new)| self.sequence_with(&old.reserve, header, new));
        let main = [(&careful, false), (&careful, true), (&all, true)]
            .map(|(header, new)| self.sequence_with(&old.main, header, new));
        let open = self.integrity_with(&old.integrity, IntegrityType::Open, None);
        let free = self.bitmaps[1].free_blocks();
        let closed = self.integrity_with(&old.integrity, IntegrityType::Close, Some(free));
        let mut prepared = Vec::new();
        let mut over = |changes: &[(&Recorded, &[u8], &[u8])]| self.write_over(changes, &mut prepared);
        let (main_at, reserve_at) = (&old.main, &old.reserve);
        let steps = [
            over(&[(&old.integrity, &old.integrity.bytes, &open)]),
            over(&[(reserve_at, &reserve_at.bytes, &reserve[0])]),
            over(&[(main_at, &main_at.bytes, &main[0])]),
            over(&[(main_at, &main[0], &main[1])]),
            over_old,
            over(&[(reserve_at, &reserve[0], &reserve[1])]),
            over(&[(main_at, &main[1], &main[2])]),
            over(&[(&old.integrity, &open, &closed)]),
        ];
        self.steps = std::iter::once(Step { segments: new }).chain(steps).collect();
        self.steps.retain(|step| !step.segments.is_empty());
        self.prepared = prepared;
    }

    /// The segments of those sectors that change, their bytes among what is prepared.
    fn write_over(&self, changes: &[(&Recorded, &[u8], &[u8])], prepared: &mut Vec<u8>) -> Step {
        let len = self.block_size().len();
        let mut segments = Vec::new();
        for (recorded, before, after) in changes {
            let blocks = before.chunks(len).zip(after.chunks(len)).zip(recorded.start.0..);
            for ((_, block), sector) in blocks.filter(|((before, after), _)| before != after) {
                let first = u32::try_from(prepared.len() / len).unwrap_or(u32::MAX);
                prepared.extend_from_slice(block);
                segments.push(segment(sector, 1, Content::Prepared { first }));
            }
        }
        segments.sort_by_key(|segment| segment.start);
        Step { segments }
    }

    /// A volume descriptor sequence that leads to another bitmap, and if `is_new` to the new file set.
    fn sequence_with(&self, old: &Recorded, header: &PartitionHeaderDescriptor, is_new: bool) -> Vec<u8> {
        let mut bytes = old.bytes.clone();
        for block in bytes.chunks_mut(self.block_size().len()) {
            let Some(kind) = Tag::read(block).map(|tag| tag.kind()) else { continue };
            match kind {
                TagIdentifier::TERMINATING => break,
                TagIdentifier::PARTITION => {
                    let Ok((partition, _)) = PartitionDescriptor::mut_from_prefix(block) else { continue };
                    if partition.partition_number.get() == self.partition_number {
                        partition.partition_contents_use = *header;
                    }
                }
                TagIdentifier::LOGICAL_VOLUME if is_new => {
                    let Ok((logical, _)) = LogicalVolumeDescriptor::mut_from_prefix(block) else { continue };
                    let bytes = self.block_size().bytes() * self.shape.file_set_blocks();
                    let file_set = BlockAddress::new(0, self.file_set_number());
                    logical.logical_volume_contents_use = LongAd::icb(bytes, file_set, 0);
                    logical.logical_volume_identifier = self.heads.label;
                }
                TagIdentifier::PRIMARY_VOLUME if is_new && self.heads.relabelled => {
                    let Ok((primary, _)) = PrimaryVolumeDescriptor::mut_from_prefix(block) else { continue };
                    primary.volume_identifier = self.heads.primary.volume_identifier;
                }
                TagIdentifier::IMPLEMENTATION_USE_VOLUME if is_new && self.heads.relabelled => {
                    let Ok((of, _)) = ImplementationUseVolumeDescriptor::mut_from_prefix(block) else {
                        continue;
                    };
                    of.logical_volume_identifier = self.heads.label;
                }
                _ => continue,
            }
            Tag::reseal(block);
        }
        bytes
    }

    /// The integrity descriptor, open or closed, and if that is known with so many free blocks and all that goes with them.
    fn integrity_with(&self, old: &Recorded, kind: IntegrityType, free: Option<u32>) -> Vec<u8> {
        let mut bytes = old.bytes.clone();
        let Ok((fixed, tail)) = LogicalVolumeIntegrityDescriptor::mut_from_prefix(&mut bytes) else {
            return bytes;
        };
        fixed.integrity_type = u32::from(kind == IntegrityType::Close).into();
        fixed.recording_date_and_time = Timestamp::new(self.recorded, self.zone_minutes);
        let partitions = fixed.number_of_partitions.get() as usize;
        if let Some(free) = free {
            fixed.unique_id = self.unique_ids.next.into();
            if let Some(count) = tail.get_mut(..4).filter(|_| partitions > 0) {
                count.copy_from_slice(&free.to_le_bytes());
            }
        }
        let of_udf = tail.get_mut(partitions.saturating_mul(8)..).unwrap_or_default();
        if let Ok((information, _)) = IntegrityImplementationUse::mut_from_prefix(of_udf) {
            information.implementation_id = developer();
            if free.is_some() {
                information.number_of_files = self.files.into();
                information.number_of_directories = self.directories.into();
            }
        }
        Tag::reseal(&mut bytes);
        bytes
    }
}

/// Where the two bitmaps go. The second is written over the old one, which nothing leads to by then, if that is alone in its
/// write units; else it gets units of its own, where the next change finds it.
fn bitmaps(old: &BaseInPlace, base: &Base, usable: &mut [Range<u32>]) -> Result<[Range<u32>; 2]> {
    let least = SpaceBitmapDescriptor::blocks(old.partition_blocks, base.block_size);
    let unit = old.write_unit_blocks.max(1);
    let needed = least.checked_next_multiple_of(unit).unwrap_or(least);
    let is_alone = |range: &Range<u32>| {
        let begins_unit = |block: u32| (base.partition_start.0.saturating_add(block)).is_multiple_of(unit);
        range.end - range.start >= least && begins_unit(range.start) && begins_unit(range.end)
    };
    let mut fresh = || -> Result<Range<u32>> {
        let first = room::take_best(usable, needed).ok_or_else(|| Error::NoSpace {
            needed_bytes: base.block_size.bytes_in(needed),
            available_bytes: usable.iter().map(|run| base.block_size.bytes_in(run.end - run.start)).sum(),
        })?;
        Ok(first..first + needed)
    };
    let first = fresh()?;
    let second = match old.bitmap.clone().filter(is_alone) {
        Some(old) => old,
        None => fresh()?,
    };
    Ok([first, second])
}

fn segment(start: u32, blocks: u32, content: Content) -> Segment {
    Segment { start: Sector(start), blocks, twin: None, content }
}
