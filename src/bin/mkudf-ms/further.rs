//! `create -C LAST,NEXT -M IMAGE`: the sectors of a further session alone, for those who write discs with another program.

use std::io::{self, IsTerminal};
use std::path::Path;

use anyhow::Context as _;
use mkudf_ms::device::{ImageFile, Shifted, WriteAt};
use mkudf_ms::plan::SequentialTarget;
use mkudf_ms::progress::Progress;
use mkudf_ms::session::ImportOptions;
use mkudf_ms::stream::stream;
use mkudf_ms::{Error, Warning};
use udf::Sector;
use udf::read::OpenOptions;

use crate::append::Wanted;
use crate::bar::{self, Bar};
use crate::create::to_stdout;
use crate::disc::WRITE_UNIT_BLOCKS;
use crate::flags::{self, Next};
use crate::grow::Planned;
use crate::job::{Create, Output, Usage};
use crate::open;
use crate::report::{Ending, Report};
use crate::summary::{self, Made};

/// Makes the session of the disc in `merge`.
pub(crate) fn run(
    flags: &flags::Create,
    job: &Create,
    (next, merge): (Next, &Path),
    report: &Report,
) -> anyhow::Result<Ending> {
    unless_new_volume(flags)?;
    let name = || merge.display().to_string();
    let reader = open::device(merge)?;
    let progress = Progress::new();
    bar::cancel_on_signal(&progress)?;
    let bar = Bar::watch(&progress, report);
    let medium = flags.format.medium.as_ref().map(|_| job.medium);
    let capacity = flags.effort.capacity.map(|size| size.blocks(job.medium.block_size));
    let target = SequentialTarget {
        next_writable: Sector(next.next),
        closes_session: true,
        write_unit_blocks: medium.map_or(WRITE_UNIT_BLOCKS, |medium| medium.write_unit_blocks),
        capacity_blocks: capacity.or(medium.and_then(|medium| medium.capacity_blocks)).unwrap_or(u32::MAX),
        ..SequentialTarget::blank(u32::MAX, 1)
    };
    let open = OpenOptions {
        last_sector: Some(Sector(next.next - 1)),
        block_size: job.block_size,
        ..OpenOptions::of_session(Sector(next.last))
    };
    let options = ImportOptions { open, sequential: Some(target), ..ImportOptions::default() };
    let wanted = Wanted {
        format: &flags.format,
        remove: &[],
        starts_new: false,
        sources: &job.sources,
        scan: &job.scan,
        times: &job.times,
        effort: &flags.effort,
        stream: &job.stream,
    };
    let planned = wanted.plan(&reader, &options, report, &progress).with_context(name)?;
    let Some(Planned { tree, plan, label, mut warnings }) = planned else {
        report.note("nothing new: no session is made");
        return Ok(Ending::Done);
    };
    let made = Made::new(&plan, &label, &flags.effort, job.medium);
    if flags.effort.dry_run {
        drop(bar);
        report.warnings(&warnings);
        return summary::dry_run(&plan, &made, report);
    }
    let start_bytes = plan.block_size().offset_of(target.next_writable);
    let write = |device: &dyn WriteAt| {
        let device = Shifted::new(device, start_bytes);
        stream(&plan, &tree, &device, Some(&reader), &progress, &job.stream)
    };
    warnings.extend(put(&job.output, flags.force, write)?);
    drop(bar);
    let ending = report.warnings(&warnings);
    made.tell(&flags.output.display().to_string(), report)?;
    if !report.json {
        report.note(&format!("to be written at sector {}, as a session of its own", next.next));
    }
    Ok(ending)
}

/// What belongs to a new volume has no say in a further session.
fn unless_new_volume(flags: &flags::Create) -> anyhow::Result<()> {
    let given = &flags.identifiers;
    let texts = [&given.vid, &given.vsid, &given.fsid, &given.application];
    if given.uuid.is_some() || texts.iter().any(|text| text.is_some()) {
        return Err(Usage(
            "-C: a further session keeps the identifiers of its volume, but for --label".into(),
        )
        .into());
    }
    Ok(())
}

/// Writes to a new file, or to standard output.
fn put(
    output: &Output,
    force: bool,
    write: impl FnOnce(&dyn WriteAt) -> mkudf_ms::Result<Vec<Warning>>,
) -> anyhow::Result<Vec<Warning>> {
    let Output::Path(path) = output else {
        if io::stdout().is_terminal() {
            let reason = "a session is no text for a terminal";
            return Err(Error::refused(reason, "redirect standard output to a file or a pipe").into());
        }
        return to_stdout(write);
    };
    let name = || path.display().to_string();
    if let Ok(found) = path.symlink_metadata() {
        if !found.is_file() {
            let reason =
                "the sectors of a session go to a file or a pipe: only a burner can put them in their place";
            return Err(Error::refused(reason, "give -o the path of a file that is to be made, or -"))
                .with_context(name);
        }
        if !force {
            return Err(Error::refused("the file exists", "replace it with --force")).with_context(name);
        }
    }
    let image = ImageFile::create(path).context("cannot make the file").with_context(name)?;
    let warnings = write(&image).with_context(name)?;
    image.commit().context("cannot put the file in its place").with_context(name)?;
    Ok(warnings)
}
