//! The files that data come from: opened, read, and compared with what they were when they were looked at.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::OFlags;
use rustix::io::Errno;
use udf::general::Moment;

use super::tape::Tape;
use super::trouble::Trouble;
use crate::device::buffer::length;
use crate::device::lock;
use crate::error::{Error, Result, Warning};
use crate::tree::{Content, HostFile, InodeId, Tree};

/// All files of a tree, for all threads. What is wrong with them is remembered, not returned.
#[derive(Debug)]
pub(super) struct Sources<'a> {
    tree: &'a Tree,
    are_times_kept: bool,
    /// Files that are read in several parts, most recent last: one is opened and looked at once, not for every part.
    shared: Mutex<VecDeque<Arc<Shared>>>,
    most_shared: usize,
    /// Bodies that somebody else reads.
    tapes: Mutex<HashMap<InodeId, Arc<Mutex<Tape>>>>,
    troubles: Mutex<BTreeMap<InodeId, Trouble>>,
    /// Somebody else's files cannot be opened so that the time of their last access stays.
    keeps_access_time: AtomicBool,
}

#[derive(Debug)]
struct Shared {
    inode: InodeId,
    file: io::Result<File>,
}

impl<'a> Sources<'a> {
    pub(super) fn new(tree: &'a Tree, threads: usize, are_times_kept: bool) -> Self {
        Self {
            tree,
            are_times_kept,
            shared: Mutex::default(),
            most_shared: threads + 2,
            tapes: Mutex::default(),
            troubles: Mutex::default(),
            keeps_access_time: AtomicBool::new(true),
        }
    }

    /// Reads a part of a file; zeros stand in for what cannot be read.
    pub(super) fn read(&self, inode: InodeId, offset_bytes: u64, out: &mut [u8]) {
        match self.tree.inode(inode).content {
            Content::Host(host) if offset_bytes == 0 && out.len() as u64 == host.size_bytes => {
                self.read_whole(inode, &host, out);
            }
            Content::Host(_) => {
                let shared = self.share(inode);
                self.read_part(&shared, offset_bytes, out);
                self.release(shared);
            }
            Content::Memory(body) => {
                out.copy_from_slice(&self.tree.body(body)[length(offset_bytes)..][..out.len()]);
            }
            Content::Input(_) => self.read_input(inode, offset_bytes, out),
            _ => out.fill(0),
        }
    }

    fn read_input(&self, inode: InodeId, offset_bytes: u64, out: &mut [u8]) {
        let Content::Input(input) = self.tree.inode(inode).content else { return out.fill(0) };
        let tape = Arc::clone(lock(&self.tapes).entry(inode).or_default());
        let read = lock(&tape).read(self.tree.input(input), offset_bytes, out);
        match read {
            Ok(None) => {}
            Ok(Some(how)) => self.trouble(inode, |trouble| trouble.change(how)),
            Err((done, why)) => {
                let missing = &mut out[done..];
                missing.fill(0);
                let (start, bytes) = (offset_bytes + done as u64, missing.len() as u64);
                self.trouble(inode, |trouble| trouble.miss(start, bytes, || why));
            }
        }
    }

    /// Hands a file to `use_it`, if it is one and can be opened.
    pub(super) fn with_file<T>(&self, inode: InodeId, use_it: impl FnOnce(&File) -> T) -> Option<T> {
        let shared = self.share(inode);
        let result = shared.file.as_ref().ok().map(use_it);
        self.release(shared);
        result
    }

    /// What there is to tell of the files, when all has been read.
    pub(super) fn finish(&self) -> Vec<Warning> {
        let shared = std::mem::take(&mut *lock(&self.shared));
        for file in shared {
            self.release(file);
        }
        let mut warnings = self.warnings();
        warnings.sort();
        warnings
    }

    /// An error if anything that was read so far is not what it was when it was added.
    pub(super) fn unless_consistent(&self) -> Result<()> {
        let shared = std::mem::take(&mut *lock(&self.shared));
        for file in shared {
            self.release(file);
        }
        self.unless_read_badly()
    }

    /// The same, but files that are still open count only when they are closed.
    pub(super) fn unless_read_badly(&self) -> Result<()> {
        self.warnings().into_iter().min().map_or(Ok(()), |warning| Err(Error::inconsistent(warning)))
    }

    fn warnings(&self) -> Vec<Warning> {
        let troubles = lock(&self.troubles);
        let told = troubles.iter().filter_map(|(inode, trouble)| {
            let path = match self.tree.inode(*inode).content {
                Content::Host(host) => self.tree.host_path(&host),
                Content::Input(input) => self.tree.input(input).path.clone(),
                _ => return None,
            };
            trouble.to_warning(path, self.tree.size_bytes(*inode))
        });
        told.collect()
    }

    /// Reads a small file: four calls of the kernel.
    fn read_whole(&self, inode: InodeId, host: &HostFile, out: &mut [u8]) {
        let file = self.open(host);
        let is_regular = match &file {
            Ok(file) => {
                self.fill(inode, file, 0, out);
                self.compare(inode, file)
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = is_regular {
            out.fill(0);
            self.trouble(inode, |trouble| trouble.miss(0, out.len() as u64, || why));
        }
    }

    fn read_part(&self, shared: &Shared, offset_bytes: u64, out: &mut [u8]) {
        match &shared.file {
            Ok(file) => self.fill(shared.inode, file, offset_bytes, out),
            Err(error) => {
                out.fill(0);
                let bytes = out.len() as u64;
                self.trouble(shared.inode, |trouble| trouble.miss(offset_bytes, bytes, || error.to_string()));
            }
        }
    }

    /// Reads as much as there is.
    fn fill(&self, inode: InodeId, file: &File, offset_bytes: u64, out: &mut [u8]) {
        let mut done = 0;
        let why = loop {
            if done == out.len() {
                return;
            }
            match file.read_at(&mut out[done..], offset_bytes + done as u64) {
                Ok(0) => break format!("it was cut to {} bytes", offset_bytes + done as u64),
                Ok(bytes) => done += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break error.to_string(),
            }
        };
        let missing = &mut out[done..];
        missing.fill(0);
        let (start_bytes, bytes) = (offset_bytes + done as u64, missing.len() as u64);
        self.trouble(inode, |trouble| trouble.miss(start_bytes, bytes, || why));
    }

    /// Compares a file that was read with what it was. An error says why it is not even a file.
    fn compare(&self, inode: InodeId, file: &File) -> Result<(), String> {
        let metadata = file.metadata().map_err(|error| error.to_string())?;
        if !metadata.is_file() {
            return Err(String::from("it is no longer a regular file"));
        }
        let (old_bytes, new_bytes) = (self.tree.size_bytes(inode), metadata.len());
        let nanoseconds = u32::try_from(metadata.mtime_nsec()).unwrap_or(0);
        let modified = Moment::from_unix(metadata.mtime(), nanoseconds);
        if old_bytes != new_bytes {
            let how = format!("it had {old_bytes} bytes, and has {new_bytes} now");
            self.trouble(inode, |trouble| trouble.change(how));
        } else if self.are_times_kept && modified != self.tree.host_time(inode) {
            self.trouble(inode, |trouble| trouble.change(String::from("it was modified")));
        }
        Ok(())
    }

    /// The file, opened by whoever comes first.
    fn share(&self, inode: InodeId) -> Arc<Shared> {
        let mut table = lock(&self.shared);
        if let Some(shared) = table.iter().rev().find(|shared| shared.inode == inode) {
            return Arc::clone(shared);
        }
        let file = match self.tree.inode(inode).content {
            Content::Host(host) => self.open(&host).and_then(regular),
            _ => Err(io::Error::other("it is no file of the host")),
        };
        let shared = Arc::new(Shared { inode, file });
        table.push_back(Arc::clone(&shared));
        let oldest = if table.len() > self.most_shared { table.pop_front() } else { None };
        drop(table);
        if let Some(oldest) = oldest {
            self.release(oldest);
        }
        shared
    }

    /// Lets a file go. Who does so last compares it: all has been read then.
    fn release(&self, shared: Arc<Shared>) {
        if let Some(Shared { inode, file: Ok(file) }) = Arc::into_inner(shared)
            && let Err(why) = self.compare(inode, &file)
        {
            self.trouble(inode, |trouble| trouble.change(why));
        }
    }

    /// Opens a file. Links are followed, because the scan may have done so; should one have come in the place of a file,
    /// [`compare`](Self::compare) sees another time or size.
    fn open(&self, host: &HostFile) -> io::Result<File> {
        // Neither wait for the writer of what has become a FIFO, nor let a terminal become ours.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let path = self.tree.host_path(host);
        if self.keeps_access_time.load(Ordering::Relaxed) {
            match crate::scan::open(&path, flags | OFlags::NOATIME) {
                Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => {
                    self.keeps_access_time.store(false, Ordering::Relaxed);
                }
                result => return result.map(File::from),
            }
        }
        crate::scan::open(&path, flags).map(File::from)
    }

    fn trouble(&self, inode: InodeId, tell: impl FnOnce(&mut Trouble)) {
        tell(lock(&self.troubles).entry(inode).or_default());
    }
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no longer a regular file"))
    }
}
