//! The volume descriptor sequences that a change in place writes over: as they are recorded, if both can be relied on.

use std::collections::BTreeSet;

use udf::general::{Descriptor as _, ExtentAd, Tag, TagIdentifier};
use udf::read::ReadAt;
use udf::volume::{LogicalVolumeDescriptor, PartitionDescriptor};

use super::import::Import;
use super::in_place::mend;
use crate::error::{Error, Result};
use crate::plan::Recorded;

/// Longer sequences than any writer makes are not held in memory.
const LONGEST_SEQUENCE_BYTES: u32 = 1 << 20;
const NEEDED: [TagIdentifier; 3] =
    [TagIdentifier::PRIMARY_VOLUME, TagIdentifier::PARTITION, TagIdentifier::LOGICAL_VOLUME];

/// What of a sequence is not changed in place: where the partition lies, and what its blocks and maps are like.
type Partitions = (Vec<(u16, u32, u32)>, Vec<(u32, u32)>);

impl<R: ReadAt> Import<R> {
    /// The main and the reserve sequence. Which tree there is, is turned in one of them after the other, and when the one that is being
    /// written to is lost, the other is all there is.
    pub(super) fn recorded_sequences(&self) -> Result<(Recorded, Recorded)> {
        let (main, reserve) = self.volume.sequences();
        let (main, first) = self.recorded(main, "main")?;
        let (reserve, second) = self.recorded(reserve, "reserve")?;
        if first != second {
            return Err(self.unreliable(
                "the main and the reserve volume descriptor sequence tell of different partitions",
            ));
        }
        Ok((main, reserve))
    }

    fn recorded(&self, extent: ExtentAd, which: &str) -> Result<(Recorded, Partitions)> {
        let block_size = self.volume.block_size();
        let bytes = extent.length.get();
        let sequence = format!("the {which} volume descriptor sequence");
        if bytes == 0 || bytes > LONGEST_SEQUENCE_BYTES {
            return Err(self.unreliable(&format!("{sequence} has {bytes} bytes")));
        }
        let blocks = usize::try_from(block_size.blocks_for(bytes.into())).unwrap_or(0);
        let mut sectors = vec![0; blocks * block_size.len()];
        self.volume.read_sectors(extent.start(), &mut sectors)?;
        let (mut kinds, mut partitions) = (BTreeSet::new(), Partitions::default());
        for (block, sector) in sectors.chunks(block_size.len()).zip(extent.start().0..) {
            if block.iter().all(|byte| *byte == 0) {
                break;
            }
            let kind = Tag::read(block).map_or(TagIdentifier(0), |tag| tag.kind());
            if let Err(corrupt) = Tag::check(block, kind, sector, "volume descriptor", udf::Sector(sector)) {
                if NEEDED.contains(&kind) {
                    return Err(self.unreliable(&format!("{sequence} is damaged: {corrupt}")));
                }
                continue;
            }
            match kind {
                TagIdentifier::TERMINATING => break,
                TagIdentifier::VOLUME_POINTER => {
                    return Err(Error::refused(
                        format!("{sequence} goes on elsewhere"),
                        "make a new volume from its files: extract them, then create",
                    ));
                }
                TagIdentifier::PARTITION => {
                    let found =
                        PartitionDescriptor::peek(block, udf::Sector(sector)).map_err(udf::Error::from)?;
                    let start = found.partition_starting_location.get();
                    partitions.0.push((found.partition_number.get(), start, found.partition_length.get()));
                }
                TagIdentifier::LOGICAL_VOLUME => {
                    let found = LogicalVolumeDescriptor::peek(block, udf::Sector(sector))
                        .map_err(udf::Error::from)?;
                    partitions.1.push((found.logical_block_size.get(), found.number_of_partition_maps.get()));
                }
                _ => {}
            }
            kinds.insert(kind);
        }
        if !NEEDED.iter().all(|kind| kinds.contains(kind)) {
            return Err(self.unreliable(&format!("{sequence} is damaged, or goes on elsewhere")));
        }
        Ok((Recorded { start: extent.start(), bytes: sectors }, partitions))
    }

    fn unreliable(&self, reason: &str) -> Error {
        Error::refused(reason, mend(&self.volume))
    }
}
