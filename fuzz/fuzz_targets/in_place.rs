//! Any image changed in place: refused, or the new file is there; and a volume that had no fault has none, and lost nothing but what
//! was removed.
#![no_main]

use std::collections::BTreeMap;

use mkudf_ms::scan::Conflict;
use mkudf_ms::session::{ImportOptions, Manner};
use mkudf_ms_fuzz::{BODY, NAME, assert_clean, image_target, is_clean, with_file};
use udf::read::{OpenOptions, Volume};

/// Longer bodies are not compared.
const LONGEST_BYTES: u64 = 1 << 20;

/// The image as it is changed, and what was removed from it; nothing if that is refused.
fn change(image: &[u8]) -> Option<(Vec<u8>, Option<String>)> {
    let write_unit_blocks = if image.len().is_multiple_of(4096) { 16 } else { 1 };
    let options = ImportOptions { manner: Manner::InPlace, write_unit_blocks, ..ImportOptions::default() };
    let mut first = None;
    let changed = with_file(image, &options, Conflict::Replace, |import, tree| {
        first = tree.children(tree.root()).first().map(|child| tree.path(*child));
        first.iter().try_for_each(|path| import.remove(tree, path).ok())
    })?;
    Some((changed, first))
}

/// The bodies of all files.
fn bodies(image: &Vec<u8>) -> BTreeMap<String, Option<Vec<u8>>> {
    let volume = Volume::open(image, &OpenOptions::default()).expect("it was opened before");
    let root = volume.root().expect("a root directory");
    let files = volume.walk(&root).flatten().filter(|(_, _, entry)| !entry.is_directory());
    files.map(|(path, _, entry)| (path, volume.read_all(&entry, LONGEST_BYTES).ok())).collect()
}

image_target!(|image| {
    let was_clean = is_clean(&image);
    let Some((changed, removed)) = change(&image) else { return };
    let volume = Volume::open(&changed, &OpenOptions::default())
        .unwrap_or_else(|error| panic!("what was changed cannot be opened: {error}"));
    let entry = volume.lookup(NAME).expect("what was added is there");
    assert_eq!(volume.read_all(&entry, 1000).expect("and can be read"), BODY);
    assert_eq!(image.len(), changed.len());
    if !was_clean {
        return;
    }
    assert_clean(&changed);
    let (mut old, mut new) = (bodies(&image), bodies(&changed));
    new.remove(NAME);
    if let Some(removed) = removed {
        let removed = removed.trim_start_matches('/').to_owned();
        let below = format!("{removed}/");
        old.retain(|path, _| *path != removed && !path.starts_with(&below));
    }
    assert_eq!(old.keys().collect::<Vec<_>>(), new.keys().collect::<Vec<_>>());
    for (path, body) in old {
        assert!(new[&path] == body, "{path} is another one");
    }
});
