//! Every fault that the checker's tables plant: repair makes the check silent, or the table here says why it cannot.

use std::collections::BTreeSet;

use udf::file::FileType;
use udf::read::{OpenOptions, Volume};

use super::{applied, findings, plan, repaired};
use crate::check::faults::{On, rules, tables};
use crate::check::image::Image;

/// Faults that are left: their rules, the volume, and why.
const LEFT: &[(&[u8], On, &str)] = &[
    (&[28], On::Plain, "a boot descriptor is its maker's; what its reserved bytes meant nobody knows"),
    (&[33], On::Plain, "where the reserve sequence lies is told by anchors only, and all of them are wrong"),
    (
        &[38],
        On::Split,
        "nothing is lost by sequences that are near; to move one takes room outside partitions",
    ),
    (&[42], On::Plain, "the set identifier is the volume's identity, by which others know it"),
    (&[49], On::Plain, "how the partition may be written is told nowhere else"),
    (
        &[33, 51, 140],
        On::Plain,
        "how long the partition is was told in two places, both wrong in the same way",
    ),
    (&[33, 140], On::Plain, "the same"),
    (
        &[0, 10, 29, 33, 51],
        On::Plain,
        "the image is cut off before its integrity descriptor, and cannot grow",
    ),
    (&[56, 68], On::Plain, "which of two partitions is the right one nobody knows"),
    (&[72], On::PseudoOverwrite, "write-once media are refused, whatever their drives pretend"),
    (
        &[91],
        On::Split,
        "an entry of a chain of entries takes part in it, and is not turned into another kind",
    ),
    (&[140], On::Plain, "the same"),
    (&[50, 56], On::Plain, "a partition that no map names may be somebody's"),
    (&[55], On::Plain, "a bitmap takes blocks, and without one nobody knows which are free"),
    (&[55, 62, 124], On::Split, "write-once media are refused"),
    (&[55, 124], On::Large, "write-once media are refused"),
    (&[66], On::Rewritable, "what lies behind a sequence that is too short may be somebody's"),
    (&[21], On::Plain, "which of two times is the wrong one nobody knows"),
    (&[21], On::Old, "the same"),
    (&[92], On::Plain, "what else a file might be nothing tells"),
    (&[95], On::Plain, "entries of the old form are legal to read, and the longer form may not fit"),
    (&[96], On::Plain, "whose the file is may matter, whatever the system says that wrote it"),
    (&[101, 129], On::Plain, "where attributes end and the body begins is lost"),
    (&[101], On::Plain, "the same"),
    (&[107], On::Plain, "where the body lies is lost"),
    (&[111], On::Plain, "the same"),
    (&[113], On::Plain, "a copy takes blocks, and a read-only partition has none to give"),
    (&[120], On::Plain, "which file was meant is lost, and a read-only partition has no room for lost+found"),
    (&[125], On::Old, "shorter names are the user's to choose"),
    (
        &[71, 126],
        On::Plain,
        "which directory was meant is lost, and a read-only partition has no room for lost+found",
    ),
    (&[128], On::Old, "whether the file is the user's, or the system's damaged one, nobody knows"),
    (&[6], On::Plain, "what a file of attributes holds is left as it is"),
    (&[129], On::Plain, "the same"),
    (&[131], On::Plain, "the same"),
    (&[132], On::Plain, "the same"),
    (&[128], On::Plain, "what the volume has besides files is its writer's, and not guessed at"),
    (&[130], On::Plain, "attributes that are not understood in full are left as they are"),
    (&[131, 134], On::Plain, "the same"),
    (&[134], On::Plain, "the same"),
    (&[135], On::Plain, "the same"),
    (&[84], On::Split, "in which units metadata is to be allocated is told nowhere else"),
    (&[86], On::Split, "nothing is lost by entries that are near"),
    (&[106], On::Plain, "the file of attributes may hold something"),
    (&[127], On::Plain, "the stream's name is its maker's"),
    (&[52], On::Sparable, "how long the partition is to be is told nowhere else"),
    (&[64], On::Sparable, "where sparing tables lie is told nowhere else"),
    (&[64, 81], On::Sparable, "the same"),
    (&[81], On::Sparable, "all copies of the table are wrong in the same way, and the drive's own"),
    (&[82], On::Sparable, "the same"),
];

#[test]
fn each_is_mended_or_left_for_a_reason() {
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for (number, (expected, on, plant)) in tables().into_iter().enumerate() {
        let mut image = on.image();
        plant(&mut image);
        let context = format!("number {number}, {expected:?} in {on:?}");
        if matches!(on, On::Virtual | On::OldVirtual) {
            assert!(
                plan(&image).map_or(true, |plan| plan.is_empty()),
                "{context}: nothing is mended in place on write-once media"
            );
            continue;
        }
        let reason = LEFT.iter().position(|(rules, volume, _)| *rules == expected && *volume == on);
        if let Err(error) = plan(&image) {
            used.extend(reason);
            if reason.is_none() {
                wrong.push(format!("{context}: {error}"));
            }
            continue;
        }
        let after = repaired(&image, &context);
        if rules(&after.check()).is_empty() {
            continue;
        }
        used.extend(reason);
        if reason.is_none() || !rules(&after.check()).is_subset(&rules(&image.check())) {
            wrong.push(format!("{context}: {:#?}", findings(&after)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let unused: Vec<_> =
        (0..LEFT.len()).filter(|index| !used.contains(index)).map(|index| LEFT[index]).collect();
    assert!(unused.is_empty(), "reasons that nothing needs: {unused:?}");
}

/// The body of a file, if it can be read.
fn body(image: &Image, path: &str) -> Option<Vec<u8>> {
    let volume = Volume::open(&image.bytes, &OpenOptions::default()).ok()?;
    let entry = volume.lookup(path).ok().filter(|entry| entry.kind == FileType::REGULAR)?;
    volume.read_all(&entry, 1 << 20).ok()
}

#[test]
fn files_are_as_they_were() {
    // Faults after which a name cannot be as it was, or a file is gone: of names that are short or there twice, of entries that
    // are zeros.
    let changes: [&[u8]; 5] = [&[119], &[121], &[123], &[10], &[71, 99, 116, 119]];
    let mut compared = 0;
    for (number, (expected, on, plant)) in tables().into_iter().enumerate() {
        let sound = on.image();
        let mut image = sound.clone();
        plant(&mut image);
        // Some plant their fault in a volume of their own.
        if image.bytes.len() != sound.bytes.len() || changes.contains(&expected) {
            continue;
        }
        let Ok(plan) = plan(&image) else { continue };
        let after = applied(&image, &plan);
        for path in ["data", "other", "x", "dir/file", "dir/hard", "big/n0003", "big/n0119"] {
            // What could be read is as it was; what could not is as it was before the fault.
            let before =
                body(&image, path).or_else(|| findings(&after).is_empty().then(|| body(&sound, path))?);
            if before.is_some() {
                let found = body(&after, path);
                let restored = found == body(&sound, path);
                assert!(restored || found == before, "number {number}, {expected:?}: {path}");
                compared += 1;
            }
        }
    }
    assert!(compared > 900, "only {compared} files");
}

#[test]
fn what_is_sound_is_left_alone() {
    for on in [On::Plain, On::Large, On::Old, On::Split, On::Rewritable] {
        let plan = plan(&on.image()).unwrap();
        assert!(plan.is_empty() && plan.mends.is_empty(), "{on:?}: {:?}", plan.mends);
    }
}
