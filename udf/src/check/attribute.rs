//! Extended attributes, in entries and in files of their own (R129 to R135).

use alloc::vec::Vec;

use super::allocation::Body;
use super::context::At;
use super::entry::{Facts, View};
use super::files::Files;
use super::identifier::Expected;
use super::role::Role;
use super::seal::{CrcLength, Expected as ExpectedTag, Sealed, is_zero};
use crate::file::FileType;
use crate::file::attribute::{
    AttributeHead, DEVICE_SPECIFICATION, DeviceSpecification, ExtendedAttributeHeaderDescriptor, FILE_TIMES,
    FileTimes, IMPLEMENTATION_USE,
};
use crate::file::known_attribute::{ALTERNATE_PERMISSIONS, APPLICATION_USE, USE_OFFSET, header_checksum};
use crate::general::{Descriptor, EntityIdentifier, ExtentKind};
use crate::read::ReadAt;
use crate::units::BlockAddress;
use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

type Header = ExtendedAttributeHeaderDescriptor;

/// Of attributes that begin with an entity identifier: where it is.
const IDENTIFIER_OFFSET: usize = 16;
/// What a device specification must have room for: an entity identifier (UDF 3.3.4.4).
const LEAST_IMPLEMENTATION_USE: u32 = 32;

/// Larger files of attributes are not read: nobody is known to have written one at all.
const MAX_FILE_BYTES: usize = 1 << 20;

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

/// Attributes one behind the other: those in an entry, or those of a file.
#[derive(Clone, Copy)]
struct AttributeSpace<'b> {
    at: At,
    bytes: &'b [u8],
    /// What its header must have for tag location.
    location: u32,
    /// The entry of the file whose attributes they are.
    owner: &'b View<'b>,
}

impl<R: ReadAt> Files<'_, R> {
    pub(super) fn attributes(&mut self, view: &View<'_>, role: Role) {
        let at = view.at();
        let mut has_device = false;
        if !view.attributes.is_empty() {
            let location = view.fixed.tag.location.get();
            let space = AttributeSpace { at, bytes: view.attributes, location, owner: view };
            has_device |= self.space(&space).device;
        }
        if let Some((address, bytes)) = self.attribute_file(view, role) {
            let at = At::new("file of attributes", address);
            let space = AttributeSpace { at, bytes: &bytes, location: address.block.0, owner: view };
            has_device |= self.space(&space).device;
        }
        let is_device = matches!(view.kind(), FileType::BLOCK_DEVICE | FileType::CHARACTER_DEVICE);
        if is_device && !has_device {
            self.error(134, at, format_args!("a device without device specification"));
        }
    }

    /// The file of the attributes that do not fit the entry, if there is one: where its body begins, and that.
    fn attribute_file(&mut self, view: &View<'_>, role: Role) -> Option<(BlockAddress, Vec<u8>)> {
        let icb = view.fixed.extended_attribute_icb;
        if icb.bytes() == 0 {
            return None;
        }
        let at = view.at();
        if role == Role::VirtualTable {
            self.warning(77, at, format_args!("there is a file of extended attributes"));
            return None;
        }
        if role.is_of_streams() || role.is_metadata_file() || role == Role::Attributes {
            self.error(106, at, format_args!("there is a file of extended attributes"));
            return None;
        }
        self.metadata_address(at, icb.start());
        let block = self.read_block(at, icb.start())?;
        let facts = self.visit(&icb, &block, Role::Attributes)?;
        self.attribute_bytes(&facts)
    }

    /// The body of a file of attributes. Of one that no memory should be taken for, nothing.
    fn attribute_bytes(&mut self, facts: &Facts) -> Option<(BlockAddress, Vec<u8>)> {
        let at = At::new("file of attributes", facts.icb);
        let size = usize::try_from(facts.size_bytes).unwrap_or(usize::MAX);
        if size > MAX_FILE_BYTES {
            self.context.note(131, at, format_args!("{size} bytes, more than are looked at"));
            return None;
        }
        match &facts.body {
            Body::Embedded { block, offset, bytes } => {
                let whole = self.read_block(at, *block)?;
                Some((facts.icb, whole.get(*offset..)?.get(..*bytes)?.to_vec()))
            }
            Body::Extents(extents) => {
                let mut body = Vec::new();
                for extent in extents {
                    let length = usize::try_from(extent.bytes).ok()?.min(size.saturating_sub(body.len()));
                    let mut bytes = alloc::vec![0; length];
                    if extent.kind == ExtentKind::Recorded && !self.read(at, extent.start, &mut bytes) {
                        return None;
                    }
                    body.append(&mut bytes);
                }
                Some((extents.first()?.start, body)).filter(|(_, body)| !body.is_empty())
            }
            Body::Passed { .. } => None,
        }
    }

    /// Looks at all attributes of a space; where the first of each kind is.
    fn space(&mut self, space: &AttributeSpace<'_>) -> Firsts {
        let mut firsts = Firsts::default();
        let AttributeSpace { at, bytes: space_bytes, location, .. } = *space;
        let Ok(header) = Header::peek(space_bytes, at.place) else {
            let bytes = space_bytes.len();
            self.error(129, at, format_args!("{bytes} bytes of attributes, too few for their header"));
            return firsts;
        };
        let header_at = At { structure: Header::NAME, ..at };
        let expected = ExpectedTag {
            kind: Header::IDENTIFIER,
            location,
            bytes: size_of::<Header>(),
            crc: CrcLength::Head,
        };
        if self.context.seal(header_at, space_bytes, expected) == Sealed::Missing {
            return firsts;
        }
        if self.each(space, &mut firsts) {
            self.locations(header_at, header, &firsts, space_bytes.len());
        }
        firsts
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
    fn each(&mut self, space: &AttributeSpace<'_>, firsts: &mut Firsts) -> bool {
        let at = space.at;
        let mut offset = size_of::<Header>();
        let mut last = Group::Standard;
        while let Some(rest) = space.bytes.get(offset..).filter(|rest| !rest.is_empty()) {
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
            if group == Group::LongImplementation && !self.is_aligned(offset, length) {
                self.error(131, at, format_args!("an attribute of {length} bytes that are no whole blocks"));
            }
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
            self.attribute(at, space.owner, &head, attribute);
            offset = offset.saturating_add(length);
        }
        true
    }

    /// Whether an attribute of a block or more begins and ends where blocks do.
    fn is_aligned(&self, offset: usize, bytes: usize) -> bool {
        let len = self.block_size().len();
        offset.is_multiple_of(len) && bytes.is_multiple_of(len)
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
        let (head, rest) = bytes.split_at_checked(USE_OFFSET).unwrap_or_default();
        let Some(found) = rest.first_chunk().map(|sum| u16::from_le_bytes(*sum)) else {
            return self.error(133, at, format_args!("no room for the header checksum of \"{name}\""));
        };
        let right = header_checksum(head);
        if found != right {
            self.error(
                133,
                at,
                format_args!("header checksum of \"{name}\" is {found:#06x}, must be {right:#06x}"),
            );
        }
    }
}
