//! Who claims what of the device: which entries a directory leads to, which blocks belong to files, and to more than one.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use udf::file::AllocationForm;
use udf::general::ExtentKind;
use udf::read::{Entry, ReadAt};

use super::bitmap::Bitmap;
use super::view::View;

/// Files that claim more than so many times the device, together, are an attack: what follows is not looked at.
const MOST_TIMES: u64 = 64;

/// What is known of the device's blocks, a bit each.
#[derive(Debug)]
pub(super) struct Ground {
    /// Entries that a name leads to.
    pub(super) reached: Bitmap,
    /// Entries that only a deleted name leads to.
    pub(super) deleted: Bitmap,
    /// Blocks of entries, directories and contents.
    pub(super) claimed: Bitmap,
    /// Blocks of the newest state that something else claims too.
    pub(super) conflict: Bitmap,
    /// Blocks of files found otherwise that something else claims too.
    pub(super) stale: Bitmap,
    /// Contents that have been seen: equal ones are one content of several files, and no conflict.
    contents: HashSet<u64>,
    /// Versions of files that names lead to.
    versions: HashSet<u64>,
    budget_bytes: u64,
}

/// Whose claim it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claimant {
    /// A file of the newest state.
    Newest,
    /// Any other.
    Other,
}

impl Ground {
    pub(super) fn new(size_bytes: u64) -> Self {
        let bitmap = || Bitmap::new(size_bytes);
        Self {
            reached: bitmap(),
            deleted: bitmap(),
            claimed: bitmap(),
            conflict: bitmap(),
            stale: bitmap(),
            contents: HashSet::new(),
            versions: HashSet::new(),
            budget_bytes: size_bytes.saturating_mul(MOST_TIMES),
        }
    }

    /// Whether the files of the volume claim so much that not all of it was looked at.
    pub(super) fn is_exhausted(&self) -> bool {
        self.budget_bytes == 0
    }

    /// Claims an entry and its content; whether nobody had come upon the entry before.
    pub(super) fn claim<R: ReadAt>(&mut self, view: &View<'_, R>, entry: &Entry, claimant: Claimant) -> bool {
        let block_bytes = u64::from(view.volume.block_size().bytes());
        let mut is_new = false;
        let blocks: Vec<u64> = view.device_bytes(entry.icb).chain(view.device_bytes(entry.block)).collect();
        for at_bytes in blocks {
            if self.reached.set(at_bytes) {
                is_new = true;
                self.claim_one(at_bytes, block_bytes, claimant, false);
            }
        }
        if is_new {
            self.versions.insert(version(entry));
            self.claim_content(view, entry, claimant);
        }
        is_new
    }

    fn claim_content<R: ReadAt>(&mut self, view: &View<'_, R>, entry: &Entry, claimant: Claimant) {
        if entry.form == AllocationForm::Embedded {
            return;
        }
        let mut extents = view.volume.extents(entry);
        let mut left_bytes = entry.size_bytes;
        let mut stretches = Vec::new();
        for extent in extents.by_ref().map_while(Result::ok) {
            if left_bytes == 0 || self.budget_bytes == 0 {
                break;
            }
            if extent.kind == ExtentKind::Recorded {
                let bytes = extent.bytes.min(left_bytes);
                stretches.extend(view.stretches(&udf::read::Extent { bytes, ..extent }));
                self.budget_bytes = self.budget_bytes.saturating_sub(bytes.max(512));
            }
            left_bytes = left_bytes.saturating_sub(extent.bytes);
        }
        let lists: Vec<_> =
            extents.allocation_extents().filter_map(|address| view.device_byte(address)).collect();
        let is_shared = !self.contents.insert(hash(&(&stretches, entry.size_bytes)));
        for (start_bytes, bytes) in stretches {
            self.claim_one(start_bytes, bytes, claimant, is_shared);
        }
        for at_bytes in lists {
            self.claim_one(at_bytes, view.volume.block_size().bytes().into(), claimant, is_shared);
        }
    }

    fn claim_one(&mut self, start_bytes: u64, bytes: u64, claimant: Claimant, is_shared: bool) {
        let twice = match claimant {
            _ if is_shared => None,
            Claimant::Newest => Some(&mut self.conflict),
            Claimant::Other => Some(&mut self.stale),
        };
        self.claimed.claim(start_bytes, bytes, twice);
    }

    /// Whether a name leads to the same version of a file, recorded elsewhere: blocks of metadata are copied as they are.
    pub(super) fn has_copy(&self, entry: &Entry) -> bool {
        self.versions.contains(&version(entry))
    }

    /// Whether something else claims blocks of an entry or its content.
    pub(super) fn is_contested<R: ReadAt>(
        &self,
        view: &View<'_, R>,
        entry: &Entry,
        claimant: Claimant,
    ) -> bool {
        let contested = |start_bytes, bytes| {
            self.conflict.has_any(start_bytes, bytes)
                || (claimant == Claimant::Other && self.stale.has_any(start_bytes, bytes))
        };
        let block_bytes = u64::from(view.volume.block_size().bytes());
        if view.device_byte(entry.block).is_some_and(|at_bytes| contested(at_bytes, block_bytes)) {
            return true;
        }
        if entry.form == AllocationForm::Embedded {
            return false;
        }
        let mut left_bytes = entry.size_bytes;
        for extent in view.volume.extents(entry).map_while(Result::ok) {
            let bytes = extent.bytes.min(left_bytes);
            if extent.kind == ExtentKind::Recorded
                && view
                    .stretches(&udf::read::Extent { bytes, ..extent })
                    .into_iter()
                    .any(|(start_bytes, bytes)| contested(start_bytes, bytes))
            {
                return true;
            }
            left_bytes -= bytes;
        }
        false
    }
}

/// What tells one version of a file from another, wherever it lies.
pub(super) fn version(entry: &Entry) -> u64 {
    let times = (entry.modified.moment(), entry.attributes_changed.moment());
    hash(&(entry.kind, entry.unique_id, entry.size_bytes, times, entry.mode(), &entry.allocation))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
