//! `repair`: what would be mended, then the question, the undo file, the writes; the exit code is fsck's.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mkudf_ms::Error;
use mkudf_ms::device::{BlockDevice, FileReader, ImageFile, WriteAt};
use mkudf_ms::progress::Progress;
use mkudf_ms::repair::{self, RepairPlan, Undo};
use serde_json::json;
use udf::check::{Severity, check};
use udf::read::{self, ReadAt};

use crate::bar::Bar;
use crate::flags::Repair;
use crate::report::{Ending, Report};
use crate::text;

/// Sectors of a step that are named one by one.
const SHOWN_SECTORS: usize = 8;

/// Repairs the volume, or takes a repair back.
pub(crate) fn run(flags: &Repair, report: &Report) -> anyhow::Result<Ending> {
    let name = || flags.image.display().to_string();
    let work = Work { flags, report };
    if flags.dry_run {
        let device = FileReader::open(&flags.image).context("cannot open").with_context(name)?;
        let plan = work.plan(&device).with_context(name)?;
        return Ok(if plan.is_empty() { work.nothing(&plan) } else { Ending::ErrorsFound });
    }
    if flags.image.metadata().with_context(name)?.file_type().is_block_device() {
        let device = BlockDevice::open(&flags.image).context("cannot open the device").with_context(name)?;
        return work.write(&device).with_context(name);
    }
    let image = ImageFile::open(&flags.image).context("cannot open the image").with_context(name)?;
    let ending = work.write(&image).with_context(name)?;
    image.commit().context("cannot make the image durable").with_context(name)?;
    Ok(ending)
}

struct Work<'a> {
    flags: &'a Repair,
    report: &'a Report,
}

impl Work<'_> {
    fn open(&self) -> read::OpenOptions {
        read::OpenOptions { block_size: self.flags.block_size, ..read::OpenOptions::default() }
    }

    /// Works the repair out and shows it.
    fn plan<D: ReadAt>(&self, device: &D) -> anyhow::Result<RepairPlan> {
        let plan = {
            let progress = Progress::new();
            let _bar = Bar::watch(&progress, self.report);
            repair::plan_watched(device, &self.open(), &progress)?
        };
        self.show(&plan)?;
        Ok(plan)
    }

    fn write<D: ReadAt + WriteAt>(&self, device: &D) -> anyhow::Result<Ending> {
        if let Some(undo) = &self.flags.revert {
            return self.revert(device, undo);
        }
        let plan = self.plan(device)?;
        if plan.is_empty() {
            return Ok(self.nothing(&plan));
        }
        if !self.flags.yes && !self.is_wanted(&plan)? {
            return Ok(Ending::Unconfirmed);
        }
        if !self.flags.no_undo {
            let path = self.undo_path();
            keep(&path, &Undo::keep(&plan, device)?.to_bytes()).with_context(|| {
                format!("cannot write the undo file {}; nothing was changed", path.display())
            })?;
            let image = self.flags.image.display();
            self.report
                .note(&format!("to take it back: mkudf-ms repair --revert {} {image}", path.display()));
        }
        repair::apply(&plan, device)?;
        let after = check(device, &self.open(), &mut |_| ());
        let left = after.count(Severity::Error) + after.count(Severity::Fatal);
        self.report.note(&format!(
            "{}: {} mended, {} left",
            self.name(),
            text::things(plan.mends.len() as u64, "fault", "faults"),
            text::things(left as u64, "error", "errors")
        ));
        Ok(if left > 0 { Ending::ErrorsFound } else { Ending::Corrected })
    }

    fn revert<D: ReadAt + WriteAt>(&self, device: &D, path: &Path) -> anyhow::Result<Ending> {
        let bytes = fs::read(path).map_err(Error::host("cannot read", path))?;
        let sectors = Undo::from_bytes(&bytes)?.revert(device)?;
        let sectors = text::things(sectors as u64, "sector is", "sectors are");
        self.report.note(&format!("{}: {sectors} as before the repair", self.name()));
        Ok(Ending::Done)
    }

    /// There is nothing to write: because nothing is wrong, or because nothing of it can be mended.
    fn nothing(&self, plan: &RepairPlan) -> Ending {
        let left = plan.after.count(Severity::Error) + plan.after.count(Severity::Fatal);
        if left > 0 {
            self.report.note(&format!("{}: nothing of it can be mended; nothing was changed", self.name()));
            return Ending::ErrorsFound;
        }
        self.report.note(&format!("{}: nothing to mend, nothing was changed", self.name()));
        Ending::Done
    }

    /// Asks, on a terminal; elsewhere nobody can answer.
    fn is_wanted(&self, plan: &RepairPlan) -> anyhow::Result<bool> {
        if !io::stdin().is_terminal() {
            self.report.failure(&format!("{}: nothing was changed: nobody can be asked here", self.name()));
            self.report
                .failure("hint: --yes repairs without a question, --dry-run only shows what it would do");
            return Ok(false);
        }
        let sectors = text::things(plan.sectors() as u64, "sector", "sectors");
        eprint!("Write {sectors} of {}? [y/N] ", text::escaped(&self.name()));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        let wanted = matches!(answer.trim(), "y" | "Y" | "yes");
        if !wanted {
            self.report.note(&format!("{}: nothing was changed", self.name()));
        }
        Ok(wanted)
    }

    fn undo_path(&self) -> PathBuf {
        self.flags.undo.clone().unwrap_or_else(|| {
            let image = &self.flags.image;
            let is_device = image.metadata().is_ok_and(|found| found.file_type().is_block_device());
            // Beside an image; of a device here, since /dev is no place for files.
            let path = if is_device { image.file_name().unwrap_or_default() } else { image.as_os_str() };
            let mut path = path.to_owned();
            path.push(".undo");
            path.into()
        })
    }

    fn show(&self, plan: &RepairPlan) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        let json = self.report.json;
        for mend in &plan.mends {
            if json {
                let rule = format!("R{:03}", mend.rule);
                writeln!(
                    out,
                    "{}",
                    text::Json(&json!({"mend": mend.what, "rule": rule, "place": mend.place.to_string()}))
                )?;
            } else {
                writeln!(out, "mend {}", text::escaped(&mend.to_string()))?;
            }
        }
        for (number, step) in (1..).zip(&plan.steps) {
            let sectors: Vec<u32> = step.writes.iter().map(|write| write.sector).collect();
            if json {
                writeln!(
                    out,
                    "{}",
                    text::Json(&json!({"step": number, "purpose": step.phase.purpose(), "sectors": sectors}))
                )?;
                continue;
            }
            let shown: Vec<String> = sectors.iter().take(SHOWN_SECTORS).map(ToString::to_string).collect();
            let more = sectors.len().saturating_sub(SHOWN_SECTORS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            writeln!(out, "step {number}: {}: sectors {}{more}", step.phase.purpose(), shown.join(", "))?;
        }
        for finding in plan.left() {
            if json {
                let rule = finding.rule.to_string();
                writeln!(
                    out,
                    "{}",
                    text::Json(
                        &json!({"left": finding.message, "rule": rule, "place": finding.place.to_string(), "severity": finding.severity.to_string()})
                    )
                )?;
            } else {
                writeln!(out, "left {}", text::escaped(&finding.to_string()))?;
            }
        }
        Ok(())
    }

    fn name(&self) -> String {
        self.flags.image.display().to_string()
    }
}

/// Writes a file that must not be there yet, and makes it durable, with its name.
fn keep(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}
