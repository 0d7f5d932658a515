//! Bodies that are neither on the host nor in memory: whoever adds them reads them for us, once or as often as needed.

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Opens a body from its first byte on; may be called several times, from several threads.
pub type OpenInput = dyn Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync;

/// A body of a known length that somebody else reads for us.
#[derive(Clone)]
pub struct Input {
    /// By which path it is told of.
    pub path: PathBuf,
    /// Its length.
    pub size_bytes: u64,
    /// It can be read but once.
    pub is_once: bool,
    open: Arc<OpenInput>,
}

impl Input {
    /// A body that can be opened as often as needed.
    pub fn reopened(
        path: impl Into<PathBuf>,
        size_bytes: u64,
        open: impl Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync + 'static,
    ) -> Self {
        Self { path: path.into(), size_bytes, is_once: false, open: Arc::new(open) }
    }

    /// A body that can be read once.
    pub fn once(path: impl Into<PathBuf>, size_bytes: u64, reader: impl Read + Send + 'static) -> Self {
        let reader: Mutex<Option<Box<dyn Read + Send>>> = Mutex::new(Some(Box::new(reader)));
        let opened = Self::reopened(path, size_bytes, move || {
            let taken = reader.lock().unwrap_or_else(PoisonError::into_inner).take();
            taken.ok_or_else(|| io::Error::other("it can be read only once, and was read before"))
        });
        Self { is_once: true, ..opened }
    }

    /// The body from its first byte on.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        (self.open)()
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("path", &self.path)
            .field("size_bytes", &self.size_bytes)
            .finish_non_exhaustive()
    }
}
