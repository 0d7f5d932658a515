//! Names as a directory of the host can hold them: legal, short enough, each only once.

use std::collections::HashSet;

use udf::general::text;

/// Bytes of a name, by the kernel's limit.
const MAX_LEN: usize = 255;
/// A suffix up to this long survives when a name is cut.
const MAX_SUFFIX_LEN: usize = 16;

/// The names used in one directory.
#[derive(Debug, Default)]
pub(crate) struct Names {
    used: HashSet<Box<str>>,
}

/// A name to use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HostName {
    pub(crate) text: String,
    /// Why it is not the name on the volume, if it is not.
    pub(crate) changed: Option<&'static str>,
}

impl Names {
    /// The name for what the volume calls so, in d-characters: the same if possible, and not given out before.
    pub(crate) fn take(&mut self, characters: &[u8]) -> HostName {
        let (name, fault) = match text::decode(characters) {
            Ok(name) => (name, None),
            Err(_) => (text::decode_lossy(characters), Some("the name is no legal text")),
        };
        let mut changed = fault.or(illegality(&name));
        for attempt in 0u32.. {
            let text = if attempt == 0 && illegality(&name).is_none() {
                name.clone()
            } else {
                mangled(&name, attempt)
            };
            if self.used.insert(text.as_str().into()) {
                return HostName { text, changed };
            }
            changed = changed.or(Some("another file of the directory has the same name"));
        }
        unreachable!("a directory has fewer than 2^32 entries")
    }
}

fn illegality(name: &str) -> Option<&'static str> {
    match name {
        "" | "." | ".." => Some("no file can have this name"),
        _ if name.contains(['/', '\0']) => Some("the name contains a character that no name may"),
        _ if name.len() > MAX_LEN => Some("the name is too long for this system"),
        _ => None,
    }
}

/// The name without what is illegal in it, cut to fit, the `attempt`-th of its kind.
fn mangled(name: &str, attempt: u32) -> String {
    let readable = name.replace(['/', '\0'], "_");
    let readable = if matches!(&*readable, "" | "." | "..") { format!("_{readable}") } else { readable };
    let (stem, suffix) = match readable.rsplit_once('.') {
        Some((stem, suffix)) if !stem.is_empty() && suffix.len() <= MAX_SUFFIX_LEN => {
            (stem, format!(".{suffix}"))
        }
        _ => (&*readable, String::new()),
    };
    let suffix = if attempt == 0 { suffix } else { format!("~{attempt}{suffix}") };
    let room = (0..=stem.len().min(MAX_LEN - suffix.len())).rev().find(|end| stem.is_char_boundary(*end));
    format!("{}{suffix}", &stem[..room.unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(names: &mut Names, name: &str) -> String {
        names.take(&text::encode(name)).text
    }

    #[test]
    fn what_is_legal_stays_as_it_is() {
        let mut names = Names::default();
        for name in ["a", "日本", "...", "a:b?c*", "-", "\u{1f600}"] {
            let taken = names.take(&text::encode(name));
            assert_eq!(taken, HostName { text: name.into(), changed: None });
        }
    }

    #[test]
    fn nothing_leads_elsewhere() {
        let mut names = Names::default();
        assert_eq!(take(&mut names, ".."), "_..");
        assert_eq!(take(&mut names, ".."), "_.~1.");
        assert_eq!(take(&mut names, "../../etc/passwd"), ".._.._etc_passwd");
        assert_eq!(take(&mut names, "/etc"), "_etc");
        assert_eq!(take(&mut names, "a\0b"), "a_b");
        assert_eq!(names.take(&[]).text, "_");
    }

    #[test]
    fn each_name_is_given_once() {
        let mut names = Names::default();
        assert_eq!(take(&mut names, "a.txt"), "a.txt");
        let wide = [16, 0, b'a', 0, b'.', 0, b't', 0, b'x', 0, b't'];
        let again = names.take(&wide);
        assert_eq!(again.text, "a~1.txt");
        assert!(again.changed.is_some());
        assert_eq!(take(&mut names, "a.txt"), "a~2.txt");
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let mut names = Names::default();
        let name = format!("{}.tar", "日".repeat(120));
        let first = take(&mut names, &name);
        assert!(first.len() <= 255 && first.ends_with("日.tar"), "{first}");
        let second = take(&mut names, &name);
        assert!(second.len() <= 255 && second.ends_with("日~1.tar"), "{second}");
    }
}
