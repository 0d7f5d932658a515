//! Sparable volumes, some packets of which lie elsewhere: where they were, something else is now, and nobody may take it for theirs.

use mkudf_ms::device::MemoryDevice;
use mkudf_ms::plan::Spec;
use mkudf_ms::rescue::Verdict;
use udf::general::Tag;
use udf::partition::{SparingEntry, SparingTable};
use udf::read::{PartitionKind, SparablePartition};
use udf::{BlockSize, Revision};
use zerocopy::{FromBytes, IntoBytes};

use super::bench::Case;
use super::damage;
use crate::support::build::{create, spec};
use crate::support::folder::Folder;
use crate::support::manifest::{assert_same, of_folder};
use crate::support::random::Random;

const BLOCK: usize = 2048;
const KINDS: [(Revision, u16); 3] = [(Revision::V2_00, 32), (Revision::V2_01, 32), (Revision::V2_01, 16)];

fn sparable(case: &Case) -> SparablePartition {
    match &case.volume().partitions()[0].kind {
        PartitionKind::Sparable(sparable) => (**sparable).clone(),
        other => panic!("{other:?}"),
    }
}

/// A volume of what a folder holds, none of whose packets was relocated.
fn made(folder: &Folder, (revision, packet_blocks): (Revision, u16), what: &str) -> Case {
    let device = MemoryDevice::new();
    let spec = Spec {
        rewritable_blocks: Some(12_288),
        packet_blocks: Some(packet_blocks),
        ..spec(revision, BlockSize::B2048)
    };
    create(folder.path(), &spec, &device).unwrap();
    let name = format!("{revision} in packets of {packet_blocks}, {what}");
    let states = vec![of_folder(folder.path())];
    Case { name, image: device.into_bytes(), block_size: BlockSize::B2048, sessions: states }
}

/// One of which each packet that something is in may have been relocated: that of the root always, others by seed.
fn case(kind: (Revision, u16), seed: u64) -> Case {
    let mut folder = Folder::new(seed);
    folder.change(60);
    for number in 0..12_u8 {
        std::fs::write(folder.path().join(format!("large {number}")), vec![number; 90_000]).unwrap();
    }
    let mut case = made(&folder, kind, &format!("seed {seed}"));
    relocate(&mut case, seed);
    case
}

/// One with one packet relocated, in which only the content of a file lies.
fn case_of_contents(kind: (Revision, u16)) -> Case {
    let folder = Folder::new(840);
    std::fs::write(folder.path().join("large"), vec![5; 400_000]).unwrap();
    let mut case = made(&folder, kind, "contents relocated");
    let volume = case.volume();
    let entry = volume.lookup("large").unwrap();
    let extent = volume.extents(&entry).next().unwrap().unwrap();
    let packet = u32::from(kind.1);
    let block = (extent.start.block.0 + 2 * packet) / packet * packet;
    drop(volume);
    move_packets(&mut case, &[block]);
    case
}

fn relocate(case: &mut Case, seed: u64) {
    let sparable = sparable(case);
    let packet = u32::from(sparable.map.packet_length.get());
    let volume = case.volume();
    let start = volume.partitions()[0].start().unwrap().0;
    let root = volume.root_icb().start().block.0 / packet * packet;
    drop(volume);
    let bytes_of = |first: u32| first as usize * BLOCK..(first + packet) as usize * BLOCK;
    let mut random = Random::new(seed);
    // Something has to be where it was, to tell where the partition begins: its bitmap.
    let used = (packet..4000).step_by(packet as usize).filter(|block| {
        let here = &case.image[bytes_of(start + block)];
        *block == root || (here.iter().any(|byte| *byte != 0) && random.below(2) == 0)
    });
    let used: Vec<u32> = used.take(sparable.entries().len()).collect();
    assert!(used.len() > 4 && used.contains(&root), "{}: {used:?}", case.name);
    move_packets(case, &used);
}

fn move_packets(case: &mut Case, used: &[u32]) {
    let sparable = sparable(case);
    let packet = u32::from(sparable.map.packet_length.get());
    let start = case.volume().partitions()[0].start().unwrap().0;
    let bytes_of = |first: u32| first as usize * BLOCK..(first + packet) as usize * BLOCK;
    let mut entries = sparable.entries().to_vec();
    for (block, entry) in used.iter().zip(&mut entries) {
        entry.original_location = (*block).into();
        let (old, new) = (bytes_of(start + block), bytes_of(entry.mapped_location.get()));
        case.image.copy_within(old.clone(), new.start);
        case.image[old].fill(0xEE);
    }
    entries.sort_by_key(|entry| entry.original_location.get());
    for location in sparable.map.locations() {
        let table = &mut case.image[location as usize * BLOCK..];
        let head = size_of::<SparingTable>();
        SparingTable::mut_from_prefix(table).unwrap().0.sequence_number = 9.into();
        for (place, entry) in table[head..].chunks_exact_mut(size_of::<SparingEntry>()).zip(&entries) {
            place.copy_from_slice(entry.as_bytes());
        }
        Tag::reseal(&mut table[..head + entries.len() * size_of::<SparingEntry>()]);
    }
}

fn cases() -> impl Iterator<Item = Case> {
    (800..).zip(KINDS).map(|(seed, kind)| case(kind, seed))
}

fn without(image: &[u8], sectors: impl IntoIterator<Item = u32>) -> Vec<u8> {
    let mut image = image.to_vec();
    for sector in sectors {
        image[sector as usize * BLOCK..(sector as usize + 1) * BLOCK].fill(0);
    }
    image
}

#[test]
fn what_lies_in_spare_packets_is_found_there_and_certain() {
    for case in cases() {
        let tables: Vec<u32> = sparable(&case).map.locations().collect();
        case.rescue(&case.image, Vec::new()).assert_whole(&case);
        for lost in &tables {
            case.rescue(&without(&case.image, [*lost]), Vec::new()).assert_whole(&case);
        }
    }
}

/// The maps are lost with the descriptors of the volume; the tables are found by themselves.
#[test]
fn tables_that_nothing_leads_to_are_found_and_used() {
    for case in cases() {
        let tables: Vec<u32> = sparable(&case).map.locations().collect();
        for (what, image) in damage::all_volume_descriptors(&case) {
            for lost in [None, tables.first().copied()] {
                let rescued = case.rescue(&without(&image, lost), Vec::new());
                let context = format!("{}, {what}, without the table at {lost:?}: {rescued:?}", case.name);
                rescued.assert_honest(&case, what.as_str());
                // The table may be of another volume that was there before.
                assert_eq!(rescued.of(Verdict::Certain).count(), 0, "{context}");
                let mut found = rescued.found();
                found.retain(|path, _| !path.starts_with("lost+found"));
                assert_same(case.newest(), &found, &context);
            }
        }
    }
}

/// Nobody knows then which packets are not where they were; nothing may show that any are, where they hold contents only.
#[test]
fn nothing_is_certain_without_any_table() {
    for case in cases().chain(KINDS.map(case_of_contents)) {
        let tables: Vec<u32> = sparable(&case).map.locations().collect();
        let mut images = vec![(String::from("the tables"), case.image.clone())];
        images.extend(damage::all_volume_descriptors(&case));
        for (what, image) in images {
            let rescued = case.rescue(&without(&image, tables.iter().copied()), Vec::new());
            rescued.assert_honest(&case, &what);
            assert_eq!(rescued.of(Verdict::Certain).count(), 0, "{}, {what}: {rescued:?}", case.name);
        }
    }
}
