//! What is being done and how far it is, for whoever wants to show it; and how to stop it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Counters that the work moves and an observer reads, shared by cloning. The default one is observed by nobody.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    files: AtomicU64,
    bytes: AtomicU64,
    total_bytes: AtomicU64,
    cancelled: AtomicBool,
}

impl Progress {
    /// Nothing done yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// So many more files were looked at.
    pub fn add_files(&self, files: u64) {
        self.shared.files.fetch_add(files, Ordering::Relaxed);
    }

    /// So many more bytes were written.
    pub fn add_bytes(&self, bytes: u64) {
        self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes will be written in all.
    pub fn set_total_bytes(&self, bytes: u64) {
        self.shared.total_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Files looked at.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.shared.files.load(Ordering::Relaxed)
    }

    /// Bytes written.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// Bytes to be written in all; 0 while that is not known.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.shared.total_bytes.load(Ordering::Relaxed)
    }

    /// Asks the work to stop at the next convenient place. May be called from a signal handler's thread.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
    }

    /// An error if somebody asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.shared.cancelled.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}
