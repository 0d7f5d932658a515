//! Free space: the sets that record it, against what is used, and the tables of the integrity descriptor (R069, R089, R115,
//! R136 to R138).

use alloc::{vec, vec::Vec};

use zerocopy::FromBytes;

use super::allocation::Body;
use super::context::At;
use super::files::Files;
use super::integrity::Integrity;
use super::metadata::MetadataFiles;
use super::rule::Rule;
use super::seal::{CrcLength, Expected, Sealed};
use super::usage::Bitmap;
use crate::file::{AllocationForm, FileType, SpaceBitmapDescriptor, UnallocatedSpaceEntry};
use crate::general::{Descriptor, ExtentKind, ShortAd};
use crate::read::{Extent, FreeForm, FreeSet, Partition, PartitionKind, ReadAt};
use crate::units::{BlockAddress, PartitionReference};
use crate::volume::{AccessType, NOT_COUNTED};

/// How much of a bitmap is read at once.
const CHUNK_BYTES: usize = 64 * 1024;
const BITMAP_BYTES: usize = size_of::<SpaceBitmapDescriptor>();

/// What is wrong with a run of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    UsedButFree,
    NeitherUsedNorFree,
}

impl<R: ReadAt> Files<'_, R> {
    /// Marks the blocks that the sets of free space take themselves.
    pub(super) fn take_space_sets(&mut self) {
        for (_, sets) in self.space_sets() {
            for set in sets {
                let extent = extent_of(&set);
                let at = At::new("set of free space", extent.start);
                if self.inside(111, at, &extent) {
                    self.take(at, extent.start, extent.blocks(self.block_size()));
                }
            }
        }
    }

    /// The sets of free space of each physical partition, bitmaps first.
    fn space_sets(&self) -> Vec<(PartitionReference, Vec<FreeSet>)> {
        let of = |reference| {
            let mut sets = self.volume.free_sets(reference);
            sets.retain(|set| set.form != FreeForm::BitmapFile);
            sets.sort_by_key(|set| set.form == FreeForm::Table);
            (reference, sets)
        };
        let references = self.volume.partitions().iter().zip(0_u16..);
        references.map(|(_, reference)| of(PartitionReference(reference))).collect()
    }

    /// Compares what is free with what is used, everywhere.
    pub(super) fn free_space(&mut self, metadata: &[MetadataFiles], integrity: Option<&Integrity>) {
        let mut counts = Vec::new();
        for (reference, sets) in self.space_sets() {
            let Some(partition) = self.partition(reference) else { continue };
            let free = if matches!(partition.kind, PartitionKind::Metadata(_)) {
                let files = metadata.iter().find(|files| files.reference == reference);
                files.and_then(|files| self.metadata_bitmap(files, partition))
            } else if sets.is_empty() {
                None
            } else {
                self.free_in(partition, &sets)
            };
            counts.push(free.as_ref().map(Bitmap::count));
            if let Some(free) = free {
                self.compare_with_used(reference, partition, &free);
            }
        }
        if let Some(integrity) = integrity.filter(|integrity| integrity.is_closed()) {
            self.tables(integrity, &counts);
        }
    }

    fn free_in(&mut self, partition: &Partition, sets: &[FreeSet]) -> Option<Bitmap> {
        let mut free = Bitmap::new(self.used.blocks_there(partition));
        for set in sets {
            let read = match set.form {
                FreeForm::Table => self.space_table(set.place, &mut free),
                _ => self.space_bitmap(&extent_of(set), partition, &mut free),
            };
            read?;
        }
        Some(free)
    }

    /// A space bitmap in one extent.
    fn space_bitmap(&mut self, extent: &Extent, partition: &Partition, free: &mut Bitmap) -> Option<()> {
        let at = At::new(SpaceBitmapDescriptor::NAME, extent.start);
        let block = self.read_block(at, extent.start)?;
        let location = extent.start.block.0;
        let header = self.bitmap_header(at, &block, location, partition, CrcLength::HeadOrWholeOrNone)?;
        let bytes =
            usize::try_from(header.number_of_bytes.get().min(partition.length_blocks.div_ceil(8))).ok()?;
        let needed = bytes.saturating_add(BITMAP_BYTES);
        if needed as u64 > extent.bytes {
            let room = extent.bytes;
            self.error(136, at, format_args!("{needed} bytes long, in an extent of {room}"));
            return None;
        }
        self.read_bits(at, core::slice::from_ref(extent), needed, free)
    }

    /// The head of a space bitmap, if it can be used.
    fn bitmap_header(
        &mut self,
        at: At,
        block: &[u8],
        location: u32,
        partition: &Partition,
        crc: CrcLength,
    ) -> Option<SpaceBitmapDescriptor> {
        let header = *SpaceBitmapDescriptor::peek(block, at.place).ok()?;
        let (bits, bytes) = (header.number_of_bits.get(), header.number_of_bytes.get());
        let total = usize::try_from(bytes).unwrap_or(usize::MAX).saturating_add(BITMAP_BYTES);
        let expected = Expected { kind: SpaceBitmapDescriptor::IDENTIFIER, location, bytes: total, crc };
        if self.context.seal(at, block, expected) == Sealed::Missing {
            return None;
        }
        let blocks = partition.length_blocks;
        if bits != blocks {
            self.error(136, at, format_args!("{bits} bits for a partition of {blocks} blocks"));
        }
        if bytes < bits.div_ceil(8) {
            self.error(136, at, format_args!("{bytes} bytes for {bits} bits"));
        }
        Some(header)
    }

    /// Reads the bits behind the head of a bitmap of `total` bytes that lies in these extents.
    fn read_bits(&mut self, at: At, extents: &[Extent], total: usize, free: &mut Bitmap) -> Option<()> {
        let mut done = 0_usize;
        for extent in extents {
            let mut skip = 0_u64;
            while skip < extent.bytes && done < total {
                let left = usize::try_from(extent.bytes.saturating_sub(skip)).unwrap_or(usize::MAX);
                let count = left.min(total.saturating_sub(done)).min(CHUNK_BYTES);
                let mut chunk = vec![0; count];
                let block = u32::try_from(self.block_size().blocks_for(skip)).ok()?;
                if extent.kind == ExtentKind::Recorded
                    && !self.read(at, extent.start.checked_add(block)?, &mut chunk)
                {
                    return None;
                }
                set_bits(free, done, &chunk);
                done = done.saturating_add(count);
                skip = skip.saturating_add(count as u64);
            }
        }
        (done == total).then_some(())
    }

    /// A table of free space: one entry with a list of extents.
    fn space_table(&mut self, start: BlockAddress, free: &mut Bitmap) -> Option<()> {
        let at = At::new(UnallocatedSpaceEntry::NAME, start);
        let block = self.read_block(at, start)?;
        let entry = *UnallocatedSpaceEntry::peek(&block, start).ok()?;
        let length = usize::try_from(entry.length_of_allocation_descriptors.get()).unwrap_or(usize::MAX);
        let bytes = length.saturating_add(size_of::<UnallocatedSpaceEntry>());
        let kind = UnallocatedSpaceEntry::IDENTIFIER;
        let expected = Expected { kind, location: start.block.0, bytes, crc: CrcLength::Whole };
        if self.context.seal(at, &block, expected) == Sealed::Missing {
            return None;
        }
        let Some(list) = block.get(size_of::<UnallocatedSpaceEntry>()..bytes) else {
            let room = block.len();
            self.error(8, at, format_args!("{bytes} bytes long, in a block of {room}"));
            return None;
        };
        self.context.zeros_behind(at, &block, bytes);
        if entry.icb_tag.kind() != FileType::UNALLOCATED_SPACE_ENTRY {
            self.error(92, at, format_args!("file type is {}", entry.icb_tag.file_type));
        }
        if entry.icb_tag.allocation_form() != Some(AllocationForm::Short) {
            self.error(115, at, format_args!("its extents must be described by short descriptors"));
        }
        if !length.is_multiple_of(size_of::<ShortAd>()) {
            self.error(115, at, format_args!("{length} bytes of allocation descriptors of 8 each"));
        }
        let mut last_end = None;
        for extent in
            list.chunks_exact(size_of::<ShortAd>()).filter_map(|bytes| ShortAd::read_from_bytes(bytes).ok())
        {
            if extent.bytes() == 0 {
                break;
            }
            let first = u64::from(extent.position.get());
            let blocks = self.block_size().blocks_for(extent.bytes().into());
            if extent.kind() != ExtentKind::Allocated {
                self.error(115, at, format_args!("the extent at block {first} is not of type 1"));
            }
            // The longest extent cannot grow, so that another may follow it without a gap.
            if last_end
                .is_some_and(|end| first <= end && extent.bytes() < self.block_size().max_extent_bytes())
            {
                self.error(
                    115,
                    at,
                    format_args!("the extent at block {first} does not lie behind the one before"),
                );
            }
            free.set(first, blocks);
            last_end = first.checked_add(blocks);
        }
        Some(())
    }

    /// The bitmap in the bitmap file of a metadata partition.
    fn metadata_bitmap(&mut self, files: &MetadataFiles, partition: &Partition) -> Option<Bitmap> {
        let facts = files.bitmap.as_ref()?;
        let (start, embedded) = match &facts.body {
            Body::Extents(extents) => (extents.first()?.start, None),
            Body::Embedded { block, offset, bytes } => (*block, Some((*offset, *bytes))),
            Body::Passed { .. } => return None,
        };
        let at = At::new(SpaceBitmapDescriptor::NAME, start);
        let block = self.read_block(at, start)?;
        let body = match embedded {
            None => &*block,
            Some((offset, bytes)) => block.get(offset..offset.saturating_add(bytes))?,
        };
        let header = self.bitmap_header(at, body, start.block.0, partition, CrcLength::HeadOrNone)?;
        let total = u64::from(header.number_of_bytes.get()).saturating_add(BITMAP_BYTES as u64);
        if facts.size_bytes != total {
            let found = facts.size_bytes;
            self.error(87, at, format_args!("the bitmap file is {found} bytes long, its bitmap {total}"));
        }
        let most = u64::from(partition.length_blocks.div_ceil(8)).saturating_add(BITMAP_BYTES as u64);
        let total = usize::try_from(total.min(most)).ok()?;
        let bits = total.saturating_sub(BITMAP_BYTES).saturating_mul(8);
        let mut free = Bitmap::new(u64::from(partition.length_blocks).min(bits as u64));
        if embedded.is_some() {
            set_bits(&mut free, 0, body.get(..total)?);
        } else {
            self.read_bits(at, facts.extents(), total, &mut free)?;
        }
        Some(free)
    }

    /// Tells every run of blocks that are used and free, or neither.
    fn compare_with_used(&mut self, reference: PartitionReference, partition: &Partition, free: &Bitmap) {
        let mut run: Option<(Fault, u32, u32)> = None;
        for block in 0..u32::try_from(free.len()).unwrap_or(u32::MAX) {
            let used = self.used.is_used(partition, reference, block);
            let fault = match (used, free.is_set(block.into())) {
                (true, true) => Some(Fault::UsedButFree),
                (false, false) => Some(Fault::NeitherUsedNorFree),
                _ => None,
            };
            run = match (run, fault) {
                (Some((old, first, blocks)), Some(new)) if old == new => {
                    Some((old, first, blocks.saturating_add(1)))
                }
                (old, new) => {
                    self.tell_run(reference, partition, old);
                    new.map(|fault| (fault, block, 1))
                }
            };
        }
        self.tell_run(reference, partition, run);
    }

    fn tell_run(
        &mut self,
        reference: PartitionReference,
        partition: &Partition,
        run: Option<(Fault, u32, u32)>,
    ) {
        let Some((fault, mut first, mut blocks)) = run else { return };
        let has_bitmap = || self.volume.free_sets(reference).iter().any(|set| set.form == FreeForm::Bitmap);
        if fault == Fault::NeitherUsedNorFree && has_bitmap() {
            let presumed = SpaceBitmapDescriptor::blocks(partition.length_blocks, self.block_size());
            let passed = presumed.saturating_sub(first).min(blocks);
            (first, blocks) = (first.saturating_add(passed), blocks.saturating_sub(passed));
            if blocks == 0 {
                return;
            }
        }
        let at = At::new("free space", BlockAddress::new(reference.0, first));
        let is_metadata = matches!(partition.kind, PartitionKind::Metadata(_));
        match fault {
            Fault::UsedButFree => {
                let rule = if is_metadata { 89 } else { 137 };
                self.error(
                    rule,
                    at,
                    format_args!("{blocks} blocks from {first} on are used, but marked as free"),
                );
            }
            // What could not be read may use them; of what is used twice only the first part is marked.
            Fault::NeitherUsedNorFree if self.complete && self.context.findings.number_of(Rule(113)) == 0 => {
                let rule = if is_metadata { 89 } else { 138 };
                self.warning(
                    rule,
                    at,
                    format_args!("{blocks} blocks from {first} on are not used, but not marked as free"),
                );
            }
            Fault::NeitherUsedNorFree => {}
        }
    }

    /// Sizes and free blocks of partitions in the integrity descriptor (UDF 2.2.6.2, 2.2.6.3).
    fn tables(&mut self, integrity: &Integrity, counts: &[Option<u64>]) {
        let at = integrity.at;
        let recorded = integrity.free_blocks.iter().zip(&integrity.size_blocks);
        let partitions = self.volume.partitions().iter().zip(counts);
        for (reference, ((free, size), (partition, count))) in recorded.zip(partitions).enumerate() {
            // Of virtual ones nobody counts anything, which has been seen to.
            if matches!(partition.kind, PartitionKind::Unsupported(_) | PartitionKind::Virtual(_)) {
                continue;
            }
            let length = partition.length_blocks;
            if *size != length {
                self.error(69, at, format_args!("size of partition {reference} is {size}, must be {length}"));
            }
            let right = match partition.access {
                Some(AccessType::PseudoOverwritable) => Some(NOT_COUNTED.into()),
                Some(AccessType::ReadOnly) => Some(0),
                _ => *count,
            };
            let at_most = partition.access == Some(AccessType::WriteOnce);
            let free = u64::from(*free);
            if let Some(right) = right.filter(|right| free != *right && !(at_most && free < *right)) {
                self.error(
                    69,
                    at,
                    format_args!("{free} blocks of partition {reference} are free, must be {right}"),
                );
            }
        }
    }
}

/// The extent that a set of free space is recorded in.
fn extent_of(set: &FreeSet) -> Extent {
    Extent { kind: ExtentKind::Recorded, start: set.place, bytes: set.bytes.into() }
}

/// Sets bits from a piece of a space bitmap that begins `offset` bytes into it; the head is passed over.
fn set_bits(free: &mut Bitmap, offset: usize, piece: &[u8]) {
    let head = BITMAP_BYTES.saturating_sub(offset).min(piece.len());
    let first = offset.saturating_add(head).saturating_sub(BITMAP_BYTES) as u64;
    free.set_bytes(first.saturating_mul(8), piece.get(head..).unwrap_or_default());
}
