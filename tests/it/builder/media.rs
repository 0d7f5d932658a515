//! Random changes, session after session, on every kind of medium: the volume holds what the model says, the checker finds
//! nothing, and what older sessions recorded stays bit for bit what it was.
//!
//! With `BUILDER_IMAGES=FOLDER` in the environment each state is left there, as an image and as what must be in it, for other
//! readers to judge (`tests/lab/run models`).

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use mkudf_ms::builder::{Defaults, FileSystemImage, ImageResult};
use mkudf_ms::device::simulated::SimulatedMedium;
use mkudf_ms::device::{MemoryDevice, WriteAt};
use mkudf_ms::media::multisession::Mechanism;
use mkudf_ms::media::{Medium, VolumeLayout};
use mkudf_ms::progress::Progress;
use mkudf_ms::session::{ImportOptions, sessions};
use udf::check::{Severity, check};
use udf::read::{OpenOptions, ReadAt, Volume};
use udf::{BlockSize, Revision, Sector};

use super::model::{Dice, Model, change, lines, numbered, of_volume};
use crate::support::build::NOW;
use crate::support::images;
use crate::support::random::Random;

/// What volumes are made on.
pub(super) enum Ground {
    /// An image in memory, which grows.
    Image(Arc<MemoryDevice>, Defaults),
    /// A simulated medium in a drive.
    Disc(Arc<SimulatedMedium>, Defaults, tempfile::TempDir),
}

impl Ground {
    pub(super) fn image(revision: Revision, block_size: BlockSize) -> Self {
        let medium = Medium::find("image").unwrap();
        let defaults = Defaults { revision, block_size, ..Defaults::for_medium(medium, "Model", NOW) };
        Self::Image(Arc::new(MemoryDevice::new()), defaults)
    }

    pub(super) fn disc(medium: &str, revision: Revision, capacity_blocks: Option<u32>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let medium = Medium::find(medium).unwrap();
        let disc = SimulatedMedium::blank(&home.path().join("disc.img"), medium, capacity_blocks).unwrap();
        let defaults = Defaults { revision, ..Defaults::for_drive(&disc, "Model", NOW) };
        Self::Disc(Arc::new(disc), defaults, home)
    }

    /// The same, with volumes that grow so.
    pub(super) fn with_layout(mut self, layout: Option<VolumeLayout>) -> Self {
        let (Self::Image(_, defaults) | Self::Disc(_, defaults, _)) = &mut self;
        defaults.layout = layout;
        self
    }

    pub(super) fn new_volume(&self) -> FileSystemImage<'static> {
        match self {
            Self::Image(_, defaults) => FileSystemImage::new(defaults.clone()),
            Self::Disc(disc, defaults, _) => FileSystemImage::new_on(disc, defaults.clone()).unwrap(),
        }
    }

    pub(super) fn import(&self, options: &ImportOptions) -> mkudf_ms::Result<FileSystemImage<'static>> {
        match self {
            Self::Image(device, defaults) => {
                FileSystemImage::import_session(Arc::clone(device), defaults.clone(), options)
            }
            Self::Disc(disc, defaults, _) => {
                FileSystemImage::import_from(Arc::clone(disc), defaults.clone(), options)
            }
        }
    }

    /// Writes the result: a random-write drive gets whole write units, and no order but that of the ranges.
    pub(super) fn write(&self, result: &ImageResult<'_>) {
        match self {
            Self::Image(device, _) => assert_eq!(result.write_to(&**device, &Progress::new()).unwrap(), []),
            Self::Disc(disc, ..) if disc.medium().is_sequential() => {
                assert_eq!(result.write_to(&**disc, &Progress::new()).unwrap(), []);
                if result.closes_session() {
                    disc.close_session().unwrap();
                }
            }
            Self::Disc(disc, ..) => burn(result, &**disc),
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Image(device, _) => super::bytes_of(device),
            Self::Disc(_, _, home) => fs::read(home.path().join("disc.img")).unwrap(),
        }
    }

    fn block_bytes(&self) -> u32 {
        let (Self::Image(_, defaults) | Self::Disc(_, defaults, _)) = self;
        defaults.block_size.bytes()
    }

    pub(super) fn is_sequential(&self) -> bool {
        matches!(self, Self::Disc(disc, ..) if disc.medium().is_sequential())
    }

    /// How the newest session is opened: a drive says where it begins.
    pub(super) fn open(&self) -> OpenOptions {
        let Self::Disc(disc, ..) = self else { return OpenOptions::default() };
        let Mechanism::Sequential(facts) = disc.multisession()[0].mechanism else {
            return OpenOptions::default();
        };
        let start = facts.open_session_start.or(facts.start_of_previous_session);
        OpenOptions { session_start: start.filter(|start| *start > 0).map(Sector), ..OpenOptions::default() }
    }

    fn close_session(&self) {
        if let Self::Disc(disc, defaults, _) = self
            && defaults.layout != Some(VolumeLayout::Session)
        {
            disc.close_session().unwrap();
        }
    }
}

/// A burner that knows nothing of file systems: it copies the ranges, in their order, a write unit at a time.
pub(super) fn burn(result: &ImageResult<'_>, target: &dyn WriteAt) {
    let mut reader = result.reader(&Progress::new()).unwrap();
    let block = u64::from(result.block_size().bytes());
    for range in result.ranges() {
        let start = u64::from(range.first) * block;
        reader.seek(SeekFrom::Start(start)).unwrap();
        let mut bytes = vec![0; usize::try_from(u64::from(range.last - range.first + 1) * block).unwrap()];
        reader.read_exact(&mut bytes).unwrap();
        target.write_at(start, &bytes).unwrap();
        target.flush().unwrap();
    }
}

/// What an older session recorded is untouched: only the anchors that readers look at first turn, and blank slots before them
/// are used.
fn assert_untouched(before: &[u8], after: &[u8], ground: &Ground, block_size: BlockSize, context: &str) {
    if ground.is_sequential() {
        assert!(after.starts_with(before), "{context}: something that was recorded has changed");
        return;
    }
    let device_blocks = match ground {
        Ground::Disc(..) => before.len() / block_size.len(),
        Ground::Image(..) => usize::MAX,
    };
    for (block, (old, new)) in before.chunks(block_size.len()).zip(after.chunks(block_size.len())).enumerate()
    {
        let is_anchor = block == 256 || block + 1 == device_blocks || block + 257 == device_blocks;
        let is_blank = old.iter().all(|byte| *byte == 0);
        assert!(old == new || is_anchor || is_blank, "{context}: block {block} has changed");
    }
    assert!(after.len() >= before.len(), "{context}");
}

/// The newest session and each older one, and the checker.
fn judge(ground: &Ground, models: &[Model], context: &str) {
    let (device, open) = (MemoryDevice::from(ground.bytes()), ground.open());
    let volume = Volume::open(&device, &open).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(of_volume(&volume) == models[models.len() - 1], "{context}: the newest session");
    let found = sessions(&device, &open).unwrap();
    assert_eq!(found.len(), models.len(), "{context}");
    for (session, model) in found.iter().zip(models) {
        let volume = Volume::open(&device, &session.open).unwrap();
        assert!(of_volume(&volume) == *model, "{context}: session {}", session.number);
    }
    let report = check(&device, &open, &mut |_| ());
    // An open session has but one anchor, which the checker cannot know.
    let is_wrong = |text: &String| !(ground.is_sequential() && text.contains("R029"));
    let findings = report.findings.iter().filter(|finding| finding.severity >= Severity::Error);
    let findings: Vec<_> = findings.map(ToString::to_string).filter(is_wrong).collect();
    assert_eq!(findings, [] as [String; 0], "{context}");
}

fn keep(ground: &Ground, model: &Model, context: &str) {
    let start = ground.open().session_start.map_or(0, |start| start.0);
    let facts = (start, ground.block_bytes());
    images::leave("BUILDER_IMAGES", context, &ground.bytes(), facts, &lines(model));
}

/// Several sessions of random changes, some of which go back to an older tree; discs are closed in between at random.
fn story(ground: &Ground, seed: u64, count: usize, context: &str) {
    let mut random = Random::new(seed);
    let mut dice = Dice(&mut random);
    let mut image = ground.new_volume();
    let mut models = vec![change(&mut image, Model::new(), &mut dice)];
    let block_size = image.block_size();
    let mut before = Vec::new();
    for number in 1..=count {
        let context = format!("{context}, seed {seed}, session {number}");
        let result = image.create_result().unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(image.used_blocks().unwrap(), result.total_blocks(), "{context}");
        ground.write(&result);
        drop((result, image));
        if ground.is_sequential() && dice.0.below(3) == 0 {
            ground.close_session();
        }
        let last = models.len() - 1;
        models[last] = numbered(std::mem::take(&mut models[last]));
        judge(ground, &models, &context);
        keep(ground, &models[last], &context);
        let after = ground.bytes();
        assert_untouched(&before, &after, ground, block_size, &context);
        before = after;
        if number == count {
            break;
        }
        let (next, model) = next(ground, &models, &mut dice, &context);
        image = next;
        models.push(change(&mut image, model, &mut dice));
    }
}

/// The next session: of the newest tree, or of an older one where going back is possible.
fn next(
    ground: &Ground,
    models: &[Model],
    dice: &mut Dice<'_>,
    context: &str,
) -> (FileSystemImage<'static>, Model) {
    let newest = models.len() - 1;
    let wanted = if dice.0.below(3) == 0 { dice.0.below(models.len()) } else { newest };
    let number = u32::try_from(wanted + 1).unwrap();
    let tree_of = (wanted != newest).then_some(number);
    match ground.import(&ImportOptions { tree_of, ..ImportOptions::default() }) {
        Ok(image) => (image, models[wanted].clone()),
        Err(error) => {
            // Where tables cannot go back, that is said, and nothing else.
            let is_told = error.imapi().is_some_and(|code| code.name.ends_with("PREVIOUS_SESSION"));
            assert!(is_told && tree_of.is_some() && ground.is_sequential(), "{context}: {error}");
            (ground.import(&ImportOptions::default()).unwrap(), models[newest].clone())
        }
    }
}

#[test]
fn images_of_every_revision_and_block_size_follow_the_model() {
    let sizes = [BlockSize::B512, BlockSize::B1024, BlockSize::B2048, BlockSize::B4096];
    for (row, revision) in Revision::ALL.into_iter().enumerate() {
        for seed in 0..8 {
            let block_size = sizes[(row + seed) % sizes.len()];
            let ground = Ground::image(revision, block_size);
            story(&ground, 10 * row as u64 + seed as u64, 5, &format!("{revision}, {block_size:?}"));
        }
    }
}

#[test]
fn random_write_media_follow_the_model() {
    for (seed, medium) in (500..).zip(["dvd-ram", "dvd+rw", "dvd-rw", "bd-re"]) {
        for revision in [Revision::V2_01, Revision::V2_50] {
            let ground = Ground::disc(medium, revision, Some(16_384));
            story(&ground, seed + u64::from(revision.number()), 4, &format!("{medium}, {revision}"));
        }
    }
}

#[test]
fn media_that_are_written_once_follow_the_model() {
    let revisions = [Revision::V1_50, Revision::V2_00, Revision::V2_01, Revision::V2_50, Revision::V2_60];
    for (row, medium) in Medium::sequential().enumerate() {
        for (column, revision) in revisions.into_iter().enumerate() {
            let ground = Ground::disc(medium.name, revision, None);
            let seed = 700 + 10 * row as u64 + column as u64;
            story(&ground, seed, 5, &format!("{}, {revision}", medium.name));
        }
    }
}

#[test]
fn logical_sessions_on_media_that_are_written_once_follow_the_model() {
    for (row, medium) in Medium::sequential().enumerate() {
        for (column, revision) in Revision::ALL.into_iter().enumerate() {
            if (row + column) % 3 != 0 {
                continue;
            }
            let ground = Ground::disc(medium.name, revision, None).with_layout(Some(VolumeLayout::Session));
            let seed = 900 + 10 * row as u64 + column as u64;
            story(&ground, seed, 4, &format!("{}, sessions, {revision}", medium.name));
        }
    }
}

#[test]
fn what_a_drive_reads_is_a_volume_for_it() {
    let ground = Ground::disc("bd-r", Revision::V2_50, None);
    let Ground::Disc(disc, ..) = &ground else { panic!() };
    ground.write(&ground.new_volume().create_result().unwrap());
    assert!(Volume::open(&**disc, &ground.open()).is_ok() && disc.size_bytes() > 0);
}
