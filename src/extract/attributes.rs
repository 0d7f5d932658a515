//! Owner, permissions and times: from an entry of the volume to a file of the host.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, chmodat, chownat, fchmod, fchown,
    futimens, openat, utimensat,
};
use rustix::io::Result;
use udf::general::Timestamp;
use udf::read::Entry;

const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;
/// "No owner", on volumes as for system calls.
const NOBODY: u32 = u32::MAX;

/// What is restored of a file beside its content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    mode: u32,
    /// Whom it is given to; `None` to leave it to us.
    owner: Option<(u32, u32)>,
    accessed: Timespec,
    modified: Timespec,
}

impl Attributes {
    /// Those of an entry. Who may not give a file to its owner may not leave set-id bits on it either: they would speak
    /// for somebody else than on the volume.
    pub(crate) fn of(entry: &Entry, same_owner: bool) -> Self {
        let mut mode = entry.mode();
        let given = |id: u32| same_owner && id != NOBODY;
        if mode & SET_UID != 0 && !given(entry.uid) && entry.uid != rustix::process::geteuid().as_raw() {
            mode &= !SET_UID;
        }
        if mode & SET_GID != 0 && !given(entry.gid) && entry.gid != rustix::process::getegid().as_raw() {
            mode &= !SET_GID;
        }
        Self {
            mode,
            owner: same_owner.then_some((entry.uid, entry.gid)),
            accessed: timespec(entry.accessed),
            modified: timespec(entry.modified),
        }
    }

    /// Sets them on an open file or directory, as many as can be.
    pub(crate) fn set(&self, file: BorrowedFd<'_>) -> Result<()> {
        // In this order: giving a file away clears its set-id bits.
        let owner = self.owner().map_or(Ok(()), |(uid, gid)| fchown(file, uid, gid));
        let mode = fchmod(file, self.mode(owner.is_ok()));
        owner.and(mode).and(futimens(file, &self.times()))
    }

    /// Sets them on a thing that cannot be opened, which was just made: a FIFO, a device, a socket.
    pub(crate) fn set_unopened(&self, directory: BorrowedFd<'_>, name: &str) -> Result<()> {
        let thing =
            openat(directory, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let owner =
            self.owner().map_or(Ok(()), |(uid, gid)| chownat(&thing, "", uid, gid, AtFlags::EMPTY_PATH));
        // There is no other way to change the mode of precisely this thing, whatever its name leads to by now.
        let itself = format!("/proc/self/fd/{}", thing.as_fd().as_raw_fd());
        let mode = chmodat(CWD, &*itself, self.mode(owner.is_ok()), AtFlags::empty());
        owner.and(mode).and(utimensat(directory, name, &self.times(), AtFlags::SYMLINK_NOFOLLOW))
    }

    /// Sets them on a symbolic link, which has no mode.
    pub(crate) fn set_link(&self, directory: BorrowedFd<'_>, name: &str) -> Result<()> {
        let owner = self
            .owner()
            .map_or(Ok(()), |(uid, gid)| chownat(directory, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW));
        owner.and(utimensat(directory, name, &self.times(), AtFlags::SYMLINK_NOFOLLOW))
    }

    fn owner(&self) -> Option<(Option<Uid>, Option<Gid>)> {
        let known = |id: u32| (id != NOBODY).then_some(id);
        self.owner.map(|(uid, gid)| (known(uid).map(Uid::from_raw), known(gid).map(Gid::from_raw)))
    }

    fn mode(&self, is_given: bool) -> Mode {
        Mode::from_raw_mode(if is_given { self.mode } else { self.mode & !(SET_UID | SET_GID) })
    }

    fn times(&self) -> Timestamps {
        Timestamps { last_access: self.accessed, last_modification: self.modified }
    }
}

/// A time that is no time leaves the file's as it is.
fn timespec(recorded: Timestamp) -> Timespec {
    match recorded.moment() {
        Some(moment) => {
            Timespec { tv_sec: moment.seconds(), tv_nsec: i64::from(moment.subsecond_microseconds()) * 1000 }
        }
        None => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
    }
}
