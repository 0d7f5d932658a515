//! Stretches of files that the target takes by itself, instead of having them read and written.

use udf::BlockSize;

use super::chunk::Piece;
use crate::device::Taking;
use crate::device::buffer::ALIGNMENT_BYTES;
use crate::plan::{self, Fetch, From};
use crate::render::Render;
use crate::tree::{self, InodeId, Tree};

/// How long stretches may be, in bytes. Shorter ones are read and written; longer ones are taken in parts.
struct Lengths {
    least: u64,
    most: u64,
}

fn lengths(taking: Taking) -> Option<Lengths> {
    match taking {
        Taking::Nothing => None,
        // An extent of its own for each short one would cost more than it saves; whoever cancels need not wait for long ones.
        Taking::Shared => Some(Lengths { least: 256 << 10, most: 256 << 20 }),
        // Page tables cost about as much as a copy of a MiB within the processor's cache. What is mapped counts as memory used.
        Taking::Mapped => Some(Lengths { least: 1 << 20, most: 8 << 20 }),
    }
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
    taking: Taking,
) -> (Vec<Stretch>, Vec<Piece>) {
    let Some(lengths) = lengths(taking) else { return (Vec::new(), pieces) };
    let (mut stretches, mut rest) = (Vec::new(), Vec::new());
    for piece in &pieces {
        let mut left = *piece;
        // Only data are written as they are fetched; a twin would have to be taken once more.
        if matches!(piece.segment.content, plan::Content::Data { .. }) && piece.segment.twin.is_none() {
            plan.fetches(tree, &piece.segment, piece.first, piece.blocks, &mut |fetch| {
                let Some(stretch) = stretch(plan.block_size(), tree, piece, fetch, &lengths) else { return };
                rest.push(left.head(stretch.piece.first - left.first));
                left = left.tail(stretch.piece.first + stretch.piece.blocks - left.first);
                stretches.extend(parts(plan.block_size(), stretch, &lengths));
            });
        }
        rest.push(left);
    }
    rest.retain(|piece| piece.blocks > 0);
    (stretches, rest)
}

/// The aligned middle of what is to be fetched, if it comes from a file, lies there as it will lie on the device, and is
/// long enough.
fn stretch(
    block_size: BlockSize,
    tree: &Tree,
    piece: &Piece,
    fetch: Fetch,
    lengths: &Lengths,
) -> Option<Stretch> {
    let From::File { inode, offset_bytes } = fetch.from else { return None };
    let unit_bytes = u64::from(block_size.bytes()).max(ALIGNMENT_BYTES as u64);
    let place = block_size.offset_of(piece.start()) + fetch.at_bytes;
    let skip_bytes = place.next_multiple_of(unit_bytes) - place;
    let bytes = fetch.bytes.saturating_sub(skip_bytes) / unit_bytes * unit_bytes;
    let offset_bytes = offset_bytes + skip_bytes;
    let is_fit = bytes >= lengths.least
        && offset_bytes.is_multiple_of(ALIGNMENT_BYTES as u64)
        && matches!(tree.inode(inode).content, tree::Content::Host(_));
    if !is_fit {
        return None;
    }
    let blocks = |bytes: u64| u32::try_from(bytes / u64::from(block_size.bytes())).ok();
    let piece = piece.tail(blocks(fetch.at_bytes + skip_bytes)?).head(blocks(bytes)?);
    Some(Stretch { piece, inode, offset_bytes })
}

fn parts(block_size: BlockSize, whole: Stretch, lengths: &Lengths) -> impl Iterator<Item = Stretch> + use<> {
    let most = u32::try_from(lengths.most / u64::from(block_size.bytes())).unwrap_or(u32::MAX);
    (0..whole.piece.blocks).step_by(most as usize).map(move |skip| {
        let rest = whole.piece.tail(skip);
        let offset_bytes = whole.offset_bytes + block_size.bytes_in(skip);
        Stretch { piece: rest.head(rest.blocks.min(most)), offset_bytes, ..whole }
    })
}
