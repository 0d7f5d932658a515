//! Devices that do what only some real ones do.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::device::{MemoryDevice, Order, Taking, WriteAt};
use crate::progress::Progress;

/// Takes bytes from files, but never all at once, and at times none.
pub(super) struct Cloning {
    pub(super) inner: MemoryDevice,
    /// What is taken begins and ends on multiples of this.
    unit_bytes: u64,
    file_unit_bytes: u64,
    asked_bytes: AtomicU64,
    taken_bytes: AtomicU64,
}

/// What a [`Cloning`] was asked to take, and what it took.
pub(super) struct Calls {
    pub(super) asked_bytes: u64,
    pub(super) taken_bytes: u64,
}

impl Cloning {
    pub(super) fn new(inner: MemoryDevice) -> Self {
        Self {
            inner,
            unit_bytes: 4096,
            file_unit_bytes: 4096,
            asked_bytes: AtomicU64::new(0),
            taken_bytes: AtomicU64::new(0),
        }
    }

    /// A drive that is written from its beginning on, in units of so many bytes.
    pub(super) fn in_order(unit_bytes: u64) -> Self {
        Self { unit_bytes, file_unit_bytes: 512, ..Self::new(MemoryDevice::ascending()) }
    }

    pub(super) fn calls(&self) -> Calls {
        let [asked_bytes, taken_bytes] =
            [&self.asked_bytes, &self.taken_bytes].map(|count| count.load(Ordering::Relaxed));
        Calls { asked_bytes, taken_bytes }
    }
}

impl WriteAt for Cloning {
    fn order(&self) -> Order {
        self.inner.order()
    }

    fn alignment_bytes(&self) -> usize {
        usize::try_from(self.unit_bytes).unwrap()
    }

    fn reserve(&self, end_bytes: u64) -> io::Result<()> {
        self.inner.reserve(end_bytes)
    }

    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_at(offset_bytes, bytes)
    }

    fn taking(&self) -> Taking {
        if self.order() == Order::Ascending { Taking::Mapped } else { Taking::Shared }
    }

    fn copy_from(
        &self,
        offset_bytes: u64,
        file: &File,
        file_offset_bytes: u64,
        bytes: u64,
    ) -> io::Result<u64> {
        assert_eq!((offset_bytes % self.unit_bytes, file_offset_bytes % self.file_unit_bytes), (0, 0));
        assert_eq!(bytes % self.unit_bytes, 0);
        self.asked_bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut wanted_bytes = bytes * 2 / 3 + 1;
        if self.order() == Order::Ascending {
            wanted_bytes -= wanted_bytes % self.unit_bytes;
        }
        let mut out = vec![0; usize::try_from(wanted_bytes).unwrap()];
        let taken = file.read_at(&mut out, file_offset_bytes)?;
        self.inner.write_at(offset_bytes, &out[..taken])?;
        self.taken_bytes.fetch_add(taken as u64, Ordering::Relaxed);
        Ok(taken as u64)
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Somebody cancels while it is written to.
pub(super) struct Cancelling {
    progress: Progress,
    after: u64,
    writes: AtomicU64,
}

impl Cancelling {
    pub(super) fn new(progress: Progress, after: u64) -> Self {
        Self { progress, after, writes: AtomicU64::new(0) }
    }

    pub(super) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }
}

impl WriteAt for Cancelling {
    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        if self.writes.fetch_add(1, Ordering::Relaxed) + 1 >= self.after {
            self.progress.cancel();
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}
