//! Going over everything once before anything is copied: what the names lead to, what nobody names, who claims what.

use std::collections::{BTreeMap, HashMap, HashSet};

use udf::BlockAddress;
use udf::file::{FileType, flags};
use udf::general::LongAd;
use udf::read::{Entry, ReadAt};

use super::catalogue::{Catalogue, Kind, Record};
use super::ground::{Claimant, Ground};
use super::listing::{Found, Listing};
use super::loose::Loose;
use super::view::View;
use crate::error::Result;
use crate::progress::Progress;

/// Names of directories that lead nowhere, of which as many are remembered.
const MOST_BROKEN: usize = 1 << 16;

/// Where a walk begins, or goes on.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The directory of an ICB.
    Directory(LongAd),
    /// Names that were found without the directory's entry: which of them.
    Loose(usize),
}

/// A name of a directory whose entry cannot be read.
#[derive(Clone, Copy, Debug)]
struct Broken {
    parent: BlockAddress,
    icb: BlockAddress,
}

/// The views, and what is known of the device through them.
pub(super) struct Survey<'s, 'a, R> {
    pub(super) views: &'s [View<'a, R>],
    pub(super) catalogue: &'s Catalogue,
    pub(super) ground: Ground,
    /// Names without an entry of their directory, of the first view.
    pub(super) loose: Vec<Loose>,
    /// Which of them are of the directory with an ICB.
    pub(super) loose_of: HashMap<BlockAddress, usize>,
    broken: Vec<Broken>,
    /// Directories of streams that were gone through, of each view.
    stream_directories: HashSet<(usize, BlockAddress)>,
    pub(super) size_bytes: u64,
    progress: &'s Progress,
}

impl<'s, 'a, R: ReadAt> Survey<'s, 'a, R> {
    pub(super) fn new(
        views: &'s [View<'a, R>],
        catalogue: &'s Catalogue,
        size_bytes: u64,
        progress: &'s Progress,
    ) -> Self {
        Self {
            views,
            catalogue,
            ground: Ground::new(size_bytes),
            loose: Vec::new(),
            loose_of: HashMap::new(),
            broken: Vec::new(),
            stream_directories: HashSet::new(),
            size_bytes,
            progress,
        }
    }

    /// Goes through a directory and all below it.
    pub(super) fn walk(&mut self, number: usize, from: Source, claimant: Claimant) -> Result<Counted> {
        let view = &self.views[number];
        let mut counted = Counted::default();
        let mut pending = vec![from];
        // Under an entry that has stayed as it is, numbers of a virtual partition may stand for others in an older state.
        let is_older_table = number > 0 && view.state.table.is_some();
        let mut seen = HashSet::new();
        while let Some(source) = pending.pop() {
            self.progress.check()?;
            let names: Box<dyn Iterator<Item = Found>> = match source {
                Source::Loose(index) => Box::new(self.loose[index].names(view).into_iter()),
                Source::Directory(icb) => {
                    let Ok(entry) = view.volume.entry(&icb) else { continue };
                    let is_new = entry.is_directory() && self.ground.claim(view, &entry, claimant);
                    let is_due = is_new || (is_older_table && entry.is_directory());
                    if !is_due || (is_older_table && !seen.insert(entry.icb)) {
                        continue;
                    }
                    counted.directories += 1;
                    self.aside(number, &entry);
                    Box::new(Listing::new(&view.volume, &entry))
                }
            };
            let parent = match source {
                Source::Directory(icb) => Some(icb.start()),
                Source::Loose(_) => None,
            };
            for found in names.filter(|found| !found.is_parent() && !found.is_deleted()) {
                self.progress.check()?;
                match view.volume.entry(&found.icb) {
                    Ok(entry) if entry.is_directory() => pending.push(Source::Directory(found.icb)),
                    Ok(entry) => {
                        counted.files += 1;
                        self.aside(number, &entry);
                        self.ground.claim(view, &entry, claimant);
                    }
                    Err(_) if found.is_directory() => {
                        if let Some(index) = self.loose_of.get(&found.icb.start()).filter(|_| number == 0) {
                            pending.push(Source::Loose(*index));
                        }
                        let broken = parent.map(|parent| Broken { parent, icb: found.icb.start() });
                        self.broken.extend(broken.filter(|_| number == 0 && self.broken.len() < MOST_BROKEN));
                    }
                    Err(_) => {}
                }
            }
        }
        Ok(counted)
    }

    /// Claims what belongs to a file beside its content: named streams, and a file of extended attributes.
    fn aside(&mut self, number: usize, entry: &Entry) {
        let view = &self.views[number];
        if let Some(attributes) = entry.extended_attribute_icb.and_then(|icb| view.volume.entry(&icb).ok()) {
            self.ground.claim(view, &attributes, Claimant::Newest);
        }
        let Some(streams) = entry.stream_directory.and_then(|icb| view.volume.entry(&icb).ok()) else {
            return;
        };
        self.streams(number, &streams);
    }

    fn streams(&mut self, number: usize, directory: &Entry) {
        let view = &self.views[number];
        // Numbers of a virtual partition may stand for others in an older state, though the directory has stayed.
        let is_older_table = number > 0 && view.state.table.is_some();
        let is_new = directory.is_directory() && self.ground.claim(view, directory, Claimant::Newest);
        let is_due = is_new || (is_older_table && directory.is_directory());
        if !is_due || !self.stream_directories.insert((number, directory.icb)) {
            return;
        }
        for found in Listing::new(&view.volume, directory).filter(|found| !found.is_parent()) {
            if let Ok(stream) = view.volume.entry(&found.icb) {
                self.ground.claim(view, &stream, Claimant::Newest);
            }
        }
    }

    /// Claims the streams of files that no name leads to: they are theirs.
    pub(super) fn aside_of_nameless(&mut self) {
        for (number, record) in self.nameless() {
            let entry = entry_at(&self.views[number], &record);
            if let Some(entry) = entry.filter(|entry| !is_stream(entry)) {
                self.aside(number, &entry);
            }
        }
    }

    /// Claims the streams of the whole system.
    pub(super) fn system_streams(&mut self, number: usize) {
        let view = &self.views[number];
        let icb = view.volume.file_set().system_stream_directory_icb;
        if icb.bytes() > 0
            && let Ok(directory) = view.volume.entry(&icb)
        {
            self.streams(number, &directory);
        }
    }

    /// Notes virtual allocation tables, which no directory names.
    pub(super) fn tables(&mut self) {
        for view in self.views.iter().filter(|view| view.device_byte_of_table().is_some()) {
            if let Some(table) = view.volume.virtual_table() {
                self.ground.claim(view, &table.head.entry, Claimant::Other);
            }
        }
    }

    /// Looks for entries that lie within what the newest state takes for contents: whether something wrote there later.
    pub(super) fn intruders(&mut self) -> bool {
        let Some(newest) = self.views.first() else { return false };
        let mut any = false;
        let block_bytes = newest.volume.block_size().bytes().into();
        for record in &self.catalogue.records {
            let is_entry = matches!(record.kind, Kind::Entry(_)) && !self.ground.reached.has(record.at_bytes);
            if is_entry
                && self.ground.claimed.has(record.at_bytes)
                && newest.address(record.at_bytes, record.location).is_some()
            {
                self.ground.conflict.claim(record.at_bytes, block_bytes, None);
                any = true;
            }
        }
        any
    }

    /// Finds names whose directory's entry is lost, in the first view, and which directory they are of.
    pub(super) fn find_loose(&mut self) -> Result<()> {
        let Some(view) = self.views.first() else { return Ok(()) };
        for record in self.catalogue.records.iter().filter(|record| record.kind == Kind::Parent) {
            self.progress.check()?;
            let Some(loose) = Loose::new(view, record) else { continue };
            // Blocks of metadata are copied as they are, into a mirror and into later sessions.
            let mut copies = self.views.iter().flat_map(|view| view.device_bytes(loose.start));
            if !copies.any(|at_bytes| self.ground.claimed.has(at_bytes)) {
                self.loose.push(loose);
            }
        }
        // A copy in a mirror is the same directory.
        let mut seen = HashSet::new();
        self.loose.retain(|loose| seen.insert(loose.start));
        for index in 0..self.loose.len() {
            if let Some(icb) = self.loose[index].icb(view) {
                self.loose_of.entry(icb).or_insert(index);
            }
        }
        self.match_by_elimination();
        Ok(())
    }

    /// If one directory of a parent is broken, and one list of names has that parent, they belong together.
    fn match_by_elimination(&mut self) {
        let mut broken: BTreeMap<BlockAddress, HashSet<BlockAddress>> = BTreeMap::new();
        for one in self.broken.iter().filter(|one| !self.loose_of.contains_key(&one.icb)) {
            broken.entry(one.parent).or_default().insert(one.icb);
        }
        let matched: HashSet<usize> = self.loose_of.values().copied().collect();
        let mut unmatched: BTreeMap<BlockAddress, Vec<usize>> = BTreeMap::new();
        for (index, loose) in self.loose.iter().enumerate().filter(|(index, _)| !matched.contains(index)) {
            unmatched.entry(loose.parent).or_default().push(index);
        }
        for (parent, lists) in unmatched {
            if let ([index], Some(icbs)) = (&lists[..], broken.get(&parent))
                && icbs.len() == 1
            {
                self.loose_of.extend(icbs.iter().map(|icb| (*icb, *index)));
            }
        }
    }

    /// Whether a list of names has its place: a directory of the newest state names the directory that it is of.
    pub(super) fn is_broken(&self, index: usize) -> bool {
        self.broken.iter().any(|broken| self.loose_of.get(&broken.icb) == Some(&index))
    }

    /// The ICB of the directory that a list of names is of; where that is not known, the block where the names begin.
    pub(super) fn icb_of(&self, index: usize) -> BlockAddress {
        let known = self.loose_of.iter().find(|(_, of)| **of == index).map(|(icb, _)| *icb);
        known.unwrap_or(self.loose[index].start)
    }

    /// Notes what only deleted names lead to.
    pub(super) fn deleted(&mut self) -> Result<()> {
        for record in self.catalogue.entries(FileType::DIRECTORY) {
            self.progress.check()?;
            let home = self.views.iter().find_map(|view| Some((view, entry_at(view, record)?)));
            let Some((view, directory)) = home else { continue };
            for found in Listing::new(&view.volume, &directory).filter(Found::is_deleted) {
                if let Some(at_bytes) = view.device_byte(found.icb.start()).filter(|_| found.icb.bytes() > 0)
                    && !self.ground.reached.has(at_bytes)
                    && let Ok(entry) = view.volume.entry(&found.icb)
                    && is_same(&found, &entry)
                {
                    self.ground.deleted.set(at_bytes);
                    let streams = entry.stream_directory.and_then(|icb| view.volume.entry(&icb).ok());
                    let streams = streams.filter(Entry::is_directory);
                    let names = streams.iter().flat_map(|streams| Listing::new(&view.volume, streams));
                    for stream in names.filter(|name| !name.is_parent()) {
                        let at_bytes = view.device_byte(stream.icb.start());
                        if let Some(at_bytes) = at_bytes {
                            self.ground.deleted.set(at_bytes);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The entries of files that no name leads to, each in the first view that knows where it lies.
    pub(super) fn nameless(&self) -> Vec<(usize, Record)> {
        let mut found = Vec::new();
        for record in &self.catalogue.records {
            let Kind::Entry(kind) = record.kind else { continue };
            if is_of_users(kind)
                && !self.ground.reached.has(record.at_bytes)
                && !self.ground.deleted.has(record.at_bytes)
            {
                let home = self
                    .views
                    .iter()
                    .zip(0..)
                    .find_map(|(view, number)| Some((number, entry_at(view, record)?)));
                // What is in a file, as an image may be, is that file's.
                let is_content = |number: usize| number > 0 && self.ground.claimed.has(record.at_bytes);
                let home = home.filter(|(number, entry)| {
                    let is_table = self.views[*number].is_in_lower(entry);
                    !self.ground.has_copy(entry) && !is_content(*number) && !is_table
                });
                found.extend(home.map(|(number, _)| (number, *record)));
            }
        }
        found
    }
}

/// How many there are below a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Names of files whose entries can be read.
    pub(super) files: u64,
    /// Directories that can be read, the first among them.
    pub(super) directories: u64,
}

/// The entry of a record, in a view.
pub(super) fn entry_at<R: ReadAt>(view: &View<'_, R>, record: &Record) -> Option<Entry> {
    let address = view.address(record.at_bytes, record.location)?;
    view.volume.entry(&LongAd::icb(view.volume.block_size().bytes(), address, 0)).ok()
}

/// Whether an entry is still the one that a name was given to, as far as the two tell.
pub(super) fn is_same(found: &Found, entry: &Entry) -> bool {
    let (named, recorded) = (found.icb.unique_id.get(), entry.low_unique_id());
    // Up to 1.50 names have no unique id; further names of a file have ids of their own.
    named == 0 || named == recorded || entry.links > 1
}

/// Whether users have such files; all others are of the volume itself.
pub(super) fn is_of_users(kind: FileType) -> bool {
    matches!(
        kind,
        FileType::UNSPECIFIED
            | FileType::DIRECTORY
            | FileType::REGULAR
            | FileType::BLOCK_DEVICE
            | FileType::CHARACTER_DEVICE
            | FileType::FIFO
            | FileType::SOCKET
            | FileType::SYMBOLIC_LINK
            | FileType::REAL_TIME
    )
}

/// Whether an entry is that of a stream, which belongs to another file.
pub(super) fn is_stream(entry: &Entry) -> bool {
    entry.flags & flags::STREAM != 0
}
