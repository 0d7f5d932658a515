//! Puts one thing into the tree.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::host::{Body, Found};
use super::naming::Naming;
use super::{Sameness, Scanner, Symlinks, link_target};
use crate::error::{Result, Warning};
use crate::tree::{Attributes, Content, HostDirectoryId, HostFile, InodeId, Kind, NodeId, Text};

/// Where something is, and where it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thing<'a> {
    pub(super) parent: NodeId,
    pub(super) naming: &'a Naming,
    pub(super) host: HostDirectoryId,
    pub(super) host_name: &'a [u8],
}

impl Scanner<'_> {
    /// Puts something under its name. Of a directory, the node is returned: its contents may follow.
    pub(super) fn record(&mut self, thing: &Thing<'_>, found: Found) -> Result<Option<NodeId>> {
        if self.options.skip == Some(found.id) {
            let path = self.host_path(thing);
            self.note(format!("{path:?} is the volume that is being written, and not taken into itself"));
            return Ok(None);
        }
        if let Some(error) = &found.dangling {
            let path = self.host_path(thing);
            self.note(format!("{path:?} cannot be followed ({error}), and is kept as a link"));
        }
        match found.body {
            Body::Directory => self.record_directory(thing, found.attributes, true),
            Body::Link(_) if self.options.symlinks == Symlinks::Skip => Ok(None),
            _ => self.record_leaf(thing, found).map(|()| None),
        }
    }

    /// Sees to it that there is a directory, with these attributes if it is new or if they are to be `imposed`.
    pub(super) fn record_directory(
        &mut self,
        thing: &Thing<'_>,
        attributes: Attributes,
        imposed: bool,
    ) -> Result<Option<NodeId>> {
        let old = self.tree.child(thing.parent, &thing.naming.name);
        if let Some(node) = old {
            if self.tree.inode_of(node).kind == Kind::Directory {
                self.load(node)?;
                if imposed {
                    self.impose(node, attributes);
                }
                return Ok(Some(node));
            }
            if !self.gives_way(node, thing, Kind::Directory)? {
                return Ok(None);
            }
        }
        let inode = self.tree.add_directory(attributes);
        Ok(Some(self.place(thing, old, inode)))
    }

    fn record_leaf(&mut self, thing: &Thing<'_>, found: Found) -> Result<()> {
        let Some(target) = self.target(thing, &found.body) else { return Ok(()) };
        let (kind, old) = (found.body.kind(), self.tree.child(thing.parent, &thing.naming.name));
        if let Some(node) = old {
            let sameness = self.compare(node, &found, &target)?;
            if sameness != Sameness::Other {
                self.leave(thing, node, &found, sameness);
                return Ok(());
            }
            if !self.gives_way(node, thing, kind)? {
                return Ok(());
            }
        }
        if found.names > 1
            && let Some(inode) = self.hard_links.get(&found.id).copied()
        {
            self.link(thing, old, inode);
            return Ok(());
        }
        let inode = self.tree.add_inode(kind, found.attributes, Content::None);
        let node = self.place(thing, old, inode);
        self.tree.inode_mut(inode).content = self.content(node, thing, found.body, &target);
        if self.options.extended_attributes && kind == Kind::File {
            self.record_extended_attributes(node, thing);
        }
        if found.names > 1 {
            self.hard_links.insert(found.id, inode);
        }
        Ok(())
    }

    /// The target of a link as it can be recorded; nothing, after a warning, if it cannot.
    fn target(&mut self, thing: &Thing<'_>, body: &Body) -> Option<String> {
        let Body::Link(target) = body else { return Some(String::new()) };
        let recorded = link_target::recordable(target);
        match &recorded {
            None => self.left_out(thing, "a name in the target of the link is too long"),
            Some(recorded) if recorded.as_bytes() != &**target => {
                let why = String::from("the target of the link holds what volumes cannot");
                let warning =
                    Warning::NameChanged { path: self.host_path(thing), why, recorded: recorded.clone() };
                self.outcome.warnings.push(warning);
            }
            Some(_) => {}
        }
        recorded
    }

    /// Lets a name stand for an inode.
    pub(super) fn place(&mut self, thing: &Thing<'_>, old: Option<NodeId>, inode: InodeId) -> NodeId {
        self.touch(thing.parent);
        let Some(node) = old else {
            self.outcome.added += 1;
            let linked = self.tree.link(thing.parent, &thing.naming.name, inode);
            let node = linked.expect("there is nothing of this name");
            self.tell_of_change(node, thing);
            return node;
        };
        self.outcome.replaced += 1;
        self.outcome.removed += self.tree.replace(node, inode) as u64;
        if let Some(hidden) = self.renamed.remove(&node)
            && thing.naming.changed.is_none()
        {
            let why = String::from("its name had to be changed, and something else has the changed one");
            let warning = Warning::LeftOut { path: OsStr::from_bytes(&hidden).into(), why };
            self.outcome.warnings.push(warning);
        }
        self.tell_of_change(node, thing);
        node
    }

    fn content(&mut self, node: NodeId, thing: &Thing<'_>, body: Body, target: &str) -> Content {
        match body {
            Body::File { size_bytes, data } => {
                let holes = data.map(|data| self.tree.add_holes(data));
                let name = self.stored(node, thing.host_name);
                Content::Host(HostFile { directory: thing.host, name, size_bytes, holes })
            }
            Body::Link(_) => Content::Target(self.tree.add_text(target.as_bytes())),
            Body::Device(_, major, minor) => Content::Device(major, minor),
            Body::Directory | Body::Other(_) => Content::None,
        }
    }

    /// A name of the host in the arena: in most cases it is there already, as the name on the volume.
    pub(super) fn stored(&mut self, node: NodeId, host_name: &[u8]) -> Text {
        let own = self.tree.stored_name(node).without_first();
        if self.tree.text(own) == host_name { own } else { self.tree.add_text(host_name) }
    }

    /// Sees to it that the children of a directory are known.
    pub(super) fn load(&mut self, directory: NodeId) -> Result<()> {
        if matches!(self.tree.inode_of(directory).content, Content::Directory(_)) {
            return Ok(());
        }
        self.existing.load(self.tree, directory)
    }

    /// Something about a directory is no longer what an earlier session recorded.
    pub(super) fn touch(&mut self, directory: NodeId) {
        if self.tree.inode_of(directory).kept.is_some() {
            self.outcome.changed_directories.insert(directory);
        }
    }
}
