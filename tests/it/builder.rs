//! The builder: what it makes of random changes, how others write its results, and what it refuses.

mod burning;
mod changes;
mod cuts;
mod drive;
mod drive_faults;
mod in_place;
mod layouts;
mod media;
mod model;
mod refusals;
mod sources;
mod streams;

use std::sync::Arc;

use mkudf_ms::builder::{Defaults, FileSystemImage, ImageResult};
use mkudf_ms::device::MemoryDevice;
use mkudf_ms::media::Medium;
use mkudf_ms::progress::Progress;
use udf::Revision;
use udf::check::{Severity, check};
use udf::read::{OpenOptions, Volume};

use crate::support::build::NOW;

const REVISIONS: [Revision; 3] = [Revision::V1_02, Revision::V2_01, Revision::V2_50];

fn defaults(revision: Revision) -> Defaults {
    let medium = Medium::find("bd-re").unwrap();
    Defaults { revision, capacity_blocks: None, ..Defaults::for_medium(medium, "Built", NOW) }
}

/// A new volume that `fill` fills.
fn made(revision: Revision, fill: impl FnOnce(&mut FileSystemImage<'_>)) -> Arc<MemoryDevice> {
    let device = Arc::new(MemoryDevice::new());
    let mut image = FileSystemImage::new(defaults(revision));
    fill(&mut image);
    write(&mut image, &device);
    device
}

/// The next session of a volume.
fn grown(device: &Arc<MemoryDevice>) -> FileSystemImage<'static> {
    FileSystemImage::import(Arc::clone(device), defaults(Revision::V1_50)).unwrap()
}

fn write<'d>(image: &mut FileSystemImage<'d>, device: &MemoryDevice) -> ImageResult<'d> {
    let result = image.create_result().unwrap();
    assert_eq!(image.used_blocks().unwrap(), result.total_blocks());
    assert_eq!(result.write_to(device, &Progress::new()).unwrap(), []);
    assert_sound(device);
    result
}

fn assert_sound(device: &MemoryDevice) {
    let report = check(device, &OpenOptions::default(), &mut |_| ());
    let errors: Vec<_> =
        report.findings.iter().filter(|finding| finding.severity >= Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

fn bytes_of(device: &MemoryDevice) -> Vec<u8> {
    use udf::read::ReadAt;
    let mut bytes = vec![0; usize::try_from(device.size_bytes()).unwrap()];
    device.read_at(0, &mut bytes).unwrap();
    bytes
}

fn body(device: &MemoryDevice, path: &str) -> Vec<u8> {
    let volume = Volume::open(device, &OpenOptions::default()).unwrap();
    let entry = volume.lookup(path).unwrap();
    volume.read_all(&entry, 1 << 30).unwrap()
}
