//! The options that are about discs: how a volume grows on them, and when a session ends.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mkudf_ms::media::VolumeLayout;

/// List the media there are, and what volumes on them are like
#[derive(Debug, Args)]
pub(crate) struct Media {}

const CLOSE_HELP: &str = "\
An open session costs little to append to, but only drives that write find it. What
is appended to a closed one begins a session of its own, behind a gap of 4 to 40 MB
on CD and DVD.";

/// Close the open session of a simulated disc
#[derive(Debug, Args)]
#[command(after_help = CLOSE_HELP)]
pub(crate) struct Close {
    /// The image of the disc, beside which there is the file that describes it
    #[arg(value_name = "IMAGE")]
    pub(crate) image: PathBuf,
    /// Close the disc, too: nothing can be appended any more
    #[arg(long)]
    pub(crate) finalize: bool,
}

/// How a volume is to grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LayoutChoice {
    /// As the medium has it (mkudf-ms media)
    Auto,
    /// Each session a file system of its own
    Session,
    /// A virtual allocation table at the end
    Vat,
}

impl LayoutChoice {
    /// The layout asked for; `None` to leave it to the medium.
    pub(crate) fn layout(self) -> Option<VolumeLayout> {
        match self {
            Self::Auto => None,
            Self::Session => Some(VolumeLayout::Session),
            Self::Vat => Some(VolumeLayout::Vat),
        }
    }
}
