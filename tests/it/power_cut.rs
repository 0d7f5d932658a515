//! A model of power cuts: whatever part of the writes reached the medium, the volume opens as the old session or the new one.
//!
//! Between two flushes a medium may have taken any of the writes, whole or torn at a sector. Before a flush returned nothing
//! of what follows has begun.

use mkudf_ms::device::{Event, MemoryDevice, Recorder};
use mkudf_ms::progress::Progress;
use mkudf_ms::stream::{StreamOptions, stream};
use udf::read::{OpenOptions, Volume};
use udf::{BlockSize, Revision};

use crate::support::build::{Append, append, create, plan_append, spec};
use crate::support::folder::Folder;
use crate::support::images;
use crate::support::manifest::{self, Manifest, assert_same};
use crate::support::writes::{Cuts, State, Tear, apply, groups};

struct Case {
    name: String,
    old_bytes: Vec<u8>,
    old: Manifest,
    new: Manifest,
    events: Vec<Event>,
    seed: u64,
}

fn case(revision: Revision, block_size: BlockSize, seed: u64, device_blocks: Option<u32>) -> Case {
    let mut folder = Folder::new(seed);
    folder.change(30);
    let mut spec = spec(revision, block_size);
    spec.device_blocks = device_blocks;
    let device = device_blocks.map_or_else(MemoryDevice::new, |blocks| {
        let bytes = usize::try_from(block_size.bytes_in(blocks)).unwrap();
        MemoryDevice::from(vec![0; bytes])
    });
    create(folder.path(), &spec, &device).unwrap();
    let old = manifest::of_folder(folder.path());
    folder.change(10);
    let new = manifest::of_folder(folder.path());
    let old_bytes = device.into_bytes();
    let device = MemoryDevice::from(old_bytes.clone());
    let request =
        Append { folder: folder.path(), mirror: true, update: false, fixed_size: device_blocks.is_some() };
    let (tree, plan) = plan_append(&device, &request).unwrap();
    let recorder = Recorder::new(device);
    let volume = MemoryDevice::from(old_bytes.clone());
    let options = StreamOptions::default();
    stream(&plan, &tree, &recorder, Some(&volume), &Progress::new(), &options).unwrap();
    let (_, events) = recorder.into_parts();
    let name = format!("session {revision}, blocks of {block_size}, device {device_blocks:?}");
    Case { name, old_bytes, old, new, events, seed }
}

/// Opens as old or new, to the last byte. Returns whether it was the new one.
fn judge(case: &Case, State { bytes, context, number, .. }: State) -> bool {
    let device = MemoryDevice::from(bytes);
    let volume =
        Volume::open(&device, &OpenOptions::default()).unwrap_or_else(|error| panic!("{context}: {error}"));
    let found = manifest::of_volume(&volume);
    images::leave_state(&device, (number, &context), volume.block_size().bytes(), &found);
    if found == case.new && case.old != case.new {
        return true;
    }
    assert_same(&case.old, &found, &context);
    false
}

fn try_states(case: &Case, block_size: BlockSize) -> usize {
    let cuts = Cuts {
        name: &case.name,
        old: &case.old_bytes,
        events: &case.events,
        tear: Tear::Sectors(block_size.len()),
        parts: 60,
        seed: case.seed,
    };
    let mut is_new = false;
    let states = cuts.judge_all(|state| is_new = judge(case, state));
    assert!(is_new || case.old == case.new);
    states
}

#[test]
fn an_append_is_all_or_nothing_on_images() {
    let mut states = 0;
    for (seed, revision) in (0..).zip(Revision::ALL) {
        for block_size in [BlockSize::B512, BlockSize::B2048] {
            states += try_states(&case(revision, block_size, seed, None), block_size);
        }
    }
    assert!(states > 500, "only {states} states");
}

#[test]
fn an_append_is_all_or_nothing_on_devices() {
    for (seed, revision) in (100..).zip([Revision::V1_02, Revision::V2_01, Revision::V2_50]) {
        let case = case(revision, BlockSize::B2048, seed, Some(8192));
        assert!(groups(&case.events).len() >= 3, "three steps");
        try_states(&case, BlockSize::B2048);
    }
}

#[test]
fn nothing_of_the_old_session_is_written_before_the_last_step() {
    for (seed, revision) in (200..).zip(Revision::ALL) {
        let case = case(revision, BlockSize::B2048, seed, None);
        let groups = groups(&case.events);
        let (last, before) = groups.split_last().unwrap();
        assert_eq!(
            last.iter().map(|(offset, bytes)| (*offset, bytes.len())).collect::<Vec<_>>(),
            [(256 * 2048, 2048)]
        );
        for (offset, bytes) in before.iter().flat_map(|group| group.iter()) {
            let start = *offset;
            let old = case.old_bytes.get(start..start + bytes.len()).unwrap_or_default();
            // A blank slot before the anchor at 256 takes the reserve sequence; all else lies behind the old session.
            let blank_slot = start < 256 * 2048 && old.iter().all(|byte| *byte == 0);
            assert!(start >= case.old_bytes.len() || blank_slot, "{} bytes at {offset}", bytes.len());
        }
    }
}

#[test]
fn after_a_power_cut_the_next_append_succeeds() {
    for (seed, revision) in (300..).zip([Revision::V2_01, Revision::V2_50]) {
        let case = case(revision, BlockSize::B2048, seed, None);
        let groups = groups(&case.events);
        let mut bytes = case.old_bytes.clone();
        groups[0].iter().step_by(2).for_each(|(offset, piece)| apply(&mut bytes, *offset, piece));
        let device = MemoryDevice::from(bytes);
        let mut folder = Folder::new(seed + 1);
        folder.change(10);
        let request = Append { folder: folder.path(), mirror: true, update: false, fixed_size: false };
        append(&device, &request).unwrap();
        let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
        let expected = manifest::of_folder(folder.path());
        assert_same(&expected, &manifest::of_volume(&volume), &format!("seed {seed}"));
    }
}
