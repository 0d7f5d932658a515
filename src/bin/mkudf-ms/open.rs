//! Opening the volume that a reading command is about: which session, and what was bent on the way.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, bail};
use udf::read::{ImageFile, OpenOptions, Volume};

use crate::flags::Reading;
use crate::report::Report;

/// A volume in an image or on a device.
pub(crate) type OpenVolume = Volume<ImageFile>;

/// Opens the volume, in the session asked for.
pub(crate) fn open(reading: &Reading, report: &Report) -> anyhow::Result<OpenVolume> {
    let name = || reading.image.display().to_string();
    let device = device(&reading.image)?;
    let mut options = OpenOptions { block_size: reading.block_size, ..OpenOptions::default() };
    if let Some(number) = reading.session {
        bail!("session {number}: not wired yet");
    }
    options.strict = false;
    let volume = Volume::open(device, &options).with_context(name)?;
    for warning in volume.warnings() {
        report.detail(&format!("{}: {warning}", name()));
    }
    Ok(volume)
}

/// Opens what a volume is in.
pub(crate) fn device(path: &Path) -> anyhow::Result<ImageFile> {
    let open = || ImageFile::try_from(File::open(path)?);
    open().with_context(|| format!("{}: cannot open", path.display()))
}
