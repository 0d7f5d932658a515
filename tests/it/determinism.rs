//! Same input, same bytes: whatever the threads and the device, and as written down in `tests/golden`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use mkudf_ms::device::{MemoryDevice, WriteAt};
use mkudf_ms::plan::Plan;
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::{NoSession, Options, Source, scan};
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::Tree;
use udf::{BlockSize, Revision};

use crate::support::build::{NOW, spec};
use crate::support::dump::dump;

/// A small folder of which everything that a volume keeps is fixed.
fn folder() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    fs::create_dir_all(path("directory/inner")).unwrap();
    fs::write(path("directory/embedded"), "a few bytes").unwrap();
    fs::write(path("directory/inner/large"), vec![7; 100_000]).unwrap();
    fs::write(path("naïve"), vec![1; 2048]).unwrap();
    fs::write(path("日本"), "").unwrap();
    fs::hard_link(path("naïve"), path("second name")).unwrap();
    symlink("directory/inner", path("link")).unwrap();
    for index in 0..32 {
        fs::write(path(&format!("directory/inner/file number {index}")), [u8::try_from(index).unwrap(); 40])
            .unwrap();
    }
    root
}

fn build(folder: &Path, revision: Revision, device: &dyn WriteAt, threads: usize) {
    let options = Options {
        uid: Some(1000),
        gid: Some(1000),
        file_mode: Some(0o644),
        directory_mode: Some(0o755),
        time: Some(NOW),
        ..Options::new(NOW)
    };
    let mut tree = Tree::new(options.made);
    scan(&mut tree, &mut NoSession, &[Source::new(folder)], &options, &Progress::new()).unwrap();
    let plan = Plan::create(&tree, &spec(revision, BlockSize::B2048)).unwrap();
    let stream_options = StreamOptions { threads, are_times_kept: false, is_strict: false };
    let warnings = stream(&plan, &tree, device, None, &Progress::new(), &stream_options).unwrap();
    assert_eq!(warnings, []);
}

#[test]
fn threads_and_devices_change_nothing() {
    let folder = folder();
    for revision in Revision::ALL {
        let image = |device: MemoryDevice, threads| {
            build(folder.path(), revision, &device, threads);
            device.into_bytes()
        };
        let one = image(MemoryDevice::new(), 1);
        assert!(one == image(MemoryDevice::new(), 7), "{revision}: seven threads");
        assert!(one == image(MemoryDevice::ascending(), 1), "{revision}: ascending");
        assert!(one == image(MemoryDevice::ascending(), 7), "{revision}: ascending, seven threads");
    }
}

/// Run with `UPDATE_GOLDEN=1` to write down what is made now; then read the difference, since each changed byte must be meant.
#[test]
fn volumes_are_as_written_down() {
    let folder = folder();
    for revision in Revision::ALL {
        let device = MemoryDevice::new();
        build(folder.path(), revision, &device, 0);
        let image = device.into_bytes();
        let found = format!(
            "digest {:016x}, {} bytes\n{}",
            digest(&image),
            image.len(),
            dump(&image, BlockSize::B2048)
        );
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{revision}.txt"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &found).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        let different = expected
            .lines()
            .zip(found.lines())
            .find(|(expected, found)| expected != found && !expected.starts_with("digest"));
        assert!(
            expected == found,
            "{revision}: {}; the first line that differs: {different:#?}",
            path.display()
        );
    }
}

/// FNV-1a: to notice any changed byte, not to withstand an enemy.
fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}
