//! Text of volumes on its way to people: nothing in it may steer a terminal or reorder what is read.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde_json::Value;

/// The text with control and direction characters written as `\n`, `\x1b`, `\u{202e}`.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // Writing to a `String` cannot fail.
            '\0'..='\u{ff}' if is_harmful(character) => {
                let _ = write!(out, "\\x{:02x}", u32::from(character));
            }
            _ if is_harmful(character) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.into()
}

/// A line of JSON, in which what `escaped` escapes is written as JSON escapes it (RFC 8259, 7).
pub(crate) struct Json<'a>(pub(crate) &'a Value);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.to_string().chars() {
            if is_harmful(character) {
                let mut units = [0; 2];
                character.encode_utf16(&mut units).iter().try_for_each(|unit| write!(f, "\\u{unit:04x}"))?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Control characters, line ends of Unicode, and what changes the direction or the visibility of text.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fdd0}'..='\u{fdef}'
                | '\u{feff}'
        )
}

/// Bytes as people read them: `1.5 GiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

/// A number with its digits in groups of three.
pub(crate) fn count(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

/// A number of things: `1 file`, `2 files`.
pub(crate) fn things(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_not_steered() {
        assert_eq!(escaped("caf\u{e9} \u{1f600}"), "caf\u{e9} \u{1f600}");
        assert_eq!(escaped("a\x1b]0;x\x07\n"), "a\\x1b]0;x\\x07\\n");
        assert_eq!(escaped("\u{9b}31m"), "\\x9b31m");
        assert_eq!(escaped("exe.\u{202e}fdp"), "exe.\\u{202e}fdp");
        let value = Value::from("\u{9b}31m\u{202e}x\n\u{feff}");
        assert_eq!(Json(&value).to_string(), r#""\u009b31m\u202ex\n\ufeff""#);
        assert_eq!(serde_json::from_str::<Value>(&Json(&value).to_string()).unwrap(), value);
    }
}
