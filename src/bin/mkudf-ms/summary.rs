//! What was made, or would be: for people on standard error, for programs on standard output.

use std::io::{self, Write};

use mkudf_ms::Error;
use mkudf_ms::media::Medium;
use mkudf_ms::plan::Plan;
use serde_json::json;
use udf::{BlockSize, Revision};

use crate::flags::Effort;
use crate::report::{Ending, Report};
use crate::text;

/// The facts of a volume, new or grown.
#[derive(Debug)]
pub(crate) struct Made {
    label: String,
    revision: Revision,
    block_size: BlockSize,
    sectors: u32,
    bytes: u64,
    /// What is written, which of an append is less than what the volume takes.
    written_bytes: u64,
    files: u32,
    directories: u32,
    /// How much the medium holds, if that was said.
    capacity_bytes: Option<u64>,
    /// How much a medium of its kind usually holds.
    usual_bytes: Option<(&'static str, u64)>,
}

impl Made {
    pub(crate) fn new(plan: &Plan, label: &str, effort: &Effort, medium: &'static Medium) -> Self {
        let (files, directories) = plan.counts();
        let block_size = plan.block_size();
        Self {
            label: label.into(),
            revision: plan.revision(),
            block_size,
            sectors: plan.end_blocks(),
            bytes: plan.size_bytes(),
            written_bytes: plan.written_bytes(),
            files,
            directories,
            capacity_bytes: effort.capacity.map(|size| size.bytes(block_size)),
            usual_bytes: medium
                .capacity_blocks
                .map(|blocks| (medium.description, medium.block_size.bytes_in(blocks))),
        }
    }

    /// An error unless the volume fits what `--capacity` says.
    pub(crate) fn check_capacity(&self) -> mkudf_ms::Result<()> {
        match self.capacity_bytes {
            Some(available_bytes) if available_bytes < self.bytes => {
                Err(Error::NoSpace { needed_bytes: self.bytes, available_bytes })
            }
            _ => Ok(()),
        }
    }

    /// Tells what was made of `name`.
    pub(crate) fn tell(&self, name: &str, report: &Report) -> anyhow::Result<()> {
        if report.json {
            return self.json(name, false);
        }
        report.note(&format!(
            "{name}: {}, {}; {} in {} sectors of {} bytes, {} written",
            text::things(self.files.into(), "file", "files"),
            text::things(self.directories.into(), "directory", "directories"),
            text::bytes(self.bytes),
            text::count(self.sectors.into()),
            self.block_size,
            text::bytes(self.written_bytes),
        ));
        Ok(())
    }

    fn json(&self, name: &str, is_dry_run: bool) -> anyhow::Result<()> {
        let mut object = json!({
            "image": name,
            "label": self.label,
            "revision": self.revision.to_string(),
            "block_size": self.block_size.bytes(),
            "sectors": self.sectors,
            "bytes": self.bytes,
            "written_bytes": self.written_bytes,
            "files": self.files,
            "directories": self.directories,
            "dry_run": is_dry_run,
        });
        if let Some(capacity_bytes) = self.capacity_bytes {
            object["capacity_bytes"] = capacity_bytes.into();
            object["fits"] = (self.bytes <= capacity_bytes).into();
        }
        writeln!(io::stdout(), "{}", text::Json(&object))?;
        Ok(())
    }
}

/// Prints a plan, the exact size, and whether it fits.
pub(crate) fn dry_run(plan: &Plan, made: &Made, report: &Report) -> anyhow::Result<Ending> {
    let fits = made.check_capacity().is_ok();
    let ending = if fits { Ending::Done } else { Ending::Failed };
    if report.json {
        made.json("", true)?;
        return Ok(ending);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{plan}")?;
    writeln!(out, "size: {} bytes, {} sectors of {} bytes", made.bytes, made.sectors, made.block_size)?;
    if let Some(capacity_bytes) = made.capacity_bytes {
        let (word, difference) = if fits { ("fits", "to spare") } else { ("does not fit", "too many") };
        let bytes = capacity_bytes.abs_diff(made.bytes);
        writeln!(out, "{word}: {bytes} of {capacity_bytes} bytes {difference}")?;
    } else if let Some((medium, usual_bytes)) = made.usual_bytes {
        let word = if made.bytes <= usual_bytes { "fits" } else { "does not fit" };
        writeln!(out, "{word} a {medium} of the usual {usual_bytes} bytes")?;
    }
    Ok(ending)
}
