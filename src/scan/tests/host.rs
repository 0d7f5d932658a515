//! What hosts can be like: deep, wide, looped, mounted, unreadable, in motion.

use std::os::unix::process::CommandExt;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, symlinkat};

use super::*;
use crate::error::Error;
use crate::scan::{Filter, Symlinks, open};

const DEEP_NAME: &str = "a-name-of-twenty-one-";

/// Makes a chain of directories whose path no system call takes, and a file at its end.
fn make_deep(host: &Host, levels: usize) {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut directory = openat(CWD, host.0.path(), flags, Mode::empty()).unwrap();
    for _ in 0..levels {
        mkdirat(&directory, DEEP_NAME, Mode::from_raw_mode(0o755)).unwrap();
        directory = openat(&directory, DEEP_NAME, flags, Mode::empty()).unwrap();
    }
    symlinkat("somewhere", &directory, "link").unwrap();
    let file =
        openat(&directory, "file", OFlags::CREATE | OFlags::WRONLY, Mode::from_raw_mode(0o644)).unwrap();
    std::io::Write::write_all(&mut std::fs::File::from(file), b"down here").unwrap();
}

/// Takes the chain apart from its top: what removes it level by level may run out of descriptors.
fn remove_deep(host: &Host) {
    let (top, below, spare) =
        (host.path(DEEP_NAME), host.path(DEEP_NAME).join(DEEP_NAME), host.path("spare"));
    while below.exists() {
        std::fs::rename(&below, &spare).unwrap();
        std::fs::remove_dir(&top).unwrap();
        std::fs::rename(&spare, &top).unwrap();
    }
}

#[test]
fn depth_has_no_end() {
    let levels = 1000;
    let host = Host::new(&[]);
    make_deep(&host, levels);
    let (tree, outcome) = scanned(&[host.source()], &options());
    let mut node = tree.root();
    for _ in 0..levels {
        node = tree.child(node, &Name::new(DEEP_NAME).unwrap()).unwrap();
    }
    let child = |name| *tree.inode_of(tree.child(node, &Name::new(name).unwrap()).unwrap());
    assert!(matches!(child("link").content, Content::Target(target) if tree.text(target) == b"somewhere"));
    let Content::Host(file) = child("file").content else { panic!("no file") };
    assert!(tree.host_path(&file).as_os_str().len() > 20_000);
    let read =
        std::io::read_to_string(std::fs::File::from(open(&tree.host_path(&file), OFlags::RDONLY).unwrap()));
    remove_deep(&host);
    assert_eq!(read.unwrap(), "down here");
    assert_eq!(outcome.warnings, []);
    assert_eq!(outcome.added, levels as u64 + 2);
}

#[test]
fn paths_of_any_length_are_opened_or_refused() {
    let host = Host::new(&["a/file=x"]);
    let base = host.0.path().to_str().unwrap();
    for filler in ["/", "./", "a/../"] {
        for length in [0, 3990, 4000, 4095, 4096, 4097, 8100, 20_000] {
            let path = format!("{base}/{}a/file", filler.repeat(length / filler.len()));
            assert!(open(Path::new(&path), OFlags::RDONLY).is_ok(), "{filler} up to {length}");
        }
    }
    for path in ["x".repeat(5000), format!("/{}", "x".repeat(5000)), format!("{base}/{}", "x/".repeat(3000))]
    {
        assert!(open(Path::new(&path), OFlags::RDONLY).is_err());
    }
    assert!(open(Path::new(""), OFlags::RDONLY | OFlags::DIRECTORY).is_ok());
}

#[test]
fn loops_end() {
    let host = Host::new(&["outer/inner/file=x"]);
    host.link("outer/inner/up", "..");
    host.link("outer/self", "self");
    host.link("outer/inner/top", host.0.path());
    let follow = Options { symlinks: Symlinks::Follow, ..options() };
    let (tree, outcome) = scanned(&[host.source()], &follow);
    assert_eq!(paths(&tree), ["outer/", "outer/inner/", "outer/inner/file=x", "outer/self->self"]);
    let left: Vec<_> = left_out(&outcome).iter().map(|(path, _)| path.to_path_buf()).collect();
    assert_eq!(left, [host.path("outer/inner/top"), host.path("outer/inner/up")]);

    // Out of the source and back into it: the loop is noticed where it closes.
    let (tree, outcome) = scanned(&[Source::new(host.path("outer/inner"))], &follow);
    assert_eq!(find(&tree, "up/inner"), None);
    assert!(find(&tree, "up/self").is_some());
    assert!(find(&tree, "top/outer").is_some());
    assert!(!left_out(&outcome).is_empty());

    // The same folder twice, one inside the other, is no loop.
    let twice = [host.source(), Source::grafted(host.0.path(), "again")];
    let (tree, _) = scanned(&twice, &follow);
    assert!(find(&tree, "again/outer/inner/file").is_some());
}

#[test]
fn one_file_system_ends_where_another_begins() {
    let device = |path: &str| {
        std::fs::metadata(path).map(|metadata| super::super::FileId::from(&metadata).device).ok()
    };
    if device("/dev/shm").is_none() || device("/dev/shm") == device("/dev") {
        return skipped("/dev/shm is no file system of its own");
    }
    let Ok(file) = tempfile::NamedTempFile::new_in("/dev/shm") else {
        return skipped("/dev/shm cannot be written");
    };
    let name = format!("shm/{}", file.path().file_name().unwrap().to_str().unwrap());
    let dev = Source::new("/dev");
    let (tree, outcome) =
        scanned(std::slice::from_ref(&dev), &Options { one_file_system: true, ..options() });
    assert_eq!(tree.children(at(&tree, "shm")), []);
    let tells = |warning: &Warning| matches!(warning, Warning::Note(text) if text.contains("/dev/shm"));
    assert!(outcome.warnings.iter().any(tells), "{:?}", outcome.warnings);
    let (tree, _) = scanned(&[dev], &options());
    assert!(find(&tree, &name).is_some());
}

/// Runs a test once more as a user who may not read everything. Tells whether this is that run.
fn as_nobody(test: &str) -> bool {
    if !is_root() {
        return true;
    }
    let this = std::env::current_exe().unwrap();
    match std::process::Command::new(this).args(["--exact", test]).uid(65534).gid(65534).output() {
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && told.contains("1 passed"), "{told}");
        }
        Err(error) => skipped(&format!("cannot become somebody else: {error}")),
    }
    false
}

#[test]
fn what_cannot_be_read_is_left_out() {
    use std::os::unix::fs::PermissionsExt;
    if !as_nobody("scan::tests::host::what_cannot_be_read_is_left_out") {
        return;
    }
    let host = Host::new(&["closed/file=x", "blind/file=x", "secret=x", "open/file=x"]);
    let set = |path: &str, mode| {
        std::fs::set_permissions(host.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set("closed", 0o000);
    set("blind", 0o444);
    set("secret", 0o000);
    let (tree, outcome) = scanned(&[host.source()], &options());
    set("closed", 0o700);
    set("blind", 0o700);
    // That a file cannot be opened is found when it is read.
    assert_eq!(paths(&tree), ["blind/", "closed/", "open/", "open/file=x", "secret="]);
    let mut left: Vec<_> = left_out(&outcome).iter().map(|(path, _)| path.to_path_buf()).collect();
    left.sort_unstable();
    assert_eq!(left, [host.path("blind/file"), host.path("closed")]);

    set("blind", 0o444);
    let exclude = Filter::new(&["closed", "blind/file/"].map(String::from), &[]).unwrap();
    let (_, outcome) = scanned(&[host.source()], &Options { exclude, ..options() });
    set("blind", 0o700);
    assert_eq!(outcome.warnings, [], "nobody wants to hear of what is excluded");
}

#[test]
fn what_vanishes_meanwhile_is_left_out() {
    use super::super::listing::Listing;
    let host = Host::new(&["here=x", "there=x"]);
    let listing = Listing::read(host.0.path(), false).unwrap();
    std::fs::remove_file(host.path("here")).unwrap();
    assert_eq!(listing.name(0), b"here");
    assert!(listing.look(0, &options()).is_err());
    assert!(listing.look(1, &options()).is_ok());
    host.link("link", ".");
    assert!(Listing::read(&host.path("link"), false).is_err(), "what was a directory may have become a link");
}

#[test]
fn wide_directories_are_complete_and_in_order() {
    let host = Host::new(&[]);
    for number in 0..20_000 {
        std::fs::write(host.path(format!("file-{number}")), "").unwrap();
    }
    let progress = Progress::new();
    let mut tree = Tree::new(Attributes::default());
    let outcome = scan(&mut tree, &mut NoSession, &[host.source()], &options(), &progress).unwrap();
    assert_eq!((outcome.added, progress.files()), (20_000, 20_001));
    let names: Vec<_> = tree.children(tree.root()).iter().map(|node| tree.name_text(*node)).collect();
    assert!(names.is_sorted());
}

#[test]
fn the_number_of_threads_makes_no_difference() {
    let host = Host::new(&[]);
    for number in 0..3000 {
        host.add(&format!("{}/{}/file-{number}=", number % 7, number % 301));
    }
    for number in 0..100u8 {
        let from = host.path(format!("{}/{number}/file-{number}", number % 7));
        std::fs::hard_link(from, host.path(format!("{}/hard-{number}", (number + 3) % 7))).unwrap();
        std::fs::write(host.bytes_path(&[b'3', b'/', 0x80 + number, 0xff]), "").unwrap();
    }
    // The first scan moves the times at which directories were last accessed.
    let steady = Options { keep_access_time: false, ..options() };
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (tree, outcome) = pool.install(|| scanned(&[host.source()], &steady));
        let nodes = (0..u32::try_from(tree.node_count()).unwrap()).map(NodeId);
        let all =
            nodes.map(|node| format!("{} {:?} {:?}", tree.path(node), tree.node(node), tree.inode_of(node)));
        (all.collect::<Vec<_>>(), outcome)
    };
    let (one, many) = (with(1), with(5));
    assert!(one.0.len() > 3200 && one.1.warnings.len() == 100);
    assert!(one == many);
}

#[test]
fn a_scan_can_be_cancelled() {
    let host = Host::new(&["file=x"]);
    let progress = Progress::new();
    progress.cancel();
    let mut tree = Tree::new(Attributes::default());
    let result = scan(&mut tree, &mut NoSession, &[host.source()], &options(), &progress);
    assert!(matches!(result, Err(Error::Cancelled)));
}
