//! Directories (ECMA-167 4/8.6, 4/14.4): the file identifiers in a body, read as a stream.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::{borrow::Cow, format, string::String, vec::Vec};

use super::ReadAt;
use super::directory_entry::DirectoryEntry;
use super::entry::Entry;
use super::extents::{Extent, Extents};
use super::space::{Space, whole_blocks};
use super::tolerance::Tolerance;
use crate::error::{Corrupt, Error, Fault, Result};
use crate::file::{AllocationForm, FileIdentifierDescriptor};
use crate::general::{Descriptor, ExtentKind, text};
use crate::units::BlockAddress;

/// How much of a directory is read at once.
const CHUNK_BYTES: u64 = 64 * 1024;
/// Descriptors are padded to a multiple of so many bytes, so that one begins at such a multiple.
const STEP_BYTES: u32 = 4;

/// The file identifiers of a directory in the order of recording, parent and deleted ones among them.
///
/// A damaged one is an error, and the stream goes on with the next that is sound. It ends where the directory does, or
/// after an error of the device or of the directory's extents, or for those who are strict after any.
#[derive(Debug)]
pub struct Directory<'a, R> {
    space: &'a Space<R>,
    icb: BlockAddress,
    extents: Extents<'a, R>,
    /// The extent that is being read, and how much of it has been.
    extent: Extent,
    extent_read_bytes: u64,
    /// Bytes of the body that have not been read.
    unread_bytes: u64,
    /// What has been read and not been dropped yet; `position` is where the next descriptor begins.
    window: Vec<u8>,
    position: usize,
    /// The offset of `position` in the body.
    offset_bytes: u64,
    /// What the window was filled with, oldest first: descriptors run across blocks and extents.
    pieces: VecDeque<Piece>,
    /// Where it was looked for, there is no sound descriptor, and that has been said.
    lost: bool,
    /// The names so far, if they are compared: only by those who are strict.
    names: BTreeSet<String>,
}

/// Bytes of the window that were read in one go.
#[derive(Clone, Copy, Debug)]
struct Piece {
    offset_bytes: u64,
    extent_start: BlockAddress,
    skip_bytes: u64,
}

impl<'a, R: ReadAt> Directory<'a, R> {
    pub(super) fn new(space: &'a Space<R>, entry: &Entry) -> Result<Self> {
        if !entry.is_directory() {
            return Err(Error::NotADirectory(format!("the file at {}", entry.icb)));
        }
        let fault = |fault| Corrupt::new("directory", entry.icb, fault);
        let (size_bytes, limit) = (entry.size_bytes, space.device.size_bytes());
        if size_bytes > limit {
            return Err(fault(Fault::TooLarge { what: "bytes", value: size_bytes, limit }).into());
        }
        let mut window = Vec::new();
        if entry.form == AllocationForm::Embedded {
            let embedded = usize::try_from(size_bytes).ok().and_then(|size| entry.allocation.get(..size));
            let too_short = Fault::TooShort { needed: size_bytes, found: entry.allocation.len() as u64 };
            window.extend_from_slice(embedded.ok_or_else(|| fault(too_short))?);
        }
        let within_entry = Piece { offset_bytes: 0, extent_start: entry.block, skip_bytes: 0 };
        Ok(Self {
            space,
            icb: entry.icb,
            extents: Extents::new(space, entry, Cow::Owned(entry.allocation.clone())),
            extent: Extent { kind: ExtentKind::Recorded, start: entry.block, bytes: 0 },
            extent_read_bytes: 0,
            unread_bytes: size_bytes.saturating_sub(window.len() as u64),
            window,
            position: 0,
            offset_bytes: 0,
            pieces: VecDeque::from([within_entry]),
            lost: false,
            names: BTreeSet::new(),
        })
    }

    /// Those that stand for files: not the parent, and nothing deleted.
    pub fn live(self) -> impl Iterator<Item = Result<DirectoryEntry>> {
        self.filter(|entry| entry.as_ref().map_or(true, DirectoryEntry::is_live))
    }

    /// Reads on until there are so many bytes from the next descriptor on; whether the body has as many.
    fn fill_to(&mut self, bytes: usize) -> Result<bool> {
        while self.ahead().len() < bytes {
            if self.unread_bytes == 0 {
                return Ok(false);
            }
            self.fill()?;
        }
        Ok(true)
    }

    /// The bytes that are there, from the next descriptor on.
    fn ahead(&self) -> &[u8] {
        self.window.get(self.position..).unwrap_or_default()
    }

    /// Reads on in the extent, or in the next. What fails here ends the directory.
    fn fill(&mut self) -> Result<()> {
        let filled = self.try_fill();
        if filled.is_err() {
            self.unread_bytes = 0;
            self.window.clear();
        }
        filled
    }

    fn try_fill(&mut self) -> Result<()> {
        while self.extent_read_bytes >= self.extent.bytes {
            self.extent = self.next_extent()?;
            self.extent_read_bytes = 0;
        }
        let left = self.extent.bytes.saturating_sub(self.extent_read_bytes).min(self.unread_bytes);
        let count = left.min(CHUNK_BYTES);
        self.window.drain(..self.position.min(self.window.len()));
        self.position = 0;
        let kept = self.window.len();
        self.window.resize(kept.saturating_add(usize::try_from(count).unwrap_or(0)), 0);
        let (_, new) = self.window.split_at_mut(kept);
        self.space.read(self.extent.start, self.extent_read_bytes, new)?;
        self.pieces.push_back(Piece {
            offset_bytes: self.offset_bytes.saturating_add(kept as u64),
            extent_start: self.extent.start,
            skip_bytes: self.extent_read_bytes,
        });
        self.extent_read_bytes = self.extent_read_bytes.saturating_add(count);
        self.unread_bytes = self.unread_bytes.saturating_sub(count);
        Ok(())
    }

    fn next_extent(&mut self) -> Result<Extent> {
        let fault = match self.extents.next() {
            Some(Ok(extent)) if extent.kind == ExtentKind::Recorded => return Ok(extent),
            Some(Ok(_)) => Fault::Missing("recorded extent"),
            Some(Err(error)) => return Err(error),
            None => {
                let found = self.offset_bytes.saturating_add(self.ahead().len() as u64);
                Fault::TooShort { needed: found.saturating_add(self.unread_bytes), found }
            }
        };
        Err(Corrupt::new("directory", self.icb, fault).into())
    }

    /// The descriptor at the position. There must be a byte of it in the window.
    fn parse(&mut self) -> Result<DirectoryEntry> {
        type Fixed = FileIdentifierDescriptor;
        let block = self.block();
        self.fill_to(Fixed::FIXED_LEN)?;
        let fixed = Fixed::peek(self.ahead(), block)?;
        let found = fixed.tag.kind();
        if found != Fixed::IDENTIFIER {
            let fault = Fault::Identifier { expected: Fixed::IDENTIFIER.0, found: found.0 };
            return Err(Corrupt::new(Fixed::NAME, block, fault).into());
        }
        let bytes = fixed.total_len();
        // Where descriptors are looked for byte by byte, one that claims more than a block is not worth its CRC.
        if self.lost && bytes > self.space.block_size.len() {
            let fault = Fault::Field { field: "length", value: bytes as u64 };
            return Err(Corrupt::new(Fixed::NAME, block, fault).into());
        }
        self.fill_to(bytes)?;
        let whole = Fixed::split(self.ahead(), block)?;
        let described = bytes.saturating_sub(whole.padding.len());
        let entry = DirectoryEntry {
            offset_bytes: self.offset_bytes,
            len_bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            block,
            tag: whole.fixed.tag,
            version: whole.fixed.file_version_number.get(),
            characteristics: whole.fixed.file_characteristics,
            icb: whole.fixed.icb,
            name: whole.name.to_vec(),
            implementation_use: whole.implementation_use.to_vec(),
        };
        self.judge(&entry, described)?;
        Ok(entry)
    }

    /// Notes what is bent in a descriptor that can be read.
    fn judge(&mut self, entry: &DirectoryEntry, described_bytes: usize) -> Result<()> {
        const NAME: &str = FileIdentifierDescriptor::NAME;
        let space = self.space;
        let (at, met) = (entry.block, &space.met);
        let fault = |fault| Corrupt::new(NAME, at, fault);
        space.check_cover(&entry.tag, described_bytes, NAME, at)?;
        let found = entry.tag.location.get();
        if found != at.block.0 {
            let cause = fault(Fault::Location { expected: at.block.0, found });
            met.bend(Tolerance::OtherLocation, at, cause)?;
        }
        if entry.is_live()
            && let Some(cause) = text::name_fault(&entry.name)
        {
            met.bend(Tolerance::IllegalName, at, fault(Fault::Text(cause)))?;
        }
        if met.is_strict() && entry.is_live() && !self.names.insert(entry.name_text()) {
            met.bend(Tolerance::SameName, at, fault(Fault::SameName))?;
        }
        Ok(())
    }

    /// The block in which the descriptor at the position begins.
    fn block(&mut self) -> BlockAddress {
        while self.pieces.get(1).is_some_and(|second| second.offset_bytes <= self.offset_bytes) {
            self.pieces.pop_front();
        }
        let block = self.pieces.front().and_then(|piece| {
            let skip = self.offset_bytes.checked_sub(piece.offset_bytes)?.checked_add(piece.skip_bytes)?;
            let blocks = whole_blocks(self.space.block_size, skip);
            piece.extent_start.checked_add(u32::try_from(blocks).ok()?)
        });
        block.unwrap_or(self.icb)
    }

    fn advance(&mut self, bytes: u32) {
        self.position = self.position.saturating_add(bytes as usize);
        self.offset_bytes = self.offset_bytes.saturating_add(bytes.into());
    }
}

impl<R: ReadAt> Iterator for Directory<'_, R> {
    type Item = Result<DirectoryEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.fill_to(1) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
            match self.parse() {
                Ok(entry) => {
                    self.advance(entry.len_bytes);
                    self.lost = false;
                    return Some(Ok(entry));
                }
                Err(error) => {
                    let ended = self.window.is_empty();
                    if self.space.met.is_strict() {
                        self.unread_bytes = 0;
                        self.window.clear();
                        return Some(Err(error));
                    }
                    self.advance(STEP_BYTES);
                    if !core::mem::replace(&mut self.lost, true) || ended {
                        self.space.met.count(Tolerance::DamagedIdentifier, self.icb);
                        return Some(Err(error));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Volume;
    use super::super::fixture::{Fixture, HELLO, PARTITION, ROOT, SEAL, SUB, Scratched, length};
    use super::super::found::OpenOptions;
    use super::*;
    use crate::file::FileType;
    use crate::general::{ShortAd, Tag};
    use crate::units::BlockSize;
    use std::string::{String, ToString};
    use zerocopy::IntoBytes;

    fn names(volume: &Volume<impl ReadAt>) -> Vec<Option<String>> {
        let root = volume.root().unwrap();
        volume.directory(&root).unwrap().live().map(|child| Some(child.ok()?.name_text())).collect()
    }

    /// A root of so many names `0`, `1`, ... in extents of so many blocks, with a block between each two.
    fn many(block_size: BlockSize, count: u32, extent_blocks: u32) -> Fixture {
        let mut fixture = Fixture::plain(block_size);
        let texts: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        let files: Vec<_> = texts.iter().map(|name| (name.as_str(), 0, HELLO)).collect();
        let body = fixture.names(ROOT, 7, &files);
        let mut list = Vec::new();
        let extent_bytes = extent_blocks as usize * block_size.len();
        for (block, piece) in (30..).step_by(extent_blocks as usize + 1).zip(body.chunks(extent_bytes)) {
            list.extend(ShortAd::new(ExtentKind::Recorded, length(piece), block).as_bytes());
            fixture.put_bytes(fixture.at(block), piece);
        }
        let size = body.len() as u64;
        fixture.entry(fixture.at(ROOT), FileType::DIRECTORY, AllocationForm::Short, size, &list);
        fixture
    }

    #[test]
    fn everything_recorded_is_there_and_live_is_what_users_see() {
        let fixture = Fixture::plain(BlockSize::B2048);
        let volume = fixture.open();
        let sub = volume.entry(&fixture.icb(SUB)).unwrap();
        let all: Vec<_> = volume.directory(&sub).unwrap().map(Result::unwrap).collect();
        assert!(all[0].is_parent() && all[0].is_directory() && all[0].name.is_empty());
        assert_eq!((all[1].name_text().as_str(), all[1].is_deleted()), ("gone", true));
        assert_eq!((all[2].name_text().as_str(), all[2].is_live()), ("deep.txt", true));
        assert!(all.iter().all(|child| child.block == fixture.at(SUB)));
        assert_eq!(all[2].offset_bytes, u64::from(all[0].len_bytes + all[1].len_bytes));
        assert_eq!(names(&volume), ["hello.txt", "holes", "sub", "日本"].map(|name| Some(name.into())));
    }

    #[test]
    fn descriptors_run_across_blocks_and_extents() {
        for extent_blocks in [1, 2, 3, 200] {
            let fixture = many(BlockSize::B512, 400, extent_blocks);
            let volume = fixture.open();
            let directory = volume.directory(&volume.root().unwrap()).unwrap();
            let all: Vec<_> = directory.map(Result::unwrap).collect();
            assert_eq!(all.len(), 401);
            for (number, child) in all[1..].iter().enumerate() {
                assert_eq!(child.name_text(), number.to_string());
                let block = child.offset_bytes / 512;
                let extent = block / u64::from(extent_blocks);
                assert_eq!(u64::from(child.block.block.0), 30 + block + extent);
            }
        }
    }

    #[test]
    fn a_damaged_descriptor_is_one_error_and_the_others_are_found() {
        let mut fixture = many(BlockSize::B512, 100, 200);
        let count = |fixture: &Fixture| {
            let found = names(&fixture.open());
            (found.iter().flatten().count(), found.iter().filter(|name| name.is_none()).count())
        };
        assert_eq!(count(&fixture), (100, 0));
        fixture.sector(PARTITION + 31)[70] ^= 1;
        assert_eq!(count(&fixture), (99, 1));
        fixture.sector(PARTITION + 33)[..512].fill(0);
        let (found, errors) = count(&fixture);
        assert!((85..=88).contains(&found) && errors == 2, "{found} names, {errors} errors");
        fixture.sector(PARTITION + 33)[..512].fill(1);
        assert_eq!(count(&fixture).0, found);
    }

    #[test]
    fn a_device_that_fails_ends_the_directory() {
        let image = many(BlockSize::B2048, 1000, 2).image;
        let device = Scratched { image, bad_sectors: std::vec![PARTITION + 33] };
        let found = names(&Volume::open(device, &OpenOptions::default()).unwrap());
        assert_eq!(found.iter().filter(|name| name.is_none()).count(), 1);
        assert!(found.last().unwrap().is_none() && found.len() > 50);
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        let extent = ShortAd::new(ExtentKind::Recorded, 2048, 7);
        let mut errors = |form, size, list: &[u8]| {
            fixture.entry(fixture.at(ROOT), FileType::DIRECTORY, form, size, list);
            let volume = fixture.open();
            volume
                .directory(&volume.root().unwrap())
                .map(|directory| directory.filter(Result::is_err).count())
        };
        let short = AllocationForm::Short;
        assert!(errors(short, u64::MAX, extent.as_bytes()).is_err());
        assert!(errors(short, 1 << 20, extent.as_bytes()).unwrap() > 0);
        assert!(errors(short, 40, ShortAd::new(ExtentKind::Allocated, 40, 7).as_bytes()).unwrap() > 0);
        assert!(errors(AllocationForm::Embedded, 100, &[0; 99]).is_err());
        assert_eq!(errors(AllocationForm::Embedded, 30, &[0; 30]).unwrap(), 1);
        assert_eq!(errors(AllocationForm::Embedded, 0, &[]).unwrap(), 0);
        let volume = fixture.open();
        let file = volume.entry(&fixture.icb(HELLO)).unwrap();
        assert!(matches!(volume.directory(&file), Err(Error::NotADirectory(_))));
    }

    #[test]
    fn a_seal_over_part_of_a_descriptor_or_of_another_place_is_accepted() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        let mut body = fixture.names(ROOT, 12345, &[("some", 0, HELLO)]);
        let (parent, some) = body.split_at_mut(40);
        Tag::seal_partly(parent, FileIdentifierDescriptor::IDENTIFIER, SEAL, 7, 2);
        Tag::seal_partly(some, FileIdentifierDescriptor::IDENTIFIER, SEAL, 99, 0);
        fixture.root(&body);
        assert_eq!(names(&fixture.open()), [Some("some".into())]);
    }
}
