//! Free space as a volume records it (UDF 2.3.3, 2.3.7, 2.3.8): tables and bitmaps, of what is unallocated and of what is freed
//! and must be erased first, and the bitmap of a metadata partition. Streamed: no set is ever held in memory.

use alloc::{borrow::Cow, vec, vec::Vec};

use super::ReadAt;
use super::body::Body;
use super::extents::Extents;
use super::partition::PartitionKind;
use super::space::Space;
use super::volume::Volume;
use crate::error::{Corrupt, Fault, Result};
use crate::file::{SpaceBitmapDescriptor, UnallocatedSpaceEntry};
use crate::general::{Descriptor, ShortAd, Tag};
use crate::units::{BlockAddress, PartitionReference};

/// How much of a bitmap is read at once.
const CHUNK_BYTES: usize = 64 * 1024;
const HEAD_BYTES: u64 = size_of::<SpaceBitmapDescriptor>() as u64;

/// What a set of free blocks says of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freedom {
    /// They can be written at once.
    Unallocated,
    /// They must be erased first (ECMA-167 4/10.1).
    Freed,
}

/// How a set of free blocks is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeForm {
    /// A list of extents, in an unallocated space entry (ECMA-167 4/14.11).
    Table,
    /// A bit a block, in an extent (ECMA-167 4/14.12).
    Bitmap,
    /// The bitmap file of a metadata partition (UDF 2.2.13.2).
    BitmapFile,
}

/// A set of free blocks of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FreeSet {
    /// What it says of its blocks.
    pub freedom: Freedom,
    /// How it is recorded.
    pub form: FreeForm,
    /// The partition whose blocks it is about.
    pub partition: PartitionReference,
    /// Where it is recorded: in the partition itself, or in the one below.
    pub place: BlockAddress,
    /// Bytes of the extent that it is recorded in; 0 for a file.
    pub bytes: u32,
}

/// Blocks that are free, one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeRun {
    /// The first, in the set's partition.
    pub start: u32,
    /// How many; at least 1.
    pub blocks: u32,
}

impl<R: ReadAt> Volume<R> {
    /// The sets of free blocks that a partition has: none on media where nothing is ever freed.
    #[must_use]
    pub fn free_sets(&self, partition: PartitionReference) -> Vec<FreeSet> {
        let Some(found) = self.partitions().get(usize::from(partition.0)) else { return Vec::new() };
        if let PartitionKind::Metadata(upper) = &found.kind {
            let set = |place| FreeSet {
                freedom: Freedom::Unallocated,
                form: FreeForm::BitmapFile,
                partition,
                place,
                bytes: 0,
            };
            return upper.bitmap.iter().map(|bitmap| set(bitmap.icb)).collect();
        }
        let mut descriptors = self.partition_descriptors().iter();
        let descriptor = descriptors.find(|descriptor| descriptor.partition_number == found.number);
        let Some(header) =
            descriptor.filter(|_| found.start().is_some()).map(|it| &it.partition_contents_use)
        else {
            return Vec::new();
        };
        let set = |(freedom, form, extent): (_, _, ShortAd)| {
            let (place, bytes) = (BlockAddress::new(partition.0, extent.position.get()), extent.bytes());
            (bytes > 0).then_some(FreeSet { freedom, form, partition, place, bytes })
        };
        let all = [
            (Freedom::Unallocated, FreeForm::Table, header.unallocated_space_table),
            (Freedom::Unallocated, FreeForm::Bitmap, header.unallocated_space_bitmap),
            (Freedom::Freed, FreeForm::Table, header.freed_space_table),
            (Freedom::Freed, FreeForm::Bitmap, header.freed_space_bitmap),
        ];
        all.into_iter().filter_map(set).collect()
    }

    /// Tells the free blocks of a set: of a bitmap in ascending order, of a table as they are listed.
    ///
    /// An error if the set is damaged, or tells of blocks that the partition does not have.
    pub fn free_runs(&self, set: &FreeSet, tell: &mut dyn FnMut(FreeRun)) -> Result<()> {
        let space = self.space();
        match set.form {
            FreeForm::Table => table(space, set, tell),
            FreeForm::Bitmap => bitmap(space, set, u64::from(set.bytes), tell, &|at, out: &mut [u8]| {
                space.read(set.place, at, out)
            }),
            FreeForm::BitmapFile => {
                let body = Body::new(space, &space.entry(set.place)?)?;
                bitmap(space, set, body.len(), tell, &|at, out: &mut [u8]| body.read(at, out).map(drop))
            }
        }
    }

    /// Free blocks of a set.
    pub fn free_blocks(&self, set: &FreeSet) -> Result<u64> {
        let mut blocks = 0_u64;
        self.free_runs(set, &mut |run| blocks = blocks.saturating_add(run.blocks.into()))?;
        Ok(blocks)
    }
}

/// Blocks of the partition that a set is about.
fn partition_blocks<R: ReadAt>(space: &Space<R>, set: &FreeSet) -> u32 {
    space.partitions.get(usize::from(set.partition.0)).map_or(0, |partition| partition.length_blocks)
}

fn table<R: ReadAt>(space: &Space<R>, set: &FreeSet, tell: &mut dyn FnMut(FreeRun)) -> Result<()> {
    type Table = UnallocatedSpaceEntry;
    let place = set.place;
    let (form, list) = space.parse_block(place, |block| {
        let head = Table::view(block, place.block.0, place)?;
        let length = usize::try_from(head.length_of_allocation_descriptors.get()).unwrap_or(usize::MAX);
        let tail = block.get(size_of::<Table>()..).unwrap_or_default();
        let fault = |fault| Corrupt::new(Table::NAME, place, fault);
        let too_short = Fault::TooShort { needed: length as u64, found: tail.len() as u64 };
        let list = tail.get(..length).ok_or_else(|| fault(too_short))?;
        let flags = head.icb_tag.flags.get();
        let form = head.icb_tag.allocation_form();
        let form = form.ok_or_else(|| fault(Fault::Field { field: "ICB flags", value: flags.into() }))?;
        Ok((form, list.to_vec()))
    })?;
    let limit = partition_blocks(space, set);
    for extent in Extents::of_list(space, set.partition, form, Cow::Owned(list)) {
        let extent = extent?;
        let start = extent.start.block.0;
        let blocks = u32::try_from(extent.blocks(space.block_size)).unwrap_or(u32::MAX);
        if extent.start.partition != set.partition || start.checked_add(blocks).is_none_or(|end| end > limit)
        {
            let fault = Fault::OutsidePartition { address: extent.start, blocks: limit };
            return Err(Corrupt::new(Table::NAME, place, fault).into());
        }
        tell(FreeRun { start, blocks });
    }
    Ok(())
}

/// A bitmap of so many bytes, its head among them, that `read` reads from an offset on.
fn bitmap<R: ReadAt>(
    space: &Space<R>,
    set: &FreeSet,
    room_bytes: u64,
    tell: &mut dyn FnMut(FreeRun),
    read: &dyn Fn(u64, &mut [u8]) -> Result<()>,
) -> Result<()> {
    type Head = SpaceBitmapDescriptor;
    let fault = |fault| Corrupt::new(Head::NAME, set.place, fault);
    let mut block = vec![0; space.block_size.len()];
    read(0, &mut block)?;
    // In a file it is located as the first block of its body, which may lie anywhere.
    let head = Head::peek(&block, set.place)?;
    Tag::check_any_location(&block, Head::IDENTIFIER, Head::NAME, set.place)?;
    let (bits, bytes) = (head.number_of_bits.get(), head.number_of_bytes.get());
    let needed = HEAD_BYTES.saturating_add(bytes.into());
    if needed > room_bytes || u64::from(bytes) < u64::from(bits).div_ceil(8) {
        return Err(fault(Fault::TooShort { needed, found: room_bytes }).into());
    }
    let limit = partition_blocks(space, set);
    let mut runs = Runs { tell, open: None };
    let mut chunk = vec![0; CHUNK_BYTES];
    let (mut at, mut number) = (HEAD_BYTES, 0_u32);
    while number < bits.min(limit) {
        let left = bits.min(limit).saturating_sub(number).div_ceil(8);
        let count = CHUNK_BYTES.min(usize::try_from(left).unwrap_or(CHUNK_BYTES));
        let (part, _) = chunk.split_at_mut(count);
        read(at, part)?;
        for byte in part.iter() {
            for bit in 0..8 {
                runs.take(number, number < bits.min(limit) && byte >> bit & 1 != 0);
                number = number.saturating_add(1);
            }
        }
        at = at.saturating_add(count as u64);
    }
    runs.take(number, false);
    Ok(())
}

/// Joins free blocks to runs.
struct Runs<'t> {
    tell: &'t mut dyn FnMut(FreeRun),
    /// Where the run began that goes on.
    open: Option<u32>,
}

impl Runs<'_> {
    fn take(&mut self, block: u32, is_free: bool) {
        match (self.open, is_free) {
            (None, true) => self.open = Some(block),
            (Some(start), false) => {
                self.open = None;
                (self.tell)(FreeRun { start, blocks: block.saturating_sub(start) });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, MAIN, RESERVE, SEAL, blank};
    use super::*;
    use crate::file::{AllocationForm, FileType, IcbTag};
    use crate::general::{ExtentKind, TagIdentifier};
    use crate::units::BlockSize;
    use zerocopy::IntoBytes;

    const NUMBER: PartitionReference = PartitionReference(0);

    fn runs(volume: &Volume<Vec<u8>>, set: &FreeSet) -> Result<Vec<(u32, u32)>> {
        let mut found = Vec::new();
        volume.free_runs(set, &mut |run| found.push((run.start, run.blocks)))?;
        Ok(found)
    }

    /// A volume whose partition has a table of unallocated and one of freed space, and a bitmap of each.
    fn fixture() -> Fixture {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        for (block, next, ranges) in [(100, Some(101), [(10, 5), (40, 1)]), (102, None, [(20, 2), (30, 3)])] {
            let short = |kind, blocks: u32, start| ShortAd::new(kind, blocks * 2048, start);
            let mut list: Vec<u8> = Vec::new();
            for (start, blocks) in ranges {
                list.extend(short(ExtentKind::Allocated, blocks, start).as_bytes());
            }
            list.extend(next.map(|next| short(ExtentKind::Continuation, 1, next)).as_slice().as_bytes());
            let mut table: UnallocatedSpaceEntry = blank();
            table.icb_tag = IcbTag::new(FileType::UNALLOCATED_SPACE_ENTRY, AllocationForm::Short, 0);
            table.length_of_allocation_descriptors = u32::try_from(list.len()).unwrap().into();
            fixture.put(fixture.at(block), &table, &list);
        }
        let more = ShortAd::new(ExtentKind::Allocated, 4 * 2048, 60);
        fixture.allocation_extent(fixture.at(101), more.as_bytes());
        for (block, bits) in [(110, [0b0000_0110, 0x80, 1]), (111, [1, 0, 0])] {
            let mut bitmap: SpaceBitmapDescriptor = blank();
            bitmap.number_of_bits = 20.into();
            bitmap.number_of_bytes = 3.into();
            fixture.put(fixture.at(block), &bitmap, &bits);
            let sector = fixture.sectors_of(fixture.at(block))[0];
            Tag::seal_partly(fixture.sector(sector), TagIdentifier::SPACE_BITMAP, SEAL, block, 8);
        }
        for start in [MAIN, RESERVE] {
            let mut partition = fixture.partition(3);
            let extent = |block| ShortAd::new(ExtentKind::Recorded, 2048, block);
            let header = &mut partition.partition_contents_use;
            header.unallocated_space_table = extent(100);
            header.unallocated_space_bitmap = extent(110);
            header.freed_space_table = extent(102);
            header.freed_space_bitmap = extent(111);
            fixture.write(start + 2, start + 2, &partition, &[]);
        }
        fixture
    }

    #[test]
    fn tables_and_bitmaps_of_unallocated_and_freed_space_are_read() {
        let volume = fixture().open();
        let sets = volume.free_sets(NUMBER);
        let found: Vec<_> =
            sets.iter().map(|set| (set.freedom, set.form, runs(&volume, set).unwrap())).collect();
        assert_eq!(
            found,
            [
                (Freedom::Unallocated, FreeForm::Table, std::vec![(10, 5), (40, 1), (60, 4)]),
                (Freedom::Unallocated, FreeForm::Bitmap, std::vec![(1, 2), (15, 2)]),
                (Freedom::Freed, FreeForm::Table, std::vec![(20, 2), (30, 3)]),
                (Freedom::Freed, FreeForm::Bitmap, std::vec![(0, 1)]),
            ]
        );
        assert_eq!(volume.free_blocks(&sets[0]).unwrap(), 10);
        assert!(Fixture::plain(BlockSize::B512).open().free_sets(NUMBER).is_empty());
        assert!(volume.free_sets(PartitionReference(7)).is_empty());
    }

    #[test]
    fn sets_that_lie_are_damage() {
        let mut fixture = fixture();
        let volume = fixture.open();
        let sets = volume.free_sets(NUMBER);
        let short = FreeSet { bytes: 26, ..sets[1] };
        assert!(runs(&volume, &short).is_err());
        let elsewhere = FreeSet { place: BlockAddress::new(0, 90), ..sets[0] };
        assert!(runs(&volume, &elsewhere).is_err());
        // An extent outside the partition, and a chain into itself.
        for extent in [
            ShortAd::new(ExtentKind::Allocated, 4 * 2048, u32::MAX - 2),
            ShortAd::new(ExtentKind::Continuation, 2048, 101),
        ] {
            fixture.allocation_extent(fixture.at(101), extent.as_bytes());
            assert!(runs(&fixture.open(), &sets[0]).is_err());
        }
    }
}
