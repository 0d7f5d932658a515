//! Puts a chunk together: what is fetched, zeros elsewhere, and what the plan makes of them.

use super::chunk::{Chunk, Piece};
use super::work::Writer;
use crate::device::buffer::length;
use crate::error::Result;
use crate::plan::From;
use crate::render::Render;

impl<R: Render + ?Sized> Writer<'_, R> {
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
                From::Volume { offset_bytes } => done = self.read_volume(offset_bytes, part),
            }
        });
        out[covered..].fill(0);
        done.map(|()| covered > 0)
    }

    fn read_volume(&self, offset_bytes: u64, out: &mut [u8]) -> Result<()> {
        let bytes = out.len() as u64;
        let read = match self.volume {
            Some(volume) => volume.read_at(offset_bytes, out),
            None => Err("no volume was given to read from".into()),
        };
        Ok(read.map_err(|source| udf::Error::Read { offset_bytes, bytes, source })?)
    }
}
