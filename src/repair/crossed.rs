//! Extents that several entries have: each gets blocks of its own, unless it is not certain whose they are (ECMA-167 4/10.1).

use std::collections::BTreeMap;

use udf::{BlockAddress, Place};

use super::extents::Piece;
use super::files::Files;
use super::plan::Phase;

/// Blocks of an extent that is copied because something else uses it too.
const MOST_COPIED_BLOCKS: u32 = 1 << 15;

/// An extent that something else uses too.
#[derive(Clone, Debug)]
pub(super) struct Crossed {
    /// The entry that has it.
    pub(super) icb: BlockAddress,
    pub(super) piece: Piece,
    /// Those of its blocks that nothing used before.
    pub(super) own: Vec<BlockAddress>,
}

impl Files<'_, '_> {
    /// Gives files blocks of their own for what they share with others.
    pub(super) fn uncross(&mut self) {
        let (mut left, mut whole) = (Vec::new(), true);
        let crossed = std::mem::take(&mut self.crossed);
        let crossed = self.without_doubtful(crossed, &mut whole);
        for Crossed { icb, piece, own } in crossed {
            let blocks = self.blocks_of(&piece);
            let copied = (blocks <= MOST_COPIED_BLOCKS && self.nodes.contains_key(&icb))
                .then(|| self.copy(&piece, blocks))
                .flatten();
            match copied {
                Some(new) if self.point(&piece, new.block.0) => {
                    self.mend(
                        113,
                        icb,
                        format!("entry: {blocks} blocks that something else uses too are copied to {new}"),
                    );
                    left.extend(own);
                }
                // Who owns which of its blocks is not known.
                _ => whole = false,
            }
        }
        self.complete &= whole;
        // What only the copied ones used is free; until all were copied it was not to be written over.
        for block in left.into_iter().filter(|_| whole) {
            if let Some(space) = self.spaces.get_mut(usize::from(block.partition.0)) {
                space.used.set(block.block.0, false);
            }
        }
    }

    /// Entries that were sealed on the word of their fields, and whose extents are others' too, become what they were: their
    /// extents may be what is damaged. What is left to copy.
    fn without_doubtful(&mut self, crossed: Vec<Crossed>, whole: &mut bool) -> Vec<Crossed> {
        let doubtful = std::mem::take(&mut self.doubtful);
        let (mut left, mut retracted) = (Vec::new(), BTreeMap::new());
        let extents: Vec<_> = doubtful
            .keys()
            .filter_map(|icb| Some((*icb, self.pieces(&self.block(*icb)?, *icb).list)))
            .collect();
        for one in crossed {
            let blocks = self.blocks_of(&one.piece);
            let start = one.piece.start;
            let overlaps = |piece: &Piece| {
                let end = |start: BlockAddress, blocks: u32| u64::from(start.block.0) + u64::from(blocks);
                piece.start.partition == start.partition
                    && u64::from(piece.start.block.0) < end(start, blocks)
                    && u64::from(start.block.0) < end(piece.start, self.blocks_of(piece))
            };
            let involved = extents.iter().filter(|(icb, list)| *icb == one.icb || list.iter().any(overlaps));
            let involved: Vec<_> = involved.map(|(icb, _)| *icb).collect();
            if involved.is_empty() {
                left.push(one);
                continue;
            }
            *whole = false;
            retracted.extend(involved.into_iter().filter_map(|icb| Some((icb, doubtful.get(&icb)?.clone()))));
        }
        for (icb, block) in retracted {
            self.rewrite(icb, &block);
            self.mender.mends.retain(|mend| mend.place != Place::from(icb));
        }
        left
    }

    fn copy(&mut self, piece: &Piece, blocks: u32) -> Option<BlockAddress> {
        if !self.may_change_entry(piece) {
            return None;
        }
        let bytes: Option<Vec<Vec<u8>>> =
            (0..blocks).map(|skip| self.block(piece.start.checked_add(skip)?)).collect();
        let bytes = bytes?;
        let new = self.allocate(piece.start.partition.0, blocks)?;
        for (skip, block) in (0..).zip(bytes) {
            let sector = self.sector_of(new.checked_add(skip)?)?;
            self.mender.overlay.put(sector, Phase::Fill, block);
        }
        Some(new)
    }
}
