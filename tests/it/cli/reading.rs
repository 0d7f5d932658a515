//! `ls`, `cat`, `extract`, `info`: what they print, and how much of it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

use serde_json::json;

use super::{Bench, json_lines};

#[test]
fn ls_lists_like_ls() {
    let bench = Bench::with_volume();
    assert_eq!(bench.done(["ls", "v.udf"]), "a.txt\nlink\nsub\n");
    assert_eq!(bench.done(["ls", "v.udf", "sub/"]), "b.txt\nhard\n");
    assert_eq!(bench.done(["ls", "v.udf", "/sub/hard"]), "/sub/hard\n");
    assert_eq!(bench.done(["ls", "-d", "v.udf", "/sub"]), "/sub\n");
    assert_eq!(bench.done(["ls", "-R", "v.udf"]), "/:\na.txt\nlink\nsub\n\n/sub:\nb.txt\nhard\n");
    fs::set_permissions(bench.path("src/a.txt"), fs::Permissions::from_mode(0o4751)).unwrap();
    bench.done([
        "create",
        "--force",
        "-o",
        "v.udf",
        "--mtime",
        "2020-01-02T03:04:05Z",
        "--uid",
        "12",
        "--gid",
        "34",
        "src",
    ]);
    let long = bench.done(["ls", "-l", "v.udf"]);
    let words = |line: &str| line.split_whitespace().map(String::from).collect::<Vec<_>>();
    let lines: Vec<_> = long.lines().map(words).collect();
    assert_eq!(lines[0], ["-rwsr-x--x", "2", "12", "34", "5", "2020-01-02", "03:04:05", "a.txt"]);
    assert!(lines[1].ends_with(&["link".into(), "->".into(), "sub/b.txt".into()]), "{long}");
    assert!(lines[2][0].starts_with('d'), "{long}");
    assert!(bench.fails(1, ["ls", "v.udf", "/none"]).contains("/none"));
}

#[test]
fn json_says_all_of_a_file() {
    let bench = Bench::with_volume();
    let metadata = fs::metadata(bench.path("src/a.txt")).unwrap();
    let listing = bench.listing(&["v.udf"]);
    let file = &listing[0];
    assert_eq!(file["path"], "/a.txt");
    assert_eq!(file["type"], "file");
    assert_eq!(file["mode"], format!("{:04o}", metadata.mode() & 0o7777));
    assert_eq!((&file["uid"], &file["gid"]), (&json!(metadata.uid()), &json!(metadata.gid())));
    assert_eq!((&file["size"], &file["links"], &file["hidden"]), (&json!(5), &json!(2), &json!(false)));
    for key in ["mtime", "atime", "ctime", "btime"] {
        let time: jiff::Timestamp = file[key].as_str().unwrap().parse().unwrap();
        assert_eq!(file[key].as_str().unwrap().len(), 27, "microseconds");
        assert!(time.as_second() >= metadata.mtime() - 1);
    }
    let recorded: jiff::Timestamp = file["mtime"].as_str().unwrap().parse().unwrap();
    assert_eq!(recorded.as_microsecond(), metadata.mtime() * 1_000_000 + metadata.mtime_nsec() / 1000);
    assert!(file["unique_id"].as_u64().unwrap() >= 16);
    assert_eq!(listing[1]["target"], "sub/b.txt");
    assert_eq!(listing[4]["unique_id"], file["unique_id"]);
}

#[test]
fn sessions_are_opened_by_their_start_and_bent_volumes_only_if_asked_for() {
    let bench = Bench::with_volume();
    fs::write(bench.path("new.txt"), "new").unwrap();
    bench.done(["append", "v.udf", "new.txt=new.txt"]);
    let starts: Vec<_> = json_lines(&bench.done(["sessions", "--json", "v.udf"]))
        .iter()
        .map(|session| session["start"].to_string())
        .collect();
    assert_eq!(bench.done(["ls", "--session-start", &starts[1], "v.udf"]), "a.txt\nlink\nnew.txt\nsub\n");
    bench.done(["ls", "--strict", "v.udf"]);
    bench.fails(1, ["ls", "--session-start", "7", "v.udf"]);

    // Without the anchors at its end it is read all the same, but not by who is strict.
    let image = fs::File::options().write(true).open(bench.path("v.udf")).unwrap();
    image.set_len(image.metadata().unwrap().len() - 2048).unwrap();
    let listing = bench.done(["ls", "v.udf"]);
    assert_eq!(listing, "a.txt\nlink\nnew.txt\nsub\n");
    let last = (fs::metadata(bench.path("v.udf")).unwrap().len() / 2048 - 300).to_string();
    bench.fails(1, ["ls", "--strict", "--last-sector", &last, "v.udf"]);
}

#[test]
fn streams_that_are_not_there_are_told() {
    let bench = Bench::with_volume();
    assert_eq!(bench.done(["ls", "--streams", "v.udf"]), "");
    assert_eq!(bench.done(["ls", "--streams", "v.udf", "a.txt"]), "");
    assert!(bench.fails(1, ["cat", "--stream", "x", "v.udf", "a.txt"]).contains("stream \"x\" of a.txt"));
    assert!(bench.fails(1, ["cat", "--stream", "x", "v.udf"]).contains("of the volume"));
    bench.fails(2, ["cat", "v.udf"]);
}

#[test]
fn cat_prints_bytes_and_goes_on_after_an_error() {
    let bench = Bench::with_volume();
    let run = bench.run(["cat", "v.udf", "a.txt", "none", "/sub", "sub/hard"]);
    assert_eq!(run.code, Some(1));
    assert_eq!(run.out, b"alphaalpha");
    assert_eq!(run.err.lines().count(), 2, "{}", run.err);
    bench.write("src/large", &"x".repeat(3_000_000));
    bench.done(["create", "--force", "-o", "v.udf", "src"]);
    assert_eq!(bench.done(["cat", "v.udf", "large"]).len(), 3_000_000);
}

#[test]
fn a_reader_who_leaves_is_no_error() {
    let bench = Bench::new();
    bench.write("src/large", &"x".repeat(8 << 20));
    bench.done(["create", "-o", "v.udf", "src"]);
    let mut child = bench
        .command(["cat", "v.udf", "large"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn extract_brings_everything_back() {
    let bench = Bench::with_volume();
    bench.done(["extract", "-C", "out", "v.udf"]);
    let same = Command::new("diff")
        .args(["-r", "--no-dereference"])
        .args([bench.path("src"), bench.path("out")])
        .status();
    assert!(same.unwrap().success());
    let [one, other] = ["out/a.txt", "out/sub/hard"].map(|name| fs::metadata(bench.path(name)).unwrap());
    assert_eq!(one.ino(), other.ino());
    for name in ["a.txt", "sub", ""] {
        let [from, to] =
            ["src", "out"].map(|root| fs::symlink_metadata(bench.path(root).join(name)).unwrap());
        assert_eq!((from.mode(), from.uid(), from.mtime()), (to.mode(), to.uid(), to.mtime()), "{name}");
        assert_eq!(from.mtime_nsec() / 1000, to.mtime_nsec() / 1000, "{name}");
    }
    // Once more: nothing is replaced, and that is said.
    bench.write("out/a.txt", "mine");
    let run = bench.run(["extract", "-C", "out", "v.udf"]);
    assert_eq!(run.code, Some(3), "{}", run.err);
    assert_eq!(bench.read("out/a.txt"), b"mine");
    bench.done(["extract", "--force", "-C", "out", "v.udf"]);
    assert_eq!(bench.read("out/a.txt"), b"alpha");
    bench.done(["extract", "-C", "some", "v.udf", "sub/b.txt"]);
    assert_eq!(fs::read_dir(bench.path("some")).unwrap().count(), 1);
    bench.fails(1, ["extract", "-C", "none", "v.udf", "/none"]);
    bench.fails(1, ["extract", "-C", "few", "--max-size", "1K", "v.udf"]);
}

#[test]
fn a_folder_in_use_keeps_its_own_attributes() {
    let bench = Bench::with_volume();
    bench.write("used/mine", "");
    fs::set_permissions(bench.path("used"), fs::Permissions::from_mode(0o711)).unwrap();
    bench.done(["extract", "-C", "used", "v.udf"]);
    assert_eq!(fs::metadata(bench.path("used")).unwrap().mode() & 0o7777, 0o711);
}

#[test]
fn info_is_what_udfinfo_prints() {
    let bench = Bench::new();
    if Command::new("udfinfo").arg("--help").output().is_err() {
        eprintln!("skipped: udfinfo is not installed");
        return;
    }
    for revision in ["1.02", "2.01", "2.50", "2.60"] {
        bench
            .done(["create", "--force", "-o", "v.udf", "-r", revision, "-l", "Info", "--owner", "me", "src"]);
        let theirs = Command::new("udfinfo")
            .args(["--utf8", "v.udf"])
            .current_dir(bench.folder.path())
            .output()
            .unwrap();
        assert_eq!(bench.done(["info", "v.udf"]), String::from_utf8(theirs.stdout).unwrap(), "{revision}");
    }
}

#[test]
fn info_has_an_object_too() {
    let bench = Bench::with_volume();
    let object = &json_lines(&bench.done(["info", "--json", "v.udf"]))[0];
    assert_eq!((&object["label"], &object["blocksize"]), (&json!("First"), &json!(2048)));
    assert!(
        object["areas"]
            .as_array()
            .unwrap()
            .iter()
            .any(|area| area == &json!({"start": 256, "blocks": 1, "type": "ANCHOR"}))
    );
}

#[test]
fn rules_are_explained() {
    let bench = Bench::new();
    let one = bench.done(["check", "--explain", "R042"]);
    for part in
        ["R042, error at worst (UDF 2.2.2.5)", "volume set identifier", "If it is broken:", "What to do:"]
    {
        assert!(one.contains(part), "{one}");
    }
    for spelling in ["r42", "42"] {
        assert_eq!(bench.done(["check", "--explain", spelling]), one);
    }
    assert!(bench.done(["check", "--explain", "57"]).contains("It is not looked at: "));
    let all = bench.done(["check", "--explain", "all"]);
    assert_eq!(all.lines().count(), 141);
    let objects = json_lines(&bench.done(["check", "--explain", "ALL", "--json"]));
    assert_eq!((objects.len(), &objects[140]["rule"]), (141, &json!("R140")));
}

#[test]
fn check_ends_with_the_bits_of_fsck() {
    let bench = Bench::with_volume();
    for revision in ["1.02", "1.50", "2.00", "2.01", "2.50", "2.60"] {
        bench.done(["create", "--force", "-o", "v.udf", "-r", revision, "src"]);
        // So small a volume cannot have its metadata mirror far away, which is a warning.
        let found = bench.done(["check", "v.udf"]);
        assert!(found.lines().all(|line| line.starts_with("warning R086")), "{revision}: {found}");
    }
    bench.done(["create", "--force", "-o", "v.udf", "src"]);
    bench.write("src/new.txt", "new");
    bench.done(["append", "v.udf", "src"]);
    assert_eq!(bench.done(["check", "v.udf"]), "");
    assert_eq!(bench.done(["check", "--session", "1", "v.udf"]), "");

    let mut image = bench.read("v.udf");
    let at = image.windows(5).rposition(|window| window == b"alpha").unwrap();
    image[at] ^= 1;
    fs::write(bench.path("v.udf"), image).unwrap();
    let findings = json_lines(&bench.ends(4, ["check", "--json", "v.udf"]));
    let (summary, findings) = findings.split_last().unwrap();
    assert_eq!(summary["summary"]["worst"], "error", "{summary}");
    let errors = findings.iter().filter(|finding| finding["severity"] == "error").count();
    assert_eq!(summary["summary"]["errors"], errors, "{summary}");
    let finding = findings.iter().find(|finding| finding["severity"] == "error").unwrap();
    for key in ["rule", "clause", "message"] {
        assert!(!finding[key].as_str().unwrap().is_empty(), "{finding}");
    }
    assert!(findings.iter().any(|finding| finding["sector"] == at / 2048), "{findings:?}");
    assert!(bench.ends(4, ["check", "v.udf"]).lines().any(|line| line.starts_with("error R")));
    bench.fails(8, ["check", "none.udf"]);
    bench.fails(16, ["check"]);
    bench.fails(16, ["check", "--explain", "R141"]);
    bench.fails(16, ["check", "--explain", "R042", "v.udf"]);
    bench.fails(8, ["check", "src/a.txt"]);
}
