//! What is written before a session is closed for good: the second anchor, and the table once more at the very end.

use udf::Sector;
use udf::file::attribute::ExtendedAttributeHeaderDescriptor;
use udf::file::{ExtendedFileEntry, FileEntry};
use udf::general::{Descriptor, Seal, Tag, TagIdentifier};
use udf::read::{ReadAt, Volume};
use udf::volume::{ANCHOR_SECTOR, AnchorVolumeDescriptorPointer};

use super::tables::virtual_partition;
use crate::error::{Error, Result};
use crate::plan::SequentialTarget;

/// The end of a session: an anchor 256 sectors before its last, and up to there the ICB of the newest virtual allocation table
/// again and again (UDF 2.60 6.10.1.3). Returns where it goes, and its bytes.
pub fn end_of_session<R: ReadAt>(volume: &Volume<R>, target: &SequentialTarget) -> Result<(u64, Vec<u8>)> {
    let partition = virtual_partition(volume).ok_or_else(|| {
        Error::refused(
            "the volume has no virtual allocation table, and no session that could be closed",
            "nothing needs to be done: it is complete as it is",
        )
    })?;
    let size = volume.block_size();
    let start = volume.locate(udf::BlockAddress::new(partition.lower.0, 0))?.sector.0;
    let table = &partition.table.head.entry;
    let mut icb = vec![0; size.len()];
    volume.read_blocks(table.icb, &mut icb)?;
    let fixed = if table.extended { size_of::<ExtendedFileEntry>() } else { size_of::<FileEntry>() };
    let header_len = size_of::<ExtendedAttributeHeaderDescriptor>();
    let attributes = (table.extended_attributes.len() >= header_len).then(|| fixed..fixed + header_len);
    let first = target.next_writable.0;
    let unit = u64::from(target.write_unit_blocks.max(1));
    let end = (u64::from(first) + u64::from(ANCHOR_SECTOR) + 1).next_multiple_of(unit);
    let end = u32::try_from(end).ok().filter(|end| *end <= target.capacity_blocks).ok_or(Error::NoSpace {
        needed_bytes: end * u64::from(size.bytes()),
        available_bytes: size.bytes_in(target.capacity_blocks),
    })?;
    let limit =
        u64::from(start) + u64::from(volume.partitions().first().map_or(0, |lower| lower.length_blocks));
    if u64::from(end) > limit {
        return Err(Error::refused(
            "the partition of the open session ends before the table would be written once more",
            "finalize the disc with the program that wrote it",
        ));
    }
    let anchor_at = end - 1 - ANCHOR_SECTOR;
    let mut bytes = vec![0; size.len() * (end - first) as usize];
    for (block, sector) in bytes.chunks_mut(size.len()).zip(first..).skip((anchor_at - first) as usize) {
        if sector == anchor_at {
            anchor(volume, seal(&table.tag), Sector(sector), block);
            continue;
        }
        block.copy_from_slice(&icb);
        let length = Tag::LEN + usize::from(table.tag.descriptor_crc_length.get());
        let location = sector - start;
        // The header of its attributes says where it lies, too (ECMA-167 4/14.10.1).
        if let Some(header) = attributes.clone().and_then(|header| block.get_mut(header)) {
            Tag::seal(header, TagIdentifier::EXTENDED_ATTRIBUTE_HEADER, seal(&table.tag), location);
        }
        Tag::seal(&mut block[..length.min(icb.len())], table.tag.kind(), seal(&table.tag), location);
    }
    Ok((size.offset_of(Sector(first)), bytes))
}

fn seal(tag: &Tag) -> Seal {
    Seal { descriptor_version: tag.descriptor_version.get(), serial_number: tag.serial_number.get() }
}

fn anchor<R: ReadAt>(volume: &Volume<R>, seal: Seal, at: Sector, block: &mut [u8]) {
    let (main, reserve) = volume.sequences();
    AnchorVolumeDescriptorPointer::new(main, reserve).write(&[], block, seal, at.0);
}
