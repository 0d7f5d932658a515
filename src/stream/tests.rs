//! Tests of streaming, on plans that are made up: whatever a plan asks for, in whatever order threads do it.

mod devices;
mod fake;
mod files;

use proptest::prelude::*;

use crate::device::{Event, Faulty, ImageFile, MemoryDevice, Pipe, Recorder, WriteAt};
use crate::error::{Error, Warning};
use crate::progress::Progress;
use crate::stream::{StreamOptions, stream};
use devices::{Calls, Cancelling, Cloning};
use fake::{Blueprint, Fake, Host};
use udf::read::ReadAt;

const MANY: usize = 5;

fn options(threads: usize) -> StreamOptions {
    StreamOptions { threads, ..StreamOptions::default() }
}

fn run(fake: &Fake, host: &Host, device: &dyn WriteAt, threads: usize) -> crate::Result<Vec<Warning>> {
    let progress = Progress::new();
    let done = stream(fake, &host.tree, device, Some(&host.volume), &progress, &options(threads));
    if done.is_ok() {
        assert_eq!(progress.bytes(), progress.total_bytes());
    }
    done
}

fn blueprints() -> impl Strategy<Value = Vec<Blueprint>> {
    prop::collection::vec(fake::blueprint(), 1..120)
}

fn read_all(device: &impl ReadAt) -> Vec<u8> {
    let mut out = vec![0; usize::try_from(device.size_bytes()).unwrap()];
    device.read_at(0, &mut out).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_device_gets_what_is_planned_from_any_number_of_threads(blueprints in blueprints()) {
        let host = Host::shared();
        let fake = Fake::new(&blueprints, host);
        let expected = fake.expected(host);
        for threads in [1, MANY] {
            let memory = MemoryDevice::new();
            prop_assert_eq!(run(&fake, host, &memory, threads).unwrap(), []);
            prop_assert!(fake::is_prefix(&memory.into_bytes(), &expected), "any order, {} threads", threads);

            let pipe = Pipe::new(Vec::new());
            prop_assert_eq!(run(&fake, host, &pipe, threads).unwrap(), []);
            prop_assert!(pipe.commit().unwrap() == expected, "ascending, {} threads", threads);
        }
        let directory = tempfile::tempdir().unwrap();
        let image = ImageFile::create(directory.path().join("image")).unwrap();
        prop_assert_eq!(run(&fake, host, &image, MANY).unwrap(), []);
        prop_assert!(read_all(&image) == expected, "image file");

        let cloning = Cloning::new(MemoryDevice::new());
        prop_assert_eq!(run(&fake, host, &cloning, MANY).unwrap(), []);
        prop_assert!(fake::is_prefix(&cloning.inner.into_bytes(), &expected), "a device that takes files");

        for unit_bytes in [2048, 32_768, 65_536] {
            let drive = Cloning::in_order(unit_bytes);
            prop_assert_eq!(run(&fake, host, &drive, MANY).unwrap(), []);
            prop_assert!(fake::is_prefix(&drive.inner.into_bytes(), &expected), "a drive with units of {} bytes", unit_bytes);
        }
    }

    #[test]
    fn after_a_failed_write_nothing_of_a_later_step_is_written(
        blueprints in blueprints(),
        number in 0_u64..40,
        is_ordered in any::<bool>(),
    ) {
        let host = Host::shared();
        let fake = Fake::new(&blueprints, host);
        let memory = if is_ordered { MemoryDevice::ascending() } else { MemoryDevice::new() };
        let device = Recorder::new(Faulty::new(memory).fail_write(number));
        let done = run(&fake, host, &device, MANY);
        let (_, events) = device.into_parts();
        let flushes = events.iter().filter(|event| **event == Event::Flush).count();
        match done {
            Ok(_) => prop_assert_eq!(flushes, fake.steps.len()),
            Err(Error::Write { offset_bytes, bytes, source }) => {
                prop_assert_eq!(source.raw_os_error(), Some(5));
                let failed = fake.step_of(offset_bytes);
                prop_assert_eq!(fake.step_of(offset_bytes + bytes - 1), failed);
                prop_assert_eq!(flushes, failed);
                for event in &events {
                    if let Event::Write { offset_bytes, .. } = event {
                        prop_assert!(fake.step_of(*offset_bytes) <= failed);
                    }
                }
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }

    #[test]
    fn steps_are_durable_one_after_the_other(blueprints in blueprints()) {
        let host = Host::shared();
        let fake = Fake::new(&blueprints, host);
        let device = Recorder::new(MemoryDevice::new());
        run(&fake, host, &device, MANY).unwrap();
        let (_, events) = device.into_parts();
        prop_assert_eq!(&events[0], &Event::Reserve(fake.expected(host).len() as u64));
        let mut step = 0;
        for event in &events[1..] {
            match event {
                Event::Write { offset_bytes, .. } => prop_assert_eq!(fake.step_of(*offset_bytes), step),
                Event::Flush => step += 1,
                Event::Reserve(_) => prop_assert!(false, "told twice"),
            }
        }
        prop_assert_eq!(step, fake.steps.len());
    }
}

#[test]
fn a_barrier_that_fails_ends_it() {
    let host = Host::shared();
    let fake = Fake::new(&[Blueprint::data(3), Blueprint::step(), Blueprint::data(4)], host);
    let device = Recorder::new(Faulty::new(MemoryDevice::new()).fail_flush(0));
    assert!(matches!(run(&fake, host, &device, MANY), Err(Error::Flush(_))));
    let (_, events) = device.into_parts();
    let is_early = |event: &Event| matches!(event, Event::Write { offset_bytes, .. } if fake.step_of(*offset_bytes) == 0);
    assert!(events[1..].iter().all(is_early));
}

#[test]
fn twins_are_rendered_once_where_the_order_does_not_matter() {
    let host = Host::shared();
    let fake = Fake::new(&[Blueprint::metadata(700), Blueprint::data(5), Blueprint::twin_of(0)], host);
    run(&fake, host, &MemoryDevice::new(), 1).unwrap();
    assert_eq!(fake.take_rendered(), 705);
    run(&fake, host, &Pipe::new(Vec::new()), 1).unwrap();
    assert_eq!(fake.take_rendered(), 1405);
}

#[test]
fn many_small_segments_become_few_large_writes() {
    let host = Host::shared();
    let fake = Fake::new(&vec![Blueprint::data(7); 300], host);
    let device = Recorder::new(MemoryDevice::new());
    run(&fake, host, &device, MANY).unwrap();
    let (_, events) = device.into_parts();
    let writes = events.iter().filter(|event| matches!(event, Event::Write { .. })).count();
    assert_eq!(writes, (300 * 7_usize).div_ceil(512));
}

#[test]
fn long_stretches_of_files_are_taken_by_devices_that_share_them() {
    let host = Host::shared();
    let fake = Fake::new(&[Blueprint::metadata(1), Blueprint::file(Host::LARGEST), Blueprint::data(3)], host);
    let device = Cloning::new(MemoryDevice::new());
    run(&fake, host, &device, MANY).unwrap();
    let Calls { asked_bytes, taken_bytes } = device.calls();
    // The file begins in the middle of a page of the device, so that it could not be shared.
    assert_eq!((asked_bytes, taken_bytes), (0, 0));

    let fake = Fake::new(&[Blueprint::metadata(2), Blueprint::file(Host::LARGEST), Blueprint::data(3)], host);
    let device = Cloning::new(MemoryDevice::new());
    run(&fake, host, &device, MANY).unwrap();
    let calls = device.calls();
    assert_eq!(calls.asked_bytes, Host::LARGEST_BYTES / 4096 * 4096);
    assert!(calls.taken_bytes > 0 && calls.taken_bytes < calls.asked_bytes);
    assert!(fake::is_prefix(&device.inner.into_bytes(), &fake.expected(host)));
}

#[test]
fn drives_take_whole_write_units_from_files_in_their_turn() {
    let host = Host::shared();
    let fake = Fake::new(&[Blueprint::metadata(3), Blueprint::file(Host::LARGEST), Blueprint::data(3)], host);
    let device = Cloning::in_order(32_768);
    run(&fake, host, &device, MANY).unwrap();
    let calls = device.calls();
    let first_unit_bytes = 32_768 - 3 * 2048;
    assert_eq!(calls.asked_bytes, (Host::LARGEST_BYTES - first_unit_bytes) / 32_768 * 32_768);
    assert!(calls.taken_bytes > 0 && calls.taken_bytes < calls.asked_bytes);
    assert!(device.inner.into_bytes() == fake.expected(host));
}

#[test]
fn zeros_are_not_written_where_they_are_already() {
    let host = Host::shared();
    let fake = Fake::new(&[Blueprint::zeros(5000), Blueprint::data(1), Blueprint::empty_data(5000)], host);
    let directory = tempfile::tempdir().unwrap();
    let image = Recorder::new(ImageFile::create(directory.path().join("image")).unwrap());
    run(&fake, host, &image, MANY).unwrap();
    let (image, events) = image.into_parts();
    let written = |event: &Event| if let Event::Write { bytes, .. } = event { bytes.len() } else { 0 };
    assert!(events.iter().map(written).sum::<usize>() <= 1 << 20);
    assert!(read_all(&image) == fake.expected(host));
}

#[test]
fn who_cancels_need_not_wait() {
    let host = Host::shared();
    let fake = Fake::new(&[Blueprint::data(512 * 64)], host);
    for threads in [1, MANY] {
        let progress = Progress::new();
        let device = Cancelling::new(progress.clone(), 3);
        let done = stream(&fake, &host.tree, &device, Some(&host.volume), &progress, &options(threads));
        assert!(matches!(done, Err(Error::Cancelled)));
        assert!(device.writes() < 3 + threads as u64, "{} writes", device.writes());
    }
}

#[test]
#[should_panic(expected = "a scoped thread panicked")]
fn a_thread_that_panics_lets_nobody_wait_for_ever() {
    let host = Host::shared();
    let fake = Fake::new(&[Blueprint::data(512 * 64)], host).panicking_at(512 * 3);
    let _ = run(&fake, host, &Pipe::new(std::io::sink()), MANY);
}

#[test]
fn what_does_not_fit_is_told_before_anything_is_written() {
    let host = Host::shared();
    let fake = Fake::new(&[Blueprint::data(10)], host);
    let device = Recorder::new(MemoryDevice::with_capacity(2048 * 9));
    let done = run(&fake, host, &device, MANY);
    assert!(matches!(done, Err(Error::NoSpace { needed_bytes: 20480, available_bytes: 18432 })));
    assert_eq!(device.into_parts().1, []);
}

#[test]
fn a_full_file_system_leaves_no_image() {
    let host = Host::shared();
    let fake = Fake::new(&[Blueprint::metadata(512 * 8)], host);
    let directory = tempfile::tempdir().unwrap();
    let image = ImageFile::create(directory.path().join("image")).unwrap();
    let device = Faulty::new(image).full_at(5 << 20);
    let done = run(&fake, host, &device, MANY);
    let Err(Error::Write { source, .. }) = done else { panic!("{done:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
    drop(device);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn blocks_of_the_volume_need_a_volume() {
    let host = Host::shared();
    let fake = Fake::new(&[Blueprint::volume(3)], host);
    let done = stream(&fake, &host.tree, &MemoryDevice::new(), None, &Progress::new(), &options(MANY));
    assert!(matches!(done, Err(Error::Volume(udf::Error::Read { .. }))));
    let done =
        stream(&fake, &host.tree, &MemoryDevice::new(), Some(&vec![0; 10]), &Progress::new(), &options(MANY));
    assert!(matches!(done, Err(Error::Volume(udf::Error::Read { .. }))));
}
