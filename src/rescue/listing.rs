//! The names in a directory that may be damaged: all that are sound, around all that is not.

use std::collections::VecDeque;

use udf::Place;
use udf::file::{AllocationForm, FileIdentifier, FileIdentifierDescriptor, characteristics};
use udf::general::{ExtentKind, LongAd};
use udf::read::{Entry, ReadAt, Volume};
use zerocopy::IntoBytes;

/// How much of a directory is read at once.
const CHUNK_BYTES: u64 = 64 * 1024;
/// Descriptors begin at multiples of so many bytes.
const STEP_BYTES: usize = 4;

/// A name and the ICB that it was given to.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) name: Vec<u8>,
    pub(super) icb: LongAd,
    characteristics: u8,
}

impl Found {
    pub(super) fn is_parent(&self) -> bool {
        self.characteristics & characteristics::PARENT != 0
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.characteristics & characteristics::DELETED != 0
    }

    pub(super) fn is_directory(&self) -> bool {
        self.characteristics & characteristics::DIRECTORY != 0
    }
}

/// What is needed of a file identifier.
pub(super) fn found(whole: &FileIdentifier<'_>) -> Found {
    let characteristics = whole.fixed.file_characteristics;
    Found { name: whole.name.to_vec(), icb: whole.fixed.icb, characteristics }
}

/// An entry whose extents can all be read: if their list is damaged, with those before the damage.
pub(super) fn mended<R: ReadAt>(volume: &Volume<R>, mut entry: Entry) -> Entry {
    if entry.form == AllocationForm::Embedded || volume.body(&entry).is_ok() {
        return entry;
    }
    let sound = volume.extents(&entry).map_while(Result::ok);
    let list: Vec<LongAd> = sound
        .map(|extent| {
            let bytes = u32::try_from(extent.bytes).unwrap_or(0);
            LongAd::new(extent.kind, bytes, extent.start)
        })
        .collect();
    entry.form = AllocationForm::Long;
    entry.allocation = list.as_bytes().to_vec();
    entry
}

/// The file identifiers of a directory, one by one, the parent and deleted ones among them.
pub(super) struct Listing<'v, R> {
    volume: &'v Volume<R>,
    entry: Entry,
    /// Where reading goes on, and where the directory ends.
    next_bytes: u64,
    end_bytes: u64,
    window: VecDeque<u8>,
    /// Where it was looked for, there is no descriptor.
    is_lost: bool,
    /// Something of the directory is missing or damaged.
    pub(super) is_damaged: bool,
}

impl<'v, R: ReadAt> Listing<'v, R> {
    pub(super) fn new(volume: &'v Volume<R>, entry: &Entry) -> Self {
        let mut end_bytes = entry.size_bytes;
        let entry = mended(volume, entry.clone());
        // More than the extents hold, or the device, is not there.
        let held = match (&entry.form, volume.body(&entry)) {
            (AllocationForm::Embedded, _) => entry.allocation.len() as u64,
            (_, Ok(body)) => {
                let recorded = body.extents().iter().map(|extent| extent.bytes);
                recorded.fold(0, u64::saturating_add).min(volume.device().size_bytes())
            }
            (_, Err(_)) => 0,
        };
        let is_damaged = end_bytes > held;
        end_bytes = end_bytes.min(held);
        Self { volume, entry, next_bytes: 0, end_bytes, window: VecDeque::new(), is_lost: false, is_damaged }
    }

    /// Reads on until there are so many bytes; whether there are.
    fn fill_to(&mut self, bytes: usize) -> bool {
        while self.window.len() < bytes && self.next_bytes < self.end_bytes {
            let count = (self.end_bytes - self.next_bytes).min(CHUNK_BYTES);
            let mut chunk = vec![0; usize::try_from(count).unwrap_or(0)];
            self.read(&mut chunk);
            self.window.extend(chunk);
            self.next_bytes += count;
        }
        self.window.len() >= bytes
    }

    /// Reads what can be read.
    fn read(&mut self, chunk: &mut [u8]) {
        if self.entry.form == AllocationForm::Embedded {
            let from = usize::try_from(self.next_bytes).unwrap_or(usize::MAX);
            if let Some(bytes) = self.entry.allocation.get(from..from.saturating_add(chunk.len())) {
                chunk.copy_from_slice(bytes);
            }
            return;
        }
        let Ok(body) = self.volume.body(&self.entry) else { return };
        // A directory has no holes.
        self.is_damaged |= body.extents().iter().any(|extent| extent.kind != ExtentKind::Recorded);
        if body.read(self.next_bytes, chunk).is_ok() {
            return;
        }
        let mut at_bytes = self.next_bytes;
        for block in chunk.chunks_mut(self.volume.block_size().len()) {
            if body.read(at_bytes, block).is_err() {
                block.fill(0);
                self.is_damaged = true;
            }
            at_bytes += block.len() as u64;
        }
    }

    /// The descriptor at the beginning of the window, and its length.
    fn parse(&mut self) -> Option<(Found, usize)> {
        type Fixed = FileIdentifierDescriptor;
        if !self.fill_to(Fixed::FIXED_LEN) {
            return None;
        }
        let most = self.volume.block_size().len();
        let head: Vec<u8> = self.window.iter().take(Fixed::FIXED_LEN).copied().collect();
        let length = udf::general::Descriptor::peek(&head, Place::Within).ok().map(Fixed::total_len)?;
        // Where descriptors are looked for byte by byte, one that claims more than a block is not worth its CRC.
        if (self.is_lost && length > most) || !is_identifier(&head) || !self.fill_to(length) {
            return None;
        }
        let bytes = &self.window.make_contiguous()[..length];
        Some((found(&Fixed::split(bytes, Place::Within).ok()?), length))
    }
}

/// Whether the tag says that this is a file identifier, which most of what is looked at is not.
fn is_identifier(head: &[u8]) -> bool {
    head.starts_with(&udf::general::TagIdentifier::FILE_IDENTIFIER.0.to_le_bytes())
}

impl<R: ReadAt> Iterator for Listing<'_, R> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            if !self.fill_to(1) {
                return None;
            }
            if let Some((found, length)) = self.parse() {
                self.window.drain(..length);
                self.is_lost = false;
                return Some(found);
            }
            self.window.drain(..STEP_BYTES.min(self.window.len()));
            (self.is_lost, self.is_damaged) = (true, true);
        }
    }
}
