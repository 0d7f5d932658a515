//! Planted faults: a sound volume, one structure of it spoiled and sealed again, and the rules that this breaks.

mod apart;
mod attributes;
mod files;
mod hostile;
mod metadata;
mod optical;
mod streams;
mod volume;

use std::collections::{BTreeMap, BTreeSet};

use udf::check::{RULES, Report, Severity};
use udf::{BlockSize, Revision};

use super::image::Image;

/// Which volume a fault is planted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum On {
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
    /// 2.60, pseudo-overwritable.
    PseudoOverwrite,
    /// 1.50 with a virtual partition.
    OldVirtual,
    /// 2.01 with a virtual partition.
    Virtual,
    /// 2.01 with a sparable partition.
    Sparable,
}

/// The rules that are broken, where, and by what.
pub(crate) type Fault = (&'static [u8], On, fn(&mut Image));

impl On {
    pub(crate) fn image(self) -> Image {
        match self {
            Self::Plain => Image::new(Revision::V2_01, BlockSize::B2048),
            Self::Large => Image::new(Revision::V2_01, BlockSize::B4096),
            Self::Old => Image::new(Revision::V1_50, BlockSize::B2048),
            Self::Split => Image::new(Revision::V2_50, BlockSize::B2048),
            Self::OldVirtual | Self::Virtual | Self::Sparable => optical::image(self),
            Self::PseudoOverwrite => {
                let mut image = Image::new(Revision::V2_60, BlockSize::B2048);
                image.make_pseudo_overwritable();
                image
            }
            Self::Rewritable => {
                let mut image = Image::new(Revision::V2_01, BlockSize::B2048);
                image.make_rewritable();
                image
            }
        }
    }
}

pub(crate) fn tables() -> Vec<Fault> {
    [
        volume::FAULTS,
        files::FAULTS,
        attributes::FAULTS,
        metadata::FAULTS,
        streams::FAULTS,
        apart::FAULTS,
        optical::FAULTS,
    ]
    .concat()
}

pub(crate) fn rules(report: &Report) -> BTreeSet<String> {
    let findings = report.findings.iter().filter(|finding| finding.severity > Severity::Note);
    findings.map(|finding| finding.rule.to_string()).collect()
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

/// Rules of which no violation is planted, and why not.
const NOT_PLANTED: &[(u8, &str)] = &[(57, "a limit of one tool, not of the format")];

#[test]
fn every_rule_that_is_checked_has_one_and_the_others_a_reason() {
    let mut planted: BTreeSet<u8> = tables().iter().flat_map(|(rules, ..)| *rules).copied().collect();
    for (number, reason) in NOT_PLANTED {
        assert_eq!(RULES[usize::from(*number)].unchecked, Some(*reason), "R{number:03}");
        assert!(planted.insert(*number), "R{number:03} is planted");
    }
    let missing = (0u8..).zip(RULES).filter(|(number, _)| !planted.contains(number));
    let missing: Vec<_> = missing.map(|(_, info)| info.rule.to_string()).collect();
    assert_eq!(missing, [""; 0]);
}

/// The table of rules tells how grave a finding can be: of each rule one that is as grave is planted.
#[test]
fn the_gravest_of_each_rule_is_found() {
    let mut gravest = BTreeMap::new();
    for (_, on, plant) in tables() {
        let mut image = on.image();
        plant(&mut image);
        for finding in image.check().findings {
            let so_far = gravest.entry(finding.rule).or_insert(finding.severity);
            *so_far = finding.severity.max(*so_far);
        }
    }
    // What is no volume at all is among the sound ones' tests.
    let less = gravest.into_iter().filter(|(rule, found)| *found != rule.info().severity);
    let less: Vec<_> = less.map(|(rule, _)| rule.to_string()).filter(|rule| rule != "R000").collect();
    assert_eq!(less, [""; 0]);
}
