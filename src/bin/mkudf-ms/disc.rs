//! Simulated discs: an image, and beside it the file that says what a drive would know. And `close`.

use std::path::Path;

use anyhow::Context as _;
use mkudf_ms::Error;
use mkudf_ms::device::WriteAt as _;
use mkudf_ms::device::simulated::{SimulatedMedium, sidecar};
use mkudf_ms::media::Medium;
use mkudf_ms::media::multisession::{self, Mechanism, MultisessionError};
use mkudf_ms::plan::SequentialTarget;
use mkudf_ms::session;
use udf::read::{OpenOptions, Volume};
use udf::{BlockSize, Sector};

use crate::flags::Close;
use crate::report::{Ending, Report};

/// How the newest session of an image is opened: where it begins, on a disc of several.
pub(crate) fn newest(image: &Path, block_size: Option<BlockSize>) -> anyhow::Result<OpenOptions> {
    let start =
        SimulatedMedium::last_session_start(image).with_context(|| sidecar(image).display().to_string())?;
    Ok(OpenOptions {
        block_size,
        session_start: start.filter(|start| *start > 0).map(Sector),
        ..OpenOptions::default()
    })
}

/// A blank disc.
#[derive(Debug)]
pub(crate) struct Blank<'a> {
    pub(crate) image: &'a Path,
    pub(crate) medium: &'static Medium,
    pub(crate) capacity_blocks: Option<u32>,
    /// Nothing of the name was there before, so nothing remains if this fails.
    pub(crate) is_new: bool,
}

impl Blank<'_> {
    /// Where a volume on it goes.
    pub(crate) fn target(&self, closes_session: bool) -> SequentialTarget {
        let capacity_blocks = self.capacity_blocks.or(self.medium.capacity_blocks).unwrap_or(u32::MAX);
        SequentialTarget {
            closes_session,
            ..SequentialTarget::blank(capacity_blocks, self.medium.write_unit_blocks)
        }
    }

    /// Writes to it, and closes the session if that is wanted.
    pub(crate) fn write<T>(
        &self,
        closes_session: bool,
        write: impl FnOnce(&SimulatedMedium) -> mkudf_ms::Result<T>,
    ) -> anyhow::Result<T> {
        let disc = SimulatedMedium::blank(self.image, self.medium, self.capacity_blocks)
            .context("cannot make a blank disc")?;
        let done = write(&disc).map_err(anyhow::Error::from).and_then(|done| {
            if closes_session {
                disc.close_session().context("cannot close the session")?;
            }
            Ok(done)
        });
        if done.is_err() && self.is_new {
            // Nobody is left to be told if this fails, too.
            let _ = std::fs::remove_file(self.image);
            let _ = std::fs::remove_file(sidecar(self.image));
        }
        done
    }
}

/// Where the next write to a disc goes, if it can be appended to.
pub(crate) fn target(disc: &SimulatedMedium, closes_session: bool) -> mkudf_ms::Result<SequentialTarget> {
    let offered = disc.multisession();
    let chosen = multisession::choose(&offered, disc.state()).map_err(refused)?;
    match &chosen.mechanism {
        Mechanism::Sequential(facts) => {
            facts.open_session_start.map_or(Ok(()), |start| unless_broken_off(disc, start))?;
            Ok(SequentialTarget { closes_session, ..SequentialTarget::of(facts) })
        }
        _ => Err(refused(MultisessionError::IncompatibleMultisessionType)),
    }
}

/// A session that broke off before its own anchor: what is appended to it no drive would find once it is closed.
fn unless_broken_off(disc: &SimulatedMedium, start: u32) -> mkudf_ms::Result<()> {
    let options = OpenOptions { session_start: Some(Sector(start)), ..OpenOptions::default() };
    let is_whole = Volume::open(disc, &options).is_ok_and(|volume| volume.found().session_start.0 == start);
    if is_whole {
        return Ok(());
    }
    Err(Error::refused(
        format!("the session that begins at sector {start} broke off before its descriptors were complete"),
        "what was recorded before it can be read as ever: extract it, and take a new disc",
    ))
}

fn refused(error: MultisessionError) -> Error {
    let hint = match error {
        MultisessionError::ImportSeekFailure => "make a volume on it: mkudf-ms create",
        MultisessionError::NoCompatibleMultisessionType => "the disc is closed for good: take a new one",
        _ => "restore the file beside the image, which describes the disc",
    };
    Error::refused(format!("{error} ({})", error.imapi_name()), hint)
}

/// Closes the session, or the disc.
pub(crate) fn close(flags: &Close, report: &Report) -> anyhow::Result<Ending> {
    let name = || flags.image.display().to_string();
    let Some(disc) = SimulatedMedium::open(&flags.image).with_context(name)? else {
        let reason = "it is no simulated disc: there is no file beside it that describes one";
        let hint = "an image is complete as it is; discs are made with create -m cd-r, dvd-r, dvd+r, bd-r";
        return Err(Error::refused(reason, hint)).with_context(name);
    };
    if disc.state().is_closed {
        return Err(refused(MultisessionError::NoCompatibleMultisessionType)).with_context(name);
    }
    close_session(&disc, &flags.image).with_context(name)?;
    if flags.finalize {
        disc.finalize().with_context(name)?;
    }
    report.note(&format!("{}: the {} is closed", name(), if flags.finalize { "disc" } else { "session" }));
    Ok(Ending::Done)
}

/// Nothing, if the session is closed already.
fn close_session(disc: &SimulatedMedium, image: &Path) -> anyhow::Result<()> {
    let target = target(disc, true)?;
    if target.begins_session {
        return Ok(());
    }
    let volume = Volume::open(disc, &newest(image, None)?)?;
    let (offset_bytes, bytes) = session::end_of_session(&volume, &target)?;
    disc.write_at(offset_bytes, &bytes).map_err(|source| Error::Write {
        offset_bytes,
        bytes: bytes.len() as u64,
        source,
    })?;
    disc.close_session().context("cannot close the session")
}
