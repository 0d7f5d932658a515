//! Information control blocks (ECMA-167 4/14.6-14.8, UDF 2.3.5): what kind of entry, reached by which strategy.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::general::{Descriptor, LbAddr, LongAd, Tag, TagIdentifier};

/// What an ICB describes (ECMA-167 4/14.6.6, UDF 2.3.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct FileType(pub u8);

#[allow(missing_docs, reason = "the names are the standard's")]
impl FileType {
    pub const UNSPECIFIED: Self = Self(0);
    pub const UNALLOCATED_SPACE_ENTRY: Self = Self(1);
    pub const INDIRECT_ENTRY: Self = Self(3);
    pub const DIRECTORY: Self = Self(4);
    pub const REGULAR: Self = Self(5);
    pub const BLOCK_DEVICE: Self = Self(6);
    pub const CHARACTER_DEVICE: Self = Self(7);
    pub const EXTENDED_ATTRIBUTES: Self = Self(8);
    pub const FIFO: Self = Self(9);
    pub const SOCKET: Self = Self(10);
    pub const TERMINAL_ENTRY: Self = Self(11);
    pub const SYMBOLIC_LINK: Self = Self(12);
    pub const STREAM_DIRECTORY: Self = Self(13);
    pub const VIRTUAL_ALLOCATION_TABLE: Self = Self(248);
    pub const REAL_TIME: Self = Self(249);
    pub const METADATA: Self = Self(250);
    pub const METADATA_MIRROR: Self = Self(251);
    pub const METADATA_BITMAP: Self = Self(252);
}

/// How the entries of an ICB hang together (ECMA-167 4/14.6.2, UDF 2.3.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// 4: one entry, in one block.
    Single,
    /// 4096: an entry, then a terminal entry or an indirect entry to the next such pair; the last entry counts.
    Chain,
}

/// How the body of a file is found: bits 0-2 of the ICB flags (ECMA-167 4/14.6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AllocationForm {
    /// By [`ShortAd`](crate::general::ShortAd)s.
    Short,
    /// By [`LongAd`]s.
    Long,
    /// By extended allocation descriptors, which UDF forbids.
    Extended,
    /// It is embedded where the allocation descriptors would be.
    Embedded,
}

/// Bits of the ICB flags (ECMA-167 4/14.6.8, UDF 2.3.5.4).
#[allow(missing_docs, reason = "the names are the standard's")]
pub mod flags {
    pub const ALLOCATION_FORM: u16 = 7;
    pub const SORTED: u16 = 1 << 3;
    pub const NON_RELOCATABLE: u16 = 1 << 4;
    pub const ARCHIVE: u16 = 1 << 5;
    pub const SET_UID: u16 = 1 << 6;
    pub const SET_GID: u16 = 1 << 7;
    pub const STICKY: u16 = 1 << 8;
    pub const CONTIGUOUS: u16 = 1 << 9;
    pub const SYSTEM: u16 = 1 << 10;
    pub const TRANSFORMED: u16 = 1 << 11;
    pub const MULTI_VERSIONS: u16 = 1 << 12;
    pub const STREAM: u16 = 1 << 13;
}

/// The 20 bytes after the tag of every entry (ECMA-167 4/14.6).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct IcbTag {
    /// 0 for strategy 4.
    pub prior_recorded_number_of_direct_entries: U32,
    /// 4 or 4096.
    pub strategy_type: U16,
    /// 0 for strategy 4, 1 for 4096.
    pub strategy_parameter: U16,
    /// 1 for strategy 4, 2 for 4096.
    pub maximum_number_of_entries: U16,
    /// 0.
    pub reserved: u8,
    /// A [`FileType`].
    pub file_type: u8,
    /// 0 for strategy 4.
    pub parent_icb_location: LbAddr,
    /// See [`flags`].
    pub flags: U16,
}

const _: () = assert!(size_of::<IcbTag>() == 20);

impl IcbTag {
    /// The tag of a strategy 4 entry.
    #[must_use]
    pub fn new(file_type: FileType, form: AllocationForm, flags: u16) -> Self {
        Self {
            strategy_type: 4.into(),
            maximum_number_of_entries: 1.into(),
            file_type: file_type.0,
            flags: (flags & !self::flags::ALLOCATION_FORM | form.bits()).into(),
            ..Self::default()
        }
    }

    /// What the entry describes.
    #[must_use]
    pub fn kind(&self) -> FileType {
        FileType(self.file_type)
    }

    /// Strategy 4 or 4096; `None` for any other.
    #[must_use]
    pub fn strategy(&self) -> Option<Strategy> {
        match self.strategy_type.get() {
            4 => Some(Strategy::Single),
            4096 => Some(Strategy::Chain),
            _ => None,
        }
    }

    /// How the body is found; `None` for a value that ECMA-167 reserves.
    #[must_use]
    pub fn allocation_form(&self) -> Option<AllocationForm> {
        match self.flags.get() & flags::ALLOCATION_FORM {
            0 => Some(AllocationForm::Short),
            1 => Some(AllocationForm::Long),
            2 => Some(AllocationForm::Extended),
            3 => Some(AllocationForm::Embedded),
            _ => None,
        }
    }
}

impl AllocationForm {
    /// The value of bits 0-2.
    #[must_use]
    pub const fn bits(self) -> u16 {
        match self {
            Self::Short => 0,
            Self::Long => 1,
            Self::Extended => 2,
            Self::Embedded => 3,
        }
    }
}

/// Points to the next ICB of a strategy 4096 chain (ECMA-167 4/14.7).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct IndirectEntry {
    /// Identifier 259.
    pub tag: Tag,
    /// File type 3.
    pub icb_tag: IcbTag,
    /// The next ICB, or 0.
    pub indirect_icb: LongAd,
}

const _: () = assert!(size_of::<IndirectEntry>() == 52);

impl Descriptor for IndirectEntry {
    const IDENTIFIER: TagIdentifier = TagIdentifier::INDIRECT_ENTRY;
    const NAME: &'static str = "indirect entry";
}

/// Ends a strategy 4096 chain (ECMA-167 4/14.8).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct TerminalEntry {
    /// Identifier 260.
    pub tag: Tag,
    /// File type 11.
    pub icb_tag: IcbTag,
}

const _: () = assert!(size_of::<TerminalEntry>() == 36);

impl Descriptor for TerminalEntry {
    const IDENTIFIER: TagIdentifier = TagIdentifier::TERMINAL_ENTRY;
    const NAME: &'static str = "terminal entry";
}
