//! Volumes that are bent: read all the same and told, or refused by who is strict. Names that are odd, and lost by nobody.

use std::collections::BTreeSet;
use std::fs;

use udf::file::{FileIdentifierDescriptor, IndirectEntry, TerminalEntry};
use udf::general::{Descriptor as _, LongAd, Seal, Tag};
use udf::read::{OpenOptions, Volume};
use zerocopy::FromZeros as _;

use super::Bench;
use crate::support::patch;

/// A volume of files `aaaa`, `aaab`, ... that hold their own names, and are then called otherwise.
fn odd(bench: &Bench) {
    const NAMES: [(&str, &[u8]); 8] = [
        ("aaaa", b"\x08aaaa"),
        ("aaab", b"\x08aaaa"),
        ("cccc", b"\x08\xc3\xa9\xc3\xa9"),
        ("dddd", b"\xfedddd"),
        ("eeee", b"\xff\0e\0e"),
        ("ffff", b"\x08f/ff"),
        ("g", b""),
        ("hhhh", b"\x10\xd8\x3d\0h"),
    ];
    for (name, _) in NAMES {
        bench.write(&format!("odd/{name}"), name);
    }
    bench.done(["create", "-o", "odd.udf", "odd"]);
    let mut image = bench.read("odd.udf");
    for (name, characters) in NAMES {
        let was = [b"\x08", name.as_bytes()].concat();
        let at = image.windows(was.len()).position(|window| window == was).unwrap();
        let start = at - FileIdentifierDescriptor::FIXED_LEN;
        image[start + 19] = u8::try_from(characters.len()).unwrap();
        image[at..at + was.len()].fill(0);
        image[at..at + characters.len()].copy_from_slice(characters);
        patch::reseal(&mut image[start..]);
        // The directory is embedded in its entry.
        let entry = start / 2048 * 2048;
        patch::reseal(&mut image[entry..entry + 2048]);
    }
    fs::write(bench.path("odd.udf"), image).unwrap();
}

/// What the files of a folder hold.
fn bodies(bench: &Bench, folder: &str) -> BTreeSet<String> {
    let files = fs::read_dir(bench.path(folder)).unwrap();
    files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

const BODIES: [&str; 8] = ["aaaa", "aaab", "cccc", "dddd", "eeee", "ffff", "g", "hhhh"];

#[test]
fn odd_names_are_listed_read_extracted_and_kept() {
    let bench = Bench::empty();
    odd(&bench);
    let listed = "aaaa\naaaa\nÃ©Ã©\ndddd\nee\nf/ff\n\n\u{FFFD}h\n";
    assert_eq!(bench.done(["ls", "odd.udf"]), listed);
    for (path, body) in [("aaaa", "aaaa"), ("éé", "cccc"), ("Ã©Ã©", "cccc"), ("dddd", "dddd"), ("ee", "eeee")]
    {
        assert_eq!(bench.done(["cat", "odd.udf", path]), body);
    }
    let run = bench.run(["extract", "-C", "out", "odd.udf"]);
    assert_eq!(bodies(&bench, "out"), BODIES.map(String::from).into(), "{}", run.err);
    for name in ["aaaa", "aaaa~1", "Ã©Ã©", "f_ff", "_"] {
        assert!(bench.path("out").join(name).exists(), "{name}");
    }
    assert!(run.err.contains("same name"), "{}", run.err);

    // The next session has them all, under names of which none is there twice.
    bench.write("new.txt", "new");
    let run = bench.run(["append", "odd.udf", "new.txt=new.txt"]);
    assert!(run.err.contains("twice"), "{}", run.err);
    bench.run(["extract", "-C", "after", "odd.udf"]);
    let mut expected: BTreeSet<String> = BODIES.map(String::from).into();
    expected.insert("new".into());
    assert_eq!(bodies(&bench, "after"), expected);
    let listing = bench.done(["ls", "odd.udf"]);
    let names: BTreeSet<_> = listing.lines().collect();
    assert_eq!((names.len(), listing.lines().count()), (9, 9), "{listing}");
}

#[test]
fn strict_commands_refuse_what_is_bent_in_a_file() {
    let bench = Bench::empty();
    odd(&bench);
    bench.write("new.txt", "new");
    bench.fails(1, ["ls", "--strict", "odd.udf"]);
    bench.fails(1, ["cat", "--strict", "odd.udf", "éé"]);
    bench.fails(1, ["append", "--strict", "odd.udf", "new.txt=new.txt"]);
    bench.run(["extract", "--strict", "-C", "out", "odd.udf"]);
    assert!(!bodies(&bench, "out").contains("hhhh"));

    let bench = Bench::with_volume();
    bench.done(["ls", "-lR", "--strict", "v.udf"]);
    let mut image = bench.read("v.udf");
    patch::entry(&mut image, "/sub/b.txt", |entry, at| {
        entry[at.size..at.size + 8].copy_from_slice(&20_000_u64.to_le_bytes());
    });
    fs::write(bench.path("v.udf"), image).unwrap();
    let run = bench.run(["cat", "-v", "v.udf", "sub/b.txt"]);
    assert_eq!((run.code, run.out.len()), (Some(0), 20_000));
    assert!(run.err.contains("extents end before it does"), "{}", run.err);
    bench.fails(1, ["cat", "--strict", "v.udf", "sub/b.txt"]);
    bench.done(["extract", "-C", "out", "v.udf"]);
    assert_eq!(bench.read("out/sub/b.txt").len(), 20_000);
    assert_eq!(bench.run(["extract", "--strict", "-C", "strict", "v.udf"]).code, Some(3));
    assert!(!bench.path("strict/sub/b.txt").exists() && bench.path("strict/a.txt").exists());
}

#[test]
fn extended_attributes_and_sets_of_free_blocks_are_shown() {
    let bench = Bench::with_volume();
    let file = bench.done(["info", "v.udf", "a.txt"]);
    assert!(file.contains("path=/a.txt\n") && file.contains("size=5\n"), "{file}");
    bench.fails(1, ["info", "v.udf", "none"]);
    // Entries up to 1.50 have their creation time in an attribute.
    bench.done(["create", "--force", "-r", "1.50", "-o", "v.udf", "src"]);
    let file = bench.done(["info", "v.udf", "a.txt"]);
    let created = file.lines().find_map(|line| line.strip_prefix("btime=")).unwrap();
    assert!(file.contains(&format!("attribute=creation {created}\n")), "{file}");
    let object = &super::json_lines(&bench.done(["info", "--json", "v.udf", "a.txt"]))[0];
    assert_eq!(object["attributes"][0], format!("creation {created}"));
    // Of volumes by others, the sets of free blocks.
    let made = std::process::Command::new("mkudffs")
        .args(["--new-file", "--blocksize=2048", "--space=freedtable", "free.udf", "2000"])
        .current_dir(bench.folder.path())
        .output();
    match made {
        Ok(output) if output.status.success() => {
            let told = bench.run(["info", "-v", "free.udf"]);
            let told = String::from_utf8(told.out).unwrap();
            let line =
                told.lines().find(|line| line.starts_with("freespace=freed in partition 0, by a table"));
            let free = told.lines().find_map(|line| line.strip_prefix("freeblocks=")).unwrap();
            let free: u64 = free.parse().unwrap();
            let digits: String = line
                .unwrap_or_else(|| panic!("{told}"))
                .rsplit(": ")
                .next()
                .unwrap()
                .chars()
                .filter(char::is_ascii_digit)
                .collect();
            assert_eq!(digits.parse::<u64>().unwrap(), free, "{told}");
        }
        _ => eprintln!("skipped: mkudffs is not installed"),
    }
}

/// Puts an ICB of strategy 4096 in the place of `a.txt`: an entry, an indirect one, the entry that counts, and the end.
fn chained(bench: &Bench) {
    bench.write("src/room", &"room".repeat(8 * 2048));
    bench.done(["create", "--force", "-o", "v.udf", "src"]);
    let mut image = bench.read("v.udf");
    let volume = Volume::open(image.clone(), &OpenOptions::default()).unwrap();
    let old = volume.lookup("a.txt").unwrap();
    let room = volume.body(&volume.lookup("room").unwrap()).unwrap().extents()[0].start;
    let sector = |block| volume.locate(block).unwrap().sector.0 as usize * 2048;
    let (from, to) = (sector(old.block), sector(room));
    let seal = Seal { descriptor_version: 3, serial_number: 1 };
    let entry = image[from..from + 2048].to_vec();
    for (number, body) in [(0, b"alpha"), (2, b"omega")] {
        let mut entry = entry.clone();
        entry[20..22].copy_from_slice(&4096_u16.to_le_bytes());
        entry[24..26].copy_from_slice(&2_u16.to_le_bytes());
        let at = entry.windows(5).position(|window| window == b"alpha").unwrap();
        entry[at..at + 5].copy_from_slice(body);
        let used = at + 5 - 16;
        Tag::seal_partly(&mut entry, old.tag.kind(), seal, room.block.0 + number, used);
        let start = to + number as usize * 2048;
        image[start..start + 2048].copy_from_slice(&entry);
    }
    let mut indirect = IndirectEntry::new_zeroed();
    indirect.indirect_icb = LongAd::icb(2048, room.checked_add(2).unwrap(), 0);
    indirect.write(&[], &mut image[to + 2048..], seal, room.block.0 + 1);
    TerminalEntry::new_zeroed().write(&[], &mut image[to + 3 * 2048..], seal, room.block.0 + 3);
    let name = image.windows(6).position(|window| window == b"\x08a.txt").unwrap();
    let start = name - FileIdentifierDescriptor::FIXED_LEN;
    image[start + 24..start + 28].copy_from_slice(&room.block.0.to_le_bytes());
    patch::reseal(&mut image[start..]);
    let directory = start / 2048 * 2048;
    patch::reseal(&mut image[directory..directory + 2048]);
    fs::write(bench.path("v.udf"), image).unwrap();
}

#[test]
fn of_entries_that_lead_to_one_another_every_command_reads_the_last() {
    let bench = Bench::new();
    chained(&bench);
    assert_eq!(bench.done(["cat", "--strict", "v.udf", "a.txt"]), "omega");
    assert_eq!(bench.listing(&["v.udf"])[0]["size"], 5);
    bench.done(["extract", "-C", "out", "v.udf", "a.txt"]);
    assert_eq!(bench.read("out/a.txt"), b"omega");
    assert_eq!(bench.done(["cat", "v.udf", "sub/hard"]), "alpha");
}

#[test]
fn check_finds_what_is_wrong_in_older_sessions_and_knows_media() {
    let bench = Bench::with_volume();
    bench.write("more/new.txt", &"new ".repeat(50_000));
    bench.done(["append", "v.udf", "more"]);
    assert_eq!(bench.done(["check", "v.udf"]), "");
    bench.done(["check", "--medium", "hdd", "v.udf"]);
    bench.fails(8, ["check", "--medium", "none", "v.udf"]);
    let sound = bench.read("v.udf");
    // What an older session holds is damaged for it and for the newest, which keeps it.
    let mut image = sound.clone();
    let at = image.windows(5).position(|window| window == b"alpha").unwrap();
    image[at] ^= 1;
    fs::write(bench.path("v.udf"), image).unwrap();
    for session in ["1", "2"] {
        let found = bench.ends(4, ["check", "--session", session, "v.udf"]);
        assert!(found.contains("error R004"), "{session}: {found}");
    }
    // An extent behind the partition of the older session, and behind that of the newest.
    for block in [5_000_000_u32, u32::MAX - 9] {
        let mut image = sound.clone();
        patch::entry(&mut image, "/sub/b.txt", |entry, at| {
            entry[at.allocation + 4..at.allocation + 8].copy_from_slice(&block.to_le_bytes());
        });
        fs::write(bench.path("v.udf"), image).unwrap();
        for session in ["1", "2"] {
            let found = bench.ends(4, ["check", "--session", session, "v.udf"]);
            assert!(found.contains("error R111"), "{session}: {found}");
        }
    }
}
