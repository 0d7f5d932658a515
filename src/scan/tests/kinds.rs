//! Each kind of thing, with all that is known of it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, makedev, mkfifoat, mknodat, utimensat};

use super::*;
use crate::scan::{Filter, Symlinks};
use crate::tree::DataRange;

fn set_times(path: &Path, accessed: (i64, i64), modified: (i64, i64)) {
    let time = |(tv_sec, tv_nsec)| Timespec { tv_sec, tv_nsec };
    let times = Timestamps { last_access: time(accessed), last_modification: time(modified) };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

#[test]
fn modes_owners_and_times_are_kept() {
    let host = Host::new(&["file=x", "directory/"]);
    for (path, mode) in [("file", 0o6751), ("directory", 0o1777)] {
        std::fs::set_permissions(host.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
        set_times(&host.path(path), (2_000_000_001, 123_456_789), (-5, 999_999_999));
    }
    std::fs::set_permissions(host.0.path(), std::fs::Permissions::from_mode(0o1710)).unwrap();
    let (tree, outcome) = scanned(&[host.source()], &options());
    assert_eq!(outcome.warnings, []);
    assert_eq!((outcome.added, outcome.replaced), (2, 0));
    for (path, mode) in [("file", 0o6751), ("directory", 0o1777)] {
        let found = tree.inode_of(at(&tree, path)).attributes;
        let metadata = std::fs::metadata(host.path(path)).unwrap();
        assert_eq!((found.mode, found.uid, found.gid), (mode, metadata.uid(), metadata.gid()));
        assert_eq!(found.accessed.microseconds, 2_000_000_001_123_456);
        assert_eq!(found.modified.microseconds, -4_000_001);
        assert_eq!(found.changed.seconds(), metadata.ctime());
        assert_eq!(found.created, found.modified, "made now, but nothing is modified before it is made");
    }
    let root = tree.inode_of(tree.root()).attributes;
    assert_eq!(root.mode, 0o1710, "the root looks like the folder whose contents it has");
}

#[test]
fn attributes_may_be_prescribed() {
    let host = Host::new(&["file=x", "directory/"]);
    host.link("link", "file");
    set_times(&host.path("file"), (50, 0), (40, 0));
    let moment = |seconds| Moment::from_unix(seconds, 0);
    let prescribed = Options {
        uid: Some(7),
        gid: Some(u32::MAX),
        file_mode: Some(0o640),
        directory_mode: Some(0o2750),
        clamp_time: Some(moment(45)),
        ..options()
    };
    let (tree, _) = scanned(&[host.source()], &prescribed);
    for (path, mode) in [("file", 0o640), ("directory", 0o2750), ("link", 0o777), ("/", 0o2750)] {
        let found = tree.inode_of(at(&tree, path)).attributes;
        assert_eq!((found.mode, found.uid, found.gid), (mode, 7, u32::MAX), "{path}");
        assert_eq!((found.accessed, found.changed), (moment(45), moment(45)), "{path}");
    }
    let times = |options: &Options| {
        let (tree, _) = scanned(&[host.source()], options);
        let found = tree.inode_of(at(&tree, "file")).attributes;
        [found.accessed, found.modified, found.changed, found.created].map(Moment::seconds)
    };
    assert_eq!(times(&prescribed), [45, 40, 45, 40]);
    assert_eq!(times(&Options { time: Some(moment(9)), ..options() }), [9; 4]);
    assert_eq!(times(&Options { keep_access_time: false, ..prescribed }), [40, 40, 45, 40]);
}

#[test]
fn files_are_known_by_size_name_and_data() {
    let host = Host::new(&["empty=", "small=12345"]);
    let mebibyte = 1 << 20;
    let sparse = std::fs::File::create(host.path("sparse")).unwrap();
    sparse.set_len(6 << 30).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, &[1; 4096], 5 << 30).unwrap();
    std::fs::File::create(host.path("hole")).unwrap().set_len(mebibyte).unwrap();
    let (tree, _) = scanned(&[host.source()], &options());
    let file = |path| tree.node(at(&tree, path)).inode;
    let sizes = ["empty", "small", "sparse", "hole"].map(|path| tree.size_bytes(file(path)));
    assert_eq!(sizes, [0, 5, 6 << 30, mebibyte]);
    assert_eq!(*tree.data_ranges(file("small")), [DataRange { start_bytes: 0, end_bytes: 5 }]);
    assert_eq!(tree.data_ranges(file("hole")).len(), 0);
    let ranges = tree.data_ranges(file("sparse"));
    let [range] = *ranges else { panic!("{ranges:?}") };
    assert!(range.start_bytes <= 5 << 30 && range.start_bytes > 4 << 30, "{range:?}");
    assert!(range.end_bytes >= (5 << 30) + 4096 && range.end_bytes < 6 << 30, "{range:?}");
}

#[test]
fn names_are_not_stored_twice() {
    let host = Host::new(&["plain=", "grün="]);
    let (tree, _) = scanned(&[host.source()], &options());
    for (path, shared) in [("plain", true), ("grün", false)] {
        let node = at(&tree, path);
        let Content::Host(file) = tree.inode_of(node).content else { panic!("{path} is no file") };
        assert_eq!(file.name == tree.stored_name(node).without_first(), shared, "{path}");
        assert_eq!(tree.host_path(&file), host.path(path));
    }
}

#[test]
fn hard_links_share_an_inode_across_directories_and_sources() {
    let one = Host::new(&["a/first=x", "other=x"]);
    let two = Host::new(&[]);
    std::fs::hard_link(one.path("a/first"), one.path("second")).unwrap();
    std::fs::hard_link(one.path("a/first"), two.path("third")).unwrap();
    let (tree, _) = scanned(&[one.source(), two.source()], &options());
    let inode = |path| tree.node(at(&tree, path)).inode;
    assert_eq!([inode("second"), inode("third")], [inode("a/first"); 2]);
    assert_ne!(inode("other"), inode("second"));
    assert_eq!(tree.inode(inode("second")).links, 3);
    assert_eq!(paths(&tree), ["a/", "a/first=x", "other=x", "second=x", "third=x"]);
}

#[test]
fn symbolic_links_are_kept_followed_or_skipped() {
    let host = Host::new(&["directory/file=x"]);
    host.link("to-file", "directory/file");
    host.link("to-directory", "directory");
    host.link("to-nothing", "../none");
    let of = |symlinks| {
        let (tree, outcome) = scanned(&[host.source()], &Options { symlinks, ..options() });
        (paths(&tree), outcome.warnings)
    };
    let always = ["directory/", "directory/file=x"];
    let kept = ["to-directory->directory", "to-file->directory/file", "to-nothing->../none"];
    assert_eq!(
        of(Symlinks::Keep),
        ([&always[..], &kept].concat().iter().map(ToString::to_string).collect(), vec![])
    );
    assert_eq!(of(Symlinks::Skip).0, always);
    let (followed, warnings) = of(Symlinks::Follow);
    let behind = ["to-directory/", "to-directory/file=x", "to-file=x", "to-nothing->../none"];
    assert_eq!(followed, [&always[..], &behind].concat());
    assert!(matches!(&*warnings, [Warning::Note(text)] if text.contains("to-nothing")), "{warnings:?}");
}

#[test]
fn targets_of_links_are_kept_as_far_as_can_be() {
    let host = Host::new(&[]);
    host.link("long", "x".repeat(255));
    host.link("fits", "日".repeat(85));
    host.link("latin", OsStr::from_bytes(b"caf\xe9/x"));
    let (tree, outcome) = scanned(&[host.source()], &options());
    assert_eq!(paths(&tree), [format!("fits->{}", "日".repeat(85)), String::from("latin->caf_/x")]);
    assert_eq!(left_out(&outcome), [(&*host.path("long"), "a name in the target of the link is too long")]);
    let changed = |warning: &Warning| {
        matches!(warning, Warning::NameChanged { path, recorded, .. }
            if *path == host.path("latin") && recorded == "caf_/x")
    };
    assert!(outcome.warnings.iter().any(changed), "{:?}", outcome.warnings);
}

#[test]
fn what_is_no_file_is_taken_as_it_is() {
    let host = Host::new(&[]);
    mkfifoat(CWD, host.path("fifo"), Mode::from_raw_mode(0o600)).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(host.path("socket")).unwrap();
    let mut expected = vec![("fifo", Kind::Fifo, Content::None), ("socket", Kind::Socket, Content::None)];
    if is_root() {
        let devices = [
            ("block", FileType::BlockDevice, Kind::BlockDevice, 7, 300),
            ("character", FileType::CharacterDevice, Kind::CharacterDevice, 4095, 1_048_575),
        ];
        for (path, file_type, kind, major, minor) in devices {
            mknodat(CWD, host.path(path), file_type, Mode::empty(), makedev(major, minor)).unwrap();
            expected.push((path, kind, Content::Device(major, minor)));
        }
    } else {
        skipped("only root can make devices");
    }
    let (tree, _) = scanned(&[host.source()], &options());
    for (path, kind, content) in expected {
        let inode = tree.inode_of(at(&tree, path));
        assert_eq!((inode.kind, inode.content), (kind, content), "{path}");
    }
}

#[test]
fn patterns_match_paths_of_the_volume() {
    let host = Host::new(&["a.o=", "keep.o=", "sub/a.o=", "sub/b=", "top/b=", "build/x=", "sub/build="]);
    let list = Host::new(&["list=# objects\n*.o\n!keep.o\n"]);
    let cases: [(&[&str], &[&str]); 6] = [
        (&["*.o"], &["build/", "build/x=", "sub/", "sub/b=", "sub/build=", "top/", "top/b="]),
        (&["build/", "*.o"], &["sub/", "sub/b=", "sub/build=", "top/", "top/b="]),
        (&["/top", "sub/*", "*.o"], &["build/", "build/x=", "sub/"]),
        (&["*", "!/a.o"], &["a.o="]),
        (&["sub", "!sub/b", "build", "top", "*.o"], &[]),
        (&["**/b", "build", "a.o"], &["keep.o=", "sub/", "top/"]),
    ];
    let filter = |patterns: &[&str], files: &[PathBuf]| {
        Filter::new(&patterns.iter().map(ToString::to_string).collect::<Vec<_>>(), files)
    };
    for (patterns, expected) in cases {
        let exclude = filter(patterns, &[]).unwrap();
        let (tree, outcome) = scanned(&[host.source()], &Options { exclude, ..options() });
        assert_eq!(paths(&tree), expected, "{patterns:?}");
        assert_eq!(outcome.warnings, []);
    }
    let exclude = filter(&["sub", "top", "build"], &[list.path("list")]).unwrap();
    let (tree, _) = scanned(&[host.source()], &Options { exclude: exclude.clone(), ..options() });
    assert_eq!(paths(&tree), ["keep.o="]);
    let grafted = Source::grafted(host.path("top"), "x/build/y");
    assert_eq!(paths(&scanned(&[grafted], &Options { exclude, ..options() }).0), [""; 0]);

    assert!(filter(&["a{b"], &[]).unwrap_err().to_string().contains("a{b"));
    let broken = Host::new(&["list=fine\n{\n"]);
    assert!(filter(&[], &[broken.path("list")]).unwrap_err().to_string().contains("line 2"));
}
