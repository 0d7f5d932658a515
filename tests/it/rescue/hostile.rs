//! Volumes made to harm whoever rescues them, or to make him call certain what is not.

use mkudf_ms::device::MemoryDevice;
use mkudf_ms::plan::Plan;
use mkudf_ms::progress::Progress;
use mkudf_ms::rescue::{Options, Reason, Verdict};
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::{Attributes, Kind, Name, NodeId, Tree};
use udf::file::{FileIdentifierDescriptor, characteristics};
use udf::general::{ExtentKind, Seal, ShortAd, text};
use udf::{BlockSize, Revision};
use zerocopy::IntoBytes;

use super::bench::{Case, Rescued};
use crate::check::image::Image;
use crate::support::build::spec;
use crate::support::manifest::of_volume;
use crate::support::patch;

fn directory(tree: &mut Tree, parent: NodeId, name: &str) -> NodeId {
    let inode = tree.add_directory(Attributes { mode: 0o755, ..Attributes::default() });
    tree.link(parent, &Name::from_volume(&text::encode(name)), inode).unwrap()
}

fn file(tree: &mut Tree, parent: NodeId, name: &str, body: &[u8]) {
    let body = tree.add_body(body.into());
    let attributes = Attributes { mode: 0o644, ..Attributes::default() };
    let inode = tree.add_inode(Kind::File, attributes, body);
    tree.link(parent, &Name::from_volume(&text::encode(name)), inode).unwrap();
}

fn case(build: impl FnOnce(&mut Tree)) -> Case {
    let mut tree = Tree::new(Attributes { mode: 0o755, ..Attributes::default() });
    build(&mut tree);
    let device = MemoryDevice::new();
    let plan = Plan::create(&tree, &spec(Revision::V2_01, BlockSize::B512)).unwrap();
    stream(&plan, &tree, &device, None, &Progress::new(), &StreamOptions::default()).unwrap();
    let mut case = Case {
        name: "hostile".into(),
        image: device.into_bytes(),
        block_size: BlockSize::B512,
        sessions: Vec::new(),
    };
    let manifest = of_volume(&case.volume());
    case.sessions.push(manifest);
    case
}

fn usual() -> Case {
    case(|tree| {
        let d = directory(tree, NodeId(0), "d");
        for number in 0..40 {
            file(tree, d, &format!("file {number}"), &[number; 700]);
        }
        file(tree, NodeId(0), "f", &[7; 5000]);
        file(tree, NodeId(0), "g", &[8; 5000]);
    })
}

fn verdict(rescued: &Rescued, path: &str) -> Verdict {
    rescued.items[path].verdict
}

#[test]
fn names_that_lead_elsewhere_stay_within_the_folder_and_are_told() {
    let case = case(|tree| {
        for name in ["..", ".", "../../evil", "/etc/passwd", "a\0b", "esc\x1b]0;x\x07"] {
            file(tree, NodeId(0), name, b"x");
        }
    });
    for bad in [Vec::new(), super::damage::root(&case)] {
        let rescued = case.rescue(&case.image, bad.clone());
        let outside = rescued.folder.path().parent().unwrap().join("evil");
        assert!(!outside.exists());
        let files = rescued.found().values().filter(|item| item.kind == "file").count();
        assert_eq!(files, 6, "{rescued:?}");
        if bad.is_empty() {
            let renamed = rescued.items.values().filter(|item| item.recorded_name.is_some()).count();
            assert_eq!(renamed, 5, "{rescued:?}");
        }
    }
}

#[test]
fn two_files_of_which_one_claims_blocks_of_the_other_are_both_doubtful() {
    let mut case = usual();
    let start = {
        let volume = case.volume();
        let g = volume.lookup("/g").unwrap();
        volume.body(&g).unwrap().extents()[0].start.block.0
    };
    patch::entry(&mut case.image, "/f", |entry, at| {
        let extent = ShortAd::new(ExtentKind::Recorded, 5000, start + 2);
        entry[at.allocation..at.allocation + 8].copy_from_slice(extent.as_bytes());
    });
    let rescued = case.rescue(&case.image, Vec::new());
    assert!(rescued.items["f"].reasons.contains(&Reason::Overlap), "{rescued:?}");
    assert!(rescued.items["g"].reasons.contains(&Reason::Overlap), "{rescued:?}");
    assert_eq!((verdict(&rescued, "f"), verdict(&rescued, "g")), (Verdict::Doubtful, Verdict::Doubtful));
    assert_eq!(verdict(&rescued, "d/file 3"), Verdict::Certain);
}

#[test]
fn a_name_whose_entry_is_another_files_is_doubtful() {
    let mut case = usual();
    patch::entry(&mut case.image, "/f", |entry, at| {
        // The unique id is right before the two lengths that end the fixed part.
        entry[at.allocation - 16] ^= 0x40;
    });
    let rescued = case.rescue(&case.image, Vec::new());
    assert!(matches!(rescued.items["f"].reasons[..], [Reason::OtherFile { .. }]), "{rescued:?}");
}

#[test]
fn directories_in_each_other_that_nothing_leads_to_end() {
    let mut case = case(|tree| {
        let a = directory(tree, NodeId(0), "a");
        let b = directory(tree, a, "b");
        file(tree, b, "deep", b"deep");
        directory(tree, b, "c");
    });
    let bad = super::damage::root(&case);
    let (from, to) = {
        let volume = case.volume();
        let b = volume.lookup("/a/b").unwrap();
        (volume.child(&b, "c").unwrap().unwrap(), volume.lookup("/a").unwrap().icb)
    };
    patch::entry(&mut case.image, "/a/b", |entry, at| {
        let mut name = Vec::new();
        let icb = udf::general::LongAd::icb(512, to, 0);
        let seal = Seal { descriptor_version: 3, serial_number: 1 };
        let fixed = FileIdentifierDescriptor::new(characteristics::DIRECTORY, icb);
        fixed.append_to(&[], &from.name, &mut name, seal, from.tag.location.get());
        let offset = at.allocation + usize::try_from(from.offset_bytes).unwrap();
        entry[offset..offset + name.len()].copy_from_slice(&name);
    });
    let rescued = case.rescue(&case.image, bad);
    let found = rescued.found();
    assert!(found.keys().filter(|path| path.ends_with("/deep")).count() == 1, "{rescued:?}");
    assert_eq!(rescued.of(Verdict::Certain).count(), 0);
}

#[test]
fn a_directory_that_claims_2_to_the_60_bytes_gives_the_names_it_has() {
    let mut case = usual();
    patch::entry(&mut case.image, "/d", |entry, at| {
        entry[at.size..at.size + 8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
    });
    let rescued = case.rescue(&case.image, Vec::new());
    assert_eq!(rescued.found().keys().filter(|path| path.starts_with("d/")).count(), 40, "{rescued:?}");
    assert_eq!(verdict(&rescued, "d"), Verdict::Doubtful);
    assert!(rescued.items["d"].reasons.contains(&Reason::MissingNames));
}

#[test]
fn an_image_within_a_file_is_part_of_that_file() {
    let inner = usual();
    let case = case(|tree| file(tree, NodeId(0), "inner.udf", &inner.image));
    let rescued = case.rescue(&case.image, Vec::new());
    rescued.assert_whole(&case);
    assert_eq!(rescued.items.len(), 2, "{rescued:?}");
}

#[test]
fn what_was_deleted_comes_on_request_and_is_never_certain() {
    let mut case = usual();
    let found = {
        let volume = case.volume();
        let root = volume.root().unwrap();
        assert_eq!(root.form, udf::file::AllocationForm::Embedded);
        volume.child(&root, "f").unwrap().unwrap()
    };
    patch::entry(&mut case.image, "/", |entry, at| {
        let start = at.allocation + usize::try_from(found.offset_bytes).unwrap();
        let name = &mut entry[start..start + found.len_bytes as usize];
        name[18] |= characteristics::DELETED;
        patch::reseal(name);
    });
    let rescued = case.rescue(&case.image, Vec::new());
    assert!(!rescued.found().keys().any(|path| path.contains("lost+found")), "{rescued:?}");
    let options = Options { deleted: true, ..Options::default() };
    let rescued = case.rescue_with(&case.image, Vec::new(), None, &options);
    let path = "lost+found/deleted/f";
    assert_eq!(rescued.found()[path].body, Some(vec![7; 5000]), "{rescued:?}");
    assert_eq!(rescued.items[path].reasons, [Reason::Deleted]);
}

#[test]
fn nothing_comes_of_nothing() {
    let case = usual();
    for image in [Vec::new(), vec![0; 100], vec![0; 1 << 20], vec![0xA5; 3 << 20]] {
        let rescued = case.rescue(&image, Vec::new());
        assert!(rescued.summary.is_empty() && rescued.found().len() == 1);
    }
}

/// Of the directory, only the mirror of the metadata had the entry, so it had no place by which it could be known again.
#[test]
fn a_directory_within_itself_that_only_the_mirror_has_is_entered_once() {
    let mut image = Image::new(Revision::V2_50, BlockSize::B2048);
    let icb = image.icb("dir");
    image.change_name("dir/file", |name| {
        name[18] |= characteristics::DIRECTORY;
        name[24..28].copy_from_slice(&icb.block.0.to_le_bytes());
    });
    let entry = image.entry("dir");
    image.sector(entry[0]).fill(0);
    let case = Case {
        name: "within itself".into(),
        image: image.bytes,
        block_size: BlockSize::B2048,
        sessions: Vec::new(),
    };
    let rescued = case.rescue(&case.image, Vec::new());
    assert!(rescued.items.contains_key("dir/file"), "{:?}", rescued.items.keys());
    assert!(rescued.items.keys().all(|path| path.matches("file").count() < 2), "{rescued:?}");
}
