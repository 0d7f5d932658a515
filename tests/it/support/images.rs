//! Volumes that are left for other readers, each with what must be in it.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use udf::read::ReadAt;

use super::manifest::{self, Manifest};

/// Every so many states that power cuts leave, one is left for other readers, if they are asked.
const KEPT_EVERY: usize = 151;
const CHUNK_BYTES: usize = 1 << 16;

/// Leaves an image as `NAME.img` in the folder that a variable of the environment names, if it does, and as `NAME.json` the start of its
/// session and its block size, and a line for each path.
pub(crate) fn leave(variable: &str, name: &str, bytes: &[u8], (session, block): (u32, u32), lines: &str) {
    let Some(folder) = std::env::var_os(variable) else { return };
    let name = name.replace(['+', '.'], "").replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let path = Path::new(&folder).join(name);
    let image = fs::File::create(path.with_extension("img")).unwrap();
    image.set_len(bytes.len() as u64).unwrap();
    // What lies between sessions takes no room.
    for (offset, chunk) in (0..).step_by(CHUNK_BYTES).zip(bytes.chunks(CHUNK_BYTES)) {
        if chunk.iter().any(|byte| *byte != 0) {
            image.write_all_at(chunk, offset).unwrap();
        }
    }
    let facts = serde_json::json!({ "session": session, "block": block });
    fs::write(path.with_extension("json"), format!("{facts}\n{lines}")).unwrap();
}

/// Leaves the state of this number that a power cut left, if it is one of the few, and what has been found in it.
pub(crate) fn leave_state(
    device: &impl ReadAt,
    (number, context): (usize, &str),
    block: u32,
    found: &Manifest,
) {
    if number % KEPT_EVERY != KEPT_EVERY / 2 || std::env::var_os("CRASH_IMAGES").is_none() {
        return;
    }
    let mut bytes = vec![0; usize::try_from(device.size_bytes()).unwrap()];
    device.read_at(0, &mut bytes).unwrap();
    leave("CRASH_IMAGES", context, &bytes, (0, block), &manifest::lines(found));
}
