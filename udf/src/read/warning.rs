//! What was bent or broken while a volume was opened, and how opening got around it.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use super::tolerance::Met;
use crate::error::{Error, Result};
use crate::units::{BlockSize, Sector};

/// Something that is not as the standard demands, and what was done about it.
#[derive(Debug)]
pub struct Warning {
    /// What is wrong, and where.
    pub cause: Error,
    /// What is done instead.
    pub remedy: Remedy,
}

/// How opening gets around what is bent or broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Descriptors of the recognition sequence 2048 bytes apart in larger blocks, as Windows records them.
    NarrowRecognition,
    /// Another anchor than the first that should be there.
    OtherAnchor(Sector),
    /// A volume with blocks of the likeliest size that cannot be opened: one with blocks of this size.
    OtherBlockSize(BlockSize),
    /// Fewer anchors than should be there.
    FewAnchors,
    /// A damaged descriptor of a sequence: the others.
    PassedOver,
    /// A volume descriptor without a CRC: believed.
    NoCrc,
    /// What the main volume descriptor sequence lacks: from the reserve sequence.
    ReserveSequence,
    /// A map of a partition that does not exist: the only one that does.
    OnlyPartition,
    /// An unreadable metadata file: its mirror.
    MirrorFile,
    /// An unreadable metadata mirror file: the metadata has no second copy.
    NoMirrorFile,
    /// An unreadable metadata bitmap file: free metadata blocks are unknown.
    NoBitmapFile,
    /// A sparing table that cannot be read: another copy of it.
    OtherSparingTable,
    /// No readable sparing table: packets that lie elsewhere are read from where they were.
    NoSparingTable,
    /// No virtual allocation table as the last block: the last one before it, at this sector.
    EarlierTable(Sector),
    /// A virtual allocation table of one form with the file type of the other: read by what is in it.
    OtherTableForm,
    /// An implementation use that the header of a virtual allocation table does not tell of: passed over.
    UntoldUse,
    /// No integrity descriptor: free space, counts and the next unique id are unknown.
    NoIntegrity,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NarrowRecognition => "read at a distance of 2048 bytes",
            Self::OtherAnchor(sector) => return write!(f, "the anchor at {sector} is used"),
            Self::OtherBlockSize(size) => return write!(f, "a volume of {size}-byte blocks is there too"),
            Self::FewAnchors => "what there is is used",
            Self::PassedOver => "it is passed over",
            Self::NoCrc => "it is believed",
            Self::ReserveSequence => "taken from the reserve volume descriptor sequence",
            Self::OnlyPartition => "the only partition there is is used",
            Self::MirrorFile => "the metadata mirror file is used",
            Self::NoMirrorFile => "the metadata has no second copy",
            Self::NoBitmapFile => "free metadata blocks are unknown",
            Self::OtherSparingTable => "another copy of the sparing table is used",
            Self::NoSparingTable => "no packet is taken to lie elsewhere",
            Self::EarlierTable(sector) => {
                return write!(f, "the virtual allocation table at {sector} is used");
            }
            Self::OtherTableForm => "read by what is in it",
            Self::UntoldUse => "the 32 bytes behind the header are passed over",
            Self::NoIntegrity => "free space, counts and the next unique id are unknown",
        })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.cause, self.remedy)
    }
}

/// The warnings so far; a strict reader takes the first for an error.
#[derive(Debug)]
pub(super) struct Warnings {
    list: Vec<Warning>,
    strict: bool,
    /// What is bent in the files that are read on the way, and later.
    pub(super) met: Arc<Met>,
}

impl Warnings {
    pub(super) fn new(strict: bool) -> Self {
        Self { list: Vec::new(), strict, met: Arc::new(Met::new(strict)) }
    }

    /// Notes that `cause` is got around by `remedy`, or fails with it.
    pub(super) fn bend(&mut self, cause: impl Into<Error>, remedy: Remedy) -> Result<()> {
        let cause = cause.into();
        if self.strict {
            return Err(cause);
        }
        self.list.push(Warning { cause, remedy });
        Ok(())
    }

    pub(super) fn into_list(self) -> Vec<Warning> {
        self.list
    }
}
