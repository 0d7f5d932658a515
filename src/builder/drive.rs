//! The builder at a drive: defaults from what it says, and the mechanism for the next session chosen by IMAPI2's rules.

use udf::Sector;
use udf::general::Moment;
use udf::read::{OpenOptions, ReadAt};

use super::identify::probe;
use super::{BuildError, Defaults, FileSystemImage};
use crate::error::Result;
use crate::media::Drive;
use crate::media::multisession::{Mechanism, MediumState, Multisession, Sequential, choose};
use crate::plan::SequentialTarget;
use crate::session::ImportOptions;

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
            Mechanism::RandomWrite(facts) => Self {
                sequential: None,
                capacity_blocks: Some(facts.total_sectors),
                write_unit_blocks: facts.write_unit,
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
        let options = options_for(&chosen.mechanism, &defaults, options);
        Self::import_session(drive, defaults, &options)
    }
}

/// Whether a session could be appended to the disc in a drive. If not, the error says why: one of
/// [`BuildError::Multisession`], or of those that [`probe`] has.
pub fn probe_drive(drive: &(impl Drive + ReadAt)) -> Result<()> {
    let offered = drive.multisession();
    let chosen = choose(&offered, drive.medium_state()).map_err(BuildError::Multisession)?;
    let defaults = Defaults::for_drive(drive, "", Moment::default()).with(&chosen.mechanism);
    probe(drive, &options_for(&chosen.mechanism, &defaults, &ImportOptions::default()))
}

fn options_for(mechanism: &Mechanism, defaults: &Defaults, options: &ImportOptions) -> ImportOptions {
    match mechanism {
        Mechanism::Sequential(facts) => ImportOptions {
            fixed_size: false,
            sequential: defaults.sequential.map(|target| defaults.target(target)),
            open: OpenOptions { session_start: newest_session(facts), ..options.open },
            ..*options
        },
        Mechanism::RandomWrite(_) => ImportOptions { fixed_size: true, sequential: None, ..*options },
    }
}

/// Where the session begins that is to be read: the one that is open, if anything is in it. The first needs no looking for.
fn newest_session(facts: &Sequential) -> Option<Sector> {
    facts.open_session_start.or(facts.start_of_previous_session).filter(|start| *start > 0).map(Sector)
}
