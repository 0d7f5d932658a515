//! What differs between two sessions of a volume, or between any two volumes.

use std::collections::{BTreeMap, HashMap, HashSet};

use udf::file::FileType;
use udf::general::ExtentKind;
use udf::read::{Entry, ReadAt, Volume};

use crate::error::Result;
use crate::progress::Progress;

/// Bytes of each of two bodies that are compared at a time.
const PIECE_BYTES: usize = 1 << 18;

/// One path, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path in the newer volume; of what was removed, in the older one. The root is `/`.
    pub path: String,
    /// What became of it.
    pub change: Change,
}

/// What became of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// It is there now.
    Added,
    /// It is there no longer.
    Removed,
    /// The same file, by its unique id (UDF 2.60 3.2.1.1), had another path.
    Renamed {
        /// The older path.
        from: String,
    },
    /// The body, the kind, the target or the device number is another.
    Content,
    /// Only owner, permissions or the time of modification are others.
    Attributes,
}

/// What became of the paths of `old` in `new`, in the order of the paths; what is inside a renamed directory and came along
/// is not told by itself. Bodies are compared byte by byte unless they lie in the same place of the same device.
pub fn diff<R: ReadAt, S: ReadAt>(
    old: &Volume<R>,
    new: &Volume<S>,
    is_same_device: bool,
    progress: &Progress,
) -> Result<Vec<Difference>> {
    let (before, after) = (files(old, progress)?, files(new, progress)?);
    let comparison = Comparison { old, new, is_same_device, progress };
    let renamed = renamed(&before, &after);
    let mut found = Vec::new();
    for (path, entry) in &after {
        let from = if before.contains_key(path) { Some(path.as_str()) } else { renamed.get(path).copied() };
        let mut tell = |change| found.push(Difference { path: path.clone(), change });
        let Some(from) = from else {
            tell(Change::Added);
            continue;
        };
        if from != path && !came_along(from, path, &renamed) {
            tell(Change::Renamed { from: from.into() });
        }
        if let Some(change) = comparison.entry(&before[from], entry)? {
            tell(change);
        }
    }
    let moved: HashSet<&str> = renamed.values().copied().collect();
    let gone = before.keys().filter(|path| !after.contains_key(*path) && !moved.contains(path.as_str()));
    found.extend(gone.map(|path| Difference { path: path.clone(), change: Change::Removed }));
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn files<R: ReadAt>(volume: &Volume<R>, progress: &Progress) -> Result<BTreeMap<String, Entry>> {
    let root = volume.root()?;
    let mut found = BTreeMap::new();
    for step in volume.walk(&root) {
        progress.check()?;
        let (path, _, entry) = step.map_err(udf::Error::from)?;
        found.insert(format!("/{path}"), entry);
    }
    found.insert(String::from("/"), root);
    Ok(found)
}

/// Newer paths of files whose older path is gone, with that.
fn renamed<'a>(
    before: &'a BTreeMap<String, Entry>,
    after: &BTreeMap<String, Entry>,
) -> HashMap<String, &'a str> {
    let mut gone: HashMap<(u64, FileType), Vec<&str>> = HashMap::new();
    // From the last to the first, so that the first is on top.
    for (path, entry) in
        before.iter().rev().filter(|(path, entry)| !after.contains_key(*path) && entry.unique_id != 0)
    {
        gone.entry((entry.unique_id, entry.kind)).or_default().push(path);
    }
    let come = after.iter().filter(|(path, _)| !before.contains_key(*path));
    let pairs = come.filter_map(|(path, entry)| {
        Some((path.clone(), gone.get_mut(&(entry.unique_id, entry.kind))?.pop()?))
    });
    pairs.collect()
}

/// Whether a path is another only because its directory is.
fn came_along(from: &str, to: &str, renamed: &HashMap<String, &str>) -> bool {
    let (Some((old_parent, old_name)), Some((new_parent, new_name))) =
        (from.rsplit_once('/'), to.rsplit_once('/'))
    else {
        return false;
    };
    old_name == new_name && renamed.get(new_parent) == Some(&old_parent)
}

struct Comparison<'a, R, S> {
    old: &'a Volume<R>,
    new: &'a Volume<S>,
    is_same_device: bool,
    progress: &'a Progress,
}

impl<R: ReadAt, S: ReadAt> Comparison<'_, R, S> {
    fn entry(&self, old: &Entry, new: &Entry) -> Result<Option<Change>> {
        // Names are told path by path; how many bytes they take is no change of its own.
        let is_body = !old.is_directory() && !new.is_directory();
        let is_same = old.kind == new.kind
            && old.device == new.device
            && (!is_body || (old.size_bytes == new.size_bytes && self.bodies(old, new)?));
        if !is_same {
            return Ok(Some(Change::Content));
        }
        let attributes = |entry: &Entry| (entry.mode(), entry.uid, entry.gid);
        let is_same_time = old.is_directory() || old.modified.moment() == new.modified.moment();
        Ok((attributes(old) != attributes(new) || !is_same_time).then_some(Change::Attributes))
    }

    /// Whether two bodies of one size are the same.
    fn bodies(&self, old: &Entry, new: &Entry) -> Result<bool> {
        if self.is_same_device && old.size_bytes > 0 {
            let (one, other) = (places(self.old, old)?, places(self.new, new)?);
            if one.is_some() && one == other {
                return Ok(true);
            }
        }
        let (one, other) = (self.old.body(old)?, self.new.body(new)?);
        let (mut left, mut right) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
        let mut at = 0;
        while at < old.size_bytes {
            self.progress.check()?;
            let wanted = usize::try_from(old.size_bytes - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            let (read, also) = (one.read(at, &mut left[..wanted])?, other.read(at, &mut right[..wanted])?);
            let both = read.min(also);
            if both == 0 || left[..both] != right[..both] {
                return Ok(false);
            }
            at += both as u64;
        }
        Ok(true)
    }
}

/// Where on the device a body lies, if it has extents of its own and each lies together: kind, sector and length.
fn places<R: ReadAt>(volume: &Volume<R>, entry: &Entry) -> Result<Option<Vec<(ExtentKind, u32, u64)>>> {
    let mut found = Vec::new();
    for extent in volume.extents(entry) {
        let extent = extent?;
        let sector = match extent.kind {
            ExtentKind::Recorded => {
                let run = volume.locate(extent.start)?;
                if u64::from(run.blocks) < extent.blocks(volume.block_size()) {
                    return Ok(None);
                }
                run.sector.0
            }
            _ => 0,
        };
        found.push((extent.kind, sector, extent.bytes));
    }
    Ok((!found.is_empty()).then_some(found))
}
