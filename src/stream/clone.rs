//! Stretches of files that the target's file system can share instead of having them written.

use udf::BlockSize;

use super::chunk::Piece;
use crate::device::buffer::ALIGNMENT_BYTES;
use crate::plan::{self, Fetch, From};
use crate::render::Render;
use crate::tree::{self, InodeId, Tree};

/// Shorter ones are read and written: an extent of its own for each would cost more than it saves.
const LEAST_BYTES: u64 = 256 * 1024;
/// Longer ones are taken in parts, so that whoever cancels need not wait.
const MOST_BYTES: u64 = 256 << 20;

/// Blocks that are wholly a part of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) piece: Piece,
    pub(super) inode: InodeId,
    pub(super) offset_bytes: u64,
}

/// Tells what of `pieces` can be shared, and what is left.
pub(super) fn split<R: Render + ?Sized>(
    plan: &R,
    tree: &Tree,
    pieces: &[Piece],
) -> (Vec<Stretch>, Vec<Piece>) {
    let (mut stretches, mut rest) = (Vec::new(), Vec::new());
    for piece in pieces {
        let mut left = *piece;
        // Only data are written as they are fetched; a twin would have to be shared once more.
        if matches!(piece.segment.content, plan::Content::Data { .. }) && piece.segment.twin.is_none() {
            plan.fetches(tree, &piece.segment, piece.first, piece.blocks, &mut |fetch| {
                let Some(stretch) = stretch(plan.block_size(), tree, piece, fetch) else { return };
                rest.push(left.head(stretch.piece.first - left.first));
                left = left.tail(stretch.piece.first + stretch.piece.blocks - left.first);
                stretches.extend(parts(plan.block_size(), stretch));
            });
        }
        rest.push(left);
    }
    rest.retain(|piece| piece.blocks > 0);
    (stretches, rest)
}

/// The aligned middle of what is to be fetched, if it comes from a file, lies there as it will lie on the device, and is
/// long enough.
fn stretch(block_size: BlockSize, tree: &Tree, piece: &Piece, fetch: Fetch) -> Option<Stretch> {
    let From::File { inode, offset_bytes } = fetch.from else { return None };
    let unit_bytes = u64::from(block_size.bytes()).max(ALIGNMENT_BYTES as u64);
    let place = block_size.offset_of(piece.start()) + fetch.at_bytes;
    let skip_bytes = place.next_multiple_of(unit_bytes) - place;
    let bytes = fetch.bytes.saturating_sub(skip_bytes) / unit_bytes * unit_bytes;
    let offset_bytes = offset_bytes + skip_bytes;
    let is_fit = bytes >= LEAST_BYTES
        && offset_bytes.is_multiple_of(ALIGNMENT_BYTES as u64)
        && matches!(tree.inode(inode).content, tree::Content::Host(_));
    if !is_fit {
        return None;
    }
    let blocks = |bytes: u64| u32::try_from(bytes / u64::from(block_size.bytes())).ok();
    let piece = piece.tail(blocks(fetch.at_bytes + skip_bytes)?).head(blocks(bytes)?);
    Some(Stretch { piece, inode, offset_bytes })
}

fn parts(block_size: BlockSize, whole: Stretch) -> impl Iterator<Item = Stretch> {
    let most = u32::try_from(MOST_BYTES / u64::from(block_size.bytes())).unwrap_or(u32::MAX);
    (0..whole.piece.blocks).step_by(most as usize).map(move |skip| {
        let rest = whole.piece.tail(skip);
        let offset_bytes = whole.offset_bytes + block_size.bytes_in(skip);
        Stretch { piece: rest.head(rest.blocks.min(most)), offset_bytes, ..whole }
    })
}
