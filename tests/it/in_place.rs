//! Volumes that are changed in place: what is on them afterwards, that no block is lost, and that nothing that stops a change leaves
//! anything but the old tree or the new one.

mod bent;
mod pseudo_overwrite;

use std::path::Path;

use mkudf_ms::device::{Event, MemoryDevice, Recorder, WriteAt};
use mkudf_ms::plan::{Plan, Spec};
use mkudf_ms::progress::Progress;
use mkudf_ms::session::{ImportOptions, Manner};
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::Tree;
use mkudf_ms::{Error, repair};
use udf::check::{Severity, check};
use udf::read::{OpenOptions, PartitionKind, ReadAt, Volume};
use udf::volume::IntegrityType;
use udf::{BlockSize, PartitionReference, Revision};

use crate::support::build::{Append, create, plan_append_with, spec};
use crate::support::folder::Folder;
use crate::support::images;
use crate::support::manifest::{self, Manifest, assert_same};
use crate::support::writes::{Cuts, State, Tear, apply, groups};

const REVISIONS: [Revision; 6] =
    [Revision::V1_02, Revision::V1_50, Revision::V2_00, Revision::V2_01, Revision::V2_50, Revision::V2_60];

fn rewritable(revision: Revision, block_size: BlockSize, blocks: u32) -> Spec {
    Spec { rewritable_blocks: Some(blocks), ..spec(revision, block_size) }
}

/// How a change goes about it.
#[derive(Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) unit: u32,
    pub(crate) force: bool,
}

impl<'a> Change<'a> {
    /// To what a folder holds, on a medium whose writes tear at sectors.
    pub(crate) fn to(folder: &'a Folder) -> Self {
        Self { folder: folder.path(), unit: 1, force: false }
    }
}

fn plan_change<R: ReadAt>(device: &R, change: Change<'_>) -> mkudf_ms::Result<(Tree, Plan)> {
    let options = ImportOptions {
        manner: Manner::AsMade,
        write_unit_blocks: change.unit,
        force: change.force,
        ..ImportOptions::default()
    };
    let request = Append { folder: change.folder, mirror: true, update: true, fixed_size: false };
    plan_append_with(device, &request, &options)
}

pub(crate) fn change_on<D: ReadAt + WriteAt>(device: &D, change: Change<'_>) -> mkudf_ms::Result<()> {
    let (tree, plan) = plan_change(device, change)?;
    stream(&plan, &tree, device, Some(device), &Progress::new(), &StreamOptions::default()).map(drop)
}

/// Nothing is wrong, not even a block that is neither used nor free.
pub(crate) fn assert_clean(device: &impl ReadAt, context: &str) {
    let report = check(device, &OpenOptions::default(), &mut |_| ());
    let worse: Vec<_> = report.findings.iter().filter(|one| one.severity > Severity::Note).collect();
    let dated = |text: &str| text.contains("has not come yet");
    let worse: Vec<_> = worse.into_iter().filter(|one| !dated(&one.message)).collect();
    assert!(worse.is_empty(), "{context}: {worse:#?}");
}

fn free_blocks(device: &impl ReadAt) -> u64 {
    let volume = Volume::open(device, &OpenOptions::default()).unwrap();
    let sets = volume.free_sets(PartitionReference(0));
    sets.iter().map(|set| volume.free_blocks(set).unwrap()).sum()
}

#[test]
fn a_volume_is_made_and_changed_and_nothing_is_lost() {
    for (seed, revision) in (0..).zip(REVISIONS) {
        for block_size in [BlockSize::B512, BlockSize::B1024, BlockSize::B2048, BlockSize::B4096] {
            let context = format!("{revision}, blocks of {block_size}, seed {seed}");
            let mut folder = Folder::new(seed);
            folder.change(40);
            let device = MemoryDevice::new();
            create(folder.path(), &rewritable(revision, block_size, 4096), &device).unwrap();
            assert_clean(&device, &context);
            let size = device.size_bytes();
            for round in 0..6 {
                folder.change(15);
                let unit = if round % 2 == 0 { 1 } else { 32 };
                let change = Change { unit, ..Change::to(&folder) };
                change_on(&device, change).unwrap();
                let context = format!("{context}, round {round}");
                assert_clean(&device, &context);
                let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
                assert_same(&manifest::of_folder(folder.path()), &manifest::of_volume(&volume), &context);
                assert_eq!(device.size_bytes(), size, "{context}");
            }
        }
    }
}

#[test]
fn what_is_removed_is_free_again() {
    let device = MemoryDevice::new();
    let folder = Folder::new(3);
    create(folder.path(), &rewritable(Revision::V2_01, BlockSize::B2048, 4096), &device).unwrap();
    let before = free_blocks(&device);
    // As much as fits twice only if the first is free again.
    for round in 0..5 {
        std::fs::write(folder.path().join("large"), vec![round; 3_000_000]).unwrap();
        let change = Change::to(&folder);
        change_on(&device, change).unwrap();
        assert!(free_blocks(&device) < before - 1400);
    }
    std::fs::remove_file(folder.path().join("large")).unwrap();
    change_on(&device, Change::to(&folder)).unwrap();
    assert_eq!(free_blocks(&device), before);
    assert_clean(&device, "emptied");
}

#[test]
fn scattered_free_blocks_take_a_file_in_pieces() {
    let device = MemoryDevice::new();
    let folder = Folder::new(4);
    let name = |number: u32| folder.path().join(format!("f{number:03}"));
    (0..200).for_each(|number| std::fs::write(name(number), vec![1; 4000]).unwrap());
    create(folder.path(), &rewritable(Revision::V2_01, BlockSize::B512, 3500), &device).unwrap();
    (0..200).step_by(2).for_each(|number| std::fs::remove_file(name(number)).unwrap());
    let change = Change::to(&folder);
    change_on(&device, change).unwrap();
    let free_bytes = usize::try_from(free_blocks(&device)).unwrap() * 512;
    std::fs::write(folder.path().join("large"), vec![2; free_bytes - 150_000]).unwrap();
    change_on(&device, change).unwrap();
    assert_clean(&device, "in pieces");
    let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
    let large = volume.lookup("large").unwrap();
    assert!(volume.extents(&large).count() > 10, "{} extents", volume.extents(&large).count());
    assert_same(&manifest::of_folder(folder.path()), &manifest::of_volume(&volume), "in pieces");
}

/// Blocks of the metadata partition, and extents of its file.
fn metadata(device: &MemoryDevice) -> (u32, usize) {
    let volume = Volume::open(device, &OpenOptions::default()).unwrap();
    let partition = &volume.partitions()[1];
    let PartitionKind::Metadata(files) = &partition.kind else { panic!("no metadata partition") };
    (partition.length_blocks, files.main.as_ref().unwrap().extents().len())
}

#[test]
fn a_metadata_partition_stays_in_one_extent_as_long_as_it_can_and_then_grows() {
    for (seed, unit) in (70..).zip([1, 32]) {
        for redundant_metadata in [true, false] {
            let mut folder = Folder::new(seed);
            folder.change(20);
            let device = MemoryDevice::new();
            let spec = rewritable(Revision::V2_50, BlockSize::B2048, 9000);
            create(folder.path(), &Spec { redundant_metadata, ..spec }, &device).unwrap();
            let before = metadata(&device);
            let change = |folder: &Folder| {
                let change = Change { unit, ..Change::to(folder) };
                change_on(&device, change).unwrap();
                let context = format!("unit {unit}, {redundant_metadata}");
                assert_clean(&device, &context);
                let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
                assert_same(&manifest::of_folder(folder.path()), &manifest::of_volume(&volume), &context);
            };
            for _ in 0..4 {
                folder.change(6);
                change(&folder);
            }
            // An entry that stays keeps its unit from being written to.
            assert!(metadata(&device) == before || unit > 1, "{before:?}");
            for round in 0..3 {
                let name = |number| folder.path().join(format!("small {round} {number}"));
                (0..150).for_each(|number| std::fs::write(name(number), b"x").unwrap());
                change(&folder);
            }
            let after = metadata(&device);
            assert!(after.0 > before.0 + 100 && (2..6).contains(&after.1), "{before:?}, {after:?}");
        }
    }
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let device = MemoryDevice::new();
    let folder = Folder::new(5);
    create(folder.path(), &rewritable(Revision::V1_50, BlockSize::B2048, 2000), &device).unwrap();
    let before = device.into_bytes();
    let device = MemoryDevice::from(before.clone());
    std::fs::write(folder.path().join("large"), vec![2; 3_000_000]).unwrap();
    let change = Change::to(&folder);
    let error = change_on(&device, change).unwrap_err();
    assert!(matches!(error, Error::NoSpace { .. }), "{error}");
    assert!(before == device.into_bytes());
}

/// A change, and all that was written.
struct Case {
    name: String,
    old_bytes: Vec<u8>,
    old: Manifest,
    new: Manifest,
    events: Vec<Event>,
    folder: Folder,
    block_size: BlockSize,
    unit: u32,
    seed: u64,
    /// How many there are.
    steps: usize,
    /// Sectors are old or new, and what broke off goes on without repair.
    pseudo_overwrite: bool,
}

fn case(revision: Revision, block_size: BlockSize, unit: u32, seed: u64) -> Case {
    case_of(&rewritable(revision, block_size, 3200), unit, seed, 0)
}

/// The same with so many small files more than the change has anyhow.
fn case_of(spec: &Spec, unit: u32, seed: u64, more: u32) -> Case {
    let (revision, block_size) = (spec.revision, spec.block_size);
    let mut folder = Folder::new(seed);
    folder.change(25);
    let device = MemoryDevice::new();
    create(folder.path(), spec, &device).unwrap();
    folder.change(8);
    change_on(&device, Change { unit, ..Change::to(&folder) }).unwrap();
    let old = manifest::of_folder(folder.path());
    folder.change(12);
    (0..more).for_each(|number| std::fs::write(folder.path().join(format!("s{number}")), b"x").unwrap());
    let new = manifest::of_folder(folder.path());
    let old_bytes = device.into_bytes();
    let device = MemoryDevice::from(old_bytes.clone());
    let change = Change { unit, ..Change::to(&folder) };
    let (tree, plan) = plan_change(&device, change).unwrap();
    let recorder = Recorder::new(device);
    let volume = MemoryDevice::from(old_bytes.clone());
    stream(&plan, &tree, &recorder, Some(&volume), &Progress::new(), &StreamOptions::default()).unwrap();
    let (_, events) = recorder.into_parts();
    let pseudo_overwrite = spec.pseudo_overwrite;
    let steps = match () {
        () if pseudo_overwrite => 6, // New data, other new things, open, reserve, main, closed.
        () if revision.rules().metadata_partition => 10,
        () => 9,
    };
    let kind = if pseudo_overwrite { ", pseudo-overwrite" } else { "" };
    let growing = if more > 0 { ", growing" } else { "" };
    let name = format!("in place {revision}{kind}{growing}, blocks of {block_size}, unit {unit}");
    Case { name, old_bytes, old, new, events, folder, block_size, unit, seed, steps, pseudo_overwrite }
}

/// Without what was recorded for a tree that there is not, or is no more: it is nobody's, and `repair` gives it names.
fn without_lost(mut repaired: Manifest, found: &Manifest) -> Manifest {
    if repaired.contains_key("lost+found") && !found.contains_key("lost+found") {
        repaired.retain(|path, _| !path.starts_with("lost+found"));
        // What is in there may be a directory, with further names for files that are elsewhere.
        for (path, item) in &mut repaired {
            item.links = found.get(path).map_or(item.links, |item| item.links);
        }
    }
    repaired
}

/// Whoever writes to the volume without repairing it first takes nothing that a file has.
fn assert_nothing_needed_is_free(volume: &Volume<&MemoryDevice>, context: &str) {
    let report = check(*volume.device(), &OpenOptions::default(), &mut |_| ());
    let taken: Vec<_> = report.findings.iter().filter(|one| one.rule.to_string() == "R137").collect();
    assert!(taken.is_empty(), "{context}: {taken:#?}");
}

impl Case {
    /// The old tree or the new one, to the last byte. What says that it is closed has no fault; what is open can be repaired, and
    /// either can be changed further.
    fn judge(&self, State { bytes, context, number, is_chosen }: State) -> bool {
        let device = MemoryDevice::from(bytes);
        let volume = Volume::open(&device, &OpenOptions::default());
        let volume = volume.unwrap_or_else(|error| panic!("{context}: {error}"));
        let found = manifest::of_volume(&volume);
        let is_new = found == self.new;
        if !is_new {
            assert_same(&self.old, &found, &context);
        }
        assert_nothing_needed_is_free(&volume, &context);
        let state = volume.integrity().and_then(|integrity| integrity.integrity_type);
        drop(volume);
        if state == Some(IntegrityType::Close) && matches!(self.tear(), Tear::Sectors(_)) {
            assert_clean(&device, &context);
        }
        images::leave_state(&device, (number, &context), self.block_size.bytes(), &found);
        if is_chosen && self.pseudo_overwrite {
            self.go_on_without_repair(&device, &context);
        } else if is_chosen {
            self.go_on(&device, &found, &context);
        }
        is_new
    }

    fn go_on(&self, device: &MemoryDevice, found: &Manifest, context: &str) {
        let plan = repair::plan(device, &OpenOptions::default());
        let plan = plan.unwrap_or_else(|error| panic!("{context}: {error}"));
        repair::apply(&plan, device).unwrap();
        assert_clean(device, &format!("{context}, repaired"));
        let volume = Volume::open(device, &OpenOptions::default()).unwrap();
        assert_same(
            found,
            &without_lost(manifest::of_volume(&volume), found),
            &format!("{context}, repaired"),
        );
        drop(volume);
        let change = Change { unit: self.unit, ..Change::to(&self.folder) };
        change_on(device, change).unwrap_or_else(|error| panic!("{context}: {error}"));
        let volume = Volume::open(device, &OpenOptions::default()).unwrap();
        assert_same(&self.new, &manifest::of_volume(&volume), &format!("{context}, changed again"));
    }

    /// Such volumes do not need it; only what is marked as open has to be forced.
    fn go_on_without_repair(&self, device: &MemoryDevice, context: &str) {
        let force = !Volume::open(device, &OpenOptions::default()).unwrap().is_consistent();
        let change = Change { unit: self.unit, force, ..Change::to(&self.folder) };
        change_on(device, change).unwrap_or_else(|error| panic!("{context}: {error}"));
        let context = format!("{context}, changed again");
        assert_clean(device, &context);
        let volume = Volume::open(device, &OpenOptions::default()).unwrap();
        assert_same(&self.new, &manifest::of_volume(&volume), &context);
    }

    fn tear(&self) -> Tear {
        let len = self.block_size.len();
        if self.unit == 1 || self.pseudo_overwrite {
            Tear::Sectors(len)
        } else {
            Tear::Units(self.unit as usize * len)
        }
    }

    fn try_states(&self) -> usize {
        assert_eq!(groups(&self.events).len(), self.steps);
        let (name, old, events) = (self.name.as_str(), self.old_bytes.as_slice(), self.events.as_slice());
        let parts = if self.pseudo_overwrite { 60 } else { 40 };
        let cuts = Cuts { name, old, events, tear: self.tear(), parts, seed: self.seed };
        let mut is_new = false;
        let states = cuts.judge_all(|state| is_new = self.judge(state));
        assert!(is_new || self.old == self.new);
        states
    }
}

#[test]
fn a_change_is_all_or_nothing_where_sectors_tear() {
    let mut states = 0;
    for (seed, revision) in (20..).zip(REVISIONS) {
        for block_size in [BlockSize::B512, BlockSize::B2048] {
            states += case(revision, block_size, 1, seed).try_states();
        }
    }
    assert!(states > 2000, "only {states} states");
}

#[test]
fn a_change_is_all_or_nothing_where_whole_units_are_lost() {
    for (seed, unit) in (40..).zip([16, 32]) {
        for revision in [Revision::V1_50, Revision::V2_01, Revision::V2_50] {
            case(revision, BlockSize::B2048, unit, seed).try_states();
        }
    }
}

#[test]
fn a_volume_that_was_being_changed_is_not_changed_unless_forced() {
    let case = case(Revision::V2_01, BlockSize::B2048, 1, 60);
    let mut bytes = case.old_bytes.clone();
    for group in &groups(&case.events)[..2] {
        for (offset, piece) in group {
            apply(&mut bytes, *offset, piece);
        }
    }
    let device = MemoryDevice::from(bytes);
    let change = Change::to(&case.folder);
    let error = change_on(&device, change).unwrap_err();
    assert!(
        error.to_string().contains("integrity is open") && error.to_string().contains("repair"),
        "{error}"
    );
    change_on(&device, Change { force: true, ..change }).unwrap();
    let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
    assert_same(&case.new, &manifest::of_volume(&volume), "forced");
}
