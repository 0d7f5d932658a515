//! Sessions that nothing leads to any more, and anchors that disagree: listed, read, and built upon.

use std::fs;

use serde_json::Value;

use super::{Bench, json_lines};

const SECTOR: usize = 2048;

/// A volume of three sessions; each has a file more than the one before.
fn three_sessions() -> Bench {
    let bench = Bench::with_volume();
    fs::write(bench.path("two.txt"), "two").unwrap();
    fs::write(bench.path("three.txt"), "three").unwrap();
    bench.done(["append", "--strict", "v.udf", "two.txt=two.txt"]);
    bench.done(["append", "v.udf", "three.txt=three.txt"]);
    bench
}

/// Fills each sector of the image with zeros whose tag is of a kind.
fn wipe(bench: &Bench, image: &str, is_gone: impl Fn(usize, u16) -> bool) {
    let mut bytes = bench.read(image);
    for (sector, block) in bytes.chunks_mut(SECTOR).enumerate() {
        if is_gone(sector, u16::from_le_bytes([block[0], block[1]])) {
            block.fill(0);
        }
    }
    fs::write(bench.path(image), bytes).unwrap();
}

fn sessions(bench: &Bench, options: &[&str]) -> Vec<Value> {
    json_lines(&bench.done([&["sessions", "--json"], options].concat()))
}

fn column(sessions: &[Value], key: &str) -> Vec<String> {
    sessions.iter().map(|session| session[key].to_string().replace('"', "")).collect()
}

#[test]
fn sessions_without_anchors_are_found_listed_and_read() {
    let bench = three_sessions();
    let known = sessions(&bench, &["v.udf"]);
    assert_eq!(column(&known, "known_by"), ["record", "record", "current"]);
    assert_eq!(sessions(&bench, &["--search", "v.udf"]), known, "there is nothing else to be found");
    wipe(&bench, "v.udf", |_, kind| kind == 2);
    bench.fails(1, ["ls", "v.udf"]);
    let found = sessions(&bench, &["--search", "v.udf"]);
    assert_eq!(column(&found, "known_by"), ["search"; 3]);
    for key in ["start", "files", "bytes", "label"] {
        assert_eq!(column(&found, key), column(&known, key), "{key}");
    }
    assert_eq!(bench.done(["ls", "--search", "v.udf"]), "a.txt\nlink\nsub\nthree.txt\ntwo.txt\n");
    assert_eq!(bench.done(["ls", "--search", "--session", "1", "v.udf"]), "a.txt\nlink\nsub\n");
    assert_eq!(bench.done(["cat", "--search", "--session", "-2", "v.udf", "two.txt"]), "two");
    assert!(bench.done(["info", "--search", "--session", "2", "v.udf"]).contains("numfiles=5"));
    bench.done(["extract", "--search", "-C", "out", "v.udf"]);
    assert_eq!(bench.read("out/three.txt"), b"three");
    assert_eq!(bench.done(["diff", "--search", "v.udf", "1", "-1"]), "A /three.txt\nA /two.txt\n");
    // Nothing is written where readers would not look for it.
    for append in [
        &["append", "--search", "v.udf", "four.txt=two.txt"][..],
        &["revert", "--search", "--to", "1", "v.udf"],
    ] {
        assert!(bench.fails(1, append).contains("anchor at sector 256"));
    }
}

#[test]
fn a_session_that_a_search_finds_behind_the_current_one_is_not_written_over() {
    let bench = Bench::with_volume();
    fs::write(bench.path("more.txt"), "more").unwrap();
    bench.done(["append", "v.udf", "two.txt=more.txt"]);
    let two = bench.read("v.udf");
    bench.done(["append", "v.udf", "three.txt=more.txt"]);
    // As if the last anchors had never been turned to the third.
    let mut three = bench.read("v.udf");
    three[..two.len()].copy_from_slice(&two);
    fs::write(bench.path("v.udf"), &three).unwrap();
    wipe(&bench, "v.udf", |sector, kind| sector >= two.len() / SECTOR && kind == 2);
    assert_eq!(bench.done(["ls", "v.udf"]), "a.txt\nlink\nsub\ntwo.txt\n");
    let found = sessions(&bench, &["--search", "v.udf"]);
    assert_eq!(column(&found, "known_by"), ["record", "current", "search"]);
    assert_eq!(bench.done(["cat", "--search", "--session", "3", "v.udf", "three.txt"]), "more");
    let before = bench.read("v.udf");
    for command in [
        &["append", "--search", "v.udf", "four.txt=more.txt"][..],
        &["rm", "--search", "v.udf", "/a.txt"],
        &["revert", "--search", "--to", "1", "v.udf"],
    ] {
        let refusal = bench.fails(1, command);
        assert!(refusal.contains("session 3") && refusal.contains("leave out --search"), "{refusal}");
        assert!(bench.read("v.udf") == before);
    }
    bench.done(["append", "v.udf", "four.txt=more.txt"]);
    assert_eq!(bench.done(["ls", "v.udf"]), "a.txt\nfour.txt\nlink\nsub\ntwo.txt\n");
}

#[test]
fn a_session_behind_a_lost_one_is_found() {
    let bench = three_sessions();
    let known = sessions(&bench, &["v.udf"]);
    // The second session's descriptors, wherever they are: its main sequence in its trailer, its reserve by its content.
    let bytes = bench.read("v.udf");
    let record = |sector: usize| {
        let at = sector * SECTOR + 304;
        bytes[at..].starts_with(b"SESSION\x01\x02")
    };
    wipe(&bench, "v.udf", |sector, kind| kind == 6 && record(sector));
    assert_eq!(column(&sessions(&bench, &["v.udf"]), "known_by"), ["current"]);
    let found = sessions(&bench, &["--search", "v.udf"]);
    assert_eq!(column(&found, "known_by"), ["search", "current"]);
    assert_eq!(column(&found, "start"), [known[0]["start"].to_string(), known[2]["start"].to_string()]);
    assert_eq!(bench.done(["ls", "--search", "--session", "1", "v.udf"]), "a.txt\nlink\nsub\n");
    assert_eq!(bench.done(["ls", "--search", "v.udf"]), "a.txt\nlink\nsub\nthree.txt\ntwo.txt\n");
}

#[test]
fn sessions_that_anchors_disagree_about_are_listed() {
    let bench = Bench::with_volume();
    let before = bench.read("v.udf");
    fs::write(bench.path("two.txt"), "two").unwrap();
    bench.done(["append", "v.udf", "two.txt=two.txt"]);
    // The last step was not done: the anchor at 256 leads to the first session, those at the end to the second.
    let mut image = bench.read("v.udf");
    image[256 * SECTOR..257 * SECTOR].copy_from_slice(&before[256 * SECTOR..257 * SECTOR]);
    fs::write(bench.path("v.udf"), image).unwrap();
    assert_eq!(bench.done(["ls", "v.udf"]), "a.txt\nlink\nsub\n");
    let found = sessions(&bench, &["v.udf"]);
    assert_eq!(column(&found, "known_by"), ["current", "anchor"]);
    assert_eq!(bench.done(["ls", "--session", "-1", "v.udf"]), "a.txt\nlink\nsub\ntwo.txt\n");
    assert_eq!(bench.done(["diff", "v.udf"]), "A /two.txt\n");
    assert!(bench.fails(1, ["revert", "--to", "2", "v.udf"]).contains("behind the current one"));
    assert!(bench.fails(1, ["ls", "--strict", "v.udf"]).contains("sequence location"));
    // By the start of a session, whichever it is.
    let start = found[1]["start"].to_string();
    assert_eq!(bench.done(["ls", "--session-start", &start, "v.udf"]), "a.txt\nlink\nsub\ntwo.txt\n");
    bench.done(["append", "--strict", "--session-start", &start, "v.udf", "three.txt=two.txt"]);
    bench.done(["check", "v.udf"]);
    assert_eq!(bench.done(["ls", "v.udf"]), "a.txt\nlink\nsub\nthree.txt\ntwo.txt\n");
    let text = bench.fails(1, ["append", "--session-start", &start, "v.udf", "four.txt=two.txt"]);
    assert!(text.contains("left behind"), "{text}");
}

#[test]
fn states_whose_later_table_is_lost_are_found() {
    let bench = Bench::new();
    bench.done(["create", "-o", "d.img", "-m", "cd-r", "src"]);
    let (mut ends, mut states) = (vec![bench.read("d.img").len() / SECTOR], Vec::new());
    for name in ["two.txt", "three.txt"] {
        fs::write(bench.path(name), name).unwrap();
        bench.done(["append", "d.img", &format!("{name}={name}")]);
        ends.push(bench.read("d.img").len() / SECTOR);
        states.push(sessions(&bench, &["d.img"]));
    }
    let known = states.pop().unwrap();
    assert_eq!(known.len(), 3);
    assert_eq!(sessions(&bench, &["--search", "d.img"]), known, "copies of a table are one state");
    let is_entry = |kind| matches!(kind, 261 | 266);
    wipe(&bench, "d.img", |sector, kind| (ends[0]..ends[1]).contains(&sector) && is_entry(kind));
    assert_eq!(sessions(&bench, &["d.img"]).len(), 1);
    let found = sessions(&bench, &["--search", "d.img"]);
    assert_eq!(column(&found, "known_by"), ["search", "current"]);
    assert_eq!(column(&found, "table"), [known[0]["table"].to_string(), known[2]["table"].to_string()]);
    assert_eq!(bench.done(["ls", "--search", "--session", "1", "d.img"]), "a.txt\nlink\nsub\n");
}

#[test]
fn where_nothing_is_a_search_finds_nothing_and_says_so() {
    let bench = Bench::empty();
    fs::write(bench.path("blank"), vec![0; 3 << 20]).unwrap();
    for command in ["ls", "sessions", "info"] {
        assert!(bench.fails(1, [command, "--search", "blank"]).contains("no anchor"));
    }
}
