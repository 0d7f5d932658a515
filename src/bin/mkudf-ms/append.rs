//! `append`: a further session onto a volume, in an image or on a device.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::{Context as _, bail};
use mkudf_ms::device::simulated::SimulatedMedium;
use mkudf_ms::device::{BlockDevice, FileReader, ImageFile, WriteAt};
use mkudf_ms::media::Medium;
use mkudf_ms::plan::{AppendSpec, Plan, SequentialTarget};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::{self, FileId};
use mkudf_ms::session::{Import, ImportOptions};
use mkudf_ms::tree::Tree;
use mkudf_ms::{Error, Warning, stream};
use udf::read::ReadAt;

use crate::bar::{self, Bar};
use crate::job::{Append, Usage};
use crate::report::{Ending, Report};
use crate::summary::{self, Made};
use crate::{disc, flags};

/// Appends the session.
pub(crate) fn run(flags: &flags::Append, report: &Report) -> anyhow::Result<Ending> {
    let mut job = Append::new(flags)?;
    let name = || flags.image.display().to_string();
    let found = flags.image.metadata().with_context(name)?;
    job.scan.skip = Some(FileId::from(&found));
    let progress = Progress::new();
    bar::cancel_on_signal(&progress)?;
    let work = Work { flags, job: &job, report, progress: &progress, sequential: None };
    let is_device = found.file_type().is_block_device();
    if let Some(disc) = SimulatedMedium::open(&flags.image).with_context(name)? {
        return work.disc(&disc).with_context(name);
    }
    if flags.effort.dry_run {
        return work
            .dry_run(&FileReader::open(&flags.image).with_context(name)?, is_device)
            .with_context(name);
    }
    if is_device {
        let device = BlockDevice::open(&flags.image).context("cannot open the device").with_context(name)?;
        return work.write(&device, &device, is_device).with_context(name).map(|(ending, _)| ending);
    }
    if flags.format.close {
        return Err(Usage("--close: the volume is not on a disc with sessions".into()).into());
    }
    let image = ImageFile::open(&flags.image).context("cannot open the image").with_context(name)?;
    let (ending, is_written) = work.write(&image, &image, is_device).with_context(name)?;
    if is_written {
        image.commit().context("cannot make the image durable").with_context(name)?;
    }
    Ok(ending)
}

struct Work<'a> {
    flags: &'a flags::Append,
    job: &'a Append,
    report: &'a Report,
    progress: &'a Progress,
    /// Where a disc goes on that is written one sector after the other.
    sequential: Option<SequentialTarget>,
}

/// A session worked out, and what was noticed.
struct Planned {
    tree: Tree,
    plan: Plan,
    label: String,
    warnings: Vec<Warning>,
}

impl Work<'_> {
    /// Writes a further state, or a session, of a simulated disc.
    fn disc(self, disc: &SimulatedMedium) -> anyhow::Result<Ending> {
        let closes_session = self.flags.format.close;
        let work = Self { sequential: Some(disc::target(disc, closes_session)?), ..self };
        if work.flags.effort.dry_run {
            return work.dry_run(disc, false);
        }
        let (ending, is_written) = work.write(disc, disc, false)?;
        if closes_session && is_written {
            disc.close_session().context("cannot close the session")?;
        }
        Ok(ending)
    }

    /// Plans and writes; whether anything was written.
    fn write<D: ReadAt>(
        &self,
        reader: &D,
        device: &dyn WriteAt,
        is_device: bool,
    ) -> anyhow::Result<(Ending, bool)> {
        let bar = Bar::watch(self.progress, self.report);
        let Some(mut planned) = self.plan(reader, is_device)? else { return Ok((self.nothing(), false)) };
        let made = self.made(&planned);
        made.check_capacity()?;
        let Planned { tree, plan, .. } = &planned;
        let more = stream::stream(plan, tree, device, Some(&reader), self.progress, &self.job.stream)?;
        drop(bar);
        planned.warnings.extend(more);
        let ending = self.report.warnings(&planned.warnings);
        made.tell(&self.name(), self.report)?;
        Ok((ending, true))
    }

    fn dry_run<D: ReadAt>(&self, reader: &D, is_device: bool) -> anyhow::Result<Ending> {
        let bar = Bar::watch(self.progress, self.report);
        let Some(planned) = self.plan(reader, is_device)? else { return Ok(self.nothing()) };
        drop(bar);
        self.report.warnings(&planned.warnings);
        summary::dry_run(&planned.plan, &self.made(&planned), self.report)
    }

    /// Imports the newest session, changes the tree as asked, and works out where that goes; `None` if nothing changes.
    fn plan<D: ReadAt>(&self, reader: &D, is_device: bool) -> anyhow::Result<Option<Planned>> {
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

    fn made(&self, planned: &Planned) -> Made {
        let named = self.flags.format.medium.as_deref().and_then(Medium::find);
        let medium = named.unwrap_or(&mkudf_ms::media::ALL[0]);
        Made::new(&planned.plan, &planned.label, &self.flags.effort, medium)
    }

    fn nothing(&self) -> Ending {
        self.report.note(&format!("{}: nothing new to append, nothing written", self.name()));
        Ending::Done
    }

    fn name(&self) -> String {
        Path::display(&self.flags.image).to_string()
    }
}
