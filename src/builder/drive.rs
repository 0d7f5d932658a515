//! The builder at a drive: defaults from what it says, and the mechanism for the next session chosen by IMAPI2's rules.

use udf::Sector;
use udf::general::Moment;
use udf::read::{OpenOptions, ReadAt, Volume};

use super::identify::{probe, why_not};
use super::{BuildError, Defaults, FileSystemImage};
use crate::error::{Error, Result, Warning};
use crate::media::multisession::{
    Mechanism, MediumState, Multisession, PseudoOverwrite, RandomWrite, choose,
};
use crate::media::{Drive, VolumeLayout};
use crate::plan::SequentialTarget;
use crate::session::{Continuation, ImportOptions, Manner, newest_whole};

impl Defaults {
    /// What suits the medium in a drive: its revision, its sectors, its size and its write unit.
    #[must_use]
    pub fn for_drive(drive: &impl Drive, label: &str, now: Moment) -> Self {
        let medium = drive.medium();
        Self {
            capacity_blocks: Some(drive.capacity_blocks()),
            is_device: !medium.is_sequential(),
            ..Self::for_medium(medium, label, now)
        }
    }

    /// The same as a drive's mechanism wants it.
    fn with(self, mechanism: &Mechanism) -> Self {
        match mechanism {
            Mechanism::Sequential(facts) => Self {
                sequential: Some(SequentialTarget::of(facts)),
                capacity_blocks: Some(facts.next_writable.saturating_add(facts.free_sectors)),
                write_unit_blocks: facts.write_unit,
                is_device: false,
                ..self
            },
            Mechanism::RandomWrite(RandomWrite { write_unit, total_sectors, .. }) => Self {
                sequential: None,
                capacity_blocks: Some(*total_sectors),
                write_unit_blocks: *write_unit,
                is_device: true,
                ..self
            },
            Mechanism::PseudoOverwrite(PseudoOverwrite { write_unit, total_sectors, .. }) => Self {
                sequential: None,
                capacity_blocks: Some(*total_sectors),
                rewritable_blocks: Some(*total_sectors),
                pseudo_overwrite: true,
                packet_blocks: None,
                write_unit_blocks: *write_unit,
                is_device: true,
                ..self
            },
        }
    }
}

impl<'d> FileSystemImage<'d> {
    /// An empty volume for the blank medium in a drive.
    ///
    /// An error if it is not blank, or nothing that the drive offers can write to it.
    pub fn new_on(drive: &impl Drive, defaults: Defaults) -> Result<Self> {
        let state = drive.medium_state();
        if !state.is_blank {
            return Err(BuildError::MediumNotBlank.into());
        }
        // Blank is what it has to be here; what is there is only asked for when there is something to be imported.
        let offered = drive.multisession();
        let chosen =
            choose(&offered, MediumState { is_blank: false, ..state }).map_err(BuildError::Multisession)?;
        Ok(Self::new(defaults.with(&chosen.mechanism)))
    }

    /// An empty volume behind what a disc holds, which hides that. Only on media that are written one sector after the other, as
    /// a session of its own: an error if one is open.
    pub fn new_behind(drive: &impl Drive, defaults: Defaults) -> Result<Self> {
        let offered = drive.multisession();
        let chosen = choose(&offered, drive.medium_state()).map_err(BuildError::Multisession)?;
        if chosen.mechanism.sequential().is_none() {
            return Err(BuildError::MediumNotBlank.into());
        }
        unless_open(&chosen.mechanism, "a new volume needs a session of its own")?;
        Ok(Self::new(defaults.with(&chosen.mechanism)))
    }

    /// The next session of the disc in a drive, by the mechanism that [`choose`] takes of those that are offered. Of the options
    /// those that follow from the mechanism are set here.
    pub fn import_from(
        drive: impl Drive + ReadAt + 'd,
        defaults: Defaults,
        options: &ImportOptions,
    ) -> Result<Self> {
        let offered = drive.multisession();
        Self::import_through(drive, &offered, defaults, options)
    }

    /// The same by one of these mechanisms: what the drive offered, with the one marked as in use that is wanted.
    pub fn import_through(
        drive: impl Drive + ReadAt + 'd,
        offered: &[Multisession],
        defaults: Defaults,
        options: &ImportOptions,
    ) -> Result<Self> {
        let chosen = choose(offered, drive.medium_state()).map_err(BuildError::Multisession)?;
        let defaults = defaults.with(&chosen.mechanism);
        let (options, warnings) = options_for(&drive, &chosen.mechanism, &defaults, options)?;
        let mut image = Self::import_session(drive, defaults, &options)?;
        image.warnings.extend(warnings);
        Ok(image)
    }
}

/// Whether a session could be appended to the disc in a drive. If not, the error says why: one of
/// [`BuildError::Multisession`], [`BuildError::SessionOpen`], or of those that [`probe`] has.
pub fn probe_drive(drive: &(impl Drive + ReadAt)) -> Result<()> {
    let offered = drive.multisession();
    let chosen = choose(&offered, drive.medium_state()).map_err(BuildError::Multisession)?;
    let defaults = Defaults::for_drive(drive, "", Moment::default()).with(&chosen.mechanism);
    let (options, _) = options_for(drive, &chosen.mechanism, &defaults, &ImportOptions::default())?;
    probe(drive, &options)
}

/// How the newest session that is whole is imported by a mechanism, and what broke off behind it.
fn options_for(
    drive: &(impl Drive + ReadAt),
    mechanism: &Mechanism,
    defaults: &Defaults,
    options: &ImportOptions,
) -> Result<(ImportOptions, Vec<Warning>)> {
    let Mechanism::Sequential(facts) = mechanism else {
        let write_unit_blocks = options.write_unit_blocks.max(defaults.write_unit_blocks);
        let pseudo_overwrite = match mechanism {
            Mechanism::PseudoOverwrite(facts) => Some(*facts),
            _ => None,
        };
        let options = ImportOptions { fixed_size: true, sequential: None, write_unit_blocks, ..*options };
        // There nothing else can be done.
        let manner = if pseudo_overwrite.is_some() { Manner::AsMade } else { options.manner };
        let options = ImportOptions { manner, pseudo_overwrite, ..options };
        return Ok((options, Vec::new()));
    };
    let sessions = drive.sessions();
    let whole = newest_whole(drive, &sessions);
    let found = Continuation::find(drive, &whole).map_err(|error| {
        // What the newest would be refused for says more than that it is not whole.
        let start = sessions.last().map_or(Sector(0), |(start, _)| *start);
        let opened = Volume::open(drive, &OpenOptions::of_session(start));
        why_not(drive, opened.err().map_or(error, Error::Volume))
    })?;
    if found.needs_session {
        let why = match found.layout {
            VolumeLayout::Session => "a logical session needs a session of its own",
            _ => "what was written last broke off",
        };
        unless_open(mechanism, why)?;
    }
    let closes_session = defaults.closes_session || found.layout == VolumeLayout::Session;
    let target = SequentialTarget { closes_session, ..SequentialTarget::of(facts) };
    let Continuation { open: found, warnings, .. } = found;
    let open = OpenOptions { block_size: options.open.block_size, strict: options.open.strict, ..found };
    Ok((ImportOptions { fixed_size: false, sequential: Some(target), open, ..*options }, warnings))
}

fn unless_open(mechanism: &Mechanism, why: &'static str) -> Result<()> {
    match mechanism {
        Mechanism::Sequential(facts) if facts.open_session_start.is_some() => {
            Err(BuildError::SessionOpen { why }.into())
        }
        _ => Ok(()),
    }
}
