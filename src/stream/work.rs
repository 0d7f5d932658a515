//! Writes one step: the threads, and what each does.

use std::fs::File;
use std::num::NonZero;

use rustix::fs::Advice;
use udf::Sector;
use udf::read::ReadAt;

use super::chunk::{CHUNK_BYTES, Chunk, Chunks, pieces};
use super::fill::Filler;
use super::source::Sources;
use super::take::{Stretch, split};
use super::turn::{StopOnPanic, Ticket, Turns};
use crate::device::buffer::{Buffer, length};
use crate::device::{Order, WriteAt};
use crate::error::{Error, Result};
use crate::plan::{Content, Step};
use crate::progress::Progress;
use crate::render::Render;
use crate::tree::Tree;

/// Everything that the threads share.
pub(super) struct Writer<'a, R: ?Sized> {
    pub(super) plan: &'a R,
    pub(super) tree: &'a Tree,
    pub(super) device: &'a dyn WriteAt,
    pub(super) volume: Option<&'a dyn ReadAt>,
    pub(super) progress: &'a Progress,
    pub(super) sources: &'a Sources<'a>,
    pub(super) threads: usize,
}

/// What one thread does at a time.
#[derive(Debug)]
enum Job {
    /// Lets the device take a part of a file.
    Take(Stretch),
    /// Puts a chunk together and writes it.
    Write(Chunk),
}

impl<R: Render + ?Sized> Writer<'_, R> {
    /// Writes a step; nothing of it is durable yet.
    pub(super) fn write(&self, step: &Step) -> Result<()> {
        let is_ordered = self.device.order() == Order::Ascending;
        let mut pieces = pieces(step, !is_ordered);
        if self.device.blank_is_zeros() {
            let zeros = pieces.extract_if(.., |piece| piece.segment.content == Content::Zeros);
            let blocks = zeros.map(|piece| u64::from(piece.blocks)).sum::<u64>();
            self.progress.add_bytes(blocks * u64::from(self.plan.block_size().bytes()));
        }
        let (stretches, rest) = split(self.plan, self.tree, pieces, self.device);
        let jobs = ascending(stretches, Chunks::new(rest, self.plan.block_size()));
        let turns = Turns::new(jobs, is_ordered);
        std::thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| self.work(&turns));
            }
        });
        turns.finish()
    }

    fn work<I: Iterator<Item = Job>>(&self, turns: &Turns<I>) {
        let _guard = StopOnPanic(turns);
        let mut buffer = Buffer::new(length(CHUNK_BYTES));
        while let Some((ticket, job)) = turns.take() {
            let done = self.progress.check().and_then(|()| match job {
                Job::Take(stretch) => self.hand_over(turns, ticket, &stretch, &mut buffer),
                Job::Write(chunk) => self.put(turns, ticket, &chunk, &mut buffer),
            });
            match done {
                Ok(()) => turns.pass(),
                Err(error) => turns.fail(error),
            }
        }
    }

    /// Renders a chunk and writes it; unless somebody failed meanwhile.
    fn put<I: Iterator>(
        &self,
        turns: &Turns<I>,
        ticket: Ticket,
        chunk: &Chunk,
        buffer: &mut Buffer,
    ) -> Result<()> {
        let block_size = self.plan.block_size();
        let bytes = block_size.bytes_in(chunk.blocks());
        let out = buffer.part(block_size.offset_of(chunk.start()), length(bytes));
        let Self { plan, tree, volume, sources, .. } = *self;
        let is_fetched = Filler { plan, tree, volume, sources }.fill(chunk, out)?;
        if !turns.wait(ticket) {
            return Ok(());
        }
        let is_there = !is_fetched && self.device.blank_is_zeros() && out.iter().all(|byte| *byte == 0);
        for start in [Some(chunk.start()), chunk.twin()].into_iter().flatten() {
            if !is_there {
                self.write_at(start, out)?;
            }
            self.progress.add_bytes(bytes);
        }
        Ok(())
    }

    /// Lets the device take a part of a file; what it does not take is read and written.
    fn hand_over<I: Iterator>(
        &self,
        turns: &Turns<I>,
        ticket: Ticket,
        stretch: &Stretch,
        buffer: &mut Buffer,
    ) -> Result<()> {
        let Stretch { piece, inode, offset_bytes: from_bytes } = *stretch;
        let block_size = self.plan.block_size();
        let (offset_bytes, bytes) = (block_size.offset_of(piece.start()), block_size.bytes_in(piece.blocks));
        if self.device.order() == Order::Ascending {
            // Who waits for a turn has the host read meanwhile.
            self.sources.with_file(inode, |file| announce(file, from_bytes, bytes));
        }
        if !turns.wait(ticket) {
            return Ok(());
        }
        let taken = self
            .sources
            .with_file(inode, |file| self.device.copy_from(offset_bytes, file, from_bytes, bytes));
        let taken_bytes =
            taken.unwrap_or(Ok(0)).map_err(|source| Error::Write { offset_bytes, bytes, source })?;
        self.note_buffer_level();
        let blocks = u32::try_from(taken_bytes / u64::from(block_size.bytes())).unwrap_or(u32::MAX);
        self.progress.add_bytes(block_size.bytes_in(blocks.min(piece.blocks)));
        let rest = piece.tail(blocks.min(piece.blocks));
        for chunk in Chunks::new(Vec::from_iter((rest.blocks > 0).then_some(rest)), block_size) {
            self.progress.check()?;
            self.put(turns, ticket, &chunk, buffer)?;
        }
        Ok(())
    }

    fn write_at(&self, start: Sector, bytes: &[u8]) -> Result<()> {
        let offset_bytes = self.plan.block_size().offset_of(start);
        let failed = |source| Error::Write { offset_bytes, bytes: bytes.len() as u64, source };
        self.device.write_at(offset_bytes, bytes).map_err(failed)?;
        self.note_buffer_level();
        Ok(())
    }

    fn note_buffer_level(&self) {
        if let Some(percent) = self.device.buffer_level_percent() {
            self.progress.set_buffer_level(percent);
        }
    }
}

/// Has the host read a part of a file ahead, as far as it likes to.
fn announce(file: &File, offset_bytes: u64, bytes: u64) {
    let _ = rustix::fs::fadvise(file, offset_bytes, NonZero::new(bytes), Advice::WillNeed);
}

/// All work in the order of the device: heads that move have the less to do.
fn ascending(stretches: Vec<Stretch>, chunks: Chunks) -> impl Iterator<Item = Job> {
    let (mut stretches, mut chunks) = (stretches.into_iter().peekable(), chunks.peekable());
    std::iter::from_fn(move || {
        let behind = |stretch: &Stretch, chunk: &Chunk| stretch.piece.start() > chunk.start();
        match (stretches.peek(), chunks.peek()) {
            (Some(stretch), Some(chunk)) if behind(stretch, chunk) => chunks.next().map(Job::Write),
            (Some(_), _) => stretches.next().map(Job::Take),
            (None, _) => chunks.next().map(Job::Write),
        }
    })
}
