//! What is written when a volume is changed in place: bitmaps of free space, and sectors that are ready.

use std::ops::Range;

use udf::file::{AllocationForm, FileType, IcbTag, SpaceBitmapDescriptor};
use udf::general::{ExtentKind, ShortAd};
use zerocopy::IntoBytes;

use super::entry::{Body, Head, write_fixed};
use crate::plan::{Plan, bitmap_head};

impl Plan {
    /// Blocks of a bitmap, from its `first`-th on.
    pub(super) fn space_bitmap(&self, which: usize, first: u32, out: &mut [u8]) {
        let bitmap = &self.bitmaps[which];
        let head = bitmap_head(self.partition_blocks(), self.seal, bitmap.place.start);
        bits(&head, &bitmap.free, self.block_size().bytes_in(first), out);
    }

    /// Blocks of a metadata bitmap file, from its `first`-th on: the entry, and the bitmap behind it (UDF 2.2.13.2).
    pub(super) fn metadata_bitmap(&self, which: usize, first: u32, out: &mut [u8]) {
        let bitmap = &self.metadata_bitmaps[which];
        let body = bitmap.place.start + 1;
        let blocks = self.layout.metadata.as_ref().map_or(0, |file| file.blocks);
        let head = bitmap_head(blocks, self.seal, body);
        if first > 0 {
            bits(&head, &bitmap.free, self.block_size().bytes_in(first - 1), out);
            return;
        }
        let (entry, rest) = out.split_at_mut(self.block_size().len());
        self.metadata_bitmap_entry(blocks, bitmap.place.start, entry);
        if !rest.is_empty() {
            bits(&head, &bitmap.free, 0, rest);
        }
    }

    fn metadata_bitmap_entry(&self, bits: u32, location: u32, out: &mut [u8]) {
        let bytes = size_of::<SpaceBitmapDescriptor>() as u64 + u64::from(bits.div_ceil(8));
        let extent =
            ShortAd::new(ExtentKind::Recorded, u32::try_from(bytes).unwrap_or(u32::MAX), location + 1);
        write_fixed(out, &self.nobodys_entry());
        let body = Body {
            form: AllocationForm::Short,
            length: size_of_val(&extent),
            bytes: Some(extent.as_bytes().to_vec()),
            information_length: bytes,
            blocks_recorded: self.block_size().blocks_for(bytes),
        };
        let icb_tag = IcbTag::new(FileType::METADATA_BITMAP, body.form, 0);
        self.finish(out, &Head { icb_tag, links: 0, attributes: None, attributes_len: 0 }, &body, location);
    }

    /// Sectors that the plan has made.
    pub(super) fn prepared(&self, first: u32, out: &mut [u8]) {
        let start = first as usize * self.block_size().len();
        out.copy_from_slice(&self.prepared[start..start + out.len()]);
    }
}

/// The part of a bitmap that begins `base` bytes into it: its head, and a bit for each free block.
fn bits(head: &[u8], free: &[Range<u32>], base_bytes: u64, out: &mut [u8]) {
    // A bit is as far from the first one as its block from the partition's first, and the head is before all bits.
    let head_bits = head.len() as u64 * 8;
    let base = base_bytes * 8;
    let end = base + out.len() as u64 * 8;
    let from = free.partition_point(|range| head_bits + u64::from(range.end) <= base);
    for range in &free[from..] {
        let low = (head_bits + u64::from(range.start)).max(base);
        let high = (head_bits + u64::from(range.end)).min(end);
        if low >= high {
            break;
        }
        set_bits(out, super::to_usize(low - base), super::to_usize(high - base));
    }
    if base == 0 {
        out[..head.len()].copy_from_slice(head);
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
