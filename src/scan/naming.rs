//! Names: kept wherever volumes can hold them, else changed so that nothing else of the directory is hidden.

use std::collections::{HashMap, HashSet};

use udf::general::text;

use super::Scanner;
use crate::tree::{Name, NodeId};

/// A name for the volume.
#[derive(Debug)]
pub(super) struct Naming {
    pub(super) name: Name,
    /// What it was on the host, if it could not be kept.
    pub(super) changed: Option<Changed>,
}

/// A name that could not be kept.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) from: Box<[u8]>,
    pub(super) why: String,
}

/// Which changed names were given in a directory.
#[derive(Debug, Default)]
pub(super) struct Given {
    names: HashSet<Name>,
    /// Where to go on, by the first attempt: thousands of names may look the same once changed.
    attempts: HashMap<Name, u32>,
}

impl Scanner<'_> {
    /// A name for what has this one on the host. `is_listed` tells the other names in its directory there.
    ///
    /// Depends on nothing but the names in that directory, and on those that earlier sources put beside it; so a later
    /// session finds what it recorded before under the same name.
    pub(super) fn name_for(
        &self,
        parent: NodeId,
        host_name: &[u8],
        given: &mut Given,
        is_listed: impl Fn(&[u8]) -> bool,
    ) -> Naming {
        let why = match std::str::from_utf8(host_name).map(Name::new) {
            Ok(Ok(name)) => return Naming { name, changed: None },
            Ok(Err(fault)) => fault.to_string(),
            Err(_) => String::from("the name is not UTF-8"),
        };
        let changed = Some(Changed { from: host_name.into(), why });
        let attempt = given.attempts.entry(Name::mangled(host_name, 0)).or_default();
        loop {
            let name = Name::mangled(host_name, *attempt);
            *attempt += 1;
            let free = !is_listed(text::decode_lossy(name.as_bytes()).as_bytes())
                && !given.names.contains(&name)
                && self.may_be_called(parent, &name, host_name);
            if free {
                given.names.insert(name.clone());
                return Naming { name, changed };
            }
        }
    }

    /// Whether a changed name hides nothing that this scan put there. What an earlier session recorded under it is what had
    /// the same name on the host then.
    fn may_be_called(&self, parent: NodeId, name: &Name, host_name: &[u8]) -> bool {
        self.tree.child(parent, name).is_none_or(|node| match self.renamed.get(&node) {
            Some(from) => **from == *host_name,
            None => self.tree.inode_of(node).kept.is_some(),
        })
    }
}
