//! Changing what is recorded of a file in an image, with a seal that is good again.

use udf::file::{ExtendedFileEntry, FileEntry};
use udf::general::{Seal, Tag, TagIdentifier};
use udf::read::{OpenOptions, Volume};

/// Offsets within an entry, which differ between its two forms.
#[derive(Clone, Copy)]
pub(crate) struct Fields {
    /// Bytes of the body, 8 of them.
    pub(crate) size: usize,
    /// Where allocation descriptors begin, if there are no extended attributes.
    pub(crate) allocation: usize,
}

/// Changes the entry of a path and seals it again.
pub(crate) fn entry(image: &mut [u8], path: &str, change: impl FnOnce(&mut [u8], Fields)) {
    let volume = Volume::open(&*image, &OpenOptions::default()).unwrap();
    let found = volume.lookup(path).unwrap();
    assert!(found.extended_attributes.is_empty());
    let start = volume.block_size().offset_of(volume.locate(found.block).unwrap().sector);
    let start = usize::try_from(start).unwrap();
    let end = start + volume.block_size().len();
    let fields = if found.extended {
        Fields { size: 56, allocation: size_of::<ExtendedFileEntry>() }
    } else {
        Fields { size: 56, allocation: size_of::<FileEntry>() }
    };
    change(&mut image[start..end], fields);
    reseal(&mut image[start..end]);
}

/// Changes the descriptor of an index in both volume descriptor sequences and seals it again.
pub(crate) fn in_both_sequences(image: &mut [u8], index: usize, change: impl Fn(&mut [u8])) {
    let volume = Volume::open(&*image, &OpenOptions::default()).unwrap();
    let (len, (main, reserve)) = (volume.block_size().len(), volume.sequences());
    for sequence in [main, reserve] {
        let start = (sequence.location.get() as usize + index) * len;
        change(&mut image[start..start + len]);
        reseal(&mut image[start..start + len]);
    }
}

/// Seals a descriptor again as it was sealed.
pub(crate) fn reseal(descriptor: &mut [u8]) {
    let tag = Tag::read(descriptor).unwrap();
    let seal =
        Seal { descriptor_version: tag.descriptor_version.get(), serial_number: tag.serial_number.get() };
    let crc_bytes = tag.descriptor_crc_length.get().into();
    Tag::seal_partly(descriptor, TagIdentifier(tag.identifier.get()), seal, tag.location.get(), crc_bytes);
}
