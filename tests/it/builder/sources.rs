//! Sources that are not what they were: told by their paths, and nothing of the new session is to be seen.

use std::fs;
use std::io::{Cursor, Read};

use mkudf_ms::builder::{Conflict, Defaults, FileSystemImage};
use mkudf_ms::device::MemoryDevice;
use mkudf_ms::progress::Progress;
use mkudf_ms::{Error, Warning};
use udf::read::{OpenOptions, Volume};

use super::{REVISIONS, body, bytes_of, defaults, grown, made};

/// Adds sources that change after they were added, one at a time; the path that must be told.
type Spoil = fn(&mut FileSystemImage<'_>, &std::path::Path) -> String;

const SPOILED: [Spoil; 4] = [
    |image, folder| {
        let path = folder.join("shorter");
        fs::write(&path, vec![1; 100_000]).unwrap();
        image.add_file("/x", &path, Conflict::Error).unwrap();
        fs::write(&path, vec![1; 50_000]).unwrap();
        path.display().to_string()
    },
    |image, folder| {
        let path = folder.join("other time");
        fs::write(&path, "small").unwrap();
        image.add_file("/x", &path, Conflict::Error).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        path.display().to_string()
    },
    |image, _| {
        image.add_reader("/x", 100_000, Cursor::new(vec![1; 99_999]), Conflict::Error).unwrap();
        String::from("/x")
    },
    |image, _| {
        let open = || Ok(Box::new(Cursor::new(vec![1_u8; 100_001])) as Box<dyn Read + Send>);
        image.add_opened("/x", 100_000, open, Conflict::Error).unwrap();
        String::from("/x")
    },
];

#[test]
fn a_source_that_changed_is_an_error_and_the_old_session_stays() {
    for revision in REVISIONS {
        for (number, spoil) in SPOILED.into_iter().enumerate() {
            let folder = tempfile::tempdir().unwrap();
            let device = made(revision, |image| image.add_bytes("/old", "old", Conflict::Error).unwrap());
            let mut image = grown(&device);
            let expected = spoil(&mut image, folder.path());
            let result = image.create_result().unwrap();
            let target = MemoryDevice::from(bytes_of(&device));
            let error = result.write_to(&target, &Progress::new()).unwrap_err();
            let Error::DataStreamInconsistency { path, .. } = &error else { panic!("{number}: {error}") };
            assert_eq!(path.display().to_string(), expected);
            assert_eq!(error.imapi().unwrap().hresult, 0xC0AA_B128);
            let volume = Volume::open(&target, &OpenOptions::default()).unwrap();
            assert!(volume.lookup("old").is_ok() && volume.lookup("x").is_err(), "{revision}, {number}");
            // And for other people's burners: the reader fails before the anchors.
            let mut image = grown(&device);
            spoil(&mut image, folder.path());
            let result = image.create_result().unwrap();
            let mut reader = result.reader(&Progress::new()).unwrap();
            assert!(std::io::copy(&mut reader, &mut std::io::sink()).is_err(), "{revision}, {number}");
        }
    }
}

#[test]
fn it_is_a_warning_where_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let mut image = FileSystemImage::new(Defaults { is_strict: false, ..defaults(REVISIONS[1]) });
    SPOILED[0](&mut image, folder.path());
    let device = MemoryDevice::new();
    let warnings = image.create_result().unwrap().write_to(&device, &Progress::new()).unwrap();
    assert!(matches!(&warnings[..], [Warning::Unreadable { missing_bytes: 50_000, .. }]), "{warnings:?}");
    assert_eq!(body(&device, "x").len(), 100_000);
}

/// Its own time is recorded with another; that is no change of the file.
#[test]
fn a_time_that_was_set_is_no_inconsistency() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "body").unwrap();
    let mut image = FileSystemImage::new(defaults(REVISIONS[1]));
    image.add_file("/x", &path, Conflict::Error).unwrap();
    let mut attributes = image.attributes("/x").unwrap();
    let early = udf::general::Moment::from_unix(1_000_000_000, 0);
    (attributes.created, attributes.modified) = (early, early);
    image.set_attributes("/x", attributes).unwrap();
    let device = MemoryDevice::new();
    assert_eq!(image.create_result().unwrap().write_to(&device, &Progress::new()).unwrap(), []);
    let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
    assert_eq!(volume.lookup("x").unwrap().modified.moment(), Some(early));
}

#[test]
fn what_can_be_read_once_is_written_once() {
    let mut image = FileSystemImage::new(defaults(REVISIONS[2]));
    image.add_reader("/x", 100_000, Cursor::new(vec![1; 100_000]), Conflict::Error).unwrap();
    image.add_reader("/small", 5, &b"small"[..], Conflict::Error).unwrap();
    let result = image.create_result().unwrap();
    let device = MemoryDevice::ascending();
    result.write_to(&device, &Progress::new()).unwrap();
    assert_eq!(body(&device, "small"), b"small");
    assert_eq!(body(&device, "x"), vec![1; 100_000]);
    let error = result.write_to(&MemoryDevice::new(), &Progress::new()).unwrap_err();
    assert!(error.to_string().contains("only once"), "{error}");
}
