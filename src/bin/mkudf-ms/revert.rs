//! `revert`: a new session that shows an older one's files again.

use anyhow::Context as _;
use mkudf_ms::Error;
use mkudf_ms::device::simulated::SimulatedMedium;
use mkudf_ms::media;
use mkudf_ms::plan::{AppendSpec, Plan, SequentialTarget};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::Outcome;
use mkudf_ms::session::{self, Import, ImportOptions};
use udf::read::ReadAt;

use crate::flags::Revert;
use crate::grow::{Growth, Planned, Planning};
use crate::job::{Times, stream_options};
use crate::report::{Ending, Report};
use crate::{bar, disc, open};

/// Writes the session that goes back.
pub(crate) fn run(flags: &Revert, report: &Report) -> anyhow::Result<Ending> {
    let times = Times::now()?;
    let progress = Progress::new();
    bar::cancel_on_signal(&progress)?;
    let growth = Growth {
        image: &flags.image,
        effort: &flags.effort,
        medium: &media::ALL[0],
        stream: &stream_options(&flags.effort, false, &times),
        progress: &progress,
        report,
    };
    let name = || flags.image.display().to_string();
    let work = Work { flags, times, sequential: None };
    let Some(medium) = SimulatedMedium::open(&flags.image).with_context(name)? else {
        return growth.run(&work).with_context(name);
    };
    if !medium.medium().is_sequential() {
        return growth.rewritable(&medium, &work).with_context(name);
    }
    let target = disc::target(&medium, false, !flags.effort.dry_run, report).with_context(name)?;
    let work = Work { sequential: Some(target), ..work };
    growth.disc(&medium, target.closes_session, &work).with_context(name)
}

struct Work<'a> {
    flags: &'a Revert,
    times: Times,
    /// Where a disc goes on that is written one sector after the other.
    sequential: Option<SequentialTarget>,
}

impl Planning for Work<'_> {
    /// The older session's tree as it is, on top of the newest session.
    fn plan(&self, reader: &dyn ReadAt, is_device: bool) -> anyhow::Result<Option<Planned>> {
        let Self { flags, times, sequential } = self;
        let open = disc::newest(&flags.image, flags.block_size)?;
        let sessions = session::sessions(&reader, &open)?;
        let wanted = open::choose_from(&sessions, flags.to)?;
        if sessions.last().is_some_and(|newest| newest.number == wanted.number) {
            let reason = format!("session {} is the newest: what it holds is what is shown", wanted.number);
            return Err(Error::refused(reason, "name an older one: mkudf-ms sessions lists them").into());
        }
        let tree_of = Some(wanted.number);
        let sequential = *sequential;
        let options = ImportOptions { open, fixed_size: is_device, force: false, tree_of, sequential };
        let mut import = Import::open(reader, &options)?;
        let old_label = import.volume().label();
        let mut tree = import.tree()?;
        let (base, warnings) = import.finish(&mut tree, &Outcome::default())?;
        let label = flags.label.clone().filter(|label| *label != old_label);
        let spec = AppendSpec {
            now: times.now,
            zone_minutes: times.zone_minutes,
            label: label.clone(),
            embed: true,
        };
        let plan = Plan::append(&tree, &spec, base)?;
        Ok(Some(Planned { tree, plan, label: label.unwrap_or(old_label), warnings }))
    }
}
