//! Bodies of new files, read for another purpose than to write them.

use super::StreamOptions;
use super::source::Sources;
use crate::device::buffer::length;
use crate::error::{Error, Result, Warning};
use crate::tree::{Content, InodeId, Tree};

/// The bodies of a tree's new files, read as they are when they are written: the same bytes, the same warnings.
#[derive(Debug)]
pub struct SourceBodies<'a> {
    tree: &'a Tree,
    sources: Sources<'a>,
}

impl<'a> SourceBodies<'a> {
    /// Those of a tree.
    #[must_use]
    pub fn new(tree: &'a Tree, options: &StreamOptions) -> Self {
        let threads = options.threads.max(rayon::current_num_threads());
        Self { tree, sources: Sources::new(tree, threads, options.are_times_kept) }
    }

    /// Hands a body on in parts of at most so many bytes, holes as zeros. A body that can be read but once is an error.
    pub fn read(&self, inode: InodeId, part_bytes: usize, take: &mut dyn FnMut(&[u8])) -> Result<()> {
        if let Content::Input(input) = self.tree.inode(inode).content
            && self.tree.input(input).is_once
        {
            return Err(Error::refused(
                format!("{} can be read but once", self.tree.input(input).path.display()),
                "hand it over so that it can be opened again",
            ));
        }
        let size_bytes = self.tree.size_bytes(inode);
        let mut part = vec![0; length(size_bytes.min(part_bytes as u64))];
        let mut at_bytes = 0;
        while at_bytes < size_bytes {
            let part = &mut part[..length((size_bytes - at_bytes).min(part_bytes as u64))];
            self.sources.read(inode, at_bytes, part);
            take(part);
            at_bytes += part.len() as u64;
        }
        Ok(())
    }

    /// What there is to tell of the files that were read.
    #[must_use]
    pub fn finish(self) -> Vec<Warning> {
        self.sources.finish()
    }
}
