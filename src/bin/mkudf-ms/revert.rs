//! `revert`: a new session that shows an older one's files again.

use std::os::unix::fs::FileTypeExt;

use anyhow::Context as _;
use mkudf_ms::device::{BlockDevice, FileReader, ImageFile, WriteAt};
use mkudf_ms::plan::{AppendSpec, Plan};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::Outcome;
use mkudf_ms::session::{self, Import, ImportOptions};
use mkudf_ms::tree::Tree;
use mkudf_ms::{Error, Warning, stream};
use udf::read::ReadAt;

use crate::bar::{self, Bar};
use crate::flags::Revert;
use crate::job::{Times, stream_options};
use crate::open;
use crate::report::{Ending, Report};
use crate::summary::{self, Made};

/// Writes the session that goes back.
pub(crate) fn run(flags: &Revert, report: &Report) -> anyhow::Result<Ending> {
    let name = || flags.image.display().to_string();
    let found = flags.image.metadata().with_context(name)?;
    let is_device = found.file_type().is_block_device();
    let progress = Progress::new();
    bar::cancel_on_signal(&progress)?;
    let work = Work { flags, times: Times::now()?, is_device, report, progress: &progress };
    if flags.effort.dry_run {
        return work.dry_run(&FileReader::open(&flags.image).with_context(name)?).with_context(name);
    }
    if is_device {
        let device = BlockDevice::open(&flags.image).context("cannot open the device").with_context(name)?;
        return work.write(&device, &device).with_context(name);
    }
    let image = ImageFile::open(&flags.image).context("cannot open the image").with_context(name)?;
    let ending = work.write(&image, &image).with_context(name)?;
    image.commit().context("cannot make the image durable").with_context(name)?;
    Ok(ending)
}

struct Work<'a> {
    flags: &'a Revert,
    times: Times,
    is_device: bool,
    report: &'a Report,
    progress: &'a Progress,
}

struct Planned {
    tree: Tree,
    plan: Plan,
    made: Made,
    warnings: Vec<Warning>,
}

impl Work<'_> {
    fn write<D: ReadAt>(&self, reader: &D, device: &dyn WriteAt) -> anyhow::Result<Ending> {
        let bar = Bar::watch(self.progress, self.report);
        let Planned { tree, plan, made, mut warnings } = self.plan(reader)?;
        made.check_capacity()?;
        let options = stream_options(&self.flags.effort, false, &self.times);
        warnings.extend(stream::stream(&plan, &tree, device, Some(&reader), self.progress, &options)?);
        drop(bar);
        let ending = self.report.warnings(&warnings);
        made.tell(&self.flags.image.display().to_string(), self.report)?;
        Ok(ending)
    }

    fn dry_run<D: ReadAt>(&self, reader: &D) -> anyhow::Result<Ending> {
        let planned = self.plan(reader)?;
        self.report.warnings(&planned.warnings);
        summary::dry_run(&planned.plan, &planned.made, self.report)
    }

    /// The older session's tree as it is, on top of the newest session.
    fn plan<D: ReadAt>(&self, reader: &D) -> anyhow::Result<Planned> {
        let Self { flags, times, .. } = self;
        let open = crate::disc::newest(&flags.image, flags.block_size)?;
        let sessions = session::sessions(reader, &open)?;
        let wanted = open::choose_from(&sessions, flags.to)?;
        if sessions.last().is_some_and(|newest| newest.number == wanted.number) {
            let reason = format!("session {} is the newest: what it holds is what is shown", wanted.number);
            return Err(Error::refused(reason, "name an older one: mkudf-ms sessions lists them").into());
        }
        let tree_of = Some(wanted.number);
        let options =
            ImportOptions { open, fixed_size: self.is_device, force: false, tree_of, sequential: None };
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
        let medium = &mkudf_ms::media::ALL[0];
        let made = Made::new(&plan, &label.unwrap_or(old_label), &flags.effort, medium);
        Ok(Planned { tree, plan, made, warnings })
    }
}
