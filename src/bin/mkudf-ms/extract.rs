//! `extract`: files out of a volume.

use std::fs::File;

use anyhow::Context as _;
use mkudf_ms::extract::{self, Options};
use mkudf_ms::progress::Progress;

use crate::bar::{self, Bar};
use crate::flags::Extract;
use crate::report::{Ending, Report};
use crate::{open, text};

/// Extracts what the flags ask for.
pub(crate) fn run(flags: &Extract, report: &Report) -> anyhow::Result<Ending> {
    let volume = open::open(&flags.reading, report)?;
    let block_size = volume.block_size();
    let image = File::open(&flags.reading.image).context("cannot open the image once more")?;
    let is_root = rustix::process::geteuid().is_root();
    let options = Options {
        replace: flags.force,
        same_owner: flags.same_owner || (is_root && !flags.no_same_owner),
        max_size_bytes: flags.max_size.map(|size| size.bytes(block_size)),
        threads: flags.threads.map(usize::from),
    };
    let progress = Progress::new();
    bar::cancel_on_signal(&progress)?;
    let warnings = {
        let _bar = Bar::watch(&progress, report);
        extract::extract(&volume, Some(&image), &flags.paths, &flags.directory, &options, &progress)?
    };
    let ending = report.warnings(&warnings);
    report.detail(&format!(
        "{}: {}, {}",
        flags.directory.display(),
        text::things(progress.files(), "file", "files"),
        text::bytes(progress.bytes())
    ));
    Ok(ending)
}
