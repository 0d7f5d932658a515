//! Named streams of files, from 2.00 on: added from whatever a file may come from, listed, replaced, removed, and kept by
//! later sessions.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use udf::general::Moment;

use super::add::Body;
use super::{BuildError, Conflict, FileSystemImage, ItemInfo};
use crate::error::{Error, Result};
use crate::tree::{Attributes, Content, HostFile, InodeId, Kind, Name, NodeId, Tree, stream_name};

impl FileSystemImage<'_> {
    /// Gives a file a named stream: a file of the host, which is read when the volume is written, and must be the same then.
    ///
    /// A file may be an imported one; what it has already stays. Refused before 2.00, which has no streams
    /// ([`BuildError::StreamsNotSupported`]). `on_conflict` says what becomes of a stream that has the name already.
    pub fn add_stream_file(
        &mut self,
        path: &str,
        name: &str,
        file: impl AsRef<Path>,
        on_conflict: Conflict,
    ) -> Result<()> {
        let file = file.as_ref();
        let found = std::fs::metadata(file).map_err(Error::host("cannot read", file))?;
        let (Some(directory), Some(host_name), true) = (file.parent(), file.file_name(), found.is_file())
        else {
            return Err(BuildError::NotFile { path: file.display().to_string() }.into());
        };
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let nanoseconds = u32::try_from(found.mtime_nsec()).unwrap_or(0);
        let modified = Moment::from_unix(found.mtime(), nanoseconds);
        self.add_stream((path, name), Some(modified), on_conflict, |tree| {
            let directory = tree.add_host_directory(directory);
            let name = tree.add_text(host_name.as_encoded_bytes());
            Content::Host(HostFile { directory, name, size_bytes: found.len(), holes: None })
        })
    }

    /// Gives a file a named stream of these bytes.
    pub fn add_stream_bytes(
        &mut self,
        path: &str,
        name: &str,
        bytes: impl Into<Vec<u8>>,
        on_conflict: Conflict,
    ) -> Result<()> {
        let body = Body::Bytes(bytes.into());
        self.add_stream((path, name), None, on_conflict, |tree| body.content(tree))
    }

    /// Gives a file a named stream of `size_bytes` bytes that can be read once.
    pub fn add_stream_reader(
        &mut self,
        path: &str,
        name: &str,
        size_bytes: u64,
        reader: impl Read + Send + 'static,
        on_conflict: Conflict,
    ) -> Result<()> {
        let body = Body::once(&whole(path, name), size_bytes, reader)?;
        self.add_stream((path, name), None, on_conflict, |tree| body.content(tree))
    }

    /// Gives a file a named stream of `size_bytes` bytes that `open` opens whenever it is to be read from its beginning.
    pub fn add_stream_opened(
        &mut self,
        path: &str,
        name: &str,
        size_bytes: u64,
        open: impl Fn() -> std::io::Result<Box<dyn Read + Send>> + Send + Sync + 'static,
        on_conflict: Conflict,
    ) -> Result<()> {
        let body = Body::reopened(&whole(path, name), size_bytes, open)?;
        self.add_stream((path, name), None, on_conflict, |tree| body.content(tree))
    }

    /// The named streams of something, in the order of names.
    pub fn streams(&mut self, path: &str) -> Result<Vec<ItemInfo>> {
        let node = self.find(path)?;
        let Some(streams) = self.load_streams(node)? else { return Ok(Vec::new()) };
        self.tree.children(streams).to_vec().into_iter().map(|stream| self.info_of(stream)).collect()
    }

    /// Takes a named stream away from a file.
    pub fn remove_stream(&mut self, path: &str, name: &str) -> Result<()> {
        let not_found = || BuildError::NotFound { path: whole(path, name) };
        let wanted = Name::new(name).map_err(|_| not_found())?;
        self.change(|image| {
            let owner = image.find(path)?;
            let streams = image.load_streams(owner)?.ok_or_else(not_found)?;
            let stream = image.tree.child(streams, &wanted).ok_or_else(not_found)?;
            image.unlink(stream);
            let id = image.tree.node(owner).inode;
            if image.tree.children(streams).is_empty() && image.tree.inode_of(streams).kept.is_none() {
                image.tree.remove_streams(id);
            }
            image.entry_changes(owner, id)
        })
    }

    fn add_stream(
        &mut self,
        (path, name): (&str, &str),
        modified: Option<Moment>,
        on_conflict: Conflict,
        content: impl FnOnce(&mut Tree) -> Content,
    ) -> Result<()> {
        BuildError::unless_streams(self.revision())?;
        let legal = legal(path, name)?;
        self.change(|image| {
            let node = image.find(path)?;
            let id = image.tree.node(node).inode;
            if image.info_of(node)?.kind != Kind::File {
                return Err(BuildError::NotFile { path: path.into() }.into());
            }
            let there = image.load_streams(node)?.and_then(|streams| image.tree.child(streams, &legal));
            if !image.makes_way(there, &whole(path, name), on_conflict)? {
                return Ok(());
            }
            let streams = image.stream_directory(node)?;
            if let Some(there) = there {
                image.unlink(there);
            }
            let now = image.defaults.now;
            let attributes =
                Attributes { modified: modified.unwrap_or(now), ..image.defaults.file_attributes() };
            let created = attributes.created.min(attributes.modified);
            let content = content(&mut image.tree);
            let stream = image.tree.add_inode(Kind::File, Attributes { created, ..attributes }, content);
            image
                .tree
                .link(streams, &legal, stream)
                .map_err(|_| BuildError::Exists { path: whole(path, name) })?;
            image.entry_changes(node, id)
        })
    }

    /// The entry of a file that has other streams is recorded again.
    fn entry_changes(&mut self, node: NodeId, id: InodeId) -> Result<()> {
        if self.tree.inode(id).kept.is_some() {
            let attributes = self.attributes_of(node)?;
            self.changes.attributes(id);
            self.tree.set_attributes(id, attributes);
        }
        Ok(())
    }

    /// The directory of the streams of a file, to be changed.
    fn stream_directory(&mut self, node: NodeId) -> Result<NodeId> {
        if let Some(streams) = self.load_streams(node)? {
            self.touch(streams);
            return Ok(streams);
        }
        let id = self.tree.node(node).inode;
        let mut owner_unique_id = None;
        if let (Some(disc), Some(kept)) = (&self.disc, self.tree.inode(id).kept) {
            let entry = disc.import.volume().entry(&kept.entry_icb())?;
            if !entry.extended {
                // Others may write the smaller form, which has no field for streams, from 2.00 on, too.
                return Err(BuildError::StreamsNotSupported { revision: self.revision() }.into());
            }
            owner_unique_id = Some(entry.low_unique_id());
        }
        let directory = self.tree.add_directory(self.defaults.directory_attributes());
        Ok(self.tree.add_streams(id, node, directory, owner_unique_id))
    }

    /// The directory of something's streams, read if it was not yet. Reading is no change.
    fn load_streams(&mut self, node: NodeId) -> Result<Option<NodeId>> {
        let id = self.tree.node(node).inode;
        match &mut self.disc {
            Some(disc) => self.tree.without_journal(|tree| disc.import.load_streams(tree, id, node)),
            None => Ok(self.tree.streams(id).map(|streams| streams.node)),
        }
    }
}

/// How a stream is told of.
fn whole(path: &str, name: &str) -> String {
    format!("{path}:{name}")
}

fn legal(path: &str, name: &str) -> Result<Name, BuildError> {
    stream_name(name).map_err(|why| BuildError::InvalidPath { path: whole(path, name), why })
}
