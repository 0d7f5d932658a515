//! Reading back: what a device holds is compared with what a plan wrote to it, block for block.

use udf::Sector;
use udf::read::ReadAt;

use super::StreamOptions;
use super::chunk::{CHUNK_BYTES, Chunk, Piece, lasting};
use super::fill::Filler;
use super::source::Sources;
use crate::device::buffer::length;
use crate::error::{Result, Warning};
use crate::progress::Progress;
use crate::render::Render;
use crate::tree::Tree;

/// Blocks that lie together and are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The first.
    pub start: Sector,
    /// How many.
    pub blocks: u32,
    /// What is the matter with them.
    pub fault: Fault,
}

/// What is the matter with a block that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It cannot be read, twice.
    Unreadable,
    /// Something else is there.
    Differs,
}

/// Compares all that a plan writes with what a device holds, in the order of sectors; of what several steps write, what the last
/// of them does. `volume` and the sources are asked for the same as when it was written: the warnings say which sources are no
/// longer what they were, so that it is no wonder if blocks differ. Bodies that can be read but once cannot be compared.
pub fn read_back<R: Render + ?Sized>(
    plan: &R,
    tree: &Tree,
    device: &dyn ReadAt,
    volume: Option<&dyn ReadAt>,
    progress: &Progress,
    options: &StreamOptions,
) -> Result<(Vec<Difference>, Vec<Warning>)> {
    let size = plan.block_size();
    let pieces = lasting(plan.steps());
    progress.set_total_bytes(pieces.iter().map(|piece| size.bytes_in(piece.blocks)).sum());
    let sources = Sources::new(tree, 1, options.are_times_kept);
    let filler = Filler { plan, tree, volume, sources: &sources };
    let most = u32::try_from(CHUNK_BYTES / u64::from(size.bytes())).unwrap_or(1);
    let mut expected = vec![0; length(size.bytes_in(most))];
    let mut found = expected.clone();
    let mut differences = Differences(Vec::new());
    for whole in &pieces {
        for skip in (0..whole.blocks).step_by(most as usize) {
            progress.check()?;
            let piece = whole.tail(skip).head(most.min(whole.blocks - skip));
            let bytes = length(size.bytes_in(piece.blocks));
            let (expected, found) = (&mut expected[..bytes], &mut found[..bytes]);
            let offset = size.offset_of(piece.start());
            let chunk = Chunk { pieces: vec![piece] };
            // The one waits for the device while the other waits for the sources.
            let (read, rendered) =
                rayon::join(|| device.read_at(offset, found), || filler.fill(&chunk, expected));
            rendered?;
            if read.is_err() {
                differences.block_by_block(device, piece, expected, size);
            } else if expected != found {
                for (number, (one, other)) in
                    (0..).zip(expected.chunks(size.len()).zip(found.chunks(size.len())))
                {
                    if one != other {
                        differences.add(Sector(piece.start().0 + number), Fault::Differs);
                    }
                }
            }
            progress.add_bytes(bytes as u64);
        }
    }
    Ok((differences.0, sources.finish()))
}

struct Differences(Vec<Difference>);

impl Differences {
    fn add(&mut self, sector: Sector, fault: Fault) {
        match self.0.last_mut() {
            Some(last) if last.fault == fault && last.start.0 + last.blocks == sector.0 => last.blocks += 1,
            _ => self.0.push(Difference { start: sector, blocks: 1, fault }),
        }
    }

    /// Where a large read fails, each block gets another chance.
    fn block_by_block(&mut self, device: &dyn ReadAt, piece: Piece, expected: &[u8], size: udf::BlockSize) {
        let mut block = vec![0; size.len()];
        for (number, wanted) in (0..).zip(expected.chunks(size.len())) {
            let sector = Sector(piece.start().0 + number);
            let mut read = || device.read_at(size.offset_of(sector), &mut block);
            if read().or_else(|_| read()).is_err() {
                self.add(sector, Fault::Unreadable);
            } else if block != wanted {
                self.add(sector, Fault::Differs);
            }
        }
    }
}
