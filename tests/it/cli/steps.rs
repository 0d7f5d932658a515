//! `rm`, `mv`, `mkdir` and `put`: on volumes that grow by sessions, on those that are changed in place, and on discs.

use super::Bench;

/// The same tree in a volume of each kind.
fn benches() -> [Bench; 4] {
    let pseudo_overwrite = ["-m", "bd-r-pow", "--capacity", "8M"];
    [&["-r", "2.50"][..], &["--rewritable", "--capacity", "8M"], &pseudo_overwrite, &["-m", "bd-r"]].map(
        |kind| {
            let bench = Bench::new();
            bench.done([&["create", "-o", "v.udf"], kind, &["src"]].concat());
            bench
        },
    )
}

#[test]
fn every_step_is_done_on_every_kind_of_volume() {
    for bench in benches() {
        bench.done(["mkdir", "-p", "v.udf", "/new/deep", "/sub"]);
        bench.done(["mkdir", "v.udf", "/new/other"]);
        bench.done(["mv", "v.udf", "/a.txt", "/sub/hard", "/new/deep"]);
        bench.done(["mv", "v.udf", "/sub", "/moved"]);
        bench.done(["mv", "v.udf", "/moved/b.txt", "/new/deep/c.txt"]);
        bench.write("today.txt", "today");
        bench.done(["put", "v.udf", "today.txt", "/new/"]);
        bench.done(["put", "v.udf", "today.txt", "/new/deep/hard"]);
        bench.done(["put", "v.udf", "src", "/copy"]);
        bench.done(["put", "--file-mode", "600", "v.udf", "src", "today.txt", "/new/other"]);
        bench.done(["rm", "v.udf", "/link", "/copy/link"]);
        bench.done(["rm", "-r", "v.udf", "/copy/sub", "/moved"]);
        bench.done(["rm", "-i", "v.udf", "/nothing", "/new/other/src/link"]);
        let paths = [
            "/copy",
            "/copy/a.txt",
            "/new",
            "/new/deep",
            "/new/deep/a.txt",
            "/new/deep/c.txt",
            "/new/deep/hard",
            "/new/other",
            "/new/other/src",
            "/new/other/src/a.txt",
            "/new/other/src/sub",
            "/new/other/src/sub/b.txt",
            "/new/other/src/sub/hard",
            "/new/other/today.txt",
            "/new/today.txt",
        ];
        assert_eq!(bench.paths(&["v.udf"]), paths);
        let shown = bench.done(["cat", "v.udf", "/new/deep/a.txt", "/new/deep/hard", "/new/today.txt"]);
        assert_eq!(shown, "alphatodaytoday");
        assert!(bench.done(["ls", "-l", "v.udf", "/new/other/today.txt"]).starts_with("-rw-------"));
        if bench.path("v.udf.media").exists() {
            // An open session has but one anchor.
            bench.done(["close", "v.udf"]);
        }
        assert_eq!(bench.done(["check", "v.udf"]), "");
    }
}

#[test]
fn what_cannot_be_done_changes_nothing_at_all() {
    for bench in benches() {
        bench.done(["mkdir", "v.udf", "/empty", "/full"]);
        bench.done(["put", "v.udf", "src/a.txt", "/full"]);
        let before = bench.read("v.udf");
        for (arguments, expected) in [
            (&["rm", "v.udf", "/a.txt", "/nothing"][..], "there is no \"/nothing\""),
            (&["rm", "v.udf", "/a.txt", "/sub"], "rm -r"),
            (&["rm", "-r", "v.udf", "/"], "root"),
            (&["mkdir", "v.udf", "/x/y"], "not there"),
            (&["mkdir", "v.udf", "/sub"], "already"),
            (&["mkdir", "-p", "v.udf", "/a.txt/x"], "already"),
            (&["mv", "v.udf", "/a.txt", "/link", "/c.txt"], "no directory"),
            (&["mv", "v.udf", "/a.txt", "/nowhere/"], "no directory"),
            (&["mv", "v.udf", "/full", "/full/inside"], "inside of it"),
            (&["mv", "v.udf", "/a.txt", "/full/a.txt/x"], "no directory"),
            (&["mv", "v.udf", "/empty", "/a.txt"], "in the way"),
            (&["put", "v.udf", "nothing", "/"], "cannot read"),
            (&["put", "v.udf", "src/a.txt", "/nowhere/a.txt"], "there is no \"nowhere\""),
            (&["put", "v.udf", "src/a.txt", "src/link", "/c"], "no directory"),
        ] {
            let refusal = bench.fails(1, arguments);
            assert!(refusal.contains(expected), "{arguments:?}: {refusal}");
            assert!(bench.read("v.udf") == before, "{arguments:?}");
        }
        for usage in
            [&["mv", "v.udf", "/a.txt"][..], &["put", "v.udf", "src"], &["rm", "v.udf"], &["mkdir", "v.udf"]]
        {
            bench.fails(2, usage);
        }
        for nothing in [
            &["rm", "-i", "v.udf", "/nothing"][..],
            &["mkdir", "-p", "v.udf", "/sub"],
            &["mv", "--no-clobber", "v.udf", "/a.txt", "/link"],
            &["put", "--no-clobber", "v.udf", "src/a.txt", "/"],
        ] {
            let run = bench.run(nothing);
            assert_eq!(run.code, Some(0), "{}", run.err);
            assert!(run.err.contains("nothing written"), "{nothing:?}: {}", run.err);
            assert!(bench.read("v.udf") == before, "{nothing:?}");
        }
        bench.done(["mv", "v.udf", "/sub", "/empty"]);
        assert!(bench.paths(&["v.udf"]).contains(&"/empty/sub/b.txt".to_owned()));
        let shown = bench.done(["rm", "-n", "-r", "v.udf", "/empty"]);
        assert!(shown.contains("size: "), "{shown}");
        assert!(bench.paths(&["v.udf"]).contains(&"/empty/sub/b.txt".to_owned()));
    }
}

#[test]
fn steps_on_a_closed_disc_say_so_and_a_session_can_be_closed_behind_one() {
    let [sessions, _, _, disc] = benches();
    disc.done(["mkdir", "--close", "v.udf", "/made"]);
    disc.done(["close", "--finalize", "v.udf"]);
    let refusal = disc.fails(1, ["rm", "v.udf", "/a.txt"]);
    assert!(refusal.contains("closed"), "{refusal}");
    assert!(disc.paths(&["v.udf"]).contains(&"/made".to_owned()));
    let refusal = sessions.fails(2, ["mkdir", "--close", "v.udf", "/made"]);
    assert!(refusal.contains("--close"), "{refusal}");
}

#[test]
fn what_was_written_is_read_back_where_it_can_be() {
    for (kind, further) in [
        (&["-r", "2.60"][..], &[][..]),
        (&["--rewritable", "--capacity", "8M"], &[]),
        (&["-m", "bd-r-pow", "--capacity", "8M"], &[]),
        (&["-m", "bd-r"], &["--close"]),
    ] {
        let bench = Bench::new();
        let run = bench.run([&["create", "-o", "v.udf", "--verify"], kind, &["src"]].concat());
        assert!(run.code == Some(0) && run.err.contains("all as written"), "{kind:?}: {}", run.err);
        bench.write("src/new.txt", &"new ".repeat(50_000));
        let run = bench.run([&["append", "--verify", "v.udf"], further, &["src"]].concat());
        assert!(run.code == Some(0) && run.err.contains("all as written"), "{kind:?}: {}", run.err);
        let run = bench.run(["rm", "--verify", "v.udf", "/new.txt"]);
        assert!(run.code == Some(0) && run.err.contains("all as written"), "{kind:?}: {}", run.err);
    }
    let bench = Bench::new();
    let refusal = bench.fails(2, ["create", "-o", "-", "--verify", "src"]);
    assert!(refusal.contains("read back"), "{refusal}");
}
