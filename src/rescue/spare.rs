//! Sparable partitions whose map is lost: what the copies of the sparing table tell that are left (UDF 2.2.12).

use std::cmp::Reverse;
use std::ops::Range;

use udf::general::EntityIdentifier;
use udf::partition::SparablePartitionMap;
use zerocopy::FromZeros;

use super::catalogue::{Catalogue, SparingCopy};
use super::frame::Frame;

/// Packets as sparable partitions have them, unless spare ones lie closer together.
const PACKET_BLOCKS: u32 = 32;
/// A map has room for so many copies of the sparing table.
const MOST_COPIES: usize = 4;

/// The copies of the sparing table, those with the highest number first.
fn copies<'c>(catalogue: &'c Catalogue, frame: &Frame) -> Vec<&'c SparingCopy> {
    let in_frame = |copy: &&SparingCopy| frame.sector(copy.at_bytes) == Some(copy.location);
    let mut copies: Vec<&SparingCopy> = catalogue.sparing.iter().filter(in_frame).collect();
    copies.sort_by_key(|copy| Reverse(copy.sequence_number));
    copies
}

/// Spare packets lie one behind the other.
fn packet_blocks(copy: &SparingCopy) -> u32 {
    let mut starts: Vec<u32> = copy.entries.iter().map(|entry| entry.mapped_location.get()).collect();
    starts.sort_unstable();
    let least = starts.windows(2).map(|two| two[1] - two[0]).filter(|blocks| *blocks > 0).min();
    least.unwrap_or(PACKET_BLOCKS).min(PACKET_BLOCKS)
}

/// The sectors of the spare packets that something lies in, ascending.
pub(super) fn packets(catalogue: &Catalogue, frame: &Frame) -> Vec<Range<u32>> {
    let copies = copies(catalogue, frame);
    let Some(newest) = copies.first() else { return Vec::new() };
    let blocks = packet_blocks(newest);
    let used = newest.entries.iter().filter(|entry| entry.is_in_use());
    let mut starts: Vec<u32> = used.map(|entry| entry.mapped_location.get()).collect();
    starts.sort_unstable();
    starts.into_iter().map(|start| start..start.saturating_add(blocks)).collect()
}

/// Whether a sector lies in one of these packets, which are ascending.
pub(super) fn is_in(packets: &[Range<u32>], sector: u32) -> bool {
    let behind = packets.partition_point(|packet| packet.start <= sector);
    behind.checked_sub(1).is_some_and(|index| packets[index].contains(&sector))
}

/// The map of a sparable partition, by the copies of its sparing table that are left.
pub(super) fn map(catalogue: &Catalogue, frame: &Frame) -> Option<SparablePartitionMap> {
    let copies = copies(catalogue, frame);
    let mut map = SparablePartitionMap::new_zeroed();
    map.partition_map_type = 2;
    map.partition_map_length = 64;
    map.partition_type_identifier = EntityIdentifier::implementation(EntityIdentifier::SPARABLE_PARTITION);
    map.volume_sequence_number = 1.into();
    map.packet_length = u16::try_from(packet_blocks(copies.first()?)).ok()?.into();
    map.number_of_sparing_tables = u8::try_from(copies.len().min(MOST_COPIES)).ok()?;
    for (field, copy) in map.locations_of_sparing_tables.iter_mut().zip(copies) {
        *field = copy.location.into();
    }
    Some(map)
}
