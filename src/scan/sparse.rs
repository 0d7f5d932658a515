//! Which parts of a sparse file hold data.

use rustix::fd::BorrowedFd;
use rustix::fs::{Mode, OFlags, SeekFrom, openat, seek};
use rustix::io::Errno;

use crate::tree::DataRange;

/// The parts that hold data; `None` if that is all of it, or cannot be known.
pub(super) fn data_ranges(
    directory: BorrowedFd<'_>,
    name: &[u8],
    size_bytes: u64,
    flags: OFlags,
) -> Option<Box<[DataRange]>> {
    // Not to wait for a writer, should it have become a FIFO.
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = openat(directory, name, flags, Mode::empty()).ok()?;
    let mut ranges = Vec::new();
    let mut at_bytes = 0;
    while at_bytes < size_bytes {
        let start_bytes = match seek(&file, SeekFrom::Data(at_bytes)) {
            Err(Errno::NXIO) => break,
            start => start.ok()?,
        };
        let end_bytes = seek(&file, SeekFrom::Hole(start_bytes)).ok()?.min(size_bytes);
        if start_bytes >= end_bytes {
            break;
        }
        ranges.push(DataRange { start_bytes, end_bytes });
        at_bytes = end_bytes;
    }
    let whole = [DataRange { start_bytes: 0, end_bytes: size_bytes }];
    (*ranges != whole).then(|| ranges.into())
}
