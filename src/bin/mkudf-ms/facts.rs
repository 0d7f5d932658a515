//! What an entry says of a file, in a line as of `ls -l` and as a JSON object.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use udf::file::FileType;
use udf::general::{Moment, Timestamp};
use udf::read::Entry;

/// "No owner" as volumes record it.
const NOBODY: u32 = u32::MAX;

/// What a file is, as users tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    Block,
    Char,
    /// None that a user's file can be.
    Unknown,
}

impl Kind {
    pub(crate) fn of(entry: &Entry) -> Self {
        match entry.kind {
            FileType::REGULAR | FileType::REAL_TIME | FileType::UNSPECIFIED => Self::File,
            FileType::DIRECTORY | FileType::STREAM_DIRECTORY => Self::Directory,
            FileType::SYMBOLIC_LINK => Self::Symlink,
            FileType::FIFO => Self::Fifo,
            FileType::SOCKET => Self::Socket,
            FileType::BLOCK_DEVICE => Self::Block,
            FileType::CHARACTER_DEVICE => Self::Char,
            _ => Self::Unknown,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::Block => "block",
            Self::Char => "char",
            Self::Unknown => "unknown",
        }
    }

    fn letter(self) -> char {
        match self {
            Self::File => '-',
            Self::Directory => 'd',
            Self::Symlink => 'l',
            Self::Fifo => 'p',
            Self::Socket => 's',
            Self::Block => 'b',
            Self::Char => 'c',
            Self::Unknown => '?',
        }
    }
}

/// The size as `ls` has it: of a symbolic link, that of its target and not of the path components that are recorded.
fn size_bytes(entry: &Entry, target: Option<&str>) -> u64 {
    target.map_or(entry.size_bytes, |target| target.len() as u64)
}

/// All about a file, absent members left out but for owners: `null` is a file that belongs to nobody.
pub(crate) fn json(path: &str, entry: &Entry, target: Option<&str>, is_hidden: bool) -> Value {
    let known = |id: u32| (id != NOBODY).then_some(id);
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.into(), value);
    put("path", path.into());
    put("type", Kind::of(entry).name().into());
    put("mode", format!("{:04o}", entry.mode()).into());
    put("uid", json!(known(entry.uid)));
    put("gid", json!(known(entry.gid)));
    put("size", size_bytes(entry, target).into());
    put("links", entry.links.into());
    let times = [
        ("mtime", Some(entry.modified)),
        ("atime", Some(entry.accessed)),
        ("ctime", Some(entry.attributes_changed)),
        ("btime", entry.created),
    ];
    for (key, time) in times {
        if let Some(moment) = time.and_then(|time| time.moment()) {
            put(key, rfc3339(moment).into());
        }
    }
    if let Some(target) = target {
        put("target", target.into());
    }
    if let (Kind::Block | Kind::Char, Some((major, minor))) = (Kind::of(entry), entry.device) {
        put("major", major.into());
        put("minor", minor.into());
    }
    put("unique_id", entry.unique_id.into());
    put("hidden", is_hidden.into());
    Value::Object(object)
}

/// A point in time in UTC to the microsecond, as RFC 3339 has it.
pub(crate) fn rfc3339(moment: Moment) -> String {
    let utc = Timestamp::new(moment, 0);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        utc.year,
        utc.month,
        utc.day,
        utc.hour,
        utc.minute,
        utc.second,
        moment.subsecond_microseconds()
    )
}

/// Mode, links, owner, group, size and local time.
pub(crate) fn long(entry: &Entry, target: Option<&str>, zone: &TimeZone) -> String {
    let kind = Kind::of(entry);
    let size = match entry.device {
        Some((major, minor)) if matches!(kind, Kind::Block | Kind::Char) => format!("{major}, {minor}"),
        _ => size_bytes(entry, target).to_string(),
    };
    let owner = |id: u32| if id == NOBODY { String::from("-") } else { id.to_string() };
    format!(
        "{}{} {:>3} {:>5} {:>5} {size:>12} {}",
        kind.letter(),
        letters(entry.mode()),
        entry.links,
        owner(entry.uid),
        owner(entry.gid),
        local(entry.modified, zone)
    )
}

fn local(time: Timestamp, zone: &TimeZone) -> String {
    let Some(moment) = time.moment() else { return format!("{:19}", "-") };
    // Beyond what the calendar of the zone knows, which is hours before the end of year 9999, UTC will do.
    match jiff::Timestamp::from_microsecond(moment.microseconds) {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => rfc3339(moment).replace('T', " ").chars().take(19).collect(),
    }
}

/// `rwxr-xr-x`, with set-id and sticky bits where `ls` shows them.
fn letters(mode: u32) -> String {
    let special = [(0o4000, 's', 'S'), (0o2000, 's', 'S'), (0o1000, 't', 'T')];
    let mut out = String::with_capacity(9);
    for ((bit, lower, upper), shift) in special.into_iter().zip([6, 3, 0]) {
        let bits = mode >> shift;
        out.push(if bits & 4 != 0 { 'r' } else { '-' });
        out.push(if bits & 2 != 0 { 'w' } else { '-' });
        out.push(match (mode & bit != 0, bits & 1 != 0) {
            (true, true) => lower,
            (true, false) => upper,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_as_ls_shows_them() {
        assert_eq!(letters(0o644), "rw-r--r--");
        assert_eq!(letters(0o4755), "rwsr-xr-x");
        assert_eq!(letters(0o2644), "rw-r-Sr--");
        assert_eq!(letters(0o1777), "rwxrwxrwt");
        assert_eq!(letters(0o7000), "--S--S--T");
    }

    #[test]
    fn times_to_the_microsecond_in_all_years() {
        assert_eq!(rfc3339(Moment { microseconds: -1 }), "1969-12-31T23:59:59.999999Z");
        assert_eq!(rfc3339(Moment::MIN), "0001-01-01T00:00:00.000000Z");
        assert_eq!(rfc3339(Moment::MAX), "9999-12-31T23:59:59.999999Z");
        let end = Timestamp::new(Moment::MAX, 0);
        assert_eq!(local(end, &TimeZone::UTC), "9999-12-31 23:59:59");
        assert_eq!(local(Timestamp::ZERO, &TimeZone::UTC).len(), 19);
    }
}
