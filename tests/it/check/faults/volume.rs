//! Faults outside partitions: recognition, anchors, sequences and what is in them (R000, R011 to R073, R140).

use mkudf_ms::tree::{Kind as TreeKind, Tree};
use udf::general::{Moment, Tag, TagIdentifier as Kind, Timestamp};
use udf::{BlockSize, Revision};
use zerocopy::IntoBytes;

use super::super::image::{Image, add32, attributes, get32, name, put, reseal, set_crc_length};
use super::{Fault, On};

/// A field of the descriptor of a kind, in both sequences.
fn set(image: &mut Image, kind: Kind, at: usize, new: &[u8]) {
    let sectors = image.descriptor(kind);
    image.change(&sectors, |descriptor| put(descriptor, at, new));
}

fn set_integrity(image: &mut Image, at: usize, new: &[u8]) {
    let sectors = image.integrity();
    image.change(&sectors, |descriptor| put(descriptor, at, new));
}

fn set_file_set(image: &mut Image, at: usize, new: &[u8]) {
    let sectors = image.file_set();
    image.change(&sectors, |descriptor| put(descriptor, at, new));
}

fn set_anchors(image: &mut Image, at: usize, new: &[u8]) {
    let sectors = image.anchors();
    image.change(&sectors, |anchor| put(anchor, at, new));
}

/// What the recognition sequence of a volume with blocks of 2048 bytes says.
fn recognise(image: &mut Image, identifiers: &[&[u8; 5]]) {
    for (sector, identifier) in (16..).zip(identifiers) {
        image.sector(sector)[1..6].copy_from_slice(*identifier);
        image.sector(sector)[6] = 1;
    }
}

/// Copies a descriptor of the main and the reserve sequence to the `index`-th place of its sequence, as another kind perhaps.
fn copy(image: &mut Image, from: Kind, index: u32, change: impl Fn(&mut [u8])) {
    let (starts, found) = (image.sequences(), image.descriptor(from));
    for (start, sector) in starts.into_iter().zip(found) {
        let mut block = image.sector(sector).to_vec();
        put(&mut block, 12, &(start + index).to_le_bytes());
        change(&mut block);
        reseal(&mut block);
        image.sector(start + index).copy_from_slice(&block);
    }
}

/// Moves the reserve sequence.
fn move_reserve(image: &mut Image, to: u32) {
    let from = image.sequences()[1];
    for index in 0..16 {
        let mut block = image.sector(from + index).to_vec();
        image.sector(from + index).fill(0);
        if Tag::read(&block).unwrap() != Tag::default() {
            put(&mut block, 12, &(to + index).to_le_bytes());
            reseal(&mut block);
        }
        image.sector(to + index).copy_from_slice(&block);
    }
    set_anchors(image, 28, &to.to_le_bytes());
}

/// Makes the partition so much longer, as the integrity descriptor too says.
fn lengthen(image: &mut Image, blocks: i32) {
    let sectors = image.descriptor(Kind::PARTITION);
    image.change(&sectors, |partition| add32(partition, 192, blocks));
    let sectors = image.integrity();
    image.change(&sectors, |integrity| add32(integrity, 84, blocks));
}

pub(super) const FAULTS: &[Fault] = &[
    (&[11], On::Plain, |image| set(image, Kind::PRIMARY_VOLUME, 200, &[1])),
    (&[11], On::Plain, |image| set(image, Kind::LOGICAL_VOLUME, 21, b"osta")),
    (&[12], On::Plain, |image| set(image, Kind::PRIMARY_VOLUME, 64, &[3])),
    (&[13], On::Plain, |image| set(image, Kind::PRIMARY_VOLUME, 55, &[32])),
    (&[13], On::Plain, |image| set(image, Kind::PRIMARY_VOLUME, 24, &[0; 32])),
    (&[13], On::Plain, |image| set_file_set(image, 304, &[0; 32])),
    (&[14], On::Plain, |image| {
        let mut field = [0; 36];
        put(&mut field, 0, &[16, 0xFE, 0xFF]);
        field[35] = 3;
        set(image, Kind::IMPLEMENTATION_USE_VOLUME, 244, &field);
    }),
    (&[16], On::Plain, |image| set(image, Kind::PARTITION, 24, &[2])),
    (&[16], On::Plain, |image| set_file_set(image, 416 + 24, &[0, 2])),
    (&[17], On::Plain, |image| set(image, Kind::PARTITION, 196, &[0; 32])),
    (&[18], On::Plain, |image| set(image, Kind::PRIMARY_VOLUME, 345, b"*UDF other")),
    (&[19], On::Plain, |image| set_integrity(image, 88 + 24, &[4, 9])),
    (&[20], On::Plain, |image| set_file_set(image, 16 + 4, &[13])),
    (&[21], On::Plain, |image| {
        let late = Moment { microseconds: attributes(0).modified.microseconds + 1 };
        set_file_set(image, 16, Timestamp::new(late, 60).as_bytes());
    }),
    (&[22], On::Plain, |image| image.sector(16).fill(0)),
    (&[22], On::Plain, |image| image.sector(18).fill(0)),
    (&[23], On::Plain, |image| recognise(image, &[b"BEA01", b"NSR02", b"NSR03", b"TEA01"])),
    (&[24], On::Plain, |image| recognise(image, &[b"BEA01", b"NSR02"])),
    (&[24], On::Old, |image| recognise(image, &[b"BEA01", b"NSR03"])),
    (&[25], On::Plain, |image| recognise(image, &[b"BEA01", b"BEA01", b"NSR03", b"TEA01"])),
    (&[25], On::Plain, |image| recognise(image, &[b"NSR03", b"BEA01", b"TEA01"])),
    (&[26], On::Plain, |image| image.sector(19)[100] = 1),
    (&[27], On::Plain, |image| image.sector(17)[6] = 2),
    (&[28], On::Plain, |image| {
        recognise(image, &[b"BEA01", b"BOOT2", b"NSR03", b"TEA01"]);
        image.sector(17)[7] = 1;
    }),
    (&[29], On::Plain, |image| {
        let [_, before, last] = image.anchors();
        image.sector(before).fill(0);
        image.sector(last).fill(0);
    }),
    // So a disc is left whose rest is still being formatted.
    (&[29], On::Rewritable, |image| {
        let [_, before, last] = image.anchors();
        image.sector(before).fill(0);
        image.sector(last).fill(0);
    }),
    (&[0, 10, 29, 33, 51], On::Plain, |image| {
        // All that is left ends with sector 256, so that two of the three places fall together.
        image.bytes.truncate(257 * 2048);
    }),
    (&[29, 30], On::Plain, |image| {
        // The end is one block further on, and the anchor that readers look at first is gone.
        image.bytes.extend([0; 2048]);
        image.sector(256).fill(0);
    }),
    (&[30], On::Plain, |image| {
        // A volume so small that sector 512 is behind its partition.
        let mut tree = Tree::new(attributes(0o755));
        let body = tree.add_body(vec![1; 40 * 2048].into());
        let inode = tree.add_inode(TreeKind::File, attributes(0o644), body);
        tree.link(tree.root(), &name("file"), inode).unwrap();
        *image = Image::of(&tree, Revision::V2_01, BlockSize::B2048);
        let anchor = image.sector(256).to_vec();
        image.sector(512).copy_from_slice(&anchor);
        image.change(&[512], |anchor| put(anchor, 12, &512u32.to_le_bytes()));
    }),
    (&[31], On::Plain, |image| {
        let last = image.last();
        image.change(&[last], |anchor| add32(anchor, 20, 1));
    }),
    (&[32], On::Plain, |image| set_anchors(image, 16, &(15u32 * 2048).to_le_bytes())),
    (&[33], On::Plain, |image| {
        let [main, _] = image.sequences();
        set_anchors(image, 28, &main.to_le_bytes());
    }),
    (&[34], On::Plain, |image| {
        let [_, reserve] = image.descriptor(Kind::PRIMARY_VOLUME);
        image.change(&[reserve], |primary| primary[420] = 1);
    }),
    (&[35], On::Plain, |image| {
        // The fourth of six is unallocated space; the others move up.
        copy(image, Kind::IMPLEMENTATION_USE_VOLUME, 3, |_| ());
        copy(image, Kind::TERMINATING, 4, |_| ());
    }),
    (&[36], On::Plain, |image| {
        copy(image, Kind::TERMINATING, 6, |_| ());
        copy(image, Kind::PARTITION, 5, |partition| partition[228] = 1);
    }),
    (&[37], On::Plain, |image| {
        copy(image, Kind::TERMINATING, 6, |_| ());
        copy(image, Kind::PARTITION, 5, |partition| partition[0] = 9);
    }),
    (&[38], On::Split, |image| {
        let [main, _] = image.sequences();
        move_reserve(image, main + 16);
    }),
    (&[39], On::Plain, |image| set(image, Kind::PRIMARY_VOLUME, 20, &[1])),
    (&[40], On::Plain, |image| set(image, Kind::PRIMARY_VOLUME, 56, &[0])),
    (&[41], On::Plain, |image| set(image, Kind::PRIMARY_VOLUME, 60, &[3])),
    (&[42], On::Plain, |image| set(image, Kind::PRIMARY_VOLUME, 73, b"x")),
    (&[42], On::Plain, |image| set(image, Kind::PRIMARY_VOLUME, 72, &[0; 128])),
    (&[43], On::Plain, |image| set(image, Kind::PRIMARY_VOLUME, 488, &[2])),
    (&[44], On::Plain, |image| set(image, Kind::PRIMARY_VOLUME, 500, &[1])),
    (&[45], On::Plain, |image| set_file_set(image, 113, b"t")),
    (&[45], On::Plain, |image| set(image, Kind::IMPLEMENTATION_USE_VOLUME, 117, b"t")),
    (&[46], On::Plain, |image| {
        let sectors = image.descriptor(Kind::UNALLOCATED_SPACE);
        image.change(&sectors, |unallocated| {
            put(unallocated, 20, &[1]);
            put(unallocated, 24, &[0, 8, 0, 0, 0x2C, 1]);
            set_crc_length(unallocated, 16);
        });
    }),
    (&[47], On::Plain, |image| set(image, Kind::PARTITION, 20, &[0])),
    (&[48], On::Plain, |image| set(image, Kind::PARTITION, 25, b"+NSR02")),
    (&[49], On::Plain, |image| set(image, Kind::PARTITION, 184, &[7])),
    (&[33, 51, 140], On::Plain, |image| lengthen(image, 100_000)),
    (&[33, 140], On::Plain, |image| lengthen(image, 400)),
    (&[140], On::Plain, |image| lengthen(image, 100)),
    (&[56, 68], On::Plain, |image| {
        // A second one, read-only too, behind the first, and a map of it.
        let [first, _] = image.descriptor(Kind::PARTITION);
        let (start, blocks) = (get32(image.sector(first), 188), get32(image.sector(first), 192));
        copy(image, Kind::TERMINATING, 6, |_| ());
        copy(image, Kind::PARTITION, 5, |partition| {
            put(partition, 22, &[5]);
            put(partition, 188, &(start + blocks).to_le_bytes());
            put(partition, 192, &1u32.to_le_bytes());
        });
        let sectors = image.descriptor(Kind::LOGICAL_VOLUME);
        image.change(&sectors, |logical| {
            put(logical, 264, &[12]);
            put(logical, 268, &[2]);
            put(logical, 446, &[1, 6, 1, 0, 5, 0]);
            set_crc_length(logical, 424 + 12);
        });
    }),
    (&[50, 56], On::Plain, |image| {
        copy(image, Kind::TERMINATING, 6, |_| ());
        copy(image, Kind::PARTITION, 5, |partition| {
            put(partition, 22, &[5]);
            put(partition, 188, &200u32.to_le_bytes());
            put(partition, 192, &10u32.to_le_bytes());
        });
    }),
    (&[50, 56], On::Plain, |image| {
        copy(image, Kind::TERMINATING, 6, |_| ());
        copy(image, Kind::PARTITION, 5, |partition| {
            put(partition, 22, &[5]);
            put(partition, 188, &8u32.to_le_bytes());
            put(partition, 192, &1u32.to_le_bytes());
        });
    }),
    (&[53], On::Plain, |image| set(image, Kind::PARTITION, 56 + 16, &2048u32.to_le_bytes())),
    (&[55], On::Plain, |image| set(image, Kind::PARTITION, 184, &[4])),
    (&[0, 58], On::Plain, |image| set(image, Kind::LOGICAL_VOLUME, 212, &512u32.to_le_bytes())),
    (&[59], On::Split, |image| set(image, Kind::LOGICAL_VOLUME, 440 + 6 + 2, &[1])),
    (&[59], On::Plain, |image| set(image, Kind::LOGICAL_VOLUME, 268, &[2])),
    (&[0, 60], On::Plain, |image| set(image, Kind::LOGICAL_VOLUME, 442, &[2])),
    (&[60, 61, 62], On::Split, |image| set(image, Kind::LOGICAL_VOLUME, 440 + 6 + 38, &[9])),
    (&[55, 62, 124], On::Split, |image| set(image, Kind::PARTITION, 184, &[2])),
    (&[63], On::Split, |image| set(image, Kind::LOGICAL_VOLUME, 440 + 6 + 58, &[3])),
    (&[66], On::Rewritable, |image| set(image, Kind::LOGICAL_VOLUME, 432, &4096u32.to_le_bytes())),
    (&[67], On::Plain, |image| set_integrity(image, 28, &[0])),
    (&[68], On::Plain, |image| {
        let sectors = image.integrity();
        image.change(&sectors, |integrity| {
            put(integrity, 76, &[45]);
            integrity[88 + 45] = 0;
            set_crc_length(integrity, 64 + 8 + 45);
        });
    }),
    (&[69], On::Plain, |image| set_integrity(image, 80, &[1])),
    (&[69], On::Split, |image| set_integrity(image, 92, &[1])),
    (&[70], On::Plain, |image| set_integrity(image, 43, &[0x80])),
    (&[70], On::Plain, |image| set_integrity(image, 44, &[1])),
    (&[71], On::Plain, |image| set_integrity(image, 88 + 32, &[1])),
    (&[71], On::Plain, |image| set_integrity(image, 88 + 36, &[1])),
    (&[72], On::Plain, |image| set_integrity(image, 88 + 44, &0x0150u16.to_le_bytes())),
    (&[72], On::Split, |image| set_integrity(image, 88 + 8 + 40, &0x0201u16.to_le_bytes())),
    (&[], On::PseudoOverwrite, |_| ()),
    (&[72], On::PseudoOverwrite, |image| set_integrity(image, 88 + 8 + 42, &0x0250u16.to_le_bytes())),
    (&[73], On::Plain, |image| set_integrity(image, 50, &[1])),
];
