//! `--xattrs`: extended attributes of files are named streams on volumes, and attributes again when they come back.

use std::fs;

use rustix::fs::{XattrFlags, getxattr, setxattr};
use rustix::io::Errno;

use super::Bench;

fn set(bench: &Bench, path: &str, name: &str, value: &[u8]) {
    setxattr(bench.path(path), name, value, XattrFlags::empty()).unwrap();
}

fn get(bench: &Bench, path: &str, name: &str) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0; 65_536];
    getxattr(bench.path(path), name, &mut value[..]).map(|len| value[..len].to_vec())
}

/// Whether there can be such attributes where the tests work.
fn can_have(bench: &Bench) -> bool {
    let can = setxattr(bench.path("src/a.txt"), "user.color", b"red", XattrFlags::empty());
    if can == Err(Errno::NOTSUP) {
        println!("skipped: the folder for temporary files has no extended attributes");
    }
    can.is_ok()
}

#[test]
fn attributes_become_streams_and_streams_attributes() {
    let bench = Bench::new();
    if !can_have(&bench) {
        return;
    }
    set(&bench, "src/sub/b.txt", "user.empty", b"");
    set(&bench, "src/sub/b.txt", "user.long", &[7; 3500]);
    bench.done(["create", "-r", "2.01", "--xattrs", "-o", "v.udf", "src"]);
    assert_eq!(bench.done(["ls", "--streams", "v.udf", "/a.txt"]), "color\n");
    assert_eq!(bench.done(["ls", "--streams", "v.udf", "/sub/hard"]), "color\n");
    assert_eq!(bench.done(["cat", "--stream", "color", "v.udf", "/a.txt"]), "red");
    assert_eq!(bench.done(["ls", "--streams", "v.udf", "/sub/b.txt"]), "empty\nlong\n");
    // What is new gets its own; what stays keeps what it has.
    bench.write("src/new", "new");
    set(&bench, "src/new", "user.of the new", b"one");
    bench.done(["append", "--xattrs", "v.udf", "src"]);
    bench.done(["check", "--quiet", "v.udf"]);
    bench.done(["extract", "--xattrs", "-C", "out", "v.udf"]);
    assert_eq!(get(&bench, "out/a.txt", "user.color").unwrap(), b"red");
    assert_eq!(get(&bench, "out/sub/hard", "user.color").unwrap(), b"red");
    assert_eq!(get(&bench, "out/sub/b.txt", "user.empty").unwrap(), b"");
    assert_eq!(get(&bench, "out/sub/b.txt", "user.long").unwrap(), [7; 3500]);
    assert_eq!(get(&bench, "out/new", "user.of the new").unwrap(), b"one");
    assert_eq!(fs::read(bench.path("out/a.txt")).unwrap(), b"alpha");
    // Without the option nothing of the kind happens, and it is told.
    bench.done(["extract", "-C", "plain", "v.udf"]);
    assert_eq!(get(&bench, "plain/a.txt", "user.color").unwrap_err(), Errno::NODATA);
    bench.done(["create", "-r", "2.01", "-o", "none.udf", "src"]);
    assert_eq!(bench.done(["ls", "--streams", "none.udf", "/a.txt"]), "");
}

#[test]
fn what_cannot_be_a_stream_or_an_attribute_is_told_of() {
    let bench = Bench::new();
    if !can_have(&bench) {
        return;
    }
    set(&bench, "src/a.txt", "user.a/b", b"x");
    set(&bench, "src/a.txt", "user.*UDF Backup", b"x");
    let told = bench.fails(3, ["create", "-r", "2.01", "--xattrs", "-o", "v.udf", "src"]);
    assert!(told.contains("user.a/b") && told.contains("user.*UDF Backup"), "{told}");
    assert_eq!(bench.done(["ls", "--streams", "v.udf", "/a.txt"]), "color\n");
    // Before 2.00 there are none.
    let told = bench.fails(1, ["create", "-r", "1.50", "--xattrs", "-o", "old.udf", "src"]);
    assert!(told.contains("no named streams"), "{told}");
    bench.done(["create", "-r", "1.50", "-o", "old.udf", "src"]);
    let told = bench.fails(1, ["append", "--xattrs", "old.udf", "src"]);
    assert!(told.contains("no named streams"), "{told}");
    // Resource forks are longer than attributes can be.
    let fork = bench.path("long.udf");
    large_stream(&fork);
    let told = bench.fails(3, ["extract", "--xattrs", "-C", "out", "long.udf"]);
    assert!(told.contains("cannot be an extended attribute"), "{told}");
    assert_eq!(fs::read(bench.path("out/file")).unwrap(), b"body");
    assert_eq!(get(&bench, "out/file", "user.small").unwrap(), b"fits");
}

fn large_stream(path: &std::path::Path) {
    use mkudf_ms::builder::{Conflict, Defaults, FileSystemImage};
    let medium = mkudf_ms::media::Medium::find("image").unwrap();
    let now = crate::support::build::NOW;
    let defaults = Defaults { revision: udf::Revision::V2_01, ..Defaults::for_medium(medium, "Long", now) };
    let mut image = FileSystemImage::new(defaults);
    image.add_bytes("/file", "body", Conflict::Error).unwrap();
    image.add_stream_bytes("/file", "large", vec![1; 100_000], Conflict::Error).unwrap();
    image.add_stream_bytes("/file", "small", "fits", Conflict::Error).unwrap();
    let device = mkudf_ms::device::ImageFile::create(path).unwrap();
    let progress = mkudf_ms::progress::Progress::new();
    image.create_result().unwrap().write_to(&device, &progress).unwrap();
    device.commit().unwrap();
}
