//! Where a volume has room for a further session.

use udf::general::ExtentAd;
use udf::read::{ReadAt, Volume};

use super::history::Session;
use super::refuse::physical_start;
use crate::error::{Error, Result};
use crate::plan::frame::CLUSTER_BLOCKS;

/// The sector after everything that any session needs: in an image its end, on a device where the newest session ends.
pub(super) fn free_start<R: ReadAt>(volume: &Volume<R>, newest: &Session, fixed_size: bool) -> Result<u32> {
    let size = volume.block_size();
    let device_blocks = volume.device_blocks();
    if !fixed_size {
        return block_number(size.blocks_for(volume.device().size_bytes()));
    }
    if let Some(end) = newest.end {
        return Ok(end);
    }
    let end =
        |extent: ExtentAd| u64::from(extent.location.get()) + size.blocks_for(u64::from(extent.length.get()));
    let (main, reserve) = volume.sequences();
    let integrity = end(volume.logical().integrity_sequence_extent);
    let length = volume.partitions().first().map_or(0, |partition| u64::from(partition.length_blocks));
    let partition = u64::from(physical_start(volume).unwrap_or(0)) + length;
    if partition >= device_blocks.saturating_sub(u64::from(CLUSTER_BLOCKS)) {
        return Err(Error::refused(
            "the partition takes the whole device: there is no room for a session behind it",
            "extract the files, and create a new volume on the device",
        ));
    }
    // Anchors near the end of the device are not in the way: they are turned to the new session.
    block_number(end(main).max(end(reserve)).max(integrity).max(partition))
}

fn block_number(blocks: u64) -> Result<u32> {
    let limit = u64::from(u32::MAX);
    u32::try_from(blocks).map_err(|_| Error::Limit { what: "blocks of the volume", value: blocks, limit })
}
