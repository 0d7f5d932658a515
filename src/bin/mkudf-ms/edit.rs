//! `rm`, `mv`, `mkdir` and `put`: single steps on a volume, by way of the builder.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mkudf_ms::Error;
use mkudf_ms::builder::{Conflict, Defaults, FileSystemImage};
use mkudf_ms::media::{self, Medium};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::{FileId, Source};
use mkudf_ms::session::{ImportOptions, Manner};
use mkudf_ms::tree::{Kind, path_names};
use udf::read::ReadAt;

use crate::flags::{Changed, LayoutChoice, Mkdir, Mv, Put, Rm};
use crate::grow::{Ground, Growth, Planned, Planning};
use crate::job::{self, Times};
use crate::report::{Ending, Report};
use crate::{bar, disc};

/// What is done to the volume.
type Step<'a> = &'a dyn Fn(&mut FileSystemImage<'_>) -> mkudf_ms::Result<()>;

/// Removes files.
pub(crate) fn rm(flags: &Rm, report: &Report) -> anyhow::Result<Ending> {
    change(&flags.changed, report, &|image, _| {
        for path in &flags.paths {
            match image.kind(path)? {
                None if flags.ignore_missing => {}
                Some(Kind::Directory) if flags.recursive && path_names(path).next().is_some() => {
                    image.remove_tree(path)?;
                }
                // The root directory, what is not there, and directories with something in them.
                Some(Kind::Directory) if !flags.recursive => {
                    let reason = format!("{path:?} is a directory");
                    return Err(Error::refused(reason, "remove it with all that is in it: rm -r"));
                }
                _ => image.remove(path)?,
            }
        }
        Ok(())
    })
}

/// Renames and moves.
pub(crate) fn mv(flags: &Mv, report: &Report) -> anyhow::Result<Ending> {
    let Some((to, from)) = flags.paths.split_last() else { return Ok(Ending::Done) };
    let on_conflict = if flags.no_clobber { Conflict::Keep } else { Conflict::Replace };
    change(&flags.changed, report, &|image, _| {
        let into = is_into(image, to, from.len())?;
        for path in from {
            let target = match path_names(path).last() {
                Some(name) if into => format!("{}/{name}", to.trim_end_matches('/')),
                _ => to.clone(),
            };
            let moved = image.info(path)?.kind;
            if let Some(there) = image.kind(&target)?
                && on_conflict == Conflict::Replace
                && (moved == Kind::Directory) != (there == Kind::Directory)
            {
                let reason = format!(
                    "{target:?} is in the way, and no directory is replaced by a file or a file by one"
                );
                return Err(Error::refused(reason, "remove it first, or choose another name"));
            }
            image.rename(path, &target, on_conflict)?;
        }
        Ok(())
    })
}

/// Makes directories.
pub(crate) fn mkdir(flags: &Mkdir, report: &Report) -> anyhow::Result<Ending> {
    change(&flags.changed, report, &|image, _| {
        for path in &flags.paths {
            if !flags.parents {
                image.create_directory(path)?;
                continue;
            }
            let mut above = String::new();
            for name in path_names(path) {
                above = format!("{above}/{name}");
                if image.kind(&above)? != Some(Kind::Directory) {
                    image.create_directory(&above)?;
                }
            }
        }
        Ok(())
    })
}

/// Copies from the host.
pub(crate) fn put(flags: &Put, report: &Report) -> anyhow::Result<Ending> {
    let itself = FileId::from(&flags.changed.image.metadata().with_context(|| named(&flags.changed))?);
    change(&flags.changed, report, &|image, times| {
        let into = is_into(image, &flags.to, flags.sources.len())?;
        if !into {
            // As for any other file: a misspelt path makes no directories.
            let mut above: Vec<_> = path_names(&flags.to).collect();
            above.pop();
            image.info(&above.join("/"))?;
        }
        let sources = flags.sources.iter().map(|source| grafted(source, &flags.to, into));
        let mut options = job::scan_options(&flags.overrides, times);
        options.on_conflict = if flags.no_clobber { Conflict::Keep } else { Conflict::Replace };
        options.skip = Some(itself);
        options.made = image.scan_options().made;
        image.add_sources(&sources.collect::<mkudf_ms::Result<Vec<_>>>()?, &options)
    })
}

/// Whether what goes to a path goes into the directory there.
fn is_into(image: &mut FileSystemImage<'_>, to: &str, count: usize) -> mkudf_ms::Result<bool> {
    let is_directory = image.kind(to)? == Some(Kind::Directory);
    if !is_directory && (count > 1 || to.ends_with('/')) {
        return Err(Error::refused(
            format!("there is no directory {to:?}"),
            "make it first: mkudf-ms mkdir -p",
        ));
    }
    Ok(is_directory)
}

/// A source under its own name in a directory, or under another.
fn grafted(source: &Path, to: &str, into: bool) -> mkudf_ms::Result<Source> {
    let unreadable = Error::host("cannot read", source);
    source.symlink_metadata().map_err(unreadable)?;
    let to = PathBuf::from(format!("/{}", path_names(to).collect::<Vec<_>>().join("/")));
    if !into {
        return Ok(Source::grafted(source, to));
    }
    // Of `.` and `..` the name is that of the folder they stand for.
    let name = match source.file_name() {
        Some(name) => Some(name.to_owned()),
        None => {
            source.canonicalize().map_err(Error::host("cannot read", source))?.file_name().map(Into::into)
        }
    };
    Ok(Source::grafted(source, name.map_or(to.clone(), |name| to.join(name))))
}

fn named(changed: &Changed) -> String {
    changed.image.display().to_string()
}

/// Does it, and writes what came of it.
fn change(
    changed: &Changed,
    report: &Report,
    step: &dyn Fn(&mut FileSystemImage<'_>, &Times) -> mkudf_ms::Result<()>,
) -> anyhow::Result<Ending> {
    let times = Times::now()?;
    let medium = match &changed.medium {
        Some(name) => job::medium(name)?,
        None => &media::ALL[0],
    };
    let progress = Progress::new();
    bar::cancel_on_signal(&progress)?;
    let growth = Growth {
        image: &changed.image,
        block_size: changed.block_size,
        close: changed.close,
        effort: &changed.effort,
        medium,
        stream: &job::stream_options(&changed.effort, false, &times),
        progress: &progress,
        report,
    };
    let work = Work { changed, report, times: &times, medium, step: &|image| step(image, &times) };
    growth.run(&work).with_context(|| named(changed))
}

struct Work<'a> {
    changed: &'a Changed,
    report: &'a Report,
    times: &'a Times,
    medium: &'static Medium,
    step: Step<'a>,
}

impl Planning for Work<'_> {
    fn plan(&self, reader: &dyn ReadAt, ground: &Ground) -> anyhow::Result<Option<Planned>> {
        let Self { changed, report, times, .. } = self;
        let spot = ground.spot(&changed.image, &changed.entrance);
        let manner = if changed.layout == LayoutChoice::Session { Manner::Session } else { Manner::AsMade };
        let options = ImportOptions {
            manner,
            force: changed.force,
            ..ground.import_options(spot.base(&reader, report)?)
        };
        let defaults = Defaults {
            zone_minutes: times.zone_minutes,
            embed: !changed.effort.no_embed,
            layout: changed.layout.layout(),
            capacity_blocks: None,
            is_strict: false,
            ..Defaults::for_medium(self.medium, "", times.now)
        };
        let mut image = FileSystemImage::import_session(reader, defaults, &options).map_err(disc::named)?;
        (self.step)(&mut image)?;
        if !image.is_changed() {
            report.warnings(image.warnings());
            return Ok(None);
        }
        image.record_checksums(changed.effort.checksums)?;
        let label = image.label();
        let (tree, plan, warnings) = image.create_result()?.into_parts();
        Ok(Some(Planned { tree, plan, label, warnings }))
    }
}
