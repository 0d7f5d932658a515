//! Directories: the file identifiers in them, one by one (R116 to R121, R124, R127).

use alloc::{boxed::Box, vec::Vec};

use super::context::At;
use super::files::Files;
use super::identifier::Expected;
use super::role::Role;
use super::seal::{CrcLength, Expected as ExpectedTag, is_zero};
use super::stream;
use super::tree::Job;
use super::window::Window;
use crate::file::{FileIdentifierDescriptor as Identifier, characteristics};
use crate::general::{Descriptor, EntityIdentifier, LongAd, Tag, text};
use crate::read::ReadAt;
use crate::units::BlockAddress;
use crate::volume::AccessType;
use zerocopy::FromBytes;

/// Descriptors are padded to a multiple of so many bytes, so that one begins at such a multiple.
const STEP_BYTES: usize = 4;
/// The least implementation use, if there is any: an entity identifier (ECMA-167 4/14.4.6).
const LEAST_IMPLEMENTATION_USE: usize = 32;
/// Names of one directory that are kept in memory.
const MAX_NAMES: usize = 1 << 23;
/// Bits 5 to 7 of the file characteristics are reserved (ECMA-167 4/14.4.3).
const RESERVED_CHARACTERISTICS: u8 = 0xE0;

/// A name in a directory.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) name: Box<str>,
    pub(super) icb: LongAd,
    /// Where its file identifier is.
    pub(super) block: BlockAddress,
    pub(super) characteristics: u8,
    /// Bytes of the name as recorded.
    pub(super) name_bytes: u8,
    /// The name has a meaning, and can be compared.
    pub(super) comparable: bool,
}

impl Child {
    pub(super) fn has(&self, characteristic: u8) -> bool {
        self.characteristics & characteristic != 0
    }

    pub(super) fn at(&self) -> At {
        At::new(Identifier::NAME, self.block)
    }
}

/// A file identifier, taken apart, and where it is. Nothing of it is trusted but the lengths.
#[derive(Clone, Copy)]
struct Placed<'b> {
    /// All of it.
    bytes: &'b [u8],
    fixed: &'b Identifier,
    implementation_use: &'b [u8],
    name: &'b [u8],
    padding: &'b [u8],
    block: BlockAddress,
    /// How far into its block it begins.
    inside_bytes: u64,
    first: bool,
}

impl<R: ReadAt> Files<'_, R> {
    /// The names in a directory, deleted ones too. What is damaged is passed over.
    pub(super) fn identifiers(&mut self, at: At, job: &Job) -> Vec<Child> {
        let mut children = Vec::new();
        let body_bytes = job.facts.size_bytes;
        if !body_bytes.is_multiple_of(STEP_BYTES as u64) {
            self.error(117, at, format_args!("a directory of {body_bytes} bytes, no multiple of 4"));
        }
        let Some(mut window) = self.open(at, job) else {
            self.complete = false;
            return children;
        };
        let (mut first, mut parents) = (true, 0_u32);
        loop {
            if !window.fill(self, at, self.block_size().len()) {
                self.complete = false;
                break;
            }
            if window.ahead().is_empty() {
                break;
            }
            let Some(placed) = self.next(at, &mut window, first) else { break };
            first = false;
            let is_parent = placed.fixed.file_characteristics & characteristics::PARENT != 0;
            let child = self.identifier(&placed, job);
            if is_parent {
                parents = parents.saturating_add(1);
                self.parent(&placed, job);
            } else if children.len() < MAX_NAMES {
                children.push(child);
            } else {
                self.error(0, at, format_args!("more than {MAX_NAMES} names; the others are not looked at"));
                self.complete = false;
                break;
            }
            let bytes = placed.bytes.len();
            window.advance(bytes);
        }
        if parents != 1 {
            self.error(116, at, format_args!("{parents} names lead to the parent, must be one"));
        }
        children
    }

    /// All directories together fit on the device, unless they share blocks: then not all of them are read.
    fn open(&mut self, at: At, job: &Job) -> Option<Window> {
        let room = self.room_bytes.checked_sub(job.facts.size_bytes);
        if room.is_none() {
            self.error(0, at, format_args!("all directories together are larger than the device"));
        }
        self.room_bytes = room?;
        Window::open(self, at, &job.facts.body)
    }

    /// The file identifier at the position. What is none is passed over and told once.
    fn next<'w>(&mut self, at: At, window: &'w mut Window, first: bool) -> Option<Placed<'w>> {
        let mut lost = false;
        loop {
            let fits = split(window.ahead(), self.block_size().len(), lost).is_some();
            if fits {
                break;
            }
            if !lost {
                let (block, _) = window.block(self.block_size());
                self.not_an_identifier(At::new(Identifier::NAME, block), window.ahead());
                lost = true;
                self.complete = false;
            }
            window.advance(STEP_BYTES.min(window.ahead().len()));
            if !window.fill(self, at, self.block_size().len()) || window.ahead().is_empty() {
                return None;
            }
        }
        let (block, inside_bytes) = window.block(self.block_size());
        let placed = split(window.ahead(), self.block_size().len(), lost)?;
        Some(Placed { block, inside_bytes, first, ..placed })
    }

    fn not_an_identifier(&mut self, at: At, bytes: &[u8]) {
        let Ok(fixed) = Identifier::peek(bytes, at.place) else {
            let left = bytes.len();
            return self.error(117, at, format_args!("{left} bytes at the directory's end that are none"));
        };
        let found = fixed.tag.identifier;
        if fixed.tag.kind() != Identifier::IDENTIFIER {
            let right = Identifier::IDENTIFIER.0;
            return self.error(10, at, format_args!("tag identifier is {found}, must be {right}"));
        }
        let (total, block) = (fixed.total_len(), self.block_size().len());
        if total > block {
            return self.error(8, at, format_args!("{total} bytes long, in blocks of {block}"));
        }
        let left = bytes.len();
        self.error(117, at, format_args!("{total} bytes long, in the directory {left} are left"));
    }

    fn identifier(&mut self, placed: &Placed<'_>, job: &Job) -> Child {
        let Placed { fixed, name, block, .. } = *placed;
        let at = At::new(Identifier::NAME, block);
        let bits = fixed.file_characteristics;
        let has = |characteristic| bits & characteristic != 0;
        self.identifier_tag(at, placed, job);
        if fixed.file_version_number != 1 {
            self.error(118, at, format_args!("file version is {}, must be 1", fixed.file_version_number));
        }
        if bits & RESERVED_CHARACTERISTICS != 0 {
            self.error(118, at, format_args!("file characteristics are {bits:#04x}"));
        }
        let nameless = has(characteristics::PARENT);
        if nameless && !name.is_empty() || !nameless && name.len() < 2 {
            let (length, whose) = (name.len(), if nameless { "the parent" } else { "a file" });
            self.error(119, at, format_args!("a name of {length} bytes for {whose}"));
        }
        self.context.name(at, name, has(characteristics::DELETED));
        self.icb_address(at, &fixed.icb, has(characteristics::DELETED));
        self.implementation_use(at, placed.implementation_use);
        if !is_zero(placed.padding) {
            self.error(117, at, format_args!("its padding is not 0"));
        }
        let deleted_id = matches!(name.first(), Some(&(text::ID_8_BIT_DELETED | text::ID_16_BIT_DELETED)));
        let decoded = text::decode(name);
        Child {
            comparable: decoded.is_ok() && !name.is_empty() && !deleted_id,
            name: decoded.unwrap_or_else(|_| text::decode_lossy(name)).into(),
            icb: fixed.icb,
            block,
            characteristics: bits,
            name_bytes: fixed.length_of_file_identifier,
        }
    }

    fn identifier_tag(&mut self, at: At, placed: &Placed<'_>, job: &Job) {
        let Placed { bytes, block, inside_bytes, .. } = *placed;
        let expected = ExpectedTag {
            kind: Identifier::IDENTIFIER,
            location: block.block.0,
            bytes: bytes.len(),
            crc: CrcLength::Whole,
        };
        self.context.seal(at, bytes, expected);
        let access = self.partition(job.facts.icb.partition).and_then(|partition| partition.access);
        let room = u64::from(self.block_size().bytes()).saturating_sub(inside_bytes);
        if self.context.rules().streams && access == Some(AccessType::WriteOnce) && room < Tag::LEN as u64 {
            self.error(124, at, format_args!("its tag runs over the end of the block"));
        }
    }

    fn icb_address(&mut self, at: At, icb: &LongAd, deleted: bool) {
        if icb.bytes() == 0 && !deleted {
            self.error(120, at, format_args!("no ICB, and not deleted"));
        } else if icb.bytes() == 0 && *icb != LongAd::default() {
            self.error(120, at, format_args!("no ICB, but an address: {}", icb.start()));
        }
    }

    fn implementation_use(&mut self, at: At, used: &[u8]) {
        let bytes = used.len();
        if bytes == 0 {
            return;
        }
        match EntityIdentifier::read_from_prefix(used) {
            Ok((identifier, _)) if bytes.is_multiple_of(STEP_BYTES) => {
                self.context.identifier(at, "implementation use", &identifier, Expected::Developer);
            }
            _ => {
                let least = LEAST_IMPLEMENTATION_USE;
                self.error(
                    121,
                    at,
                    format_args!("{bytes} bytes of implementation use, must be {least} or more"),
                );
            }
        }
    }

    /// The name that leads to the parent.
    fn parent(&mut self, placed: &Placed<'_>, job: &Job) {
        let Placed { fixed, block, first, .. } = *placed;
        let at = At::new(Identifier::NAME, block);
        if !first {
            return self.error(116, at, format_args!("leads to the parent and is not the first"));
        }
        // Which directory the system's streams belong to is nowhere said.
        if job.role == Role::SystemStreams {
            return;
        }
        let (found, right) = (fixed.icb.start(), job.parent);
        if found != right {
            self.error(116, at, format_args!("the parent is at {right}, not at {found}"));
        } else if fixed.icb.flags != job.parent_flags {
            let (found, right) = (fixed.icb.flags, job.parent_flags);
            self.error(
                116,
                at,
                format_args!("flags beside the parent's address are {found:#x}, elsewhere {right:#x}"),
            );
        }
        let marked = fixed.file_characteristics & characteristics::DIRECTORY != 0;
        if marked != job.parent_is_directory {
            let not = if marked { "" } else { "not " };
            self.error(122, at, format_args!("the parent is {not}marked as a directory"));
        }
        let (found, right) = (fixed.icb.unique_id.get(), low(job.parent_unique_id));
        if self.context.rules().streams && found != right {
            self.error(105, at, format_args!("unique id beside the parent is {found}, must be {right}"));
        }
    }

    /// What only names of streams must be.
    pub(super) fn stream_name(&mut self, child: &Child, role: Role) {
        let at = child.at();
        if role.is_stream() {
            let system = role == Role::SystemStream;
            if child.has(characteristics::METADATA) != system {
                let not = if system { "not " } else { "" };
                self.error(127, at, format_args!("a stream {not}marked as metadata"));
            }
            if !stream::is_legal(&child.name, system) {
                self.error(127, at, format_args!("UDF has no stream of this name here"));
            }
        } else if child.has(characteristics::METADATA) {
            self.error(127, at, format_args!("marked as metadata, though no stream"));
        }
    }
}

/// The low 32 bits of a unique id, as they stand beside names (UDF 2.3.4.3).
#[allow(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
pub(super) fn low(unique_id: u64) -> u32 {
    unique_id as u32
}

/// The file identifier that `bytes` begin with, if they look like one. Where they are searched for one, it must be sound.
fn split(bytes: &[u8], block_bytes: usize, searching: bool) -> Option<Placed<'_>> {
    let (fixed, _) = Identifier::ref_from_prefix(bytes).ok()?;
    let plausible = fixed.tag.kind() == Identifier::IDENTIFIER && fixed.total_len() <= block_bytes;
    if !plausible || searching && fixed.tag.checksum != fixed.tag.expected_checksum() {
        return None;
    }
    let bytes = bytes.get(..fixed.total_len())?;
    let tail = bytes.get(Identifier::FIXED_LEN..)?;
    let (implementation_use, tail) =
        tail.split_at_checked(fixed.length_of_implementation_use.get().into())?;
    let (name, padding) = tail.split_at_checked(fixed.length_of_file_identifier.into())?;
    let block = BlockAddress::new(0, 0);
    Some(Placed { bytes, fixed, implementation_use, name, padding, block, inside_bytes: 0, first: false })
}
