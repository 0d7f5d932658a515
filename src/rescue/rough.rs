//! A device that cannot be read everywhere: bad places are tried again, then read block by block, mapped, and left alone.

use std::sync::Mutex;

use udf::BoxedError;
use udf::read::ReadAt;

use super::map::{Map, Status};
use crate::device::lock;

/// Bytes of the pieces in which a read that failed is tried again.
const PIECE_BYTES: u64 = 64 * 1024;
/// The least that is read, where the device does not say how large its sectors are.
const LEAST_BYTES: u32 = 512;

/// A device and the map of what of it can be read.
///
/// A place that is mapped as bad, or as not tried, is never read.
#[derive(Debug)]
pub struct RoughDevice<R> {
    inner: R,
    map: Mutex<Map>,
    /// Nothing was known at first: what has not been tried is.
    tries: bool,
    /// How often a block is read again after it failed.
    retries: u32,
    block_bytes: u64,
}

/// Why a read failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes from byte {start_bytes} of the device on cannot be read")]
struct Unreadable {
    start_bytes: u64,
    bytes: u64,
}

impl<R: ReadAt> RoughDevice<R> {
    /// Reads a device of which nothing is known, or what a map says.
    ///
    /// Blocks that fail are read `retries` times more.
    pub fn new(inner: R, map: Option<Map>, retries: u32) -> Self {
        let tries = map.is_none();
        let map = map.unwrap_or_else(|| Map::new(inner.size_bytes(), Status::NonTried));
        let block_bytes = inner.sector_size_bytes().unwrap_or(LEAST_BYTES).into();
        Self { inner, map: Mutex::new(map), tries, retries, block_bytes }
    }

    /// What is known by now of what can be read.
    #[must_use]
    pub fn map(&self) -> Map {
        lock(&self.map).clone()
    }

    /// Fills `out` with what can be read, and with zeros where it cannot; how many bytes those are.
    pub(super) fn read_what_can_be(&self, offset_bytes: u64, out: &mut [u8]) -> u64 {
        self.read(offset_bytes, out).map_or(0, |unreadable| unreadable.bytes)
    }

    /// Reads; what failed, if anything did.
    fn read(&self, offset_bytes: u64, out: &mut [u8]) -> Option<Unreadable> {
        let end_bytes = offset_bytes.saturating_add(out.len() as u64);
        let stretches: Vec<_> = lock(&self.map).within(offset_bytes, end_bytes).collect();
        let mut failed = None;
        let mut rest = out;
        for stretch in stretches {
            let length = usize::try_from(stretch.end_bytes - stretch.start_bytes).unwrap_or(usize::MAX);
            let (piece, others) = rest.split_at_mut(length.min(rest.len()));
            rest = others;
            match stretch.status {
                Status::Finished => self.retry(stretch.start_bytes, piece, &mut failed),
                Status::NonTried if self.tries => {
                    lock(&self.map).set(stretch.start_bytes, stretch.end_bytes, Status::Finished);
                    self.retry(stretch.start_bytes, piece, &mut failed);
                }
                _ => {
                    piece.fill(0);
                    note(&mut failed, stretch.start_bytes, piece.len() as u64);
                }
            }
        }
        failed
    }

    /// Reads what should be readable: at once, in pieces, or block by block.
    fn retry(&self, offset_bytes: u64, out: &mut [u8], failed: &mut Option<Unreadable>) {
        if self.inner.read_at(offset_bytes, out).is_ok() {
            return;
        }
        let mut at = offset_bytes;
        let mut rest = out;
        while !rest.is_empty() {
            let (piece, others) = rest.split_at_mut(self.up_to_boundary(at, PIECE_BYTES, rest.len()));
            let length = piece.len() as u64;
            if length <= self.block_bytes || self.inner.read_at(at, piece).is_err() {
                self.block_by_block(at, piece, failed);
            }
            at += length;
            rest = others;
        }
    }

    fn block_by_block(&self, offset_bytes: u64, out: &mut [u8], failed: &mut Option<Unreadable>) {
        let mut at = offset_bytes;
        let mut rest = out;
        while !rest.is_empty() {
            let (block, others) = rest.split_at_mut(self.up_to_boundary(at, self.block_bytes, rest.len()));
            let length = block.len() as u64;
            if (0..=self.retries).all(|_| self.inner.read_at(at, block).is_err()) {
                block.fill(0);
                note(failed, at, length);
                // The whole block is bad, whoever asked for a part of it.
                let start = at - at % self.block_bytes;
                let end =
                    start.saturating_add(self.block_bytes).min(self.inner.size_bytes().max(at + length));
                lock(&self.map).set(start, end, Status::Bad);
            }
            at += length;
            rest = others;
        }
    }

    /// How much lies before the next multiple of `unit_bytes`, but no more than there is.
    fn up_to_boundary(&self, at: u64, unit_bytes: u64, most: usize) -> usize {
        let unit_bytes = unit_bytes.max(self.block_bytes);
        usize::try_from(unit_bytes - at % unit_bytes).unwrap_or(usize::MAX).min(most)
    }
}

fn note(failed: &mut Option<Unreadable>, start_bytes: u64, bytes: u64) {
    failed.get_or_insert(Unreadable { start_bytes, bytes: 0 }).bytes += bytes;
}

impl<R: ReadAt> ReadAt for RoughDevice<R> {
    fn size_bytes(&self) -> u64 {
        self.inner.size_bytes()
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        let end = offset_bytes.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > self.inner.size_bytes()) {
            return Err("it lies beyond the end of the device".into());
        }
        self.read(offset_bytes, out).map_or(Ok(()), |unreadable| Err(unreadable.into()))
    }

    fn sector_size_bytes(&self) -> Option<u32> {
        self.inner.sector_size_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Fails in a range, the first so many times.
    struct Scratched {
        bytes: Vec<u8>,
        bad: std::ops::Range<u64>,
        failures: AtomicU32,
        reads: AtomicU32,
    }

    impl ReadAt for Scratched {
        fn size_bytes(&self) -> u64 {
            self.bytes.len() as u64
        }
        fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let touches = offset_bytes < self.bad.end && self.bad.start < offset_bytes + out.len() as u64;
            if touches
                && self
                    .failures
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                    .is_ok()
            {
                return Err("a scratch".into());
            }
            self.bytes.read_at(offset_bytes, out)
        }
    }

    fn scratched(bad: std::ops::Range<u64>, failures: u32) -> Scratched {
        let bytes = (0..300_000u32).map(|at| (at % 251).try_into().unwrap()).collect();
        Scratched { bytes, bad, failures: AtomicU32::new(failures), reads: AtomicU32::new(0) }
    }

    #[test]
    fn a_bad_block_is_found_mapped_and_not_read_again() {
        let device = RoughDevice::new(scratched(70_000..70_001, u32::MAX), None, 2);
        let mut out = vec![0; 200_000];
        assert_eq!(device.read_what_can_be(100, &mut out), 512);
        let mut expected = device.inner.bytes[100..200_100].to_vec();
        let bad = 70_000 / 512 * 512;
        expected[bad - 100..bad - 100 + 512].fill(0);
        assert!(out == expected);
        assert_eq!(device.map().count_bytes(Status::Bad), 512);
        let reads = device.inner.reads.load(Ordering::Relaxed);
        assert!(device.read_at(0, &mut out).is_err() && device.read_at(bad as u64, &mut out[..10]).is_err());
        assert_eq!(
            device.inner.reads.load(Ordering::Relaxed),
            reads + 3,
            "what lies around it, and what nobody asked for yet"
        );
    }

    #[test]
    fn what_succeeds_at_last_is_no_loss() {
        let device = RoughDevice::new(scratched(70_000..70_001, 4), None, 2);
        let mut out = vec![0; 200_000];
        device.read_at(0, &mut out).unwrap();
        assert!(out == device.inner.bytes[..200_000]);
        assert_eq!(device.map().count_bytes(Status::Bad), 0);
    }

    #[test]
    fn what_a_map_says_is_believed() {
        let mut map = Map::new(300_000, Status::Finished);
        map.set(1024, 2048, Status::NonTried);
        map.set(4096, 4608, Status::NonTrimmed);
        let device = RoughDevice::new(scratched(0..0, 0), Some(map.clone()), 0);
        let mut out = vec![1; 8192];
        assert_eq!(device.read_what_can_be(0, &mut out), 1024 + 512);
        assert!(
            out[1024..2048].iter().all(|byte| *byte == 0)
                && out[2048..4096] == device.inner.bytes[2048..4096]
        );
        assert!(
            device.read_at(1500, &mut out[..1]).is_err() && device.read_at(2048, &mut out[..2048]).is_ok()
        );
        assert_eq!(device.map(), map);
    }
}
