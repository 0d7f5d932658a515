//! What a session remembers of the one before it: our part of the logical volume descriptor's implementation use.
//!
//! Other implementations need none of it. It lets any older session be opened without searching the volume for it.

use udf::general::{EntityIdentifier, ExtentAd};
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The developer identifier of this implementation (UDF 2.1.5.2).
pub const DEVELOPER: &str = "*mkudf-ms";

/// Marks a record; the last two bytes are its version.
const MAGIC: [u8; 8] = *b"SESSION\x01";

/// The first bytes of the implementation use of a logical volume descriptor whose implementation identifier is
/// [`DEVELOPER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct SessionRecord {
    /// Marks a record.
    pub magic: [u8; 8],
    /// Which session of the volume this is, from 1.
    pub number: U16,
    /// 0.
    pub reserved: U16,
    /// Where it begins for those who look for sessions.
    pub start: U32,
    /// Its last block.
    pub last: U32,
    /// Where the previous session begins; 0 for none.
    pub previous_start: U32,
    /// The main volume descriptor sequence of the previous session; of length 0 if there is none.
    pub previous_main: ExtentAd,
    /// Its reserve volume descriptor sequence.
    pub previous_reserve: ExtentAd,
}

const _: () = assert!(size_of::<SessionRecord>() == 40);

impl SessionRecord {
    /// The record of session `number`, without a previous one.
    #[must_use]
    pub fn new(number: u16, start: u32, last: u32) -> Self {
        Self {
            magic: MAGIC,
            number: number.into(),
            reserved: 0.into(),
            start: start.into(),
            last: last.into(),
            previous_start: 0.into(),
            previous_main: ExtentAd::default(),
            previous_reserve: ExtentAd::default(),
        }
    }

    /// The record in a logical volume descriptor, if it is one of ours.
    #[must_use]
    pub fn read(descriptor: &udf::volume::LogicalVolumeDescriptor) -> Option<Self> {
        let (record, _) = Self::read_from_prefix(&descriptor.implementation_use).ok()?;
        let ours = descriptor.implementation_identifier.is(DEVELOPER) && record.magic == MAGIC;
        ours.then_some(record)
    }

    /// The implementation use that holds this record.
    #[must_use]
    pub fn implementation_use(&self) -> [u8; 128] {
        let mut bytes = [0; 128];
        bytes[..size_of::<Self>()].copy_from_slice(self.as_bytes());
        bytes
    }
}

/// This implementation, with the operating system.
#[must_use]
pub fn developer() -> EntityIdentifier {
    EntityIdentifier::implementation(DEVELOPER)
}
