//! What a simulated medium knows beside its sectors, and the small file that keeps it (`docs/media.md`).

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::media::Medium;

/// The version of the file.
const VERSION: u64 = 1;

/// A closed session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedSession {
    /// Its first sector.
    pub start: u32,
    /// Its last sector.
    pub last: u32,
}

/// The state of a medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) medium: &'static Medium,
    pub(super) capacity_blocks: u32,
    /// Closed sessions, oldest first.
    pub(super) sessions: Vec<ClosedSession>,
    /// Where the session begins that is being written, or would be.
    pub(super) open_start: u32,
    /// Where the next write must begin; of a medium written in any order, behind the last sector written.
    pub(super) next_writable: u32,
    pub(super) is_finalized: bool,
}

impl State {
    pub(super) fn blank(medium: &'static Medium, capacity_blocks: u32) -> Self {
        Self {
            medium,
            capacity_blocks,
            sessions: Vec::new(),
            open_start: 0,
            next_writable: 0,
            is_finalized: false,
        }
    }

    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        Self::parse(&text).ok_or_else(|| {
            let why = format!("{}: this does not describe a simulated medium", path.display());
            io::Error::new(io::ErrorKind::InvalidData, why)
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let object: Value = serde_json::from_str(text).ok()?;
        let number = |value: &Value, key: &str| u32::try_from(value.get(key)?.as_u64()?).ok();
        if object.get("simulated_medium")?.as_u64()? != VERSION {
            return None;
        }
        let sessions = object.get("sessions")?.as_array()?.iter();
        let sessions = sessions
            .map(|one| Some(ClosedSession { start: number(one, "start")?, last: number(one, "last")? }));
        let state = Self {
            medium: Medium::find(object.get("medium")?.as_str()?)?,
            capacity_blocks: number(&object, "capacity_sectors")?,
            sessions: sessions.collect::<Option<_>>()?,
            open_start: number(&object, "open_session_start")?,
            next_writable: number(&object, "next_writable")?,
            is_finalized: object.get("is_finalized")?.as_bool()?,
        };
        state.is_sound().then_some(state)
    }

    fn is_sound(&self) -> bool {
        let mut end = 0;
        let ordered = self.sessions.iter().all(|session| {
            let follows = session.start >= end && session.last >= session.start;
            end = session.last.saturating_add(1);
            follows
        });
        ordered && self.open_start >= end && self.next_writable >= self.open_start
    }

    /// Makes the file appear as a whole, or stay as it was.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let sessions: Vec<_> =
            self.sessions.iter().map(|one| json!({ "start": one.start, "last": one.last })).collect();
        let object = json!({
            "simulated_medium": VERSION,
            "medium": self.medium.name,
            "capacity_sectors": self.capacity_blocks,
            "sessions": sessions,
            "open_session_start": self.open_start,
            "next_writable": self.next_writable,
            "is_finalized": self.is_finalized,
        });
        let mut hidden = path.as_os_str().to_owned();
        hidden.push(".new");
        let hidden = PathBuf::from(hidden);
        fs::write(&hidden, format!("{object:#}\n"))?;
        File::open(&hidden)?.sync_all()?;
        fs::rename(&hidden, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_keeps_everything() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disc.img.media");
        let state = State {
            sessions: vec![ClosedSession { start: 0, last: 1023 }],
            open_start: 12_424,
            next_writable: 13_000,
            ..State::blank(Medium::find("cd-r").unwrap(), 359_847)
        };
        state.write(&path).unwrap();
        assert_eq!(State::read(&path).unwrap(), state);
    }

    #[test]
    fn a_file_that_contradicts_itself_is_none() {
        let text = |sessions: &str, open: u32, next: u32| {
            format!(
                r#"{{"simulated_medium": 1, "medium": "bd-r", "capacity_sectors": 9999, "sessions": {sessions},
                "open_session_start": {open}, "next_writable": {next}, "is_finalized": false}}"#
            )
        };
        assert!(State::parse(&text("[]", 0, 0)).is_some());
        assert!(State::parse(&text("[]", 64, 32)).is_none());
        assert!(State::parse(&text(r#"[{"start": 9, "last": 8}]"#, 64, 64)).is_none());
        assert!(State::parse(&text(r#"[{"start": 0, "last": 64}]"#, 64, 64)).is_none());
        assert!(State::parse(&text("[]", 0, 0).replace("bd-r", "tape")).is_none());
        assert!(State::parse("{}").is_none());
    }
}
