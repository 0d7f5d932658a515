//! Writing to a disc in a drive: whole write units, from memory or from pages of files, one command after the other.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::device::buffer::length;
use crate::device::{Order, Taking, WriteAt, WriteTimes, lock, mapped, no_space};
use crate::media::Drive as _;

use super::disc::{Disc, is_cd};
use super::error::MmcError;
use super::state::{DiscState, Track};
use super::transport::Transport;
use super::unit::{Result, SECTOR_BYTES};

/// How often a drive is asked how full its buffer is.
const BUFFER_INTERVAL: Duration = Duration::from_secs(1);

/// What is known of a disc while it is written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) state: DiscState,
    /// How the drive writes was settled, and the tray locked.
    pub(super) is_prepared: bool,
    /// Of a disc in pseudo-overwrite: where its tracks go on has changed since the drive was asked.
    pub(super) is_outdated: bool,
    is_calibrated: bool,
    /// How full the buffer was, in percent, and when that was asked; no more is asked of a drive that does not know.
    buffer: Option<(Option<u8>, Instant)>,
    pub(super) times: WriteTimes,
    /// When the last write ended, unless something else came after it.
    last_write_end: Option<Instant>,
}

impl Written {
    pub(super) fn new(state: DiscState) -> Self {
        let times = WriteTimes::default();
        let (is_prepared, is_outdated, is_calibrated) = (false, false, false);
        Self { state, is_prepared, is_outdated, is_calibrated, buffer: None, times, last_write_end: None }
    }

    /// What a write took, and how long the drive had waited for it.
    fn took(&mut self, begin: Instant) {
        let end = Instant::now();
        self.times.writing += end.saturating_duration_since(begin);
        if let Some(last) = self.last_write_end.replace(end) {
            self.times.waiting += begin.saturating_duration_since(last);
        }
    }

    /// What the drive will say of the track that was written to. What was written again took the place of something, and only the
    /// drive knows where.
    fn wrote(&mut self, start: u32, end: u32) {
        let contains = |track: &&mut Track| {
            (track.start..track.start.saturating_add(track.size_blocks)).contains(&start)
        };
        let Some(track) = self.state.tracks.iter_mut().find(contains) else { return };
        if self.state.medium.is_pseudo_overwritten() && track.next_writable != Some(start) {
            self.is_outdated = true;
            return;
        }
        let more = end.saturating_sub(track.next_writable.unwrap_or(end));
        track.next_writable = track.next_writable.map(|_| end);
        track.free_blocks = track.free_blocks.saturating_sub(more);
        track.is_blank = false;
    }
}

impl<T: Transport> Disc<T> {
    /// Before the first write: the tray is locked, and discs that are written in several ways are told which.
    pub(super) fn prepare(&self, written: &mut Written, is_last_session: bool) -> Result<()> {
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

    /// Writes, and counts in `done_bytes` what the drive has taken.
    fn put(&self, offset_bytes: u64, bytes: &[u8], done_bytes: &mut usize) -> io::Result<()> {
        let mut sector = sectors(offset_bytes, bytes.len())?;
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
        let is_whole =
            offset_bytes.is_multiple_of(unit_bytes as u64) && bytes.len().is_multiple_of(unit_bytes);
        if written.state.medium.is_pseudo_overwritten() && !is_whole {
            let why = format!("{} bytes at sector {sector} are no whole write units", bytes.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
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
            let start = sector;
            sector += u32::try_from(piece.len() / SECTOR_BYTES).unwrap_or(0);
            written.wrote(start, sector);
            *done_bytes += piece.len();
        }
        Ok(())
    }
}

/// The first sector of what is whole sectors.
fn sectors(offset_bytes: u64, bytes: usize) -> io::Result<u32> {
    let size = SECTOR_BYTES as u64;
    if !offset_bytes.is_multiple_of(size) || !bytes.is_multiple_of(SECTOR_BYTES) {
        let why = "discs are written in whole sectors of 2048 bytes";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    u32::try_from(offset_bytes / size).map_err(|_| no_space())
}

/// Whether pages that were to be written are gone; nothing was sent then.
fn is_page_missing(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<MmcError>());
    matches!(inner, Some(MmcError::Transport { source, .. })
        if source.raw_os_error() == Some(Errno::FAULT.raw_os_error()))
}

impl<T: Transport> WriteAt for Disc<T> {
    fn order(&self) -> Order {
        if self.medium().is_appended() { Order::Ascending } else { Order::Any }
    }

    fn capacity_bytes(&self) -> Option<u64> {
        Some(u64::from(self.capacity_blocks()) * SECTOR_BYTES as u64)
    }

    /// A whole write unit.
    fn alignment_bytes(&self) -> usize {
        self.medium().write_unit_blocks as usize * SECTOR_BYTES
    }

    /// Only where the transport looks at nothing that is written: pages of files may go at any time.
    fn taking(&self) -> Taking {
        if self.unit.transport().takes_pages() { Taking::Mapped } else { Taking::Nothing }
    }

    fn copy_from(
        &self,
        offset_bytes: u64,
        file: &File,
        file_offset_bytes: u64,
        bytes: u64,
    ) -> io::Result<u64> {
        if self.taking() == Taking::Nothing {
            return Ok(0);
        }
        let Ok(pages) = mapped::map(file, file_offset_bytes, length(bytes)) else { return Ok(0) };
        let mut done_bytes = 0;
        let written = self.put(offset_bytes, &pages, &mut done_bytes);
        let taken_bytes = done_bytes as u64;
        lock(&self.state).times.from_pages_bytes += taken_bytes;
        match written {
            // The file was cut, or cannot be read: whoever asked reads the rest, and learns what is wrong.
            Err(error) if is_page_missing(&error) => Ok(taken_bytes),
            written => written.map(|()| taken_bytes),
        }
    }

    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        self.put(offset_bytes, bytes, &mut 0)
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
