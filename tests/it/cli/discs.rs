//! `media`, and simulated discs: `create -m`, `append`, `close`, and what a disc refuses.

use std::fs;

use serde_json::json;

use super::{Bench, json_lines};

#[test]
fn media_are_printed_for_people_and_for_programs() {
    let bench = Bench::empty();
    let rows = json_lines(&bench.done(["media", "--json"]));
    assert_eq!(bench.done(["media"]).lines().count(), rows.len() + 1);
    let cd = rows.iter().find(|row| row["name"] == "cd-r").unwrap();
    assert_eq!(cd["layout"], "vat");
    assert_eq!(cd["sessions"]["first_gap_sectors"], 11_400);
    for row in &rows {
        assert!(row["write_unit_sectors"].as_u64().unwrap() > 0 && row["revision"].is_string(), "{row}");
    }
}

#[test]
fn a_disc_grows_in_its_session_and_in_another_and_is_closed_for_good() {
    let bench = Bench::new();
    bench.done(["create", "-m", "dvd-r", "-o", "disc.img", "-l", "Disc", "src"]);
    bench.write("more/new.txt", "new");
    bench.done(["append", "disc.img", "-l", "Renamed", "more"]);
    assert_eq!(bench.done(["cat", "disc.img", "new.txt"]), "new");
    bench.done(["close", "disc.img"]);
    bench.done(["append", "--close", "--remove", "/sub", "disc.img"]);
    assert_eq!(bench.paths(&["disc.img"]), ["/a.txt", "/link", "/new.txt"]);
    assert_eq!(bench.paths(&["--session", "1", "disc.img"]).len(), 5);
    let all = json_lines(&bench.done(["sessions", "--json", "disc.img"]));
    let labels: Vec<_> = all.iter().map(|session| session["label"].clone()).collect();
    // The closing repeats the second table; it is the one that the third follows.
    assert_eq!(labels, ["Disc", "Renamed", "Renamed"]);
    assert!(all[2]["start"].as_u64().unwrap() > all[1]["start"].as_u64().unwrap() + 20_480);
    bench.done(["check", "disc.img"]);
    bench.done(["close", "--finalize", "disc.img"]);
    let before = bench.read("disc.img");
    let refusal = bench.fails(1, ["append", "disc.img", "src"]);
    assert!(refusal.contains("IMAPI_E_NO_COMPATIBLE_MULTISESSION_TYPE"), "{refusal}");
    assert!(bench.fails(1, ["close", "disc.img"]).contains("closed for good"));
    assert!(bench.read("disc.img") == before);
    let state: serde_json::Value = serde_json::from_slice(&bench.read("disc.img.media")).unwrap();
    assert_eq!(state["is_finalized"], json!(true));
}

#[test]
fn what_a_disc_cannot_be_is_refused_and_leaves_nothing() {
    let bench = Bench::new();
    assert!(bench.fails(1, ["create", "-m", "cd-r", "-r", "1.02", "-o", "d.img", "src"]).contains("1.50"));
    assert!(
        bench
            .fails(1, ["create", "-m", "bd-r", "--capacity", "300s", "-o", "d.img", "src"])
            .contains("needed")
    );
    bench.fails(2, ["create", "-m", "bd-r", "--layout", "session", "-o", "d.img", "src"]);
    bench.fails(2, ["create", "--layout", "vat", "-o", "d.img", "src"]);
    bench.fails(2, ["create", "--close", "-o", "d.img", "src"]);
    bench.fails(2, ["create", "-m", "cd-r", "-o", "-", "src"]);
    let names: Vec<_> =
        fs::read_dir(bench.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["src"]);
    bench.done(["create", "-m", "cd-r", "-o", "d.img", "src"]);
    assert!(bench.fails(1, ["create", "-m", "cd-r", "-o", "d.img", "src"]).contains("exists"));
    bench.done(["create", "-o", "plain.udf", "src"]);
    assert!(bench.fails(1, ["close", "plain.udf"]).contains("no simulated disc"));
    bench.fails(2, ["append", "--close", "plain.udf", "src"]);
}
