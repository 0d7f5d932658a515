//! Hard links: the first name of a file makes it, the others are linked to that when everything else is done.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use udf::BlockAddress;
use udf::general::LongAd;
use udf::read::Entry;

use super::folders::FolderId;

/// A name in a directory of the host.
#[derive(Clone, Debug)]
pub(crate) struct HostPlace {
    pub(crate) folder: FolderId,
    pub(crate) name: Box<str>,
}

/// A name that waits for the file that it shall be a link to.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) place: HostPlace,
    pub(crate) icb: LongAd,
}

/// The files that have several names. A file whose entry says otherwise is made once for each name.
#[derive(Debug, Default)]
pub(crate) struct Links {
    shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// `None` while the file is being made.
    made: HashMap<BlockAddress, Option<HostPlace>>,
    waiting: Vec<Waiting>,
}

impl Links {
    /// Whether the caller is to make the file now; if not, the name waits.
    pub(crate) fn claim(&self, entry: &Entry, icb: LongAd, place: impl FnOnce() -> HostPlace) -> bool {
        if entry.links < 2 {
            return true;
        }
        self.with(|shared| {
            if shared.made.contains_key(&entry.icb) {
                shared.waiting.push(Waiting { place: place(), icb });
                return false;
            }
            shared.made.insert(entry.icb, None);
            true
        })
    }

    /// Tells where the file was made, if it was. Nothing is ever linked to a file that was here before.
    pub(crate) fn settle(&self, entry: &Entry, place: Option<HostPlace>) {
        if entry.links < 2 {
            return;
        }
        self.with(|shared| match place {
            Some(place) => shared.made.insert(entry.icb, Some(place)),
            None => shared.made.remove(&entry.icb),
        });
    }

    /// Where a file was made.
    pub(crate) fn made(&self, icb: BlockAddress) -> Option<HostPlace> {
        self.with(|shared| shared.made.get(&icb).cloned().flatten())
    }

    /// Takes the names that wait, those of one directory together.
    pub(crate) fn take_waiting(&self) -> Vec<Waiting> {
        let mut waiting = self.with(|shared| std::mem::take(&mut shared.waiting));
        waiting.sort_by(|a, b| (a.place.folder, &a.place.name).cmp(&(b.place.folder, &b.place.name)));
        waiting
    }

    fn with<T>(&self, act: impl FnOnce(&mut Shared) -> T) -> T {
        act(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
