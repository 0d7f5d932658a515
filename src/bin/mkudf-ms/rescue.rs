//! `rescue`: what is left on a damaged disc or image, a line a file with what it is worth.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context as _;
use mkudf_ms::progress::Progress;
use mkudf_ms::rescue::{self, Item, Map, Options, RoughDevice, Status, Summary, Verdict};
use serde_json::json;
use udf::BlockSize;

use crate::bar::{self, Bar};
use crate::flags::Rescue;
use crate::report::{Ending, Report};
use crate::{extract, open, text};

/// Rescues what the flags ask for.
pub(crate) fn run(flags: &Rescue, report: &Report) -> anyhow::Result<Ending> {
    let name = || flags.image.display().to_string();
    let map = flags.map.as_deref().map(read_map).transpose()?;
    let device = RoughDevice::new(open::device(&flags.image)?, map, flags.retries);
    let options = Options {
        block_size: flags.block_size,
        deleted: flags.deleted,
        all_versions: flags.all_versions,
        extract: extract::options(&flags.restoring, flags.block_size.unwrap_or(BlockSize::B2048)),
    };
    let progress = Progress::new();
    bar::cancel_on_signal(&progress)?;
    let mut out = io::stdout().lock();
    let mut failure = None;
    let mut tell = |item: &Item| {
        let wanted = report.json || report.is_verbose() || item.verdict != Verdict::Certain;
        let line = if report.json { text::Json(&object(item)).to_string() } else { line(item) };
        if wanted
            && failure.is_none()
            && let Err(error) = writeln!(out, "{line}")
        {
            // Nobody listens any more; there is no reason to stop for that.
            failure = Some(error);
        }
    };
    let rescued = {
        let _bar = Bar::watch(&progress, report);
        rescue::rescue(&device, &flags.directory, &options, &progress, &mut tell)
    };
    // What is known of the device is kept, however far the work got.
    if let Some(path) = &flags.map_out {
        write_map(path, &device.map())?;
    }
    let summary = rescued.with_context(name)?;
    if report.json {
        writeln!(out, "{}", text::Json(&summary_object(&summary)))?;
    }
    told(&summary, &name(), report);
    Ok(ending(&summary))
}

fn ending(summary: &Summary) -> Ending {
    let counts = summary.counts;
    if counts.certain == 0 && counts.doubtful == 0 {
        Ending::Failed
    } else if counts.doubtful > 0 || counts.lost > 0 || summary.unplaced > 0 {
        Ending::Losses
    } else {
        Ending::Done
    }
}

fn told(summary: &Summary, name: &str, report: &Report) {
    if summary.is_empty() {
        report.failure(&format!("{name}: nothing that belongs to a UDF volume was found"));
        return;
    }
    for doubt in &summary.doubts {
        report.failure(&format!("{name}: {doubt}"));
    }
    if summary.unplaced > 0 {
        let entries = text::things(summary.unplaced, "entry", "entries");
        report.failure(&format!("{name}: {entries} in no partition that is known"));
    }
    if summary.with_streams > 0 {
        let files = text::things(summary.with_streams, "file or directory has", "files or directories have");
        report.note(&format!(
            "{name}: {files} named streams that were left behind: --xattrs takes those of files"
        ));
    }
    if summary.unreadable_bytes > 0 {
        report.failure(&format!("{name}: {} could not be read", text::bytes(summary.unreadable_bytes)));
    }
    let counts = summary.counts;
    report.note(&format!(
        "{name}: {} certain, {} doubtful, {} lost; {}",
        text::count(counts.certain),
        text::count(counts.doubtful),
        text::count(counts.lost),
        text::things(summary.states.into(), "state of a volume", "states of volumes"),
    ));
}

fn line(item: &Item) -> String {
    let reasons: Vec<String> = item.reasons.iter().map(ToString::to_string).collect();
    let why = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
    text::escaped(&format!("{:8} {}{why}", item.verdict.to_string(), item.path.display())).into_owned()
}

fn object(item: &Item) -> serde_json::Value {
    let reasons: Vec<String> = item.reasons.iter().map(ToString::to_string).collect();
    json!({
        "verdict": item.verdict.to_string(),
        "path": item.path.to_string_lossy(),
        "type": item.kind.to_string(),
        "size": item.size_bytes,
        "missing_bytes": item.missing_bytes,
        "reasons": reasons,
        "recorded_name": item.recorded_name,
        "unique_id": item.unique_id,
        "partition": item.icb.partition.0,
        "block": item.icb.block.0,
        "not_restored": item.not_restored,
    })
}

fn summary_object(summary: &Summary) -> serde_json::Value {
    let doubts: Vec<String> = summary.doubts.iter().map(ToString::to_string).collect();
    json!({
        "summary": {
            "label": summary.label,
            "certain": summary.counts.certain,
            "doubtful": summary.counts.doubtful,
            "lost": summary.counts.lost,
            "states": summary.states,
            "doubts": doubts,
            "entries": summary.entries,
            "unplaced_entries": summary.unplaced,
            "with_streams": summary.with_streams,
            "unreadable_bytes": summary.unreadable_bytes,
        }
    })
}

fn read_map(path: &Path) -> anyhow::Result<Map> {
    let name = || path.display().to_string();
    let text = fs::read_to_string(path).with_context(name)?;
    let map = Map::parse(&text).map_err(anyhow::Error::new).with_context(name)?;
    anyhow::ensure!(
        map.count_bytes(Status::Finished) > 0,
        "{}: nothing has been read according to this map",
        name()
    );
    Ok(map)
}

/// Writes a map beside the old one, which stays as it is until the new one is complete.
fn write_map(path: &Path, map: &Map) -> anyhow::Result<()> {
    let name = || format!("cannot write the map {}", path.display());
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, map.to_string()).with_context(name)?;
    fs::rename(&beside, path).with_context(name)
}
