//! Random changes against a map from paths to what is there, over several sessions.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::sync::Arc;

use mkudf_ms::Error;
use mkudf_ms::builder::{BuildError, Conflict, FileSystemImage};
use mkudf_ms::device::MemoryDevice;
use mkudf_ms::session::{ImportOptions, sessions};
use mkudf_ms::tree::Kind;
use udf::read::{OpenOptions, Volume};

use super::{REVISIONS, assert_sound, defaults, grown, write};
use crate::support::manifest;
use crate::support::random::Random;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Directory,
    File(Vec<u8>, u32),
    Link(String),
}

/// Paths begin with `/`; the root is not among them.
type Model = BTreeMap<String, Item>;

fn of_volume(volume: &Volume<impl udf::read::ReadAt>) -> Model {
    let mut model = Model::new();
    for (path, found) in manifest::of_volume(volume) {
        let item = match found.kind {
            "directory" => Item::Directory,
            "symlink" => Item::Link(found.target.unwrap()),
            _ => Item::File(found.body.unwrap(), found.mode),
        };
        if !path.is_empty() {
            model.insert(format!("/{path}"), item);
        }
    }
    model
}

/// What the image itself says that is there.
fn of_image(image: &mut FileSystemImage<'_>, path: &str, found: &mut BTreeMap<String, (Kind, u64, u16)>) {
    for info in image.list(path).unwrap() {
        let path = format!("{}/{}", path.trim_end_matches('/'), info.name);
        found.insert(path.clone(), (info.kind, info.size_bytes, info.attributes.mode));
        if info.kind == Kind::Directory {
            of_image(image, &path, found);
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').unwrap().0
}

fn is_empty(model: &Model, path: &str) -> bool {
    !model.keys().any(|other| other.starts_with(&format!("{path}/")))
}

struct Dice<'a>(&'a mut Random);

impl Dice<'_> {
    fn any(&mut self, model: &Model, wanted: impl Fn(&Item) -> bool) -> Option<String> {
        let all: Vec<_> = model.iter().filter(|(_, item)| wanted(item)).map(|(path, _)| path).collect();
        (!all.is_empty()).then(|| all[self.0.below(all.len())].clone())
    }

    /// A path in some directory: one of few names, so that things meet.
    fn path(&mut self, model: &Model) -> String {
        let inside = match self.0.below(3) {
            0 => String::new(),
            _ => self.any(model, |item| *item == Item::Directory).unwrap_or_default(),
        };
        format!("{inside}/{}", ["a", "bb", "naïve", "日本", "e.txt", "f", "g", "h"][self.0.below(8)])
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = [0, 1, 500, 1800, 2048, 5000, 70_000][self.0.below(7)];
        (0..len).map(|_| u8::try_from(self.0.next() & 0xFF).unwrap()).collect()
    }

    fn policy(&mut self) -> Conflict {
        [Conflict::Error, Conflict::Keep, Conflict::Replace][self.0.below(3)]
    }
}

/// What a model becomes if `item` is put at a path; `None` if that is refused.
fn put(model: &Model, path: &str, item: Item, policy: Conflict) -> Option<Model> {
    let mut after = model.clone();
    match (model.get(path), policy) {
        (Some(_), Conflict::Keep) => return Some(after),
        (Some(_), Conflict::Error) => return None,
        (Some(Item::Directory), _) if !is_empty(model, path) => return None,
        _ => {}
    }
    after.insert(path.into(), item);
    Some(after)
}

/// One random change of both. What is refused leaves the image as it was; that is seen when it is compared.
fn step(image: &mut FileSystemImage<'_>, model: &Model, dice: &mut Dice<'_>) -> Option<Model> {
    let path = dice.path(model);
    let policy = dice.policy();
    let (expected, done) = match dice.0.below(12) {
        0..=2 => {
            let bytes = dice.bytes();
            let expected = put(model, &path, Item::File(bytes.clone(), 0o644), policy);
            let done = match dice.0.below(3) {
                0 => image.add_bytes(&path, bytes, policy),
                1 => image.add_reader(&path, bytes.len() as u64, Cursor::new(bytes), policy),
                _ => {
                    let size_bytes = bytes.len() as u64;
                    let open = move || Ok(Box::new(Cursor::new(bytes.clone())) as Box<_>);
                    image.add_opened(&path, size_bytes, open, policy)
                }
            };
            (expected, done)
        }
        3 | 4 => (put(model, &path, Item::Directory, Conflict::Error), image.create_directory(&path)),
        5 => {
            let target = ["x", "../y", "/z/é"][dice.0.below(3)];
            let expected = put(model, &path, Item::Link(target.into()), policy);
            (expected, image.add_symbolic_link(&path, target, policy))
        }
        6 => {
            let path = dice.any(model, |_| true)?;
            let mut after = model.clone();
            after.remove(&path);
            (Some(after).filter(|_| is_empty(model, &path)), image.remove(&path))
        }
        7 => {
            let path = dice.any(model, |_| true)?;
            let mut after = model.clone();
            after.retain(|other, _| *other != path && !other.starts_with(&format!("{path}/")));
            (Some(after), image.remove_tree(&path))
        }
        8..=10 => {
            let from = dice.any(model, |_| true)?;
            let inside = parent(&path) == from || path.starts_with(&format!("{from}/"));
            let expected = if path == from {
                Some(model.clone())
            } else if inside {
                None
            } else {
                put(model, &path, model[&from].clone(), policy).map(|mut after| {
                    if policy == Conflict::Keep && model.contains_key(&path) {
                        return after;
                    }
                    let moved = |other: &String| other.starts_with(&format!("{from}/"));
                    let below: Vec<_> = model.iter().filter(|(other, _)| moved(other)).collect();
                    for (other, item) in below {
                        after.remove(other);
                        after.insert(format!("{path}{}", &other[from.len()..]), item.clone());
                    }
                    after.remove(&from);
                    after
                })
            };
            (expected, image.rename(&from, &path, policy))
        }
        _ => {
            let path = dice.any(model, |item| matches!(item, Item::File(..)))?;
            let mut attributes = image.attributes(&path).unwrap();
            attributes.mode = [0o600, 0o755, 0o4711][dice.0.below(3)];
            let mut after = model.clone();
            if let Some(Item::File(_, mode)) = after.get_mut(&path) {
                *mode = attributes.mode.into();
            }
            (Some(after), image.set_attributes(&path, attributes))
        }
    };
    match (&expected, done) {
        (Some(_), Ok(())) | (None, Err(Error::Build(_))) => {}
        (expected, done) => panic!("{path} {policy:?}: {done:?}, expected {expected:#?}"),
    }
    expected
}

fn assert_image(image: &mut FileSystemImage<'_>, model: &Model) {
    let mut found = BTreeMap::new();
    of_image(image, "/", &mut found);
    assert!(found.keys().eq(model.keys()), "{:?} {:?}", found.keys(), model.keys());
    for (path, item) in model {
        let (kind, size, mode) = found[path];
        match item {
            Item::Directory => assert_eq!(kind, Kind::Directory),
            Item::Link(_) => assert_eq!(kind, Kind::SymbolicLink),
            Item::File(bytes, expected) => {
                let expected = (Kind::File, bytes.len() as u64, u16::try_from(*expected).unwrap());
                assert_eq!((kind, size, mode), expected, "{path}");
            }
        }
    }
}

/// Random changes with rolling back in between; the model after them.
fn change(image: &mut FileSystemImage<'_>, model: Model, dice: &mut Dice<'_>) -> Model {
    let mut history = vec![model];
    assert_eq!(image.change_point(), 0);
    for _ in 0..40 {
        if dice.0.below(12) == 0 {
            let point = dice.0.below(history.len());
            image.roll_back_to(point).unwrap();
            history.truncate(point + 1);
        } else if let Some(after) = step(image, &history[history.len() - 1], dice) {
            history.push(after);
        }
        assert_eq!(image.change_point(), history.len() - 1);
        if dice.0.below(6) == 0 {
            assert_image(image, &history[history.len() - 1]);
        }
    }
    assert_image(image, &history[history.len() - 1]);
    history.pop().unwrap()
}

#[test]
fn whatever_is_changed_the_volume_holds_what_the_model_says() {
    for revision in REVISIONS {
        for seed in 0..8 {
            let mut random = Random::new(seed);
            let mut dice = Dice(&mut random);
            let device = Arc::new(MemoryDevice::new());
            let mut image = FileSystemImage::new(defaults(revision));
            let mut models = vec![change(&mut image, Model::new(), &mut dice)];
            write(&mut image, &device);
            for number in 2..=4 {
                let last = models[models.len() - 1].clone();
                let (mut image, start) = if number == 4 && dice.0.below(2) == 0 {
                    let options = ImportOptions { tree_of: Some(1), ..ImportOptions::default() };
                    let device = Arc::clone(&device);
                    (
                        FileSystemImage::import_session(device, defaults(revision), &options).unwrap(),
                        models[0].clone(),
                    )
                } else {
                    (grown(&device), last)
                };
                models.push(change(&mut image, start, &mut dice));
                write(&mut image, &device);
            }
            let found = sessions(&*device, &OpenOptions::default()).unwrap();
            assert_eq!(found.len(), models.len());
            for (session, model) in found.iter().zip(&models) {
                let volume = Volume::open(&*device, &session.open).unwrap();
                assert_eq!(of_volume(&volume), *model, "{revision}, seed {seed}, session {}", session.number);
            }
        }
    }
}

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
