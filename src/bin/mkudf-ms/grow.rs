//! What commands that change a volume share: a further state is planned, then shown or written, told of and made durable.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::Context as _;
use mkudf_ms::Warning;
use mkudf_ms::device::{BlockDevice, FileReader, ImageFile, Recordable, Sparing, WholeUnits, WriteAt};
use mkudf_ms::media::Medium;
use mkudf_ms::media::multisession::PseudoOverwrite;
use mkudf_ms::plan::{Plan, SequentialTarget};
use mkudf_ms::progress::Progress;
use mkudf_ms::session::ImportOptions;
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::Tree;
use udf::BlockSize;
use udf::read::{OpenOptions, ReadAt};

use crate::bar::Bar;
use crate::disc::{self, Access};
use crate::flags::{Effort, Entrance};
use crate::job::Usage;
use crate::open::Spot;
use crate::read_back::read_back;
use crate::report::{Ending, Report};
use crate::stopped::{self, Before, State};
use crate::summary::{self, Made};

/// A session worked out, and what was noticed.
pub(crate) struct Planned {
    pub(crate) tree: Tree,
    pub(crate) plan: Plan,
    pub(crate) label: String,
    pub(crate) warnings: Vec<Warning>,
}

/// How it went, and what was written, if anything was.
pub(crate) struct Written {
    ending: Ending,
    done: Option<(Tree, Plan)>,
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
    /// Where a disc in pseudo-overwrite goes on.
    pub(crate) pseudo_overwrite: Option<PseudoOverwrite>,
}

impl Ground {
    /// Where the volume that is changed is looked for.
    pub(crate) fn spot<'a>(&self, image: &'a Path, entrance: &'a Entrance) -> Spot<'a> {
        let newest = self.newest;
        Spot { image, block_size: newest.block_size, last_sector: None, entrance, newest }
    }

    /// How it is imported, as far as that follows from what it is on.
    pub(crate) fn import_options(&self, open: OpenOptions) -> ImportOptions {
        ImportOptions {
            open,
            fixed_size: self.fixed_size,
            write_unit_blocks: self.write_unit_blocks,
            sequential: self.sequential,
            pseudo_overwrite: self.pseudo_overwrite,
            ..ImportOptions::default()
        }
    }
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
        // Nothing must hold the disc any more when it is read back.
        let written = match disc::to_grow(self.image, self.effort, self.report)? {
            Some(disc) if disc.medium().is_sequential() => self.sequential(&*disc, planning),
            Some(disc) => self.rewritable(&*disc, planning),
            None => self.plain(planning),
        }?;
        self.conclude(&written)
    }

    /// Reads back what was written, if that is wanted.
    pub(crate) fn conclude(&self, written: &Written) -> anyhow::Result<Ending> {
        let Some((tree, plan)) = written.done.as_ref().filter(|_| self.effort.verify) else {
            return Ok(written.ending);
        };
        Ok(written.ending.or_worse(read_back(self.image, (plan, tree), true, self.stream, self.report)?))
    }

    /// Grows an image file or a block device.
    fn plain(&self, planning: &impl Planning) -> anyhow::Result<Written> {
        if self.close {
            return Err(Usage("--close: the volume is not on a disc with sessions".into()).into());
        }
        let fixed_size = self.image.metadata()?.file_type().is_block_device();
        let ground = self.ground(fixed_size, self.medium.write_unit_blocks);
        if self.effort.dry_run {
            return self.dry_run(&FileReader::open(self.image)?, &ground, planning);
        }
        let write = || {
            if fixed_size {
                let device = BlockDevice::open(self.image).context("cannot open the device")?;
                let written = self.write(&device, &device, &ground, planning);
                if written.is_err() {
                    // What was written until then is of no use, but should be on the device before somebody takes that away.
                    let _ = device.flush();
                }
                return written;
            }
            let image = ImageFile::open(self.image).context("cannot open the image")?;
            let written = self.write(&image, &image, &ground, planning)?;
            if written.done.is_some() {
                image.commit().context("cannot make the image durable")?;
            }
            Ok(written)
        };
        let before = State::of(&FileReader::open(self.image)?, &ground.newest);
        // What was behind the volume and could be taken back is gone by then.
        write().inspect_err(|error| {
            if let Ok(reader) = FileReader::open(self.image) {
                stopped::tell(self.image, &reader, (before, &ground.newest), error, self.report);
            }
        })
    }

    fn ground(&self, fixed_size: bool, write_unit_blocks: u32) -> Ground {
        let newest = OpenOptions { block_size: self.block_size, ..OpenOptions::default() };
        Ground { fixed_size, sequential: None, newest, write_unit_blocks, pseudo_overwrite: None }
    }

    fn sequential(&self, disc: &dyn Recordable, planning: &impl Planning) -> anyhow::Result<Written> {
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
    ) -> anyhow::Result<Written> {
        let ground = self.ground(false, disc.medium().write_unit_blocks);
        let ground = Ground { sequential: Some(target), newest, ..ground };
        if self.effort.dry_run {
            return self.dry_run(&disc, &ground, planning);
        }
        let before = Before::of(disc, Some(&newest));
        let written = self
            .write(&disc, &disc, &ground, planning)
            .inspect_err(|error| before.settle(disc, error, self.report))?;
        if target.closes_session && written.done.is_some() {
            disc::end_session(disc, self.report)?;
        }
        disc::let_go(disc, self.report)?;
        Ok(written)
    }

    /// Grows a disc that is written in any order: a simulated one, or one in pseudo-overwrite.
    fn rewritable(&self, disc: &dyn Recordable, planning: &impl Planning) -> anyhow::Result<Written> {
        if self.close {
            return Err(Usage("--close: the disc has no sessions that are closed".into()).into());
        }
        let pseudo_overwrite = disc::pseudo_overwrite(disc)?;
        let ground = Ground { pseudo_overwrite, ..self.ground(true, disc.medium().write_unit_blocks) };
        if self.effort.dry_run {
            return self.dry_run(&disc, &ground, planning);
        }
        let before = State::of(&disc, &ground.newest);
        let written = self.write(&disc, &WholeUnits::of(disc), &ground, planning);
        let written = written.and_then(|written| {
            disc::let_go(disc, self.report)?;
            Ok(written)
        });
        written.inspect_err(|error| {
            let _ = disc.flush();
            stopped::tell(self.image, &disc, (before, &ground.newest), error, self.report);
            let _ = disc.let_go();
        })
    }

    /// Plans and writes.
    fn write(
        &self,
        reader: &dyn ReadAt,
        device: &dyn WriteAt,
        ground: &Ground,
        planning: &impl Planning,
    ) -> anyhow::Result<Written> {
        let bar = Bar::watch(self.progress, self.report);
        let Some(planned) = planning.plan(reader, ground)? else { return Ok(self.nothing()) };
        let made = self.made(&planned);
        made.check_capacity()?;
        let Planned { tree, plan, mut warnings, .. } = planned;
        let (told, relocated) = Sparing::through(reader, device, &ground.newest, |device, reader| {
            stream(&plan, &tree, device, Some(reader), self.progress, self.stream)
        });
        // They are so, whether the rest went well or not.
        warnings.extend(relocated);
        match told {
            Ok(told) => warnings.extend(told),
            Err(error) => {
                self.report.warnings(&warnings);
                return Err(error.into());
            }
        }
        drop(bar);
        let ending = self.report.warnings(&warnings);
        made.tell(&self.image.display().to_string(), self.report)?;
        Ok(Written { ending, done: Some((tree, plan)) })
    }

    /// Plans, and shows the plan.
    fn dry_run(
        &self,
        reader: &dyn ReadAt,
        ground: &Ground,
        planning: &impl Planning,
    ) -> anyhow::Result<Written> {
        let bar = Bar::watch(self.progress, self.report);
        let Some(planned) = planning.plan(reader, ground)? else { return Ok(self.nothing()) };
        drop(bar);
        self.report.warnings(&planned.warnings);
        let ending = summary::dry_run(&planned.plan, &self.made(&planned), self.report)?;
        Ok(Written { ending, done: None })
    }

    fn made(&self, planned: &Planned) -> Made {
        Made::new(&planned.plan, &planned.label, self.effort, self.medium)
    }

    fn nothing(&self) -> Written {
        self.report.note(&format!("{}: nothing new to append, nothing written", self.image.display()));
        Written { ending: Ending::Done, done: None }
    }
}
