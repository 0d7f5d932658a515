//! The volume descriptor sequences: each from what is sound in both (ECMA-167 3/8.4).

use std::collections::BTreeMap;

use udf::Sector;
use udf::general::{ExtentAd, Tag, TagIdentifier};
use udf::revision::Revision;

use super::Mender;
use super::bytes::{Want, content_is_sound, get16, get32, is_sealed, is_zero, put, seal};
use super::fields;
use super::plan::Phase;

/// Sectors looked at in a sequence.
const MAX_SECTORS: u32 = 1024;
/// Kinds of which one prevails, whatever its identity.
const SINGLE: [TagIdentifier; 3] =
    [TagIdentifier::PRIMARY_VOLUME, TagIdentifier::LOGICAL_VOLUME, TagIdentifier::UNALLOCATED_SPACE];

/// A descriptor as it stands in a sequence.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) kind: TagIdentifier,
    /// The descriptor alone, in its variable length.
    pub(super) bytes: Vec<u8>,
    /// Its content is as it was written.
    sound: bool,
}

/// What stands in a sequence.
#[derive(Debug, Default)]
struct Sequence {
    descriptors: Vec<Recorded>,
    /// Every descriptor is sealed and in its place, only the kinds that may be, and a proper end.
    clean: bool,
    /// It goes on elsewhere: nothing that is rewritten here.
    goes_on: bool,
    /// The sectors up to the end of it.
    used: u32,
}

impl Recorded {
    fn number(&self) -> u32 {
        get32(&self.bytes, Tag::LEN)
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.bytes[Tag::LEN..]
    }

    /// What tells descriptors of a kind apart.
    fn identity(&self) -> Vec<u8> {
        let range = match self.kind {
            TagIdentifier::PARTITION => 22..24,
            TagIdentifier::IMPLEMENTATION_USE_VOLUME => 20..44,
            _ => 0..0,
        };
        self.bytes.get(range).unwrap_or_default().to_vec()
    }
}

impl Mender<'_> {
    /// Mends both sequences; the descriptors that prevail, or `None` if they are lost.
    pub(super) fn sequences(&mut self, extents: (ExtentAd, ExtentAd)) -> Option<Vec<Recorded>> {
        let (main, reserve) = (self.sequence(extents.0), self.sequence(extents.1));
        let mut all = merge(&main, &reserve);
        let has = |all: &[Recorded], kind| all.iter().any(|recorded| recorded.kind == kind);
        for kind in [TagIdentifier::PRIMARY_VOLUME, TagIdentifier::LOGICAL_VOLUME, TagIdentifier::PARTITION] {
            if !has(&all, kind) {
                return None;
            }
        }
        let logical = all.iter().find(|recorded| recorded.kind == TagIdentifier::LOGICAL_VOLUME)?;
        self.revision_number = get16(&logical.bytes, 216 + 24);
        self.revision = Revision::from_number(self.revision_number)?;
        let sealed = all.iter().find(|recorded| recorded.sound)?;
        self.serial = get16(&sealed.bytes, 6);
        self.version = get16(&sealed.bytes, 2);
        fields::mend(self, &mut all);
        if main.goes_on || reserve.goes_on {
            return Some(all);
        }
        for (extent, sequence, phase, rule) in
            [(extents.1, &reserve, Phase::Reserve, 34), (extents.0, &main, Phase::Main, 34)]
        {
            if extent.location == extents.0.location && phase == Phase::Reserve {
                continue;
            }
            self.rewrite(extent, sequence, &all, phase, rule);
        }
        Some(all)
    }

    fn sequence(&self, extent: ExtentAd) -> Sequence {
        let len = self.block_size().len();
        let count = extent.length.get().div_ceil(self.block_size().bytes()).min(MAX_SECTORS);
        // Where it lies is what an anchor says.
        let count = count.min(self.overlay.sectors().saturating_sub(extent.location.get()));
        let mut found = Sequence { clean: true, ..Sequence::default() };
        let mut index = 0;
        let mut ended = false;
        while index < count && !ended {
            let Some(sector) = extent.location.get().checked_add(index) else { break };
            let Some(mut block) = self.overlay.sector(sector) else {
                found.clean = false;
                index += 1;
                continue;
            };
            let kind = Tag::read(&block).unwrap_or_default().kind();
            if is_zero(&block[..Tag::LEN]) {
                // Nothing at all, or the tag was lost.
                ended = is_zero(&block);
                found.clean &= ended;
                index += 1;
                continue;
            }
            let Some(bytes) = length(&block, kind) else {
                found.clean = false;
                index += 1;
                continue;
            };
            let sectors = u32::try_from(bytes.div_ceil(len)).unwrap_or(u32::MAX).max(1);
            for more in 1..sectors.min(count - index) {
                block.extend(self.overlay.sector(sector + more).unwrap_or_else(|| vec![0; len]));
            }
            if block.len() < bytes {
                found.clean = false;
                index += 1;
                continue;
            }
            let seals = Tag::check(&block, kind, sector, "", Sector(sector)).is_ok();
            found.clean &= seals && block[5] == 0 && is_zero(&block[bytes..]);
            found.clean &= usize::from(get16(&block, 10)) + Tag::LEN == bytes;
            let sound = content_is_sound(&block, bytes);
            index += sectors;
            match kind {
                TagIdentifier::TERMINATING => ended = true,
                TagIdentifier::VOLUME_POINTER => (ended, found.goes_on) = (true, true),
                _ => {
                    block.truncate(bytes);
                    found.descriptors.push(Recorded { kind, bytes: block, sound });
                }
            }
        }
        found.used = index;
        found
    }

    fn rewrite(&mut self, extent: ExtentAd, old: &Sequence, all: &[Recorded], phase: Phase, rule: u8) {
        let len = self.block_size().len();
        let same = old.descriptors.len() == all.len()
            && all.iter().all(|one| {
                old.descriptors.iter().any(|other| other.kind == one.kind && other.content() == one.content())
            })
            && self.same_tags(&old.descriptors);
        if old.clean && same {
            return;
        }
        let name = if phase == Phase::Main { "main" } else { "reserve" };
        let mut sector = extent.location.get();
        let sectors: usize = all.iter().map(|one| one.bytes.len().div_ceil(len)).sum::<usize>() + 1;
        let room = extent.length.get().div_ceil(self.block_size().bytes());
        let is_there = sector.checked_add(room).is_some_and(|end| end <= self.overlay.sectors());
        if sectors > room as usize || !is_there {
            return;
        }
        let start = sector;
        let mut terminating = vec![0; 512];
        terminating[Tag::LEN..].fill(0);
        let end = Recorded { kind: TagIdentifier::TERMINATING, bytes: terminating, sound: true };
        for one in all.iter().chain([&end]) {
            let mut bytes = one.bytes.clone();
            let want = Want { crc_bytes: bytes.len() - Tag::LEN, ..self.want(one.kind, sector) };
            if !is_sealed(&bytes, &want) || usize::from(get16(&bytes, 10)) != want.crc_bytes {
                seal(&mut bytes, &want);
            }
            bytes.resize(bytes.len().div_ceil(len) * len, 0);
            for piece in bytes.chunks(len) {
                self.overlay.put(sector, phase, piece.to_vec());
                sector += 1;
            }
        }
        // What is behind the end is not read, but may be found by those who search.
        while sector < start + old.used {
            self.overlay.put(sector, phase, vec![0; len]);
            sector += 1;
        }
        self.mend(
            rule,
            Sector(start),
            format!("the {name} volume descriptor sequence is recorded anew, from what is sound in both"),
        );
    }

    fn same_tags(&self, descriptors: &[Recorded]) -> bool {
        descriptors
            .iter()
            .all(|one| get16(&one.bytes, 6) == self.serial && get16(&one.bytes, 2) == self.version)
    }
}

/// The prevailing descriptors of both sequences, each from where it is sound; of equal numbers those of the main one.
fn merge(main: &Sequence, reserve: &Sequence) -> Vec<Recorded> {
    let mut slots: BTreeMap<(TagIdentifier, Vec<u8>), (usize, Recorded)> = BTreeMap::new();
    let confirmed = |one: &Recorded, other: &Sequence| {
        one.sound
            || other.descriptors.iter().any(|two| two.kind == one.kind && two.content() == one.content())
    };
    let main_ones = main.descriptors.iter().filter(|one| confirmed(one, reserve));
    let reserve_ones = reserve.descriptors.iter().filter(|one| confirmed(one, main));
    let place = |one: &Recorded, order: usize, is_main: bool, slots: &mut BTreeMap<_, (usize, Recorded)>| {
        let identity = if SINGLE.contains(&one.kind) { Vec::new() } else { one.identity() };
        let slot = slots.entry((one.kind, identity)).or_insert_with(|| (order, one.clone()));
        // Within a sequence the last of the highest number prevails; the reserve one counts only if it is newer.
        let newer = one.number() > slot.1.number() || is_main && one.number() == slot.1.number();
        if newer {
            slot.1 = one.clone();
        }
    };
    for (order, one) in main_ones.enumerate() {
        place(one, order, true, &mut slots);
    }
    for (order, one) in reserve_ones.enumerate() {
        place(one, order + 1000, false, &mut slots);
    }
    let mut all: Vec<_> = slots.into_values().collect();
    // The primary first, so that readers notice at once if the sequence is lost.
    all.sort_by_key(|(order, one)| (one.kind != TagIdentifier::PRIMARY_VOLUME, *order));
    all.into_iter().map(|(_, one)| one).collect()
}

/// Bytes of a descriptor that may stand in a sequence.
fn length(block: &[u8], kind: TagIdentifier) -> Option<usize> {
    let more = |fixed: usize, count: u32, each: usize| {
        usize::try_from(count).ok()?.checked_mul(each)?.checked_add(fixed).filter(|bytes| *bytes < 1 << 16)
    };
    match kind {
        TagIdentifier::PRIMARY_VOLUME
        | TagIdentifier::VOLUME_POINTER
        | TagIdentifier::IMPLEMENTATION_USE_VOLUME
        | TagIdentifier::PARTITION
        | TagIdentifier::TERMINATING => Some(512),
        TagIdentifier::LOGICAL_VOLUME => more(440, get32(block, 264), 1),
        TagIdentifier::UNALLOCATED_SPACE => more(24, get32(block, 20), 8),
        _ => None,
    }
}

/// An unallocated space descriptor without extents, or UDF's implementation use descriptor of this label.
pub(super) fn missing(kind: TagIdentifier, number: u32, logical: &[u8], revision: Revision) -> Recorded {
    let mut bytes = if kind == TagIdentifier::UNALLOCATED_SPACE { vec![0; 24] } else { vec![0; 512] };
    put(&mut bytes, Tag::LEN, &number.to_le_bytes());
    if kind == TagIdentifier::IMPLEMENTATION_USE_VOLUME {
        fields::information(&mut bytes, logical, revision);
    }
    Recorded { kind, bytes, sound: true }
}
