//! Where a block of a partition really lies: one arm a kind of partition (ECMA-167 3/10.7, UDF 2.2.8-2.2.13).

use alloc::format;

use super::ReadAt;
use super::metadata::MetadataPartition;
use super::partition::{Partition, PartitionKind};
use super::space::{Copy, Run, Space};
use crate::error::{Corrupt, Error, Fault, Result};
use crate::units::{BlockAddress, Sector};

impl<R: ReadAt> Space<R> {
    /// The run of sectors that begins with the block at an address.
    pub(super) fn locate(&self, copy: Copy, address: BlockAddress) -> Result<Run> {
        let outside = |blocks| Corrupt::new("address", address, Fault::OutsidePartition { address, blocks });
        let partition = self.partitions.get(usize::from(address.partition.0)).ok_or_else(|| outside(0))?;
        let run = match &partition.kind {
            PartitionKind::Physical { start } => physical(partition, *start, copy, address),
            PartitionKind::Metadata(metadata) => self.metadata(metadata, copy, address)?,
            PartitionKind::Unsupported(identifier) => {
                let name = identifier.text_bytes().escape_ascii();
                return Err(Error::Unsupported(format!("the partition map \"{name}\" of {address}")));
            }
        };
        Ok(run.ok_or_else(|| outside(partition.length_blocks))?)
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
