//! What can be typed after `rescue`.

use std::path::PathBuf;

use clap::Args;
use udf::BlockSize;

use super::Restoring;
use crate::values;

const RESCUE_HELP: &str = "\
Examples:
  From an image that ddrescue made of a dying disc, knowing what it could not read:
    ddrescue -d /dev/sr0 disc.img disc.map
    mkudf-ms rescue --map disc.map -C saved disc.img
  Straight from a stick, with a map of what cannot be read for the next time:
    mkudf-ms rescue --retries 3 --map-out stick.map -C saved /dev/sdX

The device is searched for everything that belongs to a UDF volume, whatever of it is
lost. A line for each file that is not certain says why; -v shows the others too. What
has lost its place is in lost+found. docs/rescue.md says what the verdicts mean.

Exit status: 0 everything is certain; 1 nothing was found; 3 something is doubtful or lost.";

/// Save what is left on a damaged disc or image
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Debug, Args)]
#[command(after_help = RESCUE_HELP)]
pub(crate) struct Rescue {
    /// An image file or a block device
    #[arg(value_name = "IMAGE|DEVICE")]
    pub(crate) image: PathBuf,
    /// Where to; made if it is not there
    #[arg(short = 'C', long, value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Block size [default: found out from what is left]
    #[arg(short, long, value_name = "BYTES", value_parser = values::block_size)]
    pub(crate) block_size: Option<BlockSize>,
    /// Deleted files too, where their entries are left
    #[arg(long)]
    pub(crate) deleted: bool,
    /// Of each file all versions that older sessions have, below older/
    #[arg(long)]
    pub(crate) all_versions: bool,
    /// Read a block that fails so many times more
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) retries: u32,
    /// A map file of ddrescue: only what it says has been read is read
    #[arg(long, value_name = "FILE")]
    pub(crate) map: Option<PathBuf>,
    /// Write a map of what could be read, as ddrescue does; may be the one of --map
    #[arg(long, value_name = "FILE")]
    pub(crate) map_out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) restoring: Restoring,
}
