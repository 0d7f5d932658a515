//! How volumes can grow on a disc as it is now, and why not otherwise.

use crate::media::{VolumeLayout, Writing};

use super::state::DiscState;

/// A layout, and why it cannot be used; `None` if it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usable {
    /// How the volume would grow.
    pub layout: VolumeLayout,
    /// Why it cannot.
    pub obstacle: Option<&'static str>,
}

impl DiscState {
    /// All layouts, each with what is in its way. `found` is how the volume grows that is on the disc, if one is.
    #[must_use]
    pub fn layouts(&self, found: Option<VolumeLayout>) -> Vec<Usable> {
        let all =
            [VolumeLayout::Vat, VolumeLayout::Session, VolumeLayout::Sparable, VolumeLayout::PseudoOverwrite];
        all.into_iter().map(|layout| Usable { layout, obstacle: self.obstacle(layout, found) }).collect()
    }

    fn obstacle(&self, layout: VolumeLayout, found: Option<VolumeLayout>) -> Option<&'static str> {
        let suits = match layout {
            VolumeLayout::Vat => self.medium.is_sequential(),
            VolumeLayout::Session => self.medium.is_sequential() || self.medium.writing == Writing::Random,
            VolumeLayout::Sparable => self.medium.writing == Writing::Packet,
            VolumeLayout::PseudoOverwrite => self.medium.writing == Writing::PseudoOverwrite,
        };
        if self.medium.writing == Writing::Never {
            return Some("the disc is pressed, and only read");
        }
        if !suits {
            return Some(match layout {
                VolumeLayout::Vat => "the disc can be overwritten: its blocks need no numbers of their own",
                VolumeLayout::Session => "the disc is written in place",
                VolumeLayout::Sparable => {
                    "the drive takes care of worn sectors, or there are none that could be written again"
                }
                VolumeLayout::PseudoOverwrite => "the disc is not formatted for it",
            });
        }
        if !self.is_formatted {
            return Some("the disc is not formatted (mkudf-ms format)");
        }
        if self.medium_state().is_closed {
            return Some("the disc is closed for good");
        }
        match (layout, found) {
            (VolumeLayout::Sparable, _) => Some("such volumes are not written yet"),
            (_, Some(found)) if found != layout => {
                Some("the volume on the disc grows otherwise (append --start-new hides it)")
            }
            _ => None,
        }
    }
}
