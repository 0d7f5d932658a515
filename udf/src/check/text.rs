//! Text: character sets, fields and names (R011 to R015).

use super::context::{At, Context};
use super::seal::is_zero;
use crate::general::text::{ID_8_BIT, ID_8_BIT_DELETED, ID_16_BIT, ID_16_BIT_DELETED, TextFault, decode};
use crate::general::{CharSpec, DString};
use crate::read::ReadAt;

/// The only character set list of UDF: CS0 (ECMA-167 1/7.2.11).
const ONLY_CS0: u32 = 1;

/// Whether a text field may be all zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Empty {
    Allowed,
    Forbidden,
}

impl<R: ReadAt> Context<'_, R> {
    pub(super) fn character_set(&mut self, at: At, field: &str, set: &CharSpec) {
        if *set != CharSpec::OSTA_COMPRESSED_UNICODE {
            self.error(11, at, format_args!("{field} is not OSTA Compressed Unicode"));
        }
    }

    pub(super) fn character_set_list(&mut self, at: At, field: &str, list: u32) {
        if list != ONLY_CS0 {
            self.error(12, at, format_args!("{field} is {list:#x}, must be {ONLY_CS0}"));
        }
    }

    /// A `dstring` field.
    pub(super) fn text<const N: usize>(&mut self, at: At, field: &str, text: &DString<N>, empty: Empty) {
        if text.is_empty() {
            if empty == Empty::Forbidden {
                self.error(13, at, format_args!("{field} is empty"));
            }
            return;
        }
        let characters = match text.characters() {
            Ok([]) => return self.error(13, at, format_args!("{field} has length 0 and is not all zeros")),
            Ok(characters) => characters,
            Err(fault) => return self.error(13, at, format_args!("{field}: {fault}")),
        };
        let unused = text.0.split_last().and_then(|(_, room)| room.get(characters.len()..));
        if !is_zero(unused.unwrap_or_default()) {
            self.error(13, at, format_args!("{field}: the bytes behind the text are not 0"));
        }
        match characters.first() {
            Some(&(ID_8_BIT | ID_16_BIT)) => self.characters(at, field, characters),
            Some(&id @ (ID_8_BIT_DELETED | ID_16_BIT_DELETED)) => {
                self.error(15, at, format_args!("{field}: compression id {id} is one of deleted names"));
            }
            other => {
                let id = other.copied().unwrap_or_default();
                self.error(13, at, format_args!("{field}: compression id is {id}"));
            }
        }
    }

    /// What follows the compression id of text.
    fn characters(&mut self, at: At, field: &str, characters: &[u8]) {
        let fault = match decode(characters) {
            // Half a surrogate pair: UDF does not know of pairs, so that it does not forbid halves.
            Err(TextFault::IllegalCharacter(unit)) if !matches!(unit, 0xFEFF | 0xFFFE) => return,
            Err(fault) => fault,
            Ok(_) => return,
        };
        self.error(14, at, format_args!("{field}: {fault}"));
    }

    /// The name in a file identifier.
    pub(super) fn name(&mut self, at: At, name: &[u8], deleted: bool) {
        match name.first() {
            Some(&(ID_8_BIT | ID_16_BIT)) => self.characters(at, "name", name),
            Some(&(ID_8_BIT_DELETED | ID_16_BIT_DELETED))
                if deleted && self.rules().deleted_names_change_id => {}
            Some(&id @ (ID_8_BIT_DELETED | ID_16_BIT_DELETED)) => {
                self.error(15, at, format_args!("the name has compression id {id} of deleted names"));
            }
            Some(id) => self.error(14, at, format_args!("the name has compression id {id}")),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{BlockSize, Sector};
    use std::{string::ToString, vec, vec::Vec};

    fn rules(look: impl FnOnce(&mut Context<'_, Vec<u8>>, At)) -> Vec<std::string::String> {
        let device = vec![0u8; 4096];
        let mut context = Context::new(&device, BlockSize::B512, Sector(0));
        look(&mut context, At::new("test", Sector(9)));
        let report = context.findings.into_report();
        report.findings.iter().map(|finding| finding.rule.to_string()).collect()
    }

    #[test]
    fn fields() {
        let field =
            |bytes: [u8; 8], empty| rules(|context, at| context.text(at, "field", &DString(bytes), empty));
        for (bytes, empty, expected) in [
            ([8, 65, 66, 0, 0, 0, 0, 3], Empty::Forbidden, ""),
            ([16, 0, 65, 0, 66, 0, 0, 5], Empty::Forbidden, ""),
            ([0; 8], Empty::Allowed, ""),
            ([0; 8], Empty::Forbidden, "R013"),
            ([8, 65, 66, 1, 0, 0, 0, 3], Empty::Allowed, "R013"),
            ([8, 65, 66, 0, 0, 0, 0, 8], Empty::Allowed, "R013"),
            ([8, 65, 66, 0, 0, 0, 0, 1], Empty::Allowed, "R013"),
            ([8, 65, 66, 0, 0, 0, 0, 0], Empty::Allowed, "R013"),
            ([9, 65, 66, 0, 0, 0, 0, 3], Empty::Allowed, "R013"),
            ([16, 0, 65, 66, 0, 0, 0, 4], Empty::Allowed, "R014"),
            ([16, 0xFE, 0xFF, 0, 0, 0, 0, 3], Empty::Allowed, "R014"),
            ([254, 65, 66, 0, 0, 0, 0, 3], Empty::Allowed, "R015"),
        ] {
            assert_eq!(field(bytes, empty).join(" "), expected, "{bytes:?}");
        }
    }

    #[test]
    fn names() {
        let name = |name: &[u8], deleted| rules(|context, at| context.name(at, name, deleted)).join(" ");
        assert_eq!(name(&[8, 65], false), "");
        assert_eq!(name(&[254, 65], true), "");
        assert_eq!(name(&[255, 0, 65], false), "R015");
        assert_eq!(name(&[16, 65], false), "R014");
        assert_eq!(name(&[0, 65], false), "R014");
    }
}
