//! A repair of any image: refused, or it does what it told, what is left is what it said would be, and it can be taken back.
#![no_main]

use mkudf_ms::device::MemoryDevice;
use mkudf_ms::repair::{self, Undo};
use mkudf_ms_fuzz::image_target;
use udf::check::check;
use udf::read::OpenOptions;

image_target!(|image| {
    let options = OpenOptions::default();
    let Ok(plan) = repair::plan(&image, &options) else { return };
    let _ = plan.mends.iter().map(ToString::to_string).count();
    let undo = Undo::keep(&plan, &image).expect("what is there can be kept");
    let undo = Undo::from_bytes(&undo.to_bytes()).expect("what was kept can be read");
    let device = MemoryDevice::from(image.clone());
    repair::apply(&plan, &device).expect("memory can be written to");
    let after = device.into_bytes();
    let found: Vec<_> =
        check(&after, &options, &mut |_| ()).findings.iter().map(ToString::to_string).collect();
    let told: Vec<_> = plan.after.findings.iter().map(ToString::to_string).collect();
    assert_eq!(told, found, "what is left was told before");
    let device = MemoryDevice::from(after);
    undo.revert(&device).expect("it can be taken back");
    assert!(device.into_bytes() == image, "not as it was");
});
