//! Named streams of what an earlier session recorded: read when their file's entry, or they themselves, are to change.

use udf::read::ReadAt;

use super::import::{Import, kept};
use crate::error::{Error, Result};
use crate::tree::{Attributes, Content, InodeId, Kept, Kind, Name, NodeId, Tree};

impl<R: ReadAt> Import<R> {
    /// The directory of the named streams of something kept, read into the tree; `None` if it has none. `below` is one of
    /// its names.
    pub(crate) fn load_streams(
        &mut self,
        tree: &mut Tree,
        owner: InodeId,
        below: NodeId,
    ) -> Result<Option<NodeId>> {
        if let Some(streams) = tree.streams(owner) {
            return Ok(Some(streams.node));
        }
        let Some(kept_owner) = tree.inode(owner).kept else { return Ok(None) };
        let entry = self.volume.entry(&kept_owner.entry_icb())?;
        let (Some(icb), Some(streams)) = (entry.stream_directory, self.volume.streams(&entry)?) else {
            return Ok(None);
        };
        let facts = self.facts(&streams)?;
        let inode = tree.add_inode(Kind::Directory, facts.attributes, Content::None);
        let unique_id = streams.low_unique_id();
        tree.inode_mut(inode).kept = Some(Kept { unique_id, ..kept(&icb, 0) });
        let node = tree.add_streams(owner, below, inode, Some(entry.low_unique_id()));
        tree.open_directory(node, facts.attributes);
        self.entries.insert(inode, facts);
        let found = self.volume.directory(&streams)?.live().collect::<udf::Result<Vec<_>>>()?;
        for stream in found {
            if stream.is_directory() {
                return Err(Error::refused(
                    format!("the streams of {:?} have a directory among them", tree.path(below)),
                    "mend the volume first: mkudf-ms repair",
                ));
            }
            let inode = tree.add_inode(Kind::File, Attributes::default(), Content::None);
            tree.inode_mut(inode).kept = Some(kept(&stream.icb, stream.characteristics));
            tree.link(node, &Name::from_volume(&stream.name), inode).map_err(|_| {
                let reason = format!("{:?} has two streams named {:?}", tree.path(below), stream.name_text());
                Error::refused(reason, "mend the volume first: mkudf-ms repair")
            })?;
        }
        Ok(Some(node))
    }

    /// Without numbers that stay, an entry that is recorded again is elsewhere; the directory of its streams names it, and is
    /// recorded again, too.
    pub(super) fn move_streams(&mut self, tree: &mut Tree) -> Result<()> {
        if !self.entries_move() {
            return Ok(());
        }
        let mut owners: Vec<_> =
            self.entries.iter().filter(|(_, entry)| entry.has_streams).map(|(inode, _)| *inode).collect();
        owners.sort_unstable();
        for owner in owners {
            let below = tree.directory_node(owner).unwrap_or(tree.root());
            self.load_streams(tree, owner, below)?;
        }
        Ok(())
    }
}
