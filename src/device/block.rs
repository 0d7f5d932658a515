//! Block devices: disks, sticks, and rewritable discs.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use udf::BoxedError;
use udf::read::ReadAt;

use super::buffer::{ALIGNMENT_BYTES, Buffer};
use super::mmc::{ScsiGeneric, Unit, is_drive};
use super::{FileReader, Taking, WriteAt, mapped};

/// Memory of the caller that is not aligned is written by way of so much that is.
const BOUNCE_BYTES: usize = 1 << 20;

/// A block device that nobody else uses: past the page cache for writing, through it for reading.
#[derive(Debug)]
pub struct BlockDevice {
    file: File,
    reader: FileReader,
    sector_bytes: u32,
    /// The drive that it is, if it is one for discs.
    drive: Option<Unit<ScsiGeneric>>,
}

impl BlockDevice {
    /// Opens a block device for writing, unless it is mounted or used otherwise.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        if !std::fs::metadata(path)?.file_type().is_block_device() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no block device"));
        }
        // Of a block device, EXCL alone means: only if nobody has claimed it, as mounts and such do.
        let flags = (OFlags::EXCL | OFlags::DIRECT).bits().cast_signed();
        let opened = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
        let file = opened.map_err(|error| match error.kind() {
            kind @ io::ErrorKind::ResourceBusy => {
                io::Error::new(kind, "it is mounted, or in use by another program")
            }
            _ => error,
        })?;
        let reader = FileReader::open(path)?;
        let sector_bytes = reader.sector_size_bytes().unwrap_or(512);
        let drive = is_drive(path)?.then(|| ScsiGeneric::behind(&file)).transpose()?.map(Unit::new);
        Ok(Self { file, reader, sector_bytes, drive })
    }

    /// Whether the device can take it from this memory without a copy.
    fn is_aligned(&self, bytes: &[u8]) -> bool {
        bytes.as_ptr().addr().is_multiple_of(self.sector_bytes as usize)
    }
}

impl WriteAt for BlockDevice {
    fn capacity_bytes(&self) -> Option<u64> {
        Some(self.reader.size_bytes())
    }

    fn alignment_bytes(&self) -> usize {
        ALIGNMENT_BYTES
    }

    fn taking(&self) -> Taking {
        Taking::Mapped
    }

    fn copy_from(
        &self,
        offset_bytes: u64,
        file: &File,
        file_offset_bytes: u64,
        bytes: u64,
    ) -> io::Result<u64> {
        Ok(mapped::write_from(&self.file, offset_bytes, file, file_offset_bytes, bytes))
    }

    /// Whole sectors only: there is no way to write a part of one without reading the rest, which nobody asked for.
    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        let sector_bytes = self.sector_bytes;
        if !(offset_bytes | bytes.len() as u64).is_multiple_of(sector_bytes.into()) {
            let what = format!("the device has sectors of {sector_bytes} bytes, and takes only whole ones");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        if self.is_aligned(bytes) {
            return self.file.write_all_at(bytes, offset_bytes);
        }
        let mut bounce = Buffer::new(BOUNCE_BYTES.min(bytes.len()));
        let mut at = offset_bytes;
        for piece in bytes.chunks(BOUNCE_BYTES) {
            let part = bounce.part(0, piece.len());
            part.copy_from_slice(piece);
            self.file.write_all_at(part, at)?;
            at += piece.len() as u64;
        }
        Ok(())
    }

    /// Of what a drive for discs keeps in its buffer, the kernel knows nothing: the drive itself is told.
    fn flush(&self) -> io::Result<()> {
        self.file.sync_data()?;
        self.drive.as_ref().map_or(Ok(()), |drive| Ok(drive.synchronize_cache()?))
    }
}

impl ReadAt for BlockDevice {
    fn size_bytes(&self) -> u64 {
        self.reader.size_bytes()
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        self.reader.read_at(offset_bytes, out)
    }

    fn sector_size_bytes(&self) -> Option<u32> {
        Some(self.sector_bytes)
    }
}

#[cfg(test)]
mod tests;
