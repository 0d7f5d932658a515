//! From folders of the host to a [`Tree`]: the only reader of the host's names and attributes.
//!
//! Directories are listed and their entries looked at by all threads, in batches; what was found is put into the tree by one,
//! in the order of names. So the tree is the same however many threads there are, and what is held beside it is small.

#![allow(
    clippy::unnecessary_debug_formatting,
    reason = "names may hold what a terminal would take for a command"
)]

mod attributes;
mod conflict;
mod existing;
mod extended;
mod filter;
mod host;
mod link_target;
mod list;
mod listing;
mod mirror;
mod naming;
mod options;
mod record;
mod sparse;
mod tell;
#[cfg(test)]
mod tests;
mod top;
mod walk;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

pub use existing::{Existing, Facts, NoSession, Sameness};
pub(crate) use extended::{MOST_BYTES, PREFIX};
pub use filter::Filter;
pub use host::FileId;
pub use list::files_from;
pub use listing::open;
pub use options::{Conflict, OWN_NAMES, Options, Symlinks};

use crate::error::{Result, Warning};
use crate::progress::Progress;
use crate::tree::{HostDirectoryId, InodeId, NodeId, Tree};

/// Something of the host that is to be on the volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is on the host.
    pub path: PathBuf,
    /// Where it goes on the volume.
    ///
    /// Without: the contents of a directory go to the root, anything else goes there under its own name. With: a directory's
    /// contents go to the directory of this path, anything else gets this path; or, if that ends with `/`, goes into the
    /// directory of this path under its own name. Directories on the way are made: [`Options::made`].
    pub target: Option<PathBuf>,
    /// One of a list ([`files_from`]): nothing below it is taken, a symbolic link is what it is and not what it points to, it
    /// may be missing, and directories on the way look like the ones it lies in. Other sources are followed if they are
    /// links, and must be there.
    pub listed: bool,
}

impl Source {
    /// The contents of a directory, or a file, for the root.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), target: None, listed: false }
    }

    /// The contents of a directory, or a file, for a path of the volume.
    pub fn grafted(path: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        Self { target: Some(target.into()), ..Self::new(path) }
    }
}

/// What a scan did to the tree. Counts are of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What is worth telling, in the order in which it was met.
    pub warnings: Vec<Warning>,
    /// New names.
    pub added: u64,
    /// Names that now stand for something else.
    pub replaced: u64,
    /// Names that are no more. What was below a directory counts as far as it was loaded.
    pub removed: u64,
    /// Names of the sources that were there already and stay what they were; directories do not count.
    pub unchanged: u64,
    /// Directories of earlier sessions whose names or attributes are no longer what is recorded.
    pub changed_directories: BTreeSet<NodeId>,
    /// Inodes of earlier sessions, no directories, of which only the attributes are no longer what is recorded; they have the
    /// new ones. Their names are counted as replaced.
    pub changed_attributes: BTreeSet<InodeId>,
    /// New names of files that earlier sessions recorded, which stay what they are but for their number of names; and what
    /// each stood for when it was made, since something else may have replaced it.
    pub linked: Vec<(NodeId, InodeId)>,
}

/// Puts sources into a tree, one after the other: what comes later meets what came before as [`Options::on_conflict`] says.
///
/// What cannot be had, or cannot be kept as it is, becomes a warning; an error is a source that is not there, a conflict that
/// is not wanted, whatever `existing` cannot do, and cancellation.
pub fn scan(
    tree: &mut Tree,
    existing: &mut dyn Existing,
    sources: &[Source],
    options: &Options,
    progress: &Progress,
) -> Result<Outcome> {
    let mut scanner = Scanner {
        tree,
        existing,
        options,
        progress,
        outcome: Outcome::default(),
        hard_links: HashMap::new(),
        renamed: HashMap::new(),
        pending: Vec::new(),
        parent_of_last: None,
        trail: HashMap::new(),
        device: 0,
        mirror: mirror::Mirror::default(),
    };
    for source in sources {
        scanner.source(source)?;
        scanner.walk()?;
    }
    scanner.mirror()?;
    Ok(scanner.outcome)
}

/// A scan in the works.
struct Scanner<'a> {
    tree: &'a mut Tree,
    existing: &'a mut dyn Existing,
    options: &'a Options,
    progress: &'a Progress,
    outcome: Outcome,
    /// What files of several names became.
    hard_links: HashMap<FileId, InodeId>,
    /// Names of the host that could not be kept, by what has another name for it.
    renamed: HashMap<NodeId, Box<[u8]>>,
    /// Directories that are still to be listed.
    pending: Vec<walk::Pending>,
    /// Which directories of the host the source's directories are, to notice loops; only when links are followed.
    trail: HashMap<NodeId, FileId>,
    /// The directory that the source before was in: those of a list often share one.
    parent_of_last: Option<HostDirectoryId>,
    /// The file system of the source.
    device: u64,
    mirror: mirror::Mirror,
}
