//! Scans into a tree that earlier sessions left, with sessions that are made up.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::scan::{Conflict, Existing, Facts, Filter, Sameness};
use crate::tree::Kept;

/// An earlier session: sizes by path; directories end with `/`. Files whose size is the same count as the same.
struct Older {
    sizes: BTreeMap<String, u64>,
    loaded: BTreeSet<String>,
}

impl Older {
    fn new(entries: &[(&str, u64)]) -> (Tree, Self) {
        let sizes = entries.iter().map(|(path, size)| (format!("/{path}"), *size)).collect();
        let mut older = Self { sizes, loaded: BTreeSet::new() };
        let mut tree = Tree::new(Attributes::default());
        let root = tree.node(tree.root()).inode;
        tree.inode_mut(root).kept = Some(kept());
        older.load(&mut tree, NodeId(0)).unwrap();
        (tree, older)
    }

    fn scan(&mut self, tree: &mut Tree, sources: &[Source], options: &Options) -> Outcome {
        scan(tree, self, sources, options, &Progress::new()).unwrap()
    }
}

fn kept() -> Kept {
    Kept {
        icb: udf::BlockAddress::default(),
        icb_bytes: 2048,
        unique_id: 0,
        characteristics: 0,
        link_change: 0,
        changed: false,
    }
}

impl Existing for Older {
    fn load(&mut self, tree: &mut Tree, directory: NodeId) -> Result<()> {
        let path = tree.path(directory);
        let prefix = if path == "/" { path } else { path + "/" };
        assert!(self.loaded.insert(prefix.clone()), "{prefix} is loaded already");
        tree.open_directory(directory, Attributes::default());
        for path in self.sizes.keys().filter_map(|path| path.strip_prefix(&prefix)) {
            let name = path.trim_end_matches('/');
            if name.is_empty() || name.contains('/') {
                continue;
            }
            let kind = if path.ends_with('/') { Kind::Directory } else { Kind::File };
            let inode = tree.add_inode(kind, Attributes::default(), Content::None);
            tree.inode_mut(inode).kept = Some(kept());
            tree.link(directory, &Name::new(name).unwrap(), inode).unwrap();
        }
        Ok(())
    }

    fn compare(&mut self, tree: &Tree, node: NodeId, facts: &Facts<'_>) -> Result<Sameness> {
        let same = self.sizes[&tree.path(node)] == facts.size_bytes;
        Ok(if same { Sameness::All } else { Sameness::Other })
    }
}

const OLD: [(&str, u64); 9] = [
    ("docs/", 0),
    ("docs/changed", 1),
    ("docs/gone", 1),
    ("docs/same", 4),
    ("docs/deep/", 0),
    ("docs/deep/gone", 1),
    ("other/", 0),
    ("other/file", 1),
    ("top", 1),
];

fn new_docs() -> Host {
    Host::new(&["docs/changed=12", "docs/same=1234", "docs/deep/new=1"])
}

fn replacing() -> Options {
    Options {
        on_conflict: Conflict::Replace,
        directory_mode: Some(0),
        uid: Some(0),
        gid: Some(0),
        time: Some(Moment::default()),
        ..options()
    }
}

fn changed(tree: &Tree, outcome: &Outcome) -> Vec<String> {
    outcome.changed_directories.iter().map(|node| tree.path(*node)).collect()
}

#[test]
fn only_what_the_sources_name_is_loaded() {
    let (mut tree, mut older) = Older::new(&OLD);
    let host = new_docs();
    let outcome = older.scan(&mut tree, &[host.source()], &replacing());
    assert_eq!(Vec::from_iter(&older.loaded), ["/", "/docs/", "/docs/deep/"]);
    assert_eq!((outcome.added, outcome.replaced, outcome.removed, outcome.unchanged), (1, 2, 0, 0));
    let expected = [
        "docs/",
        "docs/changed=12",
        "docs/deep/",
        "docs/deep/gone?",
        "docs/deep/new=1",
        "docs/gone?",
        "docs/same=1234",
        "other/",
        "top?",
    ];
    assert_eq!(paths(&tree), expected);
    assert_eq!(changed(&tree, &outcome), ["/docs", "/docs/deep"]);
}

#[test]
fn an_update_takes_only_what_changed() {
    let (mut tree, mut older) = Older::new(&OLD);
    let host = new_docs();
    let outcome = older.scan(&mut tree, &[host.source()], &Options { update: true, ..replacing() });
    assert_eq!((outcome.added, outcome.replaced, outcome.removed, outcome.unchanged), (1, 1, 0, 1));
    assert!(tree.inode_of(at(&tree, "docs/same")).kept.is_some());
    assert!(tree.inode_of(at(&tree, "docs/changed")).kept.is_none());

    let (mut tree, mut older) = Older::new(&OLD);
    let same = Host::new(&["docs/same=4444", "docs/deep/"]);
    let outcome = older.scan(&mut tree, &[same.source()], &Options { update: true, ..replacing() });
    assert_eq!((outcome.unchanged, changed(&tree, &outcome)), (1, vec![]), "nothing has to be recorded");
}

#[test]
fn a_mirror_removes_what_is_gone_where_sources_look() {
    let mirrored = Options { mirror: true, update: true, ..replacing() };
    let docs = ["docs/", "docs/changed=12", "docs/deep/", "docs/deep/new=1", "docs/same?"];
    let host = new_docs();
    let cases: [(Source, &[&str], u64); 3] = [
        (host.source(), &[], 4),
        (Source::grafted(host.path("docs"), "docs"), &["other/", "top?"], 2),
        (Source::grafted(host.path("docs/deep"), "docs/deep"), &["other/", "top?"], 1),
    ];
    for (source, beside, removed) in cases {
        let (mut tree, mut older) = Older::new(&OLD);
        let outcome = older.scan(&mut tree, &[source], &mirrored);
        assert_eq!(outcome.removed, removed);
        if removed > 1 {
            assert_eq!(paths(&tree), [&docs, beside].concat());
        } else {
            assert!(find(&tree, "docs/gone").is_some() && find(&tree, "docs/deep/gone").is_none());
        }
    }
}

#[test]
fn a_mirror_of_several_sources_keeps_what_any_of_them_holds() {
    let (mut tree, mut older) = Older::new(&OLD);
    let one = Host::new(&["docs/changed=12", "other/"]);
    let two = Host::new(&["docs/gone=2"]);
    let mirrored = Options { mirror: true, ..replacing() };
    let outcome = older.scan(&mut tree, &[one.source(), two.source()], &mirrored);
    assert_eq!(paths(&tree), ["docs/", "docs/changed=12", "docs/gone=2", "other/"]);
    assert_eq!(changed(&tree, &outcome), ["/", "/docs", "/other"]);
}

#[test]
fn a_mirror_protects_what_it_does_not_know() {
    let (mut tree, mut older) = Older::new(&OLD);
    let host = Host::new(&["docs/changed=12", "other/file=x"]);
    host.link("top", "x".repeat(255));
    let exclude = Filter::new(&["gone", "other"].map(String::from), &[]).unwrap();
    let mirrored = Options { mirror: true, exclude, ..replacing() };
    let outcome = older.scan(&mut tree, &[host.source()], &mirrored);
    // Excluded: `gone` and all of `other`. Left out with a warning: `top`. Not in the source: `same` and `deep`, of which
    // nothing was looked at.
    assert_eq!(paths(&tree), ["docs/", "docs/changed=12", "docs/gone?", "other/", "top?"]);
    assert_eq!(left_out(&outcome).len(), 1);
    assert!(!older.loaded.contains("/other/"));
}

#[test]
fn what_is_there_may_be_kept() {
    let (mut tree, mut older) = Older::new(&OLD);
    let host = new_docs();
    let outcome =
        older.scan(&mut tree, &[host.source()], &Options { on_conflict: Conflict::Keep, ..replacing() });
    assert_eq!((outcome.added, outcome.replaced, outcome.unchanged), (1, 0, 2));
    assert_eq!(changed(&tree, &outcome), ["/docs/deep"]);
    let refused = scan(&mut tree, &mut older, &[host.source()], &options(), &Progress::new()).unwrap_err();
    assert!(refused.to_string().contains("/docs/"), "{refused}");
}

#[test]
fn a_directory_of_an_earlier_session_gives_way_only_to_a_mirror() {
    let host = Host::new(&["docs=x"]);
    let (mut tree, mut older) = Older::new(&OLD);
    let outcome = older.scan(&mut tree, &[host.source()], &replacing());
    assert_eq!((outcome.replaced, left_out(&outcome).len()), (0, 1));
    assert!(find(&tree, "docs/gone").is_some());

    let (mut tree, mut older) = Older::new(&OLD);
    let outcome = older.scan(&mut tree, &[host.source()], &Options { mirror: true, ..replacing() });
    assert_eq!(paths(&tree), ["docs=x"]);
    assert_eq!((outcome.replaced, outcome.removed), (1, 2));
}

#[test]
fn new_names_of_unchanged_files_are_links_to_them() {
    let (mut tree, mut older) = Older::new(&OLD);
    let host = Host::new(&["docs/same=4444"]);
    std::fs::hard_link(host.path("docs/same"), host.path("docs/twin")).unwrap();
    let outcome = older.scan(&mut tree, &[host.source()], &Options { update: true, ..replacing() });
    assert_eq!((outcome.added, outcome.unchanged), (1, 1));
    let twin = at(&tree, "docs/twin");
    assert_eq!(tree.node(twin).inode, tree.node(at(&tree, "docs/same")).inode);
    assert_eq!(outcome.linked, [(twin, tree.node(twin).inode)]);
}

#[test]
fn changed_names_are_found_again() {
    let (mut tree, mut older) = Older::new(&[("caf_", 1), ("tea_", 9)]);
    let host = Host::new(&[]);
    std::fs::write(host.bytes_path(b"caf\xe9"), "1").unwrap();
    std::fs::write(host.bytes_path(b"tea\xe9"), "1").unwrap();
    let outcome =
        older.scan(&mut tree, &[host.source()], &Options { update: true, mirror: true, ..replacing() });
    assert_eq!((outcome.added, outcome.replaced, outcome.removed, outcome.unchanged), (0, 1, 0, 1));
    assert_eq!(paths(&tree), ["caf_?", "tea_=1"]);
}
