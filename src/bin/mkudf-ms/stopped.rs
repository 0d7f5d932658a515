//! What is done when writing stopped before its end, be it cancelled or failed: on a disc whose readers look at what was written last,
//! the newest whole state is made that again; and what is there now is told.

use std::path::Path;

use mkudf_ms::Error;
use mkudf_ms::device::Recordable;
use mkudf_ms::media::VolumeLayout;
use mkudf_ms::plan::{AppendSpec, Plan, SequentialTarget};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::Outcome;
use mkudf_ms::session::{self, Continuation, Import, ImportOptions};
use mkudf_ms::stream::{StreamOptions, stream};
use udf::read::{OpenOptions, ReadAt, Volume};
use udf::{BlockAddress, Sector};

use crate::disc;
use crate::job::Times;
use crate::report::Report;

/// Which of its states a volume shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A virtual allocation table says all, whichever sequence led to it.
    Table(Sector),
    /// This sequence leads to this file set.
    Sequence(Sector, BlockAddress),
}

impl State {
    /// The newest, if there is one.
    pub(crate) fn of(reader: &dyn ReadAt, open: &OpenOptions) -> Option<Self> {
        Volume::open(reader, open).ok().map(|volume| Self::shown(&volume))
    }

    fn shown<R: ReadAt>(volume: &Volume<R>) -> Self {
        let table = volume.virtual_table().and_then(|table| volume.locate(table.head.entry.icb).ok());
        let sequence = || Self::Sequence(volume.sequences().0.start(), volume.file_set_address());
        table.map_or_else(sequence, |run| Self::Table(run.sector))
    }
}

/// Whether something that was being written did not come to its end; everything else is noticed before.
fn is_so(error: &anyhow::Error) -> bool {
    let is_writing =
        |error: &Error| matches!(error, Error::Write { .. } | Error::Flush(_) | Error::Cancelled);
    error.chain().any(|cause| cause.downcast_ref().is_some_and(is_writing))
}

/// Tells what an image or a device holds that is written in any order.
pub(crate) fn tell(
    path: &Path,
    reader: &dyn ReadAt,
    (before, open): (Option<State>, &OpenOptions),
    error: &anyhow::Error,
    report: &Report,
) {
    if !is_so(error) {
        return;
    }
    let holds = match Volume::open(reader, open).ok() {
        None => "holds no volume that can be opened: mkudf-ms rescue finds what is left of one".into(),
        Some(volume) => {
            let what =
                if Some(State::shown(&volume)) == before { "what it held before" } else { "all that is new" };
            let marked = if session::is_pseudo_overwritable(&volume) {
                ", and is marked as being changed: the next change goes on from there with --force"
            } else {
                ", and is marked as being changed: mkudf-ms repair, before it is changed further"
            };
            format!("holds {what}{}", if volume.is_consistent() { "" } else { marked })
        }
    };
    report.note(&format!("{} {holds}", path.display()));
}

/// Where a disc stood before it was written to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    state: Option<State>,
    next_writable: Option<u32>,
}

impl Before {
    /// A disc whose newest session is opened so; `None` if it is blank: drives search long for what was never written.
    pub(crate) fn of(disc: &dyn Recordable, newest: Option<&OpenOptions>) -> Self {
        Self { state: newest.and_then(|newest| State::of(&disc, newest)), next_writable: next_writable(disc) }
    }

    /// Makes of a disc what can be made of it, tells what that is, and lets go of it.
    pub(crate) fn settle(self, disc: &dyn Recordable, error: &anyhow::Error, report: &Report) {
        if !is_so(error) && next_writable(disc) == self.next_writable {
            return;
        }
        let told = match disc.flush() {
            Err(error) => format!(
                "the drive does not answer any more ({error}): when it does, mkudf-ms devices says what is on the disc, and the \
                 next append goes on from there"
            ),
            Ok(()) => self.settled(disc),
        };
        report.note(&told);
        // Why it stopped is what is reported.
        let _ = disc.let_go();
    }

    fn settled(self, disc: &dyn Recordable) -> String {
        let now = Self::of(disc, Some(&disc::newest(&disc::whole(disc), None)));
        let whole = "the disc holds what it held before";
        match now.state {
            _ if now.next_writable == self.next_writable => String::from("nothing was written to the disc"),
            None => String::from(
                "the disc holds no volume: a new one can be begun behind what was written (mkudf-ms append --start-new)",
            ),
            Some(_) if now.state != self.state => String::from("the disc holds all that is new"),
            Some(_) => match republish(disc) {
                Ok(true) => {
                    format!("{whole}, and its table was written once more, so that every reader finds it")
                }
                Ok(false) => format!("{whole}; the next append goes behind what was written"),
                Err(error) => format!(
                    "{whole}, but its table could not be written once more ({error:#}): other readers may find it only after the \
                     next append, which goes behind what was written"
                ),
            },
        }
    }
}

fn next_writable(disc: &dyn Recordable) -> Option<u32> {
    disc::facts(disc).ok().map(|facts| facts.next_writable)
}

/// Writes the newest table once more, behind what belongs to no state: the last thing on the disc is where others look for one.
/// `Ok(false)` where no table is looked for, or where that would take another session, which costs more than it is worth.
fn republish(disc: &dyn Recordable) -> anyhow::Result<bool> {
    let found = Continuation::find(&disc, &disc::whole(disc))?;
    let facts = disc::facts(disc)?;
    if found.layout != VolumeLayout::Vat || found.needs_session || facts.open_session_start.is_none() {
        return Ok(false);
    }
    let target = SequentialTarget { closes_session: false, ..SequentialTarget::of(&facts) };
    let write_unit_blocks = disc.medium().write_unit_blocks;
    let options = ImportOptions {
        open: found.open,
        sequential: Some(target),
        write_unit_blocks,
        ..ImportOptions::default()
    };
    let mut import = Import::open(disc, &options)?;
    let mut tree = import.tree()?;
    let (base, _) = import.finish(&mut tree, &Outcome::default())?;
    let times = Times::now()?;
    let spec = AppendSpec { now: times.now, zone_minutes: times.zone_minutes, label: None, embed: true };
    let plan = Plan::append(&tree, &spec, base)?;
    stream(&plan, &tree, &disc, Some(&disc), &Progress::new(), &StreamOptions::default())?;
    disc.flush().map_err(Error::Flush)?;
    Ok(true)
}
