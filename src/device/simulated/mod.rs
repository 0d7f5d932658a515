//! Media in files: each allows what the disc would allow, and reports what a drive would report.

mod commands;
mod drive;
mod faults;
mod overwriting;
mod replies;
mod state;
#[cfg(test)]
mod tests;
mod tracks;

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use udf::BoxedError;
use udf::read::ReadAt;

use super::{Order, WriteAt, lock, lock_file, no_space};
use crate::media::multisession::{
    Mechanism, MediumState, Multisession, OpenTrack, PseudoOverwrite, RandomWrite, Sequential,
};
use crate::media::{Medium, Writing};
pub use commands::SimulatedDrive;
use state::State;
pub use state::{ClosedSession, Defect, DefectKind};
pub use tracks::Track;

/// A medium whose sectors are an image file, with a small file beside it for what the image cannot say.
///
/// The image ends with the last sector that was recorded. What lies between two sessions is zeros in the image, and cannot be
/// read from the medium; nor can what is damaged.
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
    /// A new blank medium, formatted if it is one that is written in any order; what was in these two files before is gone.
    ///
    /// Fails for media of whose size there is no notion, unless `capacity_blocks` tells it, and for those that cannot be
    /// written.
    pub fn blank(image: &Path, medium: &'static Medium, capacity_blocks: Option<u32>) -> io::Result<Self> {
        Self::new(image, medium, capacity_blocks, true)
    }

    /// A new medium as [`blank`](Self::blank) makes it, but as it was made: what is written in any order must be formatted.
    pub fn unformatted(
        image: &Path,
        medium: &'static Medium,
        capacity_blocks: Option<u32>,
    ) -> io::Result<Self> {
        Self::new(image, medium, capacity_blocks, medium.is_sequential())
    }

    fn new(
        image: &Path,
        medium: &'static Medium,
        capacity_blocks: Option<u32>,
        is_formatted: bool,
    ) -> io::Result<Self> {
        let refuse =
            |why: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{}: {why}", medium.name)));
        let Some(capacity_blocks) = capacity_blocks.or(medium.capacity_blocks) else {
            return refuse("a medium needs a capacity");
        };
        if matches!(medium.writing, Writing::Packet | Writing::Never) {
            return refuse("media of this kind are not simulated");
        }
        // A drive counts whole clusters.
        let capacity_blocks = match medium.writing {
            Writing::PseudoOverwrite => capacity_blocks / medium.write_unit_blocks * medium.write_unit_blocks,
            _ => capacity_blocks,
        };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(image)?;
        lock_file(&file)?;
        file.set_len(0)?;
        let state = State { is_formatted, ..State::blank(medium, capacity_blocks) };
        let sidecar = sidecar(image);
        state.write(&sidecar)?;
        Ok(Self { image: file, sidecar, state: Mutex::new(state) })
    }

    /// Inserts a medium that is there; `None` if there is no file beside the image that makes it one.
    pub fn open(image: &Path) -> io::Result<Option<Self>> {
        Self::open_with(image, true)
    }

    /// Inserts a medium that is there, to be read only, also while somebody else writes to it.
    pub fn open_for_reading(image: &Path) -> io::Result<Option<Self>> {
        Self::open_with(image, false)
    }

    fn open_with(image: &Path, writes: bool) -> io::Result<Option<Self>> {
        let sidecar = sidecar(image);
        let mut state = match State::read(&sidecar) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            state => state?,
        };
        let file = OpenOptions::new().read(true).write(writes).open(image)?;
        if writes {
            lock_file(&file)?;
        }
        state.find_what_was_recorded(file.metadata()?.len());
        Ok(Some(Self { image: file, sidecar, state: Mutex::new(state) }))
    }

    /// The sessions that there is something of, the oldest first: those that are closed, and that which is open if anything
    /// is in it. `None` if there is no file beside the image that makes it a medium.
    pub fn sessions_of(image: &Path) -> io::Result<Option<Vec<ClosedSession>>> {
        match State::read(&sidecar(image)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            state => state?.all_sessions(image.metadata()?.len()).map(Some),
        }
    }

    /// The sessions that there is something of, as [`sessions_of`](Self::sessions_of) has them.
    pub fn sessions(&self) -> io::Result<Vec<ClosedSession>> {
        lock(&self.state).all_sessions(self.image.metadata()?.len())
    }

    /// Which kind it is.
    pub fn medium(&self) -> &'static Medium {
        lock(&self.state).medium
    }

    /// Whether sectors can be written: what is written in any order must be formatted.
    pub fn is_formatted(&self) -> bool {
        lock(&self.state).is_formatted
    }

    /// Sessions that are closed, oldest first.
    pub fn closed_sessions(&self) -> Vec<ClosedSession> {
        lock(&self.state).sessions.clone()
    }

    /// Its tracks, in order: those that are closed, and unless the disc is, the one that the next write goes to.
    pub fn tracks(&self) -> io::Result<Vec<Track>> {
        lock(&self.state).tracks(self.image.metadata()?.len())
    }

    /// What the drive says of the medium as a whole.
    pub fn state(&self) -> MediumState {
        let state = lock(&self.state);
        MediumState {
            is_blank: if state.is_pseudo_overwritten() {
                state.overwriting.is_blank()
            } else {
                state.next_writable == 0
            },
            // What is blank in pseudo-overwrite is known to be.
            is_overwritable: state.medium.writing == Writing::Random,
            is_closed: state.is_closed(),
        }
    }

    /// The mechanisms that the drive offers for a further session: one, as for all discs there are.
    pub fn multisession(&self) -> Vec<Multisession> {
        let is_supported_on_current_media_state = !self.state().is_closed;
        let state = lock(&self.state);
        let (write_unit, total_sectors) = (state.medium.write_unit_blocks, state.capacity_blocks);
        let mechanism = if state.medium.is_sequential() {
            Mechanism::Sequential(state.sequential())
        } else if state.is_pseudo_overwritten() {
            Mechanism::PseudoOverwrite(PseudoOverwrite::of(
                &state.overwriting.tracks,
                write_unit,
                total_sectors,
            ))
        } else {
            let last_written = state.next_writable.checked_sub(1);
            Mechanism::RandomWrite(RandomWrite { write_unit, last_written, total_sectors })
        };
        vec![Multisession { is_supported_on_current_media_state, in_use: false, mechanism }]
    }

    fn sequential(&self) -> Sequential {
        lock(&self.state).sequential()
    }

    /// What the drive would say once `more_sectors` were written and the session that is open was closed; nothing is done.
    pub fn after_closing(&self, more_sectors: u32) -> io::Result<Sequential> {
        let mut state = lock(&self.state).clone();
        state.close(self.image.metadata()?.len(), more_sectors)?;
        if state.is_finalized {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no room for another session"));
        }
        Ok(state.sequential())
    }

    /// Closes the track that is open: what is written next to the same session is another one. Tracks are for programs that want
    /// them; a session without any closed in it has one.
    pub fn close_track(&self) -> io::Result<()> {
        self.flush()?;
        let mut state = lock(&self.state);
        state.close_track(self.image.metadata()?.len())?;
        state.write(&self.sidecar)
    }

    /// Closes the session that is open: the next one begins behind the gap that the medium needs. Without a gap for another,
    /// or beyond the number of sessions that it can have, nothing more can be written.
    pub fn close_session(&self) -> io::Result<()> {
        self.flush()?;
        let mut state = lock(&self.state);
        state.close(self.image.metadata()?.len(), 0)?;
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

    /// Blanks it: all is gone, and it is written in sessions from now on. What is written once cannot be blanked, and what is
    /// written in any order is formatted, but for DVD-RW, which is the one or the other.
    pub fn erase(&self) -> io::Result<()> {
        self.begin_anew(false, |medium| match medium.writing {
            Writing::SequentialErasable => Some(medium),
            _ => other_dvd_rw(medium).filter(|_| medium.writing == Writing::Random),
        })
    }

    /// Formats it: all is gone, and any sector can be written from now on. What is written in sessions cannot be formatted, but
    /// for DVD-RW, and for BD-R that is blank, which is pseudo-overwritten then.
    pub fn format(&self) -> io::Result<()> {
        let is_blank = self.state().is_blank;
        self.begin_anew(true, |medium| match medium.writing {
            Writing::Random => Some(medium),
            _ if is_blank && matches!(medium.name, "bd-r" | "bd-r-pow") => Medium::find("bd-r-pow"),
            _ => other_dvd_rw(medium),
        })
    }

    fn begin_anew(
        &self,
        formats: bool,
        becomes: impl Fn(&'static Medium) -> Option<&'static Medium>,
    ) -> io::Result<()> {
        let mut state = lock(&self.state);
        let Some(medium) = becomes(state.medium) else {
            let done = if formats { "formatted" } else { "blanked" };
            let why = format!("{} cannot be {done}", state.medium.description);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        };
        self.image.set_len(0)?;
        let defects = std::mem::take(&mut state.defects);
        // What was spared is free again, and will be spared again when it is written.
        let spared = u32::try_from(state.spared.len()).unwrap_or(u32::MAX);
        let spare_units = state.spare_units.saturating_add(spared);
        let blank = State::blank(medium, state.capacity_blocks);
        *state = State { defects, spare_units, is_formatted: formats || blank.is_formatted, ..blank };
        state.write(&self.sidecar)
    }

    /// RESERVE TRACK on a medium in pseudo-overwrite: the track that is blank ends after so many sectors, and another has the rest.
    pub fn reserve_track(&self, sectors: u32) -> io::Result<()> {
        let mut state = lock(&self.state);
        let unit = state.medium.write_unit_blocks;
        state.overwriting.reserve(sectors, unit)?;
        state.write(&self.sidecar)
    }

    /// Whether what is written again, of a medium in pseudo-overwrite, goes where most is left, or to its own track first: MMC
    /// leaves that to drives.
    pub fn set_replaces_elsewhere(&self, replaces_elsewhere: bool) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.overwriting.replaces_elsewhere = replaces_elsewhere;
        state.write(&self.sidecar)
    }

    /// Clusters of a medium in pseudo-overwrite that were written again so far.
    pub fn replacements(&self) -> u32 {
        lock(&self.state).overwriting.replacements
    }

    /// All tracks of a medium in pseudo-overwrite.
    pub(super) fn overwriting_tracks(&self) -> Vec<OpenTrack> {
        lock(&self.state).overwriting.tracks.clone()
    }

    /// Damages sectors. What is there is lost; on media with spare areas ([`Medium::spare_units`]) what is written there next goes
    /// elsewhere, as long as there is room.
    pub fn damage(&self, defect: Defect) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.damage(defect);
        state.write(&self.sidecar)
    }

    /// So many write units are left in the spare areas.
    pub fn set_spare_units(&self, units: u32) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.spare_units = units;
        state.write(&self.sidecar)
    }

    /// Write units that are left in the spare areas.
    pub fn spare_units(&self) -> u32 {
        lock(&self.state).spare_units
    }

    /// How long the image is.
    fn image_bytes(&self) -> u64 {
        self.image.metadata().map_or(0, |metadata| metadata.len())
    }

    fn check(state: &State, offset_bytes: u64, bytes: u64) -> io::Result<(u32, u32)> {
        let refuse = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        let unit_bytes = state.medium.block_size.bytes_in(state.medium.write_unit_blocks);
        if state.is_closed() {
            return refuse(String::from("the disc is closed: nothing can be written any more"));
        }
        if !bytes.is_multiple_of(unit_bytes) || bytes == 0 {
            return refuse(format!("{bytes} bytes are no whole write units of {unit_bytes}"));
        }
        if !state.is_formatted {
            return refuse(String::from("the disc is not formatted"));
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

/// DVD-RW is one medium with two ways to write it.
fn other_dvd_rw(medium: &Medium) -> Option<&'static Medium> {
    let other = match medium.name {
        "dvd-rw" => "dvd-rw-seq",
        "dvd-rw-seq" => "dvd-rw",
        _ => return None,
    };
    Medium::find(other)
}

/// How many bytes of `out` a medium has, of so many bytes, from an offset on; what was never written is zeros.
fn bytes_there(medium_bytes: u64, offset_bytes: u64, out: &[u8]) -> usize {
    usize::try_from(medium_bytes.saturating_sub(offset_bytes)).unwrap_or(usize::MAX).min(out.len())
}

/// What a drive says of a sector that is damaged, or was never recorded.
fn medium_error(what: &str, sector: u32) -> io::Error {
    io::Error::other(format!("sector {sector} cannot be {what}"))
}

impl SimulatedMedium {
    /// Writes clusters in pseudo-overwrite, as far as they can be.
    fn write_again(&self, state: &mut State, (start, end): (u32, u32), bytes: &[u8]) -> io::Result<()> {
        let (unit, size) = (state.medium.write_unit_blocks, state.medium.block_size);
        let unit_bytes = size.len() * unit as usize;
        let mut result = Ok(());
        for (cluster, bytes) in (start..end).step_by(unit as usize).zip(bytes.chunks(unit_bytes)) {
            result = state.overwriting.write(cluster, unit);
            if result.is_err() {
                break;
            }
            self.image.write_all_at(bytes, size.bytes_in(cluster))?;
        }
        state.note(&self.sidecar)?;
        result
    }
}

impl WriteAt for SimulatedMedium {
    fn order(&self) -> Order {
        if self.medium().is_appended() { Order::Ascending } else { Order::Any }
    }

    fn capacity_bytes(&self) -> Option<u64> {
        let state = lock(&self.state);
        Some(state.medium.block_size.bytes_in(state.capacity_blocks))
    }

    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = lock(&self.state);
        let (start, end) = Self::check(&state, offset_bytes, bytes.len() as u64)?;
        if state.spare(start, end) {
            state.write(&self.sidecar)?;
        }
        let Some(bad) = state.unwritable(start, end) else {
            if state.is_pseudo_overwritten() {
                return self.write_again(&mut state, (start, end), bytes);
            }
            let written = self.image.write_all_at(bytes, offset_bytes);
            if written.is_ok() {
                state.next_writable = state.next_writable.max(end);
            } else if state.medium.is_sequential() {
                // The host has no room for more: what it took of it is on the disc.
                state.find_what_was_recorded(self.image.metadata()?.len());
                state.write(&self.sidecar)?;
            }
            return written;
        };
        // What comes before the write unit of the defect is recorded; the unit is lost.
        let unit = state.medium.write_unit_blocks;
        let whole = (bad - start) / unit * unit;
        let size = state.medium.block_size;
        let len = usize::try_from(size.bytes_in(whole)).unwrap_or(usize::MAX).min(bytes.len());
        self.image.write_all_at(&bytes[..len], offset_bytes)?;
        if state.medium.is_sequential() {
            let behind = start + whole + unit;
            self.image.set_len(size.bytes_in(behind))?;
            state.next_writable = behind;
            state.write(&self.sidecar)?;
        }
        Err(medium_error("written", bad))
    }

    /// What is in the drive's buffer goes to the medium; a CD has link blocks behind it.
    fn flush(&self) -> io::Result<()> {
        self.image.sync_data()?;
        let mut state = lock(&self.state);
        let blocks = state.medium.block_size.blocks_for(self.image.metadata()?.len());
        if u64::from(state.next_writable) == blocks && blocks > 0 {
            let end = state.next_writable;
            state.link_behind(end);
        }
        state.write(&self.sidecar)
    }
}

impl ReadAt for SimulatedMedium {
    fn size_bytes(&self) -> u64 {
        let state = lock(&self.state);
        if state.is_pseudo_overwritten() {
            return state.medium.block_size.bytes_in(state.capacity_blocks);
        }
        self.image_bytes()
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        let state = lock(&self.state);
        let size = u64::from(state.medium.block_size.bytes());
        let sector = |block: u64| u32::try_from(block).unwrap_or(u32::MAX);
        let end = offset_bytes.saturating_add(out.len() as u64).div_ceil(size);
        if let Some(bad) = state.unreadable(sector(offset_bytes / size), sector(end)) {
            return Err(medium_error("read", bad).into());
        }
        Ok(self.image.read_exact_at(out, offset_bytes)?)
    }

    fn sector_size_bytes(&self) -> Option<u32> {
        Some(self.medium().block_size.bytes())
    }
}
