//! Single changes whose consequences go further: counts, atomicity, change points.

use std::collections::BTreeMap;
use std::fs;

use mkudf_ms::Error;
use mkudf_ms::builder::{BuildError, Conflict, FileSystemImage};
use mkudf_ms::scan::{self, Source};
use udf::read::{OpenOptions, Volume};

use super::model::of_image;
use super::{REVISIONS, assert_sound, defaults, grown, write};

/// The counts of the integrity descriptor are the checker's business; moved files must be counted once.
#[test]
fn what_is_moved_out_of_a_removed_directory_is_counted_once() {
    for revision in REVISIONS {
        let device = super::made(revision, |image| {
            image.create_directory("/d").unwrap();
            image.create_directory("/d/e").unwrap();
            for path in ["/d/x", "/d/y", "/d/e/z", "/w"] {
                image.add_bytes(path, path, Conflict::Error).unwrap();
            }
        });
        let mut image = grown(&device);
        image.rename("/d/x", "/x", Conflict::Error).unwrap();
        image.rename("/w", "/d/w", Conflict::Error).unwrap();
        image.rename("/d/e", "/e", Conflict::Error).unwrap();
        image.remove("/d/y").unwrap();
        image.remove_tree("/d").unwrap();
        write(&mut image, &device);
        assert_sound(&device);
        let volume = Volume::open(&*device, &OpenOptions::default()).unwrap();
        let integrity = volume.integrity().unwrap();
        assert_eq!((integrity.files, integrity.directories), (Some(2), Some(2)), "{revision}");
        assert_eq!(super::body(&device, "e/z"), b"/d/e/z");
    }
}

#[test]
fn a_folder_is_added_wholly_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("sub/deep")).unwrap();
    for name in ["a", "sub/b", "sub/deep/c"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    for revision in REVISIONS {
        let device = super::made(revision, |image| image.add_bytes("/there", "x", Conflict::Error).unwrap());
        let mut image = grown(&device);
        image.create_directory("/to").unwrap();
        image.create_directory("/to/sub").unwrap();
        image.add_bytes("/to/sub/b", "mine", Conflict::Error).unwrap();
        let (before, mut found) = (image.change_point(), BTreeMap::new());
        let error = image.add_tree(folder.path(), "/to", Conflict::Error).unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        of_image(&mut image, "/", &mut found);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["/there", "/to", "/to/sub", "/to/sub/b"]);
        assert_eq!(image.change_point(), before);
        image.add_tree(folder.path(), "/to", Conflict::Keep).unwrap();
        image.add_file("/new", folder.path().join("a"), Conflict::Error).unwrap();
        write(&mut image, &device);
        for (path, expected) in [
            ("there", "x"),
            ("to/a", "a"),
            ("to/sub/b", "mine"),
            ("to/sub/deep/c", "sub/deep/c"),
            ("new", "a"),
        ] {
            assert_eq!(super::body(&device, path), expected.as_bytes(), "{revision}: {path}");
        }
    }
}

#[test]
fn what_is_locked_in_stays() {
    let mut image = FileSystemImage::new(defaults(REVISIONS[0]));
    image.create_directory("/a").unwrap();
    image.create_directory("/b").unwrap();
    image.lock_in_change_point();
    image.create_directory("/c").unwrap();
    for asked in [1, 4] {
        let error = image.roll_back_to(asked).unwrap_err();
        let expected = BuildError::NoChangePoint { asked, locked: 2, made: 3 };
        assert!(matches!(error, Error::Build(error) if error == expected));
    }
    image.roll_back_to(2).unwrap();
    let names: Vec<_> = image.list("/").unwrap().into_iter().map(|info| info.name).collect();
    assert_eq!(names, ["a", "b"]);
}

/// What a further name stands for may be replaced before anything is written: then it was no further name.
#[test]
fn a_name_that_was_linked_and_then_replaced_is_no_link() {
    for revision in REVISIONS {
        let [one, two] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let at = |name: &str| one.path().join(name);
        fs::write(at("a"), "body").unwrap();
        fs::hard_link(at("a"), at("b")).unwrap();
        let device = super::made(revision, |image| image.add_tree(one.path(), "/", Conflict::Error).unwrap());
        fs::hard_link(at("a"), at("c")).unwrap();
        fs::hard_link(at("a"), at("d")).unwrap();
        fs::write(two.path().join("c"), "other").unwrap();
        let mut image = grown(&device);
        let options = scan::Options { update: true, on_conflict: Conflict::Replace, ..image.scan_options() };
        image.add_sources(&[Source::new(one.path())], &options).unwrap();
        image.add_sources(&[Source::new(two.path())], &options).unwrap();
        write(&mut image, &device);
        let volume = Volume::open(&*device, &OpenOptions::default()).unwrap();
        let links = |path: &str| volume.lookup(path).unwrap().links;
        assert_eq!(["a", "b", "c", "d"].map(links), [3, 3, 1, 3], "{revision}");
        assert_eq!(volume.integrity().unwrap().files, Some(4), "{revision}");
        assert_eq!((super::body(&device, "c"), super::body(&device, "d")), (b"other".into(), b"body".into()));
    }
}

/// More names came and went in one session than the volume had: the count must not stop at zero in between.
#[test]
fn names_that_come_and_go_in_one_session_are_not_counted() {
    for revision in REVISIONS {
        let device = super::made(revision, |image| image.add_bytes("/a", "a", Conflict::Error).unwrap());
        let mut image = grown(&device);
        image.add_hard_link("/a", "/b", Conflict::Error).unwrap();
        image.add_hard_link("/b", "/c", Conflict::Error).unwrap();
        image.remove("/a").unwrap();
        image.remove("/b").unwrap();
        write(&mut image, &device);
        let volume = Volume::open(&*device, &OpenOptions::default()).unwrap();
        assert_eq!(volume.integrity().unwrap().files, Some(1), "{revision}");
        assert_eq!((super::body(&device, "c"), volume.lookup("c").unwrap().links), (b"a".to_vec(), 1));
        let mut image = grown(&device);
        for to in ["/d", "/e"] {
            image.add_hard_link("/c", to, Conflict::Error).unwrap();
        }
        // A name is taken over by another file, and given back.
        image.add_bytes("/d", "new", Conflict::Replace).unwrap();
        image.add_hard_link("/c", "/d", Conflict::Replace).unwrap();
        for path in ["/c", "/d", "/e"] {
            image.remove(path).unwrap();
        }
        write(&mut image, &device);
        let volume = Volume::open(&*device, &OpenOptions::default()).unwrap();
        assert_eq!(volume.integrity().unwrap().files, Some(0), "{revision}");
    }
}

/// Owner, permissions and times of what was imported, whatever it is; with its content as it was.
#[test]
fn imported_items_of_every_kind_get_other_attributes() {
    for revision in REVISIONS {
        let device = super::made(revision, |image| {
            image.create_directory("/d").unwrap();
            image.add_bytes("/d/file", vec![4; 9000], Conflict::Error).unwrap();
            image.add_symbolic_link("/link", "d/file", Conflict::Error).unwrap();
            image.add_device("/null", false, 1, 3, Conflict::Error).unwrap();
        });
        let mut image = grown(&device);
        let early = udf::general::Moment::from_unix(1_000_000_000, 0);
        let wanted = |mode| mkudf_ms::tree::Attributes {
            mode,
            uid: 1000,
            gid: 100,
            accessed: early,
            modified: early,
            changed: early,
            created: early,
        };
        let paths = ["/", "/d", "/d/file", "/link", "/null"];
        for (mode, path) in [0o700, 0o750, 0o4711, 0o777, 0o600].into_iter().zip(paths) {
            image.set_attributes(path, wanted(mode)).unwrap();
            assert_eq!(image.attributes(path).unwrap(), wanted(mode), "{path}");
        }
        // One of them is taken back with what came after it.
        let before = image.change_point();
        image.set_attributes("/link", wanted(0)).unwrap();
        image.roll_back_to(before).unwrap();
        write(&mut image, &device);
        let mut image = grown(&device);
        for (mode, path) in [0o700, 0o750, 0o4711, 0o777, 0o600].into_iter().zip(paths) {
            assert_eq!(image.attributes(path).unwrap(), wanted(mode), "{revision}: {path}");
        }
        assert_eq!(super::body(&device, "d/file"), vec![4; 9000], "{revision}");
        let volume = Volume::open(&*device, &OpenOptions::default()).unwrap();
        assert_eq!(volume.symlink_target(&volume.lookup("link").unwrap()).unwrap(), "d/file");
        assert_eq!(volume.lookup("null").unwrap().device, Some((1, 3)), "{revision}");
    }
}

/// Cancelled in the middle of a session: whatever was written until then, the old one is the newest.
#[test]
fn what_is_cancelled_leaves_the_old_session() {
    use std::io::Read;
    for revision in REVISIONS {
        let device = super::made(revision, |image| image.add_bytes("/old", "old", Conflict::Error).unwrap());
        let mut image = grown(&device);
        let progress = mkudf_ms::progress::Progress::new();
        let canceller = progress.clone();
        let open = move || {
            canceller.cancel();
            Ok(Box::new(std::io::repeat(1).take(8_000_000)) as Box<dyn Read + Send>)
        };
        image.add_opened("/new", 8_000_000, open, Conflict::Error).unwrap();
        let result = image.create_result().unwrap();
        let error = result.write_to(&*device, &progress).unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{error}");
        let volume = Volume::open(&*device, &OpenOptions::default()).unwrap();
        assert!(volume.lookup("old").is_ok() && volume.lookup("new").is_err(), "{revision}");
        let mut image = grown(&device);
        image.add_bytes("/again", "again", Conflict::Error).unwrap();
        write(&mut image, &device);
    }
}
