//! What is told of a scan, beside its counts.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::Scanner;
use super::record::Thing;
use crate::error::Warning;
use crate::tree::NodeId;

impl Scanner<'_> {
    /// Where something is on the host.
    pub(super) fn host_path(&self, thing: &Thing<'_>) -> PathBuf {
        self.tree.host_directory_path(thing.host).join(OsStr::from_bytes(thing.host_name))
    }

    /// Something is not on the volume.
    pub(super) fn left_out(&mut self, thing: &Thing<'_>, why: &str) {
        let warning = Warning::LeftOut { path: self.host_path(thing), why: String::from(why) };
        self.outcome.warnings.push(warning);
    }

    /// Something is good to know.
    pub(super) fn note(&mut self, text: String) {
        self.outcome.warnings.push(Warning::Note(text));
    }

    /// Tells of a name that could not be kept, and remembers it.
    pub(super) fn tell_of_change(&mut self, node: NodeId, thing: &Thing<'_>) {
        let Some(changed) = &thing.naming.changed else { return };
        let (path, recorded) = (self.host_path(thing), self.tree.name_text(node));
        self.outcome.warnings.push(Warning::NameChanged { path, why: changed.why.clone(), recorded });
        self.renamed.insert(node, changed.from.clone());
    }
}
