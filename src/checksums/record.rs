//! Has a tree hold the checksums of its files: those of new files calculated, those of kept ones carried over.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use udf::BlockAddress;
use udf::general::LongAd;
use udf::read::{Entry, ReadAt, Volume};

use super::{Algorithm, Checksum, Checksums, FILE_NAMES, PART_BYTES, each_part, recorded};
use crate::error::{Error, Result, Warning};
use crate::progress::Progress;
use crate::session::kind_of;
use crate::stream::{SourceBodies, StreamOptions};
use crate::tree::{Attributes, Content, Inode, InodeId, Kept, Kind, Name, NodeId, Tree};

/// What became of it.
#[derive(Debug)]
pub struct Recorded {
    /// The directory whose names changed by it, the root: to be told to the end of an import.
    pub directory: NodeId,
    /// What there was to tell of the sources. It is told once more when they are written, if that is still so.
    pub warnings: Vec<Warning>,
}

/// Puts a list of the kind that is wanted into the root directory, in place of the one that is there; or, if none is wanted, one of the
/// kind that is there, and nothing if there is none. `volume` is the session that was imported: files that it keeps are not read
/// again if it has checksums of this kind.
///
/// New files are read for that, once more than to write them; if one changes in between, the list tells so when it is verified.
/// Bodies that can be read but once cannot have a checksum, and are an error.
pub fn record<R: ReadAt>(
    tree: &mut Tree,
    volume: Option<&Volume<R>>,
    wanted: Option<Algorithm>,
    attributes: Attributes,
    options: &StreamOptions,
    progress: &Progress,
) -> Result<Option<Recorded>> {
    let root = tree.root();
    let mut names = FILE_NAMES.iter().filter_map(|name| Name::new(name).ok());
    // A large root directory is not searched on the volume for what is not in the tree.
    let is_there = names.any(|name| tree.child(root, &name).is_some());
    let old = match volume.filter(|_| wanted.is_some() || is_there).map(recorded).transpose() {
        // What cannot be used is replaced, if another is wanted.
        Err(Error::Refused { .. }) if wanted.is_some() => None,
        read => read?.flatten(),
    };
    let Some(algorithm) = wanted.or(old.as_ref().map(|old| old.algorithm)) else { return Ok(None) };
    let old = old.filter(|old| old.algorithm == algorithm);
    let Found { mut files, new, kept } = Found::survey(tree, volume, old.as_ref(), progress)?;

    let bodies = SourceBodies::new(tree, options);
    let of_new = new.par_iter().map(|(inode, paths)| {
        progress.check()?;
        let mut hasher = algorithm.hasher();
        bodies.read(*inode, PART_BYTES, &mut |part| {
            hasher.add(part);
            progress.add_bytes(part.len() as u64);
        })?;
        Ok((paths, hasher.finish()))
    });
    for (paths, checksum) in of_new.collect::<Result<Vec<_>>>()? {
        files.extend(paths.iter().map(|path| (path.clone(), checksum)));
    }
    let warnings = bodies.finish();
    if let Some(volume) = volume {
        for (icb, paths) in kept.into_values() {
            let entry = volume.entry(&icb)?;
            // A tree knows files of a volume, and not of which kind they are.
            if kind_of(entry.kind) == Some(Kind::File) {
                let checksum = of_entry(volume, &entry, algorithm, progress)?;
                files.extend(paths.into_iter().map(|path| (path, checksum)));
            }
        }
    }
    put(tree, &Checksums { algorithm, files }, attributes)?;
    Ok(Some(Recorded { directory: root, warnings }))
}

/// The checksum of a file of a volume.
pub(super) fn of_entry<R: ReadAt>(
    volume: &Volume<R>,
    entry: &Entry,
    algorithm: Algorithm,
    progress: &Progress,
) -> Result<Checksum> {
    let mut hasher = algorithm.hasher();
    each_part(volume, entry, &mut |part| {
        hasher.add(part);
        progress.add_bytes(part.len() as u64);
        progress.check()
    })?;
    Ok(hasher.finish())
}

/// The list, in the place of whatever is there.
fn put(tree: &mut Tree, list: &Checksums, attributes: Attributes) -> Result<()> {
    let root = tree.root();
    let exists = |_| Error::Options(String::from("the list of checksums is there twice"));
    for algorithm in Algorithm::ALL {
        let name = Name::new(algorithm.file_name()).map_err(|fault| Error::Options(fault.to_string()))?;
        if let Some(there) = tree.child(root, &name) {
            tree.unlink(there);
        }
        if algorithm == list.algorithm {
            let content = tree.add_body(list.to_bytes().into());
            let inode = tree.add_inode(Kind::File, attributes, content);
            tree.link(root, &name, inode).map_err(exists)?;
        }
    }
    Ok(())
}

/// What was found in the tree.
#[derive(Default)]
struct Found {
    /// Whose checksums are known.
    files: BTreeMap<String, Checksum>,
    /// New files, each with all its paths.
    new: HashMap<InodeId, Vec<String>>,
    /// What of the volume there is no checksum of, and is no directory; each with all its paths.
    kept: BTreeMap<BlockAddress, (LongAd, Vec<String>)>,
}

impl Found {
    /// Goes through the whole tree.
    fn survey<R: ReadAt>(
        tree: &Tree,
        volume: Option<&Volume<R>>,
        old: Option<&Checksums>,
        progress: &Progress,
    ) -> Result<Self> {
        let mut found = Self::default();
        // A directory, its path, and the one that it had in the session that was imported, if it was there.
        let mut stack = vec![(tree.root(), String::new(), Some(String::new()))];
        while let Some((node, path, old_path)) = stack.pop() {
            progress.check()?;
            if let (Content::None, Some(kept)) = (tree.inode_of(node).content, tree.inode_of(node).kept) {
                found.unread(&kept, volume, &path, old.zip(old_path.as_deref()))?;
                continue;
            }
            for child in tree.children(node) {
                let name = tree.name_text(*child);
                let inode = tree.inode_of(*child);
                let child_path = joined(&path, &name);
                let moved = tree.moved_from(*child).map(|from| from.trim_start_matches('/').to_owned());
                let child_old = moved.or_else(|| Some(joined(old_path.as_ref()?, &name)));
                let child_old = child_old.filter(|_| inode.kept.is_some());
                if inode.kind == Kind::Directory {
                    stack.push((*child, child_path, child_old));
                } else if !FILE_NAMES.contains(&child_path.as_str()) {
                    found.file((tree.node(*child).inode, inode), child_path, old.zip(child_old.as_deref()));
                }
            }
        }
        Ok(found)
    }

    /// `old` is the old list, and the path there.
    fn file(&mut self, (id, inode): (InodeId, &Inode), path: String, old: Option<(&Checksums, &str)>) {
        match (inode.kept, old.and_then(|(old, path)| old.files.get(path))) {
            (Some(_), Some(checksum)) => _ = self.files.insert(path, *checksum),
            (Some(kept), None) => self.keep(kept.entry_icb(), path),
            (None, _) if inode.kind == Kind::File => self.new.entry(id).or_default().push(path),
            (None, _) => {}
        }
    }

    fn keep(&mut self, icb: LongAd, path: String) {
        self.kept.entry(icb.start()).or_insert((icb, Vec::new())).1.push(path);
    }

    /// A directory that nobody has looked into, so that all below it is as it was.
    fn unread<R: ReadAt>(
        &mut self,
        kept: &Kept,
        volume: Option<&Volume<R>>,
        path: &str,
        old: Option<(&Checksums, &str)>,
    ) -> Result<()> {
        if let Some((old, old_path)) = old {
            self.files.extend(old.below(old_path).map(|(below, checksum)| (joined(path, below), checksum)));
            return Ok(());
        }
        let Some(volume) = volume else { return Ok(()) };
        for step in volume.walk(&volume.entry(&kept.entry_icb())?) {
            let (below, name, entry) = step.map_err(|error| Error::Volume(error.error))?;
            if kind_of(entry.kind) == Some(Kind::File) {
                self.keep(name.icb, joined(path, &below));
            }
        }
        Ok(())
    }
}

/// A path below a directory.
pub(super) fn joined(directory: &str, below: &str) -> String {
    if directory.is_empty() { below.to_owned() } else { format!("{directory}/{below}") }
}
