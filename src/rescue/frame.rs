//! Where a volume lies on the device, by vote: descriptors say at which sector they are, and are found at some byte.

use std::collections::{BTreeMap, BTreeSet};

use udf::BlockSize;
use udf::general::TagIdentifier;

use super::catalogue::{Catalogue, Kind, Record};

/// The size of a volume's blocks and where on the device its first byte is, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Frame {
    pub(super) block_size: BlockSize,
    /// Added to a byte of the device it gives the byte of the volume: above 0 where the beginning is cut off, below 0
    /// where the volume does not begin with the device.
    pub(super) shift_bytes: i64,
}

impl Frame {
    /// The byte of the volume at a byte of the device, if there is one.
    pub(super) fn volume_byte(&self, device_bytes: u64) -> Option<u64> {
        device_bytes.checked_add_signed(self.shift_bytes)
    }

    /// The byte of the device at a byte of the volume, if it is not cut off.
    pub(super) fn device_byte(&self, volume_bytes: u64) -> Option<u64> {
        volume_bytes.checked_add_signed(self.shift_bytes.checked_neg()?)
    }

    /// The sector that begins at a byte of the device, if one does.
    pub(super) fn sector(&self, device_bytes: u64) -> Option<u32> {
        let volume_bytes = self.volume_byte(device_bytes)?;
        let size = u64::from(self.block_size.bytes());
        volume_bytes.is_multiple_of(size).then(|| u32::try_from(volume_bytes / size).ok())?
    }

    /// Whether what says that it is at a sector is there.
    fn fits(&self, at_bytes: u64, location: u32) -> bool {
        self.sector(at_bytes) == Some(location)
    }
}

/// Block sizes that may be: the one given, or the usual ones, likeliest first.
pub(super) fn sizes(given: Option<BlockSize>) -> Vec<BlockSize> {
    given.map_or_else(|| BlockSize::PROBED.to_vec(), |size| vec![size])
}

/// The frames of the volumes on a device, that with the most descriptors first.
///
/// Each descriptor has a vote for each size of block. In the right frame all of a volume agree; in others hardly two do.
/// A lone descriptor is believed if it lies where it says.
pub(super) fn frames(catalogue: &Catalogue, given: Option<BlockSize>) -> Vec<Frame> {
    let mut left: BTreeSet<(u64, u32)> = catalogue
        .whole
        .iter()
        .filter(|whole| whole.kind <= TagIdentifier::LOGICAL_VOLUME_INTEGRITY)
        .map(|whole| (whole.at_bytes, whole.location))
        .collect();
    let mut found = Vec::new();
    while let Some(best) = elect(&left, given) {
        left.retain(|(at_bytes, location)| !best.fits(*at_bytes, *location));
        found.push(best);
    }
    found
}

fn elect(descriptors: &BTreeSet<(u64, u32)>, given: Option<BlockSize>) -> Option<Frame> {
    let mut votes: BTreeMap<Frame, (usize, BTreeSet<u32>)> = BTreeMap::new();
    for (order, block_size) in sizes(given).into_iter().enumerate() {
        for (at_bytes, location) in descriptors {
            let says = i64::try_from(block_size.bytes_in(*location));
            let Some(shift_bytes) = says.ok().and_then(|says| says.checked_sub_unsigned(*at_bytes)) else {
                continue;
            };
            let frame = Frame { block_size, shift_bytes };
            votes.entry(frame).or_insert((order, BTreeSet::new())).1.insert(*location);
        }
    }
    let strength = |(frame, (order, locations)): &(Frame, (usize, BTreeSet<u32>))| {
        (locations.len(), frame.shift_bytes == 0, std::cmp::Reverse(*order))
    };
    let enough = |(frame, (_, locations)): &(Frame, (usize, BTreeSet<u32>))| {
        locations.len() > 1 || frame.shift_bytes == 0
    };
    votes.into_iter().filter(enough).max_by_key(strength).map(|(frame, _)| frame)
}

/// Where partitions begin: for each sector that may be, how many entries say that theirs begins there, most first.
pub(super) fn partition_starts<'a>(
    records: impl Iterator<Item = &'a Record>,
    frame: &Frame,
) -> Vec<(u32, usize)> {
    let mut votes: BTreeMap<u32, usize> = BTreeMap::new();
    for record in records {
        let start = frame.sector(record.at_bytes).and_then(|sector| sector.checked_sub(record.location));
        if let Some(start) = start {
            *votes.entry(start).or_default() += 1;
        }
    }
    let mut votes: Vec<_> = votes.into_iter().collect();
    votes.sort_by_key(|(start, count)| (std::cmp::Reverse(*count), *start));
    votes
}

/// The frame in which entries agree best on where their partition begins; for devices without any volume descriptor.
pub(super) fn frame_of_entries(catalogue: &Catalogue, given: Option<BlockSize>) -> Option<Frame> {
    let entries = || catalogue.records.iter().filter(|record| matches!(record.kind, Kind::Entry(_)));
    let agreed = |(order, block_size)| {
        let frame = Frame { block_size, shift_bytes: 0 };
        let (_, most) = *partition_starts(entries(), &frame).first()?;
        Some((most, std::cmp::Reverse(order), frame))
    };
    let sizes = sizes(given).into_iter().enumerate();
    sizes.filter_map(agreed).max_by_key(|(most, order, _)| (*most, *order)).map(|(.., frame)| frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rescue::catalogue::Whole;
    use udf::file::FileType;

    fn catalogue(descriptors: &[(u64, u32)], entries: &[(u64, u32)]) -> Catalogue {
        let mut catalogue = Catalogue::default();
        for (at_bytes, location) in descriptors {
            let kind = TagIdentifier::PARTITION;
            catalogue.whole.push(Whole { at_bytes: *at_bytes, location: *location, kind, bytes: Vec::new() });
        }
        for (at_bytes, location) in entries {
            let kind = Kind::Entry(FileType::REGULAR);
            catalogue.records.push(Record { at_bytes: *at_bytes, location: *location, kind });
        }
        catalogue
    }

    fn frame(block_size: BlockSize, shift_bytes: i64) -> Frame {
        Frame { block_size, shift_bytes }
    }

    #[test]
    fn descriptors_tell_block_size_and_place() {
        for size in BlockSize::PROBED {
            let bytes = u64::from(size.bytes());
            for (cut, front) in [(0, 0), (40 * bytes, 0), (0, 1 << 20)] {
                let at = |sector: u32| (u64::from(sector) * bytes + front - cut, sector);
                let found = frames(&catalogue(&[at(256), at(97), at(98), at(900)], &[]), None);
                let shift = i64::try_from(cut).unwrap() - i64::try_from(front).unwrap();
                assert_eq!(found, [frame(size, shift)]);
            }
        }
    }

    #[test]
    fn a_lone_descriptor_is_believed_where_it_says_that_it_is() {
        assert_eq!(frames(&catalogue(&[(256 * 4096, 256)], &[]), None), [frame(BlockSize::B4096, 0)]);
        assert_eq!(frames(&catalogue(&[(256 * 4096 + 512, 256)], &[]), None), []);
    }

    #[test]
    fn volumes_of_two_block_sizes_are_both_seen() {
        let at = |size: u64, sector: u32| (u64::from(sector) * size, sector);
        let found = frames(
            &catalogue(&[at(512, 256), at(512, 1000), at(2048, 97), at(2048, 98), at(2048, 600)], &[]),
            None,
        );
        assert_eq!(found, [frame(BlockSize::B2048, 0), frame(BlockSize::B512, 0)]);
    }

    #[test]
    fn entries_tell_where_their_partition_begins() {
        let at = |block: u32| ((288 + u64::from(block)) * 1024, block);
        let entries = catalogue(&[], &[at(3), at(4), at(90), (512, 700)]);
        let found = frame_of_entries(&entries, None).unwrap();
        assert_eq!(found, frame(BlockSize::B1024, 0));
        assert_eq!(partition_starts(entries.records.iter(), &found), [(288, 3)]);
    }
}
