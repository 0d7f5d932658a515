//! Repair: planted faults are mended or it is told why not, and whatever happens in between, nothing is lost.

mod cuts;
mod damage;
mod planted;
mod random;

use mkudf_ms::device::MemoryDevice;
use mkudf_ms::repair::{self, RepairPlan, Undo};
use udf::check::Severity;
use udf::read::OpenOptions;

use crate::check::image::Image;
use crate::support::manifest::{self, Manifest};

fn plan(image: &Image) -> mkudf_ms::Result<RepairPlan> {
    repair::plan(&image.bytes, &OpenOptions::default())
}

/// The volume with a plan carried out.
fn applied(image: &Image, plan: &RepairPlan) -> Image {
    let device = MemoryDevice::from(image.bytes.clone());
    repair::apply(plan, &device).unwrap();
    Image { bytes: device.into_bytes(), block_size: image.block_size }
}

/// Repairs a volume, sees to it that a second repair finds nothing to do, and takes it back bit for bit.
fn repaired(image: &Image, context: &str) -> Image {
    let first = plan(image).unwrap_or_else(|error| panic!("{context}: {error}"));
    let after = applied(image, &first);
    let again = plan(&after).unwrap_or_else(|error| panic!("{context}, again: {error}"));
    assert!(again.is_empty(), "{context}: the second time {:#?}", again.mends);
    let undo = Undo::from_bytes(&Undo::keep(&first, &image.bytes).unwrap().to_bytes()).unwrap();
    let device = MemoryDevice::from(after.bytes.clone());
    undo.revert(&device).unwrap();
    assert!(device.into_bytes() == image.bytes, "{context}: not as it was");
    after
}

/// Findings that are no mere notes.
fn findings(image: &Image) -> Vec<String> {
    let found = image.check().findings;
    found.iter().filter(|finding| finding.severity > Severity::Note).map(ToString::to_string).collect()
}

fn files(image: &Image) -> Manifest {
    manifest::of_volume(&image.volume())
}
