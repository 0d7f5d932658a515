//! A disc in a drive: read and written sector by sector, closed, blanked and formatted.

use std::fmt::Debug;
use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use udf::read::ReadAt;
use udf::{BoxedError, Sector};

use crate::device::{Order, Recordable, Told, WriteAt, WriteTimes, lock, no_space};
use crate::media::multisession::{MediumState, Multisession, Sequential};
use crate::media::{Drive, Medium};

use super::error::MmcError;
use super::profile::Profile;
use super::reply::FormatCapacity;
use super::state::{DiscState, Track};
use super::transport::Transport;
use super::unit::{Closing, Result, SECTOR_BYTES, Unit};

/// Kinds of formats that discs are given, the best first, by kind of disc (MMC-6 table 250).
#[rustfmt::skip]
const FORMATS: &[(Profile, &[u8])] = &[
    (Profile::DVD_PLUS_RW, &[0x26]),
    (Profile::DVD_RAM, &[0x01, 0x00]),
    (Profile::BD_RE, &[0x31, 0x30]),
    (Profile::DVD_RW_SEQUENTIAL, &[0x15, 0x10, 0x13, 0x00]),
    (Profile::DVD_RW_RESTRICTED_OVERWRITE, &[0x15, 0x10, 0x13, 0x00]),
];

/// How often a drive is asked how full its buffer is.
const BUFFER_INTERVAL: Duration = Duration::from_secs(1);

/// A disc in a drive.
#[derive(Debug)]
pub struct Disc<T: Transport> {
    unit: Unit<T>,
    state: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    state: DiscState,
    /// How the drive writes was settled, and the tray locked.
    is_prepared: bool,
    is_calibrated: bool,
    /// How full the buffer was, in percent, and when that was asked; no more is asked of a drive that does not know.
    buffer: Option<(Option<u8>, Instant)>,
    times: WriteTimes,
    /// When the last write ended, unless something else came after it.
    last_write_end: Option<Instant>,
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
        lock(&self.state).state = state.ok_or(none)?;
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

    /// Before the first write: the tray is locked, and discs that are written in several ways are told which.
    fn prepare(&self, written: &mut Written, is_last_session: bool) -> Result<()> {
        if written.is_prepared {
            return Ok(());
        }
        let medium = written.state.medium;
        // Drives that cannot lock their tray write all the same.
        let _ = self.unit.prevent_removal(true);
        if written.state.profile.has_write_parameters() {
            let parameters = self.unit.write_parameters()?;
            self.unit.set_write_parameters(&parameters.incremental(is_cd(medium), is_last_session))?;
        }
        written.is_prepared = true;
        Ok(())
    }

    /// Before the first write, and not again when a session is closed: discs have room for so many calibrations only.
    fn calibrate(&self, written: &mut Written) {
        if !written.is_calibrated && written.state.profile.has_write_parameters() {
            // Drives calibrate by themselves when they must, and some cannot be asked to.
            let _ = self.unit.calibrate();
        }
        written.is_calibrated = true;
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

    /// Formats the disc, so that it can be written in any order. `Ok(false)`: the drive knows no way to do that.
    pub fn format(&self, told: &mut dyn FnMut(u16)) -> Result<bool> {
        let profile = self.state().profile;
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

    fn sectors(offset_bytes: u64, bytes: usize) -> io::Result<u32> {
        let size = SECTOR_BYTES as u64;
        if !offset_bytes.is_multiple_of(size) || !bytes.is_multiple_of(SECTOR_BYTES) {
            let why = "discs are written in whole sectors of 2048 bytes";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        u32::try_from(offset_bytes / size).map_err(|_| no_space())
    }
}

/// Which of the offered formats suits the kind of disc best.
fn best_format(profile: Profile, offered: &[FormatCapacity]) -> Option<FormatCapacity> {
    let kinds = FORMATS.iter().find(|row| row.0 == profile)?.1;
    kinds.iter().find_map(|kind| offered.iter().find(|one| one.kind == *kind)).copied()
}

fn is_cd(medium: &Medium) -> bool {
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
        if self.format(told)? {
            return Ok(());
        }
        let why = format!("the drive knows no way to format {}", self.state().profile);
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
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

impl<T: Transport> WriteAt for Disc<T> {
    fn order(&self) -> Order {
        if self.medium().is_sequential() { Order::Ascending } else { Order::Any }
    }

    fn capacity_bytes(&self) -> Option<u64> {
        Some(u64::from(self.capacity_blocks()) * SECTOR_BYTES as u64)
    }

    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        let mut sector = Self::sectors(offset_bytes, bytes.len())?;
        let mut written = lock(&self.state);
        self.prepare(&mut written, false)?;
        self.calibrate(&mut written);
        if written.state.medium.is_sequential() {
            let next = written.state.writable_track().and_then(|track| track.next_writable);
            if next != Some(sector) {
                let next = next.map_or(String::from("none"), |next| next.to_string());
                let why = format!("sector {sector} is not the next one that can be written, which is {next}");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            }
        }
        let unit_bytes = written.state.medium.write_unit_blocks as usize * SECTOR_BYTES;
        let step = (self.unit.transport().transfer_bytes() / unit_bytes).max(1) * unit_bytes;
        for piece in bytes.chunks(step) {
            let begin = Instant::now();
            let result = self.unit.write(sector, piece);
            written.took(begin);
            if let Err(error) = result {
                drop(written);
                // Where the disc is written next now, only the drive knows.
                let _ = self.look_again();
                return Err(error.into());
            }
            sector += u32::try_from(piece.len() / SECTOR_BYTES).unwrap_or(0);
            written.wrote_up_to(sector);
        }
        Ok(())
    }

    /// Asked of the drive once a second.
    fn buffer_level_percent(&self) -> Option<u8> {
        let mut written = lock(&self.state);
        match written.buffer {
            Some((None, _)) => return None,
            Some((level, when)) if when.elapsed() < BUFFER_INTERVAL => return level,
            _ => {}
        }
        let level = self.unit.buffer_capacity().ok().and_then(|buffer| buffer.level_percent());
        written.buffer = Some((level, Instant::now()));
        level
    }

    fn flush(&self) -> io::Result<()> {
        lock(&self.state).last_write_end = None;
        self.unit.synchronize_cache()?;
        Ok(self.look_again()?)
    }
}

impl Written {
    fn new(state: DiscState) -> Self {
        let times = WriteTimes::default();
        Self { state, is_prepared: false, is_calibrated: false, buffer: None, times, last_write_end: None }
    }

    /// What a write took, and how long the drive had waited for it.
    fn took(&mut self, begin: Instant) {
        let end = Instant::now();
        self.times.writing += end.saturating_duration_since(begin);
        if let Some(last) = self.last_write_end.replace(end) {
            self.times.waiting += begin.saturating_duration_since(last);
        }
    }

    /// What the drive will say of the track that was written to.
    fn wrote_up_to(&mut self, end: u32) {
        let tracks = self.state.tracks.iter_mut().rev();
        if let Some(track) =
            tracks.into_iter().find(|track| track.next_writable.is_some() && !track.is_reserved)
        {
            let more = end.saturating_sub(track.next_writable.unwrap_or(end));
            track.next_writable = Some(end);
            track.free_blocks = track.free_blocks.saturating_sub(more);
            track.is_blank = false;
        }
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
