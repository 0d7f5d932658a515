//! What is written when a volume is changed in place: bitmaps of free space, and sectors that are ready.

use crate::plan::Plan;

impl Plan {
    /// Blocks of the bitmaps, those of the second behind those of the first.
    pub(super) fn space_bitmap(&self, first: u32, out: &mut [u8]) {
        let Some(update) = &self.update else { return };
        let len = self.block_size().len();
        let first_blocks = update.bitmaps[0].end - update.bitmaps[0].start;
        for (block, number) in out.chunks_mut(len).zip(first..) {
            let (which, number) = number.checked_sub(first_blocks).map_or((0, number), |number| (1, number));
            let head = update.head(which, self.seal);
            // A bit is as far from the bitmap's first byte as its block from the partition's, behind the head.
            let start = u64::from(number) * len as u64;
            let base = start * 8;
            let head_bits = head.len() as u64 * 8;
            let end = base + 8 * len as u64;
            let free = &update.free[which];
            let from = free.partition_point(|range| head_bits + u64::from(range.end) <= base);
            for range in &free[from..] {
                let low = (head_bits + u64::from(range.start)).max(base);
                let high = (head_bits + u64::from(range.end)).min(end);
                if low >= high {
                    break;
                }
                set_bits(block, super::to_usize(low - base), super::to_usize(high - base));
            }
            if start == 0 {
                block[..head.len()].copy_from_slice(&head);
            }
        }
    }

    /// Sectors that the plan has made.
    pub(super) fn prepared(&self, first: u32, out: &mut [u8]) {
        let Some(update) = &self.update else { return };
        let start = first as usize * self.block_size().len();
        out.copy_from_slice(&update.prepared[start..start + out.len()]);
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
