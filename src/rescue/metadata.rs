//! Metadata files whose entries are both lost: where their blocks lie, by what is found of them.

use std::collections::BTreeMap;

use udf::Sector;
use udf::file::{AllocationForm, ExtendedFileEntry, FileType, IcbTag};
use udf::general::{Descriptor, ExtentKind, ShortAd};
use udf::partition::{MetadataPartitionMap, PartitionMap, PartitionMaps};
use zerocopy::{FromZeros, IntoBytes};

use super::catalogue::{Catalogue, Kind};
use super::framed::Patch;
use super::state::State;
use super::view::SEAL;

/// Blocks behind the last that is known, which may be the rest of a large directory.
const SLACK_BLOCKS: u32 = 2048;

/// An entry to stand in for the main metadata file's, made from what entries say of where they lie; none if the state has no
/// metadata partition, or nothing of it was found.
///
/// A wrong guess does no harm: whatever is read through it must say itself that it lies there.
pub(super) fn guess(state: &State, catalogue: &Catalogue) -> Vec<Patch> {
    try_guess(state, catalogue).into_iter().collect()
}

fn try_guess(state: &State, catalogue: &Catalogue) -> Option<Patch> {
    let map = PartitionMaps::new(&state.map_table).flatten().find_map(|map| match map {
        PartitionMap::Metadata(map) => Some(map),
        _ => None,
    })?;
    let below =
        state.partitions.iter().find(|partition| partition.partition_number == map.partition_number)?;
    let start = below.partition_starting_location.get();
    let places = places(state, catalogue, start);
    let extents = extents(&places, &map)?;
    let block_size = state.frame.block_size;
    let most = (block_size.len() - size_of::<ExtendedFileEntry>()) / size_of::<ShortAd>();
    let list: Vec<ShortAd> = extents
        .iter()
        .map(|(block, blocks)| {
            let bytes = block_size.bytes_in(*blocks).min(block_size.max_extent_bytes().into());
            ShortAd::new(ExtentKind::Recorded, u32::try_from(bytes).unwrap_or(0), *block)
        })
        .take(most)
        .collect();
    let mut entry = ExtendedFileEntry::new_zeroed();
    entry.icb_tag = IcbTag::new(FileType::METADATA, AllocationForm::Short, 0);
    let size_bytes: u64 = list.iter().map(|extent| u64::from(extent.bytes())).sum();
    entry.information_length = size_bytes.into();
    entry.length_of_allocation_descriptors = u32::try_from(list.as_bytes().len()).ok()?.into();
    let location = map.metadata_file_location.get();
    let mut bytes = vec![0; block_size.len()];
    entry.write(list.as_bytes(), &mut bytes, SEAL, location);
    let sector = Sector(start.checked_add(location)?);
    Some(Patch { volume_bytes: block_size.offset_of(sector), bytes })
}

/// Where blocks of the metadata partition are found: their number there, and the block of the partition below that holds
/// them, in the part of it in which most are.
fn places(state: &State, catalogue: &Catalogue, start: u32) -> BTreeMap<u32, u32> {
    let found = || {
        let of_metadata = catalogue.records.iter().filter(|record| record.kind != Kind::Space);
        of_metadata.filter_map(|record| {
            let below = state.frame.sector(record.at_bytes)?.checked_sub(start)?;
            // Those that lie where the partition below would have them are of that one.
            (below != record.location).then_some((record.location, below))
        })
    };
    let distance = |(location, below): (u32, u32)| i64::from(below) - i64::from(location);
    let mut votes: BTreeMap<i64, usize> = BTreeMap::new();
    for place in found() {
        *votes.entry(distance(place)).or_default() += 1;
    }
    let weight = |place| votes.get(&distance(place)).copied().unwrap_or(0);
    let mut places: BTreeMap<u32, u32> = BTreeMap::new();
    for (location, below) in found() {
        let best = places.entry(location).or_insert(below);
        if weight((location, below)) > weight((location, *best)) {
            *best = below;
        }
    }
    places
}

/// Extents of the partition below, each with its first block and how many there are, that hold what was found where it was.
fn extents(places: &BTreeMap<u32, u32>, map: &MetadataPartitionMap) -> Option<Vec<(u32, u32)>> {
    let unit = map.allocation_unit_size.get().max(1);
    let (&last, _) = places.last_key_value()?;
    // For each allocation unit that begins a new stretch: where the metadata partition's block 0 would lie.
    let mut pieces: Vec<(u32, i64)> = Vec::new();
    for (location, below) in places {
        let distance = i64::from(*below) - i64::from(*location);
        if pieces.last().is_none_or(|(_, last)| *last != distance) {
            let begin = if pieces.is_empty() { 0 } else { location / unit * unit };
            pieces.retain(|(start, _)| *start < begin);
            pieces.push((begin, distance));
        }
    }
    let end = last.checked_add(SLACK_BLOCKS)?.checked_next_multiple_of(unit)?;
    let ends = pieces.iter().skip(1).map(|(begin, _)| *begin).chain([end]);
    let all = pieces.iter().zip(ends).map(|((begin, distance), end)| {
        let start = u32::try_from(i64::from(*begin) + distance).ok()?;
        Some((start, end - begin))
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_stays_where_it_was_found() {
        let mut map = MetadataPartitionMap::new_zeroed();
        map.allocation_unit_size = 32.into();
        let places = BTreeMap::from([(2, 102), (3, 103), (40, 540), (63, 563), (70, 170)]);
        let found = extents(&places, &map).unwrap();
        assert_eq!(found[..2], [(100, 32), (532, 32)]);
        assert_eq!(found[2].0, 164);
        assert!(found[2].1 > SLACK_BLOCKS);
        assert_eq!(extents(&BTreeMap::new(), &map), None);
    }
}
