//! Any image changed in place: refused, or the new file is there; and a volume that had no fault has none, and lost nothing but what
//! was removed.
#![no_main]

use std::collections::BTreeMap;

use mkudf_ms::device::MemoryDevice;
use mkudf_ms::plan::{AppendSpec, Plan};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::{Conflict, Options, Source, scan};
use mkudf_ms::session::{Import, ImportOptions, Manner};
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms_fuzz::{BODY, NAME, assert_clean, image_target, is_clean, source};
use udf::general::Moment;
use udf::read::{OpenOptions, Volume};

/// Longer bodies are not compared.
const LONGEST_BYTES: u64 = 1 << 20;

/// The image as it is changed, and what was removed from it; nothing if that is refused.
fn change(image: &[u8]) -> Option<(Vec<u8>, Option<String>)> {
    let device = MemoryDevice::from(image.to_vec());
    let write_unit_blocks = if image.len().is_multiple_of(4096) { 16 } else { 1 };
    let options = ImportOptions { manner: Manner::InPlace, write_unit_blocks, ..ImportOptions::default() };
    let mut import = Import::open(&device, &options).ok()?;
    let mut tree = import.tree().ok()?;
    let first = tree.children(tree.root()).first().map(|child| tree.path(*child));
    if let Some(path) = &first {
        import.remove(&mut tree, path).ok()?;
    }
    let now = Moment::from_unix(1_800_000_000, 0);
    let options = Options { on_conflict: Conflict::Replace, ..Options::new(now) };
    let outcome = scan(&mut tree, &mut import, &[Source::new(source())], &options, &Progress::new()).ok()?;
    let (base, _) = import.finish(&mut tree, &outcome).ok()?;
    let spec = AppendSpec { now, zone_minutes: 0, label: None, embed: true };
    let plan = Plan::append(&tree, &spec, base).ok()?;
    let options = StreamOptions { threads: 1, ..StreamOptions::default() };
    stream(&plan, &tree, &device, Some(&device), &Progress::new(), &options).ok()?;
    Some((device.into_bytes(), first))
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
