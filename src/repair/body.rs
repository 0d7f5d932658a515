//! The bodies of directories: read from the better copy, written where they are, and the fields of file identifiers in them.

use std::mem::offset_of;

use udf::BlockAddress;
use udf::file::{FileIdentifierDescriptor as Identifier, characteristics};
use udf::general::{Descriptor, ExtentKind, LongAd, Tag, text};
use zerocopy::IntoBytes;

use super::bytes::{Want, get16, is_sealed, put, seal};
use super::entry::{Form, SIZE};
use super::files::Files;
use super::plan::Phase;

pub(super) const FIXED: usize = Identifier::FIXED_LEN;
/// The shortest file identifier.
pub(super) const LEAST: usize = Identifier::len_with(0, 0);
pub(super) const CHARACTERISTICS: usize = offset_of!(Identifier, file_characteristics);
pub(super) const NAME_LENGTH: usize = offset_of!(Identifier, length_of_file_identifier);
pub(super) const ICB: usize = offset_of!(Identifier, icb);
pub(super) const UNIQUE_ID: usize = offset_of!(Identifier, icb.unique_id);
pub(super) const USE_LENGTH: usize = offset_of!(Identifier, length_of_implementation_use);
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
    pub(super) old: Vec<u8>,
    /// Of each block: its address, where in the body it begins, and how far into the block that is.
    blocks: Vec<(BlockAddress, usize, usize)>,
}

impl Body {
    /// The block in which a byte lies.
    pub(super) fn block_of(&self, at: usize) -> BlockAddress {
        let index = self.blocks.partition_point(|(_, start, _)| *start <= at);
        self.blocks.get(index.saturating_sub(1)).map_or(self.icb, |(block, ..)| *block)
    }
}

/// A file identifier's place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) at: usize,
    pub(super) len: usize,
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

    pub(super) fn body_of(&self, icb: BlockAddress, mirrored: bool) -> Option<Body> {
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
        // An extent may go on where the body has ended.
        body.blocks.retain(|(_, start, _)| *start < size);
        body.old.clone_from(&body.bytes);
        Some(body)
    }

    /// How much of a body is in no sealed file identifier.
    pub(super) fn damage(&self, body: &Body) -> usize {
        let (mut at, mut damage) = (0, 0);
        while at < body.bytes.len() {
            if let Some(len) = self.sealed(body, at) {
                at += len;
            } else {
                (at, damage) = (at + 4, damage + 4);
            }
        }
        damage
    }

    pub(super) fn want_name(&self, body: &Body, at: usize, len: usize) -> Want {
        let location = body.block_of(at).block.0;
        Want { crc_bytes: len - Tag::LEN, ..self.mender.want(Identifier::IDENTIFIER, location) }
    }

    /// The length of the sealed file identifier there.
    pub(super) fn sealed(&self, body: &Body, at: usize) -> Option<usize> {
        let rest = body.bytes.get(at..)?;
        let len = Identifier::peek(rest, body.icb).ok()?.total_len();
        let bytes = rest.get(..len)?;
        (is_sealed(bytes, &self.want_name(body, at, len)) && usize::from(get16(bytes, 10)) + Tag::LEN == len)
            .then_some(len)
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
                self.edit(block, Phase::Change, |bytes| {
                    put(bytes, inside, &new);
                });
            } else if let Some(mut bytes) = self.block(block) {
                put(&mut bytes, inside, &new);
                self.rewrite(block, &bytes);
            }
        }
        true
    }

    pub(super) fn deleted_id(&self, id: u8) -> u8 {
        match id {
            8 if self.mender.revision.rules().deleted_names_change_id => text::ID_8_BIT_DELETED,
            16 if self.mender.revision.rules().deleted_names_change_id => text::ID_16_BIT_DELETED,
            other => other,
        }
    }

    pub(super) fn seal_all(&self, body: &mut Body, slots: &[Slot]) {
        for slot in slots {
            let want = self.want_name(body, slot.at, slot.len);
            let bytes = &mut body.bytes[slot.at..slot.at + slot.len];
            if !is_sealed(bytes, &want) || usize::from(get16(bytes, 10)) != want.crc_bytes {
                seal(bytes, &want);
            }
        }
    }

    /// Changes the file identifier at a place of a directory, and seals it; whether it could be written.
    pub(super) fn change_name(
        &mut self,
        directory: BlockAddress,
        at: usize,
        change: impl FnOnce(&mut [u8]),
    ) -> bool {
        let Some(mut body) = self.body(directory) else { return false };
        let Some(len) = self.sealed(&body, at) else { return false };
        change(&mut body.bytes[at..at + len]);
        self.seal_all(&mut body, &[Slot { at, len }]);
        self.write_body(&body)
    }

    pub(super) fn name_has_id(&mut self, directory: BlockAddress, at: usize, id: u64) {
        if self.mender.revision.rules().streams {
            self.change_name(directory, at, |bytes| {
                put(bytes, UNIQUE_ID, &low(id).to_le_bytes());
            });
        }
    }

    /// Has a name that led nowhere lead to an entry.
    pub(super) fn lead_to(
        &mut self,
        name: &Dangling,
        icb: BlockAddress,
        id: u64,
        is_directory: bool,
    ) -> bool {
        let (bytes, low) =
            (self.block_size().bytes(), if self.mender.revision.rules().streams { low(id) } else { 0 });
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

pub(super) fn name_of(bytes: &[u8]) -> &[u8] {
    let start = FIXED + usize::from(get16(bytes, USE_LENGTH));
    bytes.get(start..start + usize::from(bytes[NAME_LENGTH])).unwrap_or_default()
}

pub(super) fn put_name(bytes: &mut [u8], name: &[u8]) {
    let start = FIXED + usize::from(get16(bytes, USE_LENGTH));
    bytes[start..].fill(0);
    put(bytes, start, name);
    bytes[NAME_LENGTH] = u8::try_from(name.len()).unwrap_or(u8::MAX);
}
