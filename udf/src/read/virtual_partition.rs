//! Virtual partitions (UDF 2.2.8): finding the newest table, which is the last thing that was recorded.

use alloc::vec;

use super::device::read_exact;
use super::partition::Partition;
use super::space::{Space, whole_blocks};
use super::virtual_table::{VirtualTable, VirtualTableHead};
use super::warning::{Remedy, Warnings};
use super::{OpenOptions, ReadAt};
use crate::error::{Corrupt, Error, Fault, Result};
use crate::file::{FileType, IcbTag};
use crate::general::{Tag, TagIdentifier};
use crate::partition::VirtualPartitionMap;
use crate::units::{Block, BlockAddress, PartitionReference, Sector};
use zerocopy::FromBytes;

const NAME: &str = "virtual allocation table";
/// How far back a table is looked for at least, if it is not the last block: behind it, a writer may have been interrupted, or an
/// image may be filled up.
const MAX_SCAN_BYTES: u64 = 256 << 20;
/// Blocks that are looked at in one go.
const CHUNK_BLOCKS: u32 = 64;
/// Unreadable blocks of a chunk after which no more of them are tried in that direction: on a drive each can take seconds. Between
/// what is written in one go and the next a CD has seven.
const MAX_UNREADABLE: u32 = 32;
/// The same where nothing at all could be read yet: in a gap between tracks or sessions.
const MAX_UNREADABLE_IN_GAP: u32 = 4;
/// What looks like a table and is none, after so many of them the search is given up.
const MAX_FALSE: u32 = 16;

/// A virtual partition: its map, and the table that counts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VirtualPartition {
    /// The map, as recorded.
    pub map: VirtualPartitionMap,
    /// The partition that the blocks and the table lie in.
    pub lower: PartitionReference,
    /// The newest table.
    pub table: VirtualTable,
}

impl VirtualPartition {
    /// Finds the newest table in the partition below, at its end or where the session ends.
    pub(super) fn load<R: ReadAt>(
        space: &Space<R>,
        map: VirtualPartitionMap,
        lower: PartitionReference,
        options: &OpenOptions,
        warnings: &mut Warnings,
    ) -> Result<Self> {
        let last = options.last_sector;
        let partition = space.partitions.get(usize::from(lower.0));
        let end = partition.and_then(|partition| End::of(space, partition, last));
        let missing = |sector| {
            Error::from(Corrupt::new(NAME, sector, Fault::Missing("such table as the last recorded block")))
        };
        let Some(end) = end else { return Err(missing(last.unwrap_or_default())) };
        let limit = u32::try_from(whole_blocks(space.block_size, MAX_SCAN_BYTES)).unwrap_or(u32::MAX);
        let track_start = options.track_start.map(|start| start.0.saturating_sub(end.start.0));
        let lowest = end.block.0.saturating_sub(limit).min(track_start.unwrap_or(u32::MAX));
        let mut search =
            Search { space, lower, end, lowest, false_ones: 0, is_in_gap: false, first_failure: None };
        let Some(table) = search.newest() else {
            return Err(search.first_failure.take().unwrap_or_else(|| missing(end.sector)));
        };
        let found = table.head.entry.icb;
        if found.block != end.block {
            let sector = space.locate(super::space::Copy::First, found)?.sector;
            warnings.bend(missing(end.sector), Remedy::EarlierTable(sector))?;
        }
        let bent = |field, value| Corrupt::new(NAME, found, Fault::Field { field, value });
        if table.head.has_wrong_file_type {
            warnings.bend(bent("file type", table.head.entry.kind.0.into()), Remedy::OtherTableForm)?;
        }
        if table.head.has_untold_use {
            warnings.bend(bent("length of implementation use", 0), Remedy::UntoldUse)?;
        }
        Ok(Self { map, lower, table })
    }
}

/// The last block at which the table can be.
#[derive(Clone, Copy, Debug)]
struct End {
    sector: Sector,
    /// The same in the partition.
    block: Block,
    start: Sector,
}

impl End {
    fn of<R: ReadAt>(space: &Space<R>, partition: &Partition, last: Option<Sector>) -> Option<Self> {
        let start = partition.start()?;
        let of_device = whole_blocks(space.block_size, space.device.size_bytes()).checked_sub(1)?;
        let of_device = u32::try_from(of_device).unwrap_or(u32::MAX);
        let of_partition = start.0.saturating_add(partition.length_blocks.checked_sub(1)?);
        let sector = of_device.min(of_partition).min(last.map_or(u32::MAX, |last| last.0));
        let block = sector.checked_sub(start.0)?;
        Some(Self { sector: Sector(sector), block: Block(block), start })
    }
}

struct Search<'a, R> {
    space: &'a Space<R>,
    lower: PartitionReference,
    end: End,
    /// The first block that is looked at.
    lowest: u32,
    false_ones: u32,
    /// Nothing of the last chunk could be read.
    is_in_gap: bool,
    first_failure: Option<Error>,
}

impl<R: ReadAt> Search<'_, R> {
    /// The last table: the last block if it is one, else the first that is met on the way back.
    fn newest(&mut self) -> Option<VirtualTable> {
        if let Some(found) = self.chunk(self.end.block.0, 1) {
            return Some(found);
        }
        let lowest = self.lowest;
        // Blocks from here on have been looked at.
        let mut top = self.end.block.0;
        while top > lowest && self.false_ones < MAX_FALSE {
            let count = top.saturating_sub(lowest).min(CHUNK_BLOCKS);
            top = top.saturating_sub(count);
            if let Some(found) = self.chunk(top, count) {
                return Some(found);
            }
        }
        None
    }

    /// The last table in so many blocks from `first` on.
    fn chunk(&mut self, first: u32, count: u32) -> Option<VirtualTable> {
        let mut bytes = vec![0; usize::try_from(self.space.block_size.bytes_in(count)).ok()?];
        if read_exact(&self.space.device, self.offset_of(first)?, &mut bytes).is_err() {
            return self.chunk_in_pieces(first, count);
        }
        self.is_in_gap = false;
        let blocks = (first..).zip(bytes.chunks_exact(self.space.block_size.len()));
        let blocks = blocks.collect::<alloc::vec::Vec<_>>();
        blocks.into_iter().rev().find_map(|(block, bytes)| self.table(Block(block), bytes))
    }

    /// The same where some of them cannot be read: from the last on, since the first that is met is the one that counts; and where
    /// that leads nowhere, as at the lower end of a gap, from the first on.
    fn chunk_in_pieces(&mut self, first: u32, count: u32) -> Option<VirtualTable> {
        let mut bytes = vec![0; self.space.block_size.len()];
        let end = first.checked_add(count)?;
        let (mut top, mut unreadable) = (end, 0_u32);
        let most = if self.is_in_gap { 1 } else { MAX_UNREADABLE };
        while top > first && unreadable < most {
            top = top.saturating_sub(1);
            if self.read(top, &mut bytes).is_none() {
                unreadable = unreadable.saturating_add(1);
            } else if let Some(table) = self.table(Block(top), &bytes) {
                return Some(table);
            }
        }
        let mut is_gap = unreadable == end.saturating_sub(top);
        let (mut newest, mut unreadable) = (None, 0_u32);
        for block in first..top {
            if self.read(block, &mut bytes).is_some() {
                is_gap = false;
                newest = self.table(Block(block), &bytes).or(newest);
                continue;
            }
            unreadable = unreadable.saturating_add(1);
            if unreadable >= if is_gap { MAX_UNREADABLE_IN_GAP } else { MAX_UNREADABLE } {
                break;
            }
        }
        // The last block alone says nothing of those before it.
        self.is_in_gap = is_gap && count > MAX_UNREADABLE;
        newest
    }

    fn read(&self, block: u32, out: &mut [u8]) -> Option<()> {
        read_exact(&self.space.device, self.offset_of(block)?, out).ok()
    }

    fn offset_of(&self, block: u32) -> Option<u64> {
        self.end.start.checked_add(block).map(|sector| self.space.block_size.offset_of(sector))
    }

    /// The table whose ICB is this block, if it is one.
    fn table(&mut self, block: Block, bytes: &[u8]) -> Option<VirtualTable> {
        if !looks_like_table(block, bytes) || self.false_ones >= MAX_FALSE {
            return None;
        }
        let icb = BlockAddress { partition: self.lower, block };
        let loaded =
            VirtualTableHead::load(self.space, icb).and_then(|head| VirtualTable::load(self.space, head));
        match loaded {
            Ok(table) => Some(table),
            Err(error) => {
                self.false_ones = self.false_ones.saturating_add(1);
                self.first_failure.get_or_insert(error);
                None
            }
        }
    }
}

/// Whether a block is a file entry of a type that tables have, and lies where it says.
fn looks_like_table(block: Block, bytes: &[u8]) -> bool {
    let Some(tag) = Tag::read(bytes) else { return false };
    let is_entry = matches!(tag.kind(), TagIdentifier::FILE_ENTRY | TagIdentifier::EXTENDED_FILE_ENTRY);
    let icb_tag = bytes.get(Tag::LEN..).and_then(|rest| IcbTag::ref_from_prefix(rest).ok());
    let is_of_type = icb_tag.is_some_and(|(tag, _)| {
        matches!(tag.kind(), FileType::UNSPECIFIED | FileType::VIRTUAL_ALLOCATION_TABLE)
    });
    is_entry && is_of_type && tag.location.get() == block.0
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{
        FIRST_VIRTUAL, Fixture, HELLO, PARTITION, Scratched, VIRTUAL_BLOCKS, VIRTUAL_TABLE,
    };
    use super::super::fixture_optical::{NEWER_LABEL, TABLE_ID, entries, extension, table};
    use super::super::{Run, VirtualTableForm, Volume};
    use super::*;
    use crate::file::AllocationForm;
    use crate::general::{ExtentKind, ShortAd};
    use crate::partition::NO_BLOCK;
    use std::vec::Vec;
    use zerocopy::IntoBytes;

    const FORMS: [VirtualTableForm; 2] = [VirtualTableForm::Trailer, VirtualTableForm::Header];

    fn remedies<R: ReadAt>(volume: &Volume<R>) -> Vec<Remedy> {
        volume.warnings().iter().map(|warning| warning.remedy).collect()
    }

    fn strict(fixture: &Fixture) -> Result<Volume<Vec<u8>>> {
        Volume::open(fixture.image.clone(), &OpenOptions { strict: true, ..OpenOptions::default() })
    }

    /// The block of the table that was taken.
    fn block<R: ReadAt>(volume: &Volume<R>) -> u32 {
        volume.virtual_table().unwrap().head.entry.icb.block.0
    }

    #[test]
    fn blocks_lie_where_the_table_says() {
        for form in FORMS {
            let fixture = Fixture::with_virtual(form);
            let volume = strict(&fixture).unwrap();
            assert_eq!(volume.read_all(&volume.lookup("hello.txt").unwrap(), 100).unwrap(), b"hello world");
            let paths: Vec<_> = volume.walk(&volume.root().unwrap()).map(|item| item.unwrap().0).collect();
            assert_eq!(paths, ["hello.txt", "holes", "sub", "sub/deep.txt", "日本"]);
            let sector = Sector(PARTITION + FIRST_VIRTUAL - HELLO);
            assert_eq!(volume.locate(fixture.at(HELLO)).unwrap(), Run { sector, blocks: 1 });
            assert_eq!(volume.partitions()[1].length_blocks, VIRTUAL_BLOCKS);
            assert!(volume.locate(fixture.at(VIRTUAL_BLOCKS)).is_err());
            assert_eq!(volume.virtual_table().unwrap().head.form, form);
            assert!(volume.is_consistent(), "open, as it should be");
        }
    }

    #[test]
    fn a_block_that_is_marked_unused_is_no_block() {
        let mut fixture = Fixture::with_virtual(VirtualTableForm::Header);
        let mut with_gap = entries();
        with_gap[HELLO as usize] = NO_BLOCK;
        with_gap[HELLO as usize + 1] = 4_000_000;
        let body = table(VirtualTableForm::Header, &with_gap, NO_BLOCK);
        fixture.virtual_table_with(VIRTUAL_TABLE, VirtualTableForm::Header, &body, &[]);
        let volume = fixture.open();
        for block in [HELLO, HELLO + 1] {
            assert!(volume.locate(fixture.at(block)).is_err());
        }
        volume.root().unwrap();
    }

    #[test]
    fn what_the_table_says_is_newer_than_the_volume_descriptors() {
        let volume = Fixture::with_virtual(VirtualTableForm::Header).open();
        let integrity = volume.integrity().unwrap();
        assert_eq!(volume.label(), NEWER_LABEL);
        assert_eq!((integrity.files, integrity.directories), (Some(33), Some(22)));
        assert_eq!((integrity.minimum_read, integrity.maximum_write), (Some(0x0201), Some(0x0250)));
        assert_eq!(integrity.next_unique_id, TABLE_ID + 1);

        for (id, label, files) in [(TABLE_ID, NEWER_LABEL, 33), (TABLE_ID + 1, "a label", 3)] {
            let mut fixture = Fixture::with_virtual(VirtualTableForm::Trailer);
            let body = table(VirtualTableForm::Trailer, &entries(), NO_BLOCK);
            fixture.virtual_table_with(VIRTUAL_TABLE, VirtualTableForm::Trailer, &body, &extension(id));
            let volume = strict(&fixture).unwrap();
            assert_eq!((volume.label().as_str(), volume.integrity().unwrap().files), (label, Some(files)));
        }
    }

    #[test]
    fn the_last_table_counts_wherever_it_is() {
        for form in FORMS {
            for back in [1, 2, 3, 4, 64, 65, 150, 152, 300] {
                let mut fixture = Fixture::with_virtual(form);
                fixture.virtual_table(VIRTUAL_TABLE - 310, form, NO_BLOCK);
                fixture.virtual_table(VIRTUAL_TABLE - back, form, VIRTUAL_TABLE - 310);
                fixture.sector(PARTITION + VIRTUAL_TABLE)[..2048].fill(0);
                let volume = fixture.open();
                assert_eq!(block(&volume), VIRTUAL_TABLE - back);
                let sector = Sector(PARTITION + VIRTUAL_TABLE - back);
                assert_eq!(remedies(&volume), [Remedy::EarlierTable(sector)]);
                assert!(strict(&fixture).is_err());
            }
        }
    }

    #[test]
    fn run_out_blocks_that_cannot_be_read_are_passed_over() {
        for back in [2, 150, 152] {
            let mut fixture = Fixture::with_virtual(VirtualTableForm::Header);
            let table = VIRTUAL_TABLE - back;
            fixture.virtual_table(table, VirtualTableForm::Header, NO_BLOCK);
            let bad_sectors = (PARTITION + table + 1..=PARTITION + VIRTUAL_TABLE).collect();
            let device = Scratched { image: fixture.image, bad_sectors };
            assert_eq!(block(&Volume::open(device, &OpenOptions::default()).unwrap()), table, "{back}");
        }
    }

    /// A CD has seven blocks that cannot be read behind each write: those of earlier ones hide nothing.
    #[test]
    fn links_between_writes_are_passed_over() {
        for before in [0, 1, 2, 5] {
            let mut fixture = Fixture::with_virtual(VirtualTableForm::Header);
            let table = VIRTUAL_TABLE - 7;
            fixture.virtual_table(table, VirtualTableForm::Header, NO_BLOCK);
            fixture.virtual_table(VIRTUAL_TABLE - 200, VirtualTableForm::Header, NO_BLOCK);
            let ends = (0..=before).map(|write| PARTITION + table + 1 - 9 * write);
            let bad_sectors = ends.flat_map(|end| end..end + 7).collect();
            let device = Scratched { image: fixture.image, bad_sectors };
            let volume = Volume::open(device, &OpenOptions::default()).unwrap();
            assert_eq!(block(&volume), table, "{before} writes before it");
        }
    }

    /// Below a gap of sessions lies the end of the last one, with the links of its writes.
    #[test]
    fn the_table_below_a_long_gap_is_found() {
        for gap in [40, 63, 64, 65, 100, 128, 300] {
            let mut fixture = Fixture::with_virtual(VirtualTableForm::Header);
            let table = VIRTUAL_TABLE - gap;
            fixture.virtual_table(table, VirtualTableForm::Header, NO_BLOCK);
            let end = PARTITION + table + 1;
            let bad_sectors = (end..=PARTITION + VIRTUAL_TABLE).chain(end - 12..end - 5).collect();
            let device = Scratched { image: fixture.image, bad_sectors };
            assert_eq!(block(&Volume::open(device, &OpenOptions::default()).unwrap()), table, "{gap}");
        }
    }

    #[test]
    fn an_image_that_was_filled_up_or_cut_short_shows_its_last_table() {
        let mut fixture = Fixture::with_virtual(VirtualTableForm::Header);
        fixture.virtual_table(500, VirtualTableForm::Header, NO_BLOCK);
        let size = fixture.image.len();
        fixture.image.resize(size + (3 << 20), 0);
        assert_eq!(block(&fixture.open()), VIRTUAL_TABLE, "the partition ends there");
        fixture.image.truncate((PARTITION as usize + 600) * 2048);
        assert_eq!(block(&fixture.open()), 500);
    }

    #[test]
    fn an_earlier_table_shows_an_earlier_state() {
        let mut fixture = Fixture::with_virtual(VirtualTableForm::Header);
        let mut earlier = entries();
        earlier[HELLO as usize] = NO_BLOCK;
        let body = table(VirtualTableForm::Header, &earlier, NO_BLOCK);
        fixture.virtual_table_with(400, VirtualTableForm::Header, &body, &[]);
        fixture.virtual_table(VIRTUAL_TABLE, VirtualTableForm::Header, 400);
        let newest = fixture.open();
        let previous = newest.virtual_table().unwrap().head.previous.unwrap();
        let head = newest.virtual_table_head(previous).unwrap();
        assert_eq!((head.entry.icb.block.0, head.previous, head.entry_count), (400, None, 60));
        let last_sector = Some(Sector(PARTITION + 400));
        let older =
            Volume::open(&fixture.image, &OpenOptions { last_sector, ..OpenOptions::default() }).unwrap();
        assert!(newest.lookup("hello.txt").is_ok() && older.lookup("hello.txt").is_err());
    }

    #[test]
    fn tables_are_read_by_what_is_in_them() {
        for (form, other) in [(FORMS[0], FORMS[1]), (FORMS[1], FORMS[0])] {
            let mut fixture = Fixture::with_virtual(form);
            let body = table(form, &entries(), NO_BLOCK);
            fixture.virtual_table_with(VIRTUAL_TABLE, other, &body, &[]);
            let volume = fixture.open();
            assert_eq!(volume.virtual_table().unwrap().head.form, form);
            assert_eq!(remedies(&volume), [Remedy::OtherTableForm]);
            assert!(strict(&fixture).is_err());
        }
    }

    #[test]
    fn what_windows_puts_behind_the_header_is_no_entry() {
        let mut fixture = Fixture::with_virtual(VirtualTableForm::Header);
        let mut body = table(VirtualTableForm::Header, &entries(), NO_BLOCK);
        let mut untold = [0; 32];
        untold[1..19].copy_from_slice(b"*Microsoft Windows");
        body.splice(152..152, untold);
        fixture.virtual_table_with(VIRTUAL_TABLE, VirtualTableForm::Header, &body, &[]);
        let volume = fixture.open();
        assert_eq!(volume.partitions()[1].length_blocks, VIRTUAL_BLOCKS);
        assert_eq!(remedies(&volume), [Remedy::UntoldUse]);
        assert!(strict(&fixture).is_err());
        // Told, it is nothing special.
        body[0..4].copy_from_slice(&[184, 0, 32, 0]);
        fixture.virtual_table_with(VIRTUAL_TABLE, VirtualTableForm::Header, &body, &[]);
        strict(&fixture).unwrap();
    }

    #[test]
    fn a_large_table_lies_in_several_extents() {
        let mut fixture = Fixture::with_virtual(VirtualTableForm::Header);
        let mut many = entries();
        many.resize(700, NO_BLOCK);
        let body = table(VirtualTableForm::Header, &many, NO_BLOCK);
        let (first, rest) = body.split_at(2048);
        fixture.put_bytes(BlockAddress::new(0, 600), first);
        fixture.put_bytes(BlockAddress::new(0, 500), rest);
        let extents = [
            ShortAd::new(ExtentKind::Recorded, 2048, 600),
            ShortAd::new(ExtentKind::Recorded, u32::try_from(rest.len()).unwrap(), 500),
        ];
        let icb = BlockAddress::new(0, VIRTUAL_TABLE);
        let kind = FileType::VIRTUAL_ALLOCATION_TABLE;
        fixture.entry(icb, kind, AllocationForm::Short, body.len() as u64, extents.as_bytes());
        let volume = strict(&fixture).unwrap();
        assert_eq!(volume.partitions()[1].length_blocks, 700);
        volume.lookup("hello.txt").unwrap();
    }

    #[test]
    fn more_entries_than_the_device_has_blocks_are_damage() {
        let mut fixture = Fixture::with_virtual(VirtualTableForm::Header);
        let icb = BlockAddress::new(0, VIRTUAL_TABLE);
        let body = table(VirtualTableForm::Header, &[], NO_BLOCK);
        fixture.put_bytes(BlockAddress::new(0, 600), &body);
        let mut extents = std::vec![ShortAd::new(ExtentKind::Recorded, 2048, 600)];
        extents.extend([ShortAd::new(ExtentKind::Unallocated, 0x3FFF_F800, 0); 200]);
        let kind = FileType::VIRTUAL_ALLOCATION_TABLE;
        let size = 200 << 30;
        fixture.entry(icb, kind, AllocationForm::Short, size, extents.as_bytes());
        let error = Volume::open(&fixture.image, &OpenOptions::default()).unwrap_err();
        assert!(matches!(error, Error::Corrupt(Corrupt { fault: Fault::TooLarge { .. }, .. })), "{error}");
        // The one before it counts then.
        fixture.virtual_table(500, VirtualTableForm::Header, NO_BLOCK);
        assert_eq!(block(&fixture.open()), 500);
    }

    #[test]
    fn what_only_looks_like_tables_is_given_up() {
        let mut fixture = Fixture::with_virtual(VirtualTableForm::Header);
        fixture.virtual_table(400, VirtualTableForm::Header, NO_BLOCK);
        let put = |fixture: &mut Fixture, blocks: core::ops::RangeInclusive<u32>| {
            for block in blocks {
                fixture.virtual_table_with(block, VirtualTableForm::Header, b"none", &[]);
            }
        };
        put(&mut fixture, VIRTUAL_TABLE - 14..=VIRTUAL_TABLE);
        assert_eq!(block(&fixture.open()), 400);
        put(&mut fixture, VIRTUAL_TABLE - 15..=VIRTUAL_TABLE);
        assert!(Volume::open(&fixture.image, &OpenOptions::default()).is_err());
    }

    #[test]
    fn a_volume_without_any_table_cannot_be_opened_and_says_why() {
        let mut fixture = Fixture::with_virtual(VirtualTableForm::Header);
        fixture.sector(PARTITION + VIRTUAL_TABLE)[..2048].fill(0);
        let error = Volume::open(&fixture.image, &OpenOptions::default()).unwrap_err();
        assert!(std::string::ToString::to_string(&error).contains("virtual allocation table"), "{error}");
    }
}
