//! File entries: which can be trusted, which can be proved, and what is mended in them (ECMA-167 4/14.9, 4/14.17).

use std::mem::offset_of;

use udf::BlockAddress;
use udf::file::{ExtendedFileEntry, FileEntry, FileType};
use udf::general::{ExtentKind, LongAd, Tag, TagIdentifier, Timestamp};
use zerocopy::{FromBytes, IntoBytes};

use super::bytes::{
    Want, content_is_sound, get16, get32, get64, is_sealed, is_zero, mend_developer, put, seal,
};
use super::files::{Files, Role};

/// Flags that UDF forbids: sorted, transformed, several versions, reserved (UDF 2.3.5.4).
const FORBIDDEN: u16 = 1 << 3 | 1 << 11 | 1 << 12 | 0xC000;
const UNWANTED: u16 = 1 << 4 | 1 << 9;
const STREAM: u16 = 1 << 13;

/// Where the fields of an entry are: those of a file entry, and of an extended one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) extended: bool,
    pub(super) blocks_recorded: usize,
    times: [usize; 3],
    checkpoint: usize,
    attribute_icb: usize,
    developer: usize,
    pub(super) unique_id: usize,
    pub(super) attribute_bytes: usize,
    pub(super) fixed: usize,
}

/// Where a struct has its fields.
macro_rules! form {
    ($entry:ident, $extended:literal) => {
        Form {
            extended: $extended,
            blocks_recorded: offset_of!($entry, logical_blocks_recorded),
            times: [
                offset_of!($entry, access_date_and_time),
                offset_of!($entry, modification_date_and_time),
                offset_of!($entry, attribute_date_and_time),
            ],
            checkpoint: offset_of!($entry, checkpoint),
            attribute_icb: offset_of!($entry, extended_attribute_icb),
            developer: offset_of!($entry, implementation_identifier),
            unique_id: offset_of!($entry, unique_id),
            attribute_bytes: offset_of!($entry, length_of_extended_attributes),
            fixed: size_of::<$entry>(),
        }
    };
}

const PLAIN: Form = form!(FileEntry, false);
const EXTENDED: Form = form!(ExtendedFileEntry, true);
/// The same in both.
pub(super) const LINKS: usize = offset_of!(FileEntry, file_link_count);
pub(super) const SIZE: usize = offset_of!(FileEntry, information_length);
pub(super) const OBJECT_SIZE: usize = offset_of!(ExtendedFileEntry, object_size);
const CREATED: usize = offset_of!(ExtendedFileEntry, creation_date_and_time);
const STREAM_ICB: usize = offset_of!(ExtendedFileEntry, stream_directory_icb);

impl Form {
    pub(super) fn of(block: &[u8]) -> Option<Self> {
        match Tag::read(block)?.kind() {
            TagIdentifier::FILE_ENTRY => Some(PLAIN),
            TagIdentifier::EXTENDED_FILE_ENTRY => Some(EXTENDED),
            _ => None,
        }
    }

    /// Where allocation descriptors, or the embedded body, begin and end; `None` if they do not fit the block.
    pub(super) fn allocation(self, block: &[u8]) -> Option<(usize, usize)> {
        let attributes = usize::try_from(get32(block, self.attribute_bytes)).ok()?;
        let length = usize::try_from(get32(block, self.attribute_bytes + 4)).ok()?;
        let start = self.fixed.checked_add(attributes)?;
        let end = start.checked_add(length)?;
        (end <= block.len()).then_some((start, end))
    }
}

/// What is known of an entry that can be used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) kind: FileType,
    pub(super) unique_id: u64,
    pub(super) size_bytes: u64,
    pub(super) streams: Option<LongAd>,
}

impl Facts {
    pub(super) fn is_directory(&self) -> bool {
        matches!(self.kind, FileType::DIRECTORY | FileType::STREAM_DIRECTORY)
    }
}

/// What is at the place of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Loaded {
    Entry(Facts),
    /// No entry.
    Missing,
    /// What may be one, but cannot be proved to be sound.
    Unusable,
}

impl Files<'_, '_> {
    /// Looks at an entry, mends what can be, and marks the blocks of its body. `unique_id` is what stands beside its name.
    pub(super) fn load(&mut self, icb: BlockAddress, role: Role, unique_id: Option<u32>) -> Loaded {
        let Some(mut block) = self.best_copy(icb) else { return Loaded::Unusable };
        let Some(form) = Form::of(&block) else { return Loaded::Missing };
        if get16(&block, 20) != 4 {
            // Chains of entries are of write-once media, and are read only.
            return self.chain(icb);
        }
        let Some((_, end)) = form.allocation(&block) else { return Loaded::Unusable };
        let kind = Tag::read(&block).unwrap_or_default().kind();
        let want = Want { crc_bytes: end - Tag::LEN, ..self.mender.want(kind, icb.block.0) };
        let sealed = is_sealed(&block, &want);
        let length_fits = usize::from(get16(&block, 10)) == want.crc_bytes;
        if !sealed || !length_fits {
            let moved = get32(&block, 12) != icb.block.0;
            let by_crc = content_is_sound(&block, end);
            let proved = (by_crc || self.is_consistent(&block, icb, form, role, unique_id))
                && (!moved
                    || unique_id
                        .is_none_or(|id| u64::from(id) == get64(&block, form.unique_id) & 0xFFFF_FFFF));
            if !proved {
                return Loaded::Unusable;
            }
            let before = block.clone();
            seal(&mut block, &want);
            if !self.rewrite(icb, &block) {
                return Loaded::Unusable;
            }
            if !by_crc {
                self.doubtful.insert(icb, before);
            }
            self.mend(4, icb, "entry: its content is sound, its tag was not; it is sealed anew".into());
        }
        self.mend_entry(icb, &mut block, form, role, unique_id);
        let pieces = self.pieces(&block, icb);
        if !pieces.whole {
            self.complete = false;
        }
        if self.claim(icb, 1).is_some() {
            self.complete = false;
        }
        self.claim_pieces(icb, &pieces);
        self.attribute_file(&block, form);
        for at in form.times {
            self.note_time(&block, at);
        }
        Loaded::Entry(facts(&block, form))
    }

    /// An ICB of strategy 4096: its blocks are marked, nothing is changed.
    fn chain(&mut self, icb: BlockAddress) -> Loaded {
        let ad = LongAd::icb(self.block_size().bytes() * 2, icb, 0);
        let Ok(entry) = self.volume.entry(&ad) else { return Loaded::Unusable };
        self.claim(icb, 2);
        if entry.block != icb {
            // What lies between the first and the last of the chain is not known here.
            self.claim(entry.block, 2);
            self.complete = false;
        }
        if let Some(block) = self.block(entry.block) {
            let pieces = self.pieces(&block, icb);
            self.claim_pieces(icb, &pieces);
        }
        Loaded::Entry(Facts {
            kind: entry.kind,
            unique_id: entry.unique_id,
            size_bytes: entry.size_bytes,
            streams: entry.stream_directory,
        })
    }

    /// The copy of a block that is sealed, if one is. If that is the mirror's, the main one follows.
    pub(super) fn best_copy(&mut self, address: BlockAddress) -> Option<Vec<u8>> {
        let main = self.block(address);
        let fits = |block: &Vec<u8>| {
            let tag = Tag::read(block).unwrap_or_default();
            Tag::check(block, tag.kind(), address.block.0, "", address).is_ok() && tag.kind().0 > 255
        };
        if main.as_ref().is_some_and(fits) {
            return main;
        }
        if let Some(mirror) = self.mirror_block(address).filter(fits) {
            if self.rewrite(address, &mirror) {
                self.mend(85, address, "it is damaged; the mirror's copy takes its place".into());
            }
            return Some(mirror);
        }
        main
    }

    /// Whether everything in an entry fits together and with all that has been seen: then only its seal is wrong.
    fn is_consistent(
        &self,
        block: &[u8],
        icb: BlockAddress,
        form: Form,
        role: Role,
        unique_id: Option<u32>,
    ) -> bool {
        let Some((start, end)) = form.allocation(block) else { return false };
        let flags = get16(block, 34);
        let form_bits = flags & 7;
        // An embedded body is covered by nothing but the CRC.
        let embedded = form_bits == 3;
        let size = get64(block, SIZE);
        let attributes = start - form.fixed;
        let own_id = get64(block, form.unique_id);
        let plain = form_bits <= 1
            && flags & (FORBIDDEN | UNWANTED) == 0
            && (flags & STREAM != 0) == role.is_stream()
            && role.allows(FileType(block[27]))
            && get16(block, 24) == 1
            && get16(block, 22) == 0
            && is_zero(&block[28..34])
            && is_zero(&block[16..20])
            && get32(block, 44) >> 15 == 0
            && is_zero(&block[50..56])
            && get32(block, form.checkpoint) == 1
            && form.times.iter().all(|at| time(block, *at).moment().is_some())
            && is_zero(&block[end..])
            && attributes.is_multiple_of(4)
            && (attributes == 0 || attributes >= 24 && content_is_sound(&block[form.fixed..start], 24))
            && unique_id.is_none_or(|id| u64::from(id) == own_id & 0xFFFF_FFFF)
            && (!form.extended
                || is_zero(&block[STREAM_ICB..STREAM_ICB + 16]) && get64(block, OBJECT_SIZE) == size);
        if embedded || !plain {
            return false;
        }
        let pieces = self.pieces(block, icb);
        let covered: u64 = pieces.list.iter().map(|piece| u64::from(piece.bytes)).sum();
        let recorded: u64 = pieces
            .list
            .iter()
            .filter(|piece| piece.kind == ExtentKind::Recorded)
            .map(|piece| self.blocks_of(piece))
            .map(u64::from)
            .sum();
        pieces.whole
            && pieces.continuations.is_empty()
            && covered == size
            && recorded == get64(block, form.blocks_recorded)
            && pieces.list.iter().all(|piece| self.is_free_piece(piece))
    }

    fn attribute_file(&mut self, block: &[u8], form: Form) {
        let Ok((icb, _)) = LongAd::read_from_prefix(&block[form.attribute_icb..]) else { return };
        if icb.bytes() > 0 && !self.nodes.contains_key(&icb.start()) && self.depth == 0 {
            // It cannot have one itself.
            self.depth = 1;
            if !matches!(self.load(icb.start(), Role::Attributes, None), Loaded::Entry(_)) {
                self.complete = false;
            }
            self.depth = 0;
        }
    }

    /// Fields that can have one value only, or follow from others.
    fn mend_entry(
        &mut self,
        icb: BlockAddress,
        block: &mut Vec<u8>,
        form: Form,
        role: Role,
        unique_id: Option<u32>,
    ) {
        let old = block.clone();
        let mut told: Vec<(u8, &str)> = Vec::new();
        let mut when = |changed: bool, rule: u8, what: &'static str| {
            if changed {
                told.push((rule, what));
            }
        };
        when(
            put(block, 24, &[1, 0]) | put(block, 22, &[0; 2]) | put(block, 16, &[0; 4]),
            91,
            "strategy 4 has one entry and no parameter",
        );
        when(put(block, 26, &[0]), 92, "a reserved byte is cleared");
        when(put(block, 28, &[0; 6]), 93, "strategy 4 has no parent");
        let flags = get16(block, 34);
        let stream = if role.is_stream() { STREAM } else { 0 };
        let right = flags & !(FORBIDDEN | UNWANTED | STREAM) | stream;
        when(
            put(block, 34, &right.to_le_bytes()),
            94,
            "flags that must not be set, or must be, are put right",
        );
        let permissions = get32(block, 44) & 0x7FFF;
        when(put(block, 44, &permissions.to_le_bytes()), 97, "permissions that do not exist are cleared");
        when(put(block, 50, &[0; 6]), 98, "it has no records");
        if get32(block, form.checkpoint) == 0 {
            when(put(block, form.checkpoint, &[1]), 100, "checkpoints begin at 1");
        }
        if let Some(rule) = mend_developer(block, form.developer) {
            when(true, rule, "the implementation identifier is ours now");
        }
        when(mend_times(block, form), 20, "a time that cannot be is replaced by another of the entry");
        when(
            mend_attributes(block, form, self.mender.revision.rules().absent_attribute_is_ones),
            129,
            "the header of its attributes follows from them",
        );
        let end = form.allocation(block).map_or(block.len(), |(_, end)| end);
        let behind = !is_zero(&block[end..]);
        block[end..].fill(0);
        when(behind, 9, "bytes behind it are cleared");
        when(
            self.mend_allocation(icb, block, form),
            108,
            "its extents, their number and length are put right",
        );
        self.mend_id(block, form, role, unique_id, &mut when);
        let object = form.extended && is_zero(&block[STREAM_ICB..STREAM_ICB + 16]);
        let size = block[SIZE..SIZE + 8].to_vec();
        when(object && put(block, OBJECT_SIZE, &size), 104, "without streams the object is its body");
        if role.is_metadata_file() {
            when(put(block, LINKS, &[0; 2]), 99, "no name leads to it");
            when(put(block, form.unique_id, &[0; 8]), 83, "its unique id is 0");
        }
        if *block == old {
            return;
        }
        if let (Some((_, end)), Some(tag)) = (form.allocation(block), Tag::read(block)) {
            seal(block, &Want { crc_bytes: end - Tag::LEN, ..self.mender.want(tag.kind(), icb.block.0) });
        }
        if self.rewrite(icb, block) {
            for (rule, what) in told {
                self.mend(rule, icb, format!("entry: {what}"));
            }
        } else {
            *block = old;
        }
    }

    /// Unique ids that tell of no file: what stands beside the name is believed.
    fn mend_id(
        &self,
        block: &mut [u8],
        form: Form,
        role: Role,
        beside: Option<u32>,
        when: &mut dyn FnMut(bool, u8, &'static str),
    ) {
        let own = get64(block, form.unique_id);
        let beside =
            beside.map(u64::from).filter(|id| *id >= 16 && self.next_id.is_none_or(|next| *id < next));
        let wrong = own & 0xFFFF_FFFF < 16 || self.next_id.is_some_and(|next| own >= next);
        let right = match role {
            Role::Root | Role::SystemStreams | Role::SystemStream => 0,
            Role::Streams(owner) | Role::Stream(owner) => owner,
            Role::Named if wrong => match beside {
                Some(beside) => beside,
                None => return,
            },
            _ => return,
        };
        when(
            put(block, form.unique_id, &right.to_le_bytes()),
            105,
            "its unique id is what the name that leads to it says",
        );
    }
}

fn facts(block: &[u8], form: Form) -> Facts {
    let streams = LongAd::read_from_prefix(&block[STREAM_ICB..]).ok().map(|(icb, _)| icb);
    Facts {
        kind: FileType(block[27]),
        unique_id: get64(block, form.unique_id),
        size_bytes: get64(block, SIZE),
        streams: streams.filter(|icb| form.extended && icb.bytes() > 0),
    }
}

fn time(block: &[u8], at: usize) -> Timestamp {
    Timestamp::read_from_bytes(&block[at..at + 12]).unwrap_or(Timestamp::ZERO)
}

/// Replaces times that cannot be; whether there were any. Zones in odd minutes become UTC; the point in time stays.
fn mend_times(block: &mut [u8], form: Form) -> bool {
    let mut places = form.times.to_vec();
    if form.extended {
        places.push(CREATED);
    }
    let sound = places
        .iter()
        .map(|at| time(block, *at))
        .filter(|time| time.moment().is_some())
        .min_by_key(Timestamp::moment);
    let mut changed = false;
    for at in places {
        let old = time(block, at);
        let new = match old.moment() {
            Some(moment) if old.zone_minutes().is_some_and(|zone| zone % 15 != 0) => {
                Timestamp::new(moment, 0)
            }
            Some(_) => continue,
            None => match sound {
                Some(sound) => sound,
                None => continue,
            },
        };
        changed |= put(block, at, new.as_bytes());
    }
    changed
}

/// Makes the header of the attributes say where each kind begins, if all attributes can be told apart and are in order.
fn mend_attributes(block: &mut [u8], form: Form, absent_is_ones: bool) -> bool {
    let Some((end, _)) = form.allocation(block) else { return false };
    let length = end - form.fixed;
    if length < 24 || get16(block, form.fixed) != TagIdentifier::EXTENDED_ATTRIBUTE_HEADER.0 {
        return false;
    }
    let absent = if absent_is_ones { u32::MAX } else { u32::try_from(length).unwrap_or(u32::MAX) };
    let (mut implementation, mut application) = (absent, absent);
    let mut at = 24;
    let old = block.to_vec();
    let mut previous = 0;
    while at < length {
        let start = form.fixed + at;
        let (kind, bytes) = (get32(block, start), get32(block, start + 8) as usize);
        let class = match kind {
            1 | 5 | 6 | 12 => 0,
            2048 => 1,
            65536 => 2,
            _ => return false,
        };
        if bytes < 12 || !bytes.is_multiple_of(4) || at + bytes > length || class < previous {
            block.copy_from_slice(&old);
            return false;
        }
        previous = class;
        let place = u32::try_from(at).unwrap_or(u32::MAX);
        match class {
            1 => implementation = implementation.min(place),
            2 => application = application.min(place),
            _ => {}
        }
        put(block, start + 4, &[1]);
        if class > 0 && block[start + 17..].starts_with(b"*UDF") && bytes >= 52 {
            let sum =
                block[start..start + 48].iter().fold(0_u16, |sum, byte| sum.wrapping_add((*byte).into()));
            put(block, start + 48, &sum.to_le_bytes());
        }
        at += bytes;
    }
    put(block, form.fixed + 16, &implementation.to_le_bytes());
    put(block, form.fixed + 20, &application.to_le_bytes());
    let header = form.fixed;
    if *block != old[..] {
        udf::general::Tag::reseal(&mut block[header..]);
    }
    *block != old[..]
}
