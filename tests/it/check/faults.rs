//! Planted faults: a sound volume, one structure of it spoiled and sealed again, and the rules that this breaks.

mod files;
mod hostile;
mod metadata;
mod streams;
mod volume;

use std::collections::BTreeSet;

use udf::check::{RULES, Report};
use udf::{BlockSize, Revision};

use super::image::Image;

/// Which volume a fault is planted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum On {
    /// 2.01: one partition, extended file entries.
    Plain,
    /// 2.01 with blocks of 4096 bytes.
    Large,
    /// 1.50: file entries, creation times in attributes.
    Old,
    /// 2.50: a metadata partition.
    Split,
    /// 2.01, overwritable and with a bitmap.
    Rewritable,
}

/// The rules that are broken, where, and by what.
type Fault = (&'static [u8], On, fn(&mut Image));

impl On {
    fn image(self) -> Image {
        match self {
            Self::Plain => Image::new(Revision::V2_01, BlockSize::B2048),
            Self::Large => Image::new(Revision::V2_01, BlockSize::B4096),
            Self::Old => Image::new(Revision::V1_50, BlockSize::B2048),
            Self::Split => Image::new(Revision::V2_50, BlockSize::B2048),
            Self::Rewritable => {
                let mut image = Image::new(Revision::V2_01, BlockSize::B2048);
                image.make_rewritable();
                image
            }
        }
    }
}

fn tables() -> Vec<Fault> {
    [volume::FAULTS, files::FAULTS, metadata::FAULTS, streams::FAULTS].concat()
}

fn rules(report: &Report) -> BTreeSet<String> {
    report.findings.iter().map(|finding| finding.rule.to_string()).collect()
}

#[test]
fn each_is_found_and_nothing_else() {
    let mut wrong = Vec::new();
    for (number, (expected, on, plant)) in tables().into_iter().enumerate() {
        let mut image = on.image();
        plant(&mut image);
        let report = image.check();
        let expected: BTreeSet<_> = expected.iter().map(|rule| format!("R{rule:03}")).collect();
        if rules(&report) != expected {
            let found: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
            wrong.push(format!("number {number}, {expected:?} in {on:?}: {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_that_is_checked_has_one() {
    let planted: BTreeSet<u8> = tables().iter().flat_map(|(rules, ..)| *rules).copied().collect();
    let missing =
        (0u8..).zip(RULES).filter(|(number, info)| info.unchecked.is_none() && !planted.contains(number));
    let missing: Vec<_> = missing.map(|(_, info)| info.rule.to_string()).collect();
    assert_eq!(missing, [""; 0]);
}
