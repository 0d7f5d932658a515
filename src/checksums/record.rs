//! Has a tree hold the checksums of its files: those of new files calculated, those of kept ones carried over.

use std::collections::HashMap;

use rayon::prelude::*;
use udf::general::LongAd;
use udf::read::{Entry, ReadAt, Volume};

use super::{Algorithm, Checksum, Checksums, FILE_NAMES, PART_BYTES, recorded};
use crate::error::{Error, Result, Warning};
use crate::progress::Progress;
use crate::session::kind_of;
use crate::stream::{SourceBodies, StreamOptions};
use crate::tree::{Attributes, Content, InodeId, Kind, Name, NodeId, Tree};

/// What became of it.
#[derive(Debug)]
pub struct Recorded {
    /// The directory whose names changed by it, the root: to be told to the end of an import.
    pub directory: NodeId,
    /// What there was to tell of the sources. It is told once more when they are written, if that is still so.
    pub warnings: Vec<Warning>,
}

/// Puts the list into the root directory, in place of the one that is there. `volume` is the session that was imported: files
/// that it keeps are not read again if it has checksums of this kind.
///
/// New files are read for that, once more than to write them; if one changes in between, the list tells so when it is verified.
/// Bodies that can be read but once cannot have a checksum, and are an error.
pub fn record<R: ReadAt>(
    tree: &mut Tree,
    volume: Option<&Volume<R>>,
    algorithm: Algorithm,
    attributes: Attributes,
    options: &StreamOptions,
    progress: &Progress,
) -> Result<Recorded> {
    let old = match volume.map(recorded).transpose() {
        // What cannot be used is replaced.
        Err(Error::Refused { .. }) => None,
        read => read?.flatten().filter(|old| old.algorithm == algorithm),
    };
    let root = tree.root();
    let mut found = Found::default();
    let mut survey = Survey { tree, volume, old: old.as_ref(), found: &mut found, progress };
    survey.directory(root, String::new(), Some(String::new()))?;
    let Found { mut files, new, kept } = found;

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
        for (icb, paths) in kept {
            let checksum = of_entry(volume, &volume.entry(&icb)?, algorithm, progress)?;
            files.extend(paths.into_iter().map(|path| (path, checksum)));
        }
    }
    put(tree, &Checksums { algorithm, files }, attributes)?;
    Ok(Recorded { directory: root, warnings })
}

/// The checksum of a file of a volume.
pub(super) fn of_entry<R: ReadAt>(
    volume: &Volume<R>,
    entry: &Entry,
    algorithm: Algorithm,
    progress: &Progress,
) -> Result<Checksum> {
    let mut hasher = algorithm.hasher();
    let body = volume.body(entry)?;
    let mut part = vec![0; usize::try_from(body.len()).unwrap_or(usize::MAX).min(PART_BYTES)];
    let mut at_bytes = 0;
    while at_bytes < body.len() {
        progress.check()?;
        let count = body.read(at_bytes, &mut part)?;
        hasher.add(&part[..count]);
        at_bytes += count as u64;
        progress.add_bytes(count as u64);
    }
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
    files: std::collections::BTreeMap<String, Checksum>,
    /// New files, each with all its paths.
    new: HashMap<InodeId, Vec<String>>,
    /// Files of the volume of which there is no checksum.
    kept: Vec<(LongAd, Vec<String>)>,
}

struct Survey<'a, R> {
    tree: &'a Tree,
    volume: Option<&'a Volume<R>>,
    old: Option<&'a Checksums>,
    found: &'a mut Found,
    progress: &'a Progress,
}

impl<R: ReadAt> Survey<'_, R> {
    /// Goes through a directory; `old_path` is where it was in the session that was imported, if it was there.
    fn directory(&mut self, node: NodeId, path: String, old_path: Option<String>) -> Result<()> {
        let mut stack = vec![(node, path, old_path)];
        let mut seen: HashMap<InodeId, (bool, usize)> = HashMap::new();
        while let Some((node, path, old_path)) = stack.pop() {
            self.progress.check()?;
            if matches!(self.tree.inode_of(node).content, Content::None) {
                self.unread(node, &path, old_path.as_deref())?;
                continue;
            }
            for child in self.tree.children(node) {
                let name = self.tree.name_text(*child);
                let child_path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
                let inode = self.tree.inode_of(*child);
                let child_old = inode.kept.and_then(|_| {
                    let moved =
                        self.tree.moved_from(*child).map(|from| from.trim_start_matches('/').to_owned());
                    moved.or_else(|| {
                        let old = old_path.as_ref()?;
                        Some(if old.is_empty() { name } else { format!("{old}/{name}") })
                    })
                });
                if inode.kind == Kind::Directory {
                    stack.push((*child, child_path, child_old));
                } else if !FILE_NAMES.contains(&child_path.as_str()) {
                    self.file(*child, child_path, child_old.as_deref(), &mut seen)?;
                }
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        node: NodeId,
        path: String,
        old_path: Option<&str>,
        seen: &mut HashMap<InodeId, (bool, usize)>,
    ) -> Result<()> {
        let id = self.tree.node(node).inode;
        let inode = self.tree.inode(id);
        let Some(kept) = inode.kept else {
            if inode.kind == Kind::File {
                self.found.new.entry(id).or_default().push(path);
            }
            return Ok(());
        };
        let known = self.old.zip(old_path).and_then(|(old, path)| old.files.get(path));
        if let Some(checksum) = known {
            self.found.files.insert(path, *checksum);
            return Ok(());
        }
        if let Some((is_file, at)) = seen.get(&id) {
            if *is_file {
                self.found.kept[*at].1.push(path);
            }
            return Ok(());
        }
        let Some(volume) = self.volume else { return Ok(()) };
        // A tree knows files of a volume, and not of which kind they are.
        let icb = LongAd::icb(kept.icb_bytes, kept.icb, 0);
        let is_file = kind_of(volume.entry(&icb)?.kind) == Some(Kind::File);
        seen.insert(id, (is_file, self.found.kept.len()));
        if is_file {
            self.found.kept.push((icb, vec![path]));
        }
        Ok(())
    }

    /// A directory that nobody has looked into, so that all below it is as it was.
    fn unread(&mut self, node: NodeId, path: &str, old_path: Option<&str>) -> Result<()> {
        let joined = |below: &str| if path.is_empty() { below.to_owned() } else { format!("{path}/{below}") };
        if let Some((old, old_path)) = self.old.zip(old_path) {
            self.found.files.extend(old.below(old_path).map(|(below, checksum)| (joined(below), checksum)));
            return Ok(());
        }
        let (Some(volume), Some(kept)) = (self.volume, self.tree.inode_of(node).kept) else { return Ok(()) };
        let entry = volume.entry(&LongAd::icb(kept.icb_bytes, kept.icb, 0))?;
        for step in volume.walk(&entry) {
            let (below, name, entry) = step.map_err(|error| Error::Volume(error.error))?;
            if kind_of(entry.kind) == Some(Kind::File) {
                self.found.kept.push((name.icb, vec![joined(&below)]));
            }
        }
        Ok(())
    }
}
