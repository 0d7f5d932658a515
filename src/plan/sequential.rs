//! States of a volume on a medium that is written one sector after the other: each ends with its virtual allocation table.
//!
//! ```text
//!   S            S + 32   + 128       + 224     + 256    + 288                                      N
//!   | recognition | main | integrity | reserve | anchor | file set, entries, directories, data | table | its ICB, again and again |
//! ```
//!
//! The first part is written when a session begins. Within an open session a further state is only what follows `S + 288`.
//! All of it is one step: the medium takes the sectors in their order, so as long as no ICB of the new table is there, the old
//! one is the last. Only in an image file that is no medium do the ICBs wait until all else is durable.

use udf::Sector;
use udf::revision::VirtualTableForm;
use udf::volume::ANCHOR_SECTOR;

use super::base::{Base, BaseTable};
use super::frame::{self, Frame};
use super::ground::Ground;
use super::heads::Heads;
use super::order::{self, FIRST_UNIQUE_ID, UniqueIds};
use super::outset::{Laid, Outset};
use super::space::{NOWHERE, Shape, Spaces, Upper, add_blocks};
use super::table::{self, Extension, Facts, Table};
use super::{AppendSpec, Content, Layout, Plan, Segment, Spec, Step, layout};
use crate::error::{Error, Result};
use crate::media::multisession::Sequential;
use crate::tree::Tree;

/// Where on the medium a state goes, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequentialTarget {
    /// The first sector that can be written.
    pub next_writable: Sector,
    /// A session begins there; else what is written belongs to one that is open.
    pub begins_session: bool,
    /// Sectors of the medium.
    pub capacity_blocks: u32,
    /// Sectors that are written as one.
    pub write_unit_blocks: u32,
    /// The session is closed behind it: it ends with a second anchor, and its partition with the session.
    pub closes_session: bool,
    /// Writes may become durable in another order than they were made in, as in an image file: what makes the new state the
    /// one that counts is a step of its own.
    pub takes_any_order: bool,
}

impl SequentialTarget {
    /// A blank medium.
    #[must_use]
    pub fn blank(capacity_blocks: u32, write_unit_blocks: u32) -> Self {
        Self {
            next_writable: Sector(0),
            begins_session: true,
            capacity_blocks,
            write_unit_blocks,
            closes_session: false,
            takes_any_order: false,
        }
    }

    /// What a device says.
    #[must_use]
    pub fn of(facts: &Sequential) -> Self {
        Self {
            next_writable: Sector(facts.next_writable),
            begins_session: facts.open_session_start.is_none(),
            capacity_blocks: facts.next_writable.saturating_add(facts.free_sectors),
            write_unit_blocks: facts.write_unit,
            closes_session: false,
            takes_any_order: false,
        }
    }

    /// The first sector of what is no recognition, sequence or anchor.
    pub(super) fn content_start(&self) -> Result<u32> {
        let head = if self.begins_session { frame::PARTITION_START.0 } else { 0 };
        add_blocks(self.next_writable.0, u64::from(head))
    }
}

/// Copies of the table's ICB at least: readers are told a last sector that is a few too low, or count blocks that run out.
const LEAST_COPIES: u32 = 16;

/// The parts of a state, in sectors.
#[derive(Clone, Copy, Debug)]
struct Ends {
    /// The anchor before the end of a session that is closed.
    anchor: Option<u32>,
    first_entry: u32,
    /// The sector behind the last.
    end: u32,
}

impl Ends {
    /// What follows a state whose table ends before `at`: whole write units of ICBs, and for a session that is closed the
    /// anchor 256 sectors before its end (UDF 2.60 6.10.1.3).
    fn after(at: u32, target: &SequentialTarget) -> Result<Self> {
        let unit = target.write_unit_blocks.max(1);
        let up = |block: u32, more: u32| {
            let block = u64::from(block) + u64::from(more);
            add_blocks(0, block.next_multiple_of(u64::from(unit)))
        };
        if target.closes_session {
            let end = up(at, ANCHOR_SECTOR + 1)?;
            let anchor = end - 1 - ANCHOR_SECTOR;
            return Ok(Self { anchor: Some(anchor), first_entry: anchor + 1, end });
        }
        let first_entry = up(at, 0)?;
        let end = up(first_entry, LEAST_COPIES.max(unit))?;
        Ok(Self { anchor: None, first_entry, end })
    }
}

/// What [`Plan::create_with_table`] and [`Plan::append_to_table`] have in common.
struct Parts {
    spaces: Spaces,
    layout: Layout,
    table: Table,
    ends: Ends,
    file_set_block: u32,
}

impl Plan {
    /// Plans a new volume with a virtual allocation table, on a medium that is written one sector after the other.
    pub fn create_with_table(tree: &Tree, spec: &Spec, target: &SequentialTarget) -> Result<Self> {
        let shape = Shape {
            revision: spec.revision,
            block_size: spec.block_size,
            embed: spec.embed,
            upper: Upper::Virtual,
            rewritable: false,
            space_file: false,
        };
        let mut order = order::walk(tree, false)?;
        let (files, directories, latest) = (order.fresh_files, order.fresh_directories, order.latest);
        let further_names = std::mem::take(&mut order.further_names);
        let mut unique_ids = UniqueIds::new(FIRST_UNIQUE_ID);
        let partition_start = Sector(target.content_start()?);
        let kept = |_| Ok(0);
        let mut numbers = 1..u32::MAX;
        let spaces = Spaces::lay_out(
            tree,
            order,
            &mut unique_ids,
            shape,
            Ground::Open(0, 1),
            &kept,
            Some(&mut numbers),
        )?;
        unique_ids.give_to(&further_names)?;
        let heads = Heads::new(spec)?;
        let facts =
            Facts { label: heads.label, files, directories, revisions: revisions(shape), previous_icb: None };
        let parts = Parts::new(
            spaces,
            shape,
            0,
            Some((0, 0)),
            &facts,
            None,
            &mut unique_ids,
            partition_start,
            target,
        )?;
        let Parts { spaces, layout, table, ends, file_set_block } = parts;
        let frame = Frame::of_session(target.next_writable, ends.end)?;
        let outset = Outset::of_new_volume(spec, heads, partition_start, latest);
        let laid = Laid { shape, spaces, unique_ids, layout, frame, counts: (files, directories) };
        let mut plan = Self {
            file_set_block,
            table: Some(table),
            partition_blocks: Some(partition_blocks(partition_start, ends, target)),
            ..Self::begun(tree, outset, laid)
        };
        plan.steps_of_state(ends, target)?;
        Ok(plan)
    }

    /// Plans a further state of a volume with a virtual allocation table.
    pub(super) fn append_to_table(tree: &Tree, spec: &AppendSpec, base: Base) -> Result<Self> {
        let shape = Shape {
            revision: base.revision,
            block_size: base.block_size,
            embed: spec.embed,
            upper: Upper::Virtual,
            rewritable: false,
            space_file: false,
        };
        let old = base.table.clone().ok_or_else(|| Error::Options(String::from("there is no table")))?;
        let target = old.target;
        let heads = Heads::next(&base, spec)?;
        let mut order = order::walk(tree, false)?;
        // All of them are recorded again, under the numbers that they have.
        let changed = std::mem::take(&mut order.changed);
        order.entries.extend(changed.iter().chain(&base.relinked));
        let (files, directories) = base.counts_with(&order);
        let latest = order.latest;
        let further_names = std::mem::take(&mut order.further_names);
        let mut unique_ids = UniqueIds::new(base.next_unique_id);
        let first =
            target.content_start()?.checked_sub(base.partition_start.0).ok_or_else(before_partition)?;
        let capacity_of = |inode| base.capacity_of(inode, shape);
        let file_set = heads.relabelled.then_some((old.file_set_number, first));
        let mut numbers = table::free_numbers(&old.entries);
        let spaces = Spaces::lay_out(
            tree,
            order,
            &mut unique_ids,
            shape,
            Ground::Open(first, u32::from(heads.relabelled)),
            &capacity_of,
            Some(&mut numbers),
        )?;
        drop(numbers);
        unique_ids.give_to(&further_names)?;
        let facts = Facts {
            label: heads.label,
            files,
            directories,
            revisions: revisions(shape),
            previous_icb: Some(old.icb),
        };
        let start = base.partition_start;
        let parts =
            Parts::new(spaces, shape, first, file_set, &facts, Some(&old), &mut unique_ids, start, &target)?;
        let Parts { spaces, layout, table, ends, file_set_block } = parts;
        let blocks = if target.begins_session {
            partition_blocks(base.partition_start, ends, &target)
        } else {
            unless_behind_partition(ends, &old, base.partition_start, shape)?;
            old.partition_blocks
        };
        let frame = if target.begins_session {
            Frame::of_session(target.next_writable, ends.end)?
        } else {
            Frame::with_sequences(base.session_start, base.sequences, ends.end)
        };
        let outset = Outset::following(base, spec, heads, latest);
        let laid = Laid { shape, spaces, unique_ids, layout, frame, counts: (files, directories) };
        let mut plan = Self {
            file_set_block,
            table: Some(table),
            partition_blocks: Some(blocks),
            ..Self::begun(tree, outset, laid)
        };
        plan.steps_of_state(ends, &target)?;
        Ok(plan)
    }

    fn steps_of_state(&mut self, ends: Ends, target: &SequentialTarget) -> Result<()> {
        self.check_fits(target.capacity_blocks)?;
        let sector = |block: u32| Sector(self.partition_start.0 + block);
        let one = |start, blocks, content| Segment { start, blocks, twin: None, content };
        let mut segments = self.partition_segments();
        if target.begins_session {
            segments.extend(self.frame.session_head(self.shape.block_size));
        }
        if let Some(table) = &self.table {
            let first = self.layout.end;
            let blocks = u32::try_from(table.new_blocks.len()).unwrap_or(u32::MAX);
            segments.push(one(sector(first), blocks, Content::Table { first: 0 }));
        }
        segments.extend(ends.anchor.map(|at| one(Sector(at), 1, Content::Anchor)));
        segments.push(one(Sector(ends.first_entry), ends.end - ends.first_entry, Content::TableEntry));
        let segments = frame::tile(segments, target.next_writable.0, ends.end);
        let mut steps = vec![Step { segments }];
        if target.takes_any_order {
            let is_entry = |segment: &Segment| segment.content == Content::TableEntry;
            let segments = steps[0].segments.extract_if(.., |segment| is_entry(segment)).collect();
            steps.push(Step { segments });
        }
        self.steps = steps;
        Ok(())
    }
}

impl Parts {
    #[allow(
        clippy::too_many_arguments,
        reason = "each is a part of one calculation, and it has but two callers"
    )]
    fn new(
        spaces: Spaces,
        shape: Shape,
        first: u32,
        file_set: Option<(u32, u32)>,
        facts: &Facts,
        base: Option<&BaseTable>,
        unique_ids: &mut UniqueIds,
        partition_start: Sector,
        target: &SequentialTarget,
    ) -> Result<Self> {
        let form = shape.rules().virtual_table.ok_or_else(|| no_table(shape))?;
        let layout = layout::physical(&spaces, first, shape.block_size)?;
        let entries = table::entries(&spaces, file_set, base);
        let body = table::body(form, &entries, facts);
        let unique_id = unique_ids.next;
        unique_ids.next += 1;
        let number = base.map_or(0, |base| base.file_set_number);
        let extension = (form == VirtualTableForm::Trailer).then_some(Extension {
            label: facts.label,
            files: facts.files,
            directories: facts.directories,
        });
        let table = Table::new(body, shape, base, layout.end, (number, unique_id), extension)?;
        let at = add_blocks(layout.end, table.new_blocks.len() as u64)?;
        let ends = Ends::after(add_blocks(partition_start.0, u64::from(at))?, target)?;
        Ok(Self { spaces, layout, table, ends, file_set_block: file_set.map_or(NOWHERE, |(_, block)| block) })
    }
}

fn revisions(shape: Shape) -> [u16; 3] {
    let least = shape.rules().minimum_without_metadata;
    [least, least, udf::Revision::V2_60.number()]
}

/// To the end of the disc while the session stays open; to that of the session if it is closed.
fn partition_blocks(start: Sector, ends: Ends, target: &SequentialTarget) -> u32 {
    let end = if target.closes_session { ends.end } else { target.capacity_blocks.max(ends.end) };
    end - start.0
}

fn no_table(shape: Shape) -> Error {
    let reason = format!("UDF {} has no virtual allocation table", shape.revision);
    Error::refused(reason, "choose revision 1.50 or later")
}

fn before_partition() -> Error {
    Error::refused(
        "the next sector that can be written lies before the volume's partition",
        "the image does not belong to the file that describes its medium: restore the one or the other",
    )
}

/// Others make partitions that end with what was written: then a new session has to say that it is longer.
fn unless_behind_partition(ends: Ends, old: &BaseTable, start: Sector, shape: Shape) -> Result<()> {
    let limit = u64::from(start.0) + u64::from(old.partition_blocks);
    if u64::from(ends.end) <= limit {
        return Ok(());
    }
    let unit = u64::from(shape.block_size.bytes());
    Err(Error::refused(
        format!(
            "the session is open, but its partition ends {} bytes before the new state would",
            (u64::from(ends.end) - limit) * unit
        ),
        "close the session first (`mkudf-ms close`): the next one says that the partition is longer",
    ))
}
