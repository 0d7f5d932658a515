//! Volumes that say of themselves what cannot be: what is changed in place is refused, or loses nothing for it.

use mkudf_ms::device::MemoryDevice;
use mkudf_ms::repair;
use mkudf_ms::session::{Import, ImportOptions, Manner};
use udf::check::check;
use udf::general::{Seal, Tag, TagIdentifier};
use udf::read::{OpenOptions, PartitionKind, Volume};
use udf::{BlockSize, Revision};

use super::{Change, assert_clean, change_on, rewritable};
use crate::support::build::create;
use crate::support::folder::Folder;
use crate::support::manifest::{self, assert_same};
use crate::support::patch;

const SEAL: Seal = Seal { descriptor_version: 3, serial_number: 1 };

fn mend(device: &MemoryDevice) {
    let plan = repair::plan(device, &OpenOptions::default()).unwrap();
    repair::apply(&plan, device).unwrap();
}

/// The volume of a folder, with one number of the partition's descriptor changed in both sequences.
fn with_another_partition(folder: &Folder, at: usize, value: u32) -> MemoryDevice {
    let device = MemoryDevice::new();
    create(folder.path(), &rewritable(Revision::V2_01, BlockSize::B2048, 4096), &device).unwrap();
    let mut bytes = device.into_bytes();
    // It is the third.
    patch::in_both_sequences(&mut bytes, 2, |partition| {
        partition[at..at + 4].copy_from_slice(&value.to_le_bytes());
    });
    MemoryDevice::from(bytes)
}

/// The header says that the bitmap takes more than it does: the blocks of files, and such as the bitmap calls free.
#[test]
fn a_bitmap_whose_extent_reaches_over_files_is_not_written_over_them() {
    let mut folder = Folder::new(6);
    folder.change(30);
    // Its header begins at 56, the bitmap's length in it at 8.
    let device = with_another_partition(&folder, 64, 1024 * 2048);
    for _ in 0..3 {
        folder.change(6);
        change_on(&device, Change::to(&folder)).unwrap();
        let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
        assert_same(
            &manifest::of_folder(folder.path()),
            &manifest::of_volume(&volume),
            "reaching over files",
        );
    }
}

/// A seal that covers the next descriptor, too, would no longer hold when that changes.
#[test]
fn a_descriptor_whose_seal_covers_the_next_one_is_not_broken_by_a_change() {
    let mut folder = Folder::new(8);
    folder.change(10);
    let device = MemoryDevice::new();
    create(folder.path(), &rewritable(Revision::V2_01, BlockSize::B2048, 4096), &device).unwrap();
    let main = Volume::open(&device, &OpenOptions::default()).unwrap().sequences().0.location.get();
    let mut bytes = device.into_bytes();
    // The partition's, and behind it those that nobody needs.
    let sector = main + 2;
    Tag::seal_partly(&mut bytes[sector as usize * 2048..], TagIdentifier::PARTITION, SEAL, sector, 2 * 2048);
    let device = MemoryDevice::from(bytes);
    let change = |folder: &Folder| change_on(&device, Change::to(folder));
    let refusal = change(&folder).unwrap_err().to_string();
    assert!(refusal.contains("4112 bytes needed") && refusal.contains("repair"), "{refusal}");
    mend(&device);
    folder.change(5);
    change(&folder).unwrap();
    assert_clean(&device, "a seal over several");
}

type Spoil = fn(&mut [u8]);

/// What would be all there is if a write to the main sequence took that along.
#[test]
fn a_damaged_reserve_sequence_or_one_of_another_partition_is_mended_first() {
    let mut folder = Folder::new(9);
    folder.change(10);
    let device = MemoryDevice::new();
    create(folder.path(), &rewritable(Revision::V2_50, BlockSize::B2048, 4096), &device).unwrap();
    let reserve = Volume::open(&device, &OpenOptions::default()).unwrap().sequences().1.location.get();
    let bytes = device.into_bytes();
    let rows: [(usize, Spoil, &str); 3] = [
        (1, |logical| logical[300] ^= 1, "damaged"),
        (2, |partition| (partition[192] ^= 1, Tag::reseal(partition)).1, "different partitions"),
        (3, |other| Tag::seal(other, TagIdentifier::VOLUME_POINTER, SEAL, 35), "goes on elsewhere"),
    ];
    for (number, spoil, reason) in rows {
        let mut bytes = bytes.clone();
        let at = (reserve as usize + number) * 2048;
        spoil(&mut bytes[at..at + 2048]);
        let device = MemoryDevice::from(bytes);
        let change = |folder: &Folder| change_on(&device, Change::to(folder));
        let refusal = change(&folder).unwrap_err().to_string();
        assert!(refusal.contains(reason), "{number}: {refusal}");
        if !refusal.contains("mkudf-ms repair") {
            continue;
        }
        mend(&device);
        folder.change(4);
        change(&folder).unwrap_or_else(|error| panic!("{number}: {error}"));
        assert_clean(&device, reason);
    }
}

/// A removed file claims blocks of one that stays, or of the metadata: they do not become free.
#[test]
fn what_is_needed_does_not_become_free_with_what_claims_it() {
    let folder = Folder::new(10);
    let gone = folder.path().join("gone");
    std::fs::write(folder.path().join("stays"), vec![1; 100_000]).unwrap();
    for revision in [Revision::V2_01, Revision::V2_50] {
        // In a block of its own.
        std::fs::write(&gone, vec![2; 2000]).unwrap();
        let device = MemoryDevice::new();
        create(folder.path(), &rewritable(revision, BlockSize::B2048, 4096), &device).unwrap();
        let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
        let claimed = match volume.partitions().get(1).map(|it| &it.kind) {
            Some(PartitionKind::Metadata(files)) => files.main.as_ref().unwrap().extents()[0].start,
            _ => volume.lookup("stays").unwrap().icb,
        };
        drop(volume);
        let mut bytes = device.into_bytes();
        patch::entry(&mut bytes, "gone", |entry, at| {
            entry[at.allocation + 4..at.allocation + 8].copy_from_slice(&claimed.block.0.to_le_bytes());
        });
        let device = MemoryDevice::from(bytes);
        std::fs::remove_file(&gone).unwrap();
        change_on(&device, Change::to(&folder)).unwrap();
        let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
        let told = check(&device, &OpenOptions::default(), &mut |_| ()).findings;
        let free: Vec<_> = told.iter().filter(|one| one.message.contains("but marked as free")).collect();
        assert!(free.is_empty(), "{revision}: {free:#?}");
        assert_same(&manifest::of_folder(folder.path()), &manifest::of_volume(&volume), "what is needed");
    }
}

/// A block that is free in one would be needed in the other.
#[test]
fn copies_of_the_metadata_that_overlap_are_not_written_to() {
    let mut folder = Folder::new(12);
    folder.change(10);
    let device = MemoryDevice::new();
    create(folder.path(), &rewritable(Revision::V2_50, BlockSize::B2048, 4096), &device).unwrap();
    let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
    let PartitionKind::Metadata(files) = &volume.partitions()[1].kind else {
        panic!("no metadata partition")
    };
    let start = files.main.as_ref().unwrap().extents()[0].start.block.0 + 32;
    let at = volume.locate(files.mirror.as_ref().unwrap().entry.block).unwrap().sector.0 as usize * 2048;
    drop(volume);
    let mut bytes = device.into_bytes();
    // The place of its only extent, behind the fixed part of an extended file entry.
    bytes[at + 220..at + 224].copy_from_slice(&start.to_le_bytes());
    Tag::reseal(&mut bytes[at..at + 2048]);
    let device = MemoryDevice::from(bytes);
    let refusal = change_on(&device, Change::to(&folder)).unwrap_err().to_string();
    assert!(refusal.contains("overlap"), "{refusal}");
}

#[test]
fn an_older_state_is_not_gone_back_to_in_place() {
    let folder = Folder::new(13);
    let device = MemoryDevice::new();
    create(folder.path(), &rewritable(Revision::V2_01, BlockSize::B2048, 4096), &device).unwrap();
    let options = ImportOptions {
        manner: Manner::AsMade,
        tree_opened_by: Some(OpenOptions::default()),
        ..ImportOptions::default()
    };
    let refusal = Import::open(&device, &options).unwrap_err().to_string();
    assert!(refusal.contains("no older sessions"), "{refusal}");
}

#[test]
fn a_partition_that_is_not_all_there_is_not_changed() {
    let folder = Folder::new(11);
    // Its length.
    let device = with_another_partition(&folder, 192, u32::MAX);
    let refusal = change_on(&device, Change::to(&folder)).unwrap_err().to_string();
    assert!(refusal.contains("beyond the end"), "{refusal}");
}

/// A metadata file that would grow by such units would need room that no medium has, or wrap around.
#[test]
fn units_that_no_medium_has_are_refused() {
    let mut folder = Folder::new(16);
    folder.change(10);
    let device = MemoryDevice::new();
    create(folder.path(), &rewritable(Revision::V2_50, BlockSize::B2048, 4096), &device).unwrap();
    let bytes = device.into_bytes();
    for units in [1 << 17, u32::MAX - 31, u32::MAX] {
        let mut bytes = bytes.clone();
        // The logical volume descriptor is the second; its maps begin at 440, the second of them 6 bytes later.
        patch::in_both_sequences(&mut bytes, 1, |logical| {
            let at = 446 + 52;
            assert_eq!(logical[at..at + 4], 32_u32.to_le_bytes());
            logical[at..at + 4].copy_from_slice(&units.to_le_bytes());
        });
        let refusal = change_on(&MemoryDevice::from(bytes), Change::to(&folder)).unwrap_err().to_string();
        assert!(refusal.contains("as no medium has them"), "{units}: {refusal}");
    }
}
