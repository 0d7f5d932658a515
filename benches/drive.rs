//! How long a drive waits for data between one write and the next: a simulated disc in a drive that takes as long as a real one, with
//! small files and with a large one. A command is in flight all the time but for what is printed.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench may panic, and is not documented")]

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use mkudf_ms::builder::{Conflict, Defaults, FileSystemImage};
use mkudf_ms::device::Recordable;
use mkudf_ms::device::mmc::{Answer, Data, Disc, Transport};
use mkudf_ms::device::simulated::{SimulatedDrive, SimulatedMedium};
use mkudf_ms::media::Medium;
use mkudf_ms::progress::Progress;
use udf::general::Moment;

const NOW: Moment = Moment { microseconds: 1_800_000_000_000_000 };
const WRITE: u8 = 0x2A;
const TRANSFER_BYTES: usize = 1 << 19;

/// A drive that writes so many bytes a second.
#[derive(Debug)]
struct Slow {
    drive: SimulatedDrive,
    kilobytes_per_second: u64,
}

impl Transport for Slow {
    fn transfer_bytes(&self) -> usize {
        TRANSFER_BYTES
    }

    fn execute(&self, command: &[u8], data: Data<'_>, timeout: Duration) -> io::Result<Answer> {
        let bytes = match &data {
            Data::Out(bytes) if command[0] == WRITE => bytes.len(),
            _ => 0,
        };
        let until =
            Instant::now() + Duration::from_nanos(bytes as u64 * 1_000_000 / self.kilobytes_per_second);
        let answer = self.drive.execute(command, data, timeout);
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        answer
    }

    fn pause(&self, _time: Duration) {}
}

fn folder(files: usize, bytes: usize) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for index in 0..files {
        let inside = root.path().join(format!("{:03}", index / 100));
        std::fs::create_dir_all(&inside).unwrap();
        std::fs::write(inside.join(format!("file {index}")), vec![7; bytes]).unwrap();
    }
    root
}

/// The share of the time in which the drive had nothing to do.
fn waited(source: &Path, speed: u32) -> f64 {
    let home = tempfile::tempdir().unwrap();
    let medium = Medium::find("bd-r").unwrap();
    let image = SimulatedMedium::blank(&home.path().join("disc.img"), medium, None).unwrap();
    let kilobytes_per_second = u64::from(medium.single_speed_kilobytes.unwrap() * speed);
    let drive = Slow { drive: SimulatedDrive::with(image), kilobytes_per_second };
    let disc = Disc::open(drive).unwrap().unwrap();
    let mut volume = FileSystemImage::new_on(&disc, Defaults::for_drive(&disc, "bench", NOW)).unwrap();
    volume.add_tree(source, "/", Conflict::Error).unwrap();
    volume.create_result().unwrap().write_to(&disc, &Progress::new()).unwrap();
    let times = disc.write_times().unwrap();
    times.waiting.as_secs_f64() / (times.waiting + times.writing).as_secs_f64()
}

fn main() {
    for (name, files, bytes) in
        [("10,000 files of 9000 bytes", 10_000, 9000), ("a file of 96 MiB", 1, 96 << 20)]
    {
        let source = folder(files, bytes);
        for speed in [2, 6, 16] {
            println!(
                "bd-r at {speed}x, {name}: the drive waits {:.2} % of the time",
                100.0 * waited(source.path(), speed)
            );
        }
    }
}
