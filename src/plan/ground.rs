//! Where blocks of the two spaces are taken from: one behind the other, or wherever a partition has free ones.

use udf::BlockSize;

use super::base::Run;
use super::extents::recorded_blocks;
use super::room::{Purpose, Room};
use super::space::{Spaces, add_blocks};
use crate::error::Result;
use crate::tree::{InodeId, Tree};

/// What the metadata space begins with.
#[derive(Debug)]
pub(super) enum Ground {
    /// Nothing is there: from this block on, so many for the file set, and then all the rest.
    Open(u32, u32),
    /// Blocks of this room, so many of them for the file set.
    Room(Room, u32),
}

impl Spaces {
    /// Blocks for all new entries, which need not lie together.
    pub(super) fn take_entries(&mut self) -> Result<u32> {
        let blocks = self.entries.len() as u64;
        match &mut self.room {
            Some(room) => room.take(Purpose::Metadata, blocks),
            None => self.take_metadata(blocks),
        }
    }

    /// Blocks of the metadata space that lie together.
    pub(super) fn take_metadata(&mut self, blocks: u64) -> Result<u32> {
        if let Some(room) = &mut self.room {
            return room.take_together(Purpose::Metadata, blocks);
        }
        let first = self.metadata_end;
        self.metadata_end = add_blocks(first, blocks)?;
        Ok(first)
    }

    /// Blocks of the data space, from a multiple of `aligned` on.
    pub(super) fn take_data(&mut self, blocks: u64, aligned: u32) -> Result<u32> {
        if let Some(room) = &mut self.room {
            return room.take(Purpose::Data, blocks);
        }
        let first = add_blocks(0, u64::from(self.data_blocks).next_multiple_of(aligned.into()))?;
        self.data_blocks = add_blocks(first, blocks)?;
        Ok(first)
    }

    /// Blocks of the data space that lie together.
    pub(super) fn take_data_together(&mut self, blocks: u64) -> Result<u32> {
        match &mut self.room {
            Some(room) => room.take_together(Purpose::Data, blocks),
            None => self.take_data(blocks, 1),
        }
    }

    /// The block of a number of the metadata space.
    pub(crate) fn block(&self, number: u32) -> u32 {
        self.room.as_ref().map_or(number, |room| room.block(number))
    }

    /// Where blocks of the data space lie, `data` being where it begins if it lies together.
    pub(crate) fn data_runs(&self, data: u32, first: u32, blocks: u32) -> Vec<Run> {
        match &self.room {
            Some(room) => room.pieces(first..first + blocks).collect(),
            None => vec![Run { first, block: data + first, blocks }],
        }
    }

    /// Blocks of the data space that the body of a file takes.
    pub(super) fn body_blocks(&self, tree: &Tree, inode: InodeId, block_size: BlockSize) -> u32 {
        let blocks = match self.targets.get(&inode) {
            Some(target) => block_size.blocks_for(target.len() as u64),
            None => recorded_blocks(tree, inode, block_size),
        };
        u32::try_from(blocks).unwrap_or(u32::MAX)
    }
}
