//! What is written when a volume is changed in place: bitmaps of free space, and sectors that are ready.

use crate::plan::Plan;

impl Plan {
    /// Blocks of a bitmap, from its `first`-th on.
    pub(super) fn space_bitmap(&self, which: usize, first: u32, out: &mut [u8]) {
        let bitmap = &self.bitmaps[which];
        let head = bitmap.head(self.partition_blocks(), self.seal);
        // A bit is as far from the first one as its block from the partition's first, and the head is before all bits.
        let head_bits = head.len() as u64 * 8;
        let base = self.block_size().bytes_in(first) * 8;
        let end = base + out.len() as u64 * 8;
        let from = bitmap.free.partition_point(|range| head_bits + u64::from(range.end) <= base);
        for range in &bitmap.free[from..] {
            let low = (head_bits + u64::from(range.start)).max(base);
            let high = (head_bits + u64::from(range.end)).min(end);
            if low >= high {
                break;
            }
            set_bits(out, super::to_usize(low - base), super::to_usize(high - base));
        }
        if first == 0 {
            out[..head.len()].copy_from_slice(&head);
        }
    }

    /// Sectors that the plan has made.
    pub(super) fn prepared(&self, first: u32, out: &mut [u8]) {
        let start = first as usize * self.block_size().len();
        out.copy_from_slice(&self.prepared[start..start + out.len()]);
    }
}

/// Sets the bits from `low` up to `high`, the least significant of a byte first.
fn set_bits(bytes: &mut [u8], low: usize, high: usize) {
    let (first, last) = (low.div_ceil(8), high / 8);
    if first <= last {
        bytes[first..last].fill(0xFF);
        (low..first * 8).chain(last * 8..high).for_each(|bit| bytes[bit / 8] |= 1 << (bit % 8));
    } else {
        (low..high).for_each(|bit| bytes[bit / 8] |= 1 << (bit % 8));
    }
}

#[cfg(test)]
mod tests {
    use super::set_bits;

    #[test]
    fn bits_are_set_from_one_to_the_other_and_no_others() {
        for low in 0..40 {
            for high in low..40 {
                let mut bytes = [0; 5];
                set_bits(&mut bytes, low, high);
                let set: Vec<_> = (0..40).filter(|bit| bytes[bit / 8] >> (bit % 8) & 1 != 0).collect();
                assert_eq!(set, (low..high).collect::<Vec<_>>());
            }
        }
    }
}
