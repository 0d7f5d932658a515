//! Power cuts in every layout: whatever part of the writes reached the medium, it opens as the old state or as the new one, and
//! the next session can be appended.
//!
//! Between two flushes an image may have taken any of the writes, whole or torn at a block. A medium that is written one sector
//! after the other has a prefix of them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use mkudf_ms::builder::{Conflict, Defaults, FileSystemImage, ImageResult};
use mkudf_ms::device::simulated::{SimulatedMedium, sidecar};
use mkudf_ms::device::{Event, MemoryDevice, Recorder, WriteAt};
use mkudf_ms::media::multisession::Mechanism;
use mkudf_ms::plan::SequentialTarget;
use mkudf_ms::progress::Progress;
use mkudf_ms::session::{ImportOptions, end_of_session};
use udf::check::{Severity, check};
use udf::read::{OpenOptions, Volume};
use udf::{BlockSize, Revision, Sector};

use super::media::Ground;
use super::model::{Dice, Item, Model, change, lines, numbered, of_volume};
use crate::support::images;
use crate::support::random::Random;
use crate::support::writes::{Cuts, State, Tear, groups};

/// What was written to the image that was `old`.
fn written(result: &ImageResult<'_>, old: &[u8]) -> Vec<Event> {
    let recorder = Recorder::new(MemoryDevice::from(old.to_vec()));
    result.write_to(&recorder, &Progress::new()).unwrap();
    recorder.into_parts().1
}

struct Case {
    before: Model,
    after: Model,
    defaults: Defaults,
    context: String,
}

impl Case {
    /// Opens as old or new, and goes on; whether it was the new one.
    fn judge(&self, State { bytes, context, number, .. }: State) -> bool {
        let device = Arc::new(MemoryDevice::from(bytes));
        let volume = Volume::open(&*device, &OpenOptions::default())
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        let mut found = of_volume(&volume);
        assert!(found == self.before || found == self.after, "{context}: neither old nor new");
        let is_new = found == self.after;
        drop(volume);
        let mut image = FileSystemImage::import(Arc::clone(&device), self.defaults.clone())
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        image.add_bytes("/behind", "behind the cut", Conflict::Error).unwrap();
        let result = image.create_result().unwrap_or_else(|error| panic!("{context}: {error}"));
        result.write_to(&*device, &Progress::new()).unwrap_or_else(|error| panic!("{context}: {error}"));
        found.insert(String::from("/behind"), Item::file(b"behind the cut", u32::MAX));
        let volume = Volume::open(&*device, &OpenOptions::default()).unwrap();
        assert!(of_volume(&volume) == numbered(found), "{context}: what was appended behind it");
        if number.is_multiple_of(7) {
            let report = check(&*device, &OpenOptions::default(), &mut |_| ());
            let findings = report.findings.iter().filter(|finding| finding.severity >= Severity::Error);
            let findings: Vec<_> =
                findings.map(ToString::to_string).filter(|text| !text.contains("R029")).collect();
            assert_eq!(findings, [] as [String; 0], "{context}");
        }
        is_new
    }

    /// After any part of what was written to the image that was `old`.
    fn judge_all(&self, old: &[u8], events: &[Event], (parts, seed): (usize, u64)) {
        let tear = Tear::Sectors(self.defaults.block_size.len());
        let (mut count_old, mut count_new) = (0, 0);
        let cuts = Cuts { name: &self.context, old, events, tear, parts, seed };
        cuts.judge_all(|state| if self.judge(state) { count_new += 1 } else { count_old += 1 });
        assert!(count_old > 0 && count_new > 0, "{}: {count_old} old, {count_new} new", self.context);
    }
}

/// A volume of two sessions, and a third in which everything may happen, or which goes back to the first.
fn case(device: &Arc<MemoryDevice>, defaults: &Defaults, seed: u64, reverts: bool) -> (Case, Vec<Event>) {
    let mut random = Random::new(seed);
    let mut dice = Dice(&mut random);
    let fixed_size = defaults.is_device;
    let import = |tree_of| {
        let options = ImportOptions { tree_of, fixed_size, ..ImportOptions::default() };
        FileSystemImage::import_session(Arc::clone(device), defaults.clone(), &options).unwrap()
    };
    let model = || of_volume(&Volume::open(&**device, &OpenOptions::default()).unwrap());
    let first = model();
    let mut image = import(None);
    change(&mut image, first.clone(), &mut dice);
    image.create_result().unwrap().write_to(&**device, &Progress::new()).unwrap();
    drop(image);
    let before = model();
    let mut image = import(reverts.then_some(1));
    let start = if reverts { first } else { before.clone() };
    let mut after = change(&mut image, start, &mut dice);
    // In any case something that the old one does not have.
    image.add_bytes("/in any case", "new", Conflict::Error).unwrap();
    after.insert(String::from("/in any case"), Item::file(b"new", u32::MAX));
    let result = image.create_result().unwrap();
    let events = written(&result, &super::bytes_of(device));
    let context = format!("{}, seed {seed}, reverts {reverts}", result.plan().revision());
    (Case { before, after: numbered(after), defaults: defaults.clone(), context }, events)
}

fn try_image(device: &Arc<MemoryDevice>, defaults: &Defaults, seed: u64, reverts: bool) {
    let (case, events) = case(device, defaults, seed, reverts);
    case.judge_all(&super::bytes_of(device), &events, (20, seed));
}

#[test]
fn logical_sessions_and_going_back_survive_cuts_on_images() {
    for (row, revision) in (0..).zip(Revision::ALL) {
        for (column, block_size) in (0..).zip([BlockSize::B512, BlockSize::B2048]) {
            for reverts in [false, true] {
                let ground = Ground::image(revision, block_size);
                let Ground::Image(device, defaults) = &ground else { panic!() };
                let mut random = Random::new(row);
                let mut image = ground.new_volume();
                change(&mut image, Model::new(), &mut Dice(&mut random));
                ground.write(&image.create_result().unwrap());
                try_image(device, defaults, 1000 + 10 * row + column, reverts);
            }
        }
    }
}

#[test]
fn logical_sessions_survive_cuts_on_devices() {
    for (seed, revision) in (1100..).zip([Revision::V1_50, Revision::V2_01, Revision::V2_50, Revision::V2_60])
    {
        for reverts in [false, true] {
            let blocks = 16_384_usize;
            let device = Arc::new(MemoryDevice::from(vec![0; blocks * 2048]));
            let defaults =
                Defaults { is_device: true, capacity_blocks: Some(16_384), ..super::defaults(revision) };
            let mut image = FileSystemImage::new(defaults.clone());
            change(&mut image, Model::new(), &mut Dice(&mut Random::new(seed)));
            image.create_result().unwrap().write_to(&*device, &Progress::new()).unwrap();
            try_image(&device, &defaults, seed, reverts);
        }
    }
}

/// So much metadata that what does not change is carried over: the new metadata file is one of several extents.
#[test]
fn metadata_that_is_carried_over_survives_cuts() {
    let ground = Ground::image(Revision::V2_50, BlockSize::B4096);
    let Ground::Image(device, defaults) = &ground else { panic!() };
    let mut image = ground.new_volume();
    for number in 0..2300 {
        image.add_bytes(&format!("/f{number:04}"), "", Conflict::Error).unwrap();
    }
    ground.write(&image.create_result().unwrap());
    let (case, events) = case(device, defaults, 1200, false);
    let groups = groups(&events);
    let written: usize = groups.iter().flatten().map(|(_, bytes)| bytes.len()).sum();
    let old = super::bytes_of(device);
    assert!(written < old.len() / 2, "{written} bytes for a session behind {}", old.len());
    case.judge_all(&old, &events, (3, 1200));
}

/// A table in an image that is no medium: writes may become durable in any order, so its ICB waits.
#[test]
fn tables_in_plain_images_survive_cuts() {
    for (seed, revision) in (1300..).zip([Revision::V1_50, Revision::V2_00, Revision::V2_01, Revision::V2_60])
    {
        let ground = Ground::disc("dvd-r", revision, None);
        let mut image = ground.new_volume();
        change(&mut image, Model::new(), &mut Dice(&mut Random::new(seed)));
        ground.write(&image.create_result().unwrap());
        let device = Arc::new(MemoryDevice::from(ground.bytes()));
        try_image(&device, &super::defaults(revision), seed, false);
    }
}

/// A copy of a disc of which the image is another: as a cut leaves it, with what the drive knew before.
fn disc_with(home: &Path, original: &Path, bytes: &[u8]) -> Arc<SimulatedMedium> {
    let image = home.join("cut.img");
    fs::write(&image, bytes).unwrap();
    fs::copy(sidecar(original), sidecar(&image)).unwrap();
    Arc::new(SimulatedMedium::open(&image).unwrap().unwrap())
}

/// The session that a drive shows: that which is open if there is a volume in it, else the one before; and whether it is the last.
fn newest(disc: &SimulatedMedium) -> (OpenOptions, bool) {
    let Mechanism::Sequential(facts) = disc.multisession()[0].mechanism else { panic!() };
    let open = |start: u32| OpenOptions {
        session_start: Some(Sector(start)).filter(|start| start.0 > 0),
        ..OpenOptions::default()
    };
    let is_there = |start: &u32| {
        Volume::open(disc, &open(*start)).is_ok_and(|volume| volume.found().session_start.0 == *start)
    };
    if let Some(start) = facts.open_session_start.filter(is_there) {
        return (open(start), true);
    }
    let start = facts.start_of_previous_session.expect("there is a whole session");
    (open(start), facts.open_session_start.is_none())
}

/// What a drive shows of a disc.
fn shown(disc: &SimulatedMedium) -> (Model, bool) {
    let (open, is_last) = newest(disc);
    (of_volume(&Volume::open(disc, &open).unwrap()), is_last)
}

/// Of the discs on which something broke off and more was appended behind it, one in so many is left for the kernel.
const KEPT_EVERY: usize = 9;

fn leave(disc: &SimulatedMedium, home: &Path, found: &Model, context: &str) {
    let start = newest(disc).0.session_start.map_or(0, |start| start.0);
    let bytes = fs::read(home.join("cut.img")).unwrap();
    images::leave("CRASH_IMAGES", context, &bytes, (start, 2048), &lines(found));
}

/// Prefixes of what is written to a disc: all near the end, some before.
fn prefixes(old: &[u8], start: usize, written: &[u8]) -> Vec<Vec<u8>> {
    let sectors = written.len() / 2048;
    let chosen = (0..=sectors).filter(|count| *count < 8 || count % 41 == 0 || count + 34 > sectors);
    let with = |count: usize| {
        let mut bytes = old.to_vec();
        if count > 0 {
            bytes.resize(start, 0);
            bytes.extend_from_slice(&written[..count * 2048]);
        }
        bytes
    };
    chosen.map(with).collect()
}

/// Each prefix is old or new, and the disc goes on; but for a session that broke off before its descriptors were complete, to
/// which nothing can be added: then that is said, and the old one is there.
fn try_disc(medium: &str, revision: Revision, seed: u64, (is_closed, closes): (bool, bool)) {
    let ground = Ground::disc(medium, revision, None);
    let Ground::Disc(disc, defaults, home) = &ground else { panic!() };
    let context = format!("{medium}, {revision}, closed {is_closed}, closes {closes}, seed {seed}");
    let mut random = Random::new(seed);
    let mut dice = Dice(&mut random);
    let mut image = ground.new_volume();
    let before = change(&mut image, Model::new(), &mut dice);
    ground.write(&image.create_result().unwrap());
    drop(image);
    if is_closed {
        disc.close_session().unwrap();
    }
    let defaults = Defaults { closes_session: closes, ..defaults.clone() };
    let import = |disc: &Arc<SimulatedMedium>| {
        FileSystemImage::import_from(Arc::clone(disc), defaults.clone(), &ImportOptions::default())
    };
    let mut image = import(disc).unwrap();
    let mut after = change(&mut image, before.clone(), &mut dice);
    image.add_bytes("/in any case", "new", Conflict::Error).unwrap();
    after.insert(String::from("/in any case"), Item::file(b"new", u32::MAX));
    let (before, after) = (numbered(before), numbered(after));
    let result = image.create_result().unwrap();
    let old = ground.bytes();
    let events = written(&result, &old);
    let mut pieces = groups(&events).concat();
    // The recorder takes them in any order, a medium of this kind would not.
    pieces.sort_by_key(|(start, _)| *start);
    let start = pieces[0].0;
    let mut written = Vec::new();
    for (at, bytes) in pieces {
        assert_eq!(at, start + written.len(), "{context}");
        written.extend(bytes);
    }
    let (mut old_count, mut new_count) = (0, 0);
    for (number, bytes) in prefixes(&old, start, &written).into_iter().enumerate() {
        let context = format!("{context}, state {number}");
        let cut = tempfile::tempdir().unwrap();
        let disc = disc_with(cut.path(), &home.path().join("disc.img"), &bytes);
        let (mut found, is_whole) = shown(&disc);
        assert!(found == before || found == after, "{context}: neither old nor new");
        if found == after {
            new_count += 1;
        } else {
            assert_eq!(new_count, 0, "{context}: old again");
            old_count += 1;
        }
        let mut image = match import(&disc) {
            Ok(image) => image,
            Err(error) => {
                assert!(!is_whole && error.imapi().is_some(), "{context}: {error}");
                continue;
            }
        };
        image.add_bytes("/behind", "behind the cut", Conflict::Error).unwrap();
        let result = match image.create_result() {
            Ok(result) => result,
            Err(error) => {
                // The partition of a session that was to be closed ends with it: what comes next is another session.
                assert!(
                    closes && error.to_string().contains("close the session first"),
                    "{context}: {error}"
                );
                disc.close_session().unwrap();
                image = import(&disc).unwrap();
                image.add_bytes("/behind", "behind the cut", Conflict::Error).unwrap();
                image.create_result().unwrap()
            }
        };
        result.write_to(&*disc, &Progress::new()).unwrap();
        found.insert(String::from("/behind"), Item::file(b"behind the cut", u32::MAX));
        let found = numbered(found);
        assert!(shown(&disc).0 == found, "{context}: what was appended behind it");
        if number % KEPT_EVERY == KEPT_EVERY / 2 {
            leave(&disc, cut.path(), &found, &context);
        }
    }
    assert!(old_count > 1 && new_count > 1, "{context}: {old_count} old, {new_count} new");
}

#[test]
fn open_and_new_and_closing_sessions_survive_cuts_on_discs() {
    let rows = [
        ("cd-r", Revision::V1_50),
        ("dvd-r", Revision::V2_01),
        ("dvd+r", Revision::V2_00),
        ("bd-r", Revision::V2_50),
        ("bd-r", Revision::V2_60),
    ];
    for (seed, (medium, revision)) in (1400..).zip(rows) {
        for (is_closed, closes) in [(false, false), (true, false), (false, true), (true, true)] {
            // The gap behind the first session of a CD is long, and has to be copied each time.
            if medium != "cd-r" || is_closed == closes {
                try_disc(medium, revision, seed, (is_closed, closes));
            }
        }
    }
}

/// Closing adds nothing but another place for the same table: any part of it leaves the volume as it is, and open.
#[test]
fn the_end_of_a_session_survives_cuts() {
    for (seed, medium) in (1500..).zip(["cd-r", "dvd+r", "bd-r"]) {
        let ground = Ground::disc(medium, Revision::V2_01, None);
        let Ground::Disc(disc, defaults, home) = &ground else { panic!() };
        let mut image = ground.new_volume();
        let model = change(&mut image, Model::new(), &mut Dice(&mut Random::new(seed)));
        ground.write(&image.create_result().unwrap());
        drop(image);
        let model = numbered(model);
        let Mechanism::Sequential(facts) = disc.multisession()[0].mechanism else { panic!() };
        let target = SequentialTarget { closes_session: true, ..SequentialTarget::of(&facts) };
        let volume = Volume::open(&**disc, &ground.open()).unwrap();
        let (start, written) = end_of_session(&volume, &target).unwrap();
        let old = ground.bytes();
        for bytes in prefixes(&old, usize::try_from(start).unwrap(), &written) {
            let cut = tempfile::tempdir().unwrap();
            let disc = disc_with(cut.path(), &home.path().join("disc.img"), &bytes);
            assert!(shown(&disc) == (model.clone(), true), "{medium}");
            let mut image =
                FileSystemImage::import_from(Arc::clone(&disc), defaults.clone(), &ImportOptions::default())
                    .unwrap();
            image.add_bytes("/behind", "behind the cut", Conflict::Replace).unwrap();
            image.create_result().unwrap().write_to(&*disc, &Progress::new()).unwrap();
            let mut found = model.clone();
            found.insert(String::from("/behind"), Item::file(b"behind the cut", u32::MAX));
            assert!(shown(&disc).0 == numbered(found), "{medium}");
            disc.flush().unwrap();
        }
    }
}
