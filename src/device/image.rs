//! Image files: a new one that appears under its name when it is complete, or one that grows in place.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rustix::fs::{FallocateFlags, OFlags};
use rustix::io::Errno;
use udf::BoxedError;
use udf::read::ReadAt;

use super::buffer::{ALIGNMENT_BYTES, aligned_part, length};
use super::{Taking, WriteAt, lock_file, mapped, no_space};

/// An image file that is being written. Without [`commit`](Self::commit), dropping it takes everything back that can be.
#[derive(Debug)]
pub struct ImageFile {
    file: File,
    /// The same file past the page cache, if its file system can.
    direct: Option<File>,
    /// Its file system shares extents between files: taking a file's bytes moves none.
    clones: bool,
    kind: Kind,
    is_committed: bool,
}

#[derive(Debug)]
enum Kind {
    /// A hidden file beside the target, until it is renamed.
    New { hidden: PathBuf, target: PathBuf },
    /// A file that there was before, of this length.
    Grown { old_bytes: u64, is_old_part_written: AtomicBool },
}

impl ImageFile {
    /// Begins a new image. There is nothing of it under this name before [`commit`](Self::commit), which replaces what is
    /// there then: asking whether it may is the caller's part. A symbolic link stays, and what it points to is replaced.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let target = if path.is_symlink() { fs::canonicalize(path)? } else { path.to_owned() };
        let (file, hidden) = create_hidden(&directory_of(&target))?;
        Ok(Self::new(file, Kind::New { hidden, target }))
    }

    /// Opens an image to write a further session into it. Others who do so too are kept out.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        lock_file(&file)?;
        let old_bytes = metadata.len();
        Ok(Self::new(file, Kind::Grown { old_bytes, is_old_part_written: AtomicBool::new(false) }))
    }

    fn new(file: File, kind: Kind) -> Self {
        let (direct, clones) = (open_direct(&file), can_clone(&file));
        Self { file, direct, clones, kind, is_committed: false }
    }

    /// Makes everything durable, and a new image appear under its name.
    pub fn commit(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        if let Kind::New { hidden, target } = &self.kind {
            fs::rename(hidden, target)?;
            self.is_committed = true;
            // The name is durable when its directory is.
            File::open(directory_of(target))?.sync_all()?;
        }
        self.is_committed = true;
        Ok(())
    }

    /// Remembers that something of what there was before is no longer as it was.
    fn note_write(&self, offset_bytes: u64) {
        if let Kind::Grown { old_bytes, is_old_part_written } = &self.kind
            && offset_bytes < *old_bytes
        {
            is_old_part_written.store(true, Ordering::Relaxed);
        }
    }
}

impl WriteAt for ImageFile {
    fn alignment_bytes(&self) -> usize {
        ALIGNMENT_BYTES
    }

    fn blank_is_zeros(&self) -> bool {
        matches!(self.kind, Kind::New { .. })
    }

    fn taking(&self) -> Taking {
        match (self.clones, &self.direct) {
            (true, _) => Taking::Shared,
            (false, Some(_)) => Taking::Mapped,
            // A copy into the page cache is made either way.
            (false, None) => Taking::Nothing,
        }
    }

    fn reserve(&self, end_bytes: u64) -> io::Result<()> {
        let old_bytes = self.file.metadata()?.len();
        let Some(more_bytes) = end_bytes.checked_sub(old_bytes).filter(|more| *more > 0) else {
            return Ok(());
        };
        // Clones take no room of their own, so to set some aside could fail for nothing.
        if self.clones {
            return self.file.set_len(end_bytes);
        }
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), old_bytes, more_bytes) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                let space = rustix::fs::fstatvfs(&self.file)?;
                if space.f_bavail.saturating_mul(space.f_frsize) < more_bytes {
                    return Err(no_space());
                }
                self.file.set_len(end_bytes)
            }
            result => Ok(result?),
        }
    }

    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        self.note_write(offset_bytes);
        let Some(direct) = &self.direct else { return self.file.write_all_at(bytes, offset_bytes) };
        let middle = aligned_part(offset_bytes, bytes);
        let at = |index: usize| offset_bytes + index as u64;
        self.file.write_all_at(&bytes[..middle.start], offset_bytes)?;
        match direct.write_all_at(&bytes[middle.clone()], at(middle.start)) {
            // It wants more than our alignment. The page cache takes anything.
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                self.file.write_all_at(&bytes[middle.clone()], at(middle.start))?;
            }
            result => result?,
        }
        self.file.write_all_at(&bytes[middle.end..], at(middle.end))
    }

    fn copy_from(
        &self,
        offset_bytes: u64,
        file: &File,
        file_offset_bytes: u64,
        bytes: u64,
    ) -> io::Result<u64> {
        const MOST_BYTES: u64 = 1 << 30;
        self.note_write(offset_bytes);
        if let (false, Some(direct)) = (self.clones, &self.direct) {
            return Ok(mapped::write_from(direct, offset_bytes, file, file_offset_bytes, bytes));
        }
        let (mut from, mut to) = (file_offset_bytes, offset_bytes);
        let end = offset_bytes + bytes;
        while to < end {
            let most = length((end - to).min(MOST_BYTES));
            // Clones where it can. If it cannot take any or all of it, reading and writing may; or says why not.
            match rustix::fs::copy_file_range(file, Some(&mut from), &self.file, Some(&mut to), most) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        Ok(to - offset_bytes)
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl ReadAt for ImageFile {
    fn size_bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        Ok(self.file.read_exact_at(out, offset_bytes)?)
    }
}

impl Drop for ImageFile {
    fn drop(&mut self) {
        if self.is_committed {
            return;
        }
        // Nobody is left to be told if this fails; what remains then is a hidden file, or an image longer than needed.
        match &self.kind {
            Kind::New { hidden, .. } => drop(fs::remove_file(hidden)),
            Kind::Grown { is_old_part_written, .. } if is_old_part_written.load(Ordering::Relaxed) => {}
            Kind::Grown { old_bytes, .. } => drop(self.file.set_len(*old_bytes)),
        }
    }
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Makes a file of a name that nobody uses.
fn create_hidden(directory: &Path) -> io::Result<(File, PathBuf)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!(".mkudf-ms-{}-{count}", std::process::id()));
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return Ok((result?, path)),
        }
    }
}

/// Opens the same file once more, past the page cache.
fn open_direct(file: &File) -> Option<File> {
    let flags = OFlags::DIRECT.bits().cast_signed();
    // By its descriptor, because another file may have its name by now.
    OpenOptions::new()
        .write(true)
        .custom_flags(flags)
        .open(format!("/proc/self/fd/{}", file.as_raw_fd()))
        .ok()
}

/// Whether the file system shares extents between files.
fn can_clone(file: &File) -> bool {
    // A file cannot be cloned onto itself unless it is empty, but only who can clone at all gets as far as to notice.
    matches!(rustix::fs::ioctl_ficlone(file, file), Ok(()) | Err(Errno::INVAL))
}

#[cfg(test)]
mod tests;
