//! Faults of files of attributes (R129 to R134), in a volume that is given one first.

use udf::BlockAddress;
use udf::file::{ExtendedFileEntry, FileType};
use udf::general::{LongAd, Tag, TagIdentifier as Kind};
use zerocopy::{FromBytes, IntoBytes};

use super::super::image::{Image, get32, put, seal};
use super::streams::entry;
use super::{Fault, On};

/// An attribute of an implementation, so many bytes long.
fn owned(length: u32) -> Vec<u8> {
    let mut attribute = vec![0; length as usize];
    put(&mut attribute, 0, &2048u32.to_le_bytes());
    put(&mut attribute, 4, &[1]);
    put(&mut attribute, 8, &length.to_le_bytes());
    put(&mut attribute, 17, b"*implementation");
    attribute
}

/// The header of a space, and what follows it.
fn space(location: u32, implementation: u32, attributes: &[u8]) -> Vec<u8> {
    let mut space = vec![0; 24];
    put(&mut space, 16, &implementation.to_le_bytes());
    put(&mut space, 20, &[0xFF; 4]);
    Tag::seal(&mut space, Kind::EXTENDED_ATTRIBUTE_HEADER, seal(), location);
    space.extend(attributes);
    space
}

/// Gives a file a file of attributes, embedded in its entry, in a spare block, whose body is what `body` makes of where it lies.
fn add(image: &mut Image, path: &str, body: impl Fn(u32) -> Vec<u8>) {
    let at = image.spare();
    add_at(image, path, at, FileType::EXTENDED_ATTRIBUTES, &body(at.block.0));
}

fn add_at(image: &mut Image, path: &str, at: BlockAddress, kind: FileType, body: &[u8]) {
    let [sector] = image.entry("other")[..] else { unreachable!() };
    let (like, _) = ExtendedFileEntry::read_from_prefix(image.sector(sector)).unwrap();
    entry(image, like, at, kind, body, |entry| entry.unique_id = 0.into());
    let owner = image.entry(path);
    image.change(&owner, |entry| put(entry, 136, LongAd::icb(2048, at, 0).as_bytes()));
}

/// Moves the body of the file of attributes that `add` made to the blocks behind its entry.
fn record_apart(image: &mut Image, path: &str, body: &[u8]) {
    let at = image.spare();
    add_at(image, path, at, FileType::EXTENDED_ATTRIBUTES, &[0; 8]);
    let blocks = u32::try_from(body.len().div_ceil(2048)).unwrap();
    let first = at.checked_add(1).unwrap();
    let [start] = image.copies(first)[..] else { unreachable!() };
    for (sector, piece) in (start..).zip(body.chunks(2048)) {
        let block = image.sector(sector);
        block.fill(0);
        put(block, 0, piece);
    }
    let sectors = image.copies(at);
    image.change(&sectors, |entry| {
        let bytes = u32::try_from(body.len()).unwrap();
        put(entry, 34, &[0]);
        for field in [56, 64] {
            put(entry, field, &bytes.to_le_bytes());
        }
        put(entry, 72, &blocks.to_le_bytes());
        put(entry, 216, &bytes.to_le_bytes());
        put(entry, 220, &first.block.0.to_le_bytes());
    });
}

/// Takes the device's specification from its entry into a file.
fn move_device(image: &mut Image, change: impl Fn(&mut Vec<u8>)) {
    let [sector] = image.entry("device")[..] else { unreachable!() };
    let length = get32(image.sector(sector), 208) as usize;
    let mut attributes = image.sector(sector)[216 + 24..216 + length].to_vec();
    change(&mut attributes);
    image.change(&[sector], |entry| {
        put(entry, 208, &[0; 4]);
        entry[216..216 + length].fill(0);
        super::super::image::set_crc_length(entry, 200);
    });
    add(image, "device", |location| space(location, u32::MAX, &attributes));
}

pub(super) const FAULTS: &[Fault] = &[
    (&[], On::Plain, |image| add(image, "data", |at| space(at, 24, &owned(52)))),
    (&[], On::Plain, |image| move_device(image, |_| ())),
    (&[134], On::Plain, |image| move_device(image, Vec::clear)),
    (&[92], On::Plain, |image| {
        let at = image.spare();
        add_at(image, "data", at, FileType::REGULAR, &space(at.block.0, 24, &owned(52)));
    }),
    (&[6], On::Plain, |image| add(image, "data", |at| space(at + 1, 24, &owned(52)))),
    (&[129], On::Plain, |image| add(image, "data", |at| space(at, 28, &owned(52)))),
    (&[129], On::Plain, |image| add(image, "data", |_| vec![0; 8])),
    (&[131], On::Plain, |image| {
        add(image, "data", |at| space(at, 24, &owned(52)[..48]));
    }),
    (&[132], On::Plain, |image| {
        let mut attribute = owned(52);
        attribute[4] = 2;
        add(image, "data", |at| space(at, 24, &attribute));
    }),
    // One that is a block long begins where a block begins.
    (&[], On::Plain, |image| {
        let first = spare_block(image) + 1;
        let filler = owned(2048 - 24);
        record_apart(image, "data", &space(first, 24, &[filler, owned(2048)].concat()));
    }),
    (&[131], On::Plain, |image| {
        let first = spare_block(image) + 1;
        record_apart(image, "data", &space(first, 24, &owned(2048)));
    }),
];

/// The block that `Image::spare` will give.
fn spare_block(image: &Image) -> u32 {
    let volume = image.volume();
    volume.body(&volume.lookup("spare").unwrap()).unwrap().extents()[0].start.block.0
}
