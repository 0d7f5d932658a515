//! Text as volumes hold it: OSTA Compressed Unicode (UDF 2.1.1), `dstring` fields (2.1.3) and `charspec` (2.1.2).

use alloc::{string::String, vec::Vec};

use byteorder::{BigEndian, ByteOrder};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The compression id of 8-bit text: each byte is one character, U+0000 to U+00FF.
pub const ID_8_BIT: u8 = 8;
/// The compression id of 16-bit text: UTF-16, big-endian.
pub const ID_16_BIT: u8 = 16;
/// The compression id of the deleted name that was 8-bit (UDF 2.3.4.2).
pub const ID_8_BIT_DELETED: u8 = 254;
/// The compression id of the deleted name that was 16-bit.
pub const ID_16_BIT_DELETED: u8 = 255;

/// Why text in d-characters has no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextFault {
    /// A compression id other than 8, 16, 254, 255.
    #[error("compression id {0}")]
    CompressionId(u8),
    /// 16-bit text of an odd number of bytes.
    #[error("half a 16-bit character at the end")]
    HalfCharacter,
    /// 16-bit text with half of a surrogate pair, or U+FEFF or U+FFFE.
    #[error("illegal 16-bit character {0:#06x}")]
    IllegalCharacter(u16),
    /// A name without a character, only with this compression id, or (0) without even that.
    #[error("no character")]
    Empty(u8),
    /// A `dstring` whose length byte is beyond its field, or that is 1.
    #[error("length {length} in a field of {field} bytes")]
    Length {
        /// The length byte.
        length: u8,
        /// The size of the field.
        field: usize,
    },
}

/// Decodes d-characters: the compression id and what follows. No bytes at all are the empty text.
pub fn decode(bytes: &[u8]) -> Result<String, TextFault> {
    match bytes.split_first() {
        None => Ok(String::new()),
        Some((&(ID_8_BIT | ID_8_BIT_DELETED), characters)) => {
            Ok(characters.iter().map(|byte| char::from(*byte)).collect())
        }
        Some((&(ID_16_BIT | ID_16_BIT_DELETED), characters)) => {
            if characters.len() % 2 != 0 {
                return Err(TextFault::HalfCharacter);
            }
            let units = units_of(characters);
            if let Some(unit) = units.iter().find(|unit| matches!(unit, 0xFEFF | 0xFFFE)) {
                return Err(TextFault::IllegalCharacter(*unit));
            }
            char::decode_utf16(units)
                .map(|result| result.map_err(|e| TextFault::IllegalCharacter(e.unpaired_surrogate())))
                .collect()
        }
        Some((&id, _)) => Err(TextFault::CompressionId(id)),
    }
}

/// What is wrong with d-characters as a name that counts, without making text of them; the ids of deleted names are.
#[must_use]
pub fn name_fault(bytes: &[u8]) -> Option<TextFault> {
    match bytes.split_first() {
        Some((&ID_8_BIT, [_, ..])) => None,
        Some((&ID_16_BIT, [_, ..])) => decode(bytes).err(),
        Some((&id @ (ID_8_BIT | ID_16_BIT), [])) => Some(TextFault::Empty(id)),
        Some((&id, _)) => Some(TextFault::CompressionId(id)),
        None => Some(TextFault::Empty(0)),
    }
}

/// Decodes d-characters as far as they go: whatever is illegal becomes U+FFFD.
#[must_use]
pub fn decode_lossy(bytes: &[u8]) -> String {
    match bytes.split_first() {
        Some((&(ID_16_BIT | ID_16_BIT_DELETED), characters)) => {
            String::from_utf16_lossy(&units_of(characters)).replace(['\u{FEFF}', '\u{FFFE}'], "\u{FFFD}")
        }
        Some((&(ID_8_BIT | ID_8_BIT_DELETED), _)) | None => decode(bytes).unwrap_or_default(),
        Some((_, characters)) => String::from_utf8_lossy(characters).into_owned(),
    }
}

fn units_of(characters: &[u8]) -> Vec<u16> {
    let whole = characters.len() / 2;
    let mut units = alloc::vec![0; whole];
    BigEndian::read_u16_into(characters.split_at(whole.saturating_mul(2)).0, &mut units);
    units
}

/// Bytes that [`encode`] makes of this text, compression id included; 0 for the empty text.
#[must_use]
pub fn encoded_len(text: &str) -> usize {
    if text.is_empty() {
        0
    } else if fits_8_bit(text) {
        text.chars().count().saturating_add(1)
    } else {
        text.encode_utf16().count().saturating_mul(2).saturating_add(1)
    }
}

/// Appends the text as d-characters, in 8-bit form whenever it can be (UDF 2.1.1). The empty text is no bytes at all.
pub fn encode_into(text: &str, out: &mut Vec<u8>) {
    if text.is_empty() {
        return;
    }
    if fits_8_bit(text) {
        out.push(ID_8_BIT);
        out.extend(text.chars().filter_map(|character| u8::try_from(u32::from(character)).ok()));
    } else {
        out.push(ID_16_BIT);
        out.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
    }
}

/// The text as d-characters; see [`encode_into`].
#[must_use]
pub fn encode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded_len(text));
    encode_into(text, &mut out);
    out
}

fn fits_8_bit(text: &str) -> bool {
    text.chars().all(|character| u32::from(character) < 0x100)
}

/// A field of `N` bytes that holds d-characters and, in its last byte, how many of them (ECMA-167 1/7.2.12, UDF 2.1.3).
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct DString<const N: usize>(pub [u8; N]);

impl<const N: usize> DString<N> {
    /// The empty text: all zeros.
    pub const EMPTY: Self = Self([0; N]);

    /// The text in a field, or `None` if it does not fit.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let mut field = [0; N];
        let characters = encode(text);
        let (length, room) = field.split_last_mut()?;
        *length = u8::try_from(characters.len()).ok()?;
        room.get_mut(..characters.len())?.copy_from_slice(&characters);
        Some(Self(field))
    }

    /// As much of the text as fits, cut at a character's end.
    #[must_use]
    pub fn truncated(text: &str) -> Self {
        text.char_indices()
            .map(|(end, _)| end)
            .chain([text.len()])
            .rev()
            .find_map(|end| Self::new(text.get(..end)?))
            .unwrap_or(Self::EMPTY)
    }

    /// The d-characters, without length and padding.
    pub fn characters(&self) -> Result<&[u8], TextFault> {
        let Some((&length, room)) = self.0.split_last() else { return Ok(&[]) };
        let fault = TextFault::Length { length, field: N };
        if length == 1 { Err(fault) } else { room.get(..usize::from(length)).ok_or(fault) }
    }

    /// The text.
    pub fn decode(&self) -> Result<String, TextFault> {
        decode(self.characters()?)
    }

    /// The text as far as it can be read.
    #[must_use]
    pub fn decode_lossy(&self) -> String {
        let room = self.0.split_last().map_or(&[][..], |(_, room)| room);
        decode_lossy(self.characters().unwrap_or_else(|_| {
            let end = room.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
            room.split_at(end).0
        }))
    }

    /// Whether the field is all zeros, the one way to say "no text".
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }
}

impl<const N: usize> core::fmt::Debug for DString<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(&self.decode_lossy(), f)
    }
}

/// Which character set a field is in (ECMA-167 1/7.2.1); in UDF always CS0 (UDF 2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct CharSpec {
    /// 0: CS0.
    pub character_set_type: u8,
    /// `OSTA Compressed Unicode`, zero padded.
    pub character_set_information: [u8; 63],
}

impl CharSpec {
    /// The only character set of UDF.
    pub const OSTA_COMPRESSED_UNICODE: Self = Self {
        character_set_type: 0,
        character_set_information: super::entity::padded(b"OSTA Compressed Unicode"),
    };
}

const _: () = assert!(size_of::<CharSpec>() == 64);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reference_vectors() {
        let mut field = [0; 32];
        field[..9].copy_from_slice(&[0x08, 0x4c, 0x69, 0x6e, 0x75, 0x78, 0x55, 0x44, 0x46]);
        field[31] = 9;
        assert_eq!(DString::new("LinuxUDF").unwrap(), DString(field));
        assert_eq!(encode("日本"), [0x10, 0x65, 0xe5, 0x67, 0x2c]);
        assert_eq!(encode("\u{e9}"), [8, 0xe9]);
        assert_eq!(encode("\u{1F600}"), [16, 0xD8, 0x3D, 0xDE, 0x00]);
    }

    #[test]
    fn what_has_no_meaning_is_named() {
        assert_eq!(decode(&[0, 65]), Err(TextFault::CompressionId(0)));
        assert_eq!(decode(&[16, 0, 65, 0]), Err(TextFault::HalfCharacter));
        assert_eq!(decode(&[16, 0xD8, 0x3D]), Err(TextFault::IllegalCharacter(0xD83D)));
        assert_eq!(decode(&[16, 0xFE, 0xFF]), Err(TextFault::IllegalCharacter(0xFEFF)));
        assert_eq!(DString([8, 65, 66, 1]).decode(), Err(TextFault::Length { length: 1, field: 4 }));
        assert_eq!(DString([8, 65, 66, 9]).decode(), Err(TextFault::Length { length: 9, field: 4 }));
        assert_eq!(DString([8, 65, 66, 9]).decode_lossy(), "AB");
    }

    #[test]
    fn illegal_text_is_shown_all_the_same() {
        for (bytes, shown) in [
            (&[8, b'a', 0xE9][..], "a\u{E9}"),
            (&[254, b'a'], "a"),
            (&[255, 0, b'a'], "a"),
            (&[16, 0xD8, 0x3D, 0, b'a'], "\u{FFFD}a"),
            (&[16, 0xFE, 0xFF, 0, b'a'], "\u{FFFD}a"),
            (&[16, 0, b'a', 0], "a"),
            (&[9, 0xC3, 0xA9], "\u{E9}"),
            (&[9, 0xFF], "\u{FFFD}"),
            (&[8], ""),
            (&[], ""),
        ] {
            assert_eq!(decode_lossy(bytes), shown, "{bytes:?}");
        }
    }

    #[test]
    fn a_field_holds_two_bytes_less_than_its_size() {
        assert!(DString::<32>::new(&"x".repeat(30)).is_some());
        assert!(DString::<32>::new(&"x".repeat(31)).is_none());
        assert_eq!(DString::<32>::truncated(&"日".repeat(40)).decode().unwrap(), "日".repeat(15));
    }

    proptest! {
        #[test]
        fn text_survives(text in "\\PC*") {
            prop_assume!(!text.contains(['\u{FEFF}', '\u{FFFE}']));
            let bytes = encode(&text);
            prop_assert_eq!(bytes.len(), encoded_len(&text));
            prop_assert_eq!(decode(&bytes).unwrap(), text);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
            if let Ok(text) = decode(&bytes) {
                prop_assert_eq!(&text, &decode_lossy(&bytes));
            }
        }
    }
}
