//! Which blocks are used, by the tree's account; taking blocks that are not; recording what is free.

use udf::file::SpaceBitmapDescriptor;
use udf::general::{Descriptor, ExtentKind, Tag, TagIdentifier};
use udf::read::{PartitionKind, ReadAt};
use udf::volume::AccessType;
use udf::{BlockAddress, Sector};

use super::bytes::{Want, get32, put, seal};
use super::files::Files;
use super::plan::Phase;

const HEAD_BYTES: usize = size_of::<SpaceBitmapDescriptor>();

/// A bit for each block of a partition, as far as there is a device: what a volume claims beyond it is neither used nor free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bits(Vec<u8>, u32);

impl Bits {
    fn new(blocks: u32, device_blocks: u32) -> Self {
        Self(vec![0; blocks.min(device_blocks).div_ceil(8) as usize], blocks)
    }

    /// All clear, for the same blocks.
    fn like(&self) -> Self {
        Self(vec![0; self.0.len()], self.1)
    }

    /// The blocks that have a bit.
    pub(super) fn blocks(&self) -> std::ops::Range<u32> {
        0..self.1.min(u32::try_from(self.0.len()).unwrap_or(u32::MAX).saturating_mul(8))
    }

    pub(super) fn get(&self, block: u32) -> bool {
        self.0.get(block as usize / 8).is_some_and(|byte| byte >> (block % 8) & 1 != 0)
    }

    pub(super) fn set(&mut self, block: u32, value: bool) {
        if block >= self.1 {
            return;
        }
        if let Some(byte) = self.0.get_mut(block as usize / 8) {
            *byte = *byte & !(1 << (block % 8)) | u8::from(value) << (block % 8);
        }
    }

    fn count(&self) -> u32 {
        self.0.iter().map(|byte| byte.count_ones()).sum()
    }

    pub(super) fn len(&self) -> u32 {
        self.1
    }
}

/// A set of free space.
#[derive(Clone, Debug)]
pub(super) struct SpaceSet {
    kind: SetKind,
    /// Where it lies, block after block.
    pub(super) blocks: Vec<BlockAddress>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SetKind {
    Bitmap,
    Table,
    /// In the metadata bitmap file, so many bytes into its block if it is embedded there.
    MetadataBitmap(Option<usize>),
}

/// A partition and its blocks.
#[derive(Clone, Debug)]
pub(super) struct Space {
    /// Used, by what has been seen so far.
    pub(super) used: Bits,
    /// Free, as recorded, if there is such a record and it can be read.
    pub(super) free: Option<Bits>,
    sets: Vec<SpaceSet>,
    pub(super) access: Option<AccessType>,
    /// Taken by this repair.
    pub(super) taken: Vec<u32>,
}

impl Files<'_, '_> {
    /// The partitions, with what they record of their free blocks.
    pub(super) fn load_spaces(&mut self) {
        for (partition, reference) in self.volume.partitions().iter().zip(0_u16..) {
            let sets = match &partition.kind {
                PartitionKind::Metadata(_) => self.metadata_bitmap(reference).into_iter().collect(),
                _ => self.sets_of(partition.number, reference),
            };
            let mut space = Space {
                used: Bits::new(partition.length_blocks, self.mender.overlay.sectors()),
                free: None,
                sets,
                access: partition.access,
                taken: Vec::new(),
            };
            if !space.sets.is_empty() {
                space.free = self.recorded(&space);
            }
            self.spaces.push(space);
        }
        for set in self.spaces.iter().flat_map(|space| space.sets.clone()).collect::<Vec<_>>() {
            for block in set.blocks {
                if !matches!(set.kind, SetKind::MetadataBitmap(_)) {
                    self.claim(block, 1);
                }
            }
        }
    }

    fn sets_of(&self, number: u16, reference: u16) -> Vec<SpaceSet> {
        let descriptors = self.volume.partition_descriptors();
        let Some(named) = descriptors.iter().find(|descriptor| descriptor.partition_number == number) else {
            return Vec::new();
        };
        let header = &named.partition_contents_use;
        let sets = [
            (SetKind::Bitmap, header.unallocated_space_bitmap),
            (SetKind::Bitmap, header.freed_space_bitmap),
            (SetKind::Table, header.unallocated_space_table),
            (SetKind::Table, header.freed_space_table),
        ];
        let blocks = |position: u32, bytes: u32| {
            let count = self.block_size().blocks_for(bytes.into());
            let count = u32::try_from(count).unwrap_or(0);
            (0..count).map(|skip| BlockAddress::new(reference, position.saturating_add(skip))).collect()
        };
        sets.into_iter()
            .filter(|(_, extent)| extent.bytes() > 0)
            .map(|(kind, extent)| SpaceSet { kind, blocks: blocks(extent.position.get(), extent.bytes()) })
            .collect()
    }

    /// The bitmap in the bitmap file of a metadata partition.
    fn metadata_bitmap(&self, reference: u16) -> Option<SpaceSet> {
        let PartitionKind::Metadata(metadata) = &self.volume.partitions().get(usize::from(reference))?.kind
        else {
            return None;
        };
        let entry = metadata.bitmap.as_ref()?;
        if entry.form == udf::file::AllocationForm::Embedded {
            let fixed = if entry.extended { 216 } else { 176 };
            let offset = fixed + entry.extended_attributes.len();
            return Some(SpaceSet { kind: SetKind::MetadataBitmap(Some(offset)), blocks: vec![entry.block] });
        }
        let mut blocks = Vec::new();
        for extent in self.volume.extents(entry) {
            let extent = extent.ok()?;
            let count = u32::try_from(extent.blocks(self.block_size())).ok()?;
            if extent.kind == ExtentKind::Recorded {
                blocks.extend((0..count).filter_map(|skip| extent.start.checked_add(skip)));
            }
        }
        Some(SpaceSet { kind: SetKind::MetadataBitmap(None), blocks })
    }

    /// What is recorded as free, as far as that can be understood.
    fn recorded(&self, space: &Space) -> Option<Bits> {
        let mut free = space.used.like();
        for set in &space.sets {
            let bytes = self.read_set(set)?;
            match set.kind {
                SetKind::Table => {
                    if !bytes.starts_with(&TagIdentifier::UNALLOCATED_SPACE_ENTRY.0.to_le_bytes()) {
                        return None;
                    }
                    let length = usize::try_from(get32(&bytes, 36)).ok()?;
                    for extent in bytes.get(40..40 + length.min(bytes.len()))?.chunks_exact(8) {
                        let count = self.block_size().blocks_for(u64::from(get32(extent, 0) & 0x3FFF_FFFF));
                        let first = get32(extent, 4);
                        for skip in 0..u32::try_from(count).ok()?.min(free.len()) {
                            free.set(first.saturating_add(skip), true);
                        }
                    }
                }
                SetKind::Bitmap | SetKind::MetadataBitmap(_) => {
                    if !bytes.starts_with(&TagIdentifier::SPACE_BITMAP.0.to_le_bytes()) {
                        return None;
                    }
                    let bits = bytes.get(HEAD_BYTES..HEAD_BYTES + free.0.len())?;
                    for (to, from) in free.0.iter_mut().zip(bits) {
                        *to |= from;
                    }
                }
            }
        }
        // What is beyond the last block is nothing.
        let mut bounded = free.like();
        free.blocks().filter(|block| free.get(*block)).for_each(|block| bounded.set(block, true));
        Some(bounded)
    }

    fn read_set(&self, set: &SpaceSet) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for block in &set.blocks {
            bytes.extend(self.block(*block)?);
        }
        if let SetKind::MetadataBitmap(Some(offset)) = set.kind {
            bytes.drain(..offset.min(bytes.len()));
        }
        Some(bytes)
    }

    /// Marks blocks as used; the first of them that is already.
    pub(super) fn claim(&mut self, start: BlockAddress, blocks: u32) -> Option<u32> {
        let used = &mut self.spaces.get_mut(usize::from(start.partition.0))?.used;
        let end = start.block.0.saturating_add(blocks).min(used.len());
        let twice = (start.block.0..end).find(|block| used.get(*block));
        (start.block.0..twice.unwrap_or(end)).for_each(|block| used.set(block, true));
        twice
    }

    /// Takes blocks that lie together and that nobody uses.
    pub(super) fn allocate(&mut self, partition: u16, blocks: u32) -> Option<BlockAddress> {
        let complete = self.complete;
        let writable = self.is_writable(partition);
        let space = self.spaces.get_mut(usize::from(partition)).filter(|_| writable)?;
        if space.sets.is_empty() {
            return None;
        }
        let free = |block: u32| {
            !space.used.get(block)
                && match &space.free {
                    // Damaged bits may call free what is used; what has been seen to be used is not taken.
                    Some(free) => free.get(block),
                    None => complete,
                }
        };
        let (mut first, mut run) = (0, 0);
        for block in space.used.blocks() {
            run = if free(block) { run + 1 } else { 0 };
            if run == blocks {
                first = block + 1 - blocks;
                break;
            }
        }
        if run < blocks || blocks == 0 {
            return None;
        }
        for block in first..first + blocks {
            space.used.set(block, true);
            space.taken.push(block);
        }
        let address = BlockAddress::new(partition, first);
        (0..blocks)
            .all(|skip| address.checked_add(skip).is_some_and(|block| self.may_change(block)))
            .then_some(address)
    }

    /// Whether new blocks can be taken: not of a partition that is read-only.
    pub(super) fn is_writable(&self, partition: u16) -> bool {
        let access = self.spaces.get(usize::from(partition)).and_then(|space| space.access);
        matches!(access, Some(AccessType::Overwritable | AccessType::Rewritable))
    }

    /// Records what is free in all partitions; how many blocks are free in each that counts them.
    pub(super) fn record_free(&mut self) -> Vec<Option<u32>> {
        let mut counts = Vec::new();
        for reference in 0..self.spaces.len() {
            let space = self.spaces[reference].clone();
            if space.sets.is_empty() {
                counts.push(None);
                continue;
            }
            let mut free = space.used.like();
            let has_bitmap = space.sets.iter().any(|set| set.kind == SetKind::Bitmap);
            let presumed =
                if has_bitmap { SpaceBitmapDescriptor::blocks(free.len(), self.block_size()) } else { 0 };
            for block in free.blocks() {
                // What could not be read may use blocks that nobody is seen to use, and where Linux presumes the bitmap nothing
                // becomes free.
                let recorded = space.free.as_ref().map_or(self.complete, |old| old.get(block));
                let present = self.exists(u16::try_from(reference).unwrap_or(u16::MAX), block);
                let may_be_freed = self.complete && block >= presumed;
                free.set(block, present && !space.used.get(block) && (may_be_freed || recorded));
            }
            self.record_sets(&space, &free);
            let read = self.recorded(&space);
            counts.push(Some(read.map_or(0, |free| free.count())));
        }
        counts
    }

    fn exists(&self, partition: u16, block: u32) -> bool {
        self.volume
            .locate(BlockAddress::new(partition, block))
            .is_ok_and(|run| run.sector.0 < self.mender.overlay.sectors())
    }

    fn record_sets(&mut self, space: &Space, free: &Bits) {
        // One set is enough; where there are several, the first gets everything.
        let mut rest = Some(free.clone());
        for set in &space.sets {
            let Some(old) = self.read_set(set) else { continue };
            let bits = rest.take().unwrap_or_else(|| free.like());
            let new = match set.kind {
                SetKind::Table => self.table(set, &bits, &old),
                SetKind::Bitmap | SetKind::MetadataBitmap(_) => self.bitmap(set, &bits, &old),
            };
            let Some(new) = new.filter(|new| *new != old) else { continue };
            let place = set.blocks.first().copied();
            let is_metadata = matches!(set.kind, SetKind::MetadataBitmap(_));
            self.claim_first(space, set, &old);
            self.write_set(set, &new, Phase::Release);
            if let Some(place) = place {
                self.mend(
                    if is_metadata { 89 } else { 137 },
                    place,
                    "free space is recorded by what is used".into(),
                );
            }
        }
    }

    /// Before blocks are used that were free, their bits say so.
    fn claim_first(&mut self, space: &Space, set: &SpaceSet, old: &[u8]) {
        if space.taken.is_empty() || set.kind == SetKind::Table {
            return;
        }
        let mut bytes = old.to_vec();
        for block in &space.taken {
            if let Some(byte) = bytes.get_mut(HEAD_BYTES + *block as usize / 8) {
                *byte &= !(1 << (block % 8));
            }
        }
        for (sector, piece) in self.sectors_of(set, &bytes) {
            self.claims.insert(sector, (Phase::Claim, piece));
        }
    }

    fn bitmap(&self, set: &SpaceSet, free: &Bits, old: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = old.to_vec();
        if bytes.len() < HEAD_BYTES + free.len().div_ceil(8) as usize {
            return None;
        }
        let location = set.blocks.first()?.block.0;
        put(&mut bytes, 16, &free.len().to_le_bytes());
        let least = free.len().div_ceil(8);
        let room = u32::try_from(bytes.len() - HEAD_BYTES).ok()?;
        let count = get32(&bytes, 20);
        if count < least || count > room {
            put(&mut bytes, 20, &least.to_le_bytes());
        }
        let end = HEAD_BYTES + get32(&bytes, 20) as usize;
        bytes[HEAD_BYTES..end].fill(0);
        bytes[HEAD_BYTES..HEAD_BYTES + free.0.len()].copy_from_slice(&free.0);
        let want = self.mender.want(SpaceBitmapDescriptor::IDENTIFIER, location);
        // A CRC over all of it is legal, and then it must fit.
        let length = usize::from(super::bytes::get16(old, 10));
        let crc_bytes = if length + 16 == end || length == 0 { length } else { 8 };
        seal(&mut bytes, &Want { crc_bytes, ..want });
        Some(bytes)
    }

    fn table(&self, set: &SpaceSet, free: &Bits, old: &[u8]) -> Option<Vec<u8>> {
        let most = self.block_size().max_extent_bytes() / self.block_size().bytes();
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for block in free.blocks().filter(|block| free.get(*block)) {
            match runs.last_mut() {
                Some((first, count)) if *first + *count == block && *count < most => *count += 1,
                _ => runs.push((block, 1)),
            }
        }
        let room = (self.block_size().len() - 40) / 8;
        // What does not fit is left out: it is lost to writers until the next repair, but nobody is harmed.
        runs.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        runs.truncate(room);
        runs.sort_unstable();
        let mut bytes = vec![0; old.len()];
        bytes[..40].copy_from_slice(&old[..40]);
        put(&mut bytes, 27, &[1]);
        // Short descriptors, and nothing else.
        bytes[34] &= !7;
        put(&mut bytes, 36, &u32::try_from(runs.len() * 8).ok()?.to_le_bytes());
        for (index, (first, count)) in runs.iter().enumerate() {
            let length = ExtentKind::Allocated.with_length(count * self.block_size().bytes());
            put(&mut bytes, 40 + 8 * index, &length.to_le_bytes());
            put(&mut bytes, 44 + 8 * index, &first.to_le_bytes());
        }
        let location = set.blocks.first()?.block.0;
        let want = self.mender.want(TagIdentifier::UNALLOCATED_SPACE_ENTRY, location);
        seal(&mut bytes, &Want { crc_bytes: 24 + runs.len() * 8, ..want });
        Some(bytes)
    }

    /// The sectors of a set, with these bytes in it.
    fn sectors_of(&self, set: &SpaceSet, bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let mut whole = Vec::new();
        if let SetKind::MetadataBitmap(Some(offset)) = set.kind {
            let Some(mut block) = set.blocks.first().and_then(|block| self.block(*block)) else {
                return Vec::new();
            };
            put(&mut block, offset, bytes);
            Tag::reseal(&mut block);
            whole = block;
        } else {
            whole.extend(bytes);
        }
        let pieces = set.blocks.iter().zip(whole.chunks(self.block_size().len()));
        pieces
            .filter_map(|(block, piece)| Some((self.volume.locate(*block).ok()?.sector.0, piece.to_vec())))
            .collect()
    }

    fn write_set(&mut self, set: &SpaceSet, bytes: &[u8], phase: Phase) {
        for (sector, piece) in self.sectors_of(set, bytes) {
            self.mender.overlay.put(sector, phase, piece);
        }
    }

    /// The place of a block on the device.
    pub(super) fn sector_of(&self, block: BlockAddress) -> Option<u32> {
        self.volume.locate(block).ok().map(|run| run.sector.0)
    }

    /// A block as it will be.
    pub(super) fn block(&self, address: BlockAddress) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.block_size().len()];
        let sector = Sector(self.sector_of(address)?);
        self.mender.overlay.read_at(self.block_size().offset_of(sector), &mut bytes).ok()?;
        Some(bytes)
    }
}
