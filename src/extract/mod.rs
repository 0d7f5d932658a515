//! Out of a volume into a folder: contents, holes, attributes and links, and never a byte outside that folder.
//!
//! ```text
//!   volume ---directories---> walk ---batches of files---> item ---bytes---> content ---> host
//!                              |      (by many threads)     |---links---> afterwards, when what they name is there
//!                              `---directories of the host (folders), whose attributes come last, deepest first
//! ```
//!
//! A volume may be hostile. So nothing on the host is ever reached by a path: a directory is opened from the folder down,
//! beneath it and through no symbolic link, and everything in it is made by name from there, new, or not at all. A link
//! planted first, by the volume or by somebody who was here before, is therefore never written through.

mod attributes;
mod content;
mod extended;
mod folders;
mod item;
mod links;
mod names;
mod trouble;
mod walk;

use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicU64;

pub(crate) use folders::{FolderId, Folders};
pub(crate) use item::Place;
pub(crate) use names::Names;
pub(crate) use trouble::Trouble;
use udf::read::{ReadAt, Volume};
pub(crate) use walk::Extraction;

use crate::error::{Error, Result, Warning};
use crate::progress::Progress;

/// How to extract.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Existing files, links and other things that are no directories are replaced; otherwise they stay, with a warning.
    pub replace: bool,
    /// Owner and group are restored, which takes root.
    pub same_owner: bool,
    /// Named streams of regular files become extended attributes: the stream `x` becomes `user.x`.
    pub extended_attributes: bool,
    /// Stop with an error before the files have more than so many bytes in all. Holes count, and hard links once.
    pub max_size_bytes: Option<u64>,
    /// Threads to work with; `None` for one a processor.
    pub threads: Option<usize>,
}

/// Copies files out of a volume into the folder `target`, which is made if it is not there.
///
/// `paths` are paths of the volume, each with all below it; none stand for everything. They keep their directories: `/a/b`
/// becomes `target/a/b`. Existing directories are joined and keep their attributes, unless they are to be replaced;
/// `target` itself takes those of the root directory if it is new or empty. `image` is what the volume is read from, if
/// that is a file: then the kernel can copy.
///
/// What could not be extracted is in the warnings; an error ends the work where it is.
pub fn extract<R: ReadAt>(
    volume: &Volume<R>,
    image: Option<&File>,
    paths: &[String],
    target: &Path,
    options: &Options,
    progress: &Progress,
) -> Result<Vec<Warning>> {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(options.threads.unwrap_or(0)).build();
    let threads = threads.map_err(|error| Error::Options(format!("cannot start threads: {error}")))?;
    let (folders, is_fresh) = folders::Folders::below(target)?;
    let file_bytes = AtomicU64::new(0);
    let extraction = Extraction::new(volume, image, &folders, options, progress, &file_bytes);
    threads.scope(|scope| match paths {
        [] => extraction.everything(scope, is_fresh),
        _ => extraction.selected(scope, paths),
    })?;
    extraction.finish()
}
