//! Whatever is done to a volume, the check ends, and what it cannot read it says.

use udf::BoxedError;
use udf::check::{Severity, check};
use udf::read::{OpenOptions, ReadAt};

use super::super::image::Image;
use super::{On, rules};
use crate::support::random::Random;

/// A device of which one sector cannot be read.
struct Bad<'a> {
    image: &'a Image,
    sector: u64,
}

impl ReadAt for Bad<'_> {
    fn size_bytes(&self) -> u64 {
        self.image.bytes.len() as u64
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        let len = u64::from(self.image.block_size.bytes());
        let (first, last) = (offset_bytes / len, (offset_bytes + out.len() as u64 - 1) / len);
        if (first..=last).contains(&self.sector) {
            return Err("medium error".into());
        }
        self.image.bytes.read_at(offset_bytes, out)
    }
}

#[test]
fn a_sector_that_cannot_be_read_is_told() {
    for on in [On::Plain, On::Split] {
        let image = on.image();
        let directory = image.volume().lookup("big").unwrap();
        let body = image.volume().extents(&directory).next().unwrap().unwrap().start;
        for address in [image.icb("data"), image.icb("big"), body] {
            let sector = u64::from(image.copies(address)[0]);
            let report = check(&Bad { image: &image, sector }, &OpenOptions::default(), &mut |_| ());
            assert_eq!(report.worst(), Some(Severity::Error));
            assert!(rules(&report).contains("R000"), "{report:?}");
            // The mirror has it.
            if on == On::Split {
                assert_eq!(report.files, 130, "{report:?}");
            }
        }
    }
}

#[test]
fn random_damage_is_survived() {
    let mut random = Random::new(7);
    for on in [
        On::Plain,
        On::Old,
        On::Split,
        On::Rewritable,
        On::PseudoOverwrite,
        On::OldVirtual,
        On::Virtual,
        On::Sparable,
    ] {
        let sound = on.image();
        let blocks: Vec<usize> = (0..sound.bytes.len() / 2048)
            .filter(|block| sound.bytes[block * 2048..(block + 1) * 2048].iter().any(|byte| *byte != 0))
            .collect();
        for _ in 0..150 {
            let mut image = sound.clone();
            for _ in 0..=random.below(8) {
                let block = blocks[random.below(blocks.len())];
                let at = block * 2048 + random.below(300);
                image.bytes[at] = u8::try_from(random.below(256)).unwrap();
                if random.below(2) == 0 {
                    let length = usize::from(image.bytes[block * 2048 + 10])
                        + 256 * usize::from(image.bytes[block * 2048 + 11]);
                    if length <= 2032 {
                        super::super::image::reseal(&mut image.bytes[block * 2048..(block + 1) * 2048]);
                    }
                }
            }
            let report = image.check();
            assert!(report.findings.len() < 15_000);
        }
    }
}

#[test]
fn a_cut_volume_is_survived() {
    let image = On::Split.image();
    for blocks in (0..image.bytes.len() / 2048).step_by(7) {
        let cut = Image { bytes: image.bytes[..blocks * 2048 + 5].to_vec(), ..image.clone() };
        assert!(cut.check().worst() >= Some(Severity::Warning));
    }
}
