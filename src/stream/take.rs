//! Stretches of files that the target takes by itself, instead of having them read and written.

use udf::BlockSize;

use super::chunk::Piece;
use crate::device::buffer::ALIGNMENT_BYTES;
use crate::device::{Order, Taking, WriteAt};
use crate::plan::{self, Fetch, From};
use crate::render::Render;
use crate::tree::{self, InodeId, Tree};

/// What stretches must be like, in bytes.
struct Fit {
    /// Shorter ones are read and written; longer ones are taken in parts.
    least: u64,
    most: u64,
    /// Where they may begin and end on the device, and begin in the file.
    unit: u64,
    file_unit: u64,
}

/// What a drive's memory must be aligned to, so that the kernel lends it as it is: linux/block/blk-settings.c.
const DRIVE_ALIGNMENT_BYTES: u64 = 512;

fn fit(block_size: BlockSize, device: &dyn WriteAt) -> Option<Fit> {
    let (least, most) = match device.taking() {
        Taking::Nothing => return None,
        // An extent of its own for each short one would cost more than it saves; whoever cancels need not wait for long ones.
        Taking::Shared => (256 << 10, 256 << 20),
        // Page tables cost about as much as a copy of a MiB within the processor's cache. What is mapped counts as memory used.
        Taking::Mapped => (1 << 20, 8 << 20),
    };
    // On drives what goes before and after has to be whole write units as well.
    let unit = u64::max(device.alignment_bytes() as u64, block_size.bytes().into());
    let file_unit = match device.order() {
        Order::Any => ALIGNMENT_BYTES as u64,
        Order::Ascending => DRIVE_ALIGNMENT_BYTES,
    };
    Some(Fit { least, most, unit, file_unit })
}

/// Blocks that are wholly a part of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) piece: Piece,
    pub(super) inode: InodeId,
    pub(super) offset_bytes: u64,
}

/// Tells what of `pieces` the target takes, and what is left, both in their order.
pub(super) fn split<R: Render + ?Sized>(
    plan: &R,
    tree: &Tree,
    pieces: Vec<Piece>,
    device: &dyn WriteAt,
) -> (Vec<Stretch>, Vec<Piece>) {
    let Some(fit) = fit(plan.block_size(), device) else { return (Vec::new(), pieces) };
    let (mut stretches, mut rest) = (Vec::new(), Vec::new());
    for piece in &pieces {
        let mut left = *piece;
        // Only data are written as they are fetched; a twin would have to be taken once more.
        if matches!(piece.segment.content, plan::Content::Data { .. }) && piece.segment.twin.is_none() {
            plan.fetches(tree, &piece.segment, piece.first, piece.blocks, &mut |fetch| {
                let Some(stretch) = stretch(plan.block_size(), tree, piece, fetch, &fit) else { return };
                rest.push(left.head(stretch.piece.first - left.first));
                left = left.tail(stretch.piece.first + stretch.piece.blocks - left.first);
                stretches.extend(parts(plan.block_size(), stretch, &fit));
            });
        }
        rest.push(left);
    }
    rest.retain(|piece| piece.blocks > 0);
    (stretches, rest)
}

/// The aligned middle of what is to be fetched, if it comes from a file, lies there as it will lie on the device, and is
/// long enough.
fn stretch(block_size: BlockSize, tree: &Tree, piece: &Piece, fetch: Fetch, fit: &Fit) -> Option<Stretch> {
    let From::File { inode, offset_bytes } = fetch.from else { return None };
    let place = block_size.offset_of(piece.start()) + fetch.at_bytes;
    let skip_bytes = place.next_multiple_of(fit.unit) - place;
    let bytes = fetch.bytes.saturating_sub(skip_bytes) / fit.unit * fit.unit;
    let offset_bytes = offset_bytes + skip_bytes;
    let is_fit = bytes >= fit.least
        && offset_bytes.is_multiple_of(fit.file_unit)
        && matches!(tree.inode(inode).content, tree::Content::Host(_));
    if !is_fit {
        return None;
    }
    let blocks = |bytes: u64| u32::try_from(bytes / u64::from(block_size.bytes())).ok();
    let piece = piece.tail(blocks(fetch.at_bytes + skip_bytes)?).head(blocks(bytes)?);
    Some(Stretch { piece, inode, offset_bytes })
}

fn parts(block_size: BlockSize, whole: Stretch, fit: &Fit) -> impl Iterator<Item = Stretch> + use<> {
    let most = u32::try_from(fit.most / u64::from(block_size.bytes())).unwrap_or(u32::MAX);
    (0..whole.piece.blocks).step_by(most as usize).map(move |skip| {
        let rest = whole.piece.tail(skip);
        let offset_bytes = whole.offset_bytes + block_size.bytes_in(skip);
        Stretch { piece: rest.head(rest.blocks.min(most)), offset_bytes, ..whole }
    })
}
