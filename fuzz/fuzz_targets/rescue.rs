//! A rescue from any image ends, stays within its bounds, and writes nothing outside its folder.
#![no_main]

use mkudf_ms::extract;
use mkudf_ms::progress::Progress;
use mkudf_ms::rescue::{Options, RoughDevice, rescue};
use mkudf_ms_fuzz::{Playground, image_target};

const MOST_BYTES: u64 = 1 << 20;

image_target!(|image| {
    let playground = Playground::new();
    let size_bytes = image.len() as u64;
    let device = RoughDevice::new(image, None, 0);
    let options = Options {
        block_size: None,
        deleted: true,
        all_versions: true,
        extract: extract::Options {
            extended_attributes: false,
            replace: false,
            same_owner: false,
            max_size_bytes: Some(MOST_BYTES),
            threads: Some(1),
        },
    };
    let mut items = 0u64;
    let result = rescue(&device, &playground.target(), &options, &Progress::new(), &mut |item| {
        items += 1;
        let _ = format!("{item:?}");
    });
    if let Ok(summary) = result {
        // Names take 40 bytes at least, entries a block; states multiply them.
        let most = (u64::from(summary.states) + 2) * size_bytes;
        assert!(items <= most, "{items} items of {size_bytes} bytes");
    }
    playground.end();
});
