//! Pseudo-overwrite on a simulated medium: tracks that go on where they end, and what is written again takes the place of what
//! they would go on with (MMC-6, BD-R Pseudo-Overwrite Feature).
//!
//! The image has everything where its address says. What a drive would put elsewhere only costs what it costs there: the
//! cluster where a track would have gone on. Its address holds nothing until it is written to.

use std::collections::BTreeSet;
use std::io;

use serde_json::{Value, json};

use super::state::{list, sector};
use crate::device::no_space;
use crate::media::multisession::OpenTrack;

/// The tracks, and what was put elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Overwriting {
    /// One behind the other, over the whole medium.
    pub(super) tracks: Vec<OpenTrack>,
    /// First sectors of clusters that hold what belongs elsewhere, and nothing of their own.
    orphans: BTreeSet<u32>,
    /// How many clusters were written again so far.
    pub(super) replacements: u32,
    /// What is written again goes where most is left; and not to its own track first.
    pub(super) replaces_elsewhere: bool,
}

impl Overwriting {
    /// One track on a medium where nothing was written.
    pub(super) fn blank(capacity: u32) -> Self {
        Self { tracks: vec![OpenTrack { start: 0, next_writable: 0, end: capacity }], ..Self::default() }
    }

    pub(super) fn is_blank(&self) -> bool {
        self.tracks.iter().all(|track| track.next_writable == track.start)
    }

    /// RESERVE TRACK: the last track, if nothing is in it, ends after so many sectors, and another has the rest.
    pub(super) fn reserve(&mut self, sectors: u32, unit: u32) -> io::Result<()> {
        let refuse = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        let Some(last) = self.tracks.last_mut().filter(|track| track.next_writable == track.start) else {
            return refuse("the last track is not blank");
        };
        let sectors = sectors.next_multiple_of(unit);
        if sectors == 0 || sectors >= last.end - last.start {
            return refuse("there is no room for a track of this size and another");
        }
        let border = last.start + sectors;
        let rest = OpenTrack { start: border, next_writable: border, end: last.end };
        last.end = border;
        self.tracks.push(rest);
        Ok(())
    }

    /// Writes a cluster: where a track goes on, or again.
    pub(super) fn write(&mut self, cluster: u32, unit: u32) -> io::Result<()> {
        let contains = |track: &OpenTrack| (track.start..track.end).contains(&cluster);
        let Some(index) = self.tracks.iter().position(contains) else { return Err(no_space()) };
        let track = &mut self.tracks[index];
        if cluster > track.next_writable {
            let next = track.next_writable;
            let why =
                format!("sector {cluster} lies behind the next one that can be written, which is {next}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        if cluster == track.next_writable {
            track.next_writable += unit;
            return Ok(());
        }
        let own = (!self.replaces_elsewhere && track.free_sectors() >= unit).then_some(index);
        let other = || (0..self.tracks.len()).max_by_key(|index| self.tracks[*index].free_sectors());
        let taken = own.or_else(other).and_then(|index| self.tracks.get_mut(index));
        let taken = taken.filter(|track| track.free_sectors() >= unit).ok_or_else(no_space)?;
        self.orphans.insert(taken.next_writable);
        taken.next_writable += unit;
        self.orphans.remove(&cluster);
        self.replacements += 1;
        Ok(())
    }

    /// The first sector among `first..end` that nothing was recorded for.
    pub(super) fn unreadable(&self, first: u32, end: u32, unit: u32) -> Option<u32> {
        let common = |from: u32, to: u32| (from < end && first < to).then(|| from.max(first));
        let behind = self.tracks.iter().filter_map(|track| common(track.next_writable, track.end));
        let from = (first / unit * unit)..end;
        let orphans =
            self.orphans.range(from).filter_map(|orphan| common(*orphan, orphan.saturating_add(unit)));
        behind.chain(orphans).min()
    }

    /// Clusters that were written since `before` did not reach the medium: those that tracks went on with cannot be read, and
    /// what they were before becomes of others.
    pub(super) fn lose(&mut self, before: &Self, clusters: impl Iterator<Item = u32>) {
        let was_behind = |cluster: u32| {
            let behind = |track: &OpenTrack| (track.next_writable..track.end).contains(&cluster);
            before.tracks.iter().any(behind)
        };
        self.orphans
            .extend(clusters.filter(|cluster| was_behind(*cluster) || before.orphans.contains(cluster)));
    }

    pub(super) fn parse(object: &Value) -> Option<Self> {
        let number = |value: &Value, key: &str| sector(value.get(key)?);
        Some(Self {
            tracks: list(object, "tracks", |one| {
                let (start, next_writable) = (number(one, "start")?, number(one, "next_writable")?);
                Some(OpenTrack { start, next_writable, end: number(one, "end")? })
            })?,
            orphans: list(object, "orphans", sector)?.into_iter().collect(),
            replacements: object.get("replacements").map_or(Some(0), sector)?,
            replaces_elsewhere: object.get("replaces_elsewhere").and_then(Value::as_bool) == Some(true),
        })
    }

    pub(super) fn add_to(&self, object: &mut Value) {
        let track = |one: &OpenTrack| json!({ "start": one.start, "next_writable": one.next_writable, "end": one.end });
        object["tracks"] = self.tracks.iter().map(track).collect();
        object["orphans"] = self.orphans.iter().copied().collect();
        object["replacements"] = self.replacements.into();
        object["replaces_elsewhere"] = self.replaces_elsewhere.into();
    }

    /// Whether tracks follow each other, over a whole medium of this size.
    pub(super) fn is_sound(&self, capacity: u32) -> bool {
        let mut end = 0;
        let follow = self.tracks.iter().all(|track| {
            let follows = track.start == end && (track.start..=track.end).contains(&track.next_writable);
            end = track.end;
            follows
        });
        follow && end == capacity
    }
}
