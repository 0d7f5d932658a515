//! What names stand for: attributes, and where the content comes from.

use udf::BlockAddress;
use udf::general::{LongAd, Moment};

/// Which inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeId(pub u32);

impl InodeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Which list of children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryId(pub(super) u32);

/// Which directory of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostDirectoryId(pub(super) u32);

/// Bytes in the tree's arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    start: u32,
    length: u32,
}

impl Text {
    pub(super) const EMPTY: Self = Self { start: 0, length: 0 };

    pub(super) fn new(start: usize, length: usize) -> Option<Self> {
        let end = u32::try_from(start.checked_add(length)?).ok()?;
        let start = u32::try_from(start).ok()?;
        Some(Self { start, length: end - start })
    }

    pub(super) fn range(self) -> std::ops::Range<usize> {
        let start = self.start as usize;
        start..start + self.length as usize
    }

    /// The same without its first byte: what 8-bit d-characters of ASCII are without their compression id.
    #[must_use]
    pub fn without_first(self) -> Self {
        let skip = self.length.min(1);
        Self { start: self.start + skip, length: self.length - skip }
    }
}

/// What kind of thing a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    SymbolicLink,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharacterDevice,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
}

/// Who owns it, who may do what, and when that changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Permissions, set-id bits and sticky bit: the low 12 bits of a mode.
    pub mode: u16,
    /// Owner; `u32::MAX` for none.
    pub uid: u32,
    /// Group; `u32::MAX` for none.
    pub gid: u32,
    /// Last access.
    pub accessed: Moment,
    /// Last change of the content.
    pub modified: Moment,
    /// Last change of the attributes.
    pub changed: Moment,
    /// When it was made, which is not later than the others.
    pub created: Moment,
}

/// Where an inode's content comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Children; [`Tree::children`](super::Tree::children).
    Directory(DirectoryId),
    /// A file of the host.
    Host(HostFile),
    /// Bytes in memory; [`Tree::body`](super::Tree::body).
    Memory(u32),
    /// What somebody else reads for us; [`Tree::input`](super::Tree::input).
    Input(u32),
    /// The target of a symbolic link, in UTF-8.
    Target(Text),
    /// Major and minor number of a device.
    Device(u32, u32),
    /// None: FIFOs, sockets, and whatever is only [`Kept`].
    None,
}

/// A file of the host, as it was when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostFile {
    /// In which directory.
    pub directory: HostDirectoryId,
    /// Its name there.
    pub name: Text,
    /// Its size.
    pub size_bytes: u64,
    /// Which parts of it hold data, if not all do: [`Tree::add_holes`](super::Tree::add_holes).
    pub holes: Option<u32>,
}

/// What an earlier session recorded, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its ICB.
    pub icb: BlockAddress,
    /// Bytes of the ICB: one block, or two.
    pub icb_bytes: u32,
    /// The unique id beside its name.
    pub unique_id: u32,
    /// The characteristics of its name.
    pub characteristics: u8,
    /// By how much the number of its names differs from what its entry says.
    pub link_change: i16,
    /// Its entry must be recorded anew.
    pub changed: bool,
}

impl Kept {
    /// Where its entry is read.
    #[must_use]
    pub fn entry_icb(&self) -> LongAd {
        LongAd::icb(self.icb_bytes, self.icb, 0)
    }
}

/// What one or more names stand for.
#[derive(Clone, Copy, Debug)]
pub struct Inode {
    /// What it is.
    pub kind: Kind,
    /// How many names it has in the tree. Of a kept inode, names in directories that are not in the tree do not count.
    pub links: u32,
    /// Attributes; of a kept inode whose [`Content`] is `None`, not known.
    pub attributes: Attributes,
    /// Where its content comes from.
    pub content: Content,
    /// Where an earlier session recorded it.
    pub kept: Option<Kept>,
}
