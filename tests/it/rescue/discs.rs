//! Discs with a virtual allocation table: each generation of it is a state, and without any the entries tell what it said.

use std::fs;

use mkudf_ms::rescue::{Options, Reason, Verdict};
use udf::file::{FileType, IcbTag};
use udf::general::{Tag, TagIdentifier};
use udf::{BlockSize, Place, Revision};
use zerocopy::FromBytes;

use super::bench::{Case, Rescued};
use super::damage;
use crate::discs::Story;
use crate::support::manifest::assert_same;

const DISCS: [(&str, Revision, u64); 4] = [
    ("cd-r", Revision::V1_50, 701),
    ("dvd+r", Revision::V2_01, 702),
    ("bd-r", Revision::V2_50, 703),
    ("dvd-r", Revision::V2_00, 704),
];

const BLOCK: usize = 2048;

/// A disc of three states, in one session or in three.
fn case(disc: (&str, Revision, u64), closes: bool) -> Case {
    let (medium, revision, seed) = disc;
    let mut story = Story::begin(medium, revision, seed, closes);
    story.append(12, true, closes);
    story.append(12, true, closes);
    let name = format!("{medium}, {revision}, closed: {closes}");
    let image = fs::read(&story.image).unwrap();
    Case { name, image, block_size: BlockSize::B2048, sessions: story.states.clone() }
}

fn cases() -> impl Iterator<Item = Case> {
    DISCS.into_iter().flat_map(|disc| [false, true].map(|closes| case(disc, closes)))
}

/// The sectors of the ICBs of tables, copies among them, in the order of the disc.
fn tables(image: &[u8]) -> Vec<usize> {
    let blocks = image.chunks_exact(BLOCK).enumerate();
    let is_table = |block: &[u8]| {
        let kind = Tag::read(block).unwrap_or_default().kind();
        let is_entry = matches!(kind, TagIdentifier::FILE_ENTRY | TagIdentifier::EXTENDED_FILE_ENTRY);
        let file_type = IcbTag::read_from_prefix(&block[Tag::LEN..]).unwrap().0.kind();
        is_entry
            && Tag::check_any_location(block, kind, "", Place::Within).is_ok()
            && matches!(file_type, FileType::VIRTUAL_ALLOCATION_TABLE | FileType::UNSPECIFIED)
    };
    blocks.filter(|(_, block)| is_table(block)).map(|(sector, _)| sector).collect()
}

/// The image without these sectors.
fn without(image: &[u8], sectors: &[usize]) -> Vec<u8> {
    let mut image = image.to_vec();
    for sector in sectors {
        image[sector * BLOCK..(sector + 1) * BLOCK].fill(0);
    }
    image
}

/// Those of the last table: copies fill its write unit.
fn last_table(tables: &[usize]) -> &[usize] {
    let first = (1..tables.len()).rev().find(|index| tables[*index] != tables[index - 1] + 1);
    &tables[first.unwrap_or(0)..]
}

#[test]
fn every_generation_of_a_virtual_allocation_table_is_a_state() {
    for case in cases() {
        let rescued = case.rescue(&case.image, Vec::new());
        rescued.assert_whole(&case);
        assert_eq!(rescued.summary.states, 3, "{}: {rescued:?}", case.name);
        let options = Options { all_versions: true, ..Options::default() };
        let found = case.rescue_with(&case.image, Vec::new(), None, &options).found();
        assert!(!found.contains_key("lost+found"), "{}: {:?}", case.name, found.keys());
        for (path, item) in case.sessions.iter().flatten().filter(|(_, item)| item.body.is_some()) {
            assert!(found.values().any(|found| found.body == item.body), "{}: {path}", case.name);
        }
    }
}

/// Whatever is lost of tables and descriptors of the volume, all files come back; and nothing is certain without the newest table.
#[test]
fn lost_tables_cost_certainty_and_no_file() {
    for case in cases() {
        let all = tables(&case.image);
        let last = last_table(&all);
        assert!(last.len() < all.len(), "{}: {all:?}", case.name);
        let volume_descriptors = damage::all_volume_descriptors(&case).pop().unwrap().1;
        let damages = [
            ("all copies but one of the newest table", without(&case.image, &last[1..]), true),
            ("the newest table", without(&case.image, last), false),
            ("all tables", without(&case.image, &all), false),
            ("all descriptors of the volume", volume_descriptors.clone(), true),
            ("all descriptors of the volume and the newest table", without(&volume_descriptors, last), false),
        ];
        for (what, image, has_newest) in damages {
            let rescued = case.rescue(&image, Vec::new());
            let context = format!("{}, without {what}: {rescued:?}", case.name);
            rescued.assert_honest(&case, what);
            if what == "all tables" {
                assert_files(&case, &rescued, &context);
            } else {
                assert_tree(&case, &rescued, &context);
            }
            if !has_newest {
                assert_eq!(rescued.of(Verdict::Certain).count(), 0, "{context}");
            }
        }
    }
}

#[test]
fn a_lost_file_set_takes_no_table_with_it() {
    for case in cases() {
        let rescued = case.rescue(&case.image, damage::file_set(&case));
        let context = format!("{}, without its file set: {rescued:?}", case.name);
        rescued.assert_honest(&case, "no file set");
        assert_files(&case, &rescued, &context);
        let is_put_together = |doubt: &Reason| doubt.to_string().contains("put together");
        assert!(!rescued.summary.doubts.iter().any(is_put_together), "{context}");
    }
}

/// The same where older names of a file may lead to it, too, since nothing tells that they are older.
fn assert_files(case: &Case, rescued: &Rescued, context: &str) {
    let found = rescued.found();
    for (path, item) in case.newest() {
        let there = found.get(path).unwrap_or_else(|| panic!("{context}: {path}"));
        assert!((item.kind, &item.body) == (there.kind, &there.body), "{context}: {path}");
    }
    let is_named = |path: &&String| !path.starts_with("lost+found") && !case.newest().contains_key(*path);
    assert_eq!(found.keys().find(is_named), None, "{context}");
}

/// Every file of the newest state is in its place.
fn assert_tree(case: &Case, rescued: &Rescued, context: &str) {
    let mut found = rescued.found();
    found.retain(|path, _| !path.starts_with("lost+found"));
    assert_same(case.newest(), &found, context);
}

#[test]
fn whatever_sectors_of_a_disc_are_bad_nothing_wrong_is_certain() {
    for case in cases() {
        for round in 0..12 {
            let (bad, image) = damage::random(&case, 7000 + round);
            let rescued = case.rescue(&image, bad.clone());
            rescued.assert_honest(&case, &format!("round {round}"));
        }
    }
}
