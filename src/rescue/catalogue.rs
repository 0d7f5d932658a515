//! What a scan of the device found: every descriptor with a good seal, wherever it lies, small enough to keep.

use std::collections::BTreeMap;

use udf::Place;
use udf::file::{FileIdentifierDescriptor, FileSetDescriptor, FileType, IcbTag, characteristics};
use udf::general::{Descriptor, EntityIdentifier, LongAd, Tag, TagIdentifier};
use udf::partition::{SparingEntry, SparingTable};
use zerocopy::FromBytes;

/// Volume descriptors and file set descriptors that are kept of each kind; a device has tens of them.
const MOST_OF_A_KIND: usize = 4096;
/// Entries of sparing tables that are kept, together: those of four copies of the longest there can be.
const MOST_SPARING_ENTRIES: usize = 1 << 18;
/// Bytes of a descriptor that are kept: a logical volume descriptor with more maps than there are.
const MOST_BYTES: usize = 4096;

/// What a small record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// An entry of a file, a directory or anything else, of this file type.
    Entry(FileType),
    /// The first file identifier of a directory: that of its parent.
    Parent,
    /// An account of a partition's free space: a bitmap or a table.
    Space,
}

/// A descriptor in a partition: 16 bytes, of which there may be one for each block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// Where on the device it begins.
    pub(super) at_bytes: u64,
    /// Where its tag says that it lies.
    pub(super) location: u32,
    pub(super) kind: Kind,
}

/// A descriptor of the volume or of a file set, of which a device has few: its bytes.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    pub(super) at_bytes: u64,
    pub(super) location: u32,
    pub(super) kind: TagIdentifier,
    pub(super) bytes: Vec<u8>,
}

impl Whole {
    /// The descriptor that it should be, by its kind.
    pub(super) fn view<D: Descriptor>(&self) -> Option<&D> {
        (self.kind == D::IDENTIFIER).then(|| D::peek(&self.bytes, Place::Within).ok())?
    }

    /// Its bytes but for the tag, which says where it lies: equal in copies of it.
    pub(super) fn content(&self) -> &[u8] {
        self.bytes.get(Tag::LEN..).unwrap_or_default()
    }
}

/// A copy of a sparing table.
#[derive(Clone, Debug)]
pub(super) struct SparingCopy {
    pub(super) at_bytes: u64,
    pub(super) location: u32,
    pub(super) sequence_number: u32,
    /// The spare packets that it lists.
    pub(super) entries: Vec<SparingEntry>,
}

/// All that was found, in the order of the device.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// Entries and beginnings of directories.
    pub(super) records: Vec<Record>,
    /// Descriptors of volumes and file sets.
    pub(super) whole: Vec<Whole>,
    /// Copies of sparing tables.
    pub(super) sparing: Vec<SparingCopy>,
    counts: BTreeMap<TagIdentifier, usize>,
}

impl Catalogue {
    /// Takes what begins at a place of the device, if it is a descriptor with a good seal.
    pub(super) fn take(&mut self, at_bytes: u64, bytes: &[u8]) {
        let Some(tag) = Tag::read(bytes) else { return };
        // Blank blocks have this kind, too, and no CRC.
        if tag.kind() == TagIdentifier::SPARING_TABLE && tag.descriptor_crc_length.get() > 0 {
            let has_room = |copy: &SparingCopy| {
                let kept: usize = self.sparing.iter().map(|copy| copy.entries.len() + 1).sum();
                kept + copy.entries.len() < MOST_SPARING_ENTRIES
            };
            let copy = sparing_copy(at_bytes, bytes).filter(has_room);
            self.sparing.extend(copy);
        }
        if !is_plausible(&tag) {
            return;
        }
        if Tag::check_any_location(bytes, tag.kind(), "descriptor", Place::Within).is_err() {
            return;
        }
        let location = tag.location.get();
        let record = |kind| Record { at_bytes, location, kind };
        match tag.kind() {
            TagIdentifier::FILE_ENTRY | TagIdentifier::EXTENDED_FILE_ENTRY => {
                let icb_tag = bytes.get(Tag::LEN..).and_then(|rest| IcbTag::read_from_prefix(rest).ok());
                if let Some((icb_tag, _)) = icb_tag {
                    self.records.push(record(Kind::Entry(icb_tag.kind())));
                }
            }
            TagIdentifier::FILE_IDENTIFIER => {
                let found = FileIdentifierDescriptor::split(bytes, Place::Within);
                let parent = characteristics::PARENT;
                if found.is_ok_and(|found| found.fixed.file_characteristics & parent != 0) {
                    self.records.push(record(Kind::Parent));
                }
            }
            TagIdentifier::SPACE_BITMAP | TagIdentifier::UNALLOCATED_SPACE_ENTRY => {
                self.records.push(record(Kind::Space));
            }
            kind => {
                let count = self.counts.entry(kind).or_default();
                if is_kept_whole(kind) && *count < MOST_OF_A_KIND {
                    *count += 1;
                    let length = Tag::LEN + usize::from(tag.descriptor_crc_length.get());
                    let length = length.max(least_length(kind)).min(MOST_BYTES).min(bytes.len());
                    self.whole.push(Whole { at_bytes, location, kind, bytes: bytes[..length].to_vec() });
                }
            }
        }
    }

    /// The descriptors of a kind.
    pub(super) fn of_kind<'c, D: Descriptor + 'c>(&'c self) -> impl Iterator<Item = (&'c Whole, &'c D)> {
        self.whole.iter().filter_map(|whole| Some((whole, whole.view::<D>()?)))
    }

    /// Entries of the types that virtual allocation tables have.
    pub(super) fn tables(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.iter().filter(|record| {
            matches!(record.kind, Kind::Entry(FileType::VIRTUAL_ALLOCATION_TABLE | FileType::UNSPECIFIED))
        })
    }

    /// The entries of a file type.
    pub(super) fn entries(&self, file_type: FileType) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |record| record.kind == Kind::Entry(file_type))
    }
}

/// Whether it is worth to compute a CRC: blank blocks and data fail here.
fn is_plausible(tag: &Tag) -> bool {
    matches!(tag.identifier.get(), 1..=9 | 256..=266)
        && matches!(tag.descriptor_version.get(), 2 | 3)
        && tag.checksum == tag.expected_checksum()
        // Without a CRC nothing would tell a descriptor from a tag that was left behind.
        && tag.descriptor_crc_length.get() > 0
}

/// The copy of a sparing table that begins here, if it is one with a good seal.
fn sparing_copy(at_bytes: u64, bytes: &[u8]) -> Option<SparingCopy> {
    let kind = TagIdentifier::SPARING_TABLE;
    let tag = Tag::check_any_location(bytes, kind, SparingTable::NAME, Place::Within).ok()?;
    let (table, entries) = SparingTable::ref_from_prefix(bytes).ok()?;
    let is_one = table.sparing_identifier.is(EntityIdentifier::SPARING_TABLE);
    // Without a CRC nothing would tell what its entries were.
    if !is_one || usize::from(tag.descriptor_crc_length.get()) < size_of::<SparingTable>() - Tag::LEN {
        return None;
    }
    let count = usize::from(table.reallocation_table_length.get());
    let entries = entries.chunks_exact(size_of::<SparingEntry>()).take(count);
    Some(SparingCopy {
        at_bytes,
        location: tag.location.get(),
        sequence_number: table.sequence_number.get(),
        entries: entries.filter_map(|entry| SparingEntry::read_from_bytes(entry).ok()).collect(),
    })
}

fn is_kept_whole(kind: TagIdentifier) -> bool {
    kind <= TagIdentifier::LOGICAL_VOLUME_INTEGRITY || kind == TagIdentifier::FILE_SET
}

/// CRCs may cover less than the descriptor.
fn least_length(kind: TagIdentifier) -> usize {
    if kind == TagIdentifier::ANCHOR_VOLUME_POINTER { 32 } else { size_of::<FileSetDescriptor>() }
}

/// Where the parent's file identifier at the beginning of `bytes` leads.
pub(super) fn parent_icb(bytes: &[u8]) -> Option<LongAd> {
    let found = FileIdentifierDescriptor::split(bytes, Place::Within).ok()?;
    (found.fixed.file_characteristics & characteristics::PARENT != 0).then_some(found.fixed.icb)
}

#[cfg(test)]
mod tests {
    use super::*;
    use udf::general::Seal;

    #[test]
    fn only_what_has_a_good_seal_is_taken() {
        const SEAL: Seal = Seal { descriptor_version: 3, serial_number: 1 };
        assert_eq!(size_of::<Record>(), 16);
        let mut catalogue = Catalogue::default();
        let mut block = vec![0; 2048];
        block[16 + 11] = 5;
        Tag::seal(&mut block[..200], TagIdentifier::FILE_ENTRY, SEAL, 9);
        catalogue.take(4096, &block);
        assert!(matches!(
            catalogue.records[..],
            [Record { at_bytes: 4096, location: 9, kind: Kind::Entry(FileType(5)) }]
        ));
        for at in 0..200 {
            let mut broken = block.clone();
            broken[at] ^= 4;
            catalogue.take(0, &broken);
        }
        catalogue.take(0, &block[..100]);
        catalogue.take(0, &[0; 2048]);
        assert_eq!(catalogue.records.len(), 1);
        let mut block = vec![7; 2048];
        Tag::seal(&mut block[..512], TagIdentifier::PARTITION, SEAL, 9);
        catalogue.take(0, &block);
        assert_eq!((catalogue.whole.len(), catalogue.whole[0].bytes.len()), (1, 512));
    }
}
