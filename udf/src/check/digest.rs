//! What blocks held when they were read, in 8 bytes each: so that two copies are compared without reading one of them twice.

use alloc::collections::BTreeMap;

/// An odd number whose bits are everywhere: multiplying by it loses nothing.
const FACTOR: u64 = 0x517C_C1B7_2722_0A95;
const ROTATION: u32 = 23;

/// The digests of blocks by their number. Of the blocks of a volume only those that hold entries and names get here, of
/// which more is kept anyway.
#[derive(Debug, Default)]
pub(super) struct Digests(BTreeMap<u32, u64>);

impl Digests {
    pub(super) fn note(&mut self, number: u32, block: &[u8]) {
        self.0.insert(number, digest(block));
    }

    /// Whether a block is as it was when it was noted, if it was.
    pub(super) fn is_same(&self, number: u32, block: &[u8]) -> Option<bool> {
        self.0.get(&number).map(|noted| *noted == digest(block))
    }
}

/// Each step can be undone, so that blocks that differ in one word never have the same; others have with the odds of 2^-64,
/// and whoever writes such blocks on purpose deceives only about copies of his own.
fn digest(block: &[u8]) -> u64 {
    let (words, _) = block.as_chunks();
    words.iter().fold(0, |sum: u64, word| {
        (sum.rotate_left(ROTATION) ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn every_bit_counts() {
        let sound = vec![0x5A; 512];
        let mut digests = Digests::default();
        digests.note(7, &sound);
        assert_eq!(digests.is_same(7, &sound), Some(true));
        assert_eq!(digests.is_same(8, &sound), None);
        for bit in 0..512 * 8 {
            let mut other = sound.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(digests.is_same(7, &other), Some(false), "bit {bit}");
        }
    }
}
