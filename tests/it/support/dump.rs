//! A volume as text: every sealed structure with its sector and fields, for people to read and tests to compare.

use std::fmt::Write as _;

use udf::file::{
    AllocationExtentDescriptor, ExtendedFileEntry, FileEntry, FileIdentifierDescriptor, FileSetDescriptor,
};
use udf::general::{Descriptor, Tag, TagIdentifier, text};
use udf::volume::{
    AnchorVolumeDescriptorPointer, ImplementationUseVolumeDescriptor, LogicalVolumeDescriptor,
    LogicalVolumeIntegrityDescriptor, PartitionDescriptor, PrimaryVolumeDescriptor, TerminatingDescriptor,
    UnallocatedSpaceDescriptor,
};
use udf::{BlockSize, Place};

/// The structures of a volume, a paragraph each.
pub(crate) fn dump(image: &[u8], block_size: BlockSize) -> String {
    let mut out = String::new();
    for (sector, block) in image.chunks(block_size.len()).enumerate() {
        if block.iter().all(|byte| *byte == 0) {
            continue;
        }
        let _ = writeln!(out, "sector {sector}: {}", describe(block));
    }
    out
}

fn describe(block: &[u8]) -> String {
    let tag = Tag::read(block).unwrap_or_default();
    if Tag::check_any_location(block, tag.kind(), "structure", Place::Within).is_err() {
        let name = block
            .get(1..6)
            .filter(|name| name.is_ascii())
            .map(|name| String::from_utf8_lossy(name).into_owned());
        return name
            .filter(|name| name.ends_with("01") || name.starts_with("NSR"))
            .unwrap_or_else(|| format!("data {:02x?}...", &block[..8]));
    }
    let described = match tag.kind() {
        TagIdentifier::PRIMARY_VOLUME => fields::<PrimaryVolumeDescriptor>(block),
        TagIdentifier::ANCHOR_VOLUME_POINTER => fields::<AnchorVolumeDescriptorPointer>(block),
        TagIdentifier::IMPLEMENTATION_USE_VOLUME => fields::<ImplementationUseVolumeDescriptor>(block),
        TagIdentifier::PARTITION => fields::<PartitionDescriptor>(block),
        TagIdentifier::LOGICAL_VOLUME => fields::<LogicalVolumeDescriptor>(block),
        TagIdentifier::UNALLOCATED_SPACE => fields::<UnallocatedSpaceDescriptor>(block),
        TagIdentifier::TERMINATING => fields::<TerminatingDescriptor>(block),
        TagIdentifier::LOGICAL_VOLUME_INTEGRITY => fields::<LogicalVolumeIntegrityDescriptor>(block),
        TagIdentifier::FILE_SET => fields::<FileSetDescriptor>(block),
        TagIdentifier::FILE_ENTRY => fields::<FileEntry>(block) + &names(&block[176..]),
        TagIdentifier::EXTENDED_FILE_ENTRY => fields::<ExtendedFileEntry>(block) + &names(&block[216..]),
        TagIdentifier::ALLOCATION_EXTENT => fields::<AllocationExtentDescriptor>(block),
        TagIdentifier::FILE_IDENTIFIER => names(block),
        TagIdentifier(other) => format!("tag {other}"),
    };
    without_numbers(&described)
}

fn fields<T: Descriptor + std::fmt::Debug>(block: &[u8]) -> String {
    T::peek(block, Place::Within)
        .map_or_else(|fault| fault.to_string(), |descriptor| format!("{descriptor:?}"))
}

/// The names of a directory, as far as they follow each other from here.
fn names(mut body: &[u8]) -> String {
    let mut out = String::new();
    while let Ok(found) = FileIdentifierDescriptor::split(body, Place::Within) {
        let icb = found.fixed.icb.start();
        let (flags, name) = (found.fixed.file_characteristics, text::decode_lossy(found.name));
        let _ = write!(
            out,
            "\n    name {name:?} flags {flags} at {icb}, unique id {}",
            found.fixed.icb.unique_id
        );
        body = &body[found.fixed.total_len()..];
    }
    out
}

/// Integers without the names of their types, texts instead of arrays of bytes, one field of the descriptor a line.
fn without_numbers(text: &str) -> String {
    let mut text = text.to_owned();
    for kind in ["U16(", "U32(", "U64(", "I16("] {
        while let Some(start) = text.find(kind) {
            let end = start + text[start..].find(')').unwrap();
            text.replace_range(end..=end, "");
            text.replace_range(start..start + kind.len(), "");
        }
    }
    let text = text.replace("CharSpec { character_set_type: 0, character_set_information: [79, 83, 84, 65, 32, 67, 111, 109, 112, 114, 101, 115, 115, 101, 100, 32, 85, 110, 105, 99, 111, 100, 101", "CharSpec { OSTA Compressed Unicode [");
    let mut out = String::new();
    let (mut depth, mut zeros) = (0, 0);
    for word in text.split_inclusive(", ") {
        if word == "0, " && depth > 1 {
            zeros += 1;
            continue;
        }
        if zeros > 0 {
            let _ = write!(out, "0 x {zeros}, ");
            zeros = 0;
        }
        out.push_str(word);
        depth += word.matches(['{', '[']).count();
        depth -= word.matches(['}', ']']).count().min(depth);
        if depth == 1 {
            out.push_str("\n    ");
        }
    }
    out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
