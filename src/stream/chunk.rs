//! Cuts a step into chunks: what one thread puts together in its buffer and writes at once.

use std::collections::{BTreeMap, HashSet};

use udf::{BlockSize, Sector};

use crate::plan::{Content, Segment, Step};

/// Where chunks are cut on the device. Smaller ones cost calls; larger ones are no faster, but leave the processor's cache.
pub(super) const CHUNK_BYTES: u64 = 1 << 20;

/// A part of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) segment: Segment,
    /// Its first block within the segment.
    pub(super) first: u32,
    pub(super) blocks: u32,
}

impl Piece {
    pub(super) fn start(&self) -> Sector {
        Sector(self.segment.start.0 + self.first)
    }

    /// The sector after its last.
    pub(super) fn end(&self) -> Sector {
        Sector(self.start().0 + self.blocks)
    }

    /// The part of it from its `skip`-th block on.
    pub(super) fn tail(&self, skip: u32) -> Self {
        Self { first: self.first + skip, blocks: self.blocks - skip, ..*self }
    }

    /// The part of it before its `blocks`-th block.
    pub(super) fn head(&self, blocks: u32) -> Self {
        Self { blocks, ..*self }
    }

    fn twin(&self) -> Option<Sector> {
        self.segment.twin.map(|twin| Sector(twin.0 + self.first))
    }
}

/// Pieces that touch: together they are one write; two of the same bytes if there is a twin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) pieces: Vec<Piece>,
}

impl Chunk {
    pub(super) fn start(&self) -> Sector {
        self.pieces[0].start()
    }

    pub(super) fn blocks(&self) -> u32 {
        self.pieces.iter().map(|piece| piece.blocks).sum()
    }

    /// Where the same blocks are to be written once more.
    pub(super) fn twin(&self) -> Option<Sector> {
        self.pieces[0].twin()
    }
}

/// All that is written, in the order of sectors; of what several steps write, what the last of them does.
pub(super) fn lasting(steps: &[Step]) -> Vec<Piece> {
    // By the sector after their last: the first that ends behind a sector is the one to ask.
    let mut known: BTreeMap<u32, Piece> = BTreeMap::new();
    for segment in steps.iter().rev().flat_map(|step| &step.segments) {
        let mut rest = Piece { segment: *segment, first: 0, blocks: segment.blocks };
        while rest.blocks > 0 {
            let later = known.range(rest.start().0 + 1..).next().map(|(_, piece)| *piece);
            let free = later
                .map_or(rest.blocks, |later| later.start().0.saturating_sub(rest.start().0).min(rest.blocks));
            if free > 0 {
                let piece = rest.head(free);
                known.insert(piece.end().0, piece);
            }
            let skip = later.map_or(rest.blocks, |later| (later.end().0 - rest.start().0).min(rest.blocks));
            rest = rest.tail(skip);
        }
    }
    known.into_values().collect()
}

/// What of a step is to be rendered: all of it; but with `twins`, only the first of two segments that are the same.
pub(super) fn pieces(step: &Step, twins: bool) -> Vec<Piece> {
    let mut seconds = HashSet::new();
    let mut pieces = Vec::with_capacity(step.segments.len());
    for segment in &step.segments {
        if seconds.contains(&segment.start) {
            continue;
        }
        // A twin in another step has its own time to be written; zeros need no rendering that could be saved.
        let has_twin = twins && segment.content != Content::Zeros;
        let twin = segment
            .twin
            .filter(|twin| has_twin && *twin > segment.start && is_there(step, *twin, segment.blocks));
        seconds.extend(twin);
        pieces.push(Piece { segment: Segment { twin, ..*segment }, first: 0, blocks: segment.blocks });
    }
    pieces
}

fn is_there(step: &Step, start: Sector, blocks: u32) -> bool {
    let at = step.segments.binary_search_by_key(&start, |segment| segment.start);
    at.is_ok_and(|at| step.segments[at].blocks == blocks)
}

/// Hands out pieces, chunk by chunk, in order.
#[derive(Debug)]
pub(super) struct Chunks {
    rest: std::vec::IntoIter<Piece>,
    next: Option<Piece>,
    chunk_blocks: u32,
}

impl Chunks {
    pub(super) fn new(pieces: Vec<Piece>, block_size: BlockSize) -> Self {
        let chunk_blocks = u32::try_from(CHUNK_BYTES / u64::from(block_size.bytes())).unwrap_or(1);
        let mut rest = pieces.into_iter();
        Self { next: rest.next(), rest, chunk_blocks }
    }
}

impl Iterator for Chunks {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        let start = self.next?.start();
        // Counted from the beginning of the device, so that what lies between two cuts is aligned at both ends.
        let mut room = self.chunk_blocks - start.0 % self.chunk_blocks;
        let mut pieces: Vec<Piece> = Vec::new();
        while let Some(piece) = self.next.filter(|piece| room > 0 && joins(pieces.last(), piece)) {
            let taken = piece.head(piece.blocks.min(room));
            room -= taken.blocks;
            self.next = if taken == piece { self.rest.next() } else { Some(piece.tail(taken.blocks)) };
            pieces.push(taken);
        }
        Some(Chunk { pieces })
    }
}

/// Whether a piece can be written together with the one before. What has a twin is written alone, because what it touches
/// there is something else.
fn joins(last: Option<&Piece>, next: &Piece) -> bool {
    last.is_none_or(|last| {
        last.end() == next.start() && last.segment.twin.is_none() && next.segment.twin.is_none()
    })
}
