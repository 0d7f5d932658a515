//! A session appended to any image: refused, or the new file is there, the old bytes are where they were, and a volume that had no
//! fault has none.
#![no_main]

use mkudf_ms::scan::Conflict;
use mkudf_ms::session::ImportOptions;
use mkudf_ms_fuzz::{BODY, NAME, assert_clean, image_target, is_clean, with_file};
use udf::read::{OpenOptions, Volume};

image_target!(|image| {
    let appended = with_file(&image, &ImportOptions::default(), Conflict::default(), |_, _| Some(()));
    let Some(grown) = appended else { return };
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
