//! A frozen image: what is to be written where and in which order, and the ways to write it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use udf::BlockSize;
use udf::read::ReadAt;

use super::{Defaults, Disc, DiscIdentifier};
use crate::device::{Recordable, Sparing, WholeUnits, WriteAt};
use crate::error::{Error, Result, Warning};
use crate::media::multisession::PseudoOverwrite;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::session::ImportOptions;
use crate::stream::{PlanReader, StreamOptions, stream};
use crate::tree::{InodeId, NodeId, Tree};

/// An image that no longer changes; nothing of it was written yet.
pub struct ImageResult<'d> {
    tree: Tree,
    plan: Plan,
    warnings: Vec<Warning>,
    source: Option<(Arc<dyn ReadAt + 'd>, DiscIdentifier, ImportOptions)>,
    is_strict: bool,
    closes_session: bool,
    ranges: Vec<BlockRange>,
    items: Vec<ProgressItem>,
}

/// Blocks that lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRange {
    /// The first.
    pub first: u32,
    /// The last, which belongs to it.
    pub last: u32,
}

/// Which blocks are a file's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgressItem {
    /// Its path; of a named stream that of its file, `:` and its name.
    pub path: String,
    /// Its first block.
    pub first: u32,
    /// Its last block.
    pub last: u32,
}

impl ProgressItem {
    /// Those of a plan, in the order of blocks.
    #[must_use]
    pub fn all(plan: &Plan, tree: &Tree) -> Vec<Self> {
        let mut nodes: HashMap<InodeId, NodeId> = HashMap::new();
        let mut stack = vec![tree.root()];
        while let Some(node) = stack.pop() {
            let inode = tree.node(node).inode;
            nodes.entry(inode).or_insert(node);
            stack.extend(tree.children(node));
            stack.extend(tree.streams(inode).map(|streams| streams.node));
        }
        let item = |(inode, start, blocks): (InodeId, udf::Sector, u32)| {
            let path = tree.path(*nodes.get(&inode)?);
            Some(Self { path, first: start.0, last: start.0 + blocks.checked_sub(1)? })
        };
        plan.files(tree).filter_map(item).collect()
    }

    /// That of a block, among all.
    #[must_use]
    pub fn of_block(all: &[Self], block: u32) -> Option<&Self> {
        let at = all.partition_point(|item| item.first <= block).checked_sub(1)?;
        all.get(at).filter(|item| block <= item.last)
    }
}

/// The bytes of a result, for whoever writes them.
pub type ImageReader<'a> = PlanReader<'a, Plan>;

impl<'d> ImageResult<'d> {
    pub(super) fn new(
        tree: Tree,
        plan: Plan,
        warnings: Vec<Warning>,
        disc: Option<&Disc<'d>>,
        defaults: &Defaults,
    ) -> Self {
        let source = disc.map(|disc| (Arc::clone(&disc.device), disc.identifier, disc.options));
        let ranges = ranges(&plan, defaults.write_unit_blocks.max(1), defaults.spec().device_blocks);
        let items = ProgressItem::all(&plan, &tree);
        let target = match disc {
            Some(disc) => disc.options.sequential,
            None => defaults.sequential.map(|target| defaults.target(target)),
        };
        let closes_session = target.is_some_and(|target| target.closes_session);
        Self { tree, plan, warnings, source, is_strict: defaults.is_strict, closes_session, ranges, items }
    }

    /// Whether the drive is to close the session right behind what is written: it is complete then, and a logical session is
    /// found by readers only as a session of the medium.
    #[must_use]
    pub fn closes_session(&self) -> bool {
        self.closes_session
    }

    /// The size of a block.
    #[must_use]
    pub fn block_size(&self) -> BlockSize {
        self.plan.block_size()
    }

    /// Blocks from the first of the medium to the last of the volume.
    #[must_use]
    pub fn total_blocks(&self) -> u32 {
        self.plan.end_blocks()
    }

    /// Where everything goes, to the last block.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The tree, where everything of it goes, and what was noticed: for those who write it themselves with [`stream`].
    #[must_use]
    pub fn into_parts(self) -> (Tree, Plan, Vec<Warning>) {
        (self.tree, self.plan, self.warnings)
    }

    /// What must be written, in whole write units, and in this order: what comes first must be durable when that which leads
    /// to it is written. The last range holds the anchor that readers look at first, so that the old session is the newest
    /// until everything else is there.
    #[must_use]
    pub fn ranges(&self) -> &[BlockRange] {
        &self.ranges
    }

    /// Which new blocks belong to which file, in the order of blocks. Small files have none of their own.
    #[must_use]
    pub fn progress_items(&self) -> &[ProgressItem] {
        &self.items
    }

    /// The file that a block belongs to.
    #[must_use]
    pub fn progress_item(&self, block: u32) -> Option<&ProgressItem> {
        ProgressItem::of_block(&self.items, block)
    }

    /// What was noticed while it was made.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The medium as it will be, from its first byte on, for a burner that is not ours: it reads and writes [`ranges`], or all
    /// of it. An error if the disc is not what it was when it was imported.
    ///
    /// Reading fails if a source is not what it was ([`Defaults::is_strict`](super::Defaults::is_strict)), before an anchor is
    /// handed out; what was written until then is not to be seen. `progress` counts, and cancels.
    ///
    /// [`ranges`]: Self::ranges
    pub fn reader(&self, progress: &Progress) -> Result<ImageReader<'_>> {
        self.verify_disc()?;
        Ok(PlanReader::new(&self.plan, &self.tree, self.device(), progress, &self.stream_options(1)))
    }

    /// Writes the image to a device, step by step, each durable before the next begins. The disc is looked at first: if it is
    /// not what it was when it was imported, nothing is written. Returns what was noticed of the sources.
    pub fn write_to(&self, device: &dyn WriteAt, progress: &Progress) -> Result<Vec<Warning>> {
        self.verify_disc()?;
        let options = self.stream_options(0);
        let write = |device: &dyn WriteAt, reader: Option<&dyn ReadAt>| {
            stream(&self.plan, &self.tree, device, reader, progress, &options)
        };
        let Some((reader, _, import)) = &self.source else { return write(device, None) };
        let (told, relocated) =
            Sparing::through(&**reader, device, &import.open, |device, reader| write(device, Some(reader)));
        let mut warnings = told?;
        warnings.extend(relocated);
        Ok(warnings)
    }

    /// Writes the image to a disc in a drive, or a simulated one, as its medium wants it: one sector after the other, in whole write
    /// units, or, in pseudo-overwrite, in tracks that are reserved first. The rest is as [`write_to`](Self::write_to) has it; no
    /// session is closed.
    pub fn write_to_disc(&self, disc: &dyn Recordable, progress: &Progress) -> Result<Vec<Warning>> {
        if disc.medium().is_sequential() {
            return self.write_to(&disc, progress);
        }
        let units = match self.source {
            None => WholeUnits::of_blank(disc, &self.plan.tracks()).map_err(Error::Tracks)?,
            Some((_, _, options)) => {
                unless_gone_on(disc, &options)?;
                WholeUnits::of(disc)
            }
        };
        self.write_to(&units, progress)
    }

    /// An error unless the disc is the one that was imported, in the same state.
    pub fn verify_disc(&self) -> Result<()> {
        let Some((device, identifier, options)) = &self.source else { return Ok(()) };
        identifier.verify(&**device, &options.open)
    }

    fn device(&self) -> Option<&dyn ReadAt> {
        self.source.as_ref().map(|(device, ..)| &**device as &dyn ReadAt)
    }

    fn stream_options(&self, threads: usize) -> StreamOptions {
        StreamOptions { threads, is_strict: self.is_strict, ..StreamOptions::default() }
    }
}

/// An error if a disc in pseudo-overwrite goes on elsewhere than when it was imported: what is new would be written twice.
fn unless_gone_on(disc: &dyn Recordable, options: &ImportOptions) -> Result<()> {
    let Some(then) = options.pseudo_overwrite else { return Ok(()) };
    let tracks = disc.open_tracks().map_err(Error::Tracks)?;
    let now = PseudoOverwrite::of(&tracks, then.write_unit, then.total_sectors);
    if now == then {
        return Ok(());
    }
    let (before, now) = (then.next_writable, now.next_writable);
    Err(Error::DiscMismatch { what: format!("it went on at sector {before}, and goes on at {now} now") })
}

impl fmt::Debug for ImageResult<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageResult")
            .field("total_blocks", &self.total_blocks())
            .field("ranges", &self.ranges)
            .finish_non_exhaustive()
    }
}

/// What is written, step by step, rounded out to whole write units. What a range then holds beside the new blocks is what was
/// there before, or belongs to the same step: sessions begin and end with whole clusters.
fn ranges(plan: &Plan, unit: u32, device_blocks: Option<u32>) -> Vec<BlockRange> {
    let end = device_blocks.unwrap_or(u32::MAX);
    let mut ranges: Vec<BlockRange> = Vec::new();
    for step in plan.steps() {
        let before = ranges.len();
        for segment in &step.segments {
            let first = segment.start.0 / unit * unit;
            let after = u64::from(segment.start.0) + u64::from(segment.blocks);
            let after = u32::try_from(after.next_multiple_of(u64::from(unit))).unwrap_or(u32::MAX).min(end);
            let next = BlockRange { first, last: after - 1 };
            match ranges[before..].last_mut() {
                Some(last) if next.first <= last.last.saturating_add(1) => {
                    last.last = last.last.max(next.last);
                }
                _ => ranges.push(next),
            }
        }
    }
    ranges
}
