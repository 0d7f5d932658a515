//! `create`: from folders to a volume in an image, on a device, or in a pipe.

use std::fs::{File, FileType};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::Context as _;
use mkudf_ms::device::{self, BlockDevice, ImageFile, Pipe, Recordable, WholeUnits, WriteAt};
use mkudf_ms::media::{Drive, Medium, VolumeLayout};
use mkudf_ms::plan::{Plan, Spec};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::{self, FileId, NoSession};
use mkudf_ms::tree::Tree;
use mkudf_ms::{Error, Warning, stream};
use udf::BlockSize;
use udf::read::ReadAt;

use crate::bar::{self, Bar};
use crate::disc::{self, Access, Blank};
use crate::job::{Create, Output, Usage};
use crate::read_back::read_back;
use crate::report::{Ending, Report};
use crate::summary::{self, Made};
use crate::{flags, further, verify};

/// Makes the volume.
pub(crate) fn run(flags: &flags::Create, report: &Report) -> anyhow::Result<Ending> {
    let drive = Target::drive(flags, report)?;
    let mut job = Create::new(flags, drive.as_deref().map(Drive::medium))?;
    if report.json && matches!(job.output, Output::Stdout) && !flags.effort.dry_run {
        return Err(
            Usage("the volume itself goes to standard output, so --json has no place there".into()).into()
        );
    }
    if flags.effort.verify && (matches!(job.output, Output::Stdout) || flags.further.next.is_some()) {
        return Err(Usage("--verify: where it goes from here cannot be read back".into()).into());
    }
    if let (Some(next), Some(merge)) = (flags.further.next, &flags.further.merge) {
        return further::run(flags, &job, (next, merge), report);
    }
    let target = Target::find(&job.output, (job.medium, job.layout), drive, flags)?;
    job.scan.skip = target.image_id();
    let progress = Progress::new();
    bar::cancel_on_signal(&progress)?;
    let bar = Bar::watch(&progress, report);

    let (mut tree, mut warnings) = tree(&job, &progress)?;
    verify::record(&mut tree, verify::NO_VOLUME, flags.effort.checksums, (&job.scan, &job.stream))?;
    let spec = spec(&job, flags, &target)?;
    let plan = match &target {
        Target::Disc(disc) if disc.layout == VolumeLayout::Vat => {
            Plan::create_with_table(&tree, &spec, &disc.target(flags.format.close))?
        }
        Target::Disc(disc) => Plan::create_session(&tree, &spec, &disc.target(flags.format.close))?,
        _ => Plan::create(&tree, &spec)?,
    };
    let made = Made::new(&plan, &job.identifiers.logical_volume, &flags.effort, job.medium);
    if flags.effort.dry_run {
        drop(bar);
        report.warnings(&warnings);
        return summary::dry_run(&plan, &made, report);
    }
    made.check_capacity()?;
    let write = |device: &dyn WriteAt| stream::stream(&plan, &tree, device, None, &progress, &job.stream);
    warnings.extend(target.write(flags.format.close, &plan.tracks(), report, write)?);
    drop(bar);
    let ending = report.warnings(&warnings);
    let name = flags.output.display().to_string();
    made.tell(if name == "-" { "standard output" } else { &name }, report)?;
    if !flags.effort.verify {
        return Ok(ending);
    }
    Ok(ending.or_worse(read_back(&flags.output, (&plan, &tree), false, &job.stream, report)?))
}

fn tree(job: &Create, progress: &Progress) -> anyhow::Result<(Tree, Vec<Warning>)> {
    let mut tree = Tree::new(job.scan.made);
    let outcome = scan::scan(&mut tree, &mut NoSession, &job.sources, &job.scan, progress)?;
    Ok((tree, outcome.warnings))
}

fn spec(job: &Create, flags: &flags::Create, target: &Target<'_>) -> anyhow::Result<Spec> {
    let block_size = target.block_size(job)?;
    let device_blocks = target.size_bytes().map(|bytes| bytes / u64::from(block_size.bytes()));
    // Beyond 2^32 blocks a device is used as far as they go.
    let device_blocks = device_blocks.map(|blocks| u32::try_from(blocks).unwrap_or(u32::MAX));
    let is_sparable = job.layout == VolumeLayout::Sparable;
    let is_rewritable = flags.rewritable || job.medium.is_in_place();
    let rewritable_blocks = is_rewritable.then(|| rewritable(job, flags, block_size, device_blocks));
    Ok(Spec {
        revision: job.revision,
        block_size,
        identifiers: job.identifiers.clone(),
        now: job.times.now,
        zone_minutes: job.times.zone_minutes,
        redundant_metadata: !flags.effort.no_redundant_metadata,
        embed: !flags.effort.no_embed,
        device_blocks,
        rewritable_blocks: rewritable_blocks.transpose()?,
        packet_blocks: u16::try_from(job.medium.write_unit_blocks).ok().filter(|_| is_sparable),
        pseudo_overwrite: job.medium.is_pseudo_overwritten(),
    })
}

/// Blocks of a volume that is changed in place.
fn rewritable(
    job: &Create,
    flags: &flags::Create,
    block_size: BlockSize,
    device_blocks: Option<u32>,
) -> anyhow::Result<u32> {
    if job.medium.is_sequential() {
        let reason = format!("--rewritable: {} is not written in any order", job.medium.description);
        return Err(Usage(reason).into());
    }
    let asked = flags.effort.capacity.map(|size| size.bytes(block_size));
    let usual = job.medium.capacity_blocks.map(|blocks| job.medium.block_size.bytes_in(blocks));
    let bytes = device_blocks.map(|blocks| block_size.bytes_in(blocks)).or(asked).or(usual);
    let bytes =
        bytes.ok_or_else(|| Usage("--rewritable: how large is the volume to be? (--capacity)".into()))?;
    Ok(u32::try_from(bytes / u64::from(block_size.bytes())).unwrap_or(u32::MAX))
}

/// Where the volume goes, looked at before any work is done.
#[derive(Debug)]
enum Target<'a> {
    Stdout,
    /// An image, and what is there under its name.
    Image {
        path: &'a Path,
        existing: Option<FileId>,
    },
    /// A disc that is simulated in a file.
    Disc(Blank<'a>),
    /// One that is written in any order, and formatted.
    Rewritable {
        path: &'a Path,
        disc: Box<dyn Recordable>,
    },
    Device {
        path: &'a Path,
        device: Box<BlockDevice>,
    },
}

impl<'a> Target<'a> {
    /// Looks at the target, and refuses what would be lost on it.
    fn find(
        output: &'a Output,
        (medium, layout): (&'static Medium, VolumeLayout),
        drive: Option<Box<dyn Recordable>>,
        flags: &flags::Create,
    ) -> anyhow::Result<Self> {
        if medium.is_sequential() {
            return Self::disc(output, (medium, layout), drive, flags);
        }
        // From here on the drive is a block device, which nobody else must have open.
        if let Some(disc) = drive {
            if disc.medium().is_sequential() {
                let reason = format!(
                    "the {} in the drive is written in sessions, not as {}",
                    disc.medium().description,
                    medium.description
                );
                let hint = "format it, if it can be: mkudf-ms format; or leave out -m and --layout";
                return Err(Error::refused(reason, hint).into());
            }
            if let (true, Output::Path(path)) = (disc.medium().is_pseudo_overwritten(), output) {
                return Self::rewritable(path, medium, disc, flags)
                    .with_context(|| path.display().to_string());
            }
            disc::unless_unformatted(&*disc).with_context(|| flags.output.display().to_string())?;
        }
        if flags.format.close {
            let what = format!("--close: {} has no sessions that are closed", medium.description);
            return Err(Usage(what).into());
        }
        let Output::Path(path) = output else {
            if io::stdout().is_terminal() && !flags.effort.dry_run {
                let reason = "a volume is no text for a terminal";
                return Err(Error::refused(reason, "redirect standard output to a file or a pipe").into());
            }
            return Ok(Self::Stdout);
        };
        let name = || path.display().to_string();
        match path.metadata() {
            Ok(found) if found.file_type().is_block_device() => Self::device(path, flags).with_context(name),
            Ok(found) if found.is_file() => {
                if let Some(disc) = disc::at(path, Access::of(&flags.effort)).with_context(name)? {
                    return Self::rewritable(path, medium, disc, flags).with_context(name);
                }
                if !flags.force && !flags.effort.dry_run {
                    let hint = "replace it with --force, or `mkudf-ms append` to it";
                    return Err(Error::refused("the file exists", hint)).with_context(name);
                }
                Ok(Self::Image { path, existing: Some(FileId::from(&found)) })
            }
            Ok(found) => Err(Error::refused(
                format!("is {}, neither an image nor a block device", kind(found.file_type())),
                "give -o the path of a file that is to be made",
            ))
            .with_context(name),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                writable(path).with_context(name)?;
                Ok(Self::Image { path, existing: None })
            }
            Err(error) => Err(error).with_context(name),
        }
    }

    /// The disc in the drive that is written to, if it is one.
    fn drive(flags: &flags::Create, report: &Report) -> anyhow::Result<Option<Box<dyn Recordable>>> {
        let name = || flags.output.display().to_string();
        if !disc::is_drive(&flags.output) && flags.effort.speed.is_none() {
            return Ok(None);
        }
        disc::to_write(&flags.output, &flags.effort, report).with_context(name)
    }

    /// A disc: in a drive, or simulated, in a file to be made, or one to be replaced.
    fn disc(
        output: &'a Output,
        (medium, layout): (&'static Medium, VolumeLayout),
        drive: Option<Box<dyn Recordable>>,
        flags: &flags::Create,
    ) -> anyhow::Result<Self> {
        let Output::Path(path) = output else {
            return Err(Usage("a disc is simulated in a file: give -o its name".into()).into());
        };
        let name = || path.display().to_string();
        if let Some(disc) = drive {
            return Self::in_drive(path, layout, disc).with_context(name);
        }
        let existing = match path.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                writable(path).with_context(name)?;
                None
            }
            found => Some(found.with_context(name)?),
        };
        if existing.as_ref().is_some_and(|found| !found.is_file()) {
            let reason =
                format!("it is no drive for discs, and {} is written nowhere else", medium.description);
            return Err(Error::refused(
                reason,
                "mkudf-ms devices lists drives; or give -o the path of a file to be made",
            ))
            .with_context(name);
        }
        let found = if existing.is_some() {
            disc::at(path, Access::of(&flags.effort)).with_context(name)?
        } else {
            None
        };
        let blank = found.filter(|disc| disc.medium() == medium && disc.medium_state().is_blank);
        if existing.is_some() && blank.is_none() && !flags.force && !flags.effort.dry_run {
            let hint = "replace it with --force, or `mkudf-ms append` to it";
            return Err(Error::refused("the file exists", hint)).with_context(name);
        }
        let capacity_blocks = flags.effort.capacity.map(|size| size.blocks(medium.block_size));
        // A disc has the size that it has.
        let capacity_blocks = blank.as_ref().map(|disc| disc.capacity_blocks()).or(capacity_blocks);
        Ok(Self::Disc(Blank {
            path,
            medium,
            layout,
            capacity_blocks,
            disc: blank,
            is_new: existing.is_none(),
        }))
    }

    fn in_drive(path: &'a Path, layout: VolumeLayout, disc: Box<dyn Recordable>) -> anyhow::Result<Self> {
        let medium = disc.medium();
        if !disc.medium_state().is_blank {
            let hint = "grow it: mkudf-ms append; hide what is on it: mkudf-ms append --start-new; or blank it, if it can be: \
                        mkudf-ms blank";
            return Err(Error::refused(
                format!("the {} in the drive is not blank", medium.description),
                hint,
            )
            .into());
        }
        let capacity_blocks = Some(disc.capacity_blocks());
        Ok(Self::Disc(Blank { path, medium, layout, capacity_blocks, disc: Some(disc), is_new: false }))
    }

    fn rewritable(
        path: &'a Path,
        medium: &'static Medium,
        disc: Box<dyn Recordable>,
        flags: &flags::Create,
    ) -> anyhow::Result<Self> {
        let is_once = disc.medium().is_pseudo_overwritten();
        if disc.medium().is_sequential() || (is_once && medium != disc.medium()) {
            let what = disc.medium();
            return Err(Usage(format!("it is a {}: say so with -m {}", what.description, what.name)).into());
        }
        if !disc.medium_state().is_blank && (!flags.force || is_once) && !flags.effort.dry_run {
            let hint = if is_once {
                "`mkudf-ms append` to it; what is recorded on it cannot be taken back"
            } else {
                "replace it with --force, or `mkudf-ms append` to it"
            };
            return Err(Error::refused("the disc is not blank", hint).into());
        }
        Ok(Self::Rewritable { path, disc })
    }

    fn device(path: &'a Path, flags: &flags::Create) -> anyhow::Result<Self> {
        let device = BlockDevice::open(path).context("cannot open the device")?;
        if let Some(found) = device::signature(&device).filter(|_| !flags.force && !flags.effort.dry_run) {
            let reason = format!("the device holds {found}");
            return Err(Error::refused(reason, "if nobody needs that any more, --force replaces it").into());
        }
        Ok(Self::Device { path, device: Box::new(device) })
    }

    /// The image that will be replaced: it cannot be part of itself.
    fn image_id(&self) -> Option<FileId> {
        match self {
            Self::Image { existing, .. } => *existing,
            Self::Disc(disc) => disc.path.metadata().ok().as_ref().map(FileId::from),
            Self::Rewritable { path, .. } => path.metadata().ok().as_ref().map(FileId::from),
            _ => None,
        }
    }

    fn size_bytes(&self) -> Option<u64> {
        match self {
            Self::Device { device, .. } => Some(device.size_bytes()),
            Self::Rewritable { disc, .. } => disc.capacity_bytes(),
            _ => None,
        }
    }

    /// As asked for; or the device's sectors; or the medium's.
    fn block_size(&self, job: &Create) -> anyhow::Result<BlockSize> {
        let sector = match self {
            Self::Device { device, .. } => device.sector_size_bytes().and_then(BlockSize::new),
            Self::Rewritable { disc, .. } => Some(disc.medium().block_size),
            _ => None,
        };
        let size = job.block_size.or(sector).unwrap_or(job.medium.block_size);
        match sector {
            Some(sector) if sector != size => {
                let reason = format!("blocks of {size} bytes do not suit a device with sectors of {sector}");
                Err(Error::refused(reason, "leave out -b").into())
            }
            _ => Ok(size),
        }
    }

    /// Writes, and makes what was written count.
    fn write(
        self,
        closes_session: bool,
        tracks: &[u32],
        report: &Report,
        write: impl FnOnce(&dyn WriteAt) -> mkudf_ms::Result<Vec<Warning>>,
    ) -> anyhow::Result<Vec<Warning>> {
        match self {
            Self::Disc(disc) => {
                let path = disc.path;
                disc.write(closes_session, report, |device| write(&device))
                    .with_context(|| path.display().to_string())
            }
            Self::Stdout => to_stdout(write),
            Self::Image { path, .. } => {
                let name = || path.display().to_string();
                let image = ImageFile::create(path).context("cannot make the image").with_context(name)?;
                let warnings = write(&image).with_context(name)?;
                image.commit().context("cannot put the image in its place").with_context(name)?;
                Ok(warnings)
            }
            Self::Rewritable { path, disc } => {
                let name = || path.display().to_string();
                let units = WholeUnits::of_blank(&*disc, tracks).map_err(Error::Tracks).with_context(name)?;
                let warnings = write(&units).with_context(name);
                if warnings.is_err() {
                    // Why it failed is what is reported.
                    let _ = disc.flush();
                    let _ = disc.let_go();
                    return warnings;
                }
                disc::let_go(&*disc, report).with_context(name)?;
                warnings
            }
            Self::Device { path, device } => write(&*device).with_context(|| path.display().to_string()),
        }
    }
}

/// Writes to standard output, as one stream.
pub(crate) fn to_stdout(
    write: impl FnOnce(&dyn WriteAt) -> mkudf_ms::Result<Vec<Warning>>,
) -> anyhow::Result<Vec<Warning>> {
    let pipe = Pipe::new(File::from(io::stdout().as_fd().try_clone_to_owned()?));
    let warnings = write(&pipe)?;
    pipe.commit().context("cannot write to standard output")?;
    Ok(warnings)
}

/// Whether an image can be made: better to know before an hour of work than after.
fn writable(path: &Path) -> anyhow::Result<()> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    rustix::fs::access(directory, access).map_err(io::Error::from).context("cannot make the image")
}

fn kind(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a directory"
    } else if kind.is_char_device() {
        "a character device"
    } else if kind.is_fifo() {
        "a named pipe"
    } else {
        "a socket"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_need_a_directory() {
        let folder = tempfile::tempdir().unwrap();
        assert!(writable(&folder.path().join("x")).is_ok());
        assert!(writable(&folder.path().join("none/x")).is_err());
        assert!(writable(Path::new("x")).is_ok());
    }
}
