//! Lists of files to take (`--files-from`).

use std::ffi::OsStr;
use std::io::BufRead;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::Source;
use crate::error::{Error, Result};

/// Reads a list of files: one path a line, or one before each NUL.
///
/// What rsync and tar have in common, and where they differ the one that loses less:
/// * A path is taken from `base`, and recorded under itself: `a/b` of the list is `/a/b` of the volume. An absolute one is
///   taken from where it says, and recorded without its first `/` (tar).
/// * Directories on the way are made, and look like those of the host (rsync's implied directories).
/// * A directory is recorded without what is in it, unless that is listed too (`find | cpio`, `tar --no-recursion`, rsync).
/// * `..` is refused: it would name places outside the volume (rsync).
/// * Empty lines mean nothing. There are no comments, quotes or escapes: every name can be listed as it is, but for one
///   with a line feed in it, which takes NULs.
/// * Order and repetition mean nothing.
/// * What is listed and not there is left out with a warning (rsync, tar).
pub fn files_from(mut list: impl BufRead, nul_separated: bool, base: &Path) -> Result<Vec<Source>> {
    let separator = if nul_separated { b'\0' } else { b'\n' };
    let mut sources = Vec::new();
    let mut line = Vec::new();
    while list.read_until(separator, &mut line).map_err(Error::host("cannot read", "the list of files"))? > 0
    {
        let path = line.strip_suffix(&[separator]).unwrap_or(&line);
        sources.extend(listed(Path::new(OsStr::from_bytes(path)), base)?);
        line.clear();
    }
    sources.sort_unstable_by(|a, b| a.target.cmp(&b.target));
    sources.dedup_by(|a, b| a.target == b.target);
    Ok(sources)
}

fn listed(path: &Path, base: &Path) -> Result<Option<Source>> {
    let mut target = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => target.push(name),
            Component::ParentDir => {
                let reason = format!("{path:?} of the list leads out of its directory");
                return Err(Error::refused(reason, "list paths without \"..\""));
            }
            _ => {}
        }
    }
    if target.as_os_str().is_empty() {
        return Ok(None);
    }
    let root = if path.is_absolute() { Path::new("/") } else { base };
    Ok(Some(Source { path: root.join(&target), target: Some(target), listed: true }))
}
