//! Volumes that are bent: read all the same and told, or refused by who is strict. Names that are odd, and lost by nobody.

use std::collections::BTreeSet;
use std::fs;

use udf::file::FileIdentifierDescriptor;

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
