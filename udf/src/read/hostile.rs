//! Volumes made to harm: any change to sealed descriptors, sealed again, ends in a result and soon.

use std::string::ToString;
use std::vec::Vec;

use proptest::prelude::*;
use zerocopy::IntoBytes;

use super::fixture::{Fixture, seal_again};
use super::{OpenOptions, VirtualTableForm, Volume};
use crate::file::{AllocationForm, FileType, characteristics::DIRECTORY};
use crate::general::{ExtentKind, ShortAd, Tag};

/// The standard tree and a file in two allocation extents, in every kind of partition.
fn fixtures() -> [Fixture; 6] {
    [
        Fixture::plain(crate::BlockSize::B512),
        Fixture::with_metadata(),
        Fixture::with_virtual(VirtualTableForm::Trailer),
        Fixture::with_virtual(VirtualTableForm::Header),
        Fixture::with_sparing(false),
        Fixture::with_sparing(true),
    ]
    .map(|mut fixture| {
        let at = |block| fixture.at(block);
        let [file, first, second] = [12, 13, 14].map(at);
        let block_bytes = fixture.bytes(1);
        let goes_on = |block| ShortAd::new(ExtentKind::Continuation, block_bytes, block);
        let piece = |block| ShortAd::new(ExtentKind::Recorded, block_bytes, block);
        let size = u64::from(block_bytes) * 3;
        let list = [piece(0), goes_on(13)];
        fixture.entry(file, FileType::REGULAR, AllocationForm::Short, size, list.as_bytes());
        fixture.allocation_extent(first, [piece(1), goes_on(14)].as_bytes());
        fixture.allocation_extent(second, [piece(2)].as_bytes());
        let names = [("file", 0, 12), ("sub", DIRECTORY, 5), ("holes", 0, 4), ("link", 0, 6)];
        let body = fixture.names(super::fixture::ROOT, 7, &names);
        fixture.root(&body);
        fixture
    })
}

/// Where sealed descriptors are, and how long what their seal covers is.
fn descriptors(image: &[u8]) -> Vec<(usize, usize)> {
    let sealed = |at: usize| {
        let tag = Tag::read(image.get(at..)?)?;
        let covered = Tag::LEN + usize::from(tag.descriptor_crc_length.get());
        // Sparing tables have the identifier 0, zeros no version.
        let good = tag.descriptor_version.get() != 0 && tag.checksum == tag.expected_checksum();
        (good && at + covered <= image.len()).then_some((at, covered))
    };
    (0..image.len()).step_by(4).filter_map(sealed).collect()
}

/// Looks at everything that there is.
fn look_around(image: &Vec<u8>) {
    let Ok(volume) = Volume::open(image, &OpenOptions::default()) else { return };
    for warning in volume.warnings() {
        let _ = warning.to_string();
    }
    let Ok(root) = volume.root() else { return };
    for item in volume.walk(&root) {
        let Ok((path, _, entry)) = item else { continue };
        let _ = volume.lookup(&path);
        let mut extents = volume.extents(&entry);
        assert!(extents.by_ref().count() < 10_000 && extents.allocation_extents().count() < 1000);
        let _ = volume.read_all(&entry, 1 << 20);
        let _ = volume.symlink_target(&entry);
        if let Ok(body) = volume.body(&entry) {
            for offset in [0, body.len() / 2, body.len().saturating_sub(50), u64::MAX] {
                let _ = body.read(offset, &mut [0; 5000]);
            }
        }
        if let Some(Ok(entry)) = entry.stream_directory.map(|icb| volume.entry(&icb)) {
            let _ = volume.directory(&entry).map(Iterator::count);
        }
    }
}

/// Numbers that sums go wrong with, and such as are places in the fixture.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![
        prop::sample::select(std::vec![0, 1, u32::MAX, 0x7FFF_FFFF, 0x8000_0000, 0x3FFF_FFFF, 0xC000_0800]),
        0u32..40,
        0u32..2000,
        any::<u32>(),
    ]
}

proptest! {
    #[test]
    fn anything_sealed_is_read_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), number()), 1..5),
    ) {
        for fixture in fixtures() {
            let mut image = fixture.image;
            let places = descriptors(&image);
            for (place, offset, number) in &changes {
                let (at, length) = *place.get(&places);
                let descriptor = &mut image[at..at + length];
                let offset = offset.index(length / 4) * 4;
                descriptor[offset..offset + 4].copy_from_slice(&number.to_le_bytes());
                let crc_length = u16::try_from(length - Tag::LEN).unwrap();
                descriptor[10..12].copy_from_slice(&crc_length.to_le_bytes());
                seal_again(descriptor);
            }
            look_around(&image);
        }
    }
}
