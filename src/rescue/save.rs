//! Copying out what was found: directory by directory, and for each file what it is worth.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use udf::BlockAddress;
use udf::general::{LongAd, text};
use udf::read::{Entry, ReadAt};

use super::bitmap::Bitmap;
use super::framed::Framed;
use super::ground::version;
use super::keep::{claimant, item, know};
use super::listing::{Found, Listing};
use super::survey::{Source, Survey, is_same};
use super::verdict::{Item, ItemKind, Reason, Summary, Verdict};
use crate::error::Result;
use crate::extract::{Extraction, FolderId, Folders, Names, Trouble};
use crate::progress::Progress;

/// What is being walked through, which decides what of it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The newest state: everything.
    Newest,
    /// An older one of the same volume: what is not the same as in a newer one.
    Older,
    /// Another volume, or directories that nothing leads to: everything.
    Other,
    /// What was deleted.
    Deleted,
}

/// A walk: from where, to where, and what is to be said of everything in it.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) view: usize,
    pub(super) from: Source,
    /// The names of the folders that lead to where it goes.
    pub(super) to: Vec<String>,
    pub(super) mode: Mode,
    pub(super) reasons: Vec<Reason>,
}

/// A directory that waits: its names, and where they go.
pub(super) struct Pending {
    pub(super) from: Source,
    pub(super) to: To,
    pub(super) mode: Mode,
    pub(super) reasons: Rc<[Reason]>,
    /// The directory itself, to be told of when its names are known.
    pub(super) item: Option<Item>,
}

/// A folder: made, or to be made when something goes into it.
#[derive(Clone, Debug)]
pub(super) enum To {
    Made(FolderId),
    Wanted(Vec<String>),
}

/// What is true of all that is being made in a directory.
#[derive(Clone)]
pub(super) struct Here {
    pub(super) number: usize,
    pub(super) mode: Mode,
    pub(super) reasons: Rc<[Reason]>,
}

/// The work, and what became of it so far.
pub(super) struct Saver<'s, 'a, R> {
    pub(super) survey: &'s Survey<'s, 'a, R>,
    pub(super) extractions: Vec<Extraction<'s, Framed<'a, R>>>,
    pub(super) folders: &'s Folders,
    pub(super) progress: &'s Progress,
    pub(super) takes_deleted: bool,
    /// What is in no directory goes here.
    pub(super) lost_folder: String,
    pub(super) tell: &'s mut dyn FnMut(&Item),
    pub(super) summary: Summary,
    /// Something was written over, so that contents without a checksum prove nothing.
    pub(super) is_written_over: bool,
    /// Directories that were gone through.
    seen: Bitmap,
    /// Directories that have been gone into and that have no place of their own: a metadata block that only the mirror has.
    seen_elsewhere: HashSet<(usize, BlockAddress)>,
    /// Directories that wait, the next last.
    pub(super) pending: Vec<Pending>,
    pub(super) versions: HashSet<u64>,
    /// What was said of files with several names.
    pub(super) linked: HashMap<(usize, BlockAddress), (Vec<Reason>, u64)>,
}

impl<'s, 'a, R: ReadAt> Saver<'s, 'a, R> {
    #[allow(clippy::too_many_arguments, reason = "it is made once")]
    pub(super) fn new(
        survey: &'s Survey<'s, 'a, R>,
        extractions: Vec<Extraction<'s, Framed<'a, R>>>,
        folders: &'s Folders,
        progress: &'s Progress,
        takes_deleted: bool,
        lost_folder: String,
        tell: &'s mut dyn FnMut(&Item),
        size_bytes: u64,
    ) -> Self {
        Self {
            survey,
            extractions,
            folders,
            progress,
            takes_deleted,
            lost_folder,
            tell,
            summary: Summary::default(),
            is_written_over: false,
            seen: Bitmap::new(size_bytes),
            seen_elsewhere: HashSet::new(),
            pending: Vec::new(),
            versions: HashSet::new(),
            linked: HashMap::new(),
        }
    }

    /// Copies out a directory and all below it.
    pub(super) fn walk(&mut self, start: &Start) -> Result<()> {
        let to = match start.mode {
            Mode::Newest | Mode::Other => To::Made(self.reach(&start.to)?),
            Mode::Older | Mode::Deleted => To::Wanted(start.to.clone()),
        };
        let reasons = start.reasons.clone().into();
        let here = Here { number: start.view, mode: start.mode, reasons };
        let top = self.top(&here, &start.from, to);
        self.pending.push(top);
        while let Some(next) = self.pending.pop() {
            self.progress.check()?;
            let from = self.pending.len();
            self.directory(start.view, next)?;
            self.pending[from..].reverse();
        }
        Ok(())
    }

    /// The directory that a walk begins with.
    fn top(&mut self, here: &Here, from: &Source, to: To) -> Pending {
        let item = match from {
            Source::Directory(icb) => {
                let view = &self.survey.views[here.number];
                let path = self.path(&to, "");
                let mut item = item(path, ItemKind::Directory, icb, &here.reasons);
                match view.volume.entry(icb) {
                    Ok(entry) => {
                        know(&mut item, &entry);
                        if let To::Made(folder) = to {
                            let attributes = self.extractions[here.number].attributes(&entry);
                            self.folders.set_attributes(folder, attributes);
                        }
                        self.first_visit(here.number, entry.icb);
                    }
                    Err(error) => item.reasons.push(Reason::NoEntry(error.to_string())),
                }
                Some(item)
            }
            Source::Loose(_) => None,
        };
        Pending { from: from.clone(), to, mode: here.mode, reasons: here.reasons.clone(), item }
    }

    fn directory(&mut self, number: usize, next: Pending) -> Result<()> {
        let view = &self.survey.views[number];
        let here = Here { number, mode: next.mode, reasons: next.reasons.clone() };
        let mut to = next.to;
        let mut names = Names::default();
        let mut is_damaged = false;
        match next.from {
            Source::Loose(index) => {
                for found in self.survey.loose[index].names(view) {
                    self.child(&here, &mut to, &mut names, &found)?;
                }
            }
            Source::Directory(icb) => {
                let Ok(entry) = view.volume.entry(&icb) else {
                    // The root, since others are not gone into without.
                    if let Some(item) = next.item {
                        self.told(&Item { verdict: Verdict::Lost, ..item });
                    }
                    return Ok(());
                };
                self.summary.with_streams += u64::from(entry.stream_directory.is_some());
                let mut listing = Listing::new(&view.volume, &entry);
                for found in listing.by_ref() {
                    self.child(&here, &mut to, &mut names, &found)?;
                }
                is_damaged = listing.is_damaged;
            }
        }
        if let Some(mut item) = next.item.filter(|_| matches!(to, To::Made(_))) {
            if is_damaged {
                item.reasons.push(Reason::MissingNames);
            }
            self.judged(item);
        }
        Ok(())
    }

    /// Makes what a name stands for, or lets it wait if it is a directory.
    pub(super) fn child(&mut self, here: &Here, to: &mut To, names: &mut Names, found: &Found) -> Result<()> {
        self.progress.check()?;
        if found.is_parent() {
            return Ok(());
        }
        let view = &self.survey.views[here.number];
        let entry = view.volume.entry(&found.icb);
        if found.is_deleted() && here.mode != Mode::Deleted {
            return match entry {
                Ok(entry) if self.takes_deleted && here.mode == Mode::Newest => {
                    self.deleted(here, to, found, &entry)
                }
                _ => Ok(()),
            };
        }
        let name = names.take(&found.name);
        let recorded = name.changed.map(|_| text::decode_lossy(&found.name));
        let mut item = item(self.path(to, &name.text), ItemKind::Unknown, &found.icb, &here.reasons);
        item.recorded_name = recorded;
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return self.without_entry(here, to, &name.text, found, item, &error),
        };
        know(&mut item, &entry);
        if !is_same(found, &entry) {
            let (expected, found) = (found.icb.unique_id.get(), entry.low_unique_id());
            item.reasons.push(Reason::OtherFile { expected, found });
        }
        if here.mode == Mode::Deleted && !self.is_left(here.number, &entry) {
            return Ok(());
        }
        if entry.is_directory() {
            return self.subdirectory(here, to, &name.text, found.icb, &entry, item);
        }
        if here.mode == Mode::Older && !self.versions.insert(version(&entry)) {
            return Ok(());
        }
        self.versions.insert(version(&entry));
        self.file(here, to, &name.text, entry, item)
    }

    fn subdirectory(
        &mut self,
        here: &Here,
        to: &mut To,
        name: &str,
        icb: LongAd,
        entry: &Entry,
        mut item: Item,
    ) -> Result<()> {
        if !self.first_visit(here.number, entry.icb) {
            item.reasons.push(Reason::Host(
                "the volume is damaged: it has this directory in another place too".into(),
            ));
            self.judged(item);
            return Ok(());
        }
        if self.survey.ground.is_contested(&self.survey.views[here.number], entry, claimant(here.mode)) {
            item.reasons.push(Reason::Overlap);
        }
        let Some(to) = self.folder(here, to, name, Some(entry), &mut item)? else { return Ok(()) };
        let (from, mode, reasons) = (Source::Directory(icb), here.mode, here.reasons.clone());
        self.pending.push(Pending { from, to, mode, reasons, item: Some(item) });
        Ok(())
    }

    /// A folder for what is below a name; nothing if it cannot be made, which is told.
    pub(super) fn folder(
        &mut self,
        here: &Here,
        to: &mut To,
        name: &str,
        entry: Option<&Entry>,
        item: &mut Item,
    ) -> Result<Option<To>> {
        if let (To::Wanted(path), Mode::Older | Mode::Deleted) = (&*to, here.mode) {
            let below = path.iter().cloned().chain([name.to_owned()]).collect();
            return Ok(Some(To::Wanted(below)));
        }
        let parent = self.made(to)?;
        let extraction = &self.extractions[here.number];
        let made = self
            .folders
            .open(parent)
            .and_then(|host| self.folders.make(parent, host.as_fd(), name, extraction.options.replace))
            .map_err(|error| Trouble::host("cannot make", &item.path, error));
        match made {
            Ok((id, _)) => {
                if let Some(entry) = entry {
                    self.folders.set_attributes(id, extraction.attributes(entry));
                }
                Ok(Some(To::Made(id)))
            }
            Err(Trouble::Here(why)) => {
                item.reasons.push(Reason::Host(why));
                self.told(&Item { verdict: Verdict::Lost, ..item.clone() });
                Ok(None)
            }
            Err(Trouble::Everywhere(error)) => Err(error),
        }
    }

    fn first_visit(&mut self, number: usize, icb: BlockAddress) -> bool {
        match self.survey.views[number].device_byte(icb) {
            Some(at_bytes) => self.seen.set(at_bytes),
            None => self.seen_elsewhere.insert((number, icb)),
        }
    }

    /// What follows may come to where the walks before have been.
    pub(super) fn forget_visits(&mut self) {
        self.seen = Bitmap::new(self.survey.size_bytes);
        self.seen_elsewhere.clear();
    }

    /// Tells of something that is certain if nothing speaks against it.
    pub(super) fn judged(&mut self, item: Item) {
        let verdict = match item.verdict {
            Verdict::Lost => Verdict::Lost,
            _ if item.reasons.is_empty() => Verdict::Certain,
            _ => Verdict::Doubtful,
        };
        self.told(&Item { verdict, ..item });
    }

    pub(super) fn told(&mut self, item: &Item) {
        self.summary.counts.add(item.verdict);
        (self.tell)(item);
    }

    pub(super) fn path(&self, to: &To, name: &str) -> std::path::PathBuf {
        match to {
            To::Made(folder) => self.folders.path(*folder, name),
            To::Wanted(path) => {
                let names = path.iter().map(String::as_str).chain([name]).filter(|name| !name.is_empty());
                std::path::Path::new("/").join(names.collect::<std::path::PathBuf>())
            }
        }
    }

    pub(super) fn made(&mut self, to: &mut To) -> Result<FolderId> {
        let folder = match to {
            To::Made(folder) => return Ok(*folder),
            To::Wanted(path) => self.reach(path)?,
        };
        *to = To::Made(folder);
        Ok(folder)
    }

    /// Makes the folders on the way to one.
    fn reach(&self, path: &[String]) -> Result<FolderId> {
        let mut at = FolderId::TOP;
        for name in path {
            let made = self.folders.open(at).and_then(|host: std::os::fd::OwnedFd| {
                let host: BorrowedFd<'_> = host.as_fd();
                self.folders.make(at, host, name, false)
            });
            let path = || self.folders.path(at, name);
            (at, _) =
                made.map_err(|error| crate::Error::host("cannot make the directory", path())(error.into()))?;
        }
        Ok(at)
    }
}
