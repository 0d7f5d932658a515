//! A simulated medium as a drive would tell of it.

use udf::Sector;

use super::{SimulatedMedium, lock};
use crate::media::multisession::{MediumState, Multisession};
use crate::media::{Drive, Medium};

impl Drive for SimulatedMedium {
    fn medium(&self) -> &'static Medium {
        self.medium()
    }

    fn capacity_blocks(&self) -> u32 {
        lock(&self.state).capacity_blocks
    }

    fn medium_state(&self) -> MediumState {
        self.state()
    }

    fn multisession(&self) -> Vec<Multisession> {
        self.multisession()
    }

    /// None, if the image cannot even be looked at: then nothing can be read from it either.
    fn sessions(&self) -> Vec<(Sector, Sector)> {
        let all = self.sessions().unwrap_or_default();
        all.into_iter().map(|session| (Sector(session.start), Sector(session.last))).collect()
    }
}
