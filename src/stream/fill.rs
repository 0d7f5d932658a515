//! Puts a chunk together: what is fetched, zeros elsewhere, and what the plan makes of them.

use udf::Place;
use udf::general::Tag;

use super::chunk::{Chunk, Piece};
use super::source::Sources;
use crate::device::buffer::length;
use crate::error::{Error, Result};
use crate::plan::{From, Mirror};
use crate::render::Render;
use crate::tree::Tree;
use udf::read::ReadAt;

/// Everything that the bytes of a plan come from.
pub(super) struct Filler<'a, R: ?Sized> {
    pub(super) plan: &'a R,
    pub(super) tree: &'a Tree,
    pub(super) volume: Option<&'a dyn ReadAt>,
    pub(super) sources: &'a Sources<'a>,
}

impl<R: Render + ?Sized> Filler<'_, R> {
    /// Puts a chunk together in `out`, whatever that holds; tells whether anything was fetched for it.
    pub(super) fn fill(&self, chunk: &Chunk, out: &mut [u8]) -> Result<bool> {
        let mut is_fetched = false;
        let mut rest = out;
        for piece in &chunk.pieces {
            let (part, after) = rest.split_at_mut(length(self.plan.block_size().bytes_in(piece.blocks)));
            is_fetched |= self.fetch(piece, part)?;
            self.plan.render(self.tree, &piece.segment, piece.first, part);
            rest = after;
        }
        Ok(is_fetched)
    }

    /// Fetches what there is to fetch for a piece. Only what lies between is filled with zeros: the most part never is.
    fn fetch(&self, piece: &Piece, out: &mut [u8]) -> Result<bool> {
        let mut covered = 0;
        let mut done = Ok(());
        self.plan.fetches(self.tree, &piece.segment, piece.first, piece.blocks, &mut |fetch| {
            let start = length(fetch.at_bytes);
            out[covered..start].fill(0);
            covered = start + length(fetch.bytes);
            let part = &mut out[start..covered];
            match fetch.from {
                _ if done.is_err() => {}
                From::File { inode, offset_bytes } => self.sources.read(inode, offset_bytes, part),
                From::Volume { offset_bytes, mirror } => {
                    done = self.read_volume(offset_bytes, part).and_then(|()| match mirror {
                        Some(mirror) => self.compare(offset_bytes, part, mirror),
                        None => Ok(()),
                    });
                }
            }
        });
        out[covered..].fill(0);
        done.map(|()| covered > 0)
    }

    /// Makes sure that what goes into both copies of the new metadata is no damaged block that the mirror has sound. Where the
    /// mirror cannot be read the first copy is all there is.
    fn compare(&self, offset_bytes: u64, bytes: &[u8], mirror: Mirror) -> Result<()> {
        let mut second = vec![0; bytes.len()];
        if self.read_volume(mirror.offset_bytes, &mut second).is_err() || bytes == second {
            return Ok(());
        }
        let len = self.plan.block_size().len();
        for (number, (one, other)) in (0_u32..).zip(bytes.chunks(len).zip(second.chunks(len))) {
            let block = mirror.first.saturating_add(number);
            // A block that says it is this one, against one that does not, is the sound one.
            if one != other && (!is_sound(one, block) || is_sound(other, block)) {
                let skip = self.plan.block_size().bytes_in(number);
                return Err(Error::refused(
                    format!(
                        "the two copies of the metadata differ in block {block}, at bytes {} and {} of the volume: to go \
                         on from the first could lose files that the second still has",
                        offset_bytes + skip,
                        mirror.offset_bytes + skip
                    ),
                    "mend the volume first (mkudf-ms repair), or extract its files and make a new one",
                ));
            }
        }
        Ok(())
    }

    pub(super) fn read_volume(&self, offset_bytes: u64, out: &mut [u8]) -> Result<()> {
        let bytes = out.len() as u64;
        let read = match self.volume {
            Some(volume) => volume.read_at(offset_bytes, out),
            None => Err("no volume was given to read from".into()),
        };
        Ok(read.map_err(|source| udf::Error::Read { offset_bytes, bytes, source })?)
    }
}

/// Whether a block is a descriptor that says it is this block of its partition.
fn is_sound(bytes: &[u8], block: u32) -> bool {
    let identifier = Tag::read(bytes).map(|tag| tag.kind());
    identifier.is_some_and(|identifier| Tag::check(bytes, identifier, block, "", Place::Within).is_ok())
}
