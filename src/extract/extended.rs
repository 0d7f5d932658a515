//! Named streams that become extended attributes of the host's files.

use std::fs::File;

use rustix::fs::{XattrFlags, fsetxattr};
use udf::read::{Entry, ReadAt};

use super::item::Place;
use super::walk::Extraction;
use crate::error::Warning;
use crate::scan::{MOST_BYTES, PREFIX};

impl<R: ReadAt> Extraction<'_, R> {
    /// Gives a new file its streams. Those that do not fit the host are told of.
    pub(crate) fn extended_attributes(&self, place: Place<'_>, entry: &Entry, file: &File) {
        let warn = |why: String| {
            self.warn(Warning::NotRestored { path: self.folders.path(place.folder, place.name), why });
        };
        let unreadable = |error: &udf::Error| warn(format!("its named streams cannot be read: {error}"));
        let directory = match self.volume.streams(entry) {
            Ok(Some(streams)) => self.volume.directory(&streams),
            Ok(None) => return,
            Err(error) => Err(error),
        };
        let names = match directory {
            Ok(directory) => directory.live(),
            Err(error) => return unreadable(&error),
        };
        for name in names {
            let name = match name {
                Ok(name) => name,
                Err(error) => return unreadable(&error),
            };
            let text = name.name_text();
            let value = self
                .volume
                .entry(&name.icb)
                .and_then(|stream| self.volume.read_all(&stream, MOST_BYTES as u64));
            let set = value.map_err(|error| error.to_string()).and_then(|value| {
                let set = fsetxattr(file, format!("{PREFIX}{text}"), &value, XattrFlags::empty());
                set.map_err(|error| std::io::Error::from(error).to_string())
            });
            if let Err(why) = set {
                warn(format!("its named stream {text:?} cannot be an extended attribute: {why}"));
            }
        }
    }
}
