//! Extended attributes of the host's files that become named streams.

use std::ffi::CStr;
use std::io;
use std::path::Path;

use rustix::fs::{getxattr, listxattr};
use rustix::io::Errno;

use super::Scanner;
use super::record::Thing;
use crate::error::Warning;
use crate::tree::{Attributes, Kind, NodeId, stream_name};

/// The kind of attributes that users make; programs like samba keep streams so.
pub(crate) const PREFIX: &str = "user.";
/// The most that the kernel has as a list of names, or as a value.
pub(crate) const MOST_BYTES: usize = 64 * 1024;

impl Scanner<'_> {
    /// Gives a new file its host's attributes as streams.
    pub(super) fn record_extended_attributes(&mut self, node: NodeId, thing: &Thing<'_>) {
        let path = self.host_path(thing);
        let found = match all(&path) {
            Ok(found) => found,
            Err(error) => {
                let why = format!("its extended attributes cannot be read: {error}");
                self.outcome.warnings.push(Warning::LeftOut { path, why });
                return;
            }
        };
        if found.is_empty() {
            return;
        }
        let inode = self.tree.node(node).inode;
        let attributes = self.tree.inode(inode).attributes;
        let directory = self.tree.add_directory(self.options.made);
        let streams = self.tree.add_streams(inode, node, directory, None);
        for (name, value) in found {
            let linked = name.map_err(|lossy| (lossy, String::from("it is no text"))).and_then(|name| {
                let legal = stream_name(&name).map_err(|why| (name.clone(), why))?;
                let content = self.tree.add_body(value.into());
                let attributes = Attributes { mode: 0o644, ..attributes };
                let stream = self.tree.add_inode(Kind::File, attributes, content);
                self.tree.link(streams, &legal, stream).map_err(|_| (name, String::from("it is there twice")))
            });
            if let Err((name, why)) = linked {
                let why = format!("its extended attribute {PREFIX}{name} cannot be a stream: {why}");
                self.outcome.warnings.push(Warning::LeftOut { path: path.clone(), why });
            }
        }
        if self.tree.children(streams).is_empty() {
            self.tree.remove_streams(inode);
        }
    }
}

/// The name of an attribute without its prefix; of what is no text, what comes nearest.
type AttributeName = Result<String, String>;

/// The attributes of a file, in the order of names. File systems without any have none.
fn all(path: &Path) -> io::Result<Vec<(AttributeName, Vec<u8>)>> {
    let names = match filled(|buffer| listxattr(path, buffer)) {
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        names => names?,
    };
    let mut found = Vec::new();
    for name in names.split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        let Some(own) = name.to_bytes().strip_prefix(PREFIX.as_bytes()) else { continue };
        let value = match filled(|buffer| getxattr(path, name, buffer)) {
            // It went in the meantime.
            Err(Errno::NODATA) => continue,
            value => value?,
        };
        let own = String::from_utf8(own.to_vec());
        found.push((own.map_err(|no| String::from_utf8_lossy(no.as_bytes()).into_owned()), value));
    }
    found.sort();
    Ok(found)
}

/// What a call fills a buffer with, which is as long as any list or value can be.
fn filled(call: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut buffer = vec![0; MOST_BYTES];
    let len = call(&mut buffer)?;
    buffer.truncate(len);
    Ok(buffer)
}
