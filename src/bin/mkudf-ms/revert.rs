//! `revert`: a new session that shows an older one's files again.

use anyhow::Context as _;
use mkudf_ms::Error;
use mkudf_ms::media;
use mkudf_ms::plan::{AppendSpec, Plan};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::Outcome;
use mkudf_ms::session::{Import, ImportOptions, Provenance};
use udf::read::ReadAt;

use crate::bar;
use crate::flags::Revert;
use crate::grow::{Ground, Growth, Planned, Planning};
use crate::job::{Times, Usage, stream_options};
use crate::open;
use crate::report::{Ending, Report};

/// Writes the session that goes back.
pub(crate) fn run(flags: &Revert, report: &Report) -> anyhow::Result<Ending> {
    if flags.effort.checksums.is_some() {
        return Err(Usage("--checksums: the session gone back to keeps those that it has".into()).into());
    }
    let times = Times::now()?;
    let progress = Progress::new();
    bar::cancel_on_signal(&progress)?;
    let growth = Growth {
        image: &flags.image,
        block_size: flags.block_size,
        close: false,
        effort: &flags.effort,
        medium: &media::ALL[0],
        stream: &stream_options(&flags.effort, false, &times),
        progress: &progress,
        report,
    };
    growth.run(&Work { flags, times, report }).with_context(|| flags.image.display().to_string())
}

struct Work<'a> {
    flags: &'a Revert,
    times: Times,
    report: &'a Report,
}

impl Planning for Work<'_> {
    /// The older session's tree as it is, on top of the newest session.
    fn plan(&self, reader: &dyn ReadAt, ground: &Ground) -> anyhow::Result<Option<Planned>> {
        let Self { flags, times, .. } = self;
        let spot = ground.spot(&flags.image, &flags.entrance);
        let sessions = spot.sessions(&reader, self.report)?;
        let open = spot.base_among(&sessions, &reader, self.report)?;
        let wanted = open::choose_from(&sessions, flags.to)?;
        if wanted.provenance == Provenance::Current {
            let reason = format!("session {} is the newest: what it holds is what is shown", wanted.number);
            return Err(Error::refused(reason, "name an older one: mkudf-ms sessions lists them").into());
        }
        // What follows the current session may be written over by the next.
        if sessions
            .iter()
            .any(|session| session.provenance == Provenance::Current && session.number < wanted.number)
        {
            let reason =
                format!("session {} lies behind the current one, where the next is written", wanted.number);
            return Err(Error::refused(reason, "extract it, and append what it has").into());
        }
        let tree_opened_by = Some(wanted.open);
        let options = ImportOptions { tree_opened_by, ..ground.import_options(open) };
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
