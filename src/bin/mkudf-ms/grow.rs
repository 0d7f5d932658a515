//! What `append` and `revert` share: a further session is planned, then shown or written, told of and made durable.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::Context as _;
use mkudf_ms::Warning;
use mkudf_ms::device::simulated::WholeUnits;
use mkudf_ms::device::{BlockDevice, FileReader, ImageFile, Recordable, WriteAt};
use mkudf_ms::media::Medium;
use mkudf_ms::plan::Plan;
use mkudf_ms::progress::Progress;
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::Tree;
use udf::read::ReadAt;

use crate::bar::Bar;
use crate::disc;
use crate::flags::Effort;
use crate::report::{Ending, Report};
use crate::summary::{self, Made};

/// A session worked out, and what was noticed.
pub(crate) struct Planned {
    pub(crate) tree: Tree,
    pub(crate) plan: Plan,
    pub(crate) label: String,
    pub(crate) warnings: Vec<Warning>,
}

/// How sessions are planned. What is read is whatever the volume is in.
pub(crate) trait Planning {
    /// Works a session out; `None` if nothing changes. `is_device`: the size of what it goes to is fixed.
    fn plan(&self, reader: &dyn ReadAt, is_device: bool) -> anyhow::Result<Option<Planned>>;
}

/// The volume that grows, and how.
pub(crate) struct Growth<'a> {
    pub(crate) image: &'a Path,
    pub(crate) effort: &'a Effort,
    pub(crate) medium: &'static Medium,
    pub(crate) stream: &'a StreamOptions,
    pub(crate) progress: &'a Progress,
    pub(crate) report: &'a Report,
}

impl Growth<'_> {
    /// Grows an image file or a block device.
    pub(crate) fn run(&self, planning: &impl Planning) -> anyhow::Result<Ending> {
        let is_device = self.image.metadata()?.file_type().is_block_device();
        if self.effort.dry_run {
            return self.dry_run(&FileReader::open(self.image)?, is_device, planning);
        }
        if is_device {
            let device = BlockDevice::open(self.image).context("cannot open the device")?;
            return self.write(&device, &device, is_device, planning).map(|(ending, _)| ending);
        }
        let image = ImageFile::open(self.image).context("cannot open the image")?;
        let (ending, is_written) = self.write(&image, &image, is_device, planning)?;
        if is_written {
            image.commit().context("cannot make the image durable")?;
        }
        Ok(ending)
    }

    /// Grows a disc; what is written there is a session that is closed, or a part of one that stays open.
    pub(crate) fn disc(
        &self,
        disc: &dyn Recordable,
        closes_session: bool,
        planning: &impl Planning,
    ) -> anyhow::Result<Ending> {
        if self.effort.dry_run {
            return self.dry_run(&disc, false, planning);
        }
        let (ending, is_written) = self.write(&disc, &disc, false, planning)?;
        if closes_session && is_written {
            disc::end_session(disc, self.report)?;
        }
        disc::let_go(disc)?;
        Ok(ending)
    }

    /// Grows a simulated disc that is written in any order.
    pub(crate) fn rewritable(
        &self,
        disc: &dyn Recordable,
        planning: &impl Planning,
    ) -> anyhow::Result<Ending> {
        if self.effort.dry_run {
            return self.dry_run(&disc, true, planning);
        }
        self.write(&disc, &WholeUnits::of(disc), true, planning).map(|(ending, _)| ending)
    }

    /// Plans and writes; whether anything was written.
    pub(crate) fn write(
        &self,
        reader: &dyn ReadAt,
        device: &dyn WriteAt,
        is_device: bool,
        planning: &impl Planning,
    ) -> anyhow::Result<(Ending, bool)> {
        let bar = Bar::watch(self.progress, self.report);
        let Some(planned) = planning.plan(reader, is_device)? else { return Ok((self.nothing(), false)) };
        let made = self.made(&planned);
        made.check_capacity()?;
        let Planned { tree, plan, mut warnings, .. } = planned;
        warnings.extend(stream(&plan, &tree, device, Some(reader), self.progress, self.stream)?);
        drop(bar);
        let ending = self.report.warnings(&warnings);
        made.tell(&self.image.display().to_string(), self.report)?;
        Ok((ending, true))
    }

    /// Plans, and shows the plan.
    pub(crate) fn dry_run(
        &self,
        reader: &dyn ReadAt,
        is_device: bool,
        planning: &impl Planning,
    ) -> anyhow::Result<Ending> {
        let bar = Bar::watch(self.progress, self.report);
        let Some(planned) = planning.plan(reader, is_device)? else { return Ok(self.nothing()) };
        drop(bar);
        self.report.warnings(&planned.warnings);
        summary::dry_run(&planned.plan, &self.made(&planned), self.report)
    }

    fn made(&self, planned: &Planned) -> Made {
        Made::new(&planned.plan, &planned.label, self.effort, self.medium)
    }

    fn nothing(&self) -> Ending {
        self.report.note(&format!("{}: nothing new to append, nothing written", self.image.display()));
        Ending::Done
    }
}
