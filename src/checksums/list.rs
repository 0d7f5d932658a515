//! The list of checksums as text: what `sha256sum` and `b3sum` write.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Bound;

use super::{Algorithm, Checksum};

/// Checksums of files, by their paths without a leading `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksums {
    /// How they were calculated.
    pub algorithm: Algorithm,
    /// The checksums.
    pub files: BTreeMap<String, Checksum>,
}

/// A line that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {number} is no checksum and path")]
pub struct LineError {
    /// Which, from 1 on.
    pub number: usize,
}

const DIGITS: usize = 64;
/// No path is longer.
const LONGEST_LINE_BYTES: usize = 1 << 20;

impl Checksums {
    /// None yet.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, files: BTreeMap::new() }
    }

    /// Reads a list.
    pub fn parse(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, LineError> {
        let mut reader = Reader::new(algorithm);
        reader.add(bytes)?;
        reader.finish()
    }

    /// The list as it is recorded.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = String::new();
        for (path, checksum) in &self.files {
            let is_escaped = path.contains(['\\', '\n', '\r']);
            let mark = if is_escaped { "\\" } else { "" };
            // Writing to a string cannot fail.
            let _ = write!(out, "{mark}{checksum}  ");
            for letter in path.chars() {
                match letter {
                    '\\' => out.push_str("\\\\"),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    other => out.push(other),
                }
            }
            out.push('\n');
        }
        out.into_bytes()
    }

    /// Those of the files below a directory, by their paths below it.
    pub fn below<'a>(&'a self, directory: &str) -> impl Iterator<Item = (&'a str, Checksum)> {
        let start = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let skip = start.len();
        let range = (Bound::Included(start.clone()), Bound::Unbounded);
        let inside = self.files.range(range).take_while(move |(path, _)| path.starts_with(&start));
        inside.map(move |(path, checksum)| (&path[skip..], *checksum))
    }
}

/// Reads a list part by part.
#[derive(Debug)]
pub(super) struct Reader {
    list: Checksums,
    lines: usize,
    /// A line that has not ended yet.
    begun: Vec<u8>,
}

impl Reader {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self { list: Checksums::new(algorithm), lines: 0, begun: Vec::new() }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<(), LineError> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.line()?;
            } else if self.begun.len() > LONGEST_LINE_BYTES {
                return Err(LineError { number: self.lines + 1 });
            }
        }
        Ok(())
    }

    /// The list, unless it breaks off within a line.
    pub(super) fn finish(mut self) -> Result<Checksums, LineError> {
        if !self.begun.is_empty() {
            self.line()?;
        }
        Ok(self.list)
    }

    fn line(&mut self) -> Result<(), LineError> {
        self.lines += 1;
        let (path, checksum) = parse_line(&self.begun).ok_or(LineError { number: self.lines })?;
        self.list.files.insert(path, checksum);
        self.begun.clear();
        Ok(())
    }
}

fn parse_line(line: &[u8]) -> Option<(String, Checksum)> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (is_escaped, line) = line.strip_prefix('\\').map_or((false, line), |rest| (true, rest));
    let (digits, rest) = line.split_at_checked(DIGITS)?;
    // A text file or a binary one, which is the same here.
    let path = rest.strip_prefix("  ").or_else(|| rest.strip_prefix(" *"))?;
    let mut checksum = [0; DIGITS / 2];
    for (byte, pair) in checksum.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let value = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(value(pair[0])? * 16 + value(pair[1])?).ok()?;
    }
    let path = if is_escaped { unescaped(path)? } else { path.to_owned() };
    (!path.is_empty()).then_some((path, Checksum(checksum)))
}

fn unescaped(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        out.push(match letter {
            '\\' => match letters.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            other => other,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(paths: &[&str]) -> Checksums {
        let files = (0..).zip(paths).map(|(number, path)| ((*path).to_owned(), Checksum([number; 32])));
        Checksums { algorithm: Algorithm::Sha256, files: files.collect() }
    }

    #[test]
    fn any_path_comes_back_as_it_was() {
        let all = list(&["a", "a b/ c", "日本/語", "back\\slash", "line\nfeed\r", " ", "a\\n"]);
        let bytes = all.to_bytes();
        assert_eq!(Checksums::parse(Algorithm::Sha256, &bytes), Ok(all));
        assert_eq!(bytes.split(|byte| *byte == b'\n').count(), 8);
        let text = format!("{}  a\n", "00".repeat(32));
        assert!(bytes.windows(text.len()).any(|part| part == text.as_bytes()));
    }

    #[test]
    fn what_is_no_line_is_told_by_its_number() {
        let good = format!("{} *a\n", "Ab".repeat(32));
        for bad in [
            "",
            "x",
            &good[..60],
            &good[1..],
            &good.replace('*', "x"),
            &format!("\\{}", good.replace('a', "\\x")),
        ] {
            let text = format!("{good}{bad}\n");
            assert_eq!(
                Checksums::parse(Algorithm::Blake3, text.as_bytes()),
                Err(LineError { number: 2 }),
                "{bad:?}"
            );
        }
        assert_eq!(
            Checksums::parse(Algorithm::Blake3, good.trim_end().as_bytes()),
            Err(LineError { number: 1 })
        );
        assert_eq!(Checksums::parse(Algorithm::Blake3, b"").unwrap().files.len(), 0);
    }

    #[test]
    fn parts_end_anywhere_and_a_line_without_end_is_given_up() {
        let all = list(&["a", "b/c", "d"]);
        for bytes in 1..80 {
            let mut reader = Reader::new(Algorithm::Sha256);
            all.to_bytes().chunks(bytes).try_for_each(|part| reader.add(part)).unwrap();
            assert_eq!(reader.finish().as_ref(), Ok(&all), "parts of {bytes} bytes");
        }
        let mut reader = Reader::new(Algorithm::Sha256);
        let zeros = vec![0; 1 << 16];
        let parts = std::iter::repeat_with(|| reader.add(&zeros)).take_while(Result::is_ok).take(100).count();
        assert_eq!(parts, 16);
    }

    #[test]
    fn what_is_below_a_directory_is_found_and_nothing_that_only_begins_alike() {
        let all = list(&["a", "b", "b!", "b/c", "b/d/e", "b0", "c"]);
        let below: Vec<_> = all.below("b").map(|(path, _)| path).collect();
        assert_eq!(below, ["c", "d/e"]);
        assert_eq!(all.below("").count(), 7);
        assert_eq!(all.below("x").count(), 0);
    }
}
