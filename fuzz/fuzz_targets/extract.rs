//! Extracting any image ends, stays within its bounds, and writes nothing outside its folder.
#![no_main]

use mkudf_ms::extract::{Options, extract};
use mkudf_ms::progress::Progress;
use mkudf_ms_fuzz::{Playground, image_target};
use udf::read::{OpenOptions, Volume};

const MOST_BYTES: u64 = 1 << 20;

image_target!(|image| {
    let Ok(volume) = Volume::open(&image, &OpenOptions::default()) else { return };
    let playground = Playground::new();
    let options = Options {
        replace: false,
        same_owner: false,
        extended_attributes: true,
        max_size_bytes: Some(MOST_BYTES),
        threads: Some(1),
    };
    let _ = extract(&volume, None, &[], &playground.target(), &options, &Progress::new());
    playground.end();
});
