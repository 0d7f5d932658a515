//! What is asked of a scan.

use udf::general::Moment;

use super::{FileId, Filter};
use crate::tree::Attributes;

/// What becomes of symbolic links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Symlinks {
    /// They are recorded as links.
    #[default]
    Keep,
    /// What they point to is recorded in their place; links that lead nowhere are kept.
    Follow,
    /// They are not recorded.
    Skip,
}

/// What happens if there is something else of the same path already. Directories that meet merge in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conflict {
    /// It is replaced, but for a directory that is not empty and would have to make way for something that is none: that takes
    /// [`Options::mirror`].
    Replace,
    /// It stays. The attributes of directories stay too.
    Keep,
    /// The scan fails.
    #[default]
    Error,
}

/// Names in the root directory that are the volume's own, and no files of the sources': its checksums, and, up to 1.50, what says
/// which blocks of a sparable one can never be used (UDF 1.50 2.3.13).
pub const OWN_NAMES: &[&str] = &["mkudf-ms.sha256", "mkudf-ms.blake3", udf::file::NON_ALLOCATABLE_FILE];

/// How a scan goes.
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Clone, Debug)]
pub struct Options {
    /// What becomes of symbolic links.
    pub symlinks: Symlinks,
    /// Directories on which another file system is mounted are recorded empty.
    pub one_file_system: bool,
    /// What is not taken.
    pub exclude: Filter,
    /// The owner of everything.
    pub uid: Option<u32>,
    /// The group of everything.
    pub gid: Option<u32>,
    /// The permissions of regular files.
    pub file_mode: Option<u16>,
    /// The permissions of directories.
    pub directory_mode: Option<u16>,
    /// All times of everything.
    pub time: Option<Moment>,
    /// Times later than this become this: `SOURCE_DATE_EPOCH`.
    pub clamp_time: Option<Moment>,
    /// Times of last access are recorded; if not, the time of last modification stands in their place.
    pub keep_access_time: bool,
    /// Extended attributes of regular files, of the user's kind, are recorded as named streams: `user.x` as the stream `x`. From
    /// revision 2.00 on.
    pub extended_attributes: bool,
    /// What happens if there is something else of the same path already.
    pub on_conflict: Conflict,
    /// What an earlier session recorded is left alone if [`Existing::compare`](super::Existing::compare)
    /// finds it to be the same.
    pub update: bool,
    /// What an earlier session recorded in a directory that a source names, or below, and what the source does not list
    /// there, is removed. What [`exclude`](Self::exclude) matches is protected, but not in a directory that is gone itself;
    /// and so is all of a directory that could not be listed.
    pub mirror: bool,
    /// Names in the root directory that [`mirror`](Self::mirror) leaves alone.
    pub protected: &'static [&'static str],
    /// A file that is left out with a note: the image that is being written.
    pub skip: Option<FileId>,
    /// The attributes of directories that are made because a target lies in them.
    pub made: Attributes,
}

impl Options {
    /// Everything as it is on the host. Directories that are made for targets have `0755` as permissions, `now` as all their
    /// times, and belong to the caller.
    #[must_use]
    pub fn new(now: Moment) -> Self {
        Self {
            symlinks: Symlinks::default(),
            one_file_system: false,
            exclude: Filter::default(),
            uid: None,
            gid: None,
            file_mode: None,
            directory_mode: None,
            time: None,
            clamp_time: None,
            keep_access_time: true,
            extended_attributes: false,
            on_conflict: Conflict::default(),
            update: false,
            mirror: false,
            protected: OWN_NAMES,
            skip: None,
            made: Attributes {
                mode: 0o755,
                uid: rustix::process::geteuid().as_raw(),
                gid: rustix::process::getegid().as_raw(),
                accessed: now,
                modified: now,
                changed: now,
                created: now,
            },
        }
    }
}
