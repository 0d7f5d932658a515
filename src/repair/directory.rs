//! Directories: file identifiers that can be proved are sealed again, what cannot is deleted in place (ECMA-167 4/14.4).
//!
//! No file identifier ever changes its length, so that each is written where it is and none moves: a crash can spoil only
//! what was changed, and the next repair proves it anew.

use udf::BlockAddress;
use udf::file::{FileIdentifierDescriptor as Identifier, characteristics};
use udf::general::{Descriptor, LongAd, Tag, text};
use zerocopy::{FromBytes, IntoBytes};

use super::body::{
    Body, CHARACTERISTICS, Dangling, FIXED, ICB, LEAST, NAME_LENGTH, Slot, UNIQUE_ID, USE_LENGTH, low,
};
use super::bytes::{content_is_sound, get16, get32, is_zero, put, seal};
use super::entry::{Facts, Form, Loaded};
use super::files::{Files, Role};

impl Files<'_, '_> {
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
            if let Some(len) = self.proved(body, at, end) {
                slots.push(Slot { at, len });
                at += len;
            } else {
                self.close_gap(body, at, end, &mut slots);
                at = end;
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
            self.mend(
                rule,
                body.block_of(at),
                "file identifier: its seal does not fit, but what it says does; it is sealed anew".into(),
            );
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
        let legal = bits & 0xE0 == 0
            && is_zero(padding)
            && fills
            && (parent == name.is_empty())
            && (parent || text::decode(name).is_ok_and(|name| !name.is_empty()));
        let Ok((icb, _)) = LongAd::read_from_prefix(&bytes[ICB..]) else { return false };
        let Some(entry) =
            self.block(icb.start()).filter(|_| legal && icb.bytes() == self.block_size().bytes())
        else {
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
        if end - at < LEAST || !(end - at).is_multiple_of(4) {
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
        self.mend(
            117,
            place,
            format!("directory: {} bytes that are no file identifier become a deleted one", end - at),
        );
    }

    /// Makes a deleted file identifier of a place.
    fn fill(&mut self, body: &mut Body, slot: Slot) {
        let Slot { at, len } = slot;
        let mut name = vec![self.deleted_id(8)];
        let mark = format!("{at:x}");
        name.extend(mark.bytes());
        let most = len - FIXED;
        let least = most.saturating_sub(3).max(2);
        name.resize(name.len().clamp(least, most), b'_');
        let mut bytes = Vec::new();
        let seal =
            udf::general::Seal { descriptor_version: self.mender.version, serial_number: self.mender.serial };
        let location = body.block_of(at).block.0;
        Identifier::new(characteristics::DELETED, LongAd::default()).append_to(
            &[],
            &name,
            &mut bytes,
            seal,
            location,
        );
        debug_assert_eq!(bytes.len(), len);
        put(&mut body.bytes, at, &bytes);
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
                self.mend(
                    116,
                    place,
                    "file identifier: it has a name, so that it is not the parent's".into(),
                );
            } else if slot.len == LEAST {
                self.fill(body, *slot);
                self.mend(
                    116,
                    place,
                    "file identifier: a second one leads to the parent; it is deleted".into(),
                );
            }
        }
        let Some(slot) =
            slots.first().filter(|slot| body.bytes[slot.at + CHARACTERISTICS] & characteristics::PARENT != 0)
        else {
            return;
        };
        if node.role == Role::SystemStreams {
            return;
        }
        let at = slot.at;
        let Some(parent) = self.nodes.get(&node.parent).map(|parent| parent.facts) else { return };
        let id = if self.mender.revision.rules().streams {
            low(parent.unique_id)
        } else {
            get32(&body.bytes, at + UNIQUE_ID)
        };
        let icb = LongAd::icb(self.block_size().bytes(), node.parent, id);
        let place = body.block_of(at);
        if get32(&body.bytes, at + ICB + 4) != node.parent.block.0
            || get16(&body.bytes, at + ICB + 8) != node.parent.partition.0
        {
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
            let beside = (self.mender.revision.rules().streams && role == Role::Named)
                .then(|| icb.unique_id.get())
                .filter(|id| *id >= 16);
            let lost = |is_nothing| Dangling {
                directory,
                at: slot.at,
                unique_id: beside,
                is_directory: marked,
                is_nothing,
            };
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
        let is_link = own >= 16
            && get16(&entry, super::entry::LINKS) > 1
            && beside.is_some_and(|id| u64::from(id) > own);
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
        let right = bits & !characteristics::DIRECTORY
            | if facts.is_directory() { characteristics::DIRECTORY } else { 0 };
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
        let later =
            role == Role::Named && found > own && self.next_id.is_none_or(|next| u64::from(found) < next);
        if found != own && !later {
            put(&mut body.bytes, at + UNIQUE_ID, &own.to_le_bytes());
            self.mend(105, place, "file identifier: the unique id is the entry's".into());
        } else {
            self.highest_beside = self.highest_beside.max(found);
        }
    }
}
