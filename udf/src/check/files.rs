//! What checks of the logical volume share: its partitions, which blocks are used, and reading without trust.

use alloc::{collections::BTreeMap, vec, vec::Vec};
use core::fmt::Arguments;

use super::CheckProgress;
use super::context::{At, Context, whole_blocks};
use super::digest::Digests;
use super::tree::{Icb, Job};
use super::usage::Usage;
use crate::error::{Error, Fault};
use crate::read::{Extent, Partition, PartitionKind, ReadAt, Volume};
use crate::units::{BlockAddress, BlockSize, PartitionReference};

/// Extents of directories, all together, that are kept in memory: 200 MB of them, from directories in pieces of a block each.
const MAX_EXTENTS: u32 = 1 << 23;

/// The state of a check of the files of a volume.
pub(super) struct Files<'a, R> {
    pub(super) context: Context<'a, R>,
    pub(super) volume: &'a Volume<&'a R>,
    pub(super) used: Usage,
    /// The partition in which metadata must be, if the volume has one of that kind.
    pub(super) metadata: Option<PartitionReference>,
    /// Ids from here on are free; unknown unless the integrity descriptor says that the volume was closed.
    pub(super) next_unique_id: Option<u64>,
    /// Files and directories that the integrity descriptor counts.
    pub(super) expected: Option<u64>,
    /// The entries that have been seen, by ICB.
    pub(super) icbs: BTreeMap<BlockAddress, Icb>,
    /// Directories to be looked into.
    pub(super) jobs: Vec<Job>,
    /// Bytes that further directories may have: all together fit on the device unless they share blocks.
    pub(super) room_bytes: u64,
    /// Extents of directories and metadata files that may still be kept in memory.
    pub(super) room_extents: u32,
    /// The extents of the Non-Allocatable Space, if there is one.
    pub(super) non_allocatable: Option<Vec<Extent>>,
    /// The body that is looked at is that one's.
    pub(super) keeps_body: bool,
    /// What has been read of a metadata partition whose mirror has blocks of its own: so its blocks need not be read twice.
    pub(super) digests: Option<Digests>,
    /// Nothing was passed over because it could not be read or understood, so that what was counted can be compared.
    pub(super) complete: bool,
    pub(super) file_names: u64,
    pub(super) directories: u64,
    pub(super) progress: &'a mut dyn FnMut(CheckProgress),
}

impl<'a, R: ReadAt> Files<'a, R> {
    pub(super) fn new(
        context: Context<'a, R>,
        volume: &'a Volume<&'a R>,
        progress: &'a mut dyn FnMut(CheckProgress),
    ) -> Self {
        let partitions = volume.partitions();
        let device_bytes = context.device.size_bytes();
        let device_blocks = whole_blocks(context.block_size, device_bytes);
        let is_metadata = |partition: &Partition| matches!(partition.kind, PartitionKind::Metadata(_));
        let metadata = partitions.iter().zip(0_u16..).find(|(partition, _)| is_metadata(partition));
        let mut used = Usage::new(device_blocks.min(1 << 32), partitions);
        for stretch in &context.stretches {
            used.set_sectors(stretch.first, stretch.end);
        }
        Self {
            context,
            volume,
            used,
            metadata: metadata.map(|(_, reference)| PartitionReference(reference)),
            next_unique_id: None,
            expected: None,
            icbs: BTreeMap::new(),
            jobs: Vec::new(),
            room_bytes: device_bytes,
            room_extents: MAX_EXTENTS,
            non_allocatable: None,
            keeps_body: false,
            digests: None,
            complete: true,
            file_names: 0,
            directories: 0,
            progress,
        }
    }

    pub(super) fn block_size(&self) -> BlockSize {
        self.context.block_size
    }

    pub(super) fn error(&mut self, rule: u8, at: At, message: Arguments<'_>) {
        self.context.error(rule, at, message);
    }

    pub(super) fn warning(&mut self, rule: u8, at: At, message: Arguments<'_>) {
        self.context.warning(rule, at, message);
    }

    pub(super) fn partition(&self, reference: PartitionReference) -> Option<&'a Partition> {
        self.volume.partitions().get(usize::from(reference.0))
    }

    /// Marks blocks as used. Those that are already are a finding; whether there were none.
    pub(super) fn take(&mut self, at: At, start: BlockAddress, blocks: u64) -> bool {
        let Some(partition) = self.partition(start.partition) else { return true };
        let taken = self.used.take(partition, start, blocks);
        if let Some(twice) = taken {
            self.error(113, at, format_args!("{twice} is used by something else too"));
        }
        let is_virtual = matches!(partition.kind, PartitionKind::Virtual(_));
        taken.is_none() && (!is_virtual || self.take_virtual(at, start, blocks))
    }

    /// Reads blocks that lie together. What does not exist or cannot be read is a finding; whether all was read.
    ///
    /// If the device cannot read it and the metadata mirror has it, that is taken.
    pub(super) fn read(&mut self, at: At, start: BlockAddress, out: &mut [u8]) -> bool {
        let fault = match self.read_first_copy(start, out) {
            Ok(()) => {
                self.note_read(start, out);
                return true;
            }
            Err(fault) => fault,
        };
        let is_read_error = matches!(fault, Error::Read { .. });
        let rule = if is_read_error {
            0
        } else if self.is_unused_virtual(start) {
            78
        } else {
            139
        };
        self.error(rule, at, format_args!("{}", reason(&fault)));
        let saved = is_read_error && self.volume.read_blocks(start, out).is_ok();
        self.complete &= saved;
        saved
    }

    /// Notes what blocks hold that have been read.
    pub(super) fn note_read(&mut self, start: BlockAddress, bytes: &[u8]) {
        let len = self.block_size().len();
        if let Some(digests) = self.digests.as_mut().filter(|_| self.metadata == Some(start.partition)) {
            for (block, number) in bytes.chunks_exact(len).zip(start.block.0..) {
                digests.note(number, block);
            }
        }
    }

    /// Reads blocks that lie together, if they do and can be read.
    pub(super) fn read_first_copy(&self, start: BlockAddress, out: &mut [u8]) -> Result<(), Error> {
        let mut at = start;
        let mut rest = out;
        while !rest.is_empty() {
            let run = self.volume.locate(at)?;
            let room = usize::try_from(self.block_size().bytes_in(run.blocks)).unwrap_or(usize::MAX);
            let (piece, others) = rest.split_at_mut(room.min(rest.len()));
            self.volume.read_sectors(run.sector, piece)?;
            rest = others;
            if !rest.is_empty() {
                at = at.checked_add(run.blocks).unwrap_or(at);
            }
        }
        Ok(())
    }

    /// Reads a block.
    pub(super) fn read_block(&mut self, at: At, address: BlockAddress) -> Option<Vec<u8>> {
        let mut block = vec![0; self.block_size().len()];
        self.read(at, address, &mut block).then_some(block)
    }

    /// Looks whether an extent that is allocated lies inside its partition.
    pub(super) fn inside(&mut self, rule: u8, at: At, extent: &Extent) -> bool {
        let Some(partition) = self.partition(extent.start.partition) else {
            let reference = extent.start.partition.0;
            self.error(rule, at, format_args!("there is no partition {reference}"));
            return false;
        };
        if matches!(partition.kind, PartitionKind::Unsupported(_)) {
            return false;
        }
        let end = u64::from(extent.start.block.0).saturating_add(extent.blocks(self.block_size()));
        let length = partition.length_blocks;
        if end > length.into() {
            let start = extent.start;
            self.error(
                rule,
                at,
                format_args!("the extent at {start} ends before block {end}, the partition has {length}"),
            );
        }
        end <= length.into()
    }

    pub(super) fn tell_progress(&mut self) {
        let (files, directories) = (self.file_names, self.directories);
        (self.progress)(CheckProgress { files, directories, expected: self.expected });
    }
}

/// Why an address cannot be read, without repeating it.
fn reason(error: &Error) -> alloc::string::String {
    match error {
        Error::Corrupt(corrupt) => match &corrupt.fault {
            Fault::OutsidePartition { address, blocks } => {
                alloc::format!("{address} does not exist, the partition has {blocks} blocks")
            }
            fault => alloc::format!("{fault}"),
        },
        error => alloc::format!("{error}"),
    }
}
