//! From a plan to a device: renders blocks and fetches data with several threads, and writes step by step.
//!
//! Long stretches of files are taken by the target: shared where its file system can, else written from the pages in which the
//! kernel has them. Everything else, chunk by chunk of about a MiB, is put together in an aligned buffer and written from
//! there, past the page cache of the target.

mod bodies;
mod chunk;
mod fill;
mod read_back;
mod source;
mod take;
mod tape;
#[cfg(test)]
mod tests;
mod trouble;
mod turn;
mod view;
mod work;

pub use bodies::SourceBodies;
pub use read_back::{Difference, Fault, read_back};
pub use view::PlanReader;

use udf::read::ReadAt;

use crate::device::WriteAt;
use crate::error::{Error, Result, Warning};
use crate::progress::Progress;
use crate::render::Render;
use crate::tree::Tree;

use source::Sources;

/// How to write.
#[derive(Clone, Copy, Debug)]
pub struct StreamOptions {
    /// How many threads; 0 for as many as are of use here. Each has a buffer of about a MiB.
    pub threads: usize,
    /// The times in the tree are those of the host, so that a file of another time has changed since. To be unset if times
    /// were imposed or clamped.
    pub are_times_kept: bool,
    /// A source that is not what it was when it was looked at is [`Error::DataStreamInconsistency`], noticed before the next
    /// step begins, so that an older session stays the newest one; and not just a warning.
    pub is_strict: bool,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self { threads: 0, are_times_kept: true, is_strict: false }
    }
}

impl StreamOptions {
    /// Fewer than four leave a fast disk waiting, even if there are fewer processors: most of the time is spent waiting for it.
    const AUTOMATIC: std::ops::RangeInclusive<usize> = 4..=16;

    fn thread_count(&self) -> usize {
        if self.threads > 0 {
            return self.threads;
        }
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (2 * processors).clamp(*Self::AUTOMATIC.start(), *Self::AUTOMATIC.end())
    }
}

/// Writes all that is planned: every step is durable before the next one begins, and the last one when this returns.
///
/// What `volume` holds is asked for where the plan takes blocks over from the target. Files that are not what they were when
/// they were looked at are told of, with zeros for what is missing; only the target, the volume and
/// [`Progress::cancel`] end the work early.
pub fn stream<R: Render + ?Sized>(
    plan: &R,
    tree: &Tree,
    device: &dyn WriteAt,
    volume: Option<&dyn ReadAt>,
    progress: &Progress,
    options: &StreamOptions,
) -> Result<Vec<Warning>> {
    let block_size = plan.block_size();
    let segments = plan.steps().iter().flat_map(|step| &step.segments);
    progress.set_total_bytes(segments.map(|segment| block_size.bytes_in(segment.blocks)).sum());
    reserve(device, block_size.bytes_in(plan.end_blocks()))?;

    let threads = options.thread_count();
    let sources = Sources::new(tree, threads, options.are_times_kept);
    let writer = work::Writer { plan, tree, device, volume, progress, sources: &sources, threads };
    for step in plan.steps() {
        writer.write(step)?;
        if options.is_strict {
            sources.unless_consistent()?;
        }
        device.flush().map_err(Error::Flush)?;
    }
    Ok(sources.finish())
}

fn reserve(device: &dyn WriteAt, end_bytes: u64) -> Result<()> {
    if let Some(available_bytes) = device.capacity_bytes().filter(|capacity| *capacity < end_bytes) {
        return Err(Error::NoSpace { needed_bytes: end_bytes, available_bytes });
    }
    device.reserve(end_bytes).map_err(|source| Error::Write { offset_bytes: 0, bytes: end_bytes, source })
}
