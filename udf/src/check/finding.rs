//! Findings, and the report that they add up to.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::fmt;

use super::rule::{Rule, Severity};
use crate::error::Place;

/// Findings of one rule that are told one by one; of more only the number is.
const MAX_OF_A_RULE: u64 = 100;

/// Something that is not as a rule demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub severity: Severity,
    /// Which rule is broken.
    pub rule: Rule,
    /// Where the standards demand it.
    pub clause: &'static str,
    /// Where on the volume.
    pub place: Place,
    /// What is wrong, beginning with the structure or the path of the file.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, rule, clause, place, message } = self;
        write!(f, "{severity} {rule}: {message}")?;
        if *place != Place::Within {
            write!(f, " [{place}]")?;
        }
        write!(f, " ({clause})")
    }
}

/// What a check found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// All findings, in the order in which the volume was looked at, but no more than 100 of a rule.
    pub findings: Vec<Finding>,
    /// How many more there are of a rule.
    pub omitted: BTreeMap<Rule, u64>,
    /// Files: names that lead to them, hard links counted each.
    pub files: u64,
    /// Directories, the root among them.
    pub directories: u64,
    /// Blocks of the device that the volume uses.
    pub blocks_used: u64,
}

impl Report {
    /// The gravest of the findings; `None` if there is none.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// How many findings there are of a severity among those that are told one by one.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// Findings so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    /// How many there are of each rule.
    numbers: BTreeMap<Rule, u64>,
}

impl Findings {
    /// Adds a finding. Its message is put together only if it is told.
    pub(super) fn add(
        &mut self,
        severity: Severity,
        rule: Rule,
        place: Place,
        message: impl FnOnce() -> String,
    ) {
        debug_assert!(severity <= rule.info().severity, "{rule} is never a {severity}");
        let number = self.numbers.entry(rule).or_default();
        *number = number.saturating_add(1);
        if *number <= MAX_OF_A_RULE {
            let clause = rule.info().clause;
            self.list.push(Finding { severity, rule, clause, place, message: message() });
        }
    }

    /// How many there are of a rule.
    pub(super) fn number_of(&self, rule: Rule) -> u64 {
        self.numbers.get(&rule).copied().unwrap_or(0)
    }

    pub(super) fn into_report(self) -> Report {
        let omitted = self.numbers.into_iter().filter_map(|(rule, number)| {
            let more = number.checked_sub(MAX_OF_A_RULE).filter(|more| *more > 0)?;
            Some((rule, more))
        });
        Report { findings: self.list, omitted: omitted.collect(), ..Report::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn findings_of_a_rule_are_told_up_to_a_number() {
        let mut findings = Findings::default();
        for number in 0..103 {
            findings.add(Severity::Error, Rule(113), Place::Within, || format!("number {number}"));
        }
        findings.add(Severity::Note, Rule(7), Place::Within, String::new);
        let report = findings.into_report();
        assert_eq!(report.findings.len(), 101);
        assert_eq!(report.omitted, BTreeMap::from([(Rule(113), 3)]));
        assert_eq!(report.worst(), Some(Severity::Error));
        assert_eq!(format!("{}", report.findings[0]), "error R113: number 0 (ECMA-167 4/10.1)");
    }
}
