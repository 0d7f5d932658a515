//! Named streams (UDF 3.3.5): bodies that a file has beside its own, or the volume has for itself.

use super::ReadAt;
use super::entry::Entry;
use super::volume::Volume;
use crate::error::{Corrupt, Fault, Result};
use crate::file::FileType;
use crate::general::LongAd;

impl<R: ReadAt> Volume<R> {
    /// The directory of a file's named streams, if there is one; the streams are the files in it.
    pub fn streams(&self, entry: &Entry) -> Result<Option<Entry>> {
        entry.stream_directory.map(|icb| self.stream_directory(icb)).transpose()
    }

    /// The directory of the streams that the volume has for itself, if there is one (UDF 2.3.2.6, 3.3.7).
    pub fn system_streams(&self) -> Result<Option<Entry>> {
        let icb = self.file_set().system_stream_directory_icb;
        (icb.bytes() > 0).then(|| self.stream_directory(icb)).transpose()
    }

    /// The file of further extended attributes, if there is one (ECMA-167 4/9.1); its body is an attribute space like that
    /// in the entry.
    pub fn extended_attribute_file(&self, entry: &Entry) -> Result<Option<Entry>> {
        let Some(icb) = entry.extended_attribute_icb else { return Ok(None) };
        of_kind(self.entry(&icb)?, FileType::EXTENDED_ATTRIBUTES).map(Some)
    }

    fn stream_directory(&self, icb: LongAd) -> Result<Entry> {
        of_kind(self.entry(&icb)?, FileType::STREAM_DIRECTORY)
    }
}

fn of_kind(entry: Entry, kind: FileType) -> Result<Entry> {
    if entry.kind == kind {
        return Ok(entry);
    }
    let fault = Fault::Field { field: "file type", value: entry.kind.0.into() };
    Err(Corrupt::new("file entry", entry.icb, fault).into())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, HELLO, ROOT, extended_entry};
    use super::*;
    use crate::file::{AllocationForm, FileSetDescriptor, IcbTag, characteristics, flags};
    use crate::units::BlockSize;

    /// Streams of `hello.txt` in block 30, of the volume in block 40.
    fn fixture() -> Fixture {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        for (directory, stream, name) in [(30, 31, "*UDF Macintosh Resource Fork"), (40, 41, "*UDF Backup")] {
            let body = fixture.names(HELLO, directory, &[(name, characteristics::METADATA, stream)]);
            let at = fixture.at(directory);
            let kind = FileType::STREAM_DIRECTORY;
            fixture.entry(at, kind, AllocationForm::Embedded, body.len() as u64, &body);
            let tag = IcbTag::new(FileType::REGULAR, AllocationForm::Embedded, flags::STREAM);
            let text = std::format!("in {stream}").into_bytes();
            fixture.put(fixture.at(stream), &extended_entry(tag, text.len() as u64, text.len()), &text);
        }
        let tag = IcbTag::new(FileType::REGULAR, AllocationForm::Embedded, 0);
        let mut hello = extended_entry(tag, 11, 11);
        hello.stream_directory_icb = fixture.icb(30);
        hello.extended_attribute_icb = fixture.icb(50);
        fixture.put(fixture.at(HELLO), &hello, b"hello world");
        fixture.entry(fixture.at(50), FileType::EXTENDED_ATTRIBUTES, AllocationForm::Embedded, 4, b"attr");
        let mut file_set: FileSetDescriptor = super::super::fixture::blank();
        file_set.root_directory_icb = fixture.icb(ROOT);
        file_set.system_stream_directory_icb = fixture.icb(40);
        fixture.put(fixture.at(0), &file_set, &[]);
        fixture
    }

    #[test]
    fn streams_of_files_and_of_the_volume_are_read_like_files() {
        let volume = fixture().open();
        let hello = volume.lookup("hello.txt").unwrap();
        let of_file = volume.streams(&hello).unwrap().unwrap();
        let of_volume = volume.system_streams().unwrap().unwrap();
        for (directory, name, expected) in
            [(&of_file, "*UDF Macintosh Resource Fork", "in 31"), (&of_volume, "*UDF Backup", "in 41")]
        {
            let stream = volume.child(directory, name).unwrap().unwrap();
            let entry = volume.entry(&stream.icb).unwrap();
            assert_eq!(volume.read_all(&entry, 100).unwrap(), expected.as_bytes());
        }
        assert!(volume.streams(&volume.root().unwrap()).unwrap().is_none());
        let attributes = volume.extended_attribute_file(&hello).unwrap().unwrap();
        assert_eq!(volume.read_all(&attributes, 100).unwrap(), b"attr");
        // They are no part of the tree.
        assert_eq!(volume.walk(&volume.root().unwrap()).count(), 5);
    }

    #[test]
    fn what_is_no_stream_directory_is_damage() {
        let mut fixture = fixture();
        for block in [30, 50] {
            fixture.entry(fixture.at(block), FileType::REGULAR, AllocationForm::Embedded, 0, b"");
        }
        let volume = fixture.open();
        let hello = volume.lookup("hello.txt").unwrap();
        assert!(volume.streams(&hello).is_err() && volume.extended_attribute_file(&hello).is_err());
        assert!(Fixture::plain(BlockSize::B512).open().system_streams().unwrap().is_none());
    }
}
