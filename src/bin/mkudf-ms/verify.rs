//! `verify`: reads every file of a session, and compares it with the checksum that the session has of it; and `--checksums`, which
//! has a session hold them.

use std::io::{self, Write as _};

use anyhow::Context as _;
use mkudf_ms::checksums::{self, Algorithm, Verdict, Verified};
use mkudf_ms::device::FileReader;
use mkudf_ms::progress::Progress;
use mkudf_ms::scan;
use mkudf_ms::stream::StreamOptions;
use mkudf_ms::tree::{Attributes, NodeId, Tree};
use serde_json::json;
use udf::read::{ReadAt, Volume};

use crate::bar::{self, Bar};
use crate::flags::Verify;
use crate::report::{Ending, Report};
use crate::{open, text};

/// Of a volume that is new.
pub(crate) const NO_VOLUME: Option<&Volume<FileReader>> = None;

/// Has the tree hold the checksums of its files, of the kind wanted, or of the kind that the volume has, if it has any; returns the
/// directory that changes by that. What is wrong with a source is told when it is written.
pub(crate) fn record<R: ReadAt>(
    tree: &mut Tree,
    volume: Option<&Volume<R>>,
    wanted: Option<Algorithm>,
    (scan, stream): (&scan::Options, &StreamOptions),
) -> anyhow::Result<Option<NodeId>> {
    let attributes = Attributes { mode: 0o644, ..scan.made };
    let progress = Progress::new();
    bar::cancel_on_signal(&progress)?;
    let recorded = checksums::record(tree, volume, wanted, attributes, stream, &progress)?;
    Ok(recorded.map(|recorded| recorded.directory))
}

/// Reads and compares.
pub(crate) fn run(flags: &Verify, report: &Report) -> anyhow::Result<Ending> {
    let name = flags.reading.image.display().to_string();
    let volume = open::open(&flags.reading, report)?;
    let progress = Progress::new();
    bar::cancel_on_signal(&progress)?;
    let bar = Bar::watch(&progress, report);
    let verified = checksums::verify(&volume, &flags.paths, &progress).with_context(|| name.clone())?;
    drop(bar);
    open::tell_tolerated(&volume, &flags.reading.image, report);
    if report.json {
        print_json(&verified)?;
    } else {
        tell(&name, &verified, report);
    }
    Ok(if verified.faults.is_empty() { Ending::Done } else { Ending::Failed })
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Differs => "differs",
        Verdict::Unreadable { .. } => "unreadable",
        Verdict::Missing => "missing",
        Verdict::NotListed => "not-listed",
    }
}

fn tell(name: &str, verified: &Verified, report: &Report) {
    for (path, verdict) in &verified.faults {
        let what = match verdict {
            Verdict::Differs => "is not what its checksum is of".into(),
            Verdict::Unreadable { why } => format!("cannot be read: {why}"),
            Verdict::Missing => "is missing: there is only its checksum".into(),
            Verdict::NotListed => "has no checksum".into(),
        };
        report.failure(&format!("/{path} {what}"));
    }
    let read = format!("{}, {}", text::things(verified.files, "file", "files"), text::bytes(verified.bytes));
    report.note(&match verified.algorithm {
        Some(algorithm) => format!("{name}: {read} agree with their {algorithm} checksums"),
        None => {
            format!("{name}: {read} can be read; there are no checksums to compare them with (--checksums)")
        }
    });
}

fn print_json(verified: &Verified) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for (path, verdict) in &verified.faults {
        let mut object = json!({"path": format!("/{path}"), "verdict": word(verdict)});
        if let Verdict::Unreadable { why } = verdict {
            object["why"] = why.as_str().into();
        }
        writeln!(out, "{}", text::Json(&object))?;
    }
    let algorithm = verified.algorithm.map(|algorithm| algorithm.to_string());
    let sums = json!({
        "algorithm": algorithm,
        "files": verified.files,
        "bytes": verified.bytes,
        "faults": verified.faults.len(),
    });
    writeln!(out, "{sums}")?;
    Ok(())
}
