//! Sources: what the user named, and the directories of the volume that lead to where it goes.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fd::AsFd;
use rustix::fs::OFlags;

use super::host::{Found, look};
use super::listing::open;
use super::naming::{Given, Naming};
use super::record::Thing;
use super::{Options, Scanner, Source, Symlinks};
use crate::error::{Error, Result, Warning};
use crate::tree::{Attributes, Kind, NodeId};

impl Scanner<'_> {
    /// Puts a source where it goes; what is below it is left pending.
    pub(super) fn source(&mut self, source: &Source) -> Result<()> {
        self.load(self.tree.root())?;
        self.trail.clear();
        let symlinks = if source.listed { self.options.symlinks } else { Symlinks::Follow };
        let found = match look_at(&source.path, symlinks, self.options) {
            Ok(found) => found,
            Err(error) if source.listed => {
                let warning = Warning::LeftOut { path: source.path.clone(), why: error.to_string() };
                self.outcome.warnings.push(warning);
                return Ok(());
            }
            Err(error) => return Err(Error::host("cannot read", &source.path)(error)),
        };
        self.progress.add_files(1);
        let is_directory = found.body.kind() == Kind::Directory;
        let names = destination(source, is_directory)?;
        let path: PathBuf = names.iter().map(|name| OsStr::from_bytes(name)).collect();
        // The root itself cannot be excluded: `*` and `!*.txt` leave it with some of its files.
        if !names.is_empty() && self.options.exclude.excludes_or_parents(path, is_directory) {
            return Ok(());
        }
        self.device = found.id.device;
        let (id, linked) = (found.id, true);
        if let Some(node) = self.graft(source, &names, found)?
            && !source.listed
        {
            let host = self.tree.add_host_directory(&source.path);
            self.enter(node, host, id, linked);
        }
        Ok(())
    }

    /// Makes the directories on the way and records the source itself; if that is a directory, the node is returned.
    fn graft(&mut self, source: &Source, names: &[Vec<u8>], found: Found) -> Result<Option<NodeId>> {
        let Some((last, way)) = names.split_last() else {
            self.impose(self.tree.root(), found.attributes);
            return Ok(Some(self.tree.root()));
        };
        let (host_path, host_name) = split(&source.path);
        let host = match self.parent_of_last {
            Some(last) if self.tree.host_directory_path(last) == host_path => last,
            _ => self.tree.add_host_directory(host_path),
        };
        self.parent_of_last = Some(host);
        let mut parent = self.tree.root();
        for (depth, name) in way.iter().enumerate() {
            let naming = self.name_on_the_way(parent, name);
            let thing = Thing { parent, naming: &naming, host, host_name };
            let attributes = self.attributes_on_the_way(source, names.len() - 1 - depth);
            let Some(node) = self.record_directory(&thing, attributes, false)? else { return Ok(None) };
            parent = node;
        }
        let naming = self.name_on_the_way(parent, last);
        self.record(&Thing { parent, naming: &naming, host, host_name }, found)
    }

    fn name_on_the_way(&mut self, parent: NodeId, name: &[u8]) -> Naming {
        let naming = self.name_for(parent, name, &mut Given::default(), |_| false);
        self.see(parent, &naming.name);
        naming
    }

    /// Attributes for a directory that is made so many levels above a source.
    fn attributes_on_the_way(&self, source: &Source, levels: usize) -> Attributes {
        let above = source.path.ancestors().nth(levels).filter(|_| source.listed);
        let found = above.and_then(|path| look_at(path, Symlinks::Follow, self.options).ok());
        match found {
            Some(found) if found.body.kind() == Kind::Directory => found.attributes,
            _ => self.options.adapt(Kind::Directory, self.options.made),
        }
    }
}

/// The names that lead to where a source goes.
fn destination(source: &Source, is_directory: bool) -> Result<Vec<Vec<u8>>> {
    let target = source.target.as_deref().unwrap_or(Path::new("/"));
    let mut names = Vec::new();
    for component in target.components() {
        match component {
            Component::Normal(name) => names.push(name.as_bytes().to_vec()),
            Component::ParentDir => {
                return Err(Error::Options(format!("{target:?}: a path on the volume cannot hold \"..\"")));
            }
            _ => {}
        }
    }
    if !is_directory && (names.is_empty() || target.as_os_str().as_bytes().ends_with(b"/")) {
        names.push(split(&source.path).1.to_vec());
    }
    Ok(names)
}

/// A path as a directory and a name in it.
fn split(path: &Path) -> (&Path, &[u8]) {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => (parent, name.as_bytes()),
        _ => (path, b"."),
    }
}

fn look_at(path: &Path, symlinks: Symlinks, options: &Options) -> io::Result<Found> {
    let (directory, name) = split(path);
    let directory = open(directory, OFlags::PATH | OFlags::DIRECTORY)?;
    look(directory.as_fd(), name, symlinks, options)
}
