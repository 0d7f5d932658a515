//! What is being done and how far it is, for whoever wants to show it; and how to stop it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

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
    /// One more than the percentage; 0 if nothing is known.
    buffer_level: AtomicU8,
    cancelled: AtomicBool,
    observer: Option<Observer>,
}

/// Who is called.
struct Observer {
    every_bytes: u64,
    called: Box<dyn Fn(&Progress) + Send + Sync>,
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("every_bytes", &self.every_bytes).finish_non_exhaustive()
    }
}

/// Files are told of so many at a time.
const EVERY_FILES: u64 = 1000;

impl Progress {
    /// Nothing done yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with an observer who is called whenever so many more bytes were written, a thousand more files were looked at,
    /// and when the last byte was written. It is called by the threads that do the work, by several at once, and holds them up
    /// as long as it takes; it may [`cancel`](Self::cancel).
    #[must_use]
    pub fn observed(every_bytes: u64, observer: impl Fn(&Self) + Send + Sync + 'static) -> Self {
        let observer = Observer { every_bytes: every_bytes.max(1), called: Box::new(observer) };
        Self { shared: Arc::new(Shared { observer: Some(observer), ..Shared::default() }) }
    }

    /// So many more files were looked at.
    pub fn add_files(&self, files: u64) {
        let before = self.shared.files.fetch_add(files, Ordering::Relaxed);
        if let Some(observer) = &self.shared.observer
            && before / EVERY_FILES != before.saturating_add(files) / EVERY_FILES
        {
            (observer.called)(self);
        }
    }

    /// So many more bytes were written.
    pub fn add_bytes(&self, bytes: u64) {
        let before = self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        let Some(Observer { every_bytes, called }) = &self.shared.observer else { return };
        let now = before.saturating_add(bytes);
        if bytes > 0 && (before / every_bytes != now / every_bytes || now == self.total_bytes()) {
            called(self);
        }
    }

    /// So many bytes will be written in all.
    pub fn set_total_bytes(&self, bytes: u64) {
        self.shared.total_bytes.store(bytes, Ordering::Relaxed);
    }

    /// So full is the buffer of the drive that is written to, in percent.
    pub fn set_buffer_level(&self, percent: u8) {
        self.shared.buffer_level.store(percent.min(100) + 1, Ordering::Relaxed);
    }

    /// How full the buffer of the drive is that is written to, in percent; `None` if it has none, or is none.
    #[must_use]
    pub fn buffer_level_percent(&self) -> Option<u8> {
        self.shared.buffer_level.load(Ordering::Relaxed).checked_sub(1)
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn the_observer_is_called_at_every_step_and_at_the_end() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let progress = Progress::observed(100, {
            let seen = Arc::clone(&seen);
            move |progress| seen.lock().unwrap().push((progress.files(), progress.bytes()))
        });
        progress.add_files(999);
        progress.add_files(1);
        progress.set_total_bytes(275);
        for bytes in [99, 1, 0, 50, 120, 0, 5] {
            progress.add_bytes(bytes);
        }
        assert_eq!(*seen.lock().unwrap(), [(1000, 0), (1000, 100), (1000, 270), (1000, 275)]);
    }
}
