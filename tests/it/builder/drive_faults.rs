//! Faults at the drive: sectors that cannot be written or read, a drive that dies, power that goes while there is something in the
//! cache. Whatever happens on whichever medium, the disc holds the old state or the new one, and goes on.

use std::fs;
use std::path::{Path, PathBuf};

use mkudf_ms::builder::{BuildError, Conflict, Defaults, FileSystemImage, ImageResult};
use mkudf_ms::device::Recordable;
use mkudf_ms::device::mmc::{Disc, MmcError};
use mkudf_ms::device::simulated::{Defect, DefectKind, SimulatedDrive, SimulatedMedium, sidecar};
use mkudf_ms::media::{Drive, Medium, VolumeLayout, Writing};
use mkudf_ms::progress::Progress;
use mkudf_ms::session::{Continuation, ImportOptions, newest_whole};
use mkudf_ms::{Error, Warning};
use udf::Revision;
use udf::read::{OpenOptions, ReadAt, Volume};

use super::model::{Dice, Item, Model, change, numbered, of_volume};
use crate::support::build::NOW;
use crate::support::random::Random;

/// Points at which something goes wrong, of each medium.
const POINTS: u64 = 200;
const REPLACED: &str = "/replaced";
const GONE: &str = "/gone";

type Burner<'d> = Disc<&'d SimulatedDrive>;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The drive dies with the write behind so many.
    DieAfter(u64),
    /// It dies so, and the power goes: of what was in the cache, some is there.
    PowerCut(u64),
    /// A sector cannot be written; with spare areas, or without.
    BadWrite(u32, bool),
    /// Sectors cannot be read.
    BadRead(u32, u32),
}

/// A disc with a volume, what is done to it, and what it holds before and after.
struct Case {
    home: tempfile::TempDir,
    defaults: Defaults,
    before: Model,
    after: Model,
    /// Commands that write.
    writes: u64,
    /// Sectors that are written, and those that were there before.
    written: Vec<u32>,
    old: Vec<u32>,
    context: String,
}

fn put_in(image: &Path) -> SimulatedDrive {
    SimulatedDrive::with(SimulatedMedium::open(image).unwrap().unwrap())
}

fn disc_in(drive: &SimulatedDrive) -> Result<Burner<'_>, MmcError> {
    Disc::open(drive).map(|disc| disc.expect("a disc"))
}

fn write(disc: &dyn Recordable, result: &ImageResult<'_>) -> mkudf_ms::Result<Vec<Warning>> {
    result.write_to_disc(disc, &Progress::new())
}

impl Case {
    fn new(medium: &'static Medium, layout: Option<VolumeLayout>, closes: bool, seed: u64) -> Self {
        let home = tempfile::tempdir().unwrap();
        let image = home.path().join("disc.img");
        // Gaps between sessions take most of it.
        let capacity_blocks = if medium.is_sequential() { 60_000 } else { 8192 };
        let disc = SimulatedMedium::blank(&image, medium, Some(capacity_blocks)).unwrap();
        let revision = if is_pseudo_overwritten(medium) { medium.revision } else { Revision::V2_01 };
        let defaults = Defaults { revision, layout, ..Defaults::for_drive(&disc, "Faults", NOW) };
        let mut first = FileSystemImage::new_on(&disc, defaults.clone()).unwrap();
        let mut before = change(&mut first, Model::new(), &mut Dice(&mut Random::new(seed)));
        for path in [REPLACED, GONE] {
            first.add_bytes(path, path, Conflict::Error).unwrap();
            before.insert(path.into(), Item::file(path.as_bytes(), 1000 + u32::from(path == GONE)));
        }
        let result = first.create_result().unwrap();
        write(&disc, &result).unwrap();
        // Half of the discs go on in a session of their own.
        if result.closes_session() || medium.is_sequential() && seed.is_multiple_of(2) {
            disc.close_session().unwrap();
        }
        let old = recorded(&disc);
        drop((result, first, disc));

        let defaults = Defaults { closes_session: closes, ..defaults };
        let context = format!("{}, {layout:?}, closes {closes}, seed {seed}", medium.name);
        let mut case = Self {
            home,
            defaults,
            after: Model::new(),
            before: numbered(before),
            writes: 0,
            written: Vec::new(),
            old,
            context,
        };
        case.rehearse();
        case
    }

    /// What happens when nothing goes wrong.
    fn rehearse(&mut self) {
        let room = tempfile::tempdir().unwrap();
        let drive = put_in(&self.copy(room.path()));
        self.perform(&drive).unwrap();
        let writes: Vec<_> = drive.log().into_iter().filter(|block| block[0] == 0x2A).collect();
        let word = |block: &[u8]| u32::from_be_bytes(block[2..6].try_into().unwrap());
        let end = |block: &[u8]| word(block) + u32::from(u16::from_be_bytes([block[7], block[8]]));
        self.writes = writes.len() as u64;
        self.written = writes.iter().flat_map(|block| word(block)..end(block)).collect();
        self.after = shown(&disc_in(&drive).unwrap()).unwrap();
        let mut expected = self.before.clone();
        apply(&mut expected);
        assert!(self.after == numbered(expected), "{}: nothing went wrong", self.context);
    }

    fn copy(&self, room: &Path) -> PathBuf {
        let (from, to) = (self.home.path().join("disc.img"), room.join("disc.img"));
        copy_sparse(&from, &to);
        fs::copy(sidecar(&from), sidecar(&to)).unwrap();
        to
    }

    fn import<'d>(&self, disc: &'d Burner<'_>) -> mkudf_ms::Result<FileSystemImage<'d>> {
        // What broke off in pseudo-overwrite is gone on from as it is.
        let options =
            ImportOptions { force: is_pseudo_overwritten(disc.medium()), ..ImportOptions::default() };
        FileSystemImage::import_from(disc, self.defaults.clone(), &options)
    }

    fn perform(&self, drive: &SimulatedDrive) -> Result<(), String> {
        let disc = disc_in(drive).map_err(|error| error.to_string())?;
        let told = |error: Error| error.to_string();
        let mut image = self.import(&disc).map_err(told)?;
        image.remove(GONE).map_err(told)?;
        image.add_bytes(REPLACED, vec![5; 70_000], Conflict::Replace).map_err(told)?;
        image.add_bytes("/added", vec![6; 300_000], Conflict::Error).map_err(told)?;
        let result = image.create_result().map_err(told)?;
        write(&disc, &result).map_err(told)?;
        if result.closes_session() {
            Recordable::close_session(&disc, &mut |_| ()).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn fault(&self, seed: u64) -> Fault {
        let mut random = Random::new(seed);
        let mut below = |limit: u32| u32::try_from(random.below(limit.max(1) as usize)).unwrap();
        match seed % 4 {
            0 => Fault::DieAfter(u64::from(below(u32::try_from(self.writes).unwrap() + 1))),
            1 => Fault::PowerCut(u64::from(below(u32::try_from(self.writes).unwrap() + 1))),
            2 => {
                let sector = self.written[below(u32::try_from(self.written.len()).unwrap()) as usize];
                Fault::BadWrite(sector, below(2) == 0)
            }
            _ => {
                let first = self.old[below(u32::try_from(self.old.len()).unwrap()) as usize];
                Fault::BadRead(first, first + below(4))
            }
        }
    }

    /// Whether the new state is there afterwards.
    fn meet(&self, seed: u64) -> bool {
        let fault = self.fault(seed);
        let context = format!("{}, point {seed}: {fault:?}", self.context);
        let room = tempfile::tempdir().unwrap();
        let image = self.copy(room.path());
        let drive = put_in(&image);
        match fault {
            Fault::DieAfter(writes) => drive.die_after(writes),
            Fault::PowerCut(writes) => {
                drive.use_volatile_cache();
                drive.die_after(writes);
            }
            Fault::BadWrite(sector, spares) => {
                if !spares {
                    drive.medium().set_spare_units(0).unwrap();
                }
                let defect = Defect { first: sector, last: sector, kind: DefectKind::Unwritable };
                drive.medium().damage(defect).unwrap();
            }
            Fault::BadRead(first, last) => {
                drive.medium().damage(Defect { first, last, kind: DefectKind::Unreadable }).unwrap();
            }
        }
        let done = self.perform(&drive);
        if matches!(fault, Fault::DieAfter(_) | Fault::PowerCut(_)) {
            let mut random = Random::new(seed);
            drive.cut_power(|| random.below(3) > 0).unwrap();
        }
        let medium = drive.medium().medium();
        drop(drive);
        if matches!(fault, Fault::BadRead(..)) {
            heal(&image);
        }
        let is_new = self.judge(&image, &done, &context);
        let is_mended = match fault {
            // On a disc that is written in any order the next session meets the same sector.
            Fault::BadWrite(..) => medium.is_sequential(),
            _ => true,
        };
        if is_mended {
            self.goes_on(&image, if is_new { &self.after } else { &self.before }, &context);
        }
        is_new
    }

    fn judge(&self, image: &Path, done: &Result<(), String>, context: &str) -> bool {
        let drive = put_in(image);
        let disc = disc_in(&drive).unwrap();
        let found = shown(&disc).unwrap_or_else(|error| panic!("{context}: {error}, after {done:?}"));
        let is_new = found == self.after;
        assert!(is_new || found == self.before, "{context}: neither old nor new, after {done:?}");
        assert!(is_new || done.is_err(), "{context}: it is old, and nobody was told");
        is_new
    }

    /// The next state is appended, whatever broke off.
    fn goes_on(&self, image: &Path, before: &Model, context: &str) {
        let drive = put_in(image);
        let disc = disc_in(&drive).unwrap();
        let add = |mut image: FileSystemImage<'_>| {
            image.add_bytes("/behind", "behind it", Conflict::Error).unwrap();
            let result = image.create_result()?;
            write(&disc, &result)?;
            mkudf_ms::Result::Ok(result.closes_session())
        };
        let closes = match self.import(&disc).and_then(add) {
            // What broke off cannot be continued, or the partition of a session that was to be closed ends with it.
            Err(error)
                if matches!(error, Error::Build(BuildError::SessionOpen { .. }))
                    || error.to_string().contains("close the session first") =>
            {
                Recordable::close_session(&disc, &mut |_| ()).unwrap();
                self.import(&disc).and_then(add)
            }
            done => done,
        };
        if closes.unwrap_or_else(|error| panic!("{context}: going on: {error}")) {
            Recordable::close_session(&disc, &mut |_| ()).unwrap();
        }
        let mut expected = before.clone();
        expected.insert(String::from("/behind"), Item::file(b"behind it", u32::MAX));
        let found = shown(&disc).unwrap_or_else(|error| panic!("{context}: behind it: {error}"));
        let expected = numbered(expected);
        assert!(found == expected, "{context}: what was appended behind it");
    }
}

fn apply(model: &mut Model) {
    model.remove(GONE);
    model.insert(REPLACED.into(), Item::file(&vec![5; 70_000], 2000));
    model.insert("/added".into(), Item::file(&vec![6; 300_000], 2001));
}

/// What a drive shows of a disc.
fn shown(disc: &Burner<'_>) -> mkudf_ms::Result<Model> {
    if !disc.medium().is_sequential() {
        return Ok(of_volume(&Volume::open(disc, &OpenOptions::default())?));
    }
    let found = Continuation::find(disc, &newest_whole(disc, &Drive::sessions(disc)))?;
    Ok(of_volume(&Volume::open(disc, &found.open)?))
}

/// Whatever was damaged is not any more.
fn heal(image: &Path) {
    let path = sidecar(image);
    let mut state: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    state.as_object_mut().unwrap().remove("defects");
    fs::write(&path, state.to_string()).unwrap();
}

fn is_pseudo_overwritten(medium: &Medium) -> bool {
    medium.writing == Writing::PseudoOverwrite
}

/// Sectors that something may have been recorded in.
fn recorded(disc: &SimulatedMedium) -> Vec<u32> {
    let end = u32::try_from(disc.size_bytes() / 2048).unwrap();
    let tracks = disc.open_tracks().unwrap();
    let is_behind =
        |sector: &u32| tracks.iter().any(|track| (track.next_writable..track.end).contains(sector));
    (0..end).filter(|sector| !is_behind(sector)).collect()
}

/// The gap behind a session of a CD is long, and holds nothing.
fn copy_sparse(from: &Path, to: &Path) {
    use std::os::unix::fs::FileExt;
    let bytes = fs::read(from).unwrap();
    let file = fs::File::create(to).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    for (offset, piece) in (0..).step_by(65_536).zip(bytes.chunks(65_536)) {
        if piece.iter().any(|byte| *byte != 0) {
            file.write_all_at(piece, offset).unwrap();
        }
    }
}

/// Each medium at its points, by turns in an open session, in one of its own, and in one that is closed.
fn meet_all(media: &[&str], layout: Option<VolumeLayout>) {
    for (row, name) in (0..).zip(media) {
        let medium = Medium::find(name).unwrap();
        let steps = [(false, 0), (false, 1), (true, 0), (true, 1)];
        let steps = if medium.is_sequential() { &steps[..] } else { &steps[..1] };
        let cases: Vec<_> =
            steps.iter().map(|(closes, odd)| Case::new(medium, layout, *closes, 20 * row + odd)).collect();
        let (mut old, mut new) = (0, 0);
        for point in 0..POINTS {
            let case = &cases[usize::try_from(point / 4).unwrap() % cases.len()];
            if case.meet(1000 * row + point) {
                new += 1;
            } else {
                old += 1;
            }
        }
        assert!(old > 20 && new > 20, "{name}: {old} old, {new} new");
    }
}

#[test]
fn faults_at_discs_that_are_written_in_any_order_lose_nothing() {
    meet_all(&["dvd-ram", "dvd+rw", "dvd-rw", "bd-re", "bd-r-pow"], None);
}

#[test]
fn faults_at_discs_with_a_table_lose_nothing() {
    meet_all(&["cd-r", "cd-rw", "dvd-r", "dvd-rw-seq", "dvd+r", "bd-r"], None);
}

#[test]
fn faults_at_discs_of_logical_sessions_lose_nothing() {
    meet_all(&["cd-r", "dvd-r", "dvd+r", "bd-r"], Some(VolumeLayout::Session));
}
