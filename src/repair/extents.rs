//! The extents of files: what describes them, which blocks they take, and what is mended of the descriptors (ECMA-167 4/14.14).

use udf::BlockAddress;
use udf::general::{ExtentKind, Tag, TagIdentifier};

use super::bytes::{get16, get32, get64, put};
use super::crossed::Crossed;
use super::entry::{Form, SIZE};
use super::files::Files;
use super::plan::Phase;

/// Blocks of allocation descriptors of one file.
const MAX_CONTINUATIONS: usize = 1 << 16;

/// An extent, and where it is described.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// The block with the descriptor: of the entry, or of an allocation extent.
    pub(super) block: BlockAddress,
    pub(super) offset: usize,
    pub(super) is_long: bool,
    pub(super) kind: ExtentKind,
    pub(super) start: BlockAddress,
    pub(super) bytes: u32,
}

impl Piece {
    /// The block in which it is described.
    pub(super) fn place(&self) -> BlockAddress {
        self.block
    }
}

/// The extents of a body.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces {
    pub(super) list: Vec<Piece>,
    pub(super) continuations: Vec<BlockAddress>,
    /// Where the entry itself says that its descriptors go on.
    pub(super) continued_at: Option<usize>,
    /// All descriptors could be read.
    pub(super) whole: bool,
}

impl Files<'_, '_> {
    pub(super) fn is_free_piece(&self, piece: &Piece) -> bool {
        let Some(space) = self.spaces.get(usize::from(piece.start.partition.0)) else { return false };
        let end = piece.start.block.0.checked_add(self.blocks_of(piece));
        piece.kind == ExtentKind::Unallocated
            || end.is_some_and(|end| {
                end <= space.used.len() && (piece.start.block.0..end).all(|block| !space.used.get(block))
            })
    }

    pub(super) fn blocks_of(&self, piece: &Piece) -> u32 {
        u32::try_from(self.block_size().blocks_for(piece.bytes.into())).unwrap_or(u32::MAX)
    }

    /// The extents that an entry describes.
    pub(super) fn pieces(&self, entry: &[u8], icb: BlockAddress) -> Pieces {
        let mut pieces = Pieces { whole: true, ..Pieces::default() };
        let form_bits = get16(entry, 34) & 7;
        if form_bits == 3 {
            return pieces;
        }
        let bounds = Form::of(entry).and_then(|form| form.allocation(entry)).filter(|_| form_bits <= 1);
        let Some((mut at, mut end)) = bounds else {
            pieces.whole = false;
            return pieces;
        };
        let size = if form_bits == 1 { 16 } else { 8 };
        let (mut block, mut address) = (entry.to_vec(), icb);
        while at + size <= end {
            let length = get32(&block, at);
            let position = get32(&block, at + 4);
            let partition = if size == 16 { get16(&block, at + 8) } else { icb.partition.0 };
            let start = BlockAddress::new(partition, position);
            let bytes = length & 0x3FFF_FFFF;
            if bytes == 0 {
                break;
            }
            let kind = ExtentKind::of(length);
            if kind == ExtentKind::Continuation {
                let next = self.block(start).filter(|next| {
                    Tag::check(next, TagIdentifier::ALLOCATION_EXTENT, start.block.0, "", start).is_ok()
                });
                let Some(next) = next.filter(|_| {
                    pieces.continuations.len() < MAX_CONTINUATIONS && !pieces.continuations.contains(&start)
                }) else {
                    pieces.whole = false;
                    break;
                };
                if address == icb {
                    pieces.continued_at = Some(at);
                }
                pieces.continuations.push(start);
                let length = usize::try_from(get32(&next, 20)).unwrap_or(usize::MAX);
                (at, end) = (24, length.saturating_add(24).min(next.len()));
                (block, address) = (next, start);
                continue;
            }
            pieces.list.push(Piece { block: address, offset: at, is_long: size == 16, kind, start, bytes });
            at += size;
        }
        pieces
    }

    pub(super) fn claim_pieces(&mut self, icb: BlockAddress, pieces: &Pieces) {
        for block in &pieces.continuations {
            if self.claim(*block, 1).is_some() {
                self.complete = false;
            }
            self.mend_continuation(*block);
        }
        for piece in &pieces.list {
            if piece.kind == ExtentKind::Unallocated {
                continue;
            }
            let blocks = self.blocks_of(piece);
            let length =
                self.spaces.get(usize::from(piece.start.partition.0)).map_or(0, |space| space.used.len());
            if u64::from(piece.start.block.0) + u64::from(blocks) > u64::from(length) {
                self.complete = false;
                continue;
            }
            let all = (0..blocks).filter_map(|skip| piece.start.checked_add(skip));
            let own: Vec<_> = all.filter(|block| self.claim(*block, 1).is_none()).collect();
            if own.len() < blocks as usize {
                self.crossed.push(Crossed { icb, piece: *piece, own });
            }
        }
    }

    pub(super) fn mend_continuation(&mut self, block: BlockAddress) {
        let changed = self.edit(block, Phase::Change, |bytes| {
            put(bytes, 16, &[0; 4]);
        });
        if changed {
            self.mend(112, block, "allocation extent: nothing is before it that could be named".into());
        }
    }

    /// What allocation descriptors say against what the entry says of them; whether anything is changed.
    pub(super) fn mend_allocation(&self, icb: BlockAddress, block: &mut Vec<u8>, form: Form) -> bool {
        let Some((start, end)) = form.allocation(block) else { return false };
        let old = block.clone();
        let flags = get16(block, 34);
        let is_directory = matches!(block[27], 4 | 13);
        if flags & 7 == 3 {
            let bytes = (end - start) as u64;
            put(block, SIZE, &bytes.to_le_bytes());
            put(block, form.blocks_recorded, &[0; 8]);
            return *block != old;
        }
        if end == start
            && !is_directory
            && flags.trailing_zeros() > 2
            && self.has_metadata()
            && self.is_in_metadata(icb)
        {
            put(block, 34, &(flags | 1).to_le_bytes());
        }
        let size = if get16(block, 34) & 7 == 1 { 16 } else { 8 };
        let excess = (end - start) % size;
        if excess > 0 && get64(block, SIZE) <= self.covered(block, icb) {
            let length = u32::try_from(end - start - excess).unwrap_or(0);
            put(block, form.attribute_bytes + 4, &length.to_le_bytes());
            block[end - excess..].fill(0);
        }
        self.mend_extents(icb, block, form);
        *block != old
    }

    pub(super) fn covered(&self, block: &[u8], icb: BlockAddress) -> u64 {
        self.pieces(block, icb).list.iter().map(|piece| u64::from(piece.bytes)).sum()
    }

    pub(super) fn mend_extents(&self, icb: BlockAddress, block: &mut [u8], form: Form) {
        let pieces = self.pieces(block, icb);
        if !pieces.whole {
            return;
        }
        let len = u64::from(self.block_size().bytes());
        if let Some(at) = pieces.continued_at {
            let length = ExtentKind::Continuation.with_length(self.block_size().bytes());
            put(block, at, &length.to_le_bytes());
        }
        let recorded_says = get64(block, form.blocks_recorded);
        let mut left = get64(block, SIZE);
        let (mut recorded, count) = (0_u64, pieces.list.len());
        for (index, piece) in pieces.list.iter().enumerate() {
            let blocks = u64::from(self.blocks_of(piece));
            let (mut kind, mut bytes) = (piece.kind, piece.bytes);
            if left == 0 {
                // Behind the end there is only what is allocated.
                kind = if kind == ExtentKind::Recorded { ExtentKind::Allocated } else { kind };
            } else if index + 1 == count && left.div_ceil(len) == blocks {
                bytes = u32::try_from(left).unwrap_or(bytes);
            }
            let mut position = piece.start.block.0;
            if kind == ExtentKind::Unallocated && position != 0 {
                // The count of recorded blocks tells whether its type or its place is wrong.
                if recorded_says == recorded + blocks { kind = ExtentKind::Recorded } else { position = 0 }
            }
            if piece.block == icb {
                put(block, piece.offset, &kind.with_length(bytes).to_le_bytes());
                put(block, piece.offset + 4, &position.to_le_bytes());
                if piece.is_long && kind != ExtentKind::Allocated {
                    let flags = get16(block, piece.offset + 10) & !1;
                    put(block, piece.offset + 10, &flags.to_le_bytes());
                }
            } else {
                kind = piece.kind;
            }
            recorded += if kind == ExtentKind::Recorded { blocks } else { 0 };
            left = left.saturating_sub(u64::from(bytes));
        }
        // Without any extent the body is lost, and the count may be all that tells how much there was.
        if left == 0 {
            put(block, form.blocks_recorded, &recorded.to_le_bytes());
        }
    }

    /// Points a descriptor elsewhere.
    pub(super) fn point(&mut self, piece: &Piece, to: u32) -> bool {
        self.edit(piece.block, Phase::Change, |bytes| {
            put(bytes, piece.offset + 4, &to.to_le_bytes());
        })
    }
}
