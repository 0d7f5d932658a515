//! The one door out: what a target must be able to do, and the targets there are.

mod block;
pub mod buffer;
mod faulty;
mod image;
mod mapped;
mod memory;
pub mod mmc;
mod pipe;
mod reader;
mod recordable;
mod recorder;
mod shifted;
mod signature;
#[cfg(feature = "simulator")]
pub mod simulated;
mod sparing;
mod uncached;
mod units;

use std::fs::File;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

pub use block::BlockDevice;
pub use faulty::Faulty;
pub use image::ImageFile;
pub use memory::MemoryDevice;
pub use pipe::Pipe;
pub use reader::FileReader;
pub use recordable::{Recordable, Told, WriteTimes};
pub use recorder::{Event, Recorder};
pub use shifted::Shifted;
pub use signature::signature;
pub use sparing::Sparing;
pub use uncached::UncachedReader;
pub use units::WholeUnits;

/// In which order a device takes writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Any, by several threads at once.
    Any,
    /// Ascending, each byte once in a step: pipes and write-once media.
    Ascending,
}

/// How a device takes the bytes of files without having them passed through the caller's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    /// Not at all.
    Nothing,
    /// Its file system shares the extents: no byte moves.
    Shared,
    /// From the pages of the host's cache: no processor copies them.
    Mapped,
}

/// A target of positioned writes.
///
/// Offsets and lengths are whole blocks of the volume; nothing rounds by itself.
pub trait WriteAt: Send + Sync {
    /// In which order writes must come.
    fn order(&self) -> Order {
        Order::Any
    }

    /// Bytes that the device can hold; `None` if only writing will show.
    fn capacity_bytes(&self) -> Option<u64> {
        None
    }

    /// Writes that begin and end on multiples of this take the fastest way; what [`copy_from`](Self::copy_from) is asked for
    /// does. Others work too.
    fn alignment_bytes(&self) -> usize {
        4096
    }

    /// Whether what was never written reads as zeros, so that zeros need not be written.
    fn blank_is_zeros(&self) -> bool {
        false
    }

    /// Told once, before the first write, where the volume will end: room can be made, a lack of it noticed.
    fn reserve(&self, end_bytes: u64) -> io::Result<()> {
        if self.capacity_bytes().is_some_and(|capacity| end_bytes > capacity) {
            Err(no_space())
        } else {
            Ok(())
        }
    }

    /// Writes all of `bytes` at `offset_bytes`.
    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()>;

    /// How [`copy_from`](Self::copy_from) takes files, if it does.
    fn taking(&self) -> Taking {
        Taking::Nothing
    }

    /// Takes up to `bytes` bytes from `file`, from `file_offset_bytes` on, without passing them through the caller's memory.
    ///
    /// Returns how many it took: 0 if it cannot, or if the file ends there; the caller then reads and writes. What it took
    /// is where it belongs, and nothing else was touched.
    fn copy_from(
        &self,
        offset_bytes: u64,
        file: &File,
        file_offset_bytes: u64,
        bytes: u64,
    ) -> io::Result<u64> {
        let _ = (offset_bytes, file, file_offset_bytes, bytes);
        Ok(0)
    }

    /// How full the buffer of the device is, in percent, where it has one that runs empty. It is asked for after a write, and
    /// costs next to nothing: what is not known anew is what was known before.
    fn buffer_level_percent(&self) -> Option<u8> {
        None
    }

    /// The barrier: returns when all that was written is durable.
    fn flush(&self) -> io::Result<()>;
}

impl<T: WriteAt + ?Sized> WriteAt for &T {
    fn order(&self) -> Order {
        (**self).order()
    }
    fn capacity_bytes(&self) -> Option<u64> {
        (**self).capacity_bytes()
    }
    fn alignment_bytes(&self) -> usize {
        (**self).alignment_bytes()
    }
    fn blank_is_zeros(&self) -> bool {
        (**self).blank_is_zeros()
    }
    fn reserve(&self, end_bytes: u64) -> io::Result<()> {
        (**self).reserve(end_bytes)
    }
    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        (**self).write_at(offset_bytes, bytes)
    }
    fn taking(&self) -> Taking {
        (**self).taking()
    }
    fn copy_from(
        &self,
        offset_bytes: u64,
        file: &File,
        file_offset_bytes: u64,
        bytes: u64,
    ) -> io::Result<u64> {
        (**self).copy_from(offset_bytes, file, file_offset_bytes, bytes)
    }
    fn buffer_level_percent(&self) -> Option<u8> {
        (**self).buffer_level_percent()
    }
    fn flush(&self) -> io::Result<()> {
        (**self).flush()
    }
}

/// Keeps others out who write to the same file; an error if somebody else does. File systems without locks need not keep anybody from it.
fn lock_file(file: &File) -> io::Result<()> {
    // A program that is just being begun by this one holds what is open here until it runs.
    const TRIES: u32 = 20;
    const PAUSE: Duration = Duration::from_millis(10);
    for _ in 0..TRIES {
        if rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK) {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "another program is writing to it"))
}

/// What the kernel says when a target is full.
fn no_space() -> io::Error {
    rustix::io::Errno::NOSPC.into()
}

/// Locks what stays consistent even if its last user panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
