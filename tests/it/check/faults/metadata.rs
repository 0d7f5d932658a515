//! Faults of metadata partitions (R083 to R089).

use udf::file::FileType;
use udf::general::{Tag, TagIdentifier as Kind};
use udf::read::PartitionKind;

use super::super::image::{Image, add32, get32, put, reseal, seal, set_crc_length};
use super::{Fault, On};

/// Where the metadata map is in the logical volume descriptor, behind a map of 6 bytes.
const MAP: usize = 440 + 6;

fn set_map(image: &mut Image, at: usize, new: &[u8]) {
    let sectors = image.descriptor(Kind::LOGICAL_VOLUME);
    image.change(&sectors, |logical| put(logical, MAP + at, new));
}

/// The blocks of the entries of main file and mirror, and the first sector of their partition.
fn entries(image: &mut Image) -> (u32, u32, u32) {
    let [logical, _] = image.descriptor(Kind::LOGICAL_VOLUME);
    let [partition, _] = image.descriptor(Kind::PARTITION);
    let logical = image.sector(logical).to_vec();
    let start = get32(image.sector(partition), 188);
    (get32(&logical, MAP + 40), get32(&logical, MAP + 44), start)
}

/// Copies the entry of main file or mirror to another block, changed.
fn copy_entry(image: &mut Image, from: u32, to: u32, change: impl Fn(&mut [u8])) {
    let (_, _, start) = entries(image);
    let mut block = image.sector(start + from).to_vec();
    put(&mut block, 12, &to.to_le_bytes());
    change(&mut block);
    reseal(&mut block);
    image.sector(start + to).copy_from_slice(&block);
}

/// A bitmap file in the second block behind the metadata file's entry: everything used, but for these blocks.
fn add_bitmap(image: &mut Image, free: &[u32]) {
    let (main, _, _) = entries(image);
    let volume = image.volume();
    assert!(matches!(volume.partitions()[1].kind, PartitionKind::Metadata(_)));
    let bits = volume.partitions()[1].length_blocks;
    drop(volume);
    let bytes = bits.div_ceil(8);
    let mut bitmap = vec![0; 24 + bytes as usize];
    put(&mut bitmap, 16, &bits.to_le_bytes());
    put(&mut bitmap, 20, &bytes.to_le_bytes());
    for block in free {
        bitmap[24 + *block as usize / 8] |= 1 << (block % 8);
    }
    Tag::seal_partly(&mut bitmap, Kind::SPACE_BITMAP, seal(), main + 2, 8);
    copy_entry(image, main, main + 2, |entry| {
        entry[27] = FileType::METADATA_BITMAP.0;
        entry[34] |= 3;
        put(entry, 72, &[0; 8]);
        for at in [56, 64, 212] {
            put(entry, at, &u32::try_from(bitmap.len()).unwrap().to_le_bytes());
        }
        put(entry, 216, &bitmap);
        set_crc_length(entry, 200 + bitmap.len());
    });
    set_map(image, 48, &(main + 2).to_le_bytes());
}

pub(super) const FAULTS: &[Fault] = &[
    (&[83], On::Split, |image| {
        let (main, _, _) = entries(image);
        copy_entry(image, main, main, |entry| entry[200] = 5);
    }),
    (&[83], On::Split, |image| {
        let (_, mirror, _) = entries(image);
        copy_entry(image, mirror, mirror, |entry| entry[27] = FileType::METADATA.0);
    }),
    (&[84], On::Split, |image| set_map(image, 52, &[7])),
    (&[84], On::Split, |image| set_map(image, 56, &[7])),
    (&[85], On::Split, |image| {
        let mirrored = image.entry("data")[1];
        image.change(&[mirrored], |entry| entry[44] ^= 1);
    }),
    (&[85], On::Split, |image| {
        let (main, mirror, start) = entries(image);
        let extent = image.sector(start + main)[216..224].to_vec();
        copy_entry(image, mirror, mirror, |entry| put(entry, 216, &extent));
    }),
    (&[85], On::Split, |image| set_map(image, 58, &[0])),
    (&[86], On::Split, |image| {
        let (main, mirror, _) = entries(image);
        copy_entry(image, mirror, main + 1, |_| ());
        set_map(image, 44, &(main + 1).to_le_bytes());
    }),
    (&[87, 89], On::Split, |image| add_bitmap(image, &[])),
    (&[87, 89], On::Split, |image| {
        let entry = image.icb("data").block.0;
        let blocks = image.volume().partitions()[1].length_blocks;
        let last = image.volume().integrity().unwrap().files.unwrap() + 20;
        // All that is certainly not used, and one block that is.
        let free: Vec<u32> = (last..blocks).chain([entry]).collect();
        add_bitmap(image, &free);
    }),
    (&[88], On::Split, |image| {
        let sectors = image.entry("empty");
        image.change(&sectors, |entry| entry[34] &= !7);
    }),
    (&[99], On::Split, |image| {
        let (main, _, _) = entries(image);
        copy_entry(image, main, main, |entry| add32(entry, 48, 1));
    }),
];
