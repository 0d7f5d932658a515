//! Names: from a path to an entry, from a symbolic link to its target.

use alloc::string::String;

use super::ReadAt;
use super::directory_entry::DirectoryEntry;
use super::entry::Entry;
use super::tolerance::Tolerance;
use super::volume::Volume;
use crate::error::{Corrupt, Error, Fault, Result};
use crate::file::{FileType, path_component};
use crate::general::text;

/// No system knows longer targets.
const MAX_TARGET_BYTES: u64 = 64 * 1024;

impl<R: ReadAt> Volume<R> {
    /// The entry of a path from the root: `/a/b`, `a/b`. Symbolic links are not followed, nor is `..`.
    ///
    /// Names are compared as they are, upper and lower case apart; what has no meaning in a name on the volume is U+FFFD.
    pub fn lookup(&self, path: &str) -> Result<Entry> {
        let mut entry = self.root()?;
        let mut walked = String::new();
        for name in path.split('/').filter(|name| !matches!(*name, "" | ".")) {
            if !entry.is_directory() {
                return Err(Error::NotADirectory(walked));
            }
            walked.push('/');
            walked.push_str(name);
            entry = match self.child(&entry, name)? {
                Some(found) => self.entry(&found.icb)?,
                None => return Err(Error::NotFound(walked)),
            };
        }
        Ok(entry)
    }

    /// The file of this name in a directory: the first, and before it none that only means this name
    /// ([`Tolerance::Utf8Name`]).
    pub fn child(&self, directory: &Entry, name: &str) -> Result<Option<DirectoryEntry>> {
        let (mut damage, mut meant) = (None, None);
        for child in self.directory(directory)? {
            match child {
                Ok(child) if child.is_live() && is_named(&child.name, name) => return Ok(Some(child)),
                Ok(child) if child.is_live() && meant.is_none() && means(&child.name, name) => {
                    meant = Some(child);
                }
                Ok(_) => {}
                Err(error) => {
                    damage.get_or_insert(error);
                }
            }
        }
        if let Some(child) = meant.filter(|_| !self.met().is_strict()) {
            self.met().count(Tolerance::Utf8Name, child.block);
            return Ok(Some(child));
        }
        // In a damaged directory nobody knows that a name is not there.
        damage.map_or(Ok(None), Err)
    }

    /// Where a symbolic link leads (ECMA-167 4/14.16).
    pub fn symlink_target(&self, entry: &Entry) -> Result<String> {
        if entry.kind != FileType::SYMBOLIC_LINK {
            let fault = Fault::Field { field: "file type", value: entry.kind.0.into() };
            return Err(Corrupt::new("symbolic link", entry.icb, fault).into());
        }
        Ok(path_component::decode(&self.read_all(entry, MAX_TARGET_BYTES)?, entry.icb)?)
    }
}

/// Whether d-characters are this name in UTF-8, which is what some writers take 8-bit characters for.
fn means(characters: &[u8], name: &str) -> bool {
    !name.is_ascii() && characters.strip_prefix(&[text::ID_8_BIT]) == Some(name.as_bytes())
}

/// Whether d-characters are this name, without making a text of them where that is easy.
fn is_named(characters: &[u8], name: &str) -> bool {
    match characters.split_first() {
        Some((&text::ID_8_BIT, bytes)) => name.chars().eq(bytes.iter().map(|byte| char::from(*byte))),
        _ => text::decode_lossy(characters) == name,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, HELLO, HOLES, ROOT, SUB};
    use super::*;
    use crate::units::BlockSize;

    #[test]
    fn paths_lead_to_entries() {
        let fixture = Fixture::plain(BlockSize::B2048);
        let volume = fixture.open();
        for (path, block) in [
            ("", ROOT),
            ("/", ROOT),
            ("hello.txt", HELLO),
            ("//holes", HOLES),
            ("/sub/", SUB),
            ("./sub/./deep.txt", HELLO),
        ] {
            assert_eq!(volume.lookup(path).unwrap().icb, fixture.at(block), "{path}");
        }
        let missing = |path| match volume.lookup(path) {
            Err(Error::NotFound(at)) => (at, true),
            Err(Error::NotADirectory(at)) => (at, false),
            other => panic!("{other:?}"),
        };
        assert_eq!(missing("HELLO.TXT"), ("/HELLO.TXT".into(), true));
        assert_eq!(missing("sub/gone"), ("/sub/gone".into(), true), "it is deleted");
        assert_eq!(missing("sub/deep.txt/x/y"), ("/sub/deep.txt".into(), false));
        assert_eq!(missing("sub/.."), ("/sub/..".into(), true));
    }

    #[test]
    fn links_have_targets_and_other_files_have_not() {
        let volume = Fixture::plain(BlockSize::B512).open();
        let link = volume.lookup("日本").unwrap();
        assert_eq!(volume.symlink_target(&link).unwrap(), "sub/deep.txt");
        assert!(volume.symlink_target(&volume.root().unwrap()).is_err());
    }

    #[test]
    fn in_a_damaged_directory_nothing_is_known_to_be_missing() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        let mut body = fixture.names(ROOT, 7, &[("bad", 0, HELLO), ("good", 0, HELLO)]);
        body[60] ^= 1;
        fixture.root(&body);
        let volume = fixture.open();
        assert!(volume.lookup("good").is_ok());
        assert!(matches!(volume.lookup("bad"), Err(Error::Corrupt(_))));
    }

    #[test]
    fn names_are_compared_as_they_are_shown() {
        assert!(is_named(&[8, 0xE9], "\u{E9}") && is_named(&[16, 0, 0xE9], "\u{E9}"));
        assert!(
            is_named(&[16, 0xD8, 0x3D], "\u{FFFD}") && !is_named(&[8, b'a'], "b") && !is_named(&[8], "b")
        );
    }
}
