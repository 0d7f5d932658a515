//! Walking a tree: every file below a directory, each directory before what is in it.

use alloc::{collections::BTreeSet, string::String, vec::Vec};

use super::ReadAt;
use super::directory::Directory;
use super::directory_entry::DirectoryEntry;
use super::entry::Entry;
use super::space::Space;
use crate::error::{Corrupt, Error, Fault, Result};
use crate::units::BlockAddress;

/// Directories within one another; paths of 4096 bytes, the most that Linux knows, have no more names.
const MAX_DEPTH: usize = 2048;

/// The files below a directory: path from there (`a/b`), file identifier and entry, depth first.
///
/// Errors do not end the walk; they tell the path. No directory is entered twice.
#[derive(Debug)]
pub struct Walk<'a, R> {
    space: &'a Space<R>,
    stack: Vec<Level<'a, R>>,
    path: String,
    entered: BTreeSet<BlockAddress>,
    /// Bytes that further directories may have: all together fit on the device unless they share blocks.
    room_bytes: u64,
    pending: Option<WalkError>,
}

#[derive(Debug)]
struct Level<'a, R> {
    directory: Directory<'a, R>,
    /// How much of the path leads here.
    path_bytes: usize,
}

/// What could not be read in a walk, and its path from where the walk began.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct WalkError {
    /// The file, or the directory in which there is a damaged file identifier.
    pub path: String,
    /// What is wrong.
    #[source]
    pub error: Error,
}

impl From<WalkError> for Error {
    fn from(failed: WalkError) -> Self {
        failed.error
    }
}

impl<'a, R: ReadAt> Walk<'a, R> {
    pub(super) fn new(space: &'a Space<R>, start: &Entry) -> Self {
        let mut walk = Self {
            space,
            stack: Vec::new(),
            path: String::new(),
            entered: BTreeSet::new(),
            room_bytes: space.device.size_bytes(),
            pending: None,
        };
        walk.enter(start);
        walk
    }

    /// Goes down into a directory; if it cannot, that is the next error.
    fn enter(&mut self, directory: &Entry) {
        match self.open(directory) {
            Ok(opened) => self.stack.push(Level { directory: opened, path_bytes: self.path.len() }),
            Err(error) => self.pending = Some(self.failed(error)),
        }
    }

    fn open(&mut self, entry: &Entry) -> Result<Directory<'a, R>> {
        let fault = |fault| Error::from(Corrupt::new("directory", entry.icb, fault));
        if !self.entered.insert(entry.icb) {
            return Err(fault(Fault::Loop("directories")));
        }
        if self.stack.len() >= MAX_DEPTH {
            let value = self.stack.len() as u64;
            return Err(fault(Fault::TooLarge {
                what: "directories in one another",
                value,
                limit: MAX_DEPTH as u64,
            }));
        }
        self.room_bytes = self.room_bytes.checked_sub(entry.size_bytes).ok_or_else(|| {
            fault(Fault::TooLarge {
                what: "bytes of directories",
                value: entry.size_bytes,
                limit: self.room_bytes,
            })
        })?;
        Directory::new(self.space, entry)
    }

    fn failed(&self, error: Error) -> WalkError {
        WalkError { path: self.path.clone(), error }
    }
}

impl<R: ReadAt> Iterator for Walk<'_, R> {
    type Item = Result<(String, DirectoryEntry, Entry), WalkError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.pending.take() {
            return Some(Err(error));
        }
        loop {
            let level = self.stack.last_mut()?;
            self.path.truncate(level.path_bytes);
            let child = match level.directory.next() {
                None => {
                    self.stack.pop();
                    continue;
                }
                Some(Ok(child)) if child.is_live() => child,
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Some(Err(self.failed(error))),
            };
            if !self.path.is_empty() {
                self.path.push('/');
            }
            self.path.push_str(&child.name_text());
            let entry = match self.space.entry(child.icb.start()) {
                Ok(entry) => entry,
                Err(error) => return Some(Err(self.failed(error))),
            };
            if entry.is_directory() {
                self.enter(&entry);
            }
            return Some(Ok((self.path.clone(), child, entry)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, HELLO, PARTITION, ROOT, SUB, length};
    use super::*;
    use crate::file::{AllocationForm, FileType, characteristics::DIRECTORY};
    use crate::general::{ExtentKind, ShortAd};
    use crate::units::BlockSize;
    use std::string::ToString;
    use zerocopy::IntoBytes;

    /// Paths; those of errors with a `!` before them.
    fn paths(fixture: &Fixture) -> Vec<String> {
        let volume = fixture.open();
        let root = volume.root().unwrap();
        let path = |item: Result<(String, _, _), WalkError>| match item {
            Ok((path, _, _)) => path,
            Err(failed) => std::format!("!{}", failed.path),
        };
        volume.walk(&root).map(path).collect()
    }

    #[test]
    fn every_file_comes_once_and_directories_come_first() {
        for fixture in [Fixture::plain(BlockSize::B2048), Fixture::with_metadata()] {
            assert_eq!(paths(&fixture), ["hello.txt", "holes", "sub", "sub/deep.txt", "日本"]);
        }
    }

    #[test]
    fn errors_tell_the_path_and_the_walk_goes_on() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        fixture.sector(PARTITION + HELLO)[40] ^= 1;
        assert_eq!(paths(&fixture), ["!hello.txt", "holes", "sub", "!sub/deep.txt", "日本"]);
        fixture.sector(PARTITION + SUB)[40] ^= 1;
        assert_eq!(paths(&fixture), ["!hello.txt", "holes", "!sub", "日本"]);
        let volume = fixture.open();
        let failed = volume.walk(&volume.root().unwrap()).find_map(Result::err).unwrap();
        assert!(failed.to_string().starts_with("hello.txt: "));
    }

    #[test]
    fn directories_within_themselves_are_entered_once() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        let body = fixture.names(ROOT, 7, &[("again", DIRECTORY, ROOT), ("sub", DIRECTORY, SUB)]);
        fixture.root(&body);
        let body = fixture.names(ROOT, SUB, &[("up", DIRECTORY, ROOT)]);
        let at = fixture.at(SUB);
        fixture.entry(at, FileType::DIRECTORY, AllocationForm::Embedded, body.len() as u64, &body);
        assert_eq!(paths(&fixture), ["again", "!again", "sub", "sub/up", "!sub/up"]);
    }

    #[test]
    fn directories_that_share_their_blocks_do_not_go_on_for_ever() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        let names: Vec<String> = (0..600).map(|number| number.to_string()).collect();
        let list: Vec<_> =
            (40..).zip(&names).map(|(block, name)| (name.as_str(), DIRECTORY, block)).collect();
        let body = fixture.names(ROOT, 7, &list);
        fixture.put_bytes(fixture.at(650), &body);
        let extent = ShortAd::new(ExtentKind::Recorded, length(&body), 650);
        for block in (40..640).chain([ROOT]) {
            let at = fixture.at(block);
            fixture.entry(
                at,
                FileType::DIRECTORY,
                AllocationForm::Short,
                body.len() as u64,
                extent.as_bytes(),
            );
        }
        let found = paths(&fixture);
        let size = fixture.image.len();
        assert!(found.len() < size / body.len() * 1300, "{} paths", found.len());
        assert!(found.iter().any(|path| path.starts_with('!')));
    }
}
