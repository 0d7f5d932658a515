//! Opening the volume that a reading command is about: which session, and what was bent on the way.

use std::path::Path;

use anyhow::Context as _;
use mkudf_ms::Error;
use mkudf_ms::device::FileReader;
use mkudf_ms::session::{self, Session};
use udf::Sector;
use udf::read::{OpenOptions, Volume};

use crate::flags::{Place, Reading};
use crate::report::Report;

/// A volume in an image or on a device.
pub(crate) type OpenVolume = Volume<FileReader>;

/// Opens the volume, in the session asked for.
pub(crate) fn open(reading: &Reading, report: &Report) -> anyhow::Result<OpenVolume> {
    let name = || reading.image.display().to_string();
    let device = device(&reading.image)?;
    let options = options(&device, reading).with_context(name)?;
    let volume = Volume::open(device, &options).with_context(name)?;
    for warning in volume.warnings() {
        report.detail(&format!("{}: {warning}", name()));
    }
    Ok(volume)
}

/// How to open the session asked for.
pub(crate) fn options(device: &FileReader, reading: &Reading) -> anyhow::Result<OpenOptions> {
    let newest = newest(&reading.image, &reading.place)?;
    reading.session.map_or(Ok(newest), |number| choose(device, number, &newest))
}

/// How to open the newest session.
pub(crate) fn newest(image: &Path, place: &Place) -> anyhow::Result<OpenOptions> {
    let known = crate::disc::newest(image, place.block_size)?;
    Ok(OpenOptions {
        session_start: place.session_start.map(Sector).or(known.session_start),
        last_sector: place.last_sector.map(Sector),
        strict: place.strict,
        ..known
    })
}

/// How to open a session: from 1 on the oldest first, from -1 down the newest first.
pub(crate) fn choose(device: &FileReader, number: i32, options: &OpenOptions) -> anyhow::Result<OpenOptions> {
    Ok(choose_from(&session::sessions(device, options)?, number)?.open)
}

/// The session of this number, counted so.
pub(crate) fn choose_from(sessions: &[Session], number: i32) -> mkudf_ms::Result<&Session> {
    let wanted = usize::try_from(number.unsigned_abs()).ok().and_then(|count| count.checked_sub(1));
    let found = wanted.and_then(|index| match number {
        1.. => sessions.get(index),
        _ => sessions.iter().nth_back(index),
    });
    found.ok_or_else(|| {
        let count = sessions.len();
        let reason = format!("there is no session {number}: the volume has {count}");
        Error::refused(reason, format!("from 1, the oldest, to {count}; or from -1, the newest, to -{count}"))
    })
}

/// Opens what a volume is in.
pub(crate) fn device(path: &Path) -> anyhow::Result<FileReader> {
    FileReader::open(path).with_context(|| format!("{}: cannot open", path.display()))
}
