//! Changes that can be taken back: moving names, and a journal of how to have the tree as it was.

use udf::general::Moment;

use super::{Attributes, Content, Exists, InodeId, Name, NodeId, Streams, Text, Tree};

/// How to take back one change.
#[derive(Clone, Copy, Debug)]
pub(super) enum Undo {
    /// A name was added.
    Link(NodeId),
    /// A name stands for something else; so many names were gone before.
    Replace { node: NodeId, inode: InodeId, gone: usize },
    /// A name was taken out; so many names were gone before.
    Unlink { node: NodeId, gone: usize },
    /// A name was in another directory, or another one.
    Move { node: NodeId, parent: NodeId, name: Text },
    /// It had no named streams.
    Streams(InodeId),
    /// It had these named streams.
    NoStreams(InodeId, Streams),
    /// Attributes were others.
    Attributes(InodeId, Attributes),
}

impl Tree {
    pub(super) fn note(&mut self, undo: Undo) {
        if let Some(journal) = &mut self.journal {
            journal.push(undo);
        }
    }

    /// From now on changes can be taken back.
    pub(crate) fn keep_journal(&mut self) {
        self.journal.get_or_insert_default();
    }

    /// Does something that is not to be taken back: names that an earlier session recorded are read.
    pub(crate) fn without_journal<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let journal = self.journal.take();
        let done = act(self);
        self.journal = journal;
        done
    }

    /// How many changes could be taken back.
    pub(crate) fn journal_len(&self) -> usize {
        self.journal.as_ref().map_or(0, Vec::len)
    }

    /// Takes changes back until so many are left.
    pub(crate) fn undo_to(&mut self, len: usize) {
        let Some(mut journal) = self.journal.take() else { return };
        while journal.len() > len
            && let Some(undo) = journal.pop()
        {
            self.undo(undo);
        }
        self.journal = Some(journal);
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Link(node) => {
                self.detach(node);
                self.count_below(node, -1);
            }
            Undo::Replace { node, inode, gone } => {
                self.count_below(node, -1);
                self.nodes[node.0 as usize].inode = inode;
                self.own(node);
                self.count_below(node, 1);
                self.gone.truncate(gone);
            }
            Undo::Unlink { node, gone } => {
                self.attach(node);
                self.count_below(node, 1);
                self.gone.truncate(gone);
            }
            Undo::Move { node, parent, name } => self.put(node, parent, name),
            Undo::Streams(owner) => self.forget_streams(owner),
            Undo::NoStreams(owner, streams) => self.keep_streams(owner, streams),
            Undo::Attributes(inode, attributes) => self.inodes[inode.index()].attributes = attributes,
        }
    }

    /// Gives an inode other attributes.
    pub fn set_attributes(&mut self, inode: InodeId, attributes: Attributes) {
        let old = self.inode(inode).attributes;
        self.note(Undo::Attributes(inode, old));
        if matches!(self.inode(inode).content, Content::Host(_)) {
            self.host_times.entry(inode).or_insert(old.modified);
        }
        self.inodes[inode.index()].attributes = attributes;
    }

    /// When a file of the host was last modified, as far as it was looked at.
    #[must_use]
    pub fn host_time(&self, inode: InodeId) -> Moment {
        self.host_times.get(&inode).copied().unwrap_or(self.inode(inode).attributes.modified)
    }

    /// Gives a name, with all below it, another place and another text.
    ///
    /// # Panics
    /// If `parent` is no directory, or is below `id`; or if `id` is the root.
    pub fn move_to(&mut self, id: NodeId, parent: NodeId, name: &Name) -> Result<(), Exists> {
        let up = std::iter::successors(Some(parent), |at| Some(self.node(*at).parent));
        let up = up.take_while(|at| *at != self.root());
        assert!(id != self.root() && !up.into_iter().any(|at| at == id), "nothing is inside of itself");
        if let Ok(at) = self.position(parent, name.as_bytes()) {
            let there = self.children(parent)[at];
            return if there == id { Ok(()) } else { Err(Exists(there)) };
        }
        if self.inode_of(id).kept.is_some() && !self.moved.contains_key(&id) {
            // Directories above it may have been moved before.
            let from = self.imported_path(id);
            self.moved.insert(id, from);
        }
        let old = self.node(id);
        self.note(Undo::Move { node: id, parent: old.parent, name: old.name });
        let name = self.add_text(name.as_bytes());
        self.put(id, parent, name);
        Ok(())
    }

    fn put(&mut self, node: NodeId, parent: NodeId, name: Text) {
        self.detach(node);
        let to = &mut self.nodes[node.0 as usize];
        (to.parent, to.name) = (parent, name);
        self.attach(node);
    }

    fn detach(&mut self, node: NodeId) {
        let parent = self.node(node).parent;
        if let (Content::Directory(directory), Ok(at)) =
            (self.inode_of(parent).content, self.position(parent, self.name(node)))
        {
            self.directories[directory.0 as usize].children.remove(at);
        }
    }

    fn attach(&mut self, node: NodeId) {
        let parent = self.node(node).parent;
        let Content::Directory(directory) = self.inode_of(parent).content else {
            panic!("{} is no directory", self.path(parent))
        };
        if let Err(at) = self.position(parent, self.name(node)) {
            self.directories[directory.0 as usize].children.insert(at, node);
        }
    }

    /// A directory belongs to the name that stands for it.
    fn own(&mut self, node: NodeId) {
        if let Content::Directory(directory) = self.inode_of(node).content {
            self.directories[directory.0 as usize].node = node;
        }
    }

    /// Counts a name, and all below it, into or out of the links of their inodes.
    fn count_below(&mut self, node: NodeId, by: i32) {
        let mut stack = vec![node];
        while let Some(node) = stack.pop() {
            stack.extend(self.children(node));
            let inode = &mut self.inodes[self.nodes[node.0 as usize].inode.index()];
            inode.links = inode.links.saturating_add_signed(by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    /// Every name with what it stands for and how many names that has.
    fn all(tree: &Tree) -> Vec<(String, InodeId, u32, u16)> {
        let (mut found, mut stack) = (Vec::new(), vec![tree.root()]);
        while let Some(node) = stack.pop() {
            let inode = tree.inode_of(node);
            found.push((tree.path(node), tree.node(node).inode, inode.links, inode.attributes.mode));
            stack.extend(tree.children(node));
        }
        found.sort();
        found
    }

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn every_change_can_be_taken_back() {
        let mut tree = Tree::new(Attributes::default());
        tree.keep_journal();
        let root = tree.root();
        let mut states = vec![(tree.journal_len(), all(&tree))];
        let mut note = |tree: &Tree| states.push((tree.journal_len(), all(tree)));
        let inode = tree.add_directory(Attributes::default());
        let a = tree.link(root, &name("a"), inode).unwrap();
        note(&tree);
        let body = tree.add_body(b"x"[..].into());
        let file = tree.add_inode(Kind::File, Attributes::default(), body);
        let x = tree.link(a, &name("x"), file).unwrap();
        tree.link(root, &name("y"), file).unwrap();
        note(&tree);
        let inode = tree.add_directory(Attributes::default());
        let b = tree.link(root, &name("b"), inode).unwrap();
        tree.move_to(a, b, &name("c")).unwrap();
        assert_eq!(tree.path(x), "/b/c/x");
        note(&tree);
        tree.set_attributes(file, Attributes { mode: 0o600, ..Attributes::default() });
        tree.move_to(x, root, &name("z")).unwrap();
        note(&tree);
        tree.replace(b, file);
        note(&tree);
        tree.unlink(x);
        note(&tree);
        for (len, expected) in states.iter().rev() {
            tree.undo_to(*len);
            assert_eq!(all(&tree), *expected);
        }
    }

    #[test]
    #[should_panic(expected = "nothing is inside of itself")]
    fn nothing_is_moved_into_itself() {
        let mut tree = Tree::new(Attributes::default());
        let inode = tree.add_directory(Attributes::default());
        let a = tree.link(tree.root(), &name("a"), inode).unwrap();
        let _ = tree.move_to(a, a, &name("b"));
    }
}
