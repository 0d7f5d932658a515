//! Entity identifiers (ECMA-167 1/7.4, UDF 2.1.5): who wrote a structure, or to which specification.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::revision::Revision;

/// 32 bytes that name a specification or an implementation.
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct EntityIdentifier {
    /// 0.
    pub flags: u8,
    /// ASCII, zero padded; begins with `*` or `+`.
    pub identifier: [u8; 23],
    /// One of four layouts, depending on the field (UDF 2.1.5.3).
    pub suffix: [u8; 8],
}

const _: () = assert!(size_of::<EntityIdentifier>() == 32);

/// `text` in a field of zeros.
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated at compile time")]
pub(super) const fn padded<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut field = [0; N];
    let mut at = 0;
    while at < text.len() {
        field[at] = text[at];
        at += 1;
    }
    field
}

impl EntityIdentifier {
    /// The empty identifier.
    pub const EMPTY: Self = Self { flags: 0, identifier: [0; 23], suffix: [0; 8] };
    /// The domain of every UDF logical volume and file set.
    pub const DOMAIN: &'static str = "*OSTA UDF Compliant";
    /// The implementation use volume descriptor that UDF defines.
    pub const LOGICAL_VOLUME_INFORMATION: &'static str = "*UDF LV Info";
    /// A virtual partition map.
    pub const VIRTUAL_PARTITION: &'static str = "*UDF Virtual Partition";
    /// A sparable partition map.
    pub const SPARABLE_PARTITION: &'static str = "*UDF Sparable Partition";
    /// A metadata partition map.
    pub const METADATA_PARTITION: &'static str = "*UDF Metadata Partition";
    /// The trailer of a virtual allocation table up to 1.50.
    pub const VIRTUAL_TABLE: &'static str = "*UDF Virtual Alloc Tbl";
    /// The extended attribute that adds to it (UDF 1.50 errata).
    pub const VIRTUAL_TABLE_EXTENSION: &'static str = "*UDF VAT LVExtension";
    /// A sparing table.
    pub const SPARING_TABLE: &'static str = "*UDF Sparing Table";

    /// This text with this suffix; what is longer than 23 bytes is cut.
    #[must_use]
    pub fn new(text: &str, suffix: [u8; 8]) -> Self {
        let mut identifier = [0; 23];
        identifier.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        Self { flags: 0, identifier, suffix }
    }

    /// A domain identifier: revision and write-protect flags (UDF 2.1.5.3).
    #[must_use]
    pub fn domain(revision: Revision) -> Self {
        let [low, high] = revision.number().to_le_bytes();
        Self::new(Self::DOMAIN, [low, high, 0, 0, 0, 0, 0, 0])
    }

    /// An identifier that UDF defines, with the revision and the operating system (UDF 2.1.5.3).
    #[must_use]
    pub fn udf(text: &str, revision: Revision) -> Self {
        let [low, high] = revision.number().to_le_bytes();
        Self::new(text, [low, high, OS_CLASS_UNIX, OS_LINUX, 0, 0, 0, 0])
    }

    /// A developer's identifier, with the operating system (UDF 2.1.5.3).
    #[must_use]
    pub fn implementation(text: &str) -> Self {
        Self::new(text, [OS_CLASS_UNIX, OS_LINUX, 0, 0, 0, 0, 0, 0])
    }

    /// Whether this is the identifier `text`, whatever the suffix.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.text_bytes() == text.as_bytes()
    }

    /// The identifier without its padding.
    #[must_use]
    pub fn text_bytes(&self) -> &[u8] {
        let end =
            self.identifier.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
        self.identifier.split_at(end).0
    }

    /// The revision number in a domain or UDF suffix.
    #[must_use]
    pub fn revision_number(&self) -> u16 {
        let [low, high, ..] = self.suffix;
        u16::from_le_bytes([low, high])
    }
}

const OS_CLASS_UNIX: u8 = 4;
const OS_LINUX: u8 = 5;

impl core::fmt::Debug for EntityIdentifier {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "\"{}\" {:02x?}", self.text_bytes().escape_ascii(), self.suffix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_by_field() {
        assert_eq!(EntityIdentifier::domain(Revision::V2_01).suffix, [1, 2, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            EntityIdentifier::udf("*UDF LV Info", Revision::V2_50).suffix,
            [0x50, 2, 4, 5, 0, 0, 0, 0]
        );
        assert_eq!(EntityIdentifier::implementation("*me").suffix, [4, 5, 0, 0, 0, 0, 0, 0]);
        assert!(EntityIdentifier::implementation("*me").is("*me"));
    }
}
