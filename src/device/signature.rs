//! What a device holds already, by the magic numbers of what is common: so that nobody overwrites it unaware.

use udf::read::ReadAt;

/// Everything in the table lies in so many bytes.
const HEAD_BYTES: u64 = 256 * 1024;

/// Name, place and bytes. The first that fits counts, so what may lie inside of something else stands before it.
#[rustfmt::skip]
const MAGIC: &[(&str, usize, &[u8])] = &[
    ("LUKS", 0, b"LUKS\xBA\xBE"),
    ("LVM2", 536, b"LVM2 001"), ("LVM2", 24, b"LVM2 001"), ("LVM2", 1048, b"LVM2 001"), ("LVM2", 1560, b"LVM2 001"),
    ("Linux RAID", 4096, b"\xFC\x4E\x2B\xA9"), ("Linux RAID", 0, b"\xFC\x4E\x2B\xA9"),
    ("XFS", 0, b"XFSB"),
    ("squashfs", 0, b"hsqs"),
    ("btrfs", 0x1_0040, b"_BHRfS_M"),
    ("bcachefs", 4120, b"\xC6\x85\x73\xF6\x66\xCE\x90\xA9\xD9\x6A\x60\xCF\x80\x3D\xF7\xEF"),
    ("bcache or bcachefs", 4120, b"\xC6\x85\x73\xF6\x4E\x1A\x45\xCA\x82\x65\xF5\x7F\x48\xBA\x6D\x81"),
    ("ext2, ext3 or ext4", 1080, b"\x53\xEF"),
    ("f2fs", 1024, b"\x10\x20\xF5\xF2"),
    ("erofs", 1024, b"\xE2\xE1\xF5\xE0"),
    ("HFS+", 1024, b"H+\x00\x04"), ("HFS+", 1024, b"HX\x00\x05"),
    ("APFS", 32, b"NXSB"),
    ("exFAT", 3, b"EXFAT   "),
    ("NTFS", 3, b"NTFS    "),
    ("FAT", 82, b"FAT32   "), ("FAT", 54, b"FAT16   "), ("FAT", 54, b"FAT12   "), ("FAT", 54, b"FAT     "),
    ("swap space", 4086, b"SWAPSPACE2"), ("swap space", 4086, b"SWAP-SPACE"),
    ("swap space", 65526, b"SWAPSPACE2"), ("swap space", 4086, b"S1SUSPEND\0"),
];

/// The name of what a device seems to hold; `None` if it is nothing known, or cannot be read.
#[must_use]
pub fn signature(device: &dyn ReadAt) -> Option<&'static str> {
    let mut head = vec![0; usize::try_from(device.size_bytes().min(HEAD_BYTES)).ok()?];
    device.read_at(0, &mut head).ok()?;
    let holds = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    // In front of a bridge disc there may be a partition table, and after its ISO 9660 descriptors come those of UDF.
    let recognition = || (32 * 1024..64 * 1024).step_by(2048);
    if recognition().any(|at| holds(at + 1, b"NSR02") || holds(at + 1, b"NSR03")) {
        return Some("UDF");
    }
    if holds(32 * 1024 + 1, b"CD001") {
        return Some("ISO 9660");
    }
    if let Some((name, ..)) = MAGIC.iter().find(|(_, at, magic)| holds(*at, magic)) {
        return Some(name);
    }
    let uberblock = 0x00BA_B10C_u64;
    let uberblocks = (128 * 1024..256 * 1024).step_by(1024);
    if uberblocks
        .into_iter()
        .any(|at| holds(at, &uberblock.to_le_bytes()) || holds(at, &uberblock.to_be_bytes()))
    {
        return Some("ZFS");
    }
    if holds(512, b"EFI PART") || holds(4096, b"EFI PART") {
        return Some("GPT partition table");
    }
    (holds(510, b"\x55\xAA") && has_partition(&head)).then_some("MBR partition table")
}

/// Whether the four entries look like those of a partition table: a flag of activity, and a type in one of them. Boot code
/// of something without a table ends in the same magic number.
fn has_partition(head: &[u8]) -> bool {
    let entries = || head[446..510].chunks_exact(16);
    entries().all(|entry| matches!(entry[0], 0 | 0x80)) && entries().any(|entry| entry[4] != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(at: usize, magic: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 300 * 1024];
        image[at..at + magic.len()].copy_from_slice(magic);
        image
    }

    #[test]
    fn every_row_of_the_table_is_found_by_its_name() {
        for (name, at, magic) in MAGIC {
            assert_eq!(signature(&holding(*at, magic)), Some(*name));
        }
    }

    #[test]
    fn discs_and_partition_tables_are_told_apart() {
        let iso = holding(32769, b"CD001");
        assert_eq!(signature(&iso), Some("ISO 9660"));
        let mut bridge = iso.clone();
        bridge[32769 + 3 * 2048..][..5].copy_from_slice(b"NSR02");
        assert_eq!(signature(&bridge), Some("UDF"));
        let mut partitioned = holding(510, b"\x55\xAA");
        assert_eq!(signature(&partitioned), None);
        partitioned[446 + 4] = 7;
        assert_eq!(signature(&partitioned), Some("MBR partition table"));
        partitioned[512..520].copy_from_slice(b"EFI PART");
        assert_eq!(signature(&partitioned), Some("GPT partition table"));
        assert_eq!(signature(&holding(128 * 1024 + 5 * 1024, b"\x0C\xB1\xBA\0\0\0\0\0")), Some("ZFS"));
    }

    #[test]
    fn what_is_blank_or_tiny_holds_nothing() {
        assert_eq!(signature(&vec![0; 1 << 20]), None);
        assert_eq!(signature(&vec![0; 100]), None);
        assert_eq!(signature(&Vec::new()), None);
    }
}
