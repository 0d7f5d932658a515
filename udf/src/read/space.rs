//! The address space of a logical volume: blocks of partitions, read from where they really lie.

use alloc::{sync::Arc, vec, vec::Vec};

use super::ReadAt;
use super::device::read_exact;
use super::partition::Partition;
use super::tolerance::{Met, Tolerance};
use crate::error::{Corrupt, Fault, Result};
use crate::general::Tag;
use crate::units::{BlockAddress, BlockSize, Sector};

/// A stretch of blocks that lies in one piece on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where it begins.
    pub sector: Sector,
    /// How many blocks from there on belong together; at least 1.
    pub blocks: u32,
}

/// Which of two copies of a block: partitions of metadata keep a second one in a mirror (UDF 2.2.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copy {
    First,
    Second,
}

/// The partitions of a logical volume, upon a device.
#[derive(Debug)]
pub(super) struct Space<R> {
    pub(super) device: R,
    pub(super) block_size: BlockSize,
    /// By partition reference.
    pub(super) partitions: Vec<Partition>,
    /// What was bent in what has been read.
    pub(super) met: Arc<Met>,
}

impl<R: ReadAt> Space<R> {
    /// Reads what begins `skip_bytes` into the block at an address, over as many blocks as it takes.
    ///
    /// What the device cannot read is read from the second copy, if there is one.
    pub(super) fn read(&self, start: BlockAddress, skip_bytes: u64, out: &mut [u8]) -> Result<()> {
        self.read_copy(Copy::First, start, skip_bytes, out)
    }

    fn read_copy(&self, copy: Copy, start: BlockAddress, skip_bytes: u64, mut out: &mut [u8]) -> Result<()> {
        let mut at = skip_bytes;
        while !out.is_empty() {
            let address = u32::try_from(whole_blocks(self.block_size, at))
                .ok()
                .and_then(|blocks| start.checked_add(blocks));
            let address = address.ok_or_else(|| {
                Corrupt::new("extent", start, Fault::OutsidePartition { address: start, blocks: u32::MAX })
            })?;
            let run = self.locate(copy, address)?;
            let skip = self.block_size.offset_in_block(at);
            let room = self.block_size.bytes_in(run.blocks).saturating_sub(skip);
            let take = usize::try_from(room).unwrap_or(usize::MAX).min(out.len());
            let (piece, rest) = out.split_at_mut(take);
            let offset = self.block_size.offset_of(run.sector).saturating_add(skip);
            if let Err(error) = read_exact(&self.device, offset, piece) {
                let saved = copy == Copy::First && self.read_copy(Copy::Second, address, skip, piece).is_ok();
                if !saved {
                    return Err(error);
                }
                self.met.bend(Tolerance::MirrorBlock, address, error)?;
            }
            at = at.saturating_add(take as u64);
            out = rest;
        }
        Ok(())
    }

    /// Reads the block at an address and makes of it what `parse` does.
    ///
    /// If it cannot be read or does not parse, the second copy has its turn, if there is one.
    pub(super) fn parse_block<T>(
        &self,
        address: BlockAddress,
        parse: impl Fn(&[u8]) -> Result<T, Corrupt>,
    ) -> Result<T> {
        let attempt = |copy| {
            let run = self.locate(copy, address)?;
            with_block(self.block_size, |block| {
                read_exact(&self.device, self.block_size.offset_of(run.sector), block)?;
                Ok(parse(block)?)
            })
        };
        match attempt(Copy::First) {
            Ok(parsed) => Ok(parsed),
            Err(error) => match attempt(Copy::Second) {
                Ok(parsed) => self.met.bend(Tolerance::MirrorBlock, address, error).map(|()| parsed),
                Err(_) => Err(error),
            },
        }
    }

    /// Notes that a descriptor's CRC does not cover the whole of its `bytes`, if so (UDF 2.3.1.2).
    pub(super) fn check_cover(
        &self,
        tag: &Tag,
        bytes: usize,
        structure: &'static str,
        at: BlockAddress,
    ) -> Result<()> {
        let covered = tag.descriptor_crc_length.get();
        let whole = u16::try_from(bytes.saturating_sub(Tag::LEN)).unwrap_or(u16::MAX);
        if covered >= whole {
            return Ok(());
        }
        let fault = Fault::Field { field: "CRC length", value: covered.into() };
        self.met.bend(Tolerance::PartialSeal, at, Corrupt::new(structure, at, fault))
    }
}

/// How many blocks so many bytes fill.
pub(super) fn whole_blocks(block_size: BlockSize, bytes: u64) -> u64 {
    bytes >> block_size.bytes().trailing_zeros()
}

/// A block to read into; on the stack, if it is not large, because entries are read by the million.
fn with_block<T>(block_size: BlockSize, use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut small = [0; BlockSize::B2048.len()];
    match small.get_mut(..block_size.len()) {
        Some(block) => use_it(block),
        None => use_it(&mut vec![0; block_size.len()]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::PartitionKind;
    use super::super::fixture::{BLOCKS, Fixture, PARTITION};
    use super::*;
    use crate::error::Error;

    fn space(start: u32, length_blocks: u32) -> Space<Vec<u8>> {
        let mut device = Fixture::plain(BlockSize::B512).image;
        for (sector, bytes) in device.chunks_mut(512).enumerate() {
            bytes.fill(u8::try_from(sector % 251).unwrap());
        }
        let kind = PartitionKind::Physical { start: Sector(start) };
        let partition = Partition { number: 0, kind, length_blocks, access: None };
        Space { device, block_size: BlockSize::B512, partitions: vec![partition], met: Arc::default() }
    }

    #[test]
    fn reads_begin_and_end_anywhere_within_the_partition() {
        let space = space(PARTITION, 100);
        let byte = |block: u32| u8::try_from((PARTITION + block) % 251).unwrap();
        let mut out = [0; 1030];
        space.read(BlockAddress::new(0, 3), 510, &mut out).unwrap();
        assert_eq!((out[0], out[1], out[2], out[1029]), (byte(3), byte(3), byte(4), byte(6)));
        space.read(BlockAddress::new(0, 99), 0, &mut out[..512]).unwrap();
        let outside = |start, skip_bytes| space.read(BlockAddress::new(0, start), skip_bytes, &mut [0; 513]);
        assert!(outside(99, 0).is_err() && outside(100, 0).is_err() && outside(u32::MAX, 512).is_err());
        assert!(outside(0, u64::MAX).is_err());
        assert!(matches!(
            space.read(BlockAddress::new(1, 0), 0, &mut out),
            Err(Error::Corrupt(Corrupt { fault: Fault::OutsidePartition { blocks: 0, .. }, .. }))
        ));
    }

    #[test]
    fn partitions_may_claim_more_than_the_device_has() {
        let behind_the_end = space(BLOCKS - 1, 10);
        behind_the_end.read(BlockAddress::new(0, 0), 0, &mut [0; 512]).unwrap();
        assert!(matches!(behind_the_end.read(BlockAddress::new(0, 1), 0, &mut [0]), Err(Error::Read { .. })));
        let overflowing = space(u32::MAX, 10);
        assert!(overflowing.locate(Copy::First, BlockAddress::new(0, 0)).is_ok());
        assert!(overflowing.locate(Copy::First, BlockAddress::new(0, 1)).is_err());
    }
}
