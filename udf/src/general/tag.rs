//! The descriptor tag (ECMA-167 3/7.2, 4/7.2): how a descriptor is recognised, trusted and sealed.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::crc16;
use crate::error::{Corrupt, Fault, Place};

/// What kind of descriptor follows the tag (ECMA-167 3/7.2.1, 4/7.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct TagIdentifier(pub u16);

#[allow(missing_docs, reason = "the names are the descriptors'")]
impl TagIdentifier {
    pub const SPARING_TABLE: Self = Self(0);
    pub const PRIMARY_VOLUME: Self = Self(1);
    pub const ANCHOR_VOLUME_POINTER: Self = Self(2);
    pub const VOLUME_POINTER: Self = Self(3);
    pub const IMPLEMENTATION_USE_VOLUME: Self = Self(4);
    pub const PARTITION: Self = Self(5);
    pub const LOGICAL_VOLUME: Self = Self(6);
    pub const UNALLOCATED_SPACE: Self = Self(7);
    pub const TERMINATING: Self = Self(8);
    pub const LOGICAL_VOLUME_INTEGRITY: Self = Self(9);
    pub const FILE_SET: Self = Self(256);
    pub const FILE_IDENTIFIER: Self = Self(257);
    pub const ALLOCATION_EXTENT: Self = Self(258);
    pub const INDIRECT_ENTRY: Self = Self(259);
    pub const TERMINAL_ENTRY: Self = Self(260);
    pub const FILE_ENTRY: Self = Self(261);
    pub const EXTENDED_ATTRIBUTE_HEADER: Self = Self(262);
    pub const UNALLOCATED_SPACE_ENTRY: Self = Self(263);
    pub const SPACE_BITMAP: Self = Self(264);
    pub const PARTITION_INTEGRITY: Self = Self(265);
    pub const EXTENDED_FILE_ENTRY: Self = Self(266);
}

/// The 16 bytes that every descriptor begins with (ECMA-167 3/7.2).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Tag {
    /// Kind of descriptor, a [`TagIdentifier`].
    pub identifier: U16,
    /// 2 or 3, the edition of ECMA-167.
    pub descriptor_version: U16,
    /// Sum modulo 256 of the other 15 bytes of the tag.
    pub checksum: u8,
    /// 0.
    pub reserved: u8,
    /// The same in all descriptors of a volume; 0 for "no disaster recovery" (UDF 2.2.1.1).
    pub serial_number: U16,
    /// [`crc16`] of the `descriptor_crc_length` bytes that follow the tag.
    pub descriptor_crc: U16,
    /// How many bytes the CRC covers.
    pub descriptor_crc_length: U16,
    /// Where the descriptor lies: a sector, or a block of its partition (UDF 2.2.1.3).
    pub location: U32,
}

const _: () = assert!(size_of::<Tag>() == Tag::LEN);

/// What does not depend on the descriptor when one is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// 2 or 3: [`crate::revision::Rules::descriptor_version`].
    pub descriptor_version: u16,
    /// The volume's tag serial number.
    pub serial_number: u16,
}

impl Tag {
    /// Bytes of a tag.
    pub const LEN: usize = 16;

    /// The tag at the beginning of these bytes.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        Self::read_from_prefix(bytes).ok().map(|(tag, _)| tag)
    }

    /// The kind of descriptor.
    #[must_use]
    pub fn kind(&self) -> TagIdentifier {
        TagIdentifier(self.identifier.get())
    }

    /// The checksum that this tag should have (ECMA-167 3/7.2.3).
    #[must_use]
    pub fn expected_checksum(&self) -> u8 {
        self.as_bytes().iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_sub(self.checksum)
    }

    /// Checks the seal of the descriptor in `bytes` and returns its tag.
    ///
    /// Looked at are the tag's checksum, version, identifier and location and the descriptor's CRC, in the order in which
    /// a wrong one explains the others. `bytes` may be longer than the descriptor.
    pub fn check(
        bytes: &[u8],
        identifier: TagIdentifier,
        location: u32,
        structure: &'static str,
        place: impl Into<Place>,
    ) -> Result<Self, Corrupt> {
        let place = place.into();
        let tag = Self::check_any_location(bytes, identifier, structure, place)?;
        if tag.location.get() != location {
            let fault = Fault::Location { expected: location, found: tag.location.get() };
            return Err(Corrupt::new(structure, place, fault));
        }
        Ok(tag)
    }

    /// [`check`](Self::check) for a reader that does not know, or does not mind, where the descriptor says it lies.
    pub fn check_any_location(
        bytes: &[u8],
        identifier: TagIdentifier,
        structure: &'static str,
        place: impl Into<Place>,
    ) -> Result<Self, Corrupt> {
        let place = place.into();
        let fault = |fault| Corrupt::new(structure, place, fault);
        let too_short =
            |needed: usize| fault(Fault::TooShort { needed: needed as u64, found: bytes.len() as u64 });
        let (tag, rest) = Self::read_from_prefix(bytes).map_err(|_| too_short(Self::LEN))?;
        if tag.identifier.get() != identifier.0 {
            return Err(fault(Fault::Identifier { expected: identifier.0, found: tag.identifier.get() }));
        }
        if tag.checksum != tag.expected_checksum() {
            return Err(fault(Fault::Checksum { expected: tag.expected_checksum(), found: tag.checksum }));
        }
        if !matches!(tag.descriptor_version.get(), 2 | 3) {
            let value = u64::from(tag.descriptor_version.get());
            return Err(fault(Fault::Field { field: "descriptor version", value }));
        }
        let crc_length = usize::from(tag.descriptor_crc_length.get());
        let covered =
            rest.get(..crc_length).ok_or_else(|| too_short(Self::LEN.saturating_add(crc_length)))?;
        let crc = crc16(covered);
        // A length of 0 says that no CRC was made; the field is then 0, and some writers leave rubbish in it.
        if crc_length != 0 && crc != tag.descriptor_crc.get() {
            return Err(fault(Fault::Crc { expected: crc, found: tag.descriptor_crc.get() }));
        }
        Ok(tag)
    }

    /// Writes the tag of the descriptor that fills `descriptor`, with a CRC over `crc_bytes` of what follows the tag.
    ///
    /// # Panics
    /// If `descriptor` is shorter than a tag and `crc_bytes`: the caller made it, so that is a mistake in the program.
    pub fn seal_partly(
        descriptor: &mut [u8],
        identifier: TagIdentifier,
        seal: Seal,
        location: u32,
        crc_bytes: usize,
    ) {
        let (head, body) = descriptor.split_at_mut(Self::LEN);
        // Descriptors beyond 64 KiB (bitmaps, tables) carry a CRC of their first 65535 bytes (UDF 2.2.1.2).
        let crc_length = u16::try_from(crc_bytes).unwrap_or(u16::MAX);
        let covered = body.split_at(usize::from(crc_length)).0;
        let mut tag = Self {
            identifier: identifier.0.into(),
            descriptor_version: seal.descriptor_version.into(),
            checksum: 0,
            reserved: 0,
            serial_number: seal.serial_number.into(),
            descriptor_crc: crc16(covered).into(),
            descriptor_crc_length: crc_length.into(),
            location: location.into(),
        };
        tag.checksum = tag.expected_checksum();
        head.copy_from_slice(tag.as_bytes());
    }

    /// Makes CRC and checksum fit a descriptor that has been changed; all else in the tag stays, also how much the CRC covers, unless
    /// that is more than there is.
    pub fn reseal(descriptor: &mut [u8]) {
        let Some(mut tag) = Self::read(descriptor) else { return };
        let (head, body) = descriptor.split_at_mut(Self::LEN);
        let length = usize::from(tag.descriptor_crc_length.get()).min(body.len());
        tag.descriptor_crc = crc16(body.split_at(length).0).into();
        tag.descriptor_crc_length = u16::try_from(length).unwrap_or(u16::MAX).into();
        tag.checksum = tag.expected_checksum();
        head.copy_from_slice(tag.as_bytes());
    }

    /// Writes the tag of the descriptor that fills `descriptor` exactly; the CRC covers all of it (UDF 2.2.1.2, 2.3.1.2).
    ///
    /// # Panics
    /// If `descriptor` is shorter than a tag.
    pub fn seal(descriptor: &mut [u8], identifier: TagIdentifier, seal: Seal, location: u32) {
        let crc_bytes = descriptor.len().saturating_sub(Self::LEN);
        Self::seal_partly(descriptor, identifier, seal, location, crc_bytes);
    }
}

/// A structure that begins with a tag; fixed part only, what varies in length follows it.
pub trait Descriptor: FromBytes + IntoBytes + KnownLayout + Immutable + Unaligned + Sized {
    /// The tag identifier.
    const IDENTIFIER: TagIdentifier;
    /// The name in the standard, for messages.
    const NAME: &'static str;

    /// The descriptor at the beginning of `bytes`, if its seal is good and it lies where it says.
    ///
    /// `location` is what the tag must say, `place` what a message says; the two differ in virtual partitions.
    fn view(bytes: &[u8], location: u32, place: impl Into<Place>) -> Result<&Self, Corrupt> {
        let place = place.into();
        Tag::check(bytes, Self::IDENTIFIER, location, Self::NAME, place)?;
        Self::peek(bytes, place)
    }

    /// The bytes as such a descriptor, its seal not looked at.
    fn peek(bytes: &[u8], place: impl Into<Place>) -> Result<&Self, Corrupt> {
        Self::ref_from_prefix(bytes).map(|(descriptor, _)| descriptor).map_err(|_| {
            let fault = Fault::TooShort { needed: size_of::<Self>() as u64, found: bytes.len() as u64 };
            Corrupt::new(Self::NAME, place, fault)
        })
    }

    /// Copies this fixed part and `tail` to the beginning of `out`, seals both, and returns their length in bytes.
    ///
    /// # Panics
    /// If `out` is too short: the caller planned its size, so that is a mistake in the program.
    fn write(&self, tail: &[u8], out: &mut [u8], seal: Seal, location: u32) -> usize {
        let fixed = self.as_bytes();
        let length = fixed.len().saturating_add(tail.len());
        let (out, _) = out.split_at_mut(length);
        let (head, rest) = out.split_at_mut(fixed.len());
        head.copy_from_slice(fixed);
        rest.copy_from_slice(tail);
        Tag::seal(out, Self::IDENTIFIER, seal, location);
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Sector;

    const SEAL: Seal = Seal { descriptor_version: 3, serial_number: 1 };

    fn sealed() -> [u8; 64] {
        let mut bytes = [7; 64];
        Tag::seal(&mut bytes, TagIdentifier::FILE_SET, SEAL, 9);
        bytes
    }

    #[test]
    fn a_seal_holds_until_a_byte_changes() {
        let bytes = sealed();
        let check = |bytes: &[u8]| Tag::check(bytes, TagIdentifier::FILE_SET, 9, "test", Sector(9));
        check(&bytes).unwrap();
        for at in 0..bytes.len() {
            let mut broken = bytes;
            broken[at] ^= 0x10;
            assert!(check(&broken).is_err(), "byte {at} changed and nobody noticed");
        }
    }

    #[test]
    fn a_crc_length_of_0_is_no_crc() {
        let mut bytes = [7; 64];
        let seal = Seal { descriptor_version: 2, serial_number: 1 };
        Tag::seal_partly(&mut bytes, TagIdentifier::PRIMARY_VOLUME, seal, 5, 0);
        bytes[8] = 9;
        bytes[4] = Tag::read(&bytes).unwrap().expected_checksum();
        Tag::check(&bytes, TagIdentifier::PRIMARY_VOLUME, 5, "test", Place::Within).unwrap();
    }

    #[test]
    fn a_crc_longer_than_the_bytes_is_an_error() {
        let bytes = sealed();
        let fault = Tag::check(&bytes[..40], TagIdentifier::FILE_SET, 9, "test", Place::Within);
        assert_eq!(fault.unwrap_err().fault, Fault::TooShort { needed: 64, found: 40 });
    }

    #[test]
    fn the_anchor_of_a_real_volume() {
        // The reference vector: anchor of a 2.01 hard disk volume at sector 256.
        let mut bytes = [0; 512];
        bytes[..32].copy_from_slice(&[
            0x02, 0x00, 0x03, 0x00, 0xa2, 0x00, 0x01, 0x00, 0x17, 0x93, 0xf0, 0x01, 0x00, 0x01, 0x00, 0x00,
            0x00, 0x80, 0x00, 0x00, 0x60, 0x00, 0x00, 0x00, 0x00, 0x80, 0x00, 0x00, 0x60, 0x0f, 0x00, 0x00,
        ]);
        Tag::check(&bytes, TagIdentifier::ANCHOR_VOLUME_POINTER, 256, "anchor", Place::Within).unwrap();
        let mut again = bytes;
        Tag::seal(&mut again, TagIdentifier::ANCHOR_VOLUME_POINTER, SEAL, 256);
        assert_eq!(bytes, again);
    }
}
