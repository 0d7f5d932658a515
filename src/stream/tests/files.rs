//! Tests of files that are no longer what they were.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::fake::{Blueprint, Fake, Host, noise};
use super::{MANY, run};
use crate::device::{ImageFile, MemoryDevice, Pipe, WriteAt};
use crate::error::Warning;
use crate::progress::Progress;
use crate::stream::{StreamOptions, stream};
use crate::tree::{Content, HostFile};

/// Streams files after `change`, in all ways; what is told of them, and what is on the volume.
fn after_change(sizes: &[usize], change: impl FnOnce(&Path)) -> (PathBuf, Vec<Warning>, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let contents: Vec<_> = sizes.iter().enumerate().map(|(seed, bytes)| noise(seed, *bytes)).collect();
    let host = Host::new(directory.path(), &contents);
    change(directory.path());
    let blueprints: Vec<_> = (0..sizes.len()).map(Blueprint::file).collect();
    let fake = Fake::new(&blueprints, &host);
    let mut all = [1, MANY].into_iter().flat_map(|threads| {
        let (memory, pipe) = (MemoryDevice::new(), Pipe::new(Vec::new()));
        // Where the file system has no `O_DIRECT`, the image is written as the memory is.
        let target = directory.path().join("image");
        let image = ImageFile::create(&target).unwrap();
        let told = [&memory as &dyn WriteAt, &pipe, &image].map(|device| run(&fake, &host, device, threads));
        image.commit().unwrap();
        let bytes = [memory.into_bytes(), pipe.commit().unwrap(), fs::read(&target).unwrap()];
        std::iter::zip(told.map(Result::unwrap), bytes)
    });
    let first = all.next().unwrap();
    assert!(all.all(|other| other == first), "the same whatever the threads and the order");
    (directory.path().to_owned(), first.0, first.1)
}

fn unreadable(path: PathBuf, why: &str, size_bytes: u64, missing_bytes: u64) -> Warning {
    Warning::Unreadable { path, why: why.into(), size_bytes, missing_bytes }
}

fn changed(path: PathBuf, how: &str) -> Warning {
    Warning::Changed { path, how: how.into() }
}

#[test]
fn of_files_that_were_cut_the_rest_is_zeros() {
    let (path, warnings, bytes) = after_change(&[5000, 4 << 20], |path| {
        File::options().write(true).open(path.join("0")).unwrap().set_len(1000).unwrap();
        File::options().write(true).open(path.join("1")).unwrap().set_len(1_500_000).unwrap();
    });
    let expected = [
        unreadable(path.join("0"), "it was cut to 1000 bytes", 5000, 4000),
        unreadable(path.join("1"), "it was cut to 1500000 bytes", 4 << 20, (4 << 20) - 1_500_000),
    ];
    assert_eq!(warnings, expected);
    let mut image = vec![0; 6144 + (4 << 20)];
    image[..1000].copy_from_slice(&noise(0, 1000));
    image[6144..][..1_500_000].copy_from_slice(&noise(1, 1_500_000));
    assert!(bytes == image);
}

#[test]
fn files_that_are_gone_or_are_files_no_longer_are_zeros() {
    let (path, warnings, bytes) = after_change(&[5000, 3 << 20, 6000, 4 << 20, 7000, 10], |path| {
        let name = |number: u32| path.join(number.to_string());
        (0..5).for_each(|number| fs::remove_file(name(number)).unwrap());
        for number in [2, 3] {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mknodat(rustix::fs::CWD, name(number), rustix::fs::FileType::Fifo, mode, 0).unwrap();
        }
        fs::create_dir(name(4)).unwrap();
    });
    let gone = "No such file or directory (os error 2)";
    let other = "it is no longer a regular file";
    let expected = [
        unreadable(path.join("0"), gone, 5000, 5000),
        unreadable(path.join("1"), gone, 3 << 20, 3 << 20),
        unreadable(path.join("2"), other, 6000, 6000),
        unreadable(path.join("3"), other, 4 << 20, 4 << 20),
        unreadable(path.join("4"), other, 7000, 7000),
    ];
    assert_eq!(warnings, expected);
    assert!(bytes.ends_with(&[noise(5, 10), vec![0; 2038]].concat()));
    assert!(bytes[..bytes.len() - 2048].iter().all(|byte| *byte == 0));
}

#[test]
fn what_came_in_the_place_of_a_file_is_not_taken_for_it() {
    let (path, warnings, bytes) = after_change(&[5000], |path| {
        fs::remove_file(path.join("0")).unwrap();
        std::os::unix::fs::symlink("/dev/urandom", path.join("0")).unwrap();
    });
    assert_eq!(warnings, [unreadable(path.join("0"), "it is no longer a regular file", 5000, 5000)]);
    assert!(bytes.iter().all(|byte| *byte == 0));
}

#[test]
fn files_that_grew_or_were_modified_are_told_of() {
    let (path, warnings, bytes) = after_change(&[5000, 3 << 20, 600, 3 << 20, 700], |path| {
        for (number, size) in [(0, 5001), (1, 4 << 20)] {
            let file = File::options().write(true).open(path.join(number.to_string())).unwrap();
            file.set_len(size).unwrap();
        }
        for number in [2, 3] {
            let file = File::options().write(true).open(path.join(number.to_string())).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
        }
    });
    let expected = [
        changed(path.join("0"), "it had 5000 bytes, and has 5001 now"),
        changed(path.join("1"), "it had 3145728 bytes, and has 4194304 now"),
        changed(path.join("2"), "it was modified"),
        changed(path.join("3"), "it was modified"),
    ];
    assert_eq!(warnings, expected);
    let contents = [5000, 3 << 20, 600, 3 << 20, 700].into_iter().enumerate().map(|(seed, bytes)| {
        let mut content = noise(seed, bytes);
        content.resize(bytes.next_multiple_of(2048), 0);
        content
    });
    assert!(bytes == contents.collect::<Vec<_>>().concat(), "as much of them as was planned");
}

#[test]
fn times_are_not_compared_if_they_are_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let host = Host::new(directory.path(), &[noise(0, 100)]);
    let file = File::options().write(true).open(directory.path().join("0")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let fake = Fake::new(&[Blueprint::file(0)], &host);
    let options = StreamOptions { are_times_kept: false, ..StreamOptions::default() };
    let (device, progress) = (MemoryDevice::new(), Progress::new());
    assert_eq!(stream(&fake, &host.tree, &device, None, &progress, &options).unwrap(), []);
}

#[test]
fn paths_longer_than_the_kernel_takes_are_opened() {
    let directory = tempfile::tempdir().unwrap();
    let mut host = Host::new(directory.path(), &[noise(0, 100)]);
    let inode = host.files[0].0;
    let Content::Host(file) = host.tree.inode(inode).content else { panic!("it is a file") };
    let detour = directory.path().join("./".repeat(5000).trim_end_matches('/'));
    // `Path` would tidy it up, but the tree keeps bytes.
    assert!(detour.as_os_str().len() > 8000);
    let long = host.tree.add_host_directory(&detour);
    host.tree.inode_mut(inode).content = Content::Host(HostFile { directory: long, ..file });
    let fake = Fake::new(&[Blueprint::file(0)], &host);
    let device = MemoryDevice::new();
    assert_eq!(run(&fake, &host, &device, MANY).unwrap(), []);
    assert!(device.into_bytes().starts_with(&noise(0, 100)));
}
