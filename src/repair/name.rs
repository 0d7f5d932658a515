//! Names in directories: what is illegal, or there twice, becomes another name of the same length.

use std::collections::BTreeSet;

use udf::BlockAddress;
use udf::file::characteristics;
use udf::general::text;

use super::body::{Body, CHARACTERISTICS, FIXED, NAME_LENGTH, Slot, USE_LENGTH, name_of, put_name};
use super::bytes::{get16, is_zero, put};
use super::files::{Files, Role};

impl Files<'_, '_> {
    /// Names that are illegal or there twice get others of the same length.
    pub(super) fn names(&mut self, body: &mut Body, slots: &[Slot], role: Role) {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let live =
            |bytes: &[u8]| bytes[CHARACTERISTICS] & (characteristics::DELETED | characteristics::PARENT) == 0;
        let all: Vec<String> = slots
            .iter()
            .filter(|slot| live(&body.bytes[slot.at..]))
            .map(|slot| text::decode_lossy(name_of(&body.bytes[slot.at..slot.at + slot.len])))
            .collect();
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
                self.mend(
                    15,
                    place,
                    "file identifier: it is not deleted, so that its name is none of a deleted one".into(),
                );
            }
            let decoded = text::decode(&name).ok().filter(|text| !text.is_empty());
            if let Some(decoded) = decoded.filter(|decoded| !seen.contains(decoded)) {
                seen.insert(decoded);
                continue;
            }
            let broken = if text::decode(&name).is_ok_and(|text| !text.is_empty()) { 123 } else { 119 };
            let Some((new, shown)) = other_name(&name, slot.len - FIXED, get16(bytes, USE_LENGTH), &taken)
            else {
                continue;
            };
            put_name(bytes, &new);
            seen.insert(shown.clone());
            self.mend(
                broken,
                place,
                format!("file identifier: its name is illegal or there is another; it becomes \"{shown}\""),
            );
            taken.insert(shown);
        }
    }

    /// What can have one value only; whether the file identifier is to be passed over.
    pub(super) fn mend_head(&mut self, bytes: &mut [u8], place: BlockAddress, role: Role) -> bool {
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
            let broken = if bits & 0xE0 == 0 { 127 } else { 118 };
            self.mend(broken, place, "file identifier: characteristics that do not fit are cleared".into());
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
}

/// A legal name that nobody has, of as many characters, for a place of `room` bytes; d-characters and text.
pub(super) fn other_name(
    old: &[u8],
    room: usize,
    used: u16,
    taken: &BTreeSet<String>,
) -> Option<(Vec<u8>, String)> {
    let room = room.checked_sub(used.into())?;
    let legal = |c: char| !c.is_control() && !matches!(c, '\u{fffd}' | '\u{feff}' | '\u{fffe}' | '/');
    let base: Vec<char> = text::decode_lossy(old).chars().map(|c| if legal(c) { c } else { '_' }).collect();
    let wide = base.iter().any(|c| u32::from(*c) > 0xFF);
    let (least, most) = (room.saturating_sub(3).max(2), room.min(255));
    let len = if wide { (least..=most).find(|len| len % 2 == 1)? } else { old.len().clamp(least, most) };
    let characters = if wide { (len - 1) / 2 } else { len - 1 };
    for number in 1..100_000_u32 {
        let mark = if characters > 2 { format!("~{number}") } else { format!("{number:x}") };
        let keep = characters.checked_sub(mark.len())?;
        let mut text: String = base
            .iter()
            .chain(std::iter::repeat(&'_'))
            .filter(|c| u32::from(**c) <= 0xFFFF)
            .take(keep)
            .collect();
        text.push_str(&mark);
        let encoded = text::encode(&text);
        if !taken.contains(&text) && (least..=most).contains(&encoded.len()) {
            return Some((encoded, text));
        }
    }
    None
}
