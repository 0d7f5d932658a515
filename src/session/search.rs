//! All sessions and states that are on a device, whether or not anything leads to them: those that anchors disagree about,
//! those whose anchors are gone, and virtual allocation tables that no later one remembers.

use std::collections::HashSet;

use udf::Sector;
use udf::read::{OpenOptions, ReadAt, Volume};
use udf::volume::ANCHOR_SECTOR;

use super::history::{Provenance, Session, number, sessions};
use super::survey::{Sequence, Survey, survey};
use crate::error::Result;
use crate::progress::Progress;

/// Sequences, and anchors, that are remembered: the earliest of more.
const MOST_SEQUENCES: usize = 1024;
/// What looks like a table of a session and is none: after so many of them no more are tried.
const MOST_FALSE_TABLES: u32 = 16;

/// The sessions that [`sessions`] lists, and those that other anchors of the same search lead to, by place: on images of
/// whole discs, and after an interrupted update, anchors disagree. `options` tell how the volume is opened.
pub fn all_sessions<R: ReadAt>(device: &R, options: &OpenOptions) -> Result<Vec<Session>> {
    let mut found = Merged::default();
    found.add(sessions(device, options)?, None);
    found.other_anchors(device, options);
    Ok(found.in_order())
}

/// All sessions that are on the device, found by reading it once from its beginning to its end: those whose anchors are
/// gone, too, and those of volumes that were there before. Nothing needs to open otherwise.
///
/// # Errors
/// If there is no session at all: that of opening the volume without a search. If `progress` is cancelled.
pub fn search<R: ReadAt>(device: &R, options: &OpenOptions, progress: &Progress) -> Result<Vec<Session>> {
    progress.set_total_bytes(device.size_bytes());
    let mut found = Merged::default();
    let by_anchors = sessions(device, options);
    let failure = match by_anchors {
        Ok(known) => {
            found.add(known, None);
            found.other_anchors(device, options);
            None
        }
        Err(error) => Some(error),
    };
    let survey = survey(device, MOST_SEQUENCES, progress)?;
    for seed in seeds(&survey, options) {
        progress.check()?;
        found.seed(device, &seed, &survey);
    }
    match failure {
        Some(error) if found.list.is_empty() => Err(error),
        _ => Ok(found.in_order()),
    }
}

/// A place where a session may be opened.
struct Seed {
    open: OpenOptions,
    /// If it is one of a volume with a virtual partition: where its tables begin, and end.
    tables: Option<(u64, u64)>,
}

/// One seed for what each anchor leads to, and one for each sequence.
fn seeds(survey: &Survey, options: &OpenOptions) -> Vec<Seed> {
    let block_size = |size| options.block_size.is_none_or(|wanted| wanted == size);
    let of_sequence = |sequence: &Sequence| {
        let led = survey.anchors.iter().filter(|anchor| {
            let is_main = anchor.main.start() == sequence.start;
            anchor.block_size == sequence.block_size && (is_main || anchor.reserve.start() == sequence.start)
        });
        // Of those that lead here the first is that of the beginning; at the end there may be more.
        let anchor = led.min_by_key(|anchor| anchor.sector);
        let sequences =
            anchor.map_or((sequence.extent(), sequence.extent()), |anchor| (anchor.main, anchor.reserve));
        let session_start = anchor.and_then(|anchor| anchor.sector.0.checked_sub(ANCHOR_SECTOR));
        let open = OpenOptions {
            session_start: session_start.map(Sector),
            block_size: Some(sequence.block_size),
            sequences: Some(sequences),
            last_sector: None,
            track_start: None,
            strict: options.strict,
        };
        let size = sequence.block_size;
        let start_bytes = size.offset_of(sequence.start);
        let others = survey.sequences.iter().filter(|other| other.is_virtual && other.block_size == size);
        // What describes the same session lies close by; its tables lie behind all of that.
        let later = others.map(|other| size.offset_of(other.start)).filter(|at| *at > start_bytes);
        let end = later.filter(|at| *at - start_bytes > 512 * u64::from(size.bytes())).min();
        let tables = sequence.is_virtual.then(|| (start_bytes, end.unwrap_or(u64::MAX)));
        Seed { open, tables }
    };
    survey.sequences.iter().filter(|found| block_size(found.block_size)).map(of_sequence).collect()
}

/// Sessions, each once.
#[derive(Default)]
struct Merged {
    list: Vec<Session>,
    known: HashSet<u64>,
}

impl Merged {
    /// Adds those that are not known; those found otherwise than by the anchors that count are marked so.
    fn add(&mut self, sessions: Vec<Session>, provenance: Option<Provenance>) {
        for mut session in sessions {
            if let Some(provenance) = provenance {
                session.provenance = provenance;
            }
            if self.known.insert(session.identity) {
                self.list.push(session);
            }
        }
    }

    /// What anchors lead to that disagree with the one that counts.
    fn other_anchors<R: ReadAt>(&mut self, device: &R, options: &OpenOptions) {
        if options.sequences.is_some() || options.strict {
            return;
        }
        let Ok(volume) = Volume::open(device, options) else { return };
        for anchor in &volume.found().anchors {
            let sequences = (anchor.main, anchor.reserve);
            if sequences == volume.sequences() {
                continue;
            }
            let block_size = Some(volume.block_size());
            let open = OpenOptions { sequences: Some(sequences), block_size, ..*options };
            if let Ok(found) = sessions(device, &open) {
                self.add(found, Some(Provenance::OtherAnchor));
            }
        }
    }

    /// What can be opened by a sequence.
    fn seed<R: ReadAt>(&mut self, device: &R, seed: &Seed, survey: &Survey) {
        let Some((start, end)) = seed.tables else {
            if let Some(open) = started(device, &seed.open)
                && let Ok(found) = sessions(device, &open)
            {
                self.add(found, Some(Provenance::Search));
            }
            return;
        };
        let Some(size) = seed.open.block_size else { return };
        let mut false_ones = 0;
        let tables = survey.tables_bytes.iter().rev().filter(|at| (start..end).contains(*at));
        for at_bytes in tables.filter(|at| at.is_multiple_of(u64::from(size.bytes()))) {
            let Ok(sector) = u32::try_from(at_bytes / u64::from(size.bytes())) else { continue };
            if self.list.iter().any(|known| known.table == Some(Sector(sector))) {
                continue;
            }
            let open = OpenOptions { last_sector: Some(Sector(sector)), ..seed.open };
            let found = started(device, &open).and_then(|open| sessions(device, &open).ok());
            match found {
                Some(found) if found.last().is_some_and(|newest| newest.table == Some(Sector(sector))) => {
                    self.add(found, Some(Provenance::Search));
                }
                _ if false_ones >= MOST_FALSE_TABLES => return,
                _ => false_ones += 1,
            }
        }
    }

    /// Oldest first, as far as places tell: what was recorded later lies behind.
    fn in_order(mut self) -> Vec<Session> {
        self.list.sort_by_key(|session| session.place);
        let block = self.list.first().and_then(|session| session.open.block_size);
        number(&mut self.list, block.map_or(0, |size| size.bytes().into()));
        self.list
    }
}

/// How to open a session that an anchor leads to: by its start only if there is a recognition sequence at that start. The
/// anchors at the end of a volume lead there, too.
fn started<R: ReadAt>(device: &R, open: &OpenOptions) -> Option<OpenOptions> {
    let volume = Volume::open(device, open).ok()?;
    let is_start = volume.found().recognition.iter().any(|identifier| identifier.starts_with(b"NSR"));
    let session_start = open.session_start.filter(|_| is_start);
    Some(OpenOptions { session_start, ..*open })
}
