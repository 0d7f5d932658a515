//! The command rescue, and names that nobody should print as they are.

use std::fs;
use std::process::Command;

use super::{Bench, json_lines};

#[test]
fn rescue_saves_what_is_left_and_says_what_it_is_worth() {
    let bench = Bench::with_volume();
    assert_eq!(bench.done(["rescue", "-C", "all", "v.udf"]), "");
    let same = Command::new("diff")
        .args(["-r", "--no-dereference"])
        .args([bench.path("src"), bench.path("all")])
        .status();
    assert!(same.unwrap().success());
    let lines = json_lines(&bench.done(["rescue", "--json", "-C", "json", "v.udf"]));
    assert!(lines.iter().any(|line| line["path"] == "/a.txt" && line["verdict"] == "certain"), "{lines:?}");
    assert_eq!(lines.last().unwrap()["summary"]["certain"], lines.len() - 1);

    // The first half is zeros, and the map does not say so.
    let image = bench.read("v.udf");
    let at = image.windows(5).position(|window| window == b"beta ").unwrap() / 2048 * 2048;
    let map = format!("0 + 1\n0 {at} +\n{at} 2048 -\n{} {} +\n", at + 2048, image.len() - at - 2048);
    fs::write(bench.path("map"), &map).unwrap();
    let found = bench
        .ends(3, ["rescue", "--map", "map", "--map-out", "new.map", "--retries", "0", "-C", "some", "v.udf"]);
    assert!(found.starts_with("doubtful /sub/b.txt: 2048 of its bytes are missing"), "{found}");
    let written = String::from_utf8(bench.read("new.map")).unwrap();
    assert!(written.lines().any(|line| line == format!("0x{at:08X}  0x00000800  -")), "{written}");
    let body = bench.read("some/sub/b.txt");
    assert!(body[..2048] == [0; 2048] && body[2048..] == bench.read("src/sub/b.txt")[2048..]);

    bench.write("empty.img", &"x".repeat(1 << 20));
    bench.fails(1, ["rescue", "-C", "none", "empty.img"]);
    assert!(!bench.path("none").exists());
    bench.write("no.map", "nothing\n");
    bench.fails(1, ["rescue", "--map", "no.map", "-C", "none", "v.udf"]);
    bench.fails(2, ["rescue", "v.udf"]);
    bench.fails(1, ["rescue", "--max-size", "1K", "-C", "few", "v.udf"]);
}

#[test]
fn names_that_steer_terminals_are_escaped_wherever_they_are_told() {
    let bench = Bench::empty();
    bench.write("src/bad\x1b]0;title\x07\u{202e}name", &"x".repeat(5000));
    bench.done(["create", "-o", "v.udf", "-l", "Label\x1b[31m", "src"]);
    let name = "bad\\x1b]0;title\\x07\\u{202e}name";
    let is_harmless = |text: &str| !text.contains(['\x1b', '\x07', '\u{202e}']);
    for options in [&["ls"][..], &["ls", "-l"], &["ls", "-R"], &["rescue", "-v", "-C", "out"]] {
        let told = bench.done([options, &["v.udf"]].concat());
        assert!(told.contains(name) && is_harmless(&told), "{options:?}: {told}");
    }
    assert!(is_harmless(&bench.done(["sessions", "v.udf"])));
    assert!(is_harmless(&bench.done(["info", "v.udf"])));
    // Extracted over itself, so that there is something to say of it.
    bench.done(["extract", "-C", "over", "v.udf"]);
    let told = bench.run(["extract", "-C", "over", "v.udf"]).err;
    assert!(is_harmless(&told) && told.contains("title"), "{told}");
    // And with an entry that is damaged, which is told by all.
    let mut image = bench.read("v.udf");
    let at = image.windows(5000).rposition(|window| window == [b'x'; 5000]).unwrap();
    let entry = (0..at / 2048).rfind(|block| image[block * 2048..][..2] == [10, 1]).unwrap();
    image[entry * 2048 + 100] ^= 1;
    fs::write(bench.path("v.udf"), &image).unwrap();
    for options in [&["check"][..], &["ls", "-l"], &["rescue", "-C", "lost"], &["extract", "-C", "lost2"]] {
        let run = bench.run([options, &["v.udf"]].concat());
        let told = String::from_utf8(run.out).unwrap() + &run.err;
        assert!(is_harmless(&told), "{options:?}: {told}");
    }
}
