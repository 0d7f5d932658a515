//! Discs that are written one sector after the other: what is on them follows a model through appends and sessions, in every
//! medium and revision; old states stay as they are, whatever comes behind them, and a power cut leaves the old one.

use std::fs;
use std::path::{Path, PathBuf};

use mkudf_ms::device::simulated::SimulatedMedium;
use mkudf_ms::device::{Event, FileReader, MemoryDevice, Recorder, WriteAt};
use mkudf_ms::media::multisession::{Mechanism, choose};
use mkudf_ms::media::{Medium, VolumeLayout};
use mkudf_ms::plan::{AppendSpec, Plan, SequentialTarget};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::{Conflict, NoSession, Options, Source, scan};
use mkudf_ms::session::{Import, ImportOptions, end_of_session, newest_whole, sessions};
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::Tree;
use udf::general::Tag;
use udf::read::{OpenOptions, ReadAt, Volume};
use udf::{BlockSize, Revision, Sector, check};

use crate::support::build::{Append, NOW, plan_append_with, spec};
use crate::support::folder::Folder;
use crate::support::manifest::{self, Manifest, assert_same};
use crate::support::writes::apply;

mod logical;
mod overwritten;

const MEDIA: [&str; 7] = ["cd-r", "cd-rw", "dvd-r", "dvd-rw-seq", "dvd+r", "dvd+r-dl", "bd-r"];
const REVISIONS: [Revision; 5] =
    [Revision::V1_50, Revision::V2_00, Revision::V2_01, Revision::V2_50, Revision::V2_60];

/// A disc, the folder that its newest state is to be equal to, and what each of its states was.
pub(crate) struct Story {
    pub(crate) image: PathBuf,
    folder: Folder,
    pub(crate) states: Vec<Manifest>,
    context: String,
    _home: tempfile::TempDir,
}

impl Story {
    pub(crate) fn begin(medium: &str, revision: Revision, seed: u64, closes_session: bool) -> Self {
        Self::with_layout(VolumeLayout::Vat, medium, revision, seed, closes_session)
    }

    fn with_layout(
        layout: VolumeLayout,
        medium: &str,
        revision: Revision,
        seed: u64,
        closes_session: bool,
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(seed);
        folder.change(40);
        let image = home.path().join("disc.img");
        let context = format!("{layout} on {medium}, revision {revision}, seed {seed}");
        let medium = Medium::find(medium).unwrap();
        let target = SequentialTarget {
            closes_session,
            ..SequentialTarget::blank(medium.capacity_blocks.unwrap(), medium.write_unit_blocks)
        };
        let (tree, plan) = plan_create(folder.path(), layout, revision, &target);
        let disc = SimulatedMedium::blank(&image, medium, None).unwrap();
        stream(&plan, &tree, &disc, None, &Progress::new(), &StreamOptions::default()).unwrap();
        if closes_session {
            disc.close_session().unwrap();
        }
        drop(disc);
        let states = vec![manifest::of_folder(folder.path())];
        let story = Self { image, folder, states, context, _home: home };
        story.judge();
        story
    }

    fn disc(&self) -> SimulatedMedium {
        SimulatedMedium::open(&self.image).unwrap().unwrap()
    }

    fn newest(&self) -> OpenOptions {
        newest(&self.image)
    }

    /// Changes the folder, and makes the disc equal to it.
    pub(crate) fn append(&mut self, changes: u32, update: bool, closes_session: bool) {
        self.folder.change(changes);
        let disc = self.disc();
        let target = SequentialTarget { closes_session, ..target(&disc) };
        let request =
            Request { folder: self.folder.path(), open: self.newest(), target: Some(target), update };
        let (tree, plan) = plan_append(&disc, &request);
        let before = fs::read(&self.image).unwrap();
        stream(&plan, &tree, &disc, Some(&disc), &Progress::new(), &StreamOptions::default()).unwrap();
        if closes_session {
            disc.close_session().unwrap();
        }
        drop(disc);
        assert!(
            fs::read(&self.image).unwrap().starts_with(&before),
            "{}: what was there changed",
            self.context
        );
        self.states.push(manifest::of_folder(self.folder.path()));
        self.judge();
    }

    fn close(&self) {
        let disc = self.disc();
        let target = SequentialTarget { closes_session: true, ..target(&disc) };
        let volume = Volume::open(&disc, &self.newest()).unwrap();
        let (offset, bytes) = end_of_session(&volume, &target).unwrap();
        disc.write_at(offset, &bytes).unwrap();
        disc.close_session().unwrap();
        drop(disc);
        self.judge();
    }

    /// The newest state, each older one, and the checker.
    fn judge(&self) {
        let device = MemoryDevice::from(fs::read(&self.image).unwrap());
        let number = self.states.len();
        let context = format!("{}, state {number}", self.context);
        let open = self.newest();
        let volume = Volume::open(&device, &open).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(volume.warnings().len(), 0, "{context}: {:?}", volume.warnings());
        assert_same(&self.states[number - 1], &manifest::of_volume(&volume), &context);
        let found = sessions(&device, &open).unwrap();
        assert!(found.len() >= number, "{context}: only {} states are listed", found.len());
        for (session, expected) in found.iter().rev().zip(self.states.iter().rev()) {
            let context = format!("{context}: as state {}", session.number);
            let volume =
                Volume::open(&device, &session.open).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_same(expected, &manifest::of_volume(&volume), &context);
            let names = expected.values().filter(|item| item.kind != "directory").count();
            let counts = (session.files, session.directories);
            let expected = (names, expected.len() - names);
            let expected = (u32::try_from(expected.0).ok(), u32::try_from(expected.1).ok());
            assert_eq!(counts, expected, "{context}");
        }
        let found = findings(&device, &open);
        assert_eq!(found, [] as [String; 0], "{context}");
    }
}

fn findings(device: &MemoryDevice, open: &OpenOptions) -> Vec<String> {
    let report = check::check(device, open, &mut |_| {});
    // A session that is open has one anchor only; the checker cannot know whether it is.
    // And from 2.00 on the table has an extended entry, which is noted and as it should be (UDF 2.3.6).
    let is_expected = |text: &String| text.contains("R029") || text.starts_with("note R077");
    report.findings.iter().map(ToString::to_string).filter(|text| !is_expected(text)).collect()
}

fn newest(image: &Path) -> OpenOptions {
    let all = SimulatedMedium::sessions_of(image).unwrap().unwrap();
    let all: Vec<_> = all.iter().map(|one| (Sector(one.start), Sector(one.last))).collect();
    let whole = newest_whole(&FileReader::open(image).unwrap(), &all);
    whole.options().unwrap_or_else(|| panic!("{all:?}: none is whole"))
}

fn target(disc: &SimulatedMedium) -> SequentialTarget {
    match choose(&disc.multisession(), disc.state()).unwrap().mechanism {
        Mechanism::Sequential(facts) => SequentialTarget::of(&facts),
        other => panic!("{other:?}"),
    }
}

fn plan_create(
    folder: &Path,
    layout: VolumeLayout,
    revision: Revision,
    target: &SequentialTarget,
) -> (Tree, Plan) {
    let options = Options::new(NOW);
    let mut tree = Tree::new(options.made);
    scan(&mut tree, &mut NoSession, &[Source::new(folder)], &options, &Progress::new()).unwrap();
    let spec = spec(revision, BlockSize::B2048);
    let plan = match layout {
        VolumeLayout::Vat => Plan::create_with_table(&tree, &spec, target),
        _ => Plan::create_session(&tree, &spec, target),
    };
    (tree, plan.unwrap())
}

struct Request<'a> {
    folder: &'a Path,
    open: OpenOptions,
    target: Option<SequentialTarget>,
    update: bool,
}

fn plan_append<R: ReadAt>(device: &R, request: &Request<'_>) -> (Tree, Plan) {
    let options =
        ImportOptions { open: request.open, sequential: request.target, ..ImportOptions::default() };
    let mut import = Import::open(device, &options).unwrap();
    let mut tree = import.tree().unwrap();
    let options =
        Options { on_conflict: Conflict::Replace, update: request.update, mirror: true, ..Options::new(NOW) };
    let outcome =
        scan(&mut tree, &mut import, &[Source::new(request.folder)], &options, &Progress::new()).unwrap();
    let (base, _) = import.finish(&mut tree, &outcome).unwrap();
    let spec = AppendSpec { now: NOW, zone_minutes: 60, label: None, embed: true };
    let plan = Plan::append(&tree, &spec, base).unwrap();
    (tree, plan)
}

#[test]
fn every_medium_and_revision_follows_the_model_through_open_and_closed_sessions() {
    for (row, medium) in (0..).zip(MEDIA) {
        for revision in REVISIONS {
            // Every medium in two revisions at least, every revision on three media at least.
            let column = u64::from(revision.number() >> 4);
            if (row + column) % 2 != 0 && medium != "bd-r" {
                continue;
            }
            let mut story = Story::begin(medium, revision, 100 * row + column, false);
            story.append(12, true, false);
            story.append(12, false, false);
            story.close();
            story.append(12, true, false);
            story.append(12, true, true);
            story.append(12, true, false);
        }
    }
}

#[test]
fn sessions_that_are_closed_in_one_go_end_with_their_partition() {
    for medium in ["cd-r", "dvd+r", "bd-r"] {
        let mut story = Story::begin(medium, Revision::V2_01, 77, true);
        for _ in 0..3 {
            story.append(10, true, true);
            let volume = Volume::open(story.disc(), &story.newest()).unwrap();
            let blocks = volume.partitions()[0].length_blocks;
            let image = volume.device().size_bytes() / 2048;
            assert_eq!(288 + u64::from(blocks), image, "{medium}");
            // The second anchor, and the table as the last sector (UDF 2.60 6.10.1.3).
            let anchors: Vec<_> =
                volume.found().anchors.iter().map(|anchor| u64::from(anchor.sector.0)).collect();
            assert!(anchors.contains(&(image - 257)), "{medium}: {anchors:?}");
        }
    }
}

#[test]
fn a_power_cut_leaves_the_old_state_until_the_first_icb_of_the_new_table_is_there() {
    for (medium, revision) in
        [("cd-r", Revision::V1_50), ("dvd-r", Revision::V2_01), ("bd-r", Revision::V2_50)]
    {
        for is_closed in [false, true] {
            let mut story = Story::begin(medium, revision, 4242, is_closed);
            story.folder.change(20);
            let new = manifest::of_folder(story.folder.path());
            let disc = story.disc();
            let newest = story.newest();
            let request = Request {
                folder: story.folder.path(),
                open: newest,
                target: Some(target(&disc)),
                update: true,
            };
            let (tree, plan) = plan_append(&disc, &request);
            let recorder = Recorder::new(disc);
            let volume = MemoryDevice::from(fs::read(&story.image).unwrap());
            let options = StreamOptions::default();
            stream(&plan, &tree, &recorder, Some(&volume), &Progress::new(), &options).unwrap();
            let (disc, events) = recorder.into_parts();
            drop(disc);
            judge_prefixes(&story, &newest, &new, &events, &volume.into_bytes());
        }
    }
}

/// Every prefix of what was written, sector by sector near the end, opens as the old state or the new one; and the disc goes
/// on from there.
fn judge_prefixes(story: &Story, newest: &OpenOptions, new: &Manifest, events: &[Event], old: &[u8]) {
    let mut written = Vec::new();
    let mut start = None;
    for event in events {
        if let Event::Write { offset_bytes, bytes } = event {
            let start = *start.get_or_insert(*offset_bytes);
            assert_eq!(start + written.len() as u64, *offset_bytes, "{}: not in order", story.context);
            written.extend_from_slice(bytes);
        }
    }
    let start = usize::try_from(start.unwrap()).unwrap();
    let sectors = written.len() / 2048;
    let (mut seen_old, mut seen_new) = (0, 0);
    for count in (0..sectors).filter(|count| count % 7 == 0 || count + 80 > sectors).chain([sectors]) {
        let mut bytes = old.to_vec();
        bytes.resize(start, 0);
        bytes.extend_from_slice(&written[..count * 2048]);
        let device = MemoryDevice::from(bytes);
        // A session without its anchor is none yet: a drive is asked for the one before it.
        let fresh = OpenOptions {
            session_start: Some(Sector(u32::try_from(start / 2048).unwrap())),
            ..OpenOptions::default()
        };
        let context = format!("{}, {count} of {sectors} sectors", story.context);
        let of_new_session = Volume::open(&device, &fresh).ok().filter(|_| start / 2048 > 288);
        let volume = of_new_session.map_or_else(|| Volume::open(&device, newest), Ok);
        let volume = volume.unwrap_or_else(|error| panic!("{context}: {error}"));
        let found = manifest::of_volume(&volume);
        if found == *new {
            seen_new += 1;
        } else {
            assert_same(&story.states[0], &found, &context);
            assert_eq!(seen_new, 0, "{context}: old again");
            seen_old += 1;
        }
    }
    assert!(seen_old > 1 && seen_new > 1, "{}: {seen_old} old, {seen_new} new", story.context);
}

#[test]
fn a_disc_goes_on_behind_what_a_power_cut_left() {
    for medium in ["cd-r", "dvd+r", "bd-r"] {
        let mut story = Story::begin(medium, Revision::V2_01, 99, false);
        // Half of a state: whatever was being written has no table.
        let image = fs::OpenOptions::new().append(true).open(&story.image).unwrap();
        image.set_len(image.metadata().unwrap().len() + 100 * 2048).unwrap();
        drop(image);
        let device = MemoryDevice::from(fs::read(&story.image).unwrap());
        let volume = Volume::open(&device, &story.newest()).unwrap();
        assert_same(&story.states[0], &manifest::of_volume(&volume), medium);
        story.append(10, true, false);
    }
}

#[test]
fn only_what_changes_is_written() {
    let mut story = Story::begin("bd-r", Revision::V2_01, 5, false);
    for index in 0..3000 {
        fs::write(story.folder.path().join(format!("many-{index}")), "x").unwrap();
    }
    story.append(0, true, false);
    let before = fs::metadata(&story.image).unwrap().len();
    fs::create_dir(story.folder.path().join("new")).unwrap();
    story.append(0, true, false);
    let written = (fs::metadata(&story.image).unwrap().len() - before) / 2048;
    // The root directory's body, three entries, two blocks of the table, and its ICB in a write unit.
    let bodies = 3100 * 60 / 2048 + 1;
    assert!(written < bodies + 32 + 32, "{written} sectors");
}

#[test]
fn a_table_in_a_plain_image_goes_on_at_its_end_and_survives_power_cuts_in_any_order() {
    let story = Story::begin("dvd-r", Revision::V2_01, 31, false);
    let old = fs::read(&story.image).unwrap();
    let mut folder = Folder::new(32);
    folder.change(30);
    let device = MemoryDevice::from(old.clone());
    let request = Request { folder: folder.path(), open: OpenOptions::default(), target: None, update: true };
    let (tree, plan) = plan_append(&device, &request);
    let recorder = Recorder::new(device);
    let volume = MemoryDevice::from(old.clone());
    stream(&plan, &tree, &recorder, Some(&volume), &Progress::new(), &StreamOptions::default()).unwrap();
    let (device, events) = recorder.into_parts();
    let flushes = events.iter().filter(|event| **event == Event::Flush).count();
    assert_eq!(flushes, 2, "the table's ICB waits until all else is durable");
    let new = manifest::of_folder(folder.path());
    assert_same(&new, &manifest::of_volume(&Volume::open(&device, &OpenOptions::default()).unwrap()), "new");
    // Nothing of the first step alone makes the new state count.
    let mut bytes = old;
    for event in events.iter().take_while(|event| **event != Event::Flush) {
        if let Event::Write { offset_bytes, bytes: piece } = event {
            apply(&mut bytes, usize::try_from(*offset_bytes).unwrap(), piece);
        }
    }
    let device = MemoryDevice::from(bytes);
    let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
    assert_same(&story.states[0], &manifest::of_volume(&volume), "old");
}

/// Only the anchor at N - 256 was left, or the only one that leads to the volume, and when the image had grown nothing led to it
/// any more.
#[test]
fn a_table_that_only_anchors_at_the_end_lead_to_is_not_gone_on_with() {
    let story = Story::begin("dvd-r", Revision::V2_01, 33, false);
    let sound = fs::read(&story.image).unwrap();
    let last = sound.len() / 2048 - 1;
    let sector = |number: usize| number * 2048..(number + 1) * 2048;
    // Where the first anchor says that the sequences are, if it says anything.
    for elsewhere in [None, Some(0u32), Some(76_546_112)] {
        let mut bytes = sound.clone();
        let mut anchor = bytes[sector(256)].to_vec();
        anchor[12..16].copy_from_slice(&u32::try_from(last - 256).unwrap().to_le_bytes());
        Tag::reseal(&mut anchor);
        bytes[sector(last - 256)].copy_from_slice(&anchor);
        let first = &mut bytes[sector(256)];
        if let Some(elsewhere) = elsewhere {
            first[20..24].copy_from_slice(&elsewhere.to_le_bytes());
            first[28..32].copy_from_slice(&elsewhere.to_le_bytes());
            Tag::reseal(first);
        } else {
            first.fill(0);
        }
        let device = MemoryDevice::from(bytes);
        Volume::open(&device, &OpenOptions::default()).unwrap();
        let error = Import::open(&device, &ImportOptions::default()).unwrap_err();
        assert!(error.to_string().contains("no readable anchor at its sector 256 or 512"), "{error}");
    }
}

/// The table was given a new block for the number of the root, and nobody asked it.
#[test]
fn a_table_that_the_root_is_found_without_is_not_gone_on_with() {
    let story = Story::begin("dvd-r", Revision::V2_01, 34, false);
    let mut bytes = fs::read(&story.image).unwrap();
    let volume = Volume::open(&bytes, &OpenOptions::default()).unwrap();
    let sector = |icb| volume.locate(icb).unwrap().sector.0;
    let (file_set, root) = (sector(volume.file_set_address()), sector(volume.root_icb().start()));
    let root = root - volume.partitions()[0].start().unwrap().0;
    let file_set = &mut bytes[file_set as usize * 2048..][..2048];
    // Block and partition of the root directory ICB (ECMA-167 4/14.1).
    file_set[404..408].copy_from_slice(&root.to_le_bytes());
    file_set[408..410].copy_from_slice(&[0, 0]);
    Tag::reseal(file_set);
    let folder = Folder::new(35);
    let request = Append { folder: folder.path(), mirror: false, update: false, fixed_size: false };
    let error =
        plan_append_with(&MemoryDevice::from(bytes), &request, &ImportOptions::default()).unwrap_err();
    assert!(error.to_string().contains("partition 0 lies outside"), "{error}");
}

#[test]
fn a_full_disc_is_noticed_before_anything_is_written() {
    let home = tempfile::tempdir().unwrap();
    let image = home.path().join("disc.img");
    let disc = SimulatedMedium::blank(&image, Medium::find("bd-r").unwrap(), Some(320)).unwrap();
    let options = Options::new(NOW);
    let mut tree = Tree::new(options.made);
    scan(&mut tree, &mut NoSession, &[Source::new(home.path())], &options, &Progress::new()).unwrap();
    let plan =
        Plan::create_with_table(&tree, &spec(Revision::V2_01, BlockSize::B2048), &target_of_blank(320));
    assert!(matches!(plan, Err(mkudf_ms::Error::NoSpace { .. })), "{plan:?}");
    assert_eq!(disc.size_bytes(), 0);
    assert!(
        Plan::create_with_table(&tree, &spec(Revision::V1_02, BlockSize::B2048), &target_of_blank(9999))
            .is_err()
    );
}

fn target_of_blank(capacity_blocks: u32) -> SequentialTarget {
    SequentialTarget::blank(capacity_blocks, 32)
}
