//! Out of a damaged image or disc into a folder: everything that is left, and for each file how far it can be relied upon.
//!
//! ```text
//!   device -> rough -> scan -> catalogue          all descriptors with a good seal, wherever they lie
//!                                 |
//!                       frame, state, view        votes and what descriptors say: volumes, sessions, partitions
//!                                 |
//!                    survey, ground, evidence     what names lead to, what nobody names, who claims what twice
//!                                 |
//!                               save -> extract   directory by directory, each file with its verdict
//! ```
//!
//! The device is read once from its beginning to its end, then where the files are. Memory for a million blocks of 2048
//! bytes: 3 MB of bits; 16 MB if each block is an entry, 40 MB more for the marks of as many versions and contents, and
//! about 100 bytes for each directory.
//!
//! Certain is only what is proven by descriptors with good seals from the newest state of the volume down, was read whole,
//! and is claimed by nothing else. Everything else is doubtful, however likely.

mod bitmap;
mod catalogue;
mod evidence;
mod frame;
mod framed;
mod ground;
mod keep;
mod listing;
mod loose;
mod map;
mod metadata;
mod rough;
mod save;
mod scan;
mod spare;
mod state;
mod survey;
mod tables;
mod verdict;
mod view;

use std::path::Path;
use std::sync::atomic::AtomicU64;

use udf::BlockSize;
use udf::file::FileType;
use udf::general::LongAd;
use udf::read::{OpenOptions, ReadAt, Volume};

pub use map::{Map, MapFault, Status, Stretch};
pub use rough::RoughDevice;
pub use verdict::{Counts, Item, ItemKind, Reason, Summary, Verdict};

use self::bitmap::Bitmap;
use self::catalogue::{Catalogue, Record};
use self::frame::Frame;
use self::framed::Framed;
use self::ground::Claimant;
use self::listing::Listing;
use self::save::{Mode, Saver, Start};
use self::state::State;
use self::survey::{Source, Survey};
use self::view::View;
use crate::error::Result;
use crate::extract::{self, Extraction, Folders, Names};
use crate::progress::Progress;

/// States of volumes that are looked into.
const MOST_VIEWS: usize = 256;
/// Places at which a partition that nothing tells of may begin.
const MOST_STARTS: usize = 16;

/// How to rescue.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The block size, where it is known; otherwise descriptors vote.
    pub block_size: Option<BlockSize>,
    /// What was deleted is taken too, where its entry is left.
    pub deleted: bool,
    /// Of each file all versions that older states of the volume have, not only the newest.
    pub all_versions: bool,
    /// Existing files are replaced, owners restored, and so much is written at most.
    pub extract: extract::Options,
}

/// Copies what is left on a device into the folder `target`, which is made if it is not there.
///
/// `tell` is told of every file and directory what became of it. Paths of the newest state of the volume are kept; what has
/// lost its place goes to `lost+found`, older versions to `older/N`, N counted back from the newest state, deleted files to
/// `lost+found/deleted`, other volumes to `lost+found/volume-N`. An error ends the work where it is.
pub fn rescue<R: ReadAt>(
    device: &RoughDevice<R>,
    target: &Path,
    options: &Options,
    progress: &Progress,
    tell: &mut dyn FnMut(&Item),
) -> Result<Summary> {
    let size_bytes = device.size_bytes();
    progress.set_total_bytes(size_bytes);
    let catalogue = scan::scan(device, options.block_size, progress)?;
    // How much there is to copy is not known before it is copied.
    progress.set_total_bytes(0);
    let views = views(device, options, &catalogue);
    let mut survey = Survey::new(&views, &catalogue, size_bytes, progress);
    let found = surveyed(&mut survey)?;
    let mut summary = Summary {
        states: u32::try_from(found.starts.len()).unwrap_or(u32::MAX),
        label: views.first().map(|view| view.volume.label()).unwrap_or_default(),
        doubts: found.doubts.clone(),
        entries: catalogue.records.len() as u64,
        unplaced: found.unplaced,
        ..Summary::default()
    };
    if !views.is_empty() {
        let (folders, _) = Folders::below(target)?;
        let file_bytes = AtomicU64::new(0);
        let extractions = views
            .iter()
            .map(|view| {
                Extraction::new(&view.volume, None, &folders, &options.extract, progress, &file_bytes)
            })
            .collect();
        let lost_folder = lost_folder(&views);
        let mut saver = Saver::new(
            &survey,
            extractions,
            &folders,
            progress,
            options.deleted,
            lost_folder,
            tell,
            size_bytes,
        );
        saver.is_written_over = found.is_written_over;
        save(&mut saver, options, &found)?;
        summary.counts = saver.summary.counts;
        summary.with_streams = saver.summary.with_streams;
        if let Some(extraction) = saver.extractions.first() {
            extraction.set_directory_attributes();
        }
    }
    let map = device.map();
    summary.unreadable_bytes = map
        .within(0, size_bytes)
        .filter(|stretch| stretch.status != Status::Finished)
        .map(|stretch| stretch.end_bytes - stretch.start_bytes)
        .sum();
    Ok(summary)
}

/// What a survey came to.
#[derive(Debug, Default)]
struct Found {
    /// Roots: which view, and what it is to the newest state.
    starts: Vec<(usize, Relation)>,
    /// Directories that nothing leads to, and the view that knows where they lie.
    detached: Vec<(usize, LongAd)>,
    /// Lists of names that belong to no directory that is known.
    loose: Vec<usize>,
    /// Entries that no directory names.
    nameless: Vec<(usize, LongAd)>,
    doubts: Vec<Reason>,
    is_written_over: bool,
    unplaced: u64,
}

/// What a state is to the newest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Newest,
    /// An older one, or one that was never finished, of the same volume.
    SameVolume,
    OtherVolume,
    /// A partition without a volume: it has entries only.
    Nothing,
}

/// All states that can be opened, the newest first, and the partitions that entries tell of beside them.
fn views<'a, R: ReadAt>(
    device: &'a RoughDevice<R>,
    options: &Options,
    catalogue: &Catalogue,
) -> Vec<View<'a, R>> {
    let mut frames = frame::frames(catalogue, options.block_size);
    let mut views: Vec<View<'a, R>> = Vec::new();
    let mut budget = tables::MOST_ENTRIES;
    for frame in &frames {
        let states = State::described(catalogue, frame);
        let states = tables::generations(device, states, catalogue, &mut budget);
        let room = MOST_VIEWS.saturating_sub(views.len());
        let opened = states.iter().take(room).filter_map(|state| View::open(device, state, catalogue));
        // A table that was put together and leads nowhere says that there was none.
        views.extend(opened.filter(|view| view.way != view::Way::Lost || !view.is_put_together()));
    }
    if views.is_empty() {
        frames.extend(frame::frame_of_entries(catalogue, options.block_size));
        for frame in &frames {
            let with_tables = State::inferred_virtual(catalogue, frame);
            let mut states = tables::generations(device, with_tables, catalogue, &mut budget);
            if states.is_empty() {
                states = State::inferred(catalogue, frame);
            }
            views.extend(states.iter().filter_map(|state| View::open(device, state, catalogue)));
            if views.iter().any(|view| view.way != view::Way::Lost) {
                break;
            }
        }
    }
    views.sort_by_key(view::age);
    if let Some(current) = current(device, options, &views) {
        let view = views.remove(current);
        views.insert(0, view);
    }
    let inferred = beside(device, catalogue, &views, &mut budget);
    views.extend(inferred);
    views
}

/// The state that the first anchor leads to, if that is sound: whatever is newer was not finished.
fn current<R: ReadAt>(device: &RoughDevice<R>, options: &Options, views: &[View<'_, R>]) -> Option<usize> {
    // With virtual allocation tables the last one counts, and not the session of the anchor.
    let State { frame, .. } = views.first().map(|view| &view.state).filter(|state| state.table.is_none())?;
    let frame = *frame;
    let framed = Framed { device, frame, patches: Vec::new(), more_bytes: 0 };
    let block_size = Some(options.block_size.unwrap_or(frame.block_size));
    let volume = Volume::open(framed, &OpenOptions { block_size, ..OpenOptions::default() }).ok()?;
    let first = volume.found().anchors.first()?;
    if first.sector.0 != udf::volume::ANCHOR_SECTOR || (first.main, first.reserve) != volume.sequences() {
        return None;
    }
    let same = |view: &View<'_, R>| {
        use zerocopy::IntoBytes as _;
        let (theirs, ours) = (view.volume.logical().as_bytes(), volume.logical().as_bytes());
        view.state.frame == frame && theirs.get(16..) == ours.get(16..)
    };
    views.iter().position(same)
}

/// Partitions in which entries say that they are, and which no view has.
fn beside<'a, R: ReadAt>(
    device: &'a RoughDevice<R>,
    catalogue: &Catalogue,
    views: &[View<'a, R>],
    budget: &mut u64,
) -> Vec<View<'a, R>> {
    let unplaced: Vec<Record> = unplaced(catalogue, views).copied().collect();
    let mut states: Vec<State> = Vec::new();
    let mut frames: Vec<Frame> = Vec::new();
    for view in views.iter().filter(|view| view.state.table.is_some()) {
        if !frames.contains(&view.state.frame) {
            frames.push(view.state.frame);
            states.extend(tables::of_records(device, &view.state, unplaced.iter(), budget));
        }
    }
    for frame in views.iter().map(|view| view.state.frame) {
        if frames.contains(&frame) {
            continue;
        }
        frames.push(frame);
        // Two entries that agree are no accident.
        let votes = frame::partition_starts(unplaced.iter(), &frame).into_iter();
        let starts = votes.filter(|(_, count)| *count > 1);
        states.extend(starts.map(|(start, _)| State::of_partition(&frame, start)));
    }
    states.into_iter().take(MOST_STARTS).filter_map(|state| View::of_partition(device, state)).collect()
}

/// Entries of users' files that lie in no partition of the views.
fn unplaced<'c, R: ReadAt>(
    catalogue: &'c Catalogue,
    views: &'c [View<'_, R>],
) -> impl Iterator<Item = &'c Record> {
    catalogue.records.iter().filter(|record| {
        matches!(record.kind, catalogue::Kind::Entry(kind) if survey::is_of_users(kind))
            && !views.iter().any(|view| view.address(record.at_bytes, record.location).is_some())
    })
}

/// Goes over everything once, what is most to be believed first.
fn surveyed<R: ReadAt>(survey: &mut Survey<'_, '_, R>) -> Result<Found> {
    let mut found = Found::default();
    let Some(newest) = survey.views.first() else { return Ok(found) };
    let root = |view: &View<'_, R>| Source::Directory(view.volume.root_icb());
    survey.tables();
    let mut counted = survey.walk(0, root(newest), Claimant::Newest)?;
    survey.system_streams(0);
    found.starts.push((0, Relation::Newest));
    found.is_written_over = survey.intruders();
    let mut rival = None;
    for (number, view) in survey.views.iter().enumerate().skip(1) {
        let relation = relation(newest, view);
        // An image within a file of the volume is part of that file.
        let is_content = view.state.at_bytes.is_some_and(|at_bytes| survey.ground.claimed.has(at_bytes));
        if is_content || relation == Relation::Nothing {
            continue;
        }
        if relation == Relation::OtherVolume
            && (view.recorded().is_none() || view.recorded() >= newest.recorded())
        {
            rival.get_or_insert(Reason::Rival);
        }
        survey.walk(number, root(view), Claimant::Other)?;
        survey.system_streams(number);
        found.starts.push((number, relation));
    }
    survey.find_loose()?;
    let mut loose: Vec<usize> = (0..survey.loose.len()).collect();
    // Those that have their place are gone through from there.
    let placed: std::collections::HashSet<usize> = survey.loose_of.values().copied().collect();
    for index in &placed {
        let more = survey.walk(0, Source::Loose(*index), Claimant::Newest)?;
        counted.directories += more.directories;
    }
    loose.retain(|index| !placed.contains(index) || !survey.is_broken(*index));
    for index in &loose {
        survey.walk(0, Source::Loose(*index), Claimant::Other)?;
    }
    found.loose = loose;
    survey.deleted()?;
    found.doubts = evidence::doubts(survey, counted);
    found.doubts.extend(rival);
    detached(survey, &mut found)?;
    survey.aside_of_nameless();
    let block_bytes = |number: usize| survey.views[number].volume.block_size().bytes();
    for (number, record) in survey.nameless() {
        if let Some(address) = survey.views[number].address(record.at_bytes, record.location)
            && record.kind != catalogue::Kind::Entry(FileType::DIRECTORY)
        {
            found.nameless.push((number, LongAd::icb(block_bytes(number), address, 0)));
        }
    }
    found.nameless.sort_by_key(|(number, icb)| (*number, icb.start()));
    found.nameless.dedup_by_key(|(number, icb)| (*number, icb.start()));
    let unplaced = unplaced(survey.catalogue, survey.views);
    found.unplaced = unplaced.filter(|record| !survey.ground.claimed.has(record.at_bytes)).count() as u64;
    Ok(found)
}

/// Finds the directories that nothing leads to, those above others of them first, and goes through them.
fn detached<R: ReadAt>(survey: &mut Survey<'_, '_, R>, found: &mut Found) -> Result<()> {
    let directories: Vec<(usize, Record)> = survey
        .nameless()
        .into_iter()
        .filter(|(_, record)| record.kind == catalogue::Kind::Entry(FileType::DIRECTORY))
        .collect();
    let mut below = Bitmap::new(survey.size_bytes);
    for (number, record) in &directories {
        let view = &survey.views[*number];
        let Some(entry) = survey::entry_at(view, record) else { continue };
        let names = Listing::new(&view.volume, &entry).filter(|name| !name.is_parent() && !name.is_deleted());
        for name in names.filter(listing::Found::is_directory) {
            let itself = name.icb.start() == entry.icb;
            if let Some(at_bytes) = view.device_byte(name.icb.start()).filter(|_| !itself) {
                below.set(at_bytes);
            }
        }
    }
    // Those that are within each other only come last.
    for is_below in [false, true] {
        for (number, record) in
            directories.iter().filter(|(_, record)| below.has(record.at_bytes) == is_below)
        {
            let view = &survey.views[*number];
            let Some(address) = view.address(record.at_bytes, record.location) else { continue };
            if view.device_byte(address).is_some_and(|at_bytes| !survey.ground.reached.has(at_bytes)) {
                let icb = LongAd::icb(view.volume.block_size().bytes(), address, 0);
                survey.walk(*number, Source::Directory(icb), Claimant::Other)?;
                found.detached.push((*number, icb));
            }
        }
    }
    Ok(())
}

fn relation<R: ReadAt>(newest: &View<'_, R>, view: &View<'_, R>) -> Relation {
    if view.is_partition {
        return Relation::Nothing;
    }
    let set = |view: &View<'_, R>| view.state.primary.map(|primary| primary.volume_set_identifier);
    let same = match (set(newest), set(view)) {
        (Some(ours), Some(theirs)) => ours == theirs,
        _ => newest.volume.label() == view.volume.label() || newest.state.is_inferred,
    };
    if same && newest.state.frame == view.state.frame { Relation::SameVolume } else { Relation::OtherVolume }
}

/// Copies out everything, in the order in which it was surveyed.
fn save<R: ReadAt>(saver: &mut Saver<'_, '_, R>, options: &Options, found: &Found) -> Result<()> {
    let (mut older, mut others) = (0, 0);
    for (number, relation) in &found.starts {
        let view = &saver.survey.views[*number];
        let from = Source::Directory(view.volume.root_icb());
        let lost = saver.lost_folder.clone();
        let (mode, to, reasons) = match relation {
            Relation::Newest => (Mode::Newest, Vec::new(), found.doubts.clone()),
            Relation::SameVolume => {
                older += 1;
                let is_kept = view.is_write_protected() && !found.is_written_over && found.doubts.is_empty();
                let reasons =
                    if is_kept && view.way == view::Way::Whole { Vec::new() } else { vec![Reason::Older] };
                (Mode::Older, vec![String::from("older"), older.to_string()], reasons)
            }
            Relation::OtherVolume => {
                others += 1;
                (Mode::Other, vec![lost, format!("volume-{others}")], vec![Reason::OtherVolume])
            }
            Relation::Nothing => continue,
        };
        saver.forget_visits();
        if mode != Mode::Older || options.all_versions {
            saver.walk(&Start { view: *number, from, to, mode, reasons })?;
        }
    }
    saver.forget_visits();
    let mut names = Names::default();
    let mut name = |block: u32| names.take(&udf::general::text::encode(&format!("icb-{block}"))).text;
    let lost = saver.lost_folder.clone();
    for (number, icb) in &found.detached {
        let to = vec![lost.clone(), name(icb.start().block.0)];
        let (view, from, reasons) = (*number, Source::Directory(*icb), vec![Reason::NoWay]);
        saver.walk(&Start { view, from, to, mode: Mode::Other, reasons })?;
    }
    for index in &found.loose {
        let icb = saver.survey.icb_of(*index);
        let to = vec![lost.clone(), name(icb.block.0)];
        let reasons = vec![Reason::NoWay, Reason::FoundNames];
        saver.walk(&Start { view: 0, from: Source::Loose(*index), to, mode: Mode::Other, reasons })?;
    }
    for (number, icb) in &found.nameless {
        saver.nameless(*number, *icb, &mut names, &[])?;
    }
    Ok(())
}

/// The folder for what has no place: one of which the root directory has no name.
fn lost_folder<R: ReadAt>(views: &[View<'_, R>]) -> String {
    let root = views.first().and_then(|view| Some((view, view.volume.root().ok()?)));
    let taken: std::collections::HashSet<String> = root
        .into_iter()
        .flat_map(|(view, root)| {
            Listing::new(&view.volume, &root).map(|name| udf::general::text::decode_lossy(&name.name))
        })
        .filter(|name| name.starts_with("lost+found"))
        .collect();
    let names = (0_u32..).map(|number| match number {
        0 => String::from("lost+found"),
        _ => format!("lost+found~{number}"),
    });
    names.into_iter().find(|name| !taken.contains(name)).unwrap_or_default()
}
