//! `check --explain`: what a rule demands, how grave it is to break it, what that means for readers, and what to do.

use std::io::{self, Write};

use serde_json::json;
use udf::check::{RULES, RuleInfo};

use crate::flags::Explained;
use crate::report::{Ending, Report};

/// Explains one rule, or lists all.
pub(crate) fn run(explained: Explained, report: &Report) -> anyhow::Result<Ending> {
    let mut out = io::stdout().lock();
    match explained {
        Explained::One(rule) => one(&mut out, rule.info(), report)?,
        Explained::All if report.json => {
            for info in RULES {
                one(&mut out, info, report)?;
            }
        }
        Explained::All => {
            for RuleInfo { rule, severity, text, .. } in RULES {
                writeln!(out, "{rule} {severity:7} {text}")?;
            }
        }
    }
    Ok(Ending::Done)
}

fn one(out: &mut impl Write, info: &RuleInfo, report: &Report) -> io::Result<()> {
    let RuleInfo { rule, severity, clause, text, unchecked } = info;
    let (meaning, remedy) = (rule.meaning(), rule.remedy());
    if report.json {
        let object = json!({
            "rule": rule.to_string(),
            "severity": severity.to_string(),
            "clause": clause,
            "text": text,
            "meaning": meaning,
            "remedy": remedy,
            "unchecked": unchecked,
        });
        return writeln!(out, "{object}");
    }
    writeln!(out, "{rule}, {severity} at worst ({clause})\n  {text}")?;
    if let Some(reason) = unchecked {
        writeln!(out, "  It is not looked at: {reason}.")?;
    }
    writeln!(out, "If it is broken:\n  {meaning}\nWhat to do:\n  {remedy}")
}
