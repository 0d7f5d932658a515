//! Other people's rewritable volumes, changed in place: by Windows, macOS and others.

use std::fs;

use mkudf_ms::device::MemoryDevice;
use mkudf_ms::session::is_rewritable;
use udf::check::{Severity, check};
use udf::read::{OpenOptions, ReadAt, Volume};

use super::{EMPTY, corpus};
use crate::in_place::{Change, change_on};
use crate::support::folder::Folder;
use crate::support::manifest::{self, assert_same};

/// Those among the empty volumes that can be changed where they lie.
const REWRITABLE: [&str; 7] = [
    "util-linux/udf-hdd-macosx-2.60-4096.img",
    "util-linux/udf-hdd-mkudffs-1.3-1.img",
    "util-linux/udf-hdd-mkudffs-1.3-2.img",
    "util-linux/udf-hdd-mkudffs-1.3-3.img",
    "util-linux/udf-hdd-mkudffs-1.3-4.img",
    "util-linux/udf-hdd-udfclient-0.7.5.img",
    "util-linux/udf-hdd-win7.img",
];

fn faults(device: &MemoryDevice) -> Vec<String> {
    let report = check(device, &OpenOptions::default(), &mut |_| ());
    let worse = report.findings.iter().filter(|one| one.severity > Severity::Note);
    let told = worse.map(ToString::to_string).filter(|text| !text.contains("has not come yet"));
    // What is wrong stays wrong where it goes.
    told.map(|text| text.split(" [").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn other_peoples_volumes_are_changed_in_place_and_nothing_is_lost() {
    let Some((_corpus, volumes)) = corpus() else { return };
    let mut changed = Vec::new();
    for (seed, (name, ..)) in (90..).zip(EMPTY) {
        let device = MemoryDevice::from(fs::read(volumes.path().join(name)).unwrap());
        if !is_rewritable(&Volume::open(&device, &OpenOptions::default()).unwrap()) {
            continue;
        }
        changed.push(name);
        let (before, size) = (faults(&device), device.size_bytes());
        let mut folder = Folder::new(seed);
        for round in 0..6 {
            let context = format!("{name}, round {round}");
            folder.change(12);
            let unit = [1, 1, 16, 32, 1, 32][round];
            let change = Change { unit, ..Change::to(&folder) };
            change_on(&device, change).unwrap_or_else(|error| panic!("{context}: {error}"));
            let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
            assert_same(&manifest::of_folder(folder.path()), &manifest::of_volume(&volume), &context);
            let new: Vec<_> = faults(&device).into_iter().filter(|one| !before.contains(one)).collect();
            assert_eq!(new, [] as [String; 0], "{context}");
        }
        assert_eq!(device.size_bytes(), size, "{name}");
    }
    assert_eq!(changed, REWRITABLE);
}
