//! A session appended to any image: refused, or the new file is there, the old bytes are where they were, and a volume that had no
//! fault has none.
#![no_main]

use mkudf_ms::device::MemoryDevice;
use mkudf_ms::plan::{AppendSpec, Plan};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::{Options, Source, scan};
use mkudf_ms::session::{Import, ImportOptions};
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms_fuzz::{BODY, NAME, assert_clean, image_target, is_clean, source};
use udf::general::Moment;
use udf::read::{OpenOptions, Volume};

/// The image with the session behind it, unless it was refused.
fn append(image: &[u8]) -> Option<Vec<u8>> {
    let device = MemoryDevice::from(image.to_vec());
    let mut import = Import::open(&device, &ImportOptions::default()).ok()?;
    let mut tree = import.tree().ok()?;
    let now = Moment::from_unix(1_800_000_000, 0);
    let options = Options::new(now);
    let outcome = scan(&mut tree, &mut import, &[Source::new(source())], &options, &Progress::new()).ok()?;
    let (base, _) = import.finish(&mut tree, &outcome).ok()?;
    let spec = AppendSpec { now, zone_minutes: 0, label: None, embed: true };
    let plan = Plan::append(&tree, &spec, base).ok()?;
    let options = StreamOptions { threads: 1, ..StreamOptions::default() };
    stream(&plan, &tree, &device, Some(&device), &Progress::new(), &options).ok()?;
    Some(device.into_bytes())
}

image_target!(|image| {
    let Some(grown) = append(&image) else { return };
    let volume = Volume::open(&grown, &OpenOptions::default())
        .unwrap_or_else(|error| panic!("what was appended to cannot be opened: {error}"));
    // The anchor is turned, and a blank place before it may take the reserve sequence; everything else stays.
    let block_bytes = volume.block_size().len();
    for (number, (old, new)) in image.chunks(block_bytes).zip(grown.chunks(block_bytes)).enumerate() {
        let may_change = number == 256 || number < 256 && old.iter().all(|byte| *byte == 0);
        assert!(old == new || may_change, "block {number} of the old session changed");
    }
    let entry = volume.lookup(NAME).expect("what was appended is there");
    assert_eq!(volume.read_all(&entry, 1000).expect("and can be read"), BODY);
    if is_clean(&image) {
        assert_clean(&grown);
    }
});
