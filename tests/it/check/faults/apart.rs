//! Faults of space that is not to be allocated, and of structures that must be apart from each other (R078, R082, R113, R128).

use udf::BlockAddress;
use udf::file::{ExtendedFileEntry, FileIdentifierDescriptor, FileType, characteristics, flags};
use udf::general::{ExtentKind, LongAd, ShortAd, TagIdentifier as Kind, text};
use udf::partition::SparingEntry;
use zerocopy::{FromBytes, IntoBytes};

use super::super::image::{Image, add32, get32, put, seal, set_crc_length};
use super::super::optical::{PACKET, SPARES, TABLES};
use super::streams::entry;
use super::{Fault, On};

const NAME: &str = "*UDF Non-Allocatable Space";
const AVAILABLE: u32 = SparingEntry::AVAILABLE;

/// The stream of the volume that is space not to be allocated.
struct Space {
    /// Its extent; by default a spare block.
    extent: Option<(u32, u32)>,
    kind: ExtentKind,
    flags: u16,
    characteristics: u8,
}

const SOUND: Space = Space {
    extent: None,
    kind: ExtentKind::Allocated,
    flags: flags::STREAM | flags::SYSTEM,
    characteristics: characteristics::METADATA,
};

/// Gives the volume such a stream, in spare blocks.
fn add(image: &mut Image, space: &Space) {
    let directory = image.spare();
    let stream = directory.checked_add(1).unwrap();
    let icb = |at: BlockAddress| LongAd::icb(2048, at, 0);
    let mut body = Vec::new();
    let location = directory.block.0;
    for (what, at, name) in [
        (characteristics::PARENT, directory, Vec::new()),
        (space.characteristics, stream, text::encode(NAME)),
    ] {
        FileIdentifierDescriptor::new(what, icb(at)).append_to(&[], &name, &mut body, seal(), location);
    }
    let [sector] = image.entry("other")[..] else { unreachable!() };
    let (like, _) = ExtendedFileEntry::read_from_prefix(image.sector(sector)).unwrap();
    let like = ExtendedFileEntry { unique_id: 0.into(), ..like };
    entry(image, like, directory, FileType::STREAM_DIRECTORY, &body, |entry| {
        entry.file_link_count = 1.into();
    });
    let (blocks, start) = space.extent.unwrap_or((1, stream.block.0 + 1));
    let extent = ShortAd::new(space.kind, blocks * 2048, start);
    entry(image, like, stream, FileType::REGULAR, extent.as_bytes(), |entry| {
        entry.file_link_count = 1.into();
        entry.icb_tag.flags = space.flags.into();
        for length in [&mut entry.information_length, &mut entry.object_size] {
            *length = u64::from(blocks * 2048).into();
        }
        let recorded = if space.kind == ExtentKind::Recorded { blocks } else { 0 };
        entry.logical_blocks_recorded = u64::from(recorded).into();
    });
    let sectors = image.file_set();
    image.change(&sectors, |file_set| put(file_set, 464, icb(directory).as_bytes()));
}

/// The first whole packet of the file `spare` behind the blocks that `add` takes, as a block and as a sector.
fn spare_packet(image: &mut Image) -> (u32, u32) {
    let [partition, _] = image.descriptor(Kind::PARTITION);
    let start = get32(image.sector(partition), 188);
    let volume = image.volume();
    let first = volume.body(&volume.lookup("spare").unwrap()).unwrap().extents()[0].start.block.0;
    let block = (first + 4).next_multiple_of(PACKET);
    (block, start + block)
}

/// Relocates a packet of the file `spare` and returns its block; what is in it moves, too.
fn relocate(image: &mut Image) -> u32 {
    let (block, sector) = spare_packet(image);
    let from = sector as usize * 2048;
    image.bytes.copy_within(from..from + PACKET as usize * 2048, SPARES[1] as usize * 2048);
    image.set_tables(&TABLES, 7, &[(0, SPARES[0]), (block, SPARES[1]), (AVAILABLE, SPARES[2])]);
    block
}

/// Has a spare packet lie in the partition, where the file `spare` is; its first block there.
fn spare_inside(image: &mut Image) -> u32 {
    let (block, sector) = spare_packet(image);
    image.set_tables(&TABLES, 7, &[(0, SPARES[0]), (AVAILABLE, sector)]);
    block
}

/// Has the second table lie in the partition; its block there.
fn table_inside(image: &mut Image) -> u32 {
    let (block, sector) = spare_packet(image);
    image.set_tables(&[TABLES[0], sector], 7, &[(0, SPARES[0]), (AVAILABLE, SPARES[1])]);
    let sectors = image.descriptor(Kind::LOGICAL_VOLUME);
    image.change(&sectors, |logical| put(logical, 492, &sector.to_le_bytes()));
    block
}

/// As a file of the root, up to 1.50: hidden, of the system, without a size.
fn make_file(image: &mut Image, characteristics: u8, system: bool, kind: u32, bytes: u32) {
    use super::super::image::{attributes, name};
    use mkudf_ms::tree::{Kind as TreeKind, Tree};
    let mut tree = Tree::new(attributes(0o755));
    let body = tree.add_body(vec![1; 5000].into());
    let inode = tree.add_inode(TreeKind::File, attributes(0o644), body);
    tree.link(tree.root(), &name("Non-Allocatable Space"), inode).unwrap();
    *image = Image::of(&tree, udf::Revision::V1_50, udf::BlockSize::B2048);
    let sectors = image.entry("Non-Allocatable Space");
    image.change(&sectors, |entry| {
        if system {
            put(entry, 34, &(u16::from_le_bytes([entry[34], entry[35]]) | flags::SYSTEM).to_le_bytes());
        }
        put(entry, 56, &bytes.to_le_bytes());
        if kind != 0 {
            put(entry, 64, &[0; 8]);
        }
        let body = 176 + get32(entry, 168) as usize;
        put(entry, body, &(kind << 30 | 0x1800).to_le_bytes());
    });
    image.change_name("/Non-Allocatable Space", |name| name[18] |= characteristics);
}

/// Makes the body of the file `other` of a virtual volume virtual blocks that lie in these blocks, in extents of so many.
fn virtual_body(image: &mut Image, places: [u32; 2], extent_blocks: u32) {
    let (count, first) = image.table_entries();
    let last = image.last();
    image.change(&[last], |table| {
        let crc = usize::from(table[10]) + 256 * usize::from(table[11]);
        for at in [56, 64, 212] {
            add32(table, at, 8);
        }
        for (index, place) in (count..).zip(places) {
            put(table, first + 4 * index, &place.to_le_bytes());
        }
        set_crc_length(table, crc + 8);
    });
    let count = u32::try_from(count).unwrap();
    let sector = image.entry("other")[0];
    image.change(&[sector], |entry| {
        let extents: Vec<u8> = (count..count + 2)
            .step_by(extent_blocks as usize)
            .flat_map(|block| [(extent_blocks * 2048).to_le_bytes(), block.to_le_bytes()])
            .flatten()
            .collect();
        put(entry, 34, &[entry[34] & !7]);
        for at in [56, 64] {
            put(entry, at, &4096u64.to_le_bytes());
        }
        put(entry, 72, &[2]);
        put(entry, 212, &u32::try_from(extents.len()).unwrap().to_le_bytes());
        entry[216..].fill(0);
        put(entry, 216, &extents);
        set_crc_length(entry, 200 + extents.len());
    });
}

/// Blocks in the gap before the table, which nobody uses.
fn gap(image: &Image) -> u32 {
    image.table_block() - 20
}

pub(super) const FAULTS: &[Fault] = &[
    (&[], On::Plain, |image| add(image, &SOUND)),
    (&[128], On::Plain, |image| add(image, &Space { kind: ExtentKind::Recorded, ..SOUND })),
    (&[128], On::Plain, |image| add(image, &Space { flags: flags::STREAM, ..SOUND })),
    (&[127], On::Plain, |image| add(image, &Space { characteristics: 0, ..SOUND })),
    (&[113], On::Plain, |image| {
        let data = image.volume().body(&image.volume().lookup("data").unwrap()).unwrap().extents()[0].start;
        add(image, &Space { extent: Some((1, data.block.0)), ..SOUND });
    }),
    (&[], On::Old, |image| make_file(image, characteristics::HIDDEN, true, 1, 0)),
    (&[128], On::Old, |image| make_file(image, 0, true, 1, 0)),
    (&[128], On::Old, |image| make_file(image, characteristics::HIDDEN, false, 1, 0)),
    (&[128], On::Old, |image| make_file(image, characteristics::HIDDEN, true, 1, 6144)),
    (&[], On::Sparable, |image| {
        relocate(image);
        add(image, &SOUND);
    }),
    (&[82], On::Sparable, |image| {
        let block = relocate(image);
        add(image, &Space { extent: Some((PACKET, block)), ..SOUND });
    }),
    (&[], On::Sparable, |image| {
        let block = spare_inside(image);
        add(image, &Space { extent: Some((PACKET, block)), ..SOUND });
    }),
    (&[82], On::Sparable, |image| {
        spare_inside(image);
        add(image, &SOUND);
    }),
    (&[], On::Sparable, |image| {
        let block = table_inside(image);
        add(image, &Space { extent: Some((1, block)), ..SOUND });
    }),
    (&[82], On::Sparable, |image| {
        table_inside(image);
        add(image, &SOUND);
    }),
    (&[], On::Virtual, |image| virtual_body(image, [gap(image), gap(image) + 1], 1)),
    (&[78], On::Virtual, |image| virtual_body(image, [gap(image), gap(image) + 1], 2)),
    (&[113], On::Virtual, |image| virtual_body(image, [gap(image), gap(image)], 1)),
    (&[78], On::Virtual, |image| virtual_body(image, [gap(image), u32::MAX], 1)),
    (&[113], On::Virtual, |image| virtual_body(image, [gap(image), image.table_block()], 1)),
];
