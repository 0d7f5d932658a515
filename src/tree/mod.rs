//! What is to be on the volume, and nothing of where: names, attributes, and where each file's bytes come from.
//!
//! A *node* is a name in a directory; an *inode* is what names stand for; hard links are nodes that share an inode. An
//! inode is *fresh* (to be recorded) or *kept* (it stays where an earlier session recorded it). Both are small and live in
//! two flat tables, names in one arena, because a tree may hold millions.

mod inode;
mod input;
mod journal;
mod name;
mod streams;

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub use inode::{
    Attributes, Content, DirectoryId, HostDirectoryId, HostFile, Inode, InodeId, Kept, Kind, Text,
};
pub use input::{Input, OpenInput};
pub use name::{Name, NameFault, path_names};
pub use streams::Streams;
pub(crate) use streams::stream_name;

use journal::Undo;

/// Which node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// A name in a directory.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// The directory that it is in; the root is in itself.
    pub parent: NodeId,
    /// What it stands for.
    pub inode: InodeId,
    name: Text,
}

/// The children of a directory, in the order of their names.
#[derive(Clone, Debug)]
struct Directory {
    node: NodeId,
    children: Vec<NodeId>,
}

/// A directory of the host: a path, or a name in another one. Whole paths would be most of what a tree of many, or of deep,
/// directories takes.
#[derive(Clone, Copy, Debug)]
struct HostDirectory {
    parent: Option<HostDirectoryId>,
    name: Text,
}

/// What is to be on the volume.
#[derive(Clone)]
pub struct Tree {
    nodes: Vec<Node>,
    inodes: Vec<Inode>,
    directories: Vec<Directory>,
    text: Vec<u8>,
    host_directories: Vec<HostDirectory>,
    holes: Vec<Box<[DataRange]>>,
    bodies: Vec<std::sync::Arc<[u8]>>,
    inputs: Vec<Input>,
    /// Times of files of the host that are recorded with others.
    host_times: std::collections::BTreeMap<InodeId, udf::general::Moment>,
    /// Directories of named streams, by what the streams belong to; and the other way round.
    streams: std::collections::BTreeMap<InodeId, Streams>,
    stream_owners: std::collections::BTreeMap<NodeId, InodeId>,
    /// Where what earlier sessions recorded was before it was moved.
    moved: std::collections::BTreeMap<NodeId, String>,
    gone: Vec<(NodeId, InodeId)>,
    /// What to do, last first, to have the tree as it was; `None` while nobody wants to know.
    journal: Option<Vec<Undo>>,
}

/// A stretch of a sparse file that holds data; what lies between is a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataRange {
    /// Its first byte.
    pub start_bytes: u64,
    /// The byte after its last.
    pub end_bytes: u64,
}

/// There is something of this name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exists(pub NodeId);

impl Tree {
    /// A tree of nothing but a root directory.
    #[must_use]
    pub fn new(root: Attributes) -> Self {
        let mut tree = Self {
            nodes: Vec::new(),
            inodes: Vec::new(),
            directories: Vec::new(),
            text: Vec::new(),
            host_directories: Vec::new(),
            holes: Vec::new(),
            bodies: Vec::new(),
            inputs: Vec::new(),
            host_times: std::collections::BTreeMap::new(),
            streams: std::collections::BTreeMap::new(),
            stream_owners: std::collections::BTreeMap::new(),
            moved: std::collections::BTreeMap::new(),
            gone: Vec::new(),
            journal: None,
        };
        let inode = tree.add_directory(root);
        tree.inodes[inode.index()].links = 1;
        tree.nodes.push(Node { parent: NodeId(0), inode, name: Text::EMPTY });
        tree
    }

    /// The root directory.
    #[must_use]
    pub fn root(&self) -> NodeId {
        NodeId(0)
    }

    /// A node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Node {
        self.nodes[id.0 as usize]
    }

    /// What a node stands for.
    #[must_use]
    pub fn inode_of(&self, id: NodeId) -> &Inode {
        self.inode(self.node(id).inode)
    }

    /// An inode.
    #[must_use]
    pub fn inode(&self, id: InodeId) -> &Inode {
        &self.inodes[id.index()]
    }

    /// An inode, to be changed.
    pub fn inode_mut(&mut self, id: InodeId) -> &mut Inode {
        &mut self.inodes[id.index()]
    }

    /// All inodes there ever were, removed ones included.
    pub fn inodes(&self) -> impl Iterator<Item = &Inode> {
        self.inodes.iter()
    }

    /// How many inodes there ever were, removed ones included: every [`InodeId`] is below.
    #[must_use]
    pub fn inode_count(&self) -> usize {
        self.inodes.len()
    }

    /// How many nodes there ever were, removed ones included: every [`NodeId`] is below.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The name of a node in d-characters; the root has none.
    #[must_use]
    pub fn name(&self, id: NodeId) -> &[u8] {
        self.text(self.node(id).name)
    }

    /// Where in the arena the name of a node is.
    #[must_use]
    pub fn stored_name(&self, id: NodeId) -> Text {
        self.node(id).name
    }

    /// The name of a node as text.
    #[must_use]
    pub fn name_text(&self, id: NodeId) -> String {
        udf::general::text::decode_lossy(self.name(id))
    }

    /// The path that a node had in the session that it was imported from, if it was moved since.
    #[must_use]
    pub fn moved_from(&self, id: NodeId) -> Option<&str> {
        self.moved.get(&id).map(String::as_str)
    }

    /// The path that a node had in the session that it was imported from.
    fn imported_path(&self, id: NodeId) -> String {
        if id == self.root() {
            return String::new();
        }
        match self.moved.get(&id) {
            Some(from) => from.clone(),
            None => format!("{}/{}", self.imported_path(self.node(id).parent), self.name_text(id)),
        }
    }

    /// The path of a node from the root, beginning with `/`; of a named stream, that of its file, `:` and its name.
    #[must_use]
    pub fn path(&self, id: NodeId) -> String {
        let mut names = Vec::new();
        let mut at = id;
        while at != self.root() {
            names.push(self.name_text(at));
            at = self.node(at).parent;
            if self.stream_owner(at).is_some()
                && let Some(stream) = names.pop()
            {
                at = self.node(at).parent;
                names.push(format!("{}:{stream}", self.name_text(at)));
                at = self.node(at).parent;
            }
        }
        if names.is_empty() {
            return String::from("/");
        }
        names.iter().rev().fold(String::new(), |path, name| path + "/" + name)
    }

    /// The children of a directory in the order of their names; of anything else, none.
    #[must_use]
    pub fn children(&self, id: NodeId) -> &[NodeId] {
        match self.inode_of(id).content {
            Content::Directory(directory) => &self.directories[directory.0 as usize].children,
            _ => &[],
        }
    }

    /// The one name of a directory.
    #[must_use]
    pub fn directory_node(&self, inode: InodeId) -> Option<NodeId> {
        match self.inode(inode).content {
            Content::Directory(directory) => Some(self.directories[directory.0 as usize].node),
            _ => None,
        }
    }

    /// The child of this name.
    #[must_use]
    pub fn child(&self, directory: NodeId, name: &Name) -> Option<NodeId> {
        self.position(directory, name.as_bytes()).ok().map(|at| self.children(directory)[at])
    }

    fn position(&self, directory: NodeId, name: &[u8]) -> Result<usize, usize> {
        self.children(directory).binary_search_by(|child| name::order(self.name(*child), name))
    }

    /// Makes an inode that no name stands for yet.
    ///
    /// # Panics
    /// Beyond 2^32 inodes: the format's unique ids end there.
    pub fn add_inode(&mut self, kind: Kind, attributes: Attributes, content: Content) -> InodeId {
        let id = InodeId(u32::try_from(self.inodes.len()).expect("fewer than 2^32 inodes"));
        self.inodes.push(Inode { kind, links: 0, attributes, content, kept: None });
        id
    }

    /// Makes an empty directory that no name stands for yet.
    ///
    /// # Panics
    /// Beyond 2^32 inodes.
    pub fn add_directory(&mut self, attributes: Attributes) -> InodeId {
        let directory = self.add_children(self.root());
        self.add_inode(Kind::Directory, attributes, Content::Directory(directory))
    }

    /// Gives a kept directory, of which nothing is in the tree yet, its attributes and an empty list of children.
    ///
    /// # Panics
    /// Beyond 2^32 directories.
    pub fn open_directory(&mut self, id: NodeId, attributes: Attributes) {
        let directory = self.add_children(id);
        let inode = self.inode_mut(self.node(id).inode);
        inode.attributes = attributes;
        inode.content = Content::Directory(directory);
    }

    fn add_children(&mut self, node: NodeId) -> DirectoryId {
        let id = u32::try_from(self.directories.len()).expect("fewer than 2^32 directories");
        self.directories.push(Directory { node, children: Vec::new() });
        DirectoryId(id)
    }

    /// Names that were taken out of the tree, or given to something else, while they stood for a kept inode; and those that
    /// were below them, as far as they were in the tree.
    #[must_use]
    pub fn gone(&self) -> &[(NodeId, InodeId)] {
        &self.gone
    }

    /// What an earlier session recorded: where, and how many names it has in the tree.
    pub fn kept(&self) -> impl Iterator<Item = (udf::BlockAddress, u32)> {
        self.inodes().filter_map(|inode| Some((inode.kept?.icb, inode.links)))
    }

    /// Gives an inode a name in a directory.
    ///
    /// # Panics
    /// If `parent` is no directory.
    pub fn link(&mut self, parent: NodeId, name: &Name, inode: InodeId) -> Result<NodeId, Exists> {
        let at = match self.position(parent, name.as_bytes()) {
            Ok(at) => return Err(Exists(self.children(parent)[at])),
            Err(at) => at,
        };
        let name = self.add_text(name.as_bytes());
        let id = NodeId(u32::try_from(self.nodes.len()).expect("fewer than 2^32 names"));
        self.nodes.push(Node { parent, inode, name });
        self.count(id, inode);
        let Content::Directory(directory) = self.inode_of(parent).content else {
            panic!("{} is no directory", self.path(parent))
        };
        self.directories[directory.0 as usize].children.insert(at, id);
        self.note(Undo::Link(id));
        Ok(id)
    }

    /// Lets a name stand for another inode; what was below it is no longer in the tree. Returns how many names went.
    pub fn replace(&mut self, id: NodeId, inode: InodeId) -> usize {
        self.note(Undo::Replace { node: id, inode: self.node(id).inode, gone: self.gone.len() });
        let gone = self.forget(id) - 1;
        self.nodes[id.0 as usize].inode = inode;
        self.count(id, inode);
        gone
    }

    /// Counts a name into the links of its inode.
    fn count(&mut self, id: NodeId, inode: InodeId) {
        self.inodes[inode.index()].links += 1;
        if let Content::Directory(directory) = self.inode(inode).content {
            self.directories[directory.0 as usize].node = id;
        }
    }

    /// Takes a name, and all below it, out of the tree. Returns how many names that were.
    ///
    /// # Panics
    /// If it is the root.
    pub fn unlink(&mut self, id: NodeId) -> usize {
        assert!(id != self.root(), "the root cannot be removed");
        let parent = self.node(id).parent;
        let Content::Directory(directory) = self.inode_of(parent).content else { return 0 };
        let Ok(at) = self.position(parent, self.name(id)) else { return 0 };
        self.directories[directory.0 as usize].children.remove(at);
        self.note(Undo::Unlink { node: id, gone: self.gone.len() });
        self.forget(id)
    }

    /// Counts a name, and all below it, out of the links of their inodes.
    fn forget(&mut self, id: NodeId) -> usize {
        let mut gone = vec![id];
        let mut names = 0;
        while let Some(id) = gone.pop() {
            names += 1;
            gone.extend(self.children(id));
            let inode_id = self.nodes[id.0 as usize].inode;
            let inode = &mut self.inodes[inode_id.index()];
            inode.links = inode.links.saturating_sub(1);
            if inode.kept.is_some() {
                self.gone.push((id, inode_id));
            }
        }
        names
    }

    /// Keeps bytes in the tree's arena.
    ///
    /// # Panics
    /// Beyond 4 GiB of names and targets.
    pub fn add_text(&mut self, bytes: &[u8]) -> Text {
        let text = Text::new(self.text.len(), bytes.len()).expect("names fit 4 GiB");
        self.text.extend_from_slice(bytes);
        text
    }

    /// Bytes from the tree's arena.
    #[must_use]
    pub fn text(&self, text: Text) -> &[u8] {
        &self.text[text.range()]
    }

    /// Remembers a directory of the host by its path.
    pub fn add_host_directory(&mut self, path: &Path) -> HostDirectoryId {
        let name = self.add_text(path.as_os_str().as_bytes());
        self.push_host_directory(HostDirectory { parent: None, name })
    }

    /// Remembers a directory of the host by its name in another one.
    pub fn add_host_subdirectory(&mut self, parent: HostDirectoryId, name: Text) -> HostDirectoryId {
        self.push_host_directory(HostDirectory { parent: Some(parent), name })
    }

    fn push_host_directory(&mut self, directory: HostDirectory) -> HostDirectoryId {
        let id = u32::try_from(self.host_directories.len()).expect("fewer than 2^32 directories");
        self.host_directories.push(directory);
        HostDirectoryId(id)
    }

    /// Where on the host a directory is.
    #[must_use]
    pub fn host_directory_path(&self, id: HostDirectoryId) -> PathBuf {
        let directory = |id: HostDirectoryId| self.host_directories[id.0 as usize];
        let up = std::iter::successors(Some(id), |id| directory(*id).parent);
        let names: Vec<_> = up.map(|id| OsStr::from_bytes(self.text(directory(id).name))).collect();
        names.iter().rev().collect()
    }

    /// Where on the host a file is.
    #[must_use]
    pub fn host_path(&self, file: &HostFile) -> PathBuf {
        self.host_directory_path(file.directory).join(OsStr::from_bytes(self.text(file.name)))
    }

    /// Remembers which parts of a sparse file hold data; give the number to [`HostFile::holes`].
    ///
    /// # Panics
    /// Beyond 2^32 sparse files.
    pub fn add_holes(&mut self, data: Box<[DataRange]>) -> u32 {
        let id = u32::try_from(self.holes.len()).expect("fewer than 2^32 sparse files");
        self.holes.push(data);
        id
    }

    /// Which parts of a file hold data: all of it, but for sparse files.
    #[must_use]
    pub fn data_ranges(&self, inode: InodeId) -> std::borrow::Cow<'_, [DataRange]> {
        let size = self.size_bytes(inode);
        match self.inode(inode).content {
            Content::Host(HostFile { holes: Some(holes), .. }) => (&*self.holes[holes as usize]).into(),
            _ if size == 0 => (&[][..]).into(),
            _ => vec![DataRange { start_bytes: 0, end_bytes: size }].into(),
        }
    }

    /// Keeps the bytes of a file that is not on the host.
    ///
    /// # Panics
    /// Beyond 2^32 such files.
    pub fn add_body(&mut self, bytes: std::sync::Arc<[u8]>) -> Content {
        let id = u32::try_from(self.bodies.len()).expect("fewer than 2^32 files in memory");
        self.bodies.push(bytes);
        Content::Memory(id)
    }

    /// The bytes of a file that is not on the host.
    #[must_use]
    pub fn body(&self, id: u32) -> &[u8] {
        &self.bodies[id as usize]
    }

    /// Bytes of a file's body; 0 for what has none in the tree (directories, devices, kept files).
    #[must_use]
    pub fn size_bytes(&self, inode: InodeId) -> u64 {
        match self.inode(inode).content {
            Content::Host(HostFile { size_bytes, .. }) => size_bytes,
            Content::Memory(body) => self.body(body).len() as u64,
            Content::Input(input) => self.input(input).size_bytes,
            _ => 0,
        }
    }

    /// Remembers where a body of a known length can be read from.
    ///
    /// # Panics
    /// Beyond 2^32 such bodies.
    pub fn add_input(&mut self, input: Input) -> Content {
        let id = u32::try_from(self.inputs.len()).expect("fewer than 2^32 inputs");
        self.inputs.push(input);
        Content::Input(id)
    }

    /// Where a body can be read from.
    #[must_use]
    pub fn input(&self, id: u32) -> &Input {
        &self.inputs[id as usize]
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree")
            .field("nodes", &self.nodes.len())
            .field("inodes", &self.inodes.len())
            .field("directories", &self.directories.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(tree: &mut Tree) -> InodeId {
        let body = tree.add_body(b"x"[..].into());
        tree.add_inode(Kind::File, Attributes::default(), body)
    }

    #[test]
    fn names_are_found_whatever_their_compression() {
        let mut tree = Tree::new(Attributes::default());
        for name in ["b", "a", "é", "日", "a.b"] {
            let inode = file(&mut tree);
            tree.link(tree.root(), &Name::new(name).unwrap(), inode).unwrap();
        }
        let wide = Name::from_volume(&[16, 0, b'a']);
        let a = tree.child(tree.root(), &Name::new("a").unwrap()).unwrap();
        assert_eq!(tree.child(tree.root(), &wide), Some(a));
        let inode = file(&mut tree);
        assert_eq!(tree.link(tree.root(), &wide, inode), Err(Exists(a)));
        let names: Vec<_> = tree.children(tree.root()).iter().map(|id| tree.name_text(*id)).collect();
        assert_eq!(names, ["a", "a.b", "b", "é", "日"]);
    }

    #[test]
    fn removing_a_directory_removes_what_is_below() {
        let mut tree = Tree::new(Attributes::default());
        let directory = tree.add_directory(Attributes::default());
        let at = tree.link(tree.root(), &Name::new("d").unwrap(), directory).unwrap();
        let inode = file(&mut tree);
        tree.link(at, &Name::new("one").unwrap(), inode).unwrap();
        tree.link(tree.root(), &Name::new("two").unwrap(), inode).unwrap();
        assert_eq!(tree.inode(inode).links, 2);
        tree.unlink(at);
        assert_eq!(tree.inode(inode).links, 1);
        assert_eq!(tree.inode(directory).links, 0);
        assert_eq!(tree.children(tree.root()).len(), 1);
    }

    #[test]
    fn a_name_may_come_to_stand_for_something_else() {
        let mut tree = Tree::new(Attributes::default());
        let directory = tree.add_directory(Attributes::default());
        let at = tree.link(tree.root(), &Name::new("d").unwrap(), directory).unwrap();
        let (below, other) = (file(&mut tree), file(&mut tree));
        tree.link(at, &Name::new("one").unwrap(), below).unwrap();
        assert_eq!(tree.replace(at, other), 1);
        assert_eq!([directory, below, other].map(|inode| tree.inode(inode).links), [0, 0, 1]);
        assert_eq!(tree.children(tree.root()), [at]);
        assert_eq!(tree.name_text(at), "d");
    }

    #[test]
    fn host_paths_are_put_together_again() {
        let mut tree = Tree::new(Attributes::default());
        let top = tree.add_host_directory(Path::new("../top"));
        let name = tree.add_text(b"a");
        let below = tree.add_host_subdirectory(top, name);
        let file = HostFile { directory: below, name, size_bytes: 0, holes: None };
        assert_eq!(tree.host_path(&file), Path::new("../top/a/a"));
        assert_eq!(tree.host_directory_path(top), Path::new("../top"));
    }

    #[test]
    fn an_entry_stays_small() {
        assert!(size_of::<Node>() + size_of::<Inode>() <= 128, "a million of them are held in memory");
    }
}
