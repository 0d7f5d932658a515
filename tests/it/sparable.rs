//! Sparable volumes, of another program and our own, changed in place on a medium that becomes damaged: packets that cannot be
//! written are relocated, and nothing is lost.

use std::fs;
use std::process::Command;

use mkudf_ms::device::{Event, Faulty, MemoryDevice, Recorder, Sparing};
use mkudf_ms::plan::{Plan, Spec};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::Outcome;
use mkudf_ms::session::{Import, ImportOptions, Manner};
use mkudf_ms::stream::{StreamOptions, read_back, stream};
use mkudf_ms::tree::{Attributes, Tree};
use mkudf_ms::{Warning, repair};
use udf::check::{Severity, check};
use udf::partition::SparingEntry;
use udf::read::{OpenOptions, PartitionKind, Volume};
use udf::{BlockSize, Revision};

use crate::support::build::{Append, create, plan_append_with, spec};
use crate::support::folder::Folder;
use crate::support::manifest::{self, Manifest, assert_same};
use crate::support::writes::{Cuts, State, Tear};

const BLOCK: u64 = 2048;

/// A memory some sectors of which can be neither written nor read any more.
type Damaged<'a> = Faulty<&'a MemoryDevice>;

fn damaged<'a>(memory: &'a MemoryDevice, bad: &[u32]) -> Damaged<'a> {
    Faulty::new(memory).damaged(bad.iter().map(|sector| u64::from(*sector) * BLOCK).map(|at| at..at + BLOCK))
}

/// An empty volume; `None` if there is nobody to make one.
fn made(revision: &str) -> Option<MemoryDevice> {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("cdrw.udf");
    let mut command = Command::new("mkudffs");
    command.args(["--new-file", "--media-type=cdrw", "--blocksize=2048"]).arg(format!("--udfrev={revision}"));
    match command.arg(&image).arg("12288").output() {
        Ok(made) => assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr)),
        Err(error) => {
            println!("skipped: mkudffs: {error}");
            return None;
        }
    }
    Some(MemoryDevice::from(fs::read(image).unwrap()))
}

/// An empty volume of our own, in packets of so many blocks.
fn ours(revision: Revision, packet_blocks: u16) -> MemoryDevice {
    made_by_us(12_288, packet_blocks, &spec(revision, BlockSize::B2048))
}

fn made_by_us(blocks: u32, packet_blocks: u16, spec: &Spec) -> MemoryDevice {
    let spec = Spec { rewritable_blocks: Some(blocks), packet_blocks: Some(packet_blocks), ..spec.clone() };
    let tree = Tree::new(Attributes::default());
    let plan = Plan::create(&tree, &spec).unwrap();
    let memory = MemoryDevice::with_capacity(spec.block_size.bytes_in(blocks));
    stream(&plan, &tree, &memory, None, &Progress::new(), &StreamOptions::default()).unwrap();
    memory
}

/// Revisions and packets of ours.
const OURS: [(Revision, u16); 4] =
    [(Revision::V1_50, 32), (Revision::V2_00, 32), (Revision::V2_01, 32), (Revision::V2_01, 16)];

/// Theirs and ours.
fn volumes() -> Vec<(String, MemoryDevice)> {
    let theirs = ["1.50", "2.01"]
        .into_iter()
        .filter_map(|revision| Some((format!("mkudffs {revision}"), made(revision)?)));
    let ours = OURS.map(|(revision, packet_blocks)| {
        (format!("ours {revision}, {packet_blocks}"), ours(revision, packet_blocks))
    });
    theirs.chain(ours).collect()
}

/// What a change writes, with the sectors of its files' data.
fn planned(device: &Damaged<'_>, folder: &std::path::Path) -> (Tree, Plan) {
    let request = Append { folder, mirror: true, update: true, fixed_size: false };
    let options =
        ImportOptions { manner: Manner::InPlace, write_unit_blocks: 32, ..ImportOptions::default() };
    plan_append_with(device, &request, &options).unwrap()
}

/// The rules that mkudffs's sparable volumes break as they are made.
fn is_its_own(finding: &udf::check::Finding) -> bool {
    finding.severity < Severity::Error || finding.message.contains("has not come yet")
}

#[test]
fn packets_that_cannot_be_written_are_relocated_and_nothing_is_lost() {
    for (revision, memory) in volumes() {
        let before = check(&memory, &OpenOptions::default(), &mut |_| ());
        let before: Vec<_> =
            before.findings.iter().filter(|one| !is_its_own(one)).map(|one| one.rule).collect();
        let folder = tempfile::tempdir().unwrap();
        let mut bad: Vec<u32> = Vec::new();
        let (progress, options) = (Progress::new(), StreamOptions::default());
        for turn in 0..4_u8 {
            for number in 0..6_u8 {
                let body = vec![turn * 16 + number; 30_000 * usize::from(number + 1)];
                fs::write(folder.path().join(format!("{turn}-{number}")), body).unwrap();
            }
            if turn > 0 {
                fs::remove_file(folder.path().join(format!("{}-2", turn - 1))).unwrap();
            }
            let (tree, plan) = planned(&damaged(&memory, &bad), folder.path());
            // What is new is to go to places that fail from now on, and the first spare packets with it.
            let files: Vec<_> = plan.files(&tree).map(|(_, start, blocks)| start.0 + blocks / 2).collect();
            bad.extend(files.iter().step_by(2));
            let device = damaged(&memory, &bad);
            let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
            let sparing = Sparing::find(&volume, &device, Some(&device)).unwrap();
            assert_eq!(stream(&plan, &tree, &sparing, Some(&sparing), &progress, &options).unwrap(), []);
            let told = sparing.warnings();
            assert!(
                !told.is_empty() && told.iter().all(|one| matches!(one, Warning::Relocated { .. })),
                "{told:?}"
            );

            let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
            let shown = Sparing::find(&volume, &device, None).unwrap();
            let (differences, _) =
                read_back(&plan, &tree, &shown, Some(&shown), &progress, &options).unwrap();
            assert_eq!(differences, [], "{revision}, turn {turn}");
            for file in fs::read_dir(folder.path()).unwrap() {
                let file = file.unwrap();
                let entry = volume.lookup(file.file_name().to_str().unwrap()).unwrap();
                let body = volume.read_all(&entry, 1 << 20).unwrap();
                assert!(body == fs::read(file.path()).unwrap(), "{revision}, turn {turn}: {:?}", file.path());
            }
            let after = check(&device, &OpenOptions::default(), &mut |_| ());
            let after: Vec<_> = after.findings.iter().filter(|one| !is_its_own(one)).collect();
            let new: Vec<_> = after.iter().filter(|one| !before.contains(&one.rule)).collect();
            assert!(new.is_empty(), "{revision}, turn {turn}: {new:#?}");
        }
    }
}

#[test]
fn what_says_which_blocks_can_never_be_used_is_not_removed() {
    for memory in made("1.50").into_iter().chain([ours(Revision::V1_50, 32)]) {
        assert_space_file_stays(&memory);
    }
}

fn assert_space_file_stays(memory: &MemoryDevice) {
    let name = "Non-Allocatable Space";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "a").unwrap();
    let device = damaged(memory, &[]);
    let (tree, plan) = planned(&device, folder.path());
    let (progress, options) = (Progress::new(), StreamOptions::default());
    stream(&plan, &tree, memory, Some(memory), &progress, &options).unwrap();
    let volume = Volume::open(memory, &OpenOptions::default()).unwrap();
    assert!(
        volume.lookup(name).is_ok() && volume.lookup("a").is_ok(),
        "a mirror of other files leaves it alone"
    );

    let options = ImportOptions { manner: Manner::InPlace, ..ImportOptions::default() };
    let mut import = Import::open(memory, &options).unwrap();
    let mut tree = import.tree().unwrap();
    import.remove(&mut tree, name).unwrap();
    let error = import.finish(&mut tree, &Outcome::default()).unwrap_err();
    assert!(error.to_string().contains("can never be used"), "{error}");
}

#[test]
fn new_sparable_volumes_are_sound_and_have_room_for_what_fails() {
    for (revision, packet_blocks) in OURS {
        let memory = ours(revision, packet_blocks);
        let report = check(&memory, &OpenOptions::default(), &mut |_| ());
        assert_eq!(report.findings, [], "{revision}, {packet_blocks}");
        let volume = Volume::open(&memory, &OpenOptions { strict: true, ..OpenOptions::default() }).unwrap();
        let [partition] = volume.partitions() else { panic!("{revision}: one partition") };
        let PartitionKind::Sparable(sparable) = &partition.kind else { panic!("{revision}: it is sparable") };
        assert_eq!(sparable.copies.len(), 2);
        assert!(sparable.copies.iter().all(|copy| copy.entries.iter().all(SparingEntry::is_available)));
        assert_eq!(sparable.entries().len(), 12_288 / usize::from(packet_blocks) / 32);
        let spared = sparable.entries().iter().map(|entry| entry.mapped_location.get());
        let end = partition.start().unwrap().0 + partition.length_blocks;
        assert!(spared.clone().all(|sector| sector >= end), "behind the partition");
        assert!(spared.clone().all(|sector| sector.is_multiple_of(packet_blocks.into())));
    }
    // As many spare packets as a table of one block has room for.
    for (block_size, most) in [(BlockSize::B512, 57_u16), (BlockSize::B1024, 121), (BlockSize::B2048, 249)] {
        let enough = u32::from(most) * 16 * 32 + 5000;
        let memory = made_by_us(enough, 16, &spec(Revision::V2_01, block_size));
        let options = OpenOptions { block_size: Some(block_size), ..OpenOptions::default() };
        let volume = Volume::open(&memory, &options).unwrap();
        let [partition] = volume.partitions() else { panic!("{block_size}: one partition") };
        let PartitionKind::Sparable(sparable) = &partition.kind else {
            panic!("{block_size}: it is sparable")
        };
        assert_eq!(sparable.entries().len(), usize::from(most), "{block_size}");
        assert_eq!(check(&memory, &options, &mut |_| ()).findings, [], "{block_size}");
    }
    for (revision, blocks) in [(Revision::V1_02, 12_288), (Revision::V2_50, 12_288), (Revision::V2_01, 700)] {
        let spec = Spec {
            rewritable_blocks: Some(blocks),
            packet_blocks: Some(32),
            ..spec(revision, BlockSize::B2048)
        };
        assert!(
            Plan::create(&Tree::new(Attributes::default()), &spec).is_err(),
            "{revision}, {blocks} blocks"
        );
    }
}

/// Before there were streams, the root begins with the name of a hidden file, in its entry or in blocks of its own.
#[test]
fn a_sparable_volume_of_1_50_has_a_hidden_file_for_what_can_never_be_used() {
    let name = "Non-Allocatable Space";
    let spec = Spec {
        rewritable_blocks: Some(12_288),
        packet_blocks: Some(32),
        ..spec(Revision::V1_50, BlockSize::B2048)
    };
    for names in [2, 40, 1500] {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..names {
            fs::write(folder.path().join(format!("file of the number {number}")), [b'x'; 10]).unwrap();
        }
        let memory = MemoryDevice::new();
        create(folder.path(), &spec, &memory).unwrap();
        assert_eq!(check(&memory, &OpenOptions::default(), &mut |_| ()).findings, [], "{names}");
        let volume = Volume::open(&memory, &OpenOptions { strict: true, ..OpenOptions::default() }).unwrap();
        let mut found = manifest::of_volume(&volume);
        assert!(found.remove(name).is_some());
        assert_same(&manifest::of_folder(folder.path()), &found, &format!("{names}"));
        let root = volume.root().unwrap();
        let child = volume.child(&root, name).unwrap().unwrap();
        assert!(child.is_hidden() && volume.entry(&child.icb).unwrap().unique_id == 16);
        let files = volume.integrity().unwrap().files;
        assert_eq!(files, Some(names + 1));
        drop(volume);
        fs::write(folder.path().join(name), "taken").unwrap();
        let error = create(folder.path(), &spec, &MemoryDevice::new()).unwrap_err();
        assert!(error.to_string().contains("of their own"), "{error}");
    }
}

/// A change under which packets fail, and what was there before and after it.
struct Relocating {
    name: String,
    folder: Folder,
    bad: Vec<u32>,
    old_bytes: Vec<u8>,
    old: Manifest,
    new: Manifest,
    events: Vec<Event>,
}

impl Relocating {
    fn of(seed: u64, (name, memory): (String, MemoryDevice)) -> Self {
        let mut folder = Folder::new(seed);
        folder.change(20);
        change(&damaged(&memory, &[]), folder.path());
        let old = manifest::of_volume(&Volume::open(&memory, &OpenOptions::default()).unwrap());
        let old_bytes = memory.into_bytes();
        fs::write(folder.path().join("large"), vec![7; 300_000]).unwrap();
        folder.change(10);
        let memory = MemoryDevice::from(old_bytes.clone());
        let (tree, plan) = planned(&damaged(&memory, &[]), folder.path());
        let bad: Vec<_> =
            plan.files(&tree).map(|(_, start, blocks)| start.0 + blocks / 2).step_by(2).collect();
        let device = Recorder::new(damaged(&memory, &bad));
        let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
        let sparing = Sparing::find(&volume, &device, Some(&device)).unwrap();
        stream(&plan, &tree, &sparing, Some(&sparing), &Progress::new(), &StreamOptions::default()).unwrap();
        assert!(!sparing.warnings().is_empty(), "{name}: nothing was relocated");
        let (_, events) = device.into_parts();
        let new =
            manifest::of_volume(&Volume::open(damaged(&memory, &bad), &OpenOptions::default()).unwrap());
        assert!(new != old, "{name}");
        Self { name, folder, bad, old_bytes, old, new, events }
    }

    /// The old tree or the new one; from either the next change comes to the new one.
    fn judge(&self, State { bytes, context, is_chosen, .. }: State) {
        let memory = MemoryDevice::from(bytes);
        let device = damaged(&memory, &self.bad);
        let shown = || {
            let volume = Volume::open(&device, &OpenOptions::default());
            manifest::of_volume(&volume.unwrap_or_else(|error| panic!("{context}: {error}")))
        };
        let found = shown();
        assert!(found == self.new || found == self.old, "{context}: neither the old tree nor the new one");
        if is_chosen {
            let plan = repair::plan(&device, &OpenOptions::default()).unwrap();
            repair::apply(&plan, &device).unwrap_or_else(|error| panic!("{context}: {error}"));
            change(&device, self.folder.path());
            assert_same(&self.new, &shown(), &format!("{context}, changed again"));
        }
    }

    fn try_states(&self, seed: u64) -> usize {
        let (name, old, events) = (self.name.as_str(), self.old_bytes.as_slice(), self.events.as_slice());
        Cuts { name, old, events, tear: Tear::Units(32 * 2048), parts: 8, seed }
            .judge_all(|state| self.judge(state))
    }
}

/// Changes a volume by way of its spare packets.
fn change(device: &Damaged<'_>, folder: &std::path::Path) {
    let (tree, plan) = planned(device, folder);
    let volume = Volume::open(device, &OpenOptions::default()).unwrap();
    let sparing = Sparing::find(&volume, device, Some(device)).unwrap();
    stream(&plan, &tree, &sparing, Some(&sparing), &Progress::new(), &StreamOptions::default()).unwrap();
}

#[test]
fn a_change_with_relocations_is_all_or_nothing() {
    let states = (1..).zip(volumes()).map(|(seed, volume)| Relocating::of(seed, volume).try_states(seed));
    let states: usize = states.sum();
    assert!(states > 200, "only {states} states");
}
