//! File entries: what is in their fixed part (R095 to R106).

use alloc::vec::Vec;

use super::allocation::Body;
use super::context::At;
use super::files::Files;
use super::identifier::{Expected, knows_no_owners};
use super::integrity::FIRST_UNIQUE_ID;
use super::role::Role;
use super::seal::{CrcLength, Expected as ExpectedTag, Sealed};
use crate::file::{ExtendedFileEntry, FileEntry, FileType, flags};
use crate::general::{Descriptor, LongAd, Tag, TagIdentifier, Timestamp};
use crate::read::ReadAt;
use crate::units::BlockAddress;

/// An entry, taken apart. Of a file entry the fixed part is that of an extended one.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'b> {
    /// The ICB, by which others refer to it.
    pub(super) icb: BlockAddress,
    /// Where it lies itself: elsewhere only in ICBs of strategy 4096.
    pub(super) block: BlockAddress,
    pub(super) fixed: ExtendedFileEntry,
    pub(super) attributes: &'b [u8],
    pub(super) allocation: &'b [u8],
}

/// What is kept of an entry.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) icb: BlockAddress,
    pub(super) kind: FileType,
    pub(super) flags: u16,
    pub(super) unique_id: u64,
    pub(super) links: u16,
    pub(super) size_bytes: u64,
    pub(super) object_size_bytes: u64,
    pub(super) streams: Option<LongAd>,
    pub(super) body: Body,
}

impl Facts {
    pub(super) fn is_directory(&self) -> bool {
        matches!(self.kind, FileType::DIRECTORY | FileType::STREAM_DIRECTORY)
    }

    pub(super) fn is_system(&self) -> bool {
        self.flags & flags::SYSTEM != 0
    }
}

impl View<'_> {
    pub(super) fn is_extended(&self) -> bool {
        self.fixed.tag.kind() == TagIdentifier::EXTENDED_FILE_ENTRY
    }

    pub(super) fn kind(&self) -> FileType {
        self.fixed.icb_tag.kind()
    }

    pub(super) fn at(&self) -> At {
        let name = if self.is_extended() { ExtendedFileEntry::NAME } else { FileEntry::NAME };
        At::new(name, self.block)
    }

    fn streams(&self) -> Option<LongAd> {
        let icb = self.fixed.stream_directory_icb;
        (icb.bytes() > 0).then_some(icb)
    }
}

impl<R: ReadAt> Files<'_, R> {
    /// Checks the entry that `block`, read from the beginning of an ICB, holds or leads to.
    pub(super) fn visit(&mut self, icb: &LongAd, block: &[u8], role: Role) -> Option<Facts> {
        let icb_start = icb.start();
        let Some(first) = self.view(icb_start, icb_start, block) else {
            self.complete = false;
            return None;
        };
        let mut later = Vec::new();
        let view = match self.latest(icb, &first, &mut later) {
            None => first,
            Some(address) => match self.view(icb_start, address, &later) {
                Some(view) => view,
                None => first,
            },
        };
        Some(self.entry(&view, role))
    }

    /// Checks an entry and all that hangs from it but the contents of directories.
    fn entry(&mut self, view: &View<'_>, role: Role) -> Facts {
        let at = view.at();
        self.icb_tag(view, role);
        self.fields(view, role);
        self.owner(at, view);
        self.times(at, view);
        self.unique_id(at, view.fixed.unique_id.get(), role);
        self.attributes(view, role);
        let body = self.allocation(view, role);
        let fixed = &view.fixed;
        Facts {
            icb: view.icb,
            kind: view.kind(),
            flags: fixed.icb_tag.flags.get(),
            unique_id: fixed.unique_id.get(),
            links: fixed.file_link_count.get(),
            size_bytes: fixed.information_length.get(),
            object_size_bytes: fixed.object_size.get(),
            streams: view.streams(),
            body,
        }
    }

    /// The entry in a block, if there is one and its parts fit the block.
    pub(super) fn view<'b>(
        &mut self,
        icb: BlockAddress,
        address: BlockAddress,
        block: &'b [u8],
    ) -> Option<View<'b>> {
        let extended = Tag::read(block).is_some_and(|tag| tag.kind() == TagIdentifier::EXTENDED_FILE_ENTRY);
        let (kind, name, fixed, fixed_bytes) = if extended {
            let fixed = *ExtendedFileEntry::peek(block, address).ok()?;
            (ExtendedFileEntry::IDENTIFIER, ExtendedFileEntry::NAME, fixed, size_of::<ExtendedFileEntry>())
        } else {
            let fixed = widened(FileEntry::peek(block, address).ok()?);
            (FileEntry::IDENTIFIER, FileEntry::NAME, fixed, size_of::<FileEntry>())
        };
        let at = At::new(name, address);
        let length = |field: u32| usize::try_from(field).unwrap_or(usize::MAX);
        let attribute_bytes = length(fixed.length_of_extended_attributes.get());
        let allocation_bytes = length(fixed.length_of_allocation_descriptors.get());
        let bytes = fixed_bytes.saturating_add(attribute_bytes).saturating_add(allocation_bytes);
        let tail = block.get(fixed_bytes..).unwrap_or_default();
        let parts = tail
            .split_at_checked(attribute_bytes)
            .and_then(|(attributes, rest)| Some((attributes, rest.get(..allocation_bytes)?)));
        // Of an entry that is too long, nobody knows how long it should be.
        let crc = if parts.is_some() { CrcLength::Whole } else { CrcLength::Any };
        let expected = ExpectedTag { kind, location: address.block.0, bytes, crc };
        if self.context.seal(at, block, expected) == Sealed::Missing {
            return None;
        }
        let Some((attributes, allocation)) = parts else {
            let room = block.len();
            self.error(101, at, format_args!("{bytes} bytes long, in a block of {room}"));
            return None;
        };
        self.context.zeros_behind(at, block, bytes);
        Some(View { icb, block: address, fixed, attributes, allocation })
    }

    fn fields(&mut self, view: &View<'_>, role: Role) {
        let (at, fixed) = (view.at(), &view.fixed);
        if !view.is_extended() && self.context.rules().extended_file_entries {
            let revision = self.context.revision;
            self.warning(95, at, format_args!("in UDF {revision} it should be an extended one"));
        }
        let permissions = fixed.permissions.get();
        if permissions >> 15 != 0 {
            self.error(97, at, format_args!("permissions are {permissions:#x}"));
        }
        let record = (fixed.record_format, fixed.record_display_attributes, fixed.record_length.get());
        if record != (0, 0, 0) {
            self.error(
                98,
                at,
                format_args!("record format, attributes and length are {record:?}, must be 0"),
            );
        }
        if fixed.checkpoint == 0 {
            self.error(100, at, format_args!("checkpoint is 0"));
        }
        let length = fixed.length_of_extended_attributes.get();
        if length % 4 != 0 {
            self.error(101, at, format_args!("{length} bytes of extended attributes, no multiple of 4"));
        }
        // What streams add is known when their directory has been read.
        let (size, object) = (fixed.information_length.get(), fixed.object_size.get());
        if view.streams().is_none() && object != size {
            self.error(104, at, format_args!("object size is {object}, the body has {size} bytes"));
        }
        if role.is_of_streams() && view.streams().is_some() {
            self.error(127, at, format_args!("a stream has streams"));
        }
        if role.is_metadata_file() {
            self.metadata_file_fields(view);
        }
    }

    /// What must not be in the entries of the files of a metadata partition.
    fn metadata_file_fields(&mut self, view: &View<'_>) {
        let (at, fixed) = (view.at(), &view.fixed);
        if !view.attributes.is_empty() || view.streams().is_some() {
            self.error(83, at, format_args!("there are extended attributes or streams"));
        }
        let (unique_id, links) = (fixed.unique_id.get(), fixed.file_link_count.get());
        if unique_id != 0 {
            self.error(83, at, format_args!("unique id is {unique_id}, must be 0"));
        }
        if links != 0 {
            self.error(99, at, format_args!("link count is {links}, must be 0"));
        }
    }

    fn owner(&mut self, at: At, view: &View<'_>) {
        let (fixed, none) = (&view.fixed, u32::MAX);
        let developer = &fixed.implementation_identifier;
        self.context.identifier(at, "implementation identifier", developer, Expected::Developer);
        let (uid, gid) = (fixed.uid.get(), fixed.gid.get());
        if (uid != none || gid != none) && knows_no_owners(developer) {
            self.warning(
                96,
                at,
                format_args!("owner is {uid}, group {gid}, for a system that knows neither"),
            );
        }
    }

    fn times(&mut self, at: At, view: &View<'_>) {
        let fixed = &view.fixed;
        let others: [(&str, &Timestamp); 3] = [
            ("access time", &fixed.access_date_and_time),
            ("modification time", &fixed.modification_date_and_time),
            ("attribute time", &fixed.attribute_date_and_time),
        ];
        for (field, time) in others {
            self.context.time(at, field, time);
        }
        if view.is_extended() {
            self.context.creation_time(at, &fixed.creation_date_and_time, &others.map(|(_, time)| time));
        }
    }

    fn unique_id(&mut self, at: At, found: u64, role: Role) {
        let owner = match role {
            Role::Root | Role::SystemStreams | Role::SystemStream => 0,
            Role::Streams(owner) | Role::Stream(owner) => owner,
            Role::Named => return self.named_unique_id(at, found),
            Role::Metadata
            | Role::MetadataMirror
            | Role::MetadataBitmap
            | Role::Attributes
            | Role::VirtualTable => return,
        };
        if found != owner {
            self.error(105, at, format_args!("unique id is {found}, must be {owner}"));
        }
    }

    fn named_unique_id(&mut self, at: At, found: u64) {
        if found & u64::from(u32::MAX) < FIRST_UNIQUE_ID.into() {
            self.error(
                105,
                at,
                format_args!("unique id is {found}, its low 32 bits below {FIRST_UNIQUE_ID}"),
            );
        } else if let Some(next) = self.next_unique_id.filter(|next| found >= *next) {
            self.error(105, at, format_args!("unique id is {found}, but the next free one is {next}"));
        }
    }
}

/// The extended form of a file entry, which has no streams; its creation time is no field.
fn widened(entry: &FileEntry) -> ExtendedFileEntry {
    ExtendedFileEntry {
        tag: entry.tag,
        icb_tag: entry.icb_tag,
        uid: entry.uid,
        gid: entry.gid,
        permissions: entry.permissions,
        file_link_count: entry.file_link_count,
        record_format: entry.record_format,
        record_display_attributes: entry.record_display_attributes,
        record_length: entry.record_length,
        information_length: entry.information_length,
        object_size: entry.information_length,
        logical_blocks_recorded: entry.logical_blocks_recorded,
        access_date_and_time: entry.access_date_and_time,
        modification_date_and_time: entry.modification_date_and_time,
        creation_date_and_time: Timestamp::ZERO,
        attribute_date_and_time: entry.attribute_date_and_time,
        checkpoint: entry.checkpoint,
        reserved: 0.into(),
        extended_attribute_icb: entry.extended_attribute_icb,
        stream_directory_icb: LongAd::default(),
        implementation_identifier: entry.implementation_identifier,
        unique_id: entry.unique_id,
        length_of_extended_attributes: entry.length_of_extended_attributes,
        length_of_allocation_descriptors: entry.length_of_allocation_descriptors,
    }
}
