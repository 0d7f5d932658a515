//! Single changes whose consequences go further: counts, atomicity, change points.

use std::collections::BTreeMap;
use std::fs;

use mkudf_ms::Error;
use mkudf_ms::builder::{BuildError, Conflict, FileSystemImage};
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
