//! Paths, for messages: directories with their names, put together only when something is to be told.

use alloc::{boxed::Box, string::String, vec::Vec};

/// Names of a path that are shown; of deeper ones the last.
const MAX_SHOWN: usize = 64;

/// The directories seen so far; the first is the root.
#[derive(Debug, Default)]
pub(super) struct Paths {
    directories: Vec<Directory>,
}

/// Which directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DirectoryId(u32);

#[derive(Debug)]
struct Directory {
    parent: DirectoryId,
    name: Box<str>,
}

/// What a finding is about, beside the structure.
#[derive(Clone, Debug, Default)]
pub(super) enum Subject {
    /// The volume.
    #[default]
    Volume,
    /// A directory, or something in it.
    Directory(DirectoryId),
    /// A file, by its directory and its name there.
    File(DirectoryId, String),
}

impl Paths {
    /// Adds a directory. Without a parent it is one that all others hang from.
    pub(super) fn add(&mut self, parent: Option<DirectoryId>, name: &str) -> DirectoryId {
        let id = DirectoryId(u32::try_from(self.directories.len()).unwrap_or(u32::MAX));
        self.directories.push(Directory { parent: parent.unwrap_or(id), name: name.into() });
        id
    }

    /// The path of a subject; the volume has none.
    pub(super) fn show(&self, subject: &Subject) -> Option<String> {
        let (directory, name) = match subject {
            Subject::Volume => return None,
            Subject::Directory(directory) => (*directory, None),
            Subject::File(directory, name) => (*directory, Some(name.as_str())),
        };
        let mut names: Vec<&str> = name.into_iter().collect();
        let mut at = directory;
        while let Some(Directory { parent, name }) = self.get(at) {
            if names.len() >= MAX_SHOWN {
                names.push("...");
                break;
            }
            names.push(name);
            if *parent == at {
                break;
            }
            at = *parent;
        }
        names.reverse();
        let path = names.join("/");
        Some(if path.is_empty() { String::from("/") } else { path })
    }

    fn get(&self, id: DirectoryId) -> Option<&Directory> {
        self.directories.get(usize::try_from(id.0).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_at_the_root_and_end_somewhere() {
        let mut paths = Paths::default();
        let root = paths.add(None, "");
        let mut deep = paths.add(Some(root), "a");
        assert_eq!(paths.show(&Subject::Volume), None);
        assert_eq!(paths.show(&Subject::Directory(root)).unwrap(), "/");
        assert_eq!(paths.show(&Subject::File(root, "x".into())).unwrap(), "/x");
        assert_eq!(paths.show(&Subject::File(deep, "x".into())).unwrap(), "/a/x");
        for _ in 0..1000 {
            deep = paths.add(Some(deep), "b");
        }
        assert!(paths.show(&Subject::Directory(deep)).unwrap().starts_with(".../b/b/"));
    }
}
