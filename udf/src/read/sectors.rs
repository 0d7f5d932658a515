//! The descriptors in an extent of the volume space, one by one (ECMA-167 3/8.4).

use alloc::vec::Vec;

use super::ReadAt;
use super::device::read_exact;
use crate::error::Result;
use crate::general::{ExtentAd, Tag, TagIdentifier};
use crate::units::{BlockSize, Sector};

/// Sectors looked at in one extent: sequences have tens of descriptors, never thousands.
const MAX_SECTORS: u32 = 4096;

/// Walks over an extent that holds a sequence of descriptors.
#[derive(Debug)]
pub(super) struct Sectors<'a, R> {
    device: &'a R,
    block_size: BlockSize,
    next: Sector,
    remaining: u32,
    buffer: Vec<u8>,
}

/// A descriptor with a good seal, and where it lies.
#[derive(Debug)]
pub(super) struct Sealed<'a> {
    pub(super) sector: Sector,
    pub(super) kind: TagIdentifier,
    /// At least all bytes that the CRC covers, in whole sectors.
    pub(super) bytes: &'a [u8],
}

impl<'a, R: ReadAt> Sectors<'a, R> {
    pub(super) fn new(device: &'a R, block_size: BlockSize, extent: ExtentAd) -> Self {
        let blocks = extent.length.get().div_ceil(block_size.bytes());
        let remaining = blocks.min(MAX_SECTORS);
        Self { device, block_size, next: extent.start(), remaining, buffer: Vec::new() }
    }

    /// The next descriptor; `None` where the extent ends or a blank sector ends the sequence.
    ///
    /// After an error the next call goes on behind the damaged sector, or ends if the device could not read it.
    pub(super) fn advance(&mut self) -> Result<Option<Sealed<'_>>> {
        let sector = self.next;
        if self.remaining == 0 {
            return Ok(None);
        }
        if let Err(error) = self.load(sector, 1) {
            self.remaining = 0;
            return Err(error);
        }
        let Some(tag) = Tag::read(&self.buffer).filter(|tag| *tag != Tag::default()) else {
            self.remaining = 0;
            return Ok(None);
        };
        self.skip(1);
        // Tables of partition maps and of free extents may need more than a sector; the CRC tells.
        let bytes = Tag::LEN.saturating_add(tag.descriptor_crc_length.get().into());
        let more = bytes.div_ceil(self.block_size.len()).saturating_sub(1);
        let more = u32::try_from(more).unwrap_or(u32::MAX).min(self.remaining);
        if more > 0 && tag.checksum == tag.expected_checksum() {
            self.load(sector, more.saturating_add(1))?;
        }
        let kind = tag.kind();
        Tag::check(&self.buffer, kind, sector.0, "volume descriptor", sector)?;
        self.skip(more);
        Ok(Some(Sealed { sector, kind, bytes: &self.buffer }))
    }

    fn load(&mut self, sector: Sector, sectors: u32) -> Result<()> {
        let bytes = usize::try_from(self.block_size.bytes_in(sectors)).unwrap_or(usize::MAX);
        self.buffer.resize(bytes, 0);
        read_exact(self.device, self.block_size.offset_of(sector), &mut self.buffer)
    }

    fn skip(&mut self, sectors: u32) {
        self.remaining = self.remaining.saturating_sub(sectors);
        match self.next.checked_add(sectors) {
            Some(next) => self.next = next,
            None => self.remaining = 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::general::Seal;

    const SEAL: Seal = Seal { descriptor_version: 3, serial_number: 1 };

    fn sealed(image: &mut [u8], sector: u32, sectors: usize) {
        let at = sector as usize * 512;
        let descriptor = &mut image[at..at + sectors * 512];
        descriptor[16] = 1;
        Tag::seal(descriptor, TagIdentifier::UNALLOCATED_SPACE, SEAL, sector);
    }

    fn walk(image: &Vec<u8>, length: u32) -> Vec<Option<(u32, usize)>> {
        let extent = ExtentAd::new(length, Sector(0));
        let mut sectors = Sectors::new(image, BlockSize::B512, extent);
        let mut found = Vec::new();
        loop {
            match sectors.advance() {
                Ok(Some(sealed)) => found.push(Some((sealed.sector.0, sealed.bytes.len()))),
                Ok(None) => return found,
                Err(_) => found.push(None),
            }
        }
    }

    #[test]
    fn long_descriptors_are_whole_damaged_ones_are_passed_over_and_a_blank_sector_ends() {
        let mut image = std::vec![0; 10 * 512];
        sealed(&mut image, 0, 1);
        sealed(&mut image, 1, 3);
        sealed(&mut image, 4, 1);
        sealed(&mut image, 5, 1);
        sealed(&mut image, 7, 1);
        image[4 * 512 + 16] ^= 1;
        assert_eq!(walk(&image, 10 * 512), [Some((0, 512)), Some((1, 1536)), None, Some((5, 512))]);
        assert_eq!(walk(&image, 1024), [Some((0, 512)), None], "what does not fit the extent is damaged");
    }

    #[test]
    fn the_end_of_the_device_ends() {
        let mut image = std::vec![0; 512];
        sealed(&mut image, 0, 1);
        assert_eq!(walk(&image, u32::MAX), [Some((0, 512)), None]);
    }
}
