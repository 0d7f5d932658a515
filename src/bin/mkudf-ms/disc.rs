//! Simulated discs: an image, and beside it the file that says what a drive would know. And `close`.

use std::path::Path;

use anyhow::Context as _;
use mkudf_ms::Error;
use mkudf_ms::builder::BuildError;
use mkudf_ms::device::simulated::{ClosedSession, SimulatedMedium, sidecar};
use mkudf_ms::device::{FileReader, WriteAt as _};
use mkudf_ms::media::multisession::{self, Mechanism, MultisessionError, Sequential};
use mkudf_ms::media::{Medium, VolumeLayout};
use mkudf_ms::plan::SequentialTarget;
use mkudf_ms::session::{self, Continuation, Whole};
use udf::read::{OpenOptions, ReadAt, Volume};
use udf::{BlockSize, Sector};

use crate::flags::{Close, LayoutChoice, Place};
use crate::job::Usage;
use crate::report::{Ending, Report};
use crate::{flags, open};

/// How the newest whole session of an image is opened: where it begins, on a disc of several.
pub(crate) fn newest(image: &Path, block_size: Option<BlockSize>) -> anyhow::Result<OpenOptions> {
    let all = SimulatedMedium::sessions_of(image).with_context(|| sidecar(image).display().to_string())?;
    let mut open = OpenOptions::default();
    if let Some(last) = all.as_deref().and_then(<[_]>::last) {
        let device = FileReader::open(image).with_context(|| image.display().to_string())?;
        let whole = session::newest_whole(&device, &extents(all.as_deref().unwrap_or_default()));
        // If none is, it fails where it should have begun.
        open = whole.options().unwrap_or_else(|| OpenOptions::of_session(Sector(last.start)));
    }
    Ok(OpenOptions { block_size, ..open })
}

/// What is to be made of a disc's sessions.
fn whole(disc: &SimulatedMedium) -> anyhow::Result<Whole> {
    Ok(session::newest_whole(disc, &extents(&disc.sessions()?)))
}

fn extents(sessions: &[ClosedSession]) -> Vec<(Sector, Sector)> {
    sessions.iter().map(|session| (Sector(session.start), Sector(session.last))).collect()
}

/// A blank disc.
#[derive(Debug)]
pub(crate) struct Blank<'a> {
    pub(crate) image: &'a Path,
    pub(crate) medium: &'static Medium,
    pub(crate) layout: VolumeLayout,
    pub(crate) capacity_blocks: Option<u32>,
    /// Nothing of the name was there before, so nothing remains if this fails.
    pub(crate) is_new: bool,
}

impl Blank<'_> {
    /// The disc that is there, if it is of this kind and blank.
    pub(crate) fn existing(image: &Path, medium: &Medium) -> anyhow::Result<Option<SimulatedMedium>> {
        let disc = if image.exists() { SimulatedMedium::open(image)? } else { None };
        Ok(disc.filter(|disc| disc.medium() == medium && disc.state().is_blank))
    }

    /// Where a volume on it goes.
    pub(crate) fn target(&self, closes_session: bool) -> SequentialTarget {
        let capacity_blocks = self.capacity_blocks.or(self.medium.capacity_blocks).unwrap_or(u32::MAX);
        SequentialTarget {
            closes_session: self.closes(closes_session),
            ..SequentialTarget::blank(capacity_blocks, self.medium.write_unit_blocks)
        }
    }

    /// Whether the session is closed: if that is asked for, and if it could not be found otherwise.
    fn closes(&self, is_asked_for: bool) -> bool {
        is_asked_for || self.layout == VolumeLayout::Session
    }

    /// Writes to it, and closes the session if that is wanted.
    pub(crate) fn write<T>(
        &self,
        closes_session: bool,
        write: impl FnOnce(&SimulatedMedium) -> mkudf_ms::Result<T>,
    ) -> anyhow::Result<T> {
        let disc = match Self::existing(self.image, self.medium)? {
            Some(disc) => disc,
            None => SimulatedMedium::blank(self.image, self.medium, self.capacity_blocks)
                .context("cannot make a blank disc")?,
        };
        let done = write(&disc).map_err(anyhow::Error::from).and_then(|done| {
            if self.closes(closes_session) {
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

/// Where the next write to a disc goes, if it can be appended to. Tells what broke off on it, and closes a session that cannot
/// be continued, unless nothing `is_written`.
pub(crate) fn target(
    disc: &SimulatedMedium,
    closes_session: bool,
    is_written: bool,
    report: &Report,
) -> anyhow::Result<SequentialTarget> {
    let mut facts = facts(disc)?;
    let found = Continuation::find(disc, &whole(disc)?)?;
    for warning in &found.warnings {
        report.note(&warning.to_string());
    }
    if facts.open_session_start.is_some() && found.needs_session {
        facts = begin_session(disc, is_written)?;
    }
    let closes_session = closes_session || found.layout == VolumeLayout::Session;
    Ok(SequentialTarget { closes_session, ..SequentialTarget::of(&facts) })
}

/// What a drive says, if its disc can be written to.
pub(crate) fn facts(disc: &SimulatedMedium) -> mkudf_ms::Result<Sequential> {
    let offered = disc.multisession();
    match &multisession::choose(&offered, disc.state()).map_err(refused)?.mechanism {
        Mechanism::Sequential(facts) => Ok(*facts),
        _ => Err(refused(MultisessionError::IncompatibleMultisessionType)),
    }
}

/// Closes the open session as it is; or says what would be so, if nothing `is_written`.
fn begin_session(disc: &SimulatedMedium, is_written: bool) -> anyhow::Result<Sequential> {
    if !is_written {
        return Ok(disc.after_closing(0)?);
    }
    disc.close_session().context("cannot close the session")?;
    Ok(facts(disc)?)
}

/// An error unless the layout asked for is that of the volume.
pub(crate) fn unless_other_layout<R: ReadAt>(volume: &Volume<R>, asked: LayoutChoice) -> anyhow::Result<()> {
    let unless_other = |asked| session::unless_other_layout(volume, asked).map_err(named);
    Ok(asked.layout().map_or(Ok(()), unless_other)?)
}

/// A refusal to extend a session, under its name.
pub(crate) fn named(error: Error) -> Error {
    match error {
        Error::Refused { reason, hint } => {
            let reason = format!("{reason} (IMAPI_E_INCOMPATIBLE_PREVIOUS_SESSION)");
            Error::Build(BuildError::IncompatiblePreviousSession { reason, hint })
        }
        error => error,
    }
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
    let disc = simulated(&flags.image).with_context(name)?;
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

fn simulated(image: &Path) -> anyhow::Result<SimulatedMedium> {
    SimulatedMedium::open(image)?.ok_or_else(|| {
        let reason = "it is no simulated disc: there is no file beside it that describes one";
        let hint = "an image is complete as it is; discs are made with create -m cd-r, dvd-r, dvd+r, bd-r";
        Error::refused(reason, hint).into()
    })
}

/// Blanks a disc that can be blanked.
pub(crate) fn blank(flags: &flags::Blank, report: &Report) -> anyhow::Result<Ending> {
    let name = || flags.image.display().to_string();
    if !flags.yes {
        return Err(Usage("everything on the disc would be lost: --yes, if that is meant".into()).into());
    }
    simulated(&flags.image).with_context(name)?.erase().with_context(name)?;
    report.note(&format!("{}: the disc is blank", name()));
    Ok(Ending::Done)
}

/// Formats a disc that can be formatted, or a new one.
pub(crate) fn format(flags: &flags::FormatDisc, report: &Report) -> anyhow::Result<Ending> {
    let name = || flags.image.display().to_string();
    let disc = match flags.medium.as_deref().filter(|_| !flags.image.exists()) {
        Some(medium) => new_disc(flags, medium)?,
        None if !flags.yes => {
            return Err(Usage("everything on the disc would be lost: --yes, if that is meant".into()).into());
        }
        None => simulated(&flags.image).with_context(name)?,
    };
    disc.format().with_context(name)?;
    report.note(&format!("{}: the disc is formatted", name()));
    Ok(Ending::Done)
}

fn new_disc(flags: &flags::FormatDisc, name: &str) -> anyhow::Result<SimulatedMedium> {
    let medium = Medium::random().find(|medium| Medium::find(name) == Some(medium));
    let medium = medium.filter(|medium| medium.capacity_blocks.is_some());
    let medium = medium.ok_or_else(|| Usage(format!("{name}: no disc that can be formatted")))?;
    let blocks = flags.capacity.map(|size| size.blocks(medium.block_size));
    SimulatedMedium::blank(&flags.image, medium, blocks).with_context(|| flags.image.display().to_string())
}

/// Nothing, if the session is closed already.
pub(crate) fn close_session(disc: &SimulatedMedium, image: &Path) -> anyhow::Result<()> {
    let facts = facts(disc)?;
    if facts.open_session_start.is_none() {
        return Ok(());
    }
    let whole = whole(disc)?;
    let volume = Volume::open(disc, &newest(image, None)?);
    // What broke off, and what ends with its own anchors, is closed as it is.
    if let Ok(volume) = volume
        && whole.broken.is_empty()
        && volume.virtual_table().is_some()
    {
        let target = SequentialTarget { closes_session: true, ..SequentialTarget::of(&facts) };
        let (offset_bytes, bytes) = session::end_of_session(&volume, &target)?;
        disc.write_at(offset_bytes, &bytes).map_err(|source| Error::Write {
            offset_bytes,
            bytes: bytes.len() as u64,
            source,
        })?;
    }
    disc.close_session().context("cannot close the session")
}

/// Where the last session of a disc begins, and where the next will: what burners are told.
pub(crate) fn print_next(image: &Path, place: &Place) -> anyhow::Result<(u32, u32)> {
    let Some(disc) = SimulatedMedium::open(image)? else {
        let start = place.entrance.session_start.unwrap_or(0);
        let open = open::Spot::new(image, place).known()?;
        let volume = Volume::open(FileReader::open(image)?, &open)?;
        let blocks = volume.block_size().blocks_for(volume.device().size_bytes());
        let end = u32::try_from(blocks.next_multiple_of(u64::from(WRITE_UNIT_BLOCKS)));
        return Ok((
            start,
            end.map_err(|_| Error::refused("the image is too large", "it has 2^32 sectors"))?,
        ));
    };
    let facts = facts(&disc)?;
    if facts.open_session_start.is_some() {
        let reason = "the session on the disc is open: what is written next belongs to it";
        return Err(Error::refused(reason, "close it first: mkudf-ms close").into());
    }
    let whole = whole(&disc)?;
    let last = whole.newest.map_or(facts.start_of_previous_session.unwrap_or(0), |(start, _)| start.0);
    Ok((last, facts.next_writable))
}

/// The largest write unit there is: whole ones of it suit every medium.
pub(crate) const WRITE_UNIT_BLOCKS: u32 = 32;
