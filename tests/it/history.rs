//! Going back to older sessions, and what differs between two: whatever the history, nothing of it is lost.

use std::fs;

use mkudf_ms::device::MemoryDevice;
use mkudf_ms::plan::{AppendSpec, Plan};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::Outcome;
use mkudf_ms::session::{Change, Difference, Import, ImportOptions, diff, sessions};
use mkudf_ms::stream::{StreamOptions, stream};
use udf::check::{Severity, check};
use udf::read::{OpenOptions, Volume};
use udf::{BlockSize, Revision};

use crate::support::build::{Append, NOW, append, create, spec};
use crate::support::folder::Folder;
use crate::support::manifest::{self, Manifest, assert_same};

/// Goes back to a session; the bytes that were written for it.
fn revert(device: &MemoryDevice, number: u32) -> u64 {
    let options = ImportOptions { tree_of: Some(number), ..ImportOptions::default() };
    let mut import = Import::open(device, &options).unwrap();
    let mut tree = import.tree().unwrap();
    let (base, warnings) = import.finish(&mut tree, &Outcome::default()).unwrap();
    assert_eq!(warnings, []);
    let spec = AppendSpec { now: NOW, zone_minutes: 60, label: None, embed: true };
    let plan = Plan::append(&tree, &spec, base).unwrap();
    let options = StreamOptions::default();
    stream(&plan, &tree, device, Some(device), &Progress::new(), &options).unwrap();
    plan.written_bytes()
}

/// Every session holds what it is to hold, and the newest has no error.
fn judge(device: &MemoryDevice, expected: &[&Manifest], context: &str) {
    let found = sessions(device, &OpenOptions::default()).unwrap();
    assert_eq!(found.len(), expected.len(), "{context}");
    for (session, expected) in found.iter().zip(expected) {
        let volume = Volume::open(device, &session.open).unwrap();
        assert_same(
            expected,
            &manifest::of_volume(&volume),
            &format!("{context}, session {}", session.number),
        );
    }
    let report = check(device, &OpenOptions::default(), &mut |_| ());
    let errors: Vec<_> =
        report.findings.iter().filter(|finding| finding.severity >= Severity::Error).collect();
    assert!(errors.is_empty(), "{context}: {errors:#?}");
}

fn grow(device: &MemoryDevice, folder: &mut Folder) -> Manifest {
    folder.change(12);
    let request = Append { folder: folder.path(), mirror: true, update: true, fixed_size: false };
    append(device, &request).unwrap();
    manifest::of_folder(folder.path())
}

#[test]
fn any_session_can_be_gone_back_to() {
    for (revision, block_size) in [
        (Revision::V1_02, BlockSize::B2048),
        (Revision::V1_50, BlockSize::B512),
        (Revision::V2_01, BlockSize::B4096),
        (Revision::V2_50, BlockSize::B2048),
        (Revision::V2_60, BlockSize::B512),
    ] {
        let context = format!("{revision}, {block_size}");
        let mut folder = Folder::new(u64::from(revision.number()));
        folder.change(40);
        let device = MemoryDevice::new();
        create(folder.path(), &spec(revision, block_size), &device).unwrap();
        let first = manifest::of_folder(folder.path());
        let second = grow(&device, &mut folder);
        let third = grow(&device, &mut folder);
        revert(&device, 1);
        judge(&device, &[&first, &second, &third, &first], &context);
        revert(&device, 3);
        judge(&device, &[&first, &second, &third, &first, &third], &context);
        // And on from there: what is new has ids that no session gave away before.
        let last = grow(&device, &mut folder);
        judge(&device, &[&first, &second, &third, &first, &third, &last], &context);
    }
}

#[test]
fn going_back_writes_no_file_data_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("large"), vec![7; 20 << 20]).unwrap();
    for revision in [Revision::V2_01, Revision::V2_50] {
        let device = MemoryDevice::new();
        create(folder.path(), &spec(revision, BlockSize::B2048), &device).unwrap();
        let empty = tempfile::tempdir().unwrap();
        append(&device, &Append { folder: empty.path(), mirror: true, update: true, fixed_size: false })
            .unwrap();
        let written_bytes = revert(&device, 1);
        assert!(written_bytes < 2 << 20, "{revision}: {written_bytes}");
    }
}

/// More than 8 MiB of it: then the new metadata file leads to the old blocks, and not one of them is recorded again.
#[test]
fn large_metadata_is_not_recorded_again() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..5000 {
        fs::write(folder.path().join(format!("{number:04}")), format!("{number}")).unwrap();
    }
    let device = MemoryDevice::new();
    create(folder.path(), &spec(Revision::V2_50, BlockSize::B2048), &device).unwrap();
    let first = manifest::of_folder(folder.path());
    fs::write(folder.path().join("0000"), "other").unwrap();
    append(&device, &Append { folder: folder.path(), mirror: true, update: true, fixed_size: false })
        .unwrap();
    let second = manifest::of_folder(folder.path());
    let written_bytes = revert(&device, 1);
    assert!(written_bytes < 2 << 20, "{written_bytes}");
    judge(&device, &[&first, &second, &first], "5000 files");
}

/// A path and what became of it.
fn differences(device: &MemoryDevice, old: usize, new: usize) -> Vec<(String, Change)> {
    let all = sessions(device, &OpenOptions::default()).unwrap();
    let [old, new] = [old, new].map(|index| Volume::open(device, &all[index].open).unwrap());
    let found = diff(&old, &new, true, &Progress::new()).unwrap();
    found.into_iter().map(|Difference { path, change }| (path, change)).collect()
}

#[test]
fn differences_are_told_path_by_path() {
    for revision in [Revision::V1_02, Revision::V2_50] {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("d")).unwrap();
        for (name, body) in [("d/kept", "k"), ("d/gone", "g"), ("body", "one"), ("mode", "m"), ("large", "")]
        {
            fs::write(path(name), body).unwrap();
        }
        fs::write(path("large"), vec![1; 100_000]).unwrap();
        let device = MemoryDevice::new();
        create(folder.path(), &spec(revision, BlockSize::B2048), &device).unwrap();
        fs::remove_file(path("d/gone")).unwrap();
        fs::write(path("d/new"), "n").unwrap();
        fs::write(path("body"), "two").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(path("mode"), mode).unwrap();
        append(&device, &Append { folder: folder.path(), mirror: true, update: true, fixed_size: false })
            .unwrap();
        let tell = |path: &str, change| (path.to_owned(), change);
        let expected = [
            tell("/body", Change::Content),
            tell("/d/gone", Change::Removed),
            tell("/d/new", Change::Added),
            tell("/mode", Change::Attributes),
        ];
        assert_eq!(differences(&device, 0, 1), expected, "{revision}");
        assert_eq!(differences(&device, 0, 0), [], "{revision}");
        let back = differences(&device, 1, 0);
        assert!(
            back.contains(&tell("/d/gone", Change::Added)) && back.contains(&tell("/d/new", Change::Removed))
        );
        // All of it written again, but the same: told by the bytes, not by the place.
        append(&device, &Append { folder: folder.path(), mirror: false, update: false, fixed_size: false })
            .unwrap();
        assert_eq!(differences(&device, 1, 2), [], "{revision}");
    }
}

/// Two volumes whose files get the same unique ids, since they have the same order.
#[test]
fn files_of_another_path_are_known_by_their_unique_id() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("d/inside")).unwrap();
    for name in ["d/inside/x", "d/inside/y", "file"] {
        fs::write(path(name), name).unwrap();
    }
    let made = || {
        let device = MemoryDevice::new();
        create(folder.path(), &spec(Revision::V2_01, BlockSize::B2048), &device).unwrap();
        Volume::open(device, &OpenOptions::default()).unwrap()
    };
    let old = made();
    fs::rename(path("d"), path("e")).unwrap();
    fs::rename(path("e/inside/y"), path("e/inside/z")).unwrap();
    fs::write(path("file"), "another size").unwrap();
    fs::rename(path("file"), path("later")).unwrap();
    let found = diff(&old, &made(), false, &Progress::new()).unwrap();
    let renamed = |path: &str, from: &str| Difference {
        path: path.into(),
        change: Change::Renamed { from: from.into() },
    };
    let expected = [
        renamed("/e", "/d"),
        renamed("/e/inside/z", "/d/inside/y"),
        renamed("/later", "/file"),
        Difference { path: "/later".into(), change: Change::Content },
    ];
    assert_eq!(found, expected);
}
