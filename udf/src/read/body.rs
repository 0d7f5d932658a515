//! The body of a file: its bytes, wherever they lie.

use alloc::{borrow::Cow, vec::Vec};

use super::ReadAt;
use super::entry::Entry;
use super::extents::{Extent, Extents};
use super::space::Space;
use super::tolerance::Tolerance;
use crate::error::{Corrupt, Fault, Result};
use crate::file::AllocationForm;
use crate::general::ExtentKind;
use crate::units::{BlockAddress, BlockSize};

/// Extents of one body that are kept in memory: 400 MB of them, from a file in pieces of one block each.
const MAX_EXTENTS: usize = 1 << 24;

/// A file's body, its extents resolved: for many reads, by many threads.
#[derive(Debug)]
pub struct Body<'a, R> {
    space: &'a Space<R>,
    icb: BlockAddress,
    size_bytes: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Embedded(Vec<u8>),
    Extents(ExtentMap),
}

impl<'a, R: ReadAt> Body<'a, R> {
    pub(super) fn new(space: &'a Space<R>, entry: &Entry) -> Result<Self> {
        let content = if entry.form == AllocationForm::Embedded {
            Content::Embedded(entry.allocation.clone())
        } else {
            let mut extents = Extents::new(space, entry, Cow::Borrowed(&entry.allocation));
            let mut map = ExtentMap::collect(&mut extents, entry.size_bytes, space.block_size, entry.icb)?;
            let recorded_bytes = map.len_bytes();
            if map.fill_last_block(entry.size_bytes, space.block_size) {
                let fault = Fault::TooShort { needed: entry.size_bytes, found: recorded_bytes };
                let cause = Corrupt::new("body", entry.icb, fault);
                space.met.bend(Tolerance::EndsInBlock, entry.icb, cause)?;
            }
            if map.len_bytes() < entry.size_bytes {
                let fault = Fault::TooShort { needed: entry.size_bytes, found: map.len_bytes() };
                let cause = Corrupt::new("body", entry.icb, fault);
                space.met.bend(Tolerance::EndsInHole, entry.icb, cause)?;
            }
            Content::Extents(map)
        };
        Ok(Self { space, icb: entry.icb, size_bytes: entry.size_bytes, content })
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.size_bytes
    }

    /// Whether there is not a single byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.size_bytes == 0
    }

    /// Its extents up to the end of the file, joined where they go on from one another; none if it is embedded.
    #[must_use]
    pub fn extents(&self) -> &[Extent] {
        match &self.content {
            Content::Embedded(_) => &[],
            Content::Extents(map) => map.extents(),
        }
    }

    /// Bytes at its end that are lost: an entry may claim more than is embedded in it. Behind the last extent there is
    /// nothing to be lost, but a hole ([`Tolerance::EndsInHole`]).
    #[must_use]
    pub fn lost_bytes(&self) -> u64 {
        match &self.content {
            Content::Embedded(bytes) => self.size_bytes.saturating_sub(bytes.len() as u64),
            Content::Extents(_) => 0,
        }
    }

    /// Reads from an offset on; fewer bytes than there is room for, perhaps none, where the file ends.
    ///
    /// What is not recorded reads as zeros, also behind the last extent: Linux writes files that end in a hole so.
    pub fn read(&self, offset_bytes: u64, out: &mut [u8]) -> Result<usize> {
        let left = self.size_bytes.saturating_sub(offset_bytes);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        let (out, _) = out.split_at_mut(count);
        match &self.content {
            Content::Embedded(bytes) => {
                copy_from(bytes, offset_bytes, out).ok_or_else(|| {
                    let fault = Fault::TooShort { needed: self.size_bytes, found: bytes.len() as u64 };
                    Corrupt::new("body", self.icb, fault)
                })?;
            }
            Content::Extents(map) => self.read_extents(map, offset_bytes, out)?,
        }
        Ok(count)
    }

    fn read_extents(&self, map: &ExtentMap, mut at: u64, mut out: &mut [u8]) -> Result<()> {
        while let Some((extent, skip)) = map.find(at).filter(|_| !out.is_empty()) {
            let room = usize::try_from(extent.bytes.saturating_sub(skip)).unwrap_or(usize::MAX);
            let (piece, rest) = out.split_at_mut(room.min(out.len()));
            self.space.read_extent(extent, skip, piece)?;
            at = at.saturating_add(piece.len() as u64);
            out = rest;
        }
        out.fill(0);
        Ok(())
    }
}

/// The whole body, if it is at most so long.
pub(super) fn read_all<R: ReadAt>(space: &Space<R>, entry: &Entry, limit_bytes: u64) -> Result<Vec<u8>> {
    let too_large = |limit| {
        let fault = Fault::TooLarge { what: "bytes of the body", value: entry.size_bytes, limit };
        Corrupt::new("body", entry.icb, fault)
    };
    if entry.size_bytes > limit_bytes {
        return Err(too_large(limit_bytes).into());
    }
    let size = usize::try_from(entry.size_bytes).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    // The limit may be no limit, and a hole as large as it likes: that is an error and not the end of the program.
    bytes.try_reserve_exact(size).map_err(|_| too_large(isize::MAX as u64))?;
    bytes.resize(size, 0);
    Body::new(space, entry)?.read(0, &mut bytes)?;
    Ok(bytes)
}

/// Copies the bytes from an offset on, if there are so many.
fn copy_from(bytes: &[u8], offset_bytes: u64, out: &mut [u8]) -> Option<()> {
    let start = usize::try_from(offset_bytes).ok()?;
    let from = if out.is_empty() { &[] } else { bytes.get(start..start.checked_add(out.len())?)? };
    out.copy_from_slice(from);
    Some(())
}

impl<R: ReadAt> Space<R> {
    /// Reads of an extent what begins `skip_bytes` into it.
    pub(super) fn read_extent(&self, extent: &Extent, skip_bytes: u64, out: &mut [u8]) -> Result<()> {
        if extent.kind == ExtentKind::Recorded {
            return self.read(extent.start, skip_bytes, out);
        }
        out.fill(0);
        Ok(())
    }
}

/// The extents of a body and where in the body each ends.
#[derive(Clone, Debug, Default)]
pub(super) struct ExtentMap {
    extents: Vec<Extent>,
    /// Ascending; as many as there are extents.
    ends: Vec<u64>,
}

impl ExtentMap {
    /// Collects the extents that make up the first `size_bytes`; the last is cut there.
    pub(super) fn collect(
        extents: impl Iterator<Item = Result<Extent>>,
        size_bytes: u64,
        block_size: BlockSize,
        icb: BlockAddress,
    ) -> Result<Self> {
        let mut map = Self::default();
        for extent in extents {
            let left = size_bytes.saturating_sub(map.len_bytes());
            if left == 0 {
                break;
            }
            let mut extent = extent?;
            extent.bytes = extent.bytes.min(left);
            if map.extents.len() >= MAX_EXTENTS {
                let fault = Fault::TooLarge { what: "extents", value: u64::MAX, limit: MAX_EXTENTS as u64 };
                return Err(Corrupt::new("body", icb, fault).into());
            }
            map.push(extent, block_size);
        }
        Ok(map)
    }

    /// Takes in what the file has of the block that its last extent ends in; whether there is such.
    fn fill_last_block(&mut self, size_bytes: u64, block_size: BlockSize) -> bool {
        let (Some(last), Some(end)) = (self.extents.last_mut(), self.ends.last_mut()) else { return false };
        let used = block_size.offset_in_block(last.bytes);
        let more = u64::from(block_size.bytes()).saturating_sub(used).min(size_bytes.saturating_sub(*end));
        if last.kind != ExtentKind::Recorded || used == 0 || more == 0 {
            return false;
        }
        last.bytes = last.bytes.saturating_add(more);
        *end = end.saturating_add(more);
        true
    }

    fn push(&mut self, extent: Extent, block_size: BlockSize) {
        let end = self.len_bytes().saturating_add(extent.bytes);
        if let (Some(last), Some(last_end)) = (self.extents.last_mut(), self.ends.last_mut())
            && last.absorb(&extent, block_size)
        {
            *last_end = end;
        } else {
            self.extents.push(extent);
            self.ends.push(end);
        }
    }

    pub(super) fn extents(&self) -> &[Extent] {
        &self.extents
    }

    pub(super) fn len_bytes(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The extent of an offset, and how far into it that is.
    pub(super) fn find(&self, offset_bytes: u64) -> Option<(&Extent, u64)> {
        let index = self.ends.partition_point(|end| *end <= offset_bytes);
        let extent = self.extents.get(index)?;
        let start = self.ends.get(index)?.saturating_sub(extent.bytes);
        Some((extent, offset_bytes.saturating_sub(start)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, HELLO, HOLES};
    use super::*;
    use crate::file::FileType;
    use crate::general::ShortAd;
    use zerocopy::IntoBytes;

    #[test]
    fn any_part_of_a_body_reads_as_the_whole() {
        let fixture = Fixture::plain(BlockSize::B512);
        let volume = fixture.open();
        for (block, expected) in
            [(HELLO, b"hello world".to_vec()), (HOLES, [&[1; 512][..], &[0; 1024], &[2; 100]].concat())]
        {
            let entry = volume.entry(&fixture.icb(block)).unwrap();
            let body = volume.body(&entry).unwrap();
            assert_eq!(body.len(), expected.len() as u64);
            for offset in (0..expected.len() + 2).step_by(97).chain([511, 512, 513, 1635]) {
                for length in [0, 1, 300, 1200, 5000] {
                    let mut out = std::vec![9; length];
                    let count = body.read(offset as u64, &mut out).unwrap();
                    let rest = expected.get(offset..).unwrap_or_default();
                    assert_eq!(out[..count], rest[..length.min(rest.len())], "{length} bytes from {offset}");
                    assert!(out[count..].iter().all(|byte| *byte == 9));
                }
            }
            assert_eq!(volume.read_all(&entry, 10_000).unwrap(), expected);
            assert!(volume.read_all(&entry, 10).is_err());
            assert_eq!(body.read(u64::MAX, &mut [0; 4]).unwrap(), 0);
        }
    }

    #[test]
    fn a_body_may_be_larger_than_memory_and_than_its_extents() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        let hole = ShortAd::new(ExtentKind::Unallocated, BlockSize::B2048.max_extent_bytes(), 0);
        let list = [hole; 200];
        let size = u64::from(hole.bytes()) * 200 - 1;
        fixture.entry(fixture.at(30), FileType::REGULAR, AllocationForm::Short, size, list.as_bytes());
        let volume = fixture.open();
        let entry = volume.entry(&fixture.icb(30)).unwrap();
        let body = volume.body(&entry).unwrap();
        assert_eq!(body.extents().len(), 1);
        assert_eq!(body.read(size - 5, &mut [1; 10]).unwrap(), 5);

        fixture.entry(fixture.at(30), FileType::REGULAR, AllocationForm::Short, u64::MAX, list.as_bytes());
        let volume = fixture.open();
        let entry = volume.entry(&fixture.icb(30)).unwrap();
        assert!(volume.read_all(&entry, u64::MAX).is_err());
        let body = volume.body(&entry).unwrap();
        let mut out = [1; 100];
        assert_eq!(body.read(size - 1, &mut out).unwrap(), 100);
        assert_eq!(out, [0; 100]);
        assert_eq!(body.read(u64::MAX - 1, &mut out).unwrap(), 1);
    }

    #[test]
    fn what_was_written_into_the_last_block_is_read_though_its_extent_ends_before() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        let descriptor = ShortAd::new(ExtentKind::Recorded, 500, 50);
        for size in [700, 2048, 2050] {
            fixture.entry(
                fixture.at(30),
                FileType::REGULAR,
                AllocationForm::Short,
                size,
                descriptor.as_bytes(),
            );
            let sector = fixture.sectors_of(fixture.at(50))[0];
            fixture.sector(sector).fill(7);
            let volume = fixture.open();
            let body = volume.read_all(&volume.entry(&fixture.icb(30)).unwrap(), 10_000).unwrap();
            let (written, hole) = body.split_at(body.len().min(2048));
            assert!(written.iter().all(|byte| *byte == 7), "{size} bytes");
            assert!(hole.iter().all(|byte| *byte == 0), "{size} bytes");
            let told: Vec<_> = volume.tolerated().iter().map(|one| one.tolerance).collect();
            assert!(told.contains(&Tolerance::EndsInBlock), "{told:?}");
        }
    }

    #[test]
    fn embedded_bodies_end_with_their_bytes() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        fixture.entry(fixture.at(30), FileType::REGULAR, AllocationForm::Embedded, 12, b"hello");
        let volume = fixture.open();
        let entry = volume.entry(&fixture.icb(30)).unwrap();
        let mut out = [0; 5];
        assert_eq!(volume.read(&entry, 0, &mut out).unwrap(), 5);
        assert!(volume.read(&entry, 1, &mut out).is_err());
    }
}
