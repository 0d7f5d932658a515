//! `sessions --print-next` and `create -C LAST,NEXT -M IMAGE`: sessions that another program writes at their place.

use std::fs;

use super::{Bench, json_lines};

/// What a burner does: the disc as it is, blank up to NEXT, the session.
fn burn(bench: &Bench, disc: &str, next: usize, session: &str) -> Vec<u8> {
    let mut bytes = bench.read(disc);
    assert!(bytes.len() <= next * 2048, "the session begins behind what is there");
    bytes.resize(next * 2048, 0);
    bytes.extend(bench.read(session));
    bytes
}

#[test]
fn what_is_put_together_at_next_is_the_volume_with_all_its_sessions() {
    // A plain image is what a disc is that somebody else burnt; the gap is that of a CD.
    for (made, gap) in [
        (&["-m", "cd-r", "--layout", "session"][..], None),
        (&["-m", "dvd+r", "--layout", "vat", "--close"], None),
        (&["-m", "bd-r", "--layout", "session", "-r", "2.60"], None),
        (&["-r", "1.02"], Some(11_400)),
        (&["-r", "2.50"], Some(11_400)),
    ] {
        let bench = Bench::new();
        bench.done([&["create", "-o", "disc.img", "-l", "Burnt"], made, &["src"]].concat());
        fs::copy(bench.path("disc.img"), bench.path("1.img")).unwrap();
        let told = bench.done(["sessions", "--print-next", "disc.img"]);
        let mut last_next: Vec<usize> =
            told.trim().split(',').map(|sector| sector.parse().unwrap()).collect();
        last_next[1] += gap.unwrap_or(0);
        for number in 2..=4 {
            let (before, after) = (format!("{}.img", number - 1), format!("{number}.img"));
            bench.write(&format!("more/{number}.txt"), &format!("session {number}"));
            let place = format!("{},{}", last_next[0], last_next[1]);
            bench.done([
                "create",
                "-C",
                &place,
                "-M",
                &before,
                "-o",
                "session.img",
                "--mtime",
                "@1800000000",
                "more",
            ]);
            let session = bench.read("session.img");
            let end = last_next[1] * 2048 + session.len();
            assert!(session.len() < 4 << 20 && end.is_multiple_of(65536), "{} bytes", session.len());
            fs::write(bench.path(&after), burn(&bench, &before, last_next[1], "session.img")).unwrap();
            fs::remove_file(bench.path("session.img")).unwrap();
            let start = last_next[1].to_string();
            let context = format!("{made:?}, session {number}");
            let place = ["--session-start", &start, &after];
            let names = bench.done([&["ls", "-R"], &place[..]].concat());
            for name in ["a.txt", "hard", "2.txt", &format!("{number}.txt")] {
                assert!(names.contains(name), "{context}: {names}");
            }
            let read = bench.done(["cat", "--session-start", &start, &after, "sub/b.txt", "2.txt"]);
            assert_eq!(read, format!("{}session 2", "beta ".repeat(2000)), "{context}");
            let all = json_lines(&bench.done([&["sessions", "--json"], &place[..]].concat()));
            assert_eq!(all.len(), number, "{context}");
            bench.done([&["check"], &place[..]].concat());
            let next = bench.read(&after).len() / 2048 + 2048;
            last_next = vec![last_next[1], next];
        }
    }
}

#[test]
fn a_session_for_another_burner_is_what_the_disc_itself_would_get_and_goes_through_a_pipe() {
    let bench = Bench::new();
    bench.write("more/new.txt", &"new ".repeat(100_000));
    let reproducible = |command: &[&str]| {
        let run = bench.run_with(command, &[("SOURCE_DATE_EPOCH", "1800000000")]);
        assert_eq!(run.code, Some(0), "{}", run.err);
        run.out
    };
    reproducible(&["create", "-m", "cd-r", "--layout", "session", "-o", "disc.img", "src"]);
    let place = bench.done(["sessions", "--print-next", "disc.img"]);
    let next: usize = place.trim().split(',').next_back().unwrap().parse().unwrap();
    let further =
        |output| ["create", "-m", "cd-r", "-C", place.trim(), "-M", "disc.img", "-o", output, "more"];
    let piped = reproducible(&further("-"));
    reproducible(&further("session.img"));
    reproducible(&["append", "disc.img", "more"]);
    assert!(bench.read("disc.img")[next * 2048..] == piped);
    assert!(bench.read("session.img") == piped);
    // Nothing is replaced, and nothing else may be asked for.
    assert!(bench.fails(1, further("session.img")).contains("exists"));
    bench.fails(2, ["create", "-C", "0,9000", "-o", "x.img", "more"]);
    bench.fails(2, ["create", "-M", "disc.img", "-o", "x.img", "more"]);
    bench.fails(2, ["create", "-C", "9000,0", "-M", "disc.img", "-o", "x.img", "more"]);
    bench.fails(2, ["create", "-C", "0,9000", "-M", "disc.img", "--vid", "x", "-o", "x.img", "more"]);
    let refusal = bench.fails(1, ["create", "-C", "0,300", "-M", "disc.img", "-o", "x.img", "more"]);
    assert!(refusal.contains("reaches to") || refusal.contains("anchor"), "{refusal}");
    assert!(!bench.path("x.img").exists());
    bench.done(["create", "-m", "bd-r", "-o", "open.img", "src"]);
    assert!(bench.fails(1, ["sessions", "--print-next", "open.img"]).contains("close it first"));
}
