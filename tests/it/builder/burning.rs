//! Results written by somebody else: range by range, interrupted anywhere, and what the blocks are said to be.

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use mkudf_ms::builder::{BlockRange, Conflict, Defaults, FileSystemImage, ImageResult};
use mkudf_ms::device::{MemoryDevice, WriteAt};
use mkudf_ms::progress::Progress;
use mkudf_ms::{Error, builder};
use udf::read::{OpenOptions, Volume};

use super::{REVISIONS, bytes_of, defaults, grown, made};
use crate::support::manifest;

/// A burner that knows nothing of file systems: it copies the ranges, in their order.
fn burn(result: &ImageResult<'_>, ranges: &[BlockRange], target: &MemoryDevice) {
    let mut reader = result.reader(&Progress::new()).unwrap();
    let block = u64::from(result.block_size().bytes());
    for range in ranges {
        let start = u64::from(range.first) * block;
        reader.seek(SeekFrom::Start(start)).unwrap();
        let mut bytes = vec![0; usize::try_from(u64::from(range.last - range.first + 1) * block).unwrap()];
        reader.read_exact(&mut bytes).unwrap();
        target.write_at(start, &bytes).unwrap();
    }
    assert_eq!(reader.warnings(), []);
}

fn volume(revision: udf::Revision) -> Arc<MemoryDevice> {
    made(revision, |image| {
        image.create_directory("/d").unwrap();
        image.add_bytes("/d/small", "small", Conflict::Error).unwrap();
        image.add_bytes("/large", vec![7; 3_000_000], Conflict::Error).unwrap();
    })
}

/// A further session in which everything happens.
fn change(image: &mut FileSystemImage<'_>) {
    image.rename("/large", "/d/moved", Conflict::Error).unwrap();
    image.add_bytes("/new", vec![9; 2_500_000], Conflict::Error).unwrap();
    let reader = std::io::Cursor::new(vec![3; 1_500_000]);
    image.add_reader("/read", 1_500_000, reader, Conflict::Error).unwrap();
    image.remove("/d/small").unwrap();
    image.set_label("Second").unwrap();
}

fn assert_units(ranges: &[BlockRange]) {
    assert!(ranges.iter().all(|range| range.first % 32 == 0 && (range.last + 1) % 32 == 0), "{ranges:?}");
}

#[test]
fn a_foreign_burner_writes_what_we_would() {
    for revision in REVISIONS {
        // The first session.
        let mut image = FileSystemImage::new(defaults(revision));
        image.add_bytes("/large", vec![7; 3_000_000], Conflict::Error).unwrap();
        let result = image.create_result().unwrap();
        let (ours, theirs) = (MemoryDevice::new(), MemoryDevice::new());
        result.write_to(&ours, &Progress::new()).unwrap();
        burn(&result, result.ranges(), &theirs);
        assert_eq!(bytes_of(&ours), bytes_of(&theirs), "{revision}");
        let mut whole = Vec::new();
        result.reader(&Progress::new()).unwrap().read_to_end(&mut whole).unwrap();
        assert_eq!(whole, bytes_of(&ours), "{revision}");
        // And the second. What can be read but once is there for one of them each.
        let device = volume(revision);
        let theirs = MemoryDevice::from(bytes_of(&device));
        let results = [0, 1].map(|_| {
            let mut image = grown(&device);
            change(&mut image);
            image.create_result().unwrap()
        });
        assert_units(results[0].ranges());
        burn(&results[0], results[0].ranges(), &theirs);
        results[1].write_to(&*device, &Progress::new()).unwrap();
        assert!(bytes_of(&device) == bytes_of(&theirs), "{revision}");
        assert_eq!(Volume::open(&*device, &OpenOptions::default()).unwrap().label(), "Second");
    }
}

#[test]
fn interrupted_anywhere_the_old_session_stays() {
    for revision in REVISIONS {
        let device = volume(revision);
        let old = manifest::of_volume(&Volume::open(&*device, &OpenOptions::default()).unwrap());
        let mut image = grown(&device);
        image.remove("/d/small").unwrap();
        image.rename("/d", "/e", Conflict::Error).unwrap();
        let result = image.create_result().unwrap();
        let ranges = result.ranges();
        let last = ranges.last().unwrap();
        assert!(ranges.len() >= 2 && (last.first..=last.last).contains(&256), "{ranges:?}");
        for written in 0..=ranges.len() {
            let target = MemoryDevice::from(bytes_of(&device));
            burn(&result, &ranges[..written], &target);
            let found = manifest::of_volume(&Volume::open(&target, &OpenOptions::default()).unwrap());
            assert_eq!(found == old, written < ranges.len(), "{revision}: {written} ranges");
        }
    }
}

#[test]
fn on_devices_the_anchors_at_the_end_come_in_between() {
    let blocks = 8192;
    let device = Arc::new(MemoryDevice::from(vec![0; blocks * 2048]));
    let defaults = |revision| {
        let capacity_blocks = Some(u32::try_from(blocks).unwrap());
        Defaults { is_device: true, capacity_blocks, ..super::defaults(revision) }
    };
    for revision in REVISIONS {
        let mut image = FileSystemImage::new(defaults(revision));
        image.add_bytes("/a", "a", Conflict::Error).unwrap();
        image.create_result().unwrap().write_to(&*device, &Progress::new()).unwrap();
        let theirs = MemoryDevice::from(bytes_of(&device));
        let mut image = FileSystemImage::import(Arc::clone(&device), defaults(revision)).unwrap();
        image.add_bytes("/b", vec![1; 100_000], Conflict::Error).unwrap();
        let free = image.free_blocks().unwrap().unwrap();
        let result = image.create_result().unwrap();
        assert_eq!(free + result.total_blocks(), u32::try_from(blocks).unwrap());
        assert_units(result.ranges());
        burn(&result, result.ranges(), &theirs);
        result.write_to(&*device, &Progress::new()).unwrap();
        assert!(bytes_of(&device) == bytes_of(&theirs), "{revision}");
        super::assert_sound(&device);
    }
}

#[test]
fn blocks_are_known_by_their_files() {
    for revision in REVISIONS {
        let device = volume(revision);
        let mut image = grown(&device);
        change(&mut image);
        let result = image.create_result().unwrap();
        let paths: Vec<_> = result.progress_items().iter().map(|item| item.path.as_str()).collect();
        assert_eq!(paths, ["/new", "/read"], "only what is new has blocks to be written");
        let item = &result.progress_items()[0];
        assert_eq!(item.last - item.first + 1, 2_500_000_u32.div_ceil(2048));
        for block in [item.first, item.last] {
            assert_eq!(result.progress_item(block), Some(item));
        }
        assert_eq!(result.progress_item(item.first - 1), None);
        let mut reader = result.reader(&Progress::new()).unwrap();
        reader.seek(SeekFrom::Start(u64::from(item.first) * 2048)).unwrap();
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        assert_eq!(byte, [9]);
    }
}

#[test]
fn work_can_be_cancelled_and_is_counted() {
    let mut image = FileSystemImage::new(defaults(REVISIONS[0]));
    image.add_bytes("/large", vec![7; 3_000_000], Conflict::Error).unwrap();
    let result = image.create_result().unwrap();
    let progress = Progress::new();
    let mut reader = result.reader(&progress).unwrap();
    reader.read_exact(&mut [0; 2048]).unwrap();
    assert_eq!(progress.bytes(), 2048);
    progress.cancel();
    reader.seek(SeekFrom::Start(2_000_000)).unwrap();
    assert!(reader.read(&mut [0; 2048]).is_err());
    let said = result.write_to(&MemoryDevice::new(), &progress);
    assert!(matches!(said, Err(Error::Cancelled)));
    image.progress().cancel();
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(image.add_tree(folder.path(), "/", Conflict::Error), Err(Error::Cancelled)));
}

#[test]
fn everything_can_be_sent_to_and_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<FileSystemImage<'_>>();
    shared::<ImageResult<'_>>();
    sent::<builder::ImageReader<'_>>();
}

#[test]
fn an_observer_sees_every_step_and_can_stop_the_work() {
    use std::sync::atomic::{AtomicU64, Ordering};
    let device = volume(udf::Revision::V2_50);
    let second = || {
        let mut image = grown(&device);
        image.add_bytes("/new", vec![9; 6_000_000], Conflict::Error).unwrap();
        image.set_label("Second").unwrap();
        image.create_result().unwrap()
    };
    let stops = Progress::observed(500_000, |progress| {
        if progress.bytes() > 2_000_000 {
            progress.cancel();
        }
    });
    let error = second().write_to(&*device, &stops).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
    assert_eq!(error.imapi().unwrap().hresult, 0xC0AA_0002);
    assert_eq!(grown(&device).label(), "Built", "the old session is the newest one");

    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let observed = Progress::observed(500_000, move |progress| {
        assert!(progress.bytes() <= progress.total_bytes());
        counted.fetch_add(1, Ordering::Relaxed);
    });
    second().write_to(&*device, &observed).unwrap();
    let calls = calls.load(Ordering::Relaxed);
    assert!((2..=observed.total_bytes() / 500_000 + 1).contains(&calls), "{calls} calls");
    assert_eq!(grown(&device).label(), "Second");
}
