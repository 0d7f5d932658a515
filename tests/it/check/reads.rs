//! What a check reads: blocks of files' entries and of directories once, in the order of the device; contents of files never.

use std::collections::BTreeMap;
use std::sync::Mutex;

use mkudf_ms::tree::{Kind, Tree};
use udf::BoxedError;
use udf::check::check;
use udf::read::{OpenOptions, ReadAt};
use udf::{BlockSize, Revision};

use super::image::{Image, attributes, name};

const LEN: u64 = 2048;
const DIRECTORIES: usize = 20;
const FILES_EACH: usize = 150;

/// A device that notes what is read of it: first byte and length.
struct Counting<'a> {
    image: &'a Image,
    reads: Mutex<Vec<(u64, u64)>>,
}

impl ReadAt for Counting<'_> {
    fn size_bytes(&self) -> u64 {
        self.image.bytes.len() as u64
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        self.reads.lock().unwrap().push((offset_bytes, out.len() as u64));
        self.image.bytes.read_at(offset_bytes, out)
    }
}

/// Directories of many files, each with contents of a block of its own.
fn image(revision: Revision) -> Image {
    let mut tree = Tree::new(attributes(0o755));
    for number in 0..DIRECTORIES {
        let directory = tree.add_directory(attributes(0o755));
        let directory = tree.link(tree.root(), &name(&format!("d{number}")), directory).unwrap();
        for number in 0..FILES_EACH {
            let body = tree.add_body(vec![1; 3000].into());
            let file = tree.add_inode(Kind::File, attributes(0o644), body);
            tree.link(directory, &name(&format!("file {number}")), file).unwrap();
        }
    }
    Image::of(&tree, revision, BlockSize::B2048)
}

#[test]
fn every_block_once_and_forwards() {
    // From 2.50 on both copies of the metadata are read and compared, each of them once.
    for (revision, copies) in [(Revision::V1_02, 1), (Revision::V2_01, 1), (Revision::V2_50, 2)] {
        let image = image(revision);
        let device = Counting { image: &image, reads: Mutex::default() };
        let report = check(&device, &OpenOptions::default(), &mut |_| ());
        assert_eq!((report.findings.len(), report.files), (0, (DIRECTORIES * FILES_EACH) as u64));
        let reads = device.reads.into_inner().unwrap();
        let mut counts = BTreeMap::<u64, usize>::new();
        for (offset, length) in &reads {
            for block in offset / LEN..(offset + length).div_ceil(LEN) {
                *counts.entry(block).or_default() += 1;
            }
        }
        let volume = image.volume();
        let partition = u64::from(volume.partitions()[0].start().unwrap().0);
        let blocks = u64::from(volume.partitions()[0].length_blocks);
        // Opening the volume has read file set, metadata files and root before.
        let opened = counts.range(partition..partition + blocks).filter(|(_, count)| **count > 1).count();
        assert!(opened <= 8, "{revision}: {opened} blocks more than once");
        let read: usize = counts.values().sum();
        let entries = DIRECTORIES * (FILES_EACH + 1);
        let directories = DIRECTORIES * (FILES_EACH * 52).div_ceil(2048);
        let most = copies * (entries + directories) * 11 / 10 + 400;
        assert!(read <= most, "{revision}: {read} blocks read, {most} at most");
        // Back to the names of the next directory, forth to its entries.
        let back = reads.iter().zip(&reads[1..]).filter(|((one, _), (other, _))| other < one).count();
        assert!(back <= 2 * DIRECTORIES + 60, "{revision}: {back} times back in {} reads", reads.len());
        // Entries are read many at a time.
        assert!(reads.len() < entries / 2, "{revision}: {} reads", reads.len());
    }
}
