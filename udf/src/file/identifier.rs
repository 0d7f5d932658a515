//! File identifier descriptor (ECMA-167 4/14.4, UDF 2.3.4): a name in a directory, and the ICB it stands for.

use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::{Corrupt, Fault, Place};
use crate::general::{Descriptor, LongAd, Seal, Tag, TagIdentifier};

/// Bits of the file characteristics (ECMA-167 4/14.4.3).
#[allow(missing_docs, reason = "the names are the standard's")]
pub mod characteristics {
    pub const HIDDEN: u8 = 1;
    pub const DIRECTORY: u8 = 1 << 1;
    pub const DELETED: u8 = 1 << 2;
    pub const PARENT: u8 = 1 << 3;
    /// Of a stream: it belongs to the system, not to the user (UDF 2.3.4.2).
    pub const METADATA: u8 = 1 << 4;
}

/// The fixed part; implementation use, the name and padding to a multiple of 4 bytes follow.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct FileIdentifierDescriptor {
    /// Identifier 257. Its location is the block in which the descriptor begins.
    pub tag: Tag,
    /// 1.
    pub file_version_number: U16,
    /// See [`characteristics`].
    pub file_characteristics: u8,
    /// Bytes of the name, compression id included; 0 for the parent.
    pub length_of_file_identifier: u8,
    /// The file's ICB, with the unique id beside it.
    pub icb: LongAd,
    /// Bytes of implementation use: 0, or 32 and more, a multiple of 4.
    pub length_of_implementation_use: U16,
}

const _: () = assert!(size_of::<FileIdentifierDescriptor>() == FileIdentifierDescriptor::FIXED_LEN);

impl Descriptor for FileIdentifierDescriptor {
    const IDENTIFIER: TagIdentifier = TagIdentifier::FILE_IDENTIFIER;
    const NAME: &'static str = "file identifier descriptor";
}

impl FileIdentifierDescriptor {
    /// Bytes of the fixed part.
    pub const FIXED_LEN: usize = 38;

    /// A descriptor of version 1 without implementation use, not yet sealed.
    #[must_use]
    pub fn new(file_characteristics: u8, icb: LongAd) -> Self {
        Self {
            tag: Tag::default(),
            file_version_number: 1.into(),
            file_characteristics,
            length_of_file_identifier: 0,
            icb,
            length_of_implementation_use: 0.into(),
        }
    }

    /// Bytes of a descriptor with so much implementation use and name, padding included (UDF 2.3.4).
    #[must_use]
    pub const fn len_with(implementation_use_bytes: usize, name_bytes: usize) -> usize {
        Self::FIXED_LEN.saturating_add(implementation_use_bytes).saturating_add(name_bytes).saturating_add(3)
            & !3
    }

    /// Bytes of this descriptor, padding included.
    #[must_use]
    pub fn total_len(&self) -> usize {
        Self::len_with(
            usize::from(self.length_of_implementation_use.get()),
            usize::from(self.length_of_file_identifier),
        )
    }

    /// Appends the descriptor with this name (d-characters, at most 255 bytes), sealed, to a directory body.
    ///
    /// # Panics
    /// If the name is longer: the caller made it legal, so that is a mistake in the program.
    pub fn append_to(
        mut self,
        implementation_use: &[u8],
        name: &[u8],
        out: &mut alloc::vec::Vec<u8>,
        seal: Seal,
        location: u32,
    ) {
        let (Ok(name_len), Ok(use_len)) = (u8::try_from(name.len()), u16::try_from(implementation_use.len()))
        else {
            panic!("a name of {} bytes", name.len())
        };
        self.length_of_file_identifier = name_len;
        self.length_of_implementation_use = use_len.into();
        let start = out.len();
        out.extend_from_slice(self.as_bytes());
        out.extend_from_slice(implementation_use);
        out.extend_from_slice(name);
        out.resize(start.saturating_add(self.total_len()), 0);
        Tag::seal(out.split_at_mut(start).1, Self::IDENTIFIER, seal, location);
    }

    /// The descriptor at the beginning of `bytes`, whole: fixed part, implementation use, name.
    ///
    /// The seal is checked but for the location, since it depends on where the directory's extents lie.
    pub fn split(bytes: &[u8], place: impl Into<Place>) -> Result<FileIdentifier<'_>, Corrupt> {
        let place = place.into();
        let fixed = Self::peek(bytes, place)?;
        let total = fixed.total_len();
        let fault = Fault::TooShort { needed: total as u64, found: bytes.len() as u64 };
        let whole = bytes.get(..total).ok_or_else(|| Corrupt::new(Self::NAME, place, fault))?;
        Tag::check_any_location(whole, Self::IDENTIFIER, Self::NAME, place)?;
        let tail = whole.split_at(Self::FIXED_LEN).1;
        let (implementation_use, tail) = tail.split_at(usize::from(fixed.length_of_implementation_use.get()));
        let (name, padding) = tail.split_at(usize::from(fixed.length_of_file_identifier));
        Ok(FileIdentifier { fixed, implementation_use, name, padding })
    }
}

/// A whole file identifier descriptor, taken apart.
#[derive(Clone, Copy, Debug)]
pub struct FileIdentifier<'a> {
    /// The fixed part.
    pub fixed: &'a FileIdentifierDescriptor,
    /// Begins with an entity identifier if there is any.
    pub implementation_use: &'a [u8],
    /// The name in d-characters.
    pub name: &'a [u8],
    /// Zeros to a multiple of 4.
    pub padding: &'a [u8],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::general::text;
    use crate::units::BlockAddress;

    const SEAL: Seal = Seal { descriptor_version: 3, serial_number: 1 };

    #[test]
    fn reference_vectors() {
        let mut body = std::vec::Vec::new();
        let parent = characteristics::PARENT | characteristics::DIRECTORY;
        let root = LongAd::icb(2048, BlockAddress::new(0, 3), 0);
        FileIdentifierDescriptor::new(parent, root).append_to(&[], &[], &mut body, SEAL, 3);
        assert_eq!(
            body,
            [
                0x01, 0x01, 0x03, 0x00, 0x4e, 0x00, 0x01, 0x00, 0x63, 0xca, 0x18, 0x00, 0x03, 0x00, 0x00,
                0x00, //
                0x01, 0x00, 0x0a, 0x00, 0x00, 0x08, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                0x00, //
                0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00
            ]
        );
        let file = LongAd::icb(2048, BlockAddress::new(0, 4), 16);
        FileIdentifierDescriptor::new(0, file).append_to(&[], &text::encode("a.txt"), &mut body, SEAL, 3);
        let expected = [0x01, 0x01, 0x03, 0x00, 0x3f, 0x00, 0x01, 0x00, 0x5a, 0xc0, 0x1c, 0x00, 3, 0, 0, 0];
        assert_eq!(body[40..56], expected);
        assert_eq!(body.len(), 84);
        let read = FileIdentifierDescriptor::split(&body[40..], Place::Within).unwrap();
        assert_eq!(read.name, text::encode("a.txt"));
        assert_eq!(read.fixed.icb, file);
    }
}
