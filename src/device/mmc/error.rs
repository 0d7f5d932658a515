//! How a drive fails.

use std::io;

use super::command;
use super::sense::{Sense, SenseKey};

/// Why a drive did not do what it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MmcError {
    /// It is not known what became of the command.
    #[error("{}: {source}\nhint: check the drive's cable and power; what state the disc is in shows mkudf-ms devices", named(*code))]
    Transport {
        /// Its operation code.
        code: u8,
        /// Why not.
        source: io::Error,
    },
    /// The drive says why not.
    #[error("{}: {sense}{}", named(*code), hint(sense))]
    Sense {
        /// The command's operation code.
        code: u8,
        /// What the drive says.
        sense: Sense,
    },
    /// The drive had no time for so long that something is wrong with it.
    #[error("{}: the drive was busy for {seconds} seconds{}", named(*code), sense.as_ref().map(|sense| format!(": {sense}")).unwrap_or_default())]
    Busy {
        /// The command's operation code.
        code: u8,
        /// How long it was waited for.
        seconds: u64,
        /// What the drive said last.
        sense: Option<Sense>,
    },
    /// The drive's reply makes no sense.
    #[error("{}: the drive's reply makes no sense: {what}", named(*code))]
    Reply {
        /// The command's operation code.
        code: u8,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl MmcError {
    /// What the drive said, if it said something.
    #[must_use]
    pub fn sense(&self) -> Option<Sense> {
        match self {
            Self::Sense { sense, .. } => Some(*sense),
            Self::Busy { sense, .. } => *sense,
            _ => None,
        }
    }

    /// Whether the drive does not know the command, or not for this disc.
    #[must_use]
    pub fn is_unknown_to_the_drive(&self) -> bool {
        self.sense().is_some_and(|sense| sense.key == SenseKey::IllegalRequest)
    }

    /// Whether no disc is in the drive.
    #[must_use]
    pub fn is_no_disc(&self) -> bool {
        self.sense().is_some_and(|sense| sense.key == SenseKey::NotReady && sense.code.0 == 0x3A)
    }
}

impl From<MmcError> for io::Error {
    fn from(error: MmcError) -> Self {
        let kind = match &error {
            MmcError::Transport { source, .. } => source.kind(),
            MmcError::Busy { .. } => io::ErrorKind::TimedOut,
            MmcError::Sense { sense, .. }
                if sense.key == SenseKey::VolumeOverflow || sense.code.0 == 0x63 =>
            {
                io::ErrorKind::StorageFull
            }
            MmcError::Sense { sense, .. } if sense.key == SenseKey::DataProtect => {
                io::ErrorKind::ReadOnlyFilesystem
            }
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

fn named(code: u8) -> String {
    command::name(code).map_or_else(|| format!("command {code:02X}"), String::from)
}

fn hint(sense: &Sense) -> String {
    sense.remedy().map(|remedy| format!("\nhint: {remedy}")).unwrap_or_default()
}
