//! Adding: folders and files of the host, bytes, what others read for us, directories, links and devices.

use std::io::Read;
use std::path::Path;

use super::path::{Loader, Place};
use super::{BuildError, Conflict, FileSystemImage};
use crate::error::{Error, Result, Warning};
use crate::scan::{self, Source, scan};
use crate::tree::{Attributes, Content, InodeId, Input, Kind, NodeId, Tree, path_names};

/// Bodies up to this size are kept in memory, whoever reads them: they may be recorded inside their entries, twice.
const KEPT_UP_TO_BYTES: u64 = 4096;

impl FileSystemImage<'_> {
    /// Adds the contents of a folder of the host to a directory, which is made if it is not there. Directories that meet merge;
    /// what else meets, as `on_conflict` says. All or nothing: a file that cannot be read lets the whole fail, unless
    /// [`Defaults::is_strict`](super::Defaults::is_strict) is off.
    pub fn add_tree(&mut self, folder: impl AsRef<Path>, to: &str, on_conflict: Conflict) -> Result<()> {
        let options = scan::Options { on_conflict, ..self.scan_options() };
        self.add_sources(&[Source::grafted(folder.as_ref(), rooted(to))], &options)
    }

    /// Adds a regular file of the host under this path. It is read when the volume is written, and must be the same then.
    pub fn add_file(&mut self, to: &str, file: impl AsRef<Path>, on_conflict: Conflict) -> Result<()> {
        let file = file.as_ref();
        let metadata = std::fs::metadata(file).map_err(Error::host("cannot read", file))?;
        if !metadata.is_file() {
            return Err(BuildError::NotFile { path: file.display().to_string() }.into());
        }
        self.place(to)?;
        let options = scan::Options { on_conflict, ..self.scan_options() };
        self.add_sources(&[Source::grafted(file, rooted(to.trim_end_matches('/')))], &options)
    }

    /// Adds whatever a scan of the host finds, with all that a scan can be asked for.
    pub fn add_sources(&mut self, sources: &[Source], options: &scan::Options) -> Result<()> {
        if options.extended_attributes {
            BuildError::unless_streams(self.revision())?;
        }
        self.change(|image| {
            let mut existing = Loader(image.disc.as_mut());
            let outcome = scan(&mut image.tree, &mut existing, sources, options, &image.progress)?;
            if image.defaults.is_strict
                && let Some(Warning::LeftOut { path, why }) =
                    outcome.warnings.iter().find(|warning| matches!(warning, Warning::LeftOut { .. }))
            {
                let (path, why) = (path.display().to_string(), why.clone());
                return Err(BuildError::SourceUnreadable { path, why }.into());
            }
            image.changes.add(&outcome);
            image.warnings.extend(outcome.warnings);
            Ok(())
        })
    }

    /// How the host is scanned unless something else is asked for.
    #[must_use]
    pub fn scan_options(&self) -> scan::Options {
        let made = self.defaults.directory_attributes();
        scan::Options { made, ..scan::Options::new(self.defaults.now) }
    }

    /// Adds a file of these bytes.
    pub fn add_bytes(&mut self, to: &str, bytes: impl Into<Vec<u8>>, on_conflict: Conflict) -> Result<()> {
        self.add_body(to, Body::Bytes(bytes.into()), on_conflict)
    }

    /// Adds a file of `size_bytes` bytes that can be read once. It is read when the volume is written; it can be written once.
    pub fn add_reader(
        &mut self,
        to: &str,
        size_bytes: u64,
        reader: impl Read + Send + 'static,
        on_conflict: Conflict,
    ) -> Result<()> {
        self.add_body(to, Body::once(to, size_bytes, reader)?, on_conflict)
    }

    /// Adds a file of `size_bytes` bytes that `open` opens whenever it is to be read from its beginning.
    pub fn add_opened(
        &mut self,
        to: &str,
        size_bytes: u64,
        open: impl Fn() -> std::io::Result<Box<dyn Read + Send>> + Send + Sync + 'static,
        on_conflict: Conflict,
    ) -> Result<()> {
        self.add_body(to, Body::reopened(to, size_bytes, open)?, on_conflict)
    }

    fn add_body(&mut self, to: &str, body: Body, on_conflict: Conflict) -> Result<()> {
        self.change(|image| {
            let content = body.content(&mut image.tree);
            image.add_item(to, Kind::File, content, on_conflict)
        })
    }

    /// Makes an empty directory. The one that it is in must be there.
    pub fn create_directory(&mut self, to: &str) -> Result<()> {
        self.change(|image| {
            let place = image.place(to)?;
            if place.there.is_some() {
                return Err(BuildError::Exists { path: to.into() }.into());
            }
            let inode = image.tree.add_directory(image.defaults.directory_attributes());
            image.put(&place, inode, to).map(drop)
        })
    }

    /// Adds a symbolic link to `target`, which need not exist.
    pub fn add_symbolic_link(&mut self, to: &str, target: &str, on_conflict: Conflict) -> Result<()> {
        if target.is_empty() || udf::file::path_component::encode(target).is_none() {
            let why = format!("a link cannot lead to {target:?}");
            return Err(BuildError::InvalidPath { path: to.into(), why }.into());
        }
        self.change(|image| {
            let content = Content::Target(image.tree.add_text(target.as_bytes()));
            image.add_item(to, Kind::SymbolicLink, content, on_conflict)
        })
    }

    /// Adds a device node; `is_block` tells block from character devices.
    pub fn add_device(
        &mut self,
        to: &str,
        is_block: bool,
        major: u32,
        minor: u32,
        on_conflict: Conflict,
    ) -> Result<()> {
        let kind = if is_block { Kind::BlockDevice } else { Kind::CharacterDevice };
        self.change(|image| image.add_item(to, kind, Content::Device(major, minor), on_conflict))
    }

    fn add_item(&mut self, to: &str, kind: Kind, content: Content, on_conflict: Conflict) -> Result<()> {
        let place = self.place(to)?;
        if !self.makes_way(place.there, to, on_conflict)? {
            return Ok(());
        }
        let mode = if kind == Kind::SymbolicLink { 0o777 } else { 0o644 };
        let attributes = Attributes { mode, ..self.defaults.file_attributes() };
        let inode = self.tree.add_inode(kind, attributes, content);
        self.put(&place, inode, to).map(drop)
    }

    /// Whether what is there makes way: a directory only if it is empty.
    pub(super) fn makes_way(
        &mut self,
        there: Option<NodeId>,
        to: &str,
        on_conflict: Conflict,
    ) -> Result<bool> {
        let Some(there) = there else { return Ok(true) };
        match on_conflict {
            Conflict::Keep => Ok(false),
            Conflict::Error => Err(BuildError::Exists { path: to.into() }.into()),
            Conflict::Replace => {
                if self.tree.inode_of(there).kind == Kind::Directory {
                    self.load(there, to)?;
                    if !self.tree.children(there).is_empty() {
                        return Err(BuildError::DirectoryNotEmpty { path: to.into() }.into());
                    }
                }
                Ok(true)
            }
        }
    }

    pub(super) fn put(&mut self, place: &Place, inode: InodeId, to: &str) -> Result<NodeId> {
        self.touch(place.parent);
        if let Some(there) = place.there {
            // A node of its own: what the old one stands for is still counted by it.
            self.unlink(there);
        }
        let linked = self.tree.link(place.parent, &place.name, inode);
        linked.map_err(|_| BuildError::Exists { path: to.into() }.into())
    }
}

/// A path as the scan takes it.
fn rooted(path: &str) -> String {
    format!("/{}", path_names(path).collect::<Vec<_>>().join("/"))
}

/// The body of a file or a stream that the caller hands over. Small ones are read at once.
pub(super) enum Body {
    Bytes(Vec<u8>),
    Input(Input),
}

impl Body {
    /// Of a reader that can be read once; `path` is what it is told of by.
    pub(super) fn once(path: &str, size_bytes: u64, mut reader: impl Read + Send + 'static) -> Result<Self> {
        if size_bytes > KEPT_UP_TO_BYTES {
            return Ok(Self::Input(Input::once(path, size_bytes, reader)));
        }
        read_small(path, size_bytes, &mut reader).map(Self::Bytes)
    }

    /// Of what `open` opens as often as it is asked to.
    pub(super) fn reopened(
        path: &str,
        size_bytes: u64,
        open: impl Fn() -> std::io::Result<Box<dyn Read + Send>> + Send + Sync + 'static,
    ) -> Result<Self> {
        if size_bytes > KEPT_UP_TO_BYTES {
            return Ok(Self::Input(Input::reopened(path, size_bytes, open)));
        }
        let mut reader = open().map_err(Error::host("cannot read", path))?;
        read_small(path, size_bytes, &mut reader).map(Self::Bytes)
    }

    pub(super) fn content(self, tree: &mut Tree) -> Content {
        match self {
            Self::Bytes(bytes) => tree.add_body(bytes.into()),
            Self::Input(input) => tree.add_input(input),
        }
    }
}

/// All of a small body, which must be as long as it is said to be.
fn read_small(path: &str, size_bytes: u64, reader: &mut dyn Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut limited = reader.take(size_bytes + 1);
    limited.read_to_end(&mut bytes).map_err(Error::host("cannot read", path))?;
    if bytes.len() as u64 == size_bytes {
        return Ok(bytes);
    }
    let how = format!("{size_bytes} bytes were announced, and there are {} or more", bytes.len());
    Err(Error::DataStreamInconsistency { path: path.into(), how })
}
