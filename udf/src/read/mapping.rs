//! Where a block of a partition really lies: one arm a kind of partition (ECMA-167 3/10.7, UDF 2.2.8-2.2.13).

use alloc::format;

use super::ReadAt;
use super::metadata::MetadataPartition;
use super::partition::{Partition, PartitionKind};
use super::space::{Copy, Run, Space};
use super::virtual_partition::VirtualPartition;
use crate::error::{Corrupt, Error, Fault, Result};
use crate::partition::NO_BLOCK;
use crate::units::{Block, BlockAddress, Sector};

impl<R: ReadAt> Space<R> {
    /// The run of sectors that begins with the block at an address.
    pub(super) fn locate(&self, copy: Copy, address: BlockAddress) -> Result<Run> {
        let outside = |blocks| Corrupt::new("address", address, Fault::OutsidePartition { address, blocks });
        let partition = self.partitions.get(usize::from(address.partition.0)).ok_or_else(|| outside(0))?;
        let run = match &partition.kind {
            PartitionKind::Physical { start } => physical(partition, *start, copy, address),
            PartitionKind::Sparable(sparable) if copy == Copy::First => {
                sparable.find(address.block.0, partition.length_blocks)
            }
            PartitionKind::Sparable(_) => None,
            PartitionKind::Virtual(upper) => self.virtual_block(upper, copy, address)?,
            PartitionKind::Metadata(metadata) => self.metadata(metadata, copy, address)?,
            PartitionKind::Unsupported(identifier) => {
                let name = identifier.text_bytes().escape_ascii();
                return Err(Error::Unsupported(format!("the partition map \"{name}\" of {address}")));
            }
        };
        Ok(run.ok_or_else(|| outside(partition.length_blocks))?)
    }

    /// A virtual block lies where the table says, and its neighbour anywhere.
    fn virtual_block(
        &self,
        upper: &VirtualPartition,
        copy: Copy,
        address: BlockAddress,
    ) -> Result<Option<Run>> {
        let Some(block) = upper.table.find(address.block).filter(|_| copy == Copy::First) else {
            return Ok(None);
        };
        if block == NO_BLOCK {
            let fault = Fault::Missing("entry in the virtual allocation table: it is marked unused");
            return Err(Corrupt::new("virtual partition", address, fault).into());
        }
        // Never in a virtual partition again: the one below is chosen among those that lie on the device.
        let below = self.locate(copy, BlockAddress { partition: upper.lower, block: Block(block) })?;
        Ok(Some(Run { blocks: 1, ..below }))
    }

    fn metadata(
        &self,
        metadata: &MetadataPartition,
        copy: Copy,
        address: BlockAddress,
    ) -> Result<Option<Run>> {
        let file = match copy {
            Copy::First => metadata.first(),
            Copy::Second => metadata.second(),
        };
        let Some(place) = file.and_then(|file| file.find(self.block_size, address.block)) else {
            return Ok(None);
        };
        let start = place.start.ok_or_else(|| {
            Corrupt::new("metadata partition", address, Fault::Missing("recorded block, but a hole"))
        })?;
        // Never in a metadata partition again: loading one made sure of that.
        let below = self.locate(Copy::First, start)?;
        Ok(Some(Run { blocks: below.blocks.min(place.blocks), ..below }))
    }
}

/// The blocks of a type 1 map lie one after the other; there is no second copy.
fn physical(partition: &Partition, start: Sector, copy: Copy, address: BlockAddress) -> Option<Run> {
    let blocks = partition.length_blocks.checked_sub(address.block.0).filter(|blocks| *blocks > 0)?;
    let sector = start.checked_add(address.block.0)?;
    (copy == Copy::First).then_some(Run { sector, blocks })
}
