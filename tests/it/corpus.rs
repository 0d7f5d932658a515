//! Volumes by other people's software, and damaged ones: what is in them, as other readers found it. They are no part of the
//! project and need not be there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mkudf_ms::progress::Progress;
use sha2::{Digest, Sha256};
use udf::Sector;
use udf::file::FileType;
use udf::general::Timestamp;
use udf::read::{Entry, ImageFile, OpenOptions, Remedy, Volume};

mod appended;
mod changed;

/// How long a volume of at most some MiB may take, whatever is in it, with the checks of a test build.
const LONGEST: Duration = Duration::from_secs(20);
/// More than any body in the corpus has that is not made to harm.
const MAX_BODY_BYTES: u64 = 4 << 20;

/// Volumes of other software that have no list of what is in them: how many files and directories, the root not counted.
const EMPTY: [(&str, usize, usize); 9] = [
    ("util-linux/udf-cd-mkudfiso-20100208.img", 0, 0),
    ("util-linux/udf-hdd-macosx-2.60-4096.img", 0, 0),
    ("util-linux/udf-hdd-mkudffs-1.3-1.img", 0, 0),
    ("util-linux/udf-hdd-mkudffs-1.3-2.img", 0, 0),
    ("util-linux/udf-hdd-mkudffs-1.3-3.img", 0, 0),
    ("util-linux/udf-hdd-mkudffs-1.3-4.img", 0, 0),
    ("util-linux/udf-hdd-udfclient-0.7.5.img", 0, 0),
    ("util-linux/udf-hdd-win7.img", 0, 0),
    ("util-linux/udf.img", 0, 0),
];

/// What a list says otherwise than we do, and why that is right: which lists, of which type, which field, how it is turned
/// into ours.
type Convention = (ListBy, &'static str, &'static str, fn(&str) -> Option<String>);
const CONVENTIONS: [Convention; 4] = [
    // The kernel counts a directory's own name for itself, which no directory of a volume has.
    (ListBy::Kernel, "d", "links", |links| Some((links.parse::<u32>().ok()? - 1).to_string())),
    // The other reader does not tell how large directories are.
    (ListBy::Other, "d", "size", |_| None),
    // And of a link the bytes that its path components take; the target itself is compared.
    (ListBy::Other, "l", "size", |_| None),
    // The volume's own streams are regular files.
    (ListBy::Kernel, "systream", "type", |_| Some("f".into())),
];

/// Who made a list: its first line says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListBy {
    Kernel,
    Other,
}

/// The corpus and where its volumes were unpacked to; `None`, and a line that says so, if it is not there.
fn corpus() -> Option<(PathBuf, tempfile::TempDir)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let unpack = corpus.join("unpack");
    if !unpack.is_file() {
        eprintln!("skipped: there is no corpus of volumes at {}", corpus.display());
        return None;
    }
    let volumes = tempfile::tempdir().unwrap();
    match Command::new(&unpack).arg(volumes.path()).status() {
        Ok(status) if status.success() => Some((corpus, volumes)),
        other => {
            eprintln!("skipped: the corpus of volumes cannot be unpacked: {other:?}");
            None
        }
    }
}

/// Files below a folder, relative to it.
fn files(root: &Path) -> Vec<String> {
    let found = walkdir::WalkDir::new(root).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = found.filter(|entry| entry.file_type().is_file());
    let relative = |entry: walkdir::DirEntry| entry.path().strip_prefix(root).unwrap().to_path_buf();
    files.map(relative).map(|path| path.into_os_string().into_string().unwrap()).collect()
}

fn open(path: &Path, options: &OpenOptions) -> udf::Result<Volume<ImageFile>> {
    Volume::open(ImageFile::open(path).unwrap(), options)
}

/// What is stated of a path, or found: fields by name. What is not stated is not there.
type Facts = BTreeMap<&'static str, String>;

fn stated(line: &str, by: ListBy) -> (String, Facts) {
    let fields: Vec<&str> = line.split('\t').collect();
    let [kind, size, digest, mode, links, time, path, target] = fields[..] else { panic!("{line}") };
    let named = [
        ("type", kind),
        ("size", size),
        ("digest", digest),
        ("mode", mode),
        ("links", links),
        ("target", target),
    ];
    let mut facts: Facts = named
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    if !time.is_empty() {
        facts.insert("time", microseconds(time).to_string());
    }
    for (_, _, field, turn) in CONVENTIONS.iter().filter(|(list, of, ..)| (*list, *of) == (by, kind)) {
        if let Some(ours) = facts.remove(field).and_then(|value| turn(&value)) {
            facts.insert(field, ours);
        }
    }
    (path.to_owned(), facts)
}

/// A time such as `2009-11-12+23:14:06.5921840000`, in UTC.
fn microseconds(time: &str) -> i128 {
    let numbers: Vec<u32> = time
        .split(['-', '+', ':', '.'])
        .map(|part| part.parse::<u64>().unwrap().try_into().unwrap_or(0))
        .collect();
    let (_, fraction) = time.split_once('.').unwrap();
    let part = |from: usize| fraction[from..from + 2].parse::<u8>().unwrap();
    let small = |number: u32| u8::try_from(number).unwrap();
    let recorded = Timestamp {
        type_and_time_zone: 0x1000.into(),
        year: i16::try_from(numbers[0]).unwrap().into(),
        month: small(numbers[1]),
        day: small(numbers[2]),
        hour: small(numbers[3]),
        minute: small(numbers[4]),
        second: small(numbers[5]),
        centiseconds: part(0),
        hundreds_of_microseconds: part(2),
        microseconds: part(4),
    };
    since_epoch(&recorded)
}

fn since_epoch(recorded: &Timestamp) -> i128 {
    let moment = recorded.moment().unwrap();
    i128::from(moment.seconds()) * 1_000_000 + i128::from(moment.subsecond_microseconds())
}

fn found(volume: &Volume<ImageFile>, entry: &Entry) -> Facts {
    let kind = match entry.kind {
        FileType::DIRECTORY => "d",
        FileType::SYMBOLIC_LINK => "l",
        FileType::REGULAR => "f",
        _ => "other",
    };
    let mut facts = Facts::from([
        ("type", kind.into()),
        ("size", entry.size_bytes.to_string()),
        ("mode", format!("{:o}", entry.mode())),
        ("links", entry.links.to_string()),
        ("time", since_epoch(&entry.modified).to_string()),
    ]);
    if kind == "f" {
        let body = volume.read_all(entry, MAX_BODY_BYTES).unwrap();
        let digest = Sha256::digest(&body).iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        });
        facts.insert("digest", digest);
    }
    if kind == "l" {
        let target = volume.symlink_target(entry).unwrap();
        facts.insert("size", target.len().to_string());
        facts.insert("target", target);
    }
    facts
}

#[test]
fn volumes_hold_what_other_readers_find_in_them() {
    let Some((corpus, volumes)) = corpus() else { return };
    let truth = corpus.join("truth");
    let mut differences = Vec::new();
    let mut count = 0;
    for name in files(&truth) {
        let Some(volume_name) = name.strip_suffix(".tsv") else { continue };
        count += 1;
        let volume = open(&volumes.path().join(volume_name), &OpenOptions::default()).unwrap();
        let text = fs::read_to_string(truth.join(&name)).unwrap();
        let by = if text.starts_with("#reader: Linux") { ListBy::Kernel } else { ListBy::Other };
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let stated: BTreeMap<_, _> = lines.map(|line| stated(line, by)).collect();
        let mut seen = BTreeMap::new();
        for step in volume.walk(&volume.root().unwrap()) {
            let (path, _, entry) = step.unwrap_or_else(|error| panic!("{volume_name}: {error}"));
            seen.insert(path, found(&volume, &entry));
        }
        // The list has the volume's own streams with a slash before their names.
        if let Some(streams) = volume.system_streams().unwrap() {
            for stream in volume.directory(&streams).unwrap().live() {
                let stream = stream.unwrap();
                let entry = volume.entry(&stream.icb).unwrap();
                seen.insert(format!("/{}", stream.name_text()), found(&volume, &entry));
            }
        }
        let paths = |facts: &BTreeMap<String, Facts>| facts.keys().cloned().collect::<Vec<_>>();
        assert_eq!(paths(&seen), paths(&stated), "{volume_name}");
        for (path, facts) in &stated {
            for (field, value) in facts {
                let ours = seen[path].get(field);
                if ours != Some(value) {
                    differences.push(format!("{volume_name}: {path}: {field} is {ours:?}, stated {value}"));
                }
            }
        }
    }
    assert!(count >= 39, "{count} volumes have a list");
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn volumes_without_files_open_too() {
    let Some((_, volumes)) = corpus() else { return };
    for (name, files, directories) in EMPTY {
        let volume = open(&volumes.path().join(name), &OpenOptions::default()).unwrap();
        let found: Vec<_> = volume.walk(&volume.root().unwrap()).map(|step| step.unwrap().2).collect();
        let count = found.iter().filter(|entry| entry.is_directory()).count();
        assert_eq!((found.len() - count, count), (files, directories), "{name}");
    }
}

/// The sessions of an image of a whole disc, as another reader found each of them.
#[test]
fn each_session_of_a_disc_is_what_another_reader_finds() {
    let Some((corpus, volumes)) = corpus() else { return };
    let text =
        fs::read_to_string(corpus.join("truth/util-linux/udf-multi-0-320-640-mkudffs.sessions.txt")).unwrap();
    let image = volumes.path().join("util-linux/udf-multi-0-320-640-mkudffs.img");
    let mut count = 0;
    for session in text.split("### session ").skip(1) {
        count += 1;
        let value = |key: &str| session.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let number = |key| value(key).map(|value| value.parse::<u32>().unwrap());
        let options = OpenOptions {
            session_start: number("startblock").map(Sector),
            last_sector: number("lastblock").map(Sector),
            ..OpenOptions::default()
        };
        let volume = open(&image, &options).unwrap();
        assert_eq!(Some(volume.label().as_str()), value("label"));
        let icb = volume.virtual_table().unwrap().head.entry.icb;
        assert_eq!(Some(volume.locate(icb).unwrap().sector.0), number("vatblock"));
        let integrity = volume.integrity().unwrap();
        assert_eq!((integrity.files, integrity.directories), (number("numfiles"), number("numdirs")));
        assert!(volume.is_consistent() && volume.warnings().is_empty());
        assert_eq!(volume.walk(&volume.root().unwrap()).count(), 0);
    }
    assert_eq!(count, 3);
}

#[test]
fn the_sessions_of_a_disc_are_found_by_searching_its_image() {
    let Some((_, volumes)) = corpus() else { return };
    let image = volumes.path().join("util-linux/udf-multi-0-320-640-mkudffs.img");
    let device = ImageFile::open(&image).unwrap();
    let found = mkudf_ms::session::search(&device, &OpenOptions::default(), &Progress::new()).unwrap();
    let facts: Vec<_> = found
        .iter()
        .map(|session| (session.number, session.start.0, session.table.map(|table| table.0), session.bytes))
        .collect();
    assert_eq!(facts, [1, 2, 3].map(|n| (n, (n - 1) * 320, Some(n * 320 - 1), 320 * 2048)));
    let labels: Vec<_> =
        found.iter().map(|session| Volume::open(&device, &session.open).unwrap().label()).collect();
    assert_eq!(labels, ["first session", "second session", "third session"]);
}

#[test]
fn info_names_the_streams_that_a_volume_has_for_itself() {
    let Some((_, volumes)) = corpus() else { return };
    let info = |name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mkudf-ms"));
        let output = command.arg("info").arg(volumes.path().join(name)).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let text = info("syzkaller-seeds/udf_12.img");
    assert!(text.contains("systemstreams=1\nsystemstreamnames=*UDF Non-Allocatable Space\n"), "{text}");
    // A directory of streams without any is none.
    let text = info("util-linux/udf-hdd-mkudffs-1.3-1.img");
    assert!(text.contains("label=") && !text.contains("streams"), "{text}");
}

/// Reads all that there is, as far as it goes.
fn read_all(volume: &Volume<ImageFile>) -> usize {
    let Ok(root) = volume.root() else { return 0 };
    let mut sound = 0;
    for step in volume.walk(&root) {
        let Ok((path, _, entry)) = step else { continue };
        sound += usize::from(volume.lookup(&path).is_ok());
        let _ = volume.symlink_target(&entry);
        let _ = volume.read_all(&entry, MAX_BODY_BYTES);
        let _ = volume.extents(&entry).count();
    }
    sound
}

#[test]
fn damaged_volumes_end_cleanly_and_soon() {
    let Some((corpus, volumes)) = corpus() else { return };
    let manifest = fs::read_to_string(corpus.join("MANIFEST.tsv")).unwrap();
    let mut lines = manifest.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let columns = lines.next().unwrap();
    let column = |name: &str| columns.iter().position(|column| *column == name).unwrap();
    let (path, notes) = (column("path"), column("notes"));
    let mut opened = 0;
    for line in lines {
        let name = line[path];
        let began = Instant::now();
        let found = open(&volumes.path().join(name), &OpenOptions::default());
        // What no reader finds an anchor in, is no volume.
        if line[notes].contains("no anchor") {
            assert!(matches!(found, Err(udf::Error::NotUdf(_))), "{name}: {found:?}");
        }
        if let Ok(volume) = &found {
            opened += 1;
            read_all(volume);
            let _ = udf::check::check(volume.device(), &OpenOptions::default(), &mut |_| {});
        }
        assert!(began.elapsed() < LONGEST, "{name} took {:?}", began.elapsed());
    }
    assert!(opened > 80, "{opened} opened");
}

/// Two volumes overlap, of blocks of 2048 and of 1024 bytes; the first is what 7-Zip reads, too. The order of
/// `BlockSize::PROBED` decides.
#[test]
fn of_two_volumes_in_one_the_likelier_block_size_counts() {
    let Some((_, volumes)) = corpus() else { return };
    let path = volumes.path().join("hbfa/test_udf.bin");
    let volume = open(&path, &OpenOptions::default()).unwrap();
    assert_eq!(volume.block_size(), udf::BlockSize::B2048);
    volume.lookup("udf.bin").unwrap_or_else(|_| panic!("{:?}", volume.warnings()));
    let other = OpenOptions { block_size: Some(udf::BlockSize::B1024), ..OpenOptions::default() };
    assert!(open(&path, &other).is_ok_and(|volume| volume.lookup("udf.bin").is_err()));
}

/// Volumes whose only anchor is the last block say so and open.
#[test]
fn one_anchor_is_enough() {
    let Some((_, volumes)) = corpus() else { return };
    let volume = open(&volumes.path().join("syzkaller-seeds/udf_0.img"), &OpenOptions::default()).unwrap();
    assert!(volume.warnings().iter().any(|warning| warning.remedy == Remedy::FewAnchors));
    let strict = OpenOptions { strict: true, ..OpenOptions::default() };
    assert!(open(&volumes.path().join("syzkaller-seeds/udf_0.img"), &strict).is_err());
}
