//! A device in memory: for tests, and for who wants a small volume without a file.

use std::io;
use std::sync::{PoisonError, RwLock};

use udf::BoxedError;
use udf::read::ReadAt;

use super::{Order, WriteAt, no_space};

/// Bytes in memory that grow as they are written. What was never written is zeros.
#[derive(Debug, Default)]
pub struct MemoryDevice {
    bytes: RwLock<Vec<u8>>,
    capacity_bytes: Option<u64>,
    /// If it is to be written in order: what follows has not been written yet.
    ascending: bool,
}

impl MemoryDevice {
    /// An empty one without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that holds no more than so many bytes.
    #[must_use]
    pub fn with_capacity(capacity_bytes: u64) -> Self {
        Self { capacity_bytes: Some(capacity_bytes), ..Self::default() }
    }

    /// One that takes each byte once, in order.
    #[must_use]
    pub fn ascending() -> Self {
        Self { ascending: true, ..Self::default() }
    }

    /// What is in it.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Vec<u8>> for MemoryDevice {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes: RwLock::new(bytes), ..Self::default() }
    }
}

impl WriteAt for MemoryDevice {
    fn order(&self) -> Order {
        if self.ascending { Order::Ascending } else { Order::Any }
    }

    fn capacity_bytes(&self) -> Option<u64> {
        self.capacity_bytes
    }

    fn reserve(&self, end_bytes: u64) -> io::Result<()> {
        let fits = self.capacity_bytes.is_none_or(|capacity| end_bytes <= capacity);
        if fits && usize::try_from(end_bytes).is_ok() { Ok(()) } else { Err(no_space()) }
    }

    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        let end_bytes = offset_bytes.checked_add(bytes.len() as u64).ok_or_else(no_space)?;
        self.reserve(end_bytes)?;
        let mut memory = self.bytes.write().unwrap_or_else(PoisonError::into_inner);
        let end = usize::try_from(end_bytes).map_err(|_| no_space())?;
        let start = end - bytes.len();
        if self.ascending && start < memory.len() {
            return Err(io::Error::new(io::ErrorKind::NotSeekable, "it is to be written in order"));
        }
        if memory.len() < end {
            memory.resize(end, 0);
        }
        memory[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

impl ReadAt for MemoryDevice {
    fn size_bytes(&self) -> u64 {
        self.bytes.read().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        self.bytes.read().unwrap_or_else(PoisonError::into_inner).read_at(offset_bytes, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_its_capacity() {
        let device = MemoryDevice::with_capacity(8);
        device.write_at(4, b"abcd").unwrap();
        assert_eq!(device.write_at(5, b"abcd").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(device.reserve(9).unwrap_err().kind(), io::ErrorKind::StorageFull);
        let mut out = [1; 6];
        device.read_at(2, &mut out).unwrap();
        assert_eq!(&out, b"\0\0abcd");
        assert_eq!(device.into_bytes(), b"\0\0\0\0abcd");
    }

    #[test]
    fn an_ascending_one_takes_nothing_twice() {
        let device = MemoryDevice::ascending();
        device.write_at(0, b"ab").unwrap();
        assert!(device.write_at(1, b"x").is_err());
        device.write_at(2, b"c").unwrap();
        assert_eq!(device.into_bytes(), b"abc");
    }
}
