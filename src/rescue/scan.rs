//! Reading the whole device once, from its beginning to its end, and looking at each place where a descriptor may begin.

use udf::BlockSize;
use udf::read::ReadAt;

use super::bitmap::UNIT_BYTES;
use super::catalogue::Catalogue;
use super::rough::RoughDevice;
use crate::error::Result;
use crate::progress::Progress;

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 20;
/// What is seen of a descriptor that begins at the end of a chunk: a block of the largest size.
const TAIL_BYTES: usize = 32 * 1024;

/// Finds all descriptors of blocks of this size, or of any.
pub(super) fn scan<R: ReadAt>(
    device: &RoughDevice<R>,
    block_size: Option<BlockSize>,
    progress: &Progress,
) -> Result<Catalogue> {
    // Whatever the size of a block, each begins at a multiple of the least.
    let step = block_size.map_or(UNIT_BYTES, |size| size.bytes().into());
    let step = usize::try_from(step).unwrap_or(CHUNK_BYTES);
    let size_bytes = device.size_bytes();
    let mut catalogue = Catalogue::default();
    let mut buffer = vec![0; CHUNK_BYTES + TAIL_BYTES];
    // The first of the buffer, and how much of it has been read.
    let (mut start_bytes, mut filled) = (0, 0);
    while start_bytes < size_bytes {
        progress.check()?;
        let left = usize::try_from(size_bytes - start_bytes).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        if filled < wanted {
            device.read_what_can_be(start_bytes + filled as u64, &mut buffer[filled..wanted]);
            progress.add_bytes((wanted - filled) as u64);
            filled = wanted;
        }
        for at in (0..CHUNK_BYTES.min(filled)).step_by(step) {
            catalogue.take(start_bytes + at as u64, &buffer[at..filled.min(at + TAIL_BYTES)]);
        }
        let kept = filled.saturating_sub(CHUNK_BYTES);
        buffer.copy_within(filled - kept..filled, 0);
        filled = kept;
        start_bytes += CHUNK_BYTES as u64;
    }
    Ok(catalogue)
}

#[cfg(test)]
mod tests {
    use super::*;
    use udf::general::{Seal, Tag, TagIdentifier};

    #[test]
    fn descriptors_are_found_at_every_boundary_and_once() {
        const SEAL: Seal = Seal { descriptor_version: 3, serial_number: 1 };
        let mut image = vec![0; 3 * CHUNK_BYTES + 700];
        let places = [0, 512, CHUNK_BYTES - 512, CHUNK_BYTES, 2 * CHUNK_BYTES - 1024, 3 * CHUNK_BYTES];
        for at in places {
            let block = &mut image[at..at + 512];
            block[100] = 1;
            Tag::seal(block, TagIdentifier::TERMINATING, SEAL, 1);
        }
        let progress = Progress::new();
        let device = RoughDevice::new(image, None, 0);
        let found = scan(&device, None, &progress).unwrap();
        let found: Vec<_> =
            found.whole.iter().map(|whole| usize::try_from(whole.at_bytes).unwrap()).collect();
        assert_eq!(found, places);
        assert_eq!(progress.bytes(), device.size_bytes());
        let found = scan(&device, Some(BlockSize::B2048), &progress).unwrap();
        assert_eq!(found.whole.len(), 3);
    }
}
