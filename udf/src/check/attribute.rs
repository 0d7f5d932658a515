//! Extended attributes in entries (R129 to R135).

use super::context::At;
use super::entry::View;
use super::files::Files;
use super::identifier::Expected;
use super::seal::{CrcLength, Expected as ExpectedTag, Sealed, is_zero};
use crate::file::FileType;
use crate::file::attribute::{
    AttributeHead, DEVICE_SPECIFICATION, DeviceSpecification, ExtendedAttributeHeaderDescriptor, FILE_TIMES,
    FileTimes, IMPLEMENTATION_USE,
};
use crate::general::{Descriptor, EntityIdentifier};
use crate::read::ReadAt;
use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

type Header = ExtendedAttributeHeaderDescriptor;

const ALTERNATE_PERMISSIONS: u32 = 3;
const APPLICATION_USE: u32 = 65536;
/// Of attributes that begin with an entity identifier: where it is, and where the header checksum of UDF's own is.
const IDENTIFIER_OFFSET: usize = 16;
const CHECKSUM_OFFSET: usize = 48;
/// What a device specification must have room for: an entity identifier (UDF 3.3.4.4).
const LEAST_IMPLEMENTATION_USE: u32 = 32;

/// The attributes that UDF defines (UDF 3.3.4.5, 3.3.4.6).
const KNOWN: [&str; 11] = [
    "*UDF FreeEASpace",
    "*UDF FreeAppEASpace",
    "*UDF DVD CGMS Info",
    "*UDF OS/2 EA",
    "*UDF OS/2 EALength",
    "*UDF Mac VolumeInfo",
    "*UDF Mac FinderInfo",
    "*UDF Mac UniqueIDTable",
    "*UDF Mac ResourceFork",
    "*UDF VAT LVExtension",
    "*UDF OS/400 DirInfo",
];

/// Which group an attribute belongs to; groups stand in this order (UDF 3.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Standard,
    Implementation,
    LongImplementation,
    Application,
}

/// Where the first attributes of implementations and applications are.
#[derive(Debug, Default)]
struct Firsts {
    implementation: Option<usize>,
    application: Option<usize>,
    device: bool,
}

impl<R: ReadAt> Files<'_, R> {
    pub(super) fn attributes(&mut self, view: &View<'_>) {
        let (at, space) = (view.at(), view.attributes);
        let mut firsts = Firsts::default();
        if !space.is_empty() {
            self.space(at, view, &mut firsts);
        }
        let is_device = matches!(view.kind(), FileType::BLOCK_DEVICE | FileType::CHARACTER_DEVICE);
        if is_device && !firsts.device {
            self.error(134, at, format_args!("a device without device specification"));
        }
    }

    fn space(&mut self, at: At, view: &View<'_>, firsts: &mut Firsts) {
        let space = view.attributes;
        let Ok(header) = Header::peek(space, view.block) else {
            let bytes = space.len();
            return self.error(
                129,
                at,
                format_args!("{bytes} bytes of attributes, too few for their header"),
            );
        };
        let header_at = At { structure: Header::NAME, ..at };
        let expected = ExpectedTag {
            kind: Header::IDENTIFIER,
            location: view.fixed.tag.location.get(),
            bytes: size_of::<Header>(),
            crc: CrcLength::Head,
        };
        if self.context.seal(header_at, space, expected) == Sealed::Missing {
            return;
        }
        if self.each(at, view, firsts) {
            self.locations(header_at, header, firsts, space.len());
        }
    }

    /// Where the header says that attributes begin.
    fn locations(&mut self, at: At, header: &Header, firsts: &Firsts, space_bytes: usize) {
        let none = if self.context.rules().absent_attribute_is_ones { usize::MAX } else { space_bytes };
        for (field, found, first) in [
            ("implementation", header.implementation_attributes_location, firsts.implementation),
            ("application", header.application_attributes_location, firsts.application),
        ] {
            let right = u32::try_from(first.unwrap_or(none)).unwrap_or(u32::MAX);
            if found != right {
                self.error(
                    129,
                    at,
                    format_args!("{field} attributes begin at {found:#x}, must be {right:#x}"),
                );
            }
        }
    }

    /// Looks at each attribute; whether all could be understood.
    fn each(&mut self, at: At, view: &View<'_>, firsts: &mut Firsts) -> bool {
        let mut offset = size_of::<Header>();
        let mut last = Group::Standard;
        while let Some(rest) = view.attributes.get(offset..).filter(|rest| !rest.is_empty()) {
            let Ok((head, _)) = AttributeHead::read_from_prefix(rest) else {
                self.unused(at, rest);
                return true;
            };
            let length = usize::try_from(head.attribute_length.get()).unwrap_or(usize::MAX);
            if head.attribute_type == 0 {
                self.unused(at, rest);
                return true;
            }
            let attribute = rest.get(..length).filter(|bytes| bytes.len() >= size_of::<AttributeHead>());
            let Some(attribute) = attribute else {
                let room = rest.len();
                self.error(131, at, format_args!("an attribute of {length} bytes, {room} are left"));
                return false;
            };
            if length % 4 != 0 {
                self.error(131, at, format_args!("an attribute of {length} bytes, no multiple of 4"));
            }
            let group = self.group(&head, length);
            match group {
                Group::Implementation | Group::LongImplementation => {
                    firsts.implementation.get_or_insert(offset);
                }
                Group::Application => {
                    firsts.application.get_or_insert(offset);
                }
                Group::Standard => firsts.device |= head.attribute_type == DEVICE_SPECIFICATION,
            }
            if group < last {
                let kind = head.attribute_type;
                self.error(130, at, format_args!("an attribute of type {kind} behind one of a later group"));
            }
            last = last.max(group);
            self.attribute(at, view, &head, attribute);
            offset = offset.saturating_add(length);
        }
        true
    }

    fn group(&self, head: &AttributeHead, bytes: usize) -> Group {
        match head.attribute_type.get() {
            IMPLEMENTATION_USE if bytes < self.block_size().len() => Group::Implementation,
            IMPLEMENTATION_USE => Group::LongImplementation,
            APPLICATION_USE => Group::Application,
            _ => Group::Standard,
        }
    }

    fn unused(&mut self, at: At, rest: &[u8]) {
        if !is_zero(rest) {
            self.warning(135, at, format_args!("the last {} bytes of the attributes are not 0", rest.len()));
        }
    }

    fn attribute(&mut self, at: At, view: &View<'_>, head: &AttributeHead, bytes: &[u8]) {
        let kind = head.attribute_type.get();
        if head.attribute_subtype != 1 || head.reserved != [0; 3] {
            let subtype = head.attribute_subtype;
            self.error(
                132,
                at,
                format_args!("attribute of type {kind}: subtype is {subtype}, must be 1, reserved 0"),
            );
        }
        match kind {
            ALTERNATE_PERMISSIONS => self.error(132, at, format_args!("there are alternate permissions")),
            FILE_TIMES => self.file_times(at, view, bytes),
            DEVICE_SPECIFICATION => self.device(at, bytes),
            IMPLEMENTATION_USE | APPLICATION_USE => self.owned(at, bytes),
            _ => {}
        }
    }

    /// The creation time of a file, of an entry that has no field for it.
    fn file_times(&mut self, at: At, view: &View<'_>, bytes: &[u8]) {
        let Ok((times, _)) = FileTimes::read_from_prefix(bytes) else { return };
        if view.is_extended() || times.file_time_existence.get() & FileTimes::CREATION == 0 {
            return;
        }
        let fixed = &view.fixed;
        let others =
            [&fixed.access_date_and_time, &fixed.modification_date_and_time, &fixed.attribute_date_and_time];
        self.context.creation_time(at, &times.first_time, &others);
    }

    fn device(&mut self, at: At, bytes: &[u8]) {
        let used = bytes.get(12..).and_then(|rest| U32::read_from_prefix(rest).ok());
        let used = used.map_or(0, |(length, _)| length.get());
        match DeviceSpecification::read_from_prefix(bytes) {
            Ok((device, _)) if used >= LEAST_IMPLEMENTATION_USE => {
                let developer = &device.implementation_identifier;
                self.context.identifier(at, "device's developer identifier", developer, Expected::Developer);
            }
            _ => self.error(
                134,
                at,
                format_args!("device specification with {used} bytes of implementation use"),
            ),
        }
    }

    /// An attribute that begins with the identifier of whoever defined it.
    fn owned(&mut self, at: At, bytes: &[u8]) {
        let identifier = bytes.get(IDENTIFIER_OFFSET..).map(EntityIdentifier::read_from_prefix);
        let Some(Ok((identifier, _))) = identifier else {
            let length = bytes.len();
            return self.error(
                131,
                at,
                format_args!("an attribute of {length} bytes, too few for its identifier"),
            );
        };
        let known = KNOWN.iter().find(|name| identifier.is(name));
        let Some(name) = known else {
            return self.context.identifier(at, "attribute's identifier", &identifier, Expected::Application);
        };
        self.context.identifier(at, "attribute's identifier", &identifier, Expected::Udf(name));
        let (head, rest) = bytes.split_at_checked(CHECKSUM_OFFSET).unwrap_or_default();
        let Some(found) = rest.first_chunk().map(|sum| u16::from_le_bytes(*sum)) else {
            return self.error(133, at, format_args!("no room for the header checksum of \"{name}\""));
        };
        let right = head.iter().fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
        if found != right {
            self.error(
                133,
                at,
                format_args!("header checksum of \"{name}\" is {found:#06x}, must be {right:#06x}"),
            );
        }
    }
}
