//! Path components (ECMA-167 4/14.16): the body of a symbolic link.

use alloc::{string::String, vec::Vec};

use crate::error::{Corrupt, Fault, Place};
use crate::general::text;

const ROOT_BY_AGREEMENT: u8 = 1;
const ROOT: u8 = 2;
const PARENT: u8 = 3;
const CURRENT: u8 = 4;
const NAMED: u8 = 5;
const HEAD_LEN: usize = 4;

/// The target of a symbolic link as path components; `None` if a name in it cannot be kept (longer than 254 bytes).
///
/// `/` at the end and doubled ones have no meaning of their own in a path and are not kept.
#[must_use]
pub fn encode(target: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    if target.starts_with('/') {
        out.extend([ROOT, 0, 0, 0]);
    }
    for name in target.split('/').filter(|name| !name.is_empty()) {
        match name {
            "." => out.extend([CURRENT, 0, 0, 0]),
            ".." => out.extend([PARENT, 0, 0, 0]),
            _ => {
                out.extend([NAMED, u8::try_from(text::encoded_len(name)).ok()?, 0, 0]);
                text::encode_into(name, &mut out);
            }
        }
    }
    Some(out)
}

/// The target that path components stand for.
pub fn decode(mut body: &[u8], place: impl Into<Place>) -> Result<String, Corrupt> {
    let place = place.into();
    let fault = |fault| Corrupt::new("path component", place, fault);
    let mut target = String::new();
    while !body.is_empty() {
        let too_short =
            |needed: usize| fault(Fault::TooShort { needed: needed as u64, found: body.len() as u64 });
        let (head, rest) = body.split_at_checked(HEAD_LEN).ok_or_else(|| too_short(HEAD_LEN))?;
        let [kind, length, ..] = *head else { return Err(too_short(HEAD_LEN)) };
        let length = usize::from(length);
        let (name, rest) =
            rest.split_at_checked(length).ok_or_else(|| too_short(HEAD_LEN.saturating_add(length)))?;
        body = rest;
        if !target.is_empty() && !target.ends_with('/') {
            target.push('/');
        }
        match kind {
            ROOT | ROOT_BY_AGREEMENT => target = String::from("/"),
            PARENT => target.push_str(".."),
            CURRENT => target.push('.'),
            NAMED => target.push_str(&text::decode_lossy(name)),
            _ => {
                let value = u64::from(kind);
                return Err(fault(Fault::Field { field: "component type", value }));
            }
        }
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reference_vectors() {
        let linux = [
            1, 0, 0, 0, 5, 4, 0, 0, 8, 0x61, 0x62, 0x73, 3, 0, 0, 0, 5, 2, 0, 0, 8, 0x78, 4, 0, 0, 0, 5, 2,
            0, 0, 8, 0x79,
        ];
        assert_eq!(decode(&linux, Place::Within).unwrap(), "/abs/../x/./y");
        assert_eq!(encode("/abs/../x/./y").unwrap()[4..], linux[4..]);
        let bytes = [5, 5, 0, 0, 8, 0x64, 0x69, 0x72, 0x31, 5, 6, 0, 0, 8, 0x62, 0x2e, 0x74, 0x78, 0x74];
        assert_eq!(encode("dir1/b.txt").unwrap(), bytes);
        assert_eq!(decode(&bytes, Place::Within).unwrap(), "dir1/b.txt");
    }

    proptest! {
        #[test]
        fn targets_survive(names in proptest::collection::vec("[^/\u{FEFF}\u{FFFE}]{1,40}", 1..6), absolute: bool) {
            let target = std::format!("{}{}", if absolute { "/" } else { "" }, names.join("/"));
            prop_assert_eq!(decode(&encode(&target).unwrap(), Place::Within).unwrap(), target);
        }

        #[test]
        fn any_bytes_are_a_target_or_refused(bytes: Vec<u8>) {
            let _ = decode(&bytes, Place::Within);
        }
    }
}
