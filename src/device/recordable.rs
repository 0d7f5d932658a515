//! What is done with a disc beside reading and writing it, be it in a drive or simulated.

use std::fmt::Debug;
use std::io;
use std::time::Duration;

use udf::read::ReadAt;

use super::WriteAt;
use crate::media::Drive;
use crate::media::multisession::Sequential;

/// Is told how much is done of something that takes long, of 65,536 parts.
pub type Told<'a> = &'a mut dyn FnMut(u16);

/// How a drive has spent its time while a disc was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteTimes {
    /// With commands that write.
    pub writing: Duration,
    /// Between one and the next, without a barrier in between: nothing was there to be written yet.
    pub waiting: Duration,
    /// How many bytes the drive took from pages of files, as they lay in the host's cache.
    pub from_pages_bytes: u64,
}

/// A disc that can be written to.
pub trait Recordable: Drive + ReadAt + WriteAt + Debug {
    /// Closes the session that is open: the next one begins where the drive says then.
    fn close_session(&self, told: Told<'_>) -> io::Result<()>;

    /// Closes the disc, and the session if one is open: nothing can be written any more.
    fn finalize(&self, told: Told<'_>) -> io::Result<()>;

    /// Makes it blank: all of it if `is_full`, or only what says what is on it.
    fn blank(&self, is_full: bool, told: Told<'_>) -> io::Result<()>;

    /// Formats it, so that it is written in any order.
    fn format(&self, told: Told<'_>) -> io::Result<()>;

    /// Divides what is blank of a medium in pseudo-overwrite into tracks, each with a next writable sector of its own: of so many
    /// sectors each, and of the rest.
    fn reserve_tracks(&self, sectors: &[u32]) -> io::Result<()> {
        let _ = sectors;
        Err(io::Error::new(io::ErrorKind::Unsupported, "no tracks are reserved on media of this kind"))
    }

    /// Writes no faster than so many times 1000 bytes a second, as fast as the drive then can: what it says that is. `None` if it
    /// has no speeds.
    fn set_speed(&self, kilobytes_per_second: u32) -> io::Result<Option<u32>> {
        let _ = kilobytes_per_second;
        Ok(None)
    }

    /// How long writes have taken so far, and how long the drive waited for the next one between them; `None` if nobody looked.
    fn write_times(&self) -> Option<WriteTimes> {
        None
    }

    /// What the drive would say once `more_sectors` were written and the session that is open was closed; nothing is done.
    fn after_closing(&self, more_sectors: u32) -> io::Result<Sequential>;

    /// Nothing more is written now: others may look at the disc, and see what is on it.
    fn let_go(&self) -> io::Result<()>;
}
