//! Other people's volumes with virtual allocation tables and with several sessions, continued: as further states in the session
//! that is open, where they can be, and as sessions behind it.

use std::fs;
use std::path::Path;

use mkudf_ms::Error;
use mkudf_ms::device::MemoryDevice;
use mkudf_ms::plan::{AppendSpec, Plan, SequentialTarget};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::{Conflict, Options, Source, scan};
use mkudf_ms::session::{Import, ImportOptions, sessions};
use mkudf_ms::stream::{StreamOptions, stream};
use udf::check::{self, Severity};
use udf::read::{OpenOptions, ReadAt, Volume};
use udf::{Revision, Sector};

use super::corpus;
use crate::support::build::NOW;
use crate::support::folder::Folder;
use crate::support::manifest::{self, Manifest, assert_same};

/// Volumes, where their newest session begins, and whether the session is open and has room.
const VOLUMES: [(&str, u32); 2] =
    [("util-linux/udf-bdr-2.60-nero.img", 0), ("util-linux/udf-multi-0-320-640-mkudffs.img", 640)];

fn open(start: u32) -> OpenOptions {
    OpenOptions { session_start: (start > 0).then_some(Sector(start)), ..OpenOptions::default() }
}

fn errors(device: &MemoryDevice, open: &OpenOptions) -> Vec<String> {
    let report = check::check(device, open, &mut |_| {});
    let errors = report.findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(ToString::to_string).collect()
}

/// Adds the folder to the volume; in a session that is open, or in one of its own at `at`.
fn append(device: &MemoryDevice, start: u32, at: Option<u32>, folder: &Path) -> Result<(), Error> {
    let target = at.map(|at| SequentialTarget {
        next_writable: Sector(at),
        closes_session: true,
        ..SequentialTarget::blank(1_000_000, 32)
    });
    let options = ImportOptions { open: open(start), sequential: target, ..ImportOptions::default() };
    let mut import = Import::open(device, &options)?;
    let mut tree = import.tree()?;
    let sources = [Source::grafted(folder, "/added")];
    let options = Options { on_conflict: Conflict::Replace, ..Options::new(NOW) };
    let outcome = scan(&mut tree, &mut import, &sources, &options, &Progress::new())?;
    let (base, _) = import.finish(&mut tree, &outcome)?;
    let spec = AppendSpec { now: NOW, zone_minutes: 0, label: None, embed: true };
    let plan = Plan::append(&tree, &spec, base)?;
    stream(&plan, &tree, device, Some(device), &Progress::new(), &StreamOptions::default())?;
    Ok(())
}

fn contents(device: &MemoryDevice, open: &OpenOptions) -> Manifest {
    manifest::of_volume(&Volume::open(device, open).unwrap())
}

/// What was there, and the folder below `added`.
fn expected(old: &Manifest, folder: &Folder) -> Vec<String> {
    let mut paths: Vec<_> = old.keys().filter(|path| !path.starts_with("added")).cloned().collect();
    let below = manifest::of_folder(folder.path());
    paths.extend(
        below.keys().map(|path| if path.is_empty() { "added".into() } else { format!("added/{path}") }),
    );
    paths.sort();
    paths
}

#[test]
fn sessions_are_appended_to_other_peoples_discs() {
    let Some((_corpus, folder)) = corpus() else { return };
    for (name, start) in VOLUMES {
        let bytes = fs::read(folder.path().join(name)).unwrap();
        let blocks = u32::try_from(bytes.len() / 2048).unwrap();
        let device = MemoryDevice::from(bytes.clone());
        let old = contents(&device, &open(start));
        let found_before = errors(&device, &open(start));
        let mut added = Folder::new(7);
        let (mut last, mut next) = (start, blocks.next_multiple_of(32) + 2048);
        for round in 0..3 {
            added.change(8);
            append(&device, last, Some(next), added.path())
                .unwrap_or_else(|error| panic!("{name}, round {round}: {error}"));
            let now = contents(&device, &open(next));
            let context = format!("{name}, round {round}");
            for (path, item) in old.iter().filter(|(path, _)| !path.is_empty()) {
                assert_eq!(now.get(path), Some(item), "{context}: {path}");
            }
            let appended: Vec<_> = now.keys().filter(|path| !expected(&old, &added).contains(path)).collect();
            // Nothing is removed, so what earlier rounds added may be there, too.
            assert!(
                appended.iter().all(|path| round > 0 && path.starts_with("added")),
                "{context}: {appended:?}"
            );
            assert!(expected(&old, &added).iter().all(|path| now.contains_key(path)), "{context}");
            let new: Vec<_> =
                errors(&device, &open(next)).into_iter().filter(|one| !found_before.contains(one)).collect();
            assert_eq!(new, [] as [String; 0], "{context}");
            let all = sessions(&device, &open(next)).unwrap();
            assert!(all.len() >= round + 2, "{context}: {} sessions", all.len());
            let first = &all[all.len() - round - 2];
            assert_same(&old, &contents(&device, &first.open), &context);
            let end = u32::try_from(device.size_bytes() / 2048).unwrap();
            (last, next) = (next, end + 2048);
        }
        assert!(device.into_bytes().starts_with(&bytes), "{name}: what was there changed");
    }
}

#[test]
fn an_open_session_of_others_is_continued_or_it_is_said_why_not() {
    let Some((_corpus, folder)) = corpus() else { return };
    for (name, start) in VOLUMES {
        let bytes = fs::read(folder.path().join(name)).unwrap();
        let device = MemoryDevice::from(bytes.clone());
        let old = contents(&device, &open(start));
        let mut added = Folder::new(8);
        added.change(5);
        match append(&device, start, None, added.path()) {
            Ok(()) => {
                let now = contents(&device, &open(start));
                assert!(
                    old.iter()
                        .filter(|(path, _)| !path.is_empty())
                        .all(|(path, item)| now.get(path) == Some(item))
                );
                assert!(expected(&old, &added).iter().all(|path| now.contains_key(path)), "{name}");
                assert!(device.into_bytes().starts_with(&bytes), "{name}");
            }
            Err(Error::Refused { reason, hint }) => {
                assert!(reason.contains("partition ends") && hint.contains("close"), "{name}: {reason}");
                assert!(device.into_bytes() == bytes, "{name}");
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

#[test]
fn what_the_three_sessions_hold_is_theirs_alone() {
    let Some((_corpus, folder)) = corpus() else { return };
    let bytes = fs::read(folder.path().join(VOLUMES[1].0)).unwrap();
    for start in [0, 320, 640] {
        let volume = Volume::open(&bytes, &open(start)).unwrap();
        assert_eq!(volume.revision(), Some(Revision::V2_01));
        assert_eq!(volume.found().session_start, Sector(start));
    }
}
