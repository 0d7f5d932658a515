//! The tracks of a simulated medium: where those of a session begin and end, and what closing one does.

use std::io;
use std::ops::Range;

use super::state::State;

/// A track that is closed, or the one that is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    /// Its session, counted from 1.
    pub session: u16,
    /// Its first sector.
    pub start: u32,
    /// Its last recorded sector, if there is one.
    pub last: Option<u32>,
    /// More can be written to it.
    pub is_open: bool,
}

impl State {
    /// Where the track begins that is being written, or would be.
    pub(super) fn track_start(&self) -> u32 {
        self.track_starts.last().copied().filter(|start| *start > self.open_start).unwrap_or(self.open_start)
    }

    /// All tracks, the one that is open or blank included unless nothing more can be written.
    pub(super) fn tracks(&self, image_bytes: u64) -> io::Result<Vec<Track>> {
        let mut tracks = Vec::new();
        for (session, number) in self.sessions.iter().zip(1..) {
            self.push_tracks(session.start..session.last.saturating_add(1), number, false, &mut tracks);
        }
        if self.is_closed() {
            return Ok(tracks);
        }
        let number = u16::try_from(self.sessions.len() + 1).unwrap_or(u16::MAX);
        let end = self.recorded_end(image_bytes)?;
        self.push_tracks(self.open_start..end, number, true, &mut tracks);
        Ok(tracks)
    }

    fn push_tracks(&self, session: Range<u32>, number: u16, is_open: bool, tracks: &mut Vec<Track>) {
        let belongs = |start: &&u32| **start > session.start && (is_open || **start < session.end);
        let mut start = session.start;
        for next in self.track_starts.iter().filter(belongs) {
            let last = next.checked_sub(self.track_gap() + 1).filter(|last| *last >= start);
            tracks.push(Track { session: number, start, last, is_open: false });
            start = *next;
        }
        let last = (session.end > start).then(|| session.end - 1);
        tracks.push(Track { session: number, start, last, is_open });
    }

    /// Closes the open track: the next one of the same session begins behind what the medium leaves out between them.
    pub(super) fn close_track(&mut self, image_bytes: u64) -> io::Result<()> {
        let refuse = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        if !self.medium.is_sequential() || self.next_writable <= self.track_start() {
            return refuse("there is no open track to close");
        }
        if self.has_all_tracks(1) {
            return refuse("the disc can have no more tracks");
        }
        let end = self.recorded_end(image_bytes)?;
        // The gap begins with the blocks that would have been a link.
        self.links.retain(|link| *link != end);
        let next = end.next_multiple_of(self.medium.write_unit_blocks).saturating_add(self.track_gap());
        self.track_starts.push(next);
        self.next_writable = next;
        Ok(())
    }

    /// A track that was begun and holds nothing is none once its session is closed.
    pub(super) fn forget_blank_track(&mut self) {
        if self.track_start() > self.open_start && self.track_start() == self.next_writable {
            self.track_starts.pop();
        }
    }

    /// Whether there are as many tracks as the medium can have, if so many more come.
    pub(super) fn has_all_tracks(&self, more: usize) -> bool {
        let limit = self.medium.sessions.map_or(usize::MAX, |sessions| sessions.limit as usize);
        self.sessions.len() + self.track_starts.len() + more >= limit
    }

    /// Nothing more can be written.
    pub(super) fn is_closed(&self) -> bool {
        self.is_finalized || self.has_all_tracks(0)
    }

    /// Between a track and the next one of the same session.
    pub(super) fn track_gap(&self) -> u32 {
        self.medium.sessions.map_or(0, |sessions| sessions.track_gap_blocks)
    }
}
