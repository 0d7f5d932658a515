//! Reading an image file or a block device, through the page cache.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::Path;

use udf::BoxedError;
use udf::read::ReadAt;

/// An open file, or the node of a block device, with the size that it had when it was opened.
#[derive(Debug)]
pub struct FileReader {
    file: File,
    size_bytes: u64,
    sector_size_bytes: Option<u32>,
}

impl FileReader {
    /// Opens what has this path.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        File::open(path)?.try_into()
    }
}

impl TryFrom<File> for FileReader {
    type Error = io::Error;

    /// Takes a file that is open for reading. Its size is where its end is: block devices have no other.
    fn try_from(mut file: File) -> io::Result<Self> {
        let size_bytes = file.seek(SeekFrom::End(0))?;
        let is_device = file.metadata()?.file_type().is_block_device();
        let sector_size_bytes = is_device.then(|| rustix::fs::ioctl_blksszget(&file)).transpose()?;
        Ok(Self { file, size_bytes, sector_size_bytes })
    }
}

impl ReadAt for FileReader {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        Ok(self.file.read_exact_at(out, offset_bytes)?)
    }

    fn sector_size_bytes(&self) -> Option<u32> {
        self.sector_size_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_where_asked_and_not_beyond_their_end() {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, b"0123456789").unwrap();
        let reader = FileReader::try_from(file).unwrap();
        assert_eq!((reader.size_bytes(), reader.sector_size_bytes()), (10, None));
        let mut out = [0; 4];
        reader.read_at(6, &mut out).unwrap();
        assert_eq!(&out, b"6789");
        assert!(reader.read_at(7, &mut out).is_err());
    }
}
