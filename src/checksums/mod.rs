//! Checksums of files: one file on the volume holds those of all the others, as `sha256sum` and `b3sum` write and check them.
//!
//! The file is `mkudf-ms.sha256` or `mkudf-ms.blake3`, in the root directory. It has a line for each regular file but itself, in
//! the order of paths: 64 hexadecimal digits, two spaces, the path without a leading `/`; where a name has `\`, a line feed or a
//! carriage return, the line begins with `\` and they are `\\`, `\n` and `\r`. Each session has its own, with what it carries
//! over from the one before; so whoever mounts it can say `sha256sum -c mkudf-ms.sha256`. Named streams are not in it.

mod list;
mod record;
mod verify;

use std::fmt;
use std::str::FromStr;

use sha2::Digest as _;
use udf::read::{Entry, ReadAt, Volume};

pub use list::{Checksums, LineError};
pub use record::{Recorded, record};
pub use verify::{Verdict, Verified, verify};

use crate::error::{Error, Result};
use list::Reader;

/// The names of the files that checksums are in, in the root directory.
pub const FILE_NAMES: &[&str] = &["mkudf-ms.sha256", "mkudf-ms.blake3"];

/// Parts in which files are read.
const PART_BYTES: usize = 1 << 20;

/// How checksums are calculated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// BLAKE3, with its usual 256 bits.
    Blake3,
}

impl Algorithm {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Blake3];

    /// The name of the file that they are in, in the root directory.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Sha256 => FILE_NAMES[0],
            Self::Blake3 => FILE_NAMES[1],
        }
    }

    fn hasher(self) -> Hasher {
        match self {
            Self::Sha256 => Hasher::Sha256(sha2::Sha256::new()),
            Self::Blake3 => Hasher::Blake3(Box::new(blake3::Hasher::new())),
        }
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "blake3" => Ok(Self::Blake3),
            _ => Err(String::from("sha256 or blake3")),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "SHA-256",
            Self::Blake3 => "BLAKE3",
        })
    }
}

/// The checksum of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Checksum(pub [u8; 32]);

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A checksum in the making.
enum Hasher {
    Sha256(sha2::Sha256),
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Blake3(hasher) => _ = hasher.update(bytes),
        }
    }

    fn finish(self) -> Checksum {
        Checksum(match self {
            Self::Sha256(hasher) => hasher.finalize().into(),
            Self::Blake3(hasher) => hasher.finalize().into(),
        })
    }
}

/// The checksums that a session of a volume has, if it has any.
pub fn recorded<R: ReadAt>(volume: &Volume<R>) -> Result<Option<Checksums>> {
    let root = volume.root()?;
    for algorithm in Algorithm::ALL {
        let name = algorithm.file_name();
        let Some(found) = volume.child(&root, name)? else { continue };
        let unusable = |error: LineError| {
            Error::refused(
                format!("the checksums of the volume, in /{name}, cannot be used: {error}"),
                format!(
                    "take that file out (append --remove /{name}), and have new ones made (append --checksums)"
                ),
            )
        };
        // Line by line, so that what is no list takes no memory, whatever size it claims.
        let mut reader = Reader::new(algorithm);
        let entry = volume.entry(&found.icb)?;
        each_part(volume, &entry, &mut |part| reader.add(part).map_err(unusable))?;
        let list = reader.finish().map_err(unusable)?;
        return Ok(Some(list));
    }
    Ok(None)
}

/// Hands the body of a file of a volume on, part by part.
fn each_part<R: ReadAt>(
    volume: &Volume<R>,
    entry: &Entry,
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let body = volume.body(entry)?;
    let mut part = vec![0; usize::try_from(body.len()).unwrap_or(usize::MAX).min(PART_BYTES)];
    let mut at_bytes = 0;
    while at_bytes < body.len() {
        let count = body.read(at_bytes, &mut part)?;
        take(&part[..count])?;
        at_bytes += count as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_mirror_of_other_files_takes_the_lists_away() {
        assert!(FILE_NAMES.iter().all(|name| crate::scan::OWN_NAMES.contains(name)));
        assert!(Algorithm::ALL.iter().all(|algorithm| FILE_NAMES.contains(&algorithm.file_name())));
    }
}
