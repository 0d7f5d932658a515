//! `--checksums` and `verify`: every session has those of its own files, whatever was done to them, and what is wrong is found.

use std::process::Command;

use super::Bench;

fn agrees(bench: &Bench, arguments: &[&str]) -> String {
    let run = bench.run([&["verify"], arguments].concat());
    assert!(run.code == Some(0) && run.err.contains("agree with their"), "{arguments:?}: {}", run.err);
    run.err
}

#[test]
fn every_session_has_the_checksums_of_its_own_files() {
    for (kind, algorithm) in [
        (&["-r", "2.50"][..], "sha256"),
        (&["-r", "1.02"], "blake3"),
        (&["--rewritable", "--capacity", "8M"], "sha256"),
        (&["-m", "bd-r"], "blake3"),
    ] {
        let list = format!("mkudf-ms.{algorithm}");
        let bench = Bench::new();
        bench.write("src/back\\slash", "odd");
        bench.write("src/sub/deep/er", "deeper");
        bench.done([&["create", "-o", "v.udf", "--checksums", algorithm], kind, &["src"]].concat());
        let told = agrees(&bench, &["v.udf"]);
        assert!(told.contains("6 files"), "a link to another name counts as a file, and the list: {told}");
        bench.write("src/new.txt", "new");
        bench.write("src/a.txt", "alpha two");
        bench.done(["append", "--update", "v.udf", "src"]);
        agrees(&bench, &["v.udf"]);
        bench.done(["mv", "v.udf", "/sub", "/moved"]);
        bench.done(["mkdir", "v.udf", "/sub"]);
        bench.done(["mv", "v.udf", "/a.txt", "/moved/hard"]);
        bench.done(["mv", "v.udf", "/moved/deep", "/sub/deep"]);
        agrees(&bench, &["v.udf"]);
        bench.done(["rm", "v.udf", "/new.txt"]);
        bench.done(["put", "v.udf", "src/new.txt", "/moved/b.txt"]);
        let shown = bench.done(["cat", "v.udf", &list]);
        let paths: Vec<_> = shown.lines().map(|line| line.split_once("  ").unwrap().1).collect();
        assert_eq!(paths, ["back\\\\slash", "moved/b.txt", "moved/hard", "sub/deep/er"]);
        agrees(&bench, &["v.udf"]);
        agrees(&bench, &["v.udf", "/moved", "sub/deep/er"]);
        bench.done(["append", "--mirror", "v.udf", "src"]);
        agrees(&bench, &["v.udf"]);
        assert!(bench.done(["cat", "v.udf", &list]).contains("  sub/b.txt\n"));
        let before = bench.read("v.udf");
        bench.done(["append", "--mirror", "v.udf", "src"]);
        assert!(bench.read("v.udf") == before, "{kind:?}: the list alone is no reason for a session");
        if !kind.contains(&"--rewritable") {
            for session in ["1", "2", "3", "-2"] {
                agrees(&bench, &["--session", session, "v.udf"]);
            }
            bench.done(["revert", "--to", "2", "v.udf"]);
            agrees(&bench, &["v.udf"]);
        }
        bench.done(["append", "v.udf", "--remove", &list]);
        let run = bench.run(["verify", "v.udf"]);
        assert!(run.code == Some(0) && run.err.contains("no checksums"), "{}", run.err);
    }
}

#[test]
fn who_removes_the_list_wants_no_more_checksums() {
    let bench = Bench::new();
    bench.done(["create", "-o", "v.udf", "--checksums", "sha256", "src"]);
    bench.done(["rm", "v.udf", "/mkudf-ms.sha256"]);
    bench.done(["mkdir", "v.udf", "/new"]);
    assert!(!bench.paths(&["v.udf"]).contains(&"/mkudf-ms.sha256".to_owned()));
}

#[test]
fn other_programs_check_them_too() {
    let bench = Bench::new();
    bench.write("src/back\\slash", "odd");
    bench.done(["create", "-o", "v.udf", "--checksums", "sha256", "src"]);
    bench.done(["extract", "-C", "out", "v.udf"]);
    let check = || {
        let mut command = Command::new("sha256sum");
        command.args(["--check", "--strict", "--quiet", "mkudf-ms.sha256"]).current_dir(bench.path("out"));
        command.output().unwrap().status.success()
    };
    assert!(check());
    bench.write("out/a.txt", "alphA");
    assert!(!check());
}

#[test]
fn what_is_not_as_recorded_is_found() {
    let bench = Bench::new();
    bench.done(["create", "-o", "v.udf", "--checksums", "sha256", "-b", "2048", "src"]);
    let sound = bench.read("v.udf");
    let mut spoilt = sound.clone();
    let at = sound.windows(10).position(|part| part == b"beta beta ").unwrap();
    spoilt[at + 3000] ^= 1;
    std::fs::write(bench.path("v.udf"), &spoilt).unwrap();
    let refusal = bench.fails(1, ["verify", "v.udf"]);
    assert!(refusal.contains("/sub/b.txt is not what its checksum is of"), "{refusal}");
    let run = bench.run(["verify", "--json", "v.udf", "sub/b.txt"]);
    assert!(run.code == Some(1), "{}", run.err);
    let shown = String::from_utf8(run.out).unwrap();
    assert!(shown.starts_with("{\"path\":\"/sub/b.txt\",\"verdict\":\"differs\"}\n"), "{shown}");
    agrees(&bench, &["v.udf", "a.txt"]);
    bench.fails(1, ["verify", "v.udf", "nothing"]);

    std::fs::write(bench.path("v.udf"), &sound).unwrap();
    let list = bench.done(["cat", "v.udf", "mkudf-ms.sha256"]);
    bench.write("list", &list.replace("a.txt", "gone.txt"));
    bench.done(["append", "v.udf", "--remove", "/mkudf-ms.sha256", "mkudf-ms.sha256=list"]);
    let refusal = bench.fails(1, ["verify", "v.udf"]);
    assert!(
        refusal.contains("/gone.txt is missing") && refusal.contains("/a.txt has no checksum"),
        "{refusal}"
    );
    bench.write("list", "no list");
    bench.done(["append", "v.udf", "--remove", "/mkudf-ms.sha256", "mkudf-ms.sha256=list"]);
    for command in [&["verify", "v.udf"][..], &["append", "v.udf", "-l", "Other"]] {
        let refusal = bench.fails(1, command);
        assert!(refusal.contains("line 1") && refusal.contains("--remove /mkudf-ms.sha256"), "{refusal}");
    }
    bench.done(["append", "--checksums", "blake3", "v.udf", "--remove", "/mkudf-ms.sha256"]);
    agrees(&bench, &["v.udf"]);
    let refusal = bench.fails(2, ["create", "-o", "w.udf", "--checksums", "md5", "src"]);
    assert!(refusal.contains("sha256 or blake3"), "{refusal}");
    bench.fails(2, ["revert", "--checksums", "sha256", "--to", "1", "v.udf"]);
}
