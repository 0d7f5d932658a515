//! Looks at the host: what is in a directory, and what each of that is.

use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, FileType, OFlags, Statx, StatxFlags, makedev, readlinkat, statx};

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
