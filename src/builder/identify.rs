//! What is on a disc, and whether a session can be appended to it: asked before any work is done.

use udf::read::{OpenOptions, ReadAt};

use super::BuildError;
use crate::device::signature;
use crate::error::{Error, Result};
use crate::session::{Import, ImportOptions};

/// A file system on a disc. A bridge disc has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FileSystem {
    /// UDF, of any revision.
    Udf,
    /// ISO 9660.
    Iso9660,
    /// The Unicode names of Joliet beside ISO 9660.
    Joliet,
    /// Something else, by its common name.
    Other(&'static str),
}

/// Descriptors lie so far apart, from byte 32768 on (ECMA-119 6.2.1, ECMA-167 2/8).
const STRIDE_BYTES: u64 = 2048;
const MOST_DESCRIPTORS: u64 = 64;

/// The file systems that a disc has, the one to import from first.
#[must_use]
pub fn identify(device: &dyn ReadAt) -> Vec<FileSystem> {
    let mut found = Vec::new();
    let mut descriptor = vec![0; 128];
    for number in 0..MOST_DESCRIPTORS {
        if device.read_at(32 * 1024 + number * STRIDE_BYTES, &mut descriptor).is_err() {
            break;
        }
        let (kind, identifier) = (descriptor[0], &descriptor[1..6]);
        // Joliet is a supplementary descriptor with one of three escape sequences for UCS-2.
        let is_joliet =
            kind == 2 && [b"%/@", b"%/C", b"%/E"].iter().any(|e| descriptor[88..].starts_with(*e));
        found.extend(match identifier {
            b"NSR02" | b"NSR03" => Some(FileSystem::Udf),
            b"CD001" if kind == 1 => Some(FileSystem::Iso9660),
            b"CD001" if is_joliet => Some(FileSystem::Joliet),
            _ => None,
        });
    }
    // Volumes are also found by their anchors alone, with another distance between the descriptors.
    if udf::read::Volume::open(device, &OpenOptions::default()).is_ok() {
        found.push(FileSystem::Udf);
    }
    if found.is_empty() {
        found.extend(signature(device).map(FileSystem::Other));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether a session could be appended to what is on a device. If not, the error says why: [`BuildError::EmptyDisc`],
/// [`BuildError::NoSupportedFileSystem`], [`BuildError::IncompatiblePreviousSession`] or [`BuildError::ReadConsistency`]. The
/// options are those of the import that is meant: [`Defaults::import_options`](super::Defaults::import_options), if no others are.
pub fn probe(device: &dyn ReadAt, options: &ImportOptions) -> Result<()> {
    let opened = Import::open(device, options).and_then(|mut import| import.tree());
    opened.map(drop).map_err(|error| why_not(device, error))
}

/// Why nothing can be imported, in the builder's words.
pub(super) fn why_not(device: &dyn ReadAt, error: Error) -> Error {
    let found = identify(device);
    let is_udf = found.contains(&FileSystem::Udf);
    match error {
        Error::Refused { reason, hint } => BuildError::IncompatiblePreviousSession { reason, hint }.into(),
        Error::Volume(udf::Error::Read { .. }) => error,
        Error::Volume(error) if is_udf => BuildError::ReadConsistency { what: error.to_string() }.into(),
        Error::Volume(_) if found.is_empty() => BuildError::EmptyDisc.into(),
        Error::Volume(_) => {
            let name = |system: &FileSystem| match system {
                FileSystem::Udf => "UDF",
                FileSystem::Iso9660 => "ISO 9660",
                FileSystem::Joliet => "Joliet",
                FileSystem::Other(name) => name,
            };
            let names: Vec<_> = found.iter().map(name).collect();
            BuildError::NoSupportedFileSystem { found: names.join(" and ") }.into()
        }
        other => other,
    }
}
