//! One thing of a directory: a file, a directory, a link, a node. It is made new, or not at all.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use rayon::Scope;
use rustix::fs::{
    AtFlags, FileType as HostType, Mode, OFlags, linkat, makedev, mknodat, openat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use udf::file::FileType;
use udf::general::LongAd;
use udf::read::{Entry, ReadAt};

use super::folders::{FolderId, Made};
use super::links::HostPlace;
use super::trouble::Trouble;
use super::walk::Extraction;
use crate::error::Warning;

/// A name in an open directory of the host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'h> {
    pub(crate) folder: FolderId,
    pub(crate) host: BorrowedFd<'h>,
    pub(crate) name: &'h str,
}

impl Place<'_> {
    fn lasting(&self) -> HostPlace {
        HostPlace { folder: self.folder, name: self.name.into() }
    }
}

impl<R: ReadAt> Extraction<'_, R> {
    /// Makes what an ICB describes; what is in a directory is left to another task.
    pub(crate) fn item<'s>(
        &'s self,
        scope: &Scope<'s>,
        place: Place<'_>,
        icb: &LongAd,
    ) -> Result<(), Trouble> {
        let entry = self.volume.entry(icb)?;
        if !self.options.extended_attributes || entry.is_directory() {
            self.note_streams(&entry);
        }
        if entry.is_directory() {
            return self.subdirectory(scope, place, entry);
        }
        if self.links.claim(&entry, *icb, || place.lasting()) {
            let made = self.make(place, &entry);
            self.links.settle(&entry, made.is_ok().then(|| place.lasting()));
            made?;
        }
        Ok(())
    }

    fn subdirectory<'s>(&'s self, scope: &Scope<'s>, place: Place<'_>, entry: Entry) -> Result<(), Trouble> {
        if !self.is_first_visit(&entry) {
            return Err(Trouble::Here(
                "the volume is damaged: it has this directory in another place too".into(),
            ));
        }
        let made = self.folders.make(place.folder, place.host, place.name, self.options.replace);
        let (id, made) = made.map_err(|error| self.at(place, "cannot make", error))?;
        if made == Made::New || self.options.replace {
            self.folders.set_attributes(id, self.attributes(&entry));
        }
        scope.spawn(move |scope| self.directory(scope, id, &entry));
        Ok(())
    }

    pub(crate) fn make(&self, place: Place<'_>, entry: &Entry) -> Result<(), Trouble> {
        match entry.kind {
            FileType::REGULAR | FileType::REAL_TIME | FileType::UNSPECIFIED => self.file(place, entry),
            FileType::SYMBOLIC_LINK => self.symbolic_link(place, entry),
            FileType::FIFO => self.node(place, entry, HostType::Fifo),
            FileType::SOCKET => self.node(place, entry, HostType::Socket),
            FileType::BLOCK_DEVICE => self.node(place, entry, HostType::BlockDevice),
            FileType::CHARACTER_DEVICE => self.node(place, entry, HostType::CharacterDevice),
            FileType(kind) => Err(Trouble::Here(format!("files of type {kind} are not known"))),
        }
    }

    fn file(&self, place: Place<'_>, entry: &Entry) -> Result<(), Trouble> {
        let body = self.volume.body(entry)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = self.anew(place, || openat(place.host, place.name, flags, Mode::RUSR | Mode::WUSR))?;
        let file = File::from(file);
        self.fill(place, entry, &body, &file).inspect_err(|_| {
            // Half a file is worse than none; if it cannot be removed either, the error says enough.
            let _ = unlinkat(place.host, place.name, AtFlags::empty());
        })?;
        if self.options.extended_attributes {
            self.extended_attributes(place, entry, &file);
        }
        let set = self.attributes(entry).set(file.as_fd());
        self.not_restored(set, || self.folders.path(place.folder, place.name));
        Ok(())
    }

    fn symbolic_link(&self, place: Place<'_>, entry: &Entry) -> Result<(), Trouble> {
        let target = self.volume.symlink_target(entry)?;
        self.anew(place, || symlinkat(&*target, place.host, place.name))?;
        let set = self.attributes(entry).set_link(place.host, place.name);
        self.not_restored(set, || self.folders.path(place.folder, place.name));
        Ok(())
    }

    fn node(&self, place: Place<'_>, entry: &Entry, kind: HostType) -> Result<(), Trouble> {
        let is_device = matches!(kind, HostType::BlockDevice | HostType::CharacterDevice);
        let device = match entry.device {
            Some((major, minor)) if is_device => makedev(major, minor),
            None if is_device => {
                return Err(Trouble::Here("the volume does not say which device it is".into()));
            }
            _ => 0,
        };
        self.anew(place, || mknodat(place.host, place.name, kind, Mode::RUSR | Mode::WUSR, device))?;
        let set = self.attributes(entry).set_unopened(place.host, place.name);
        self.not_restored(set, || self.folders.path(place.folder, place.name));
        Ok(())
    }

    /// Makes something new; what is in the way is removed first, if it may be.
    fn anew<T>(&self, place: Place<'_>, make: impl Fn() -> rustix::io::Result<T>) -> Result<T, Trouble> {
        let outcome = match make() {
            Err(Errno::EXIST) if self.options.replace => {
                unlinkat(place.host, place.name, AtFlags::empty()).and_then(|()| make())
            }
            outcome => outcome,
        };
        outcome.map_err(|error| self.at(place, "cannot make", error))
    }

    pub(crate) fn at(&self, place: Place<'_>, action: &'static str, error: Errno) -> Trouble {
        Trouble::host(action, &self.folders.path(place.folder, place.name), error)
    }

    /// Makes the links that waited for their files.
    pub(crate) fn link(&self) {
        for waiting in self.links.take_waiting() {
            if self.is_over() {
                return;
            }
            let HostPlace { folder, name } = &waiting.place;
            let host =
                self.folders.open(*folder).map_err(|error| self.host_trouble("cannot open", *folder, error));
            let linked = host.and_then(|host| {
                let place = Place { folder: *folder, host: host.as_fd(), name };
                self.link_or_make(place, &self.volume.entry(&waiting.icb)?)
            });
            self.told(linked, || self.folders.path(*folder, name));
        }
    }

    /// Links a name to its file; where that cannot be, the file is made once more.
    pub(crate) fn link_or_make(&self, place: Place<'_>, entry: &Entry) -> Result<(), Trouble> {
        if let Some(first) = self.links.made(entry.icb) {
            let linked =
                self.folders.open(first.folder).map_err(|error| self.at(place, "cannot link", error));
            let linked = linked.and_then(|host| {
                self.anew(place, || linkat(&host, &*first.name, place.host, place.name, AtFlags::empty()))
            });
            match linked {
                // A limit of the host's file system, or one that has no links.
                Err(Trouble::Here(_)) if !self.exists(place) => {}
                done => return done,
            }
        }
        self.make(place, entry)?;
        self.links.settle(entry, Some(place.lasting()));
        Ok(())
    }

    fn exists(&self, place: Place<'_>) -> bool {
        let looked = rustix::fs::statat(place.host, place.name, AtFlags::SYMLINK_NOFOLLOW);
        !self.options.replace && looked.is_ok()
    }

    /// The file is there, but its owner, mode or times are not what they were.
    pub(crate) fn not_restored(
        &self,
        set: rustix::io::Result<()>,
        path: impl FnOnce() -> std::path::PathBuf,
    ) {
        if let Err(error) = set {
            let why = std::io::Error::from(error).to_string();
            self.warn(Warning::NotRestored { path: path(), why });
        }
    }
}
