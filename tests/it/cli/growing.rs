//! `append` and `sessions`: what a further session changes, and what is refused.

use std::fs;

use serde_json::{Value, json};

use super::{Bench, json_lines};

fn sessions(bench: &Bench) -> Vec<Value> {
    json_lines(&bench.done(["sessions", "--json", "v.udf"]))
}

#[test]
fn sessions_grow_and_older_ones_stay() {
    let bench = Bench::with_volume();
    bench.write("src/new.txt", "new");
    bench.done(["append", "v.udf", "-l", "Second", "src"]);
    bench.done(["append", "v.udf", "--remove", "/sub", "--remove", "a.txt"]);

    let all = sessions(&bench);
    let numbers: Vec<_> = all.iter().map(|session| session["number"].clone()).collect();
    assert_eq!(numbers, [json!(1), json!(2), json!(3)]);
    let labels: Vec<_> = all.iter().map(|session| session["label"].clone()).collect();
    assert_eq!(labels, ["First", "Second", "Second"]);
    let bytes: u64 = all.iter().map(|session| session["bytes"].as_u64().unwrap()).sum();
    assert_eq!(bytes, fs::metadata(bench.path("v.udf")).unwrap().len());
    for (session, (files, directories)) in all.iter().zip([(4, 2), (5, 2), (2, 1)]) {
        assert_eq!((&session["files"], &session["directories"]), (&json!(files), &json!(directories)));
        assert!(
            session["start"].is_u64() && session["recorded"].as_str().unwrap().ends_with('Z'),
            "{session}"
        );
    }
    assert_eq!(bench.done(["sessions", "v.udf"]).lines().count(), 4);

    assert_eq!(bench.paths(&["v.udf"]), ["/link", "/new.txt"]);
    for (number, count) in [("1", 5), ("-3", 5), ("2", 6), ("-2", 6), ("3", 2), ("-1", 2)] {
        assert_eq!(bench.paths(&["--session", number, "v.udf"]).len(), count, "{number}");
    }
    assert_eq!(bench.done(["cat", "--session", "1", "v.udf", "a.txt"]), "alpha");
    assert!(bench.done(["info", "--session", "1", "v.udf"]).contains("label=First\n"));
    bench.done(["extract", "-C", "old", "--session=-3", "v.udf"]);
    assert_eq!(bench.read("old/sub/hard"), b"alpha");
    for number in ["0", "4", "-4"] {
        let refusal = bench.fails(1, ["ls", "--session", number, "v.udf"]);
        assert!(refusal.contains("has 3"), "{refusal}");
    }
}

#[test]
fn nothing_new_writes_nothing() {
    let bench = Bench::with_volume();
    let before = bench.read("v.udf");
    let run = bench.run(["append", "--update", "v.udf", "src"]);
    assert_eq!(run.code, Some(0));
    assert!(run.err.contains("nothing new"), "{}", run.err);
    assert!(bench.read("v.udf") == before);
    bench.done(["append", "--mirror", "v.udf", "src"]);
    assert!(bench.read("v.udf") == before);
}

#[test]
fn update_and_mirror_follow_the_source() {
    let bench = Bench::with_volume();
    bench.write("src/a.txt", "alpha changed");
    bench.write("src/sub/new.txt", "new");
    fs::remove_file(bench.path("src/link")).unwrap();
    bench.done(["append", "--update", "v.udf", "src"]);
    assert_eq!(bench.done(["cat", "v.udf", "a.txt", "sub/new.txt"]), "alpha changednew");
    assert!(bench.paths(&["v.udf"]).contains(&"/link".into()));
    bench.done(["append", "--update", "--mirror", "v.udf", "src"]);
    assert_eq!(bench.paths(&["v.udf"]), ["/a.txt", "/sub", "/sub/b.txt", "/sub/hard", "/sub/new.txt"]);
}

#[test]
fn conflicts_end_as_asked() {
    let bench = Bench::with_volume();
    bench.write("other/a.txt", "other");
    let before = bench.read("v.udf");
    bench.fails(1, ["append", "--on-conflict", "error", "v.udf", "other"]);
    assert!(bench.read("v.udf") == before);
    bench.done(["append", "--on-conflict", "keep", "v.udf", "other"]);
    assert_eq!(bench.done(["cat", "v.udf", "a.txt"]), "alpha");
    bench.done(["append", "v.udf", "other"]);
    assert_eq!(bench.done(["cat", "v.udf", "a.txt"]), "other");
}

#[test]
fn what_cannot_be_appended_stays_as_it_was() {
    let bench = Bench::with_volume();
    let before = bench.read("v.udf");
    for arguments in [
        &["append", "v.udf", "--remove", "/none"][..],
        &["append", "v.udf", "none"],
        &["append", "v.udf", "-r", "2.50", "src"],
        &["append", "v.udf", "--capacity", "100s", "--remove", "a.txt"],
    ] {
        bench.fails(1, arguments);
        assert!(bench.read("v.udf") == before, "{arguments:?}");
    }
    bench.done(["append", "-n", "v.udf", "--remove", "a.txt"]);
    assert!(bench.read("v.udf") == before);
    bench.fails(1, ["append", "src/a.txt", "src"]);
    assert_eq!(bench.read("src/a.txt"), b"alpha");
    bench.fails(1, ["append", "none.udf", "src"]);
    assert!(!bench.path("none.udf").exists());
}

#[test]
fn sessions_are_compared_and_gone_back_to() {
    let bench = Bench::with_volume();
    bench.write("src/new\n.txt", "new");
    bench.write("src/a.txt", "other");
    bench.done(["append", "v.udf", "-l", "Second", "src"]);
    assert_eq!(bench.done(["diff", "v.udf"]), "M /a.txt\nA /new\n.txt\nM /sub/hard\n");
    assert_eq!(bench.done(["diff", "v.udf", "2", "1"]), "M /a.txt\nD /new\n.txt\nM /sub/hard\n");
    let lines = json_lines(&bench.done(["diff", "--json", "v.udf", "1", "-1"]));
    assert_eq!(lines[1], json!({"change": "added", "path": "/new\n.txt"}));
    assert!(bench.fails(1, ["diff", "v.udf", "1", "3"]).contains("has 2"));

    let before = bench.read("v.udf");
    bench.done(["revert", "-n", "--to", "1", "v.udf"]);
    assert!(bench.fails(1, ["revert", "--to", "2", "v.udf"]).contains("the newest"));
    assert!(bench.fails(1, ["revert", "--to", "7", "v.udf"]).contains("has 2"));
    assert!(bench.read("v.udf") == before);
    bench.done(["revert", "--to", "-2", "v.udf"]);
    assert_eq!(bench.done(["diff", "v.udf", "1", "3"]), "");
    assert_eq!(bench.done(["cat", "v.udf", "a.txt"]), "alpha");
    let labels: Vec<_> = sessions(&bench).iter().map(|session| session["label"].clone()).collect();
    assert_eq!(labels, ["First", "Second", "First"]);
    bench.done(["revert", "--to", "2", "-l", "Again", "v.udf"]);
    assert_eq!(bench.done(["cat", "v.udf", "new\n.txt"]), "new");
    assert_eq!(sessions(&bench)[3]["label"], "Again");
}
