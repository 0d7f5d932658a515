//! Discs, in drives and simulated: which one a path leads to, where its next write goes; and `close`, `blank`, `format`, `eject`.

use std::path::Path;

use anyhow::Context as _;
use mkudf_ms::Error;
use mkudf_ms::builder::BuildError;
use mkudf_ms::device::mmc::{self, ScsiGeneric, Unit};
use mkudf_ms::device::simulated::{SimulatedMedium, sidecar};
use mkudf_ms::device::{FileReader, Recordable};
use mkudf_ms::media::multisession::{self, Mechanism, MultisessionError, PseudoOverwrite, Sequential};
use mkudf_ms::media::{Medium, VolumeLayout, Writing};
use mkudf_ms::plan::SequentialTarget;
use mkudf_ms::session::{self, Continuation, Whole};
use udf::BlockSize;
use udf::read::{OpenOptions, ReadAt, Volume};

use crate::bar;
use crate::flags::{Close, Effort, LayoutChoice, Place};
use crate::job::Usage;
use crate::report::{Ending, Report};
use crate::stopped::Before;
use crate::{flags, open};

/// What a disc is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

impl Access {
    /// To make a plan needs no more than a look.
    pub(crate) fn of(effort: &Effort) -> Self {
        if effort.dry_run { Self::Read } else { Self::Write }
    }
}

/// The disc that a path leads to: in a drive, or simulated; `None` for anything else.
pub(crate) fn at(path: &Path, access: Access) -> anyhow::Result<Option<Box<dyn Recordable>>> {
    if is_drive(path) {
        return Ok(Some(Box::new(in_drive(path, access)?)));
    }
    let found = match access {
        Access::Read => SimulatedMedium::open_for_reading(path),
        Access::Write => SimulatedMedium::open(path),
    };
    let found = found.with_context(|| sidecar(path).display().to_string())?;
    Ok(found.map(|disc| -> Box<dyn Recordable> { Box::new(disc) }))
}

/// The same for what is to be written, at the speed that is asked for.
pub(crate) fn to_write(
    path: &Path,
    effort: &Effort,
    report: &Report,
) -> anyhow::Result<Option<Box<dyn Recordable>>> {
    let found = at(path, Access::of(effort))?;
    let Some(speed) = effort.speed else { return Ok(found) };
    let Some(disc) = found.as_deref().filter(|_| is_drive(path)) else {
        return Err(Usage(String::from("--speed: only discs in drives have one")).into());
    };
    let single = disc.medium().single_speed_kilobytes.filter(|_| !effort.dry_run);
    if let Some(single) = single
        && let Some(kilobytes) = disc.set_speed(speed.kilobytes(single)).context("cannot set the speed")?
    {
        let tenths = u64::from(kilobytes) * 10 / u64::from(single);
        report.note(&format!("writing at {kilobytes} kB/s ({}.{}x)", tenths / 10, tenths % 10));
    }
    Ok(found)
}

/// The same for what is to grow.
pub(crate) fn to_grow(
    path: &Path,
    effort: &Effort,
    report: &Report,
) -> anyhow::Result<Option<Box<dyn Recordable>>> {
    let found = to_write(path, effort, report)?;
    unless_left_to_the_kernel(path, found)
}

/// The same for what was written.
pub(crate) fn to_read_back(path: &Path) -> anyhow::Result<Option<Box<dyn Recordable>>> {
    unless_left_to_the_kernel(path, at(path, Access::Read)?)
}

/// A disc in a drive that is written in any order is a device like others: the kernel writes it. Not in pseudo-overwrite, where
/// it must be known where the disc goes on.
fn unless_left_to_the_kernel(
    path: &Path,
    found: Option<Box<dyn Recordable>>,
) -> anyhow::Result<Option<Box<dyn Recordable>>> {
    match found {
        Some(disc) if is_drive(path) && disc.medium().writing == Writing::Random => {
            unless_unformatted(&*disc)?;
            Ok(None)
        }
        found => Ok(found),
    }
}

/// An error if a disc that is written in any order is not formatted.
pub(crate) fn unless_unformatted(disc: &dyn Recordable) -> mkudf_ms::Result<()> {
    if disc.medium_state().is_blank {
        return Err(Error::refused("the disc in the drive is not formatted", "format it: mkudf-ms format"));
    }
    Ok(())
}

/// What the drive says of a disc in pseudo-overwrite, if it is one.
pub(crate) fn pseudo_overwrite(disc: &dyn Recordable) -> mkudf_ms::Result<Option<PseudoOverwrite>> {
    if !disc.medium().is_pseudo_overwritten() {
        return Ok(None);
    }
    let offered = disc.multisession();
    match &multisession::choose(&offered, disc.medium_state()).map_err(refused)?.mechanism {
        Mechanism::PseudoOverwrite(facts) => Ok(Some(*facts)),
        _ => Err(refused(MultisessionError::IncompatibleMultisessionType)),
    }
}

/// Whether this is a drive for discs.
pub(crate) fn is_drive(path: &Path) -> bool {
    mmc::is_drive(path).unwrap_or(false)
}

/// Looks at the disc in a drive.
fn in_drive(path: &Path, access: Access) -> anyhow::Result<mmc::Disc<ScsiGeneric>> {
    let transport = match access {
        Access::Read => ScsiGeneric::open_for_reading(path),
        Access::Write => ScsiGeneric::open(path),
    };
    let transport = transport.context("cannot open the drive")?;
    mmc::Disc::open(transport)?.ok_or_else(|| {
        let reason = "of discs of the kind that is in the drive nothing is known here";
        Error::refused(reason, "mkudf-ms devices says which kind it is").into()
    })
}

/// How the newest whole session of a disc is opened.
pub(crate) fn newest(whole: &Whole, block_size: Option<BlockSize>) -> OpenOptions {
    // If none is whole, it fails where the last should have begun.
    let last = || whole.broken.last().map(|start| OpenOptions::of_session(*start));
    OpenOptions { block_size, ..whole.options().or_else(last).unwrap_or_default() }
}

/// What is to be made of a disc's sessions.
pub(crate) fn whole(disc: &dyn Recordable) -> Whole {
    session::newest_whole(&disc, &disc.sessions())
}

/// A blank disc.
#[derive(Debug)]
pub(crate) struct Blank<'a> {
    pub(crate) path: &'a Path,
    pub(crate) medium: &'static Medium,
    pub(crate) layout: VolumeLayout,
    pub(crate) capacity_blocks: Option<u32>,
    /// The disc, if it is there already.
    pub(crate) disc: Option<Box<dyn Recordable>>,
    /// Nothing of the name was there before, so nothing remains if this fails.
    pub(crate) is_new: bool,
}

impl Blank<'_> {
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
        self,
        closes_session: bool,
        report: &Report,
        write: impl FnOnce(&dyn Recordable) -> mkudf_ms::Result<T>,
    ) -> anyhow::Result<T> {
        let closes = self.closes(closes_session);
        let disc = match self.disc {
            Some(disc) => disc,
            None => Box::new(
                SimulatedMedium::blank(self.path, self.medium, self.capacity_blocks)
                    .context("cannot make a blank disc")?,
            ),
        };
        let before = Before::of(&*disc, None);
        let written = write(&*disc).map_err(anyhow::Error::from);
        if let Some(error) = written.as_ref().err().filter(|_| !self.is_new) {
            before.settle(&*disc, error, report);
        }
        let done = written.and_then(|done| {
            if closes {
                end_session(&*disc, report)?;
            }
            let_go(&*disc, report)?;
            Ok(done)
        });
        if done.is_err() && self.is_new {
            // Nobody is left to be told if this fails, too.
            let _ = std::fs::remove_file(self.path);
            let _ = std::fs::remove_file(sidecar(self.path));
        }
        done
    }
}

/// Nothing more is written to a disc.
pub(crate) fn let_go(disc: &dyn Recordable, report: &Report) -> anyhow::Result<()> {
    if let Some(times) = disc.write_times() {
        let (wrote, idle) = (times.writing.as_secs_f64(), times.waiting.as_secs_f64());
        let pages_bytes = times.from_pages_bytes;
        report.detail(&format!(
            "the drive took {wrote:.2} s to write, and waited {idle:.2} s for more; {pages_bytes} bytes went from pages of files"
        ));
    }
    disc.let_go().context("all is written, but the drive does not let go of the disc")
}

/// Where the next write to a disc goes, if it can be appended to, and how what it goes on from is opened. Tells what broke off
/// on it, and closes a session that cannot be continued, if it is opened to be written.
pub(crate) fn target(
    disc: &dyn Recordable,
    closes_session: bool,
    access: Access,
    report: &Report,
) -> anyhow::Result<(SequentialTarget, OpenOptions)> {
    let mut facts = facts(disc)?;
    let found = Continuation::find(&disc, &whole(disc))?;
    for warning in &found.warnings {
        report.note(&warning.to_string());
    }
    if facts.open_session_start.is_some() && found.needs_session {
        facts = begin_session(disc, access, report)?;
    }
    let closes_session = closes_session || found.layout == VolumeLayout::Session;
    Ok((SequentialTarget { closes_session, ..SequentialTarget::of(&facts) }, found.open))
}

/// Tells what broke off on a disc that is read.
pub(crate) fn tell_broken_off(disc: &dyn Recordable, whole: &Whole, report: &Report) {
    // What cannot be opened fails later, and says why.
    for warning in Continuation::find(&disc, whole).map(|found| found.warnings).unwrap_or_default() {
        report.note(&warning.to_string());
    }
}

/// What a drive says, if its disc can be written to.
pub(crate) fn facts(disc: &dyn Recordable) -> mkudf_ms::Result<Sequential> {
    let offered = disc.multisession();
    match &multisession::choose(&offered, disc.medium_state()).map_err(refused)?.mechanism {
        Mechanism::Sequential(facts) => Ok(*facts),
        _ => Err(refused(MultisessionError::IncompatibleMultisessionType)),
    }
}

/// Closes the open session as it is; or says what would be so, if the disc is only looked at.
fn begin_session(disc: &dyn Recordable, access: Access, report: &Report) -> anyhow::Result<Sequential> {
    if access == Access::Read {
        return Ok(disc.after_closing(0)?);
    }
    end_session(disc, report)?;
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
        _ => {
            "mkudf-ms devices says what is in a drive; of a simulated disc, restore the file beside the image, which describes it"
        }
    };
    Error::refused(format!("{error} ({})", error.imapi_name()), hint)
}

/// Closes the session as it is.
pub(crate) fn end_session(disc: &dyn Recordable, report: &Report) -> anyhow::Result<()> {
    bar::long_work("closing the session", report, |told| disc.close_session(told))
        .context("cannot close the session")
}

/// Closes the session, or the disc.
pub(crate) fn close(flags: &Close, report: &Report) -> anyhow::Result<Ending> {
    let name = || flags.image.display().to_string();
    let disc = some_disc(&flags.image).with_context(name)?;
    if disc.medium_state().is_closed {
        return Err(refused(MultisessionError::NoCompatibleMultisessionType)).with_context(name);
    }
    close_session(&*disc, report).with_context(name)?;
    if flags.finalize {
        bar::long_work("closing the disc", report, |told| disc.finalize(told)).with_context(name)?;
    }
    disc.let_go().with_context(name)?;
    report.note(&format!("{}: the {} is closed", name(), if flags.finalize { "disc" } else { "session" }));
    Ok(Ending::Done)
}

fn some_disc(path: &Path) -> anyhow::Result<Box<dyn Recordable>> {
    at(path, Access::Write)?.ok_or_else(|| {
        let reason = "it is no disc: neither a drive, nor an image with a file beside it that describes one";
        let hint = "an image is complete as it is; discs are simulated by create -m cd-r, dvd-r, dvd+r, bd-r";
        Error::refused(reason, hint).into()
    })
}

/// Blanks a disc that can be blanked.
pub(crate) fn blank(flags: &flags::Blank, report: &Report) -> anyhow::Result<Ending> {
    let name = || flags.image.display().to_string();
    if !flags.yes {
        return Err(Usage("everything on the disc would be lost: --yes, if that is meant".into()).into());
    }
    let disc = some_disc(&flags.image).with_context(name)?;
    bar::long_work("blanking", report, |told| disc.blank(flags.full, told)).with_context(name)?;
    disc.let_go().with_context(name)?;
    report.note(&format!("{}: the disc is blank", name()));
    Ok(Ending::Done)
}

/// Formats a disc that can be formatted, or a new one.
pub(crate) fn format(flags: &flags::FormatDisc, report: &Report) -> anyhow::Result<Ending> {
    let name = || flags.image.display().to_string();
    let disc: Box<dyn Recordable> = match flags.medium.as_deref().filter(|_| !flags.image.exists()) {
        Some(medium) => Box::new(new_disc(flags, medium)?),
        None if !flags.yes => {
            return Err(Usage("everything on the disc would be lost: --yes, if that is meant".into()).into());
        }
        None => some_disc(&flags.image).with_context(name)?,
    };
    bar::long_work("formatting", report, |told| disc.format(told)).with_context(name)?;
    disc.let_go().with_context(name)?;
    report.note(&format!("{}: the disc is formatted", name()));
    Ok(Ending::Done)
}

/// Gives the disc out.
pub(crate) fn eject(flags: &flags::Eject) -> anyhow::Result<Ending> {
    let name = || flags.device.display().to_string();
    if !is_drive(&flags.device) {
        let reason = "it is no drive for discs";
        return Err(Error::refused(reason, "mkudf-ms devices lists them")).with_context(name);
    }
    let unit =
        Unit::new(ScsiGeneric::open(&flags.device).context("cannot open the drive").with_context(name)?);
    unit.prevent_removal(false).and_then(|()| unit.eject()).with_context(name)?;
    Ok(Ending::Done)
}

fn new_disc(flags: &flags::FormatDisc, name: &str) -> anyhow::Result<SimulatedMedium> {
    let medium = Medium::find(name)
        .filter(|medium| matches!(medium.writing, Writing::Random | Writing::PseudoOverwrite));
    let medium = medium.filter(|medium| medium.capacity_blocks.is_some());
    let medium = medium.ok_or_else(|| Usage(format!("{name}: no disc that can be formatted")))?;
    let blocks = flags.capacity.map(|size| size.blocks(medium.block_size));
    SimulatedMedium::blank(&flags.image, medium, blocks).with_context(|| flags.image.display().to_string())
}

/// Nothing, if the session is closed already.
pub(crate) fn close_session(disc: &dyn Recordable, report: &Report) -> anyhow::Result<()> {
    let facts = facts(disc)?;
    if facts.open_session_start.is_none() {
        return Ok(());
    }
    let whole = whole(disc);
    // What broke off, and what ends with its own anchors, is closed as it is.
    if let Some(open) = whole.options()
        && whole.broken.is_empty()
        && let Ok(volume) = Volume::open(&disc, &open)
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
    end_session(disc, report)
}

/// Where the last session of a disc begins, and where the next will: what burners are told.
pub(crate) fn print_next(image: &Path, place: &Place) -> anyhow::Result<(u32, u32)> {
    let Some(disc) = at(image, Access::Read)? else {
        let start = place.entrance.session_start.unwrap_or(0);
        let open = open::Spot::new(image, place, OpenOptions::default()).known();
        let volume = Volume::open(FileReader::open(image)?, &open)?;
        let blocks = volume.block_size().blocks_for(volume.device().size_bytes());
        let end = u32::try_from(blocks.next_multiple_of(u64::from(WRITE_UNIT_BLOCKS)));
        return Ok((
            start,
            end.map_err(|_| Error::refused("the image is too large", "it has 2^32 sectors"))?,
        ));
    };
    let facts = facts(&*disc)?;
    if facts.open_session_start.is_some() {
        let reason = "the session on the disc is open: what is written next belongs to it";
        return Err(Error::refused(reason, "close it first: mkudf-ms close").into());
    }
    let whole = whole(&*disc);
    let last = whole.newest.map_or(facts.start_of_previous_session.unwrap_or(0), |(start, _)| start.0);
    Ok((last, facts.next_writable))
}

/// The largest write unit there is: whole ones of it suit every medium.
pub(crate) const WRITE_UNIT_BLOCKS: u32 = 32;
