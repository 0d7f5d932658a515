//! Where two things meet: which of them stays.

use super::host::{Body, Found};
use super::record::Thing;
use super::{Conflict, Facts, Sameness, Scanner};
use crate::error::{Error, Result};
use crate::tree::{Attributes, InodeId, Kind, NodeId};

impl Scanner<'_> {
    /// Gives a directory the attributes of another one that meets it.
    pub(super) fn impose(&mut self, directory: NodeId, attributes: Attributes) {
        let telling = |of: &Attributes| (of.mode, of.uid, of.gid, of.modified);
        let id = self.tree.node(directory).inode;
        let inode = self.tree.inode(id);
        // Looking at a directory changes its time of access: by itself no reason to record it again.
        let same = inode.kept.is_some() && telling(&inode.attributes) == telling(&attributes);
        if self.options.on_conflict != Conflict::Keep && !same {
            self.tree.set_attributes(id, attributes);
            self.touch(directory);
        }
    }

    /// How something compares with what an earlier session recorded, if that is to be left alone where it is the same.
    pub(super) fn compare(&mut self, node: NodeId, found: &Found, target: &str) -> Result<Sameness> {
        let old = self.tree.inode_of(node);
        if !self.options.update || old.kept.is_none() || old.kind == Kind::Directory {
            return Ok(Sameness::Other);
        }
        let facts = Facts {
            kind: found.body.kind(),
            size_bytes: if let Body::File { size_bytes, .. } = found.body { size_bytes } else { 0 },
            attributes: &found.attributes,
            target,
            device: if let Body::Device(_, major, minor) = found.body { (major, minor) } else { (0, 0) },
        };
        self.existing.compare(self.tree, node, &facts)
    }

    /// Leaves what an earlier session recorded where it is, but for its attributes if those changed, and for what else it is a
    /// name of.
    pub(super) fn leave(&mut self, thing: &Thing<'_>, node: NodeId, found: &Found, sameness: Sameness) {
        let inode = self.tree.node(node).inode;
        if found.names > 1 {
            let known = *self.hard_links.entry(found.id).or_insert(inode);
            if known != inode {
                self.link(thing, Some(node), known);
                return;
            }
        }
        if sameness == Sameness::Content {
            self.tree.set_attributes(inode, found.attributes);
            self.outcome.changed_attributes.insert(inode);
            self.outcome.replaced += 1;
        } else {
            self.outcome.unchanged += 1;
        }
    }

    /// Lets a name stand for an inode that has another name already.
    pub(super) fn link(&mut self, thing: &Thing<'_>, old: Option<NodeId>, inode: InodeId) {
        let node = self.place(thing, old, inode);
        if self.tree.inode(inode).kept.is_some() {
            self.outcome.linked.push((node, inode));
            self.see_node(node);
        }
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
