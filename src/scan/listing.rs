//! Directories of the host, however deep they lie and however many names they hold.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, RawDir, openat};

use super::Options;
use super::host::{Found, look};

/// The longest path that is given to the kernel in one piece: `PATH_MAX` less its NUL, and a margin.
const PIECE_BYTES: usize = 4000;

/// Opens a path of any length, of which the kernel takes no more than 4096 bytes at a time.
pub fn open(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let mut rest = path.as_os_str().as_bytes();
    let mut directory: Option<OwnedFd> = None;
    loop {
        let at = directory.as_ref().map_or(CWD, OwnedFd::as_fd);
        let end = match rest.get(..PIECE_BYTES).map(|piece| piece.iter().rposition(|byte| *byte == b'/')) {
            // A path that ends here, or a name that no file system takes: the kernel says so.
            None | Some(None | Some(0)) => {
                let last = if rest.is_empty() { b"." } else { rest };
                return Ok(openat(at, last, flags | OFlags::CLOEXEC, Mode::empty())?);
            }
            Some(Some(end)) => end,
        };
        let piece = OsStr::from_bytes(&rest[..end]);
        let next = openat(at, piece, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        directory = Some(next);
        let skip = rest[end..].iter().take_while(|byte| **byte == b'/').count();
        rest = &rest[end + skip..];
    }
}

/// A directory of the host, and the names in it.
#[derive(Debug)]
pub(super) struct Listing {
    directory: OwnedFd,
    text: Vec<u8>,
    /// Where in the text names begin, and how long they are, in their order.
    names: Vec<(u32, u16)>,
}

impl Listing {
    /// Lists a directory. A symbolic link in its place is followed only if it is `linked`.
    pub(super) fn read(path: &Path, linked: bool) -> io::Result<Self> {
        let follow = if linked { OFlags::empty() } else { OFlags::NOFOLLOW };
        let directory = open(path, follow | OFlags::RDONLY | OFlags::DIRECTORY)?;
        let (mut text, mut names) = (Vec::new(), Vec::new());
        let mut buffer = Vec::with_capacity(32 * 1024);
        let mut entries = RawDir::new(&directory, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                let too_many = |_| io::Error::other("it holds too many names");
                let start = u32::try_from(text.len()).map_err(too_many)?;
                names.push((start, u16::try_from(name.len()).map_err(too_many)?));
                text.extend_from_slice(name);
            }
        }
        names.sort_unstable_by(|a, b| part(&text, *a).cmp(part(&text, *b)));
        Ok(Self { directory, text, names })
    }

    /// How many names there are.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// A name.
    pub(super) fn name(&self, index: usize) -> &[u8] {
        part(&self.text, self.names[index])
    }

    /// Whether there is such a name.
    pub(super) fn contains(&self, name: &[u8]) -> bool {
        self.names.binary_search_by(|at| part(&self.text, *at).cmp(name)).is_ok()
    }

    /// Looks at what a name stands for.
    pub(super) fn look(&self, index: usize, options: &Options) -> io::Result<Found> {
        look(self.directory.as_fd(), self.name(index), options.symlinks, options)
    }
}

fn part(text: &[u8], (start, length): (u32, u16)) -> &[u8] {
    let start = start as usize;
    &text[start..start + usize::from(length)]
}
