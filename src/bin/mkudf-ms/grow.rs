//! What commands that change a volume share: a further state is planned, then shown or written, told of and made durable.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::Context as _;
use mkudf_ms::Warning;
use mkudf_ms::device::simulated::WholeUnits;
use mkudf_ms::device::{BlockDevice, FileReader, ImageFile, Recordable, WriteAt};
use mkudf_ms::media::Medium;
use mkudf_ms::plan::{Plan, SequentialTarget};
use mkudf_ms::progress::Progress;
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::Tree;
use udf::BlockSize;
use udf::read::{OpenOptions, ReadAt};

use crate::bar::Bar;
use crate::disc::{self, Access};
use crate::flags::Effort;
use crate::job::Usage;
use crate::report::{Ending, Report};
use crate::summary::{self, Made};

/// A session worked out, and what was noticed.
pub(crate) struct Planned {
    pub(crate) tree: Tree,
    pub(crate) plan: Plan,
    pub(crate) label: String,
    pub(crate) warnings: Vec<Warning>,
}

/// What a change is planned on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground {
    /// The size of what the volume is in is fixed.
    pub(crate) fixed_size: bool,
    /// Where a disc goes on that is written one sector after the other.
    pub(crate) sequential: Option<SequentialTarget>,
    /// How the newest session is opened.
    pub(crate) newest: OpenOptions,
    /// Blocks that the medium loses together.
    pub(crate) write_unit_blocks: u32,
}

/// How changes are planned. What is read is whatever the volume is in.
pub(crate) trait Planning {
    /// Works a change out; `None` if there is none.
    fn plan(&self, reader: &dyn ReadAt, ground: &Ground) -> anyhow::Result<Option<Planned>>;
}

/// The volume that grows, and how.
pub(crate) struct Growth<'a> {
    pub(crate) image: &'a Path,
    pub(crate) block_size: Option<BlockSize>,
    /// The session of a disc is closed behind what is written.
    pub(crate) close: bool,
    pub(crate) effort: &'a Effort,
    pub(crate) medium: &'static Medium,
    pub(crate) stream: &'a StreamOptions,
    pub(crate) progress: &'a Progress,
    pub(crate) report: &'a Report,
}

impl Growth<'_> {
    /// Grows whatever the path leads to.
    pub(crate) fn run(&self, planning: &impl Planning) -> anyhow::Result<Ending> {
        match disc::to_grow(self.image, Access::of(self.effort))? {
            Some(disc) if disc.medium().is_sequential() => self.sequential(&*disc, planning),
            Some(disc) => self.rewritable(&*disc, planning),
            None => self.plain(planning),
        }
    }

    /// Grows an image file or a block device.
    fn plain(&self, planning: &impl Planning) -> anyhow::Result<Ending> {
        if self.close {
            return Err(Usage("--close: the volume is not on a disc with sessions".into()).into());
        }
        let fixed_size = self.image.metadata()?.file_type().is_block_device();
        let ground = self.ground(fixed_size, self.medium.write_unit_blocks);
        if self.effort.dry_run {
            return self.dry_run(&FileReader::open(self.image)?, &ground, planning);
        }
        if fixed_size {
            let device = BlockDevice::open(self.image).context("cannot open the device")?;
            return self.write(&device, &device, &ground, planning).map(|(ending, _)| ending);
        }
        let image = ImageFile::open(self.image).context("cannot open the image")?;
        let (ending, is_written) = self.write(&image, &image, &ground, planning)?;
        if is_written {
            image.commit().context("cannot make the image durable")?;
        }
        Ok(ending)
    }

    fn ground(&self, fixed_size: bool, write_unit_blocks: u32) -> Ground {
        let newest = OpenOptions { block_size: self.block_size, ..OpenOptions::default() };
        Ground { fixed_size, sequential: None, newest, write_unit_blocks }
    }

    fn sequential(&self, disc: &dyn Recordable, planning: &impl Planning) -> anyhow::Result<Ending> {
        let (target, open) = disc::target(disc, self.close, Access::of(self.effort), self.report)?;
        let newest = OpenOptions { block_size: self.block_size, ..open };
        self.disc(disc, target, newest, planning)
    }

    /// Grows a disc; what is written there is a session that is closed, or a part of one that stays open.
    pub(crate) fn disc(
        &self,
        disc: &dyn Recordable,
        target: SequentialTarget,
        newest: OpenOptions,
        planning: &impl Planning,
    ) -> anyhow::Result<Ending> {
        let ground = self.ground(false, disc.medium().write_unit_blocks);
        let ground = Ground { sequential: Some(target), newest, ..ground };
        if self.effort.dry_run {
            return self.dry_run(&disc, &ground, planning);
        }
        let (ending, is_written) = self.write(&disc, &disc, &ground, planning)?;
        if target.closes_session && is_written {
            disc::end_session(disc, self.report)?;
        }
        disc::let_go(disc)?;
        Ok(ending)
    }

    /// Grows a simulated disc that is written in any order.
    fn rewritable(&self, disc: &dyn Recordable, planning: &impl Planning) -> anyhow::Result<Ending> {
        if self.close {
            return Err(Usage("--close: the disc has no sessions that are closed".into()).into());
        }
        let ground = self.ground(true, disc.medium().write_unit_blocks);
        if self.effort.dry_run {
            return self.dry_run(&disc, &ground, planning);
        }
        self.write(&disc, &WholeUnits::of(disc), &ground, planning).map(|(ending, _)| ending)
    }

    /// Plans and writes; whether anything was written.
    fn write(
        &self,
        reader: &dyn ReadAt,
        device: &dyn WriteAt,
        ground: &Ground,
        planning: &impl Planning,
    ) -> anyhow::Result<(Ending, bool)> {
        let bar = Bar::watch(self.progress, self.report);
        let Some(planned) = planning.plan(reader, ground)? else { return Ok((self.nothing(), false)) };
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
    fn dry_run(
        &self,
        reader: &dyn ReadAt,
        ground: &Ground,
        planning: &impl Planning,
    ) -> anyhow::Result<Ending> {
        let bar = Bar::watch(self.progress, self.report);
        let Some(planned) = planning.plan(reader, ground)? else { return Ok(self.nothing()) };
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
