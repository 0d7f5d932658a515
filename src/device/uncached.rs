//! Reading what is on a medium, and not what the kernel remembers of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{Advice, OFlags};
use rustix::io::Errno;
use udf::BoxedError;
use udf::read::ReadAt;

use super::buffer::{ALIGNMENT_BYTES, Buffer, length};

/// An image file or a block device that is read past the page cache (`O_DIRECT`). On file systems that know nothing of that, the
/// kernel is asked to forget the pages first; where it does not follow, what it remembers is read.
#[derive(Debug)]
pub struct UncachedReader {
    file: File,
    size_bytes: u64,
    /// One for all reads: memory that comes and goes costs more than what is read.
    buffer: Mutex<Buffer>,
    largest_bytes: usize,
}

/// Larger reads are done in parts.
const LARGEST_BYTES: usize = 1 << 20;

impl UncachedReader {
    /// Opens what has this path.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let direct = OFlags::DIRECT.bits().cast_signed();
        let mut file = match OpenOptions::new().read(true).custom_flags(direct).open(path) {
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                let file = File::open(path)?;
                rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?;
                file
            }
            opened => opened?,
        };
        let size_bytes = file.seek(SeekFrom::End(0))?;
        let buffer = Mutex::new(Buffer::new(LARGEST_BYTES + 2 * ALIGNMENT_BYTES));
        Ok(Self { file, size_bytes, buffer, largest_bytes: LARGEST_BYTES })
    }

    /// Reads a part that the buffer has room for, with what lies around it up to the next multiples of the alignment.
    fn read_part(&self, offset_bytes: u64, out: &mut [u8]) -> io::Result<()> {
        let alignment = ALIGNMENT_BYTES as u64;
        let start = offset_bytes / alignment * alignment;
        let end = (offset_bytes + out.len() as u64).next_multiple_of(alignment);
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = buffer.part(start, length(end - start));
        let wanted = length(offset_bytes - start)..length(offset_bytes - start) + out.len();
        let mut read = 0;
        while read < wanted.end {
            match self.file.read_at(&mut memory[read..], start + read as u64) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => read += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        out.copy_from_slice(&memory[wanted]);
        Ok(())
    }
}

impl ReadAt for UncachedReader {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        for (number, part) in (0_u64..).zip(out.chunks_mut(self.largest_bytes)) {
            self.read_part(offset_bytes + number * self.largest_bytes as u64, part)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_is_read_and_nothing_beyond_the_end() {
        let bytes: Vec<u8> = (0..3 * 4096 + 700_u32).map(|number| (number % 251) as u8).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut file, &bytes).unwrap();
        file.as_file().sync_all().unwrap();
        let mut reader = UncachedReader::open(file.path()).unwrap();
        reader.largest_bytes = 5000;
        for (start, count) in [(0, 1), (0, bytes.len()), (4095, 2), (5000, 7000), (12_288, 700), (12_900, 88)]
        {
            let mut out = vec![0; count];
            reader.read_at(start as u64, &mut out).unwrap();
            assert!(out == bytes[start..start + count], "{count} bytes at {start}");
        }
        let mut out = [0; 2];
        assert!(reader.read_at(bytes.len() as u64 - 1, &mut out).is_err());
    }
}
