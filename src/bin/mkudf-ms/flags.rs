//! What was typed: every option with its help, and nothing of what it means (that is `job`).

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use mkudf_ms::checksums::Algorithm;
use udf::{BlockSize, Revision};

mod check;
mod disc;
mod edit;
mod history;
mod reading;
mod rescue;

pub(crate) use check::{Check, Explained};
pub(crate) use disc::{Blank, Close, Devices, Eject, FormatDisc, Further, LayoutChoice, Media, Next};
pub(crate) use edit::{Changed, Mkdir, Mv, Put, Rm};
pub(crate) use history::{Diff, Revert};
pub(crate) use reading::{Cat, Entrance, Extract, Info, Ls, Place, Reading, Restoring, Sessions, Verify};
pub(crate) use rescue::Rescue;

use crate::values::{self, Mode, Owner, Size, Speed};

const EXAMPLES: &str = "\
Examples:
  A folder becomes a volume:
    mkudf-ms create -o photos.udf -l Photos ~/Pictures
  What has changed since becomes a new session of it:
    mkudf-ms append --update photos.udf ~/Pictures
  Onto a USB stick, below /docs:
    mkudf-ms create -o /dev/sdX -m flash docs=~/Documents
  What is in it, without root and without a mount; and as it was a session ago:
    mkudf-ms ls -lR photos.udf
    mkudf-ms extract -C old --session -2 photos.udf

Exit status: 0 done; 1 failed; 2 wrong usage; 3 done, but something was lost on
the way (a file changed while it was read, a name had to be changed). `check`
returns fsck's: 0 clean, 4 errors, 8 could not check, 16 wrong usage; so does
`repair`, and 1 if errors were corrected.";

/// Build UDF volumes, and grow them session by session without rewriting what is there.
#[derive(Debug, Parser)]
#[command(name = "mkudf-ms", version, propagate_version = true, after_help = EXAMPLES)]
#[command(disable_help_subcommand = true, disable_version_flag = true, max_term_width = 100)]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Common {
    /// Say only what failed or was lost
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Print results as JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Colour messages
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub(crate) color: When,
    /// Print the version
    #[arg(long, global = true, action = ArgAction::Version)]
    version: Option<bool>,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}

/// What is to be done. `--version` is a common option, since `-V` is the label's.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(disable_version_flag = true)]
    Create(Box<Create>),
    #[command(disable_version_flag = true)]
    Append(Box<Append>),
    #[command(disable_version_flag = true)]
    Put(Box<Put>),
    #[command(disable_version_flag = true)]
    Rm(Box<Rm>),
    #[command(disable_version_flag = true)]
    Mv(Box<Mv>),
    #[command(disable_version_flag = true)]
    Mkdir(Box<Mkdir>),
    #[command(disable_version_flag = true)]
    Ls(Ls),
    #[command(disable_version_flag = true)]
    Cat(Cat),
    #[command(disable_version_flag = true)]
    Extract(Extract),
    #[command(disable_version_flag = true)]
    Info(Info),
    #[command(disable_version_flag = true)]
    Sessions(Sessions),
    #[command(disable_version_flag = true)]
    Diff(Diff),
    #[command(disable_version_flag = true)]
    Revert(Box<Revert>),
    #[command(disable_version_flag = true)]
    Check(Check),
    #[command(disable_version_flag = true)]
    Verify(Verify),
    #[command(disable_version_flag = true)]
    Repair(Repair),
    #[command(disable_version_flag = true)]
    Media(Media),
    #[command(disable_version_flag = true)]
    Devices(Devices),
    #[command(disable_version_flag = true)]
    Close(Close),
    #[command(disable_version_flag = true)]
    Blank(Blank),
    #[command(disable_version_flag = true, name = "format")]
    FormatDisc(FormatDisc),
    #[command(disable_version_flag = true)]
    Eject(Eject),
    #[command(disable_version_flag = true)]
    Rescue(Box<Rescue>),
}

const CREATE_EXAMPLES: &str = "\
Examples:
  mkudf-ms create -o backup.udf -r 2.50 -m bd-re --exclude '*.o' ~/work
  mkudf-ms create -o discs.udf music=/srv/music etc/hosts=/etc/hosts
  find . -newer stamp -print0 | mkudf-ms create -o new.udf -0 --files-from -
  mkudf-ms create -n -o x.udf --capacity 4.7GB ~/work
  mkudf-ms create -o - src | ssh host 'cat > src.udf'

A folder's contents go to the root of the volume; DST=SRC puts SRC at the path
DST (write \\= for a = in DST). With SOURCE_DATE_EPOCH in the environment the
same input gives the same bytes, always.";

/// Make a volume from folders and files
#[derive(Debug, Args)]
#[command(after_help = CREATE_EXAMPLES)]
pub(crate) struct Create {
    /// Where to: an image file, a block device, or - for standard output
    #[arg(short, long, value_name = "IMAGE|DEVICE|-")]
    pub(crate) output: PathBuf,
    /// Replace an existing image, or the file system on a device
    #[arg(long)]
    pub(crate) force: bool,
    /// Folders and files, or DST=SRC for a place of their own
    #[arg(value_name = "SOURCE")]
    pub(crate) sources: Vec<OsString>,
    /// A volume that is changed in place, by this command, Linux (up to 2.01) and others: it fills the device, or takes as much as
    /// --capacity or the medium says
    #[arg(long)]
    pub(crate) rewritable: bool,
    #[command(flatten)]
    pub(crate) further: Further,
    #[command(flatten)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) identifiers: Identifiers,
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    #[command(flatten)]
    pub(crate) effort: Effort,
}

const APPEND_EXAMPLES: &str = "\
Examples:
  Add and replace files:
    mkudf-ms append backup.udf ~/work
  Make the newest session equal to ~/work:
    mkudf-ms append --mirror backup.udf ~/work
  Take a file out; older sessions keep it:
    mkudf-ms append --remove /old/notes.txt backup.udf

What is on the volume stays where it is. A new session is written behind it,
and becomes the current one as the last step. A rewritable volume (made with
--rewritable, by mkudffs, Windows, a camera ...) is changed in place instead: new
files go to its free blocks, and what is replaced or removed becomes free.";

/// Add a session to a volume: new, changed and removed files
#[derive(Debug, Args)]
#[command(after_help = APPEND_EXAMPLES)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Append {
    /// The volume: an image file or a block device
    #[arg(value_name = "IMAGE|DEVICE")]
    pub(crate) image: PathBuf,
    /// Folders and files, or DST=SRC for a place of their own
    #[arg(value_name = "SOURCE")]
    pub(crate) sources: Vec<OsString>,
    /// Take this path of the volume, and all below it, out of the new session
    #[arg(long, value_name = "PATH")]
    pub(crate) remove: Vec<String>,
    /// Take only files whose size or modification time differs from the volume's
    #[arg(long)]
    pub(crate) update: bool,
    /// As --update, and remove what is on the volume but not in the sources
    #[arg(long)]
    pub(crate) mirror: bool,
    /// When a source has the name of a file on the volume
    #[arg(long, value_name = "WHAT", default_value = "replace", conflicts_with = "update")]
    pub(crate) on_conflict: OnConflict,
    /// Change the volume where it lies, in its free blocks: the default for volumes that are made for that
    #[arg(long, conflicts_with = "start_new")]
    pub(crate) in_place: bool,
    /// Change in place though an update was interrupted before; with --layout session, append to a volume that could be changed
    /// in place: it becomes read-only
    #[arg(long)]
    pub(crate) force: bool,
    /// Carry nothing over: what is on the volume is hidden by what is written now, and listed
    #[arg(long, conflicts_with_all = ["update", "mirror"])]
    pub(crate) start_new: bool,
    #[command(flatten)]
    pub(crate) entrance: Entrance,
    #[command(flatten)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    #[command(flatten)]
    pub(crate) effort: Effort,
}

/// What to do about a name that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnConflict {
    /// The source's file takes its place
    Replace,
    /// The volume's file stays
    Keep,
    /// Nothing is written
    Error,
}

/// What kind of volume.
#[derive(Debug, Args)]
#[command(next_help_heading = "Format")]
pub(crate) struct Format {
    /// UDF revision: 1.02, 1.50, 2.00, 2.01, 2.50 or 2.60 (also 0x0201) [default: the medium's]
    #[arg(short = 'r', long, value_name = "REVISION")]
    pub(crate) udf_revision: Option<Revision>,
    /// Block size: 512, 1024, 2048 or 4096 bytes [default: the medium's or the device's]
    #[arg(short, long, value_name = "BYTES", value_parser = values::block_size)]
    pub(crate) block_size: Option<BlockSize>,
    /// What it is for: image, hd, hd4k, flash, dvd-ram, dvd+rw, dvd-rw, bd-re; or a simulated disc: cd-r, cd-rw, dvd-r,
    /// dvd-rw-seq, dvd+r, dvd+r-dl, bd-r; or in packets: cd-rw-packet, dvd-rw-packet (see mkudf-ms media)
    #[arg(short, long, value_name = "NAME")]
    pub(crate) medium: Option<String>,
    /// How it grows: auto, session, vat; sparable: in place, with spare packets (cd-rw, dvd-rw)
    #[arg(long, value_name = "HOW", default_value = "auto", hide_possible_values = true)]
    pub(crate) layout: LayoutChoice,
    /// On a disc that is written in sessions: close the session behind it
    #[arg(long)]
    pub(crate) close: bool,
    /// The volume's label (logical volume identifier)
    #[arg(short, long, short_alias = 'V', visible_alias = "lvid", value_name = "TEXT")]
    pub(crate) label: Option<String>,
}

/// The other texts by which a volume is known.
#[derive(Debug, Args)]
#[command(next_help_heading = "Identifiers")]
pub(crate) struct Identifiers {
    /// Volume identifier [default: the label]
    #[arg(long, value_name = "TEXT")]
    pub(crate) vid: Option<String>,
    /// Volume set identifier, without the UUID before it [default: the label]
    #[arg(long, value_name = "TEXT")]
    pub(crate) vsid: Option<String>,
    /// File set identifier [default: the label]
    #[arg(long, value_name = "TEXT")]
    pub(crate) fsid: Option<String>,
    /// 16 lower-case hexadecimal digits [default: time and chance]
    #[arg(long, value_name = "DIGITS")]
    pub(crate) uuid: Option<mkudf_ms::plan::Uuid>,
    /// Who owns it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) owner: String,
    /// Which organisation
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) organization: String,
    /// Whom to ask
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) contact: String,
    /// Which application made it
    #[arg(long, value_name = "TEXT")]
    pub(crate) application: Option<String>,
}

/// Which files.
#[derive(Debug, Args)]
#[command(next_help_heading = "Selection")]
pub(crate) struct Selection {
    /// Leave out what matches, as .gitignore has it
    #[arg(long, value_name = "PATTERN")]
    pub(crate) exclude: Vec<String>,
    /// Leave out what matches a line of this file
    #[arg(long, value_name = "FILE")]
    pub(crate) exclude_from: Vec<PathBuf>,
    /// Take the files that this file (- for standard input) lists, one a line; directories are not searched
    #[arg(long, value_name = "FILE|-")]
    pub(crate) files_from: Option<PathBuf>,
    /// The list is separated by NUL characters
    #[arg(short = '0', long, requires = "files_from")]
    pub(crate) null: bool,
    /// Stay on the file system of each source
    #[arg(short = 'x', long)]
    pub(crate) one_file_system: bool,
    /// Symbolic links: keep them, follow them, or skip them
    #[arg(long, value_name = "HOW", default_value = "keep", hide_possible_values = true)]
    pub(crate) symlinks: Symlinks,
}

/// What to do about symbolic links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Symlinks {
    Keep,
    Follow,
    Skip,
}

/// What to record otherwise than the host has it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Attributes")]
pub(crate) struct Overrides {
    /// Owner of everything; -1 for none
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(crate) uid: Option<Owner>,
    /// Group of everything; -1 for none
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(crate) gid: Option<Owner>,
    /// Permissions of regular files, in octal
    #[arg(long, value_name = "MODE")]
    pub(crate) file_mode: Option<Mode>,
    /// Permissions of directories, in octal
    #[arg(long, value_name = "MODE")]
    pub(crate) dir_mode: Option<Mode>,
    /// All times: as RFC 3339 has it (2026-11-22T10:00:00Z), or @ and seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub(crate) mtime: Option<udf::general::Moment>,
    /// Record extended attributes of files, user.NAME, as named streams, NAME: from 2.00 on
    #[arg(long)]
    pub(crate) xattrs: bool,
}

/// How to go about it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Writing")]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Effort {
    /// Print what would be written, and write nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Read back what was written, from the medium and not from memory, and compare it
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) verify: bool,
    /// Write a disc in a drive at this speed, or the drive's next lower one: 8x, or in kB/s [default: as the drive chooses]
    #[arg(long, value_name = "SPEED")]
    pub(crate) speed: Option<Speed>,
    /// How much the medium holds: bytes, with K, M, G or T powers of 1024, with KB, MB... of 1000, with s sectors
    #[arg(long, value_name = "SIZE")]
    pub(crate) capacity: Option<Size>,
    /// Have the volume hold the checksums of its files, for verify: sha256 or blake3 [default: append keeps what there is]
    #[arg(long, value_name = "KIND")]
    pub(crate) checksums: Option<Algorithm>,
    /// Threads to work with [default: as many as are of use]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
    /// Record metadata once only (from 2.50 on)
    #[arg(long)]
    pub(crate) no_redundant_metadata: bool,
    /// Give small files blocks of their own, too
    #[arg(long)]
    pub(crate) no_embed: bool,
}

const REPAIR_HELP: &str = "\
What is mended is proved: a field is changed if it can have one value only, or if
another structure confirms it; whatever else is wrong is listed and left. File
data is never written over, older sessions are never touched, and nothing is
written to write-once media. The undo file holds what was there before.

Exit status: 0 nothing wrong; 1 errors corrected; 4 errors left; 8 could not
repair; 16 wrong usage; 2 without --yes where nobody can be asked, or the answer
was no.";

/// Mend a damaged volume in place
#[derive(Debug, Args)]
#[command(after_help = REPAIR_HELP)]
pub(crate) struct Repair {
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Show what would be done and why, and change nothing
    #[arg(short = 'n', long, conflicts_with_all = ["yes", "revert"])]
    pub(crate) dry_run: bool,
    /// Where the undo file goes [default: IMAGE.undo]
    #[arg(long, value_name = "FILE", conflicts_with = "no_undo")]
    pub(crate) undo: Option<PathBuf>,
    /// Write no undo file
    #[arg(long)]
    pub(crate) no_undo: bool,
    /// Take a repair back, bit for bit
    #[arg(long, value_name = "UNDOFILE", conflicts_with_all = ["undo", "no_undo"])]
    pub(crate) revert: Option<PathBuf>,
    /// Block size, where it cannot be found out
    #[arg(short, long, value_name = "BYTES", value_parser = values::block_size)]
    pub(crate) block_size: Option<BlockSize>,
    /// An image file or a block device
    #[arg(value_name = "IMAGE")]
    pub(crate) image: PathBuf,
}
