//! What became of each file: certain, doubtful or lost, and why.

use std::fmt;
use std::path::PathBuf;

use udf::BlockAddress;

/// How far what was recovered can be relied upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Name, place and every byte: all descriptors on the way to it are sound, all of it was read, nothing else claims it.
    Certain,
    /// Something was recovered, but it may not be whole, not be in its place, or not be what the name says.
    Doubtful,
    /// Nothing of it was recovered.
    Lost,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certain => "certain",
            Self::Doubtful => "doubtful",
            Self::Lost => "lost",
        })
    }
}

/// Why a file is doubtful or lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Its entry cannot be read.
    #[error("its entry cannot be read: {0}")]
    NoEntry(String),
    /// Some of its content is missing; zeros stand in for it.
    #[error("{bytes} of its bytes are missing: {why}")]
    Missing {
        /// How many.
        bytes: u64,
        /// Why the first of them are.
        why: String,
    },
    /// Some names in a directory are missing.
    #[error("the directory is damaged: some of its names may be missing")]
    MissingNames,
    /// Its extents overlap those of another file: one of the two has been written over.
    #[error("its blocks belong to another file too")]
    Overlap,
    /// Something else has been written where its content is.
    #[error("part of what it was may have been written over")]
    WrittenOver,
    /// The entry is not the one that the name was given to.
    #[error("the entry there has the unique id {found}, the name was given to {expected}")]
    OtherFile {
        /// What the name says, its low 32 bits.
        expected: u32,
        /// What the entry says, its low 32 bits.
        found: u32,
    },
    /// No directory names it.
    #[error("no directory names it")]
    NoName,
    /// It is a named stream, and which file's is not known.
    #[error("it is a named stream, and which file's is not known")]
    Stream,
    /// Its directory is not reached from the root.
    #[error("the directories above it are lost")]
    NoWay,
    /// The entry of its directory is lost, its names were found.
    #[error("the entry of its directory is lost; its names were found by themselves")]
    FoundNames,
    /// The volume's descriptors are lost, and that what was found is the newest cannot be proven.
    #[error("{0}, and that this is all and the newest cannot be proven")]
    Inferred(&'static str),
    /// There was a newer state of the volume than the one that can be read.
    #[error("a newer state of the volume is lost: {0}")]
    NewerLost(String),
    /// Another volume on the device may be the newer one.
    #[error("another volume on the device may have been written over this one")]
    Rival,
    /// It is of an earlier state of the volume.
    #[error("it is of an earlier state of the volume")]
    Older,
    /// It is of another volume than the newest one on the device.
    #[error("it is of another volume, which this one may have been written over")]
    OtherVolume,
    /// It was deleted; its blocks may have been used for something else.
    #[error("it was deleted")]
    Deleted,
    /// The host does not take it.
    #[error("{0}")]
    Host(String),
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemKind {
    /// With content.
    File,
    /// Of names.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, a FIFO, a socket.
    Special,
    /// Its entry is lost.
    Unknown,
}

impl fmt::Display for ItemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Special => "special",
            Self::Unknown => "unknown",
        })
    }
}

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Item {
    /// Where it is in the folder that is rescued into, or would be: from `/` on.
    pub path: PathBuf,
    /// What it is.
    pub kind: ItemKind,
    /// How far it can be relied upon.
    pub verdict: Verdict,
    /// Why it is not certain; none if it is.
    pub reasons: Vec<Reason>,
    /// Its name on the volume, if the host's is another.
    pub recorded_name: Option<String>,
    /// The length of its content, if that is known.
    pub size_bytes: Option<u64>,
    /// How much of that is missing.
    pub missing_bytes: u64,
    /// Its unique id, if its entry was read.
    pub unique_id: Option<u64>,
    /// Its ICB.
    pub icb: BlockAddress,
    /// What of it could not be restored beside its content: owner, mode or times.
    pub not_restored: Option<String>,
}

/// How many files became what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Files and directories that are certain.
    pub certain: u64,
    /// Those that are doubtful.
    pub doubtful: u64,
    /// Those that are lost.
    pub lost: u64,
}

impl Counts {
    pub(super) fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Certain => self.certain += 1,
            Verdict::Doubtful => self.doubtful += 1,
            Verdict::Lost => self.lost += 1,
        }
    }
}

/// What a rescue came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Files, directories among them, by what became of them.
    pub counts: Counts,
    /// States of volumes that were found: sessions, or volumes written over one another.
    pub states: u32,
    /// The label of the volume.
    pub label: String,
    /// What is true of the whole volume: why nothing, or little, of it is certain.
    pub doubts: Vec<Reason>,
    /// Descriptors with a good seal that were found of files and directories.
    pub entries: u64,
    /// Entries that lie in no partition that is known, and were left.
    pub unplaced: u64,
    /// Files and directories whose named streams were left behind: those of files, where they were not asked for.
    pub with_streams: u64,
    /// Bytes of the device that could not be read, or were not to be.
    pub unreadable_bytes: u64,
}

impl Summary {
    /// Whether there was nothing to rescue.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts == Counts::default()
    }
}
