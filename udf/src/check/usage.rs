//! Which blocks are used: one bit a block.

use alloc::{collections::BTreeMap, vec, vec::Vec};

use crate::read::{Partition, PartitionKind};
use crate::units::{BlockAddress, PartitionReference};

const WORD_BITS: u64 = 64;

/// A bit for each of so many blocks.
#[derive(Clone, Debug)]
pub(super) struct Bitmap {
    words: Vec<u64>,
    bits: u64,
}

impl Bitmap {
    /// Nothing set. Memory that is never touched is not taken from the system either.
    pub(super) fn new(bits: u64) -> Self {
        let words = usize::try_from(bits.div_ceil(WORD_BITS)).unwrap_or(usize::MAX);
        Self { words: vec![0; words], bits }
    }

    /// Sets `count` bits from `first` on, up to the first that is set already; which that is. What lies beyond the last
    /// bit is passed over.
    pub(super) fn take(&mut self, first: u64, count: u64) -> Option<u64> {
        let end = first.saturating_add(count).min(self.bits);
        let mut at = first;
        while at < end {
            let (index, bit, length) = word(at, end);
            let mask = mask(bit, length);
            let word = self.words.get_mut(index)?;
            let taken = *word & mask;
            if taken != 0 {
                let free = u64::from(taken.trailing_zeros());
                *word |= mask & !(u64::MAX << free);
                return Some(at.saturating_sub(bit).saturating_add(free));
            }
            *word |= mask;
            at = at.saturating_add(length);
        }
        None
    }

    /// Sets `count` bits from `first` on, whether they are set or not.
    pub(super) fn set(&mut self, first: u64, count: u64) {
        let end = first.saturating_add(count).min(self.bits);
        let mut at = first;
        while at < end {
            let (index, bit, length) = word(at, end);
            if let Some(word) = self.words.get_mut(index) {
                *word |= mask(bit, length);
            }
            at = at.saturating_add(length);
        }
    }

    /// Sets bits from `first` on as those of `bytes` are, the lowest bit of a byte first.
    pub(super) fn set_bytes(&mut self, first: u64, bytes: &[u8]) {
        for (byte, at) in bytes.iter().zip((first..).step_by(8)) {
            for bit in (0..8).filter(|bit| byte >> bit & 1 != 0) {
                self.set(at.saturating_add(bit), 1);
            }
        }
    }

    pub(super) fn is_set(&self, bit: u64) -> bool {
        let (index, bit, _) = word(bit, u64::MAX);
        self.words.get(index).is_some_and(|word| word >> bit & 1 != 0)
    }

    /// The first bit from `from` on and before `end` that is set.
    pub(super) fn next_set(&self, from: u64, end: u64) -> Option<u64> {
        let end = end.min(self.bits);
        let mut at = from;
        while at < end {
            let (index, bit, length) = word(at, end);
            let set = self.words.get(index)? & mask(bit, length);
            if set != 0 {
                return Some(at.saturating_sub(bit).saturating_add(set.trailing_zeros().into()));
            }
            at = at.saturating_add(length);
        }
        None
    }

    /// How many bits there are.
    pub(super) fn len(&self) -> u64 {
        self.bits
    }

    /// How many bits are set.
    pub(super) fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

/// The word of a bit, which bit of it that is, and how many from there on are in it and before `end`.
fn word(bit: u64, end: u64) -> (usize, u64, u64) {
    let index = usize::try_from(bit / WORD_BITS).unwrap_or(usize::MAX);
    let inside = bit % WORD_BITS;
    let length = end.saturating_sub(bit).min(WORD_BITS.saturating_sub(inside));
    (index, inside, length)
}

/// `length` bits, 1 to 64, from `bit` on.
fn mask(bit: u64, length: u64) -> u64 {
    (u64::MAX >> WORD_BITS.saturating_sub(length)) << bit
}

/// The used blocks of the device, and those of partitions whose blocks are parts of files.
#[derive(Debug)]
pub(super) struct Usage {
    sectors: Bitmap,
    upper: BTreeMap<PartitionReference, Bitmap>,
}

impl Usage {
    pub(super) fn new(device_blocks: u64, partitions: &[Partition]) -> Self {
        let upper = partitions.iter().zip(0_u16..).filter_map(|(partition, reference)| {
            let is_upper = matches!(partition.kind, PartitionKind::Metadata(_) | PartitionKind::Virtual(_));
            let blocks = u64::from(partition.length_blocks);
            is_upper.then(|| (PartitionReference(reference), Bitmap::new(blocks)))
        });
        Self { sectors: Bitmap::new(device_blocks), upper: upper.collect() }
    }

    /// Marks blocks of a partition as used, up to the first that is already; which that is.
    pub(super) fn take(
        &mut self,
        partition: &Partition,
        start: BlockAddress,
        blocks: u64,
    ) -> Option<BlockAddress> {
        let first = u64::from(start.block.0);
        let (bitmap, offset) = match (&partition.kind, partition.start()) {
            (_, Some(start)) => (&mut self.sectors, u64::from(start.0)),
            (PartitionKind::Metadata(_) | PartitionKind::Virtual(_), None) => {
                (self.upper.get_mut(&start.partition)?, 0)
            }
            _ => return None,
        };
        let taken = bitmap.take(offset.saturating_add(first), blocks)?;
        let skip = taken.saturating_sub(offset).saturating_sub(first);
        start.checked_add(u32::try_from(skip).ok()?)
    }

    /// Marks sectors of the device as used.
    pub(super) fn set_sectors(&mut self, first: u64, end: u64) {
        self.sectors.set(first, end.saturating_sub(first));
    }

    /// Whether a block of a physical partition or of a metadata partition is used.
    pub(super) fn is_used(&self, partition: &Partition, reference: PartitionReference, block: u32) -> bool {
        match (&partition.kind, partition.start()) {
            (_, Some(start)) => self.sectors.is_set(u64::from(start.0).saturating_add(block.into())),
            (PartitionKind::Metadata(_) | PartitionKind::Virtual(_), None) => {
                self.upper.get(&reference).is_some_and(|bitmap| bitmap.is_set(block.into()))
            }
            _ => false,
        }
    }

    /// The first block of a metadata partition that is used, from `from` on and before `end`.
    pub(super) fn next_used(&self, reference: PartitionReference, from: u32, end: u32) -> Option<u32> {
        let block = self.upper.get(&reference)?.next_set(from.into(), end.into())?;
        u32::try_from(block).ok()
    }

    /// How many blocks of a partition there are on the device.
    pub(super) fn blocks_there(&self, partition: &Partition) -> u64 {
        let blocks = u64::from(partition.length_blocks);
        match partition.start() {
            Some(start) => blocks.min(self.sectors.len().saturating_sub(start.0.into())),
            None => blocks,
        }
    }

    /// How many blocks of the device are used.
    pub(super) fn sectors_used(&self) -> u64 {
        self.sectors.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn bits_are_like_a_set(ranges in proptest::collection::vec((0u64..300, 0u64..200), 1..12)) {
            let mut bitmap = Bitmap::new(320);
            let mut set = BTreeSet::new();
            for (first, count) in ranges {
                let end = (first + count).min(320);
                let conflict = (first..end).find(|bit| set.contains(bit));
                prop_assert_eq!(bitmap.take(first, count), conflict);
                set.extend(first..conflict.unwrap_or(end));
            }
            prop_assert_eq!(bitmap.count(), set.len() as u64);
            for bit in 0..320 {
                prop_assert_eq!(bitmap.is_set(bit), set.contains(&bit));
                prop_assert_eq!(bitmap.next_set(bit, 300), set.range(bit..).next().copied().filter(|bit| *bit < 300));
            }
        }

        #[test]
        fn bytes_are_bits_from_the_lowest(bytes: [u8; 20], first in 0u64..70) {
            let mut bitmap = Bitmap::new(300);
            bitmap.set_bytes(first, &bytes);
            for bit in 0..160u64 {
                let expected = bytes[(bit / 8) as usize] >> (bit % 8) & 1 != 0;
                prop_assert_eq!(bitmap.is_set(first + bit), expected);
            }
        }
    }

    #[test]
    fn beyond_the_end_is_nothing() {
        let mut bitmap = Bitmap::new(65);
        assert_eq!(bitmap.take(60, u64::MAX), None);
        assert_eq!(bitmap.count(), 5);
        assert_eq!(bitmap.take(1000, 5), None);
        assert!(!bitmap.is_set(u64::MAX));
    }
}
