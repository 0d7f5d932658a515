//! Fields of descriptors as bytes, and seals: repair changes what may be too damaged to be a struct.

use udf::general::{EntityIdentifier, Tag, TagIdentifier, crc16};

use crate::plan::record::{DEVELOPER, developer};

pub(super) fn get16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
}

pub(super) fn get32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

pub(super) fn get64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Puts bytes where they belong; whether that changes anything. What does not fit is left out.
pub(super) fn put(bytes: &mut [u8], at: usize, new: &[u8]) -> bool {
    match bytes.get_mut(at..at + new.len()) {
        Some(old) if *old != *new => {
            old.copy_from_slice(new);
            true
        }
        _ => false,
    }
}

/// How a descriptor should be sealed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    pub(super) kind: TagIdentifier,
    pub(super) location: u32,
    /// Bytes that the CRC covers if it does not cover a legal number already.
    pub(super) crc_bytes: usize,
    pub(super) version: u16,
    pub(super) serial: u16,
}

/// Whether the CRC, of as many bytes as it says, fits: then the content is as it was written, whatever else is in the tag.
pub(super) fn content_is_sound(bytes: &[u8], whole_bytes: usize) -> bool {
    let length = usize::from(get16(bytes, 10));
    let covered = bytes.get(Tag::LEN..Tag::LEN + length);
    length + Tag::LEN >= whole_bytes.min(usize::from(u16::MAX))
        && covered.is_some_and(|covered| crc16(covered) == get16(bytes, 8))
}

/// Whether the whole tag is as it should be, and the CRC fits.
pub(super) fn is_sealed(bytes: &[u8], want: &Want) -> bool {
    let Some(tag) = Tag::read(bytes) else { return false };
    let length = usize::from(tag.descriptor_crc_length.get());
    let covered = bytes.get(Tag::LEN..Tag::LEN + length);
    tag.kind() == want.kind
        && tag.checksum == tag.expected_checksum()
        && tag.reserved == 0
        && tag.location.get() == want.location
        && tag.descriptor_version.get() == want.version
        && tag.serial_number.get() == want.serial
        && covered.is_some_and(|covered| crc16(covered) == tag.descriptor_crc.get())
}

/// Writes the tag anew; `keep_length` if the CRC is to cover as much as it does.
pub(super) fn seal(bytes: &mut [u8], want: &Want) {
    let seal = udf::general::Seal { descriptor_version: want.version, serial_number: want.serial };
    let crc_bytes = want.crc_bytes.min(usize::from(u16::MAX)).min(bytes.len().saturating_sub(Tag::LEN));
    Tag::seal_partly(bytes, want.kind, seal, want.location, crc_bytes);
}

pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Makes the identifier of an implementation legal, 32 bytes from `at` on: not empty, not UDF's own, of a system that is
/// known. Which rules were broken.
pub(super) fn mend_developer(bytes: &mut [u8], at: usize) -> Option<u8> {
    let field = bytes.get(at..at + 32)?;
    let text = &field[1..24];
    let rule = if is_zero(text) {
        17
    } else if text.starts_with(b"*UDF") || text.starts_with(b"*OSTA") {
        18
    } else if field[0] != 0 {
        put(bytes, at, &[0]);
        return Some(16);
    } else if is_unknown_system(field[24], field[25]) {
        put(bytes, at + 24, &[0, 0]);
        return Some(19);
    } else {
        return None;
    };
    debug_assert!(!DEVELOPER.is_empty());
    let EntityIdentifier { flags, identifier, suffix } = developer();
    put(bytes, at, &[flags]);
    put(bytes, at + 1, &identifier);
    put(bytes, at + 24, &suffix);
    Some(rule)
}

/// No revision knows it (UDF 6.3).
fn is_unknown_system(class: u8, system: u8) -> bool {
    match class {
        0 => false,
        3 => system > 1,
        4 => system > 8,
        1 | 2 | 5..=9 => system > 0,
        _ => true,
    }
}
