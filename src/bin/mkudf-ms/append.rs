//! `append`: a further session onto a volume, in an image or on a device.

use anyhow::{Context as _, bail};
use mkudf_ms::Error;
use mkudf_ms::checksums::FILE_NAMES;
use mkudf_ms::media::{self, Medium};
use mkudf_ms::plan::{AppendSpec, Plan};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::{self, FileId, Source};
use mkudf_ms::session::{Import, ImportOptions, Manner};
use mkudf_ms::stream::StreamOptions;
use udf::Revision;
use udf::read::ReadAt;

use crate::bar;
use crate::flags::LayoutChoice;
use crate::grow::{Ground, Growth, Planned, Planning};
use crate::job::{Append, Times};
use crate::report::{Ending, Report};
use crate::{disc, flags, job, start_new, verify};

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
        block_size: flags.format.block_size,
        close: flags.format.close,
        effort: &flags.effort,
        medium: flags.format.medium.as_deref().and_then(Medium::find).unwrap_or(&media::ALL[0]),
        stream: &job.stream,
        progress: &progress,
        report,
    };
    if flags.start_new
        && let Some(disc) = disc::to_grow(&flags.image, &flags.effort, report).with_context(name)?
        && disc.medium().is_sequential()
    {
        let fresh = start_new::Fresh::find(flags, &job, &*disc, (report, &progress)).with_context(name)?;
        let written = growth.disc(&*disc, fresh.target, fresh.hidden, &fresh).with_context(name)?;
        // It is opened once more to be read back.
        drop(disc);
        return growth.conclude(&written).with_context(name);
    }
    growth.run(&Work { flags, job: &job, report, progress: &progress }).with_context(name)
}

struct Work<'a> {
    flags: &'a flags::Append,
    job: &'a Append,
    report: &'a Report,
    progress: &'a Progress,
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

impl Planning for Work<'_> {
    fn plan(&self, reader: &dyn ReadAt, ground: &Ground) -> anyhow::Result<Option<Planned>> {
        let Self { flags, job, .. } = self;
        let open = ground.spot(&flags.image, &flags.entrance).base(&reader, self.report)?;
        let options =
            ImportOptions { manner: manner(flags), force: flags.force, ..ground.import_options(open) };
        let wanted = Wanted {
            format: &flags.format,
            remove: &flags.remove,
            starts_new: flags.start_new,
            sources: &job.sources,
            scan: &job.scan,
            times: &job.times,
            effort: &flags.effort,
            stream: &job.stream,
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
    pub(crate) effort: &'a flags::Effort,
    pub(crate) stream: &'a StreamOptions,
}

impl Wanted<'_> {
    /// Whether the next session may have checksums: those asked for, or those that the newest has, unless they are to go.
    fn has_checksums(&self) -> bool {
        let is_list = |path: &String| FILE_NAMES.contains(&path.trim_matches('/'));
        self.effort.checksums.is_some() || !(self.starts_new || self.remove.iter().any(is_list))
    }

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
        let mut outcome = scan::scan(&mut tree, &mut import, self.sources, self.scan, progress)?;
        for tolerated in import.volume().tolerated() {
            report.detail(&tolerated.to_string());
        }
        let label = self.format.label.clone().filter(|label| *label != old_label);
        let is_changed = outcome.added + outcome.replaced + outcome.removed > 0
            || !outcome.changed_directories.is_empty()
            || !self.remove.is_empty()
            || self.starts_new
            || label.is_some()
            || self.effort.checksums.is_some();
        if !is_changed {
            report.warnings(&outcome.warnings);
            return Ok(None);
        }
        let mut warnings = outcome.warnings.clone();
        if self.has_checksums() {
            let (wanted, how) = (self.effort.checksums, (self.scan, self.stream));
            let changed = verify::record(&mut tree, Some(import.volume()), wanted, how)?;
            outcome.changed_directories.extend(changed);
        }
        let (base, noticed) = import.finish(&mut tree, &outcome)?;
        warnings.extend(noticed);
        let spec = AppendSpec {
            now: self.times.now,
            zone_minutes: self.times.zone_minutes,
            label: label.clone(),
            embed: !self.effort.no_embed,
        };
        let plan = Plan::append(&tree, &spec, base)?;
        Ok(Some(Planned { tree, plan, label: label.unwrap_or(old_label), warnings }))
    }
}
