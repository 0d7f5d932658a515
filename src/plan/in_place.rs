//! Changing a volume in place: all that is new goes to free blocks, and one sector decides which tree there is.
//!
//! ```text
//!   1  free blocks           entries, directories, data, file set; bitmap A, which calls nothing free that is taken now;
//!                            of a metadata partition, its own bitmap A, and its files if it grows
//!   2  integrity             open
//!   3  reserve sequence      bitmap A, the new file set
//!   4  main sequence         bitmap A of the partition
//!   5  main sequence         the new file set, and all that is new of a metadata partition: from here on there is the new tree
//!   6  where the bitmap was  bitmap B, which calls free what is no longer used
//!   7  reserve sequence      bitmap B
//!   8  main sequence         bitmap B, first that of a metadata partition, then that of the partition
//!   9  integrity             closed: counts, free blocks, the next unique id
//! ```
//!
//! Before them all, where a change broke off (`--force`), the reserve sequence is made the same as the main one. In pseudo-overwrite
//! there are no bitmaps, and data are a step of their own.
//!
//! Between two steps everything is durable. Whatever stops it, a reader finds the old tree or the new one, and whoever writes to
//! the volume finds a bitmap that calls nothing free that either needs. `docs/crash-safety.md` has the proof and the price.

use std::ops::Range;

use udf::file::SpaceBitmapDescriptor;
use udf::general::{LongAd, Tag, TagIdentifier, Timestamp};
use udf::partition::MetadataPartitionMap;
use udf::volume::{
    ImplementationUseVolumeDescriptor, IntegrityImplementationUse, IntegrityType, LogicalVolumeDescriptor,
    LogicalVolumeIntegrityDescriptor, PartitionDescriptor, PrimaryVolumeDescriptor,
};
use udf::{BlockAddress, Place, Sector};
use zerocopy::FromBytes;

use super::attempt::{Bitmaps, Found, find_room};
use super::base::{Base, BaseInPlace, Recorded};
use super::bitmap::Bitmap;
use super::heads::Heads;
use super::layout::MetadataFile;
use super::outset::Outset;
use super::record::developer;
use super::room::{self, Purpose};
use super::{AppendSpec, Content, Plan, Segment, Step, pseudo_overwrite};
use crate::error::Result;
use crate::tree::Tree;

impl Plan {
    /// Plans a change of a volume whose partition can be written to.
    pub(super) fn change_in_place(
        tree: &Tree,
        spec: &AppendSpec,
        base: Base,
        old: &BaseInPlace,
    ) -> Result<Self> {
        let Found { laid, latest, bitmaps, metadata_bitmaps } = find_room(tree, spec, &base, old)?;
        let heads = Heads::next(&base, spec)?;
        let outset = Outset::following(base, spec, heads, latest);
        let partition_blocks = Some(old.partition_blocks);
        let mut plan = Self { partition_blocks, ..Self::begun(tree, outset, laid) };
        let with = |places: Bitmaps, free: [Vec<Range<u32>>; 2]| {
            places.into_iter().zip(free).map(|(place, free)| Bitmap { place, free }).collect()
        };
        let free = plan.free_blocks(old, &bitmaps, metadata_bitmaps.as_ref());
        plan.bitmaps = with(bitmaps, free);
        if let Some(places) = metadata_bitmaps {
            let free = plan.free_metadata_blocks(old);
            plan.metadata_bitmaps = with(places, free);
        }
        plan.steps_in_place(old);
        pseudo_overwrite::unless_full(&plan, old)?;
        Ok(plan)
    }

    /// What is free without what is taken; and with what is released, the first bitmap among that.
    fn free_blocks(
        &self,
        old: &BaseInPlace,
        [first, second]: &Bitmaps,
        of_metadata: Option<&Bitmaps>,
    ) -> [Vec<Range<u32>>; 2] {
        let mut taken: Vec<_> = self.taken().map(|(_, run)| run.place()).collect();
        taken.extend([first.clone(), second.clone()]);
        let mut gone: Vec<_> = old.bitmap.iter().filter(|bitmap| *bitmap != second).cloned().collect();
        gone.push(first.clone());
        if let (Some(old), Some([first, second])) = (&old.metadata, of_metadata) {
            taken.extend([first.clone(), second.clone()]);
            gone.extend(room::without(&old.bitmap, std::slice::from_ref(second)));
            gone.push(first.clone());
            if let Some(file) = self.grown(Some(old)) {
                let one = |block: u32| block..block + 1;
                taken.extend([file.main_entry, file.mirror_entry].map(one));
                taken.extend(file.extents_from(old.blocks()));
                gone.extend([old.main_entry, old.mirror_entry].map(one));
                gone.extend(old.chains.iter().cloned());
            }
        }
        let careful = room::without(&old.free, &room::joined(taken));
        if old.pseudo_overwrite {
            // Room between files is not used again: the medium goes on behind the last.
            return [careful.clone(), careful];
        }
        let released = old.released.iter().cloned().chain(gone);
        let presumed = 0..SpaceBitmapDescriptor::blocks(old.partition_blocks, self.block_size());
        let released = room::without(&room::joined(released.collect()), &[presumed]);
        let all = room::joined(careful.iter().cloned().chain(released).collect());
        [careful, all]
    }

    /// The same of the metadata partition.
    fn free_metadata_blocks(&self, old: &BaseInPlace) -> [Vec<Range<u32>>; 2] {
        let (Some(old), Some(file)) = (&old.metadata, &self.layout.metadata) else {
            return Default::default();
        };
        let further = old.blocks()..file.blocks;
        let free = room::joined(old.free.iter().cloned().chain([further]).collect());
        let taken = self.taken_of_metadata().map(|run| run.place()).collect();
        let careful = room::without(&free, &room::joined(taken));
        let all = room::joined(careful.iter().chain(&old.released).cloned().collect());
        [careful, all]
    }

    /// The metadata file, if it is another one now.
    fn grown(&self, old: Option<&super::MetadataInPlace>) -> Option<&MetadataFile> {
        self.layout.metadata.as_ref().filter(|file| old.is_some_and(|old| old.main_entry != file.main_entry))
    }

    fn taken(&self) -> impl Iterator<Item = (Purpose, super::Run)> + '_ {
        self.spaces.rooms.iter().flat_map(|rooms| rooms.partition.taken())
    }

    fn taken_of_metadata(&self) -> impl Iterator<Item = super::Run> + '_ {
        let metadata = self.spaces.rooms.iter().filter_map(|rooms| rooms.metadata.as_ref());
        metadata.flat_map(|room| room.taken().map(|(_, run)| run))
    }

    /// The segments of what is new, bitmaps aside.
    fn new_segments(&self, old: &BaseInPlace) -> Vec<Segment> {
        let at = |block: u32| self.partition_start.0 + block;
        let mut new: Vec<_> = self
            .taken()
            .map(|(purpose, run)| {
                let content = match purpose {
                    Purpose::Metadata => Content::Metadata { first: run.first },
                    Purpose::Data => Content::Data { first: run.first },
                };
                segment(at(run.block), run.blocks, content)
            })
            .collect();
        if let Some(file) = &self.layout.metadata {
            for run in self.taken_of_metadata() {
                new.extend(file.segments(&run.place(), run.first, self.partition_start.0));
            }
        }
        if let Some(file) = self.grown(old.metadata.as_ref()) {
            let entry = |block, mirror| segment(at(block), 1, Content::MetadataEntry { mirror });
            new.extend([entry(file.main_entry, false), entry(file.mirror_entry, true)]);
        }
        new
    }

    fn steps_in_place(&mut self, old: &BaseInPlace) {
        let mut new = self.new_segments(old);
        let old_entry = old.metadata.as_ref().map(|metadata| metadata.bitmap_entry);
        // A second bitmap over the old one waits until nothing leads to that any more.
        let is_over_old = |segment: &Segment| {
            let block = segment.start.0 - self.partition_start.0;
            match segment.content {
                Content::Bitmap { .. } => old.bitmap.as_ref().is_some_and(|old| old.start == block),
                _ => old_entry == Some(block),
            }
        };
        let (over_old, bitmaps) = self.bitmap_segments().into_iter().partition(is_over_old);
        let mut over_old = Step { segments: over_old };
        over_old.segments.sort_by_key(|segment| segment.start);
        new.extend::<Vec<_>>(bitmaps);
        new.sort_by_key(|segment| segment.start);
        // Where a change broke off, the reserve sequence may lead to what is written over now.
        let followed = old.is_open.then(|| self.moved(&old.main, &old.reserve)).flatten();
        let followed = followed.unwrap_or_else(|| old.reserve.bytes.clone());
        let reserve = [(0, 0), (1, 1)]
            .map(|(which, of_metadata)| self.sequence_with(&followed, which, Some(of_metadata)));
        // A bitmap of the partition calls nothing free that anything leads to, not even another bitmap.
        let main = [(0, None), (0, Some(0)), (0, Some(1)), (1, Some(1))]
            .map(|(which, of_metadata)| self.sequence_with(&old.main.bytes, which, of_metadata));
        let open = self.integrity_with(&old.integrity, IntegrityType::Open);
        let closed = self.integrity_with(&old.integrity, IntegrityType::Close);
        let mut prepared = Vec::new();
        let mut over = |changes: &[(&Recorded, &[u8], &[u8])]| self.write_over(changes, &mut prepared);
        let (main_at, reserve_at) = (&old.main, &old.reserve);
        let follow = over(&[(reserve_at, &reserve_at.bytes, &followed)]);
        let steps = [
            over(&[(&old.integrity, &old.integrity.bytes, &open)]),
            over(&[(reserve_at, &followed, &reserve[0])]),
            over(&[(main_at, &main_at.bytes, &main[0])]),
            over(&[(main_at, &main[0], &main[1])]),
            over_old,
            over(&[(reserve_at, &reserve[0], &reserve[1])]),
            over(&[(main_at, &main[1], &main[2])]),
            over(&[(main_at, &main[2], &main[3])]),
            over(&[(&old.integrity, &open, &closed)]),
        ];
        self.steps = pseudo_overwrite::steps(new, old, follow);
        self.steps.extend(steps);
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

    /// What one sequence holds, as it is recorded where the other lies; `None` if it does not fit there.
    fn moved(&self, from: &Recorded, to: &Recorded) -> Option<Vec<u8>> {
        let mut bytes = from.bytes.clone();
        for (block, sector) in bytes.chunks_mut(self.block_size().len()).zip(to.start.0..) {
            let kind = Tag::read(block)?.kind();
            if Tag::check_any_location(block, kind, "volume descriptor", Place::Within).is_ok() {
                Tag::mut_from_prefix(block).ok()?.0.location = sector.into();
                Tag::reseal(block);
            }
        }
        (bytes.len() == to.bytes.len()).then_some(bytes)
    }

    /// A volume descriptor sequence that leads to this of the new bitmaps; to the new file set, if it leads to a bitmap of the
    /// metadata partition, which there need not be, as it is then.
    fn sequence_with(&self, old: &[u8], which: usize, of_metadata: Option<usize>) -> Vec<u8> {
        let is_new = of_metadata.is_some();
        let header = self.bitmaps[which].header(self.block_size());
        let mut bytes = old.to_vec();
        for block in bytes.chunks_mut(self.block_size().len()) {
            let Some(kind) = Tag::read(block).map(|tag| tag.kind()) else { continue };
            // A seal that does not hold is not made to.
            if Tag::check_any_location(block, kind, "volume descriptor", Place::Within).is_err() {
                continue;
            }
            match kind {
                TagIdentifier::TERMINATING => break,
                TagIdentifier::PARTITION => {
                    let Ok((partition, _)) = PartitionDescriptor::mut_from_prefix(block) else { continue };
                    if partition.partition_number.get() == self.partition_number {
                        partition.partition_contents_use = header;
                    }
                }
                TagIdentifier::LOGICAL_VOLUME if let Some(of_metadata) = of_metadata => {
                    let Ok((logical, maps)) = LogicalVolumeDescriptor::mut_from_prefix(block) else {
                        continue;
                    };
                    self.lead_to_metadata(of_metadata, maps);
                    let bytes = self.block_size().bytes() * self.shape.file_set_blocks();
                    let file_set = BlockAddress::new(self.metadata_reference(), self.file_set_number());
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

    /// The map of the metadata partition, which is the second one, leads to the metadata file as it is now, and to a bitmap of it.
    fn lead_to_metadata(&self, which: usize, maps: &mut [u8]) {
        let (Some(file), Some(bitmap)) = (&self.layout.metadata, self.metadata_bitmaps.get(which)) else {
            return;
        };
        let first_map_len = maps.get(1).copied().unwrap_or(0);
        let second = maps.get_mut(usize::from(first_map_len)..).unwrap_or_default();
        if let Ok((map, _)) = MetadataPartitionMap::mut_from_prefix(second) {
            map.metadata_file_location = file.main_entry.into();
            map.metadata_mirror_file_location = file.mirror_entry.into();
            map.metadata_bitmap_file_location = bitmap.file_location().into();
        }
    }

    /// The integrity descriptor: marked as open, or closed with counts and all that goes with them.
    fn integrity_with(&self, old: &Recorded, kind: IntegrityType) -> Vec<u8> {
        let mut bytes = old.bytes.clone();
        let Ok((fixed, tail)) = LogicalVolumeIntegrityDescriptor::mut_from_prefix(&mut bytes) else {
            return bytes;
        };
        let is_closed = kind == IntegrityType::Close;
        fixed.integrity_type = u32::from(is_closed).into();
        fixed.recording_date_and_time = Timestamp::new(self.recorded, self.zone_minutes);
        let partitions = fixed.number_of_partitions.get() as usize;
        if is_closed {
            fixed.unique_id = self.unique_ids.next.into();
            let free =
                [&self.bitmaps, &self.metadata_bitmaps].into_iter().filter_map(|bitmaps| bitmaps.last());
            let free: Vec<_> = free.map(Bitmap::counted_blocks).collect();
            let mut put = |index: usize, value: u32| {
                if let Some(place) = tail.get_mut(4 * index..4 * index + 4) {
                    place.copy_from_slice(&value.to_le_bytes());
                }
            };
            free.iter().take(partitions).enumerate().for_each(|(index, free)| put(index, *free));
            if let Some(file) = self.layout.metadata.as_ref().filter(|_| partitions > 1) {
                put(partitions + 1, file.blocks);
            }
        }
        let of_udf = tail.get_mut(partitions.saturating_mul(8)..).unwrap_or_default();
        if let Ok((information, _)) = IntegrityImplementationUse::mut_from_prefix(of_udf) {
            information.implementation_id = developer();
            if is_closed {
                information.number_of_files = self.files.into();
                information.number_of_directories = self.directories.into();
            }
        }
        Tag::reseal(&mut bytes);
        bytes
    }
}

fn segment(start: u32, blocks: u32, content: Content) -> Segment {
    Segment { start: Sector(start), blocks, twin: None, content }
}
