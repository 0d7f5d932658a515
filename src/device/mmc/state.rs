//! What is on a disc and where the next write goes, from what its drive says.

use std::time::Duration;

use crate::media::multisession::{
    Mechanism, MediumState, Multisession, OpenTrack, PseudoOverwrite, RandomWrite, Sequential,
};
use crate::media::{Medium, Writing};

use super::configuration::Configuration;
use super::error::MmcError;
use super::profile::Profile;
use super::reply::{DiscInformation, DiscStatus, SessionStatus, TrackInformation};
use super::transport::Transport;
use super::unit::{Result, TrackOf, Unit};

/// More tracks than any disc can have (BD-R: 7927).
const TRACKS: u16 = 10_000;
/// A drive that keeps us waiting for so long over its tracks is broken, however short the wait for each of them.
const SURVEY: Duration = Duration::from_secs(5 * 60);

/// A track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    /// Counted from 1, over the whole disc.
    pub number: u16,
    /// Its session's number.
    pub session: u16,
    /// First sector.
    pub start: u32,
    /// Sectors, written or not.
    pub size_blocks: u32,
    /// Where the next write must begin, if it can be written to.
    pub next_writable: Option<u32>,
    /// Sectors that can still be written.
    pub free_blocks: u32,
    /// The last sector that was written, if the drive says so.
    pub last_recorded: Option<u32>,
    /// Nothing was written to it.
    pub is_blank: bool,
    /// Its sectors are set aside for somebody.
    pub is_reserved: bool,
}

impl Track {
    fn of(reply: &TrackInformation) -> Self {
        let next_writable = (reply.valid & 1 != 0).then(|| reply.next_writable.get());
        Self {
            number: reply.track(),
            session: reply.session(),
            start: reply.start.get(),
            size_blocks: reply.size_blocks.get(),
            next_writable,
            free_blocks: if next_writable.is_some() { reply.free_blocks.get() } else { 0 },
            last_recorded: (reply.valid & 2 != 0).then(|| reply.last_recorded.get()),
            is_blank: reply.flags & 0x40 != 0,
            is_reserved: reply.flags & 0x80 != 0,
        }
    }

    /// The last sector of it that can be something: what the drive says, and else what lies before the next write, or the
    /// track's end.
    fn last(&self) -> Option<u32> {
        let end = self.next_writable.unwrap_or(self.start.saturating_add(self.size_blocks));
        let last = self.last_recorded.unwrap_or(end.saturating_sub(1));
        (!self.is_blank && last >= self.start).then_some(last)
    }
}

/// A session that something is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedSession {
    /// Counted from 1.
    pub number: u16,
    /// First sector.
    pub start: u32,
    /// Last sector.
    pub last: u32,
    /// More can be written to it.
    pub is_open: bool,
}

/// A disc in a drive, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscState {
    /// Which kind of disc it is.
    pub profile: Profile,
    /// The medium that it is.
    pub medium: &'static Medium,
    /// What the drive says of it as a whole.
    pub information: DiscInformation,
    /// Its tracks, in order.
    pub tracks: Vec<Track>,
    /// Sectors of it, written or not.
    pub capacity_blocks: u32,
    /// Sectors can be written: what is written in any order is formatted.
    pub is_formatted: bool,
}

impl DiscState {
    /// Asks the drive. `Ok(None)`: of such discs nothing is known here.
    pub fn read<T: Transport>(unit: &Unit<T>, configuration: &Configuration) -> Result<Option<Self>> {
        let profile = configuration.profile;
        let Some(mut medium) = profile.medium() else { return Ok(None) };
        if profile == Profile::BD_R_SEQUENTIAL && configuration.can_now(Configuration::PSEUDO_OVERWRITE) {
            medium = Medium::find("bd-r-pow").unwrap_or(medium);
        }
        let information = unit.disc_information()?;
        let mut state =
            Self { profile, medium, information, tracks: Vec::new(), capacity_blocks: 0, is_formatted: true };
        if medium.is_appended() {
            state.tracks = tracks(unit, &information)?;
            let write_unit = if medium.is_sequential() { 1 } else { medium.write_unit_blocks };
            state.capacity_blocks = state.end_of_tracks() / write_unit * write_unit;
        } else {
            let formatted = match unit.format_capacities() {
                Ok((formatted, _)) => formatted,
                // Pressed discs have none.
                Err(error) if error.is_unknown_to_the_drive() => Some(0),
                Err(error) => return Err(error),
            };
            state.is_formatted = formatted.is_some();
            if state.is_formatted {
                state.capacity_blocks = unit.capacity_sectors()?;
            }
        }
        Ok(Some(state))
    }

    fn end_of_tracks(&self) -> u32 {
        let ends = self.tracks.iter().map(|track| track.start.saturating_add(track.size_blocks));
        ends.max().unwrap_or(0)
    }

    /// Sessions that something is in, the oldest first; none of a disc that is not written in them.
    #[must_use]
    pub fn sessions(&self) -> Vec<RecordedSession> {
        let mut sessions: Vec<RecordedSession> = Vec::new();
        if !self.medium.is_sequential() {
            return sessions;
        }
        for track in &self.tracks {
            let Some(last) = track.last() else { continue };
            match sessions.last_mut().filter(|session| session.number == track.session) {
                Some(session) => session.last = session.last.max(last),
                None => sessions.push(RecordedSession {
                    number: track.session,
                    start: track.start,
                    last,
                    is_open: self.is_open(track.session),
                }),
            }
        }
        sessions
    }

    fn is_open(&self, session: u16) -> bool {
        session == self.information.sessions()
            && self.information.session_status() != SessionStatus::Complete
            && self.information.disc_status() != DiscStatus::Finalized
    }

    /// The track that the next write goes to. One that was set aside is for those who did that.
    #[must_use]
    pub fn writable_track(&self) -> Option<&Track> {
        self.tracks.iter().rev().find(|track| track.next_writable.is_some() && !track.is_reserved)
    }

    /// Whether nothing speaks against formatting it: a BD-R is formatted once, while it is blank.
    #[must_use]
    pub fn can_be_formatted(&self) -> bool {
        let is_done = self.medium.is_pseudo_overwritten();
        self.profile != Profile::BD_R_SEQUENTIAL || (!is_done && self.medium_state().is_blank)
    }

    /// Tracks that more can be written to, of a disc in pseudo-overwrite.
    #[must_use]
    pub fn open_tracks(&self) -> Vec<OpenTrack> {
        let is_one = self.medium.is_pseudo_overwritten();
        let open = self.tracks.iter().filter(|_| is_one).filter_map(|track| {
            let (start, end) = (track.start, track.start.saturating_add(track.size_blocks));
            // Of a full track some drives tell an address that is none of its own.
            let next_writable = track.next_writable.filter(|next| (start..end).contains(next))?;
            Some(OpenTrack { start, next_writable, end })
        });
        open.collect()
    }

    /// The facts for a further session, if the disc is written one sector after the other and can be written to.
    #[must_use]
    pub fn sequential(&self) -> Option<Sequential> {
        let track = self.writable_track().filter(|_| self.medium.is_sequential())?;
        let sessions = self.sessions();
        let closed = sessions.iter().rev().find(|session| !session.is_open);
        Some(Sequential {
            is_first_data_session: closed.is_none(),
            start_of_previous_session: closed.map(|session| session.start),
            last_written_of_previous_session: closed.map(|session| session.last),
            open_session_start: sessions.iter().find(|session| session.is_open).map(|session| session.start),
            next_writable: track.next_writable?,
            free_sectors: track.free_blocks,
            write_unit: self.medium.write_unit_blocks,
        })
    }

    /// The facts of a disc that nothing can be written to.
    fn nothing_writable(&self) -> Sequential {
        let last = self.sessions().last().copied();
        Sequential {
            is_first_data_session: last.is_none(),
            start_of_previous_session: last.map(|session| session.start),
            last_written_of_previous_session: last.map(|session| session.last),
            open_session_start: None,
            next_writable: self.capacity_blocks,
            free_sectors: 0,
            write_unit: self.medium.write_unit_blocks,
        }
    }

    /// What the drive says of the medium as a whole.
    #[must_use]
    pub fn medium_state(&self) -> MediumState {
        let is_overwritable = self.medium.writing == Writing::Random;
        MediumState {
            is_blank: match self.medium.writing {
                // A track that was set aside need not be told as blank.
                Writing::PseudoOverwrite => {
                    self.tracks.iter().all(|track| track.is_blank || track.next_writable == Some(track.start))
                }
                _ if self.medium.is_sequential() => self.sessions().is_empty(),
                _ => !self.is_formatted,
            },
            is_overwritable,
            is_closed: match self.medium.writing {
                Writing::Never => true,
                Writing::PseudoOverwrite => self.open_tracks().is_empty(),
                _ if self.medium.is_sequential() => self.sequential().is_none(),
                _ => false,
            },
        }
    }

    /// The mechanisms that the drive offers.
    #[must_use]
    pub fn multisession(&self) -> Vec<Multisession> {
        let mechanism = match self.medium.writing {
            Writing::Sequential | Writing::SequentialErasable => {
                Some(Mechanism::Sequential(self.sequential().unwrap_or_else(|| self.nothing_writable())))
            }
            Writing::Random => Some(Mechanism::RandomWrite(RandomWrite {
                write_unit: self.medium.write_unit_blocks,
                // What was written to such a disc last, no drive knows.
                last_written: None,
                total_sectors: self.capacity_blocks,
            })),
            Writing::PseudoOverwrite => Some(Mechanism::PseudoOverwrite(PseudoOverwrite::of(
                &self.open_tracks(),
                self.medium.write_unit_blocks,
                self.capacity_blocks,
            ))),
            Writing::Packet | Writing::Never => None,
        };
        let offer = |mechanism| Multisession {
            is_supported_on_current_media_state: self.is_formatted && !self.medium_state().is_closed,
            in_use: false,
            mechanism,
        };
        mechanism.map(offer).into_iter().collect()
    }
}

fn tracks<T: Transport>(unit: &Unit<T>, information: &DiscInformation) -> Result<Vec<Track>> {
    let first = u16::from(information.first_track).max(1);
    let last = information.last_track();
    if last.saturating_sub(first) > TRACKS {
        return Err(MmcError::Reply { code: 0x51, what: "no disc has so many tracks" });
    }
    let mut tracks: Vec<Track> = Vec::new();
    let begin = unit.waited();
    for number in first..=last {
        let waited = unit.waited().saturating_sub(begin);
        if waited > SURVEY {
            return Err(MmcError::Busy { code: 0x52, seconds: waited.as_secs(), sense: None });
        }
        let track = Track::of(&unit.track_information(TrackOf::Number(number))?);
        let before = tracks.last();
        let is_ordered =
            before.is_none_or(|before| before.start <= track.start && before.session <= track.session);
        let is_whole = track.start.checked_add(track.size_blocks).is_some();
        if !is_ordered || !is_whole {
            return Err(MmcError::Reply {
                code: 0x52,
                what: "the track contradicts the disc or the track before it",
            });
        }
        tracks.push(track);
    }
    Ok(tracks)
}
