//! `--verify`: what was written is read back from the device, and compared.

use std::path::Path;

use anyhow::Context as _;
use mkudf_ms::builder::ProgressItem;
use mkudf_ms::device::{Sparing, UncachedReader};
use mkudf_ms::plan::Plan;
use mkudf_ms::progress::Progress;
use mkudf_ms::stream::{self, Difference, Fault, StreamOptions};
use mkudf_ms::tree::Tree;
use udf::read::{OpenOptions, ReadAt, Volume};

use crate::bar::{self, Bar};
use crate::disc;
use crate::report::{Ending, Report};
use crate::text;

/// The most places that are told of one by one.
const MOST_TOLD: usize = 50;

/// Reads back what a plan has put where the path leads; `is_further`: onto a volume, of which some blocks were taken over.
pub(crate) fn read_back(
    path: &Path,
    (plan, tree): (&Plan, &Tree),
    is_further: bool,
    options: &StreamOptions,
    report: &Report,
) -> anyhow::Result<Ending> {
    let name = || path.display().to_string();
    let device = device(path).context("cannot read back what was written").with_context(name)?;
    // What is relocated is read where it lies now.
    let opened = Volume::open(&*device, &OpenOptions::default()).ok();
    let sparing = opened.as_ref().and_then(|volume| Sparing::find(volume, &*device, None));
    let shown: &dyn ReadAt = sparing.as_ref().map_or(&*device, |sparing| sparing);
    let progress = Progress::new();
    bar::cancel_on_signal(&progress)?;
    let bar = Bar::watch(&progress, report);
    let (differences, warnings) =
        stream::read_back(plan, tree, shown, is_further.then_some(shown), &progress, options)?;
    drop(bar);
    let ending = report.warnings(&warnings);
    if differences.is_empty() {
        report.note(&format!("{}: {} read back, all as written", name(), text::bytes(progress.bytes())));
        return Ok(ending);
    }
    tell(&differences, (plan, tree), report);
    let blocks = differences.iter().map(|difference| u64::from(difference.blocks)).sum();
    report.failure(&format!(
        "{}: {} not as written: do not rely on this copy",
        name(),
        text::things(blocks, "block is", "blocks are")
    ));
    Ok(Ending::Failed)
}

/// What the medium has, and not what the kernel remembers.
fn device(path: &Path) -> anyhow::Result<Box<dyn ReadAt>> {
    Ok(match disc::to_read_back(path)? {
        Some(disc) => Box::new(disc),
        None => Box::new(UncachedReader::open(path)?),
    })
}

/// Place by place, with the file that lies there.
fn tell(differences: &[Difference], (plan, tree): (&Plan, &Tree), report: &Report) {
    let files = ProgressItem::all(plan, tree);
    for difference in differences.iter().take(MOST_TOLD) {
        let first = difference.start.0;
        let file = ProgressItem::of_block(&files, first);
        let fault = match difference.fault {
            Fault::Unreadable => "cannot be read",
            Fault::Differs => "not as written",
        };
        report.failure(&format!(
            "sectors {first} to {}: {fault}: {}",
            first + difference.blocks - 1,
            file.map_or("what describes the volume", |file| &file.path),
        ));
    }
    if let Some(more) = differences.len().checked_sub(MOST_TOLD).filter(|more| *more > 0) {
        report.failure(&format!("and {more} more places"));
    }
}
