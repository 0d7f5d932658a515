//! Volumes made to harm whoever extracts them, by their hazards.

use udf::general::{ExtentKind, ShortAd};
use zerocopy::IntoBytes;

use super::*;
use crate::support::patch;

/// A volume with a directory `d` of many names, a file `f` of several blocks and one `g`.
fn image() -> Vec<u8> {
    let mut tree = Tree::new(attributes());
    let d = directory(&mut tree, NodeId(0), b"d");
    for number in 0..40 {
        file(&mut tree, d, format!("file {number}").as_bytes(), b"");
    }
    file(&mut tree, NodeId(0), b"f", &[7; 5000]);
    file(&mut tree, NodeId(0), b"g", &[8; 5000]);
    record(&tree).into_bytes()
}

fn limited(bytes: u64) -> Options {
    Options { max_size_bytes: Some(bytes), ..options() }
}

#[test]
fn a_directory_that_claims_2_to_the_60_bytes_costs_itself_only() {
    for size in [1_u64 << 60, u64::MAX] {
        let mut image = image();
        patch::entry(&mut image, "/d", |entry, at| {
            entry[at.size..at.size + 8].copy_from_slice(&size.to_le_bytes());
        });
        let target = tempfile::tempdir().unwrap();
        let warnings = run(&open(&image), target.path(), &options()).unwrap();
        let [Warning::LeftOut { path, why }] = &warnings[..] else { panic!("{warnings:?}") };
        assert!(path == Path::new("/d") && why.contains(&size.to_string()), "{why}");
        assert_eq!(fs::read(target.path().join("f")).unwrap(), [7; 5000]);
    }
}

#[test]
fn a_sparse_file_of_2_to_the_50_bytes_is_stopped_by_the_limit() {
    let mut image = image();
    patch::entry(&mut image, "/f", |entry, at| {
        entry[at.size..at.size + 8].copy_from_slice(&(1_u64 << 50).to_le_bytes());
        let hole = ShortAd::new(ExtentKind::Unallocated, 1 << 29, 0);
        entry[at.allocation..at.allocation + 8].copy_from_slice(hole.as_bytes());
    });
    let target = tempfile::tempdir().unwrap();
    let error = run(&open(&image), target.path(), &limited(1 << 30)).unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    for file in fs::read_dir(target.path()).unwrap() {
        assert!(file.unwrap().metadata().unwrap().len() < 1 << 20);
    }
}

#[test]
fn files_that_share_their_blocks_by_the_thousand_are_stopped_by_the_limit() {
    let mut image = image();
    // One file, all of whose extents are the same blocks.
    patch::entry(&mut image, "/f", |entry, at| {
        let first: [u8; 8] = entry[at.allocation..at.allocation + 8].try_into().unwrap();
        let start = u32::from_le_bytes(first[4..].try_into().unwrap());
        let count = (entry.len() - at.allocation) / 8;
        for number in 0..count {
            let extent = ShortAd::new(ExtentKind::Recorded, 4608, start);
            entry[at.allocation + number * 8..][..8].copy_from_slice(extent.as_bytes());
        }
        let bytes = u32::try_from(count * 8).unwrap();
        entry[at.allocation - 4..at.allocation].copy_from_slice(&bytes.to_le_bytes());
        let size = 4608 * count as u64;
        entry[at.size..at.size + 8].copy_from_slice(&size.to_le_bytes());
        // The CRC covers all of it.
        let covered = u16::try_from(entry.len() - 16).unwrap();
        entry[10..12].copy_from_slice(&covered.to_le_bytes());
    });
    let target = tempfile::tempdir().unwrap();
    let error = run(&open(&image), target.path(), &limited(100_000)).unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
}

#[test]
fn extents_that_go_on_in_themselves_end() {
    let mut image = image();
    patch::entry(&mut image, "/f", |entry, at| {
        let itself = ShortAd::new(ExtentKind::Continuation, 512, 3);
        entry[at.allocation..at.allocation + 8].copy_from_slice(itself.as_bytes());
    });
    let target = tempfile::tempdir().unwrap();
    let warnings = run(&open(&image), target.path(), &options()).unwrap();
    assert!(matches!(&warnings[..], [Warning::LeftOut { .. }]), "{warnings:?}");
    assert_eq!(fs::read(target.path().join("g")).unwrap(), [8; 5000]);
}

#[test]
fn an_extent_of_a_gigabyte_beyond_the_end_is_one_error_and_no_wait() {
    let mut image = image();
    patch::entry(&mut image, "/f", |entry, at| {
        let far = ShortAd::new(ExtentKind::Recorded, (1 << 30) - 512, u32::MAX - 5);
        entry[at.allocation..at.allocation + 8].copy_from_slice(far.as_bytes());
        entry[at.size..at.size + 8].copy_from_slice(&((1_u64 << 30) - 512).to_le_bytes());
    });
    let target = tempfile::tempdir().unwrap();
    let warnings = run(&open(&image), target.path(), &options()).unwrap();
    assert!(matches!(&warnings[..], [Warning::Damaged { .. }]), "{warnings:?}");
}

#[test]
fn a_file_behind_its_last_extent_is_a_hole_and_no_loss() {
    let mut image = image();
    patch::entry(&mut image, "/f", |entry, at| {
        entry[at.size..at.size + 8].copy_from_slice(&100_000_u64.to_le_bytes());
    });
    let volume = open(&image);
    let target = tempfile::tempdir().unwrap();
    assert_eq!(run(&volume, target.path(), &options()).unwrap(), []);
    let mut expected = volume.read_all(&volume.lookup("f").unwrap(), 200_000).unwrap();
    assert_eq!(fs::read(target.path().join("f")).unwrap(), expected);
    assert!(expected.split_off(5000).iter().all(|byte| *byte == 0) && expected == [7; 5000]);
    let told = volume.tolerated();
    // Its last extent ends within a block.
    let told: Vec<_> = told.iter().map(|one| one.tolerance).collect();
    assert_eq!(told, [udf::read::Tolerance::EndsInHole, udf::read::Tolerance::EndsInBlock]);
}
