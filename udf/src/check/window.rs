//! The bytes of a directory, a window at a time: directories may be larger than memory should be.

use alloc::vec::Vec;

use super::allocation::Body;
use super::context::{At, whole_blocks};
use super::files::Files;
use crate::read::{Extent, ReadAt};
use crate::units::{Block, BlockAddress, BlockSize};

/// How much is read at once.
const CHUNK_BYTES: u64 = 128 * 1024;

/// A place in a directory's body, and the bytes from there on as far as they have been read.
#[derive(Debug)]
pub(super) struct Window {
    bytes: Vec<u8>,
    position: usize,
    /// The offset of `position` in the body.
    offset_bytes: u64,
    /// The extents that begin at or before the position are `extents[..=current]`.
    extents: Vec<Extent>,
    current: usize,
    /// Where in the body the current extent begins.
    current_offset_bytes: u64,
    /// The extent that is read next, and how much of it has been.
    reading: usize,
    skip_bytes: u64,
    /// The block that an embedded body lies in.
    embedded: Option<BlockAddress>,
}

impl Window {
    /// The body of a directory; an embedded one is read at once. `None` if it cannot be.
    pub(super) fn open<R: ReadAt>(files: &mut Files<'_, R>, at: At, body: &Body) -> Option<Self> {
        let mut window = Self {
            bytes: Vec::new(),
            position: 0,
            offset_bytes: 0,
            extents: Vec::new(),
            current: 0,
            current_offset_bytes: 0,
            reading: 0,
            skip_bytes: 0,
            embedded: None,
        };
        match body {
            Body::Passed { .. } => {}
            Body::Embedded { block, offset, bytes } => {
                let whole = files.read_block(at, *block)?;
                let end = offset.saturating_add(*bytes);
                window.bytes = whole.get(*offset..end).unwrap_or_default().to_vec();
                window.embedded = Some(*block);
            }
            Body::Extents(extents) => window.extents.clone_from(extents),
        }
        Some(window)
    }

    /// The bytes from the position on.
    pub(super) fn ahead(&self) -> &[u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// Sees to it that at least so many bytes are ahead, unless the body ends before; `false` if it cannot be read.
    pub(super) fn fill<R: ReadAt>(&mut self, files: &mut Files<'_, R>, at: At, bytes: usize) -> bool {
        while self.ahead().len() < bytes {
            let Some(extent) = self.extents.get(self.reading).copied() else { break };
            let left = extent.bytes.saturating_sub(self.skip_bytes);
            if left == 0 {
                self.reading = self.reading.saturating_add(1);
                self.skip_bytes = 0;
                continue;
            }
            let block = files.block_size().blocks_for(self.skip_bytes);
            let Some(start) = u32::try_from(block).ok().and_then(|blocks| extent.start.checked_add(blocks))
            else {
                return false;
            };
            let count = usize::try_from(left.min(CHUNK_BYTES)).unwrap_or(0);
            self.bytes.drain(..self.position.min(self.bytes.len()));
            self.position = 0;
            let kept = self.bytes.len();
            // To the end of the last block, so that what has been read of it is known as a whole.
            let whole = count.next_multiple_of(files.block_size().len());
            self.bytes.resize(kept.saturating_add(whole), 0);
            let (_, new) = self.bytes.split_at_mut(kept);
            if !files.read(at, start, new) {
                return false;
            }
            self.bytes.truncate(kept.saturating_add(count));
            self.skip_bytes = self.skip_bytes.saturating_add(count as u64);
        }
        true
    }

    /// Moves the position on.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.position = self.position.saturating_add(bytes);
        self.offset_bytes = self.offset_bytes.saturating_add(bytes as u64);
        while let Some(extent) = self.extents.get(self.current) {
            let end = self.current_offset_bytes.saturating_add(extent.bytes);
            if self.offset_bytes < end {
                break;
            }
            self.current = self.current.saturating_add(1);
            self.current_offset_bytes = end;
        }
    }

    /// The block at the position, and how far into it that is.
    pub(super) fn block(&self, block_size: BlockSize) -> (BlockAddress, u64) {
        if let Some(block) = self.embedded {
            return (block, self.offset_bytes);
        }
        let inside = self.offset_bytes.saturating_sub(self.current_offset_bytes);
        let start = self.extents.get(self.current).map_or(BlockAddress::new(0, 0), |extent| extent.start);
        let blocks = u32::try_from(whole_blocks(block_size, inside)).unwrap_or(u32::MAX);
        let block = start.checked_add(blocks).unwrap_or(BlockAddress { block: Block(u32::MAX), ..start });
        (block, block_size.offset_in_block(inside))
    }
}
