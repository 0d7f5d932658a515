//! `create --rewritable` and `append` on what that makes: in place, and what is refused.

use std::fs;

use super::Bench;

fn bench() -> Bench {
    let bench = Bench::with_volume();
    bench.done(["create", "--force", "--rewritable", "--capacity", "8M", "-o", "v.udf", "src"]);
    bench
}

#[test]
fn a_rewritable_volume_is_changed_where_it_lies() {
    let bench = bench();
    let size = fs::metadata(bench.path("v.udf")).unwrap().len();
    assert!(bench.done(["info", "v.udf"]).contains("accesstype=overwritable\n"));
    for (round, options) in [&[][..], &["--in-place"], &["-m", "dvd+rw"]].into_iter().enumerate() {
        bench.write("src/new.txt", &format!("round {round}"));
        bench.done([&["append", "v.udf"], options, &["--remove", "/a.txt", "src"]].concat());
        assert_eq!(bench.done(["cat", "v.udf", "new.txt"]), format!("round {round}"));
        assert_eq!(bench.done(["check", "v.udf"]), "");
        assert_eq!(fs::metadata(bench.path("v.udf")).unwrap().len(), size);
        assert_eq!(bench.done(["sessions", "v.udf"]).lines().count(), 2, "one session, and the head");
    }
    bench.done(["append", "v.udf", "-l", "Renamed"]);
    assert!(bench.done(["info", "v.udf"]).contains("label=Renamed\n"));
    assert_eq!(bench.done(["check", "v.udf"]), "");
    bench.done(["append", "v.udf", "--remove", "/sub"]);
    assert!(!bench.paths(&["v.udf"]).contains(&"/sub".to_owned()));

    let before = bench.read("v.udf");
    assert!(bench.run(["append", "v.udf", "--update", "src"]).code == Some(0));
    bench.write("src/large", &"x".repeat(9 << 20));
    let refusal = bench.fails(1, ["append", "v.udf", "src/large"]);
    assert!(refusal.contains("bytes"), "{refusal}");
    let shown = bench.done(["append", "-n", "v.udf", "-l", "Shown"]);
    assert!(shown.contains("Bitmap") && shown.contains("step 9"), "{shown}");
    assert!(bench.read("v.udf").len() == before.len());
}

#[test]
fn an_empty_volume_needs_no_source() {
    let bench = bench();
    bench.done(["create", "--force", "--rewritable", "--capacity", "4M", "-o", "e.udf"]);
    assert!(bench.paths(&["e.udf"]).is_empty());
    bench.done(["append", "e.udf", "src"]);
    assert!(bench.paths(&["e.udf"]).contains(&"/a.txt".to_owned()));
}

#[test]
fn what_cannot_be_is_refused_with_the_way_out() {
    let bench = bench();
    for (code, options, expected) in [
        (2, &["--rewritable", "src"][..], "--capacity"),
        (2, &["--rewritable", "-m", "bd-r", "src"], "not written in any order"),
        (1, &["--rewritable", "--capacity", "1M", "src"], "bytes"),
        (2, &[], "name a SOURCE"),
    ] {
        let refusal = bench.fails(code, [&["create", "-o", "w.udf"], options].concat());
        assert!(refusal.contains(expected), "{options:?}: {refusal}");
        assert!(!bench.path("w.udf").exists());
    }
    let refusal = bench.fails(1, ["append", "--layout", "session", "v.udf", "src"]);
    assert!(refusal.contains("--in-place") && refusal.contains("--force"), "{refusal}");
    bench.done(["create", "-o", "s.udf", "src"]);
    let refusal = bench.fails(1, ["append", "--in-place", "s.udf", "src"]);
    assert!(refusal.contains("--layout session"), "{refusal}");
    bench.fails(2, ["append", "--in-place", "--start-new", "v.udf", "src"]);
    bench.done(["append", "--layout", "session", "--force", "v.udf", "-l", "Closed", "src"]);
    assert!(bench.done(["info", "v.udf"]).contains("accesstype=readonly\n"));
}

#[test]
fn discs_for_pseudo_overwrite_are_made_and_changed_in_place() {
    let bench = Bench::new();
    bench.done(["create", "-m", "bd-r-pow", "--capacity", "16M", "-o", "d.udf"]);
    bench.done(["append", "d.udf", "src"]);
    let info = bench.done(["info", "d.udf"]);
    assert!(info.contains("accesstype=pseudo-overwritable") && info.contains("udfwriterev=2.60"), "{info}");
    bench.write("more/new.txt", "new");
    bench.done(["append", "d.udf", "--remove", "/sub", "more"]);
    bench.done(["check", "d.udf"]);
    assert_eq!(bench.paths(&["d.udf"]), ["/a.txt", "/link", "/new.txt"]);
    let refusal = bench.fails(1, ["append", "--layout", "session", "d.udf", "src"]);
    assert!(refusal.contains("in place"), "{refusal}");
    bench.fails(1, ["create", "-m", "bd-r-pow", "-r", "2.50", "--capacity", "16M", "-o", "x", "src"]);
    let refusal = bench.fails(2, ["create", "-m", "bd-r-pow", "--layout", "vat", "-o", "x", "src"]);
    assert!(refusal.contains("grow with the layout"), "{refusal}");
    assert!(!bench.path("x").exists());
}

/// The hidden file of sparable volumes of 1.50 is the volume's own.
#[test]
fn what_says_which_blocks_can_never_be_used_stays_where_it_is() {
    let bench = Bench::new();
    let name = "/Non-Allocatable Space";
    bench.done(["create", "-m", "cd-rw-packet", "-r", "1.50", "--capacity", "30M", "-o", "d.udf", "src"]);
    for words in
        [&["mv", "d.udf", name, "/moved"][..], &["mv", "d.udf", name, "/sub"], &["rm", "d.udf", name]]
    {
        let refusal = bench.fails(1, words);
        assert!(refusal.contains("can never be used"), "{words:?}: {refusal}");
    }
    bench.done(["extract", "-C", "out", "d.udf"]);
    let again = ["create", "-m", "cd-rw-packet", "-r", "1.50", "--capacity", "30M", "-o", "e.udf", "out"];
    let refusal = bench.fails(1, again);
    assert!(refusal.contains("--exclude"), "{refusal}");
    bench.done([&again[..], &["--exclude", name]].concat());
    bench.done(["check", "e.udf"]);
    assert_eq!(bench.paths(&["e.udf"]), bench.paths(&["d.udf"]));
}

#[test]
fn discs_in_packets_are_made_sparable_and_grow_in_place() {
    for (medium, options) in [
        ("cd-rw", &["--layout", "sparable"][..]),
        ("dvd-rw", &["--layout", "sparable"]),
        ("cd-rw-packet", &[]),
        ("cd-rw-packet", &["-r", "2.00"]),
    ] {
        let bench = Bench::new();
        bench.done([&["create", "-m", medium, "--capacity", "30M", "-o", "d.udf", "src"], options].concat());
        assert!(bench.done(["info", "d.udf"]).contains("accesstype=rewritable"), "{medium}");
        bench.write("more/new.txt", "new");
        bench.done(["append", "d.udf", "--remove", "/sub", "more"]);
        bench.done(["check", "d.udf"]);
        assert_eq!(bench.paths(&["d.udf"]), ["/a.txt", "/link", "/new.txt"], "{medium}");
        assert_eq!(bench.read("d.udf").len(), 30 << 20, "{medium}");
    }
    let bench = Bench::new();
    for (medium, revision, code) in [("dvd+rw", "2.01", 2), ("cd-rw", "1.02", 1), ("cd-rw", "2.50", 1)] {
        let words = [
            "create",
            "-m",
            medium,
            "-r",
            revision,
            "--layout",
            "sparable",
            "--capacity",
            "30M",
            "-o",
            "x",
            "src",
        ];
        bench.fails(code, words);
        assert!(!bench.path("x").exists(), "{medium}, {revision}");
    }
}
