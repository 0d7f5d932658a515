//! The builder: what is to be on a volume, put together piece by piece and taken back where wanted, then frozen into a result.
//!
//! It is the counterpart of IMAPI2's `IFileSystemImage`. Everything below it can be used by itself; it holds no more than a
//! [`Tree`], the session that the tree came from, and how to take changes back.
#![doc = include_str!("../../docs/guide.md")]

mod add;
mod change;
mod checksums;
mod defaults;
mod disc;
mod drive;
mod edit;
mod error;
mod identify;
mod path;
mod query;
mod result;
mod streams;

use std::fmt;
use std::sync::Arc;

use udf::read::ReadAt;
use udf::{BlockSize, Revision};

pub use crate::scan::Conflict;
pub use defaults::Defaults;
pub use disc::DiscIdentifier;
pub use drive::probe_drive;
pub use error::{BuildError, ImapiCode};
pub use identify::{FileSystem, identify, probe};
pub use query::ItemInfo;
pub use result::{BlockRange, ImageReader, ImageResult, ProgressItem};

use crate::error::{Error, Result, Warning};
use crate::plan::{AppendSpec, Plan};
use crate::progress::Progress;
use crate::session::{Import, ImportOptions, unless_other_layout};
use crate::tree::Tree;
use change::{Changes, Mark};

/// A volume in the making: a new one, or the next session of one that there is.
///
/// Every change is done wholly or, if it fails, not at all; and counts as one [change point](Self::change_point). Paths are
/// absolute, with `/` between names; a leading `/` may be left out.
pub struct FileSystemImage<'d> {
    defaults: Defaults,
    /// A label that was set here; the defaults' or the imported one stands otherwise.
    label: Option<String>,
    tree: Tree,
    disc: Option<Disc<'d>>,
    changes: Changes,
    points: Vec<Mark>,
    locked: usize,
    warnings: Vec<Warning>,
    progress: Progress,
    /// What [`used_blocks`](Self::used_blocks) found, as long as nothing has changed since.
    used_blocks: Option<u32>,
}

/// What was imported, and from where.
struct Disc<'d> {
    device: Arc<dyn ReadAt + 'd>,
    identifier: DiscIdentifier,
    import: Import<Arc<dyn ReadAt + 'd>>,
    options: ImportOptions,
}

impl<'d> FileSystemImage<'d> {
    /// An empty volume.
    #[must_use]
    pub fn new(defaults: Defaults) -> Self {
        let mut tree = Tree::new(defaults.directory_attributes());
        tree.keep_journal();
        Self {
            defaults,
            label: None,
            tree,
            disc: None,
            changes: Changes::default(),
            points: Vec::new(),
            locked: 0,
            warnings: Vec::new(),
            progress: Progress::new(),
            used_blocks: None,
        }
    }

    /// The next session of the volume on a device, with what its newest session holds. That which is not changed stays where
    /// it is, and is not read. An error says why nothing can be appended ([`probe`] asks for no more than that).
    ///
    /// Label, revision and block size are those of the volume. The default identifiers are of no use here.
    ///
    /// A volume that is made to be changed in place ([`is_rewritable`](crate::session::is_rewritable)) is, unless
    /// [`Defaults::layout`] asks for sessions.
    pub fn import(device: impl ReadAt + 'd, defaults: Defaults) -> Result<Self> {
        let options = defaults.import_options();
        Self::import_session(device, defaults, &options)
    }

    /// The same with the tree of another session ([`ImportOptions::tree_of`]): what is written then goes back to that one.
    pub fn import_session(
        device: impl ReadAt + 'd,
        defaults: Defaults,
        options: &ImportOptions,
    ) -> Result<Self> {
        let device: Arc<dyn ReadAt + 'd> = Arc::new(device);
        let opened = Import::open(Arc::clone(&device), options);
        let why_not = |error| identify::why_not(&*device, error);
        let mut import = opened.map_err(why_not)?;
        if let Some(layout) = defaults.layout {
            unless_other_layout(import.volume(), layout).map_err(why_not)?;
        }
        let identifier = DiscIdentifier::of(&*device, &options.open)?;
        let mut image = Self::new(defaults);
        image.tree = import.tree()?;
        image.tree.keep_journal();
        image.disc = Some(Disc { device, identifier, import, options: *options });
        Ok(image)
    }

    /// Counters of what is going on here, and a way to cancel it from another thread.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The label that the volume will have.
    #[must_use]
    pub fn label(&self) -> String {
        match (&self.label, &self.disc) {
            (Some(label), _) => label.clone(),
            (None, Some(disc)) => disc.import.volume().label(),
            (None, None) => self.defaults.identifiers.logical_volume.clone(),
        }
    }

    /// The label of the imported volume.
    #[must_use]
    pub fn imported_label(&self) -> Option<String> {
        self.disc.as_ref().map(|disc| disc.import.volume().label())
    }

    /// Gives the volume another label: at most 126 8-bit or 63 16-bit characters.
    pub fn set_label(&mut self, label: &str) -> Result<()> {
        if udf::general::DString::<128>::new(label).is_none() || label.is_empty() {
            return Err(BuildError::InvalidVolumeName { label: label.into() }.into());
        }
        self.change(|image| {
            image.label = Some(label.into());
            Ok(())
        })
    }

    /// The revision that is written.
    #[must_use]
    pub fn revision(&self) -> Revision {
        let imported = self.disc.as_ref().and_then(|disc| disc.import.volume().revision());
        imported.unwrap_or(self.defaults.revision)
    }

    /// Sets the revision of a new volume; that of an imported one stays what it is.
    pub fn set_revision(&mut self, revision: Revision) -> Result<()> {
        if self.disc.is_some() && revision != self.revision() {
            let imported = self.revision();
            return Err(BuildError::RevisionChangeNotAllowed { imported, asked: revision }.into());
        }
        self.defaults.revision = revision;
        self.used_blocks = None;
        Ok(())
    }

    /// The size of a block.
    #[must_use]
    pub fn block_size(&self) -> BlockSize {
        self.disc.as_ref().map_or(self.defaults.block_size, |disc| disc.import.volume().block_size())
    }

    /// What tells the imported disc from others and from what it becomes when it is written to.
    #[must_use]
    pub fn disc_identifier(&self) -> Option<DiscIdentifier> {
        self.disc.as_ref().map(|disc| disc.identifier)
    }

    /// What was noticed since the beginning, or since the change point that was gone back to.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Blocks from the first of the medium to the last of the volume, as it would be written now: exactly. Of a volume that is
    /// changed in place, those that are not free.
    ///
    /// To be exact, the volume is planned, because where anything lies depends on all that comes before it. That takes time in
    /// proportion to what is new or read of the tree; no file is opened. Until the next change the answer is kept.
    pub fn used_blocks(&mut self) -> Result<u32> {
        if let Some(blocks) = self.used_blocks {
            return Ok(blocks);
        }
        let blocks = if self.disc.is_some() {
            self.plan()?.1.used_blocks()
        } else {
            // Without a copy of the tree.
            self.defaults.plan(&self.tree, self.label.as_deref())?.used_blocks()
        };
        self.used_blocks = Some(blocks);
        Ok(blocks)
    }

    /// Blocks that the medium would have left; `None` if nobody said how many it has. An error if it has too few.
    pub fn free_blocks(&mut self) -> Result<Option<u32>> {
        let used = self.used_blocks()?;
        let disc = self.disc.as_ref();
        let Some(capacity) =
            disc.and_then(|disc| disc.import.end_in_place()).or(self.defaults.capacity_blocks)
        else {
            return Ok(None);
        };
        capacity.checked_sub(used).map(Some).ok_or_else(|| self.too_big(used, capacity))
    }

    fn too_big(&self, needed: u32, capacity: u32) -> Error {
        let size = self.block_size();
        let (needed_bytes, available_bytes) = (size.bytes_in(needed), size.bytes_in(capacity));
        Error::NoSpace { needed_bytes, available_bytes }
    }

    /// Freezes what is there now into a result that can be written. The image can be changed further, for another result; but
    /// of the results of one import only one can be written, since the disc is another one then.
    ///
    /// An error if the volume does not fit the medium, before anything is written.
    pub fn create_result(&mut self) -> Result<ImageResult<'d>> {
        let (tree, plan, warnings) = self.plan()?;
        if let Some(capacity) = self.defaults.capacity_blocks.filter(|blocks| *blocks < plan.end_blocks()) {
            return Err(self.too_big(plan.end_blocks(), capacity));
        }
        let mut all = self.warnings.clone();
        all.extend(warnings);
        Ok(ImageResult::new(tree, plan, all, self.disc.as_ref(), &self.defaults))
    }

    /// A copy of the tree as it is now, and where everything of it goes.
    fn plan(&mut self) -> Result<(Tree, Plan, Vec<Warning>)> {
        let mut tree = self.tree.clone();
        let Some(disc) = &mut self.disc else {
            let plan = self.defaults.plan(&tree, self.label.as_deref())?;
            return Ok((tree, plan, Vec::new()));
        };
        let (base, warnings) = disc.import.preview(&mut tree, &self.changes.outcome())?;
        let Defaults { now, zone_minutes, embed, .. } = self.defaults;
        let spec = AppendSpec { now, zone_minutes, label: self.label.clone(), embed };
        let plan = Plan::append(&tree, &spec, base)?;
        Ok((tree, plan, warnings))
    }
}

impl fmt::Debug for FileSystemImage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSystemImage")
            .field("tree", &self.tree)
            .field("disc", &self.disc_identifier())
            .field("change_point", &self.points.len())
            .finish_non_exhaustive()
    }
}
