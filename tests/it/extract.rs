//! Extraction through the library: what was in the folder comes back, and a hostile volume gets nothing outside its folder.

mod hazards;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use mkudf_ms::device::{MemoryDevice, WriteAt};
use mkudf_ms::extract::{Options, extract};
use mkudf_ms::plan::Plan;
use mkudf_ms::progress::Progress;
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::{Attributes, Content, Kind, Name, NodeId, Tree};
use mkudf_ms::{Error, Result, Warning};
use udf::file::FileIdentifierDescriptor;
use udf::general::{Seal, text};
use udf::read::{OpenOptions, ReadAt, Volume};
use udf::{BlockSize, BoxedError, Revision};

use crate::support::build::{create, spec};
use crate::support::folder::Folder;
use crate::support::manifest::{assert_same, of_folder, of_volume};

fn open<R: ReadAt>(device: R) -> Volume<R> {
    Volume::open(device, &OpenOptions::default()).unwrap()
}

fn run<R: ReadAt>(volume: &Volume<R>, target: &Path, options: &Options) -> Result<Vec<Warning>> {
    extract(volume, None, &[], target, options, &Progress::new())
}

fn options() -> Options {
    Options { same_owner: rustix::process::geteuid().is_root(), ..Options::default() }
}

#[test]
fn what_was_in_the_folder_comes_back() {
    for (revision, block_size) in [(Revision::V1_02, BlockSize::B512), (Revision::V2_50, BlockSize::B2048)] {
        let mut folder = Folder::new(7);
        folder.change(150);
        let device = MemoryDevice::new();
        create(folder.path(), &spec(revision, block_size), &device).unwrap();
        for threads in [1, 4] {
            let target = tempfile::tempdir().unwrap();
            let options = Options { threads: Some(threads), ..options() };
            assert_eq!(run(&open(&device), target.path(), &options).unwrap(), []);
            assert_same(&of_folder(folder.path()), &of_folder(target.path()), "extracted");
        }
    }
}

#[test]
fn selected_paths_keep_their_directories_and_nothing_else_comes() {
    let mut tree = Tree::new(attributes());
    let a = directory(&mut tree, NodeId(0), b"a");
    let b = directory(&mut tree, a, b"b");
    file(&mut tree, b, b"wanted", b"w");
    file(&mut tree, a, b"other", b"o");
    let volume = open(record(&tree));
    let target = tempfile::tempdir().unwrap();
    let paths = ["/a/b".into(), "a/b/wanted".into()];
    let warnings = extract(&volume, None, &paths, target.path(), &options(), &Progress::new()).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(fs::read(target.path().join("a/b/wanted")).unwrap(), b"w");
    assert!(!target.path().join("a/other").exists());
    let missing = extract(&volume, None, &["a/none".into()], target.path(), &options(), &Progress::new());
    assert!(matches!(missing, Err(Error::Volume(udf::Error::NotFound(_)))));
}

#[test]
fn names_that_lead_elsewhere_do_not() {
    let mut tree = Tree::new(attributes());
    let names: [&[u8]; 6] = [b"..", b".", b"../../evil", b"/etc/passwd", b"a\0b", b""];
    for name in names {
        file(&mut tree, NodeId(0), name, b"x");
    }
    let outer = tempfile::tempdir().unwrap();
    let target = outer.path().join("in/side");
    let warnings = run(&open(record(&tree)), &target, &options()).unwrap();
    assert_eq!(warnings.len(), names.len());
    assert!(warnings.iter().all(|warning| matches!(warning, Warning::NameChanged { .. })), "{warnings:?}");
    assert_eq!(fs::read_dir(&target).unwrap().count(), names.len());
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(outer.path().join("in")).unwrap().count(), 1);
}

#[test]
fn links_planted_first_are_not_written_through() {
    let outside = tempfile::tempdir().unwrap();
    let mut tree = Tree::new(attributes());
    // Both become `d_` on the host: first the link, then the directory.
    let target = tree.add_text(outside.path().to_str().unwrap().as_bytes());
    let link = tree.add_inode(Kind::SymbolicLink, attributes(), Content::Target(target));
    tree.link(NodeId(0), &named(b"d\0"), link).unwrap();
    let planted = directory(&mut tree, NodeId(0), b"d_");
    file(&mut tree, planted, b"evil", b"x");
    let here = directory(&mut tree, NodeId(0), b"here");
    file(&mut tree, here, b"evil", b"x");
    file(&mut tree, NodeId(0), b"over", b"x");
    let volume = open(record(&tree));
    let folder = tempfile::tempdir().unwrap();
    // And two that were here before.
    symlink(outside.path(), folder.path().join("here")).unwrap();
    fs::write(outside.path().join("victim"), "old").unwrap();
    symlink(outside.path().join("victim"), folder.path().join("over")).unwrap();

    let left_out = |warnings: &[Warning]| {
        warnings.iter().filter(|warning| matches!(warning, Warning::LeftOut { .. })).count()
    };
    let warnings = run(&volume, folder.path(), &options()).unwrap();
    assert_eq!(left_out(&warnings), 2, "{warnings:?}");
    let replace = Options { replace: true, ..options() };
    let warnings = run(&volume, folder.path(), &replace).unwrap();
    assert_eq!(left_out(&warnings), 0, "{warnings:?}");
    assert!(folder.path().join("here").symlink_metadata().unwrap().is_dir());
    assert_eq!(fs::read(folder.path().join("over")).unwrap(), b"x");
    assert_eq!(fs::read(folder.path().join("d_~1/evil")).unwrap(), b"x");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(fs::read(outside.path().join("victim")).unwrap(), b"old");
}

#[test]
fn nothing_is_linked_to_a_file_that_was_there_before() {
    let mut tree = Tree::new(attributes());
    let first = file(&mut tree, NodeId(0), b"a", b"of the volume");
    let inode = tree.node(first).inode;
    tree.link(NodeId(0), &named(b"b"), inode).unwrap();
    tree.link(NodeId(0), &named(b"c"), inode).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "of the user").unwrap();
    let warnings = run(&open(record(&tree)), folder.path(), &options()).unwrap();
    assert!(matches!(&warnings[..], [Warning::LeftOut { .. }]), "{warnings:?}");
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"of the user");
    let [a, b, c] = ["a", "b", "c"].map(|name| fs::metadata(folder.path().join(name)).unwrap());
    assert_eq!((a.nlink(), b.nlink(), b.ino()), (1, 2, c.ino()));
}

#[test]
fn a_directory_that_is_in_itself_is_left_out() {
    let mut tree = Tree::new(attributes());
    for number in 0..40 {
        file(&mut tree, NodeId(0), format!("file{number:02}").as_bytes(), b"");
    }
    directory(&mut tree, NodeId(0), b"loop");
    let mut image = record(&tree).into_bytes();
    let (offset_bytes, bytes) = {
        let volume = open(&image);
        let root = volume.root().unwrap();
        let found = volume.child(&root, "loop").unwrap().unwrap();
        let body = volume.body(&root).unwrap().extents()[0].start;
        let seal = Seal {
            descriptor_version: found.tag.descriptor_version.get(),
            serial_number: found.tag.serial_number.get(),
        };
        let mut bytes = Vec::new();
        FileIdentifierDescriptor::new(found.characteristics, volume.root_icb()).append_to(
            &[],
            &found.name,
            &mut bytes,
            seal,
            found.tag.location.get(),
        );
        let body = volume.block_size().offset_of(volume.locate(body).unwrap().sector);
        (usize::try_from(body + found.offset_bytes).unwrap(), bytes)
    };
    image[offset_bytes..offset_bytes + bytes.len()].copy_from_slice(&bytes);
    let folder = tempfile::tempdir().unwrap();
    let warnings = run(&open(&image), folder.path(), &options()).unwrap();
    let [Warning::LeftOut { path, .. }] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!(path, Path::new("/loop"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 40);
}

#[test]
fn deep_trees_come_back_whole() {
    let mut tree = Tree::new(attributes());
    let mut at = NodeId(0);
    for level in 0..1200 {
        at = directory(&mut tree, at, format!("level {level:04}").as_bytes());
        file(&mut tree, at, b"file", b"at every level");
    }
    let device = record(&tree);
    let target = tempfile::tempdir().unwrap();
    // Nothing takes so long a path, so the host's tree is judged by making a volume of it again.
    let extracted = target.path().join("x");
    assert_eq!(run(&open(&device), &extracted, &options()).unwrap(), []);
    let again = MemoryDevice::new();
    create(&extracted, &spec(Revision::V2_01, BlockSize::B512), &again).unwrap();
    assert_same(&of_volume(&open(&device)), &of_volume(&open(&again)), "deep");
    let removed = std::process::Command::new("rm").arg("-rf").arg(&extracted).status().unwrap();
    assert!(removed.success());
}

#[test]
fn holes_stay_holes() {
    let folder = tempfile::tempdir().unwrap();
    let sparse = fs::File::create(folder.path().join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"begin", 1 << 20).unwrap();
    sparse.set_len(64 << 20).unwrap();
    if sparse.metadata().unwrap().blocks() > 1000 {
        eprintln!("skipped: this file system knows no holes");
        return;
    }
    let device = MemoryDevice::new();
    create(folder.path(), &spec(Revision::V2_01, BlockSize::B2048), &device).unwrap();
    let target = tempfile::tempdir().unwrap();
    assert_eq!(run(&open(&device), target.path(), &options()).unwrap(), []);
    let back = fs::metadata(target.path().join("sparse")).unwrap();
    assert_eq!(back.len(), 64 << 20);
    assert!(back.blocks() < 1000, "{} blocks", back.blocks());
    assert_same(&of_folder(folder.path()), &of_folder(target.path()), "sparse");
}

#[test]
fn more_than_may_be_written_is_not() {
    let mut tree = Tree::new(attributes());
    for number in 0..8 {
        file(&mut tree, NodeId(0), &[b'a' + number], &vec![number; 100_000]);
    }
    let volume = open(record(&tree));
    let limited = |bytes| Options { max_size_bytes: Some(bytes), ..options() };
    let target = tempfile::tempdir().unwrap();
    let error = run(&volume, target.path(), &limited(500_000)).unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    let target = tempfile::tempdir().unwrap();
    assert_eq!(run(&volume, target.path(), &limited(800_000)).unwrap(), []);
}

#[test]
fn a_bad_place_costs_its_blocks_only() {
    struct Scratched<'a>(&'a [u8], std::ops::Range<u64>);
    impl ReadAt for Scratched<'_> {
        fn size_bytes(&self) -> u64 {
            self.0.size_bytes()
        }
        fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
            if offset_bytes < self.1.end && self.1.start < offset_bytes + out.len() as u64 {
                return Err("a scratch".into());
            }
            self.0.read_at(offset_bytes, out)
        }
    }
    let body: Vec<u8> = (0..100_000u32).map(|at| (at % 250 + 1).try_into().unwrap()).collect();
    let mut tree = Tree::new(attributes());
    file(&mut tree, NodeId(0), b"file", &body);
    let image = record(&tree).into_bytes();
    let start = image.windows(1000).position(|window| window == &body[..1000]).unwrap() as u64;
    let scratched = Scratched(&image, start + 5000..start + 5001);
    let target = tempfile::tempdir().unwrap();
    let warnings = run(&open(scratched), target.path(), &options()).unwrap();
    let [Warning::Damaged { missing_bytes: 512, size_bytes: 100_000, .. }] = &warnings[..] else {
        panic!("{warnings:?}")
    };
    let mut expected = body;
    expected[4608..5120].fill(0);
    assert!(fs::read(target.path().join("file")).unwrap() == expected);
}

#[test]
fn who_asks_to_stop_is_obeyed() {
    let mut tree = Tree::new(attributes());
    file(&mut tree, NodeId(0), b"file", b"x");
    let progress = Progress::new();
    progress.cancel();
    let target = tempfile::tempdir().unwrap();
    let stopped = extract(&open(record(&tree)), None, &[], target.path(), &options(), &progress);
    assert!(matches!(stopped, Err(Error::Cancelled)));
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
}

fn attributes() -> Attributes {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Attributes { mode: 0o755, uid, gid, ..Attributes::default() }
}

/// A name with whatever is in it.
fn named(name: &[u8]) -> Name {
    let text: String = name.iter().map(|byte| char::from(*byte)).collect();
    Name::from_volume(&text::encode(&text))
}

fn directory(tree: &mut Tree, parent: NodeId, name: &[u8]) -> NodeId {
    let inode = tree.add_directory(attributes());
    tree.link(parent, &named(name), inode).unwrap()
}

fn file(tree: &mut Tree, parent: NodeId, name: &[u8], body: &[u8]) -> NodeId {
    let body = tree.add_body(body.into());
    let inode = tree.add_inode(Kind::File, attributes(), body);
    tree.link(parent, &named(name), inode).unwrap()
}

fn record(tree: &Tree) -> MemoryDevice {
    let device = MemoryDevice::new();
    let plan = Plan::create(tree, &spec(Revision::V2_01, BlockSize::B512)).unwrap();
    let target: &dyn WriteAt = &device;
    stream(&plan, tree, target, None, &Progress::new(), &StreamOptions::default()).unwrap();
    device
}
