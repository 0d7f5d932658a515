//! Large numbers: names in a directory, directories in each other, bytes in a file, holes in it.

use std::sync::Arc;

use mkudf_ms::device::MemoryDevice;
use mkudf_ms::plan::Plan;
use mkudf_ms::progress::Progress;
use mkudf_ms::repair;
use mkudf_ms::scan::Outcome;
use mkudf_ms::session::{Import, ImportOptions};
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::{Attributes, Content, DataRange, HostFile, Kind, Name, Tree};
use udf::general::{ExtentKind, TagIdentifier};
use udf::read::{OpenOptions, Volume};
use udf::{BlockSize, Revision};

use crate::check::image::{Image, set_crc_length};
use crate::support::build::{Append, append, spec};
use crate::support::folder::Folder;

fn write(tree: &Tree, revision: Revision, block_size: BlockSize) -> MemoryDevice {
    let plan = Plan::create(tree, &spec(revision, block_size)).unwrap();
    let device = MemoryDevice::new();
    stream(&plan, tree, &device, None, &Progress::new(), &StreamOptions::default()).unwrap();
    device
}

#[test]
fn two_hundred_thousand_names_in_a_directory() {
    const NAMES: usize = 200_000;
    for revision in [Revision::V1_02, Revision::V2_50] {
        let mut tree = Tree::new(Attributes::default());
        for number in 0..NAMES {
            let body: Arc<[u8]> = number.to_string().into_bytes().into();
            let content = tree.add_body(body);
            let inode = tree.add_inode(Kind::File, Attributes::default(), content);
            tree.link(tree.root(), &Name::new(&format!("file {number:06}")).unwrap(), inode).unwrap();
        }
        let device = write(&tree, revision, BlockSize::B2048);
        let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
        let names = volume.directory(&volume.root().unwrap()).unwrap().live();
        let texts: Vec<String> = names.map(|name| name.unwrap().name_text()).collect();
        assert_eq!(texts.len(), NAMES);
        assert!(texts.iter().enumerate().all(|(number, text)| *text == format!("file {number:06}")));
        let last = volume.lookup("file 199999").unwrap();
        assert_eq!(volume.read_all(&last, 100).unwrap(), b"199999");
    }
}

#[test]
fn a_thousand_directories_in_each_other() {
    let mut tree = Tree::new(Attributes::default());
    let mut at = tree.root();
    for depth in 0..1000 {
        let inode = tree.add_directory(Attributes::default());
        at = tree.link(at, &Name::new(&format!("depth {depth}")).unwrap(), inode).unwrap();
    }
    let device = write(&tree, Revision::V2_01, BlockSize::B512);
    let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
    let deepest =
        volume.walk(&volume.root().unwrap()).map(|step| step.unwrap().0).max_by_key(String::len).unwrap();
    assert_eq!(deepest.split('/').count(), 1000);
    assert!(volume.lookup(&deepest).unwrap().is_directory());
}

/// A host file that is never read: all of its blocks lie in holes.
fn hollow(tree: &mut Tree, size_bytes: u64, data: Vec<DataRange>) {
    let directory = tree.add_host_directory(std::path::Path::new("/"));
    let holes = Some(tree.add_holes(data.into()));
    let name = tree.add_text(b"hollow");
    let content = Content::Host(HostFile { directory, name, size_bytes, holes });
    let inode = tree.add_inode(Kind::File, Attributes::default(), content);
    tree.link(tree.root(), &Name::new("hollow").unwrap(), inode).unwrap();
}

#[test]
fn a_hole_of_a_tebibyte() {
    for (revision, block_size) in [(Revision::V1_02, BlockSize::B512), (Revision::V2_60, BlockSize::B2048)] {
        let mut tree = Tree::new(Attributes::default());
        hollow(&mut tree, (1 << 40) + 5, Vec::new());
        let device = write(&tree, revision, block_size);
        let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
        let entry = volume.lookup("hollow").unwrap();
        assert_eq!((entry.size_bytes, entry.blocks_recorded), ((1 << 40) + 5, 0));
        let extents: Vec<_> = volume.extents(&entry).map(Result::unwrap).collect();
        assert!(extents.iter().all(|extent| extent.kind == ExtentKind::Unallocated));
        assert_eq!(extents.iter().map(|extent| extent.bytes).sum::<u64>(), (1 << 40) + 5);
        assert!(extents.len() > 1000, "so many that they need allocation extents of their own");
        let mut end = [1; 100];
        assert_eq!(volume.read(&entry, (1 << 40) - 50, &mut end).unwrap(), 55);
        assert_eq!(end[..55], [0; 55]);
    }
}

#[test]
fn ten_thousand_holes() {
    let data = |index: u64| DataRange { start_bytes: index * 8192, end_bytes: index * 8192 + 4096 };
    for (revision, block_size) in [(Revision::V2_00, BlockSize::B512), (Revision::V2_50, BlockSize::B4096)] {
        let mut tree = Tree::new(Attributes::default());
        hollow(&mut tree, 10_000 * 8192, (0..10_000).map(data).collect());
        // The file is not there, so its data are zeros and a warning; where they lie is what counts here.
        let plan = Plan::create(&tree, &spec(revision, block_size)).unwrap();
        let device = MemoryDevice::new();
        let warnings =
            stream(&plan, &tree, &device, None, &Progress::new(), &StreamOptions::default()).unwrap();
        assert_eq!(warnings.len(), 1);
        let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
        let entry = volume.lookup("hollow").unwrap();
        let mut at = 0;
        for extent in volume.extents(&entry) {
            let extent = extent.unwrap();
            let expected = if at % 8192 == 0 { ExtentKind::Recorded } else { ExtentKind::Unallocated };
            assert_eq!((extent.kind, extent.bytes), (expected, 4096), "at {at}");
            at += extent.bytes;
        }
        assert_eq!(at, entry.size_bytes);
    }
}

/// Planning by units of sixteen million blocks took all memory there was.
#[test]
fn metadata_that_grows_by_monstrous_units_is_not_appended_to() {
    const FIRST_MAP: usize = 440;
    const METADATA_MAP: usize = FIRST_MAP + 6;
    let mut image = Image::new(Revision::V2_50, BlockSize::B2048);
    let found = image.descriptor(TagIdentifier::LOGICAL_VOLUME);
    let unit = METADATA_MAP + 52..METADATA_MAP + 56;
    image.change(&found, |block| block[unit.clone()].copy_from_slice(&16_777_248u32.to_le_bytes()));
    let mut import = Import::open(&image.bytes, &ImportOptions::default()).unwrap();
    let mut tree = import.tree().unwrap();
    let error = import.finish(&mut tree, &Outcome::default()).unwrap_err();
    assert!(error.to_string().contains("units of 16777248 blocks"), "{error}");
}

/// The map said that the mirror has no blocks of its own, though it has, and the main file had lost one: the next session lost it for
/// good.
#[test]
fn a_mirror_that_the_map_does_not_own_up_to_is_compared_all_the_same() {
    const FLAGS: usize = 440 + 6 + 58;
    let mut image = Image::new(Revision::V2_50, BlockSize::B2048);
    let found = image.descriptor(TagIdentifier::LOGICAL_VOLUME);
    image.change(&found, |block| block[FLAGS] = 0);
    let volume = image.volume();
    let main = volume.locate(volume.file_set_address()).unwrap().sector;
    image.sector(main.0).fill(0);
    let device = MemoryDevice::from(image.bytes);
    let folder = Folder::new(1);
    let request = Append { folder: folder.path(), mirror: false, update: false, fixed_size: false };
    let error = append(&device, &request).unwrap_err();
    assert!(error.to_string().contains("the two copies of the metadata differ"), "{error}");
}

/// A map table that ends within the first map, of a metadata partition: `repair` read on behind it.
#[test]
fn a_map_table_that_is_cut_short_is_no_way_out_of_its_descriptor() {
    let mut image = Image::new(Revision::V2_50, BlockSize::B2048);
    let found = image.descriptor(TagIdentifier::LOGICAL_VOLUME);
    for length in 0..8u32 {
        image.change(&found, |block| {
            block[264..268].copy_from_slice(&length.to_le_bytes());
            block[440..442].copy_from_slice(&[2, 64]);
            set_crc_length(block, 424 + length as usize);
        });
        let _ = repair::plan(&image.bytes, &OpenOptions::default());
    }
}

/// A partition that claims four thousand million blocks, and a device of a few hundred: `repair` looked at each of them.
#[test]
fn what_a_partition_claims_beyond_its_device_is_not_looked_at() {
    let mut image = Image::new(Revision::V2_01, BlockSize::B2048);
    image.make_rewritable();
    let found = image.descriptor(TagIdentifier::PARTITION);
    image.change(&found, |block| block[192..196].copy_from_slice(&0xFFFF_0000u32.to_le_bytes()));
    let _ = repair::plan(&image.bytes, &OpenOptions::default());
}

/// Anchors that lead to a reserve sequence at the end of all sectors: `repair` counted beyond it.
#[test]
fn a_sequence_beyond_the_device_is_not_written_anew() {
    let mut image = Image::new(Revision::V2_01, BlockSize::B2048);
    let anchors = image.anchors();
    image.change(&anchors, |block| block[28..32].copy_from_slice(&0xFFFF_FFFAu32.to_le_bytes()));
    let plan = repair::plan(&image.bytes, &OpenOptions::default()).unwrap();
    assert!(plan.left().next().is_some());
}
