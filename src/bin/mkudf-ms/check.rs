//! `check`: what is wrong with a volume, a line a finding; the exit code is fsck's.

use std::io::{self, Write};
use std::num::NonZeroU32;

use anyhow::Context as _;
use mkudf_ms::media::Medium;
use mkudf_ms::progress::Progress;
use serde_json::json;
use udf::check::{self, CheckProgress, Finding, Known, Severity};
use udf::read::{OpenOptions, ReadAt, Volume};
use udf::{Error, Place};

use crate::bar::Bar;
use crate::flags::Check;
use crate::job::Times;
use crate::report::{Ending, Report};
use crate::{explain, open, text};

/// Checks the volume, in the session asked for.
pub(crate) fn run(flags: &Check, report: &Report) -> anyhow::Result<Ending> {
    if let Some(explained) = flags.explain {
        return explain::run(explained, report);
    }
    // An image is required where no rule is.
    let reading = &flags.reading().context("no image")?;
    let name = || reading.image.display().to_string();
    let device = open::device(&reading.image)?;
    let options = open::options(&device, reading, report).with_context(name)?;
    let volume = match Volume::open(&device, &options) {
        Ok(volume) => Some(volume),
        Err(Error::Corrupt(_)) => None,
        // There is nothing here that could be checked.
        Err(error) => return Err(error).with_context(name),
    };
    device.tell_broken_off(report);
    let known = known(flags)?;
    let found = watched(&device, &options, known, report);
    let mut out = io::stdout().lock();
    for finding in &found.findings {
        let sector = sector_of(volume.as_ref(), finding.place);
        if report.json {
            writeln!(out, "{}", text::Json(&object(finding, sector)))?;
        } else if report.is_verbose() || finding.severity > Severity::Note {
            writeln!(out, "{}", line(finding, sector))?;
        }
    }
    for (rule, more) in &found.omitted {
        report.note(&format!("{}: {} more of {rule}", name(), text::count(*more)));
    }
    let count = |severity| found.count(severity) as u64;
    let errors = count(Severity::Error) + count(Severity::Fatal);
    if report.json {
        writeln!(out, "{}", text::Json(&summary(&found)))?;
    }
    report.note(&format!(
        "{}: {}, {}; {}, {}, {} in use",
        name(),
        text::things(errors, "error", "errors"),
        text::things(count(Severity::Warning), "warning", "warnings"),
        text::things(found.files, "file", "files"),
        text::things(found.directories, "directory", "directories"),
        text::things(found.blocks_used, "block", "blocks"),
    ));
    Ok(if errors > 0 { Ending::ErrorsFound } else { Ending::Done })
}

/// What the volume does not tell: what time it is, and what the medium is like.
fn known(flags: &Check) -> anyhow::Result<Known> {
    let medium = match &flags.medium {
        Some(name) => Some(Medium::find(name).with_context(|| format!("no such medium: {name}"))?),
        None => None,
    };
    let ecc_blocks = medium.and_then(|medium| NonZeroU32::new(medium.ecc_block_blocks));
    Ok(Known { now: Some(Times::now()?.now), ecc_blocks })
}

/// Checks, and shows how far that is.
fn watched<R: ReadAt>(device: &R, options: &OpenOptions, known: Known, report: &Report) -> check::Report {
    let progress = Progress::new();
    let _bar = Bar::watch(&progress, report);
    check::check_knowing(device, options, known, &mut |CheckProgress { files, directories, .. }| {
        progress.add_files((files + directories).saturating_sub(progress.files()));
    })
}

/// The sector of a place, as far as the volume can tell.
fn sector_of<R: ReadAt>(volume: Option<&Volume<R>>, place: Place) -> Option<u32> {
    match place {
        Place::Sector(sector) => Some(sector.0),
        Place::Block(address) => volume?.locate(address).ok().map(|run| run.sector.0),
        Place::Within => None,
    }
}

/// What all findings add up to.
fn summary(found: &check::Report) -> serde_json::Value {
    let omitted: serde_json::Map<_, _> =
        found.omitted.iter().map(|(rule, more)| (rule.to_string(), json!(more))).collect();
    json!({
        "summary": {
            "worst": found.worst().map(|severity| severity.to_string()),
            "fatal": found.count(Severity::Fatal),
            "errors": found.count(Severity::Error),
            "warnings": found.count(Severity::Warning),
            "notes": found.count(Severity::Note),
            "omitted": omitted,
            "files": found.files,
            "directories": found.directories,
            "blocks_used": found.blocks_used,
        }
    })
}

fn object(finding: &Finding, sector: Option<u32>) -> serde_json::Value {
    let Finding { severity, rule, clause, place, message } = finding;
    let place = (*place != Place::Within).then(|| place.to_string());
    json!({
        "severity": severity.to_string(),
        "rule": rule.to_string(),
        "clause": clause,
        "sector": sector,
        "place": place,
        "message": message,
    })
}

fn line(finding: &Finding, sector: Option<u32>) -> String {
    let line = match (finding.place, sector) {
        (Place::Block(_), Some(sector)) => format!("{finding}, sector {sector}"),
        _ => finding.to_string(),
    };
    text::escaped(&line).into_owned()
}
