//! What a volume is read from: bytes at any place, for several threads at once.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use crate::error::{BoxedError, Error, Result};

/// A device, or an image of one, that can be read at any place by several threads at once.
pub trait ReadAt: Send + Sync {
    /// Its size in bytes.
    fn size_bytes(&self) -> u64;

    /// Fills `out` with the bytes from `offset_bytes` on: all of them, or an error.
    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError>;

    /// The logical sector size, if the device has one; an image file has not.
    fn sector_size_bytes(&self) -> Option<u32> {
        None
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn size_bytes(&self) -> u64 {
        (**self).size_bytes()
    }
    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        (**self).read_at(offset_bytes, out)
    }
    fn sector_size_bytes(&self) -> Option<u32> {
        (**self).sector_size_bytes()
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Box<T> {
    fn size_bytes(&self) -> u64 {
        (**self).size_bytes()
    }
    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        (**self).read_at(offset_bytes, out)
    }
    fn sector_size_bytes(&self) -> Option<u32> {
        (**self).sector_size_bytes()
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn size_bytes(&self) -> u64 {
        (**self).size_bytes()
    }
    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        (**self).read_at(offset_bytes, out)
    }
    fn sector_size_bytes(&self) -> Option<u32> {
        (**self).sector_size_bytes()
    }
}

impl ReadAt for [u8] {
    fn size_bytes(&self) -> u64 {
        self.len() as u64
    }
    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        let bytes = usize::try_from(offset_bytes)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(out.len())?))
            .ok_or("beyond the end of the image")?;
        out.copy_from_slice(bytes);
        Ok(())
    }
}

impl ReadAt for Vec<u8> {
    fn size_bytes(&self) -> u64 {
        self.as_slice().size_bytes()
    }
    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        self.as_slice().read_at(offset_bytes, out)
    }
}

/// [`ReadAt::read_at`] with an error that says what was wanted.
pub(super) fn read_exact<R: ReadAt + ?Sized>(device: &R, offset_bytes: u64, out: &mut [u8]) -> Result<()> {
    let bytes = out.len() as u64;
    device.read_at(offset_bytes, out).map_err(|source| Error::Read { offset_bytes, bytes, source })
}
