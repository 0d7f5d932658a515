//! Media in files: each allows what the disc would allow, and reports what a drive would report.

mod drive;
mod state;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use udf::BoxedError;
use udf::read::ReadAt;

use super::{Order, WriteAt, lock, no_space};
use crate::media::multisession::{Mechanism, MediumState, Multisession, RandomWrite, Sequential};
use crate::media::{Medium, Writing};
pub use state::ClosedSession;
use state::State;

/// A medium whose sectors are an image file, with a small file beside it for what the image cannot say.
///
/// The image ends with the last sector that was recorded. Gaps between sessions read as zeros.
#[derive(Debug)]
pub struct SimulatedMedium {
    image: File,
    sidecar: PathBuf,
    state: Mutex<State>,
}

/// The file beside an image that makes it a simulated medium.
#[must_use]
pub fn sidecar(image: &Path) -> PathBuf {
    let mut name = OsString::from(image);
    name.push(".media");
    name.into()
}

impl SimulatedMedium {
    /// A new blank medium; what was in these two files before is gone.
    ///
    /// Fails for media of whose size there is no notion, unless `capacity_blocks` tells it, and for those that cannot be
    /// written.
    pub fn blank(image: &Path, medium: &'static Medium, capacity_blocks: Option<u32>) -> io::Result<Self> {
        let refuse =
            |why: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{}: {why}", medium.name)));
        let Some(capacity_blocks) = capacity_blocks.or(medium.capacity_blocks) else {
            return refuse("a medium needs a capacity");
        };
        if !medium.is_sequential() && medium.writing != Writing::Random {
            return refuse("media of this kind are not simulated");
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(image)?;
        lock_file(&file)?;
        file.set_len(0)?;
        let state = State::blank(medium, capacity_blocks);
        let sidecar = sidecar(image);
        state.write(&sidecar)?;
        Ok(Self { image: file, sidecar, state: Mutex::new(state) })
    }

    /// Inserts a medium that is there; `None` if there is no file beside the image that makes it one.
    pub fn open(image: &Path) -> io::Result<Option<Self>> {
        let sidecar = sidecar(image);
        let mut state = match State::read(&sidecar) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            state => state?,
        };
        let file = OpenOptions::new().read(true).write(true).open(image)?;
        lock_file(&file)?;
        let blocks = state.medium.block_size.blocks_for(file.metadata()?.len());
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        if blocks > state.next_writable {
            // The power was cut while this was written: the drive fills its last write unit up, and goes on behind it.
            state.next_writable =
                blocks.next_multiple_of(state.medium.write_unit_blocks).saturating_add(links(&state));
        }
        Ok(Some(Self { image: file, sidecar, state: Mutex::new(state) }))
    }

    /// Where the last session begins that is to be read: that which is open, if anything is in it.
    pub fn last_session_start(image: &Path) -> io::Result<Option<u32>> {
        match State::read(&sidecar(image)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(state) if state.next_writable > state.open_start => Ok(Some(state.open_start)),
            Ok(state) => Ok(state.sessions.last().map(|session| session.start)),
        }
    }

    /// Which kind it is.
    pub fn medium(&self) -> &'static Medium {
        lock(&self.state).medium
    }

    /// Sessions that are closed, oldest first.
    pub fn closed_sessions(&self) -> Vec<ClosedSession> {
        lock(&self.state).sessions.clone()
    }

    /// What the drive says of the medium as a whole.
    pub fn state(&self) -> MediumState {
        let state = lock(&self.state);
        let is_full = state.sessions.len() >= session_limit(&state);
        MediumState {
            is_blank: state.next_writable == 0,
            is_overwritable: state.medium.writing == Writing::Random,
            is_closed: state.is_finalized || is_full,
        }
    }

    /// The mechanisms that the drive offers for a further session: one, as for all discs there are.
    pub fn multisession(&self) -> Vec<Multisession> {
        let is_supported_on_current_media_state = !self.state().is_closed;
        let mechanism = if self.medium().is_sequential() {
            Mechanism::Sequential(self.sequential())
        } else {
            let state = lock(&self.state);
            Mechanism::RandomWrite(RandomWrite {
                write_unit: state.medium.write_unit_blocks,
                last_written: state.next_writable.checked_sub(1),
                total_sectors: state.capacity_blocks,
            })
        };
        vec![Multisession { is_supported_on_current_media_state, in_use: false, mechanism }]
    }

    fn sequential(&self) -> Sequential {
        let state = lock(&self.state);
        let previous = state.sessions.last();
        Sequential {
            is_first_data_session: state.sessions.is_empty(),
            start_of_previous_session: previous.map(|session| session.start),
            last_written_of_previous_session: previous.map(|session| session.last),
            open_session_start: (state.next_writable > state.open_start).then_some(state.open_start),
            next_writable: state.next_writable,
            free_sectors: state.capacity_blocks.saturating_sub(state.next_writable),
            write_unit: state.medium.write_unit_blocks,
        }
    }

    /// Closes the session that is open: the next one begins behind the gap that the medium needs. Without a gap for another,
    /// or beyond the number of sessions that it can have, nothing more can be written.
    pub fn close_session(&self) -> io::Result<()> {
        self.flush()?;
        let mut state = lock(&self.state);
        let Some(sessions) = state.medium.sessions.filter(|_| state.next_writable > state.open_start) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no open session to close"));
        };
        let bytes = self.image.metadata()?.len();
        let end = u32::try_from(state.medium.block_size.blocks_for(bytes)).unwrap_or(u32::MAX);
        let start = state.open_start;
        state.sessions.push(ClosedSession { start, last: end.saturating_sub(1) });
        let gap = if state.sessions.len() == 1 { sessions.first_gap_blocks } else { sessions.gap_blocks };
        state.open_start = end.next_multiple_of(state.medium.write_unit_blocks).saturating_add(gap);
        state.next_writable = state.open_start;
        state.is_finalized |= state.open_start >= state.capacity_blocks;
        state.write(&self.sidecar)
    }

    /// Closes the disc, and the session if one is open: nothing can be written any more.
    pub fn finalize(&self) -> io::Result<()> {
        let is_open = self.sequential().open_session_start.is_some();
        if is_open && self.medium().is_sequential() {
            self.close_session()?;
        }
        let mut state = lock(&self.state);
        state.is_finalized = true;
        state.write(&self.sidecar)
    }

    /// Makes it as good as new, if it can be written more than once.
    pub fn erase(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        if state.medium.writing == Writing::Sequential {
            let why = format!("{} is written once: it cannot be blanked", state.medium.description);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        self.image.set_len(0)?;
        *state = State::blank(state.medium, state.capacity_blocks);
        state.write(&self.sidecar)
    }

    fn check(state: &State, offset_bytes: u64, bytes: u64) -> io::Result<(u32, u32)> {
        let refuse = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        let unit_bytes = state.medium.block_size.bytes_in(state.medium.write_unit_blocks);
        if state.is_finalized || state.sessions.len() >= session_limit(state) {
            return refuse(String::from("the disc is closed: nothing can be written any more"));
        }
        if !bytes.is_multiple_of(unit_bytes) || bytes == 0 {
            return refuse(format!("{bytes} bytes are no whole write units of {unit_bytes}"));
        }
        let block_bytes = u64::from(state.medium.block_size.bytes());
        let end = offset_bytes.checked_add(bytes).map(|end| end / block_bytes);
        let Some(end) = end.filter(|end| *end <= u64::from(state.capacity_blocks)) else {
            return Err(no_space());
        };
        let start = offset_bytes / block_bytes;
        let is_next = start == u64::from(state.next_writable) && offset_bytes.is_multiple_of(block_bytes);
        if state.medium.is_sequential() && !is_next {
            let next = state.next_writable;
            return refuse(format!(
                "sector {start} is not the next one that can be written, which is {next}"
            ));
        }
        if !state.medium.is_sequential() && !offset_bytes.is_multiple_of(unit_bytes) {
            return refuse(format!("byte {offset_bytes} is no beginning of a write unit of {unit_bytes}"));
        }
        // Both are at most the capacity, which has 32 bits.
        Ok((u32::try_from(start).unwrap_or(u32::MAX), u32::try_from(end).unwrap_or(u32::MAX)))
    }
}

fn session_limit(state: &State) -> usize {
    state.medium.sessions.map_or(usize::MAX, |sessions| sessions.limit as usize)
}

fn links(state: &State) -> u32 {
    state.medium.sessions.map_or(0, |sessions| sessions.link_blocks)
}

fn lock_file(file: &File) -> io::Result<()> {
    // File systems without locks need not keep anybody from writing.
    if rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another program is writing to it"));
    }
    Ok(())
}

impl WriteAt for SimulatedMedium {
    fn order(&self) -> Order {
        if self.medium().is_sequential() { Order::Ascending } else { Order::Any }
    }

    fn capacity_bytes(&self) -> Option<u64> {
        let state = lock(&self.state);
        Some(state.medium.block_size.bytes_in(state.capacity_blocks))
    }

    fn reserve(&self, end_bytes: u64) -> io::Result<()> {
        if self.capacity_bytes().is_some_and(|capacity| end_bytes > capacity) {
            Err(no_space())
        } else {
            Ok(())
        }
    }

    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = lock(&self.state);
        let (_, end) = Self::check(&state, offset_bytes, bytes.len() as u64)?;
        self.image.write_all_at(bytes, offset_bytes)?;
        state.next_writable = state.next_writable.max(end);
        Ok(())
    }

    /// What is in the drive's buffer goes to the medium; a CD has link blocks behind it.
    fn flush(&self) -> io::Result<()> {
        self.image.sync_data()?;
        let mut state = lock(&self.state);
        let blocks = state.medium.block_size.blocks_for(self.image.metadata()?.len());
        if u64::from(state.next_writable) == blocks && blocks > 0 {
            state.next_writable = state.next_writable.saturating_add(links(&state));
        }
        state.write(&self.sidecar)
    }
}

impl ReadAt for SimulatedMedium {
    fn size_bytes(&self) -> u64 {
        self.image.metadata().map_or(0, |metadata| metadata.len())
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        Ok(self.image.read_exact_at(out, offset_bytes)?)
    }

    fn sector_size_bytes(&self) -> Option<u32> {
        Some(self.medium().block_size.bytes())
    }
}
