//! Tags: whether a descriptor is the one that should be there, whole and in its place (R001 to R010).

use super::context::{At, Context};
use crate::general::{Tag, TagIdentifier, crc16};
use crate::read::ReadAt;

/// What the tag of a descriptor should say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) kind: TagIdentifier,
    pub(super) location: u32,
    /// Bytes of the descriptor, those of variable length included.
    pub(super) bytes: usize,
    /// How much of it the CRC may cover.
    pub(super) crc: CrcLength,
}

/// How much of a descriptor the CRC may cover (UDF 2.2.1.2, 2.3.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CrcLength {
    /// All behind the tag.
    Whole,
    /// The 8 bytes behind the tag.
    Head,
    /// Either.
    HeadOrWhole,
    /// The 8 bytes behind the tag, or nothing.
    HeadOrNone,
    /// Any of these.
    HeadOrWholeOrNone,
    /// Any number of bytes.
    Any,
}

const HEAD_BYTES: usize = 8;

impl CrcLength {
    fn allows(self, length: usize, descriptor_bytes: usize) -> bool {
        let whole = descriptor_bytes.saturating_sub(Tag::LEN).min(usize::from(u16::MAX));
        let (is_head, is_whole, is_none) = (length == HEAD_BYTES, length == whole, length == 0);
        match self {
            Self::Whole => is_whole,
            Self::Head => is_head,
            Self::HeadOrWhole => is_head || is_whole,
            Self::HeadOrNone => is_head || is_none,
            Self::HeadOrWholeOrNone => is_head || is_whole || is_none,
            Self::Any => true,
        }
    }
}

/// What came of looking at a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sealed {
    /// The descriptor is there and can be trusted.
    Sound,
    /// It is there, but damaged.
    Damaged,
    /// Something else is there, or nothing.
    Missing,
}

impl<R: ReadAt> Context<'_, R> {
    /// Looks at the tag of the descriptor that `bytes` begin with.
    ///
    /// A wrong checksum explains whatever else is wrong in the tag, so that nothing more is said of it then.
    pub(super) fn seal(&mut self, at: At, bytes: &[u8], expected: Expected) -> Sealed {
        let tag = Tag::read(bytes).unwrap_or_default();
        if tag.kind() != expected.kind {
            let found = tag.identifier;
            if is_zero(bytes) {
                self.error(10, at, format_args!("nothing but zeros where it must be"));
            } else {
                self.error(10, at, format_args!("tag identifier is {found}, must be {}", expected.kind.0));
            }
            return Sealed::Missing;
        }
        if tag.checksum != tag.expected_checksum() {
            let (found, right) = (tag.checksum, tag.expected_checksum());
            self.error(1, at, format_args!("tag checksum is {found:#04x}, must be {right:#04x}"));
            return Sealed::Damaged;
        }
        self.tag_fields(at, &tag, expected);
        if self.crc(at, &tag, bytes, expected) { Sealed::Sound } else { Sealed::Damaged }
    }

    fn tag_fields(&mut self, at: At, tag: &Tag, expected: Expected) {
        if tag.reserved != 0 {
            self.error(2, at, format_args!("reserved byte of the tag is {}", tag.reserved));
        }
        let version = tag.descriptor_version.get();
        let extended = tag.kind() == TagIdentifier::EXTENDED_FILE_ENTRY;
        if !(2..=3).contains(&version) || extended && version != 3 {
            self.error(3, at, format_args!("descriptor version is {version}"));
        } else if *self.descriptor_version.get_or_insert(version) != version && self.rules().streams {
            self.warning(3, at, format_args!("descriptor version is {version}, unlike others before"));
        }
        let location = tag.location.get();
        if location != expected.location {
            let right = expected.location;
            self.error(6, at, format_args!("tag location is {location}, must be {right}"));
        }
        let serial = tag.serial_number.get();
        match self.serial_number {
            None => {
                self.serial_number = Some(serial);
                if serial == 0 {
                    self.note(7, at, format_args!("tag serial number is 0"));
                }
            }
            Some(first) if first != serial => {
                self.error(7, at, format_args!("tag serial number is {serial}, elsewhere {first}"));
            }
            Some(_) => {}
        }
    }

    /// Whether the CRC fits, or there is none.
    fn crc(&mut self, at: At, tag: &Tag, bytes: &[u8], expected: Expected) -> bool {
        let length = usize::from(tag.descriptor_crc_length.get());
        let covered = bytes.get(Tag::LEN..Tag::LEN.saturating_add(length));
        let Some(covered) = covered else {
            // What begins inside a block, as file identifiers do, is no reason to read on.
            let message = format_args!("CRC length of {length} bytes goes beyond its end");
            if bytes.len() < self.block_size.len() {
                self.error(5, at, message);
            } else {
                self.warning(5, at, message);
            }
            return false;
        };
        if !expected.crc.allows(length, expected.bytes) {
            let bytes = expected.bytes;
            self.error(5, at, format_args!("CRC length is {length} in a descriptor of {bytes} bytes"));
        }
        let (found, right) = (tag.descriptor_crc.get(), crc16(covered));
        if found != right {
            self.error(4, at, format_args!("CRC is {found:#06x}, must be {right:#06x}"));
        }
        found == right
    }

    /// Looks whether the bytes behind a descriptor are zeros.
    pub(super) fn zeros_behind(&mut self, at: At, block: &[u8], descriptor_bytes: usize) {
        let rest = block.get(descriptor_bytes..).unwrap_or_default();
        if is_zero(rest) {
            return;
        }
        if let Some(offset) = rest.iter().position(|byte| *byte != 0) {
            let offset = offset.saturating_add(descriptor_bytes);
            self.error(9, at, format_args!("byte {offset} of the block, behind the descriptor, is not 0"));
        }
    }

    /// Looks whether bytes that are reserved are 0, or a rule is broken.
    pub(super) fn reserved(&mut self, rule: u8, at: At, field: &str, bytes: &[u8]) {
        if !is_zero(bytes) {
            self.error(rule, at, format_args!("{field} is not 0"));
        }
    }
}

/// Whether all bytes are 0. Looking at all of them is faster than stopping at the first that is not.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |all, byte| all | byte) == 0
}

#[cfg(test)]
mod tests {
    use super::super::finding::Report;
    use super::*;
    use crate::general::Seal;
    use crate::units::{BlockSize, Sector};
    use std::{string::ToString, vec, vec::Vec};

    /// Findings on a sealed terminating descriptor at sector 9 after a change.
    fn after(change: impl FnOnce(&mut Vec<u8>)) -> Vec<std::string::String> {
        let device = vec![0u8; 4096];
        let mut context = Context::new(&device, BlockSize::B512, Sector(0));
        context.serial_number = Some(1);
        let mut bytes = vec![0; 512];
        let seal = Seal { descriptor_version: 3, serial_number: 1 };
        Tag::seal(&mut bytes, TagIdentifier::TERMINATING, seal, 9);
        change(&mut bytes);
        let expected =
            Expected { kind: TagIdentifier::TERMINATING, location: 9, bytes: 512, crc: CrcLength::Whole };
        context.seal(At::new("test", Sector(9)), &bytes, expected);
        let report: Report = context.findings.into_report();
        report.findings.iter().map(|finding| finding.rule.to_string()).collect()
    }

    fn fix(bytes: &mut [u8]) {
        let tag = Tag::read(bytes).unwrap();
        bytes[4] = tag.expected_checksum();
    }

    #[test]
    fn each_byte_of_a_tag_has_its_rule() {
        assert_eq!(after(|_| ()), [""; 0]);
        let changes: [(&str, usize, u8); 7] = [
            ("R002", 5, 1),
            ("R003", 2, 4),
            ("R004", 8, 1),
            ("R005", 10, 1),
            ("R006", 12, 1),
            ("R007", 6, 3),
            ("R010", 0, 1),
        ];
        for (rule, at, flip) in changes {
            let found = after(|bytes| {
                bytes[at] ^= flip;
                fix(bytes);
            });
            assert_eq!(found, [rule]);
            // Unless the identifier itself is changed, a checksum that does not fit is all that is said.
            if at != 0 {
                assert_eq!(after(|bytes| bytes[at] ^= flip), ["R001"]);
            }
        }
        assert_eq!(after(|bytes| bytes[100] = 1), ["R004"]);
        assert_eq!(after(|bytes| bytes.fill(0)), ["R010"]);
    }
}
