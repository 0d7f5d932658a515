//! Paths on the volume: to nodes of the tree, with what an earlier session recorded read on the way.

use super::{BuildError, Disc, FileSystemImage};
use crate::error::{Error, Result};
use crate::scan::{Existing, Facts, NoSession, Sameness};
use crate::tree::{Content, Kind, Name, NodeId, Tree, path_names};

/// Where something is to be: a directory that is there, and a name in it.
pub(super) struct Place {
    pub(super) parent: NodeId,
    pub(super) name: Name,
    /// What is there now.
    pub(super) there: Option<NodeId>,
}

impl FileSystemImage<'_> {
    /// The node of a path.
    pub(super) fn find(&mut self, path: &str) -> Result<NodeId> {
        let mut at = self.tree.root();
        for name in path_names(path) {
            self.load(at, path)?;
            let name = legal(name, path)?;
            let child = self.tree.child(at, &name);
            at = child.ok_or_else(|| BuildError::NotFound { path: path.into() })?;
        }
        Ok(at)
    }

    /// Where something of this path is to be. The directory must be there.
    pub(super) fn place(&mut self, path: &str) -> Result<Place> {
        let mut all: Vec<_> = path_names(path).collect();
        let Some(last) = all.pop() else {
            let why = String::from("the root directory has no name");
            return Err(BuildError::InvalidPath { path: path.into(), why }.into());
        };
        let parent = match self.find(&all.join("/")) {
            Err(Error::Build(BuildError::NotFound { .. })) => {
                return Err(BuildError::ParentNotFound { path: path.into() }.into());
            }
            found => found?,
        };
        self.load(parent, path)?;
        let name = legal(last, path)?;
        let there = self.tree.child(parent, &name);
        Ok(Place { parent, name, there })
    }

    /// Sees to it that the children of a directory are known.
    pub(super) fn load(&mut self, node: NodeId, path: &str) -> Result<()> {
        match (self.tree.inode_of(node).content, self.tree.inode_of(node).kind) {
            (Content::Directory(_), _) => Ok(()),
            (_, Kind::Directory) => Loader(self.disc.as_mut()).load(&mut self.tree, node),
            _ => Err(BuildError::NotDirectory { path: path.into() }.into()),
        }
    }
}

/// The imported session, for scans. Reading what it recorded is no change.
pub(super) struct Loader<'a, 'd>(pub(super) Option<&'a mut Disc<'d>>);

impl Existing for Loader<'_, '_> {
    fn load(&mut self, tree: &mut Tree, directory: NodeId) -> Result<()> {
        match &mut self.0 {
            Some(disc) => tree.without_journal(|tree| disc.import.load(tree, directory)),
            None => NoSession.load(tree, directory),
        }
    }

    fn compare(&mut self, tree: &Tree, node: NodeId, facts: &Facts<'_>) -> Result<Sameness> {
        match &mut self.0 {
            Some(disc) => disc.import.compare(tree, node, facts),
            None => NoSession.compare(tree, node, facts),
        }
    }
}

fn legal(name: &str, path: &str) -> Result<Name, BuildError> {
    Name::new(name).map_err(|fault| BuildError::InvalidPath { path: path.into(), why: fault.to_string() })
}
