//! Names of a directory whose entry is lost: a list that begins with the parent's, block after block as far as it goes.

use udf::file::FileIdentifierDescriptor;
use udf::read::ReadAt;
use udf::{BlockAddress, Place};

use super::catalogue::{Record, parent_icb};
use super::listing::{Found, found};
use super::view::View;

/// Bytes of a list of names without an entry that are looked at.
const MOST_BYTES: usize = 16 << 20;

/// Names that were found by themselves: where they are, to be read when they are needed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loose {
    /// Where they begin.
    pub(super) start: BlockAddress,
    /// The ICB of the directory above theirs.
    pub(super) parent: BlockAddress,
}

impl Loose {
    /// The list that begins with a parent's name.
    pub(super) fn new<R: ReadAt>(view: &View<'_, R>, record: &Record) -> Option<Self> {
        let start = view.address(record.at_bytes, record.location)?;
        let mut block = vec![0; view.volume.block_size().len()];
        view.volume.read_blocks(start, &mut block).ok()?;
        Some(Self { start, parent: parent_icb(&block)?.start() })
    }

    /// The names, from the parent's to the first that is not sound, or not where it says.
    pub(super) fn names<R: ReadAt>(&self, view: &View<'_, R>) -> Vec<Found> {
        let start = self.start;
        let block_size = view.volume.block_size();
        let mut bytes = Vec::new();
        let mut names = Vec::new();
        let mut at = 0;
        while at < MOST_BYTES {
            let head = FileIdentifierDescriptor::FIXED_LEN;
            if !fill(view, start, &mut bytes, at + head) {
                break;
            }
            let peeked: Option<&FileIdentifierDescriptor> =
                udf::general::Descriptor::peek(&bytes[at..], Place::Within).ok();
            let Some(length) = peeked.map(FileIdentifierDescriptor::total_len) else { break };
            if !fill(view, start, &mut bytes, at + length) {
                break;
            }
            let Ok(whole) = FileIdentifierDescriptor::split(&bytes[at..], Place::Within) else { break };
            // What follows may be the list of another directory.
            let block =
                u32::try_from(at / block_size.len()).ok().and_then(|blocks| start.checked_add(blocks));
            let name = found(&whole);
            if (name.is_parent() && at > 0)
                || block.map(|block| block.block.0) != Some(whole.fixed.tag.location.get())
            {
                break;
            }
            names.push(name);
            at += length;
        }
        names
    }

    /// The ICB of the directory that these names are of, if a directory in it tells.
    pub(super) fn icb<R: ReadAt>(&self, view: &View<'_, R>) -> Option<BlockAddress> {
        let names = self.names(view);
        let directories =
            names.iter().filter(|name| name.is_directory() && !name.is_parent() && !name.is_deleted());
        directories.into_iter().find_map(|name| {
            let entry = view.volume.entry(&name.icb).ok().filter(udf::read::Entry::is_directory)?;
            let first = view.volume.directory(&entry).ok()?.next()?.ok()?;
            first.is_parent().then(|| first.icb.start())
        })
    }
}

/// Reads whole blocks until there are so many bytes; whether that could be done.
fn fill<R: ReadAt>(view: &View<'_, R>, start: BlockAddress, bytes: &mut Vec<u8>, wanted: usize) -> bool {
    let block_len = view.volume.block_size().len();
    while bytes.len() < wanted {
        let next = u32::try_from(bytes.len() / block_len).ok().and_then(|blocks| start.checked_add(blocks));
        let Some(next) = next else { return false };
        let from = bytes.len();
        bytes.resize(from + block_len, 0);
        if view.volume.read_blocks(next, &mut bytes[from..]).is_err() {
            bytes.truncate(from);
            return false;
        }
    }
    true
}
