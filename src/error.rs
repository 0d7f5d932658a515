//! How building can fail, and what is merely worth telling: each with its place and what the user can do.

use std::io;
use std::path::PathBuf;

/// The result of building.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why nothing, or not all, was built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory of the host cannot be used.
    #[error("{action} {path:?}: {source}")]
    Host {
        /// What was tried: "cannot read", "cannot open".
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it did not work.
        source: io::Error,
    },
    /// The target cannot be written.
    #[error("cannot write {bytes} bytes at byte {offset_bytes} of the target: {source}")]
    Write {
        /// First byte that was to be written.
        offset_bytes: u64,
        /// How many.
        bytes: u64,
        /// Why it did not work.
        source: io::Error,
    },
    /// The target did not take what was written to its medium.
    #[error("cannot make the target's data durable: {0}")]
    Flush(#[source] io::Error),
    /// The drive did not reserve the tracks of a new volume.
    #[error("cannot divide the disc into tracks: {0}")]
    Tracks(#[source] io::Error),
    /// The volume on the target cannot be read.
    #[error(transparent)]
    Volume(#[from] udf::Error),
    /// It does not fit.
    #[error("{needed_bytes} bytes are needed, the target holds {available_bytes}: {} too many", needed_bytes - available_bytes)]
    NoSpace {
        /// Bytes that the volume would take.
        needed_bytes: u64,
        /// Bytes that there are.
        available_bytes: u64,
    },
    /// The format has no room for it.
    #[error("{what}: {value}, but {limit} is the most that the format can hold")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        value: u64,
        /// The most.
        limit: u64,
    },
    /// What was asked for is refused, so that nothing is lost.
    #[error("{reason}\nhint: {hint}")]
    Refused {
        /// Why.
        reason: String,
        /// What the user can do.
        hint: String,
    },
    /// The options contradict each other or the medium.
    #[error("{0}")]
    Options(String),
    /// The builder refuses it.
    #[error(transparent)]
    Build(#[from] crate::builder::BuildError),
    /// A source is not what it was when it was added.
    #[error("{path:?}: {how}; nothing that depends on it was made current\nhint: add it again, as it is now")]
    DataStreamInconsistency {
        /// On the host, or as whoever added it called it.
        path: PathBuf,
        /// What was noticed.
        how: String,
    },
    /// The disc is not the one that was imported, or it was written to since.
    #[error(
        "the disc is not what it was when it was imported: {what}\nhint: import it again, and make the changes anew"
    )]
    DiscMismatch {
        /// What differs.
        what: String,
    },
    /// Somebody asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// [`Error::Host`], for `map_err`.
    pub fn host(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Host { action, path, source }
    }

    /// [`Error::DataStreamInconsistency`], from what would otherwise be a warning.
    #[must_use]
    pub fn inconsistent(warning: Warning) -> Self {
        match warning {
            Warning::Unreadable { path, why, size_bytes, missing_bytes } => Self::DataStreamInconsistency {
                path,
                how: format!("{why}: {missing_bytes} of its {size_bytes} bytes are missing"),
            },
            Warning::Changed { path, how } => Self::DataStreamInconsistency { path, how },
            other => Self::Options(other.to_string()),
        }
    }

    /// [`Error::Refused`].
    #[must_use]
    pub fn refused(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { reason: reason.into(), hint: hint.into() }
    }
}

/// Something that the user should know; returned, never printed by the library.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A name could not be kept as it was.
    #[error("{path:?}: {why}; recorded as {recorded:?}")]
    NameChanged {
        /// On the host, or on the volume.
        path: PathBuf,
        /// Why.
        why: String,
        /// The new name.
        recorded: String,
    },
    /// A packet of a sparable medium cannot be written any more, and lies elsewhere now.
    #[error(
        "the packet at sector {sector} cannot be written; it is at sector {to} now, and {left} spare packets are left"
    )]
    Relocated {
        /// Its first sector.
        sector: u32,
        /// The first sector of the spare packet.
        to: u32,
        /// Spare packets that are left.
        left: usize,
    },
    /// A file, or a directory's content, is not on the volume because it could not be read when the tree was made.
    #[error("{path:?} is left out: {why}")]
    LeftOut {
        /// On the host.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file could not be read, or not to its end; zeros stand in for what is missing.
    #[error("{path:?}: {why}; {missing_bytes} of its {size_bytes} bytes are zeros on the volume")]
    Unreadable {
        /// On the host.
        path: PathBuf,
        /// Why.
        why: String,
        /// Its size when it was looked at, which is its size on the volume.
        size_bytes: u64,
        /// How much of it is missing.
        missing_bytes: u64,
    },
    /// A file changed between being looked at and being read; the volume may hold a mixture.
    #[error("{path:?} changed while it was read: {how}")]
    Changed {
        /// On the host.
        path: PathBuf,
        /// What was noticed.
        how: String,
    },
    /// A file of the volume was not copied out whole, because the volume is damaged; holes stand in for what is missing.
    #[error("{path:?}: {why}; {missing_bytes} of its {size_bytes} bytes could not be read")]
    Damaged {
        /// On the volume.
        path: PathBuf,
        /// Why.
        why: String,
        /// Its size.
        size_bytes: u64,
        /// How much of it is missing.
        missing_bytes: u64,
    },
    /// A file was copied out, but not all of its owner, mode and times.
    #[error("{path:?}: owner, mode or times could not be restored: {why}")]
    NotRestored {
        /// On the volume.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Some readers will not be able to do something with the volume.
    #[error("{0}")]
    Compatibility(String),
    /// Anything else that is good to know.
    #[error("{0}")]
    Note(String),
}

impl Warning {
    /// Whether something of the source is not on the volume as it was: exit code 3.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        !matches!(self, Self::Compatibility(_) | Self::Note(_) | Self::Relocated { .. })
    }
}
