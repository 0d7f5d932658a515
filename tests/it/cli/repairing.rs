//! `repair`: shows, asks, keeps, writes, takes back; with fsck's exit codes.

use super::{Bench, json_lines};

/// A volume whose anchor at 256 and main descriptor sequence are gone.
fn damaged() -> Bench {
    let bench = Bench::with_volume();
    let mut bytes = bench.read("v.udf");
    bytes[256 * 2048..257 * 2048].fill(0);
    std::fs::write(bench.path("v.udf"), bytes).unwrap();
    bench
}

#[test]
fn a_sound_volume_is_left_alone() {
    let bench = Bench::with_volume();
    let before = bench.read("v.udf");
    assert_eq!(bench.done(["repair", "v.udf"]), "");
    assert_eq!(bench.done(["repair", "-n", "v.udf"]), "");
    assert!(bench.read("v.udf") == before && !bench.path("v.udf.undo").exists());
}

#[test]
fn nothing_is_written_unasked() {
    let bench = damaged();
    let before = bench.read("v.udf");
    let said = bench.fails(2, ["repair", "v.udf"]);
    assert!(said.contains("--yes") && said.contains("--dry-run"), "{said}");
    let shown = bench.ends(4, ["repair", "--dry-run", "v.udf"]);
    assert!(
        shown.contains("mend R029") && shown.contains("step 1: anchors") && shown.contains("256"),
        "{shown}"
    );
    let shown = json_lines(&bench.ends(4, ["repair", "-n", "--json", "v.udf"]));
    assert!(
        shown.iter().any(|object| object["rule"] == "R029" && object["place"] == "sector 256"),
        "{shown:?}"
    );
    assert!(shown.iter().any(|object| object["sectors"][0] == 256), "{shown:?}");
    assert!(bench.read("v.udf") == before && !bench.path("v.udf.undo").exists());
}

#[test]
fn a_repair_can_be_taken_back() {
    let bench = damaged();
    let before = bench.read("v.udf");
    bench.ends(1, ["repair", "--yes", "v.udf"]);
    assert_eq!(bench.done(["check", "v.udf"]), "");
    let after = bench.read("v.udf");
    bench.done(["repair", "--yes", "v.udf"]);
    bench.done(["repair", "--revert", "v.udf.undo", "v.udf"]);
    assert!(bench.read("v.udf") == before);
    // The old undo file is not overwritten; where it stands, nothing is changed.
    let said = bench.fails(8, ["repair", "--yes", "v.udf"]);
    assert!(said.contains("undo file") && bench.read("v.udf") == before, "{said}");
    bench.ends(1, ["repair", "-y", "--undo", "other", "v.udf"]);
    assert!(bench.read("v.udf") == after);
    let mut changed = after.clone();
    changed[256 * 2048 + 700] = 1;
    std::fs::write(bench.path("v.udf"), &changed).unwrap();
    let said = bench.fails(8, ["repair", "--revert", "other", "v.udf"]);
    assert!(said.contains("sector 256 has been changed") && bench.read("v.udf") == changed, "{said}");
    std::fs::write(bench.path("other"), b"rubbish").unwrap();
    bench.fails(8, ["repair", "--revert", "other", "v.udf"]);
}

#[test]
fn without_an_undo_file_there_is_none() {
    let bench = damaged();
    bench.ends(1, ["repair", "--yes", "--no-undo", "v.udf"]);
    assert!(!bench.path("v.udf.undo").exists());
}

#[test]
fn what_cannot_be_mended_has_a_code() {
    let bench = Bench::with_volume();
    let mut bytes = bench.read("v.udf");
    // The main descriptor sequence's partition is of an access type that is not known, and so is the reserve one's.
    let partition = |at: &usize| bytes[*at..*at + 4] == [5, 0, 3, 0];
    let sectors: Vec<usize> = (0..bytes.len()).step_by(2048).filter(partition).collect();
    assert_eq!(sectors.len(), 2);
    for at in sectors {
        bytes[at + 184] = 7;
        let crc = udf::general::crc16(&bytes[at + 16..at + 512]).to_le_bytes();
        bytes[at + 8..at + 10].copy_from_slice(&crc);
        bytes[at + 4] = udf::general::Tag::read(&bytes[at..]).unwrap().expected_checksum();
    }
    std::fs::write(bench.path("v.udf"), &bytes).unwrap();
    let shown = bench.ends(4, ["repair", "--yes", "v.udf"]);
    assert!(shown.contains("left error R049"), "{shown}");
    assert!(bench.read("v.udf") == bytes);
    bench.fails(8, ["repair", "--yes", "src/a.txt"]);
}
