//! What a drive says of the medium in it: enough to choose defaults, and the mechanism for what is written next.

use std::sync::Arc;

use super::Medium;
use super::multisession::{MediumState, Multisession};

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
        }
    )*};
}

forward!(&D, Arc<D>);
