//! Looks at the host: what is in a directory, and what each of that is.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawDir, Statx, StatxFlags, makedev, openat, readlinkat, statx,
};

use super::{Options, Symlinks, sparse};
use crate::tree::{Attributes, DataRange, Kind};

/// Which file of the host, whatever its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    /// Its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

impl From<&std::fs::Metadata> for FileId {
    fn from(metadata: &std::fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// Something of the host.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: FileId,
    /// How many names it has.
    pub(super) names: u32,
    pub(super) attributes: Attributes,
    pub(super) body: Body,
    /// It is what a symbolic link points to.
    pub(super) linked: bool,
    /// Why what a link points to was not to be had.
    pub(super) dangling: Option<io::Error>,
}

/// What something of the host is.
#[derive(Debug)]
pub(super) enum Body {
    Directory,
    File { size_bytes: u64, data: Option<Box<[DataRange]>> },
    Link(Box<[u8]>),
    Device(Kind, u32, u32),
    Other(Kind),
}

impl Body {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Directory => Kind::Directory,
            Self::File { .. } => Kind::File,
            Self::Link(_) => Kind::SymbolicLink,
            Self::Device(kind, ..) | Self::Other(kind) => *kind,
        }
    }
}

/// Looks at a name in a directory.
pub(super) fn look(
    directory: BorrowedFd<'_>,
    name: &[u8],
    symlinks: Symlinks,
    options: &Options,
) -> io::Result<Found> {
    let ask = |flags| statx(directory, name, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME);
    let mut status = ask(AtFlags::SYMLINK_NOFOLLOW)?;
    let (mut linked, mut dangling) = (false, None);
    if kind(&status)? == Kind::SymbolicLink && symlinks == Symlinks::Follow {
        match ask(AtFlags::empty()) {
            Ok(behind) => (status, linked) = (behind, true),
            Err(error) => dangling = Some(error.into()),
        }
    }
    let kind = kind(&status)?;
    let body = match kind {
        Kind::Directory => Body::Directory,
        Kind::File => {
            let size_bytes = status.stx_size;
            let is_sparse = status.stx_blocks.saturating_mul(512) < size_bytes;
            let flags = if symlinks == Symlinks::Follow { OFlags::empty() } else { OFlags::NOFOLLOW };
            let data = is_sparse.then(|| sparse::data_ranges(directory, name, size_bytes, flags)).flatten();
            Body::File { size_bytes, data }
        }
        Kind::SymbolicLink => Body::Link(readlinkat(directory, name, Vec::new())?.into_bytes().into()),
        Kind::BlockDevice | Kind::CharacterDevice => {
            Body::Device(kind, status.stx_rdev_major, status.stx_rdev_minor)
        }
        Kind::Fifo | Kind::Socket => Body::Other(kind),
    };
    let device = makedev(status.stx_dev_major, status.stx_dev_minor);
    let id = FileId { device, inode: status.stx_ino };
    let attributes = options.attributes(kind, &status);
    Ok(Found { id, names: status.stx_nlink, attributes, body, linked, dangling })
}

fn kind(status: &Statx) -> io::Result<Kind> {
    Ok(match FileType::from_raw_mode(status.stx_mode.into()) {
        FileType::Directory => Kind::Directory,
        FileType::RegularFile => Kind::File,
        FileType::Symlink => Kind::SymbolicLink,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::CharacterDevice => Kind::CharacterDevice,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::Unknown => return Err(io::Error::other("it is of no known kind")),
    })
}

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
