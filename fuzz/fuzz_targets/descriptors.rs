//! Every descriptor, with the bytes as they are and with the seal mended so that the fuzzer gets past it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use udf::Place;
use udf::file::attribute::{self, AttributeHead};
use udf::file::{self, FileIdentifierDescriptor, KnownAttribute, known_attribute};
use udf::general::{Descriptor, Moment, Seal, Tag, Timestamp};
use udf::partition::PartitionMaps;
use udf::volume;
use zerocopy::FromBytes;

fn view<T: Descriptor + core::fmt::Debug>(bytes: &[u8]) {
    let location = Tag::read(bytes).map_or(0, |tag| tag.location.get());
    if let Ok(descriptor) = T::view(bytes, location, Place::Within) {
        let _ = format!("{descriptor:?}");
    }
}

fn all(bytes: &[u8]) {
    view::<volume::PrimaryVolumeDescriptor>(bytes);
    view::<volume::AnchorVolumeDescriptorPointer>(bytes);
    view::<volume::VolumeDescriptorPointer>(bytes);
    view::<volume::ImplementationUseVolumeDescriptor>(bytes);
    view::<volume::PartitionDescriptor>(bytes);
    view::<volume::LogicalVolumeDescriptor>(bytes);
    view::<volume::UnallocatedSpaceDescriptor>(bytes);
    view::<volume::TerminatingDescriptor>(bytes);
    view::<volume::LogicalVolumeIntegrityDescriptor>(bytes);
    view::<file::FileSetDescriptor>(bytes);
    view::<file::FileEntry>(bytes);
    view::<file::ExtendedFileEntry>(bytes);
    view::<file::AllocationExtentDescriptor>(bytes);
    view::<file::IndirectEntry>(bytes);
    view::<file::TerminalEntry>(bytes);
    view::<file::UnallocatedSpaceEntry>(bytes);
    view::<file::SpaceBitmapDescriptor>(bytes);
    if let Ok(identifier) = FileIdentifierDescriptor::split(bytes, Place::Within) {
        assert_eq!(identifier.fixed.total_len() % 4, 0);
        let _ = format!("{identifier:?}");
    }
    let _ = PartitionMaps::new(bytes).count();
    let _ = attribute::Attributes::read(bytes, Place::Within);
    let known = |(head, bytes): (&AttributeHead, &[u8])| {
        let _ = format!("{:?}", KnownAttribute::parse(head, bytes));
        let _ = known_attribute::has_wrong_checksum(bytes);
    };
    attribute::iter(bytes, Place::Within).flatten().for_each(known);
    // Few inputs are a space with a sealed header: what may be an attribute is taken for one as well.
    if let Ok((head, _)) = AttributeHead::ref_from_prefix(bytes) {
        known((head, bytes));
    }
    if let Ok((timestamp, _)) = Timestamp::read_from_prefix(bytes)
        && let Some(moment) = timestamp.moment().filter(|moment| (Moment::MIN..=Moment::MAX).contains(moment))
    {
        let zone = timestamp.zone_minutes().unwrap_or(0);
        assert_eq!(Timestamp::new(moment, zone).moment(), Some(moment));
    }
}

fuzz_target!(|bytes: &[u8]| {
    all(bytes);
    let mut sealed = bytes.to_vec();
    if let Some(tag) = Tag::read(bytes) {
        let crc_bytes = usize::from(tag.descriptor_crc_length.get()).min(bytes.len() - Tag::LEN);
        let seal = Seal { descriptor_version: 3, serial_number: tag.serial_number.get() };
        Tag::seal_partly(&mut sealed, tag.kind(), seal, tag.location.get(), crc_bytes);
        all(&sealed);
    }
});
