//! How reading a volume can fail: the device, the volume, or a feature that is not supported.

use alloc::{boxed::Box, string::String};
use core::fmt;

use crate::units::{BlockAddress, Sector};

/// An error of somebody else's type: what a device reports.
pub type BoxedError = Box<dyn core::error::Error + Send + Sync + 'static>;

/// The result of reading a volume.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why a volume, or a part of it, could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The device failed.
    #[error("cannot read {bytes} bytes at byte {offset_bytes}: {source}")]
    Read {
        /// First byte wanted.
        offset_bytes: u64,
        /// How many.
        bytes: u64,
        /// What the device says.
        source: BoxedError,
    },
    /// The volume is damaged.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// The volume may be sound, but uses something that is not supported.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// There is no UDF volume, or no session at the place asked for.
    #[error("no UDF volume found: {0}")]
    NotUdf(String),
    /// There is no such file or directory on the volume.
    #[error("no such file or directory on the volume: {0}")]
    NotFound(String),
    /// The path leads through, or asks to list, something that is not a directory.
    #[error("not a directory: {0}")]
    NotADirectory(String),
}

/// A structure that is not as the standard demands, where it lies, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("damaged {structure} at {place}: {fault}")]
pub struct Corrupt {
    /// Which structure, in the standard's words.
    pub structure: &'static str,
    /// Where it was looked for.
    pub place: Place,
    /// What is wrong.
    pub fault: Fault,
}

impl Corrupt {
    /// A fault of a structure at a place.
    #[must_use]
    pub fn new(structure: &'static str, place: impl Into<Place>, fault: Fault) -> Self {
        Self { structure, place: place.into(), fault }
    }
}

/// Where a structure lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A sector of the volume space.
    Sector(Sector),
    /// A block of a partition.
    Block(BlockAddress),
    /// No place of its own: part of a structure that the message names.
    Within,
}

impl From<Sector> for Place {
    fn from(sector: Sector) -> Self {
        Self::Sector(sector)
    }
}

impl From<BlockAddress> for Place {
    fn from(address: BlockAddress) -> Self {
        Self::Block(address)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sector(sector) => sector.fmt(f),
            Self::Block(address) => address.fmt(f),
            Self::Within => f.write_str("an unknown place"),
        }
    }
}

/// What is wrong with a structure, with the numbers needed to redo the sum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It needs more bytes than there are.
    #[error("{needed} bytes needed, {found} there")]
    TooShort {
        /// Bytes needed.
        needed: u64,
        /// Bytes there.
        found: u64,
    },
    /// The tag's checksum does not fit the tag (ECMA-167 3/7.2.3).
    #[error("tag checksum is {found:#04x}, should be {expected:#04x}")]
    Checksum {
        /// Computed.
        expected: u8,
        /// Recorded.
        found: u8,
    },
    /// The CRC does not fit the descriptor (ECMA-167 3/7.2.6).
    #[error("CRC is {found:#06x}, should be {expected:#06x}")]
    Crc {
        /// Computed.
        expected: u16,
        /// Recorded.
        found: u16,
    },
    /// Another descriptor is there (ECMA-167 3/7.2.1).
    #[error("tag identifier is {found}, should be {expected}")]
    Identifier {
        /// What was looked for.
        expected: u16,
        /// What is there.
        found: u16,
    },
    /// The descriptor says that it lies elsewhere (ECMA-167 3/7.2.8).
    #[error("tag location is {found}, should be {expected}")]
    Location {
        /// Where it lies.
        expected: u32,
        /// Where it says that it lies.
        found: u32,
    },
    /// A number outside its range.
    #[error("{field} is {value}, which cannot be")]
    Field {
        /// The field, in the standard's words.
        field: &'static str,
        /// The number found.
        value: u64,
    },
    /// A chain of structures leads back into itself or does not end.
    #[error("{0} form a loop or an endless chain")]
    Loop(&'static str),
    /// Text that is none.
    #[error("{0}")]
    Text(crate::general::text::TextFault),
    /// A name of a directory that another one has, too.
    #[error("it is the name of another file, too")]
    SameName,
    /// More than can be sound, or more than a reader will hold in memory.
    #[error("{what}: {value}, more than {limit}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        value: u64,
        /// The most that is accepted.
        limit: u64,
    },
    /// Something that must be there is not.
    #[error("no {0}")]
    Missing(&'static str),
    /// An address that leads nowhere.
    #[error("{address} does not exist: the partition has {blocks} blocks")]
    OutsidePartition {
        /// The address.
        address: BlockAddress,
        /// Blocks of that partition, 0 if there is no such partition.
        blocks: u32,
    },
}
