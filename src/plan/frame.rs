//! The fixed structures of a volume and of each session: where they lie, and the segments that they are.
//!
//! ```text
//!   0          32 KiB                                       256   288 = P                S                               N
//!   | boot area | recognition | slots for reserve sequences | A | . | partition         | trailer of the session         |
//!
//!   S           S + 32 KiB    S + 97      S + 129                               S + 193         S + 256     S + 512 = N
//!   | boot area | recognition | integrity | reserve sequence if no slot is left | main sequence | A | zeros | A |
//! ```
//!
//! The trailer is a volume's beginning of its own: whoever takes `S` for the start of a session finds recognition and anchor
//! where they belong (ECMA-167 2/8.3, 3/8.4.2.1), whoever reads the volume from its end finds anchors at `N` and `N - 256`.
//! It comes after the partition, so that no structure of a session lies in that session's partition. `S` is one block before
//! a multiple of [`CLUSTER_BLOCKS`], so that the volume ends with a whole write unit of every medium, and what must not be
//! damaged together (sequences, integrity, anchors) never shares one. Behind the main sequence there is nothing but anchors and
//! zeros: 7-Zip takes anything else for a damaged end.

use udf::general::ExtentAd;
use udf::volume::{ANCHOR_SECTOR, MINIMUM_SEQUENCE_SECTORS};
use udf::{BlockSize, Sector};

use super::space::add_blocks;
use super::{Content, Segment};
use crate::error::Result;

/// The largest write unit of the media there are, in blocks: the ECC block of BD and the packet of CD.
pub const CLUSTER_BLOCKS: u32 = 32;
/// Where the partition of a new volume begins.
pub const PARTITION_START: Sector = Sector(288);

const INTEGRITY_OFFSET: u32 = 1 + 3 * CLUSTER_BLOCKS;
const RESERVE_OFFSET: u32 = 1 + 4 * CLUSTER_BLOCKS;
const MAIN_OFFSET: u32 = 1 + 6 * CLUSTER_BLOCKS;
const SESSION_MAIN_OFFSET: u32 = CLUSTER_BLOCKS;
const SESSION_INTEGRITY_OFFSET: u32 = 4 * CLUSTER_BLOCKS;
const SESSION_RESERVE_OFFSET: u32 = 7 * CLUSTER_BLOCKS;
const LAST_OFFSET: u32 = 2 * ANCHOR_SECTOR;

/// Blocks of a trailer.
pub const TRAILER_BLOCKS: u32 = LAST_OFFSET + 1;

/// Where a session's structures lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// `S`, where the session begins for those who look for sessions.
    pub start: Sector,
    /// The main volume descriptor sequence.
    pub main: Sector,
    /// The reserve volume descriptor sequence.
    pub reserve: Sector,
    /// The integrity sequence.
    pub integrity: Sector,
    /// `N`, the session's last block.
    pub last: Sector,
}

impl Frame {
    /// The frame of the session whose blocks end before `end`, with the reserve sequence in `slot`.
    #[must_use]
    pub fn after(end: u32, slot: Option<Sector>) -> Option<Self> {
        let start = end.checked_add(1)?.checked_next_multiple_of(CLUSTER_BLOCKS)?.checked_sub(1)?;
        let at = |offset: u32| start.checked_add(offset).map(Sector);
        Some(Self {
            start: Sector(start),
            main: at(MAIN_OFFSET)?,
            reserve: slot.or(at(RESERVE_OFFSET))?,
            integrity: at(INTEGRITY_OFFSET)?,
            last: at(LAST_OFFSET)?,
        })
    }

    /// Blocks of a sequence.
    #[must_use]
    pub const fn sequence_blocks() -> u32 {
        MINIMUM_SEQUENCE_SECTORS
    }

    /// Blocks of the integrity sequence: a cluster, which is at least 8 KiB (UDF 2.2.4.6).
    #[must_use]
    pub const fn integrity_blocks() -> u32 {
        CLUSTER_BLOCKS
    }

    /// The trailer's segments.
    pub(super) fn trailer(&self, block_size: BlockSize) -> Vec<Segment> {
        let mut segments = vec![
            recognition(block_size, self.start.0),
            segment(self.main, Self::sequence_blocks(), Content::Sequence),
            segment(self.integrity, Self::integrity_blocks(), Content::Integrity),
            segment(Sector(self.start.0 + ANCHOR_SECTOR), 1, Content::Anchor),
        ];
        if self.reserve.0 > self.start.0 {
            segments.push(segment(self.reserve, Self::sequence_blocks(), Content::Sequence));
        }
        segments.push(segment(self.last, 1, Content::Anchor));
        segments
    }

    /// The frame of a session that begins at `start` and, for now, ends before `end`, on a medium that is written one sector
    /// after the other.
    pub(super) fn of_session(start: Sector, end: u32) -> Result<Self> {
        let at = |offset: u32| add_blocks(start.0, u64::from(offset)).map(Sector);
        Ok(Self {
            start,
            main: at(SESSION_MAIN_OFFSET)?,
            reserve: at(SESSION_RESERVE_OFFSET)?,
            integrity: at(SESSION_INTEGRITY_OFFSET)?,
            last: Sector(end.saturating_sub(1)),
        })
    }

    /// The frame of a logical session on such a medium, around what ends before `content_end`: behind that, the reserve
    /// sequence, and anchors at the session's last block, which ends a write unit, and 256 before it.
    pub(super) fn around(start: Sector, content_end: u32, write_unit_blocks: u32) -> Result<Self> {
        let up = |block: u32, unit: u32| add_blocks(0, u64::from(block).next_multiple_of(u64::from(unit)));
        let reserve = up(content_end, CLUSTER_BLOCKS)?;
        let least = add_blocks(reserve, u64::from(CLUSTER_BLOCKS + ANCHOR_SECTOR + 1))?;
        let end = up(up(least, CLUSTER_BLOCKS)?, write_unit_blocks.max(1))?;
        Ok(Self { reserve: Sector(reserve), ..Self::of_session(start, end)? })
    }

    /// The anchors that such a session ends with.
    pub(super) fn last_anchors(&self) -> [Segment; 2] {
        let at = |sector| segment(sector, 1, Content::Anchor);
        [at(Sector(self.last.0 - ANCHOR_SECTOR)), at(self.last)]
    }

    /// The frame of a session that is there already.
    pub(super) fn with_sequences(start: Sector, sequences: (ExtentAd, ExtentAd), end: u32) -> Self {
        let (main, reserve) = (sequences.0.start(), sequences.1.start());
        // Where its integrity sequence is need not be known: only the descriptors that point to it tell, and those stay.
        Self { start, main, reserve, integrity: start, last: Sector(end.saturating_sub(1)) }
    }

    /// What a session on such a medium begins with, and its reserve sequence, wherever that is.
    pub(super) fn session_head(&self, block_size: BlockSize) -> Vec<Segment> {
        vec![
            recognition(block_size, self.start.0),
            segment(self.main, Self::sequence_blocks(), Content::Sequence),
            segment(self.integrity, Self::integrity_blocks(), Content::Integrity),
            segment(self.reserve, Self::sequence_blocks(), Content::Sequence),
            segment(Sector(self.start.0 + ANCHOR_SECTOR), 1, Content::Anchor),
        ]
    }

    /// The segments before the partition of a new volume, the anchor at 256 not among them.
    pub(super) fn head(&self, block_size: BlockSize) -> Vec<Segment> {
        vec![recognition(block_size, 0), segment(self.reserve, Self::sequence_blocks(), Content::Sequence)]
    }
}

/// The anchor that readers look at first.
pub(super) fn first_anchor() -> Segment {
    segment(Sector(ANCHOR_SECTOR), 1, Content::Anchor)
}

/// Where reserve sequences of sessions can lie, each in a cluster of its own: between recognition and the first anchor, far
/// from the trailers (UDF 2.2.3.2).
pub fn reserve_slots(block_size: BlockSize) -> impl Iterator<Item = Sector> {
    let recognition_end = block_size.boot_area_blocks() + 4 * block_size.recognition_stride_blocks();
    (recognition_end.next_multiple_of(CLUSTER_BLOCKS)..ANCHOR_SECTOR)
        .step_by(CLUSTER_BLOCKS as usize)
        .map(Sector)
}

fn recognition(block_size: BlockSize, session_start: u32) -> Segment {
    let start = Sector(session_start + block_size.boot_area_blocks());
    // Beginning, NSR, terminating, and a blank one (UDF 2.1.7).
    segment(start, 4 * block_size.recognition_stride_blocks(), Content::Recognition)
}

fn segment(start: Sector, blocks: u32, content: Content) -> Segment {
    Segment { start, blocks, twin: None, content }
}

/// Sorts segments and puts zeros between them, from `first` up to `end`.
pub(super) fn tile(mut segments: Vec<Segment>, first: u32, end: u32) -> Vec<Segment> {
    segments.sort_by_key(|segment| segment.start);
    let mut tiled = Vec::with_capacity(2 * segments.len());
    let mut at = first;
    for next in segments.into_iter().filter(|segment| segment.blocks > 0) {
        assert!(next.start.0 >= at, "segments overlap at {}", next.start);
        if next.start.0 > at {
            tiled.push(segment(Sector(at), next.start.0 - at, Content::Zeros));
        }
        at = next.start.0 + next.blocks;
        tiled.push(next);
    }
    if at < end {
        tiled.push(segment(Sector(at), end - at, Content::Zeros));
    }
    tiled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_ends_with_a_cluster_and_nothing_shares_one() {
        for block_size in [BlockSize::B512, BlockSize::B1024, BlockSize::B2048, BlockSize::B4096] {
            for slot in [None, reserve_slots(block_size).next()] {
                let frame = Frame::after(1000, slot).unwrap();
                assert_eq!((frame.last.0 + 1) % CLUSTER_BLOCKS, 0);
                assert!(frame.start.0 >= 1000);
                assert!(Frame::integrity_blocks() * block_size.bytes() >= 8192);
                let segments = frame.trailer(block_size);
                let tiled = tile(segments.clone(), frame.start.0, frame.last.0 + 1);
                assert_eq!(tiled.iter().map(|s| s.blocks).sum::<u32>(), TRAILER_BLOCKS);
                // The recognition sequence is the one thing that no update ever rewrites.
                let guarded = segments.iter().filter(|s| s.content != Content::Recognition);
                let mut clusters: Vec<_> = guarded.map(|s| s.start.0 / CLUSTER_BLOCKS).collect();
                clusters.dedup();
                assert_eq!(clusters.len(), segments.len() - 1);
            }
            assert!(reserve_slots(block_size).count() >= 5);
        }
    }
}
