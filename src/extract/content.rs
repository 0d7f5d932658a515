//! The bytes of a file: copied by the kernel where it can, holes left as holes, unreadable places left as holes too.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;

use rustix::fs::{copy_file_range, ftruncate};
use rustix::io::Errno;
use udf::file::AllocationForm;
use udf::general::ExtentKind;
use udf::read::{Body, Entry, Extent, ReadAt};

use super::item::Place;
use super::trouble::Trouble;
use super::walk::Extraction;
use crate::error::{Error, Warning};

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 20;
/// Bytes that the kernel copies at once: often enough for a progress bar and for Ctrl-C.
const KERNEL_CHUNK_BYTES: u64 = 32 << 20;
/// Below this the kernel gains nothing over two calls that copy.
const KERNEL_MIN_BYTES: u64 = 128 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A file that is being filled.
struct Filling<'f, R> {
    place: Place<'f>,
    body: &'f Body<'f, R>,
    file: &'f File,
    /// What has been copied, or found missing, or is a hole.
    end_bytes: u64,
    /// The end of what was last written.
    written_end_bytes: u64,
    missing_bytes: u64,
    /// The first reason why something is missing.
    why: Option<String>,
}

/// A stretch of a body that lies in one piece on the device.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    device_bytes: u64,
    bytes: u64,
}

impl<R: ReadAt> Filling<'_, R> {
    fn skip(&mut self, bytes: u64) {
        self.end_bytes += bytes;
    }

    fn wrote(&mut self, bytes: u64) {
        self.end_bytes += bytes;
        self.written_end_bytes = self.end_bytes;
    }

    fn lacks(&mut self, bytes: u64, why: impl FnOnce() -> String) {
        self.end_bytes += bytes;
        self.missing_bytes += bytes;
        self.why.get_or_insert_with(why);
    }
}

impl<R: ReadAt> Extraction<'_, R> {
    /// Writes the body of an entry into an empty file.
    pub(crate) fn fill(
        &self,
        place: Place<'_>,
        entry: &Entry,
        body: &Body<'_, R>,
        file: &File,
    ) -> Result<(), Trouble> {
        let (end_bytes, written_end_bytes, missing_bytes) = (0, 0, 0);
        // A file of holes takes no room here, but it may where it is copied to.
        self.limit(body.len())?;
        let mut filling =
            Filling { place, body, file, end_bytes, written_end_bytes, missing_bytes, why: None };
        if entry.form == AllocationForm::Embedded {
            self.read_and_write(&mut filling, body.len() - body.lost_bytes())?;
        }
        for extent in body.extents() {
            match extent.kind {
                ExtentKind::Recorded => self.extent(&mut filling, extent)?,
                _ => filling.skip(extent.bytes),
            }
        }
        if body.lost_bytes() > 0 {
            filling.lacks(body.lost_bytes(), || String::from("the entry holds less of it than it says"));
        }
        if filling.written_end_bytes < body.len() {
            ftruncate(file, body.len()).map_err(|error| self.at(place, "cannot extend", error))?;
        }
        if let Some(why) = filling.why {
            let path = self.folders.path(place.folder, place.name);
            let (size_bytes, missing_bytes) = (body.len(), filling.missing_bytes);
            self.warn(Warning::Damaged { path, why, size_bytes, missing_bytes });
        }
        Ok(())
    }

    /// Copies a recorded extent.
    fn extent(&self, filling: &mut Filling<'_, R>, extent: &Extent) -> Result<(), Trouble> {
        let end_bytes = filling.end_bytes + extent.bytes;
        while filling.end_bytes < end_bytes {
            let left_bytes = end_bytes - filling.end_bytes;
            match self.stretch(extent, extent.bytes - left_bytes) {
                Some(stretch) => self.stretch_copy(filling, stretch)?,
                // All at once: a damaged volume may claim billions of blocks that are not there.
                None => filling.lacks(left_bytes, || String::from("an extent lies outside the volume")),
            }
        }
        Ok(())
    }

    /// What lies in one piece from an offset of an extent on; `None` if there is nothing of it on the device.
    fn stretch(&self, extent: &Extent, skip_bytes: u64) -> Option<Stretch> {
        let block_size = self.volume.block_size();
        let blocks = u32::try_from(skip_bytes / u64::from(block_size.bytes())).ok()?;
        let run = self.volume.locate(extent.start.checked_add(blocks)?).ok()?;
        let within_bytes = block_size.offset_in_block(skip_bytes);
        let device_bytes = block_size.offset_of(run.sector) + within_bytes;
        let on_device_bytes = self.volume.device().size_bytes().saturating_sub(device_bytes);
        let bytes = (block_size.bytes_in(run.blocks) - within_bytes)
            .min(extent.bytes - skip_bytes)
            .min(on_device_bytes);
        (bytes > 0).then_some(Stretch { device_bytes, bytes })
    }

    fn stretch_copy(&self, filling: &mut Filling<'_, R>, stretch: Stretch) -> Result<(), Trouble> {
        let mut copied_bytes = 0;
        if stretch.bytes >= KERNEL_MIN_BYTES && self.kernel_copies.load(Ordering::Relaxed) {
            copied_bytes = self.kernel_copy(filling, stretch)?;
        }
        self.read_and_write(filling, stretch.bytes - copied_bytes)
    }

    /// Copies so many bytes through memory.
    fn read_and_write(&self, filling: &mut Filling<'_, R>, bytes: u64) -> Result<(), Trouble> {
        let end_bytes = filling.end_bytes + bytes;
        BUFFER.with_borrow_mut(|buffer| {
            while filling.end_bytes < end_bytes {
                self.progress.check()?;
                let left = usize::try_from(end_bytes - filling.end_bytes).unwrap_or(usize::MAX);
                let count = left.min(CHUNK_BYTES);
                if buffer.len() < count {
                    buffer.resize(count, 0);
                }
                self.chunk(filling, &mut buffer[..count])?;
            }
            Ok(())
        })
    }

    fn chunk(&self, filling: &mut Filling<'_, R>, buffer: &mut [u8]) -> Result<(), Trouble> {
        if filling.body.read(filling.end_bytes, buffer).is_ok() {
            return self.write(filling, buffer);
        }
        // Something in it cannot be read: what can be is saved, block by block.
        for block in buffer.chunks_mut(self.volume.block_size().len()) {
            self.progress.check()?;
            match filling.body.read(filling.end_bytes, block) {
                Ok(_) => self.write(filling, block)?,
                Err(error) => filling.lacks(block.len() as u64, || error.to_string()),
            }
        }
        Ok(())
    }

    fn write(&self, filling: &mut Filling<'_, R>, bytes: &[u8]) -> Result<(), Trouble> {
        self.progress.add_bytes(bytes.len() as u64);
        filling.file.write_all_at(bytes, filling.end_bytes).map_err(|error| {
            self.at(filling.place, "cannot write", Errno::from_io_error(&error).unwrap_or(Errno::IO))
        })?;
        filling.wrote(bytes.len() as u64);
        Ok(())
    }

    /// Lets the kernel copy; how many bytes it did before it could not go on.
    fn kernel_copy(&self, filling: &mut Filling<'_, R>, stretch: Stretch) -> Result<u64, Trouble> {
        let Some(image) = self.image else { return Ok(0) };
        let mut copied_bytes = 0;
        while copied_bytes < stretch.bytes {
            self.progress.check()?;
            let (mut from, mut to) = (stretch.device_bytes + copied_bytes, filling.end_bytes);
            let wanted_bytes = (stretch.bytes - copied_bytes).min(KERNEL_CHUNK_BYTES);
            let wanted = usize::try_from(wanted_bytes).unwrap_or(0);
            let done = match copy_file_range(image, Some(&mut from), filling.file, Some(&mut to), wanted) {
                Ok(done) => done as u64,
                Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => {
                    return Err(self.at(filling.place, "cannot write", error));
                }
                Err(error) => {
                    // But for a bad place in the image it will be no better with the next file.
                    if error != Errno::IO {
                        self.kernel_copies.store(false, Ordering::Relaxed);
                    }
                    0
                }
            };
            self.progress.add_bytes(done);
            if done == 0 {
                break;
            }
            copied_bytes += done;
            filling.wrote(done);
        }
        Ok(copied_bytes)
    }

    /// Counts the bytes of a file, and stops before it is too much.
    fn limit(&self, bytes: u64) -> Result<(), Trouble> {
        let add = |before: u64| Some(before.saturating_add(bytes));
        let before_bytes = self.file_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        match (self.options.max_size_bytes, before_bytes) {
            (Some(limit), Ok(before_bytes)) if before_bytes.saturating_add(bytes) > limit => {
                let reason = format!("the files are larger than the {limit} bytes that may be written");
                Err(Error::refused(reason, "allow more with --max-size").into())
            }
            _ => Ok(()),
        }
    }
}
