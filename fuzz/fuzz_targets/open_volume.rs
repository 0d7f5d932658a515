//! Whole images: opening, walking and reading end, whatever is in them.
#![no_main]

use mkudf_ms_fuzz::image_target;
use udf::read::{OpenOptions, Volume};

image_target!(|image| {
    let Ok(volume) = Volume::open(&image, &OpenOptions::default()) else { return };
    let _ = (volume.label(), volume.warnings().len());
    let Ok(root) = volume.root() else { return };
    let mut buffer = [0; 4096];
    for step in volume.walk(&root).take(1000) {
        let Ok((_, name, entry)) = step else { continue };
        let _ = name.name_text();
        let _ = volume.read(&entry, 0, &mut buffer);
        let _ = volume.read(&entry, entry.size_bytes.saturating_sub(100), &mut buffer);
        let _ = volume.extents(&entry).take(1000).count();
        let _ = volume.symlink_target(&entry);
    }
});
