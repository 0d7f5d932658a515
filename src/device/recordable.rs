//! What is done with a disc beside reading and writing it, be it in a drive or simulated.

use std::fmt::Debug;
use std::io;

use udf::read::ReadAt;

use super::WriteAt;
use crate::media::Drive;
use crate::media::multisession::Sequential;

/// Is told how much is done of something that takes long, of 65,536 parts.
pub type Told<'a> = &'a mut dyn FnMut(u16);

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

    /// What the drive would say once `more_sectors` were written and the session that is open was closed; nothing is done.
    fn after_closing(&self, more_sectors: u32) -> io::Result<Sequential>;

    /// Nothing more is written now: others may look at the disc, and see what is on it.
    fn let_go(&self) -> io::Result<()>;
}
