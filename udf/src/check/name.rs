//! Names: against each other, and against what they lead to (R105, R122, R123, R125 to R127).

use super::directory::{Child, low};
use super::entry::Facts;
use super::files::Files;
use super::role::Role;
use super::tree::{Icb, Job};
use crate::file::{FileType, characteristics};
use crate::read::ReadAt;

impl<R: ReadAt> Files<'_, R> {
    /// No two names may be the same once they are decoded.
    pub(super) fn names(&mut self, children: &mut [Child]) {
        children.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        for (one, other) in children.iter().zip(children.iter().skip(1)) {
            if one.name != other.name || !one.comparable || !other.comparable {
                continue;
            }
            let deleted = one.has(characteristics::DELETED) || other.has(characteristics::DELETED);
            let message = format_args!("another is named \"{}\" too", other.name);
            if deleted {
                self.warning(123, other.at(), message);
            } else {
                self.error(123, other.at(), message);
            }
        }
    }

    /// Bytes of a path: those of its names, and one for each directory (ECMA-167 4/8.7.1).
    pub(super) fn paths(&mut self, job: &Job, children: &[Child]) {
        let Some(limit) = self.context.rules().path_limit_bytes else { return };
        for child in children {
            let bytes = job.path_bytes.saturating_add(child.name_bytes.into());
            if bytes > limit {
                self.warning(
                    125,
                    child.at(),
                    format_args!("the path to \"{}\" is {bytes} bytes long", child.name),
                );
            }
        }
    }

    /// The first name that leads to an entry.
    pub(super) fn first_name(&mut self, child: &Child, facts: &Facts, role: Role) {
        let at = child.at();
        if role == Role::Named {
            if facts.kind == FileType::DIRECTORY {
                self.directories = self.directories.saturating_add(1);
            } else {
                self.file_names = self.file_names.saturating_add(1);
            }
        } else if facts.is_directory() {
            self.error(127, at, format_args!("a directory among streams"));
        }
        self.directory_mark(child, facts.is_directory());
        self.name_id(child, facts.unique_id, role);
    }

    /// A name that leads to an entry which another name has led to before.
    pub(super) fn further_name(&mut self, child: &Child, seen: &Icb, role: Role) {
        if seen.is_directory {
            self.error(126, child.at(), format_args!("leads to a directory that has another name"));
        } else if role == Role::Named {
            self.file_names = self.file_names.saturating_add(1);
        } else {
            self.error(127, child.at(), format_args!("a stream has another name"));
        }
        if seen.links.is_some() || seen.is_directory {
            self.directory_mark(child, seen.is_directory);
            self.name_id(child, seen.unique_id, role);
        }
    }

    fn directory_mark(&mut self, child: &Child, is_directory: bool) {
        let marked = child.has(characteristics::DIRECTORY);
        if marked != is_directory {
            let (not, is) = (if marked { "" } else { "not " }, if is_directory { "a" } else { "no" });
            self.error(
                122,
                child.at(),
                format_args!("{not}marked as a directory's, but it is {is} directory"),
            );
        }
    }

    /// The unique id beside a name: that of the entry, or of a hard link one of its own (UDF 2.3.4.3).
    fn name_id(&mut self, child: &Child, unique_id: u64, role: Role) {
        if !self.context.rules().streams {
            return;
        }
        let (found, right) = (child.icb.unique_id.get(), low(unique_id));
        let later = role == Role::Named
            && found > right
            && self.next_unique_id.is_none_or(|next| u64::from(found) < next);
        if found != right && !later {
            self.error(
                105,
                child.at(),
                format_args!("unique id beside the name is {found}, of the entry {right}"),
            );
        }
    }
}
