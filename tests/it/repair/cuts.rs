//! Power cuts during a repair: whatever part of the writes reached the medium, the next repair ends where this one would have.

use mkudf_ms::device::{MemoryDevice, Recorder};
use mkudf_ms::repair;

use super::{applied, files, findings, plan};
use crate::check::faults::{On, tables};
use crate::check::image::{Image, put};
use crate::support::writes::{Cuts, State, Tear};

/// Of what is written between two flushes, mostly a sector or two.
const PARTS: usize = 4;

fn cut_everywhere(image: &Image, context: &str) -> usize {
    let plan_of = plan(image).unwrap();
    let whole = applied(image, &plan_of);
    let (expected, left) = (files(&whole), findings(&whole).len());
    let recorder = Recorder::new(MemoryDevice::from(image.bytes.clone()));
    repair::apply(&plan_of, &recorder).unwrap();
    let (_, events) = recorder.into_parts();
    let tear = Tear::Sectors(image.block_size.len());
    let mut last = Vec::new();
    let cuts = Cuts { name: context, old: &image.bytes, events: &events, tear, parts: PARTS, seed: 3 };
    let states = cuts.judge_all(|State { bytes, context, .. }| {
        let cut = Image { bytes, block_size: image.block_size };
        let again = plan(&cut).unwrap_or_else(|error| panic!("{context}: {error}"));
        let after = applied(&cut, &again);
        assert!(findings(&after).len() <= left, "{context}: {:#?}", findings(&after));
        assert!(files(&after) == expected, "{context}: other files");
        last = cut.bytes;
    });
    assert!(last == whole.bytes);
    states
}

#[test]
fn lead_to_the_same_volume() {
    let mut states = 0;
    for (number, (expected, on, plant)) in tables().into_iter().enumerate() {
        let mut image = on.image();
        plant(&mut image);
        let Ok(plan) = plan(&image) else { continue };
        // Of what cannot be opened or walked in full nothing can be compared.
        // A body that is the bitmap itself changes with every mend of that, until it has blocks of its own.
        let is_the_bitmap = on == On::Rewritable && expected == [113];
        if is_the_bitmap || plan.is_empty() || !findings(&applied(&image, &plan)).is_empty() {
            continue;
        }
        states += cut_everywhere(&image, &format!("number {number}, {expected:?} in {on:?}"));
    }
    assert!(states > 400, "only {states} states");
}

#[test]
fn of_a_volume_with_much_damage() {
    let mut image = On::Rewritable.image();
    let [other] = image.entry("other")[..] else { unreachable!() };
    let position = image.sector(other)[220..224].to_vec();
    let sectors = image.entry("data");
    image.change(&sectors, |entry| put(entry, 220, &position));
    for name in ["/x", "/sub"] {
        image.change_name(name, |name| {
            name[18] |= 4;
            put(name, 20, &[0; 16]);
            name[38] = 254;
        });
    }
    image.change_name("big/n0003", |name| put(name, 38, b"\x08n0004"));
    let sectors = image.integrity();
    image.change(&sectors, |integrity| put(integrity, 28, &[0]));
    let [main, _] = image.sequences();
    image.sector(main + 1).fill(0);
    let states = cut_everywhere(&image, "much damage");
    assert!(states > 20, "only {states} states");
}
