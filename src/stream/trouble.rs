//! What was wrong with a file, put together from what several threads saw of its parts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::Warning;

/// What was wrong with a file. The same, in whatever order it is noticed, and however often.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// What is missing: first byte, and the byte after the last; neither overlapping nor touching.
    missing: BTreeMap<u64, u64>,
    /// Why the first byte is missing that is; of several reasons the last, which knows most.
    why: String,
    how: Option<String>,
}

impl Trouble {
    /// So much is missing from there on.
    pub(super) fn miss(&mut self, start_bytes: u64, bytes: u64, why: impl FnOnce() -> String) {
        if self.missing.first_key_value().is_none_or(|(first, _)| start_bytes <= *first) {
            self.why = why();
        }
        let (mut start, mut end) = (start_bytes, start_bytes + bytes);
        // What it overlaps or touches becomes one with it.
        while let Some((other_start, other_end)) =
            self.missing.range(..=end).next_back().map(|(a, b)| (*a, *b))
        {
            if other_end < start {
                break;
            }
            self.missing.remove(&other_start);
            (start, end) = (start.min(other_start), end.max(other_end));
        }
        self.missing.insert(start, end);
    }

    /// It is no longer what it was. Of several ways in which it is not, one is told, the same each time.
    pub(super) fn change(&mut self, how: String) {
        if self.how.as_ref().is_none_or(|old| how < *old) {
            self.how = Some(how);
        }
    }

    /// What to tell of it.
    pub(super) fn to_warning(&self, path: PathBuf, size_bytes: u64) -> Option<Warning> {
        let missing_bytes: u64 = self.missing.iter().map(|(start, end)| end - start).sum();
        if missing_bytes > 0 {
            return Some(Warning::Unreadable { path, why: self.why.clone(), size_bytes, missing_bytes });
        }
        self.how.clone().map(|how| Warning::Changed { path, how })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_put_together_whatever_their_order() {
        let mut trouble = Trouble::default();
        for (start, bytes) in [(50, 10), (10, 10), (60, 5), (0, 10), (12, 4), (15, 40)] {
            trouble.miss(start, bytes, || format!("at {start}"));
        }
        trouble.change(String::from("b"));
        trouble.change(String::from("a"));
        assert_eq!(trouble.missing, BTreeMap::from([(0, 65)]));
        let (path, why) = (PathBuf::from("x"), String::from("at 0"));
        let expected = Warning::Unreadable { path: path.clone(), why, size_bytes: 99, missing_bytes: 65 };
        assert_eq!(trouble.to_warning(path, 99), Some(expected));
    }

    #[test]
    fn changes_are_told_if_nothing_is_missing() {
        let mut trouble = Trouble::default();
        trouble.change(String::from("it grew"));
        let expected = Warning::Changed { path: PathBuf::from("x"), how: String::from("it grew") };
        assert_eq!(trouble.to_warning(PathBuf::from("x"), 9), Some(expected));
        assert_eq!(Trouble::default().to_warning(PathBuf::from("x"), 9), None);
    }
}
