//! Volumes with names that lead elsewhere or steer terminals, through every command: each ends as documented, what it prints is
//! harmless, and nothing is written beside where it should be.

use std::fs;

use mkudf_ms::device::MemoryDevice;
use mkudf_ms::plan::{Plan, Spec};
use mkudf_ms::progress::Progress;
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::{Attributes, Content, Kind, Name, Tree};
use udf::general::text;
use udf::{BlockSize, Revision};

use super::Bench;
use crate::support::build::spec;

const NAMES: [&str; 9] = [
    "",
    ".",
    "..",
    "../../evil",
    "/etc/passwd",
    "a\0b",
    "\x1b]0;title\x07\x1b[2J",
    "\u{202e}cod.exe",
    "line\nfeed\r\ttab",
];

/// The same names for files, directories with a file in each, and links that lead to such.
fn image(rewritable_blocks: Option<u32>) -> Vec<u8> {
    let attributes = Attributes { mode: 0o755, ..Attributes::default() };
    let mut tree = Tree::new(attributes);
    let kinds = ["files", "directories", "links"].map(|kind| {
        let inode = tree.add_directory(attributes);
        tree.link(tree.root(), &Name::new(kind).unwrap(), inode).unwrap()
    });
    for name in NAMES {
        let recorded = Name::from_volume(&text::encode(name));
        let body = tree.add_body(b"x".as_slice().into());
        let file = tree.add_inode(Kind::File, attributes, body);
        tree.link(kinds[0], &recorded, file).unwrap();
        let directory = tree.add_directory(attributes);
        let directory = tree.link(kinds[1], &recorded, directory).unwrap();
        tree.link(directory, &Name::new("inside").unwrap(), file).unwrap();
        let target = tree.add_text(format!("../{name}").as_bytes());
        let link = tree.add_inode(Kind::SymbolicLink, attributes, Content::Target(target));
        tree.link(kinds[2], &recorded, link).unwrap();
    }
    let device = MemoryDevice::new();
    let spec = Spec { rewritable_blocks, ..spec(Revision::V2_01, BlockSize::B2048) };
    let plan = Plan::create(&tree, &spec).unwrap();
    stream(&plan, &tree, &device, None, &Progress::new(), &StreamOptions::default()).unwrap();
    device.into_bytes()
}

/// What a terminal would obey, or what would be read as another line.
fn is_harmful(text: &str) -> bool {
    text.contains(['\x1b', '\x07', '\0', '\r', '\u{202e}'])
        || text.lines().any(|line| line.starts_with("feed"))
}

/// The commands, and how they end: 0 done, 1 refused, 3 something had another name, 4 faults.
const COMMANDS: [(i32, &[&str]); 28] = [
    (0, &["ls", "v.udf"]),
    (0, &["ls", "-lR", "v.udf"]),
    (0, &["ls", "-R", "--json", "v.udf"]),
    (1, &["ls", "v.udf", "/files/../../evil"]),
    (0, &["cat", "v.udf", "/directories/\u{202e}cod.exe/inside"]),
    (1, &["cat", "v.udf", "/files/\x1b[2Jnothing"]),
    (3, &["extract", "-C", "out", "v.udf"]),
    (3, &["extract", "-v", "-C", "out", "v.udf", "/links"]),
    (0, &["info", "-v", "v.udf"]),
    (0, &["info", "--json", "v.udf"]),
    (0, &["sessions", "v.udf"]),
    (4, &["check", "v.udf"]),
    (4, &["check", "-v", "--json", "v.udf"]),
    (4, &["repair", "--dry-run", "v.udf"]),
    (1, &["repair", "--yes", "v.udf"]),
    (1, &["repair", "--yes", "--no-undo", "-v", "v.udf"]),
    (3, &["rescue", "-C", "out", "v.udf"]),
    (3, &["rescue", "-v", "--json", "-C", "out", "v.udf"]),
    (0, &["verify", "v.udf"]),
    (0, &["append", "v.udf", "src"]),
    (0, &["append", "-v", "--mirror", "v.udf", "src"]),
    (0, &["append", "-n", "-v", "--mirror", "v.udf", "src"]),
    (0, &["append", "--checksums", "sha256", "v.udf", "src"]),
    (0, &["put", "v.udf", "src", "/files"]),
    (0, &["rm", "-r", "v.udf", "/files", "/links"]),
    (0, &["mv", "v.udf", "/files/\u{202e}cod.exe", "/harmless"]),
    (0, &["mkdir", "v.udf", "/directories/new"]),
    (1, &["diff", "v.udf"]),
];

#[test]
fn names_that_harm_are_survived_by_every_command() {
    let mut wrong = Vec::new();
    for (kind, image) in [("session", image(None)), ("in place", image(Some(4096)))] {
        for (code, words) in COMMANDS {
            let bench = Bench::new();
            fs::write(bench.path("v.udf"), &image).unwrap();
            let beside =
                || fs::read_dir(bench.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
            let before: Vec<_> = beside().collect();
            let run = bench.run(words);
            let out = String::from_utf8(run.out).unwrap();
            if run.code != Some(code) {
                wrong.push(format!("{kind}, {words:?}: exit {:?}: {}", run.code, run.err));
            }
            // The bytes of a file are what they are.
            if is_harmful(&run.err) || is_harmful(&out) {
                let line = [&run.err, &out]
                    .into_iter()
                    .flat_map(|text| text.split('\n'))
                    .find(|line| is_harmful(line));
                wrong.push(format!("{kind}, {words:?}: {line:?}"));
            }
            let new: Vec<_> = beside().filter(|name| !before.contains(name)).collect();
            let may_be = |name: &std::ffi::OsString| name == "out" || name == "v.udf.undo";
            if !new.iter().all(may_be) {
                wrong.push(format!("{kind}, {words:?}: {new:?}"));
            }
            let after = bench.run(["ls", "-R", "v.udf"]);
            if after.code != Some(0) {
                wrong.push(format!("{kind}, {words:?}, then ls: {}", after.err));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
