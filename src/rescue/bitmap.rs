//! Bits for stretches of a device, one for each 512 bytes: what has been seen, what belongs to somebody.

/// Bytes of the device for one bit: the least that a block can have.
pub(super) const UNIT_BYTES: u64 = 512;

/// A bit for each unit of a device: a quarter of a MiB for each GiB. Bits beyond its end are never set.
#[derive(Debug)]
pub(super) struct Bitmap {
    words: Vec<u64>,
}

impl Bitmap {
    /// Nothing set, for a device of so many bytes.
    pub(super) fn new(size_bytes: u64) -> Self {
        let words = usize::try_from(size_bytes.div_ceil(UNIT_BYTES).div_ceil(64)).unwrap_or(usize::MAX);
        Self { words: vec![0; words] }
    }

    /// Whether the unit of a byte is set.
    pub(super) fn has(&self, at_bytes: u64) -> bool {
        let unit = at_bytes / UNIT_BYTES;
        usize::try_from(unit / 64)
            .ok()
            .and_then(|word| self.words.get(word))
            .is_some_and(|word| word >> (unit % 64) & 1 != 0)
    }

    /// Sets the unit of a byte; whether it was not set before. Beyond the end nothing ever is.
    pub(super) fn set(&mut self, at_bytes: u64) -> bool {
        let unit = at_bytes / UNIT_BYTES;
        let Some(word) = usize::try_from(unit / 64).ok().and_then(|word| self.words.get_mut(word)) else {
            return false;
        };
        let before = *word;
        *word |= 1 << (unit % 64);
        *word != before
    }

    /// Sets the units of a range of bytes, and in `twice` those that were set before.
    pub(super) fn claim(&mut self, start_bytes: u64, bytes: u64, twice: Option<&mut Self>) {
        let mut ignored = Self { words: Vec::new() };
        let twice = twice.unwrap_or(&mut ignored);
        self.each_word(start_bytes, bytes, |index, mask, word| {
            if let Some(other) = twice.words.get_mut(index) {
                *other |= *word & mask;
            }
            *word |= mask;
        });
    }

    /// Whether any unit of a range of bytes is set.
    pub(super) fn has_any(&self, start_bytes: u64, bytes: u64) -> bool {
        words_of(start_bytes, bytes, self.words.len())
            .any(|(index, mask)| self.words.get(index).is_some_and(|word| word & mask != 0))
    }

    fn each_word(&mut self, start_bytes: u64, bytes: u64, mut act: impl FnMut(usize, u64, &mut u64)) {
        for (index, mask) in words_of(start_bytes, bytes, self.words.len()) {
            if let Some(word) = self.words.get_mut(index) {
                act(index, mask, word);
            }
        }
    }
}

/// The words that have bits of a range of bytes, and which bits those are.
fn words_of(start_bytes: u64, bytes: u64, count: usize) -> impl Iterator<Item = (usize, u64)> {
    let first = start_bytes / UNIT_BYTES;
    let end = start_bytes.saturating_add(bytes).div_ceil(UNIT_BYTES).min((count as u64).saturating_mul(64));
    let last_word = if bytes == 0 { 0 } else { end.div_ceil(64) };
    (first / 64..last_word).filter_map(move |word| {
        let low = first.saturating_sub(word * 64).min(64);
        let high = (end - word * 64).min(64);
        let below = |bits: u64| if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
        let mask = below(high) & !below(low);
        Some((usize::try_from(word).ok()?, mask))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_beyond_the_end() {
        let mut bits = Bitmap::new(1000);
        assert!(bits.set(999) && !bits.set(600) && bits.has(512) && !bits.has(0));
        assert!(!bits.set(u64::MAX) && !bits.has(u64::MAX));
        bits.claim(u64::MAX - 5, u64::MAX, None);
        bits.claim(0, u64::MAX, None);
        assert!(bits.has(0) && bits.has_any(0, 1) && !bits.has_any(64 * 512, u64::MAX));
    }

    proptest! {
        #[test]
        fn claims_are_counted_unit_by_unit(claims in proptest::collection::vec((0u64..300, 0u64..200), 0..12), probe in 0u64..400, len in 0u64..100) {
            let (mut once, mut twice) = (Bitmap::new(400 * UNIT_BYTES), Bitmap::new(400 * UNIT_BYTES));
            let mut counts = [0u32; 600];
            for (start, len) in claims {
                once.claim(start * UNIT_BYTES, len * UNIT_BYTES, Some(&mut twice));
                for unit in start..start + len {
                    counts[usize::try_from(unit).unwrap()] += 1;
                }
            }
            for unit in 0..400u64 {
                let count = counts[usize::try_from(unit).unwrap()];
                prop_assert_eq!((once.has(unit * UNIT_BYTES), twice.has(unit * UNIT_BYTES)), (count > 0, count > 1));
            }
            let any = (probe..(probe + len).min(400)).any(|unit| counts[usize::try_from(unit).unwrap()] > 0);
            prop_assert_eq!(once.has_any(probe * UNIT_BYTES, len * UNIT_BYTES), any);
        }
    }
}
