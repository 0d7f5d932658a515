//! Where two things meet: which of them stays.

use super::host::{Body, Found};
use super::record::Thing;
use super::{Conflict, Facts, Scanner};
use crate::error::{Error, Result};
use crate::tree::{Attributes, Kind, NodeId};

impl Scanner<'_> {
    /// Gives a directory the attributes of another one that meets it.
    pub(super) fn impose(&mut self, directory: NodeId, attributes: Attributes) {
        let telling = |of: &Attributes| (of.mode, of.uid, of.gid, of.modified);
        let inode = self.tree.inode_mut(self.tree.node(directory).inode);
        // Looking at a directory changes its time of access: by itself no reason to record it again.
        let same = inode.kept.is_some() && telling(&inode.attributes) == telling(&attributes);
        if self.options.on_conflict != Conflict::Keep && !same {
            inode.attributes = attributes;
            self.touch(directory);
        }
    }

    /// Whether an earlier session recorded just this, and that is to be left alone.
    pub(super) fn is_same(&mut self, node: NodeId, found: &Found, target: &str) -> Result<bool> {
        let old = self.tree.inode_of(node);
        if !self.options.update || old.kept.is_none() || old.kind == Kind::Directory {
            return Ok(false);
        }
        let facts = Facts {
            kind: found.body.kind(),
            size_bytes: if let Body::File { size_bytes, .. } = found.body { size_bytes } else { 0 },
            attributes: &found.attributes,
            target,
            device: if let Body::Device(_, major, minor) = found.body { (major, minor) } else { (0, 0) },
        };
        self.existing.is_same(self.tree, node, &facts)
    }

    /// Whether what is there makes way for something of this kind; one of the two may be a directory, not both.
    pub(super) fn gives_way(&mut self, node: NodeId, thing: &Thing<'_>, kind: Kind) -> Result<bool> {
        let was_directory = self.tree.inode_of(node).kind == Kind::Directory;
        match self.options.on_conflict {
            Conflict::Error => {
                let (there, path) = (self.tree.path(node), self.host_path(thing));
                let reason = format!("there is a {there:?} already, which {path:?} would replace");
                return Err(Error::refused(reason, "say which of the two is to stay, or exclude one"));
            }
            Conflict::Keep if was_directory == (kind == Kind::Directory) => self.outcome.unchanged += 1,
            Conflict::Keep => self.left_out(thing, "there is something of this name already"),
            Conflict::Replace if was_directory && !self.options.mirror => {
                self.load(node)?;
                if self.tree.children(node).is_empty() {
                    return Ok(true);
                }
                self.left_out(thing, "there is a directory of this name already, and it is not empty");
            }
            Conflict::Replace => return Ok(true),
        }
        Ok(false)
    }
}
