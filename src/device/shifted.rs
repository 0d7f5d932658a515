//! A part of a medium as a target of its own: what somebody else will write at its place.

use std::fs::File;
use std::io;

use super::{Order, Taking, WriteAt};

/// A target whose first byte is byte `start_bytes` of the medium that is planned for. Nothing goes before it.
#[derive(Debug)]
pub struct Shifted<W> {
    inner: W,
    start_bytes: u64,
}

impl<W: WriteAt> Shifted<W> {
    /// What is behind `start_bytes` goes to `inner`, from its beginning on.
    pub fn new(inner: W, start_bytes: u64) -> Self {
        Self { inner, start_bytes }
    }

    fn place(&self, offset_bytes: u64) -> io::Result<u64> {
        offset_bytes.checked_sub(self.start_bytes).ok_or_else(|| {
            let why =
                format!("byte {offset_bytes} lies before the session, which begins at {}", self.start_bytes);
            io::Error::new(io::ErrorKind::InvalidInput, why)
        })
    }
}

impl<W: WriteAt> WriteAt for Shifted<W> {
    fn order(&self) -> Order {
        self.inner.order()
    }

    fn capacity_bytes(&self) -> Option<u64> {
        self.inner.capacity_bytes().map(|bytes| bytes.saturating_add(self.start_bytes))
    }

    fn alignment_bytes(&self) -> usize {
        self.inner.alignment_bytes()
    }

    fn blank_is_zeros(&self) -> bool {
        self.inner.blank_is_zeros()
    }

    fn reserve(&self, end_bytes: u64) -> io::Result<()> {
        self.inner.reserve(self.place(end_bytes)?)
    }

    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_at(self.place(offset_bytes)?, bytes)
    }

    fn taking(&self) -> Taking {
        self.inner.taking()
    }

    fn copy_from(
        &self,
        offset_bytes: u64,
        file: &File,
        file_offset_bytes: u64,
        bytes: u64,
    ) -> io::Result<u64> {
        self.inner.copy_from(self.place(offset_bytes)?, file, file_offset_bytes, bytes)
    }

    fn flush(&self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::MemoryDevice;

    #[test]
    fn everything_moves_by_the_start_and_nothing_goes_before_it() {
        let memory = MemoryDevice::new();
        let shifted = Shifted::new(&memory, 4096);
        shifted.reserve(4096 + 4).unwrap();
        shifted.write_at(4096 + 2, b"xy").unwrap();
        assert!(shifted.write_at(4095, b"z").is_err());
        assert_eq!(memory.into_bytes(), b"\0\0xy");
    }
}
