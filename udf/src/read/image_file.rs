//! Image files and block devices of the operating system as something to read from.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;

use super::ReadAt;
use crate::error::BoxedError;

/// An open file, or the node of a block device, with the size that it had when it was opened.
#[derive(Debug)]
pub struct ImageFile {
    file: File,
    size_bytes: u64,
}

impl ImageFile {
    /// Opens the file of this name for reading.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        File::open(path)?.try_into()
    }
}

impl TryFrom<File> for ImageFile {
    type Error = io::Error;

    /// Takes a file that is open for reading. Its size is where its end is: block devices have no other.
    fn try_from(mut file: File) -> io::Result<Self> {
        let size_bytes = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, size_bytes })
    }
}

impl ReadAt for ImageFile {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    #[cfg(unix)]
    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        Ok(std::os::unix::fs::FileExt::read_exact_at(&self.file, out, offset_bytes)?)
    }

    #[cfg(windows)]
    fn read_at(&self, mut offset_bytes: u64, mut out: &mut [u8]) -> Result<(), BoxedError> {
        while !out.is_empty() {
            let count = std::os::windows::fs::FileExt::seek_read(&self.file, out, offset_bytes)?;
            if count == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            offset_bytes = offset_bytes.saturating_add(count as u64);
            out = out.get_mut(count..).unwrap_or_default();
        }
        Ok(())
    }
}
