//! How much memory a check takes: what is kept of an entry is far less than its block, and of any other block a bit.

use std::process::Command;

use mkudf_ms::tree::{Kind, Tree};
use udf::{BlockSize, Revision};

use super::image::{Image, attributes, name};

const DIRECTORIES: usize = 50;
const FILES_EACH: usize = 1000;
/// All address space that the command may take, the program itself included, in KiB: half of what the entries are.
const LIMIT_KIB: u32 = 48 << 10;

#[test]
fn entries_of_a_hundred_mebibytes_are_checked_in_half_of_that() {
    let mut tree = Tree::new(attributes(0o755));
    for number in 0..DIRECTORIES {
        let directory = tree.add_directory(attributes(0o755));
        let directory = tree.link(tree.root(), &name(&format!("d{number}")), directory).unwrap();
        for number in 0..FILES_EACH {
            let body = tree.add_body(b"a few bytes"[..].into());
            let file = tree.add_inode(Kind::File, attributes(0o644), body);
            tree.link(directory, &name(&format!("file {number}")), file).unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.udf");
    let image = Image::of(&tree, Revision::V2_01, BlockSize::B2048);
    assert!(image.bytes.len() > 2 * 1024 * LIMIT_KIB as usize);
    std::fs::write(&path, &image.bytes).unwrap();
    let output = Command::new("sh")
        .args(["-c", "ulimit -v \"$1\" && exec \"$2\" --json check \"$3\"", "sh", &LIMIT_KIB.to_string()])
        .arg(env!("CARGO_BIN_EXE_mkudf-ms"))
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("\"files\":{}", DIRECTORIES * FILES_EACH)), "{said}");
}
