//! `create`: sources, options, targets, what is refused.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use serde_json::json;

use super::{Bench, json_lines};

#[test]
fn a_folder_becomes_a_volume_in_every_revision_and_block_size() {
    let bench = Bench::new();
    for revision in ["1.02", "1.50", "2.00", "2.01", "0x0250", "2.60"] {
        for block_size in ["512", "1024", "2048", "4096"] {
            let made = bench.done([
                "create", "--json", "--force", "-o", "v.udf", "-r", revision, "-b", block_size, "src",
            ]);
            let made = &json_lines(&made)[0];
            assert_eq!(made["bytes"], fs::metadata(bench.path("v.udf")).unwrap().len());
            assert_eq!(made["block_size"].to_string(), block_size);
            assert_eq!((&made["files"], &made["directories"]), (&json!(4), &json!(2)));
            assert_eq!(bench.done(["cat", "v.udf", "/a.txt"]), "alpha");
            let paths = bench.paths(&["v.udf"]);
            assert_eq!(paths, ["/a.txt", "/link", "/sub", "/sub/b.txt", "/sub/hard"]);
        }
    }
}

#[test]
fn an_image_is_replaced_only_on_request() {
    let bench = Bench::new();
    bench.write("v.udf", "precious");
    let refusal = bench.fails(1, ["create", "-o", "v.udf", "src"]);
    assert!(refusal.contains("exists") && refusal.contains("--force"), "{refusal}");
    assert_eq!(bench.read("v.udf"), b"precious");
    bench.done(["create", "--force", "-o", "v.udf", "src"]);
    bench.done(["ls", "v.udf"]);
    // An image that lies in its own source is no part of itself.
    bench.done(["create", "-o", "src/v.udf", "src"]);
    bench.done(["create", "--force", "-o", "src/v.udf", "src"]);
    assert!(!bench.paths(&["src/v.udf"]).contains(&"/v.udf".into()));
}

#[test]
fn a_pipe_gets_the_same_bytes_as_an_image() {
    let bench = Bench::new();
    let common = ["--uuid", "0123456789abcdef", "--mtime", "@1000000000", "src"];
    let mut image = bench.command([&["create", "-o", "v.udf"], &common[..]].concat());
    assert!(image.env("SOURCE_DATE_EPOCH", "1000000000").status().unwrap().success());
    let mut pipe = bench.command([&["create", "-q", "-o", "-"], &common[..]].concat());
    let piped = pipe.env("SOURCE_DATE_EPOCH", "1000000000").output().unwrap();
    assert!(piped.status.success() && piped.stderr.is_empty());
    assert!(piped.stdout == bench.read("v.udf"));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let bench = Bench::new();
    let copied = Command::new("cp").arg("-a").args([bench.path("src"), bench.path("copy")]).status();
    assert!(copied.unwrap().success());
    for (image, source, threads) in [("1.udf", "src", "1"), ("2.udf", "copy", "4")] {
        let mut command = bench.command(["create", "-o", image, "-r", "2.50", "--threads", threads, source]);
        assert!(command.env("SOURCE_DATE_EPOCH", "1600000000").status().unwrap().success());
    }
    assert!(bench.read("1.udf") == bench.read("2.udf"));
    assert_eq!(
        json_lines(&bench.done(["sessions", "--json", "1.udf"]))[0]["recorded"],
        "2020-09-13T12:26:40.000000Z"
    );
    for object in bench.listing(&["1.udf"]) {
        assert!(object["mtime"].as_str().unwrap() <= "2020-09-13T12:26:40.000000Z", "{object}");
    }
}

#[test]
fn grafts_choose_their_places() {
    let bench = Bench::new();
    bench.write("odd=name", "odd");
    bench.done([
        "create",
        "-o",
        "v.udf",
        "docs/all=src",
        "etc/one.txt=src/a.txt",
        r"eq\=uals=src/a.txt",
        "odd=name",
    ]);
    let paths = bench.paths(&["v.udf"]);
    for path in ["/docs/all/a.txt", "/docs/all/sub/hard", "/etc/one.txt", "/eq=uals", "/odd=name"] {
        assert!(paths.contains(&path.into()), "{path} in {paths:?}");
    }
}

#[test]
fn files_are_chosen() {
    let bench = Bench::new();
    bench.write("src/skip.o", "");
    bench.write("src/sub/skip.o", "");
    bench.write("patterns", "*.o\n");
    let chosen = |options: &[&str]| {
        bench.done([&["create", "--force", "-o", "v.udf"], options].concat());
        bench.paths(&["v.udf"])
    };
    assert_eq!(chosen(&["--exclude", "*.o", "--exclude", "sub/", "src"]), ["/a.txt", "/link"]);
    assert_eq!(chosen(&["--exclude-from", "patterns", "src"]).len(), 5);
    assert!(!chosen(&["--symlinks", "skip", "src"]).contains(&"/link".into()));
    chosen(&["--symlinks", "follow", "-x", "src"]);
    assert_eq!(bench.done(["cat", "v.udf", "link"]), "beta ".repeat(2000));
    bench.write("list", "src/a.txt\nsrc/sub\n");
    assert_eq!(chosen(&["--files-from", "list"]), ["/src", "/src/a.txt", "/src/sub"]);

    let mut piped = bench.command(["create", "--force", "-o", "v.udf", "-0", "--files-from", "-"]);
    let mut child = piped.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"src/a.txt\0src/sub/b.txt\0").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(bench.paths(&["v.udf"]), ["/src", "/src/a.txt", "/src/sub", "/src/sub/b.txt"]);
}

#[test]
fn attributes_can_be_overridden() {
    let bench = Bench::new();
    bench.done([
        "create",
        "-o",
        "v.udf",
        "--uid",
        "7",
        "--gid",
        "-1",
        "--file-mode",
        "4640",
        "--dir-mode",
        "2750",
        "--mtime",
        "2001-02-03T04:05:06.789+01:00",
        "src",
    ]);
    for object in bench.listing(&["v.udf"]) {
        assert_eq!((&object["uid"], &object["gid"]), (&json!(7), &json!(null)));
        assert_eq!(object["mtime"], "2001-02-03T03:05:06.789000Z");
        match object["type"].as_str().unwrap() {
            "file" => assert_eq!(object["mode"], "4640"),
            "directory" => assert_eq!(object["mode"], "2750"),
            _ => {}
        }
    }
}

#[test]
fn identifiers_are_recorded() {
    let bench = Bench::new();
    let image = "v.udf";
    bench.done([
        "create",
        "-o",
        image,
        "-V",
        "Läbel 日本",
        "--vid",
        "vid",
        "--vsid",
        "vsid",
        "--fsid",
        "fsid",
        "--uuid",
        "0123456789abcdef",
        "--owner",
        "me",
        "--organization",
        "us",
        "--contact",
        "you",
        "--application",
        "test",
        "src",
    ]);
    let info = bench.done(["info", image]);
    for line in [
        "filename=v.udf",
        "label=Läbel 日本",
        "uuid=0123456789abcdef",
        "lvid=Läbel 日本",
        "vid=vid",
        "vsid=vsid",
        "fsid=fsid",
        "fullvsid=0123456789abcdefvsid",
        "owner=me",
        "organization=us",
        "contact=you",
        "appid=*test",
        "impid=*mkudf-ms",
    ] {
        assert!(info.lines().any(|found| found == line), "{line} in\n{info}");
    }
    // Whoever gives only a label gets it everywhere.
    bench.done(["create", "--force", "-o", image, "--lvid", "Only", "src"]);
    let info = bench.done(["info", image]);
    assert!(info.contains("\nvid=Only\nvsid=Only\nfsid=Only\n"), "{info}");
}

#[test]
fn a_dry_run_writes_nothing_and_says_whether_it_fits() {
    let bench = Bench::new();
    let plan = bench.done(["create", "-n", "-o", "v.udf", "--capacity", "10M", "src"]);
    assert!(!bench.path("v.udf").exists());
    bench.done(["create", "-o", "v.udf", "src"]);
    let bytes = fs::metadata(bench.path("v.udf")).unwrap().len();
    assert!(plan.contains(&format!("size: {bytes} bytes, {} sectors", bytes / 2048)), "{plan}");
    assert!(plan.contains("\nfits: "), "{plan}");
    let plan = bench.ends(1, ["create", "--dry-run", "-o", "w.udf", "--capacity", "100s", "src"]);
    assert!(plan.contains("does not fit"), "{plan}");
    let object = bench.ends(1, ["create", "-n", "--json", "-o", "w.udf", "--capacity", "100s", "src"]);
    assert_eq!(json_lines(&object)[0]["fits"], false);
    assert!(bench.fails(1, ["create", "-o", "w.udf", "--capacity", "100s", "src"]).contains("too many"));
    assert!(!bench.path("w.udf").exists());
}

#[test]
fn what_is_lost_is_told_with_a_code_of_its_own() {
    let bench = Bench::new();
    let odd = std::ffi::OsStr::from_bytes(b"caf\xe9.txt");
    fs::write(bench.path("src").join(odd), "x").unwrap();
    let run = bench.run(["create", "-q", "-o", "v.udf", "src"]);
    assert_eq!(run.code, Some(3), "{}", run.err);
    assert!(run.err.contains("warning: ") && run.err.lines().count() == 1, "{}", run.err);
    assert!(bench.paths(&["v.udf"]).contains(&"/caf_.txt".into()));
}

#[test]
fn a_reader_who_leaves_makes_it_fail() {
    let bench = Bench::new();
    bench.write("src/large", &"x".repeat(8 << 20));
    let mut child = bench
        .command(["create", "-o", "-", "src"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 1024]).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{:?}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    let bench = Bench::new();
    bench.write("src/large", &"x".repeat(64 << 20));
    let mut child = bench.command(["create", "-o", "-", "src"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdout.take().unwrap();
    // As soon as there are bytes the signal is listened to.
    pipe.read_exact(&mut [0; 1024]).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let mut rest = Vec::new();
    pipe.read_to_end(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(rest.len() < 64 << 20, "it went on to the end");
}

#[test]
fn an_image_that_cannot_be_finished_is_not_there() {
    let bench = Bench::new();
    let before = fs::read_dir(bench.folder.path()).unwrap().count();
    let limited = format!("ulimit -f 64; exec {} create -o v.udf src", env!("CARGO_BIN_EXE_mkudf-ms"));
    bench.write("src/large", &"x".repeat(1 << 20));
    let mut shell = Command::new("bash");
    // Beyond the limit the kernel sends a signal, which must be ignored to become an error.
    let status = shell
        .args(["-c", &format!("trap '' XFSZ; {limited}")])
        .current_dir(bench.folder.path())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
    assert_eq!(fs::read_dir(bench.folder.path()).unwrap().count(), before);
    assert!(bench.path("src/large").metadata().unwrap().size() > 0);
}
