//! `extract`: files out of a volume.

use std::fs::File;

use anyhow::Context as _;
use mkudf_ms::extract::{self, Options};
use mkudf_ms::progress::Progress;
use udf::BlockSize;

use crate::bar::{self, Bar};
use crate::flags::{Extract, Restoring};
use crate::report::{Ending, Report};
use crate::{open, text};

/// Extracts what the flags ask for.
pub(crate) fn run(flags: &Extract, report: &Report) -> anyhow::Result<Ending> {
    let volume = open::open(&flags.reading, report)?;
    let block_size = volume.block_size();
    let image = File::open(&flags.reading.image).context("cannot open the image once more")?;
    let options =
        Options { threads: flags.threads.map(usize::from), ..options(&flags.restoring, block_size) };
    let progress = Progress::new();
    bar::cancel_on_signal(&progress)?;
    let warnings = {
        let _bar = Bar::watch(&progress, report);
        extract::extract(&volume, Some(&image), &flags.paths, &flags.directory, &options, &progress)?
    };
    let ending = report.warnings(&warnings);
    open::tell_tolerated(&volume, &flags.reading.image, report);
    report.detail(&format!(
        "{}: {}, {}",
        flags.directory.display(),
        text::things(progress.files(), "file", "files"),
        text::bytes(progress.bytes())
    ));
    Ok(ending)
}

/// What the flags on restoring mean.
pub(crate) fn options(restoring: &Restoring, block_size: BlockSize) -> Options {
    let is_root = rustix::process::geteuid().is_root();
    Options {
        replace: restoring.force,
        same_owner: restoring.same_owner || (is_root && !restoring.no_same_owner),
        extended_attributes: restoring.xattrs,
        max_size_bytes: restoring.max_size.map(|size| size.bytes(block_size)),
        threads: None,
    }
}
