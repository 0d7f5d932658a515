//! What a simulated medium knows beside its sectors, and the small file that keeps it (`docs/media.md`).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::overwriting::Overwriting;
use crate::media::multisession::Sequential;
use crate::media::{Medium, Writing};

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

/// Sectors that are damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defect {
    /// The first.
    pub first: u32,
    /// The last, which belongs to it.
    pub last: u32,
    /// What does not work.
    pub kind: DefectKind,
}

/// What does not work at a defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefectKind {
    /// It can be written, but not be read: a scratch.
    Unreadable,
    /// It can be neither written nor read.
    Unwritable,
}

impl DefectKind {
    const NAMES: [(Self, &'static str); 2] =
        [(Self::Unreadable, "unreadable"), (Self::Unwritable, "unwritable")];

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    fn find(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|row| row.1 == name).map(|row| row.0)
    }
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
    /// First sectors of the tracks that are not the first of their session.
    pub(super) track_starts: Vec<u32>,
    /// Where the next write must begin; of a medium written in any order, behind the last sector written.
    pub(super) next_writable: u32,
    pub(super) is_finalized: bool,
    /// Of a medium written in any order: until it was formatted, nothing can be written.
    pub(super) is_formatted: bool,
    /// Where, between what was written in one go and the next, sectors begin that hold nothing.
    pub(super) links: Vec<u32>,
    pub(super) defects: Vec<Defect>,
    /// Write units that are left to put what damaged ones would hold there.
    pub(super) spare_units: u32,
    /// The first sectors of those that were spared: whatever is damaged there, they are elsewhere.
    pub(super) spared: BTreeSet<u32>,
    /// Of a medium in pseudo-overwrite.
    pub(super) overwriting: Overwriting,
}

impl State {
    pub(super) fn blank(medium: &'static Medium, capacity_blocks: u32) -> Self {
        Self {
            medium,
            capacity_blocks,
            sessions: Vec::new(),
            open_start: 0,
            track_starts: Vec::new(),
            next_writable: 0,
            is_finalized: false,
            is_formatted: medium.is_sequential(),
            links: Vec::new(),
            defects: Vec::new(),
            spare_units: medium.spare_units,
            spared: BTreeSet::new(),
            overwriting: match medium.writing {
                Writing::PseudoOverwrite => Overwriting::blank(capacity_blocks),
                _ => Overwriting::default(),
            },
        }
    }

    /// Whether what is written again goes elsewhere.
    pub(super) fn is_pseudo_overwritten(&self) -> bool {
        self.medium.is_pseudo_overwritten()
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
        let medium = Medium::find(object.get("medium")?.as_str()?)?;
        let state = Self {
            medium,
            capacity_blocks: number(&object, "capacity_sectors")?,
            sessions: sessions.collect::<Option<_>>()?,
            open_start: number(&object, "open_session_start")?,
            track_starts: list(&object, "track_starts", sector)?,
            next_writable: number(&object, "next_writable")?,
            is_finalized: object.get("is_finalized")?.as_bool()?,
            is_formatted: object.get("is_formatted").is_none_or(|value| value.as_bool() == Some(true)),
            links: list(&object, "links", sector)?,
            defects: list(&object, "defects", |one| {
                let kind = DefectKind::find(one.get("kind")?.as_str()?)?;
                Some(Defect { first: number(one, "first")?, last: number(one, "last")?, kind })
            })?,
            spare_units: match object.get("spare_units") {
                Some(_) => number(&object, "spare_units")?,
                None => medium.spare_units,
            },
            spared: list(&object, "spared", sector)?.into_iter().collect(),
            overwriting: Overwriting::parse(&object)?,
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
        let gap = self.track_gap();
        let tracks_fit = self.track_starts.iter().all(|start| *start > gap && *start <= self.next_writable);
        let tracks_ordered = self.track_starts.is_sorted_by(|one, next| next.saturating_sub(*one) > gap);
        ordered
            && self.open_start >= end
            && self.next_writable >= self.open_start
            && tracks_fit
            && tracks_ordered
            && (!self.is_pseudo_overwritten() || self.overwriting.is_sound(self.capacity_blocks))
    }

    /// The power was cut while an image grew to this size: the drive fills its last write unit up, and goes on behind it.
    pub(super) fn find_what_was_recorded(&mut self, image_bytes: u64) {
        let blocks = self.medium.block_size.blocks_for(image_bytes);
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        if blocks > self.next_writable {
            self.link_behind(blocks.next_multiple_of(self.medium.write_unit_blocks));
        }
    }

    /// What was written in one go ends here: the next write begins behind a link, where the medium has any.
    pub(super) fn link_behind(&mut self, end: u32) {
        if self.link_blocks() > 0 {
            self.links.push(end);
        }
        self.next_writable = end.saturating_add(self.link_blocks());
    }

    /// Between what is written in one go and the next.
    fn link_blocks(&self) -> u32 {
        self.medium.sessions.map_or(0, |sessions| sessions.link_blocks)
    }

    /// Closed sessions, and the open one if anything is in it, of an image so long: a power cut may have left sectors that
    /// the file beside it knows nothing of.
    pub(super) fn all_sessions(&self, image_bytes: u64) -> io::Result<Vec<ClosedSession>> {
        let end = self.recorded_end(image_bytes)?;
        let mut all = self.sessions.clone();
        if self.medium.is_sequential() && end > self.open_start {
            all.push(ClosedSession { start: self.open_start, last: end - 1 });
        }
        Ok(all)
    }

    /// The first sector among `first..end` that cannot be read: damaged, between two sessions, or between what was written
    /// in one go and the next.
    pub(super) fn unreadable(&self, first: u32, end: u32) -> Option<u32> {
        let blank = |from: u32, to: u32| (from < end && first < to).then(|| from.max(first));
        let damaged = self.defects.iter().filter_map(|one| self.not_spared(one, first, end));
        let starts = self.sessions.iter().skip(1).map(|session| session.start).chain([self.open_start]);
        let between = self.sessions.iter().zip(starts);
        let gaps = between.filter_map(|(session, next)| blank(session.last.saturating_add(1), next));
        let gap = self.track_gap();
        let pregaps = self.track_starts.iter().filter_map(|start| blank(start.saturating_sub(gap), *start));
        let blocks = self.link_blocks();
        let links = self.links.iter().filter_map(|link| blank(*link, link.saturating_add(blocks)));
        let blank = self.overwriting.unreadable(first, end, self.medium.write_unit_blocks);
        damaged.chain(gaps).chain(pregaps).chain(links).chain(blank).min()
    }

    /// The first sector among `first..end` that cannot be written.
    pub(super) fn unwritable(&self, first: u32, end: u32) -> Option<u32> {
        let bad = self.defects.iter().filter(|one| one.kind == DefectKind::Unwritable);
        bad.filter_map(|one| self.not_spared(one, first, end)).min()
    }

    /// The first sector of a defect among `first..end` that is in no unit that was spared.
    fn not_spared(&self, defect: &Defect, first: u32, end: u32) -> Option<u32> {
        let mut at = defect.first.max(first);
        while at < end && at <= defect.last {
            let unit = self.unit_of(at);
            if !self.spared.contains(&unit) {
                return Some(at);
            }
            at = unit.saturating_add(self.medium.write_unit_blocks);
        }
        None
    }

    fn unit_of(&self, sector: u32) -> u32 {
        sector / self.medium.write_unit_blocks * self.medium.write_unit_blocks
    }

    /// Puts what is written to damaged units among `first..end` elsewhere, as long as there is where; whether anything was.
    /// Drives read what they have written to such media, so what cannot be read is found then, too.
    pub(super) fn spare(&mut self, first: u32, end: u32) -> bool {
        let before = self.spare_units;
        while self.spare_units > 0 {
            let bad = self.defects.iter().filter_map(|one| self.not_spared(one, first, end)).min();
            let Some(bad) = bad else { break };
            self.spared.insert(self.unit_of(bad));
            self.spare_units -= 1;
        }
        self.spare_units != before
    }

    /// Damages sectors, wherever they are by now.
    pub(super) fn damage(&mut self, defect: Defect) {
        let unit_blocks = self.medium.write_unit_blocks;
        self.spared.retain(|unit| *unit > defect.last || unit.saturating_add(unit_blocks) <= defect.first);
        self.defects.push(defect);
    }

    /// The sector behind the last that was recorded.
    pub(super) fn recorded_end(&self, image_bytes: u64) -> io::Result<u32> {
        let blocks = self.medium.block_size.blocks_for(image_bytes);
        u32::try_from(blocks)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the image is too large"))
    }

    pub(super) fn sequential(&self) -> Sequential {
        let previous = self.sessions.last();
        Sequential {
            is_first_data_session: self.sessions.is_empty(),
            start_of_previous_session: previous.map(|session| session.start),
            last_written_of_previous_session: previous.map(|session| self.last_told(*session)),
            open_session_start: (self.next_writable > self.open_start).then_some(self.open_start),
            next_writable: self.next_writable,
            free_sectors: self.capacity_blocks.saturating_sub(self.next_writable),
            write_unit: self.medium.write_unit_blocks,
        }
    }

    /// The last sector of a closed session as drives count: with the blocks in which a CD's writing runs out, though nothing
    /// was recorded there and they cannot be read.
    pub(super) fn last_told(&self, session: ClosedSession) -> u32 {
        session.last.saturating_add(self.medium.sessions.map_or(0, |sessions| sessions.run_out_blocks))
    }

    /// Closes the open session, which ends `more_blocks` behind the image.
    pub(super) fn close(&mut self, image_bytes: u64, more_blocks: u32) -> io::Result<()> {
        let Some(costs) = self.medium.sessions.filter(|_| self.next_writable > self.open_start) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no open session to close"));
        };
        self.forget_blank_track();
        let end = self.recorded_end(image_bytes)?.saturating_add(more_blocks);
        self.sessions.push(ClosedSession { start: self.open_start, last: end.saturating_sub(1) });
        let gap = if self.sessions.len() == 1 { costs.first_gap_blocks } else { costs.gap_blocks };
        self.open_start = end.next_multiple_of(self.medium.write_unit_blocks).saturating_add(gap);
        self.next_writable = self.open_start;
        self.is_finalized |= self.is_closed() || self.open_start >= self.capacity_blocks;
        Ok(())
    }

    /// Makes the file appear as a whole, or stay as it was; it is durable when this returns.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let hidden = self.write_beside(path)?;
        File::open(&hidden)?.sync_all()?;
        fs::rename(&hidden, path)
    }

    /// The same for what need not be durable yet.
    pub(super) fn note(&self, path: &Path) -> io::Result<()> {
        fs::rename(self.write_beside(path)?, path)
    }

    /// Writes a file beside it, which is to take its place.
    fn write_beside(&self, path: &Path) -> io::Result<PathBuf> {
        let sessions: Vec<_> =
            self.sessions.iter().map(|one| json!({ "start": one.start, "last": one.last })).collect();
        let mut object = json!({
            "simulated_medium": VERSION,
            "medium": self.medium.name,
            "capacity_sectors": self.capacity_blocks,
            "sessions": sessions,
            "open_session_start": self.open_start,
            "next_writable": self.next_writable,
            "is_finalized": self.is_finalized,
        });
        // What most media have nothing of is not told of those.
        if !self.medium.is_sequential() {
            object["is_formatted"] = self.is_formatted.into();
        }
        if !self.track_starts.is_empty() {
            object["track_starts"] = self.track_starts.clone().into();
        }
        if !self.links.is_empty() {
            object["links"] = self.links.clone().into();
        }
        if !self.defects.is_empty() {
            let defect =
                |one: &Defect| json!({ "first": one.first, "last": one.last, "kind": one.kind.name() });
            object["defects"] = self.defects.iter().map(defect).collect();
        }
        if self.spare_units != self.medium.spare_units {
            object["spare_units"] = self.spare_units.into();
        }
        if !self.spared.is_empty() {
            object["spared"] = self.spared.iter().copied().collect();
        }
        if self.is_pseudo_overwritten() {
            self.overwriting.add_to(&mut object);
        }
        let mut hidden = path.as_os_str().to_owned();
        hidden.push(".new");
        let hidden = PathBuf::from(hidden);
        fs::write(&hidden, format!("{object:#}\n"))?;
        Ok(hidden)
    }
}

pub(super) fn sector(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}

/// A list that need not be there.
pub(super) fn list<T>(object: &Value, key: &str, one: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    object.get(key).map_or(Some(Vec::new()), |list| list.as_array()?.iter().map(one).collect())
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
            track_starts: vec![600, 12_800],
            next_writable: 13_000,
            links: vec![12_500],
            defects: vec![Defect { first: 7, last: 9, kind: DefectKind::Unwritable }],
            spare_units: 3,
            spared: [64].into(),
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
        let tracks =
            |starts: &str| text("[]", 0, 640).replace('}', &format!(r#", "track_starts": {starts}}}"#));
        assert!(State::parse(&tracks("[320, 640]")).is_some());
        assert!(State::parse(&tracks("[320, 320]")).is_none());
        assert!(State::parse(&tracks("[672]")).is_none());
        assert!(State::parse("{}").is_none());
    }
}
