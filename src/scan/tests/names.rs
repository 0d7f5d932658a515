//! Names that volumes cannot hold, or only just.

use super::*;
use crate::scan::Conflict;

/// An old name and a new one.
type Change<'a> = (&'a [u8], &'a str);

/// What became of names, in the order in which it was told.
fn changes<'a>(outcome: &'a Outcome) -> Vec<Change<'a>> {
    let pair = |warning: &'a Warning| match warning {
        Warning::NameChanged { path, recorded, .. } => (path.file_name().unwrap().as_bytes(), &**recorded),
        other => panic!("{other:?}"),
    };
    outcome.warnings.iter().map(pair).collect()
}

fn host_of(names: &[&[u8]]) -> Host {
    let host = Host::new(&[]);
    for name in names {
        std::fs::write(host.bytes_path(name), name).unwrap();
    }
    host
}

#[test]
fn what_can_be_kept_is_kept() {
    let names = ["é", "日本語", "😀", "a\u{301}", " ", "\n", "con", "a:b\\c", "~1", "\u{FFFD}", "."];
    let long = ["x".repeat(254), "日".repeat(85), "é".repeat(127), "😀".repeat(63)];
    let names: Vec<&str> = names[..10].iter().copied().chain(long.iter().map(String::as_str)).collect();
    let host = host_of(&names.iter().map(|name| name.as_bytes()).collect::<Vec<_>>());
    let (tree, outcome) = scanned(&[host.source()], &options());
    assert_eq!(outcome.warnings, []);
    assert_eq!(outcome.added, names.len() as u64);
    for name in names {
        let Content::Host(file) = tree.inode_of(at(&tree, name)).content else { panic!("{name} is no file") };
        assert_eq!(std::fs::read(tree.host_path(&file)).unwrap(), name.as_bytes());
    }
}

#[test]
fn what_cannot_be_kept_is_changed_uniquely() {
    let long = "x".repeat(255);
    let cut = "x".repeat(254);
    let cases: [(&[&[u8]], &[Change<'_>]); 6] = [
        (&[b"caf\xe9.txt"], &[(b"caf\xe9.txt", "caf_.txt")]),
        (&[long.as_bytes()], &[(long.as_bytes(), &cut)]),
        (&["\u{FEFF}bom".as_bytes()], &[("\u{FEFF}bom".as_bytes(), "_bom")]),
        // What looks the same once changed is told apart by numbers, in the order of the host's bytes.
        (&[b"\xe9", b"\xe8", b"\xff"], &[(b"\xe8", "_"), (b"\xe9", "_~1"), (b"\xff", "_~2")]),
        // Names that are real win, wherever they stand.
        (&[b"\xe9", b"_", b"_~2", b"\xe8"], &[(b"\xe8", "_~1"), (b"\xe9", "_~3")]),
        (&[b"~\xe9", b"~~\xe9", b"~_"], &[(b"~~\xe9", "~~_"), (b"~\xe9", "~_~1")]),
    ];
    for (names, expected) in cases {
        let host = host_of(names);
        let (tree, outcome) = scanned(&[host.source()], &options());
        assert_eq!(changes(&outcome), expected);
        assert_eq!(outcome.added, names.len() as u64);
        for (name, recorded) in expected {
            let Content::Host(file) = tree.inode_of(at(&tree, recorded)).content else {
                panic!("{recorded}")
            };
            assert_eq!(std::fs::read(tree.host_path(&file)).unwrap(), *name);
        }
    }
}

#[test]
fn changed_names_of_several_sources_do_not_hide_each_other() {
    let replacing = Options { on_conflict: Conflict::Replace, ..options() };
    let (one, two) = (host_of(&[b"\xe8"]), host_of(&[b"\xe9"]));
    let (tree, outcome) = scanned(&[one.source(), two.source()], &replacing);
    assert_eq!(changes(&outcome), [(&b"\xe8"[..], "_"), (b"\xe9", "_~1")]);
    assert_eq!(tree.children(tree.root()).len(), 2);

    let (real, again) = (host_of(&[b"_"]), host_of(&[b"\xe8"]));
    let (_, outcome) = scanned(&[real.source(), one.source()], &replacing);
    assert_eq!(changes(&outcome), [(&b"\xe8"[..], "_~1")]);
    let (_, outcome) = scanned(&[one.source(), again.source()], &replacing);
    assert_eq!((outcome.added, outcome.replaced), (1, 1), "the same name on the host is the same name");

    let (_, outcome) = scanned(&[one.source(), real.source()], &replacing);
    assert!(
        left_out(&outcome).iter().any(|(path, _)| path.as_os_str().as_bytes().ends_with(b"\xe8")),
        "{outcome:?}"
    );
}

#[test]
fn directories_with_changed_names_have_their_contents() {
    let host = Host::new(&[]);
    std::fs::create_dir(host.bytes_path(b"d\xe9")).unwrap();
    std::fs::write(host.bytes_path(b"d\xe9/f\xe9"), "x").unwrap();
    let (tree, _) = scanned(&[host.source()], &options());
    assert_eq!(paths(&tree), ["d_/", "d_/f_=x"]);
}

#[test]
fn thousands_of_names_may_look_the_same() {
    let host = Host::new(&[]);
    for number in 0..4000u16 {
        let [high, low] = [number / 64, number % 64].map(|digit| u8::try_from(digit).unwrap() | 0x80);
        std::fs::write(host.bytes_path(&[high, low]), "").unwrap();
    }
    let (tree, outcome) = scanned(&[host.source()], &options());
    assert_eq!(outcome.added, 4000);
    assert!(find(&tree, "__").is_some() && find(&tree, "__~3999").is_some());
}
