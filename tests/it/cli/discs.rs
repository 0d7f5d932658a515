//! `media`, and simulated discs: `create -m`, `append`, `close`, and what a disc refuses.

use std::fs;

use serde_json::json;

use super::{Bench, json_lines};

#[test]
fn media_are_printed_for_people_and_for_programs() {
    let bench = Bench::empty();
    let rows = json_lines(&bench.done(["media", "--json"]));
    assert_eq!(bench.done(["media"]).lines().count(), rows.len() + 1);
    let cd = rows.iter().find(|row| row["name"] == "cd-r").unwrap();
    assert_eq!(cd["layout"], "vat");
    assert_eq!(cd["sessions"]["first_gap_sectors"], 11_400);
    for row in &rows {
        assert!(row["write_unit_sectors"].as_u64().unwrap() > 0 && row["revision"].is_string(), "{row}");
    }
}

#[test]
fn a_disc_grows_in_its_session_and_in_another_and_is_closed_for_good() {
    let bench = Bench::new();
    bench.done(["create", "-m", "dvd-r", "-o", "disc.img", "-l", "Disc", "src"]);
    bench.write("more/new.txt", "new");
    bench.done(["append", "disc.img", "-l", "Renamed", "more"]);
    assert_eq!(bench.done(["cat", "disc.img", "new.txt"]), "new");
    bench.done(["close", "disc.img"]);
    bench.done(["append", "--close", "--remove", "/sub", "disc.img"]);
    assert_eq!(bench.paths(&["disc.img"]), ["/a.txt", "/link", "/new.txt"]);
    assert_eq!(bench.paths(&["--session", "1", "disc.img"]).len(), 5);
    let all = json_lines(&bench.done(["sessions", "--json", "disc.img"]));
    let labels: Vec<_> = all.iter().map(|session| session["label"].clone()).collect();
    // The closing repeats the second table; it is the one that the third follows.
    assert_eq!(labels, ["Disc", "Renamed", "Renamed"]);
    assert!(all[2]["start"].as_u64().unwrap() > all[1]["start"].as_u64().unwrap() + 20_480);
    bench.done(["check", "disc.img"]);
    bench.done(["close", "--finalize", "disc.img"]);
    let before = bench.read("disc.img");
    let refusal = bench.fails(1, ["append", "disc.img", "src"]);
    assert!(refusal.contains("IMAPI_E_NO_COMPATIBLE_MULTISESSION_TYPE"), "{refusal}");
    assert!(bench.fails(1, ["close", "disc.img"]).contains("closed for good"));
    assert!(bench.read("disc.img") == before);
    let state: serde_json::Value = serde_json::from_slice(&bench.read("disc.img.media")).unwrap();
    assert_eq!(state["is_finalized"], json!(true));
}

#[test]
fn what_a_disc_cannot_be_is_refused_and_leaves_nothing() {
    let bench = Bench::new();
    assert!(bench.fails(1, ["create", "-m", "cd-r", "-r", "1.02", "-o", "d.img", "src"]).contains("1.50"));
    assert!(
        bench
            .fails(1, ["create", "-m", "bd-r", "--capacity", "300s", "-o", "d.img", "src"])
            .contains("needed")
    );
    bench.fails(2, ["create", "--layout", "vat", "-o", "d.img", "src"]);
    bench.fails(2, ["create", "--close", "-o", "d.img", "src"]);
    bench.fails(2, ["create", "-m", "cd-r", "-o", "-", "src"]);
    let names: Vec<_> =
        fs::read_dir(bench.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["src"]);
    bench.done(["create", "-m", "cd-r", "-o", "d.img", "src"]);
    assert!(bench.fails(1, ["create", "-m", "cd-r", "-o", "d.img", "src"]).contains("exists"));
    bench.done(["create", "-o", "plain.udf", "src"]);
    assert!(bench.fails(1, ["close", "plain.udf"]).contains("it is no disc"));
    bench.fails(2, ["append", "--close", "plain.udf", "src"]);
}

#[test]
fn logical_sessions_follow_each_other_and_each_is_closed() {
    for (medium, gap) in [("cd-r", 11_400), ("dvd+r", 2048), ("bd-r", 0)] {
        let bench = Bench::new();
        bench.done(["create", "-m", medium, "--layout", "session", "-o", "d.img", "src"]);
        for number in 2..=4 {
            bench.write(&format!("more/{number}.txt"), &format!("session {number}"));
            let next = bench.done(["sessions", "--print-next", "d.img"]);
            bench.done(["append", "--layout", "auto", "d.img", "more"]);
            let all = json_lines(&bench.done(["sessions", "--json", "d.img"]));
            assert_eq!(all.len(), number, "{medium}");
            let start = all[number - 1]["start"].as_u64().unwrap();
            assert_eq!(next.trim(), format!("{},{start}", all[number - 2]["start"]), "{medium}");
            assert!(number != 2 || start > gap, "{medium}");
            bench.done(["check", "d.img"]);
        }
        assert_eq!(bench.done(["cat", "d.img", "a.txt", "4.txt"]), "alphasession 4");
        assert_eq!(bench.paths(&["--session", "2", "d.img"]).len(), 6);
        assert_eq!(bench.done(["diff", "d.img", "2", "4"]), "A /3.txt\nA /4.txt\n");
        bench.done(["revert", "--to", "2", "d.img"]);
        assert_eq!(bench.paths(&["d.img"]), bench.paths(&["--session", "2", "d.img"]));
        bench.done(["check", "d.img"]);
        bench.done(["close", "--finalize", "d.img"]);
        assert!(bench.fails(1, ["append", "d.img", "src"]).contains("closed for good"));
    }
}

#[test]
fn tables_are_reverted_to_in_the_session_and_behind_it() {
    for revision in ["1.50", "2.01", "2.60"] {
        let bench = Bench::new();
        bench.done(["create", "-m", "dvd-r", "-r", revision, "-o", "d.img", "-l", "One", "src"]);
        bench.write("more/new.txt", "new");
        bench.done(["append", "-l", "Two", "d.img", "more"]);
        bench.done(["append", "--remove", "/sub", "d.img"]);
        let size = bench.read("d.img").len();
        bench.done(["revert", "--to", "1", "d.img"]);
        assert!(bench.read("d.img").len() - size <= 32 * 2048, "{revision}: a table, and nothing else");
        assert_eq!(bench.paths(&["d.img"]), bench.paths(&["--session", "1", "d.img"]));
        bench.done(["check", "d.img"]);
        bench.done(["append", "--close", "d.img", "more"]);
        bench.done(["revert", "--to", "3", "d.img"]);
        assert_eq!(bench.paths(&["d.img"]), ["/a.txt", "/link", "/new.txt"], "{revision}");
        let labels: Vec<_> = json_lines(&bench.done(["sessions", "--json", "d.img"]))
            .iter()
            .map(|session| session["label"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(labels, ["One", "Two", "Two", "One", "One", "Two"], "{revision}");
        bench.done(["append", "d.img", "src"]);
        assert_eq!(bench.paths(&["d.img"]).len(), 6, "{revision}");
        for session in 1..=7 {
            bench.done(["check", "--session", &session.to_string(), "d.img"]);
        }
    }
}

#[test]
fn a_layout_that_cannot_be_continued_is_refused_by_name() {
    let bench = Bench::new();
    bench.done(["create", "-m", "bd-r", "--layout", "vat", "-o", "vat.img", "src"]);
    bench.done(["create", "-m", "bd-r", "--layout", "session", "-o", "session.img", "src"]);
    bench.done(["create", "-o", "plain.udf", "src"]);
    for (image, layout, word) in [
        ("vat.img", "session", "entries have numbers"),
        ("session.img", "vat", "logical sessions"),
        ("plain.udf", "vat", "logical sessions"),
    ] {
        let before = bench.read(image);
        let refusal = bench.fails(1, ["append", "--layout", layout, image, "src"]);
        for part in [word, "IMAPI_E_INCOMPATIBLE_PREVIOUS_SESSION", "--start-new"] {
            assert!(refusal.contains(part), "{image}: {refusal}");
        }
        assert!(bench.read(image) == before, "{image}");
    }
}

#[test]
fn to_start_anew_hides_what_is_there_and_says_what() {
    for (made, asked) in [("vat", "session"), ("session", "vat"), ("vat", "vat"), ("session", "session")] {
        let bench = Bench::new();
        bench.done(["create", "-m", "dvd-r", "--layout", made, "-o", "d.img", "-l", "Old", "src"]);
        let before = bench.read("d.img");
        bench.write("more/new.txt", "new");
        let args = ["append", "--start-new", "--layout", asked, "-l", "New", "d.img", "more"];
        let (_, told) = bench.told(["append", "-n", "--start-new", "--layout", asked, "d.img", "more"]);
        assert!(told.contains("hidden: /sub and 2 below it") && bench.read("d.img") == before, "{told}");
        let (_, told) = bench.told(args);
        for name in ["hidden: /a.txt", "hidden: /link", "hidden: /sub and 2 below it", "\"Old\""] {
            assert!(told.contains(name), "{told}");
        }
        assert_eq!(bench.paths(&["d.img"]), ["/new.txt"]);
        assert!(bench.read("d.img").starts_with(&before), "nothing of the old session changes");
        assert_eq!(json_lines(&bench.done(["sessions", "--json", "d.img"])).len(), 1);
        bench.done(["check", "d.img"]);
        bench.write("more/newer.txt", "newer");
        bench.done(["append", "d.img", "more"]);
        assert_eq!(bench.paths(&["d.img"]), ["/new.txt", "/newer.txt"]);
        bench.done(["check", "d.img"]);
    }
    // On other media it is a session that has nothing of the one before.
    let bench = Bench::with_volume();
    bench.write("more/new.txt", "new");
    let (_, told) = bench.told(["append", "--start-new", "v.udf", "more"]);
    assert!(told.contains("hidden: /sub and 2 below it"), "{told}");
    assert_eq!(bench.paths(&["v.udf"]), ["/new.txt"]);
    bench.done(["check", "v.udf"]);
    bench.done(["revert", "--to", "1", "v.udf"]);
    assert_eq!(bench.paths(&["v.udf"]).len(), 5);
    bench.fails(2, ["append", "--start-new", "--mirror", "v.udf", "more"]);
}

/// Every command that reads a disc tells once what broke off on it.
fn readers_tell(bench: &Bench, what: &str, context: &str) {
    let commands: [&[&str]; 7] = [
        &["ls", "d.img"],
        &["cat", "d.img", "a.txt"],
        &["extract", "-C", "read", "d.img", "a.txt"],
        &["info", "d.img"],
        &["sessions", "d.img"],
        &["check", "d.img"],
        &["diff", "d.img", "1", "1"],
    ];
    for command in commands {
        let told = bench.run(command).err;
        assert_eq!(told.matches(what).count(), 1, "{context}, {command:?}: {told}");
        fs::remove_dir_all(bench.path("read")).ok();
    }
}

#[test]
fn a_session_that_broke_off_is_told_of_and_appended_behind() {
    // How much of the session there is: nothing whole, its head, nearly all.
    for (layout, sectors) in
        [("session", 40), ("session", 300), ("session", 600), ("vat", 40), ("vat", 270), ("vat", 300)]
    {
        let bench = Bench::new();
        bench.done(["create", "-m", "dvd+r", "--layout", layout, "--close", "-o", "d.img", "src"]);
        let whole = bench.read("d.img");
        let state = bench.read("d.img.media");
        let next = bench.done(["sessions", "--print-next", "d.img"]);
        let next: usize = next.trim().split(',').next_back().unwrap().parse().unwrap();
        bench.write("more/lost.txt", "lost");
        bench.done(["append", "d.img", "more"]);
        // The power was cut: the image is as long as it had become, and nothing is noted beside it.
        let cut = bench.read("d.img")[..(next + sectors) * 2048].to_vec();
        fs::write(bench.path("d.img"), &cut).unwrap();
        fs::write(bench.path("d.img.media"), state).unwrap();
        let context = format!("{layout}, {sectors} sectors");
        assert_eq!(bench.paths(&["d.img"]).len(), 5, "{context}: the older session is read");
        readers_tell(&bench, "broke off", &context);
        bench.write("other/found.txt", "found");
        let (_, planned) = bench.told(["append", "-n", "d.img", "other"]);
        assert!(bench.read("d.img") == cut, "{context}");
        let (_, told) = bench.told(["append", "d.img", "other"]);
        for text in [planned, told] {
            assert!(text.contains("broke off"), "{context}: {text}");
        }
        assert!(bench.read("d.img").starts_with(&whole), "{context}");
        assert!(bench.paths(&["d.img"]).contains(&String::from("/found.txt")), "{context}");
        assert!(!bench.paths(&["d.img"]).contains(&String::from("/lost.txt")), "{context}");
        bench.done(["check", "d.img"]);
        assert_eq!(json_lines(&bench.done(["sessions", "--json", "d.img"])).len(), 2, "{context}");
    }
}

#[test]
fn a_state_that_broke_off_in_an_open_session_is_told_of_and_appended_behind() {
    for medium in ["cd-r", "bd-r"] {
        let bench = Bench::new();
        bench.done(["create", "-m", medium, "-o", "d.img", "src"]);
        let state = bench.read("d.img.media");
        bench.write("more/lost.txt", &"lost ".repeat(100_000));
        bench.done(["append", "d.img", "more"]);
        let cut = bench.read("d.img").len() - 100 * 2048;
        fs::write(bench.path("d.img"), &bench.read("d.img")[..cut]).unwrap();
        fs::write(bench.path("d.img.media"), state).unwrap();
        assert_eq!(bench.paths(&["d.img"]).len(), 5, "{medium}: the older state is read");
        readers_tell(&bench, "belong to no state", medium);
        bench.write("other/found.txt", "found");
        let (_, told) = bench.told(["append", "d.img", "other"]);
        assert!(told.contains("belong to no state"), "{medium}: {told}");
        assert_eq!(bench.done(["cat", "d.img", "found.txt"]), "found");
        assert_eq!(bench.paths(&["d.img"]).len(), 6, "{medium}");
        bench.done(["check", "d.img"]);
    }
}

#[test]
fn a_disc_on_which_nothing_is_whole_can_only_be_begun_anew() {
    let bench = Bench::new();
    bench.done(["create", "-m", "bd-r", "--layout", "session", "-o", "d.img", "src"]);
    let state = String::from_utf8(bench.read("d.img.media")).unwrap();
    fs::write(bench.path("d.img"), &bench.read("d.img")[..300 * 2048]).unwrap();
    let mut state: serde_json::Value = serde_json::from_str(&state).unwrap();
    state["sessions"] = json!([]);
    (state["open_session_start"], state["next_writable"]) = (json!(0), json!(0));
    fs::write(bench.path("d.img.media"), state.to_string()).unwrap();
    let refusal = bench.fails(1, ["append", "d.img", "src"]);
    assert!(
        refusal.contains("no session of the disc is whole") && refusal.contains("--start-new"),
        "{refusal}"
    );
    bench.done(["append", "--start-new", "d.img", "src"]);
    assert_eq!(bench.paths(&["d.img"]).len(), 5);
    bench.done(["check", "d.img"]);
}

#[test]
fn only_what_can_be_blanked_is_and_only_if_that_is_meant() {
    let bench = Bench::new();
    for (medium, can) in [("cd-rw", true), ("dvd-rw-seq", true), ("cd-r", false), ("bd-r", false)] {
        let image = format!("{medium}.img");
        bench.done(["create", "-m", medium, "--close", "-o", &image, "src"]);
        let before = bench.read(&image);
        assert!(bench.fails(2, ["blank", &image]).contains("--yes"), "{medium}");
        assert!(bench.read(&image) == before, "{medium}");
        if !can {
            assert!(bench.fails(1, ["blank", "--yes", &image]).contains("cannot be blanked"), "{medium}");
            assert!(bench.read(&image) == before, "{medium}");
            continue;
        }
        bench.done(["blank", "--yes", &image]);
        assert_eq!(bench.read(&image), b"", "{medium}");
        assert!(
            bench.fails(1, ["append", &image, "src"]).contains("IMAPI_E_IMPORT_SEEK_FAILURE"),
            "{medium}"
        );
        bench.done(["create", "-m", medium, "-o", &image, "src"]);
        assert_eq!(bench.paths(&[&image]).len(), 5, "{medium}");
        bench.done(["check", &image]);
    }
    bench.done(["create", "-o", "plain.udf", "src"]);
    assert!(bench.fails(1, ["blank", "--yes", "plain.udf"]).contains("it is no disc"));
}

/// The table of docs/media.md.
#[test]
fn a_further_session_costs_what_is_written_down() {
    for (medium, sectors) in [
        ("cd-r", [28, 7450, 7564, 7916]),
        ("dvd-r", [32, 6704, 6784, 7136]),
        ("dvd+r", [32, 2608, 2688, 3040]),
        ("bd-r", [64, 576, 640, 992]),
    ] {
        let ways = [
            ("2.01", "vat", &[][..]),
            ("2.01", "vat", &["--close"]),
            ("2.01", "session", &[]),
            ("2.50", "session", &[]),
        ];
        let bench = Bench::empty();
        for number in 1..=100 {
            bench.write(&format!("many/f{number}"), "x");
        }
        bench.write("one/new", "x");
        let next = || {
            let state: serde_json::Value = serde_json::from_slice(&bench.read("d.img.media")).unwrap();
            state["next_writable"].as_u64().unwrap()
        };
        for ((revision, layout, close), sectors) in ways.into_iter().zip(sectors) {
            let how = [
                "create", "--force", "-m", medium, "--layout", layout, "-r", revision, "-o", "d.img", "many",
            ];
            bench.done([&how[..], close].concat());
            let before = next();
            bench.done([&["append", "d.img", "one"], close].concat());
            assert_eq!(next() - before, sectors, "{medium}, {layout}, {revision} {close:?}");
        }
    }
}

#[test]
fn a_formatted_disc_is_written_in_any_order_and_grows() {
    let bench = Bench::new();
    bench.fails(2, ["format", "-m", "cd-r", "d.img"]);
    bench.done(["format", "-m", "dvd+rw", "--capacity", "20M", "d.img"]);
    assert_eq!(bench.read("d.img"), b"");
    bench.done(["create", "-o", "d.img", "src"]);
    bench.done(["check", "d.img"]);
    bench.write("more/new.txt", "new");
    bench.done(["append", "d.img", "more"]);
    assert_eq!(bench.paths(&["d.img"]).len(), 6);
    assert_eq!(json_lines(&bench.done(["sessions", "--json", "d.img"])).len(), 2);
    bench.done(["check", "d.img"]);
    bench.done(["revert", "--to", "1", "d.img"]);
    assert_eq!(bench.paths(&["d.img"]).len(), 5);
    bench.done(["check", "d.img"]);
    // The anchors at the end of the disc are the newest session's, too (ECMA-167 3/8.4.2.1).
    assert_eq!(bench.read("d.img").len(), 20 << 20);
    assert!(bench.fails(1, ["create", "-o", "d.img", "src"]).contains("not blank"));
    bench.fails(2, ["append", "--close", "d.img", "more"]);
    assert!(bench.fails(1, ["close", "d.img"]).contains("IMAPI_E_INCOMPATIBLE_MULTISESSION_TYPE"));
    bench.write("large/file", &"x".repeat(21 << 20));
    let before = bench.read("d.img");
    assert!(bench.fails(1, ["append", "d.img", "large"]).contains("needed"));
    assert!(bench.read("d.img") == before);
    bench.fails(2, ["format", "d.img"]);
    bench.done(["format", "--yes", "d.img"]);
    assert_eq!(bench.read("d.img"), b"");
    assert!(bench.fails(1, ["blank", "--yes", "d.img"]).contains("cannot be blanked"));
}

#[test]
fn a_disc_in_pseudo_overwrite_is_divided_into_tracks_and_changed_in_place() {
    let bench = Bench::new();
    bench.done(["format", "-m", "bd-r-pow", "--capacity", "40M", "d.img"]);
    let state = || -> serde_json::Value { serde_json::from_slice(&bench.read("d.img.media")).unwrap() };
    assert_eq!(state()["tracks"].as_array().unwrap().len(), 1);
    let refusal = bench.fails(1, ["append", "d.img", "src"]);
    assert!(refusal.contains("IMAPI_E_IMPORT_SEEK_FAILURE"), "{refusal}");
    let refusal = bench.fails(2, ["create", "-o", "d.img", "src"]);
    assert!(refusal.contains("-m bd-r-pow"), "{refusal}");
    bench.done(["create", "-m", "bd-r-pow", "--verify", "-o", "d.img", "-l", "Disc", "src"]);
    assert_eq!(state()["tracks"].as_array().unwrap().len(), 4);
    let refusal = bench.fails(1, ["create", "-m", "bd-r-pow", "--force", "-o", "d.img", "src"]);
    assert!(refusal.contains("not blank") && refusal.contains("append"), "{refusal}");
    bench.write("more/new.txt", &"new ".repeat(50_000));
    let before = state();
    bench.done(["append", "--dry-run", "d.img", "more"]);
    assert_eq!(state(), before);
    bench.done(["append", "--verify", "d.img", "more"]);
    bench.done(["rm", "-r", "d.img", "/sub"]);
    bench.done(["put", "d.img", "src/a.txt", "/b.txt"]);
    assert_eq!(bench.paths(&["d.img"]), ["/a.txt", "/b.txt", "/link", "/new.txt"]);
    bench.done(["check", "d.img"]);
    assert_eq!(bench.done(["cat", "d.img", "b.txt"]), "alpha");
    assert!(state()["replacements"].as_u64() > before["replacements"].as_u64());
    let refusal = bench.fails(1, ["append", "--layout", "session", "d.img", "src"]);
    assert!(refusal.contains("in place"), "{refusal}");
    bench.fails(2, ["append", "--close", "d.img", "src"]);
    bench.write("large/body", &"large ".repeat(7 << 20));
    let refusal = bench.fails(1, ["append", "d.img", "--remove", "/link", "large"]);
    assert!(refusal.contains("are needed"), "{refusal}");
    assert_eq!(bench.paths(&["d.img"]).len(), 4);
}
