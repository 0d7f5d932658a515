//! Goes through directories: lists some, looks at what is in them, hands that over in order.

use std::io;

use rayon::prelude::*;
use udf::general::text;

use super::host::Found;
use super::listing::Listing;
use super::naming::Given;
use super::record::Thing;
use super::{FileId, Scanner, Symlinks};
use crate::error::{Result, Warning};
use crate::tree::{HostDirectoryId, Kind, Name, NodeId};

/// How many directories are listed, and so open, at a time.
const BATCH_DIRECTORIES: usize = 64;
/// How many names are looked at before what was found goes into the tree.
const BATCH_NAMES: usize = 4096;
/// Looking at fewer is not worth another thread.
const MIN_NAMES: usize = 32;

/// A directory that is still to be listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    node: NodeId,
    host: HostDirectoryId,
    /// It was reached by a symbolic link.
    linked: bool,
}

/// A directory that is being gone through.
#[derive(Debug)]
struct Opened {
    directory: Pending,
    listing: Listing,
    given: Given,
    /// Its path on the volume, if there are patterns to match, with `/` at its end and none at its beginning.
    path: Option<String>,
}

impl Scanner<'_> {
    /// Goes through all directories that are pending, and all below them.
    pub(super) fn walk(&mut self) -> Result<()> {
        while !self.pending.is_empty() {
            self.progress.check()?;
            let batch = self.pending.split_off(self.pending.len().saturating_sub(BATCH_DIRECTORIES));
            let mut opened = self.list(&batch);
            self.take(&mut opened)?;
        }
        Ok(())
    }

    fn list(&mut self, batch: &[Pending]) -> Vec<Opened> {
        let tree = &*self.tree;
        let list = |pending: &Pending| Listing::read(&tree.host_directory_path(pending.host), pending.linked);
        let listings: Vec<_> = batch.par_iter().map(list).collect();
        let mut opened = Vec::with_capacity(batch.len());
        for (directory, listing) in batch.iter().zip(listings) {
            match listing {
                Ok(listing) => {
                    self.mirror_directory(directory.node);
                    let path = (!self.options.exclude.is_empty()).then(|| self.filter_path(directory.node));
                    opened.push(Opened { directory: *directory, listing, given: Given::default(), path });
                }
                Err(error) => {
                    let path = self.tree.host_directory_path(directory.host);
                    let why = format!("the directory cannot be read: {error}");
                    self.outcome.warnings.push(Warning::LeftOut { path, why });
                }
            }
        }
        opened
    }

    fn filter_path(&self, directory: NodeId) -> String {
        let path = self.tree.path(directory);
        if path == "/" { String::new() } else { format!("{}/", &path[1..]) }
    }

    fn take(&mut self, opened: &mut [Opened]) -> Result<()> {
        let counts: Vec<_> = opened.iter().map(|opened| opened.listing.len()).collect();
        let mut names =
            counts.iter().enumerate().flat_map(|(at, count)| (0..*count).map(move |name| (at, name)));
        loop {
            let batch: Vec<_> = names.by_ref().take(BATCH_NAMES).collect();
            if batch.is_empty() {
                return Ok(());
            }
            self.progress.check()?;
            let (all, options) = (&*opened, self.options);
            let look = |&(at, name): &(usize, usize)| all[at].listing.look(name, options);
            let found: Vec<_> = batch.par_iter().with_min_len(MIN_NAMES).map(look).collect();
            for (&(at, name), found) in batch.iter().zip(found) {
                self.entry(&mut opened[at], name, found)?;
            }
            self.progress.add_files(batch.len() as u64);
        }
    }

    fn entry(&mut self, opened: &mut Opened, index: usize, found: io::Result<Found>) -> Result<()> {
        let Opened { directory, listing, given, path } = opened;
        let (parent, host_name) = (directory.node, listing.name(index));
        let naming = self.name_for(parent, host_name, given, |name| listing.contains(name));
        self.see(parent, &naming.name);
        let thing = Thing { parent, naming: &naming, host: directory.host, host_name };
        // What cannot be looked at may be a directory: who excludes one does not want to hear that it is closed.
        let may_be_directory = found.as_ref().ok().is_none_or(|found| found.body.kind() == Kind::Directory);
        if let Some(path) = path
            && self.is_excluded(path, &naming.name, may_be_directory)
        {
            return Ok(());
        }
        let found = match found {
            Err(error) => {
                self.left_out(&thing, &error.to_string());
                return Ok(());
            }
            Ok(found) if may_be_directory && self.is_loop(parent, found.id) => {
                self.left_out(&thing, "symbolic links lead from it to itself");
                return Ok(());
            }
            Ok(found) => found,
        };
        let (id, linked) = (found.id, found.linked);
        if let Some(node) = self.record(&thing, found)? {
            let name = self.stored(node, host_name);
            let host = self.tree.add_host_subdirectory(directory.host, name);
            self.enter(node, host, id, linked);
        }
        Ok(())
    }

    /// Whether something is excluded by its name in the directory of this path, which is left as it was.
    fn is_excluded(&self, path: &mut String, name: &Name, is_directory: bool) -> bool {
        let end = path.len();
        path.push_str(&text::decode_lossy(name.as_bytes()));
        let is_excluded = self.options.exclude.excludes(&*path, is_directory);
        path.truncate(end);
        is_excluded
    }

    /// Puts a directory on the list of those to go through, unless another file system begins there.
    pub(super) fn enter(&mut self, node: NodeId, host: HostDirectoryId, id: FileId, linked: bool) {
        if self.options.one_file_system && id.device != self.device {
            let path = self.tree.host_directory_path(host);
            self.note(format!("{path:?} is another file system, and recorded as an empty directory"));
            return;
        }
        if self.options.symlinks == Symlinks::Follow {
            self.trail.insert(node, id);
        }
        self.pending.push(Pending { node, host, linked });
    }

    /// Whether a directory is one of those that lead to it.
    fn is_loop(&self, parent: NodeId, id: FileId) -> bool {
        // Nothing is on the trail above the source, or if links are not followed.
        let up = std::iter::successors(Some(parent), |node| Some(self.tree.node(*node).parent));
        up.map_while(|node| self.trail.get(&node)).take(self.trail.len()).any(|seen| *seen == id)
    }
}
