//! The file set descriptor (R090, and R045 for its label).

use super::context::At;
use super::files::Files;
use super::identifier::Expected;
use super::seal::{CrcLength, Expected as ExpectedTag, Sealed};
use super::text::Empty;
use crate::file::FileSetDescriptor;
use crate::general::{Descriptor, ExtentKind, LongAd, Tag, TagIdentifier};
use crate::read::{Extent, ReadAt};
use crate::units::BlockAddress;

/// The only interchange level of file sets in UDF (UDF 2.3.2.1).
const INTERCHANGE_LEVEL: u16 = 3;
/// Blocks of a sequence that are looked at.
const MAX_BLOCKS: u64 = 64;

impl<R: ReadAt> Files<'_, R> {
    /// Checks the sequence that the logical volume descriptor points to.
    pub(super) fn file_set_sequence(&mut self) {
        let logical = self.volume.logical();
        let (first, label) = (logical.logical_volume_contents_use, logical.logical_volume_identifier);
        let at = At::new(FileSetDescriptor::NAME, first.start());
        let extent = Extent { kind: ExtentKind::Recorded, start: first.start(), bytes: first.bytes().into() };
        if !self.inside(139, at, &extent) {
            return;
        }
        self.metadata_address(at, first.start());
        let blocks = extent.blocks(self.block_size());
        self.take(at, first.start(), blocks);
        let mut number = 0_u32;
        for skip in 0..blocks.min(MAX_BLOCKS) {
            let address = u32::try_from(skip).ok().and_then(|skip| first.start().checked_add(skip));
            let Some(address) = address else { break };
            let at = At::new(FileSetDescriptor::NAME, address);
            let Some(block) = self.read_block(at, address) else { break };
            let kind = Tag::read(&block).unwrap_or_default().kind();
            // What ends the sequence, or what has never been used of its extent.
            if number > 0 && kind != TagIdentifier::FILE_SET {
                break;
            }
            number = number.saturating_add(1);
            if number > 1 {
                self.error(90, at, format_args!("there is another before it"));
            }
            let expected = ExpectedTag {
                kind: FileSetDescriptor::IDENTIFIER,
                location: address.block.0,
                bytes: size_of::<FileSetDescriptor>(),
                crc: CrcLength::Whole,
            };
            if self.context.seal(at, &block, expected) == Sealed::Missing {
                break;
            }
            self.context.zeros_behind(at, &block, size_of::<FileSetDescriptor>());
            if let Ok(file_set) = FileSetDescriptor::peek(&block, address) {
                self.file_set(at, file_set);
                // The label in the table is newer than that of the session's descriptors (UDF 2.60 2.2.11).
                let recorded = &file_set.logical_volume_identifier;
                let newer = self.volume.virtual_table().and_then(|table| table.head.label());
                if newer.is_none_or(|newer| newer != recorded.decode_lossy()) {
                    self.context.label(at, recorded, &label);
                }
            }
        }
    }

    fn file_set(&mut self, at: At, file_set: &FileSetDescriptor) {
        let levels = (file_set.interchange_level.get(), file_set.maximum_interchange_level.get());
        if levels != (INTERCHANGE_LEVEL, INTERCHANGE_LEVEL) {
            self.error(
                90,
                at,
                format_args!("interchange levels are {levels:?}, must be {INTERCHANGE_LEVEL}"),
            );
        }
        let numbers = (file_set.file_set_number.get(), file_set.file_set_descriptor_number.get());
        if numbers != (0, 0) {
            self.error(90, at, format_args!("file set and descriptor number are {numbers:?}, must be 0"));
        }
        if file_set.next_extent != LongAd::default() {
            let next: BlockAddress = file_set.next_extent.start();
            self.error(90, at, format_args!("it goes on at {next}"));
        }
        self.context.reserved(90, at, "what follows the stream directory", &file_set.reserved);
        if !self.context.rules().streams && file_set.system_stream_directory_icb != LongAd::default() {
            let revision = self.context.revision;
            self.error(90, at, format_args!("there are streams of the volume in UDF {revision}"));
        }
        let context = &mut self.context;
        context.character_set_list(at, "character set list", file_set.character_set_list.get());
        let list = file_set.maximum_character_set_list.get();
        context.character_set_list(at, "maximum character set list", list);
        let set = &file_set.logical_volume_identifier_character_set;
        context.character_set(at, "character set of the label", set);
        context.character_set(at, "file set character set", &file_set.file_set_character_set);
        let label = &file_set.logical_volume_identifier;
        context.text(at, "logical volume identifier", label, Empty::Forbidden);
        context.text(at, "file set identifier", &file_set.file_set_identifier, Empty::Forbidden);
        context.text(at, "copyright file identifier", &file_set.copyright_file_identifier, Empty::Allowed);
        context.text(at, "abstract file identifier", &file_set.abstract_file_identifier, Empty::Allowed);
        context.identifier(at, "domain identifier", &file_set.domain_identifier, Expected::Domain);
        context.time(at, "recording time", &file_set.recording_date_and_time);
    }
}
