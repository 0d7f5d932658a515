//! Volume descriptor sequences that no anchor leads to: looked for on the whole device (ECMA-167 3/8.4).

use std::collections::BTreeMap;

use udf::general::{ExtentAd, Tag, TagIdentifier};
use udf::read::ReadAt;
use udf::volume::MINIMUM_SEQUENCE_SECTORS;
use udf::{BlockSize, Sector};

use super::bytes::{get16, get32};

/// How much is read at once.
const CHUNK_BYTES: u64 = 1 << 20;
/// What descriptors begin at multiples of, whatever the block size.
const STEP: usize = 512;
/// Sectors of a sequence that are looked at, and sequences that are remembered.
const MOST_SECTORS: u32 = 64;
const MOST_SEQUENCES: usize = 1 << 12;

/// Main and reserve sequence, as far as they can be told apart, and their block size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) block_size: BlockSize,
    pub(super) extents: (ExtentAd, ExtentAd),
}

/// A whole sequence.
#[derive(Debug)]
struct Candidate {
    start: u32,
    sectors: u32,
    /// What its descriptors hold, without the tags: the same in main and reserve sequence.
    contents: Vec<Vec<u8>>,
    /// The recording time of its primary descriptor, which can be compared.
    recorded: Vec<u8>,
}

/// The newest pair of equal sequences on a device, all of whose descriptors are sealed: nothing else proves that they are what
/// an anchor led to.
pub(super) fn sequences(device: &dyn ReadAt, block_sizes: &[BlockSize]) -> Option<Lost> {
    let mut found: BTreeMap<u32, Vec<Candidate>> = BTreeMap::new();
    let mut count = 0;
    let size = device.size_bytes();
    let mut offset = 0;
    while offset < size && count < MOST_SEQUENCES {
        let mut chunk = vec![0; usize::try_from(CHUNK_BYTES.min(size - offset)).ok()?];
        // What cannot be read holds no sequence that could be used.
        if device.read_at(offset, &mut chunk).is_ok() {
            for (index, head) in chunk.chunks_exact(STEP).enumerate() {
                let at = offset + (index * STEP) as u64;
                let is_primary = head.starts_with(&TagIdentifier::PRIMARY_VOLUME.0.to_le_bytes());
                for block_size in block_sizes.iter().filter(|_| is_primary) {
                    let bytes = u64::from(block_size.bytes());
                    let fits = at.is_multiple_of(bytes) && u64::from(get32(head, 12)) == at / bytes;
                    if let Some(candidate) =
                        fits.then(|| candidate(device, *block_size, get32(head, 12))).flatten()
                    {
                        found.entry(block_size.bytes()).or_default().push(candidate);
                        count += 1;
                    }
                }
            }
        }
        offset += CHUNK_BYTES;
    }
    block_sizes.iter().find_map(|block_size| {
        let candidates = found.get(&block_size.bytes())?;
        let pairs = candidates.iter().enumerate().filter_map(|(index, one)| {
            let other = candidates[index + 1..].iter().rev().find(|other| other.contents == one.contents)?;
            Some((one, other))
        });
        let (one, other) = pairs.max_by_key(|(one, other)| (&one.recorded, other.start))?;
        let extent = |candidate: &Candidate| {
            let sectors = candidate.sectors.max(MINIMUM_SEQUENCE_SECTORS);
            ExtentAd::new(sectors * block_size.bytes(), Sector(candidate.start))
        };
        Some(Lost { block_size: *block_size, extents: (extent(one), extent(other)) })
    })
}

/// The sequence that has its primary descriptor in a sector, if it is whole and all of it is sealed.
fn candidate(device: &dyn ReadAt, block_size: BlockSize, primary: u32) -> Option<Candidate> {
    // The primary descriptor is the first nearly everywhere.
    let mut start = primary;
    while primary - start < MOST_SECTORS && start > 0 && descriptor(device, block_size, start - 1).is_some() {
        start -= 1;
    }
    let mut contents = Vec::new();
    let mut kinds = Vec::new();
    let mut recorded = Vec::new();
    let mut sector = start;
    while sector - start < MOST_SECTORS {
        let (kind, bytes) = descriptor(device, block_size, sector)?;
        sector += u32::try_from(block_size.blocks_for(bytes.len() as u64)).ok()?.max(1);
        if kind == TagIdentifier::TERMINATING {
            break;
        }
        if kind == TagIdentifier::PRIMARY_VOLUME {
            recorded = time(&bytes);
        }
        kinds.push(kind);
        contents.push(bytes[Tag::LEN..].to_vec());
    }
    let needed = [TagIdentifier::PRIMARY_VOLUME, TagIdentifier::LOGICAL_VOLUME, TagIdentifier::PARTITION];
    let whole = needed.iter().all(|kind| kinds.contains(kind));
    whole.then_some(Candidate { start, sectors: sector - start, contents, recorded })
}

/// The descriptor of a sequence in a sector, as long as its CRC is, if it is sealed.
fn descriptor(device: &dyn ReadAt, block_size: BlockSize, sector: u32) -> Option<(TagIdentifier, Vec<u8>)> {
    let mut bytes = vec![0; block_size.len()];
    let offset = block_size.offset_of(Sector(sector));
    device.read_at(offset, &mut bytes).ok()?;
    let kind = Tag::read(&bytes)?.kind();
    if !matches!(kind.0, 1 | 4..=8) {
        return None;
    }
    let length = Tag::LEN + usize::from(get16(&bytes, 10));
    bytes.resize(length.max(block_size.len()), 0);
    device.read_at(offset, &mut bytes).ok()?;
    Tag::check(&bytes, kind, sector, "", Sector(sector)).ok()?;
    bytes.truncate(length.max(Tag::LEN));
    Some((kind, bytes))
}

/// The recording time of a primary descriptor, from the year to the microseconds; zones are all the same on one volume.
fn time(primary: &[u8]) -> Vec<u8> {
    let time = primary.get(376..388).unwrap_or_default();
    let year = time.get(2..4).map(|year| [year[1], year[0]]).unwrap_or_default();
    [&year, time.get(4..).unwrap_or_default()].concat()
}
