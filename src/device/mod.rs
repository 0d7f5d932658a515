//! The one door out: what a target must be able to do, and the targets there are.

use std::fs::File;
use std::io;

/// In which order a device takes writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Any, by several threads at once.
    Any,
    /// Each byte once, ascending: pipes and write-once media.
    Ascending,
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

    /// Writes that begin and end on multiples of this, from memory aligned to it, take the fastest way. Others work too.
    fn alignment_bytes(&self) -> usize {
        4096
    }

    /// Whether what was never written reads as zeros, so that zeros need not be written.
    fn blank_is_zeros(&self) -> bool {
        false
    }

    /// Told once, before the first write, where the volume will end: room can be made, a lack of it noticed.
    fn reserve(&self, end_bytes: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset_bytes`.
    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()>;

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

    /// The barrier: returns when all that was written is durable.
    fn flush(&self) -> io::Result<()>;
}
