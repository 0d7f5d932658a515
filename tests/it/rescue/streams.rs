//! Named streams: they come with their files, and when those are lost by themselves; what is left behind is told of.

use std::collections::BTreeMap;

use mkudf_ms::builder::{Conflict, Defaults, FileSystemImage};
use mkudf_ms::device::MemoryDevice;
use mkudf_ms::media::Medium;
use mkudf_ms::progress::Progress;
use mkudf_ms::rescue::{Options, Reason, Verdict};
use rustix::fs::{XattrFlags, getxattr, setxattr};
use udf::general::LongAd;
use udf::read::{OpenOptions, ReadAt, Volume};
use udf::{BlockSize, Revision};

use super::bench::{Case, Rescued};
use crate::support::build::NOW;
use crate::support::manifest;

const FILES: [&str; 3] = ["a", "b", "c"];
/// More than an entry has room for, and less than an attribute of the host's files may have.
const STREAM_BYTES: usize = 3000;

fn body(file: &str) -> Vec<u8> {
    vec![file.as_bytes()[0]; STREAM_BYTES]
}

/// A volume of three files, each with a large stream and a small one.
fn case(revision: Revision) -> Case {
    let medium = Medium::find("image").unwrap();
    let defaults = Defaults { revision, uid: 0, gid: 0, ..Defaults::for_medium(medium, "Streams", NOW) };
    let mut image = FileSystemImage::new(defaults);
    for file in FILES {
        let path = format!("/{file}");
        image.add_bytes(&path, format!("file {file}"), Conflict::Error).unwrap();
        image.add_stream_bytes(&path, "large", body(file), Conflict::Error).unwrap();
        image.add_stream_bytes(&path, "small", file, Conflict::Error).unwrap();
    }
    let device = MemoryDevice::new();
    image.create_result().unwrap().write_to(&device, &Progress::new()).unwrap();
    let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
    let sessions = vec![manifest::of_volume(&volume)];
    drop(volume);
    let name = format!("streams of {revision}");
    Case { name, image: device.into_bytes(), block_size: BlockSize::B2048, sessions }
}

/// The image without an entry, in all its copies.
fn without(case: &Case, icb: &LongAd) -> Vec<u8> {
    let volume = case.volume();
    let mut block = vec![0; 2048];
    volume.read_blocks(icb.start(), &mut block).unwrap();
    let mut image = case.image.clone();
    image.chunks_exact_mut(2048).filter(|there| **there == block).for_each(|there| there.fill(0));
    image
}

fn icb_of(case: &Case, path: &str) -> LongAd {
    let volume = case.volume();
    LongAd::icb(2048, volume.lookup(path).unwrap().icb, 0)
}

fn stream_of<R: ReadAt>(volume: &Volume<R>, path: &str, wanted: &str) -> LongAd {
    let streams = volume.streams(&volume.lookup(path).unwrap()).unwrap().unwrap();
    let mut names = volume.directory(&streams).unwrap().live().map(Result::unwrap);
    names.find(|name| name.name_text() == wanted).unwrap().icb
}

/// Bodies that lie in lost+found, with what is said of them.
fn lost_and_found(rescued: &Rescued) -> BTreeMap<Vec<u8>, &[Reason]> {
    let found = rescued.found();
    let items = rescued.items.iter().filter(|(path, _)| path.starts_with("lost+found/"));
    items.map(|(path, item)| (found[path].body.clone().unwrap(), item.reasons.as_slice())).collect()
}

#[test]
fn those_of_files_that_are_left_are_theirs_and_told_of_where_they_are_left_behind() {
    for revision in [Revision::V2_00, Revision::V2_01, Revision::V2_60] {
        let case = case(revision);
        let rescued = case.rescue(&case.image, Vec::new());
        assert_eq!(rescued.of(Verdict::Certain).count(), case.newest().len(), "{}: {rescued:?}", case.name);
        assert_eq!(rescued.items.len(), case.newest().len(), "{}: {rescued:?}", case.name);
        assert_eq!(rescued.summary.with_streams, 3, "{}", case.name);
    }
}

#[test]
fn those_of_a_file_whose_entry_is_lost_are_saved_by_themselves() {
    for revision in [Revision::V2_00, Revision::V2_01, Revision::V2_60] {
        let case = case(revision);
        let rescued = case.rescue(&without(&case, &icb_of(&case, "b")), Vec::new());
        rescued.assert_honest(&case, "without the entry of b");
        let found = lost_and_found(&rescued);
        assert_eq!(found.len(), 2, "{}: {rescued:?}", case.name);
        for wanted in [body("b"), b"b".to_vec()] {
            assert!(found[&wanted].contains(&Reason::Stream), "{}: {rescued:?}", case.name);
        }
        let of_certain = rescued.of(Verdict::Certain).filter(|(path, _)| path.starts_with("lost+found/"));
        assert_eq!(of_certain.count(), 0, "{}: {rescued:?}", case.name);
    }
}

/// The names of the files are lost, and not their entries: the streams are theirs.
#[test]
fn those_of_files_without_names_are_not_saved_by_themselves() {
    for revision in [Revision::V2_00, Revision::V2_01, Revision::V2_60] {
        let case = case(revision);
        let root = case.volume().root_icb();
        let mut image = without(&case, &root);
        // Nor are names found by themselves.
        let volume = case.volume();
        let entry = volume.root().unwrap();
        for extent in volume.extents(&entry).map(Result::unwrap) {
            let names = LongAd::icb(2048, extent.start, 0);
            image = without(&Case { image, name: case.name.clone(), sessions: Vec::new(), ..case }, &names);
        }
        let rescued = case.rescue(&image, Vec::new());
        let is_stream = |item: &&mkudf_ms::rescue::Item| item.reasons.contains(&Reason::Stream);
        assert_eq!(rescued.items.values().filter(is_stream).count(), 0, "{}: {rescued:?}", case.name);
        let bodies: Vec<_> = rescued.found().into_values().filter_map(|item| item.body).collect();
        for file in FILES {
            assert!(bodies.contains(&format!("file {file}").into_bytes()), "{}: {rescued:?}", case.name);
        }
    }
}

#[test]
fn they_are_extended_attributes_where_that_is_asked_for_and_what_is_missing_is_told() {
    let probe = tempfile::NamedTempFile::new().unwrap();
    if setxattr(probe.path(), "user.probe", b"1", XattrFlags::empty()).is_err() {
        println!("skipped: the host's files have no attributes of users");
        return;
    }
    let case = case(Revision::V2_01);
    let lost = stream_of(&case.volume(), "c", "small");
    let mut options = Options::default();
    options.extract.extended_attributes = true;
    let rescued = case.rescue_with(&without(&case, &lost), Vec::new(), None, &options);
    assert_eq!(rescued.summary.with_streams, 0);
    let value = |file: &str, name: &str| {
        let mut value = vec![0; 1 << 16];
        getxattr(rescued.folder.path().join(file), name, &mut value[..]).map(|len| value[..len].to_vec())
    };
    for file in ["a", "b"] {
        assert_eq!(value(file, "user.small").unwrap(), file.as_bytes());
        assert_eq!(rescued.items[file].not_restored, None);
    }
    assert!(value("c", "user.small").is_err());
    let told = rescued.items["c"].not_restored.as_deref().unwrap();
    assert!(told.contains("small"), "{told}");
}
