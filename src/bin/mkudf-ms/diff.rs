//! `diff`: what became of each path from one session to another, a line each.

use std::io::{self, IsTerminal, Write};

use anyhow::Context as _;
use mkudf_ms::progress::Progress;
use mkudf_ms::session::{self, Change, Difference};
use serde_json::json;
use udf::read::Volume;

use crate::bar::{self, Bar};
use crate::flags::Diff;
use crate::report::{Ending, Report};
use crate::{open, text};

/// Tells the differences of two sessions.
pub(crate) fn run(flags: &Diff, report: &Report) -> anyhow::Result<Ending> {
    let name = || flags.image.display().to_string();
    let device = open::device(&flags.image)?;
    let sessions =
        open::Spot::of(&device, &flags.image, &flags.place).sessions(&device, report).with_context(name)?;
    let volume = |number: i32| {
        let options = &open::choose_from(&sessions, number)?.open;
        Volume::open(&device, options).with_context(|| format!("session {number}"))
    };
    let (old, new) = (volume(flags.old).with_context(name)?, volume(flags.new).with_context(name)?);
    let progress = Progress::new();
    bar::cancel_on_signal(&progress)?;
    let watch = Bar::watch(&progress, report);
    let found = session::diff(&old, &new, true, &progress).with_context(name)?;
    drop(watch);
    device.tell_broken_off(report);
    for volume in [&old, &new] {
        open::tell_tolerated(volume, &flags.image, report);
    }
    let mut out = io::stdout().lock();
    for difference in &found {
        if report.json {
            writeln!(out, "{}", text::Json(&object(difference)))?;
        } else {
            writeln!(out, "{}", line(difference, io::stdout().is_terminal()))?;
        }
    }
    Ok(Ending::Done)
}

fn object(Difference { path, change }: &Difference) -> serde_json::Value {
    let word = match change {
        Change::Added => "added",
        Change::Removed => "removed",
        Change::Renamed { from } => return json!({ "change": "renamed", "path": path, "from": from }),
        Change::Content => "content",
        _ => "attributes",
    };
    json!({ "change": word, "path": path })
}

fn line(Difference { path, change }: &Difference, is_terminal: bool) -> String {
    let shown = |path: &str| if is_terminal { text::escaped(path).into_owned() } else { path.to_owned() };
    let path = shown(path);
    match change {
        Change::Added => format!("A {path}"),
        Change::Removed => format!("D {path}"),
        Change::Renamed { from } => format!("R {} -> {path}", shown(from)),
        Change::Content => format!("M {path}"),
        _ => format!("m {path}"),
    }
}
