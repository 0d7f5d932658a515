//! Named streams: from every source, in every layout, through later sessions, and refused where there are none.

use std::fs;
use std::io::{Cursor, Read};

use mkudf_ms::Error;
use mkudf_ms::builder::{BuildError, Conflict, FileSystemImage};
use mkudf_ms::device::MemoryDevice;
use mkudf_ms::progress::Progress;
use mkudf_ms::session::ImportOptions;
use udf::read::{OpenOptions, Volume};
use udf::{BlockSize, Revision};

use super::defaults;
use super::media::Ground;

const STREAMS: [Revision; 4] = [Revision::V2_00, Revision::V2_01, Revision::V2_50, Revision::V2_60];

fn grounds() -> impl Iterator<Item = (String, Ground)> {
    STREAMS.into_iter().flat_map(|revision| {
        let image = |size| (format!("{revision}, {size:?}"), Ground::image(revision, size));
        let disc = |medium| (format!("{revision}, {medium}"), Ground::disc(medium, revision, None));
        [image(BlockSize::B512), image(BlockSize::B2048), disc("bd-r"), disc("cd-r")]
    })
}

fn add_all(image: &mut FileSystemImage<'_>, path: &str, file: &std::path::Path) {
    image.add_stream_file(path, "of a file", file, Conflict::Error).unwrap();
    image.add_stream_bytes(path, "of bytes", vec![5; 3000], Conflict::Error).unwrap();
    image.add_stream_reader(path, "of a reader", 9000, Cursor::new(vec![6; 9000]), Conflict::Error).unwrap();
    let open = || Ok(Box::new(Cursor::new(vec![7_u8; 100_000])) as Box<dyn Read + Send>);
    image.add_stream_opened(path, "of a function", 100_000, open, Conflict::Error).unwrap();
    image.add_stream_bytes(path, "small", "small", Conflict::Error).unwrap();
}

const EXPECTED: [(&str, u8, usize); 4] = [
    ("of a file", b'f', 20_000),
    ("of a function", 7, 100_000),
    ("of a reader", 6, 9000),
    ("of bytes", 5, 3000),
];

fn assert_streams(ground: &Ground, path: &str, context: &str) {
    let device = MemoryDevice::from(ground.bytes());
    let volume = Volume::open(&device, &ground.open()).unwrap();
    let entry = volume.lookup(path).unwrap();
    let streams = volume.streams(&entry).unwrap().unwrap_or_else(|| panic!("{context}: {path} has none"));
    let read = |name: &str| {
        let found = volume.child(&streams, name).unwrap().unwrap_or_else(|| panic!("{context}: {name}"));
        volume.read_all(&volume.entry(&found.icb).unwrap(), 1 << 20).unwrap()
    };
    for (name, byte, len) in EXPECTED {
        assert!(read(name) == vec![byte; len], "{context}: {name}");
    }
    assert_eq!(read("small"), b"small", "{context}");
    let all: u64 = EXPECTED.iter().map(|(_, _, len)| *len as u64).sum::<u64>() + 5;
    assert_eq!(entry.object_size_bytes, entry.size_bytes + all, "{context}");
    assert_no_findings(&device, ground, context);
}

#[test]
fn streams_from_every_source_are_read_back_and_stay_through_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("source");
    fs::write(&file, vec![b'f'; 20_000]).unwrap();
    for (context, ground) in grounds() {
        let mut image = ground.new_volume();
        image.create_directory("/d").unwrap();
        image.add_bytes("/d/file", vec![1; 5000], Conflict::Error).unwrap();
        image.add_bytes("/none", "none", Conflict::Error).unwrap();
        add_all(&mut image, "/d/file", &file);
        ground.write(&image.create_result().unwrap());
        assert_streams(&ground, "d/file", &context);
        // What is next to it changes; then its own name, its attributes; and another name is added.
        let mut image = ground.import(&ImportOptions::default()).unwrap();
        image.add_bytes("/d/new", "new", Conflict::Error).unwrap();
        ground.write(&image.create_result().unwrap());
        assert_streams(&ground, "d/file", &context);
        let mut image = ground.import(&ImportOptions::default()).unwrap();
        image.rename("/d/file", "/moved", Conflict::Error).unwrap();
        let mut attributes = image.attributes("/moved").unwrap();
        attributes.mode = 0o600;
        image.set_attributes("/moved", attributes).unwrap();
        ground.write(&image.create_result().unwrap());
        assert_streams(&ground, "moved", &context);
        let mut image = ground.import(&ImportOptions::default()).unwrap();
        image.add_hard_link("/moved", "/d/again", Conflict::Error).unwrap();
        assert_eq!(image.streams("/d/again").unwrap().len(), 5);
        ground.write(&image.create_result().unwrap());
        assert_streams(&ground, "d/again", &context);
        assert_streams(&ground, "moved", &context);
    }
}

#[test]
fn imported_files_get_streams_and_lose_them_with_their_last_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("source");
    fs::write(&file, vec![b'f'; 20_000]).unwrap();
    for (context, ground) in grounds() {
        let mut image = ground.new_volume();
        image.add_bytes("/file", vec![1; 5000], Conflict::Error).unwrap();
        image.add_bytes("/empty", "", Conflict::Error).unwrap();
        ground.write(&image.create_result().unwrap());
        let mut image = ground.import(&ImportOptions::default()).unwrap();
        image.add_stream_bytes("/empty", "first", "1", Conflict::Error).unwrap();
        let before = image.change_point();
        add_all(&mut image, "/file", &file);
        image.roll_back_to(before).unwrap();
        assert_eq!(image.streams("/file").unwrap(), []);
        add_all(&mut image, "/file", &file);
        ground.write(&image.create_result().unwrap());
        assert_streams(&ground, "file", &context);
        let mut image = ground.import(&ImportOptions::default()).unwrap();
        image.add_stream_bytes("/empty", "second", vec![2; 5000], Conflict::Error).unwrap();
        let error = image.add_stream_bytes("/empty", "first", "other", Conflict::Error).unwrap_err();
        assert!(matches!(error, Error::Build(BuildError::Exists { .. })), "{context}: {error}");
        image.remove("/file").unwrap();
        ground.write(&image.create_result().unwrap());
        let device = MemoryDevice::from(ground.bytes());
        let volume = Volume::open(&device, &ground.open()).unwrap();
        let streams = volume.streams(&volume.lookup("empty").unwrap()).unwrap().unwrap();
        assert_eq!(volume.directory(&streams).unwrap().live().count(), 2, "{context}");
        assert!(volume.lookup("file").is_err(), "{context}");
        if let Some(table) = volume.virtual_table() {
            let free = table.entries().iter().filter(|block| block.get() == u32::MAX).count();
            assert!(
                free >= 7,
                "{context}: the file, the directory of its streams and they themselves: {free}"
            );
        }
        assert_no_findings(&device, &ground, &context);
    }
}

#[test]
fn streams_are_told_of_by_file_and_name() {
    let mut image = FileSystemImage::new(defaults(Revision::V2_01));
    image.create_directory("/d").unwrap();
    image.add_bytes("/d/file", "x", Conflict::Error).unwrap();
    image.add_stream_reader("/d/file", "s", 5000, Cursor::new(vec![0; 4000]), Conflict::Error).unwrap();
    let result = image.create_result().unwrap();
    let items: Vec<_> = result.progress_items().iter().map(|item| item.path.as_str()).collect();
    assert_eq!(items, ["/d/file:s"]);
    let error = result.write_to(&MemoryDevice::new(), &Progress::new()).unwrap_err();
    assert!(error.to_string().contains("/d/file:s"), "{error}");
}

#[test]
fn streams_are_refused_by_name_where_there_are_none() {
    for revision in [Revision::V1_02, Revision::V1_50] {
        let mut image = FileSystemImage::new(defaults(revision));
        image.add_bytes("/file", "x", Conflict::Error).unwrap();
        let error = image.add_stream_bytes("/file", "s", "x", Conflict::Error).unwrap_err();
        assert!(matches!(error, Error::Build(BuildError::StreamsNotSupported { .. })), "{error}");
        assert_eq!(error.imapi().unwrap().name, "IMAPI_S_IMAGE_FEATURE_NOT_SUPPORTED");
        assert_eq!(image.streams("/file").unwrap(), []);
    }
    let mut image = FileSystemImage::new(defaults(Revision::V2_01));
    image.create_directory("/d").unwrap();
    image.add_bytes("/file", "x", Conflict::Error).unwrap();
    for (path, name, expected) in [
        ("/d", "s", "IMAPI_E_NOT_FILE"),
        ("/none", "s", "IMAPI_E_ITEM_NOT_FOUND"),
        ("/file", "", "IMAPI_E_INVALID_PATH"),
        ("/file", "a/b", "IMAPI_E_INVALID_PATH"),
        ("/file", "*UDF Backup", "IMAPI_E_INVALID_PATH"),
    ] {
        let error = image.add_stream_bytes(path, name, "x", Conflict::Error).unwrap_err();
        assert_eq!(error.imapi().unwrap().name, expected, "{path} {name}");
    }
    let device = MemoryDevice::new();
    image.create_result().unwrap().write_to(&device, &Progress::new()).unwrap();
    let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
    assert!(volume.streams(&volume.lookup("file").unwrap()).unwrap().is_none());
}

/// Sizes of objects, numbers of tables and bodies afterwards, of streams that are new, imported, and both in turn.
#[test]
fn streams_are_replaced_and_removed_new_and_imported_ones() {
    for (context, ground) in grounds() {
        let mut image = ground.new_volume();
        image.add_bytes("/file", vec![1; 5000], Conflict::Error).unwrap();
        image.add_bytes("/other", vec![1; 700], Conflict::Error).unwrap();
        image.add_stream_bytes("/other", "gone", "gone", Conflict::Error).unwrap();
        image.remove_stream("/other", "gone").unwrap();
        assert_eq!(image.streams("/other").unwrap(), []);
        for (name, len) in [("a", 3000), ("b", 10), ("c", 70_000)] {
            image.add_stream_bytes("/file", name, vec![1; len], Conflict::Error).unwrap();
        }
        image.add_stream_bytes("/file", "a", vec![2; 4000], Conflict::Replace).unwrap();
        image.add_stream_bytes("/file", "a", vec![3; 1], Conflict::Keep).unwrap();
        ground.write(&image.create_result().unwrap());
        assert_found(&ground, "file", &[("a", 2, 4000), ("b", 1, 10), ("c", 1, 70_000)], &context);
        assert_found(&ground, "other", &[], &context);
        let mut image = ground.import(&ImportOptions::default()).unwrap();
        let error = image.remove_stream("/file", "none").unwrap_err();
        assert_eq!(error.imapi().unwrap().name, "IMAPI_E_ITEM_NOT_FOUND");
        assert!(image.remove_stream("/other", "gone").is_err() && image.remove_stream("/none", "a").is_err());
        let before = image.change_point();
        image.remove_stream("/file", "b").unwrap();
        image.roll_back_to(before).unwrap();
        assert_eq!(image.streams("/file").unwrap().len(), 3);
        image.remove_stream("/file", "a").unwrap();
        image.add_stream_bytes("/file", "c", vec![4; 9], Conflict::Replace).unwrap();
        // Counted the same, however often it is asked.
        assert_eq!(image.used_blocks().unwrap(), image.create_result().unwrap().total_blocks());
        ground.write(&image.create_result().unwrap());
        assert_found(&ground, "file", &[("b", 1, 10), ("c", 4, 9)], &context);
        let mut image = ground.import(&ImportOptions::default()).unwrap();
        image.remove_stream("/file", "b").unwrap();
        image.remove_stream("/file", "c").unwrap();
        image.rename("/file", "/moved", Conflict::Error).unwrap();
        ground.write(&image.create_result().unwrap());
        assert_found(&ground, "moved", &[], &context);
        let mut image = ground.import(&ImportOptions::default()).unwrap();
        image.add_stream_bytes("/moved", "again", vec![5; 2], Conflict::Error).unwrap();
        ground.write(&image.create_result().unwrap());
        assert_found(&ground, "moved", &[("again", 5, 2)], &context);
    }
}

/// Name, byte and length of each stream of a file, and nothing that the checker finds.
fn assert_found(ground: &Ground, path: &str, expected: &[(&str, u8, usize)], context: &str) {
    let device = MemoryDevice::from(ground.bytes());
    let volume = Volume::open(&device, &ground.open()).unwrap();
    let entry = volume.lookup(path).unwrap();
    let streams = volume.streams(&entry).unwrap();
    let names = streams.iter().flat_map(|streams| volume.directory(streams).unwrap().live());
    let found: Vec<_> = names
        .map(|name| name.unwrap())
        .map(|name| (name.name_text(), volume.read_all(&volume.entry(&name.icb).unwrap(), 1 << 20).unwrap()))
        .collect();
    let bodies: Vec<_> =
        expected.iter().map(|(name, byte, len)| (String::from(*name), vec![*byte; *len])).collect();
    assert!(found == bodies, "{context}: {path}");
    let all: u64 = expected.iter().map(|(.., len)| *len as u64).sum();
    assert_eq!(entry.object_size_bytes, entry.size_bytes + all, "{context}: {path}");
    assert_no_findings(&device, ground, context);
}

fn assert_no_findings(device: &MemoryDevice, ground: &Ground, context: &str) {
    let report = udf::check::check(device, &ground.open(), &mut |_| ());
    let findings = report.findings.iter().filter(|finding| finding.severity >= udf::check::Severity::Error);
    let findings: Vec<_> = findings.map(ToString::to_string).filter(|text| !text.contains("R029")).collect();
    assert_eq!(findings, [] as [String; 0], "{context}");
}
