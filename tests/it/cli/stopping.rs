//! What is done and told when writing stops before its end.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::Bench;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("large/file", &"large ".repeat(1 << 20));
    bench.write("more/new", "new");
    bench
}

/// Appends to a disc something larger than what can be written before a sector that cannot; what was told.
fn stopped(bench: &Bench) -> String {
    // In an open session it is what the file beside the disc says.
    let next = String::from_utf8(bench.run(["sessions", "--print-next", "d.img"]).out).unwrap();
    let next = next.trim().split(',').next_back().and_then(|next| next.parse().ok());
    let mut state: Value = serde_json::from_slice(&bench.read("d.img.media")).unwrap();
    let bad = next.or(state["next_writable"].as_u64()).unwrap() + 1000;
    // No drive puts it elsewhere.
    state["spare_units"] = json!(0);
    state["defects"] = json!([{ "first": bad, "last": bad, "kind": "unwritable" }]);
    fs::write(bench.path("d.img.media"), state.to_string()).unwrap();
    let told = bench.fails(1, ["append", "d.img", "large"]);
    assert!(told.contains(&bad.to_string()), "{told}");
    told
}

#[test]
fn the_newest_table_is_written_once_more_behind_what_was_stopped() {
    let media = ["cd-r", "cd-rw", "dvd-r", "dvd-rw-seq", "dvd+r", "bd-r"];
    let closed = media.into_iter().flat_map(|medium| [(medium, false), (medium, true)]);
    for (medium, is_closed) in closed {
        let context = format!("{medium}, {is_closed}");
        let bench = bench();
        bench.done(["create", "-m", medium, "--layout", "vat", "-o", "d.img", "src"]);
        if is_closed {
            bench.done(["close", "d.img"]);
        }
        let told = stopped(&bench);
        assert!(
            told.contains("holds what it held before, and its table was written once more"),
            "{context}: {told}"
        );
        assert_eq!(bench.paths(&["d.img"]).len(), 5, "{context}");
        for step in [&["check", "d.img"][..], &["append", "d.img", "more"], &["check", "d.img"]] {
            let (_, told) = bench.told(step);
            assert!(!told.contains("belong to no state"), "{context}: {told}");
        }
        assert_eq!(bench.done(["cat", "d.img", "new"]), "new", "{context}");
    }
}

#[test]
fn a_logical_session_that_was_stopped_is_passed_over() {
    let bench = bench();
    bench.done(["create", "-m", "dvd+r", "--layout", "session", "-o", "d.img", "src"]);
    let told = stopped(&bench);
    assert!(told.contains("holds what it held before; the next append goes behind"), "{told}");
    assert_eq!(bench.paths(&["d.img"]).len(), 5);
    bench.done(["append", "d.img", "more"]);
    assert_eq!(bench.done(["cat", "d.img", "new"]), "new");
    bench.done(["check", "d.img"]);
}

#[test]
fn an_image_that_could_not_grow_is_what_it_was() {
    let bench = bench();
    bench.done(["create", "-o", "v.udf", "src"]);
    let before = bench.read("v.udf");
    // Beyond the limit the kernel sends a signal, which must be ignored to become an error.
    let words =
        format!("trap '' XFSZ; ulimit -f 3000; exec {} append v.udf large", env!("CARGO_BIN_EXE_mkudf-ms"));
    let done = Command::new("bash").args(["-c", &words]).current_dir(bench.folder.path()).output().unwrap();
    let told = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{told}");
    assert!(told.contains("v.udf holds what it held before\n"), "{told}");
    assert!(bench.read("v.udf") == before);
}
