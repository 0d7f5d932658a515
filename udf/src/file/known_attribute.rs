//! What is in extended attributes (ECMA-167 4/14.10, UDF 3.3.4): each kind that the standards define, taken apart.

use alloc::vec::Vec;

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::attribute::{
    AttributeHead, DEVICE_SPECIFICATION, DeviceSpecification, FILE_TIMES, IMPLEMENTATION_USE,
};
use crate::general::{EntityIdentifier, Timestamp};
use crate::partition::VirtualTableExtension;

/// The attribute type of character set information (ECMA-167 4/14.10.3).
pub const CHARACTER_SET: u32 = 1;
/// The attribute type of alternate permissions (ECMA-167 4/14.10.4), which UDF forbids.
pub const ALTERNATE_PERMISSIONS: u32 = 3;
/// The attribute type of information times (ECMA-167 4/14.10.6).
pub const INFORMATION_TIMES: u32 = 6;
/// The attribute type of what applications add (ECMA-167 4/14.10.9).
pub const APPLICATION_USE: u32 = 65536;

/// Where the use of an attribute begins that somebody defined, behind his identifier.
pub const USE_OFFSET: usize = 48;

/// Owner, group and permission in another manner (ECMA-167 4/14.10.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct AlternatePermissions {
    /// Owner.
    pub owner_identification: U16,
    /// Group.
    pub group_identification: U16,
    /// Permission bits.
    pub permission: U16,
}

/// DVD copyright management information (UDF 3.3.4.5.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct CopyManagement {
    /// See [`header_checksum`].
    pub header_checksum: U16,
    /// Copy generation management.
    pub cgms_information: u8,
    /// Kind of data structure.
    pub data_structure_type: u8,
    /// Of the protection system.
    pub protection_system_information: [u8; 4],
}

/// Length of the OS/2 attributes (UDF 3.3.4.5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Os2Length {
    /// See [`header_checksum`].
    pub header_checksum: U16,
    /// Bytes of OS/2 attributes.
    pub attribute_bytes: U32,
}

/// Of a Macintosh volume, at its root (UDF 3.3.4.5.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct MacVolumeInfo {
    /// See [`header_checksum`].
    pub header_checksum: U16,
    /// Last change of the volume.
    pub last_modification: Timestamp,
    /// Last backup of the volume.
    pub last_backup: Timestamp,
    /// For the Finder.
    pub finder_information: [U32; 8],
}

/// Of a Macintosh directory (UDF 3.3.4.5.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct MacDirectoryInfo {
    /// See [`header_checksum`].
    pub header_checksum: U16,
    /// 0.
    pub padding: U16,
    /// Unique id of the directory above.
    pub parent_directory_id: U32,
    /// `DInfo`: rectangle, flags, location, view.
    pub directory_information: [u8; 16],
    /// `DXInfo`: scroll, open chain, script, flags, comment, put away.
    pub extended_directory_information: [u8; 16],
}

/// Of a Macintosh file (UDF 3.3.4.5.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct MacFileInfo {
    /// See [`header_checksum`].
    pub header_checksum: U16,
    /// 0.
    pub padding: U16,
    /// Unique id of the directory above.
    pub parent_directory_id: U32,
    /// The four characters of the type; `FInfo` begins here.
    pub file_type: [u8; 4],
    /// The four characters of the creator.
    pub creator: [u8; 4],
    /// Flags of the Finder, location and folder, big-endian.
    pub file_information: [u8; 8],
    /// `FXInfo`: icon, script, flags, comment, put away.
    pub extended_file_information: [u8; 16],
    /// Bytes of the resource fork.
    pub resource_fork_data_length: U32,
    /// Bytes that are taken for it.
    pub resource_fork_allocated_length: U32,
}

const _: () = assert!(size_of::<CopyManagement>() == 8 && size_of::<Os2Length>() == 6);
const _: () = assert!(size_of::<MacVolumeInfo>() == 58);
const _: () = assert!(size_of::<MacDirectoryInfo>() == 40 && size_of::<MacFileInfo>() == 48);

/// An extended attribute, taken apart.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum KnownAttribute<'a> {
    /// Type 1: the kind of character set, and its escape sequences.
    CharacterSet(u8, &'a [u8]),
    /// Type 3.
    AlternatePermissions(AlternatePermissions),
    /// Type 5: times, each with its bit: 0 creation, 2 deletion, 3 effective, 5 last backup.
    FileTimes(Vec<(u8, Timestamp)>),
    /// Type 6: times, each with its bit: 0 creation, 1 last change, 2 expiration, 3 effective.
    InformationTimes(Vec<(u8, Timestamp)>),
    /// Type 12: major and minor number, and who wrote it if that is told.
    Device(u32, u32, Option<EntityIdentifier>),
    /// `*UDF FreeEASpace` and `*UDF FreeAppEASpace`: so many bytes that may be used anew.
    Free(usize),
    /// `*UDF DVD CGMS Info`.
    CopyManagement(CopyManagement),
    /// `*UDF OS/2 EALength`.
    Os2Length(Os2Length),
    /// `*UDF OS/2 EA`: a full list of OS/2 attributes.
    Os2Attributes(&'a [u8]),
    /// `*UDF Mac VolumeInfo`.
    MacVolume(MacVolumeInfo),
    /// `*UDF Mac FinderInfo` of a directory.
    MacDirectory(MacDirectoryInfo),
    /// `*UDF Mac FinderInfo` of a file.
    MacFile(MacFileInfo),
    /// `*UDF Mac UniqueIDTable`: the table, number of maps and all.
    MacUniqueIds(&'a [u8]),
    /// `*UDF Mac ResourceFork`: the fork.
    MacResourceFork(&'a [u8]),
    /// `*UDF OS/400 DirInfo`.
    Os400Directory(&'a [u8]),
    /// `*UDF VAT LVExtension`.
    VirtualTableExtension(VirtualTableExtension),
    /// Type 2048 of others: whose, and what.
    Implementation(EntityIdentifier, &'a [u8]),
    /// Type 65536: whose, and what.
    Application(EntityIdentifier, &'a [u8]),
    /// Of a type that no standard defines, or too short for its type: all its bytes.
    Other(u32, &'a [u8]),
}

impl<'a> KnownAttribute<'a> {
    /// Takes an attribute apart, as [`iter`](super::attribute::iter) has it.
    #[must_use]
    pub fn parse(head: &AttributeHead, bytes: &'a [u8]) -> Self {
        let kind = head.attribute_type.get();
        Self::parse_known(kind, bytes).unwrap_or(Self::Other(kind, bytes))
    }

    fn parse_known(kind: u32, bytes: &'a [u8]) -> Option<Self> {
        let body = bytes.get(size_of::<AttributeHead>()..)?;
        match kind {
            CHARACTER_SET => {
                let (length, rest) = sized(body)?;
                let (set, escapes) = rest.split_first()?;
                Some(Self::CharacterSet(*set, escapes.get(..length)?))
            }
            ALTERNATE_PERMISSIONS => Some(Self::AlternatePermissions(prefix(body)?)),
            FILE_TIMES => times(body).map(Self::FileTimes),
            INFORMATION_TIMES => times(body).map(Self::InformationTimes),
            DEVICE_SPECIFICATION => {
                if let Some(device) = prefix::<DeviceSpecification>(bytes) {
                    let (major, minor) =
                        (device.major_device_identification, device.minor_device_identification);
                    return Some(Self::Device(
                        major.get(),
                        minor.get(),
                        Some(device.implementation_identifier),
                    ));
                }
                let [_, major, minor] = prefix::<[U32; 3]>(body)?;
                Some(Self::Device(major.get(), minor.get(), None))
            }
            IMPLEMENTATION_USE | APPLICATION_USE => {
                let (length, _) = sized(body)?;
                let identifier = prefix::<EntityIdentifier>(bytes.get(16..)?)?;
                let room = bytes.get(USE_OFFSET..)?;
                // What is told as use may not be all that is there, but it is never more.
                let used = room.get(..length).unwrap_or(room);
                Self::of_udf(&identifier, used).or(Some(if kind == APPLICATION_USE {
                    Self::Application(identifier, used)
                } else {
                    Self::Implementation(identifier, used)
                }))
            }
            _ => None,
        }
    }

    /// Those that UDF defines, by their identifier (UDF 3.3.4.5, 3.3.4.6).
    fn of_udf(identifier: &EntityIdentifier, used: &'a [u8]) -> Option<Self> {
        let behind_checksum = used.get(size_of::<U16>()..);
        Some(match identifier.text_bytes() {
            b"*UDF FreeEASpace" | b"*UDF FreeAppEASpace" => Self::Free(behind_checksum?.len()),
            b"*UDF DVD CGMS Info" => Self::CopyManagement(prefix(used)?),
            b"*UDF OS/2 EALength" => Self::Os2Length(prefix(used)?),
            b"*UDF OS/2 EA" => Self::Os2Attributes(behind_checksum?),
            b"*UDF Mac VolumeInfo" => Self::MacVolume(prefix(used)?),
            b"*UDF Mac FinderInfo" => match prefix(used) {
                Some(file) => Self::MacFile(file),
                None => Self::MacDirectory(prefix(used)?),
            },
            b"*UDF Mac UniqueIDTable" => Self::MacUniqueIds(behind_checksum?),
            b"*UDF Mac ResourceFork" => Self::MacResourceFork(behind_checksum?),
            b"*UDF OS/400 DirInfo" => Self::Os400Directory(behind_checksum?),
            b"*UDF VAT LVExtension" => Self::VirtualTableExtension(prefix(used)?),
            _ => return None,
        })
    }
}

/// The checksum that the use of UDF's own attributes begins with: the sum of the 48 bytes before it (UDF 3.3.4.5).
#[must_use]
pub fn header_checksum(attribute: &[u8]) -> u16 {
    attribute.iter().take(USE_OFFSET).fold(0, |sum: u16, byte| sum.wrapping_add(u16::from(*byte)))
}

/// Whether an attribute that UDF defines has another checksum than it should, or no room for one.
#[must_use]
pub fn has_wrong_checksum(attribute: &[u8]) -> bool {
    let identifier = attribute.get(16..).and_then(prefix::<EntityIdentifier>);
    let kind = prefix::<U32>(attribute).map(U32::get);
    let is_udfs = matches!(kind, Some(IMPLEMENTATION_USE | APPLICATION_USE))
        && identifier.is_some_and(|it| it.text_bytes().starts_with(b"*UDF "));
    let found = attribute.get(USE_OFFSET..).and_then(prefix::<U16>).map(U16::get);
    is_udfs && found != Some(header_checksum(attribute))
}

/// Makes an attribute of somebody's use: head, identifier and, if the use begins with a checksum (`has_checksum`), that.
/// The use is padded to a multiple of 4.
#[must_use]
pub fn encode_use(kind: u32, identifier: &EntityIdentifier, used: &[u8], has_checksum: bool) -> Vec<u8> {
    let bytes = USE_OFFSET.saturating_add(used.len()).next_multiple_of(4);
    let length = |bytes: usize| U32::new(u32::try_from(bytes).unwrap_or(u32::MAX));
    let mut out = Vec::with_capacity(bytes);
    let head = AttributeHead {
        attribute_type: kind.into(),
        attribute_subtype: 1,
        reserved: [0; 3],
        attribute_length: length(bytes),
    };
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(length(used.len()).as_bytes());
    out.extend_from_slice(identifier.as_bytes());
    let checksum = header_checksum(&out).to_le_bytes();
    out.extend_from_slice(used);
    out.resize(bytes, 0);
    if let Some(field) = out.get_mut(USE_OFFSET..USE_OFFSET.saturating_add(2)).filter(|_| has_checksum) {
        field.copy_from_slice(&checksum);
    }
    out
}

fn prefix<T: FromBytes>(bytes: &[u8]) -> Option<T> {
    T::read_from_prefix(bytes).ok().map(|(value, _)| value)
}

/// A length and what follows it.
fn sized(body: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = U32::read_from_prefix(body).ok()?;
    Some((usize::try_from(length.get()).ok()?, rest))
}

/// Times in ascending order of the bits that say which they are.
fn times(body: &[u8]) -> Option<Vec<(u8, Timestamp)>> {
    let (length, rest) = sized(body)?;
    let (existence, rest) = U32::read_from_prefix(rest).ok()?;
    let mut rest = rest.get(..length).unwrap_or(rest);
    let mut found = Vec::new();
    for bit in (0..32_u8).filter(|bit| existence.get() >> bit & 1 != 0) {
        let (time, others) = Timestamp::read_from_prefix(rest).ok()?;
        found.push((bit, time));
        rest = others;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::super::attribute::iter;
    use super::*;
    use crate::error::Place;
    use crate::general::Moment;
    use crate::revision::Revision;

    fn time(seconds: i64) -> Timestamp {
        Timestamp::new(Moment::from_unix(seconds, 0), 0)
    }

    fn parse(attribute: &[u8]) -> KnownAttribute<'_> {
        let (head, _) = AttributeHead::ref_from_prefix(attribute).unwrap();
        KnownAttribute::parse(head, attribute)
    }

    /// An attribute of ECMA-167: its type, and what is behind the head.
    fn plain(kind: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(12 + body.len()).unwrap();
        let mut out = [kind.to_le_bytes(), [1, 0, 0, 0], length.to_le_bytes()].concat();
        out.extend(body);
        out
    }

    #[test]
    fn attributes_of_the_standard_are_taken_apart() {
        let set = plain(1, &[3, 0, 0, 0, 0, 0x1B, 0x25, 0x40]);
        assert_eq!(parse(&set), KnownAttribute::CharacterSet(0, &[0x1B, 0x25, 0x40]));
        let permissions = plain(3, &[1, 0, 2, 0, 0x55, 0xAA]);
        let KnownAttribute::AlternatePermissions(found) = parse(&permissions) else { panic!() };
        assert_eq!((found.owner_identification.get(), found.permission.get()), (1, 0xAA55));
        for (kind, existence) in [(5, 0b10_1001), (6, 0b1110)] {
            let times = [time(1), time(2), time(3)];
            let mut body = [36_u32.to_le_bytes(), u32::to_le_bytes(existence)].concat();
            for time in &times {
                body.extend(time.as_bytes());
            }
            let attribute = plain(kind, &body);
            let (found, bits) = match parse(&attribute) {
                KnownAttribute::FileTimes(found) => (found, [0, 3, 5]),
                KnownAttribute::InformationTimes(found) => (found, [1, 2, 3]),
                other => panic!("{other:?}"),
            };
            assert_eq!(found, std::vec![(bits[0], times[0]), (bits[1], times[1]), (bits[2], times[2])]);
        }
        let bare = plain(12, &[0, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(parse(&bare), KnownAttribute::Device(8, 1, None));
    }

    /// UDF's own survive being written and read, whatever their use.
    #[test]
    fn attributes_that_udf_defines_survive() {
        let sum = U16::ZERO;
        let cgms = CopyManagement {
            header_checksum: sum,
            cgms_information: 3,
            data_structure_type: 1,
            protection_system_information: [1, 2, 3, 4],
        };
        let length = Os2Length { header_checksum: sum, attribute_bytes: 77.into() };
        let volume = MacVolumeInfo {
            header_checksum: sum,
            last_modification: time(1),
            last_backup: time(2),
            finder_information: [7.into(); 8],
        };
        let directory = MacDirectoryInfo {
            header_checksum: sum,
            padding: 0.into(),
            parent_directory_id: 16.into(),
            directory_information: [1; 16],
            extended_directory_information: [2; 16],
        };
        let file = MacFileInfo {
            header_checksum: sum,
            padding: 0.into(),
            parent_directory_id: 17.into(),
            file_type: *b"TEXT",
            creator: *b"ttxt",
            file_information: [3; 8],
            extended_file_information: [4; 16],
            resource_fork_data_length: 5.into(),
            resource_fork_allocated_length: 2048.into(),
        };
        let known: [(&str, &[u8]); 10] = [
            ("*UDF FreeEASpace", &[0; 40]),
            ("*UDF DVD CGMS Info", cgms.as_bytes()),
            ("*UDF OS/2 EALength", length.as_bytes()),
            ("*UDF OS/2 EA", &[0, 0, 1, 2, 3]),
            ("*UDF Mac VolumeInfo", volume.as_bytes()),
            ("*UDF Mac FinderInfo", directory.as_bytes()),
            ("*UDF Mac FinderInfo", file.as_bytes()),
            ("*UDF Mac UniqueIDTable", &[0, 0, 9]),
            ("*UDF Mac ResourceFork", &[0, 0, 8]),
            ("*UDF OS/400 DirInfo", &[0, 0, 0, 0, 1]),
        ];
        let mut space = std::vec![0; 24];
        for (name, used) in known {
            let identifier = EntityIdentifier::udf(name, Revision::V2_01);
            space.extend(encode_use(IMPLEMENTATION_USE, &identifier, used, true));
        }
        let other = EntityIdentifier::implementation("*somebody");
        space.extend(encode_use(IMPLEMENTATION_USE, &other, b"use", false));
        space.extend(encode_use(APPLICATION_USE, &other, b"app.", false));
        let attributes: Vec<_> = iter(&space, Place::Within).map(Result::unwrap).collect();
        for (_, bytes) in attributes.iter().take(known.len()) {
            let found = u16::from_le_bytes([bytes[48], bytes[49]]);
            assert_eq!(found, header_checksum(bytes));
            assert!(!has_wrong_checksum(bytes));
            let mut wrong = bytes.to_vec();
            wrong[24] ^= 1;
            assert!(has_wrong_checksum(&wrong));
        }
        let with = |sum: &mut U16, index: usize| *sum = header_checksum(attributes[index].1).into();
        let (mut cgms, mut length, mut volume, mut directory, mut file) =
            (cgms, length, volume, directory, file);
        with(&mut cgms.header_checksum, 1);
        with(&mut length.header_checksum, 2);
        with(&mut volume.header_checksum, 4);
        with(&mut directory.header_checksum, 5);
        with(&mut file.header_checksum, 6);
        let found: Vec<_> =
            attributes.iter().map(|(head, bytes)| KnownAttribute::parse(head, bytes)).collect();
        assert_eq!(
            found,
            [
                KnownAttribute::Free(38),
                KnownAttribute::CopyManagement(cgms),
                KnownAttribute::Os2Length(length),
                KnownAttribute::Os2Attributes(&[1, 2, 3]),
                KnownAttribute::MacVolume(volume),
                KnownAttribute::MacDirectory(directory),
                KnownAttribute::MacFile(file),
                KnownAttribute::MacUniqueIds(&[9]),
                KnownAttribute::MacResourceFork(&[8]),
                KnownAttribute::Os400Directory(&[0, 0, 1]),
                KnownAttribute::Implementation(other, b"use"),
                KnownAttribute::Application(other, b"app."),
            ]
        );
    }

    #[test]
    fn whatever_is_too_short_is_shown_as_it_is() {
        for kind in [1, 3, 5, 6, 12, 2048, 65536, 99] {
            for length in [0, 1, 3, 4, 7] {
                let attribute = plain(kind, &std::vec![0xFF; length]);
                assert!(matches!(
                    parse(&attribute),
                    KnownAttribute::Other(..) | KnownAttribute::AlternatePermissions(_)
                ));
            }
        }
    }
}
