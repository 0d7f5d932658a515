//! Repair: planted faults are mended or it is said why not, and whatever happens in between, nothing is lost.

use mkudf_ms::device::MemoryDevice;
use mkudf_ms::repair::{self, RepairPlan};
use udf::read::OpenOptions;

use crate::check::faults::{On, rules, tables};
use crate::check::image::Image;

fn plan(image: &Image) -> mkudf_ms::Result<RepairPlan> {
    repair::plan(&image.bytes, &OpenOptions::default())
}

fn applied(image: &Image, plan: &RepairPlan) -> Image {
    let device = MemoryDevice::from(image.bytes.clone());
    repair::apply(plan, &device).unwrap();
    Image { bytes: device.into_bytes(), block_size: image.block_size }
}

#[test]
fn diagnostic() {
    for (number, (expected, on, plant)) in tables().into_iter().enumerate() {
        let mut image = on.image();
        plant(&mut image);
        match plan(&image) {
            Err(error) => println!("{number} {expected:?} {on:?}: REFUSED {error}"),
            Ok(plan) => {
                let new = applied(&image, &plan);
                let report = new.check();
                let left = rules(&report);
                let mends: Vec<_> = plan.mends.iter().map(ToString::to_string).collect();
                if left.is_empty() && std::env::var_os("ALL").is_none() { continue }
                println!("{number} {expected:?} {on:?}: left {left:?} mends {mends:?}");
            }
        }
    }
    let _ = On::Plain;
}
