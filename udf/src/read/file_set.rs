//! The file set descriptor sequence (ECMA-167 4/8.3, 4/14.1, UDF 2.3.2): the last good one counts.

use super::ReadAt;
use super::space::Space;
use crate::error::{Corrupt, Fault, Result};
use crate::file::FileSetDescriptor;
use crate::general::{Descriptor, LongAd};
use crate::units::BlockAddress;

/// More than one are on write-once media only: one for each time that it was changed.
const MAX_DESCRIPTORS: u32 = 4096;

/// The file set descriptor that counts, and where it lies.
///
/// The sequence ends where its extent does, or with the first block that holds no file set descriptor.
pub(super) fn read<R: ReadAt>(space: &Space<R>, first: LongAd) -> Result<(FileSetDescriptor, BlockAddress)> {
    let blocks_of = |extent: LongAd| extent.bytes().div_ceil(space.block_size.bytes());
    let mut last = None;
    let mut next = Some(first.start());
    let mut left = blocks_of(first);
    for _ in 0..MAX_DESCRIPTORS {
        let Some(place) = next.filter(|_| left > 0) else { break };
        match space.parse_block(place, |bytes| Ok(*FileSetDescriptor::view(bytes, place.block.0, place)?)) {
            Err(error) => return last.ok_or(error),
            Ok(descriptor) => {
                last = Some((descriptor, place));
                (next, left) = match descriptor.next_extent {
                    none if none.bytes() == 0 => (place.checked_add(1), left.saturating_sub(1)),
                    extent => (Some(extent.start()), blocks_of(extent)),
                };
            }
        }
    }
    last.ok_or_else(|| {
        let fault = Fault::Missing(FileSetDescriptor::NAME);
        Corrupt::new("file set descriptor sequence", first.start(), fault).into()
    })
}
