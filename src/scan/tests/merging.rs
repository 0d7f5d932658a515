//! Where sources go, and what happens where they meet.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::scan::{Conflict, FileId, files_from};

#[test]
fn sources_go_where_they_are_told() {
    let host = Host::new(&["dir/a=1", "dir/sub/b=2", "file=3"]);
    let cases: [(&str, Option<&str>, &[&str]); 11] = [
        ("dir", None, &["a=1", "sub/", "sub/b=2"]),
        ("file", None, &["file=3"]),
        ("dir", Some("/"), &["a=1", "sub/", "sub/b=2"]),
        ("file", Some("/"), &["file=3"]),
        ("dir", Some("x/y"), &["x/", "x/y/", "x/y/a=1", "x/y/sub/", "x/y/sub/b=2"]),
        ("dir/sub", Some("/x/"), &["x/", "x/b=2"]),
        ("file", Some("x/y"), &["x/", "x/y=3"]),
        ("file", Some("x/y/"), &["x/", "x/y/", "x/y/file=3"]),
        ("file", Some("./x//./y"), &["x/", "x/y=3"]),
        ("dir/.", Some("x"), &["x/", "x/a=1", "x/sub/", "x/sub/b=2"]),
        ("dir/sub/..", Some("x"), &["x/", "x/a=1", "x/sub/", "x/sub/b=2"]),
    ];
    for (path, target, expected) in cases {
        let source = Source { target: target.map(PathBuf::from), ..Source::new(host.path(path)) };
        let (tree, outcome) = scanned(&[source], &options());
        assert_eq!(paths(&tree), expected, "{path} to {target:?}");
        assert_eq!(outcome.added, expected.len() as u64);
    }
    let outside = Source::grafted(host.path("file"), "x/../y");
    assert!(try_scan(&[outside], &options()).unwrap_err().to_string().contains(".."));
    let missing = try_scan(&[Source::new(host.path("none"))], &options()).unwrap_err().to_string();
    assert!(missing.contains("none"), "{missing}");
}

#[test]
fn directories_made_for_targets_are_plain() {
    let host = Host::new(&["secret/file=x"]);
    std::fs::set_permissions(host.path("secret"), std::fs::Permissions::from_mode(0o700)).unwrap();
    let graft = Source::grafted(host.path("secret/file"), "a/b/file");
    let (tree, _) = scanned(std::slice::from_ref(&graft), &options());
    for path in ["a", "a/b"] {
        assert_eq!(tree.inode_of(at(&tree, path)).attributes, options().made);
    }
    let (tree, _) = scanned(&[graft], &Options { uid: Some(9), directory_mode: Some(0o711), ..options() });
    let made = tree.inode_of(at(&tree, "a")).attributes;
    assert_eq!((made.uid, made.mode, made.created), (9, 0o711, NOW));
}

#[test]
fn named_links_are_followed() {
    let host = Host::new(&["dir/a=1", "file=2"]);
    host.link("to-dir", "dir");
    host.link("to-file", "file");
    let sources = [Source::new(host.path("to-dir")), Source::new(host.path("to-file"))];
    assert_eq!(paths(&scanned(&sources, &options()).0), ["a=1", "to-file=2"]);
}

#[test]
fn directories_merge_and_files_conflict() {
    let one = Host::new(&["both/a=1", "both/x=1", "one/a=1"]);
    let two = Host::new(&["both/b=2", "both/x=2", "two/a=2"]);
    std::fs::set_permissions(two.path("both"), std::fs::Permissions::from_mode(0o711)).unwrap();
    let sources = [one.source(), two.source()];
    let of = |on_conflict| scanned(&sources, &Options { on_conflict, ..options() });
    let merged = |x: &str| {
        let both = ["both/", "both/a=1", "both/b=2"].map(String::from).to_vec();
        let rest = ["one/", "one/a=1", "two/", "two/a=2"].map(String::from).to_vec();
        [both, vec![format!("both/x={x}")], rest].concat()
    };
    let (tree, outcome) = of(Conflict::Replace);
    assert_eq!(paths(&tree), merged("2"));
    assert_eq!((outcome.added, outcome.replaced, outcome.unchanged), (8, 1, 0));
    assert_eq!(tree.inode_of(at(&tree, "both")).attributes.mode, 0o711);
    let (tree, outcome) = of(Conflict::Keep);
    assert_eq!(paths(&tree), merged("1"));
    assert_eq!((outcome.added, outcome.replaced, outcome.unchanged), (8, 0, 1));
    assert_ne!(tree.inode_of(at(&tree, "both")).attributes.mode, 0o711);
    let refused = try_scan(&sources, &options()).unwrap_err().to_string();
    assert!(refused.contains("both/x"), "{refused}");
}

#[test]
fn directories_that_hold_something_do_not_give_way_to_files() {
    let directory = Host::new(&["x/a=1", "y/"]);
    let file = Host::new(&["x=2", "y=2"]);
    let of = |sources: &[&Host], on_conflict, mirror| {
        let sources: Vec<_> = sources.iter().map(|host| host.source()).collect();
        let (tree, outcome) = scanned(&sources, &Options { on_conflict, mirror, ..options() });
        (paths(&tree), left_out(&outcome).len())
    };
    let text = |paths: &[&str]| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(of(&[&directory, &file], Conflict::Replace, false), (text(&["x/", "x/a=1", "y=2"]), 1));
    assert_eq!(of(&[&directory, &file], Conflict::Replace, true), (text(&["x=2", "y=2"]), 0));
    assert_eq!(of(&[&directory, &file], Conflict::Keep, false), (text(&["x/", "x/a=1", "y/"]), 2));
    assert_eq!(of(&[&file, &directory], Conflict::Replace, false), (text(&["x/", "x/a=1", "y/"]), 0));
    assert_eq!(of(&[&file, &directory], Conflict::Keep, false), (text(&["x=2", "y=2"]), 2));
}

#[test]
fn the_volume_itself_is_not_taken() {
    let host = Host::new(&["sub/volume.img=x", "file=y"]);
    let skip = Some(FileId::from(&std::fs::metadata(host.path("sub/volume.img")).unwrap()));
    let (tree, outcome) = scanned(&[host.source()], &Options { skip, ..options() });
    assert_eq!(paths(&tree), ["file=y", "sub/"]);
    assert!(matches!(&*outcome.warnings, [Warning::Note(text)] if text.contains("volume.img")));
}

#[test]
fn lists_name_each_thing_that_is_taken() {
    let host = Host::new(&["a/b/c=1", "a/b/d=2", "a/e/f=3", "#=4", "line\nfeed=5"]);
    host.link("a/link", "b");
    std::fs::set_permissions(host.path("a"), std::fs::Permissions::from_mode(0o711)).unwrap();
    let take = |list: &[u8], nul| files_from(list, nul, host.0.path());
    let sources = take(b"./a/b/c\n\na//link/\n#\na/e\na/b/c\ngone", false).unwrap();
    let (tree, outcome) = scanned(&sources, &options());
    assert_eq!(paths(&tree), ["#=4", "a/", "a/b/", "a/b/c=1", "a/e/", "a/link->b"]);
    assert_eq!(tree.inode_of(at(&tree, "a")).attributes.mode, 0o711, "as on the host");
    assert_eq!(left_out(&outcome)[0].0, host.path("gone"));

    let (tree, _) = scanned(&take(b"line\nfeed\0a/b/d", true).unwrap(), &options());
    assert_eq!(paths(&tree), ["a/", "a/b/", "a/b/d=2", "line\nfeed=5"]);

    let absolute = host.path("a/b/c");
    let listed = files_from(absolute.as_os_str().as_bytes(), false, Path::new("/none")).unwrap();
    let (tree, _) = scanned(&listed, &options());
    assert_eq!(paths(&tree).last().unwrap(), &format!("{}=1", &absolute.to_str().unwrap()[1..]));

    assert!(take(b"a/../../x", false).unwrap_err().to_string().contains(".."));
    std::fs::create_dir(host.bytes_path(b"\xe9")).unwrap();
    std::fs::write(host.bytes_path(b"\xe9/x"), "1").unwrap();
    std::fs::write(host.bytes_path(b"\xe9/y"), "2").unwrap();
    let (tree, _) = scanned(&take(b"\xe9/x\n\xe9/y", false).unwrap(), &options());
    assert_eq!(paths(&tree), ["_/", "_/x=1", "_/y=2"]);
}
