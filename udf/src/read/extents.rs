//! Extents of a file's body (ECMA-167 4/12, 4/14.14): its allocation descriptors, also those that did not fit the entry.

use alloc::{borrow::Cow, collections::BTreeSet, vec::Vec};

use zerocopy::FromBytes;

use super::ReadAt;
use super::entry::Entry;
use super::space::Space;
use crate::error::{Corrupt, Error, Fault, Result};
use crate::file::{AllocationExtentDescriptor, AllocationForm};
use crate::general::{Descriptor, ExtentKind, LongAd, ShortAd};
use crate::units::{BlockAddress, BlockSize, PartitionReference};

/// A piece of a file's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// How far it is recorded; never a continuation.
    pub kind: ExtentKind,
    /// Where it begins; of no meaning for what is not allocated.
    pub start: BlockAddress,
    /// Its length. The last of a file may end within a block.
    pub bytes: u64,
}

impl Extent {
    /// Blocks that it takes.
    #[must_use]
    pub fn blocks(&self, block_size: BlockSize) -> u64 {
        block_size.blocks_for(self.bytes)
    }

    /// Takes in the next extent if that goes on exactly where this one ends.
    pub(super) fn absorb(&mut self, next: &Self, block_size: BlockSize) -> bool {
        let goes_on = self.kind == next.kind
            && block_size.offset_in_block(self.bytes) == 0
            && match self.kind {
                ExtentKind::Recorded | ExtentKind::Allocated => {
                    let blocks = u32::try_from(self.blocks(block_size)).ok();
                    blocks.and_then(|blocks| self.start.checked_add(blocks)) == Some(next.start)
                }
                ExtentKind::Unallocated | ExtentKind::Continuation => true,
            };
        if goes_on {
            self.bytes = self.bytes.saturating_add(next.bytes);
        }
        goes_on
    }
}

/// The extents of a body in order, those behind its end too (UDF 2.3.6.4).
///
/// Allocation extents are followed and not shown; a chain of them that leads back into itself is an error. After an error
/// there is nothing more.
#[derive(Debug)]
pub struct Extents<'a, R> {
    space: &'a Space<R>,
    /// Of extents described by short descriptors.
    partition: PartitionReference,
    form: AllocationForm,
    /// Allocation descriptors of the entry, later of an allocation extent.
    list: Cow<'a, [u8]>,
    position: usize,
    followed: BTreeSet<BlockAddress>,
}

impl<'a, R: ReadAt> Extents<'a, R> {
    pub(super) fn new(space: &'a Space<R>, entry: &Entry, list: Cow<'a, [u8]>) -> Self {
        Self::of_list(space, entry.icb.partition, entry.form, list)
    }

    /// Those of a list of descriptors of this form; short ones are of the partition.
    pub(super) fn of_list(
        space: &'a Space<R>,
        partition: PartitionReference,
        form: AllocationForm,
        list: Cow<'a, [u8]>,
    ) -> Self {
        Self { space, partition, form, list, position: 0, followed: BTreeSet::new() }
    }

    /// The blocks of allocation extent descriptors that have been followed so far, by address.
    pub fn allocation_extents(&self) -> impl Iterator<Item = BlockAddress> + '_ {
        self.followed.iter().copied()
    }

    /// The next descriptor of the list; none after one of length 0, which ends it (ECMA-167 4/12).
    fn descriptor(&mut self) -> Result<Option<LongAd>> {
        let rest = self.list.get(self.position..).unwrap_or_default();
        let (descriptor, size) = match self.form {
            AllocationForm::Embedded => return Ok(None),
            AllocationForm::Extended => {
                let what = "extended allocation descriptors, which UDF forbids";
                return Err(Error::Unsupported(what.into()));
            }
            AllocationForm::Short => {
                let Ok((short, _)) = ShortAd::read_from_prefix(rest) else { return Ok(None) };
                let start = BlockAddress::new(self.partition.0, short.position.get());
                (LongAd::new(short.kind(), short.bytes(), start), size_of::<ShortAd>())
            }
            AllocationForm::Long => {
                let Ok((long, _)) = LongAd::read_from_prefix(rest) else { return Ok(None) };
                (long, size_of::<LongAd>())
            }
        };
        self.position = self.position.saturating_add(size);
        Ok((descriptor.bytes() > 0).then_some(descriptor))
    }

    /// Goes on with the list in an allocation extent (ECMA-167 4/14.5).
    fn follow(&mut self, address: BlockAddress) -> Result<()> {
        if !self.followed.insert(address) {
            let fault = Fault::Loop("allocation extents");
            return Err(Corrupt::new(AllocationExtentDescriptor::NAME, address, fault).into());
        }
        let list = self.space.parse_block(address, |block| {
            let head = AllocationExtentDescriptor::view(block, address.block.0, address)?;
            let length = usize::try_from(head.length_of_allocation_descriptors.get()).unwrap_or(usize::MAX);
            let tail = block.get(size_of::<AllocationExtentDescriptor>()..).unwrap_or_default();
            tail.get(..length).map(<[u8]>::to_vec).ok_or_else(|| {
                let fault = Fault::TooShort { needed: length as u64, found: tail.len() as u64 };
                Corrupt::new(AllocationExtentDescriptor::NAME, address, fault)
            })
        })?;
        self.list = Cow::Owned(list);
        self.position = 0;
        Ok(())
    }

    fn step(&mut self) -> Result<Option<Extent>> {
        while let Some(descriptor) = self.descriptor()? {
            let (kind, start) = (descriptor.kind(), descriptor.start());
            if kind != ExtentKind::Continuation {
                return Ok(Some(Extent { kind, start, bytes: descriptor.bytes().into() }));
            }
            self.follow(start)?;
        }
        Ok(None)
    }
}

impl<R: ReadAt> Iterator for Extents<'_, R> {
    type Item = Result<Extent>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if !matches!(step, Ok(Some(_))) {
            self.form = AllocationForm::Embedded;
            self.list = Cow::Owned(Vec::new());
        }
        step.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, HOLES};
    use super::*;
    use crate::file::FileType;
    use zerocopy::IntoBytes;

    const KIND: ExtentKind = ExtentKind::Recorded;

    fn short(kind: ExtentKind, bytes: u32, block: u32) -> Vec<u8> {
        ShortAd::new(kind, bytes, block).as_bytes().to_vec()
    }

    /// A file at block 30 with these short descriptors.
    fn file(fixture: &mut Fixture, size: u64, descriptors: &[Vec<u8>]) {
        let list = descriptors.concat();
        fixture.entry(fixture.at(30), FileType::REGULAR, AllocationForm::Short, size, &list);
    }

    fn starts(fixture: &Fixture) -> (Vec<Option<u32>>, Vec<u32>) {
        let volume = fixture.open();
        let entry = volume.entry(&fixture.icb(30)).unwrap();
        let mut extents = volume.extents(&entry);
        let starts = extents.by_ref().map(|extent| extent.ok().map(|extent| extent.start.block.0)).collect();
        (starts, extents.allocation_extents().map(|address| address.block.0).collect())
    }

    #[test]
    fn long_descriptors_have_all_kinds() {
        let fixture = Fixture::plain(BlockSize::B2048);
        let volume = fixture.open();
        let entry = volume.entry(&fixture.icb(HOLES)).unwrap();
        let extents: Vec<_> = volume.extents(&entry).map(|extent| extent.unwrap()).collect();
        let kinds: Vec<_> = extents.iter().map(|extent| (extent.kind, extent.bytes)).collect();
        let unallocated = (ExtentKind::Unallocated, 2048);
        assert_eq!(kinds, [(KIND, 2048), unallocated, (ExtentKind::Allocated, 2048), (KIND, 100)]);
    }

    #[test]
    fn allocation_extents_are_followed_and_a_descriptor_of_no_length_ends() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        let next = |block| short(ExtentKind::Continuation, 2048, block);
        file(&mut fixture, 2048 * 3, &[short(KIND, 2048, 50), next(31), short(KIND, 2048, 99)]);
        let list = [short(KIND, 2048, 60), next(32)].concat();
        fixture.allocation_extent(fixture.at(31), &list);
        let list = [short(KIND, 2048, 70), short(KIND, 0, 0), short(KIND, 2048, 99)].concat();
        fixture.allocation_extent(fixture.at(32), &list);
        assert_eq!(starts(&fixture), (std::vec![Some(50), Some(60), Some(70)], std::vec![31, 32]));
    }

    #[test]
    fn a_chain_into_itself_is_an_error_and_the_end() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        let next = |block| short(ExtentKind::Continuation, 2048, block);
        file(&mut fixture, u64::MAX, &[next(31)]);
        fixture.allocation_extent(fixture.at(31), &[short(KIND, 2048, 60), next(32)].concat());
        fixture.allocation_extent(fixture.at(32), &next(31));
        assert_eq!(starts(&fixture).0, [Some(60), None]);
        let volume = fixture.open();
        assert!(volume.body(&volume.entry(&fixture.icb(30)).unwrap()).is_err());
    }

    #[test]
    fn what_is_no_allocation_extent_is_an_error_and_the_end() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        file(&mut fixture, 4096, &[short(ExtentKind::Continuation, 2048, 600)]);
        assert_eq!(starts(&fixture).0, [None]);
        fixture.entry(fixture.at(30), FileType::REGULAR, AllocationForm::Extended, 10, &[1; 20]);
        assert_eq!(starts(&fixture).0, [None]);
        fixture.entry(fixture.at(30), FileType::REGULAR, AllocationForm::Short, 10, &[1; 7]);
        assert_eq!(starts(&fixture).0, []);
    }

    #[test]
    fn extents_are_joined_where_they_go_on() {
        let extent = |kind, block, bytes| Extent { kind, start: BlockAddress::new(0, block), bytes };
        let join = |first: Extent, second| {
            let mut joined = first;
            joined.absorb(&second, BlockSize::B512).then_some(joined.bytes)
        };
        assert_eq!(join(extent(KIND, 5, 1024), extent(KIND, 7, 100)), Some(1124));
        assert_eq!(join(extent(KIND, 5, 1000), extent(KIND, 7, 100)), None);
        assert_eq!(join(extent(KIND, 5, 1024), extent(KIND, 8, 100)), None);
        assert_eq!(join(extent(KIND, 5, 1024), extent(ExtentKind::Allocated, 7, 100)), None);
        let hole = extent(ExtentKind::Unallocated, 0, 512);
        assert_eq!(join(hole, hole), Some(1024));
        assert_eq!(join(extent(KIND, u32::MAX, 512), extent(KIND, 0, 100)), None);
    }
}
