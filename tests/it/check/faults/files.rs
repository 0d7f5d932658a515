//! Faults in partitions: tags, entries, extents, attributes, directories and free space (R000 to R021, R054, R090 to R139).

use mkudf_ms::tree::{Content, Kind as TreeKind, Tree};
use udf::file::{ExtendedFileEntry, FileEntry, FileType};
use udf::general::{Moment, Tag, TagIdentifier as Kind, Timestamp};
use udf::{BlockSize, Revision};
use zerocopy::{FromBytes, IntoBytes};

use super::super::image::{Image, add32, attributes, get32, name, put, reseal, seal, set_crc_length};
use super::{Fault, On};

/// Changes the entry of a path and seals it.
fn change(image: &mut Image, path: &str, change: impl Fn(&mut [u8])) {
    let sectors = image.entry(path);
    image.change(&sectors, change);
}

/// A field of an entry.
fn set(image: &mut Image, path: &str, at: usize, new: &[u8]) {
    change(image, path, |entry| put(entry, at, new));
}

/// A byte of a tag, of which only the checksum is made to fit.
fn set_tag(image: &mut Image, at: usize, new: u8) {
    for sector in image.entry("data") {
        let entry = image.sector(sector);
        entry[at] = new;
        entry[4] = Tag::read(entry).unwrap().expected_checksum();
    }
}

/// A field of a file identifier.
fn set_name(image: &mut Image, path: &str, at: usize, new: &[u8]) {
    image.change_name(path, |name| put(name, at, new));
}

/// Adds an attribute behind those of the device and lengthens all that this makes longer.
fn add_attribute(image: &mut Image, attribute: &[u8]) {
    change(image, "device", |entry| {
        let length = get32(entry, 208) as usize;
        put(entry, 216 + length, attribute);
        add32(entry, 208, i32::try_from(attribute.len()).unwrap());
        set_crc_length(entry, 200 + length + attribute.len());
    });
}

/// An attribute that begins with an identifier.
fn owned(kind: u32, identifier: &[u8], revision: &[u8]) -> Vec<u8> {
    let mut attribute = vec![0; 52];
    put(&mut attribute, 0, &kind.to_le_bytes());
    put(&mut attribute, 4, &[1]);
    put(&mut attribute, 8, &[52]);
    put(&mut attribute, 17, identifier);
    put(&mut attribute, 40, revision);
    attribute
}

/// Where the header of the device's attributes says that those of implementations and applications begin.
fn set_locations(image: &mut Image, implementation: u32, application: u32) {
    change(image, "device", |entry| {
        put(entry, 216 + 16, &implementation.to_le_bytes());
        put(entry, 216 + 20, &application.to_le_bytes());
        reseal(&mut entry[216..]);
    });
}

/// Puts the extent of the file `data` into an allocation extent.
fn continue_data(image: &mut Image, previous: u32, bytes: u32) {
    let spare = image.spare();
    let [sector] = image.copies(spare)[..] else { unreachable!() };
    let mut extent = [0; 8];
    change(image, "data", |entry| {
        put(entry, 216, &(3 << 30 | bytes).to_le_bytes());
        put(entry, 220, &spare.block.0.to_le_bytes());
    });
    put(&mut extent, 0, &10_000u32.to_le_bytes());
    put(&mut extent, 4, &(spare.block.0 + 1).to_le_bytes());
    let block = image.sector(sector);
    block.fill(0);
    put(block, 16, &previous.to_le_bytes());
    put(block, 20, &[8]);
    put(block, 24, &extent);
    Tag::seal(&mut block[..32], Kind::ALLOCATION_EXTENT, seal(), spare.block.0);
}

/// Where partition and bitmap of a rewritable volume begin, the one in sectors, the other in blocks.
fn places(image: &mut Image) -> (u32, u32) {
    let [partition, _] = image.descriptor(Kind::PARTITION);
    (get32(image.sector(partition), 188), get32(image.sector(partition), 56 + 12))
}

/// Records a table of free space in a rewritable volume, in a block that was free, and has the partition name it.
fn set_table(image: &mut Image, extents: &[(u32, u32)], keep_bitmap: bool) {
    let (start, bitmap) = places(image);
    let table = bitmap + 8;
    let bytes = extents.len() * 8;
    let block = image.sector(start + table);
    block.fill(0);
    // The ICB tag: strategy 4, one entry, of type 1.
    put(block, 20, &[4]);
    put(block, 24, &[1]);
    put(block, 27, &[1]);
    put(block, 36, &u32::try_from(bytes).unwrap().to_le_bytes());
    for (index, (length, position)) in extents.iter().enumerate() {
        put(block, 40 + 8 * index, &length.to_le_bytes());
        put(block, 44 + 8 * index, &position.to_le_bytes());
    }
    Tag::seal(&mut block[..40 + bytes], Kind::UNALLOCATED_SPACE_ENTRY, seal(), table);
    let partition = image.descriptor(Kind::PARTITION);
    image.change(&partition, |partition| {
        put(partition, 56, &2048u32.to_le_bytes());
        put(partition, 60, &table.to_le_bytes());
        if !keep_bitmap {
            put(partition, 64, &[0; 8]);
        }
    });
}

/// Replaces the bitmap of a rewritable volume by a table that says the same; `first` is the type of its first extent.
fn replace_bitmap(image: &mut Image, first: u32) {
    let (start, bitmap) = places(image);
    mark(image, bitmap, true);
    mark(image, bitmap + 8, false);
    let block = image.sector(start + bitmap).to_vec();
    let is_free = |number: u32| block[24 + number as usize / 8] >> (number % 8) & 1 != 0;
    let mut extents: Vec<(u32, u32)> = Vec::new();
    for number in (0..get32(&block, 16)).filter(|number| is_free(*number)) {
        match extents.last_mut() {
            Some((length, position)) if *position + (*length & 0x3FFF_FFFF) / 2048 == number => {
                *length += 2048;
            }
            _ => extents.push((1 << 30 | 2048, number)),
        }
    }
    extents[0].0 = extents[0].0 & 0x3FFF_FFFF | first << 30;
    set_table(image, &extents, false);
}

/// Marks a block of the bitmap as used or free; the integrity descriptor counts it so.
fn mark(image: &mut Image, block: u32, free: bool) {
    let (start, bitmap) = places(image);
    let byte = &mut image.sector(start + bitmap)[24 + block as usize / 8];
    let bit = 1 << (block % 8);
    assert_eq!(*byte & bit == 0, free);
    *byte ^= bit;
    let integrity = image.integrity();
    image.change(&integrity, |integrity| add32(integrity, 80, if free { 1 } else { -1 }));
}

/// The extended file entry of `dir/file` as a plain one.
fn narrow(image: &mut Image) {
    let [sector] = image.entry("dir/file")[..] else { unreachable!() };
    let block = image.sector(sector);
    let (wide, body) = ExtendedFileEntry::read_from_prefix(block).unwrap();
    let body = body[..wide.length_of_allocation_descriptors.get() as usize].to_vec();
    let narrow = FileEntry {
        tag: wide.tag,
        icb_tag: wide.icb_tag,
        uid: wide.uid,
        gid: wide.gid,
        permissions: wide.permissions,
        file_link_count: wide.file_link_count,
        record_format: 0,
        record_display_attributes: 0,
        record_length: 0.into(),
        information_length: wide.information_length,
        logical_blocks_recorded: wide.logical_blocks_recorded,
        access_date_and_time: wide.access_date_and_time,
        modification_date_and_time: wide.modification_date_and_time,
        attribute_date_and_time: wide.attribute_date_and_time,
        checkpoint: wide.checkpoint,
        extended_attribute_icb: wide.extended_attribute_icb,
        implementation_identifier: wide.implementation_identifier,
        unique_id: wide.unique_id,
        length_of_extended_attributes: 0.into(),
        length_of_allocation_descriptors: wide.length_of_allocation_descriptors,
    };
    block.fill(0);
    put(block, 0, narrow.as_bytes());
    put(block, 176, &body);
    let location = wide.tag.location.get();
    Tag::seal(&mut block[..176 + body.len()], Kind::FILE_ENTRY, seal(), location);
}

fn time(microseconds_later: i64) -> Timestamp {
    let now = attributes(0).modified;
    Timestamp::new(Moment { microseconds: now.microseconds + microseconds_later }, 60)
}

pub(super) const FAULTS: &[Fault] = &[
    (&[1], On::Plain, |image| image.entry("data").into_iter().for_each(|at| image.sector(at)[4] ^= 1)),
    (&[2], On::Plain, |image| set_tag(image, 5, 1)),
    (&[3], On::Plain, |image| set_tag(image, 2, 2)),
    (&[4], On::Plain, |image| set_tag(image, 8, 0)),
    (&[4], On::Split, |image| set_tag(image, 8, 0)),
    (&[5], On::Plain, |image| change(image, "data", |entry| set_crc_length(entry, 100))),
    (&[5], On::Plain, |image| {
        // A file identifier's CRC covers bytes of the one behind it: beyond its own end nothing is read.
        image.change_name("big/n0003", |name| put(name, 10, &[40]));
    }),
    (&[6], On::Plain, |image| set_tag(image, 15, 1)),
    (&[7], On::Plain, |image| set_tag(image, 6, 9)),
    (&[8], On::Plain, |image| {
        // The tag keeps its CRC length: what is said is only that it cannot be.
        image.change_name("big/n0003", |name| put(name, 36, &[0, 16]));
    }),
    (&[9], On::Plain, |image| image.entry("data").into_iter().for_each(|at| image.sector(at)[2047] = 1)),
    (&[10], On::Plain, |image| image.change_name("big/n0003", |name| put(name, 0, &[2]))),
    (&[10], On::Plain, |image| image.entry("data").into_iter().for_each(|at| image.sector(at).fill(0))),
    (&[15], On::Plain, |image| set_name(image, "/data", 38, &[254])),
    (&[17], On::Plain, |image| set(image, "data", 168, &[0; 32])),
    (&[18], On::Plain, |image| set(image, "data", 169, b"*UDF")),
    (&[19], On::Plain, |image| set(image, "data", 192, &[77])),
    (&[20], On::Plain, |image| set(image, "data", 80 + 4, &[0])),
    (&[20], On::Plain, |image| {
        let odd = Timestamp::new(attributes(0).modified, 7);
        set(image, "data", 92, odd.as_bytes());
    }),
    (&[21], On::Plain, |image| set(image, "data", 80, time(1).as_bytes())),
    (&[21], On::Plain, |image| set(image, "data", 92, time(-1).as_bytes())),
    (&[21], On::Old, |image| set(image, "data", 84, time(-1).as_bytes())),
    (&[54], On::Rewritable, |image| {
        set_table(image, &[], true);
        let (_, bitmap) = places(image);
        mark(image, bitmap + 8, false);
    }),
    (&[90], On::Plain, |image| {
        let sectors = image.file_set();
        image.change(&sectors, |file_set| put(file_set, 28, &[2]));
    }),
    (&[91], On::Plain, |image| set(image, "data", 24, &[2])),
    (&[91], On::Plain, |image| set_name(image, "/data", 20, &4096u32.to_le_bytes())),
    (&[91], On::Split, |image| {
        // Strategy 4096, whose ICBs have two blocks; behind the last entry of a small volume there is room.
        let mut tree = Tree::new(attributes(0o755));
        let inode = tree.add_inode(TreeKind::Fifo, attributes(0o644), Content::None);
        tree.link(tree.root(), &name("fifo"), inode).unwrap();
        *image = Image::of(&tree, Revision::V2_50, BlockSize::B2048);
        set(image, "fifo", 20, &[0, 0x10, 1, 0, 2, 0]);
        set_name(image, "/fifo", 20, &4096u32.to_le_bytes());
    }),
    (&[92], On::Plain, |image| set(image, "data", 26, &[1])),
    (&[92], On::Plain, |image| set(image, "data", 27, &[FileType::EXTENDED_ATTRIBUTES.0])),
    (&[93], On::Plain, |image| set(image, "data", 28, &[5])),
    (&[94], On::Plain, |image| change(image, "data", |entry| entry[34] |= 8)),
    (&[94], On::Plain, |image| change(image, "data", |entry| entry[35] |= 2)),
    (&[94], On::Plain, |image| change(image, "data", |entry| entry[35] |= 0x20)),
    (&[95], On::Plain, narrow),
    (&[96], On::Plain, |image| set(image, "data", 192, &[1, 0])),
    (&[97], On::Plain, |image| set(image, "data", 46, &[1])),
    (&[98], On::Plain, |image| set(image, "data", 50, &[1])),
    (&[99], On::Plain, |image| set(image, "data", 48, &[3])),
    (&[99], On::Plain, |image| set(image, "dir", 48, &[2])),
    (&[100], On::Plain, |image| set(image, "data", 128, &[0])),
    (&[101, 129], On::Plain, |image| {
        change(image, "dir/file", |entry| {
            for at in [56, 64, 212] {
                add32(entry, at, -2);
            }
            put(entry, 208, &[2]);
        });
    }),
    (&[101], On::Plain, |image| set(image, "data", 210, &[1])),
    (&[102], On::Plain, |image| {
        change(image, "dir/file", |entry| [56, 64].into_iter().for_each(|at| add32(entry, at, 1)));
    }),
    (&[103], On::Plain, |image| change(image, "data", |entry| add32(entry, 72, 1))),
    (&[104], On::Plain, |image| change(image, "data", |entry| add32(entry, 64, 1))),
    (&[105], On::Plain, |image| set(image, "data", 200, &[0; 8])),
    (&[105], On::Plain, |image| set(image, "data", 203, &[1])),
    (&[105], On::Old, |image| {
        let [other] = image.entry("other")[..] else { unreachable!() };
        let id = image.sector(other)[160..168].to_vec();
        set(image, "data", 160, &id);
    }),
    (&[105], On::Plain, |image| image.change_parent("dir", |name| put(name, 32, &[1]))),
    (&[105], On::Plain, |image| set_name(image, "/other", 20 + 12, &[1])),
    (&[107], On::Plain, |image| {
        change(image, "data", |entry| {
            add32(entry, 212, 1);
            set_crc_length(entry, 209);
        });
    }),
    (&[107], On::Plain, |image| {
        change(image, "data", |entry| {
            put(entry, 72, &[0]);
            put(entry, 212, &[0; 12]);
            set_crc_length(entry, 200);
        });
    }),
    (&[108], On::Plain, |image| change(image, "data", |entry| add32(entry, 216, -1))),
    (&[108], On::Plain, |image| change(image, "data", |entry| add32(entry, 216, 1))),
    (&[109], On::Plain, |image| {
        let spare = image.spare();
        change(image, "data", |entry| {
            add32(entry, 72, 1);
            add32(entry, 212, 8);
            put(entry, 224, &2048u32.to_le_bytes());
            put(entry, 228, &spare.block.0.to_le_bytes());
            set_crc_length(entry, 216);
        });
    }),
    (&[110], On::Plain, |image| {
        change(image, "data", |entry| {
            put(entry, 72, &[0]);
            entry[219] |= 0x80;
        });
    }),
    (&[111], On::Plain, |image| set(image, "data", 222, &[0xFF])),
    (&[112], On::Plain, |image| continue_data(image, 1, 2048)),
    (&[112], On::Plain, |image| continue_data(image, 0, 100)),
    (&[113], On::Plain, |image| {
        let [other] = image.entry("other")[..] else { unreachable!() };
        let position = image.sector(other)[220..224].to_vec();
        set(image, "data", 220, &position);
    }),
    // Both blocks of a body that something else uses, too: the bitmap, an allocation extent, an entry.
    (&[113], On::Rewritable, |image| {
        let (_, bitmap) = places(image);
        set(image, "other", 220, &bitmap.to_le_bytes());
    }),
    (&[113], On::Plain, |image| {
        let spare = image.volume().body(&image.volume().lookup("spare").unwrap()).unwrap().extents()[0].start;
        continue_data(image, 0, 2048);
        set(image, "other", 220, &spare.block.0.to_le_bytes());
    }),
    (&[113], On::Plain, |image| {
        let entry = image.icb("dir/file").block.0;
        set(image, "other", 220, &entry.to_le_bytes());
    }),
    (&[114], On::Split, |image| set(image, "data", 216 + 10, &[1])),
    (&[], On::Rewritable, |image| replace_bitmap(image, 1)),
    (&[115], On::Rewritable, |image| replace_bitmap(image, 0)),
    (&[115], On::Rewritable, |image| {
        let (start, bitmap) = places(image);
        replace_bitmap(image, 1);
        image.change(&[start + bitmap + 8], |table| table[34] |= 1);
    }),
    (&[116], On::Plain, |image| image.change_parent("big", |name| put(name, 24, &[9]))),
    (&[116], On::Plain, |image| image.change_parent("big", |name| put(name, 30, &[1]))),
    (&[71, 99, 116, 119], On::Plain, |image| image.change_name("/sub", |name| name[18] |= 8)),
    (&[117], On::Plain, |image| image.change_name("/sub", |name| *name.last_mut().unwrap() = 1)),
    (&[118], On::Plain, |image| set_name(image, "/data", 16, &[2])),
    (&[118], On::Plain, |image| image.change_name("/data", |name| name[18] |= 0x20)),
    (&[119], On::Plain, |image| {
        image.change_name("/x", |name| {
            name[19] = 1;
            name[39] = 0;
        });
    }),
    (&[120], On::Plain, |image| set_name(image, "/data", 20, &[0; 16])),
    (&[121], On::Plain, |image| {
        image.change_name("big/n0003", |name| {
            put(name, 19, &[2]);
            put(name, 36, &[4, 0]);
            put(name, 42, &[8, b'z']);
        });
    }),
    (&[122], On::Plain, |image| image.change_name("/data", |name| name[18] |= 2)),
    (&[122], On::Plain, |image| image.change_name("/sub", |name| name[18] &= !2)),
    (&[123], On::Plain, |image| set_name(image, "big/n0003", 38, b"\x08n0004")),
    (&[55, 124], On::Large, |image| {
        let partition = image.descriptor(Kind::PARTITION);
        image.change(&partition, |partition| put(partition, 184, &[2]));
    }),
    (&[125], On::Old, |image| {
        let mut tree = Tree::new(attributes(0o755));
        let mut parent = tree.root();
        for _ in 0..5 {
            let inode = tree.add_directory(attributes(0o755));
            parent = tree.link(parent, &name(&"n".repeat(220)), inode).unwrap();
        }
        *image = Image::of(&tree, Revision::V1_50, BlockSize::B2048);
    }),
    (&[71, 126], On::Plain, |image| {
        let entry = image.volume().lookup("dir").unwrap();
        set_name(image, "/sub", 24, &entry.icb.block.0.to_le_bytes());
        set_name(image, "/sub", 32, &u32::try_from(entry.unique_id).unwrap().to_le_bytes());
    }),
    (&[128], On::Old, |image| {
        let mut tree = Tree::new(attributes(0o755));
        let body = tree.add_body(vec![1; 5000].into());
        let inode = tree.add_inode(TreeKind::File, attributes(0o644), body);
        tree.link(tree.root(), &name("Non-Allocatable Space"), inode).unwrap();
        *image = Image::of(&tree, Revision::V1_50, BlockSize::B2048);
    }),
    (&[129], On::Plain, |image| set_locations(image, 24, u32::MAX)),
    (&[129], On::Old, |image| {
        change(image, "device", |entry| {
            put(entry, 176 + 16, &[0xFF; 4]);
            reseal(&mut entry[176..]);
        });
    }),
    (&[130], On::Plain, |image| {
        add_attribute(image, &owned(65536, b"*application", &[]));
        add_attribute(image, &owned(2048, b"*implementation", &[]));
        set_locations(image, 80 + 52, 80);
    }),
    (&[131, 134], On::Plain, |image| set(image, "device", 216 + 24 + 8, &[60])),
    (&[132], On::Plain, |image| set(image, "device", 216 + 24 + 4, &[2])),
    (&[133], On::Plain, |image| {
        add_attribute(image, &owned(2048, b"*UDF FreeEASpace", &[1, 2]));
        set_locations(image, 80, u32::MAX);
    }),
    (&[134], On::Plain, |image| set(image, "device", 216 + 24 + 12, &[16])),
    (&[135], On::Plain, |image| add_attribute(image, &[0, 0, 0, 0, 1, 0, 0, 0])),
    (&[136], On::Rewritable, |image| {
        let (start, bitmap) = places(image);
        image.change(&[start + bitmap], |bitmap| add32(bitmap, 16, -1));
    }),
    (&[137], On::Rewritable, |image| {
        let block = image.icb("data").block.0;
        mark(image, block, true);
    }),
    (&[138], On::Rewritable, |image| {
        let (_, bitmap) = places(image);
        mark(image, bitmap + 9, false);
    }),
    (&[139], On::Plain, |image| set_name(image, "/data", 26, &[0xFF])),
];
