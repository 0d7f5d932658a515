//! A device that fails when told to: for tests of what happens then.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use udf::BoxedError;
use udf::read::ReadAt;

use super::{Order, Taking, WriteAt, no_space};

/// Passes on what it is asked for, but for the calls that are to fail; those do nothing.
#[derive(Debug)]
pub struct Faulty<D> {
    inner: D,
    writes: Calls,
    flushes: Calls,
    full_at_bytes: u64,
    damaged: Vec<Range<u64>>,
}

#[derive(Debug)]
struct Calls {
    made: AtomicU64,
    fails_at: u64,
}

impl Calls {
    fn never_failing() -> Self {
        Self { made: AtomicU64::new(0), fails_at: u64::MAX }
    }

    fn next(&self) -> io::Result<()> {
        let this = self.made.fetch_add(1, Ordering::Relaxed);
        if this == self.fails_at { Err(Errno::IO.into()) } else { Ok(()) }
    }
}

impl<D> Faulty<D> {
    /// Fails never yet.
    pub fn new(inner: D) -> Self {
        let (writes, flushes) = (Calls::never_failing(), Calls::never_failing());
        Self { inner, writes, flushes, full_at_bytes: u64::MAX, damaged: Vec::new() }
    }

    /// Lets the write of this number, counted from 0, fail.
    #[must_use]
    pub fn fail_write(mut self, number: u64) -> Self {
        self.writes.fails_at = number;
        self
    }

    /// Lets the flush of this number, counted from 0, fail.
    #[must_use]
    pub fn fail_flush(mut self, number: u64) -> Self {
        self.flushes.fails_at = number;
        self
    }

    /// Lets writes beyond so many bytes fail for lack of room, though nothing said so before.
    #[must_use]
    pub fn full_at(mut self, bytes: u64) -> Self {
        self.full_at_bytes = bytes;
        self
    }

    /// Lets whatever touches these bytes of the device fail, reading and writing.
    #[must_use]
    pub fn damaged(mut self, places: impl IntoIterator<Item = Range<u64>>) -> Self {
        self.damaged.extend(places);
        self
    }

    fn unless_damaged(&self, offset_bytes: u64, bytes: u64) -> io::Result<()> {
        let end_bytes = offset_bytes.saturating_add(bytes);
        let is_damaged = |place: &Range<u64>| offset_bytes < place.end && place.start < end_bytes;
        if self.damaged.iter().any(is_damaged) { Err(Errno::IO.into()) } else { Ok(()) }
    }

    /// The device behind it.
    pub fn into_inner(self) -> D {
        self.inner
    }
}

impl<D: WriteAt> WriteAt for Faulty<D> {
    fn order(&self) -> Order {
        self.inner.order()
    }

    fn capacity_bytes(&self) -> Option<u64> {
        self.inner.capacity_bytes()
    }

    fn alignment_bytes(&self) -> usize {
        self.inner.alignment_bytes()
    }

    fn blank_is_zeros(&self) -> bool {
        self.inner.blank_is_zeros()
    }

    fn taking(&self) -> Taking {
        self.inner.taking()
    }

    fn reserve(&self, end_bytes: u64) -> io::Result<()> {
        self.inner.reserve(end_bytes)
    }

    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        self.writes.next()?;
        if offset_bytes + bytes.len() as u64 > self.full_at_bytes {
            return Err(no_space());
        }
        self.unless_damaged(offset_bytes, bytes.len() as u64)?;
        self.inner.write_at(offset_bytes, bytes)
    }

    fn copy_from(
        &self,
        offset_bytes: u64,
        file: &File,
        file_offset_bytes: u64,
        bytes: u64,
    ) -> io::Result<u64> {
        self.unless_damaged(offset_bytes, bytes)?;
        let room_bytes = self.full_at_bytes.saturating_sub(offset_bytes);
        self.inner.copy_from(offset_bytes, file, file_offset_bytes, bytes.min(room_bytes))
    }

    fn flush(&self) -> io::Result<()> {
        self.flushes.next()?;
        self.inner.flush()
    }
}

impl<D: ReadAt> ReadAt for Faulty<D> {
    fn size_bytes(&self) -> u64 {
        self.inner.size_bytes()
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        self.unless_damaged(offset_bytes, out.len() as u64)?;
        self.inner.read_at(offset_bytes, out)
    }

    fn sector_size_bytes(&self) -> Option<u32> {
        self.inner.sector_size_bytes()
    }
}
