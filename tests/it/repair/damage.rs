//! Damage as it happens: lost sequences and anchors, stale bitmaps, orphans, files that share blocks, a torn mirror.

use udf::file::FileIdentifierDescriptor;
use udf::general::{Descriptor as _, Tag, TagIdentifier as Kind};
use udf::{BlockSize, Revision};

use super::{files, findings, plan, repaired};
use crate::check::faults::On;
use crate::check::image::{Image, add32, get32, put};
use crate::check::optical::TABLES;

/// Where partition and bitmap of a rewritable volume begin, the one in sectors, the other in blocks.
fn places(image: &mut Image) -> (u32, u32) {
    let [partition, _] = image.descriptor(Kind::PARTITION);
    (get32(image.sector(partition), 188), get32(image.sector(partition), 56 + 12))
}

/// The sector of the metadata file's entry, or of another one whose block is at this place of the map.
fn metadata_file(image: &mut Image, at: usize) -> u32 {
    let ([logical, _], [partition, _]) =
        (image.descriptor(Kind::LOGICAL_VOLUME), image.descriptor(Kind::PARTITION));
    get32(image.sector(logical), 440 + 6 + at) + get32(image.sector(partition), 188)
}

type Damage = (&'static str, On, fn(&mut Image));

/// Damage after which everything is as it was before.
const RESTORED: &[Damage] = &[
    ("the main sequence is gone", On::Plain, |image| {
        let [main, _] = image.sequences();
        (main..main + 16).for_each(|sector| image.sector(sector).fill(0xEE));
    }),
    ("the reserve sequence is gone", On::Plain, |image| {
        let [_, reserve] = image.sequences();
        (reserve..reserve + 16).for_each(|sector| image.sector(sector).fill(0xEE));
    }),
    ("each sequence has lost what the other has", On::Split, |image| {
        let ([partition, _], [_, logical]) =
            (image.descriptor(Kind::PARTITION), image.descriptor(Kind::LOGICAL_VOLUME));
        image.sector(partition).fill(0);
        image.sector(logical)[300] ^= 0x55;
    }),
    ("only the last anchor is left", On::Plain, |image| {
        let [first, second, _] = image.anchors();
        image.sector(first).fill(0x11);
        image.sector(second).fill(0);
    }),
    ("only the first anchor is left, and no recognition", On::Old, |image| {
        let [_, second, third] = image.anchors();
        image.sector(second).fill(0);
        image.sector(third).fill(0x77);
        image.sector(17)[1] = b'X';
    }),
    ("the integrity descriptor is gone", On::Rewritable, |image| {
        let [integrity] = image.integrity();
        image.sector(integrity).fill(0);
    }),
    ("an update was interrupted: open, and the bitmap is rubbish", On::Rewritable, |image| {
        let sectors = image.integrity();
        image.change(&sectors, |integrity| {
            put(integrity, 28, &[0]);
            put(integrity, 80, &[9, 9]);
            put(integrity, 88 + 32, &[7, 7]);
            put(integrity, 40, &[17]);
        });
        let (start, bitmap) = places(image);
        image.sector(start + bitmap)[24..60].fill(0xA5);
    }),
    ("the bitmap's head is gone", On::Rewritable, |image| {
        let (start, bitmap) = places(image);
        image.sector(start + bitmap)[..24].fill(0);
    }),
    ("an entry of the metadata file is damaged", On::Split, |image| {
        let [main, _] = image.entry("data")[..] else { unreachable!() };
        image.sector(main)[60..200].fill(0x3C);
    }),
    ("an entry of the mirror is damaged", On::Split, |image| {
        let [_, mirror] = image.entry("data")[..] else { unreachable!() };
        image.sector(mirror)[60..200].fill(0x3C);
    }),
    ("a directory's body is damaged in the metadata file", On::Split, |image| {
        let volume = image.volume();
        let big = volume.lookup("big").unwrap();
        let start = volume.extents(&big).next().unwrap().unwrap().start;
        drop(volume);
        let [main, _] = image.copies(start)[..] else { unreachable!() };
        image.sector(main)[100..900].fill(0x42);
    }),
    ("all anchors are gone", On::Plain, |image| {
        image.anchors().into_iter().for_each(|anchor| image.sector(anchor).fill(0x31));
    }),
    ("all anchors and the recognition sequence are gone, blocks of 4096 bytes", On::Large, |image| {
        image.anchors().into_iter().for_each(|anchor| image.sector(anchor).fill(0));
        (8..12).for_each(|sector| image.sector(sector).fill(0));
    }),
    ("all anchors are gone, and an entry of the metadata file", On::Split, |image| {
        let [main, _] = image.entry("data")[..] else { unreachable!() };
        image.sector(main)[60..200].fill(0x3C);
        image.anchors().into_iter().for_each(|anchor| image.sector(anchor).fill(0));
    }),
    ("the entry of the metadata file is gone", On::Split, |image| {
        let sector = metadata_file(image, 40);
        image.sector(sector).fill(0xC3);
    }),
    ("the entry of the metadata mirror is gone", On::Split, |image| {
        let sector = metadata_file(image, 44);
        image.sector(sector).fill(0);
    }),
    ("one sparing table is gone", On::Sparable, |image| image.sector(TABLES[0]).fill(0)),
    ("one sparing table is old", On::Sparable, |image| image.set_tables(&TABLES[1..], 1, &[])),
    ("one sparing table is torn", On::Sparable, |image| image.sector(TABLES[1])[60..300].fill(0x11)),
    ("an address beside a name is wrong, the id is right", On::Rewritable, |image| {
        image.change_name("/other", |name| put(name, 24, &[0xFF; 4]));
    }),
];

#[test]
fn is_undone() {
    for (what, on, damage) in RESTORED {
        let sound = on.image();
        let mut image = sound.clone();
        damage(&mut image);
        assert!(!findings(&image).is_empty(), "{what}: nothing found");
        let after = repaired(&image, what);
        assert_eq!(findings(&after), [""; 0], "{what}");
        assert!(files(&after) == files(&sound), "{what}: not the same files");
    }
}

#[test]
fn orphans_become_files_of_lost_and_found() {
    for block_size in [BlockSize::B512, BlockSize::B2048] {
        let mut image = Image::new(Revision::V2_01, block_size);
        image.make_rewritable();
        let sound = files(&image);
        // The root's names of a file and of a directory are struck out as if they had never been.
        for name in ["/other", "/big"] {
            image.change_name(name, |name| {
                name[18] |= 4;
                put(name, 20, &[0; 16]);
                name[38] = 254;
            });
        }
        let after = repaired(&image, "orphans");
        assert_eq!(findings(&after), [""; 0]);
        let found = files(&after);
        let prefix = if found.keys().any(|path| path.starts_with('/')) { "/" } else { "" };
        let lost: Vec<_> =
            found.keys().filter(|path| path.starts_with(&format!("{prefix}lost+found/"))).collect();
        assert_eq!(lost.len(), 122, "a file, a directory, and the 120 in it");
        let other = &sound[&format!("{prefix}other")].body;
        assert!(found.iter().any(|(path, item)| path.contains("lost+found/block-") && item.body == *other));
    }
}

#[test]
fn a_second_repair_adds_to_lost_and_found() {
    let mut image = On::Rewritable.image();
    let strike = |image: &mut Image, name: &str| {
        image.change_name(name, |name| {
            name[18] |= 4;
            put(name, 20, &[0; 16]);
            name[38] = 254;
        });
    };
    strike(&mut image, "/other");
    let mut image = repaired(&image, "the first orphan");
    strike(&mut image, "/x");
    let image = repaired(&image, "the second orphan");
    assert_eq!(findings(&image), [""; 0]);
    let lost = files(&image).keys().filter(|path| path.contains("lost+found/")).count();
    assert_eq!(lost, 2);
}

#[test]
fn shared_blocks_are_copied() {
    let mut image = On::Rewritable.image();
    let [other] = image.entry("other")[..] else { unreachable!() };
    let position = image.sector(other)[220..224].to_vec();
    let sectors = image.entry("data");
    image.change(&sectors, |entry| put(entry, 220, &position));
    let before = files(&image);
    let after = repaired(&image, "shared blocks");
    assert_eq!(findings(&after), [""; 0]);
    assert!(before == files(&after), "both read as they did");
    let extents = |path: &str| {
        let volume = after.volume();
        let entry = volume.lookup(path).unwrap();
        volume.extents(&entry).next().unwrap().unwrap().start
    };
    assert_ne!(extents("other"), extents("data"));
}

#[test]
fn a_name_that_leads_nowhere_goes_and_what_it_meant_is_found() {
    let mut image = On::Rewritable.image();
    image.change_name("/other", |name| put(name, 20, &[0; 16]));
    let after = repaired(&image, "a name without an ICB");
    assert_eq!(findings(&after), [""; 0]);
    assert!(files(&after).keys().any(|path| path.contains("lost+found/block-")));
}

/// What lies behind the end of a body is no part of it: writing that stopped the repair with a panic.
#[test]
fn a_directory_whose_extent_is_longer_than_its_body_is_mended() {
    let mut image = Image::new(Revision::V2_01, BlockSize::B512);
    let volume = image.volume();
    let start = volume.partitions()[0].start().unwrap().0;
    let first = |entry| volume.extents(&entry).next().unwrap().unwrap().start.block.0;
    // Behind the block that the bitmap will take, where as many as one likes are free.
    let (old, new) = (first(volume.root().unwrap()), first(volume.lookup("spare").unwrap()) + 4);
    let size = usize::try_from(volume.root().unwrap().size_bytes).unwrap();
    let root = volume.root_icb().start();
    drop(volume);
    let place = |block: u32| (start + block) as usize * 512;
    let mut names = image.bytes[place(old)..place(old) + size].to_vec();
    let mut at = 0;
    while at < size {
        let len = FileIdentifierDescriptor::peek(&names[at..], udf::Place::Within).unwrap().total_len();
        let block = new + u32::try_from(at / 512).unwrap();
        put(&mut names[at..], 12, &block.to_le_bytes());
        Tag::reseal(&mut names[at..at + len]);
        at += len;
    }
    put(&mut image.bytes, place(new), &names);
    image.change(&image.copies(root), |entry| {
        // One short descriptor, and no extended attributes before it.
        assert_eq!((entry[34] % 8, get32(entry, 208), get32(entry, 212)), (0, 0, 8));
        add32(entry, 216, 512);
        put(entry, 220, &new.to_le_bytes());
    });
    image.make_rewritable();
    image.change_name("/other", |name| put(name, 20, &[0; 16]));
    let after = files(&repaired(&image, "a long extent"));
    assert!(!after.contains_key("other") && after.contains_key("dir/file"));
    assert!(after.keys().any(|path| path.contains("lost+found/block-")));
}

#[test]
fn an_embedded_body_that_its_crc_does_not_fit_is_left() {
    // Nothing else tells what the bytes were.
    let mut image = On::Plain.image();
    let [sector] = image.entry("dir/file")[..] else { unreachable!() };
    image.sector(sector)[218] ^= 1;
    let plan = plan(&image).unwrap();
    assert!(
        plan.is_empty() && plan.left().any(|finding| finding.rule.to_string() == "R004"),
        "{:?}",
        plan.mends
    );
}

#[test]
fn a_wrong_crc_with_another_fault_is_left() {
    let mut image = On::Plain.image();
    let [sector] = image.entry("other")[..] else { unreachable!() };
    add32(image.sector(sector), 220, 1);
    let plan = plan(&image).unwrap();
    // The extent still fits, but it is not the file's: it runs into another. So the seal is not made to fit it.
    let left: Vec<_> = plan.left().map(ToString::to_string).collect();
    assert!(left.iter().any(|finding| finding.contains("R004") && finding.contains("/other")), "{left:#?}");
    assert!(!plan.mends.iter().any(|mend| mend.rule == 4), "{:?}", plan.mends);
    let mut after = super::applied(&image, &plan);
    assert!(after.sector(sector) == image.sector(sector), "the entry is written over");
}

/// Files that cannot be copied apart are left as they are, and that is said.
#[test]
fn shared_blocks_of_a_read_only_partition_are_left() {
    let mut image = On::Plain.image();
    let [other] = image.entry("other")[..] else { unreachable!() };
    let position = image.sector(other)[220..224].to_vec();
    let sectors = image.entry("data");
    image.change(&sectors, |entry| put(entry, 220, &position));
    let plan = plan(&image).unwrap();
    assert!(plan.is_empty() && plan.left().any(|finding| finding.rule.to_string() == "R113"));
}

/// What is found without anchors must be there twice: one sequence alone may be what is left of another volume.
#[test]
fn a_sequence_that_is_alone_is_not_believed() {
    let mut image = On::Plain.image();
    let [main, _] = image.sequences();
    (main..main + 16).for_each(|sector| image.sector(sector).fill(0));
    image.anchors().into_iter().for_each(|anchor| image.sector(anchor).fill(0));
    assert!(plan(&image).is_err());
}

#[test]
fn a_sequence_with_two_primary_descriptors_is_no_copy_of_itself() {
    let mut image = On::Plain.image();
    let [main, _] = image.sequences();
    let ([_, primary], [_, information]) =
        (image.descriptor(Kind::PRIMARY_VOLUME), image.descriptor(Kind::IMPLEMENTATION_USE_VOLUME));
    let again = image.sector(primary).to_vec();
    image.change(&[information], |block| {
        block.copy_from_slice(&again);
        put(block, 12, &information.to_le_bytes());
    });
    (main..main + 16).for_each(|sector| image.sector(sector).fill(0));
    image.anchors().into_iter().for_each(|anchor| image.sector(anchor).fill(0));
    assert!(plan(&image).is_err());
}

/// Of a grown volume the newest sequences are found.
#[test]
fn without_anchors_the_newest_session_is_found() {
    use crate::support::build::{Append, append, create, spec};
    use crate::support::folder::Folder;
    use mkudf_ms::device::MemoryDevice;
    let mut folder = Folder::new(8);
    folder.change(20);
    let device = MemoryDevice::new();
    create(folder.path(), &spec(Revision::V2_50, BlockSize::B2048), &device).unwrap();
    for _ in 0..2 {
        folder.change(5);
        append(&device, &Append { folder: folder.path(), mirror: true, update: false, fixed_size: false })
            .unwrap();
    }
    let mut image = Image { bytes: device.into_bytes(), block_size: BlockSize::B2048 };
    let sound = files(&image);
    image.anchors().into_iter().for_each(|anchor| image.sector(anchor).fill(0));
    let after = repaired(&image, "a grown volume without anchors");
    assert!(files(&after) == sound, "another session");
}

#[test]
fn older_sessions_are_not_touched() {
    use crate::support::build::{Append, append, create, spec};
    use crate::support::folder::Folder;
    use mkudf_ms::device::MemoryDevice;
    let mut folder = Folder::new(5);
    folder.change(30);
    let device = MemoryDevice::new();
    create(folder.path(), &spec(Revision::V2_01, BlockSize::B2048), &device).unwrap();
    let old_bytes = device.into_bytes();
    let device = MemoryDevice::from(old_bytes.clone());
    folder.change(5);
    append(&device, &Append { folder: folder.path(), mirror: true, update: true, fixed_size: false })
        .unwrap();
    let mut image = Image { bytes: device.into_bytes(), block_size: BlockSize::B2048 };
    // Every entry of the old session loses its seal.
    let mut spoiled = 0;
    for at in (300 * 2048..old_bytes.len()).step_by(2048) {
        let block = &mut image.bytes[at..at + 2048];
        if Tag::read(block).unwrap().kind() == Kind::EXTENDED_FILE_ENTRY
            && Tag::read(block).unwrap().checksum != 0
        {
            block[8] ^= 0x5A;
            spoiled += 1;
        }
    }
    assert!(spoiled > 5, "{spoiled}");
    // Something is to be mended in the new session: the anchors at its end.
    let [_, before_last, last] = image.anchors();
    image.sector(before_last).fill(0);
    image.sector(last).fill(0);
    let plan = plan(&image).unwrap();
    assert!(plan.mends.iter().any(|mend| mend.rule == 29), "{:?} {:?}", plan.mends, plan.before.findings);
    assert!(plan.left().any(|finding| finding.rule.to_string() == "R001"), "{:?}", plan.after.findings);
    let after = super::applied(&image, &plan);
    // Before it lie recognition, the reserve sequences' slots and the anchor, which belong to the newest session.
    let old = 257 * 2048..old_bytes.len();
    assert!(after.bytes[old.clone()] == image.bytes[old], "{:?}", plan.mends);
}
