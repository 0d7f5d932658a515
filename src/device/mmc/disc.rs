//! A disc in a drive: read and written sector by sector, closed, blanked and formatted.

use std::fmt::Debug;
use std::io;
use std::sync::Mutex;

use udf::read::ReadAt;
use udf::{BoxedError, Sector};

use crate::device::{Recordable, Told, WriteTimes, lock};
use crate::media::multisession::{MediumState, Multisession, OpenTrack, Sequential};
use crate::media::{Drive, Medium};

use super::error::MmcError;
use super::profile::Profile;
use super::reply::FormatCapacity;
use super::state::{DiscState, Track};
use super::transport::Transport;
use super::unit::{Closing, Result, SECTOR_BYTES, Unit};
use super::writing::Written;

/// Kinds of formats that discs are given, the best first, by kind of disc (MMC-6 table 250).
#[rustfmt::skip]
const FORMATS: &[(Profile, &[u8])] = &[
    (Profile::BD_R_SEQUENTIAL, &[0x32, 0x00]),
    (Profile::DVD_PLUS_RW, &[0x26]),
    (Profile::DVD_RAM, &[0x01, 0x00]),
    (Profile::BD_RE, &[0x31, 0x30]),
    (Profile::DVD_RW_SEQUENTIAL, &[0x15, 0x10, 0x13, 0x00]),
    (Profile::DVD_RW_RESTRICTED_OVERWRITE, &[0x15, 0x10, 0x13, 0x00]),
];

/// A disc in a drive.
#[derive(Debug)]
pub struct Disc<T: Transport> {
    pub(super) unit: Unit<T>,
    pub(super) state: Mutex<Written>,
}

impl<T: Transport> Disc<T> {
    /// Looks at the disc in a drive, waiting until it is ready.
    ///
    /// `Ok(None)`: of such discs nothing is known here.
    pub fn open(transport: T) -> Result<Option<Self>> {
        let unit = Unit::new(transport);
        unit.wait_until_ready()?;
        let Some(state) = DiscState::read(&unit, &unit.configuration()?)? else { return Ok(None) };
        Ok(Some(Self { unit, state: Mutex::new(Written::new(state)) }))
    }

    /// The drive.
    pub fn unit(&self) -> &Unit<T> {
        &self.unit
    }

    /// What the drive said last.
    pub fn state(&self) -> DiscState {
        lock(&self.state).state.clone()
    }

    /// Asks the drive anew.
    pub fn look_again(&self) -> Result<()> {
        let configuration = self.unit.configuration()?;
        let state = DiscState::read(&self.unit, &configuration)?;
        let none = MmcError::Reply { code: 0x46, what: "the disc is of a kind that it was not before" };
        let mut written = lock(&self.state);
        written.state = state.ok_or(none)?;
        written.is_outdated = false;
        Ok(())
    }

    /// How fast is written, in 1000 bytes a second: the fastest of the drive's speeds that is no faster.
    pub fn set_speed(&self, kilobytes_per_second: u32) -> Result<u32> {
        let state = self.state();
        let offered = self.unit.write_speeds().unwrap_or_default();
        let fitting =
            offered.iter().map(|one| one.kilobytes_per_second).find(|one| *one <= kilobytes_per_second);
        let speed =
            fitting.or(offered.last().map(|one| one.kilobytes_per_second)).unwrap_or(kilobytes_per_second);
        self.unit.set_write_speed(speed, state.capacity_blocks.saturating_sub(1), is_cd(state.medium))?;
        Ok(speed)
    }

    fn close(&self, finalizes: bool, told: &mut dyn FnMut(u16)) -> Result<()> {
        let mut written = lock(&self.state);
        self.unit.synchronize_cache()?;
        written.is_prepared = false;
        self.prepare(&mut written, finalizes)?;
        let state = written.state.clone();
        let open = state.sessions().into_iter().find(|session| session.is_open);
        // A session with a track that is not complete cannot be closed.
        let is_incomplete = |track: &&Track| track.next_writable.is_some() && !track.is_blank;
        let of_open = |track: &&Track| open.is_some_and(|open| open.number == track.session);
        for track in state.tracks.iter().filter(of_open).filter(is_incomplete) {
            self.unit.close(Closing::Track(track.number), told)?;
        }
        if state.profile.has_write_parameters() || !finalizes {
            self.unit.close(Closing::Session, told)?;
        } else {
            self.unit.close(Closing::Disc, told)?;
        }
        drop(written);
        self.look_again()
    }

    /// Blanks the disc: all of it, or only what says what is on it.
    pub fn blank(&self, is_full: bool, told: &mut dyn FnMut(u16)) -> Result<()> {
        self.unit.blank(is_full, told)?;
        lock(&self.state).is_prepared = false;
        self.look_again()
    }

    /// Formats the disc, so that it can be written in any order. `Ok(false)`: the drive knows no way to do that, or it can be done but
    /// once and is done.
    pub fn format(&self, told: &mut dyn FnMut(u16)) -> Result<bool> {
        let state = self.state();
        if !state.can_be_formatted() {
            return Ok(false);
        }
        let profile = state.profile;
        let (_, offered) = self.unit.format_capacities()?;
        let Some(chosen) = best_format(profile, &offered) else { return Ok(false) };
        self.unit.format(chosen, told)?;
        lock(&self.state).is_prepared = false;
        self.look_again()?;
        Ok(true)
    }

    /// Lets go of the disc: the tray can be opened again.
    pub fn release(&self) -> Result<()> {
        self.unit.prevent_removal(false)
    }

    /// Gives the disc out and takes it in again, so that the kernel forgets what it remembers of it.
    pub fn reload(&self) -> Result<()> {
        self.release()?;
        self.unit.eject()?;
        self.unit.load()?;
        self.unit.wait_until_ready()
    }
}

/// Which of the offered formats suits the kind of disc best.
fn best_format(profile: Profile, offered: &[FormatCapacity]) -> Option<FormatCapacity> {
    let kinds = FORMATS.iter().find(|row| row.0 == profile)?.1;
    kinds.iter().find_map(|kind| offered.iter().find(|one| one.kind == *kind)).copied()
}

pub(super) fn is_cd(medium: &Medium) -> bool {
    medium.name.starts_with("cd-")
}

impl<T: Transport> Drive for Disc<T> {
    fn medium(&self) -> &'static Medium {
        lock(&self.state).state.medium
    }

    fn capacity_blocks(&self) -> u32 {
        lock(&self.state).state.capacity_blocks
    }

    fn medium_state(&self) -> MediumState {
        lock(&self.state).state.medium_state()
    }

    fn multisession(&self) -> Vec<Multisession> {
        lock(&self.state).state.multisession()
    }

    fn sessions(&self) -> Vec<(Sector, Sector)> {
        let sessions = lock(&self.state).state.sessions();
        sessions.iter().map(|session| (Sector(session.start), Sector(session.last))).collect()
    }

    fn open_tracks(&self) -> io::Result<Vec<OpenTrack>> {
        if lock(&self.state).is_outdated {
            self.look_again()?;
        }
        Ok(lock(&self.state).state.open_tracks())
    }
}

impl<T: Transport + Debug> Recordable for Disc<T> {
    fn close_session(&self, told: Told<'_>) -> io::Result<()> {
        Ok(self.close(false, told)?)
    }

    fn finalize(&self, told: Told<'_>) -> io::Result<()> {
        Ok(self.close(true, told)?)
    }

    fn blank(&self, is_full: bool, told: Told<'_>) -> io::Result<()> {
        Ok(self.blank(is_full, told)?)
    }

    fn format(&self, told: Told<'_>) -> io::Result<()> {
        if !self.state().can_be_formatted() {
            let why = "a BD-R is formatted once, for pseudo-overwrite, as long as it is blank";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        if self.format(told)? {
            return Ok(());
        }
        let why = format!("the drive knows no way to format {}", self.state().profile);
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }

    fn reserve_tracks(&self, sectors: &[u32]) -> io::Result<()> {
        let reserved = sectors.iter().try_for_each(|sectors| self.unit.reserve_track(*sectors));
        // Some may have been.
        self.look_again()?;
        Ok(reserved?)
    }

    fn set_speed(&self, kilobytes_per_second: u32) -> io::Result<Option<u32>> {
        Ok(Some(self.set_speed(kilobytes_per_second)?))
    }

    fn write_times(&self) -> Option<WriteTimes> {
        Some(lock(&self.state).times)
    }

    /// As the medium usually is; the drive will know better.
    fn after_closing(&self, more_sectors: u32) -> io::Result<Sequential> {
        let state = self.state();
        let full = || io::Error::new(io::ErrorKind::InvalidInput, "there is no room for another session");
        let facts = state.sequential().ok_or_else(full)?;
        let costs = state.medium.sessions.ok_or_else(full)?;
        let gap = if facts.is_first_data_session { costs.first_gap_blocks } else { costs.gap_blocks };
        let end = facts.next_writable.saturating_add(more_sectors);
        let next_writable = end.next_multiple_of(facts.write_unit).saturating_add(gap);
        let used = next_writable - facts.next_writable;
        Ok(Sequential {
            is_first_data_session: false,
            start_of_previous_session: facts.open_session_start,
            last_written_of_previous_session: end.checked_sub(1),
            open_session_start: None,
            next_writable,
            free_sectors: facts.free_sectors.checked_sub(used).ok_or_else(full)?,
            write_unit: facts.write_unit,
        })
    }

    /// The tray goes out and in, since the kernel remembers how much was on the disc before.
    fn let_go(&self) -> io::Result<()> {
        Ok(self.reload()?)
    }
}

impl<T: Transport> ReadAt for Disc<T> {
    /// Up to the last sector that was recorded; of discs written in any order, all of it.
    fn size_bytes(&self) -> u64 {
        let written = lock(&self.state);
        let state = &written.state;
        let end = if state.medium.is_sequential() {
            state.sessions().last().map_or(0, |session| u64::from(session.last) + 1)
        } else {
            u64::from(state.capacity_blocks)
        };
        end * SECTOR_BYTES as u64
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> std::result::Result<(), BoxedError> {
        let size = SECTOR_BYTES as u64;
        let first = u32::try_from(offset_bytes / size)?;
        let skip = usize::try_from(offset_bytes % size)?;
        let whole = (skip + out.len()).next_multiple_of(SECTOR_BYTES);
        if skip == 0 && whole == out.len() {
            return self.read_sectors(first, out);
        }
        let mut sectors = vec![0; whole];
        self.read_sectors(first, &mut sectors)?;
        out.copy_from_slice(&sectors[skip..skip + out.len()]);
        Ok(())
    }

    fn sector_size_bytes(&self) -> Option<u32> {
        Some(2048)
    }
}

impl<T: Transport> Disc<T> {
    fn read_sectors(&self, first: u32, out: &mut [u8]) -> std::result::Result<(), BoxedError> {
        let step = self.unit.transport().transfer_bytes() / SECTOR_BYTES * SECTOR_BYTES;
        let mut sector = first;
        for piece in out.chunks_mut(step.max(SECTOR_BYTES)) {
            let count = u32::try_from(piece.len() / SECTOR_BYTES)?;
            self.unit.read(sector, piece)?;
            sector = sector.checked_add(count).ok_or("the disc has no such sector")?;
        }
        Ok(())
    }
}
