//! Tables of partitions of a whole disk (MBR, GPT): where a volume may be that does not begin where the disk does.

use alloc::vec::Vec;

use super::ReadAt;
use super::device::read_exact;
use super::recognition;
use crate::units::{BlockSize, Sector};

/// Sector sizes of disks.
const SECTOR_BYTES: [u32; 2] = [512, 4096];
/// Where the MBR has its four entries, how long they are, and what ends it.
const MBR_ENTRIES: usize = 446;
const MBR_ENTRY_BYTES: usize = 16;
const MBR_SIGNATURE: [u8; 2] = [0x55, 0xAA];
/// Entries of a GPT that are looked at; as many as every tool makes.
const GPT_ENTRIES: u32 = 128;
const GPT_SIGNATURE: &[u8; 8] = b"EFI PART";
const GPT_LEAST_ENTRY_BYTES: u32 = 128;

/// Where partitions of a disk begin that hold UDF, in bytes from the beginning of the disk.
pub(super) fn partitions_with_udf<R: ReadAt>(device: &R) -> Vec<u64> {
    let mut starts: Vec<u64> = SECTOR_BYTES.iter().flat_map(|size| starts(device, *size)).collect();
    starts.sort_unstable();
    starts.dedup();
    starts.retain(|start| *start > 0 && recognises_udf(device, *start));
    starts
}

/// The recognition sequence is 32 KiB behind the beginning of the partition, whatever the block size.
fn recognises_udf<R: ReadAt>(device: &R, start_bytes: u64) -> bool {
    let behind = Behind { device, start_bytes };
    [BlockSize::B2048, BlockSize::B4096].iter().any(|size| {
        let (identifiers, _) = recognition::read(&behind, *size, Sector(0));
        recognition::says_udf(&identifiers)
    })
}

fn starts<R: ReadAt>(device: &R, sector_bytes: u32) -> Vec<u64> {
    let mut sector = [0; 512];
    if read_exact(device, 0, &mut sector).is_err() || !sector.ends_with(&MBR_SIGNATURE) {
        return Vec::new();
    }
    let entries = sector.get(MBR_ENTRIES..).unwrap_or_default().chunks_exact(MBR_ENTRY_BYTES).take(4);
    let of_mbr = entries.filter_map(|entry| Some(u64::from(number(entry.get(8..12)?)?)));
    let mut found: Vec<u64> = of_mbr.filter_map(|start| start.checked_mul(sector_bytes.into())).collect();
    found.extend(gpt(device, sector_bytes).unwrap_or_default());
    found
}

/// The partitions of a GPT, if the second sector begins one.
fn gpt<R: ReadAt>(device: &R, sector_bytes: u32) -> Option<Vec<u64>> {
    let mut header = [0; 92];
    read_exact(device, sector_bytes.into(), &mut header).ok()?;
    if !header.starts_with(GPT_SIGNATURE) {
        return None;
    }
    let first = long(header.get(72..80)?)?.checked_mul(sector_bytes.into())?;
    let count = number(header.get(80..84)?)?.min(GPT_ENTRIES);
    let entry_bytes = number(header.get(84..88)?)?.max(GPT_LEAST_ENTRY_BYTES);
    let mut found = Vec::new();
    for index in 0..count {
        let mut entry = [0; 48];
        let offset = u64::from(index).checked_mul(entry_bytes.into())?.checked_add(first)?;
        if read_exact(device, offset, &mut entry).is_err() {
            break;
        }
        // One without a type is not used.
        let is_used = entry.iter().take(16).any(|byte| *byte != 0);
        let start = long(entry.get(32..40)?)?.checked_mul(sector_bytes.into());
        found.extend(start.filter(|_| is_used));
    }
    Some(found)
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn long(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// A device from a byte on.
struct Behind<'a, R> {
    device: &'a R,
    start_bytes: u64,
}

impl<R: ReadAt> ReadAt for Behind<'_, R> {
    fn size_bytes(&self) -> u64 {
        self.device.size_bytes().saturating_sub(self.start_bytes)
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), crate::BoxedError> {
        let offset = offset_bytes.checked_add(self.start_bytes).ok_or("beyond the end of the disk")?;
        self.device.read_at(offset, out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::super::{OpenOptions, Volume};
    use super::*;
    use std::string::ToString;

    /// A disk with a volume a MiB from its beginning.
    fn disk() -> Vec<u8> {
        let mut image = std::vec![0; 1 << 20];
        image.extend(Fixture::plain(BlockSize::B2048).image);
        image[510..512].copy_from_slice(&MBR_SIGNATURE);
        image
    }

    #[test]
    fn volumes_in_partitions_of_a_disk_are_found_and_told() {
        let mut mbr = disk();
        mbr[MBR_ENTRIES + 16 + 8..][..4].copy_from_slice(&2048u32.to_le_bytes());
        let mut gpt = disk();
        // The protective entry of the MBR leads to the header.
        gpt[MBR_ENTRIES + 8] = 1;
        for sector_bytes in [512usize, 4096] {
            let mut gpt = gpt.clone();
            let header = &mut gpt[sector_bytes..];
            header[..8].copy_from_slice(GPT_SIGNATURE);
            header[72] = 2;
            header[80] = 2;
            header[84] = 128;
            let second = &mut gpt[2 * sector_bytes + 128..];
            second[0] = 1;
            second[32..40].copy_from_slice(&((1u64 << 20) / sector_bytes as u64).to_le_bytes());
            assert_eq!(partitions_with_udf(&gpt), [1 << 20]);
        }
        assert_eq!(partitions_with_udf(&mbr), [1 << 20]);
        let error = Volume::open(mbr, &OpenOptions::default()).unwrap_err().to_string();
        assert!(error.contains("1048576"), "{error}");
    }

    #[test]
    fn tables_that_lead_nowhere_end() {
        let mut image = disk();
        assert_eq!(partitions_with_udf(&image), [0; 0]);
        image[MBR_ENTRIES..510].fill(0xFF);
        image[512..520].copy_from_slice(GPT_SIGNATURE);
        image[520..1024].fill(0xFF);
        assert_eq!(partitions_with_udf(&image), [0; 0]);
        assert_eq!(partitions_with_udf(&std::vec![0u8; 100]), [0; 0]);
    }
}
