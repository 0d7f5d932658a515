//! Reads all files of a session, in the order in which they lie, and compares them with the checksums that it has.

use std::collections::BTreeSet;

use udf::general::LongAd;
use udf::read::{Entry, ReadAt, Volume};

use super::record::{joined, of_entry};
use super::{Algorithm, Checksums, FILE_NAMES, recorded};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::session::kind_of;
use crate::tree::Kind;

/// What is the matter with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its bytes are not those that the checksum is of.
    Differs,
    /// It cannot be read.
    Unreadable {
        /// Why.
        why: String,
    },
    /// It has a checksum, and is not there.
    Missing,
    /// It is there, and has no checksum.
    NotListed,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How the checksums of the session were calculated; `None` if it has none, and files were only read.
    pub algorithm: Option<Algorithm>,
    /// Files that were read whole.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those with which something is the matter, by path.
    pub faults: Vec<(String, Verdict)>,
}

/// Reads every regular file of a session, or those `below` some paths. A path that is not there is an error.
pub fn verify<R: ReadAt>(volume: &Volume<R>, below: &[String], progress: &Progress) -> Result<Verified> {
    let list = recorded(volume)?;
    let mut done = Verified { algorithm: list.as_ref().map(|list| list.algorithm), ..Verified::default() };
    let files = files(volume, below, &mut done, progress)?;
    progress.set_total_bytes(files.iter().map(|file| file.bytes).sum());
    if let Some(list) = &list {
        missing(list, below, &files, &mut done);
    }
    for file in files {
        progress.check()?;
        let wanted = list.as_ref().and_then(|list| list.files.get(&file.path));
        let algorithm = list.as_ref().map_or(Algorithm::Blake3, |list| list.algorithm);
        let read = volume
            .entry(&file.icb)
            .map_err(Error::from)
            .and_then(|entry| of_entry(volume, &entry, algorithm, progress));
        let verdict = match (read, wanted) {
            (Err(Error::Cancelled), _) => return Err(Error::Cancelled),
            (Err(error), _) => Verdict::Unreadable { why: error.to_string() },
            (Ok(found), Some(wanted)) if found != *wanted => Verdict::Differs,
            (Ok(_), None) if list.is_some() && !FILE_NAMES.contains(&file.path.as_str()) => {
                Verdict::NotListed
            }
            (Ok(_), _) => {
                done.files += 1;
                done.bytes += file.bytes;
                continue;
            }
        };
        done.faults.push((file.path, verdict));
    }
    done.faults.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(done)
}

struct File {
    start: (u16, u32),
    path: String,
    icb: LongAd,
    bytes: u64,
}

/// The files to be read, in the order of their first blocks.
fn files<R: ReadAt>(
    volume: &Volume<R>,
    below: &[String],
    done: &mut Verified,
    progress: &Progress,
) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut add = |path: String, icb: LongAd, entry: &Entry| {
        if kind_of(entry.kind) == Some(Kind::File) {
            let first = volume.extents(entry).find_map(|extent| Some(extent.ok()?.start));
            let start = first.map_or((0, 0), |at| (at.partition.0, at.block.0));
            files.push(File { start, path, icb, bytes: entry.size_bytes });
        }
    };
    let whole = [String::new()];
    for top in if below.is_empty() { &whole } else { below } {
        let top = top.trim_matches('/');
        let entry = if top.is_empty() { volume.root()? } else { volume.lookup(top)? };
        if !entry.is_directory() {
            let icb = LongAd::icb(volume.block_size().bytes(), entry.icb, 0);
            add(top.to_owned(), icb, &entry);
            continue;
        }
        for step in volume.walk(&entry) {
            progress.check()?;
            match step {
                Ok((path, name, entry)) => add(joined(top, &path), name.icb, &entry),
                Err(lost) => {
                    let why = lost.error.to_string();
                    done.faults.push((joined(top, &lost.path), Verdict::Unreadable { why }));
                }
            }
        }
    }
    files.sort_by(|one, other| (one.start, &one.path).cmp(&(other.start, &other.path)));
    files.dedup_by(|one, other| one.path == other.path);
    Ok(files)
}

/// Notes what the list has and the session has not.
fn missing(list: &Checksums, below: &[String], files: &[File], done: &mut Verified) {
    let there: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let is_wanted =
        |path: &str| below.is_empty() || below.iter().any(|top| is_at(path, top.trim_matches('/')));
    // What is below a directory that cannot be read is not known to be missing.
    let unread: Vec<String> = done.faults.iter().map(|(path, _)| path.clone()).collect();
    let gone = list.files.keys().filter(|path| !there.contains(path.as_str()) && is_wanted(path));
    let gone = gone.filter(|path| !unread.iter().any(|top| is_at(path, top)));
    done.faults.extend(gone.map(|path| (path.clone(), Verdict::Missing)));
}

/// Whether a path is this one, or below it.
fn is_at(path: &str, top: &str) -> bool {
    top.is_empty() || path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_only_begins_alike_is_another() {
        assert!(is_at("a/b", "") && is_at("a/b", "a") && is_at("a/b", "a/b"));
        assert!(!is_at("ab", "a") && !is_at("a", "a/b"));
    }
}
