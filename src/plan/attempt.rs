//! Where a change in place finds room: files are kept together if they can be, and a metadata partition that is too small grows.

use std::ops::Range;

use udf::file::SpaceBitmapDescriptor;
use udf::general::Moment;

use super::base::{Base, BaseInPlace};
use super::frame::Frame;
use super::ground::{Ground, Rooms};
use super::layout::MetadataFile;
use super::order::{self, UniqueIds};
use super::outset::Laid;
use super::room::{self, Room};
use super::space::{Shape, Spaces, Upper};
use super::{AppendSpec, Layout, bitmap};
use crate::error::{Error, Result};
use crate::tree::Tree;

/// Where the two bitmaps of a partition are recorded.
pub(super) type Bitmaps = [Range<u32>; 2];

/// The place of a bitmap that is not recorded.
const UNRECORDED: Range<u32> = 0..0;

/// What is tried to find room for a change.
#[derive(Clone, Copy)]
struct Attempt {
    /// Files are kept together.
    is_ample: bool,
    /// The metadata partition gets so many more blocks.
    more_blocks: u32,
    /// Only to see how many it would take: it gets as many as it takes.
    is_probe: bool,
}

/// A change that has found room.
pub(super) struct Found {
    pub(super) laid: Laid,
    pub(super) latest: Moment,
    pub(super) bitmaps: Bitmaps,
    pub(super) metadata_bitmaps: Option<Bitmaps>,
}

/// Lays the tree out in what is free. What is passed over to keep files together may be what the rest would need, and a metadata
/// partition that is too small grows.
pub(super) fn find_room(tree: &Tree, spec: &AppendSpec, base: &Base, old: &BaseInPlace) -> Result<Found> {
    let usual = Attempt { is_ample: true, more_blocks: 0, is_probe: false };
    let attempt = |how| attempt(tree, spec, (base, old), how);
    let no_space = match attempt(usual) {
        Err(Error::NoSpace { .. }) => match attempt(Attempt { is_ample: false, ..usual }) {
            Err(error @ Error::NoSpace { .. }) => error,
            result => return result,
        },
        result => return result,
    };
    let Some(metadata) = &old.metadata else { return Err(no_space) };
    let probe = attempt(Attempt { is_ample: false, is_probe: true, ..usual })?;
    let room = probe.laid.spaces.rooms.as_ref().and_then(|rooms| rooms.metadata.as_ref());
    let end = room.and_then(|room| room.taken().map(|(_, run)| run.place().end).max());
    let needed = end.unwrap_or(0).saturating_sub(metadata.blocks());
    if needed == 0 {
        return Err(no_space);
    }
    // Where files end up decides a little about how much describes them.
    let needed = needed.saturating_add(metadata.files.allocation_unit_blocks);
    let generous = needed.max(metadata.blocks() / GROWTH_PART);
    let mut last = no_space;
    for (is_ample, more_blocks) in [(true, generous), (false, generous), (true, needed), (false, needed)] {
        match attempt(Attempt { is_ample, more_blocks, ..usual }) {
            // In too many pieces it would not fit the entry of the file.
            Err(error @ (Error::NoSpace { .. } | Error::Limit { .. })) => last = error,
            result => return result,
        }
    }
    Err(last)
}

/// A metadata partition that grows does so by this part of itself, if there is room.
const GROWTH_PART: u32 = 4;

fn attempt(
    tree: &Tree,
    spec: &AppendSpec,
    (base, old): (&Base, &BaseInPlace),
    Attempt { is_ample, more_blocks, is_probe }: Attempt,
) -> Result<Found> {
    let (block_size, unit) = (base.block_size, old.write_unit_blocks.max(1));
    let shape = Shape {
        revision: base.revision,
        block_size,
        embed: spec.embed,
        upper: if old.metadata.is_some() { Upper::Metadata } else { Upper::None },
        rewritable: true,
        space_file: false,
    };
    let usable = room::without(&old.free, &old.avoided);
    let mut usable = room::whole_units(&usable, base.partition_start.0, unit);
    let upper = old.metadata.as_ref();
    let how = (unit, old.goes_on.is_some());
    let file = upper.map(|upper| upper.with(more_blocks, &mut usable, how, block_size)).transpose()?;
    if old.pseudo_overwrite {
        // What is left of a unit in which the metadata file goes on is written with it.
        usable = room::whole_units(&usable, base.partition_start.0, unit);
    }
    let (bitmaps, metadata_bitmaps) = if old.pseudo_overwrite {
        ([UNRECORDED, UNRECORDED], file.as_ref().map(|_| [UNRECORDED, UNRECORDED]))
    } else {
        let bitmaps = bitmaps(old, base, &mut usable)?;
        let of_metadata = |file: &MetadataFile| metadata_bitmaps(old, base, file, &mut usable);
        (bitmaps, file.as_ref().map(of_metadata).transpose()?)
    };
    let metadata = upper.zip(file.as_ref()).map(|(upper, file)| {
        let mut free = upper.usable(base.partition_start.0, unit);
        free.push(upper.blocks()..if is_probe { u32::MAX - 1 } else { file.blocks });
        Room::new(&room::joined(free), block_size, is_ample)
    });
    let rooms = Rooms { partition: Room::new(&usable, block_size, is_ample), metadata };

    let mut order = order::walk(tree, true)?;
    let (counts, latest) = (base.counts_with(&order), order.latest);
    let further_names = std::mem::take(&mut order.further_names);
    let mut unique_ids = UniqueIds::new(base.next_unique_id);
    let ground = Ground::Rooms(rooms, shape.file_set_blocks());
    let capacity_of = |inode| base.capacity_of(inode, shape);
    let spaces = Spaces::lay_out(tree, order, &mut unique_ids, shape, ground, &capacity_of, None)?;
    unique_ids.give_to(&further_names)?;
    let end = old.partition_blocks;
    let layout = Layout { data: 0, metadata: file, written: Vec::new(), mirrored: Vec::new(), end };
    let end_blocks = base.device_blocks.unwrap_or(end.saturating_add(base.partition_start.0));
    let frame = Frame::with_sequences(base.session_start, base.sequences, end_blocks);
    let laid = Laid { shape, spaces, unique_ids, layout, frame, counts };
    Ok(Found { laid, latest, bitmaps, metadata_bitmaps })
}

/// Where the two bitmap files of the metadata partition go, each alone in its write units: the second over the old one, if that
/// can be.
fn metadata_bitmaps(
    old: &BaseInPlace,
    base: &Base,
    file: &MetadataFile,
    usable: &mut [Range<u32>],
) -> Result<Bitmaps> {
    let unit = old.write_unit_blocks.max(1);
    let blocks = bitmap::file_blocks(file.blocks, base.block_size);
    let fresh = || {
        let first = fresh(usable, blocks.checked_next_multiple_of(unit).unwrap_or(blocks), base)?.start;
        Ok(first..first + blocks)
    };
    let place = (base.partition_start.0, unit);
    let over_old =
        old.metadata.as_ref().and_then(|old_file| old_file.bitmap_to_write_over(blocks, &old.free, place));
    first_and_second(over_old, fresh)
}

/// The first bitmap in blocks of its own, and the second over the old one, if that can be.
fn first_and_second(
    over_old: Option<Range<u32>>,
    mut fresh: impl FnMut() -> Result<Range<u32>>,
) -> Result<Bitmaps> {
    let first = fresh()?;
    Ok([first, over_old.map_or_else(fresh, Ok)?])
}

/// Blocks that lie together.
fn fresh(usable: &mut [Range<u32>], blocks: u32, base: &Base) -> Result<Range<u32>> {
    let first = room::take_best(usable, blocks).ok_or_else(|| Error::NoSpace {
        needed_bytes: base.block_size.bytes_in(blocks),
        available_bytes: usable.iter().map(|run| base.block_size.bytes_in(run.end - run.start)).sum(),
    })?;
    Ok(first..first + blocks)
}

/// Where the two bitmaps go. The second is written over the old one, which nothing leads to by then, if that is alone in its
/// write units; else it gets units of its own, where the next change finds it.
fn bitmaps(old: &BaseInPlace, base: &Base, usable: &mut [Range<u32>]) -> Result<Bitmaps> {
    let least = SpaceBitmapDescriptor::blocks(old.partition_blocks, base.block_size);
    let unit = old.write_unit_blocks.max(1);
    let needed = least.checked_next_multiple_of(unit).unwrap_or(least);
    let is_alone = |range: &Range<u32>| {
        let begins_unit = |block: u32| (base.partition_start.0.saturating_add(block)).is_multiple_of(unit);
        range.end - range.start >= least && begins_unit(range.start) && begins_unit(range.end)
    };
    first_and_second(old.bitmap.clone().filter(is_alone), || fresh(usable, needed, base))
}
