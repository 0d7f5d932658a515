//! Virtual allocation tables (UDF 1.50 2.2.10, UDF 2.60 2.2.11): both forms, what they say of the volume, their entries.

use alloc::{string::String, vec::Vec};

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::ReadAt;
use super::body::Body;
use super::entry::Entry;
use super::space::{Space, whole_blocks};
use crate::error::{Corrupt, Fault, Result};
use crate::file::FileType;
use crate::file::attribute;
use crate::general::{DString, EntityIdentifier};
use crate::partition::{NO_BLOCK, VirtualTableExtension, VirtualTableHeader, VirtualTableTrailer};
use crate::units::{Block, BlockAddress};

const NAME: &str = "virtual allocation table";
/// The largest write-once discs have 62.5 million blocks of 2048 bytes.
const MAX_ENTRIES: u64 = 1 << 26;
/// What Windows records behind a header that says it has no implementation use: the beginning of `\0*Microsoft Windows`.
const UNTOLD_IDENTIFIER: [u8; 4] = *b"\0*Mi";
const ENTRY_BYTES: u64 = 4;

/// Which form a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VirtualTableForm {
    /// Up to 1.50: the entries, then a trailer.
    Trailer,
    /// From 2.00 on: a header, then the entries.
    Header,
}

/// What a table says, but for its entries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VirtualTableHead {
    /// The entry of the file that the table is.
    pub entry: Entry,
    /// The form it has.
    pub form: VirtualTableForm,
    /// The file type stands for the other form.
    pub has_wrong_file_type: bool,
    /// The header has an implementation use of 32 bytes that it does not tell.
    pub has_untold_use: bool,
    /// The header, of that form.
    pub header: Option<VirtualTableHeader>,
    /// The trailer, of the other form.
    pub trailer: Option<VirtualTableTrailer>,
    /// What an extended attribute adds to the other form, if there is one and it belongs to this table.
    pub extension: Option<VirtualTableExtension>,
    /// The ICB of the table before this one, in the partition that this one lies in.
    pub previous: Option<BlockAddress>,
    /// Where in the file the entries begin.
    pub entries_offset_bytes: u64,
    /// How many there are.
    pub entry_count: u64,
}

/// A table with its entries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VirtualTable {
    /// All else.
    pub head: VirtualTableHead,
    entries: Vec<U32>,
}

impl VirtualTableHead {
    /// The table whose ICB lies in this block.
    pub(super) fn load<R: ReadAt>(space: &Space<R>, icb: BlockAddress) -> Result<Self> {
        let entry = space.entry(icb)?;
        let forms = match entry.kind {
            FileType::VIRTUAL_ALLOCATION_TABLE => [VirtualTableForm::Header, VirtualTableForm::Trailer],
            FileType::UNSPECIFIED => [VirtualTableForm::Trailer, VirtualTableForm::Header],
            FileType(value) => {
                let fault = Fault::Field { field: "file type", value: value.into() };
                return Err(Corrupt::new(NAME, icb, fault).into());
            }
        };
        let [by_type, other] = forms;
        let body = Body::new(space, &entry)?;
        Self::read(&entry, &body, by_type).or_else(|error| {
            let bent = Self::read(&entry, &body, other).map_err(|_| error)?;
            Ok(Self { has_wrong_file_type: true, ..bent })
        })
    }

    fn read<R: ReadAt>(entry: &Entry, body: &Body<'_, R>, form: VirtualTableForm) -> Result<Self> {
        match form {
            VirtualTableForm::Trailer => Self::with_trailer(entry, body),
            VirtualTableForm::Header => Self::with_header(entry, body),
        }
    }

    fn with_trailer<R: ReadAt>(entry: &Entry, body: &Body<'_, R>) -> Result<Self> {
        let mut trailer = VirtualTableTrailer::new_zeroed();
        let length = size_of::<VirtualTableTrailer>() as u64;
        let entries_bytes = body.len().checked_sub(length).ok_or_else(|| too_short(entry, length))?;
        read_exactly(entry, body, entries_bytes, trailer.as_mut_bytes())?;
        if !trailer.identifier.is(EntityIdentifier::VIRTUAL_TABLE) {
            let fault = Fault::Missing("identifier of a virtual allocation table at its end");
            return Err(Corrupt::new(NAME, entry.icb, fault).into());
        }
        Ok(Self {
            entry: entry.clone(),
            form: VirtualTableForm::Trailer,
            has_wrong_file_type: false,
            has_untold_use: false,
            header: None,
            trailer: Some(trailer),
            extension: extension(entry),
            previous: block_of(trailer.previous_icb_location.get(), entry),
            entries_offset_bytes: 0,
            entry_count: entries_bytes / ENTRY_BYTES,
        })
    }

    fn with_header<R: ReadAt>(entry: &Entry, body: &Body<'_, R>) -> Result<Self> {
        let mut header = VirtualTableHeader::new_zeroed();
        let fixed = size_of::<VirtualTableHeader>() as u64;
        read_exactly(entry, body, 0, header.as_mut_bytes())?;
        let length = u64::from(header.length_of_header.get());
        if length != fixed.saturating_add(header.length_of_implementation_use.get().into()) {
            let fault = Fault::Field { field: "length of header", value: length };
            return Err(Corrupt::new(NAME, entry.icb, fault).into());
        }
        let mut offset = length;
        let mut first = [0; 4];
        let has_untold_use = length == fixed
            && read_exactly(entry, body, fixed, &mut first).is_ok()
            && first == UNTOLD_IDENTIFIER;
        if has_untold_use {
            offset = offset.saturating_add(size_of::<EntityIdentifier>() as u64);
        }
        let entries_bytes = body.len().checked_sub(offset).ok_or_else(|| too_short(entry, offset))?;
        Ok(Self {
            entry: entry.clone(),
            form: VirtualTableForm::Header,
            has_wrong_file_type: false,
            has_untold_use,
            header: Some(header),
            trailer: None,
            extension: None,
            previous: block_of(header.previous_icb_location.get(), entry),
            entries_offset_bytes: offset,
            entry_count: entries_bytes / ENTRY_BYTES,
        })
    }

    /// The label, if the table has one.
    #[must_use]
    pub fn label(&self) -> Option<String> {
        let of_header = self.header.as_ref().map(|header| header.logical_volume_identifier);
        let of_extension = || self.extension.as_ref().map(|extension| extension.logical_volume_identifier);
        let label: DString<128> = of_header.or_else(of_extension)?;
        Some(label.decode_lossy()).filter(|text| !text.is_empty())
    }

    /// Names of files and directories on the volume, if the table counts them.
    #[must_use]
    pub fn counts(&self) -> Option<(u32, u32)> {
        let of_header = self.header.map(|header| (header.number_of_files, header.number_of_directories));
        let of_extension =
            || self.extension.map(|extension| (extension.number_of_files, extension.number_of_directories));
        of_header.or_else(of_extension).map(|(files, directories)| (files.get(), directories.get()))
    }
}

fn block_of(location: u32, entry: &Entry) -> Option<BlockAddress> {
    (location != NO_BLOCK).then_some(BlockAddress { block: Block(location), ..entry.icb })
}

fn too_short(entry: &Entry, needed: u64) -> Corrupt {
    Corrupt::new(NAME, entry.icb, Fault::TooShort { needed, found: entry.size_bytes })
}

fn read_exactly<R: ReadAt>(
    entry: &Entry,
    body: &Body<'_, R>,
    offset_bytes: u64,
    out: &mut [u8],
) -> Result<()> {
    if body.read(offset_bytes, out)? < out.len() {
        return Err(too_short(entry, offset_bytes.saturating_add(out.len() as u64)).into());
    }
    Ok(())
}

/// The extended attribute of a table of 1.50; one with another unique id is left over from another table.
fn extension(entry: &Entry) -> Option<VirtualTableExtension> {
    attribute::iter(&entry.extended_attributes, entry.block.into()).find_map(|attribute| {
        let (head, bytes) = attribute.ok()?;
        let (identifier, _) = EntityIdentifier::read_from_prefix(bytes.get(16..)?).ok()?;
        let (extension, _) = VirtualTableExtension::read_from_prefix(bytes.get(48..)?).ok()?;
        let is_it = head.attribute_type.get() == attribute::IMPLEMENTATION_USE
            && identifier.is(EntityIdentifier::VIRTUAL_TABLE_EXTENSION)
            && extension.verification_id.get() == entry.unique_id;
        is_it.then_some(extension)
    })
}

impl VirtualTable {
    /// Reads the entries of a table.
    pub(super) fn load<R: ReadAt>(space: &Space<R>, head: VirtualTableHead) -> Result<Self> {
        // Each entry stands for a block that was written once.
        let limit = whole_blocks(space.block_size, space.device.size_bytes()).min(MAX_ENTRIES);
        let too_large = || {
            let fault = Fault::TooLarge { what: "entries", value: head.entry_count, limit };
            Corrupt::new(NAME, head.entry.icb, fault)
        };
        let count = usize::try_from(head.entry_count).ok().filter(|_| head.entry_count <= limit);
        let count = count.ok_or_else(too_large)?;
        let mut entries = Vec::new();
        entries.try_reserve_exact(count).map_err(|_| too_large())?;
        entries.resize(count, U32::new(0));
        let body = Body::new(space, &head.entry)?;
        read_exactly(&head.entry, &body, head.entries_offset_bytes, entries.as_mut_bytes())?;
        Ok(Self { head, entries })
    }

    /// For each block of the virtual partition the block of the partition underneath, or [`NO_BLOCK`].
    #[must_use]
    pub fn entries(&self) -> &[U32] {
        &self.entries
    }

    /// The block of the partition underneath that holds a virtual block; `None` behind the table's end.
    pub(super) fn find(&self, block: Block) -> Option<u32> {
        let index = usize::try_from(block.0).ok()?;
        self.entries.get(index).map(|entry| entry.get())
    }
}
