//! What a simulated drive replies: facts of its medium in the form that MMC has for them.

use zerocopy::IntoBytes;
use zerocopy::big_endian::{U16, U32};

use super::Track;
use super::commands::{Done, SimulatedDrive, UNKNOWN_FIELD, at, word};
use crate::device::mmc::{DiscInformation, SECTOR_BYTES, TrackInformation};
use crate::device::{WriteAt, lock};
use crate::media::multisession::{OpenTrack, Sequential};
use crate::media::{Drive, Writing};

impl SimulatedDrive {
    pub(super) fn sequential(&self) -> Option<Sequential> {
        let offered = self.medium().multisession();
        offered
            .iter()
            .filter(|one| one.is_supported_on_current_media_state)
            .find_map(|one| one.mechanism.sequential().copied())
    }

    pub(super) fn disc_information(&self) -> Vec<u8> {
        let medium = self.medium().medium();
        let state = self.medium().state();
        let is_erasable = !matches!(medium.writing, Writing::Sequential | Writing::PseudoOverwrite);
        let facts = self.sequential();
        let is_appended = |tracks: &[OpenTrack]| tracks.iter().any(|track| track.free_sectors() > 0);
        let overwriting = self.medium().overwriting_tracks();
        let (disc, session) = match facts {
            _ if medium.is_pseudo_overwritten() => match state.is_blank {
                true => (0, 0),
                false if is_appended(&overwriting) => (1, 1),
                false => (2, 3),
            },
            _ if !medium.is_sequential() => (3, 3),
            None => (2, 3),
            Some(_) if state.is_blank => (0, 0),
            Some(facts) => (1, u8::from(facts.open_session_start.is_some())),
        };
        // The session and the track that are open, or could be begun, count.
        let tracks = self.tracks();
        let sessions = tracks.last().map_or(1, |last| last.session);
        let first = tracks.iter().position(|track| track.session == sessions).map_or(1, |first| first + 1);
        let [high, low] = sessions.to_be_bytes();
        let [first_high, first_low] = u16::try_from(first).unwrap_or(u16::MAX).to_be_bytes();
        let last = tracks.len().max(overwriting.len()).max(1);
        let [last_high, last_low] = u16::try_from(last).unwrap_or(u16::MAX).to_be_bytes();
        DiscInformation {
            length: U16::new(32),
            status: disc | session << 2 | if is_erasable { 0x10 } else { 0 },
            first_track: 1,
            sessions_low: low,
            first_track_of_last_session_low: first_low,
            last_track_low: last_low,
            flags: 0,
            disc_type: 0,
            sessions_high: high,
            first_track_of_last_session_high: first_high,
            last_track_high: last_high,
            identification: U32::ZERO,
            last_lead_in_start: U32::ZERO,
            last_possible_lead_out_start: U32::ZERO,
            bar_code: [0; 8],
            application_code: 0,
            opc_tables: 0,
        }
        .as_bytes()
        .to_vec()
    }

    /// Those of a medium that is written in sessions.
    pub(super) fn tracks(&self) -> Vec<Track> {
        if !self.medium().medium().is_sequential() {
            return Vec::new();
        }
        self.medium().tracks().unwrap_or_default()
    }

    pub(super) fn track_information(&self, block: &[u8]) -> Done {
        let number = u16::try_from(word(block, 2)).map_err(|_| UNKNOWN_FIELD)?;
        if at(block, 1) & 3 != 1 {
            return Err(UNKNOWN_FIELD);
        }
        let index = usize::from(number).checked_sub(1).ok_or(UNKNOWN_FIELD)?;
        if let Some(track) = self.medium().overwriting_tracks().get(index) {
            let mut told = overwritten_track(number, *track);
            if lock(&self.faults).tells_full_tracks_as_open {
                told.valid |= 1;
            }
            return Ok(told.as_bytes().to_vec());
        }
        let of = *self.tracks().get(index).ok_or(UNKNOWN_FIELD)?;
        let mut track = blank_track(number, of);
        let facts = self.sequential().filter(|_| of.is_open);
        if let Some(facts) = facts {
            track.flags = if of.last.is_none() { 0x41 } else { 0x01 };
            track.valid = 1;
            track.next_writable = U32::new(facts.next_writable);
            track.free_blocks = U32::new(facts.free_sectors);
            let end = facts.next_writable.saturating_add(facts.free_sectors);
            track.size_blocks = U32::new(end.saturating_sub(of.start));
        } else {
            let last = self.last_told(of).ok_or(UNKNOWN_FIELD)?;
            track.flags = 0x01;
            track.valid = 2;
            track.size_blocks = U32::new(last.saturating_sub(of.start).saturating_add(1));
            track.last_recorded = U32::new(last);
        }
        Ok(track.as_bytes().to_vec())
    }

    /// Of a session's last track with the blocks in which the writing ran out, which drives count as recorded.
    fn last_told(&self, track: Track) -> Option<u32> {
        let index = usize::from(track.session).checked_sub(1)?;
        let session = self.medium().closed_sessions().get(index).copied();
        let ends = session.is_some_and(|session| track.last == Some(session.last));
        let told = Drive::sessions(self.medium()).get(index).map(|session| session.1.0);
        if ends { told } else { track.last }
    }

    /// READ TOC, format 1: the first track of the last closed session.
    pub(super) fn last_session(&self) -> Done {
        let tracks = self.tracks();
        let last = tracks.iter().rev().find(|track| !track.is_open).ok_or(UNKNOWN_FIELD)?;
        let index = tracks.iter().position(|track| track.session == last.session).unwrap_or(0);
        let number = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
        let session = number(usize::from(last.session));
        let mut reply = vec![0, 10, 1, session, 0, 0x14, number(index + 1), 0];
        reply.extend(tracks[index].start.to_be_bytes());
        Ok(reply)
    }

    fn total(&self) -> u32 {
        let blocks = self.medium().capacity_bytes().unwrap_or(0) / SECTOR_BYTES as u64;
        u32::try_from(blocks).unwrap_or(u32::MAX)
    }

    /// Formatted or not, the largest there is, and the kinds that drives offer for such discs.
    pub(super) fn format_capacities(&self) -> Vec<u8> {
        let kinds: &[u8] = match self.medium().medium().name {
            "dvd+rw" => &[0x26],
            "dvd-ram" => &[0x00],
            "bd-re" => &[0x30, 0x31],
            "dvd-rw" | "dvd-rw-seq" => &[0x10, 0x15],
            "bd-r" if self.medium().state().is_blank => &[0x00, 0x32],
            _ => &[],
        };
        let mut reply = vec![0, 0, 0, 0];
        let mut add = |kind: u8, parameter: [u8; 3]| {
            reply.extend(self.total().to_be_bytes());
            reply.push(kind);
            reply.extend(parameter);
        };
        add(if self.medium().is_formatted() { 2 } else { 1 }, [0, 8, 0]);
        for kind in kinds {
            add(kind << 2, [0; 3]);
        }
        reply[3] = u8::try_from(reply.len() - 4).unwrap_or(0);
        reply
    }

    pub(super) fn capacity(&self) -> Vec<u8> {
        let end = if self.medium().medium().is_sequential() {
            self.medium().closed_sessions().last().map_or(0, |session| session.last)
        } else {
            self.total().saturating_sub(1)
        };
        [end.to_be_bytes(), 2048u32.to_be_bytes()].concat()
    }
}

pub(super) fn inquiry() -> Vec<u8> {
    let mut reply = vec![5, 0x80, 5, 2, 31, 0, 0, 0];
    reply.extend(b"SIMULATED DISC DRIVE     1.0");
    reply
}

pub(super) fn speeds() -> Vec<u8> {
    let mut reply = vec![0, 0, 0, 36, 0, 0, 0, 0];
    for speed in [11_080u32, 5540] {
        reply.extend([0; 12]);
        reply.extend(speed.to_be_bytes());
    }
    reply
}

/// A track in pseudo-overwrite.
fn overwritten_track(number: u16, of: OpenTrack) -> TrackInformation {
    let last = of.next_writable.checked_sub(1).filter(|last| *last >= of.start);
    let track = Track { session: 1, start: of.start, last, is_open: true };
    let is_full = of.free_sectors() == 0;
    TrackInformation {
        flags: if last.is_none() { 0x41 } else { 0x01 },
        valid: u8::from(!is_full),
        next_writable: U32::new(if is_full { 0 } else { of.next_writable }),
        free_blocks: U32::new(of.free_sectors()),
        size_blocks: U32::new(of.end.saturating_sub(of.start)),
        ..blank_track(number, track)
    }
}

fn blank_track(number: u16, of: Track) -> TrackInformation {
    let [high, low] = number.to_be_bytes();
    let [session_high, session_low] = of.session.to_be_bytes();
    TrackInformation {
        length: U16::new(46),
        track_low: low,
        session_low,
        reserved: 0,
        mode: 4,
        flags: 0,
        valid: 0,
        start: U32::new(of.start),
        next_writable: U32::ZERO,
        free_blocks: U32::ZERO,
        packet_blocks: U32::ZERO,
        size_blocks: U32::ZERO,
        last_recorded: U32::ZERO,
        track_high: high,
        session_high,
        more_reserved: [0; 2],
        layers: [U32::ZERO; 3],
    }
}
