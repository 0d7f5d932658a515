//! A map from paths to what is there, and random changes of both it and an image.

use std::collections::{BTreeMap, HashMap};
use std::io::Cursor;

use mkudf_ms::Error;
use mkudf_ms::builder::{Conflict, FileSystemImage};
use mkudf_ms::tree::Kind;
use udf::file::FileType;
use udf::read::{Entry, ReadAt, Volume};

use crate::support::random::Random;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Directory,
    File(File),
    Link(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    bytes: Vec<u8>,
    mode: u32,
    streams: BTreeMap<String, Vec<u8>>,
    /// What has the same number is the same file, under several names.
    number: u32,
}

impl Item {
    pub(super) fn file(bytes: &[u8], number: u32) -> Self {
        Self::File(File { bytes: bytes.into(), mode: 0o644, streams: BTreeMap::new(), number })
    }
}

/// Paths begin with `/`; the root is not among them.
pub(super) type Model = BTreeMap<String, Item>;

/// The same with files numbered in the order of their first paths.
pub(super) fn numbered(mut model: Model) -> Model {
    let mut numbers = HashMap::new();
    for item in model.values_mut() {
        if let Item::File(file) = item {
            let next = u32::try_from(numbers.len()).unwrap();
            file.number = *numbers.entry(file.number).or_insert(next);
        }
    }
    model
}

/// A line of JSON for each path, for judges that are no part of these tests.
pub(super) fn lines(model: &Model) -> String {
    let line = |(path, item): (&String, &Item)| {
        let (kind, mode, body) = match item {
            Item::Directory => ("directory", None, String::new()),
            Item::Link(target) => ("symlink", None, target.clone()),
            Item::File(file) => {
                let hexadecimal = |byte: &u8| format!("{byte:02x}");
                ("file", Some(file.mode), file.bytes.iter().map(hexadecimal).collect())
            }
        };
        serde_json::json!({ "path": path, "kind": kind, "mode": mode, "body": body }).to_string() + "\n"
    };
    model.iter().map(line).collect()
}

/// What a volume holds, numbered.
pub(super) fn of_volume<R: ReadAt>(volume: &Volume<R>) -> Model {
    let (mut model, mut numbers) = (Model::new(), HashMap::new());
    for step in volume.walk(&volume.root().unwrap()) {
        let (path, _, entry) = step.unwrap();
        let item = match entry.kind {
            FileType::DIRECTORY => Item::Directory,
            FileType::SYMBOLIC_LINK => Item::Link(volume.symlink_target(&entry).unwrap()),
            _ => {
                let next = u32::try_from(numbers.len()).unwrap();
                let number = *numbers.entry(entry.icb).or_insert(next);
                let (bytes, mode) = (volume.read_all(&entry, 1 << 20).unwrap(), entry.mode() & 0o7777);
                Item::File(File { bytes, mode, streams: streams_of(volume, &entry), number })
            }
        };
        model.insert(format!("/{path}"), item);
    }
    numbered(model)
}

fn streams_of<R: ReadAt>(volume: &Volume<R>, entry: &Entry) -> BTreeMap<String, Vec<u8>> {
    let Some(streams) = volume.streams(entry).unwrap() else { return BTreeMap::new() };
    let names = volume.directory(&streams).unwrap().live();
    let read = |icb: &udf::general::LongAd| volume.read_all(&volume.entry(icb).unwrap(), 1 << 20).unwrap();
    names.map(|name| name.unwrap()).map(|name| (name.name_text(), read(&name.icb))).collect()
}

/// What the image itself says that is there.
pub(super) fn of_image(
    image: &mut FileSystemImage<'_>,
    path: &str,
    found: &mut BTreeMap<String, (Kind, u64, u16)>,
) {
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

pub(super) struct Dice<'a>(pub(super) &'a mut Random);

impl Dice<'_> {
    fn file(&mut self, bytes: &[u8]) -> Item {
        Item::file(bytes, u32::try_from(self.0.next() >> 32).unwrap())
    }

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

fn has_stream(model: &Model, path: &str, name: &str) -> bool {
    matches!(&model[path], Item::File(file) if file.streams.contains_key(name))
}

/// Changes a file under all its names.
fn change_file(model: &mut Model, path: &str, change: impl Fn(&mut File)) {
    let Some(Item::File(File { number: wanted, .. })) = model.get(path).cloned() else { panic!("no file") };
    for item in model.values_mut() {
        if let Item::File(file) = item
            && file.number == wanted
        {
            change(file);
        }
    }
}

/// One random change of both. What is refused leaves the image as it was; that is seen when it is compared.
fn step(image: &mut FileSystemImage<'_>, model: &Model, dice: &mut Dice<'_>) -> Option<Model> {
    let path = dice.path(model);
    let policy = dice.policy();
    let (expected, done) = match dice.0.below(18) {
        0..=2 => {
            let bytes = dice.bytes();
            let expected = put(model, &path, dice.file(&bytes), policy);
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
        11..=13 => {
            let from = dice.any(model, |item| matches!(item, Item::File(_)))?;
            let expected = put(model, &path, model[&from].clone(), policy);
            (expected, image.add_hard_link(&from, &path, policy))
        }
        14..=16 => stream_step(image, model, policy, dice)?,
        _ => {
            let path = dice.any(model, |item| matches!(item, Item::File(_)))?;
            let mut attributes = image.attributes(&path).unwrap();
            attributes.mode = [0o600, 0o755, 0o4711][dice.0.below(3)];
            let mut after = model.clone();
            change_file(&mut after, &path, |file| file.mode = attributes.mode.into());
            (Some(after), image.set_attributes(&path, attributes))
        }
    };
    match (&expected, done) {
        (Some(_), Ok(())) | (None, Err(Error::Build(_))) => {}
        (expected, done) => panic!("{path} {policy:?}: {done:?}, expected {expected:#?}"),
    }
    expected
}

/// Adds, replaces or removes a named stream: what is expected, and what was done.
fn stream_step(
    image: &mut FileSystemImage<'_>,
    model: &Model,
    policy: Conflict,
    dice: &mut Dice<'_>,
) -> Option<(Option<Model>, mkudf_ms::Result<()>)> {
    let path = dice.any(model, |item| matches!(item, Item::File(_)))?;
    let name = ["s", "étoile", "*UDF Macintosh Resource Fork"][dice.0.below(3)];
    let is_there = has_stream(model, &path, name);
    let mut after = model.clone();
    if dice.0.below(3) == 0 {
        change_file(&mut after, &path, |file| _ = file.streams.remove(name));
        return Some((is_there.then_some(after), image.remove_stream(&path, name)));
    }
    let bytes = dice.bytes();
    let is_refused = !image.revision().rules().streams || (is_there && policy == Conflict::Error);
    if !is_there || policy == Conflict::Replace {
        change_file(&mut after, &path, |file| _ = file.streams.insert(name.into(), bytes.clone()));
    }
    let size_bytes = bytes.len() as u64;
    let done = if dice.0.below(2) == 0 {
        image.add_stream_bytes(&path, name, bytes, policy)
    } else {
        image.add_stream_reader(&path, name, size_bytes, Cursor::new(bytes), policy)
    };
    Some(((!is_refused).then_some(after), done))
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
            Item::File(file) => {
                let expected = (Kind::File, file.bytes.len() as u64, u16::try_from(file.mode).unwrap());
                assert_eq!((kind, size, mode), expected, "{path}");
                let streams = image.streams(path).unwrap().into_iter();
                let streams: BTreeMap<_, _> = streams.map(|info| (info.name, info.size_bytes)).collect();
                let expected = file.streams.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64));
                assert_eq!(streams, expected.collect(), "{path}");
            }
        }
    }
}

/// Random changes with rolling back in between; the model after them.
pub(super) fn change(image: &mut FileSystemImage<'_>, model: Model, dice: &mut Dice<'_>) -> Model {
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
