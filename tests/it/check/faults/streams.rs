//! Faults of named streams (R104, R106, R127), in a volume that is given one first.

use udf::BlockAddress;
use udf::file::{
    AllocationForm, ExtendedFileEntry, FileIdentifierDescriptor, FileType, IcbTag, characteristics, flags,
};
use udf::general::{LongAd, Tag, TagIdentifier as Kind, text};
use zerocopy::{FromBytes, IntoBytes};

use super::super::image::{Image, add32, put, seal};
use super::{Fault, On};

/// What is to be wrong with the streams of the file `other`.
struct Streams {
    name: &'static str,
    characteristics: u8,
    flags: u16,
    links: [u16; 2],
    object_size_more: i32,
    has_attribute_file: bool,
}

const SOUND: Streams = Streams {
    name: "stream",
    characteristics: 0,
    flags: flags::STREAM,
    links: [0, 1],
    object_size_more: 0,
    has_attribute_file: false,
};

const BODY: &[u8] = b"hello";

/// Gives the file `other` a stream, in spare blocks.
fn add(image: &mut Image, streams: &Streams) {
    let directory = image.spare();
    let stream = directory.checked_add(1).unwrap();
    let owner = image.volume().lookup("other").unwrap();
    let low = u32::try_from(owner.unique_id).unwrap();
    let icb = |at: BlockAddress| LongAd::icb(2048, at, low);
    let mut body = Vec::new();
    let location = directory.block.0;
    FileIdentifierDescriptor::new(characteristics::PARENT, icb(owner.icb)).append_to(
        &[],
        &[],
        &mut body,
        seal(),
        location,
    );
    FileIdentifierDescriptor::new(streams.characteristics, icb(stream)).append_to(
        &[],
        &text::encode(streams.name),
        &mut body,
        seal(),
        location,
    );
    let [sector] = image.entry("other")[..] else { unreachable!() };
    let (like, _) = ExtendedFileEntry::read_from_prefix(image.sector(sector)).unwrap();
    entry(image, like, directory, FileType::STREAM_DIRECTORY, &body, |entry| {
        entry.file_link_count = streams.links[0].into();
    });
    entry(image, like, stream, FileType::REGULAR, BODY, |entry| {
        entry.file_link_count = streams.links[1].into();
        entry.icb_tag.flags = (streams.flags | AllocationForm::Embedded.bits()).into();
        if streams.has_attribute_file {
            entry.extended_attribute_icb = icb(stream.checked_add(1).unwrap());
        }
    });
    image.change(&[sector], |entry| {
        add32(entry, 48, 1);
        add32(entry, 64, i32::try_from(BODY.len()).unwrap() + streams.object_size_more);
        put(entry, 152, icb(directory).as_bytes());
    });
}

pub(super) fn entry(
    image: &mut Image,
    like: ExtendedFileEntry,
    at: BlockAddress,
    kind: FileType,
    body: &[u8],
    change: impl Fn(&mut ExtendedFileEntry),
) {
    let bytes = body.len() as u64;
    let mut entry = ExtendedFileEntry {
        icb_tag: IcbTag::new(kind, AllocationForm::Embedded, 0),
        information_length: bytes.into(),
        object_size: bytes.into(),
        logical_blocks_recorded: 0.into(),
        length_of_allocation_descriptors: u32::try_from(bytes).unwrap().into(),
        ..like
    };
    change(&mut entry);
    let [sector] = image.copies(at)[..] else { unreachable!() };
    let block = image.sector(sector);
    block.fill(0);
    put(block, 0, entry.as_bytes());
    put(block, 216, body);
    Tag::seal(&mut block[..216 + body.len()], Kind::EXTENDED_FILE_ENTRY, seal(), at.block.0);
}

pub(super) const FAULTS: &[Fault] = &[
    (&[], On::Plain, |image| add(image, &SOUND)),
    (&[], On::Plain, |image| add(image, &Streams { name: "*UDF NT ACL", ..SOUND })),
    (&[94], On::Plain, |image| add(image, &Streams { flags: 0, ..SOUND })),
    (&[99], On::Plain, |image| add(image, &Streams { links: [1, 1], ..SOUND })),
    (&[99], On::Plain, |image| add(image, &Streams { links: [0, 0], ..SOUND })),
    (&[104], On::Plain, |image| add(image, &Streams { object_size_more: 1, ..SOUND })),
    (&[106], On::Plain, |image| add(image, &Streams { has_attribute_file: true, ..SOUND })),
    (&[127], On::Plain, |image| add(image, &Streams { name: "*UDF Backup", ..SOUND })),
    (&[127], On::Plain, |image| add(image, &Streams { characteristics: characteristics::METADATA, ..SOUND })),
    (&[127], On::Plain, |image| image.change_name("/data", |name| name[18] |= characteristics::METADATA)),
];
