//! `sessions`: which there are, oldest first.

use std::io::{self, Write};

use mkudf_ms::session::{Provenance, Session};
use serde_json::json;

use anyhow::Context as _;

use crate::flags::Sessions;
use crate::report::{Ending, Report};
use crate::{disc, facts, open, text};

/// Lists the sessions.
pub(crate) fn run(flags: &Sessions, report: &Report) -> anyhow::Result<Ending> {
    if flags.print_next {
        let found = disc::print_next(&flags.image, &flags.place);
        let (last, next) = found.with_context(|| flags.image.display().to_string())?;
        let line = if report.json {
            json!({ "last": last, "next": next }).to_string()
        } else {
            format!("{last},{next}")
        };
        writeln!(io::stdout(), "{line}")?;
        return Ok(Ending::Done);
    }
    let device = open::device(&flags.image)?;
    device.tell_broken_off(report);
    let sessions = open::Spot::of(&device, &flags.image, &flags.place)
        .sessions(&device, report)
        .with_context(|| flags.image.display().to_string())?;
    let mut out = io::stdout().lock();
    if !report.json {
        writeln!(
            out,
            "{:>6} {:>10} {:20} {:>9} {:>11} {:>15} {:10} label",
            "number", "start", "recorded", "files", "directories", "bytes", "known by"
        )?;
    }
    for session in &sessions {
        if report.json {
            writeln!(out, "{}", text::Json(&object(session)))?;
        } else {
            writeln!(out, "{}", line(session))?;
        }
    }
    Ok(Ending::Done)
}

fn object(session: &Session) -> serde_json::Value {
    json!({
        "number": session.number,
        "start": session.start.0,
        "label": session.label,
        "recorded": session.recorded.map(facts::rfc3339),
        "files": session.files,
        "directories": session.directories,
        "bytes": session.bytes,
        "known_by": known_by(session),
        "table": session.table.map(|sector| sector.0),
    })
}

/// How it is known that there is such a session.
fn known_by(session: &Session) -> &'static str {
    match session.provenance {
        Provenance::Current => "current",
        Provenance::Remembered => "record",
        Provenance::OtherAnchor => "anchor",
        _ => "search",
    }
}

fn line(session: &Session) -> String {
    let number = |count: Option<u32>| count.map_or_else(|| String::from("-"), |count| count.to_string());
    let mut recorded = session.recorded.map_or_else(|| String::from("-"), facts::rfc3339);
    // To the second is enough to tell sessions apart.
    if let Some((seconds, _)) = recorded.split_once('.') {
        recorded = format!("{seconds}Z");
    }
    let label = text::escaped(&session.label);
    format!(
        "{:>6} {:>10} {recorded:20} {:>9} {:>11} {:>15} {:10} {label}",
        session.number,
        session.start.0,
        number(session.files),
        number(session.directories),
        session.bytes,
        known_by(session),
    )
}
