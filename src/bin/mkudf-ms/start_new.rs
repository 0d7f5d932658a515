//! `append --start-new`: a volume behind what a disc holds, which hides that; and the list of what is hidden.

use anyhow::Context as _;
use mkudf_ms::device::Recordable;
use mkudf_ms::media::VolumeLayout;
use mkudf_ms::plan::{Plan, SequentialTarget, Spec};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::{self, NoSession};
use mkudf_ms::session;
use mkudf_ms::tree::Tree;
use udf::read::{OpenOptions, ReadAt, Volume};

use crate::grow::{Ground, Planned, Planning};
use crate::job::{self, Append, DEFAULT_LABEL};
use crate::report::Report;
use crate::{disc, flags, verify};

/// A new volume on a disc that holds something.
pub(crate) struct Fresh<'a> {
    flags: &'a flags::Append,
    job: &'a Append,
    layout: VolumeLayout,
    revision: udf::Revision,
    block_size: udf::BlockSize,
    progress: &'a Progress,
    pub(crate) target: SequentialTarget,
    /// How the volume is opened that will be hidden.
    pub(crate) hidden: OpenOptions,
}

impl<'a> Fresh<'a> {
    /// Tells what will be hidden, and closes the session that is open, so that a new one can begin.
    pub(crate) fn find(
        flags: &'a flags::Append,
        job: &'a Append,
        disc: &dyn Recordable,
        (report, progress): (&Report, &'a Progress),
    ) -> anyhow::Result<Self> {
        let before = disc::facts(disc)?;
        let medium = disc.medium();
        let layout = job::layout(flags.format.layout, medium)?;
        if !flags.remove.is_empty() {
            return Err(job::Usage("--remove: nothing is carried over with --start-new".into()).into());
        }
        let revision = flags.format.udf_revision.unwrap_or(medium.revision);
        job::unless_no_streams(&job.scan, revision)?;
        let open = disc::newest(&disc::whole(disc), flags.format.block_size);
        match Volume::open(&disc, &open) {
            Ok(volume) => tell_hidden(&volume, report)?,
            Err(error) => report.note(&format!("what is hidden cannot be read: {error}")),
        }
        let facts = if before.open_session_start.is_none() {
            before
        } else if flags.effort.dry_run {
            disc.after_closing(end_of_open(disc, &open, &before)?)?
        } else {
            disc::close_session(disc, report)?;
            disc::facts(disc)?
        };
        let closes_session = flags.format.close || layout == VolumeLayout::Session;
        let target = SequentialTarget { closes_session, ..SequentialTarget::of(&facts) };
        Ok(Self {
            flags,
            job,
            layout,
            revision,
            block_size: medium.block_size,
            progress,
            target,
            hidden: open,
        })
    }
}

/// Sectors with which the open session would be closed.
fn end_of_open(
    disc: &dyn Recordable,
    open: &OpenOptions,
    facts: &mkudf_ms::media::multisession::Sequential,
) -> anyhow::Result<u32> {
    let Ok(volume) = Volume::open(&disc, open) else { return Ok(0) };
    if volume.virtual_table().is_none() {
        return Ok(0);
    }
    let (_, bytes) = session::end_of_session(&volume, &SequentialTarget::of(facts))?;
    let blocks = volume.block_size().blocks_for(bytes.len() as u64);
    u32::try_from(blocks).context("the end of the session")
}

impl Planning for Fresh<'_> {
    fn plan(&self, _: &dyn ReadAt, _: &Ground) -> anyhow::Result<Option<Planned>> {
        let (flags, job) = (self.flags, self.job);
        let mut tree = Tree::new(job.scan.made);
        let outcome = scan::scan(&mut tree, &mut NoSession, &job.sources, &job.scan, self.progress)?;
        verify::record(&mut tree, verify::NO_VOLUME, flags.effort.checksums, (&job.scan, &job.stream))?;
        let label = flags.format.label.clone().unwrap_or_else(|| DEFAULT_LABEL.into());
        let spec = Spec {
            revision: self.revision,
            block_size: self.block_size,
            identifiers: job::usual_identifiers(&label, &job.times),
            now: job.times.now,
            zone_minutes: job.times.zone_minutes,
            redundant_metadata: !flags.effort.no_redundant_metadata,
            embed: !flags.effort.no_embed,
            device_blocks: None,
            rewritable_blocks: None,
            packet_blocks: None,
            pseudo_overwrite: false,
        };
        let plan = match self.layout {
            VolumeLayout::Vat => Plan::create_with_table(&tree, &spec, &self.target)?,
            _ => Plan::create_session(&tree, &spec, &self.target)?,
        };
        Ok(Some(Planned { tree, plan, label, warnings: outcome.warnings }))
    }
}

/// Tells what is no longer seen: all in the root directory, with how much is below it.
pub(crate) fn tell_hidden<R: ReadAt>(volume: &Volume<R>, report: &Report) -> anyhow::Result<()> {
    let root = volume.root()?;
    let (mut names, mut total) = (Vec::<(String, u64)>::new(), 0u64);
    for step in volume.walk(&root) {
        // What cannot be read is hidden as well.
        let Ok((path, ..)) = step else { continue };
        total += 1;
        report.detail(&format!("hidden: /{path}"));
        match path.split_once('/') {
            None => names.push((path, 0)),
            Some((top, _)) => {
                if let Some((_, below)) = names.iter_mut().rfind(|(name, _)| name == top) {
                    *below += 1;
                }
            }
        }
    }
    report.note(&format!(
        "{total} files and directories of {:?} will no longer be seen; they stay on the medium, in the session at {}:",
        volume.label(),
        volume.found().session_start,
    ));
    for (name, below) in names {
        let more = if below == 0 { String::new() } else { format!(" and {below} below it") };
        report.note(&format!("  hidden: /{name}{more}"));
    }
    Ok(())
}
