//! Volumes for drives that put elsewhere what is written again: no bitmap says what is free, so the tree does; data only goes behind
//! data, and a change that broke off needs no repair, since there is nothing that could be wrong but counts.

use std::ops::Range;

use mkudf_ms::Error;
use mkudf_ms::builder::{Conflict, Defaults, FileSystemImage};
use mkudf_ms::device::{MemoryDevice, Recorder};
use mkudf_ms::media::Medium;
use mkudf_ms::plan::Spec;
use mkudf_ms::progress::Progress;
use mkudf_ms::session::{ImportOptions, Manner, is_pseudo_overwritable};
use mkudf_ms::stream::{StreamOptions, stream};
use udf::file::ExtendedFileEntry;
use udf::general::{Descriptor as _, ExtentKind, Tag};
use udf::read::{Extent, OpenOptions, PartitionKind, ReadAt, Volume};
use udf::volume::{AccessType, LogicalVolumeIntegrityDescriptor, PartitionDescriptor};
use udf::{BlockSize, PartitionReference, Revision};

use super::{Change, assert_clean, case_of, change_on, metadata, plan_change, rewritable};
use crate::support::build::{Append, NOW, create, plan_append_with};
use crate::support::folder::Folder;
use crate::support::manifest::{self, assert_same};
use crate::support::writes::{apply, groups};

const LEN: usize = 2048;

fn spec(blocks: u32) -> Spec {
    Spec { pseudo_overwrite: true, ..rewritable(Revision::V2_60, BlockSize::B2048, blocks) }
}

fn made(folder: &Folder, blocks: u32) -> MemoryDevice {
    let device = MemoryDevice::new();
    create(folder.path(), &spec(blocks), &device).unwrap();
    device
}

fn open(device: &MemoryDevice) -> Volume<&MemoryDevice> {
    Volume::open(device, &OpenOptions::default()).unwrap()
}

fn bytes_of(device: &MemoryDevice) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(device.size_bytes()).unwrap()];
    device.read_at(0, &mut bytes).unwrap();
    bytes
}

fn assert_holds(device: &MemoryDevice, folder: &Folder, context: &str) {
    assert_clean(device, context);
    assert_same(&manifest::of_folder(folder.path()), &manifest::of_volume(&open(device)), context);
}

#[test]
fn one_is_made_and_changed_and_nothing_is_lost() {
    for (seed, unit) in (600..).zip([1, 32]) {
        let mut folder = Folder::new(seed);
        folder.change(40);
        let device = made(&folder, 12_000);
        assert_holds(&device, &folder, "made");
        for round in 0..6 {
            folder.change(12);
            change_on(&device, Change { unit, ..Change::to(&folder) }).unwrap();
            assert_holds(&device, &folder, &format!("unit {unit}, round {round}"));
        }
        let volume = open(&device);
        assert_eq!(volume.partitions()[0].access, Some(AccessType::PseudoOverwritable));
        assert!(is_pseudo_overwritable(&volume));
        for partition in [PartitionReference(0), PartitionReference(1)] {
            assert!(volume.free_sets(partition).is_empty());
        }
        let integrity = volume.integrity().unwrap();
        assert_eq!(integrity.free_blocks, [u32::MAX, u32::MAX]);
        assert_eq!((integrity.minimum_read, integrity.minimum_write), (Some(0x0250), Some(0x0260)));
    }
}

#[test]
fn there_are_none_before_2_60() {
    for revision in [Revision::V2_01, Revision::V2_50] {
        let spec = Spec { pseudo_overwrite: true, ..rewritable(revision, BlockSize::B2048, 4000) };
        let error = create(Folder::new(1).path(), &spec, &MemoryDevice::new()).unwrap_err();
        assert!(error.to_string().contains("pseudo-overwritable"), "{error}");
    }
}

/// Blocks of the device that extents lie in.
fn sectors(extents: &[Extent], start: u32) -> impl Iterator<Item = Range<u64>> + '_ {
    extents.iter().filter(|extent| extent.kind == ExtentKind::Recorded).map(move |extent| {
        let first = u64::from(start + extent.start.block.0);
        first..first + extent.blocks(BlockSize::B2048)
    })
}

/// Where metadata may be written, and where the data of all files ends.
fn bounds(volume: &Volume<&MemoryDevice>) -> (Vec<Range<u64>>, u64) {
    let partitions = volume.partitions();
    let start = partitions[0].start().unwrap().0;
    let PartitionKind::Metadata(files) = &partitions[1].kind else { panic!("no metadata partition") };
    let files = [&files.main, &files.mirror].map(|file| file.as_ref().unwrap());
    let mut of_metadata: Vec<_> = files.iter().flat_map(|file| sectors(file.extents(), start)).collect();
    let (main, reserve) = volume.sequences();
    for sequence in [main, reserve, volume.logical().integrity_sequence_extent] {
        let first = u64::from(sequence.start().0);
        of_metadata.push(first..first + u64::from(sequence.length.get()) / LEN as u64);
    }
    let root = volume.root().unwrap();
    let bodies = volume.walk(&root).map(|step| step.unwrap().2).filter(|entry| !entry.is_directory());
    let ends = bodies.map(|entry| {
        let extents: Vec<_> = volume.extents(&entry).map(Result::unwrap).collect();
        sectors(&extents, start).map(|range| range.end).max().unwrap_or(0)
    });
    (of_metadata, ends.max().unwrap())
}

#[test]
fn data_goes_on_where_data_ends_and_metadata_is_written_over() {
    for (seed, unit) in (610..).zip([1, 32]) {
        let mut folder = Folder::new(seed);
        folder.change(30);
        std::fs::write(folder.path().join("body"), vec![1; 50_000]).unwrap();
        let device = made(&folder, 12_000);
        for round in 0..3 {
            let (of_metadata, data_end) = bounds(&open(&device));
            folder.change(10);
            std::fs::write(folder.path().join("body"), vec![round; 30_000]).unwrap();
            let (tree, plan) = plan_change(&device, Change { unit, ..Change::to(&folder) }).unwrap();
            let recorder = Recorder::new(MemoryDevice::from(bytes_of(&device)));
            let options = StreamOptions::default();
            stream(&plan, &tree, &recorder, Some(&device), &Progress::new(), &options).unwrap();
            let (_, events) = recorder.into_parts();
            let mut behind = 0;
            for (offset, bytes) in groups(&events).concat() {
                let first = (offset / LEN) as u64;
                let last = ((offset + bytes.len() - 1) / LEN) as u64;
                let is_metadata =
                    of_metadata.iter().any(|range| range.contains(&first) && range.contains(&last));
                behind += usize::from(!is_metadata);
                assert!(
                    is_metadata || first >= data_end,
                    "unit {unit}: {first} to {last}, data ends at {data_end}"
                );
            }
            assert!(behind > 0);
            stream(&plan, &tree, &device, Some(&device), &Progress::new(), &options).unwrap();
            assert_holds(&device, &folder, &format!("unit {unit}, round {round}"));
        }
    }
}

#[test]
fn its_metadata_partition_grows_and_what_has_no_room_changes_nothing() {
    let mut folder = Folder::new(620);
    folder.change(20);
    let device = made(&folder, 9000);
    let before = metadata(&device);
    for round in 0..3 {
        let name = |number| folder.path().join(format!("small {round} {number}"));
        (0..150).for_each(|number| std::fs::write(name(number), b"x").unwrap());
        change_on(&device, Change::to(&folder)).unwrap();
        assert_holds(&device, &folder, &format!("round {round}"));
    }
    let after = metadata(&device);
    assert!(after.0 > before.0 && after.1 > 1, "{before:?}, {after:?}");
    std::fs::write(folder.path().join("large"), vec![2; 20_000_000]).unwrap();
    let bytes = bytes_of(&device);
    let error = change_on(&device, Change::to(&folder)).unwrap_err();
    assert!(matches!(error, Error::NoSpace { .. }), "{error}");
    assert!(bytes == device.into_bytes());
}

/// A sector is old or new: until the drive has written it elsewhere, it leads to where it was.
#[test]
fn a_change_of_one_is_all_or_nothing_and_goes_on_without_repair() {
    for (seed, (unit, more)) in (630..).zip([(1, 0), (32, 0), (1, 400)]) {
        case_of(&spec(6000), unit, seed, more).try_states();
    }
}

/// Every descriptor of a kind, changed and sealed again.
fn bend<T: zerocopy::FromBytes + zerocopy::IntoBytes + zerocopy::KnownLayout + zerocopy::Immutable>(
    bytes: &mut [u8],
    identifier: udf::general::TagIdentifier,
    change: impl Fn(&mut T),
) {
    for block in bytes.chunks_mut(LEN) {
        if Tag::read(block).is_some_and(|tag| tag.kind() == identifier) {
            change(T::mut_from_prefix(block).unwrap().0);
            Tag::reseal(block);
        }
    }
}

#[test]
fn one_that_is_not_what_it_says_is_refused() {
    let mut folder = Folder::new(640);
    folder.change(20);
    let sound = made(&folder, 4000).into_bytes();
    let refused = |bytes: Vec<u8>, force: bool, why: &str| {
        let device = MemoryDevice::from(bytes.clone());
        let error = change_on(&device, Change { force, ..Change::to(&folder) }).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert!(bytes == device.into_bytes());
    };
    let mut with_bitmap = sound.clone();
    bend(&mut with_bitmap, PartitionDescriptor::IDENTIFIER, |partition: &mut PartitionDescriptor| {
        partition.partition_contents_use.unallocated_space_bitmap.length_and_type = 2048.into();
    });
    refused(with_bitmap, false, "account of its free blocks");
    let mut open_integrity = sound.clone();
    let integrity = LogicalVolumeIntegrityDescriptor::IDENTIFIER;
    let mark = |descriptor: &mut LogicalVolumeIntegrityDescriptor| descriptor.integrity_type = 0.into();
    bend(&mut open_integrity, integrity, mark);
    refused(open_integrity.clone(), false, "integrity is open");
    // A name whose entry cannot be read: nobody could tell what it uses.
    let device = MemoryDevice::new();
    create(folder.path(), &Spec { redundant_metadata: false, ..spec(4000) }, &device).unwrap();
    let once = device.into_bytes();
    let volume = Volume::open(&once, &OpenOptions::default()).unwrap();
    let root = volume.root().unwrap();
    let entry = volume.walk(&root).map(|step| step.unwrap().2).find(|entry| !entry.is_directory()).unwrap();
    let at = usize::try_from(volume.locate(entry.block).unwrap().sector.0).unwrap() * LEN;
    let mut unreadable = once.clone();
    unreadable[at..at + LEN].fill(0);
    refused(unreadable, false, "file entry");
}

/// Files with named streams, which nothing but their files leads to.
fn with_streams() -> MemoryDevice {
    let medium = Medium::find("bd-r-pow").unwrap();
    let defaults = Defaults { rewritable_blocks: Some(6000), ..Defaults::for_medium(medium, "POW", NOW) };
    let mut image = FileSystemImage::new(defaults);
    for name in ["/a", "/b", "/c"] {
        image.add_bytes(name, "body", Conflict::Error).unwrap();
        image.add_stream_bytes(name, "large", vec![name.as_bytes()[1]; 100_000], Conflict::Error).unwrap();
        image.add_stream_bytes(name, "small", name, Conflict::Error).unwrap();
    }
    let device = MemoryDevice::new();
    image.create_result().unwrap().write_to(&device, &Progress::new()).unwrap();
    device
}

/// The bodies of all streams.
fn streams(volume: &Volume<&MemoryDevice>) -> Vec<Vec<u8>> {
    let root = volume.root().unwrap();
    let mut bodies = Vec::new();
    for (_, _, entry) in volume.walk(&root).map(Result::unwrap) {
        let Some(streams) = volume.streams(&entry).unwrap() else { continue };
        for name in volume.directory(&streams).unwrap().live() {
            let stream = volume.entry(&name.unwrap().icb).unwrap();
            bodies.push(volume.read_all(&stream, 1 << 20).unwrap());
        }
    }
    bodies
}

#[test]
fn named_streams_are_not_written_over() {
    let device = with_streams();
    let before = streams(&open(&device));
    assert_eq!(before.len(), 6);
    let folder = Folder::new(650);
    for round in 0..4 {
        for number in 0..60 {
            std::fs::write(folder.path().join(format!("{round} {number}")), vec![round; 3000]).unwrap();
        }
        let request = Append { folder: folder.path(), mirror: false, update: true, fixed_size: false };
        let options = ImportOptions { manner: Manner::AsMade, ..ImportOptions::default() };
        let (tree, plan) = plan_append_with(&device, &request, &options).unwrap();
        stream(&plan, &tree, &device, Some(&device), &Progress::new(), &StreamOptions::default()).unwrap();
        assert!(streams(&open(&device)) == before, "round {round}");
        assert_clean(&device, &format!("round {round}"));
    }
}

/// What belongs to two files would be taken for what is reached first, and the rest of it for free.
#[test]
fn what_two_files_claim_is_refused() {
    let sound = bytes_of(&with_streams());
    let volume = Volume::open(&sound, &OpenOptions::default()).unwrap();
    let directory = |path: &str| volume.lookup(path).unwrap().stream_directory.unwrap();
    let (of_a, of_b, root) = (directory("a"), directory("b"), volume.root_icb());
    for other in [of_b, root] {
        let mut bytes = sound.clone();
        let kind = ExtendedFileEntry::IDENTIFIER;
        bend(&mut bytes, kind, |entry: &mut ExtendedFileEntry| {
            if entry.stream_directory_icb.start() == of_a.start() {
                entry.stream_directory_icb.location = other.location;
            }
        });
        let device = MemoryDevice::from(bytes.clone());
        let folder = Folder::new(651);
        let error = change_on(&device, Change::to(&folder)).unwrap_err();
        assert!(matches!(error, Error::Refused { .. } | Error::Volume(_)), "{error}");
        assert!(bytes == device.into_bytes());
    }
}

#[test]
fn descriptors_inside_the_partition_are_not_written_over() {
    let folder = Folder::new(652);
    let mut bytes = made(&folder, 4000).into_bytes();
    bend(&mut bytes, PartitionDescriptor::IDENTIFIER, |partition: &mut PartitionDescriptor| {
        partition.partition_length = (4000 - partition.partition_starting_location.get()).into();
    });
    let error = change_on(&MemoryDevice::from(bytes), Change::to(&folder)).unwrap_err();
    assert!(error.to_string().contains("inside its partition"), "{error}");
}

/// A change that broke off when the reserve sequence led to the new tree, and the next one that is forced: whichever sequence is
/// read, it leads to a whole tree at any time.
#[test]
fn a_forced_change_keeps_what_the_reserve_sequence_leads_to() {
    let case = case_of(&spec(6000), 1, 660, 0);
    let mut bytes = case.old_bytes.clone();
    for (offset, piece) in groups(&case.events)[..3].concat() {
        apply(&mut bytes, offset, piece);
    }
    let mut folder = Folder::new(661);
    folder.change(30);
    let device = MemoryDevice::from(bytes.clone());
    let (tree, plan) = plan_change(&device, Change { force: true, ..Change::to(&folder) }).unwrap();
    let recorder = Recorder::new(MemoryDevice::from(bytes.clone()));
    stream(&plan, &tree, &recorder, Some(&device), &Progress::new(), &StreamOptions::default()).unwrap();
    let (_, events) = recorder.into_parts();
    let (main, _) = open(&device).sequences();
    let lost = main.start().0 as usize * LEN..main.start().0 as usize * LEN + main.length.get() as usize;
    let newest = manifest::of_folder(folder.path());
    for group in groups(&events) {
        for (offset, piece) in group {
            apply(&mut bytes, offset, piece);
            let mut without_main = bytes.clone();
            without_main[lost.clone()].fill(0);
            let device = MemoryDevice::from(without_main);
            let found = manifest::of_volume(&open(&device));
            assert!([&case.old, &case.new, &newest].contains(&&found), "{offset}");
        }
    }
    assert_holds(&MemoryDevice::from(bytes), &folder, "forced");
}
