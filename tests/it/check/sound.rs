//! Volumes that are as they should be: of every revision and block size, new and grown, and each session of them.

use std::num::NonZeroU32;

use mkudf_ms::device::MemoryDevice;
use udf::check::{Known, Report, Severity, check, check_knowing};
use udf::general::Moment;
use udf::read::{OpenOptions, Volume};
use udf::{BlockSize, Revision, Sector};

use super::image::Image;
use crate::support::build::{Append, NOW, append, create, spec};
use crate::support::folder::Folder;

const BLOCK_SIZES: [BlockSize; 4] = [BlockSize::B512, BlockSize::B1024, BlockSize::B2048, BlockSize::B4096];

fn assert_sound(report: &Report, context: &str) {
    let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{context}: {findings:#?}");
    assert!(report.directories > 0 && report.blocks_used > 0, "{context}: {report:?}");
}

#[test]
fn new_volumes() {
    for revision in Revision::ALL {
        for block_size in BLOCK_SIZES {
            let image = Image::new(revision, block_size);
            let report = image.check();
            assert_sound(&report, &format!("{revision} with blocks of {block_size}"));
            assert_eq!((report.files, report.directories), (130, 4));
        }
    }
}

#[test]
fn volumes_with_a_bitmap() {
    for block_size in BLOCK_SIZES {
        let mut image = Image::new(Revision::V2_01, block_size);
        image.make_rewritable();
        assert_sound(&image.check(), &format!("blocks of {block_size}"));
    }
}

#[test]
fn every_session_of_grown_volumes() {
    for (seed, revision) in (1..).zip(Revision::ALL) {
        let block_size = BLOCK_SIZES[usize::try_from(seed).unwrap() % 4];
        let mut folder = Folder::new(seed);
        folder.change(60);
        let device = MemoryDevice::new();
        create(folder.path(), &spec(revision, block_size), &device).unwrap();
        let mut sequences = vec![Volume::open(&device, &OpenOptions::default()).unwrap().sequences()];
        for _ in 0..3 {
            folder.change(20);
            let how = Append { folder: folder.path(), mirror: true, update: false, fixed_size: false };
            append(&device, &how).unwrap();
            sequences.push(Volume::open(&device, &OpenOptions::default()).unwrap().sequences());
        }
        let image = Image { bytes: device.into_bytes(), block_size };
        assert_sound(&image.check(), &format!("the newest session, {revision}"));
        for sequences in sequences {
            let by_sequences = OpenOptions { sequences: Some(sequences), ..OpenOptions::default() };
            assert_sound(
                &image.check_with(&by_sequences),
                &format!("a session by its sequences, {revision}"),
            );
            // The main sequence of ours lies 193 blocks into the session.
            let start = Sector(sequences.0.start().0 - 193);
            let by_start = OpenOptions { session_start: Some(start), ..OpenOptions::default() };
            assert_sound(&image.check_with(&by_start), &format!("the session at {start}, {revision}"));
        }
    }
}

#[test]
fn progress_is_told_and_ends_with_what_was_expected() {
    let image = Image::new(Revision::V2_50, BlockSize::B2048);
    let mut last = None;
    check(&image.bytes, &OpenOptions::default(), &mut |progress| last = Some(progress));
    let last = last.unwrap();
    assert_eq!(last.expected, Some(last.files + last.directories));
}

/// What the volume does not tell: the medium's ECC blocks, of 16, 32 or any number of blocks, and the time.
#[test]
fn what_is_known_beside_the_volume_is_judged_too() {
    let rules = |revision, known| {
        let image = Image::new(revision, BlockSize::B2048);
        let report = check_knowing(&image.bytes, &OpenOptions::default(), known, &mut |_| ());
        let mut found: Vec<_> =
            report.findings.iter().map(|finding| (finding.rule.to_string(), finding.severity)).collect();
        found.dedup();
        found
    };
    let ecc = |blocks| Known { ecc_blocks: NonZeroU32::new(blocks), ..Known::default() };
    for blocks in [1, 16, 32] {
        assert_eq!(rules(Revision::V2_50, ecc(blocks)), [], "ours begin where any medium wants it");
    }
    assert_eq!(rules(Revision::V2_50, ecc(7919)), [("R052".to_owned(), Severity::Error)]);
    assert_eq!(rules(Revision::V2_01, ecc(7919)), [], "not demanded before 2.50");
    let later = |microseconds: i64| Known {
        now: Some(Moment { microseconds: NOW.microseconds + microseconds }),
        ..Known::default()
    };
    assert_eq!(rules(Revision::V2_01, later(0)), []);
    // A clock is wrong. Of the files, which have that time too, nothing is said.
    assert_eq!(rules(Revision::V2_01, later(-1)), [("R021".to_owned(), Severity::Warning)]);
}

#[test]
fn what_is_no_volume_is_fatal() {
    for bytes in [vec![], vec![0; 100], vec![0; 1 << 20]] {
        let report = check(&bytes, &OpenOptions::default(), &mut |_| ());
        assert_eq!(report.worst(), Some(Severity::Fatal));
    }
}
