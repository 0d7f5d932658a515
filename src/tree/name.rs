//! Names as volumes can hold them: at most 254 characters' bytes, unique after decoding, ordered by their characters.

use std::cmp::Ordering;

use udf::general::text;

/// Bytes of a name in d-characters, compression id included (ECMA-167 4/14.4.4).
const MAX_LEN: usize = 255;

/// A name that a directory can hold, in d-characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(Box<[u8]>);

/// Why text cannot be a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameFault {
    /// No text at all, `.` or `..`.
    #[error("the name is empty, \".\" or \"..\"")]
    Reserved,
    /// Longer than 254 8-bit or 127 16-bit characters.
    #[error("the name is too long: {0} bytes, 255 fit")]
    TooLong(usize),
    /// `/`, NUL, U+FEFF or U+FFFE in it.
    #[error("the name contains {0:?}, which no name may")]
    Character(char),
}

/// The names of a path, whatever slashes are around them.
#[must_use]
pub fn path_names(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

impl Name {
    /// The text as a name, or why it cannot be one.
    pub fn new(name: &str) -> Result<Self, NameFault> {
        if let Some(character) = name.chars().find(|c| is_illegal(*c)) {
            return Err(NameFault::Character(character));
        }
        if matches!(name, "" | "." | "..") {
            return Err(NameFault::Reserved);
        }
        match text::encoded_len(name) {
            length if length > MAX_LEN => Err(NameFault::TooLong(length)),
            _ => Ok(Self(text::encode(name).into())),
        }
    }

    /// A name as close to these bytes as can be kept, the `attempt`-th (from 0) of its kind: for names that are no UTF-8,
    /// too long, or hold illegal characters. What was lost shows as `_`, and before the suffix stands a number.
    #[must_use]
    pub fn mangled(name: &[u8], attempt: u32) -> Self {
        let readable: String =
            String::from_utf8_lossy(name).replace(|c| is_illegal(c) || c == char::REPLACEMENT_CHARACTER, "_");
        let (stem, suffix) = match readable.rsplit_once('.') {
            Some((stem, suffix)) if !stem.is_empty() && suffix.len() <= 16 => (stem, format!(".{suffix}")),
            _ => (readable.as_str(), String::new()),
        };
        let mark = if attempt == 0 && !matches!(&*readable, "" | "." | "..") {
            String::new()
        } else {
            format!("~{}", attempt.max(1))
        };
        let ends = stem.char_indices().map(|(end, _)| end).chain([stem.len()]).rev();
        ends.map(|end| format!("{}{mark}{suffix}", &stem[..end]))
            .find_map(|name| Self::new(&name).ok())
            .unwrap_or_else(|| Self(text::encode(&format!("_{mark}")).into()))
    }

    /// A name found on a volume, kept as it is even where we would not write it so.
    #[must_use]
    pub fn from_volume(characters: &[u8]) -> Self {
        Self(characters.into())
    }

    /// The d-characters.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn is_illegal(character: char) -> bool {
    matches!(character, '/' | '\0' | '\u{FEFF}' | '\u{FFFE}')
}

/// The order of names in d-characters, by their 16-bit characters; equal if they decode to the same text.
pub(super) fn order(a: &[u8], b: &[u8]) -> Ordering {
    match (a.split_first(), b.split_first()) {
        (Some((&text::ID_8_BIT, a)), Some((&text::ID_8_BIT, b))) => a.cmp(b),
        _ => units(a).cmp(units(b)),
    }
}

fn units(name: &[u8]) -> impl Iterator<Item = u16> {
    let wide = name.first() == Some(&text::ID_16_BIT);
    let step = if wide { 2 } else { 1 };
    name.get(1..)
        .unwrap_or_default()
        .chunks(step)
        .map(|unit| unit.iter().fold(0, |value, byte| value << 8 | u16::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_kept_and_what_does_not_is_named() {
        assert!(Name::new(&"x".repeat(254)).is_ok());
        assert_eq!(Name::new(&"x".repeat(255)), Err(NameFault::TooLong(256)));
        assert!(Name::new(&"日".repeat(127)).is_ok());
        assert_eq!(Name::new(&"日".repeat(128)), Err(NameFault::TooLong(257)));
        assert_eq!(Name::new(".."), Err(NameFault::Reserved));
        assert_eq!(Name::new("a/b"), Err(NameFault::Character('/')));
    }

    #[test]
    fn mangled_names_are_legal_and_differ_by_attempt() {
        let text = |name: &Name| text::decode(name.as_bytes()).unwrap();
        assert_eq!(text(&Name::mangled(b"caf\xe9.txt", 0)), "caf_.txt");
        assert_eq!(text(&Name::mangled(b"caf\xe9.txt", 2)), "caf_~2.txt");
        let long = "x".repeat(300);
        assert_eq!(text(&Name::mangled(format!("{long}.tar").as_bytes(), 0)).len(), 254);
        assert!(text(&Name::mangled(format!("{long}.tar").as_bytes(), 12)).ends_with("x~12.tar"));
        assert_eq!(text(&Name::mangled(b"\xef\xbb\xbf", 0)), "_");
        let wide = text(&Name::mangled("日".repeat(200).as_bytes(), 1));
        assert_eq!(wide.chars().count(), 127);
    }
}
