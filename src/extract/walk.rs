//! From directory to directory: what is there is made by many threads, directory by directory and batch by batch.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rayon::Scope;
use udf::BlockAddress;
use udf::general::LongAd;
use udf::read::{DirectoryEntry, Entry, ReadAt, Volume};

use super::Options;
use super::attributes::Attributes;
use super::folders::{FolderId, Folders, Made};
use super::item::Place;
use super::links::Links;
use super::names::Names;
use super::trouble::Trouble;
use crate::error::{Error, Result, Warning};
use crate::progress::Progress;

/// Files that a thread takes at once: enough to share a directory of many, few enough to share one of some.
const BATCH: usize = 128;
/// Batches that wait at most, so that a directory of millions is not held in memory.
const MAX_PENDING: usize = 64;

/// The work and how far it is.
#[derive(Debug)]
pub(crate) struct Extraction<'a, R> {
    pub(crate) volume: &'a Volume<R>,
    pub(crate) image: Option<&'a File>,
    pub(crate) options: &'a Options,
    pub(crate) progress: &'a Progress,
    pub(crate) folders: &'a Folders,
    pub(crate) links: Links,
    /// Bytes of the files so far, holes among them.
    pub(crate) file_bytes: &'a AtomicU64,
    /// Files and directories with named streams, which hosts have no place for.
    with_streams: AtomicU64,
    /// Until the kernel says that it cannot.
    pub(crate) kernel_copies: AtomicBool,
    /// Directories of the volume that have been seen: each has one place only, whatever a damaged volume says.
    seen: Mutex<HashSet<BlockAddress>>,
    warnings: Mutex<Vec<Warning>>,
    failure: OnceLock<Error>,
    pending: AtomicUsize,
}

/// A name given, and the ICB to make it of.
type Named = (String, LongAd);

impl<'a, R: ReadAt> Extraction<'a, R> {
    pub(crate) fn new(
        volume: &'a Volume<R>,
        image: Option<&'a File>,
        folders: &'a Folders,
        options: &'a Options,
        progress: &'a Progress,
        file_bytes: &'a AtomicU64,
    ) -> Self {
        Self {
            volume,
            image,
            options,
            progress,
            folders,
            links: Links::default(),
            file_bytes,
            with_streams: AtomicU64::new(0),
            kernel_copies: AtomicBool::new(image.is_some()),
            seen: Mutex::default(),
            warnings: Mutex::default(),
            failure: OnceLock::new(),
            pending: AtomicUsize::new(0),
        }
    }

    /// Extracts all there is; the folder itself takes the root's attributes if it is fresh.
    pub(crate) fn everything<'s>(&'s self, scope: &Scope<'s>, is_fresh: bool) -> Result<()> {
        let root = self.volume.root()?;
        if is_fresh {
            self.folders.set_attributes(FolderId::TOP, self.attributes(&root));
        }
        self.is_first_visit(&root);
        self.directory(scope, FolderId::TOP, &root);
        Ok(())
    }

    /// Extracts some paths, if they are all there.
    pub(crate) fn selected<'s>(&'s self, scope: &Scope<'s>, paths: &[String]) -> Result<()> {
        let mut chains = Vec::new();
        for names in outermost(paths) {
            chains.push(self.resolve(&names)?);
        }
        for mut chain in chains {
            let Some(last) = chain.pop() else { return self.everything(scope, false) };
            if let Some(parent) = self.parents(&chain) {
                let name = self.host_name(parent, &mut Names::default(), &last);
                self.batch(scope, parent, &[(name, last.icb)]);
            }
        }
        Ok(())
    }

    /// The directory entries along a path, from the root's on; `NotFound` where it ends too early.
    fn resolve(&self, names: &[&str]) -> udf::Result<Vec<DirectoryEntry>> {
        let mut directory = self.volume.root()?;
        let mut chain: Vec<DirectoryEntry> = Vec::new();
        for name in names {
            if let Some(above) = chain.last() {
                directory = self.volume.entry(&above.icb)?;
            }
            let path = || format!("/{}", names.join("/"));
            if !directory.is_directory() {
                return Err(udf::Error::NotADirectory(path()));
            }
            chain.push(self.volume.child(&directory, name)?.ok_or_else(|| udf::Error::NotFound(path()))?);
        }
        Ok(chain)
    }

    /// Makes the directories on the way to something selected; only new ones take attributes.
    fn parents(&self, chain: &[DirectoryEntry]) -> Option<FolderId> {
        let mut at = FolderId::TOP;
        for found in chain {
            let name = self.host_name(at, &mut Names::default(), found);
            let made = self.folders.open(at).map_err(|error| self.host_trouble("cannot open", at, error));
            let made = made.and_then(|host| {
                let entry = self.volume.entry(&found.icb)?;
                let made = self.folders.make(at, host.as_fd(), &name, self.options.replace);
                let (id, made) = made.map_err(|error| self.host_trouble("cannot make", at, error))?;
                if made == Made::New {
                    self.folders.set_attributes(id, self.attributes(&entry));
                }
                Ok(id)
            });
            at = self.told(made, || self.folders.path(at, &name))?;
        }
        Some(at)
    }

    /// Extracts what is in a directory of the volume.
    pub(crate) fn directory<'s>(&'s self, scope: &Scope<'s>, id: FolderId, entry: &Entry) {
        let mut names = Names::default();
        let mut batch: Vec<Named> = Vec::new();
        let listing = self.volume.directory(entry).map_err(Trouble::from);
        let Some(listing) = self.told(listing, || self.folders.path(id, "")) else { return };
        for found in listing.live() {
            if self.is_over() {
                return;
            }
            let found = found.map_err(|error| Trouble::Here(format!("some of its files: {error}")));
            let Some(found) = self.told(found, || self.folders.path(id, "")) else { continue };
            batch.push((self.host_name(id, &mut names, &found), found.icb));
            if batch.len() == BATCH {
                let full = std::mem::take(&mut batch);
                if self.pending.fetch_add(1, Ordering::Relaxed) < MAX_PENDING {
                    scope.spawn(move |scope| {
                        self.batch(scope, id, &full);
                        self.pending.fetch_sub(1, Ordering::Relaxed);
                    });
                } else {
                    self.batch(scope, id, &full);
                    self.pending.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
        self.batch(scope, id, &batch);
    }

    /// Makes some things in one directory.
    fn batch<'s>(&'s self, scope: &Scope<'s>, id: FolderId, batch: &[Named]) {
        if batch.is_empty() {
            return;
        }
        let host = self.folders.open(id).map_err(|error| self.host_trouble("cannot open", id, error));
        let Some(host) = self.told(host, || self.folders.path(id, "")) else { return };
        for (name, icb) in batch {
            if self.is_over() {
                return;
            }
            let place = Place { folder: id, host: host.as_fd(), name };
            self.told(self.item(scope, place, icb), || self.folders.path(id, name));
            self.progress.add_files(1);
        }
    }

    /// The name for something on the host; a warning if it is another than on the volume.
    fn host_name(&self, id: FolderId, names: &mut Names, found: &DirectoryEntry) -> String {
        let name = names.take(&found.name);
        if let Some(why) = name.changed {
            let path = self.folders.path(id, "").join(found.name_text().trim_start_matches('/'));
            self.warn(Warning::NameChanged { path, why: why.into(), recorded: name.text.clone() });
        }
        name.text
    }

    /// Whether a directory of the volume has not been seen before. Otherwise it is in itself, or in two places.
    pub(crate) fn is_first_visit(&self, directory: &Entry) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(directory.icb)
    }

    pub(crate) fn attributes(&self, entry: &Entry) -> Attributes {
        Attributes::of(entry, self.options.same_owner)
    }

    pub(crate) fn host_trouble(
        &self,
        action: &'static str,
        id: FolderId,
        error: rustix::io::Errno,
    ) -> Trouble {
        Trouble::host(action, &self.folders.path(id, ""), error)
    }

    /// Counts what is left behind of an entry.
    pub(crate) fn note_streams(&self, entry: &Entry) {
        if entry.stream_directory.is_some() {
            self.with_streams.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether named streams of files are extracted with them.
    pub(crate) fn takes_streams(&self) -> bool {
        self.options.extended_attributes
    }

    pub(crate) fn warn(&self, warning: Warning) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(warning);
    }

    /// Notes what went wrong, and with what.
    pub(crate) fn told<T>(&self, result: Result<T, Trouble>, path: impl FnOnce() -> PathBuf) -> Option<T> {
        match result {
            Ok(value) => return Some(value),
            Err(Trouble::Here(why)) => self.warn(Warning::LeftOut { path: path(), why }),
            // The first is the cause of the others.
            Err(Trouble::Everywhere(error)) => drop(self.failure.set(error)),
        }
        None
    }

    /// Takes what there was to warn of so far, for those who tell it by themselves.
    pub(crate) fn take_warnings(&self) -> Vec<Warning> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.failure.get().is_some() || self.progress.check().is_err()
    }

    /// Gives directories their attributes, now that all in them is made.
    pub(crate) fn set_directory_attributes(&self) {
        if self.is_over() {
            return;
        }
        for (id, attributes) in self.folders.take_attributes() {
            let set = self.folders.open_itself(id).and_then(|folder| attributes.set(folder.as_fd()));
            self.not_restored(set, || self.folders.path(id, ""));
        }
    }

    /// Makes the links, gives directories their attributes, and tells how it went.
    pub(crate) fn finish(mut self) -> Result<Vec<Warning>> {
        self.link();
        self.set_directory_attributes();
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        self.progress.check()?;
        let mut warnings = self.warnings.into_inner().unwrap_or_else(PoisonError::into_inner);
        let with_streams = self.with_streams.into_inner();
        if with_streams > 0 {
            warnings.push(Warning::Note(format!(
                "{with_streams} of them have named streams, which are not extracted: see ls --streams and cat --stream"
            )));
        }
        // Threads are not in step; people and tests like an order.
        warnings.sort();
        Ok(warnings)
    }
}

/// The names of each path, less the paths that are below another one.
fn outermost(paths: &[String]) -> Vec<Vec<&str>> {
    let mut all: Vec<Vec<&str>> = paths.iter().map(|path| names(path)).collect();
    all.sort();
    // In this order a path comes right before those below it.
    all.dedup_by(|later, earlier| later.starts_with(earlier));
    all
}

fn names(path: &str) -> Vec<&str> {
    path.split('/').filter(|name| !matches!(*name, "" | ".")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_below_others_are_done_with_them() {
        let paths = ["/b/c", "a", "./a/x", "b/c/d/e", "ab", "a/"].map(String::from);
        assert_eq!(outermost(&paths), [vec!["a"], vec!["ab"], vec!["b", "c"]]);
        assert_eq!(outermost(&["x".into(), "/".into()]), [Vec::<&str>::new()]);
    }
}
