//! Everything that the builder refuses: by name and number, with nothing changed.

use std::fs;
use std::sync::Arc;

use mkudf_ms::Error;
use mkudf_ms::builder::{BuildError, Conflict, Defaults, FileSystem, FileSystemImage, identify, probe};
use mkudf_ms::device::{MemoryDevice, WriteAt};
use mkudf_ms::progress::Progress;
use mkudf_ms::session::ImportOptions;
use udf::Revision;

use super::{REVISIONS, bytes_of, defaults, grown, made, write};

const KEEP_OUT: Conflict = Conflict::Error;

type Attempt = fn(&mut FileSystemImage<'_>) -> mkudf_ms::Result<()>;

/// Number, name, and what is refused with it.
#[rustfmt::skip]
const REFUSED: &[(u32, &str, Attempt)] = &[
    (0xC0AA_B110, "INVALID_PATH", |image| image.create_directory("/d/..")),
    (0xC0AA_B110, "INVALID_PATH", |image| image.add_bytes("/", "x", KEEP_OUT)),
    (0xC0AA_B110, "INVALID_PATH", |image| image.add_bytes(&"x".repeat(300), "x", KEEP_OUT)),
    (0xC0AA_B110, "INVALID_PATH", |image| image.add_symbolic_link("/l", "", KEEP_OUT)),
    (0xC0AA_B110, "INVALID_PATH", |image| image.remove("/")),
    (0xC0AA_B110, "INVALID_PATH", |image| image.rename("/", "/x", KEEP_OUT)),
    (0xC0AA_B118, "ITEM_NOT_FOUND", |image| image.remove("/none")),
    (0xC0AA_B118, "ITEM_NOT_FOUND", |image| image.rename("/none", "/x", KEEP_OUT)),
    (0xC0AA_B11A, "DIR_NOT_FOUND", |image| image.create_directory("/none/x")),
    (0xC0AA_B109, "NOT_DIR", |image| image.list("/f").map(drop)),
    (0xC0AA_B109, "NOT_DIR", |image| image.add_bytes("/f/x", "x", KEEP_OUT)),
    (0xC0AA_B108, "NOT_FILE", |image| image.add_file("/x", "/", KEEP_OUT)),
    (0xC0AA_B10A, "DIR_NOT_EMPTY", |image| image.remove("/d")),
    (0xC0AA_B10A, "DIR_NOT_EMPTY", |image| image.add_bytes("/d", "x", Conflict::Replace)),
    (0xC0AA_B10A, "DIR_NOT_EMPTY", |image| image.rename("/f", "/d", Conflict::Replace)),
    (0xC0AA_B112, "DUP_NAME", |image| image.add_bytes("/f", "x", KEEP_OUT)),
    (0xC0AA_B112, "DUP_NAME", |image| image.create_directory("/d")),
    (0xC0AA_B112, "DUP_NAME", |image| image.rename("/f", "/d", KEEP_OUT)),
    (0xC0AA_B108, "NOT_FILE", |image| image.add_hard_link("/d", "/x", KEEP_OUT)),
    (0xC0AA_B118, "ITEM_NOT_FOUND", |image| image.add_hard_link("/none", "/x", KEEP_OUT)),
    (0xC0AA_B11A, "DIR_NOT_FOUND", |image| image.add_hard_link("/f", "/none/x", KEEP_OUT)),
    (0xC0AA_B112, "DUP_NAME", |image| image.add_hard_link("/f", "/f", KEEP_OUT)),
    (0xC0AA_B10A, "DIR_NOT_EMPTY", |image| image.add_hard_link("/f", "/d", Conflict::Replace)),
    (0xC0AA_B101, "INVALID_PARAM", |image| image.rename("/d", "/d/e/x", KEEP_OUT)),
    (0xC0AA_B101, "INVALID_PARAM", |image| image.roll_back_to(99)),
    (0xC0AA_B105, "INVALID_DATE", |image| {
        let attributes = image.attributes("/f")?;
        let modified = udf::general::Moment::from_unix(0, 0);
        image.set_attributes("/f", mkudf_ms::tree::Attributes { modified, ..attributes })
    }),
    (0xC0AA_B104, "INVALID_VOLUME_NAME", |image| image.set_label(&"x".repeat(127))),
    (0xC0AA_B104, "INVALID_VOLUME_NAME", |image| image.set_label("")),
    (0xC0AA_B128, "DATA_STREAM_INCONSISTENCY", |image| image.add_reader("/x", 5, &b"four"[..], KEEP_OUT)),
    (0xC0AA_B128, "DATA_STREAM_INCONSISTENCY", |image| image.add_reader("/x", 3, &b"four"[..], KEEP_OUT)),
    (0xC0AA_B129, "DATA_STREAM_READ_FAILURE", |image| image.add_tree("/nowhere/at/all", "/", KEEP_OUT)),
];

fn fill(image: &mut FileSystemImage<'_>) {
    image.create_directory("/d").unwrap();
    image.create_directory("/d/e").unwrap();
    image.add_bytes("/f", "f", Conflict::Error).unwrap();
}

#[test]
fn each_refusal_has_its_name_and_changes_nothing() {
    for revision in REVISIONS {
        let mut new = FileSystemImage::new(defaults(revision));
        fill(&mut new);
        let mut imported = grown(&made(revision, fill));
        for image in [&mut new, &mut imported] {
            for (index, (hresult, name, attempt)) in REFUSED.iter().enumerate() {
                let (before, root) = (image.change_point(), image.list("/").unwrap());
                let error = attempt(image).expect_err(name);
                let code = error.imapi().unwrap();
                let context = format!("{index}: {error}");
                assert_eq!((code.hresult, code.name), (*hresult, &*format!("IMAPI_E_{name}")), "{context}");
                assert_eq!((image.change_point(), image.list("/").unwrap()), (before, root), "{context}");
            }
        }
    }
}

#[test]
fn the_revision_of_an_imported_volume_stays() {
    let device = made(Revision::V2_01, fill);
    let mut image = grown(&device);
    assert_eq!((image.revision(), image.label()), (Revision::V2_01, String::from("Built")));
    let error = image.set_revision(Revision::V2_50).unwrap_err();
    assert_eq!(error.imapi().unwrap().name, "IMAPI_E_UDF_REVISION_CHANGE_NOT_ALLOWED");
    image.set_revision(Revision::V2_01).unwrap();
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let mut image =
        FileSystemImage::new(Defaults { capacity_blocks: Some(2000), ..defaults(Revision::V2_50) });
    assert!(image.free_blocks().unwrap().unwrap() < 2000);
    image.add_bytes("/x", vec![0; 4_000_000], Conflict::Error).unwrap();
    for error in [image.create_result().map(drop).unwrap_err(), image.free_blocks().map(drop).unwrap_err()] {
        assert!(matches!(error, Error::NoSpace { available_bytes: 4_096_000, .. }), "{error}");
        assert_eq!(error.imapi().unwrap().name, "IMAPI_E_IMAGE_SIZE_LIMIT");
    }
    image.roll_back_to(0).unwrap();
    image.create_result().unwrap();
}

#[test]
fn a_tree_with_something_unreadable_is_refused_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "a").unwrap();
    // A link to itself cannot be followed, but is kept; a loop of directories is left out.
    std::os::unix::fs::symlink(".", folder.path().join("loop")).unwrap();
    let mut image = FileSystemImage::new(defaults(Revision::V2_01));
    let options =
        mkudf_ms::scan::Options { symlinks: mkudf_ms::scan::Symlinks::Follow, ..image.scan_options() };
    let source = [mkudf_ms::scan::Source::new(folder.path())];
    let error = image.add_sources(&source, &options).unwrap_err();
    assert!(matches!(error, Error::Build(BuildError::SourceUnreadable { .. })), "{error}");
    assert_eq!(image.list("/").unwrap(), []);
}

#[test]
fn a_disc_that_changed_is_noticed_before_the_first_write() {
    for revision in REVISIONS {
        let device = made(revision, fill);
        let mut first = grown(&device);
        first.add_bytes("/g", "g", Conflict::Error).unwrap();
        let mut second = grown(&device);
        assert_eq!(first.disc_identifier(), second.disc_identifier());
        second.add_bytes("/h", "h", Conflict::Error).unwrap();
        let stale = second.create_result().unwrap();
        write(&mut first, &device);
        let before = bytes_of(&device);
        let error = stale.write_to(&*device, &Progress::new()).unwrap_err();
        assert!(matches!(error, Error::DiscMismatch { .. }), "{error}");
        assert_eq!(error.imapi().unwrap().name, "IMAPI_E_DISC_MISMATCH");
        assert!(stale.reader(&Progress::new()).is_err());
        assert!(bytes_of(&device) == before);
        assert_ne!(grown(&device).disc_identifier(), second.disc_identifier());
        // Another disc altogether, and none.
        let error = stale.verify_disc().unwrap_err();
        assert!(error.to_string().contains("import it again"), "{error}");
    }
}

fn why(device: &MemoryDevice) -> BuildError {
    let probed = probe(device, &ImportOptions::default()).unwrap_err();
    let imported = FileSystemImage::import(device, defaults(Revision::V2_01)).unwrap_err();
    match (probed, imported) {
        (Error::Build(probed), Error::Build(imported)) => {
            assert_eq!(probed, imported);
            probed
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_appended_to_is_told_why() {
    assert_eq!(why(&MemoryDevice::from(vec![0; 1 << 20])), BuildError::EmptyDisc);
    assert_eq!(why(&MemoryDevice::new()).imapi().name, "IMAPI_E_EMPTY_DISC");
    let iso = MemoryDevice::from(vec![0; 1 << 20]);
    let volume_descriptor = |kind: u8, escape: &[u8]| {
        let mut bytes = vec![0; 2048];
        bytes[0] = kind;
        bytes[1..6].copy_from_slice(b"CD001");
        bytes[88..88 + escape.len()].copy_from_slice(escape);
        bytes
    };
    iso.write_at(16 * 2048, &volume_descriptor(1, b"")).unwrap();
    iso.write_at(17 * 2048, &volume_descriptor(2, b"%/E")).unwrap();
    assert_eq!(identify(&iso), [FileSystem::Iso9660, FileSystem::Joliet]);
    let expected = BuildError::NoSupportedFileSystem { found: String::from("ISO 9660 and Joliet") };
    assert_eq!(why(&iso), expected);
    assert_eq!(expected.imapi().hresult, 0xC0AA_B151);
    let device = made(Revision::V2_01, fill);
    assert_eq!(identify(&*device), [FileSystem::Udf]);
    probe(&*device, &ImportOptions::default()).unwrap();
    // Without the anchor at 256 the next session would not be found.
    let bytes = bytes_of(&device);
    let without_anchor = MemoryDevice::from(bytes.clone());
    without_anchor.write_at(256 * 2048, &[0; 2048]).unwrap();
    let error = why(&without_anchor);
    assert!(matches!(error, BuildError::IncompatiblePreviousSession { .. }), "{error}");
    assert_eq!(error.imapi().hresult, 0xC0AA_B133);
    let damaged = MemoryDevice::from(bytes);
    damaged.write_at(288 * 2048, &vec![0; 64 * 2048]).unwrap();
    let error = why(&damaged);
    assert!(matches!(error, BuildError::ReadConsistency { .. }), "{error}");
    let exfat = MemoryDevice::from(vec![0; 1 << 20]);
    exfat.write_at(0, b"\xEB\x76\x90EXFAT   ").unwrap();
    assert_eq!(identify(&exfat), [FileSystem::Other("exFAT")]);
}

#[test]
fn a_session_that_is_not_there_cannot_be_imported() {
    let device = made(Revision::V2_01, fill);
    let options = ImportOptions { tree_of: Some(7), ..ImportOptions::default() };
    let import = FileSystemImage::import_session(Arc::clone(&device), defaults(Revision::V2_01), &options);
    let error = import.unwrap_err();
    assert!(error.to_string().contains("no session 7"), "{error}");
}
