//! Making and growing volumes through the library, as its users would.

use std::path::Path;

use mkudf_ms::device::WriteAt;
use mkudf_ms::plan::{AppendSpec, Identifiers, Plan, Spec, Uuid};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::{Conflict, NoSession, Options, Source, scan};
use mkudf_ms::session::{Import, ImportOptions};
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::Tree;
use mkudf_ms::{Result, Warning};
use udf::general::Moment;
use udf::read::ReadAt;
use udf::{BlockSize, Revision};

pub(crate) const NOW: Moment = Moment { microseconds: 1_800_000_000_000_000 };

pub(crate) fn spec(revision: Revision, block_size: BlockSize) -> Spec {
    Spec {
        revision,
        block_size,
        identifiers: Identifiers {
            logical_volume: String::from("Test volume"),
            volume: None,
            volume_set: None,
            file_set: None,
            uuid: Uuid::new(NOW, 0x0123_4567),
            owner: String::from("owner"),
            organization: String::new(),
            contact: String::new(),
            application: String::from("test"),
        },
        now: NOW,
        zone_minutes: 60,
        redundant_metadata: true,
        embed: true,
        device_blocks: None,
        rewritable_blocks: None,
        packet_blocks: None,
        pseudo_overwrite: false,
    }
}

/// A new volume from a folder.
pub(crate) fn create(folder: &Path, spec: &Spec, device: &dyn WriteAt) -> Result<Vec<Warning>> {
    let options = Options::new(NOW);
    let mut tree = Tree::new(options.made);
    let progress = Progress::new();
    let mut outcome = scan(&mut tree, &mut NoSession, &[Source::new(folder)], &options, &progress)?;
    let plan = Plan::create(&tree, spec)?;
    outcome.warnings.extend(stream(&plan, &tree, device, None, &progress, &StreamOptions::default())?);
    Ok(outcome.warnings)
}

/// How a session is appended.
pub(crate) struct Append<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) mirror: bool,
    pub(crate) update: bool,
    pub(crate) fixed_size: bool,
}

/// What is planned for a further session.
pub(crate) fn plan_append<R: ReadAt>(device: &R, append: &Append<'_>) -> Result<(Tree, Plan)> {
    let options = ImportOptions { fixed_size: append.fixed_size, ..ImportOptions::default() };
    plan_append_with(device, append, &options)
}

/// The same on a volume that is imported so.
pub(crate) fn plan_append_with<'a, R: ReadAt>(
    device: &'a R,
    append: &Append<'_>,
    import: &ImportOptions,
) -> Result<(Tree, Plan)> {
    let mut import: Import<&'a R> = Import::open(device, import)?;
    let mut tree = import.tree()?;
    let options = Options {
        on_conflict: Conflict::Replace,
        update: append.update,
        mirror: append.mirror,
        ..Options::new(NOW)
    };
    let outcome = scan(&mut tree, &mut import, &[Source::new(append.folder)], &options, &Progress::new())?;
    let (base, _) = import.finish(&mut tree, &outcome)?;
    let spec = AppendSpec { now: NOW, zone_minutes: 60, label: None, embed: true };
    let plan = Plan::append(&tree, &spec, base)?;
    Ok((tree, plan))
}

/// A further session with what a folder holds.
pub(crate) fn append<D: ReadAt + WriteAt>(device: &D, append: &Append<'_>) -> Result<Vec<Warning>> {
    let (tree, plan) = plan_append(device, append)?;
    stream(&plan, &tree, device, Some(device), &Progress::new(), &StreamOptions::default())
}
