//! The tree: every entry once, and how often each is led to (R099, R104, R105).

use alloc::{string::String, vec, vec::Vec};
use core::mem;

use super::context::At;
use super::directory::Child;
use super::entry::Facts;
use super::files::Files;
use super::path::{DirectoryId, Subject};
use super::role::Role;
use crate::file::characteristics;
use crate::general::LongAd;
use crate::read::ReadAt;
use crate::units::{BlockAddress, PartitionReference};

/// Blocks that are read at once: entries of one directory mostly lie together.
const BATCH_BLOCKS: u32 = 128;
/// Blocks between two entries that are read rather than left out.
const BATCH_GAP_BLOCKS: u32 = 4;
/// Between two reports of progress.
const PROGRESS_EVERY: usize = 1024;

/// An entry that has been seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Icb {
    pub(super) unique_id: u64,
    /// Nobody else may have that id.
    owns_id: bool,
    /// The link count that it records; nobody counts those of what could not be read, and of directories not here.
    pub(super) links: Option<u16>,
    /// Names that lead to it, and the parent in a directory of its streams.
    found_links: u32,
    pub(super) is_directory: bool,
    /// Where its first name is.
    directory: DirectoryId,
}

/// A directory whose entry has been checked and whose names have not.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) facts: Facts,
    pub(super) role: Role,
    directory: DirectoryId,
    /// The ICB of the directory above; of streams that of the file.
    pub(super) parent: BlockAddress,
    pub(super) parent_unique_id: u64,
    pub(super) parent_is_directory: bool,
    /// The flags beside the address of this directory and of the one above, which those who refer to it repeat.
    flags: u16,
    pub(super) parent_flags: u16,
    /// Of streams: body and object size of the file.
    owner: Option<(u64, u64)>,
    /// Bytes of the path that leads here, counted as the standard does.
    pub(super) path_bytes: u32,
}

impl<R: ReadAt> Files<'_, R> {
    /// Walks the whole tree from the root, and the streams of the volume.
    pub(super) fn tree(&mut self, root: &LongAd, system_streams: Option<LongAd>) {
        self.top("", root, Role::Root);
        if let Some(streams) = system_streams {
            self.top("(streams of the volume)", &streams, Role::SystemStreams);
        }
        while let Some(job) = self.jobs.pop() {
            self.directory(&job);
        }
        self.context.subject = Subject::Volume;
        self.tell_progress();
    }

    /// A directory that none is above.
    fn top(&mut self, name: &str, icb: &LongAd, role: Role) {
        let directory = self.context.paths.add(None, name);
        self.context.subject = Subject::Directory(directory);
        self.metadata_address(At::new("reference", icb.start()), icb.start());
        let Some(block) = self.read_block(At::new("directory", icb.start()), icb.start()) else { return };
        let Some(facts) = self.visit(icb, &block, role) else { return };
        self.register(icb.start(), Some(&facts), role, directory);
        if role == Role::Root {
            self.directories = self.directories.saturating_add(1);
        }
        self.streams(icb, &facts, directory);
        if facts.is_directory() {
            self.jobs.push(Job {
                role,
                directory,
                parent: facts.icb,
                parent_unique_id: facts.unique_id,
                parent_is_directory: true,
                flags: icb.flags.get(),
                parent_flags: icb.flags.get(),
                owner: None,
                path_bytes: 0,
                facts,
            });
        } else {
            self.complete = false;
        }
    }

    fn register(&mut self, icb: BlockAddress, facts: Option<&Facts>, role: Role, directory: DirectoryId) {
        let is_directory = facts.is_some_and(Facts::is_directory);
        let streams = facts.is_some_and(|facts| facts.streams.is_some());
        let entry = Icb {
            unique_id: facts.map_or(0, |facts| facts.unique_id),
            owns_id: facts.is_some() && role == Role::Named,
            links: facts.filter(|_| !is_directory).map(|facts| facts.links),
            found_links: u32::from(streams).saturating_add(1),
            is_directory,
            directory,
        };
        self.icbs.insert(icb, entry);
        if self.icbs.len().is_multiple_of(PROGRESS_EVERY) {
            self.tell_progress();
        }
    }

    fn directory(&mut self, job: &Job) {
        self.context.subject = Subject::Directory(job.directory);
        let at = At::new("directory", job.facts.icb);
        let mut children = self.identifiers(at, job);
        self.names(&mut children);
        children.retain(|child| !child.has(characteristics::DELETED));
        self.paths(job, &children);
        children.sort_unstable_by_key(|child| child.icb.start());
        let (subdirectories, stream_bytes) = self.children(job, &children);
        self.context.subject = Subject::Directory(job.directory);
        self.directory_links(at, job, subdirectories);
        if let Some((size, object_size)) = job.owner {
            let sum = size.saturating_add(stream_bytes);
            if sum != object_size && self.complete {
                self.error(
                    104,
                    at,
                    format_args!("object size is {object_size}, body and streams have {sum} bytes"),
                );
            }
        }
    }

    /// One link from its own name, one from each directory in it, one from its streams.
    fn directory_links(&mut self, at: At, job: &Job, subdirectories: u32) {
        let own = match job.role {
            Role::Streams(_) => 0,
            _ => 1,
        };
        let streams = u32::from(job.facts.streams.is_some());
        let (found, right) = (job.facts.links, subdirectories.saturating_add(own).saturating_add(streams));
        if u32::from(found) != right && self.complete {
            self.error(99, at, format_args!("link count is {found}, must be {right}"));
        }
    }

    /// Visits what the names of a directory lead to, in the order of the device. How many are directories, and how many bytes
    /// the bodies have.
    fn children(&mut self, job: &Job, children: &[Child]) -> (u32, u64) {
        let (mut subdirectories, mut bytes) = (0_u32, 0_u64);
        let mut rest = children;
        let mut jobs = Vec::new();
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(batch(rest));
            rest = others;
            let blocks = self.read_batch(batch);
            for child in batch {
                self.context.subject = Subject::File(job.directory, String::from(&*child.name));
                let block = blocks.as_ref().and_then(|(first, blocks)| {
                    let skip = child.icb.start().block.0.checked_sub(first.block.0)?;
                    let start = usize::try_from(self.block_size().bytes_in(skip)).ok()?;
                    blocks.get(start..)?.get(..self.block_size().len())
                });
                let (is_directory, size) = self.child(job, child, block, &mut jobs);
                subdirectories = subdirectories.saturating_add(u32::from(is_directory));
                bytes = bytes.saturating_add(size);
            }
        }
        // The last is taken first.
        self.jobs.extend(jobs.into_iter().rev());
        (subdirectories, bytes)
    }

    /// Reads the blocks from the first to the last ICB of some names, if there are several and they lie in one piece.
    fn read_batch(&mut self, batch: &[Child]) -> Option<(BlockAddress, Vec<u8>)> {
        let (first, last) = (batch.first()?.icb.start(), batch.last()?.icb.start());
        let blocks = last.block.0.saturating_sub(first.block.0).saturating_add(1);
        let mut bytes = vec![0; self.block_size().len().saturating_mul(usize::try_from(blocks).ok()?)];
        self.read_first_copy(first, &mut bytes).ok()?;
        self.note_read(first, &bytes);
        Some((first, bytes))
    }

    /// Looks at what a name leads to, unless that has been done. Whether it is a directory, and the bytes of its body.
    fn child(&mut self, job: &Job, child: &Child, block: Option<&[u8]>, jobs: &mut Vec<Job>) -> (bool, u64) {
        let role = job.role.of_children();
        self.stream_name(child, role);
        if child.icb.bytes() == 0 {
            self.complete = false;
            return (false, 0);
        }
        let icb = child.icb.start();
        if let Some(seen) = self.icbs.get_mut(&icb) {
            seen.found_links = seen.found_links.saturating_add(1);
            let seen = *seen;
            self.further_name(child, &seen, role);
            return (seen.is_directory, 0);
        }
        self.metadata_address(child.at(), icb);
        self.keeps_body = self.names_non_allocatable(child, role, job.role == Role::Root);
        let facts = match block {
            Some(block) => self.visit(&child.icb, block, role),
            None => self.read_block(child.at(), icb).and_then(|block| self.visit(&child.icb, &block, role)),
        };
        self.keeps_body = false;
        self.register(icb, facts.as_ref(), role, job.directory);
        let Some(facts) = facts else {
            self.complete = false;
            return (false, 0);
        };
        self.first_name(child, &facts, role);
        self.non_allocatable_space(child, &facts, role, job.role == Role::Root);
        let size = facts.size_bytes;
        let is_directory = facts.is_directory();
        let directory = if is_directory {
            self.context.paths.add(Some(job.directory), &child.name)
        } else {
            job.directory
        };
        self.streams(&child.icb, &facts, directory);
        if is_directory {
            let path_bytes = job.path_bytes.saturating_add(child.name_bytes.into()).saturating_add(1);
            jobs.push(Job {
                role,
                directory,
                parent: job.facts.icb,
                parent_unique_id: job.facts.unique_id,
                parent_is_directory: true,
                flags: child.icb.flags.get(),
                parent_flags: job.flags,
                owner: None,
                path_bytes,
                facts,
            });
        }
        (is_directory, size)
    }

    /// The directory of the streams of a file, if it has streams; `file` is the address that led to the file.
    fn streams(&mut self, file: &LongAd, facts: &Facts, directory: DirectoryId) {
        let Some(icb) = facts.streams else { return };
        let role = Role::Streams(facts.unique_id);
        let at = At::new("stream directory", icb.start());
        if self.icbs.contains_key(&icb.start()) {
            self.error(126, at, format_args!("something else leads there too"));
            return;
        }
        self.metadata_address(at, icb.start());
        let streams = self.read_block(at, icb.start()).and_then(|block| self.visit(&icb, &block, role));
        self.register(icb.start(), streams.as_ref(), role, directory);
        let Some(streams) = streams.filter(Facts::is_directory) else {
            self.complete = false;
            return;
        };
        self.jobs.push(Job {
            role,
            directory,
            parent: facts.icb,
            parent_unique_id: facts.unique_id,
            parent_is_directory: facts.is_directory(),
            flags: icb.flags.get(),
            parent_flags: file.flags.get(),
            owner: Some((facts.size_bytes, facts.object_size_bytes)),
            path_bytes: 0,
            facts: streams,
        });
    }

    /// Entries must be in the metadata partition, if there is one (UDF 2.2.13.1).
    pub(super) fn metadata_address(&mut self, at: At, icb: BlockAddress) {
        if let Some(PartitionReference(metadata)) = self.metadata
            && icb.partition.0 != metadata
        {
            self.error(88, at, format_args!("leads to {icb}, which is not in the metadata partition"));
        }
    }

    /// What can be said only when every name has been seen.
    pub(super) fn links_and_ids(&mut self) {
        let icbs = mem::take(&mut self.icbs);
        if self.complete {
            for (icb, seen) in &icbs {
                let Some(links) = seen.links.filter(|links| u32::from(*links) != seen.found_links) else {
                    continue;
                };
                self.context.subject = Subject::Directory(seen.directory);
                let found = seen.found_links;
                let at = At::new("entry of a file in it", *icb);
                self.error(99, at, format_args!("link count is {links}, must be {found}"));
            }
        }
        let table =
            self.volume.virtual_table().map(|table| (table.head.entry.unique_id, table.head.entry.icb));
        let mut ids: Vec<(u64, BlockAddress)> =
            icbs.iter().filter(|(_, seen)| seen.owns_id).map(|(icb, seen)| (seen.unique_id, *icb)).collect();
        if let Some((id, icb)) = table
            && let Some((_, other)) = ids.iter().find(|(other, _)| *other == id)
        {
            let at = At::new("virtual allocation table", icb);
            self.error(80, at, format_args!("unique id {id} is that of the entry at {other} too"));
        }
        ids.sort_unstable();
        for ((one, icb), (other, other_icb)) in ids.iter().zip(ids.iter().skip(1)) {
            if one == other {
                self.context.subject = Subject::Volume;
                let at = At::new("entry", *other_icb);
                self.error(105, at, format_args!("unique id {one} is that of the entry at {icb} too"));
            }
        }
        self.context.subject = Subject::Volume;
    }
}

/// How many names to read the entries of in one go: at least one.
fn batch(children: &[Child]) -> usize {
    let Some(first) = children.first().map(|child| child.icb.start()) else { return 0 };
    let near = |one: BlockAddress, other: BlockAddress| {
        let in_reach = |from: BlockAddress, blocks: u32| {
            other.partition == from.partition && other.block.0.saturating_sub(from.block.0) <= blocks
        };
        in_reach(one, BATCH_GAP_BLOCKS) && in_reach(first, BATCH_BLOCKS)
    };
    let pairs = children.iter().zip(children.iter().skip(1));
    let together = pairs.take_while(|(one, other)| near(one.icb.start(), other.icb.start())).count();
    together.saturating_add(1)
}
