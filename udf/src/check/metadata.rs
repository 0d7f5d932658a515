//! The files of a metadata partition: main, mirror and bitmap, and whether both copies are the same (R083 to R087).

use alloc::{vec, vec::Vec};

use super::allocation::Body;
use super::context::At;
use super::digest::Digests;
use super::entry::Facts;
use super::files::Files;
use super::layout::is_near;
use super::role::Role;
use crate::general::{ExtentKind, LongAd};
use crate::partition::{MetadataPartitionMap, NO_BITMAP_FILE};
use crate::read::{Extent, MetadataPartition, PartitionKind, ReadAt};
use crate::units::{BlockAddress, PartitionReference};
use crate::volume::AccessType;

/// Blocks of each copy that are compared at once.
const COMPARED_BLOCKS: u32 = 128;
const MAIN: &str = "metadata file";
const MIRROR: &str = "metadata mirror file";
const BITMAP: &str = "metadata bitmap file";

/// The files of one metadata partition, as far as they could be understood.
#[derive(Debug)]
pub(super) struct MetadataFiles {
    pub(super) reference: PartitionReference,
    duplicate: bool,
    main: Option<Facts>,
    mirror: Option<Facts>,
    pub(super) bitmap: Option<Facts>,
}

/// Blocks of the metadata partition that lie in one piece in both copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    first: u32,
    blocks: u32,
    main: BlockAddress,
    mirror: BlockAddress,
}

impl<R: ReadAt> Files<'_, R> {
    /// Checks the files of all metadata partitions, of which there is one at most.
    pub(super) fn metadata_partitions(&mut self) -> Vec<MetadataFiles> {
        let partitions = self.volume.partitions().iter().zip(0_u16..);
        let metadata = partitions.filter_map(|(partition, reference)| match &partition.kind {
            PartitionKind::Metadata(metadata) => {
                Some((PartitionReference(reference), &**metadata, partition.access))
            }
            _ => None,
        });
        let metadata: Vec<_> = metadata.collect();
        metadata
            .into_iter()
            .map(|(reference, metadata, access)| self.metadata_partition(reference, metadata, access))
            .collect()
    }

    fn metadata_partition(
        &mut self,
        reference: PartitionReference,
        metadata: &MetadataPartition,
        access: Option<AccessType>,
    ) -> MetadataFiles {
        let map = &metadata.map;
        let at = |block| BlockAddress::new(metadata.lower.0, block);
        let places = (at(map.metadata_file_location.get()), at(map.metadata_mirror_file_location.get()));
        let main = self.metadata_file(MAIN, places.0, Role::Metadata, map);
        let mirror = self.metadata_file(MIRROR, places.1, Role::MetadataMirror, map);
        let bitmap = match map.metadata_bitmap_file_location.get() {
            NO_BITMAP_FILE => None,
            block => Some(at(block)),
        };
        self.bitmap_is_due(At::new(MAIN, places.0), bitmap.is_some(), access);
        let bitmap = bitmap.and_then(|place| self.metadata_file(BITMAP, place, Role::MetadataBitmap, map));
        let duplicate = map.flags & MetadataPartitionMap::DUPLICATE_METADATA != 0;
        let distance = places.0.block.0.abs_diff(places.1.block.0);
        self.distance(At::new(MIRROR, places.1), "entries", distance);
        let files = MetadataFiles { reference, duplicate, main, mirror, bitmap };
        self.copies(At::new(MIRROR, places.1), &files);
        if files.duplicate && files.main.is_some() && files.mirror.is_some() {
            self.digests = Some(Digests::default());
        }
        files
    }

    fn metadata_file(
        &mut self,
        name: &'static str,
        place: BlockAddress,
        role: Role,
        map: &MetadataPartitionMap,
    ) -> Option<Facts> {
        let at = At::new(name, place);
        let block = self.read_block(at, place)?;
        let icb = LongAd::icb(self.block_size().bytes(), place, 0);
        let facts = self.visit(&icb, &block, role)?;
        if role != Role::MetadataBitmap {
            let unit =
                u64::from(self.block_size().bytes()).saturating_mul(map.allocation_unit_size.get().into());
            let alignment = u32::from(map.alignment_unit_size.get());
            for extent in facts.extents() {
                let Extent { bytes, start, kind } = *extent;
                if bytes.checked_rem(unit) != Some(0) {
                    self.error(84, at, format_args!("an extent of {bytes} bytes in units of {unit}"));
                }
                let aligned = start.block.0.checked_rem(alignment) == Some(0);
                if kind != ExtentKind::Unallocated && !aligned {
                    self.error(84, at, format_args!("an extent at {start}, no multiple of {alignment}"));
                }
            }
        }
        Some(facts)
    }

    fn bitmap_is_due(&mut self, at: At, is_there: bool, access: Option<AccessType>) {
        match access {
            Some(AccessType::Overwritable) if !is_there => {
                self.error(
                    87,
                    at,
                    format_args!("the partition is overwritable, and there is no bitmap file"),
                );
            }
            Some(AccessType::ReadOnly | AccessType::PseudoOverwritable) if is_there => {
                self.error(87, at, format_args!("there is a bitmap file, but nothing could be allocated"));
            }
            _ => {}
        }
    }

    fn distance(&mut self, at: At, what: &str, distance: u32) {
        if is_near(distance.into()) {
            self.warning(86, at, format_args!("the {what} are only {distance} blocks apart"));
        }
    }

    /// Main and mirror against each other, without their contents.
    fn copies(&mut self, at: At, files: &MetadataFiles) {
        let (Some(main), Some(mirror)) = (&files.main, &files.mirror) else { return };
        if main.size_bytes != mirror.size_bytes {
            let (one, other) = (main.size_bytes, mirror.size_bytes);
            self.error(85, at, format_args!("{other} bytes long, the metadata file {one}"));
        }
        let (ours, theirs) = (main.extents(), mirror.extents());
        if !files.duplicate {
            if ours != theirs {
                self.error(85, at, format_args!("its extents are not those of the metadata file"));
            }
            return;
        }
        if overlap(self, ours, theirs) {
            self.error(
                85,
                at,
                format_args!("it shares blocks with the metadata file, but should have its own"),
            );
            return;
        }
        for extent in theirs.iter().filter(|extent| extent.kind != ExtentKind::Unallocated) {
            self.take(at, extent.start, extent.blocks(self.block_size()));
        }
        if let (Some(one), Some(other)) = (ours.first(), theirs.first()) {
            self.distance(at, "extents", one.start.block.0.abs_diff(other.start.block.0));
        }
    }

    /// Whether the blocks that are used are the same in main and mirror.
    pub(super) fn mirror_contents(&mut self, files: &MetadataFiles) {
        let (Some(main), Some(mirror)) = (&files.main, &files.mirror) else { return };
        if !files.duplicate {
            return;
        }
        for stretch in stretches(self, main.extents(), mirror.extents()) {
            let end = stretch.first.saturating_add(stretch.blocks);
            let mut at = stretch.first;
            while let Some(first) = self.used.next_used(files.reference, at, end) {
                let last = first.saturating_add(COMPARED_BLOCKS).min(end);
                self.compare(files.reference, stretch, first, last);
                at = last;
            }
        }
    }

    /// Compares the blocks from `first`, which is used, to before `end`, as far as they are used.
    fn compare(&mut self, reference: PartitionReference, stretch: Stretch, first: u32, end: u32) {
        let Some(partition) = self.partition(reference) else { return };
        let used: Vec<u32> =
            (first..end).filter(|block| self.used.is_used(partition, reference, *block)).collect();
        let (Some(low), Some(high)) = (used.first(), used.last()) else { return };
        let blocks = high.saturating_sub(*low).saturating_add(1);
        let len = self.block_size().len();
        let mut bytes = vec![0; len.saturating_mul(usize::try_from(blocks).unwrap_or(0))];
        let place = |file: BlockAddress, block: u32| file.checked_add(block.saturating_sub(stretch.first));
        let Some(start) = place(stretch.mirror, *low) else { return };
        if let Err(error) = self.read_first_copy(start, &mut bytes) {
            self.error(0, At::new(MIRROR, start), format_args!("{error}"));
            return;
        }
        for (mirrored, block) in bytes.chunks(len).zip(*low..) {
            if used.binary_search(&block).is_err() {
                continue;
            }
            let (Some(one), Some(other)) = (place(stretch.main, block), place(stretch.mirror, block)) else {
                return;
            };
            if self.is_same(block, one, mirrored) == Some(false) {
                let what = format_args!("it is not the same as block {block} of the metadata file");
                self.error(85, At::new(MIRROR, other), what);
            }
        }
    }

    /// Whether a block of the metadata file, which lies at `place`, is the same as the mirror's; what has been read is
    /// not read again. `None` if it cannot be read.
    fn is_same(&mut self, block: u32, place: BlockAddress, mirrored: &[u8]) -> Option<bool> {
        if let Some(same) = self.digests.as_ref().and_then(|digests| digests.is_same(block, mirrored)) {
            return Some(same);
        }
        let mut bytes = vec![0; mirrored.len()];
        if let Err(error) = self.read_first_copy(place, &mut bytes) {
            self.error(0, At::new(MAIN, place), format_args!("{error}"));
            return None;
        }
        Some(bytes == mirrored)
    }
}

impl Facts {
    /// The extents of a body whose extents are kept.
    pub(super) fn extents(&self) -> &[Extent] {
        match &self.body {
            Body::Extents(extents) => extents,
            _ => &[],
        }
    }
}

/// Whether any blocks are in extents of both files.
fn overlap<R: ReadAt>(files: &Files<'_, R>, ours: &[Extent], theirs: &[Extent]) -> bool {
    let ranges = |extents: &[Extent]| -> Vec<(BlockAddress, u64)> {
        let recorded = extents.iter().filter(|extent| extent.kind != ExtentKind::Unallocated);
        let mut ranges: Vec<_> = recorded
            .map(|extent| {
                let blocks = extent.blocks(files.block_size());
                (extent.start, u64::from(extent.start.block.0).saturating_add(blocks))
            })
            .collect();
        ranges.sort_unstable();
        ranges
    };
    let mut all = ranges(ours);
    all.extend(ranges(theirs));
    all.sort_unstable();
    all.iter()
        .zip(all.iter().skip(1))
        .any(|((one, end), (other, _))| one.partition == other.partition && u64::from(other.block.0) < *end)
}

/// Cuts both files where an extent of either ends; what only one has recorded is left out.
fn stretches<R: ReadAt>(files: &Files<'_, R>, main: &[Extent], mirror: &[Extent]) -> Vec<Stretch> {
    let size = files.block_size();
    let (mut main, mut mirror) = (main.iter(), mirror.iter());
    let (mut one, mut other) = (main.next().copied(), mirror.next().copied());
    let mut first = 0_u32;
    let mut found = Vec::new();
    while let (Some(ours), Some(theirs)) = (&mut one, &mut other) {
        let blocks = u32::try_from(ours.blocks(size).min(theirs.blocks(size))).unwrap_or(u32::MAX);
        if ours.kind == ExtentKind::Recorded && theirs.kind == ExtentKind::Recorded {
            found.push(Stretch { first, blocks, main: ours.start, mirror: theirs.start });
        }
        first = first.saturating_add(blocks);
        cut(ours, blocks, size.bytes_in(blocks));
        cut(theirs, blocks, size.bytes_in(blocks));
        if ours.bytes == 0 {
            one = main.next().copied();
        }
        if theirs.bytes == 0 {
            other = mirror.next().copied();
        }
    }
    found
}

/// Takes blocks from the front of an extent.
fn cut(extent: &mut Extent, blocks: u32, bytes: u64) {
    extent.start = extent.start.checked_add(blocks).unwrap_or(extent.start);
    extent.bytes = extent.bytes.saturating_sub(bytes);
}
