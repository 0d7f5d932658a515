//! A simulated medium as a drive would tell of it.

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
}
