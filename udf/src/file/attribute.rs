//! Extended attributes in an entry (ECMA-167 4/14.10, UDF 3.3.4): the header and the attributes that files need.

use alloc::vec::Vec;

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::{Corrupt, Fault, Place};
use crate::general::{Descriptor, EntityIdentifier, Seal, Tag, TagIdentifier, Timestamp};
use crate::revision::Rules;

/// Begins the space of extended attributes (ECMA-167 4/14.10.1).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ExtendedAttributeHeaderDescriptor {
    /// Identifier 262, located as the entry that it is in.
    pub tag: Tag,
    /// Offset of the first implementation use attribute.
    pub implementation_attributes_location: U32,
    /// Offset of the first application use attribute.
    pub application_attributes_location: U32,
}

const _: () = assert!(size_of::<ExtendedAttributeHeaderDescriptor>() == 24);

impl Descriptor for ExtendedAttributeHeaderDescriptor {
    const IDENTIFIER: TagIdentifier = TagIdentifier::EXTENDED_ATTRIBUTE_HEADER;
    const NAME: &'static str = "extended attribute header descriptor";
}

/// What every attribute begins with (ECMA-167 4/14.10.2).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct AttributeHead {
    /// 5 file times, 12 device specification, 2048 implementation use, ...
    pub attribute_type: U32,
    /// 1.
    pub attribute_subtype: u8,
    /// 0.
    pub reserved: [u8; 3],
    /// Bytes of the whole attribute, this head included.
    pub attribute_length: U32,
}

const _: () = assert!(size_of::<AttributeHead>() == 12);

/// The attribute type of [`FileTimes`].
pub const FILE_TIMES: u32 = 5;
/// The attribute type of [`DeviceSpecification`].
pub const DEVICE_SPECIFICATION: u32 = 12;
/// The attribute type of what implementations add, UDF's own among them (ECMA-167 4/14.10.8).
pub const IMPLEMENTATION_USE: u32 = 2048;

/// File times (ECMA-167 4/14.10.5) with one time, that of creation.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct FileTimes {
    /// Type 5.
    pub head: AttributeHead,
    /// Bytes of timestamps.
    pub data_length: U32,
    /// Which times follow, in ascending order of bits; bit 0 is the creation.
    pub file_time_existence: U32,
    /// The first of them.
    pub first_time: Timestamp,
}

const _: () = assert!(size_of::<FileTimes>() == 32);

impl FileTimes {
    /// Bit 0 of `file_time_existence`.
    pub const CREATION: u32 = 1;
}

/// The numbers of a device (ECMA-167 4/14.10.7, UDF 3.3.4.4), as we write them: with the developer's identifier.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct DeviceSpecification {
    /// Type 12.
    pub head: AttributeHead,
    /// At least 32.
    pub implementation_use_length: U32,
    /// Major number.
    pub major_device_identification: U32,
    /// Minor number.
    pub minor_device_identification: U32,
    /// Who wrote it.
    pub implementation_identifier: EntityIdentifier,
}

const _: () = assert!(size_of::<DeviceSpecification>() == 56);

/// What an entry keeps in extended attributes, of that which files have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Creation time, where the entry has no field for it.
    pub creation: Option<Timestamp>,
    /// Major and minor number of a device.
    pub device: Option<(u32, u32)>,
}

impl Attributes {
    /// Bytes that [`write`](Self::write) makes: none if there is nothing to keep.
    #[must_use]
    pub fn len(&self) -> usize {
        let times = if self.creation.is_some() { size_of::<FileTimes>() } else { 0 };
        let device = if self.device.is_some() { size_of::<DeviceSpecification>() } else { 0 };
        match times.saturating_add(device) {
            0 => 0,
            attributes => size_of::<ExtendedAttributeHeaderDescriptor>().saturating_add(attributes),
        }
    }

    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the attribute space of the entry at `location`.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        rules: &Rules,
        seal: Seal,
        location: u32,
        developer: EntityIdentifier,
    ) {
        let Ok(length) = u32::try_from(self.len()) else { return };
        if length == 0 {
            return;
        }
        let absent = if rules.absent_attribute_is_ones { u32::MAX } else { length };
        let mut header = ExtendedAttributeHeaderDescriptor {
            tag: Tag::default(),
            implementation_attributes_location: absent.into(),
            application_attributes_location: absent.into(),
        };
        Tag::seal(header.as_mut_bytes(), TagIdentifier::EXTENDED_ATTRIBUTE_HEADER, seal, location);
        out.extend_from_slice(header.as_bytes());
        if let Some(creation) = self.creation {
            let times = FileTimes {
                head: AttributeHead::new(FILE_TIMES, size_of::<FileTimes>()),
                data_length: 12.into(),
                file_time_existence: FileTimes::CREATION.into(),
                first_time: creation,
            };
            out.extend_from_slice(times.as_bytes());
        }
        if let Some((major, minor)) = self.device {
            let device = DeviceSpecification {
                head: AttributeHead::new(DEVICE_SPECIFICATION, size_of::<DeviceSpecification>()),
                implementation_use_length: 32.into(),
                major_device_identification: major.into(),
                minor_device_identification: minor.into(),
                implementation_identifier: developer,
            };
            out.extend_from_slice(device.as_bytes());
        }
    }

    /// What is in an entry's attribute space, up to the first attribute that is damaged; attributes of other kinds are
    /// passed over.
    pub fn read(space: &[u8], place: impl Into<Place>) -> (Self, Option<Corrupt>) {
        let mut found = Self::default();
        for attribute in iter(space, place.into()) {
            let (head, bytes) = match attribute {
                Ok(attribute) => attribute,
                Err(damage) => return (found, Some(damage)),
            };
            match head.attribute_type.get() {
                FILE_TIMES => {
                    if let Ok((times, _)) = FileTimes::ref_from_prefix(bytes)
                        && times.file_time_existence.get() & FileTimes::CREATION != 0
                    {
                        found.creation = Some(times.first_time);
                    }
                }
                DEVICE_SPECIFICATION => {
                    if let Some((major, minor)) = device_numbers(bytes) {
                        found.device = Some((major, minor));
                    }
                }
                _ => {}
            }
        }
        (found, None)
    }
}

fn device_numbers(bytes: &[u8]) -> Option<(u32, u32)> {
    let (major, rest) = U32::read_from_prefix(bytes.get(16..)?).ok()?;
    let (minor, _) = U32::read_from_prefix(rest).ok()?;
    Some((major.get(), minor.get()))
}

impl AttributeHead {
    fn new(attribute_type: u32, bytes: usize) -> Self {
        Self {
            attribute_type: attribute_type.into(),
            attribute_subtype: 1,
            reserved: [0; 3],
            attribute_length: u32::try_from(bytes).unwrap_or(u32::MAX).into(),
        }
    }
}

/// Sets the creation time in an attribute space that has a place for one; `false` if it has none. No seal covers it.
pub fn set_creation(space: &mut [u8], created: Timestamp) -> bool {
    let mut at = size_of::<ExtendedAttributeHeaderDescriptor>();
    while let Some(attribute) = space.get_mut(at..)
        && let Ok((head, _)) = AttributeHead::ref_from_prefix(attribute)
    {
        let length = usize::try_from(head.attribute_length.get()).unwrap_or(usize::MAX);
        let is_times = head.attribute_type.get() == FILE_TIMES;
        let Some(attribute) = attribute.get_mut(..length).filter(|_| length >= size_of::<AttributeHead>())
        else {
            break;
        };
        if is_times
            && let Ok((times, _)) = FileTimes::mut_from_prefix(attribute)
            && times.file_time_existence.get() & FileTimes::CREATION != 0
        {
            times.first_time = created;
            return true;
        }
        at = at.saturating_add(length);
    }
    false
}

/// The attributes of a space, one by one, each with all its bytes; ends after the first that is damaged.
pub fn iter(space: &[u8], place: Place) -> impl Iterator<Item = Result<(&AttributeHead, &[u8]), Corrupt>> {
    let mut rest = space.get(size_of::<ExtendedAttributeHeaderDescriptor>()..).unwrap_or_default();
    core::iter::from_fn(move || {
        let (head, _) = AttributeHead::ref_from_prefix(rest).ok()?;
        let length = usize::try_from(head.attribute_length.get()).unwrap_or(usize::MAX);
        match rest.split_at_checked(length) {
            Some((attribute, others)) if length >= size_of::<AttributeHead>() => {
                rest = others;
                Some(Ok((head, attribute)))
            }
            _ => {
                // A tail of zeros is free space that no attribute describes.
                let blank = rest.iter().all(|byte| *byte == 0);
                rest = &[];
                let fault = Fault::Field { field: "attribute length", value: length as u64 };
                (!blank).then(|| Err(Corrupt::new("extended attribute", place, fault)))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::general::Moment;
    use crate::revision::Revision;

    #[test]
    fn a_creation_time_is_set_where_there_is_a_place_for_it() {
        let time = |seconds| Timestamp::new(Moment::from_unix(seconds, 0), 0);
        for creation in [None, Some(time(1_000_000_000))] {
            let attributes = Attributes { creation, device: Some((1, 3)) };
            let mut space = Vec::new();
            let seal = Seal { descriptor_version: 2, serial_number: 1 };
            let developer = EntityIdentifier::implementation("*test");
            attributes.write(&mut space, Revision::V1_02.rules(), seal, 113, developer);
            assert_eq!(set_creation(&mut space, time(2_000_000_000)), creation.is_some());
            let found = Attributes::read(&space, Place::Within).0;
            assert_eq!(found.creation, creation.map(|_| time(2_000_000_000)));
            assert_eq!(found.device, Some((1, 3)));
        }
        assert!(!set_creation(&mut [1; 40], time(0)));
    }

    #[test]
    fn attributes_survive() {
        let creation = Some(Timestamp::new(Moment::from_unix(1_000_000_000, 5000), 60));
        for revision in Revision::ALL {
            for attributes in [
                Attributes::default(),
                Attributes { creation, device: None },
                Attributes { creation, device: Some((10, 200)) },
                Attributes { creation: None, device: Some((259, 70000)) },
            ] {
                let mut space = Vec::new();
                let seal = Seal { descriptor_version: 3, serial_number: 1 };
                let developer = EntityIdentifier::implementation("*test");
                attributes.write(&mut space, revision.rules(), seal, 113, developer);
                assert_eq!(space.len(), attributes.len());
                assert_eq!(Attributes::read(&space, Place::Within).0, attributes);
            }
        }
    }

    #[test]
    fn hostile_lengths_end() {
        let mut space = std::vec![0; 80];
        space[24] = 5;
        for length in [0u32, 1, 11, 57, u32::MAX] {
            space[32..36].copy_from_slice(&length.to_le_bytes());
            assert!(Attributes::read(&space, Place::Within).1.is_some(), "{length}");
        }
    }
}
