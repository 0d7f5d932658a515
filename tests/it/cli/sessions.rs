//! `--session`: every command that reads a volume reads each of its older states, in every layout.

use super::Bench;

/// How a volume is made, and how it grows.
const LAYOUTS: &[(&str, &[&str])] = &[
    ("an image", &[]),
    ("an image with a metadata partition", &["-r", "2.50"]),
    ("an image of 512-byte blocks", &["-m", "flash", "-r", "1.02"]),
    ("a table, one open session", &["-m", "bd-r"]),
    ("a table of 1.50", &["-m", "cd-r", "-r", "1.50"]),
    ("sessions on a disc written once", &["-m", "dvd+r", "--layout", "session"]),
];

#[test]
fn every_command_that_reads_reads_every_session() {
    for (layout, options) in LAYOUTS {
        let bench = Bench::empty();
        let bodies = ["one", "two, longer", "three, the longest of all"];
        for (number, body) in bodies.iter().enumerate() {
            bench.write("src/same", body);
            bench.write(&format!("src/only-{number}"), "");
            let grow = ["append", "-q", "v.img", "src"];
            let begin =
                [&["create", "-q", "-o", "v.img", "--checksums", "sha256"], *options, &["src"]].concat();
            bench.done(if number == 0 { begin } else { grow.to_vec() });
        }
        for (number, body) in bodies.iter().enumerate() {
            let (oldest, newest) = ((number + 1).to_string(), format!("-{}", 3 - number));
            for session in [oldest, newest] {
                let context = format!("{layout}, session {session}");
                let of = |words: &[&str]| {
                    let words = [words, &["--session", &session, "v.img"]].concat();
                    bench.run(words)
                };
                let out = |words: &[&str], path: &[&str]| {
                    let words = [words, &["--session", &session, "v.img"], path].concat();
                    bench.done(words)
                };
                assert_eq!(out(&["ls"], &[]).matches("only-").count(), number + 1, "{context}");
                assert_eq!(out(&["cat"], &["same"]), *body, "{context}");
                assert!(out(&["info"], &["same"]).contains(&format!("size={}\n", body.len())), "{context}");
                let files = format!("{} files", number + 3);
                let run = of(&["check"]);
                assert!(run.code == Some(0) && run.err.contains(&files), "{context}: {}", run.err);
                let run = of(&["verify"]);
                assert!(run.code == Some(0) && run.err.contains("agree"), "{context}: {}", run.err);
                let folder = format!("out{session}");
                out(&["extract", "-q", "-C", &folder], &[]);
                assert_eq!(bench.read(&format!("{folder}/same")), body.as_bytes(), "{context}");
            }
        }
        for command in ["ls", "cat", "info", "check", "verify"] {
            let path: &[&str] = if command == "cat" { &["same"] } else { &[] };
            let code = if command == "check" { 8 } else { 1 };
            let error = bench.fails(code, [&[command, "--session", "4", "v.img"], path].concat());
            assert!(
                error.contains("there is no session 4: the volume has 3"),
                "{layout}, {command}: {error}"
            );
        }
    }
}
