//! Seeds for the fuzzer: whole volumes in the form that `fuzz/src/lib.rs` reads, and their descriptors.
//!
//! `FUZZ_SEEDS=fuzz/corpus cargo test --test it seeds` writes them; without the variable the test only makes sure that they
//! can be made and fit the fuzzer's image.

use std::fs;
use std::path::PathBuf;

use mkudf_ms::device::MemoryDevice;
use mkudf_ms::plan::Plan;
use mkudf_ms::progress::Progress;
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::{Attributes, Content, Kind, Name, Tree};
use udf::{BlockSize, Revision};

use crate::support::build::spec;

/// What the fuzz target has room for.
const BLOCK: usize = 512;
const BLOCKS: usize = 1024;

fn volume(revision: Revision) -> Vec<u8> {
    let mut tree = Tree::new(Attributes { mode: 0o755, ..Attributes::default() });
    let name = |name: &str| Name::new(name).unwrap();
    let inside = tree.add_directory(Attributes::default());
    let inside = tree.link(tree.root(), &name("directory"), inside).unwrap();
    for (file, size) in [("embedded", 20), ("in blocks", 1500)] {
        let content = tree.add_body(vec![b'x'; size].into());
        let inode = tree.add_inode(Kind::File, Attributes::default(), content);
        tree.link(inside, &name(file), inode).unwrap();
        tree.link(tree.root(), &name(&format!("日本 {file}")), inode).unwrap();
    }
    let target = tree.add_text(b"../directory/embedded");
    let link = tree.add_inode(Kind::SymbolicLink, Attributes::default(), Content::Target(target));
    tree.link(inside, &name("link"), link).unwrap();
    let device = tree.add_inode(Kind::BlockDevice, Attributes::default(), Content::Device(8, 1));
    tree.link(inside, &name("device"), device).unwrap();
    let plan = Plan::create(&tree, &spec(revision, BlockSize::B512)).unwrap();
    let image = MemoryDevice::new();
    stream(&plan, &tree, &image, None, &Progress::new(), &StreamOptions::default()).unwrap();
    image.into_bytes()
}

/// Block number and length, two bytes each, then the bytes: for every stretch of blocks that are not zeros.
fn pieces(image: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, block) in
        image.chunks(BLOCK).enumerate().filter(|(_, block)| block.iter().any(|byte| *byte != 0))
    {
        let used = block.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        out.extend(u16::try_from(number).unwrap().to_le_bytes());
        out.extend(u16::try_from(used).unwrap().to_le_bytes());
        out.extend(&block[..used]);
    }
    out
}

#[test]
fn seeds_for_the_fuzzer() {
    let folder = std::env::var_os("FUZZ_SEEDS").map(PathBuf::from);
    let write = |target: &str, name: String, bytes: &[u8]| {
        if let Some(folder) = &folder {
            fs::create_dir_all(folder.join(target)).unwrap();
            fs::write(folder.join(target).join(name), bytes).unwrap();
        }
    };
    for revision in Revision::ALL {
        let image = volume(revision);
        assert!(image.len() <= BLOCK * BLOCKS, "{revision}: {} blocks", image.len() / BLOCK);
        let seed = pieces(&image);
        assert!(seed.len() < 65_536, "{revision}: {} bytes", seed.len());
        for target in ["open_volume", "check", "extract", "append"] {
            write(target, revision.to_string(), &seed);
        }
        for (number, block) in
            image.chunks(BLOCK).enumerate().filter(|(_, block)| block.iter().any(|byte| *byte != 0))
        {
            write("descriptors", format!("{revision}-{number}"), block);
        }
    }
    for (number, name) in
        [&b"\x08name"[..], b"\x10\x65\xe5\x67\x2c", b"\x05\x05\0\0\x08dir1", b"\xfe\xff"].iter().enumerate()
    {
        write("names", number.to_string(), name);
    }
}
