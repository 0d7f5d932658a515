//! Volume descriptor sequences that no anchor leads to: looked for on the whole device (ECMA-167 3/8.4).

use udf::general::{ExtentAd, Tag, TagIdentifier};
use udf::read::ReadAt;
use udf::volume::MINIMUM_SEQUENCE_SECTORS;
use udf::{BlockSize, Sector};

use super::bytes::get16;
use crate::progress::Progress;
use crate::session::survey::survey;

/// Sectors of a sequence that are looked at, and primary descriptors that are remembered.
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
    let survey = survey(&device, MOST_SEQUENCES, &Progress::new()).ok()?;
    let of_size = |size: BlockSize| {
        let primaries = survey.primaries.iter().filter(move |(block_size, _)| *block_size == size);
        primaries.filter_map(move |(_, primary)| candidate(device, size, primary.0)).collect::<Vec<_>>()
    };
    block_sizes.iter().find_map(|block_size| {
        let candidates = of_size(*block_size);
        let pairs = candidates.iter().enumerate().filter_map(|(index, one)| {
            // A sequence may have several primary descriptors, and is no copy of itself.
            let is_copy = |other: &&Candidate| other.start != one.start && other.contents == one.contents;
            let other = candidates[index + 1..].iter().rev().find(is_copy)?;
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
