//! Devices that fail: whatever write or flush does, the volume is the old one or the new one, and the error says where.

use std::sync::atomic::{AtomicU64, Ordering};

use mkudf_ms::Error;
use mkudf_ms::device::{Faulty, MemoryDevice};
use mkudf_ms::plan::{Plan, Spec};
use mkudf_ms::progress::Progress;
use mkudf_ms::session::{ImportOptions, Manner};
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::Tree;
use udf::BoxedError;
use udf::read::{OpenOptions, PartitionKind, ReadAt, Volume};
use udf::{BlockSize, Revision};

use crate::support::build::{Append, create, plan_append_with, spec};
use crate::support::folder::Folder;
use crate::support::manifest::{self, Manifest};

/// A volume in memory and what a further session would make of it, or a change in place.
struct Case {
    folder: Folder,
    bytes: Vec<u8>,
    old: Manifest,
    new: Manifest,
    revision: Revision,
}

fn case(revision: Revision) -> Case {
    case_of(&spec(revision, BlockSize::B2048))
}

fn case_in_place(revision: Revision) -> Case {
    case_of(&Spec { rewritable_blocks: Some(4096), ..spec(revision, BlockSize::B2048) })
}

/// 2.60, for a drive that keeps the account of what is free.
fn case_pseudo_overwrite() -> Case {
    let spec = spec(Revision::V2_60, BlockSize::B2048);
    case_of(&Spec { rewritable_blocks: Some(6000), pseudo_overwrite: true, ..spec })
}

fn case_of(spec: &Spec) -> Case {
    let mut folder = Folder::new(u64::from(spec.revision.number()));
    folder.change(30);
    let device = MemoryDevice::new();
    create(folder.path(), spec, &device).unwrap();
    let old = manifest::of_folder(folder.path());
    folder.change(10);
    let new = manifest::of_folder(folder.path());
    Case { folder, bytes: device.into_bytes(), old, new, revision: spec.revision }
}

/// Plans what the folder changes, in place on what is made for that.
fn plan<R: ReadAt>(volume: &R, folder: &Folder, update: bool) -> mkudf_ms::Result<(Tree, Plan)> {
    let request = Append { folder: folder.path(), mirror: true, update, fixed_size: false };
    let import = ImportOptions { manner: Manner::AsMade, ..ImportOptions::default() };
    plan_append_with(volume, &request, &import)
}

/// Appends to a device that `spoil` makes faulty. Returns what the append said, and whether the volume is the new one.
fn append_to(
    case: &Case,
    spoil: impl FnOnce(Faulty<MemoryDevice>) -> Faulty<MemoryDevice>,
) -> (Option<Error>, bool) {
    let volume = MemoryDevice::from(case.bytes.clone());
    let (tree, plan) = plan(&volume, &case.folder, false).unwrap();
    let device = spoil(Faulty::new(MemoryDevice::from(case.bytes.clone())));
    // One thread, so that the n-th write is the same one each time.
    let options = StreamOptions { threads: 1, ..StreamOptions::default() };
    let said = stream(&plan, &tree, &device, Some(&volume), &Progress::new(), &options).err();
    let device = device.into_inner();
    let found = manifest::of_volume(&Volume::open(&device, &OpenOptions::default()).unwrap());
    assert!(found == case.old || found == case.new, "neither the old volume nor the new one");
    (said, found == case.new)
}

#[test]
fn each_write_may_fail() {
    for revision in [Revision::V1_02, Revision::V2_01, Revision::V2_50] {
        let case = case(revision);
        let mut failures = 0;
        for number in 0.. {
            match append_to(&case, |device| device.fail_write(number)) {
                (None, is_new) => {
                    assert!(is_new, "{revision}: it succeeded, and the volume is the old one");
                    break;
                }
                (Some(Error::Write { .. }), is_new) => {
                    assert!(!is_new, "{revision}: write {number} failed, and the volume is the new one");
                    failures += 1;
                }
                (Some(other), _) => panic!("{revision}: write {number}: {other}"),
            }
        }
        assert!(failures >= 2, "{revision}: only {failures} writes");
    }
}

type Spoil = fn(Faulty<MemoryDevice>, u64) -> Faulty<MemoryDevice>;

/// What replaces the old tree is not the last that is written: a failure behind it leaves the new one, and says that it failed.
#[test]
fn each_write_and_flush_of_a_change_in_place_may_fail() {
    for case in [case_in_place(Revision::V2_01), case_in_place(Revision::V2_50), case_pseudo_overwrite()] {
        let revision = case.revision;
        for (what, spoil) in [("write", Faulty::fail_write as Spoil), ("flush", Faulty::fail_flush)] {
            let mut found = Vec::new();
            for number in 0.. {
                let (said, is_new) = append_to(&case, |device| spoil(device, number));
                match said {
                    None => {
                        assert!(is_new, "{revision}: it succeeded, and the volume is the old one");
                        break;
                    }
                    Some(Error::Write { .. } | Error::Flush(_)) => found.push(is_new),
                    Some(other) => panic!("{revision}: {what} {number}: {other}"),
                }
            }
            assert!(
                found.is_sorted() && !found[0] && found[found.len() - 1],
                "{revision}, {what}: {found:?}"
            );
        }
    }
}

/// An image file with holes, on a disk that has no more room.
#[test]
fn a_disk_that_is_full_while_a_volume_is_changed_in_place_leaves_the_old_tree() {
    for case in [case_in_place(Revision::V1_50), case_in_place(Revision::V2_60), case_pseudo_overwrite()] {
        let revision = case.revision;
        let end = case.bytes.len() as u64;
        let mut failures = 0;
        for part in 1..32 {
            let (said, is_new) = append_to(&case, |device| device.full_at(end / 32 * part));
            let Some(said) = said else { continue };
            assert!(matches!(said, Error::NoSpace { .. } | Error::Write { .. }), "{said:?}");
            assert!(!is_new, "{revision}: full at {part} of 32 parts");
            failures += 1;
        }
        assert!(failures > 2, "{revision}: {failures}");
    }
}

#[test]
fn each_flush_may_fail() {
    for revision in [Revision::V2_01, Revision::V2_60] {
        let case = case(revision);
        let mut failures = 0;
        for number in 0.. {
            match append_to(&case, |device| device.fail_flush(number)).0 {
                None => break,
                Some(Error::Flush(_)) => failures += 1,
                Some(other) => panic!("{revision}: flush {number}: {other}"),
            }
        }
        assert!(failures >= 2, "{revision}: only {failures} flushes");
    }
}

#[test]
fn a_full_device_keeps_the_old_session() {
    let case = case(Revision::V2_50);
    let full_at = case.bytes.len() as u64 + 64 * 1024;
    let (said, is_new) = append_to(&case, |device| device.full_at(full_at));
    assert!(matches!(said, Some(Error::NoSpace { .. } | Error::Write { .. })), "{said:?}");
    assert!(!is_new);
}

/// A device whose n-th read brings less than was asked for, as one does that was pulled out, or is shorter than it says.
struct ShortRead<'a> {
    inner: &'a MemoryDevice,
    number: u64,
    reads: AtomicU64,
}

impl<'a> ShortRead<'a> {
    fn new(inner: &'a MemoryDevice, number: u64) -> Self {
        Self { inner, number, reads: AtomicU64::new(0) }
    }
}

impl ReadAt for ShortRead<'_> {
    fn size_bytes(&self) -> u64 {
        self.inner.size_bytes()
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        if self.reads.fetch_add(1, Ordering::Relaxed) != self.number {
            return self.inner.read_at(offset_bytes, out);
        }
        let half = out.len() / 2;
        self.inner.read_at(offset_bytes, &mut out[..half])?;
        Err(format!("{half} bytes of {}", out.len()).into())
    }
}

/// Appends with a device whose n-th read is short, be it while planning or while streaming. What it said, what is on the
/// device then, and whether there was an n-th read.
fn append_with_short_read(case: &Case, number: u64) -> (Result<(), Error>, Manifest, bool) {
    let memory = MemoryDevice::from(case.bytes.clone());
    let volume = ShortRead::new(&memory, number);
    let target = MemoryDevice::from(case.bytes.clone());
    let options = StreamOptions { threads: 1, ..StreamOptions::default() };
    let done = plan(&volume, &case.folder, false).and_then(|(tree, plan)| {
        stream(&plan, &tree, &target, Some(&volume), &Progress::new(), &options).map(drop)
    });
    let found = manifest::of_volume(&Volume::open(&target, &OpenOptions::default()).unwrap());
    (done, found, volume.reads.into_inner() > number)
}

#[test]
fn each_read_of_the_old_session_may_be_short() {
    let in_place = [case_in_place(Revision::V2_50), case_pseudo_overwrite()];
    for case in [case(Revision::V1_02), case(Revision::V2_50)].into_iter().chain(in_place) {
        let revision = case.revision;
        let (mut failures, mut number) = (0, 0);
        loop {
            let (done, found, was_short) = append_with_short_read(&case, number);
            if !was_short {
                break;
            }
            match done {
                // Where there is a second copy of what could not be read, nothing is amiss.
                Ok(()) => assert!(found == case.new, "{revision}: read {number} was lost on the way"),
                Err(error) => {
                    assert!(found == case.old, "{revision}: read {number} failed, and the volume is changed");
                    let told = matches!(error, Error::Volume(_) | Error::Refused { .. });
                    assert!(told, "{revision}: read {number}: {error:?}");
                    failures += 1;
                }
            }
            number += 1;
        }
        assert!(failures >= 10, "{revision}: only {failures} of {number} reads");
    }
}

/// Of each byte of a metadata block there are two; one append must not make two of a damaged one.
#[test]
fn a_damaged_first_copy_of_metadata_is_not_copied_over_the_second() {
    let case = case(Revision::V2_50);
    let volume = Volume::open(&case.bytes, &OpenOptions::default()).unwrap();
    let root = volume.root().unwrap();
    let (_, _, entry) = volume.walk(&root).map(Result::unwrap).find(|step| !step.2.is_directory()).unwrap();
    let first = volume.block_size().offset_of(volume.locate(entry.block).unwrap().sector);
    let PartitionKind::Metadata(metadata) = &volume.partitions()[1].kind else {
        panic!("no metadata partition")
    };
    let start = metadata.mirror.as_ref().unwrap().extents()[0].start;
    let mirror = volume.block_size().offset_of(volume.locate(start).unwrap().sector)
        + volume.block_size().bytes_in(entry.block.block.0);
    let [first, mirror] = [first, mirror].map(|offset| usize::try_from(offset).unwrap());
    assert_eq!(case.bytes[first..first + 2048], case.bytes[mirror..mirror + 2048]);

    let append = |at: usize| {
        let mut bytes = case.bytes.clone();
        bytes[at + 100..at + 110].fill(0xEE);
        let device = MemoryDevice::from(bytes);
        let (tree, plan) = plan(&device, &case.folder, true).unwrap();
        let options = StreamOptions::default();
        let done = stream(&plan, &tree, &device, Some(&device), &Progress::new(), &options);
        (done, manifest::of_volume(&Volume::open(&device, &OpenOptions::default()).unwrap()))
    };
    let (done, found) = append(first);
    assert!(matches!(&done, Err(Error::Refused { reason, .. }) if reason.contains("differ")), "{done:?}");
    assert!(found == case.old);
    let (done, found) = append(mirror);
    assert!(done.is_ok() && found == case.new, "{done:?}");
}

/// The same where entries are recorded elsewhere: what they were is taken from neither copy, if the copies differ.
#[test]
fn a_damaged_copy_of_an_entry_is_not_recorded_anew_in_place() {
    let case = case_in_place(Revision::V2_50);
    let volume = Volume::open(&case.bytes, &OpenOptions::default()).unwrap();
    let root = volume.root().unwrap();
    for (block, what) in [(root.block, "root"), (volume.file_set_address(), "file set")] {
        let sector = volume.locate(block).unwrap().sector;
        let at = usize::try_from(volume.block_size().offset_of(sector)).unwrap();
        let mut bytes = case.bytes.clone();
        bytes[at + 100] ^= 0xFF;
        let device = MemoryDevice::from(bytes);
        let done = plan(&device, &case.folder, true).and_then(|(tree, plan)| {
            let options = StreamOptions::default();
            stream(&plan, &tree, &device, Some(&device), &Progress::new(), &options).map(drop)
        });
        let error = done.unwrap_err();
        assert!(
            matches!(&error, Error::Refused { reason, .. } if reason.contains("differ")),
            "{what}: {error}"
        );
        let found = manifest::of_volume(&Volume::open(&device, &OpenOptions::default()).unwrap());
        assert!(found == case.old, "{what}");
    }
}
