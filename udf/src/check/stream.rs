//! Named streams: what UDF calls them, and where each may be (R127, R128).

use super::allocation::Body;
use super::directory::Child;
use super::entry::Facts;
use super::files::Files;
use super::role::Role;
use alloc::vec::Vec;

use crate::file::{NON_ALLOCATABLE_FILE, NON_ALLOCATABLE_SPACE, characteristics};
use crate::general::ExtentKind;
use crate::read::ReadAt;

/// Streams of the volume (UDF 3.3.7).
const SYSTEM: [&str; 4] =
    ["*UDF Unique ID Mapping Data", NON_ALLOCATABLE_SPACE, "*UDF Power Cal Table", "*UDF Backup"];
/// Streams of files (UDF 3.3.8).
const OF_FILES: [&str; 4] = ["*UDF Macintosh Resource Fork", "*UDF OS/2 EA", "*UDF NT ACL", "*UDF UNIX ACL"];

/// Whether a stream may have this name: names that begin with `*UDF` are reserved.
pub(super) fn is_legal(name: &str, system: bool) -> bool {
    let known: &[&str] = if system { &SYSTEM } else { &OF_FILES };
    !name.starts_with("*UDF") || known.contains(&name)
}

impl<R: ReadAt> Files<'_, R> {
    /// Whether a name is that of the Non-Allocatable Space.
    pub(super) fn names_non_allocatable(&self, child: &Child, role: Role, in_root: bool) -> bool {
        let is_stream = role == Role::SystemStream && &*child.name == NON_ALLOCATABLE_SPACE;
        let is_file = in_root && !self.context.rules().streams && &*child.name == NON_ALLOCATABLE_FILE;
        is_stream || is_file
    }

    /// Blocks that cannot be allocated are kept in a file of their own (UDF 3.3.7.2).
    pub(super) fn non_allocatable_space(&mut self, child: &Child, facts: &Facts, role: Role, in_root: bool) {
        if !self.names_non_allocatable(child, role, in_root) {
            return;
        }
        let is_file = role != Role::SystemStream;
        let at = child.at();
        let only_allocated = match &facts.body {
            Body::Passed { only_allocated } => *only_allocated,
            Body::Embedded { bytes, .. } => *bytes == 0,
            Body::Extents(extents) => extents.iter().all(|extent| extent.kind == ExtentKind::Allocated),
        };
        let extents = match &facts.body {
            Body::Extents(extents) => extents.clone(),
            _ => Vec::new(),
        };
        self.non_allocatable = Some(extents);
        if !only_allocated {
            self.error(128, at, format_args!("some of its extents are not just allocated"));
        }
        if !facts.is_system() {
            self.error(128, at, format_args!("not marked as a system file"));
        }
        if is_file && (!child.has(characteristics::HIDDEN) || facts.size_bytes != 0) {
            let bytes = facts.size_bytes;
            self.error(128, at, format_args!("must be hidden and empty, has {bytes} bytes"));
        }
    }
}
