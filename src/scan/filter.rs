//! What is not taken: patterns as in `.gitignore`, matched against paths on the volume.

use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::error::{Error, Result};

/// Patterns as in `.gitignore`; the default has none.
///
/// One without `/` but at its end matches at any depth; one with, from the root of the volume on. `/` at the end matches
/// directories only, `!` in front takes out what an earlier pattern excluded. Nothing below an excluded directory is looked at.
#[derive(Clone, Debug)]
pub struct Filter {
    patterns: Gitignore,
}

impl Default for Filter {
    fn default() -> Self {
        Self { patterns: Gitignore::empty() }
    }
}

impl Filter {
    /// The patterns of files, one a line, and after them single ones. Of several that match, the last decides.
    pub fn new(patterns: &[String], files: &[PathBuf]) -> Result<Self> {
        let mut builder = GitignoreBuilder::new("");
        for path in files {
            let text = std::fs::read_to_string(path).map_err(Error::host("cannot read", path))?;
            for (index, line) in text.trim_start_matches('\u{FEFF}').lines().enumerate() {
                add(&mut builder, line, || format!("line {} of {path:?}", index + 1))?;
            }
        }
        for pattern in patterns {
            add(&mut builder, pattern, || format!("pattern {pattern:?}"))?;
        }
        let patterns = builder.build().map_err(|error| Error::Options(format!("patterns: {error}")))?;
        Ok(Self { patterns })
    }

    /// Whether there is no pattern.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether something is excluded whose directory is not. The path is relative to the root.
    #[must_use]
    pub fn excludes(&self, path: impl AsRef<Path>, is_directory: bool) -> bool {
        self.patterns.matched(path, is_directory).is_ignore()
    }

    /// Whether something, or a directory that it is in, is excluded. The path is relative to the root.
    #[must_use]
    pub fn excludes_or_parents(&self, path: impl AsRef<Path>, is_directory: bool) -> bool {
        let path = path.as_ref();
        let parents = path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
        self.excludes(path, is_directory) || parents.into_iter().any(|parent| self.excludes(parent, true))
    }
}

fn add(builder: &mut GitignoreBuilder, line: &str, place: impl Fn() -> String) -> Result<()> {
    match builder.add_line(None, line) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Options(format!("{}: {error}", place()))),
    }
}
