//! Metadata partitions (UDF 2.2.10, 2.2.13): a partition whose blocks are those of a file, kept twice.

use alloc::{borrow::Cow, vec::Vec};

use super::ReadAt;
use super::body::ExtentMap;
use super::entry::Entry;
use super::extents::{Extent, Extents};
use super::space::{Space, whole_blocks};
use super::warning::{Remedy, Warnings};
use crate::error::{Corrupt, Error, Fault, Result};
use crate::file::FileType;
use crate::general::ExtentKind;
use crate::partition::{MetadataPartitionMap, NO_BITMAP_FILE};
use crate::units::{Block, BlockAddress, BlockSize, PartitionReference};

/// A metadata partition: its map, and the files that the map names.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MetadataPartition {
    /// The map, as recorded.
    pub map: MetadataPartitionMap,
    /// The partition that the files lie in.
    pub lower: PartitionReference,
    /// The metadata file, if it can be read.
    pub main: Option<MetadataFile>,
    /// The metadata mirror file, if it can be read.
    pub mirror: Option<MetadataFile>,
    /// The entry of the metadata bitmap file, if there should be one and it can be read.
    pub bitmap: Option<Entry>,
}

/// One of the two files that hold the blocks of a metadata partition.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MetadataFile {
    /// Its entry.
    pub entry: Entry,
    /// The blocks of allocation extent descriptors that its entry needs.
    pub allocation_extents: Vec<BlockAddress>,
    map: ExtentMap,
}

/// Where a block of a metadata partition lies in the partition below, and how many follow it there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Below {
    /// `None` in a hole.
    pub(super) start: Option<BlockAddress>,
    pub(super) blocks: u32,
}

impl MetadataPartition {
    /// Reads the files that a map names. Their blocks must all lie in the partition below.
    pub(super) fn load<R: ReadAt>(
        space: &Space<R>,
        map: MetadataPartitionMap,
        lower: PartitionReference,
        warnings: &mut Warnings,
    ) -> Result<Self> {
        let at = |block| BlockAddress { partition: lower, block: Block(block) };
        let main = MetadataFile::load(space, at(map.metadata_file_location.get()));
        let mirror = MetadataFile::load(space, at(map.metadata_mirror_file_location.get()));
        let (main, mirror) = match (main, mirror) {
            (Ok(main), Ok(mirror)) => (Some(main), Some(mirror)),
            (Ok(main), Err(error)) => {
                warnings.bend(error, Remedy::NoMirrorFile)?;
                (Some(main), None)
            }
            (Err(error), Ok(mirror)) => {
                warnings.bend(error, Remedy::MirrorFile)?;
                (None, Some(mirror))
            }
            (Err(error), Err(_)) => return Err(error),
        };
        let bitmap_location = map.metadata_bitmap_file_location.get();
        let bitmap = match (bitmap_location != NO_BITMAP_FILE).then(|| space.entry(at(bitmap_location))) {
            None => None,
            Some(Ok(entry)) => Some(entry),
            Some(Err(error)) => {
                warnings.bend(error, Remedy::NoBitmapFile)?;
                None
            }
        };
        Ok(Self { map, lower, main, mirror, bitmap })
    }

    /// Whether the blocks are read through the mirror, because the metadata file cannot be read.
    #[must_use]
    pub fn uses_mirror(&self) -> bool {
        self.main.is_none()
    }

    /// The file that blocks are read through.
    pub(super) fn first(&self) -> Option<&MetadataFile> {
        self.main.as_ref().or(self.mirror.as_ref())
    }

    /// The file through which blocks that cannot be read are tried again: the mirror, if it has blocks of its own.
    pub(super) fn second(&self) -> Option<&MetadataFile> {
        let (main, mirror) = (self.main.as_ref()?, self.mirror.as_ref()?);
        (main.extents() != mirror.extents()).then_some(mirror)
    }
}

impl MetadataFile {
    fn load<R: ReadAt>(space: &Space<R>, address: BlockAddress) -> Result<Self> {
        let entry = space.entry(address)?;
        let fault =
            |field, value| Error::from(Corrupt::new("metadata file", address, Fault::Field { field, value }));
        if !matches!(entry.kind, FileType::METADATA | FileType::METADATA_MIRROR) {
            return Err(fault("file type", entry.kind.0.into()));
        }
        let mut extents = Extents::new(space, &entry, Cow::Borrowed(&entry.allocation));
        let map = ExtentMap::collect(&mut extents, entry.size_bytes, space.block_size, address)?;
        let allocation_extents = extents.allocation_extents().collect();
        let mut rest = map.extents();
        while let Some((extent, others)) = rest.split_first() {
            // Only then is each block in one piece, and no block of the partition below is in this one again.
            if extent.kind == ExtentKind::Recorded && extent.start.partition != address.partition {
                return Err(fault("partition of an extent", extent.start.partition.0.into()));
            }
            if !others.is_empty() && space.block_size.offset_in_block(extent.bytes) != 0 {
                return Err(fault("length of an extent", extent.bytes));
            }
            rest = others;
        }
        Ok(Self { entry, allocation_extents, map })
    }

    /// Its extents, joined where they go on from one another; a hole is an extent that is not recorded.
    #[must_use]
    pub fn extents(&self) -> &[Extent] {
        self.map.extents()
    }

    /// Blocks that it has room for: the length of the partition.
    #[must_use]
    pub fn length_blocks(&self, block_size: BlockSize) -> u32 {
        let whole = whole_blocks(block_size, self.entry.size_bytes.min(self.map.len_bytes()));
        u32::try_from(whole).unwrap_or(u32::MAX)
    }

    /// Where a block lies; `None` if the file ends before it.
    pub(super) fn find(&self, block_size: BlockSize, block: Block) -> Option<Below> {
        if block.0 >= self.length_blocks(block_size) {
            return None;
        }
        let (extent, skip_bytes) = self.map.find(block_size.bytes_in(block.0))?;
        let skip = u32::try_from(whole_blocks(block_size, skip_bytes)).ok()?;
        let blocks = extent.blocks(block_size).saturating_sub(skip.into());
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        let start = match extent.kind {
            ExtentKind::Recorded => Some(extent.start.checked_add(skip)?),
            _ => None,
        };
        Some(Below { start, blocks })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{
        Fixture, HELLO, METADATA, METADATA_BLOCKS, MIRROR_BLOCKS, PARTITION, ROOT, Scratched, seal_again,
    };
    use super::super::{OpenOptions, PartitionKind, Remedy, Run, Volume};
    use super::*;
    use crate::file::AllocationForm;
    use crate::general::ShortAd;
    use crate::units::Sector;
    use std::string::ToString;
    use zerocopy::IntoBytes;

    fn metadata<R: ReadAt>(volume: &Volume<R>) -> &MetadataPartition {
        let PartitionKind::Metadata(metadata) = &volume.partitions()[1].kind else { unreachable!() };
        metadata
    }

    #[test]
    fn blocks_lie_where_the_extents_of_the_file_say() {
        let volume = Fixture::with_metadata().open();
        assert_eq!(volume.partitions()[1].length_blocks, 16);
        assert!(!metadata(&volume).uses_mirror() && metadata(&volume).bitmap.is_none());
        let run = |block| volume.locate(BlockAddress::new(1, block));
        let [first, second] = METADATA_BLOCKS.map(|block| PARTITION + block);
        assert_eq!(run(0).unwrap(), Run { sector: Sector(first), blocks: 8 });
        assert_eq!(run(7).unwrap(), Run { sector: Sector(first + 7), blocks: 1 });
        assert_eq!(run(13).unwrap(), Run { sector: Sector(second + 1), blocks: 3 });
        assert!(run(8).is_err_and(|error| error.to_string().contains("hole")));
        assert!(matches!(
            run(16),
            Err(Error::Corrupt(Corrupt { fault: Fault::OutsidePartition { blocks: 16, .. }, .. }))
        ));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_replaced_by_its_mirror() {
        for (block, remedy) in [(METADATA.0, Remedy::MirrorFile), (METADATA.1, Remedy::NoMirrorFile)] {
            let mut fixture = Fixture::with_metadata();
            fixture.sector(PARTITION + block)[30] ^= 1;
            let volume = fixture.open();
            assert_eq!(volume.warnings().iter().map(|warning| warning.remedy).collect::<Vec<_>>(), [remedy]);
            assert_eq!(metadata(&volume).uses_mirror(), remedy == Remedy::MirrorFile);
            assert_eq!(volume.read_all(&volume.lookup("hello.txt").unwrap(), 100).unwrap(), b"hello world");
        }
        let mut fixture = Fixture::with_metadata();
        fixture.sector(PARTITION + METADATA.0)[30] ^= 1;
        fixture.sector(PARTITION + METADATA.1)[30] ^= 1;
        assert!(Volume::open(fixture.image, &OpenOptions::default()).is_err());
    }

    /// Both files in three extents and a hole, most of them told of by an allocation extent.
    fn in_pieces() -> Fixture {
        let mut fixture = Fixture::with_metadata();
        let files = [(METADATA.0, METADATA_BLOCKS, 250, 200), (METADATA.1, MIRROR_BLOCKS, 251, 570)];
        for ((entry, [first, second], further, elsewhere), kind) in
            files.into_iter().zip([FileType::METADATA, FileType::METADATA_MIRROR])
        {
            let moved = fixture.sector(PARTITION + first + 3)[..5 * 2048].to_vec();
            fixture.sector(PARTITION + first + 3)[..5 * 2048].fill(0);
            fixture.sector(PARTITION + elsewhere)[..5 * 2048].copy_from_slice(&moved);
            let short = |kind, blocks: u32, start| ShortAd::new(kind, blocks * 2048, start);
            let list = [short(ExtentKind::Recorded, 3, first), short(ExtentKind::Continuation, 1, further)];
            let rest = [
                short(ExtentKind::Recorded, 5, elsewhere),
                short(ExtentKind::Unallocated, 4, 0),
                short(ExtentKind::Recorded, 4, second),
            ];
            fixture.allocation_extent(BlockAddress::new(0, further), rest.as_bytes());
            let size = 16 * 2048;
            fixture.entry(BlockAddress::new(0, entry), kind, AllocationForm::Short, size, list.as_bytes());
        }
        fixture
    }

    #[test]
    fn files_in_many_pieces_with_allocation_extents_and_holes_are_read_and_replaced_by_their_mirror() {
        let read = |fixture: &Fixture| {
            let volume = fixture.open();
            assert_eq!(volume.read_all(&volume.lookup("hello.txt").unwrap(), 100).unwrap(), b"hello world");
            assert_eq!(volume.walk(&volume.root().unwrap()).flatten().count(), 5);
            volume
        };
        let mut fixture = in_pieces();
        let volume = read(&fixture);
        assert!(volume.warnings().is_empty() && !metadata(&volume).uses_mirror());
        let main = metadata(&volume).main.as_ref().unwrap();
        assert_eq!(main.allocation_extents, [BlockAddress::new(0, 250)]);
        assert_eq!(main.extents().len(), 4);
        assert!(volume.locate(BlockAddress::new(1, 9)).is_err());
        // Without its allocation extent a file is lost as much as without its entry.
        for lost in [250, METADATA.0] {
            let mut fixture = Fixture { image: fixture.image.clone(), ..in_pieces() };
            fixture.sector(PARTITION + lost)[20] ^= 1;
            let volume = read(&fixture);
            assert_eq!(volume.warnings()[0].remedy, Remedy::MirrorFile);
            assert!(metadata(&volume).uses_mirror());
        }
        fixture.sector(PARTITION + 250)[20] ^= 1;
        fixture.sector(PARTITION + 251)[20] ^= 1;
        assert!(Volume::open(fixture.image, &OpenOptions::default()).is_err());
    }

    #[test]
    fn a_lost_bitmap_file_is_a_warning() {
        for (bitmap, is_there) in [(600_u32, false), (METADATA.0, true)] {
            let mut fixture = Fixture::with_metadata();
            for start in [super::super::fixture::MAIN, super::super::fixture::RESERVE] {
                let (logical, mut maps) = fixture.logical(2);
                maps[6 + 48..6 + 52].copy_from_slice(&bitmap.to_le_bytes());
                fixture.write(start + 1, start + 1, &logical, &maps);
            }
            let volume = fixture.open();
            assert_eq!(metadata(&volume).bitmap.is_some(), is_there);
            let remedies: Vec<_> = volume.warnings().iter().map(|warning| warning.remedy).collect();
            assert_eq!(remedies, if is_there { &[][..] } else { &[Remedy::NoBitmapFile] });
            let options = OpenOptions { strict: true, ..OpenOptions::default() };
            assert_eq!(Volume::open(&fixture.image, &options).is_ok(), is_there);
        }
    }

    #[test]
    fn blocks_that_cannot_be_read_or_are_damaged_are_read_from_the_mirror() {
        let mut fixture = Fixture::with_metadata();
        let [first, _] = METADATA_BLOCKS.map(|block| PARTITION + block);
        fixture.sector(first + ROOT)[30] ^= 1;
        let bad_sectors = std::vec![first + HELLO, first + 7];
        let device = Scratched { image: fixture.image.clone(), bad_sectors };
        let volume = Volume::open(device, &OpenOptions::default()).unwrap();
        assert_eq!(volume.read_all(&volume.lookup("hello.txt").unwrap(), 100).unwrap(), b"hello world");

        let mirror = PARTITION + MIRROR_BLOCKS[0];
        let bad_sectors = std::vec![first + HELLO, mirror + HELLO];
        let volume =
            Volume::open(Scratched { image: fixture.image, bad_sectors }, &OpenOptions::default()).unwrap();
        assert!(matches!(volume.lookup("hello.txt"), Err(Error::Read { .. })));
    }

    #[test]
    fn a_metadata_file_in_another_partition_or_of_another_kind_is_refused() {
        // In the fixture's descriptors: the file type at 27, the form of allocation at 34, descriptors from 216 on.
        let broken = |change: fn(&mut [u8])| {
            let mut fixture = Fixture::with_metadata();
            for block in [METADATA.0, METADATA.1] {
                let entry = &mut fixture.sector(PARTITION + block)[..216 + 24];
                change(entry);
                seal_again(entry);
            }
            Volume::open(fixture.image, &OpenOptions::default()).map(|_| ())
        };
        broken(|_| {}).unwrap();
        assert!(broken(|entry| entry[27] = 5).is_err(), "a regular file");
        assert!(broken(|entry| entry[216] = 1).is_err(), "an extent that is not whole blocks");
        let within_itself = |entry: &mut [u8]| {
            entry[34] = 1;
            entry[216..240].fill(0);
            entry[216..220].copy_from_slice(&16384u32.to_le_bytes());
            entry[224] = 1;
        };
        assert!(broken(within_itself).is_err(), "an extent in the metadata partition");
    }

    #[test]
    fn a_map_of_any_number_lies_upon_the_only_partition() {
        let mut fixture = Fixture::with_metadata();
        for start in [super::super::fixture::MAIN, super::super::fixture::RESERVE] {
            let (logical, mut maps) = fixture.logical(2);
            maps[6 + 38] = 99;
            fixture.write(start + 1, start + 1, &logical, &maps);
        }
        let volume = fixture.open();
        assert_eq!(volume.warnings()[0].remedy, Remedy::OnlyPartition);
        volume.root().unwrap();
    }
}
