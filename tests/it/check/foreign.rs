//! Volumes by other writers: of each, the findings that are truly there, with the reason, and no others.
//!
//! The volumes are not part of the project; where they are not at hand, this says so and is content.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use udf::check::{Report, Severity, check};
use udf::read::{ImageFile, OpenOptions};

/// Where the volumes are, and a script that unpacks them.
const CORPUS: &str = "../shared/corpus";

/// Volumes by the beginning of their name, a rule, and why it is right.
type Judgement = (&'static [&'static str], u8, &'static str);

/// All that were made by mkudffs in fewer than 512 sectors, so that the only anchor is the last sector.
const SMALL: &[&str] = &[
    "udf_0.", "udf_2.", "udf_4.", "udf_6.", "udf_8.", "udf_16.", "udf_18.", "udf_20.", "udf_22.", "udf_24.",
    "udf_28.", "udf_36.", "udf_38.", "udf_40.", "udf_42.", "udf_44.", "udf_46.", "udf_54.", "udf_56.",
];
/// Those of them that can be rewritten: not the ones for worm discs.
const SMALL_REWRITABLE: &[&str] = &[
    "udf_0.", "udf_2.", "udf_4.", "udf_6.", "udf_8.", "udf_16.", "udf_18.", "udf_20.", "udf_22.", "udf_36.",
    "udf_38.", "udf_40.", "udf_42.", "udf_54.", "udf_56.",
];
/// Those with a sparable partition.
const SPARABLE: &[&str] =
    &["udf_10.", "udf_12.", "udf_14.", "udf_30.", "udf_32.", "udf_34.", "udf_48.", "udf_50.", "udf_52."];
const MKUDFISO: &[&str] = &["udf-cd-mkudfiso"];
const MKISOFS: &[&str] = &["udf.img", "test-udf1.iso"];

const JUDGEMENTS: &[Judgement] = &[
    (SMALL, 29, "one anchor, at the last sector: the two other places do not exist on so small a volume"),
    (SMALL, 32, "both sequences are 6 sectors long, so that they fit"),
    (SMALL, 33, "main and reserve sequence are the same sectors"),
    (SMALL, 50, "the partition begins before sector 257"),
    (SMALL_REWRITABLE, 66, "the integrity sequence is shorter than 8 KiB"),
    (SMALL, 71, "the kernel does not count a further name of a file, which is to be counted (UDF 2.2.6.4)"),
    (SPARABLE, 71, "the same"),
    (&["udf_28."], 91, "the streams' directory is of strategy 4096, its address has room for one block"),
    (&["udf_14.", "udf_28.", "udf_52."], 95, "made with --noefe: file entries in 2.01"),
    (
        &["udf_32."],
        52,
        "the map has packets of 32 blocks, of a DVD: the partition begins at a multiple of 16",
    ),
    (&["udf_32."], 64, "so do the sparing tables"),
    (&["udf_32."], 81, "and so do the spare packets"),
    (&["udf-hdd-mkudffs"], 66, "the integrity sequence is shorter than 8 KiB"),
    (&["udf-hdd-mkudffs-1.3"], 95, "made with --noefe: file entries in 2.01"),
    (
        &["udf-hdd-mkudffs-1.0.0", "simple", "archive1"],
        90,
        "the maximum interchange level of the file set is not 3",
    ),
    (&["udf-hdd-mkudffs-1.0.0", "simple", "archive1"], 100, "old mkudffs left the checkpoint 0"),
    (&["simple", "archive1"], 66, "the integrity sequence is shorter than 8 KiB"),
    (&["udf-multi-0-320-640"], 29, "the disc is open: one anchor, at sector 512 of the session or 256"),
    (&["udf-hdd-udfclient"], 18, "its application calls itself *UDFtoolkit"),
    (&["udf-hdd-udfclient"], 20, "the root has no creation time"),
    (MKISOFS, 16, "the flags of +NSR02 are 2: protected, which UDF does not have"),
    (MKISOFS, 94, "entries say that they are contiguous and cannot be moved, which ties the hands of others"),
    (MKUDFISO, 5, "CRCs of descriptors cover 2 bytes"),
    (MKUDFISO, 10, "there is no integrity descriptor"),
    (MKUDFISO, 13, "the label of the volume information has length 0 and is not all zeros"),
    (MKUDFISO, 16, "the flags of +NSR02 are 2"),
    (MKUDFISO, 17, "nobody is named in the volume information"),
    (MKUDFISO, 20, "times of type 0"),
    (MKUDFISO, 29, "the only anchor is at sector 256, which is the last one, too"),
    (MKUDFISO, 33, "the main sequence reaches into the partition"),
    (MKUDFISO, 37, "there is no reserve sequence"),
    (MKUDFISO, 42, "the volume set identifier is empty"),
    (MKUDFISO, 45, "the label is not in the volume information"),
    (MKUDFISO, 50, "the partition begins before sector 257"),
    (MKUDFISO, 60, "the partition map names volume 0"),
    (MKUDFISO, 94, "entries say that they are contiguous and cannot be moved"),
    (MKUDFISO, 113, "file set and root lie in the main sequence"),
    (MKUDFISO, 140, "the anchor and the integrity sequence lie in the partition"),
];

/// Folders of volumes that are as their writers left them, and not damaged on purpose.
const SOUND: [&str; 5] = ["util-linux", "libcdio", "strelka", "sevenzipjbinding", "syzkaller-seeds"];
/// No reader finds an anchor in it.
const NO_VOLUME: &str = "udf_26.img";

fn rules(report: &Report) -> BTreeSet<String> {
    let findings = report.findings.iter().filter(|finding| finding.severity > Severity::Note);
    findings.map(|finding| finding.rule.to_string()).collect()
}

/// The volumes, unpacked below a folder of their own, once for all tests.
fn unpacked() -> Option<PathBuf> {
    static UNPACKED: OnceLock<Option<PathBuf>> = OnceLock::new();
    UNPACKED.get_or_init(unpack).clone()
}

fn unpack() -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(CORPUS).join("unpack");
    if !script.exists() {
        eprintln!("skipped: there are no volumes of other writers at {}", script.display());
        return None;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign");
    if !target.exists() {
        let staging = target.with_extension(std::process::id().to_string());
        let status =
            Command::new(&script).arg(&staging).stdout(std::process::Stdio::null()).status().unwrap();
        assert!(status.success(), "{} failed", script.display());
        std::fs::rename(&staging, &target).or_else(|_| std::fs::remove_dir_all(&staging)).unwrap();
    }
    Some(target)
}

fn volumes(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn checked(path: &Path) -> Report {
    let image = ImageFile::open(path).unwrap();
    check(&image, &OpenOptions::default(), &mut |_| ())
}

#[test]
fn sound_ones_have_the_findings_that_are_right_and_no_others() {
    let Some(corpus) = unpacked() else { return };
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for path in SOUND.iter().flat_map(|folder| volumes(&corpus.join(folder))) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let report = checked(&path);
        if name == NO_VOLUME {
            assert_eq!(report.worst(), Some(Severity::Fatal));
            continue;
        }
        let mut expected = BTreeSet::new();
        for (number, (names, rule, _)) in JUDGEMENTS.iter().enumerate() {
            if names.iter().any(|start| name.starts_with(start)) {
                expected.insert(format!("R{rule:03}"));
                used.insert(number);
            }
        }
        if rules(&report) != expected {
            let found: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
            wrong.push(format!("{name}, {expected:?}: {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(used.len(), JUDGEMENTS.len(), "a judgement is of no volume");
}

/// Damaged on purpose: whatever is found, the check ends, and its report is bounded.
#[test]
fn damaged_ones_are_survived() {
    let Some(corpus) = unpacked() else { return };
    for path in
        ["syzbot-repros", "hbfa", "udf-forensic"].iter().flat_map(|folder| volumes(&corpus.join(folder)))
    {
        let report = checked(&path);
        assert!(report.findings.len() <= 141 * 100, "{}", path.display());
    }
}
