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
    /// Blocks of these rooms, so many of them for the file set.
    Rooms(Rooms, u32),
}

/// Where blocks are taken from that lie wherever they are free.
#[derive(Debug)]
pub struct Rooms {
    /// Those of the partition.
    pub(crate) partition: Room,
    /// Those of the metadata partition upon it; `None` if there is none, and metadata lies among the data.
    pub(crate) metadata: Option<Room>,
}

impl Rooms {
    /// The room that metadata has its blocks in.
    pub(crate) fn of_metadata(&self) -> &Room {
        self.metadata.as_ref().unwrap_or(&self.partition)
    }

    pub(super) fn of_metadata_mut(&mut self) -> &mut Room {
        self.metadata.as_mut().unwrap_or(&mut self.partition)
    }
}

impl Spaces {
    /// Blocks for all new entries, which need not lie together.
    pub(super) fn take_entries(&mut self) -> Result<u32> {
        let blocks = self.entries.len() as u64;
        match &mut self.rooms {
            Some(rooms) => rooms.of_metadata_mut().take(Purpose::Metadata, blocks),
            None => self.take_metadata(blocks),
        }
    }

    /// Blocks of the metadata space that lie together.
    pub(super) fn take_metadata(&mut self, blocks: u64) -> Result<u32> {
        if let Some(rooms) = &mut self.rooms {
            return rooms.of_metadata_mut().take_together(Purpose::Metadata, blocks);
        }
        let first = self.metadata_end;
        self.metadata_end = add_blocks(first, blocks)?;
        Ok(first)
    }

    /// Blocks of the data space, from a multiple of `aligned` on.
    pub(super) fn take_data(&mut self, blocks: u64, aligned: u32) -> Result<u32> {
        if let Some(rooms) = &mut self.rooms {
            return rooms.partition.take(Purpose::Data, blocks);
        }
        let first = add_blocks(0, u64::from(self.data_blocks).next_multiple_of(aligned.into()))?;
        self.data_blocks = add_blocks(first, blocks)?;
        Ok(first)
    }

    /// Blocks of the data space that lie together.
    pub(super) fn take_data_together(&mut self, blocks: u64) -> Result<u32> {
        match &mut self.rooms {
            Some(rooms) => rooms.partition.take_together(Purpose::Data, blocks),
            None => self.take_data(blocks, 1),
        }
    }

    /// The block of a number of the metadata space.
    pub(crate) fn block(&self, number: u32) -> u32 {
        self.rooms.as_ref().map_or(number, |rooms| rooms.of_metadata().block(number))
    }

    /// Where blocks of the data space lie, `data` being where it begins if it lies together.
    pub(crate) fn data_runs(&self, data: u32, first: u32, blocks: u32) -> Vec<Run> {
        match &self.rooms {
            Some(rooms) => rooms.partition.pieces(first..first + blocks).collect(),
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
