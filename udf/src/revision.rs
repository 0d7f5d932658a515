//! The revisions of UDF and what each asks for: the only place that compares revisions.

use core::{fmt, str::FromStr};

/// A published revision of the UDF specification that volumes are made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Revision {
    /// UDF 1.02 (1996).
    V1_02,
    /// UDF 1.50 (1997): virtual and sparable partitions.
    V1_50,
    /// UDF 2.00 (1998): ECMA-167 3rd edition, extended file entries, named streams.
    V2_00,
    /// UDF 2.01 (2000).
    V2_01,
    /// UDF 2.50 (2003): metadata partition.
    V2_50,
    /// UDF 2.60 (2005): pseudo-overwrite.
    V2_60,
}

/// What a revision asks of those who write volumes, and a reader may expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools, reason = "a row of a table: each column is a question of its own")]
pub struct Rules {
    /// The number as recorded in identifier suffixes (UDF 2.1.5.3), binary-coded decimal.
    pub number: u16,
    /// `2` for ECMA-167 2nd edition, `3` for the 3rd: the tags' descriptor version (UDF 2.2.1, 2.3.1).
    pub descriptor_version: u16,
    /// `NSR02` or `NSR03` (UDF 2.1.7).
    pub recognition_identifier: &'static [u8; 5],
    /// `+NSR02` or `+NSR03` (UDF 2.2.14).
    pub partition_contents: &'static str,
    /// Files are described by extended file entries, which have a creation time (UDF 2.3.6).
    pub extended_file_entries: bool,
    /// File identifiers and streams carry unique ids; named streams exist (UDF 3.3.5).
    pub streams: bool,
    /// Read-only and overwritable volumes keep metadata in a metadata partition (UDF 2.2.10).
    pub metadata_partition: bool,
    /// There are partitions that the drive makes overwritable: what is written again it puts elsewhere (UDF 2.60 2.2.14.2).
    pub pseudo_overwrite: bool,
    /// The form of virtual allocation tables, if there are any (UDF 2.2.11).
    pub virtual_table: Option<VirtualTableForm>,
    /// Partitions may be sparable (UDF 1.50 2.2.9).
    pub sparable_partition: bool,
    /// Packets of sparable partitions are ECC blocks; before, there were none but of 32 blocks (UDF 2.2.9).
    pub packet_is_ecc_block: bool,
    /// "No attribute of this kind" in an extended attribute header is 0xFFFFFFFF, else the space's length (UDF 3.3.4.1).
    pub absent_attribute_is_ones: bool,
    /// The CRC of an allocation extent descriptor covers its allocation descriptors (UDF 2.3.11).
    pub allocation_extent_crc_is_full: bool,
    /// The sector after the volume recognition sequence is blank (UDF 2.1.7).
    pub blank_sector_after_recognition: bool,
    /// A deleted name changes its compression id to 254 or 255 (UDF 2.3.4.2).
    pub deleted_names_change_id: bool,
    /// Only on write-once media may an ICB be a chain of entries, strategy 4096 (UDF 2.3.5.1).
    pub chains_on_write_once_only: bool,
    /// Paths are at most 1023 bytes long (UDF 2, until 2.00).
    pub path_limit_bytes: Option<u32>,
    /// The least revision that a reader of a plain volume must know (UDF 2.2.6.4).
    pub minimum_read: u16,
    /// The least revision that a writer of a plain volume must know (UDF 2.2.6.4).
    pub minimum_write: u16,
    /// The least revision that readers and writers of a volume without metadata partition must know.
    pub minimum_without_metadata: u16,
}

/// Which form a virtual allocation table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VirtualTableForm {
    /// The entries, then a trailer (UDF 1.50 2.2.10).
    Trailer,
    /// A header, then the entries (UDF 2.60 2.2.11).
    Header,
}

const V1_02: Rules = Rules {
    number: 0x0102,
    descriptor_version: 2,
    recognition_identifier: b"NSR02",
    partition_contents: "+NSR02",
    extended_file_entries: false,
    streams: false,
    metadata_partition: false,
    pseudo_overwrite: false,
    virtual_table: None,
    sparable_partition: false,
    packet_is_ecc_block: false,
    absent_attribute_is_ones: false,
    allocation_extent_crc_is_full: false,
    blank_sector_after_recognition: false,
    deleted_names_change_id: false,
    chains_on_write_once_only: false,
    path_limit_bytes: Some(1023),
    minimum_read: 0x0102,
    minimum_write: 0x0102,
    minimum_without_metadata: 0x0102,
};
const V1_50: Rules = Rules {
    number: 0x0150,
    virtual_table: Some(VirtualTableForm::Trailer),
    sparable_partition: true,
    minimum_read: 0x0150,
    minimum_write: 0x0150,
    minimum_without_metadata: 0x0150,
    ..V1_02
};
const V2_00: Rules = Rules {
    number: 0x0200,
    descriptor_version: 3,
    recognition_identifier: b"NSR03",
    partition_contents: "+NSR03",
    extended_file_entries: true,
    streams: true,
    absent_attribute_is_ones: true,
    deleted_names_change_id: true,
    virtual_table: Some(VirtualTableForm::Header),
    minimum_read: 0x0200,
    minimum_write: 0x0200,
    minimum_without_metadata: 0x0200,
    ..V1_50
};
const V2_01: Rules = Rules {
    number: 0x0201,
    packet_is_ecc_block: true,
    allocation_extent_crc_is_full: true,
    blank_sector_after_recognition: true,
    path_limit_bytes: None,
    minimum_read: 0x0201,
    minimum_write: 0x0201,
    minimum_without_metadata: 0x0201,
    ..V2_00
};
const V2_50: Rules = Rules {
    number: 0x0250,
    metadata_partition: true,
    chains_on_write_once_only: true,
    minimum_read: 0x0250,
    minimum_write: 0x0250,
    ..V2_01
};
const V2_60: Rules = Rules { number: 0x0260, pseudo_overwrite: true, ..V2_50 };

impl Revision {
    /// All of them, oldest first.
    pub const ALL: [Self; 6] = [Self::V1_02, Self::V1_50, Self::V2_00, Self::V2_01, Self::V2_50, Self::V2_60];

    /// What this revision asks for.
    #[must_use]
    pub const fn rules(self) -> &'static Rules {
        match self {
            Self::V1_02 => &V1_02,
            Self::V1_50 => &V1_50,
            Self::V2_00 => &V2_00,
            Self::V2_01 => &V2_01,
            Self::V2_50 => &V2_50,
            Self::V2_60 => &V2_60,
        }
    }

    /// The number as recorded on volumes: 0x0201 for 2.01.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.rules().number
    }

    /// The revision with this recorded number. 1.00 and 1.01, which older writers recorded, are read as 1.02.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        if matches!(number, 0x0100 | 0x0101) {
            return Some(Self::V1_02);
        }
        Self::ALL.into_iter().find(|revision| revision.number() == number)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:02x}", self.number() >> 8, self.number() & 0xFF)
    }
}

/// The text is not the number of a revision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such UDF revision; known are 1.02, 1.50, 2.00, 2.01, 2.50 and 2.60 (also written 0x0201)")]
pub struct UnknownRevision;

impl FromStr for Revision {
    type Err = UnknownRevision;

    /// Both spellings that users know: `2.01` and `0x0201`.
    fn from_str(text: &str) -> Result<Self, UnknownRevision> {
        let hex = |digits: &str| {
            let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            plain.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
        };
        let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => hex(digits),
            None => text.split_once('.').and_then(|(major, minor)| {
                let (major, minor) = (hex(major)?, (minor.len() == 2).then(|| hex(minor))??);
                (major < 256).then_some(major << 8 | minor)
            }),
        };
        Self::ALL.into_iter().find(|revision| Some(revision.number()) == number).ok_or(UnknownRevision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn both_spellings_are_read_and_one_is_printed() {
        for revision in Revision::ALL {
            assert_eq!(revision.to_string().parse(), Ok(revision));
            assert_eq!(std::format!("{:#06x}", revision.number()).parse(), Ok(revision));
        }
        for text in ["", "2", "2.1", "2.02", "0x", "201", "0x02010", "-2.01", "2.+1"] {
            assert_eq!(text.parse::<Revision>(), Err(UnknownRevision), "{text}");
        }
    }

    #[test]
    fn kernels_before_6_2_read_2_60_because_its_least_read_revision_is_2_50() {
        assert_eq!(Revision::V2_60.rules().minimum_read, 0x0250);
    }
}
