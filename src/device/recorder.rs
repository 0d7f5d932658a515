//! A device that remembers what was asked of another: for tests of orders and of power cuts.

use std::io;
use std::sync::Mutex;

use udf::BoxedError;
use udf::read::ReadAt;

use super::{Order, WriteAt, lock};

/// What a device was asked for, and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Told where the volume will end.
    Reserve(u64),
    /// Written.
    Write {
        /// First byte.
        offset_bytes: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// All that came before is durable.
    Flush,
}

/// Passes on what it is asked for, and remembers what succeeded, in the order in which it did.
///
/// It takes no bytes from files by itself, so that everything written passes through here.
#[derive(Debug)]
pub struct Recorder<D> {
    inner: D,
    events: Mutex<Vec<Event>>,
}

impl<D> Recorder<D> {
    /// Records what is asked of `inner`.
    pub fn new(inner: D) -> Self {
        Self { inner, events: Mutex::default() }
    }

    /// The device and what was asked of it.
    pub fn into_parts(self) -> (D, Vec<Event>) {
        (self.inner, self.events.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn record(&self, event: Event, done: io::Result<()>) -> io::Result<()> {
        done.map(|()| lock(&self.events).push(event))
    }
}

impl<D: WriteAt> WriteAt for Recorder<D> {
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

    fn reserve(&self, end_bytes: u64) -> io::Result<()> {
        self.record(Event::Reserve(end_bytes), self.inner.reserve(end_bytes))
    }

    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        let event = Event::Write { offset_bytes, bytes: bytes.to_vec() };
        self.record(event, self.inner.write_at(offset_bytes, bytes))
    }

    fn flush(&self) -> io::Result<()> {
        self.record(Event::Flush, self.inner.flush())
    }
}

impl<D: ReadAt> ReadAt for Recorder<D> {
    fn size_bytes(&self) -> u64 {
        self.inner.size_bytes()
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        self.inner.read_at(offset_bytes, out)
    }

    fn sector_size_bytes(&self) -> Option<u32> {
        self.inner.sector_size_bytes()
    }
}
