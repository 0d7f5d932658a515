//! The directories of the host that are extracted into: opened from the top down, beneath it, through no symbolic link.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, unlinkat};
use rustix::io::Errno;

use super::attributes::Attributes;
use crate::error::{Error, Result};

/// Deeper than any path that a system call takes, and shallow enough to get at from the top each time.
const MAX_DEPTH: u32 = 10_000;
/// Paths for system calls are shorter than 4096 bytes.
const MAX_PATH_LEN: usize = 4000;

/// Which directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FolderId(u32);

impl FolderId {
    pub(crate) const TOP: Self = Self(0);
}

/// All directories that were made or joined.
///
/// None is kept open: there may be more of them than a process may have open files, and opening one again is one call.
#[derive(Debug)]
pub(crate) struct Folders {
    top: OwnedFd,
    list: Mutex<Vec<Folder>>,
    /// `openat2` is Linux 5.6 and some sandboxes forbid it.
    has_openat2: AtomicBool,
}

#[derive(Debug)]
struct Folder {
    parent: FolderId,
    name: Box<str>,
    depth: u32,
    /// What it will have when all in it is done.
    attributes: Option<Attributes>,
}

/// What became of a directory that was to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// It is new.
    New,
    /// It was there.
    Joined,
}

impl Folders {
    /// Begins at a directory, which is made if it is not there; and whether there was nothing in it.
    pub(crate) fn below(target: &Path) -> Result<(Self, bool)> {
        std::fs::create_dir_all(target).map_err(Error::host("cannot make the directory", target))?;
        // The one place where links count: the folder is the user's choice.
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat(CWD, target, flags, Mode::empty()).and_then(|top| Ok((is_empty(&top)?, top)));
        let (is_empty, top) =
            opened.map_err(|error| Error::host("cannot open the directory", target)(error.into()))?;
        let folder = Folder { parent: FolderId::TOP, name: "".into(), depth: 0, attributes: None };
        let folders = Self { top, list: Mutex::new(vec![folder]), has_openat2: AtomicBool::new(true) };
        Ok((folders, is_empty))
    }

    /// Makes a directory in `parent`, of which `host` is the descriptor, or joins the one that is there.
    ///
    /// Something else of that name is in the way, unless it is to be replaced.
    pub(crate) fn make(
        &self,
        parent: FolderId,
        host: BorrowedFd<'_>,
        name: &str,
        replace: bool,
    ) -> rustix::io::Result<(FolderId, Made)> {
        let made = match mkdirat(host, name, Mode::RWXU) {
            Ok(()) => Made::New,
            Err(Errno::EXIST) => match openat(host, name, DIRECTORY | OFlags::PATH, Mode::empty()) {
                Ok(_) => Made::Joined,
                Err(Errno::NOTDIR | Errno::LOOP) if replace => {
                    unlinkat(host, name, AtFlags::empty())?;
                    mkdirat(host, name, Mode::RWXU)?;
                    Made::New
                }
                Err(Errno::NOTDIR | Errno::LOOP) => return Err(Errno::EXIST),
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        };
        let mut list = self.list();
        let depth = list[parent.0 as usize].depth + 1;
        let id = u32::try_from(list.len()).map_err(|_| Errno::NOMEM)?;
        if depth > MAX_DEPTH {
            return Err(Errno::NAMETOOLONG);
        }
        list.push(Folder { parent, name: name.into(), depth, attributes: None });
        Ok((FolderId(id), made))
    }

    /// What a directory is to have when all in it is done.
    pub(crate) fn set_attributes(&self, id: FolderId, attributes: Attributes) {
        self.list()[id.0 as usize].attributes = Some(attributes);
    }

    /// Takes the directories that wait for their attributes, those within others first.
    pub(crate) fn take_attributes(&self) -> Vec<(FolderId, Attributes)> {
        let mut list = self.list();
        // A directory is entered in the list after the one that it is in.
        let ids = (0..).map(FolderId);
        let waiting =
            ids.zip(list.iter_mut()).filter_map(|(id, folder)| Some((id, folder.attributes.take()?)));
        let mut waiting: Vec<_> = waiting.collect();
        waiting.reverse();
        waiting
    }

    /// The path of a directory on the volume, or of a file in it.
    pub(crate) fn path(&self, id: FolderId, name: &str) -> PathBuf {
        let mut path = PathBuf::from("/");
        path.extend(self.names_to(id).iter().map(|name| &**name));
        if !name.is_empty() {
            path.push(name);
        }
        path
    }

    /// Opens a directory to make things in it.
    pub(crate) fn open(&self, id: FolderId) -> rustix::io::Result<OwnedFd> {
        self.open_as(id, DIRECTORY | OFlags::PATH)
    }

    /// Opens a directory to set its attributes.
    pub(crate) fn open_itself(&self, id: FolderId) -> rustix::io::Result<OwnedFd> {
        self.open_as(id, DIRECTORY)
    }

    fn open_as(&self, id: FolderId, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let names = self.names_to(id);
        let mut at = openat(&self.top, ".", flags, Mode::empty())?;
        if !self.has_openat2.load(Ordering::Relaxed) {
            return step_by_step(at, &names, flags);
        }
        let mut rest = &names[..];
        while !rest.is_empty() {
            let (path, count) = longest_path(rest);
            at = match openat2(&at, path, flags, Mode::empty(), BENEATH) {
                Ok(next) => next,
                Err(Errno::NOSYS | Errno::PERM) => {
                    self.has_openat2.store(false, Ordering::Relaxed);
                    return step_by_step(at, rest, flags);
                }
                Err(error) => return Err(error),
            };
            rest = &rest[count..];
        }
        Ok(at)
    }

    fn names_to(&self, id: FolderId) -> Vec<Box<str>> {
        let list = self.list();
        let mut names = Vec::new();
        let mut at = id;
        while at != FolderId::TOP {
            let folder = &list[at.0 as usize];
            names.push(folder.name.clone());
            at = folder.parent;
        }
        names.reverse();
        names
    }

    /// A thread that panicked left no half entry behind.
    fn list(&self) -> MutexGuard<'_, Vec<Folder>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

/// As many names, joined, as a system call takes.
fn longest_path(names: &[Box<str>]) -> (String, usize) {
    let mut path = String::from(&*names[0]);
    let mut count = 1;
    while let Some(name) = names.get(count).filter(|name| path.len() + name.len() < MAX_PATH_LEN) {
        path.push('/');
        path.push_str(name);
        count += 1;
    }
    (path, count)
}

fn step_by_step(mut at: OwnedFd, names: &[Box<str>], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    for name in names {
        at = openat(&at, &**name, flags, Mode::empty())?;
    }
    Ok(at)
}

fn is_empty(directory: &OwnedFd) -> rustix::io::Result<bool> {
    for entry in Dir::read_from(directory.as_fd())? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn make(folders: &Folders, parent: FolderId, name: &str) -> (FolderId, Made) {
        let host = folders.open(parent).unwrap();
        folders.make(parent, host.as_fd(), name, false).unwrap()
    }

    #[test]
    fn directories_are_made_joined_and_found_again_with_and_without_openat2() {
        let target = tempfile::tempdir().unwrap();
        let (folders, is_fresh) = Folders::below(&target.path().join("new")).unwrap();
        assert!(is_fresh);
        for has_openat2 in [true, false] {
            folders.has_openat2.store(has_openat2, Ordering::Relaxed);
            let made = if has_openat2 { Made::New } else { Made::Joined };
            let mut at = FolderId::TOP;
            for depth in 0..60 {
                let (next, how) = make(&folders, at, &format!("{depth:0>100}"));
                assert_eq!(how, made);
                at = next;
            }
            assert!(folders.open_itself(at).is_ok());
        }
        assert!(!Folders::below(&target.path().join("new")).unwrap().1);
    }

    #[test]
    fn links_are_neither_joined_nor_walked_through() {
        let target = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), target.path().join("link")).unwrap();
        let (folders, _) = Folders::below(target.path()).unwrap();
        let top = folders.open(FolderId::TOP).unwrap();
        assert_eq!(folders.make(FolderId::TOP, top.as_fd(), "link", false), Err(Errno::EXIST));
        let (real, _) = make(&folders, FolderId::TOP, "real");
        make(&folders, real, "below");
        std::fs::rename(target.path().join("real"), outside.path().join("real")).unwrap();
        symlink(outside.path().join("real"), target.path().join("real")).unwrap();
        for has_openat2 in [true, false] {
            folders.has_openat2.store(has_openat2, Ordering::Relaxed);
            assert!(folders.open(real).is_err());
            assert!(folders.open(FolderId(2)).is_err());
        }
        let (_, made) = folders.make(FolderId::TOP, top.as_fd(), "link", true).unwrap();
        assert_eq!(made, Made::New);
        assert!(target.path().join("link").symlink_metadata().unwrap().is_dir());
    }
}
