//! Volumes that are changed in place, by way of the builder: nothing grows, and what is free is known to the block.

use std::sync::Arc;

use mkudf_ms::builder::{Conflict, Defaults, FileSystemImage};
use mkudf_ms::device::MemoryDevice;
use mkudf_ms::media::{Medium, VolumeLayout};
use mkudf_ms::progress::Progress;
use mkudf_ms::session::is_rewritable;
use udf::read::{OpenOptions, ReadAt as _, Volume};
use udf::{PartitionReference, Revision};

use super::{body, defaults, grown, made, write};

const BLOCKS: u32 = 4096;

fn rewritable(revision: Revision) -> Arc<MemoryDevice> {
    let device = Arc::new(MemoryDevice::new());
    let rewritable_blocks = Some(BLOCKS);
    let mut image = FileSystemImage::new(Defaults { rewritable_blocks, ..defaults(revision) });
    image.add_bytes("/a", vec![1; 100_000], Conflict::Error).unwrap();
    let result = image.create_result().unwrap();
    result.write_to(&*device, &Progress::default()).unwrap();
    device
}

/// Blocks that the volume says are free.
fn recorded_free(device: &MemoryDevice) -> u32 {
    let volume = Volume::open(device, &OpenOptions::default()).unwrap();
    assert!(is_rewritable(&volume));
    let mut blocks = 0;
    for set in volume.free_sets(PartitionReference(0)) {
        volume.free_runs(&set, &mut |run| blocks += run.blocks).unwrap();
    }
    blocks
}

#[test]
fn a_volume_that_does_not_grow_says_before_what_will_be_free_after() {
    for revision in [Revision::V1_02, Revision::V2_01, Revision::V2_50] {
        let device = rewritable(revision);
        let size = device.size_bytes();
        let empty = recorded_free(&device);
        assert_eq!(grown(&device).free_blocks().unwrap(), Some(empty), "what moves leaves as much behind");
        let mut image = grown(&device);
        image.add_bytes("/dir", vec![2; 50_000], Conflict::Error).unwrap();
        image.rename("/a", "/b", Conflict::Error).unwrap();
        let (used, free) = (image.used_blocks().unwrap(), image.free_blocks().unwrap().unwrap());
        assert_eq!(used + free, BLOCKS);
        let result = image.create_result().unwrap();
        assert_eq!(result.write_to(&*device, &Progress::default()).unwrap(), []);
        super::assert_sound(&device);
        assert_eq!((recorded_free(&device), device.size_bytes()), (free, size));
        assert_eq!(body(&device, "b"), vec![1; 100_000]);

        let mut image = grown(&device);
        image.remove("/b").unwrap();
        image.remove("/dir").unwrap();
        let free = image.free_blocks().unwrap().unwrap();
        image.create_result().unwrap().write_to(&*device, &Progress::default()).unwrap();
        super::assert_sound(&device);
        assert_eq!(recorded_free(&device), free);
        assert!(free > empty, "{revision}: {free}, {empty}");
    }
}

#[test]
fn one_whose_drive_keeps_the_account_says_what_will_be_left_and_nothing_is_won_back() {
    let medium = Medium::find("bd-r-pow").unwrap();
    let defaults = Defaults {
        rewritable_blocks: Some(BLOCKS),
        capacity_blocks: Some(BLOCKS),
        layout: Some(VolumeLayout::PseudoOverwrite),
        ..Defaults::for_medium(medium, "POW", super::NOW)
    };
    let device = Arc::new(MemoryDevice::new());
    let mut image = FileSystemImage::new(defaults.clone());
    let free = image.free_blocks().unwrap().unwrap();
    image.add_bytes("/a", vec![1; 100_000], Conflict::Error).unwrap();
    let left = image.free_blocks().unwrap().unwrap();
    assert!(left < free);
    image.create_result().unwrap().write_to(&*device, &Progress::default()).unwrap();
    let mut image = FileSystemImage::import(Arc::clone(&device), defaults.clone()).unwrap();
    image.remove("/a").unwrap();
    image.add_bytes("/b", "b", Conflict::Error).unwrap();
    assert!(image.free_blocks().unwrap().unwrap() <= left);
    image.create_result().unwrap().write_to(&*device, &Progress::default()).unwrap();
    super::assert_sound(&device);
    assert_eq!(
        VolumeLayout::of(&Volume::open(&*device, &OpenOptions::default()).unwrap()),
        VolumeLayout::PseudoOverwrite
    );
    let other = Defaults { layout: Some(VolumeLayout::Session), ..defaults };
    assert!(FileSystemImage::import(Arc::clone(&device), other).is_err());
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let device = rewritable(Revision::V2_01);
    let mut image = grown(&device);
    image.add_bytes("/large", vec![3; BLOCKS as usize * 2048], Conflict::Error).unwrap();
    for error in [image.free_blocks().unwrap_err(), image.create_result().unwrap_err()] {
        assert!(matches!(error, mkudf_ms::Error::NoSpace { .. }), "{error}");
    }
    super::assert_sound(&device);
}

#[test]
fn sessions_are_appended_to_what_grows_by_them_and_nothing_else_unless_forced() {
    let sessions = made(Revision::V2_01, |image| {
        image.add_bytes("/a", "a", Conflict::Error).unwrap();
    });
    let mut image = grown(&sessions);
    image.add_bytes("/b", "b", Conflict::Error).unwrap();
    write(&mut image, &sessions);
    let device = rewritable(Revision::V2_01);
    let usual = defaults(Revision::V2_01).import_options();
    mkudf_ms::builder::probe(&*device, &usual).unwrap();
    let asked = Defaults { layout: Some(VolumeLayout::Session), ..defaults(Revision::V2_01) };
    assert!(mkudf_ms::builder::probe(&*device, &asked.import_options()).is_err());
    let error = FileSystemImage::import(Arc::clone(&device), asked).unwrap_err();
    assert!(error.to_string().contains("--in-place"), "{error}");
}
