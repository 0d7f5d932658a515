//! Extracting any image ends, stays within its bounds, and writes nothing outside its folder.
#![no_main]

use std::fs;
use std::path::PathBuf;

use mkudf_ms::extract::{Options, extract};
use mkudf_ms::progress::Progress;
use mkudf_ms_fuzz::image_target;
use udf::read::{OpenOptions, Volume};

const MOST_BYTES: u64 = 1 << 20;

/// A folder in memory, with one file beside the folder that is extracted to.
fn place() -> (PathBuf, PathBuf) {
    let top = PathBuf::from(format!("/dev/shm/mkudf-ms-fuzz-{}", std::process::id()));
    let target = top.join("target");
    fs::create_dir_all(&target).expect("a folder in memory");
    fs::write(top.join("beside"), "beside").expect("a file in memory");
    (top, target)
}

image_target!(|image| {
    let Ok(volume) = Volume::open(&image, &OpenOptions::default()) else { return };
    let (top, target) = place();
    let options = Options {
        replace: false,
        same_owner: false,
        extended_attributes: true,
        max_size_bytes: Some(MOST_BYTES),
        threads: Some(1),
    };
    let _ = extract(&volume, None, &[], &target, &options, &Progress::new());
    let mut names: Vec<_> =
        fs::read_dir(&top).expect("the folder").map(|entry| entry.expect("an entry").file_name()).collect();
    names.sort();
    assert_eq!(names, ["beside", "target"]);
    assert_eq!(fs::read(top.join("beside")).expect("the file"), b"beside");
    // What was extracted may forbid its own removal, unless root asks.
    fs::remove_dir_all(&top).expect("the folder can be removed");
});
