//! Directories: file identifiers that can be proved are sealed again, what cannot is deleted in place (ECMA-167 4/14.4).
//!
//! No file identifier ever changes its length, so that each is written where it is and none moves: a crash can spoil only
//! what was changed, and the next repair proves it anew.

use std::collections::BTreeSet;

use udf::BlockAddress;
use udf::file::{FileIdentifierDescriptor as Identifier, characteristics};
use udf::general::{Descriptor, ExtentKind, LongAd, Tag, text};
use zerocopy::{FromBytes, IntoBytes};

use super::bytes::{Want, content_is_sound, get16, get32, is_sealed, is_zero, put, seal};
use super::entry::{Facts, Form, Loaded, SIZE};
use super::files::{Files, Role};
use super::plan::Phase;

const FIXED: usize = Identifier::FIXED_LEN;
/// The shortest file identifier.
const LEAST: usize = 40;
const CHARACTERISTICS: usize = 18;
const NAME_LENGTH: usize = 19;
const ICB: usize = 20;
const UNIQUE_ID: usize = ICB + 12;
const USE_LENGTH: usize = 36;
/// Bytes of a directory that is mended.
const MOST_BYTES: u64 = 1 << 30;

/// A name that leads nowhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dangling {
    pub(super) directory: BlockAddress,
    pub(super) at: usize,
    pub(super) unique_id: Option<u32>,
    pub(super) is_directory: bool,
    /// What is there is certainly no entry.
    pub(super) is_nothing: bool,
}

/// A directory's body, and where it lies.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) icb: BlockAddress,
    pub(super) bytes: Vec<u8>,
    old: Vec<u8>,
    /// Of each block: its address, where in the body it begins, and how far into the block that is.
    blocks: Vec<(BlockAddress, usize, usize)>,
}

impl Body {
    /// The block in which a byte lies.
    fn block_of(&self, at: usize) -> BlockAddress {
        let index = self.blocks.partition_point(|(_, start, _)| *start <= at);
        self.blocks.get(index.saturating_sub(1)).map_or(self.icb, |(block, ..)| *block)
    }
}

/// A file identifier's place.
#[derive(Clone, Copy, Debug)]
struct Slot {
    at: usize,
    len: usize,
}

impl Files<'_, '_> {
    /// The body of a directory, from the copy of metadata that is less damaged.
    pub(super) fn body(&self, icb: BlockAddress) -> Option<Body> {
        let main = self.body_of(icb, false)?;
        if !self.has_metadata() || self.damage(&main) == 0 {
            return Some(main);
        }
        let mirror = self.body_of(icb, true).filter(|mirror| self.damage(mirror) < self.damage(&main));
        // What was there is the main copy, so that all that differs is written.
        Some(mirror.map_or_else(|| main.clone(), |mirror| Body { bytes: mirror.bytes, ..main.clone() }))
    }

    fn body_of(&self, icb: BlockAddress, mirrored: bool) -> Option<Body> {
        let entry = self.block(icb)?;
        let form = Form::of(&entry)?;
        let (start, end) = form.allocation(&entry)?;
        if get16(&entry, 34) & 7 == 3 {
            let bytes = entry[start..end].to_vec();
            return Some(Body { icb, old: bytes.clone(), bytes, blocks: vec![(icb, 0, start)] });
        }
        let size = super::bytes::get64(&entry, SIZE);
        if size > MOST_BYTES {
            return None;
        }
        let size = usize::try_from(size).ok()?;
        let pieces = self.pieces(&entry, icb);
        let mut body = Body { icb, bytes: Vec::new(), old: Vec::new(), blocks: Vec::new() };
        for piece in &pieces.list {
            if body.bytes.len() >= size {
                break;
            }
            if piece.kind != ExtentKind::Recorded {
                return None;
            }
            let end = body.bytes.len() + piece.bytes as usize;
            for skip in 0..self.blocks_of(piece) {
                let address = piece.start.checked_add(skip)?;
                let block = if mirrored { self.mirror_block(address)? } else { self.block(address)? };
                body.blocks.push((address, body.bytes.len(), 0));
                body.bytes.extend(block);
            }
            body.bytes.truncate(end);
        }
        if body.bytes.len() < size || !pieces.whole {
            return None;
        }
        body.bytes.truncate(size);
        body.old.clone_from(&body.bytes);
        Some(body)
    }

    /// How much of a body is in no sealed file identifier.
    fn damage(&self, body: &Body) -> usize {
        let (mut at, mut damage) = (0, 0);
        while at < body.bytes.len() {
            match self.sealed(body, at) {
                Some(len) => at += len,
                None => (at, damage) = (at + 4, damage + 4),
            }
        }
        damage
    }

    fn want_name(&self, body: &Body, at: usize, len: usize) -> Want {
        let location = body.block_of(at).block.0;
        Want { crc_bytes: len - Tag::LEN, ..self.mender.want(Identifier::IDENTIFIER, location) }
    }

    /// The length of the sealed file identifier there.
    fn sealed(&self, body: &Body, at: usize) -> Option<usize> {
        let rest = body.bytes.get(at..)?;
        let len = Identifier::peek(rest, body.icb).ok()?.total_len();
        let bytes = rest.get(..len)?;
        (is_sealed(bytes, &self.want_name(body, at, len)) && usize::from(get16(bytes, 10)) + Tag::LEN == len).then_some(len)
    }

    /// Writes what is changed of a body; whether all of it could be.
    pub(super) fn write_body(&mut self, body: &Body) -> bool {
        if body.bytes == body.old {
            return true;
        }
        if !body.blocks.iter().all(|(block, ..)| self.may_change(*block)) {
            return false;
        }
        for (block, start, inside) in body.blocks.clone() {
            let len = self.block_size().len() - inside;
            let end = (start + len).min(body.bytes.len());
            if body.bytes[start..end] == body.old[start..end] {
                continue;
            }
            let new = body.bytes[start..end].to_vec();
            if block == body.icb {
                self.edit(block, Phase::Change, |bytes| { put(bytes, inside, &new); });
            } else if let Some(mut bytes) = self.block(block) {
                put(&mut bytes, inside, &new);
                self.rewrite(block, &bytes);
            }
        }
        true
    }

    /// Looks at the names in a directory and mends them.
    pub(super) fn directory(&mut self, icb: BlockAddress) {
        let Some(node) = self.nodes.get(&icb).copied() else { return };
        let Some(mut body) = self.body(icb) else {
            self.complete = false;
            if let Some(node) = self.nodes.get_mut(&icb) {
                node.whole = false;
            }
            return;
        };
        if body.bytes != body.old {
            self.mend(85, icb, "directory: the mirror's copy takes the place of what is damaged".into());
        }
        let mut slots = self.slots(&mut body);
        self.parents(&mut body, &mut slots, &node);
        self.names(&mut body, &slots, node.role);
        self.children(&mut body, &slots, &node);
        self.seal_all(&mut body, &slots);
        if !self.write_body(&body) {
            self.complete = false;
        }
    }

    /// All file identifiers, those that had to be proved too; what is none becomes deleted ones.
    fn slots(&mut self, body: &mut Body) -> Vec<Slot> {
        let mut slots = Vec::new();
        let mut at = 0;
        while at < body.bytes.len() {
            if let Some(len) = self.sealed(body, at) {
                slots.push(Slot { at, len });
                at += len;
                continue;
            }
            let end = (at + 4..body.bytes.len()).step_by(4).find(|next| self.sealed(body, *next).is_some());
            let end = end.unwrap_or(body.bytes.len());
            match self.proved(body, at, end) {
                Some(len) => {
                    slots.push(Slot { at, len });
                    at += len;
                }
                None => {
                    self.close_gap(body, at, end, &mut slots);
                    at = end;
                }
            }
        }
        slots
    }

    /// Looks whether a file identifier, its seal aside, stands there; whatever is wrong in its head is put right.
    fn proved(&mut self, body: &mut Body, at: usize, end: usize) -> Option<usize> {
        let gap = end - at;
        for use_bytes in [None, Some(0_u16)] {
            let mut bytes = body.bytes.get(at..end)?.to_vec();
            if bytes.len() < LEAST {
                return None;
            }
            if let Some(length) = use_bytes {
                put(&mut bytes, USE_LENGTH, &length.to_le_bytes());
            }
            let len = Identifier::len_with(get16(&bytes, USE_LENGTH).into(), bytes[NAME_LENGTH].into());
            if len > gap || use_bytes.is_some() && len != gap || len > self.block_size().len() {
                continue;
            }
            bytes.truncate(len);
            let right_kind = get16(&bytes, 0) == Identifier::IDENTIFIER.0;
            let sound = right_kind && content_is_sound(&bytes, len);
            if !sound && !self.leads_to_what_it_says(&bytes, len == gap) {
                continue;
            }
            let want = self.want_name(body, at, len);
            seal(&mut bytes, &want);
            put(&mut body.bytes, at, &bytes);
            let rule = if right_kind { 4 } else { 10 };
            self.mend(rule, body.block_of(at), "file identifier: its seal does not fit, but what it says does; it is sealed anew".into());
            return Some(len);
        }
        None
    }

    /// A file identifier whose CRC tells nothing: everything else must fit.
    fn leads_to_what_it_says(&self, bytes: &[u8], fills: bool) -> bool {
        let bits = bytes[CHARACTERISTICS];
        let used = usize::from(get16(bytes, USE_LENGTH));
        let name = &bytes[FIXED + used..FIXED + used + usize::from(bytes[NAME_LENGTH])];
        let padding = &bytes[FIXED + used + name.len()..];
        let parent = bits & characteristics::PARENT != 0;
        let legal = bits & 0xE0 == 0 && is_zero(padding) && fills && (parent == name.is_empty()) && (parent || text::decode(name).is_ok_and(|name| !name.is_empty()));
        let Ok((icb, _)) = LongAd::read_from_prefix(&bytes[ICB..]) else { return false };
        let Some(entry) = self.block(icb.start()).filter(|_| legal && icb.bytes() == self.block_size().bytes()) else {
            return false;
        };
        let kind = Tag::read(&entry).unwrap_or_default().kind();
        let Some(form) = Form::of(&entry) else { return false };
        let id = super::bytes::get64(&entry, form.unique_id) & 0xFFFF_FFFF;
        let has_ids = self.mender.revision.rules().streams;
        let marked = bits & characteristics::DIRECTORY != 0;
        Tag::check(&entry, kind, icb.start().block.0, "", icb.start()).is_ok()
            && (parent || marked == (entry[27] == 4))
            && (!has_ids || u64::from(get32(bytes, UNIQUE_ID)) >= id)
    }

    /// Fills what is no file identifier with deleted ones.
    fn close_gap(&mut self, body: &mut Body, at: usize, end: usize, slots: &mut Vec<Slot>) {
        self.complete &= self.may_change(body.block_of(at));
        let place = body.block_of(at);
        if end - at < LEAST {
            self.complete = false;
            return;
        }
        let mut next = at;
        while next < end {
            let left = end - next;
            // No piece may be shorter than the shortest, nor longer than a name can make it.
            let len = if left <= 128 { left } else { (left - LEAST).min(128) & !3 };
            self.fill(body, Slot { at: next, len });
            slots.push(Slot { at: next, len });
            next += len;
        }
        self.mend(117, place, format!("directory: {} bytes that are no file identifier become a deleted one", end - at));
    }

    /// Makes a deleted file identifier of a place.
    fn fill(&mut self, body: &mut Body, slot: Slot) {
        let Slot { at, len } = slot;
        let mut name = vec![self.deleted_id(8)];
        let mark = format!("{at:x}");
        name.extend(mark.bytes());
        let most = len - FIXED;
        let least = (most - 3).max(2);
        name.resize(name.len().clamp(least, most), b'_');
        let mut bytes = Vec::new();
        let seal = udf::general::Seal { descriptor_version: self.mender.version, serial_number: self.mender.serial };
        let location = body.block_of(at).block.0;
        Identifier::new(characteristics::DELETED, LongAd::default()).append_to(&[], &name, &mut bytes, seal, location);
        debug_assert_eq!(bytes.len(), len);
        put(&mut body.bytes, at, &bytes);
    }

    fn deleted_id(&self, id: u8) -> u8 {
        match id {
            8 if self.mender.revision.rules().deleted_names_change_id => text::ID_8_BIT_DELETED,
            16 if self.mender.revision.rules().deleted_names_change_id => text::ID_16_BIT_DELETED,
            other => other,
        }
    }

    /// The name that leads to the parent is the first, and there is no other.
    fn parents(&mut self, body: &mut Body, slots: &mut [Slot], node: &super::files::Node) {
        for (index, slot) in slots.iter().enumerate() {
            let bits = body.bytes[slot.at + CHARACTERISTICS];
            if bits & characteristics::PARENT == 0 || index == 0 && body.bytes[slot.at + NAME_LENGTH] == 0 {
                continue;
            }
            let place = body.block_of(slot.at);
            if body.bytes[slot.at + NAME_LENGTH] > 0 {
                body.bytes[slot.at + CHARACTERISTICS] = bits & !characteristics::PARENT;
                self.mend(116, place, "file identifier: it has a name, so that it is not the parent's".into());
            } else if slot.len == LEAST {
                self.fill(body, *slot);
                self.mend(116, place, "file identifier: a second one leads to the parent; it is deleted".into());
            }
        }
        let Some(slot) = slots.first().filter(|slot| body.bytes[slot.at + CHARACTERISTICS] & characteristics::PARENT != 0) else {
            return;
        };
        if node.role == Role::SystemStreams {
            return;
        }
        let at = slot.at;
        let Some(parent) = self.nodes.get(&node.parent).map(|parent| parent.facts) else { return };
        let id = if self.mender.revision.rules().streams { low(parent.unique_id) } else { get32(&body.bytes, at + UNIQUE_ID) };
        let icb = LongAd::icb(self.block_size().bytes(), node.parent, id);
        let place = body.block_of(at);
        if get32(&body.bytes, at + ICB + 4) != node.parent.block.0 || get16(&body.bytes, at + ICB + 8) != node.parent.partition.0 {
            self.mend(116, place, "file identifier: the parent is where the directory was found".into());
        } else if get32(&body.bytes, at + UNIQUE_ID) != id {
            self.mend(105, place, "file identifier: the unique id is the parent's".into());
        }
        put(&mut body.bytes, at + ICB, icb.as_bytes());
        let bits = body.bytes[at + CHARACTERISTICS];
        let directory = if parent.is_directory() { characteristics::DIRECTORY } else { 0 };
        let right = bits & !characteristics::DIRECTORY | directory;
        if bits != right {
            body.bytes[at + CHARACTERISTICS] = right;
            self.mend(122, place, "file identifier: whether the parent is a directory is known".into());
        }
    }

    /// Names that are illegal or there twice get others of the same length.
    fn names(&mut self, body: &mut Body, slots: &[Slot], role: Role) {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let live = |bytes: &[u8]| bytes[CHARACTERISTICS] & (characteristics::DELETED | characteristics::PARENT) == 0;
        let all: Vec<String> = slots.iter().filter(|slot| live(&body.bytes[slot.at..])).map(|slot| text::decode_lossy(name_of(&body.bytes[slot.at..slot.at + slot.len]))).collect();
        let mut taken: BTreeSet<String> = all.into_iter().collect();
        for slot in slots {
            let place = body.block_of(slot.at);
            let bytes = &mut body.bytes[slot.at..slot.at + slot.len];
            if self.mend_head(bytes, place, role) || !live(bytes) {
                continue;
            }
            let name = name_of(bytes).to_vec();
            // A name is marked as deleted, its file identifier is not: that one is believed.
            let id = match name.first() {
                Some(&text::ID_8_BIT_DELETED) => 8,
                Some(&text::ID_16_BIT_DELETED) => 16,
                Some(id) => *id,
                None => 0,
            };
            let mut name = name;
            if name.first().is_some_and(|first| *first != id) {
                name[0] = id;
                put_name(bytes, &name);
                self.mend(15, place, "file identifier: it is not deleted, so that its name is none of a deleted one".into());
            }
            let decoded = text::decode(&name).ok().filter(|text| !text.is_empty());
            if let Some(decoded) = decoded.filter(|decoded| !seen.contains(decoded)) {
                seen.insert(decoded);
                continue;
            }
            let rule = if text::decode(&name).is_ok_and(|text| !text.is_empty()) { 123 } else { 119 };
            let Some((new, shown)) = other_name(&name, slot.len - FIXED, get16(bytes, USE_LENGTH), &taken) else {
                continue;
            };
            put_name(bytes, &new);
            seen.insert(shown.clone());
            self.mend(rule, place, format!("file identifier: its name is illegal or there is another; it becomes \"{shown}\""));
            taken.insert(shown);
        }
    }

    /// What can have one value only; whether the file identifier is to be passed over.
    fn mend_head(&mut self, bytes: &mut [u8], place: BlockAddress, role: Role) -> bool {
        if put(bytes, 16, &[1, 0]) {
            self.mend(118, place, "file identifier: its version is 1".into());
        }
        let bits = bytes[CHARACTERISTICS];
        let deleted = bits & characteristics::DELETED != 0;
        let metadata = if role == Role::SystemStreams { bits & characteristics::METADATA } else { 0 };
        let right = bits & 0xF & !0x10 | metadata;
        let right = if deleted { bits & 0x1F } else { right };
        if bits != right {
            bytes[CHARACTERISTICS] = right;
            let rule = if bits & 0xE0 == 0 { 127 } else { 118 };
            self.mend(rule, place, "file identifier: characteristics that do not fit are cleared".into());
        }
        let used = usize::from(get16(bytes, USE_LENGTH));
        if used > 0 && (used < 32 || !used.is_multiple_of(4)) {
            // The name follows it; it takes its place, and what is over becomes padding or a longer name.
            let mut name = name_of(bytes).to_vec();
            let room = bytes.len() - FIXED;
            let most = room.min(255);
            name.resize(name.len().clamp(room.saturating_sub(3).min(most), most), b'_');
            put(bytes, USE_LENGTH, &[0, 0]);
            put_name(bytes, &name);
            self.mend(121, place, "file identifier: implementation use that is none is removed".into());
        }
        let padding = FIXED + usize::from(get16(bytes, USE_LENGTH)) + usize::from(bytes[NAME_LENGTH]);
        if bytes.get(padding..).is_some_and(|padding| !is_zero(padding)) {
            bytes[padding..].fill(0);
            self.mend(117, place, "file identifier: its padding is cleared".into());
        }
        deleted
    }

    /// What the names lead to.
    fn children(&mut self, body: &mut Body, slots: &[Slot], node: &super::files::Node) {
        let directory = body.icb;
        let role = node.role.of_children();
        for slot in slots {
            let bits = body.bytes[slot.at + CHARACTERISTICS];
            if bits & (characteristics::DELETED | characteristics::PARENT) != 0 {
                continue;
            }
            let Ok((icb, _)) = LongAd::read_from_prefix(&body.bytes[slot.at + ICB..]) else { continue };
            let marked = bits & characteristics::DIRECTORY != 0;
            let beside = (self.mender.revision.rules().streams && role == Role::Named).then(|| icb.unique_id.get()).filter(|id| *id >= 16);
            let lost = |is_nothing| Dangling { directory, at: slot.at, unique_id: beside, is_directory: marked, is_nothing };
            let address = icb.start();
            let exists = self.sector_of(address).is_some();
            if icb.bytes() == 0 || !exists {
                self.dangling.push(lost(false));
                continue;
            }
            let facts = match self.known(address) {
                Some(facts) if facts.is_directory() => {
                    self.dangling.push(lost(false));
                    continue;
                }
                Some(facts) => {
                    self.nodes.entry(address).and_modify(|node| node.names = node.names.saturating_add(1));
                    facts
                }
                None => match self.load(address, role, self.first_beside(beside, address)) {
                    Loaded::Entry(facts) => {
                        self.register(address, facts, role, directory, slot.at);
                        facts
                    }
                    Loaded::Missing => {
                        let empty = self.block(address).is_some_and(|block| is_zero(&block));
                        self.dangling.push(lost(empty));
                        continue;
                    }
                    Loaded::Unusable => {
                        self.complete = false;
                        continue;
                    }
                },
            };
            self.mend_child(body, *slot, address, &facts, role);
            if let Some(node) = self.nodes.get_mut(&directory) {
                node.subdirectories = node.subdirectories.saturating_add(u16::from(facts.is_directory()));
                node.stream_bytes = node.stream_bytes.saturating_add(facts.size_bytes);
            }
        }
    }

    /// A hard link's own id says nothing of the entry; only an id that no entry has been given is compared.
    fn first_beside(&self, beside: Option<u32>, address: BlockAddress) -> Option<u32> {
        let entry = self.block(address)?;
        let form = Form::of(&entry)?;
        let own = super::bytes::get64(&entry, form.unique_id) & 0xFFFF_FFFF;
        let is_link = own >= 16 && get16(&entry, super::entry::LINKS) > 1 && beside.is_some_and(|id| u64::from(id) > own);
        beside.filter(|_| !is_link)
    }

    pub(super) fn known(&self, icb: BlockAddress) -> Option<Facts> {
        self.nodes.get(&icb).map(|node| node.facts)
    }

    /// What stands beside a name must be what the entry says.
    fn mend_child(&mut self, body: &mut Body, slot: Slot, icb: BlockAddress, facts: &Facts, role: Role) {
        let place = body.block_of(slot.at);
        let at = slot.at;
        let bits = body.bytes[at + CHARACTERISTICS];
        let right = bits & !characteristics::DIRECTORY | if facts.is_directory() { characteristics::DIRECTORY } else { 0 };
        if bits != right {
            body.bytes[at + CHARACTERISTICS] = right;
            self.mend(122, place, "file identifier: whether it is a directory's the entry says".into());
        }
        let chained = self.block(icb).is_some_and(|entry| get16(&entry, 20) == 4096);
        let bytes = self.block_size().bytes() * if chained { 2 } else { 1 };
        if put(&mut body.bytes, at + ICB, &bytes.to_le_bytes()) {
            self.mend(91, place, "file identifier: an ICB of this strategy has one length".into());
        }
        if !self.mender.revision.rules().streams {
            return;
        }
        let (found, own) = (get32(&body.bytes, at + UNIQUE_ID), low(facts.unique_id));
        let later = role == Role::Named && found > own && self.next_id.is_none_or(|next| u64::from(found) < next);
        if found != own && !later {
            put(&mut body.bytes, at + UNIQUE_ID, &own.to_le_bytes());
            self.mend(105, place, "file identifier: the unique id is the entry's".into());
        } else {
            self.highest_beside = self.highest_beside.max(found);
        }
    }

    fn seal_all(&self, body: &mut Body, slots: &[Slot]) {
        for slot in slots {
            let want = self.want_name(body, slot.at, slot.len);
            let bytes = &mut body.bytes[slot.at..slot.at + slot.len];
            if !is_sealed(bytes, &want) || usize::from(get16(bytes, 10)) != want.crc_bytes {
                seal(bytes, &want);
            }
        }
    }

    /// Changes the file identifier at a place of a directory, and seals it; whether it could be written.
    fn change_name(&mut self, directory: BlockAddress, at: usize, change: impl FnOnce(&mut [u8])) -> bool {
        let Some(mut body) = self.body(directory) else { return false };
        let Some(len) = self.sealed(&body, at) else { return false };
        change(&mut body.bytes[at..at + len]);
        self.seal_all(&mut body, &[Slot { at, len }]);
        self.write_body(&body)
    }

    pub(super) fn name_has_id(&mut self, directory: BlockAddress, at: usize, id: u64) {
        if self.mender.revision.rules().streams {
            self.change_name(directory, at, |bytes| { put(bytes, UNIQUE_ID, &low(id).to_le_bytes()); });
        }
    }

    /// Has a name that led nowhere lead to an entry.
    pub(super) fn lead_to(&mut self, name: &Dangling, icb: BlockAddress, id: u64, is_directory: bool) -> bool {
        let (bytes, low) = (self.block_size().bytes(), if self.mender.revision.rules().streams { low(id) } else { 0 });
        self.change_name(name.directory, name.at, |identifier| {
            put(identifier, ICB, LongAd::icb(bytes, icb, low).as_bytes());
            let bits = identifier[CHARACTERISTICS] & !characteristics::DIRECTORY;
            identifier[CHARACTERISTICS] = bits | if is_directory { characteristics::DIRECTORY } else { 0 };
        })
    }

    /// Deletes a name (ECMA-167 4/14.4.3, UDF 2.3.4.2).
    pub(super) fn delete_name(&mut self, name: &Dangling) -> bool {
        let ids = [8, 16].map(|id| self.deleted_id(id));
        self.change_name(name.directory, name.at, |bytes| {
            bytes[CHARACTERISTICS] |= characteristics::DELETED;
            put(bytes, ICB, &[0; 16]);
            let mut called = name_of(bytes).to_vec();
            if let Some(first) = called.first_mut() {
                *first = if *first == 16 { ids[1] } else { ids[0] };
            }
            put_name(bytes, &called);
        })
    }
}

/// The low 32 bits of a unique id.
#[allow(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
pub(super) fn low(id: u64) -> u32 {
    id as u32
}

fn name_of(bytes: &[u8]) -> &[u8] {
    let start = FIXED + usize::from(get16(bytes, USE_LENGTH));
    bytes.get(start..start + usize::from(bytes[NAME_LENGTH])).unwrap_or_default()
}

fn put_name(bytes: &mut [u8], name: &[u8]) {
    let start = FIXED + usize::from(get16(bytes, USE_LENGTH));
    bytes[start..].fill(0);
    put(bytes, start, name);
    bytes[NAME_LENGTH] = u8::try_from(name.len()).unwrap_or(u8::MAX);
}

/// A legal name that nobody has, of as many characters, for a place of `room` bytes; d-characters and text.
fn other_name(old: &[u8], room: usize, used: u16, taken: &BTreeSet<String>) -> Option<(Vec<u8>, String)> {
    let room = room.checked_sub(used.into())?;
    let legal = |c: char| !c.is_control() && !matches!(c, '\u{fffd}' | '\u{feff}' | '\u{fffe}' | '/');
    let base: Vec<char> = text::decode_lossy(old).chars().map(|c| if legal(c) { c } else { '_' }).collect();
    let wide = base.iter().any(|c| u32::from(*c) > 0xFF);
    let (least, most) = (room.saturating_sub(3).max(2), room.min(255));
    let len = if wide { (least..=most).find(|len| len % 2 == 1)? } else { old.len().clamp(least, most) };
    let characters = if wide { (len - 1) / 2 } else { len - 1 };
    for number in 1..100_000_u32 {
        let mark = if characters > 2 { format!("~{number}") } else { format!("{number:x}") };
        let Some(keep) = characters.checked_sub(mark.len()) else { return None };
        let mut text: String = base.iter().chain(std::iter::repeat(&'_')).filter(|c| u32::from(**c) <= 0xFFFF).take(keep).collect();
        text.push_str(&mark);
        let encoded = text::encode(&text);
        if !taken.contains(&text) && (least..=most).contains(&encoded.len()) {
            return Some((encoded, text));
        }
    }
    None
}
