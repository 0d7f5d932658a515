//! Real folders, scanned; and what all of these tests are made with.

mod append;
mod host;
mod kinds;
mod merging;
mod names;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use udf::general::Moment;

use super::{NoSession, Options, Outcome, Source, scan};
use crate::error::{Result, Warning};
use crate::progress::Progress;
use crate::tree::{Attributes, Content, Kind, Name, NodeId, Tree};

/// A moment at which nothing happens but making directories for targets.
const NOW: Moment = Moment { microseconds: 2_000_000_000_000_000 };

/// A folder of the host that goes with its test.
struct Host(TempDir);

impl Host {
    /// A folder with files: `a/b=text` makes one and the directories on its way, `a/` a directory.
    fn new(entries: &[&str]) -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        for entry in entries {
            host.add(entry);
        }
        host
    }

    fn add(&self, entry: &str) {
        if let Some((path, text)) = entry.split_once('=') {
            std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
            std::fs::write(self.path(path), text).unwrap();
        } else {
            std::fs::create_dir_all(self.path(entry)).unwrap();
        }
    }

    fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(path)
    }

    fn bytes_path(&self, path: &[u8]) -> PathBuf {
        self.path(OsStr::from_bytes(path))
    }

    fn link(&self, path: &str, target: impl AsRef<Path>) {
        std::os::unix::fs::symlink(target, self.path(path)).unwrap();
    }

    fn source(&self) -> Source {
        Source::new(self.0.path())
    }
}

fn options() -> Options {
    Options::new(NOW)
}

fn try_scan(sources: &[Source], options: &Options) -> Result<(Tree, Outcome)> {
    let mut tree = Tree::new(Attributes::default());
    let outcome = scan(&mut tree, &mut NoSession, sources, options, &Progress::new())?;
    Ok((tree, outcome))
}

fn scanned(sources: &[Source], options: &Options) -> (Tree, Outcome) {
    try_scan(sources, options).unwrap()
}

/// What is at a path of the tree.
fn find(tree: &Tree, path: &str) -> Option<NodeId> {
    path.split('/')
        .filter(|name| !name.is_empty())
        .try_fold(tree.root(), |at, name| tree.child(at, &Name::new(name).unwrap()))
}

fn at(tree: &Tree, path: &str) -> NodeId {
    find(tree, path).unwrap_or_else(|| panic!("{path} is not in {:?}", paths(tree)))
}

/// Every path, directories with `/` at their end, files with `=` and what the host has for them, links with `->`.
fn paths(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    let mut stack = vec![tree.root()];
    while let Some(node) = stack.pop() {
        stack.extend(tree.children(node));
        if node == tree.root() {
            continue;
        }
        let inode = tree.inode_of(node);
        let what = match inode.content {
            _ if inode.kind == Kind::Directory => String::from("/"),
            Content::Host(file) => {
                format!("={}", std::fs::read_to_string(tree.host_path(&file)).unwrap_or_default())
            }
            Content::Target(target) => format!("->{}", String::from_utf8_lossy(tree.text(target))),
            _ => String::from("?"),
        };
        found.push(format!("{}{what}", &tree.path(node)[1..]));
    }
    found.sort_unstable();
    found
}

/// The paths of what was left out, and why.
fn left_out<'a>(outcome: &'a Outcome) -> Vec<(&'a Path, &'a str)> {
    let pair = |warning: &'a Warning| match warning {
        Warning::LeftOut { path, why } => Some((path.as_path(), why.as_str())),
        _ => None,
    };
    outcome.warnings.iter().filter_map(pair).collect()
}

/// Tells why a test cannot be made here, which must not go unnoticed.
fn skipped(reason: &str) {
    println!("SKIPPED: {reason}");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
