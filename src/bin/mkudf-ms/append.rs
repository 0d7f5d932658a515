//! `append`: a further session onto a volume, in an image or on a device.

use std::os::unix::fs::FileTypeExt;

use anyhow::{Context as _, bail};
use mkudf_ms::Error;
use mkudf_ms::device::Recordable;
use mkudf_ms::media::{self, Medium};
use mkudf_ms::plan::{AppendSpec, Plan, SequentialTarget};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::{self, FileId, Source};
use mkudf_ms::session::{Import, ImportOptions, Manner};
use udf::Revision;
use udf::read::{OpenOptions, ReadAt};

use crate::bar;
use crate::disc::Access;
use crate::flags::LayoutChoice;
use crate::grow::{Growth, Planned, Planning};
use crate::job::{Append, Times, Usage};
use crate::open::Spot;
use crate::report::{Ending, Report};
use crate::{disc, flags, job, start_new};

/// Appends the session.
pub(crate) fn run(flags: &flags::Append, report: &Report) -> anyhow::Result<Ending> {
    let mut job = Append::new(flags)?;
    let name = || flags.image.display().to_string();
    let found = flags.image.metadata().with_context(name)?;
    job.scan.skip = Some(FileId::from(&found));
    let progress = Progress::new();
    bar::cancel_on_signal(&progress)?;
    let medium = flags.format.medium.as_deref().and_then(Medium::find).unwrap_or(&media::ALL[0]);
    let growth = Growth {
        image: &flags.image,
        effort: &flags.effort,
        medium,
        stream: &job.stream,
        progress: &progress,
        report,
    };
    let newest = OpenOptions { block_size: flags.format.block_size, ..OpenOptions::default() };
    let work = Work {
        flags,
        job: &job,
        report,
        progress: &progress,
        sequential: None,
        newest,
        write_unit_blocks: medium.write_unit_blocks,
    };
    if let Some(disc) = disc::to_grow(&flags.image, Access::of(&flags.effort)).with_context(name)? {
        return work.disc(&growth, &*disc).with_context(name);
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
    /// How its newest session is opened.
    newest: OpenOptions,
    /// Blocks that the medium loses together.
    write_unit_blocks: u32,
}

/// How the volume grows, as far as the flags say.
fn manner(flags: &flags::Append) -> Manner {
    match flags.format.layout {
        _ if flags.in_place => Manner::InPlace,
        LayoutChoice::Session => Manner::Session,
        _ if flags.start_new => Manner::Session,
        _ => Manner::AsMade,
    }
}

impl Work<'_> {
    /// Writes a further state, or a session, of a disc.
    fn disc(self, growth: &Growth<'_>, disc: &dyn Recordable) -> anyhow::Result<Ending> {
        let (flags, job) = (self.flags, self.job);
        if !disc.medium().is_sequential() {
            if flags.format.close {
                return Err(Usage("--close: the disc has no sessions that are closed".into()).into());
            }
            let write_unit_blocks = disc.medium().write_unit_blocks;
            return growth.rewritable(disc, &Self { write_unit_blocks, ..self });
        }
        if flags.start_new {
            let fresh = start_new::Fresh::find(flags, job, disc, (self.report, self.progress))?;
            return growth.disc(disc, fresh.target.closes_session, &fresh);
        }
        let access = Access::of(&flags.effort);
        let (target, open) = disc::target(disc, flags.format.close, access, self.report)?;
        let newest = OpenOptions { block_size: flags.format.block_size, ..open };
        let work = Self { sequential: Some(target), newest, ..self };
        growth.disc(disc, target.closes_session, &work)
    }
}

impl Planning for Work<'_> {
    fn plan(&self, reader: &dyn ReadAt, is_device: bool) -> anyhow::Result<Option<Planned>> {
        let Self { flags, job, .. } = self;
        let spot = Spot {
            image: &flags.image,
            block_size: flags.format.block_size,
            last_sector: None,
            entrance: &flags.entrance,
            newest: self.newest,
        };
        let open = spot.base(&reader, self.report)?;
        let options = ImportOptions {
            open,
            fixed_size: is_device,
            manner: manner(flags),
            write_unit_blocks: self.write_unit_blocks,
            force: flags.force,
            tree_of: None,
            tree_opened_by: None,
            sequential: self.sequential,
        };
        let wanted = Wanted {
            format: &flags.format,
            remove: &flags.remove,
            starts_new: flags.start_new,
            sources: &job.sources,
            scan: &job.scan,
            times: &job.times,
            embed: !flags.effort.no_embed,
        };
        wanted.plan(reader, &options, self.report, self.progress)
    }
}

/// What is to become of a volume.
pub(crate) struct Wanted<'a> {
    pub(crate) format: &'a flags::Format,
    pub(crate) remove: &'a [String],
    /// Nothing of the newest session is to be in the next.
    pub(crate) starts_new: bool,
    pub(crate) sources: &'a [Source],
    pub(crate) scan: &'a scan::Options,
    pub(crate) times: &'a Times,
    pub(crate) embed: bool,
}

impl Wanted<'_> {
    /// Imports the newest session, changes the tree as asked, and works out where that goes; `None` if nothing changes.
    pub(crate) fn plan(
        &self,
        reader: &dyn ReadAt,
        options: &ImportOptions,
        report: &Report,
        progress: &Progress,
    ) -> anyhow::Result<Option<Planned>> {
        let mut import = Import::open(reader, options).map_err(disc::named)?;
        disc::unless_other_layout(import.volume(), self.format.layout)?;
        if let Some(revision) = self.format.udf_revision
            && import.volume().revision() != Some(revision)
        {
            bail!(Error::refused(
                format!("the volume is not of revision {revision}, and a session cannot change that"),
                "leave out -r, or make a new volume",
            ));
        }
        job::unless_no_streams(self.scan, import.volume().revision().unwrap_or(Revision::V1_02))?;
        let old_label = import.volume().label();
        let mut tree = import.tree()?;
        if self.starts_new {
            start_new::tell_hidden(import.volume(), report)?;
            for name in tree.children(tree.root()).to_vec() {
                let path = tree.path(name);
                import.remove(&mut tree, &path)?;
            }
        }
        for path in self.remove {
            import.remove(&mut tree, path)?;
        }
        let outcome = scan::scan(&mut tree, &mut import, self.sources, self.scan, progress)?;
        for tolerated in import.volume().tolerated() {
            report.detail(&tolerated.to_string());
        }
        let label = self.format.label.clone().filter(|label| *label != old_label);
        let is_changed = outcome.added + outcome.replaced + outcome.removed > 0
            || !outcome.changed_directories.is_empty()
            || !self.remove.is_empty()
            || self.starts_new
            || label.is_some();
        if !is_changed {
            report.warnings(&outcome.warnings);
            return Ok(None);
        }
        let mut warnings = outcome.warnings.clone();
        let (base, noticed) = import.finish(&mut tree, &outcome)?;
        warnings.extend(noticed);
        let spec = AppendSpec {
            now: self.times.now,
            zone_minutes: self.times.zone_minutes,
            label: label.clone(),
            embed: self.embed,
        };
        let plan = Plan::append(&tree, &spec, base)?;
        Ok(Some(Planned { tree, plan, label: label.unwrap_or(old_label), warnings }))
    }
}
