//! Virtual allocation tables of both forms, and chains of them: all states are found, chains end, and each state can be walked.
#![no_main]

use mkudf_ms::progress::Progress;
use mkudf_ms::session::{all_sessions, search};
use mkudf_ms_fuzz::image_target;
use udf::read::{OpenOptions, Volume};
use udf::{BlockAddress, Sector};

/// States that are looked into.
const MOST_STATES: usize = 32;

fn look(image: &Vec<u8>, options: &OpenOptions) {
    let Ok(volume) = Volume::open(image, options) else { return };
    if let Some(table) = volume.virtual_table() {
        let _ = (table.head.label(), table.head.counts());
        assert!(table.entries().len() <= image.len() / 4, "{} entries", table.entries().len());
        for partition in (0..).take(volume.partitions().len()) {
            for block in (0..).take(table.entries().len().min(1000)) {
                if let Ok(run) = volume.locate(BlockAddress::new(partition, block)) {
                    assert!(run.blocks > 0);
                }
            }
        }
        let mut previous = table.head.previous;
        for _ in 0..MOST_STATES {
            let Some(Ok(head)) = previous.map(|icb| volume.virtual_table_head(icb)) else { break };
            let _ = (head.label(), head.counts());
            previous = head.previous;
        }
    }
    let Ok(root) = volume.root() else { return };
    let mut buffer = [0; 512];
    for (_, _, entry) in volume.walk(&root).take(200).flatten() {
        let _ = volume.read(&entry, 0, &mut buffer);
    }
}

image_target!(|image| {
    let options = OpenOptions::default();
    look(&image, &options);
    // Every state takes a block of its own.
    let most = image.len() / 512;
    for sessions in [all_sessions(&image, &options), search(&image, &options, &Progress::new())] {
        let Ok(sessions) = sessions else { continue };
        assert!(sessions.len() <= most, "{} sessions", sessions.len());
        for session in sessions.iter().take(MOST_STATES) {
            look(&image, &session.open);
        }
    }
    // As of a session that is told by its place.
    let last = u32::try_from(image.len() / 2048).expect("an image is small");
    look(
        &image,
        &OpenOptions { session_start: Some(Sector(last.saturating_sub(1))), ..OpenOptions::default() },
    );
});
