//! Files as their entries describe them (ECMA-167 4/14.9, 4/14.17), and the way from an ICB to its entry (ECMA-167 4/8.10).

use alloc::vec::Vec;

use super::ReadAt;
use super::space::Space;
use super::tolerance::Tolerance;
use crate::error::{Corrupt, Fault, Result};
use crate::file::attribute::Attributes;
use crate::file::{
    AllocationForm, ExtendedFileEntry, FileEntry, FileType, IndirectEntry, Strategy, TerminalEntry, flags,
    permissions,
};
use crate::general::{Descriptor, EntityIdentifier, LongAd, Tag, TagIdentifier, Timestamp};
use crate::units::BlockAddress;

/// Entries of one ICB of strategy 4096, as in Linux.
const MAX_CHAIN: u32 = 1024;

/// A file, directory or whatever else an ICB describes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The ICB, by which others refer to it.
    pub icb: BlockAddress,
    /// Where the entry itself lies: elsewhere only in ICBs of strategy 4096.
    pub block: BlockAddress,
    /// The entry's tag.
    pub tag: Tag,
    /// Whether it is an extended file entry.
    pub extended: bool,
    /// What it describes.
    pub kind: FileType,
    /// How the entries of the ICB hang together.
    pub strategy: Strategy,
    /// The flags of the ICB, see [`flags`].
    pub flags: u16,
    /// Owner; 0xFFFFFFFF for none.
    pub uid: u32,
    /// Group; 0xFFFFFFFF for none.
    pub gid: u32,
    /// See [`permissions`].
    pub permissions: u32,
    /// How many file identifiers lead here.
    pub links: u16,
    /// Bytes of the body.
    pub size_bytes: u64,
    /// Bytes of the body and of all named streams.
    pub object_size_bytes: u64,
    /// Blocks in recorded extents, as the entry says.
    pub blocks_recorded: u64,
    /// Last access.
    pub accessed: Timestamp,
    /// Last change of the body.
    pub modified: Timestamp,
    /// When the file was made: a field of extended entries, of others an extended attribute.
    pub created: Option<Timestamp>,
    /// Last change of the entry.
    pub attributes_changed: Timestamp,
    /// Major and minor number of a device.
    pub device: Option<(u32, u32)>,
    /// 0 for the root, else 16 and up.
    pub unique_id: u64,
    /// How often the entry was meant to be changed; 1 in all that is written today.
    pub checkpoint: u32,
    /// Who wrote the entry.
    pub implementation: EntityIdentifier,
    /// The ICB of a file of more extended attributes.
    pub extended_attribute_icb: Option<LongAd>,
    /// The directory of the named streams.
    pub stream_directory: Option<LongAd>,
    /// How the body is found.
    pub form: AllocationForm,
    /// The space of extended attributes.
    pub extended_attributes: Vec<u8>,
    /// Allocation descriptors, or the embedded body.
    pub allocation: Vec<u8>,
}

impl Entry {
    /// Whether there are file identifiers in the body: a directory, or one of streams.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, FileType::DIRECTORY | FileType::STREAM_DIRECTORY)
    }

    /// The low 32 bits of the unique id, which is what names have of it (UDF 3.2.1.1).
    #[must_use]
    pub fn low_unique_id(&self) -> u32 {
        u32::try_from(self.unique_id & u64::from(u32::MAX)).unwrap_or(0)
    }

    /// The mode of Unix without the kind of file: `rwxrwxrwx` and, above, setuid, setgid and sticky.
    #[must_use]
    pub fn mode(&self) -> u32 {
        let special = [(flags::SET_UID, 0o4000), (flags::SET_GID, 0o2000), (flags::STICKY, 0o1000)];
        let special = special.into_iter().filter(|(flag, _)| self.flags & flag != 0);
        special.fold(permissions::to_mode(self.permissions), |mode, (_, bit)| mode | bit)
    }

    /// The entry in a block, and what is wrong with its extended attributes.
    fn parse(bytes: &[u8], block: BlockAddress) -> Result<(Self, Option<Corrupt>), Corrupt> {
        let location = block.block.0;
        let kind = Tag::read(bytes).map(|tag| tag.kind());
        if kind == Some(TagIdentifier::EXTENDED_FILE_ENTRY) {
            let fixed = ExtendedFileEntry::view(bytes, location, block)?;
            let tail = bytes.get(size_of::<ExtendedFileEntry>()..).unwrap_or_default();
            Self::assemble(fixed, Some(fixed.creation_date_and_time), tail, block)
        } else {
            let fixed = FileEntry::view(bytes, location, block)?;
            let tail = bytes.get(size_of::<FileEntry>()..).unwrap_or_default();
            Self::assemble(&extended(fixed), None, tail, block)
        }
    }

    fn assemble(
        fixed: &ExtendedFileEntry,
        created: Option<Timestamp>,
        tail: &[u8],
        block: BlockAddress,
    ) -> Result<(Self, Option<Corrupt>), Corrupt> {
        let fault = |fault| Corrupt::new("file entry", block, fault);
        let field = |field, value: u16| fault(Fault::Field { field, value: value.into() });
        let icb_tag = &fixed.icb_tag;
        let flags = icb_tag.flags.get();
        let strategy =
            icb_tag.strategy().ok_or_else(|| field("strategy type", icb_tag.strategy_type.get()))?;
        let form = icb_tag.allocation_form().ok_or_else(|| field("ICB flags", flags))?;
        let (attribute_bytes, allocation_bytes) =
            (fixed.length_of_extended_attributes.get(), fixed.length_of_allocation_descriptors.get());
        let split = || {
            let (attributes, rest) = tail.split_at_checked(usize::try_from(attribute_bytes).ok()?)?;
            Some((attributes, rest.get(..usize::try_from(allocation_bytes).ok()?)?))
        };
        let (extended_attributes, allocation) = split().ok_or_else(|| {
            let needed = u64::from(attribute_bytes).saturating_add(allocation_bytes.into());
            fault(Fault::TooShort { needed, found: tail.len() as u64 })
        })?;
        // A damaged attribute is no reason not to read the file.
        let (attributes, damage) = Attributes::read(extended_attributes, block);
        let present = |icb: LongAd| (icb.bytes() > 0).then_some(icb);
        let entry = Self {
            icb: block,
            block,
            tag: fixed.tag,
            extended: fixed.tag.kind() == TagIdentifier::EXTENDED_FILE_ENTRY,
            kind: icb_tag.kind(),
            strategy,
            flags,
            uid: fixed.uid.get(),
            gid: fixed.gid.get(),
            permissions: fixed.permissions.get(),
            links: fixed.file_link_count.get(),
            size_bytes: fixed.information_length.get(),
            object_size_bytes: fixed.object_size.get(),
            blocks_recorded: fixed.logical_blocks_recorded.get(),
            accessed: fixed.access_date_and_time,
            modified: fixed.modification_date_and_time,
            created: created.or(attributes.creation),
            attributes_changed: fixed.attribute_date_and_time,
            device: attributes.device,
            unique_id: fixed.unique_id.get(),
            checkpoint: fixed.checkpoint.get(),
            implementation: fixed.implementation_identifier,
            extended_attribute_icb: present(fixed.extended_attribute_icb),
            stream_directory: present(fixed.stream_directory_icb),
            form,
            extended_attributes: extended_attributes.to_vec(),
            allocation: allocation.to_vec(),
        };
        Ok((entry, damage))
    }
}

/// The extended form of a file entry, which has no streams; its creation time is no field.
fn extended(entry: &FileEntry) -> ExtendedFileEntry {
    ExtendedFileEntry {
        tag: entry.tag,
        icb_tag: entry.icb_tag,
        uid: entry.uid,
        gid: entry.gid,
        permissions: entry.permissions,
        file_link_count: entry.file_link_count,
        record_format: entry.record_format,
        record_display_attributes: entry.record_display_attributes,
        record_length: entry.record_length,
        information_length: entry.information_length,
        object_size: entry.information_length,
        logical_blocks_recorded: entry.logical_blocks_recorded,
        access_date_and_time: entry.access_date_and_time,
        modification_date_and_time: entry.modification_date_and_time,
        creation_date_and_time: Timestamp::ZERO,
        attribute_date_and_time: entry.attribute_date_and_time,
        checkpoint: entry.checkpoint,
        reserved: 0.into(),
        extended_attribute_icb: entry.extended_attribute_icb,
        stream_directory_icb: LongAd::default(),
        implementation_identifier: entry.implementation_identifier,
        unique_id: entry.unique_id,
        length_of_extended_attributes: entry.length_of_extended_attributes,
        length_of_allocation_descriptors: entry.length_of_allocation_descriptors,
    }
}

impl<R: ReadAt> Space<R> {
    /// The entry that counts in the ICB at an address.
    pub(super) fn entry(&self, icb: BlockAddress) -> Result<Entry> {
        let entry = self.direct_entry(icb)?;
        match entry.strategy {
            Strategy::Single => Ok(entry),
            Strategy::Chain => self.latest(entry),
        }
    }

    fn direct_entry(&self, block: BlockAddress) -> Result<Entry> {
        let (entry, damage) = self.parse_block(block, |bytes| Entry::parse(bytes, block))?;
        if let Some(cause) = damage {
            self.met.bend(Tolerance::DamagedAttribute, block, cause)?;
        }
        let fixed = if entry.extended { size_of::<ExtendedFileEntry>() } else { size_of::<FileEntry>() };
        let whole =
            fixed.saturating_add(entry.extended_attributes.len()).saturating_add(entry.allocation.len());
        self.check_cover(&entry.tag, whole, "file entry", block)?;
        Ok(entry)
    }

    /// The last entry that can be reached from the first of an ICB of strategy 4096 (UDF 2.3.5.1).
    ///
    /// Behind each entry lies a terminal entry, or an indirect entry that leads to the next, or, on write-once media where
    /// the chain was not yet ended, nothing.
    fn latest(&self, first: Entry) -> Result<Entry> {
        let icb = first.icb;
        let mut entry = first;
        let mut behind = icb.checked_add(1);
        for _ in 0..MAX_CHAIN {
            let Some(next) = behind.and_then(|block| self.indirection(block)) else {
                self.check_end(icb, behind)?;
                return Ok(entry);
            };
            behind = match self.direct_entry(next) {
                Ok(newer) => {
                    entry = Entry { icb, ..newer };
                    next.checked_add(1)
                }
                // Indirect entries may follow one another; if this is none either, the chain ends with the next look.
                Err(_) => Some(next),
            };
        }
        Err(Corrupt::new("ICB", icb, Fault::Loop("indirect entries")).into())
    }

    /// Notes that a chain does not end with a terminal entry, if so.
    fn check_end(&self, icb: BlockAddress, behind: Option<BlockAddress>) -> Result<()> {
        let is_end = |block: BlockAddress| {
            let parse = |bytes: &[u8]| TerminalEntry::view(bytes, block.block.0, block).map(|_| ());
            self.parse_block(block, parse).is_ok()
        };
        if behind.is_some_and(is_end) {
            return Ok(());
        }
        self.met.bend(Tolerance::OpenChain, icb, Corrupt::new("ICB", icb, Fault::Missing("terminal entry")))
    }

    /// Where the indirect entry in a block leads, if there is one.
    fn indirection(&self, block: BlockAddress) -> Option<BlockAddress> {
        let target = self
            .parse_block(block, |bytes| Ok(IndirectEntry::view(bytes, block.block.0, block)?.indirect_icb));
        target.ok().filter(|icb| icb.bytes() > 0).map(|icb| icb.start())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, HELLO, LINK, SEAL, blank, extended_entry, file_entry};
    use super::*;
    use crate::error::Error;
    use crate::file::IcbTag;
    use crate::general::{Moment, Seal};
    use crate::revision::Revision;
    use crate::units::BlockSize;

    fn chained(file_type: FileType) -> IcbTag {
        let tag = IcbTag::new(file_type, AllocationForm::Embedded, 0);
        IcbTag { strategy_type: 4096.into(), maximum_number_of_entries: 2.into(), ..tag }
    }

    /// An entry of a body of 1 byte, and behind it an indirect entry or what ends the chain.
    fn put_chained(fixture: &mut Fixture, block: u32, body: u8, next: Option<u32>) {
        let at = fixture.at(block);
        fixture.put(at, &extended_entry(chained(FileType::REGULAR), 1, 1), &[body]);
        let behind = at.checked_add(1).unwrap();
        match next {
            Some(next) => {
                let mut indirect: IndirectEntry = blank();
                indirect.icb_tag = chained(FileType::INDIRECT_ENTRY);
                indirect.indirect_icb = fixture.icb(next);
                fixture.put(behind, &indirect, &[]);
            }
            None => fixture.put(behind, &blank::<TerminalEntry>(), &[]),
        }
    }

    fn body(fixture: &Fixture, block: u32) -> Result<Vec<u8>> {
        let volume = fixture.open();
        let entry = volume.entry(&fixture.icb(block))?;
        assert_eq!(entry.icb, fixture.at(block));
        volume.read_all(&entry, 100)
    }

    #[test]
    fn of_a_chain_the_last_entry_counts() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        put_chained(&mut fixture, 30, 1, Some(40));
        put_chained(&mut fixture, 40, 2, Some(50));
        assert_eq!(body(&fixture, 30).unwrap(), [2], "nothing recorded at 50 yet");
        put_chained(&mut fixture, 50, 3, None);
        assert_eq!(body(&fixture, 30).unwrap(), [3]);
    }

    #[test]
    fn chains_end() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        put_chained(&mut fixture, 30, 1, Some(40));
        put_chained(&mut fixture, 40, 2, Some(30));
        assert!(matches!(body(&fixture, 30), Err(Error::Corrupt(Corrupt { fault: Fault::Loop(_), .. }))));
    }

    #[test]
    fn both_forms_say_the_same() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        let creation = Timestamp::new(Moment::from_unix(5, 0), 0);
        let attributes = Attributes { creation: Some(creation), device: Some((8, 1)) };
        let mut space = Vec::new();
        let seal = Seal { descriptor_version: 2, ..SEAL };
        attributes.write(&mut space, Revision::V1_02.rules(), seal, 30, EntityIdentifier::EMPTY);
        let tag =
            IcbTag::new(FileType::BLOCK_DEVICE, AllocationForm::Embedded, flags::SET_UID | flags::STICKY);
        let (fixed, tail) = file_entry(tag, 2, &space, b"ab");
        fixture.put(fixture.at(30), &fixed, &tail);
        let volume = fixture.open();
        let entry = volume.entry(&fixture.icb(30)).unwrap();
        assert!(!entry.extended && !entry.is_directory());
        assert_eq!((entry.created, entry.device), (Some(creation), Some((8, 1))));
        assert_eq!((entry.allocation.as_slice(), entry.object_size_bytes), (&b"ab"[..], 2));
        assert_eq!(entry.mode(), 0o5000);

        let entry = volume.entry(&fixture.icb(HELLO)).unwrap();
        assert!(entry.extended && entry.created.is_some() && entry.stream_directory.is_none());
        assert_eq!(entry.mode(), 0o644);
    }

    #[test]
    fn lengths_beyond_the_block_and_strange_tags_are_damage() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        let good = IcbTag::new(FileType::REGULAR, AllocationForm::Embedded, 0);
        let mut put = |icb_tag, attribute_bytes: u32, allocation_bytes: u32| {
            let mut fixed = extended_entry(icb_tag, 0, 0);
            fixed.length_of_extended_attributes = attribute_bytes.into();
            fixed.length_of_allocation_descriptors = allocation_bytes.into();
            fixture.put(fixture.at(30), &fixed, &[]);
            body(&fixture, 30)
        };
        put(good, 0, 0).unwrap();
        put(good, 1000, 832).unwrap();
        for (attributes, allocation) in [(u32::MAX, 0), (0, u32::MAX), (u32::MAX, u32::MAX), (1000, 833)] {
            assert!(put(good, attributes, allocation).is_err(), "{attributes} {allocation}");
        }
        assert!(put(IcbTag { strategy_type: 1.into(), ..good }, 0, 0).is_err());
        assert!(put(IcbTag { flags: 7.into(), ..good }, 0, 0).is_err());
    }

    #[test]
    fn an_entry_must_lie_where_it_says() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        let fixed = extended_entry(IcbTag::new(FileType::REGULAR, AllocationForm::Embedded, 0), 0, 0);
        fixture.write(super::super::fixture::PARTITION + 30, 31, &fixed, &[]);
        assert!(matches!(
            body(&fixture, 30),
            Err(Error::Corrupt(Corrupt { fault: Fault::Location { expected: 30, found: 31 }, .. }))
        ));
        assert!(body(&fixture, LINK).is_ok() && body(&fixture, u32::MAX).is_err());
    }
}
