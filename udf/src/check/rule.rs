//! The rules: what each demands, where the standards say so, and how grave it is to break it.

use core::{fmt, str::FromStr};

use super::advice::ADVICE;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing, nothing wrong.
    Note,
    /// Readers cope, but it should not be so.
    Warning,
    /// The standards forbid it; readers may fail.
    Error,
    /// The volume cannot be opened at all.
    Fatal,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Fatal => "fatal",
        })
    }
}

/// The number of a rule, shown as `R113`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule(pub(super) u8);

impl Rule {
    /// What is known of the rule.
    #[must_use]
    pub fn info(self) -> &'static RuleInfo {
        // The table is complete and in order: a test sees to it.
        RULES.get(usize::from(self.0)).unwrap_or(&UNKNOWN)
    }

    /// What it means for those who read the volume when the rule is broken.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        ADVICE.get(usize::from(self.0)).map_or("", |(meaning, _)| meaning)
    }

    /// What can be done then.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        ADVICE.get(usize::from(self.0)).map_or("", |(_, remedy)| remedy)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R{:03}", self.0)
    }
}

/// There is no rule of this number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such rule; they are R000 to R140")]
pub struct UnknownRule;

impl FromStr for Rule {
    type Err = UnknownRule;

    /// `R113`, or the number alone.
    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        let digits = text.strip_prefix(['R', 'r']).unwrap_or(text);
        let number: u8 = digits.parse().map_err(|_| UnknownRule)?;
        RULES.get(usize::from(number)).map(|info| info.rule).ok_or(UnknownRule)
    }
}

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// Its number.
    pub rule: Rule,
    /// The gravest that a finding of it can be.
    pub severity: Severity,
    /// Where the standards demand it.
    pub clause: &'static str,
    /// What it demands.
    pub text: &'static str,
    /// Why it is not looked at, if it is not.
    pub unchecked: Option<&'static str>,
}

const UNKNOWN: RuleInfo =
    RuleInfo { rule: Rule(0), severity: Severity::Fatal, clause: "", text: "", unchecked: None };

macro_rules! rules {
    ($($number:literal $severity:ident $clause:literal $text:literal $(($reason:literal))?;)*) => {
        &[$(RuleInfo {
            rule: Rule($number),
            severity: Severity::$severity,
            clause: $clause,
            text: $text,
            unchecked: rules!(@ $($reason)?),
        }),*]
    };
    (@) => { None };
    (@ $reason:literal) => { Some($reason) };
}

/// All rules, by number.
pub const RULES: &[RuleInfo] = rules! {
    0 Fatal "ECMA-167 2/8, 3/8, 4/8" "The volume can be opened, and all that it refers to can be read from the device.";

    1 Error "ECMA-167 3/7.2.3" "The checksum of a tag fits the tag.";
    2 Error "ECMA-167 3/7.2.4" "The reserved byte of a tag is 0.";
    3 Error "ECMA-167 3/7.2.2" "The descriptor version is 2 or 3, 3 for extended file entries, and the same in all of a volume.";
    4 Error "ECMA-167 3/7.2.6" "The CRC fits the bytes that it covers.";
    5 Error "UDF 2.2.1.2, 2.3.1.2" "The CRC covers the descriptor, or as much of it as its kind demands.";
    6 Error "UDF 2.2.1.3, ECMA-167 3/7.2.8" "The tag location is where the descriptor lies.";
    7 Error "UDF 2.3.1.1" "The tag serial number is the same in all descriptors, and not 0.";
    8 Error "UDF 2" "A descriptor is no longer than a block, but for tables of variable length.";
    9 Error "ECMA-167 3/8.4.4, 4/13" "The bytes from a descriptor's end to the end of its block are 0.";
    10 Error "ECMA-167 3/8.4, 4/8" "Where a descriptor of a kind must be, there is one.";

    11 Error "UDF 2.1.2" "Character sets are CS0, OSTA Compressed Unicode.";
    12 Error "UDF 2.2.2.3, 2.2.2.4" "Character set lists name CS0 and no other.";
    13 Error "UDF 2.1.3, ECMA-167 1/7.2.12" "A text field has a compression id, a length that fits it and zeros behind, or is all zeros.";
    14 Error "UDF 2.1.1" "16-bit text is whole characters, none of them U+FEFF or U+FFFE.";
    15 Error "UDF 2.1.1, 2.3.4.2" "Compression ids 254 and 255 stand in deleted names only, from 2.00 on.";
    16 Error "UDF 2.1.5" "An entity identifier is the one for its field, of flags 0, its suffix well-formed and of the volume's revision.";
    17 Error "UDF 2.1.5.2" "The identifier of the developer is not empty.";
    18 Error "UDF 2.1.5.2" "Private identifiers do not begin with *UDF or *OSTA.";
    19 Error "UDF 6.3" "The operating system class and identifier are known in the volume's revision.";
    20 Error "UDF 2.1.4" "A timestamp is a local time with every field in its range.";
    21 Error "UDF 3.1.1" "No time is later than the integrity descriptor's, nor the volume's later than now; a file's creation not later than its other times.";

    22 Error "ECMA-167 2/9, UDF 2.1.7" "The recognition sequence begins 32 KiB into the session: BEA01, one NSR, TEA01 at its distance each.";
    23 Error "UDF 2.1.7" "NSR02 and NSR03 do not stand together.";
    24 Error "UDF 2.1.7, ECMA-167 3/9.1" "NSR02 goes with revisions up to 1.50, NSR03 with those from 2.00 on.";
    25 Warning "ECMA-167 2/8.3.1, UDF 2.1.7" "BEA01 and TEA01 stand once each, with the NSR between them.";
    26 Error "UDF 2.1.7" "The sector behind the recognition sequence is blank, from 2.01 on.";
    27 Error "ECMA-167 2/9.1" "Volume structure descriptors are of type 0 and version 1.";
    28 Error "ECMA-167 2/9.4" "Reserved fields and flags of a boot descriptor are 0.";

    29 Error "UDF 2.2.3" "There are anchors at two at least of the session's sector 256, N - 256 and N.";
    30 Error "UDF 2.2.3" "There are no anchors elsewhere.";
    31 Error "ECMA-167 3/8.4.2.1, 3/10.2" "All anchors point to the same sequences.";
    32 Error "UDF 2.2.3.1, 2.2.3.2" "Volume descriptor sequences are at least 16 sectors long.";
    33 Error "ECMA-167 3/8.5, UDF 2.2.3" "Volume descriptor sequences lie inside the volume, outside partitions, apart from each other and from anchors, recognition and integrity sequence.";
    34 Error "ECMA-167 3/8.4.2.3" "Main and reserve sequence hold the same.";
    35 Error "UDF 2" "One primary, one logical volume, one unallocated space descriptor and one of *UDF LV Info prevail, and a partition descriptor at least.";
    36 Error "ECMA-167 3/8.4.1" "Descriptors of one kind and one sequence number are equal.";
    37 Error "ECMA-167 3/8.4.2" "In a volume descriptor sequence there are descriptors of the volume only.";
    38 Warning "UDF 2.2.3.2" "Main and reserve sequence lie far from each other, from 2.50 on.";

    39 Error "ECMA-167 3/10.1.3" "The primary volume descriptor number is 0.";
    40 Error "ECMA-167 3/10.1.5, 3/10.1.6" "The volume sequence number is 1 to the maximum; it should be 1.";
    41 Error "UDF 2.2.2.1, 2.2.2.2" "The interchange level of the volume is 2 or 3, and no more than the maximum.";
    42 Error "UDF 2.2.2.5" "The volume set identifier is not empty and begins with 8 hexadecimal digits.";
    43 Error "ECMA-167 3/10.1.21" "Of the primary volume descriptor's flags only the first may be set, and must be in a set of volumes.";
    44 Error "ECMA-167 3/10.1.22" "The reserved bytes of the primary volume descriptor are 0.";
    45 Error "UDF 2.2.7.2.2" "The label is the same in logical volume, file set and *UDF LV Info.";
    46 Error "UDF 2.2.5" "Unallocated extents of the volume are not empty and overlap nothing.";

    47 Error "ECMA-167 3/10.5.3" "The space of a partition that is used is allocated for it.";
    48 Error "ECMA-167 3/10.5.5, UDF 2.1.5.2" "The contents of a partition are +NSR02 up to 1.50, +NSR03 from 2.00 on.";
    49 Error "ECMA-167 3/10.5.7" "The access type of a partition is 1 to 4; in 2.60 also 0.";
    50 Error "UDF 2" "A partition begins behind the first 32 KiB, and should behind sector 256.";
    51 Error "ECMA-167 3/5.7, 3/8.5" "A partition ends at sector N or before.";
    52 Error "UDF 2.2.14.3, 2.2.14.4" "Sparable partitions consist of whole packets; from 2.50 on all begin with an ECC block.";
    53 Error "UDF 2.3.3.1" "There is no partition integrity table.";
    54 Error "UDF 2.3.3" "Free space is in tables or in bitmaps, not in both.";
    55 Error "UDF 2.3.3" "A partition that can be written says which of its space is free; one that cannot does not.";
    56 Error "UDF 2" "At most two partitions are used, and of two one is read-only and the other is not.";
    57 Warning "-" "A partition is no larger than a tool can handle." ("a limit of one tool, not of the format");

    58 Error "UDF 2.2.4.2" "The logical block size is the sector size.";
    59 Error "ECMA-167 3/10.7, UDF 2.2.8-2.2.10" "Partition maps are of known kinds and lengths and fill their table; their reserved bytes are 0.";
    60 Error "ECMA-167 3/10.7.2.4" "A partition map names volume 1 and a partition that exists.";
    61 Error "UDF 2.2.8, 2.2.10" "A metadata or virtual partition lies upon exactly one other.";
    62 Error "UDF 2.2.10" "From 2.50 on there is a metadata partition where the access type demands it, and else there is none.";
    63 Error "UDF 2.2.10" "Of the flags of a metadata partition map only the first may be set.";
    64 Error "UDF 2.2.9" "Packet length, number, size and places of sparing tables are legal.";
    65 Warning "UDF 2.2.8" "A virtual partition lies upon one that is write-once.";
    66 Error "ECMA-167 3/10.6.12, UDF 2.2.4.6" "The integrity sequence of a rewritable volume is at least 8 KiB long.";
    67 Error "ECMA-167 3/8.8.2, 3/10.10.3" "The integrity descriptor says that the volume was closed.";
    68 Error "ECMA-167 3/10.10.6-3/10.10.9, UDF 2.2.6.4" "The integrity descriptor has as many partitions as there are maps, and room for UDF's part.";
    69 Error "UDF 2.2.6.2, 2.2.6.3, ECMA-167 3/10.10" "Sizes and free space of partitions are as recorded in the integrity descriptor.";
    70 Error "UDF 3.2.1.1" "The next unique id is at least 16 in its low 32 bits and, from 2.00 on, below 2^32, better 2^31.";
    71 Error "UDF 2.2.6.4" "There are as many files and directories as the integrity descriptor says.";
    72 Error "UDF 2.2.6.4" "The least and highest revisions of the integrity descriptor are known and fit volume and features.";
    73 Error "ECMA-167 4/14.15.2" "The reserved bytes of the integrity descriptor are 0.";

    74 Error "UDF 2.2.11, 2.3.5.2" "The last block recorded holds the ICB of the virtual allocation table.";
    75 Error "UDF 2.2.11" "A virtual allocation table has header or trailer and whole entries.";
    76 Error "UDF 2.2.11" "Entries of a virtual allocation table lead into the partition.";
    77 Error "UDF 2.2.11" "The virtual allocation table has neither streams nor a file of attributes.";
    78 Error "UDF 2.3.10" "Virtual blocks that are referred to exist; virtual extents are one block long.";
    79 Warning "UDF 2.2.11" "Virtual blocks that nobody uses are marked so.";
    80 Error "UDF 3.2.1.1" "The virtual allocation table has a unique id of its own.";
    81 Error "UDF 2.2.12" "Sparing tables are well-formed, sorted and all alike.";
    82 Error "UDF 2.2.9, 3.3.7.2" "Sparing tables and spare packets are apart from what can be allocated.";

    83 Error "UDF 2.2.13.1, 2.3.5.2" "Metadata files are of their file types, without attributes, streams and unique id, described by short descriptors.";
    84 Error "UDF 2.2.13.1" "Extents of metadata files are whole allocation units and begin at alignment units.";
    85 Error "UDF 2.2.13" "Metadata file and mirror are equally long and share their extents, or hold the same in different ones.";
    86 Warning "UDF 2.2.13.1" "Metadata file and mirror lie far from each other.";
    87 Error "UDF 2.2.13.2" "A metadata bitmap file is there for overwritable partitions and only for them, and as long as its bitmap.";
    88 Error "UDF 2.2.13.1" "File set, entries, directories and allocation extents are in the metadata partition, and extents described as there demanded.";
    89 Error "UDF 2.2.13.2" "The metadata bitmap says which metadata blocks are free.";

    90 Error "UDF 2.3.2, ECMA-167 4/14.1" "The file set descriptor is the only one, of interchange level 3, its reserved fields 0.";
    91 Error "UDF 2.3.5.1, 6.6, ECMA-167 4/14.6.2" "ICBs are of strategy 4 in one block or 4096 in two, and their parameters fit.";
    92 Error "ECMA-167 4/14.6.6, UDF 2.3.5.2" "The file type is legal in its place, the reserved byte of the ICB tag 0.";
    93 Error "UDF 2.3.5.3" "The parent ICB location is 0.";
    94 Error "UDF 2.3.5.4, ECMA-167 4/14.6.8" "ICB flags: short, long or embedded; not sorted, transformed or versioned; a stream is marked as one.";
    95 Warning "UDF 2.3.6" "From 2.00 on files have extended file entries.";
    96 Warning "UDF 3.3.3.1, 3.3.3.2" "Systems that know no owners record none.";
    97 Error "ECMA-167 4/14.9.5" "Bits 15 to 31 of permissions are 0.";
    98 Error "UDF 2.3.6.1-2.3.6.3" "Record format, display attributes and length are 0.";
    99 Error "ECMA-167 4/14.9.6, 4/8.8.3" "The link count is the number of names that lead to the file.";
    100 Error "ECMA-167 4/14.9.15" "The checkpoint is at least 1.";
    101 Error "ECMA-167 4/14.9.19, UDF 2" "The attribute space is a multiple of 4 bytes, and the entry fits its block.";
    102 Error "ECMA-167 4/14.6.8, 4/8.8.2" "An embedded body is as long as the file, and no blocks are recorded.";
    103 Error "UDF 2.3.6.5, ECMA-167 4/14.9.11" "The blocks recorded are those of the recorded extents.";
    104 Error "ECMA-167 4/14.17.11" "The object size is the length of the body and of all streams.";
    105 Error "UDF 3.2.1.1, 2.3.4.3" "Unique ids are unique, in their range, and beside each name.";
    106 Error "UDF 3.3.5.1, 2.2.13.1" "Streams and metadata files have no file of attributes.";

    107 Error "ECMA-167 4/12" "Allocation descriptors are whole, and there are some unless the file is empty.";
    108 Error "ECMA-167 4/12.1, 4/14.9.10" "All extents but the last are whole blocks, and together they are as long as the file.";
    109 Error "UDF 2.3.6.4" "Extents behind the end of a file are allocated and not recorded.";
    110 Error "ECMA-167 4/14.14.1, 4/14.14.2" "Extents that are not allocated, or empty, have position 0.";
    111 Error "ECMA-167 4/7.1" "Extents lie inside a partition of the volume.";
    112 Error "UDF 2.3.11" "A continuation is one block, and in it a sound allocation extent descriptor.";
    113 Error "ECMA-167 4/10.1" "No block is allocated twice.";
    114 Error "UDF 2.3.10.1" "Extents are marked erased only where they can be, and are not recorded.";
    115 Error "UDF 2.3.7.1" "A table of free space is of ascending, separate, unrecorded extents.";

    116 Error "UDF 2.3.4, ECMA-167 4/8.6" "The first name in a directory, and no other, leads to its parent.";
    117 Error "ECMA-167 4/14.4.9, 4/8.6" "File identifiers fill their directory and are padded with zeros.";
    118 Error "UDF 2.3.4.1, 2.3.4.2" "The file version is 1, bits 5 to 7 of the characteristics are 0.";
    119 Error "ECMA-167 4/14.4.4, UDF 2.3.4.6" "All have names but the parent.";
    120 Error "ECMA-167 4/14.4.3, 4/14.4.5, UDF 2.3.4.2" "Only the deleted have no ICB, and then all of its address is 0.";
    121 Error "ECMA-167 4/14.4.6" "Implementation use in file identifiers is at least 32 bytes and a multiple of 4, or none.";
    122 Error "ECMA-167 4/14.4.3, 4/14.6.6" "A name is marked as a directory's if it is one's.";
    123 Error "ECMA-167 4/8.6, UDF 2.3.4.6" "Names are unique in their directory.";
    124 Error "UDF 2.3.4.4" "On write-once media no tag of a file identifier runs over the end of a block, from 2.00 on.";
    125 Warning "UDF 2" "Paths are at most 1023 bytes long, up to 2.00.";
    126 Error "ECMA-167 4/8.8.3" "Every directory has one name, and none is inside itself.";
    127 Error "UDF 3.3.5.2" "In stream directories there are streams only; UDF's own are where and marked as they should be.";
    128 Error "UDF 3.3.7.2" "Non-allocatable space is marked as such and allocated only.";

    129 Error "UDF 3.3.4.1" "The attribute space begins with its header, which tells where implementation and application attributes are.";
    130 Error "UDF 3.3.4, ECMA-167 4/9.1" "Attributes of the standard come first, those of implementations next, those of applications last.";
    131 Error "UDF 3.3.4, ECMA-167 4/14.10.2.5" "Attributes are multiples of 4 bytes and fit their space.";
    132 Error "ECMA-167 4/14.10.2, UDF 3.3.4.2" "Attributes are of subtype 1, their reserved bytes 0, and there are no alternate permissions.";
    133 Error "UDF 3.3.4.5, 3.3.4.6" "Attributes of UDF have a header checksum, and it is right.";
    134 Error "UDF 3.3.4.4" "Devices have a device specification, with room for the developer's identifier.";
    135 Warning "ECMA-167 4/14.9.21" "What no attribute uses of the attribute space is 0.";
    136 Error "ECMA-167 4/14.12, UDF 2.3.8" "A space bitmap has a bit for each block of its partition.";
    137 Error "ECMA-167 4/14.12, UDF 2.3.8" "No block that is used is marked as free.";
    138 Warning "UDF 2.3.8" "Blocks that nobody uses are marked as free.";
    139 Error "ECMA-167 4/7.1" "References to ICBs and file sets lead to blocks that exist.";
    140 Error "ECMA-167 3/8.5" "No partition overlaps recognition sequence, anchors, descriptor or integrity sequences.";
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn the_table_is_complete_and_in_order() {
        assert_eq!(RULES.len(), 141);
        for (number, info) in (0u8..).zip(RULES) {
            assert_eq!(info.rule, Rule(number));
            assert_eq!(info.rule.info(), info);
            assert!(info.text.ends_with('.') && !info.clause.is_empty());
            assert!(info.rule.meaning().ends_with('.') && info.rule.remedy().ends_with('.'));
            assert_eq!(info.rule.to_string().parse(), Ok(info.rule));
        }
        for text in ["", "R", "R141", "113x", "-1", "R-1", "999"] {
            assert_eq!(text.parse::<Rule>(), Err(UnknownRule), "{text}");
        }
    }
}
