//! What a drive says of the medium in it: enough to choose defaults, and the mechanism for what is written next.

use std::io;
use std::sync::Arc;

use udf::Sector;

use super::Medium;
use super::multisession::{MediumState, Multisession, OpenTrack};

/// A drive with a medium in it.
pub trait Drive {
    /// Which kind of medium it is.
    fn medium(&self) -> &'static Medium;

    /// Sectors of the medium, written or not.
    fn capacity_blocks(&self) -> u32;

    /// What is said of the medium as a whole.
    fn medium_state(&self) -> MediumState;

    /// The mechanisms that are offered for a further session, as they stand now.
    fn multisession(&self) -> Vec<Multisession>;

    /// First and last sector of each session that there is something of, oldest first; the last of them may be open. A drive
    /// that knows no more tells of the two that its mechanism does.
    fn sessions(&self) -> Vec<(Sector, Sector)> {
        let offered = self.multisession();
        let Some(facts) = offered.iter().find_map(|one| one.mechanism.sequential()) else {
            return Vec::new();
        };
        let previous = facts.start_of_previous_session.zip(facts.last_written_of_previous_session);
        let open = facts.open_session_start.zip(facts.next_writable.checked_sub(1));
        previous.into_iter().chain(open).map(|(start, last)| (Sector(start), Sector(last))).collect()
    }

    /// Tracks that more can be written to, of a medium in pseudo-overwrite: what lies before the next writable sector of one
    /// is written again, what lies behind it only once it goes on there.
    fn open_tracks(&self) -> io::Result<Vec<OpenTrack>> {
        Ok(Vec::new())
    }
}

macro_rules! forward {
    ($($wrapper:ty),*) => {$(
        impl<D: Drive + ?Sized> Drive for $wrapper {
            fn medium(&self) -> &'static Medium {
                (**self).medium()
            }

            fn capacity_blocks(&self) -> u32 {
                (**self).capacity_blocks()
            }

            fn medium_state(&self) -> MediumState {
                (**self).medium_state()
            }

            fn multisession(&self) -> Vec<Multisession> {
                (**self).multisession()
            }

            fn sessions(&self) -> Vec<(Sector, Sector)> {
                (**self).sessions()
            }

            fn open_tracks(&self) -> io::Result<Vec<OpenTrack>> {
                (**self).open_tracks()
            }
        }
    )*};
}

forward!(&D, Arc<D>);
