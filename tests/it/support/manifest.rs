//! What is in a folder, and what is in a volume, in the same words, so that the two can be compared.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use udf::file::FileType;
use udf::general::Moment;
use udf::read::{Entry, ReadAt, Volume};

/// One name, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) kind: &'static str,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) links: u64,
    pub(crate) modified: Moment,
    pub(crate) target: Option<String>,
    pub(crate) body: Option<Vec<u8>>,
}

pub(crate) type Manifest = BTreeMap<String, Item>;

/// Of a folder, the root as the empty path.
pub(crate) fn of_folder(root: &Path) -> Manifest {
    let mut found = Manifest::new();
    let mut stack = vec![(root.to_path_buf(), String::new())];
    while let Some((path, name)) = stack.pop() {
        let facts = fs::symlink_metadata(&path).unwrap();
        let kind = facts.file_type();
        let mut item = Item {
            kind: "other",
            mode: facts.mode() & 0o7777,
            uid: facts.uid(),
            gid: facts.gid(),
            links: facts.nlink(),
            modified: Moment::from_unix(facts.mtime(), u32::try_from(facts.mtime_nsec()).unwrap()),
            target: None,
            body: None,
        };
        if kind.is_dir() {
            item.kind = "directory";
            item.links = 1;
            for child in fs::read_dir(&path).unwrap() {
                let child = child.unwrap();
                item.links += u64::from(child.file_type().unwrap().is_dir());
                let separator = if name.is_empty() { "" } else { "/" };
                let child_name = child.file_name().into_string().unwrap();
                stack.push((child.path(), format!("{name}{separator}{child_name}")));
            }
        } else if kind.is_file() {
            item.kind = "file";
            item.body = Some(fs::read(&path).unwrap());
        } else if kind.is_symlink() {
            item.kind = "symlink";
            item.target = Some(fs::read_link(&path).unwrap().into_os_string().into_string().unwrap());
        } else if kind.is_fifo() {
            item.kind = "fifo";
        }
        found.insert(name, item);
    }
    found
}

/// A line of JSON for each path but the root, as other readers are asked for it.
pub(crate) fn lines(manifest: &Manifest) -> String {
    let hexadecimal = |byte: &u8| format!("{byte:02x}");
    let line = |(path, item): (&String, &Item)| {
        let body = match (&item.target, &item.body) {
            (Some(target), _) => target.clone(),
            (None, Some(body)) => body.iter().map(hexadecimal).collect(),
            (None, None) => String::new(),
        };
        let line = serde_json::json!({ "path": format!("/{path}"), "kind": item.kind, "mode": item.mode, "body": body });
        line.to_string() + "\n"
    };
    manifest.iter().filter(|(path, _)| !path.is_empty()).map(line).collect()
}

/// Of a volume, the root as the empty path; whatever cannot be read fails the test.
pub(crate) fn of_volume<R: ReadAt>(volume: &Volume<R>) -> Manifest {
    let root = volume.root().unwrap();
    let mut found = Manifest::from([(String::new(), of_entry(volume, &root))]);
    for step in volume.walk(&root) {
        let (path, _, entry) = step.unwrap();
        let before = found.insert(path.clone(), of_entry(volume, &entry));
        assert_eq!(before, None, "{path} is there twice");
    }
    found
}

fn of_entry<R: ReadAt>(volume: &Volume<R>, entry: &Entry) -> Item {
    let kind = match entry.kind {
        FileType::DIRECTORY => "directory",
        FileType::REGULAR => "file",
        FileType::SYMBOLIC_LINK => "symlink",
        FileType::FIFO => "fifo",
        _ => "other",
    };
    Item {
        kind,
        mode: entry.mode() & 0o7777,
        uid: entry.uid,
        gid: entry.gid,
        links: u64::from(entry.links),
        modified: entry.modified.moment().unwrap(),
        target: (kind == "symlink").then(|| volume.symlink_target(entry).unwrap()),
        body: (kind == "file").then(|| volume.read_all(entry, 1 << 30).unwrap()),
    }
}

/// Fails with the first few differences, which say more than two whole manifests.
pub(crate) fn assert_same(expected: &Manifest, found: &Manifest, context: &str) {
    let short = |item: &Item| {
        let body = item.body.as_ref().map(|body| (body.len(), body.first().copied()));
        format!("{:?} body {body:?}", Item { body: None, ..item.clone() })
    };
    let mut differences = Vec::new();
    for path in expected.keys().chain(found.keys()) {
        let (expected, found) = (expected.get(path), found.get(path));
        if expected != found {
            differences.push(format!("{path}: {:?} became {:?}", expected.map(short), found.map(short)));
        }
    }
    differences.dedup();
    assert!(
        differences.is_empty(),
        "{context}: {} differences, {:#?}",
        differences.len(),
        &differences[..differences.len().min(5)]
    );
}
