//! From a plan to bytes.

use udf::BlockSize;

use crate::plan::{Fetch, Segment, Step};
use crate::tree::Tree;

/// What streaming needs of a plan: its steps, and how the blocks of a segment come to be.
pub trait Render: Sync {
    /// The size of a block.
    fn block_size(&self) -> BlockSize;

    /// What is to be written, step by step.
    fn steps(&self) -> &[Step];

    /// Blocks from sector 0 to the end of the volume.
    fn end_blocks(&self) -> u32;

    /// Calls `each` with what must be fetched into `blocks` blocks of `segment`, from its `first`-th on, in ascending order of
    /// places. What no fetch covers must be zeros before [`render`](Self::render).
    fn fetches(&self, tree: &Tree, segment: &Segment, first: u32, blocks: u32, each: &mut dyn FnMut(Fetch));

    /// Completes those blocks in `out`, which holds what was fetched, and zeros elsewhere. Cannot fail. For data there is
    /// nothing to do.
    fn render(&self, tree: &Tree, segment: &Segment, first: u32, out: &mut [u8]);
}
