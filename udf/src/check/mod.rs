//! What is wrong with a volume, rule by rule: [`check`] looks at everything and goes on whatever it finds.
//!
//! ```text
//!   rule      the table of rules, R000 to R140; advice  what each means for people
//!   finding   what breaks one, and the report
//!   context   device, revision, findings; on it the checks of
//!     seal  text  identifier  time                       what all descriptors share
//!     recognition  anchor  sequence  integrity           from the device to the descriptors
//!     primary  logical  partition  sparing  layout       what they say
//!     volume_space                                       all of that in order
//!   files     partitions and used blocks; on it the checks of
//!     file_set  entry  icb  allocation  attribute        one entry
//!     window  directory  name  stream  tree              all of them
//!     metadata  digest  virtual_table  free              and what must be true when all have been seen
//! ```
//!
//! A check trusts nothing and repeats nothing: seals that do not fit are told, and what is under them is looked at
//! nonetheless; a reference that leads nowhere is told, and then what was counted is no longer compared with what should be
//! there. Every entry is read once. Memory goes with the number of entries and, at a bit a block, with the volume.

mod advice;
mod allocation;
mod anchor;
mod attribute;
mod context;
mod digest;
mod directory;
mod entry;
mod file_set;
mod files;
mod finding;
mod free;
mod icb;
mod identifier;
mod integrity;
mod layout;
mod logical;
mod metadata;
mod name;
mod partition;
mod path;
mod primary;
mod recognition;
mod role;
mod rule;
mod seal;
mod sequence;
mod sparing;
mod stream;
mod text;
mod time;
mod tree;
mod usage;
mod virtual_table;
mod volume_space;
mod window;

pub use finding::{Finding, Report};
pub use rule::{RULES, Rule, RuleInfo, Severity, UnknownRule};

use alloc::format;
use core::num::NonZeroU32;

use context::{At, Context};
use files::Files;
use integrity::Integrity;

use crate::error::{Error, Place};
use crate::general::{LongAd, Moment};
use crate::read::{Found, OpenOptions, ReadAt, Volume};
use crate::units::{BlockSize, Sector};

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckProgress {
    /// Names of files that have been seen.
    pub files: u64,
    /// Directories that have been seen.
    pub directories: u64,
    /// How many of both there should be, if the volume says so.
    pub expected: Option<u64>,
}

/// Looks at everything on a volume that a rule speaks of.
///
/// What is damaged becomes a finding and never ends the check; only a volume that cannot be opened at all leaves most of it
/// out, and then one finding is fatal.
pub fn check<R: ReadAt>(
    device: &R,
    options: &OpenOptions,
    progress: &mut dyn FnMut(CheckProgress),
) -> Report {
    check_knowing(device, options, Known::default(), progress)
}

/// What whoever has a volume checked may know, and the volume does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// What time it is: the volume cannot have been recorded later (UDF 3.1.1). Files may have times to come.
    pub now: Option<Moment>,
    /// The blocks of an ECC block of the medium, at the beginning of which a partition must begin from 2.50 on
    /// (UDF 2.2.14.3).
    pub ecc_blocks: Option<NonZeroU32>,
}

/// As [`check`], for those who know more than the volume tells.
pub fn check_knowing<R: ReadAt>(
    device: &R,
    options: &OpenOptions,
    known: Known,
    progress: &mut dyn FnMut(CheckProgress),
) -> Report {
    // What a strict reader refuses is what is looked for.
    let options = OpenOptions { strict: false, ..*options };
    match Volume::open(device, &options) {
        Ok(volume) => check_volume(device, &volume, &options, known, progress),
        Err(error) => check_unopened(device, &options, known, &error),
    }
}

/// Checks a volume that can be opened.
fn check_volume<R: ReadAt>(
    device: &R,
    volume: &Volume<&R>,
    options: &OpenOptions,
    known: Known,
    progress: &mut dyn FnMut(CheckProgress),
) -> Report {
    let found = volume.found();
    let mut context = Context::new(device, volume.block_size(), found.session_start);
    context.known = known;
    let table = volume.virtual_table().map(|table| &table.head);
    context.table_time = table.map(|head| head.entry.modified);
    let integrity = context.volume_space(found, options, volume.sequences());
    let mut files = Files::new(context, volume, progress);
    if let Some(integrity) = integrity.as_ref().filter(|integrity| integrity.is_closed()) {
        files.next_unique_id = Some(integrity.fixed.unique_id.get());
        files.expected = integrity.used.map(|used| {
            u64::from(used.number_of_files.get()).saturating_add(used.number_of_directories.get().into())
        });
    }
    if let Some(head) = table {
        // The highest that is in use is the table's own.
        files.next_unique_id = Some(head.entry.unique_id.saturating_add(1));
        files.expected =
            head.counts().map(|(names, directories)| u64::from(names).saturating_add(directories.into()));
    }
    files.run(integrity.as_ref());
    let blocks_used = files.used.sectors_used();
    let counts = (files.file_names, files.directories);
    let report = files.context.findings.into_report();
    Report { files: counts.0, directories: counts.1, blocks_used, ..report }
}

impl<R: ReadAt> Files<'_, R> {
    fn run(&mut self, integrity: Option<&Integrity>) {
        self.take_space_sets();
        self.virtual_table();
        let metadata = self.metadata_partitions();
        self.file_set_sequence();
        let file_set = self.volume.file_set();
        let (root, streams) = (file_set.root_directory_icb, file_set.system_stream_directory_icb);
        self.tree(&root, Some(streams).filter(|icb: &LongAd| icb.bytes() > 0));
        self.links_and_ids();
        if let Some(head) = self.volume.virtual_table().map(|table| &table.head) {
            if let Some(recorded) = head.counts() {
                self.counts(At::new(virtual_table::TABLE, head.entry.icb), recorded);
            }
        } else if let Some(integrity) = integrity.filter(|integrity| integrity.is_closed())
            && let Some(used) = integrity.used
        {
            self.counts(integrity.at, (used.number_of_files.get(), used.number_of_directories.get()));
        }
        self.virtual_use();
        self.spares();
        self.free_space(&metadata, integrity);
        for files in &metadata {
            self.mirror_contents(files);
        }
    }

    /// Files and directories as the integrity descriptor, or the virtual allocation table, counts them.
    fn counts(&mut self, at: At, (files, directories): (u32, u32)) {
        if !self.complete {
            return;
        }
        for (name, recorded, counted) in
            [("files", files, self.file_names), ("directories", directories, self.directories)]
        {
            if u64::from(recorded) != counted {
                self.error(71, at, format_args!("{recorded} {name}, but there are {counted}"));
            }
        }
    }
}

/// Checks as much as there is of a volume that cannot be opened.
fn check_unopened<R: ReadAt>(device: &R, options: &OpenOptions, known: Known, error: &Error) -> Report {
    let mut context = match Found::search(device, options) {
        Ok(found) => {
            let mut context = Context::new(device, found.block_size, found.session_start);
            context.known = known;
            let sequences = found.anchors.first().map(|anchor| (anchor.main, anchor.reserve));
            if let Some(sequences) = options.sequences.or(sequences) {
                context.volume_space(&found, options, sequences);
            }
            context
        }
        Err(_) => Context::new(device, BlockSize::B2048, Sector(0)),
    };
    if context.is_virtual && place_of(error) != Place::Within && error_names(error, virtual_table::TABLE) {
        context.error(74, At::new(virtual_table::TABLE, place_of(error)), format_args!("none can be read"));
    }
    context.findings.add(Severity::Fatal, Rule(0), place_of(error), || format!("{error}"));
    context.findings.into_report()
}

/// Whether an error is about this structure.
fn error_names(error: &Error, structure: &str) -> bool {
    matches!(error, Error::Corrupt(corrupt) if corrupt.structure == structure)
}

fn place_of(error: &Error) -> Place {
    match error {
        Error::Corrupt(corrupt) => corrupt.place,
        _ => Place::Within,
    }
}
