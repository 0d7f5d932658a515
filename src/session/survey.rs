//! One look at the whole device, from its beginning to its end, for what sessions and states begin with: volume descriptor
//! sequences, anchors, and what may be a virtual allocation table. What is remembered is bounded, whatever the device holds.
//! `search` lists sessions from it, `repair` finds sequences that no anchor leads to.

use udf::file::{FileType, IcbTag};
use udf::general::{ExtentAd, Tag, TagIdentifier};
use udf::read::ReadAt;
use udf::volume::AnchorVolumeDescriptorPointer;
use udf::{BlockSize, Sector};
use zerocopy::FromBytes as _;

use crate::error::Result;
use crate::progress::Progress;

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 20;
/// Bytes that are read where a chunk cannot be, the largest block that is common.
const PIECE_BYTES: usize = 32 * 1024;
/// Bytes that are read where those cannot be: a sector of a disc.
const SECTOR_BYTES: usize = 2048;
/// Every block of every size begins at a multiple of the least.
const STEP_BYTES: usize = 512;
/// Entries that may be tables that are remembered: the earliest of more.
const MOST_TABLES: usize = 1 << 16;
/// The least length of a sequence (ECMA-167 3/8.4.2.2, UDF 2.2.3): what lies further away is of another.
const SEQUENCE_BLOCKS: u32 = 16;

/// A volume descriptor sequence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sequence {
    pub(super) block_size: BlockSize,
    pub(super) start: Sector,
    /// Blocks from the first descriptor to the last.
    blocks: u32,
    /// One bit for each kind of descriptor that is in it.
    kinds: u16,
    /// A partition map in it is a virtual partition's.
    pub(super) is_virtual: bool,
}

impl Sequence {
    /// Whether there is all that it takes to open a volume.
    fn is_whole(&self) -> bool {
        let needed = [TagIdentifier::PRIMARY_VOLUME, TagIdentifier::PARTITION, TagIdentifier::LOGICAL_VOLUME];
        needed.iter().all(|kind| self.kinds & 1 << kind.0 != 0)
    }

    pub(super) fn extent(&self) -> ExtentAd {
        let blocks = self.blocks.max(SEQUENCE_BLOCKS);
        ExtentAd::new(blocks.saturating_mul(self.block_size.bytes()), self.start)
    }
}

/// An anchor, and what it leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    pub(super) block_size: BlockSize,
    pub(super) sector: Sector,
    pub(super) main: ExtentAd,
    pub(super) reserve: ExtentAd,
}

/// What was found, each kind in the order of places.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(super) sequences: Vec<Sequence>,
    pub(super) anchors: Vec<Anchor>,
    /// Primary volume descriptors, whatever they are part of.
    pub(crate) primaries: Vec<(BlockSize, Sector)>,
    /// The bytes at which entries begin that may be those of tables.
    pub(super) tables_bytes: Vec<u64>,
    /// How many of each kind but tables are remembered: the earliest of more.
    most: usize,
}

/// Reads the device once. What cannot be read is passed over. Of sequences, anchors and primary descriptors, `most` each are
/// remembered.
pub(crate) fn survey<R: ReadAt>(device: &R, most: usize, progress: &Progress) -> Result<Survey> {
    let size_bytes = device.size_bytes();
    let mut found = Survey { most, ..Survey::default() };
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut start_bytes = 0;
    while start_bytes < size_bytes {
        progress.check()?;
        let left = usize::try_from(size_bytes - start_bytes).unwrap_or(usize::MAX);
        let chunk = &mut buffer[..left.min(CHUNK_BYTES)];
        read_what_can_be(device, start_bytes, chunk);
        for (at_bytes, bytes) in (start_bytes..).step_by(STEP_BYTES).zip(chunk.chunks(STEP_BYTES)) {
            found.take(at_bytes, bytes);
        }
        progress.add_bytes(chunk.len() as u64);
        start_bytes += chunk.len() as u64;
    }
    found.sequences.retain(Sequence::is_whole);
    Ok(found)
}

/// What cannot be read is zeros. Where a stretch cannot be read as a whole, smaller ones are tried: on discs, sectors between what was
/// written in one go and the next hold nothing, and stand right behind what counts most.
fn read_what_can_be<R: ReadAt>(device: &R, start_bytes: u64, chunk: &mut [u8]) {
    if device.read_at(start_bytes, chunk).is_ok() {
        return;
    }
    let Some(smaller) = [PIECE_BYTES, SECTOR_BYTES].into_iter().find(|smaller| *smaller < chunk.len()) else {
        return chunk.fill(0);
    };
    for (at_bytes, piece) in (start_bytes..).step_by(smaller).zip(chunk.chunks_mut(smaller)) {
        read_what_can_be(device, at_bytes, piece);
    }
}

impl Survey {
    /// Looks at the beginning of what may be a block.
    fn take(&mut self, at_bytes: u64, bytes: &[u8]) {
        let Some(tag) = Tag::read(bytes) else { return };
        let is_sealed = || tag.identifier.get() != 0 && tag.checksum == tag.expected_checksum();
        match tag.kind() {
            TagIdentifier::FILE_ENTRY | TagIdentifier::EXTENDED_FILE_ENTRY if is_sealed() => {
                let icb_tag = bytes.get(Tag::LEN..).and_then(|rest| IcbTag::ref_from_prefix(rest).ok());
                let is_of_type = icb_tag.is_some_and(|(tag, _)| {
                    matches!(tag.kind(), FileType::UNSPECIFIED | FileType::VIRTUAL_ALLOCATION_TABLE)
                });
                if is_of_type && self.tables_bytes.len() < MOST_TABLES {
                    self.tables_bytes.push(at_bytes);
                }
            }
            kind if kind <= TagIdentifier::TERMINATING && is_sealed() => {
                if let Some(block_size) = block_size(at_bytes, tag.location.get()) {
                    self.take_volume_descriptor(kind, block_size, Sector(tag.location.get()), bytes);
                }
            }
            _ => {}
        }
    }

    fn take_volume_descriptor(
        &mut self,
        kind: TagIdentifier,
        block_size: BlockSize,
        sector: Sector,
        bytes: &[u8],
    ) {
        if kind == TagIdentifier::ANCHOR_VOLUME_POINTER {
            if self.anchors.len() < self.most
                && let Ok((anchor, _)) = AnchorVolumeDescriptorPointer::ref_from_prefix(bytes)
            {
                let main = anchor.main_volume_descriptor_sequence_extent;
                let reserve = anchor.reserve_volume_descriptor_sequence_extent;
                self.anchors.push(Anchor { block_size, sector, main, reserve });
            }
            return;
        }
        if kind == TagIdentifier::PRIMARY_VOLUME && self.primaries.len() < self.most {
            self.primaries.push((block_size, sector));
        }
        let goes_on = self.sequences.last_mut().filter(|last| {
            let room = last.blocks.max(SEQUENCE_BLOCKS.saturating_sub(1));
            let is_ended = last.kinds & 1 << TagIdentifier::TERMINATING.0 != 0;
            !is_ended && last.block_size == block_size && sector.0 - last.start.0 <= room
        });
        if let Some(last) = goes_on {
            last.blocks = sector.0 - last.start.0 + 1;
            last.add(kind, bytes);
            return;
        }
        // A sequence that lacks something makes room for the next.
        if self.sequences.last().is_some_and(|last| !last.is_whole()) {
            self.sequences.pop();
        }
        if self.sequences.len() < self.most && kind != TagIdentifier::TERMINATING {
            let mut new = Sequence { block_size, start: sector, blocks: 1, kinds: 0, is_virtual: false };
            new.add(kind, bytes);
            self.sequences.push(new);
        }
    }
}

impl Sequence {
    fn add(&mut self, kind: TagIdentifier, bytes: &[u8]) {
        self.kinds |= 1 << kind.0;
        let names_virtual = |window: &[u8]| window == b"*UDF Virtual Partition";
        self.is_virtual |= kind == TagIdentifier::LOGICAL_VOLUME && bytes.windows(22).any(names_virtual);
    }
}

/// The size of a block at which what begins at this byte lies where it says.
fn block_size(at_bytes: u64, location: u32) -> Option<BlockSize> {
    let bytes = at_bytes.checked_div(location.into())?;
    let size = BlockSize::new(u32::try_from(bytes).ok()?)?;
    (size.bytes_in(location) == at_bytes).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use udf::general::Seal;

    #[test]
    fn what_is_remembered_is_bounded() {
        const MOST: usize = 1024;
        const SEAL: Seal = Seal { descriptor_version: 3, serial_number: 1 };
        let mut image = vec![0; 5 * MOST * STEP_BYTES];
        for (sector, block) in (0..).zip(image.chunks_mut(STEP_BYTES)) {
            block[30] = 1;
            let kinds = [1, 5, 6, 8, 2].map(TagIdentifier);
            Tag::seal(block, kinds[sector as usize % 5], SEAL, sector);
        }
        let progress = Progress::new();
        let found = survey(&image, MOST, &progress).unwrap();
        assert_eq!(found.sequences.len(), MOST - 1, "the first descriptor of all is at sector 0");
        assert_eq!(found.anchors.len(), MOST);
        assert_eq!(found.primaries.len(), MOST - 1);
        assert_eq!(survey(&image, 10, &Progress::new()).unwrap().primaries.len(), 10);
        assert_eq!(progress.bytes(), image.len() as u64);
        progress.cancel();
        assert!(survey(&image, MOST, &progress).is_err());
    }
}
