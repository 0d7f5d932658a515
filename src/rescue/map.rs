//! What of a device is known to be readable: the map files of GNU ddrescue, read and written.

use std::fmt;

/// What is known of a stretch of the device, in the words and characters of a map file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// `?`: nobody tried to read it.
    NonTried,
    /// `*`: reading failed; where in it, nobody looked.
    NonTrimmed,
    /// `/`: reading failed; its edges have been read.
    NonScraped,
    /// `-`: reading failed, block by block.
    Bad,
    /// `+`: it has been read.
    Finished,
}

impl Status {
    const ALL: [(Self, &str); 5] = [
        (Self::NonTried, "?"),
        (Self::NonTrimmed, "*"),
        (Self::NonScraped, "/"),
        (Self::Bad, "-"),
        (Self::Finished, "+"),
    ];

    fn character(self) -> &'static str {
        Self::ALL.iter().find(|(status, _)| *status == self).map_or("?", |(_, character)| character)
    }

    fn of(character: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == character).map(|(status, _)| *status)
    }
}

/// A stretch of bytes, all of one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Its first byte.
    pub start_bytes: u64,
    /// The byte after its last.
    pub end_bytes: u64,
    /// What is known of it.
    pub status: Status,
}

/// A map of a device from its beginning on: stretches without gaps, neighbours of different status.
///
/// What lies behind its end has not been tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Where each stretch ends, ascending, and its status.
    ends: Vec<(u64, Status)>,
}

/// Why a text is no map file: the line, counted from 1, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct MapFault {
    /// Which line; one more than there are for an end that comes too early.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl Map {
    /// A map of so many bytes, all of one status.
    #[must_use]
    pub fn new(size_bytes: u64, status: Status) -> Self {
        Self { ends: if size_bytes == 0 { Vec::new() } else { vec![(size_bytes, status)] } }
    }

    /// Reads a map file: comments, a line of status, and a line for each stretch (GNU ddrescue, "Mapfile structure").
    pub fn parse(text: &str) -> Result<Self, MapFault> {
        let mut map = Self { ends: Vec::new() };
        let mut has_status_line = false;
        let mut lines = 0;
        for (line, content) in (1..).zip(text.lines()) {
            lines = line;
            let fault = |what| MapFault { line, what };
            let words: Vec<&str> = content.split('#').next().unwrap_or_default().split_whitespace().collect();
            match words[..] {
                [] => {}
                // Position and status of the program that wrote it; versions before 1.22 know no pass.
                [position, _] | [position, _, _] if !has_status_line => {
                    number(position).ok_or_else(|| fault("the position is no number"))?;
                    has_status_line = true;
                }
                [start, size, status] => {
                    let start = number(start).ok_or_else(|| fault("the position is no number"))?;
                    let size = number(size).ok_or_else(|| fault("the size is no number"))?;
                    let status =
                        Status::of(status).ok_or_else(|| fault("the status is none of ? * / - +"))?;
                    let end = start.checked_add(size).ok_or_else(|| fault("the block ends beyond 2^64"))?;
                    if start < map.size_bytes() {
                        return Err(fault("the block begins before the one above it ends"));
                    }
                    map.push(start, Status::NonTried);
                    map.push(end, status);
                }
                _ => return Err(fault("a block has a position, a size and a status")),
            }
        }
        if has_status_line {
            Ok(map)
        } else {
            Err(MapFault { line: lines + 1, what: "there is no line of status" })
        }
    }

    /// Where it ends.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.ends.last().map_or(0, |(end, _)| *end)
    }

    /// All stretches, in order.
    pub fn stretches(&self) -> impl Iterator<Item = Stretch> + '_ {
        self.stretches_from(0)
    }

    /// The stretches that have a byte in a range, cut to it.
    pub fn within(&self, start_bytes: u64, end_bytes: u64) -> impl Iterator<Item = Stretch> + '_ {
        let first = self.ends.partition_point(|(end, _)| *end <= start_bytes);
        let behind =
            Stretch { start_bytes: start_bytes.max(self.size_bytes()), end_bytes, status: Status::NonTried };
        let known = self.stretches_from(first).take_while(move |stretch| stretch.start_bytes < end_bytes);
        known
            .map(move |stretch| Stretch {
                start_bytes: stretch.start_bytes.max(start_bytes),
                end_bytes: stretch.end_bytes.min(end_bytes),
                ..stretch
            })
            .chain((behind.start_bytes < end_bytes).then_some(behind))
    }

    /// How many bytes have this status.
    #[must_use]
    pub fn count_bytes(&self, status: Status) -> u64 {
        let of_status = self.stretches().filter(|stretch| stretch.status == status);
        of_status.map(|stretch| stretch.end_bytes - stretch.start_bytes).sum()
    }

    /// Gives a range a status. A range behind the end extends the map.
    pub fn set(&mut self, start_bytes: u64, end_bytes: u64, status: Status) {
        if start_bytes >= end_bytes {
            return;
        }
        self.push(start_bytes, Status::NonTried);
        let first = self.ends.partition_point(|(end, _)| *end <= start_bytes);
        let last = self.ends.partition_point(|(end, _)| *end <= end_bytes);
        let mut new = Vec::with_capacity(3);
        let before = first.checked_sub(1).and_then(|index| self.ends.get(index)).map_or(0, |(end, _)| *end);
        if let Some((_, cut)) = self.ends.get(first).filter(|_| before < start_bytes) {
            new.push((start_bytes, *cut));
        }
        new.push((end_bytes, status));
        // What was cut at its end keeps its own end, and stays in the list behind what is new.
        self.ends.splice(first..last, new);
        self.join(first.saturating_sub(1), first + 3);
    }

    fn stretches_from(&self, first: usize) -> impl Iterator<Item = Stretch> + '_ {
        let before = first.checked_sub(1).and_then(|index| self.ends.get(index)).map_or(0, |(end, _)| *end);
        let mut start_bytes = before;
        self.ends.iter().skip(first).map(move |(end, status)| {
            let stretch = Stretch { start_bytes, end_bytes: *end, status: *status };
            start_bytes = *end;
            stretch
        })
    }

    /// Extends the map to an end.
    fn push(&mut self, end_bytes: u64, status: Status) {
        if end_bytes <= self.size_bytes() {
            return;
        }
        match self.ends.last_mut() {
            Some((end, last)) if *last == status => *end = end_bytes,
            _ => self.ends.push((end_bytes, status)),
        }
    }

    /// Joins neighbours of one status among a few of the list.
    fn join(&mut self, first: usize, last: usize) {
        for index in (first..last).rev() {
            if let (Some((_, here)), Some((_, next))) = (self.ends.get(index), self.ends.get(index + 1))
                && here == next
            {
                self.ends.remove(index);
            }
        }
    }
}

/// A map file, as ddrescue writes it when it is done.
impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Mapfile. Created by mkudf-ms version {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(f, "# current_pos  current_status  current_pass")?;
        writeln!(f, "0x00000000     +               1")?;
        writeln!(f, "#      pos        size  status")?;
        for Stretch { start_bytes, end_bytes, status } in self.stretches() {
            let size = end_bytes - start_bytes;
            writeln!(f, "0x{start_bytes:08X}  0x{size:08X}  {}", status.character())?;
        }
        Ok(())
    }
}

/// A number as C writes it: decimal, `0x` and hexadecimal, `0` and octal.
fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    // A sign is no digit.
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u64::from_str_radix(digits, radix).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn map_files_of_old_and_new_versions_are_read() {
        let new = "# Mapfile. Created by GNU ddrescue version 1.27\n# Command line: ddrescue a b c\n\
            # current_pos  current_status  current_pass\n0x00001000     /               1\n\
            #      pos        size  status\n0x00000000  0x00001000  +\n0x00001000  0x00000200  -\n\
            0x00001200  512  /\n0x00001400  01000  *\n0x00001600  0x00002000  ?\n";
        let map = Map::parse(new).unwrap();
        let found: Vec<_> = map.stretches().map(|stretch| (stretch.end_bytes, stretch.status)).collect();
        let expected = [
            (0x1000, Status::Finished),
            (0x1200, Status::Bad),
            (0x1400, Status::NonScraped),
            (0x1600, Status::NonTrimmed),
            (0x3600, Status::NonTried),
        ];
        assert_eq!(found, expected);
        assert_eq!(Map::parse(&map.to_string()), Ok(map));
        let old = Map::parse("0x0 +\n0x100 0x100 +\n").unwrap();
        assert_eq!((old.count_bytes(Status::NonTried), old.count_bytes(Status::Finished)), (256, 256));
    }

    #[test]
    fn what_is_no_map_file_is_refused_with_its_line() {
        let line = |text: &str| Map::parse(text).unwrap_err().line;
        assert_eq!(line(""), 1);
        assert_eq!(line("# only\n# comments\n"), 3);
        assert_eq!(line("0x0 ? 1\n0x0 0x10 +\n0x8 0x10 -\n"), 3);
        for wrong in
            ["0 0x10 x", "0 0x10", "x 0x10 +", "0 x +", "0 -5 +", "0 1 + 2", "1 0xFFFFFFFFFFFFFFFF +"]
        {
            assert_eq!(line(&format!("0 + 1\n{wrong}\n")), 2, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn setting_ranges_is_setting_bytes(sets in proptest::collection::vec((0u64..60, 0u64..20, 0usize..5), 0..30)) {
            let mut bytes = [Status::NonTried; 100];
            let mut map = Map::new(40, Status::NonTried);
            for (start, len, status) in sets {
                let status = Status::ALL[status].0;
                map.set(start, start + len, status);
                for at in start..start + len {
                    bytes[usize::try_from(at).unwrap()] = status;
                }
            }
            let ends: Vec<_> = map.stretches().collect();
            prop_assert!(ends.windows(2).all(|pair| pair[0].status != pair[1].status));
            for stretch in map.within(0, 100) {
                for at in stretch.start_bytes..stretch.end_bytes {
                    prop_assert_eq!(bytes[usize::try_from(at).unwrap()], stretch.status);
                }
            }
            prop_assert_eq!(map.within(0, 100).map(|s| s.end_bytes - s.start_bytes).sum::<u64>(), 100);
            prop_assert_eq!(map.within(13, 14).count(), 1);
            prop_assert_eq!(Map::parse(&map.to_string()), Ok(map));
        }
    }
}
