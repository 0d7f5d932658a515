//! Flags of `diff` and `revert`.

use std::path::PathBuf;

use clap::Args;
use udf::BlockSize;

use super::{Effort, Entrance, Place};
use crate::values;

const DIFF_HELP: &str = "\
A added, D removed, M another content, m other attributes only, R renamed (the same
file by its unique id). Sessions are counted as --session counts them.";

/// Tell what became of each path from one session to another
#[derive(Debug, Args)]
#[command(after_help = DIFF_HELP)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) place: Place,
    /// An image file or a block device
    #[arg(value_name = "IMAGE")]
    pub(crate) image: PathBuf,
    /// The older session
    #[arg(value_name = "A", default_value_t = -2, allow_negative_numbers = true)]
    pub(crate) old: i32,
    /// The newer session
    #[arg(value_name = "B", default_value_t = -1, allow_negative_numbers = true)]
    pub(crate) new: i32,
}

const REVERT_HELP: &str = "\
A new session is written whose files are those of session N. No file data is written
again, and nothing is lost: the sessions in between stay, and can be reverted to.";

/// Go back to an older session
#[derive(Debug, Args)]
#[command(after_help = REVERT_HELP)]
pub(crate) struct Revert {
    /// Which session: 1 is the oldest, -2 the one before the newest
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) to: i32,
    /// The volume: an image file or a block device
    #[arg(value_name = "IMAGE|DEVICE")]
    pub(crate) image: PathBuf,
    /// Block size, where it cannot be found out
    #[arg(short, long, value_name = "BYTES", value_parser = values::block_size)]
    pub(crate) block_size: Option<BlockSize>,
    #[command(flatten)]
    pub(crate) entrance: Entrance,
    /// The volume's label [default: that of session N]
    #[arg(short, long, short_alias = 'V', visible_alias = "lvid", value_name = "TEXT")]
    pub(crate) label: Option<String>,
    #[command(flatten)]
    pub(crate) effort: Effort,
}
