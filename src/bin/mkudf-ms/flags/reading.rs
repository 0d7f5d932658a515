//! The options of the commands that read a volume: which one, which session, and what of it.

use std::path::PathBuf;

use clap::Args;
use udf::BlockSize;

use crate::values::{self, Size};

/// Which volume is read, and which session of it.
#[derive(Clone, Debug, Args)]
pub(crate) struct Reading {
    /// Which session: 1 is the oldest, -1 the newest [default: the newest]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) session: Option<i32>,
    #[command(flatten)]
    pub(crate) place: Place,
    /// An image file or a block device
    #[arg(value_name = "IMAGE")]
    pub(crate) image: PathBuf,
}

/// Where a volume is on what it is read from, and how far it may be bent.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    /// Block size, where it cannot be found out
    #[arg(short, long, value_name = "BYTES", value_parser = values::block_size)]
    pub(crate) block_size: Option<BlockSize>,
    /// The last recorded sector, if the image or the device goes on behind it
    #[arg(long, value_name = "SECTOR")]
    pub(crate) last_sector: Option<u32>,
    #[command(flatten)]
    pub(crate) entrance: Entrance,
}

/// How the volume is come by.
#[derive(Clone, Debug, Args)]
pub(crate) struct Entrance {
    /// Where the last session begins, in an image of a whole disc
    #[arg(long, value_name = "SECTOR")]
    pub(crate) session_start: Option<u32>,
    /// Read all of the image or device for sessions that nothing leads to any more, and number them, too; if nothing opens
    /// otherwise, the last that is found is the newest
    #[arg(long)]
    pub(crate) search: bool,
    /// Refuse a volume that is not as the standard demands, where it would be read all the same
    #[arg(long)]
    pub(crate) strict: bool,
}

/// List files
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Ls {
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// A directory or a file of the volume [default: the root]
    pub(crate) path: Option<String>,
    /// Mode, links, owner, group, size and time too
    #[arg(short)]
    pub(crate) long: bool,
    /// Subdirectories too
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
    /// The directory itself, not what is in it
    #[arg(short, long)]
    pub(crate) directory: bool,
    /// The named streams of the file or directory PATH; without PATH, those of the volume itself
    #[arg(long, conflicts_with_all = ["recursive", "directory"])]
    pub(crate) streams: bool,
}

/// Print the contents of files
#[derive(Debug, Args)]
pub(crate) struct Cat {
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Files of the volume
    #[arg(value_name = "PATH", required_unless_present = "stream")]
    pub(crate) paths: Vec<String>,
    /// Not the files but their streams of this name; without PATH, the volume's own
    #[arg(long, value_name = "NAME")]
    pub(crate) stream: Option<String>,
}

const VERIFY_HELP: &str = "\
The checksums are a file of the volume, mkudf-ms.sha256 or mkudf-ms.blake3 in its root
directory, made with --checksums. On a mounted volume sha256sum -c reads it, too.

Exit status: 0 all files can be read, and agree with their checksums; 1 not so.";

/// Read all files, and compare them with the checksums on the volume
#[derive(Debug, Args)]
#[command(after_help = VERIFY_HELP)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Files of the volume, or directories with all below them [default: everything]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<String>,
}

const EXTRACT_HELP: &str = "\
Contents, holes, modes, times, hard links, symbolic links and FIFOs are restored;
owners and devices by root. Nothing is ever written outside DIR, through whatever
links. Existing directories are joined; existing files stay, and are reported,
unless --force replaces them. DIR itself takes the root directory's attributes if
it is new or was empty.";

/// Copy files out of a volume
#[derive(Debug, Args)]
#[command(after_help = EXTRACT_HELP)]
pub(crate) struct Extract {
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Paths of the volume, each with all below it [default: everything]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// Where to; made if it is not there
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".")]
    pub(crate) directory: PathBuf,
    #[command(flatten)]
    pub(crate) restoring: Restoring,
    /// Threads to work with [default: one a processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
}

/// What becomes of files on the host.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Restoring {
    /// Replace existing files
    #[arg(long)]
    pub(crate) force: bool,
    /// Restore owner and group [default for root]
    #[arg(long, overrides_with = "no_same_owner")]
    pub(crate) same_owner: bool,
    /// Do not restore owner and group [default for others]
    #[arg(long, overrides_with = "same_owner")]
    pub(crate) no_same_owner: bool,
    /// Named streams of files become extended attributes: NAME becomes user.NAME
    #[arg(long)]
    pub(crate) xattrs: bool,
    /// Stop before the files are larger than this in all, holes included
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_size: Option<Size>,
}

/// Print what a volume says of itself, in the words of udfinfo; with -v its sets of free blocks, too
#[derive(Debug, Args)]
pub(crate) struct Info {
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Not the volume but this file or directory, with its extended attributes
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<String>,
}

/// List the sessions of a volume, oldest first
#[derive(Debug, Args)]
pub(crate) struct Sessions {
    /// Print only LAST,NEXT for create -C: where the last session of a disc begins, and where the next will
    #[arg(long)]
    pub(crate) print_next: bool,
    #[command(flatten)]
    pub(crate) place: Place,
    /// An image file or a block device
    #[arg(value_name = "IMAGE")]
    pub(crate) image: PathBuf,
}
