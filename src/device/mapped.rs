//! A file's pages as the page cache has them, and writing them to a device from there: nobody copies them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use memmap2::{Advice, Mmap, MmapOptions};

use super::buffer::{ALIGNMENT_BYTES, length};

/// Writes up to `bytes` bytes of `file`, from `file_offset_bytes` on, to `target`, which is open past the page cache.
///
/// Returns how many were written, none behind the file's end counted. Fewer than asked for are no error here: the file may have been cut (the kernel then says so
/// by `EFAULT`, not by a signal, since nothing here touches the mapping), its file system may have no mappings, or the target
/// may want more alignment. Whoever asked reads and writes the rest, and learns what is wrong if something is.
pub(super) fn write_from(
    target: &File,
    offset_bytes: u64,
    file: &File,
    file_offset_bytes: u64,
    bytes: u64,
) -> u64 {
    if !file_offset_bytes.is_multiple_of(ALIGNMENT_BYTES as u64) {
        return 0;
    }
    let Ok(pages) = map(file, file_offset_bytes, length(bytes)) else { return 0 };
    let mut done = 0;
    while done < pages.len() {
        match target.write_at(&pages[done..], offset_bytes + done as u64) {
            Ok(0) => break,
            Ok(written) => done += written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    // The page in which a file that was cut ends is written whole.
    let left_bytes = file.metadata().map_or(0, |metadata| metadata.len()).saturating_sub(file_offset_bytes);
    left_bytes.min(done as u64)
}

/// A part of a file, mapped, and being read ahead as a whole: page by page the device would wait for every one.
///
/// Only for the kernel: what is in it may change or go at any time, and who looks at a page that is gone is killed.
#[expect(unsafe_code, reason = "a mapping of a file is unsafe to make")]
pub(super) fn map(file: &File, offset_bytes: u64, bytes: usize) -> io::Result<Mmap> {
    // SAFETY: The bytes of the mapping may change, or go, at any time. No code of this process reads them: the mapping is
    // handed to the kernel by `write_from`, and by `Disc::copy_from` where the transport does no more than that, which takes
    // what is there at that moment and fails where nothing is.
    let pages = unsafe { MmapOptions::new().offset(offset_bytes).len(bytes).map(file) }?;
    // If it cannot be, writing still works.
    let _ = pages.advise(Advice::WillNeed);
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// A file with these many bytes, none of them zero.
    fn source(bytes: usize) -> (File, Vec<u8>) {
        let content: Vec<u8> = (0..bytes).map(|index| u8::try_from(index % 251 + 1).unwrap()).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        (file, content)
    }

    #[test]
    fn pages_are_written_where_they_belong() {
        let (file, content) = source(100_000);
        let target = tempfile::tempfile().unwrap();
        assert_eq!(write_from(&target, 512, &file, 8192, 65536), 65536);
        let mut out = vec![0; 65536 + 512];
        target.read_exact_at(&mut out, 0).unwrap();
        assert!(out[..512].iter().all(|byte| *byte == 0) && out[512..] == content[8192..][..65536]);
        assert_eq!(write_from(&target, 0, &file, 100, 4096), 0, "no page begins there");
    }

    #[test]
    fn of_a_file_that_was_cut_only_the_pages_that_are_left_are_written() {
        let (file, content) = source(1 << 20);
        file.set_len(300_000).unwrap();
        let target = tempfile::tempfile().unwrap();
        let written = length(write_from(&target, 0, &file, 0, 1 << 20));
        assert!((1..=300_000).contains(&written), "{written}");
        let mut out = vec![0; written];
        target.read_exact_at(&mut out, 0).unwrap();
        assert!(out == content[..written]);
    }

    #[test]
    fn what_has_no_pages_is_left_to_others() {
        let target = tempfile::tempfile().unwrap();
        assert_eq!(write_from(&target, 0, &File::open("/proc/self/stat").unwrap(), 0, 4096), 0);
        let read_only = File::open("/proc/self/exe").unwrap();
        assert_eq!(write_from(&read_only, 0, &source(8192).0, 0, 8192), 0, "the target does not take it");
    }
}
