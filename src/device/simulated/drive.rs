//! A simulated medium as a drive would tell of it.

use std::io;

use udf::Sector;

use super::{SimulatedMedium, lock};
use crate::device::{Recordable, Told};
use crate::media::multisession::{MediumState, Multisession, OpenTrack, Sequential};
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

    /// Those of drives that count the blocks in which a CD's writing runs out. None, if the image cannot even be looked at: then nothing can be read from it either.
    fn sessions(&self) -> Vec<(Sector, Sector)> {
        let all = self.sessions().unwrap_or_default();
        let state = lock(&self.state);
        let is_closed = |session| state.sessions.contains(session);
        let last = |session| if is_closed(session) { state.last_told(*session) } else { session.last };
        all.iter().map(|session| (Sector(session.start), Sector(last(session)))).collect()
    }

    fn open_tracks(&self) -> io::Result<Vec<OpenTrack>> {
        Ok(self.overwriting_tracks())
    }
}

impl Recordable for SimulatedMedium {
    fn close_session(&self, _told: Told<'_>) -> io::Result<()> {
        self.close_session()
    }

    fn finalize(&self, _told: Told<'_>) -> io::Result<()> {
        self.finalize()
    }

    fn blank(&self, _is_full: bool, _told: Told<'_>) -> io::Result<()> {
        self.erase()
    }

    fn format(&self, _told: Told<'_>) -> io::Result<()> {
        self.format()
    }

    fn reserve_tracks(&self, sectors: &[u32]) -> io::Result<()> {
        sectors.iter().try_for_each(|sectors| self.reserve_track(*sectors))
    }

    fn after_closing(&self, more_sectors: u32) -> io::Result<Sequential> {
        self.after_closing(more_sectors)
    }

    fn let_go(&self) -> io::Result<()> {
        Ok(())
    }
}
