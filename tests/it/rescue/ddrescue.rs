//! Map files of GNU ddrescue: what they say is believed, what is found is written.

use std::process::Command;

use mkudf_ms::rescue::{Map, Options, Status, Verdict};

use super::bench::{Case, FORMATS};
use super::damage;

#[test]
fn what_is_found_to_be_bad_is_mapped_and_the_map_tells_the_same_of_an_image() {
    for (seed, (revision, block_size)) in (301..).zip(FORMATS) {
        let case = Case::new(revision, block_size, seed, 1);
        let mut bad: Vec<_> = damage::random(&case, seed).0;
        for range in &mut bad {
            range.end = range.end.min(case.image.len() as u64);
        }
        bad.retain(|range| range.start < range.end);
        let from_disc = case.rescue(&case.image, bad.clone());
        let mut expected = Map::new(case.image.len() as u64, Status::Finished);
        for range in &bad {
            expected.set(range.start, range.end, Status::Bad);
        }
        assert_eq!(from_disc.map, expected, "{}", case.name);

        // An image that ddrescue makes has zeros where it could not read.
        let mut image = case.image.clone();
        for range in &bad {
            image[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()].fill(0);
        }
        let text = from_disc.map.to_string();
        let map = Map::parse(&text).unwrap();
        let from_image = case.rescue_with(&image, Vec::new(), Some(map), &Options::default());
        assert_eq!(from_disc.summary, from_image.summary, "{}", case.name);
        assert_eq!(from_disc.items, from_image.items, "{}", case.name);
        assert_eq!(from_image.map.to_string(), text);
    }
}

#[test]
fn what_was_not_tried_is_not_read_and_zeros_are_no_content() {
    let (revision, block_size) = FORMATS[3];
    let case = Case::new(revision, block_size, 321, 1);
    // In the middle of the files.
    let half = case.block_size.bytes_in(288 + 40);
    for status in [Status::NonTried, Status::NonTrimmed, Status::NonScraped, Status::Bad] {
        let mut map = Map::new(case.image.len() as u64, Status::Finished);
        map.set(half, case.image.len() as u64, status);
        let mut image = case.image.clone();
        image[usize::try_from(half).unwrap()..].fill(0);
        let rescued = case.rescue_with(&image, Vec::new(), Some(map.clone()), &Options::default());
        rescued.assert_honest(&case, "half a map");
        assert!(rescued.of(Verdict::Certain).count() < case.newest().len());
        assert_eq!(rescued.map, map, "nothing was read, so nothing is known");
        assert_eq!(rescued.summary.unreadable_bytes, case.image.len() as u64 - half);
    }
}

#[test]
fn ddrescuelog_reads_our_maps() {
    if Command::new("ddrescuelog").arg("--version").output().is_err() {
        eprintln!("skipped: ddrescuelog is not installed");
        return;
    }
    let mut map = Map::new(1 << 20, Status::Finished);
    map.set(4096, 8192, Status::Bad);
    map.set(1 << 19, (1 << 19) + 512, Status::NonTried);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map");
    std::fs::write(&path, map.to_string()).unwrap();
    // It rewrites a map when types are changed; here back and forth.
    let listed = Command::new("ddrescuelog").args(["-b", "512", "-l", "-"]).arg(&path).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    let blocks: Vec<_> = String::from_utf8(listed.stdout).unwrap().lines().map(String::from).collect();
    assert_eq!(blocks, ["8", "9", "10", "11", "12", "13", "14", "15"]);
    let rewritten =
        Command::new("ddrescuelog").args(["-f", "-o", "-", "-y"]).arg(&path).arg(&path).output().unwrap();
    if rewritten.status.success() {
        let text = String::from_utf8(rewritten.stdout).unwrap();
        assert_eq!(
            Map::parse(&text).unwrap().count_bytes(Status::Finished),
            map.count_bytes(Status::Finished)
        );
    }
}
