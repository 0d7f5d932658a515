//! `append`: a further session onto a volume, in an image or on a device.

use std::os::unix::fs::FileTypeExt;

use anyhow::{Context as _, bail};
use mkudf_ms::Error;
use mkudf_ms::device::simulated::SimulatedMedium;
use mkudf_ms::media::{self, Medium};
use mkudf_ms::plan::{AppendSpec, Plan, SequentialTarget};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::{self, FileId};
use mkudf_ms::session::{Import, ImportOptions};
use udf::read::ReadAt;

use crate::bar;
use crate::grow::{Growth, Planned, Planning};
use crate::job::{Append, Usage};
use crate::report::{Ending, Report};
use crate::{disc, flags};

/// Appends the session.
pub(crate) fn run(flags: &flags::Append, report: &Report) -> anyhow::Result<Ending> {
    let mut job = Append::new(flags)?;
    let name = || flags.image.display().to_string();
    let found = flags.image.metadata().with_context(name)?;
    job.scan.skip = Some(FileId::from(&found));
    let progress = Progress::new();
    bar::cancel_on_signal(&progress)?;
    let growth = Growth {
        image: &flags.image,
        effort: &flags.effort,
        medium: flags.format.medium.as_deref().and_then(Medium::find).unwrap_or(&media::ALL[0]),
        stream: &job.stream,
        progress: &progress,
        report,
    };
    let work = Work { flags, job: &job, report, progress: &progress, sequential: None };
    if let Some(disc) = SimulatedMedium::open(&flags.image).with_context(name)? {
        return work.disc(&growth, &disc).with_context(name);
    }
    if flags.format.close && !flags.effort.dry_run && !found.file_type().is_block_device() {
        return Err(Usage("--close: the volume is not on a disc with sessions".into()).into());
    }
    growth.run(&work).with_context(name)
}

struct Work<'a> {
    flags: &'a flags::Append,
    job: &'a Append,
    report: &'a Report,
    progress: &'a Progress,
    /// Where a disc goes on that is written one sector after the other.
    sequential: Option<SequentialTarget>,
}

impl Work<'_> {
    /// Writes a further state, or a session, of a simulated disc.
    fn disc(self, growth: &Growth<'_>, disc: &SimulatedMedium) -> anyhow::Result<Ending> {
        let closes_session = self.flags.format.close;
        let work = Self { sequential: Some(disc::target(disc, closes_session)?), ..self };
        if work.flags.effort.dry_run {
            return growth.dry_run(disc, false, &work);
        }
        let (ending, is_written) = growth.write(disc, disc, false, &work)?;
        if closes_session && is_written {
            disc.close_session().context("cannot close the session")?;
        }
        Ok(ending)
    }
}

impl Planning for Work<'_> {
    /// Imports the newest session, changes the tree as asked, and works out where that goes; `None` if nothing changes.
    fn plan(&self, reader: &dyn ReadAt, is_device: bool) -> anyhow::Result<Option<Planned>> {
        let Self { flags, job, .. } = self;
        let open = disc::newest(&flags.image, flags.format.block_size)?;
        let options = ImportOptions {
            open,
            fixed_size: is_device,
            force: flags.force,
            tree_of: None,
            sequential: self.sequential,
        };
        let mut import = Import::open(reader, &options)?;
        if let Some(revision) = flags.format.udf_revision
            && import.volume().revision() != Some(revision)
        {
            bail!(Error::refused(
                format!("the volume is not of revision {revision}, and a session cannot change that"),
                "leave out -r, or make a new volume",
            ));
        }
        let old_label = import.volume().label();
        let mut tree = import.tree()?;
        for path in &flags.remove {
            import.remove(&mut tree, path)?;
        }
        let outcome = scan::scan(&mut tree, &mut import, &job.sources, &job.scan, self.progress)?;
        let label = flags.format.label.clone().filter(|label| *label != old_label);
        let is_changed = outcome.added + outcome.replaced + outcome.removed > 0
            || !outcome.changed_directories.is_empty()
            || !flags.remove.is_empty()
            || label.is_some();
        if !is_changed {
            self.report.warnings(&outcome.warnings);
            return Ok(None);
        }
        let mut warnings = outcome.warnings.clone();
        let (base, noticed) = import.finish(&mut tree, &outcome)?;
        warnings.extend(noticed);
        let spec = AppendSpec {
            now: job.times.now,
            zone_minutes: job.times.zone_minutes,
            label: label.clone(),
            embed: !flags.effort.no_embed,
        };
        let plan = Plan::append(&tree, &spec, base)?;
        Ok(Some(Planned { tree, plan, label: label.unwrap_or(old_label), warnings }))
    }
}
