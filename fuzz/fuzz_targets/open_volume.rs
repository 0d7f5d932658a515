//! Whole images: opening, walking and reading end, whatever is in them.
//!
//! The input is a sparse image: pieces of (block number, bytes) upon zeros, each piece that looks like a descriptor being
//! sealed, so that a small input can be a whole volume and a changed byte does not end at the first checksum.
#![no_main]

use libfuzzer_sys::fuzz_target;
use udf::general::{Seal, Tag};
use udf::read::{OpenOptions, Volume};

const BLOCK: usize = 512;
const BLOCKS: usize = 1024;

/// Each piece: block number (2 bytes), length (2 bytes), bytes.
fn image(mut input: &[u8]) -> Vec<u8> {
    let mut image = vec![0; BLOCK * BLOCKS];
    while let [low, high, length_low, length_high, rest @ ..] = input {
        let block = usize::from(u16::from_le_bytes([*low, *high])) % BLOCKS;
        let length = usize::from(u16::from_le_bytes([*length_low, *length_high])).min(rest.len());
        let (piece, others) = rest.split_at(length.min((BLOCKS - block) * BLOCK));
        let start = block * BLOCK;
        image[start..start + piece.len()].copy_from_slice(piece);
        mend(&mut image[start..], piece.len());
        input = others;
    }
    image
}

fn mend(bytes: &mut [u8], piece: usize) {
    if piece < Tag::LEN {
        return;
    }
    let Some(tag) = Tag::read(bytes) else { return };
    if tag.identifier.get() == 0 || tag.identifier.get() > 266 {
        return;
    }
    let crc_bytes = usize::from(tag.descriptor_crc_length.get()).min(bytes.len() - Tag::LEN);
    let version = if tag.descriptor_version.get() == 2 { 2 } else { 3 };
    let seal = Seal { descriptor_version: version, serial_number: tag.serial_number.get() };
    Tag::seal_partly(bytes, tag.kind(), seal, tag.location.get(), crc_bytes);
}

fuzz_target!(|input: &[u8]| {
    let image = image(input);
    let Ok(volume) = Volume::open(&image, &OpenOptions::default()) else { return };
    let _ = (volume.label(), volume.warnings().len());
    let Ok(root) = volume.root() else { return };
    let mut buffer = [0; 4096];
    for step in volume.walk(&root).take(1000) {
        let Ok((_, name, entry)) = step else { continue };
        let _ = name.name_text();
        let _ = volume.read(&entry, 0, &mut buffer);
        let _ = volume.read(&entry, entry.size_bytes.saturating_sub(100), &mut buffer);
        let _ = volume.extents(&entry).take(1000).count();
        let _ = volume.symlink_target(&entry);
    }
});
