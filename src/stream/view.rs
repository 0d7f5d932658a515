//! A plan as bytes that can be read: for whoever writes them by other means than a device of ours.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use udf::Sector;
use udf::read::ReadAt;

use super::StreamOptions;
use super::chunk::{CHUNK_BYTES, Chunk, Piece, lasting};
use super::fill::Filler;
use super::source::Sources;
use crate::device::buffer::length;
use crate::error::{Result, Warning};
use crate::plan::Content;
use crate::progress::Progress;
use crate::render::Render;
use crate::tree::Tree;

/// The target as it will be when a plan is written, from its first byte to the volume's last: what the plan writes, and what
/// was there before everywhere else. Seeking costs nothing; reading on from where the last read ended is what is fast.
pub struct PlanReader<'a, R: Render + ?Sized> {
    plan: &'a R,
    tree: &'a Tree,
    volume: Option<&'a dyn ReadAt>,
    sources: Sources<'a>,
    progress: Progress,
    is_strict: bool,
    /// All that is written, in the order of sectors.
    pieces: Vec<Piece>,
    end_blocks: u32,
    position_bytes: u64,
    window_start_bytes: u64,
    window: Vec<u8>,
}

impl<'a, R: Render + ?Sized> PlanReader<'a, R> {
    /// What a plan makes of its target. `volume` is the target as it is, for further sessions.
    pub fn new(
        plan: &'a R,
        tree: &'a Tree,
        volume: Option<&'a dyn ReadAt>,
        progress: &Progress,
        options: &StreamOptions,
    ) -> Self {
        let pieces = lasting(plan.steps());
        // On a device anchors lie behind the volume, too.
        let last_blocks = pieces.last().map_or(0, |piece| piece.end().0);
        Self {
            end_blocks: plan.end_blocks().max(last_blocks),
            plan,
            tree,
            volume,
            sources: Sources::new(tree, 1, options.are_times_kept),
            progress: progress.clone(),
            is_strict: options.is_strict,
            pieces,
            position_bytes: 0,
            window_start_bytes: 0,
            window: Vec::new(),
        }
    }

    /// Bytes there are.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.plan.block_size().bytes_in(self.end_blocks)
    }

    /// What there is to tell of the sources read so far.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        self.sources.finish()
    }

    /// Makes the window hold the position.
    fn load(&mut self) -> Result<()> {
        self.progress.check()?;
        let size = self.plan.block_size();
        let block = u32::try_from(self.position_bytes / u64::from(size.bytes())).unwrap_or(u32::MAX);
        let most = u32::try_from(CHUNK_BYTES / u64::from(size.bytes())).unwrap_or(1);
        let next = self.pieces.partition_point(|piece| piece.start().0 <= block);
        let holding = next.checked_sub(1).map(|index| self.pieces[index]);
        let holding = holding.filter(|piece| block < piece.end().0);
        self.window_start_bytes = size.offset_of(Sector(block));
        let mut window = std::mem::take(&mut self.window);
        let Self { plan, tree, volume, ref sources, .. } = *self;
        let filler = Filler { plan, tree, volume, sources };
        if let Some(piece) = holding {
            // Whoever turns an anchor to a session must know that it is sound.
            if self.is_strict && piece.segment.content == Content::Anchor {
                sources.unless_consistent()?;
            }
            let rest = piece.tail(block - piece.start().0);
            let part = rest.head(rest.blocks.min(most));
            window.resize(length(size.bytes_in(part.blocks)), 0);
            filler.fill(&Chunk { pieces: vec![part] }, &mut window)?;
            if self.is_strict {
                sources.unless_read_badly()?;
            }
        } else {
            let until = self.pieces.get(next).map_or(self.end_blocks, |piece| piece.start().0);
            window.resize(length(size.bytes_in((until - block).min(most))), 0);
            window.fill(0);
            let there = volume.map_or(0, ReadAt::size_bytes).saturating_sub(self.window_start_bytes);
            let bytes = length(there.min(window.len() as u64));
            if bytes > 0 {
                filler.read_volume(self.window_start_bytes, &mut window[..bytes])?;
            }
        }
        self.window = window;
        Ok(())
    }
}

impl<R: Render + ?Sized> fmt::Debug for PlanReader<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanReader").field("position_bytes", &self.position_bytes).finish_non_exhaustive()
    }
}

impl<R: Render + ?Sized> Read for PlanReader<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.position_bytes >= self.len_bytes() || out.is_empty() {
            return Ok(0);
        }
        let end_bytes = self.window_start_bytes + self.window.len() as u64;
        if !(self.window_start_bytes..end_bytes).contains(&self.position_bytes) {
            self.load().map_err(io::Error::other)?;
        }
        let part = &self.window[length(self.position_bytes - self.window_start_bytes)..];
        let bytes = part.len().min(out.len());
        out[..bytes].copy_from_slice(&part[..bytes]);
        self.position_bytes += bytes as u64;
        self.progress.add_bytes(bytes as u64);
        Ok(bytes)
    }
}

impl<R: Render + ?Sized> Seek for PlanReader<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.len_bytes().checked_add_signed(by),
            SeekFrom::Current(by) => self.position_bytes.checked_add_signed(by),
        };
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "before the first byte");
        self.position_bytes = position.ok_or_else(before)?;
        Ok(self.position_bytes)
    }
}
