//! Memory that the device can take from directly: aligned as the place is to which it goes.

/// What `O_DIRECT` asks of memory, offsets and lengths at most: the size of a page, and of the largest usual sector.
pub const ALIGNMENT_BYTES: usize = 4096;

/// A reusable buffer. A part of it that goes to an offset lies in memory as that offset does, modulo [`ALIGNMENT_BYTES`]: then
/// all but its unaligned ends can be written without a copy.
#[derive(Debug)]
pub struct Buffer {
    /// Anonymous pages: aligned, zeroed only when touched, and given back to the system as a whole.
    memory: memmap2::MmapMut,
}

impl Buffer {
    /// A buffer for up to so many bytes.
    ///
    /// # Panics
    /// If there is no memory for it, as any allocation does.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let memory = memmap2::MmapMut::map_anon(bytes + ALIGNMENT_BYTES).expect("memory for a buffer");
        Self { memory }
    }

    /// Memory for `bytes` bytes that go to `offset_bytes`. It holds what was left there.
    ///
    /// # Panics
    /// If the buffer is smaller.
    pub fn part(&mut self, offset_bytes: u64, bytes: usize) -> &mut [u8] {
        let start = length(offset_bytes % ALIGNMENT_BYTES as u64);
        &mut self.memory[start..start + bytes]
    }
}

/// A number of bytes that is known to fit memory, as a length.
///
/// # Panics
/// If it does not.
#[must_use]
pub fn length(bytes: u64) -> usize {
    usize::try_from(bytes).expect("lengths in memory fit memory")
}

/// The part of `bytes` that can be written with `O_DIRECT`: aligned in memory and on the device, at both ends.
#[must_use]
pub fn aligned_part(offset_bytes: u64, bytes: &[u8]) -> std::ops::Range<usize> {
    let unaligned = length(offset_bytes % ALIGNMENT_BYTES as u64);
    let head = (ALIGNMENT_BYTES - unaligned) % ALIGNMENT_BYTES;
    let end = (bytes.len() + unaligned) / ALIGNMENT_BYTES * ALIGNMENT_BYTES;
    if bytes.as_ptr().addr() % ALIGNMENT_BYTES != unaligned || end < unaligned + head {
        return 0..0;
    }
    head..end - unaligned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_aligned_alike_is_taken_between_its_ends() {
        let mut buffer = Buffer::new(3 * ALIGNMENT_BYTES);
        for (offset, bytes, expected) in [
            (0, 8192, 0..8192),
            (4096, 8193, 0..8192),
            (2048, 12288, 2048..10240),
            (2048, 2048, 2048..2048),
            (2048, 2047, 0..0),
            (512, 4096, 3584..3584),
            (0, 512, 0..0),
        ] {
            let part = buffer.part(offset, bytes);
            assert_eq!(aligned_part(offset, part), expected, "{bytes} bytes at {offset}");
            assert_eq!(aligned_part(offset + 512, part), 0..0, "memory aligned otherwise");
        }
    }
}
