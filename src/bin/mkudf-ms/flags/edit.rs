//! Flags of `rm`, `mv`, `mkdir` and `put`: single steps on a volume.

use std::path::PathBuf;

use clap::Args;
use udf::BlockSize;

use super::{Effort, Entrance, LayoutChoice, Overrides};
use crate::values;

/// The volume that is changed, and how it grows by that.
#[derive(Debug, Args)]
pub(crate) struct Changed {
    /// The volume: an image file or a block device
    #[arg(value_name = "IMAGE|DEVICE")]
    pub(crate) image: PathBuf,
    /// Block size, where it cannot be found out
    #[arg(short, long, value_name = "BYTES", value_parser = values::block_size)]
    pub(crate) block_size: Option<BlockSize>,
    /// What it is on, where that cannot be found out (see mkudf-ms media)
    #[arg(short, long, value_name = "NAME")]
    pub(crate) medium: Option<String>,
    /// How it grows: auto (a rewritable volume is changed in place), session, vat
    #[arg(long, value_name = "HOW", default_value = "auto", hide_possible_values = true)]
    pub(crate) layout: LayoutChoice,
    /// Change it though an update was interrupted before; with --layout session, append to a volume that could be changed in
    /// place: it becomes read-only
    #[arg(long)]
    pub(crate) force: bool,
    /// On a disc that is written in sessions: close the session behind it
    #[arg(long)]
    pub(crate) close: bool,
    #[command(flatten)]
    pub(crate) entrance: Entrance,
    #[command(flatten)]
    pub(crate) effort: Effort,
}

const RM_HELP: &str = "\
Examples:
  mkudf-ms rm photos.udf /2019/blurred.jpg
  mkudf-ms rm -r photos.udf /drafts

All paths are taken out at once, or, if one cannot be, none. On a rewritable volume
their blocks become free; elsewhere older sessions keep them.";

/// Remove files from a volume
#[derive(Debug, Args)]
#[command(after_help = RM_HELP)]
pub(crate) struct Rm {
    #[command(flatten)]
    pub(crate) changed: Changed,
    /// Paths of the volume
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<String>,
    /// Directories, too, with all that is in them
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// What is not there need not be removed
    #[arg(short, long)]
    pub(crate) ignore_missing: bool,
}

const MV_HELP: &str = "\
Examples:
  mkudf-ms mv photos.udf /img_0001.jpg /2024/lake.jpg
  mkudf-ms mv photos.udf /a.jpg /b.jpg /2024/

No file data is written again. A file that is in the way is replaced, a directory
only by a directory, and only if it is empty.";

/// Rename or move files and directories of a volume
#[derive(Debug, Args)]
#[command(after_help = MV_HELP)]
pub(crate) struct Mv {
    #[command(flatten)]
    pub(crate) changed: Changed,
    /// Paths of the volume, the last where the others go: a new path, or a directory
    #[arg(value_name = "PATH", num_args = 2.., required = true)]
    pub(crate) paths: Vec<String>,
    /// Leave what is in the way
    #[arg(long)]
    pub(crate) no_clobber: bool,
}

/// Make directories on a volume
#[derive(Debug, Args)]
pub(crate) struct Mkdir {
    #[command(flatten)]
    pub(crate) changed: Changed,
    /// Paths of the volume
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<String>,
    /// The directories above them, too; what is there need not be made
    #[arg(short, long)]
    pub(crate) parents: bool,
}

const PUT_HELP: &str = "\
Examples:
  mkudf-ms put backup.udf notes.txt /texts/today.txt
  mkudf-ms put backup.udf ~/work ~/mail /

As cp -r has it: into PATH if that is a directory, else as PATH, whose directory must
be there. For more, such as filters, updates and mirrors, there is append.";

/// Copy files and folders onto a volume
#[derive(Debug, Args)]
#[command(after_help = PUT_HELP)]
pub(crate) struct Put {
    #[command(flatten)]
    pub(crate) changed: Changed,
    /// Files and folders of the host
    #[arg(value_name = "SOURCE", required = true)]
    pub(crate) sources: Vec<PathBuf>,
    /// Where to on the volume
    #[arg(value_name = "PATH", required = true)]
    pub(crate) to: String,
    /// Leave files that are there
    #[arg(long)]
    pub(crate) no_clobber: bool,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
}
