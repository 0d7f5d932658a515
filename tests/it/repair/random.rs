//! Seeded damage with seals made to fit: repair ends, mends or says what is left, and files that were sound stay so.

use udf::read::{OpenOptions, Volume};

use mkudf_ms::device::MemoryDevice;
use mkudf_ms::repair::Undo;

use super::{applied, plan};
use crate::check::faults::On;
use crate::check::image::{Image, reseal};
use crate::support::random::Random;

/// Files that read as they do on the sound volume.
fn sound_files(sound: &Image, image: &Image) -> Vec<(String, Vec<u8>)> {
    let Ok(volume) = Volume::open(&image.bytes, &OpenOptions::default()) else { return Vec::new() };
    let original = sound.volume();
    let root = original.root().unwrap();
    let paths: Vec<String> = original.walk(&root).map(|step| step.unwrap().0).collect();
    let read = |path: &String| {
        let body = |volume: &Volume<&Vec<u8>>| {
            let entry = volume.lookup(path).ok()?;
            volume.read_all(&entry, 1 << 20).ok()
        };
        let (was, is) = (body(&original)?, body(&volume)?);
        (was == is).then(|| (path.clone(), is))
    };
    paths.iter().filter_map(read).collect()
}

/// Blocks of 2048 bytes in which something is recorded.
fn recorded(image: &Image) -> Vec<usize> {
    (0..image.bytes.len() / 2048)
        .filter(|block| image.bytes[block * 2048..(block + 1) * 2048].iter().any(|byte| *byte != 0))
        .collect()
}

/// On write-once media, whatever is wrong, nothing is to be written.
#[test]
fn write_once_mutants_are_never_written_to() {
    let mut random = Random::new(12);
    for on in [On::PseudoOverwrite, On::OldVirtual, On::Virtual] {
        let sound = on.image();
        let blocks = recorded(&sound);
        for number in 0..60 {
            let mut image = sound.clone();
            let block = blocks[random.below(blocks.len())] * 2048;
            // What says that the medium is one is in both sequences; only one place is damaged.
            image.bytes[block + 16 + random.below(300)] ^= u8::try_from(1 + random.below(255)).unwrap();
            let length = usize::from(image.bytes[block + 10]) + 256 * usize::from(image.bytes[block + 11]);
            if length <= 2032 {
                reseal(&mut image.bytes[block..block + 2048]);
            }
            assert!(plan(&image).map_or(true, |plan| plan.is_empty()), "{on:?} {number}");
        }
    }
}

#[test]
fn mutants() {
    let mut random = Random::new(11);
    let (mut mended, mut left, mut refused) = (0, 0, 0);
    let mut twice = Vec::new();
    for on in [On::Plain, On::Large, On::Old, On::Split, On::Rewritable, On::Sparable] {
        let sound = on.image();
        let blocks = recorded(&sound);
        for number in 0..100 {
            let mut image = sound.clone();
            for _ in 0..=random.below(4) {
                let block = blocks[random.below(blocks.len())] * 2048;
                image.bytes[block + random.below(300)] = u8::try_from(random.below(256)).unwrap();
                let length =
                    usize::from(image.bytes[block + 10]) + 256 * usize::from(image.bytes[block + 11]);
                if random.below(3) > 0 && length <= 2032 {
                    reseal(&mut image.bytes[block..block + 2048]);
                }
            }
            let Ok(plan_of) = plan(&image) else {
                refused += 1;
                continue;
            };
            let after = applied(&image, &plan_of);
            let undo = Undo::keep(&plan_of, &image.bytes).unwrap();
            let device = MemoryDevice::from(after.bytes.clone());
            undo.revert(&device).unwrap();
            assert!(device.into_bytes() == image.bytes, "{on:?} {number}: not as it was");
            if let Ok(again) = plan(&after)
                && !again.is_empty()
            {
                twice.push(format!("{on:?} {number}: {:#?} again {:#?}", plan_of.mends, again.mends));
            }
            let told: Vec<_> = plan_of.after.findings.iter().map(ToString::to_string).collect();
            let found: Vec<_> = after.check().findings.iter().map(ToString::to_string).collect();
            assert_eq!(told, found, "{on:?} {number}: what is left was told before");
            if found.is_empty() {
                mended += 1;
            } else {
                left += 1;
            }
            for (path, body) in sound_files(&sound, &image) {
                let volume = after.volume();
                // A directory is no file: its body may be mended, and names that are told change.
                let Ok(entry) = volume.lookup(&path) else {
                    assert!(!plan_of.mends.is_empty(), "{on:?} {number}: {path} is gone");
                    continue;
                };
                if !entry.is_directory() && entry.kind == udf::file::FileType::REGULAR {
                    assert!(
                        volume.read_all(&entry, 1 << 20).unwrap() == body,
                        "{on:?} {number}: {path} has changed"
                    );
                }
            }
        }
    }
    assert!(twice.is_empty(), "the second repair found more: {}", twice.join("\n"));
    println!("{mended} mended, {left} with something left, {refused} refused");
    assert!(mended > 100, "{mended} mended, {left} with something left, {refused} refused");
}
