//! A device with places that cannot be read.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use udf::BoxedError;
use udf::read::ReadAt;

/// The bytes of an image, but for those in some ranges: a read that touches them fails.
pub(crate) struct Scratched<'a> {
    image: &'a [u8],
    bad: Vec<Range<u64>>,
    /// Reads that touched a bad place.
    pub(crate) failures: AtomicU64,
}

impl<'a> Scratched<'a> {
    pub(crate) fn new(image: &'a [u8], bad: Vec<Range<u64>>) -> Self {
        Self { image, bad, failures: AtomicU64::new(0) }
    }
}

impl ReadAt for Scratched<'_> {
    fn size_bytes(&self) -> u64 {
        self.image.size_bytes()
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        let end_bytes = offset_bytes + out.len() as u64;
        if self.bad.iter().any(|bad| offset_bytes < bad.end && bad.start < end_bytes) {
            self.failures.fetch_add(1, Ordering::Relaxed);
            return Err("a scratch".into());
        }
        self.image.read_at(offset_bytes, out)
    }
}
