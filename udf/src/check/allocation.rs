//! Allocation descriptors: where a body is, and whether it is all there (R102, R103, R107 to R114).

use alloc::{borrow::Cow, vec::Vec};

use zerocopy::FromBytes;

use super::context::At;
use super::entry::View;
use super::files::Files;
use super::role::Role;
use super::seal::{CrcLength, Expected, Sealed};
use crate::file::{AllocationExtentDescriptor, AllocationForm, FileType};
use crate::general::{Descriptor, ExtentKind, LongAd, ShortAd};
use crate::read::{Extent, PartitionKind, ReadAt};
use crate::units::{BlockAddress, BlockSize};
use crate::volume::AccessType;

/// In the flags of a long descriptor: the extent is erased (UDF 2.3.10.1).
const ERASED: u16 = 1;

/// What is kept of a body's place.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// Nothing, because nobody will read it; whether it has extents, and all of them are only allocated.
    Passed { only_allocated: bool },
    /// It is embedded in this block.
    Embedded { block: BlockAddress, offset: usize, bytes: usize },
    /// Its extents up to its end.
    Extents(Vec<Extent>),
}

/// A walk along the descriptors of one body.
struct Walk {
    at: At,
    role: Role,
    form: AllocationForm,
    icb: BlockAddress,
    size_bytes: u64,
    /// How much of the body the descriptors so far cover.
    covered_bytes: u64,
    recorded_blocks: u64,
    /// The body's extents, if they will be needed.
    kept: Option<Vec<Extent>>,
    descriptors: u64,
    only_allocated: bool,
    is_directory: bool,
}

impl<R: ReadAt> Files<'_, R> {
    /// Checks where the body of an entry is, and marks its blocks as used.
    pub(super) fn allocation(&mut self, view: &View<'_>, role: Role) -> Body {
        let at = view.at();
        let form = view.fixed.icb_tag.allocation_form();
        self.form_fits(view, role, form);
        match form {
            Some(AllocationForm::Embedded) => self.embedded(at, view),
            Some(form @ (AllocationForm::Short | AllocationForm::Long)) => self.extents(view, role, form),
            // That it must not be has been said.
            Some(AllocationForm::Extended) | None => {
                self.complete = false;
                Body::Passed { only_allocated: false }
            }
        }
    }

    /// On volumes with a metadata partition the kind of file tells how its body must be described (UDF 2.2.13.1).
    fn form_fits(&mut self, view: &View<'_>, role: Role, form: Option<AllocationForm>) {
        let Some(form) = form.filter(|form| *form != AllocationForm::Embedded) else { return };
        let (is_directory, at) = (is_directory(view), view.at());
        match role {
            Role::Metadata | Role::MetadataMirror if form != AllocationForm::Short => {
                self.error(83, at, format_args!("its extents must be described by short descriptors"));
            }
            Role::Metadata | Role::MetadataMirror | Role::MetadataBitmap => {}
            _ if self.metadata.is_some() && is_directory != (form == AllocationForm::Short) => {
                let right = if is_directory { "short" } else { "long" };
                self.error(88, at, format_args!("its extents must be described by {right} descriptors"));
            }
            _ => {}
        }
    }

    fn embedded(&mut self, at: At, view: &View<'_>) -> Body {
        let (bytes, size) = (view.allocation.len(), view.fixed.information_length.get());
        if size != bytes as u64 {
            self.error(102, at, format_args!("{bytes} bytes are embedded, the body has {size}"));
        }
        let recorded = view.fixed.logical_blocks_recorded.get();
        if recorded != 0 {
            self.error(102, at, format_args!("the body is embedded, but {recorded} blocks are recorded"));
        }
        let fixed = if view.is_extended() {
            size_of::<crate::file::ExtendedFileEntry>()
        } else {
            size_of::<crate::file::FileEntry>()
        };
        let bytes = bytes.min(usize::try_from(size).unwrap_or(usize::MAX));
        Body::Embedded { block: view.block, offset: fixed.saturating_add(view.attributes.len()), bytes }
    }

    fn extents(&mut self, view: &View<'_>, role: Role, form: AllocationForm) -> Body {
        let is_directory = is_directory(view);
        let mut walk = Walk {
            at: view.at(),
            role,
            form,
            icb: view.icb,
            size_bytes: view.fixed.information_length.get(),
            covered_bytes: 0,
            recorded_blocks: 0,
            kept: (is_directory || role.is_metadata_file() || role == Role::Attributes || self.keeps_body)
                .then(Vec::new),
            descriptors: 0,
            only_allocated: true,
            is_directory,
        };
        let mut list = Cow::Borrowed(view.allocation);
        while let Some(next) = self.descriptors(&list, &mut walk) {
            let Some(longer) = self.allocation_extent(&next, &walk) else {
                self.complete = false;
                return walk.into_body();
            };
            list = Cow::Owned(longer);
        }
        self.totals(&walk, view.fixed.logical_blocks_recorded.get());
        walk.into_body()
    }

    fn totals(&mut self, walk: &Walk, recorded: u64) {
        let Walk { at, covered_bytes, size_bytes, recorded_blocks, .. } = *walk;
        if walk.descriptors == 0 && size_bytes > 0 {
            self.error(107, at, format_args!("there are no extents, but {size_bytes} bytes"));
        } else if covered_bytes < size_bytes {
            self.error(108, at, format_args!("its extents are {covered_bytes} bytes, the body {size_bytes}"));
        }
        if recorded != recorded_blocks {
            self.error(
                103,
                at,
                format_args!("{recorded} blocks recorded, its extents have {recorded_blocks}"),
            );
        }
    }

    /// Looks at a list of descriptors up to its end; where it goes on, if it does.
    fn descriptors(&mut self, list: &[u8], walk: &mut Walk) -> Option<LongAd> {
        let size =
            if walk.form == AllocationForm::Short { size_of::<ShortAd>() } else { size_of::<LongAd>() };
        if !list.len().is_multiple_of(size) {
            let bytes = list.len();
            self.error(107, walk.at, format_args!("{bytes} bytes of allocation descriptors of {size} each"));
        }
        for bytes in list.chunks_exact(size) {
            let descriptor = walk.read(bytes)?;
            if descriptor.bytes() == 0 {
                if descriptor.location.logical_block_number != 0 {
                    let block = descriptor.location.logical_block_number;
                    self.error(110, walk.at, format_args!("an empty extent at block {block}, must be at 0"));
                }
                return None;
            }
            if descriptor.kind() == ExtentKind::Continuation {
                return Some(descriptor);
            }
            self.extent(&descriptor, walk);
        }
        None
    }

    fn extent(&mut self, descriptor: &LongAd, walk: &mut Walk) {
        let (at, kind) = (walk.at, descriptor.kind());
        let extent = Extent { kind, start: descriptor.start(), bytes: descriptor.bytes().into() };
        let blocks = extent.blocks(self.block_size());
        walk.descriptors = walk.descriptors.saturating_add(1);
        walk.only_allocated &= kind == ExtentKind::Allocated;
        self.extent_length(&extent, walk);
        self.extent_kind(&extent, walk);
        self.virtual_extent(&extent, blocks, at);
        self.erased(descriptor, walk);
        if kind == ExtentKind::Recorded {
            walk.recorded_blocks = walk.recorded_blocks.saturating_add(blocks);
        }
        if kind == ExtentKind::Unallocated {
            if extent.start.block.0 != 0 {
                let start = extent.start;
                self.error(110, at, format_args!("an extent that is not allocated at {start}, must be at 0"));
            }
        } else if !self.inside(111, at, &extent) {
            self.complete = false;
        } else if walk.role != Role::MetadataMirror {
            // The mirror may share its extents with the metadata file; who compares both marks them.
            self.take(at, extent.start, blocks);
        }
        let left = walk.size_bytes.saturating_sub(walk.covered_bytes);
        // Non-allocatable space is all of its extents, whatever its length says.
        if walk.kept.is_some() && self.keeps_body {
            self.keep(extent, walk);
        } else if walk.kept.is_some() && left > 0 {
            self.keep(Extent { bytes: extent.bytes.min(left), ..extent }, walk);
        }
        walk.covered_bytes = walk.covered_bytes.saturating_add(extent.bytes);
    }

    /// Keeps an extent of a body that will be read; those of a directory joined where they go on from one another. All
    /// together may have so many; what has more is not read.
    fn keep(&mut self, extent: Extent, walk: &mut Walk) {
        let size = self.block_size();
        let Some(kept) = &mut walk.kept else { return };
        if walk.is_directory
            && let Some(last) = kept.last_mut()
            && last.kind == extent.kind
            && size.offset_in_block(last.bytes) == 0
            && end(last, size) == Some(extent.start)
        {
            last.bytes = last.bytes.saturating_add(extent.bytes);
        } else if let Some(room) = self.room_extents.checked_sub(1) {
            kept.push(extent);
            self.room_extents = room;
        } else {
            self.complete = false;
            self.error(0, walk.at, format_args!("more extents than are kept in memory"));
        }
    }

    /// All extents of the body but the last are whole blocks, and that ends where the body does.
    fn extent_length(&mut self, extent: &Extent, walk: &Walk) {
        let left = walk.size_bytes.saturating_sub(walk.covered_bytes);
        let bytes = extent.bytes;
        if left == 0 {
            if extent.kind != ExtentKind::Allocated {
                self.error(
                    109,
                    walk.at,
                    format_args!("an extent of {bytes} bytes, recorded or not allocated, behind the end"),
                );
            }
        } else if bytes > left {
            self.error(
                108,
                walk.at,
                format_args!("its last extent has {bytes} bytes, of the body only {left} are left"),
            );
        } else if bytes < left && self.block_size().offset_in_block(bytes) != 0 {
            self.error(108, walk.at, format_args!("an extent of {bytes} bytes that is not the last"));
        }
    }

    /// Which kinds of extents may be, and in which partition, depends on the file.
    fn extent_kind(&mut self, extent: &Extent, walk: &Walk) {
        let (at, kind) = (walk.at, extent.kind);
        if walk.role.is_metadata_file() {
            if kind == ExtentKind::Allocated {
                self.error(83, at, format_args!("an extent that is allocated and not recorded"));
            }
            return;
        }
        let in_body = walk.covered_bytes < walk.size_bytes;
        if walk.is_directory && in_body && kind != ExtentKind::Recorded {
            self.error(117, at, format_args!("a part of the directory is not recorded"));
        }
        if let Some(metadata) = self.metadata.filter(|_| kind != ExtentKind::Unallocated)
            && walk.is_directory != (extent.start.partition == metadata)
        {
            let (start, right) = (extent.start, if walk.is_directory { "in" } else { "outside" });
            self.error(88, at, format_args!("its extent at {start} must be {right} the metadata partition"));
        }
    }

    /// Virtual blocks lie anywhere, so that an extent is one of them (UDF 2.3.10).
    fn virtual_extent(&mut self, extent: &Extent, blocks: u64, at: At) {
        let partition = self.partition(extent.start.partition);
        let is_virtual =
            partition.is_some_and(|partition| matches!(partition.kind, PartitionKind::Virtual(_)));
        if !is_virtual || blocks <= 1 || extent.kind == ExtentKind::Unallocated {
            return;
        }
        let message = format_args!("an extent of {blocks} virtual blocks");
        if self.context.rules().streams {
            self.error(78, at, message);
        } else {
            self.warning(78, at, message);
        }
    }

    fn erased(&mut self, descriptor: &LongAd, walk: &Walk) {
        if walk.form != AllocationForm::Long || descriptor.flags.get() & ERASED == 0 {
            return;
        }
        let start = descriptor.start();
        let access = self.partition(start.partition).and_then(|partition| partition.access);
        if descriptor.kind() != ExtentKind::Allocated || access != Some(AccessType::Rewritable) {
            self.error(114, walk.at, format_args!("the extent at {start} is marked erased"));
        }
    }

    /// The descriptors in an allocation extent. It is no part of the body, but its block is used.
    fn allocation_extent(&mut self, descriptor: &LongAd, walk: &Walk) -> Option<Vec<u8>> {
        let address = descriptor.start();
        let (bytes, block_bytes) = (descriptor.bytes(), self.block_size().bytes());
        if bytes != block_bytes {
            self.error(112, walk.at, format_args!("a continuation of {bytes} bytes, must be {block_bytes}"));
        }
        if let Some(metadata) = self.metadata
            && walk.role.is_metadata_file() == (address.partition == metadata)
        {
            self.error(
                88,
                walk.at,
                format_args!("its allocation extent at {address} is in the wrong partition"),
            );
        }
        let at = At::new(AllocationExtentDescriptor::NAME, address);
        let block = self.read_block(at, address)?;
        if !self.take(at, address, 1) {
            return None;
        }
        let head = AllocationExtentDescriptor::peek(&block, address).ok()?;
        let fixed = size_of::<AllocationExtentDescriptor>();
        let length = usize::try_from(head.length_of_allocation_descriptors.get()).unwrap_or(usize::MAX);
        let total = fixed.saturating_add(length);
        let full = self.context.rules().allocation_extent_crc_is_full;
        let crc = if full { CrcLength::HeadOrWhole } else { CrcLength::Head };
        let kind = AllocationExtentDescriptor::IDENTIFIER;
        let expected = Expected { kind, location: address.block.0, bytes: total, crc };
        if self.context.seal(at, &block, expected) == Sealed::Missing {
            return None;
        }
        if head.previous_allocation_extent_location != 0 {
            let previous = head.previous_allocation_extent_location;
            self.error(112, at, format_args!("previous allocation extent location is {previous}, must be 0"));
        }
        let list = block.get(fixed..total).map(<[u8]>::to_vec);
        if list.is_none() {
            self.error(8, at, format_args!("{total} bytes long, in a block of {block_bytes}"));
        }
        self.context.zeros_behind(at, &block, total);
        list
    }
}

impl Walk {
    /// A descriptor in its long form.
    fn read(&self, bytes: &[u8]) -> Option<LongAd> {
        if self.form == AllocationForm::Long {
            return LongAd::read_from_bytes(bytes).ok();
        }
        let short = ShortAd::read_from_bytes(bytes).ok()?;
        let start = BlockAddress::new(self.icb.partition.0, short.position.get());
        Some(LongAd::new(short.kind(), short.bytes(), start))
    }

    fn into_body(self) -> Body {
        let only_allocated = self.only_allocated && self.descriptors > 0;
        self.kept.map_or(Body::Passed { only_allocated }, Body::Extents)
    }
}

/// Where what lies behind an extent begins.
fn end(extent: &Extent, block_size: BlockSize) -> Option<BlockAddress> {
    extent.start.checked_add(u32::try_from(extent.blocks(block_size)).ok()?)
}

fn is_directory(view: &View<'_>) -> bool {
    matches!(view.kind(), FileType::DIRECTORY | FileType::STREAM_DIRECTORY)
}
