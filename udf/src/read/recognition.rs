//! The volume recognition sequence (ECMA-167 2/8.3, UDF 2.1.7): does the device say that it holds UDF.

use alloc::vec::Vec;

use super::ReadAt;
use super::device::read_exact;
use crate::units::{BlockSize, Sector};
use crate::volume::VolumeStructureDescriptor;

/// More than any bridge of ISO 9660, its extensions and UDF has.
const MAX_DESCRIPTORS: u32 = 64;
/// Of every descriptor, unless a block is larger.
const LEAST_STRIDE_BYTES: u32 = 2048;

const KNOWN: [&[u8; 5]; 7] = [
    VolumeStructureDescriptor::BEGINNING,
    VolumeStructureDescriptor::NSR02,
    VolumeStructureDescriptor::NSR03,
    VolumeStructureDescriptor::TERMINATING,
    b"BOOT2",
    b"CD001",
    b"CDW02",
];

/// The identifiers of a session's recognition sequence, and how far apart they lie.
///
/// Windows records them 2048 bytes apart also where blocks are larger, so that is tried where the right distance leads
/// to no UDF.
pub(super) fn read<R: ReadAt>(device: &R, block_size: BlockSize, session: Sector) -> (Vec<[u8; 5]>, u32) {
    let right = block_size.bytes().max(LEAST_STRIDE_BYTES);
    let identifiers = read_every(right, device, block_size, session);
    if right > LEAST_STRIDE_BYTES && !says_udf(&identifiers) {
        let narrow = read_every(LEAST_STRIDE_BYTES, device, block_size, session);
        if says_udf(&narrow) {
            return (narrow, LEAST_STRIDE_BYTES);
        }
    }
    (identifiers, right)
}

/// Whether the volume is one of ECMA-167, the 2nd or the 3rd edition.
pub(super) fn says_udf(identifiers: &[[u8; 5]]) -> bool {
    identifiers.iter().any(|identifier| {
        identifier == VolumeStructureDescriptor::NSR02 || identifier == VolumeStructureDescriptor::NSR03
    })
}

fn read_every<R: ReadAt>(
    stride_bytes: u32,
    device: &R,
    block_size: BlockSize,
    session: Sector,
) -> Vec<[u8; 5]> {
    let boot_area = block_size.bytes_in(block_size.boot_area_blocks());
    let start = block_size.offset_of(session).saturating_add(boot_area);
    let mut found = Vec::new();
    for number in 0..MAX_DESCRIPTORS {
        let offset = start.saturating_add(u64::from(number).saturating_mul(stride_bytes.into()));
        let mut head = [0; 7];
        let known = read_exact(device, offset, &mut head).ok().and_then(|()| {
            let [_, identifier @ .., _] = head;
            KNOWN.contains(&&identifier).then_some(identifier)
        });
        match known {
            Some(identifier) => found.push(identifier),
            // On a disc that is still open the first sector may be unreadable, and what follows sound.
            None if number == 0 => {}
            None => break,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(places: &[(usize, &[u8; 5])]) -> Vec<u8> {
        let mut image = std::vec![0; 64 * 1024];
        for (at, identifier) in places {
            image[at + 1..at + 6].copy_from_slice(*identifier);
            image[at + 6] = 1;
        }
        image
    }

    #[test]
    fn blocks_up_to_2048_bytes_have_one_every_2048_bytes() {
        let image = image(&[(32768, b"CD001"), (34816, b"BEA01"), (36864, b"NSR02"), (38912, b"TEA01")]);
        for block_size in [BlockSize::B512, BlockSize::B1024, BlockSize::B2048] {
            let (identifiers, stride) = read(&image, block_size, Sector(0));
            assert_eq!(identifiers, [*b"CD001", *b"BEA01", *b"NSR02", *b"TEA01"]);
            assert_eq!(stride, 2048);
        }
    }

    #[test]
    fn larger_blocks_have_one_each_or_what_windows_makes_of_that() {
        let right = image(&[(32768, b"BEA01"), (36864, b"NSR03"), (40960, b"TEA01")]);
        let windows = image(&[(32768, b"BEA01"), (34816, b"NSR03"), (36864, b"TEA01")]);
        let expected = [*b"BEA01", *b"NSR03", *b"TEA01"];
        assert_eq!(read(&right, BlockSize::B4096, Sector(0)), (expected.to_vec(), 4096));
        assert_eq!(read(&windows, BlockSize::B4096, Sector(0)), (expected.to_vec(), 2048));
    }

    #[test]
    fn the_first_may_be_unreadable_and_the_sequence_ends() {
        let image = image(&[(34816, b"NSR02"), (38912, b"TEA01")]);
        assert_eq!(read(&image, BlockSize::B2048, Sector(0)).0, [*b"NSR02"]);
        assert_eq!(read(&std::vec![0u8; 100], BlockSize::B2048, Sector(0)).0, [[0; 5]; 0]);
    }
}
