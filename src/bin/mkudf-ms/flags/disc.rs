//! The options that are about discs: how a volume grows on them, and when a session ends.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use mkudf_ms::media::VolumeLayout;

use crate::values::Size;

/// List the media there are, and what volumes on them are like
#[derive(Debug, Args)]
pub(crate) struct Media {}

const CLOSE_HELP: &str = "\
An open session costs little to append to, but only drives that write find it. What
is appended to a closed one begins a session of its own, behind a gap of 4 to 40 MB
on CD and DVD.";

/// Close the open session of a disc
#[derive(Debug, Args)]
#[command(after_help = CLOSE_HELP)]
pub(crate) struct Close {
    /// The drive; or the image of a simulated disc, beside which there is the file that describes it
    #[arg(value_name = "DEVICE|IMAGE")]
    pub(crate) image: PathBuf,
    /// Close the disc, too: nothing can be appended any more
    #[arg(long)]
    pub(crate) finalize: bool,
}

/// Blank a disc that can be written again: everything on it is lost
#[derive(Debug, Args)]
pub(crate) struct Blank {
    /// All of it, which takes as long as to write it; else only what says what is on it
    #[arg(long)]
    pub(crate) full: bool,
    /// That is meant: everything on the disc is lost
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// The drive; or the image of a simulated disc, beside which there is the file that describes it
    #[arg(value_name = "DEVICE|IMAGE")]
    pub(crate) image: PathBuf,
}

/// Format a disc that can be written in any order: everything on it is lost. A blank BD-R is formatted for pseudo-overwrite
#[derive(Debug, Args)]
pub(crate) struct FormatDisc {
    /// That is meant: everything on the disc is lost
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Make a new disc of this kind, if there is none: dvd-ram, dvd+rw, dvd-rw, bd-re, bd-r-pow
    #[arg(short, long, value_name = "NAME")]
    pub(crate) medium: Option<String>,
    /// How much a new disc holds [default: as usual]
    #[arg(long, value_name = "SIZE", requires = "medium")]
    pub(crate) capacity: Option<Size>,
    /// The drive; or the image of a simulated disc, beside which there is the file that describes it
    #[arg(value_name = "DEVICE|IMAGE")]
    pub(crate) image: PathBuf,
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
    /// In place, with spare packets: CD-RW and DVD-RW
    Sparable,
}

impl LayoutChoice {
    /// The layout asked for; `None` to leave it to the medium.
    pub(crate) fn layout(self) -> Option<VolumeLayout> {
        match self {
            Self::Auto => None,
            Self::Session => Some(VolumeLayout::Session),
            Self::Vat => Some(VolumeLayout::Vat),
            Self::Sparable => Some(VolumeLayout::Sparable),
        }
    }
}

/// A session that somebody else will write.
#[derive(Debug, Args)]
#[command(next_help_heading = "For other burners")]
pub(crate) struct Further {
    /// Make only the next session of a disc, to be written at sector NEXT; LAST is where the one before it begins. Drives
    /// tell both (wodim -msinfo), and so does mkudf-ms sessions --print-next
    #[arg(short = 'C', long, value_name = "LAST,NEXT", requires = "merge")]
    pub(crate) next: Option<Next>,
    /// The disc, or an image of it up to NEXT, whose volume the session continues
    #[arg(short = 'M', long, value_name = "IMAGE|DEVICE", requires = "next")]
    pub(crate) merge: Option<PathBuf>,
}

/// Where the last session of a disc begins, and where the next one will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) last: u32,
    pub(crate) next: u32,
}

impl FromStr for Next {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once(',').and_then(|(last, next)| {
            let number = |text: &str| text.trim().parse::<u32>().ok();
            Some((number(last)?, number(next)?))
        });
        match numbers {
            Some((last, next)) if last < next => Ok(Self { last, next }),
            Some(_) => Err(String::from("the next session cannot begin before the last one")),
            None => Err(String::from("two sectors are wanted, as in 0,12345")),
        }
    }
}

const DEVICES_EXAMPLES: &str = "\
Examples:
  mkudf-ms devices
  mkudf-ms devices --json /dev/sr0 | jq .disc.layouts";

/// List drives for discs: what is in each, what is free, and how volumes on it could grow
#[derive(Debug, Args)]
#[command(after_help = DEVICES_EXAMPLES)]
pub(crate) struct Devices {
    /// Drives to look at [default: all that the kernel shows]
    #[arg(value_name = "DEVICE")]
    pub(crate) devices: Vec<PathBuf>,
}

/// Give a disc out
#[derive(Debug, Args)]
pub(crate) struct Eject {
    /// The drive
    #[arg(value_name = "DEVICE")]
    pub(crate) device: PathBuf,
}
