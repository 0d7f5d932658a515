//! Seeds for the fuzzer: whole volumes in the form that `fuzz/src/lib.rs` reads, their descriptors, bodies of directories, and what
//! simulated drives reply.
//!
//! `FUZZ_SEEDS=fuzz/corpus cargo test --test it seeds` writes them; without the variable the test only makes sure that they
//! can be made and fit the fuzzer's image.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;
use std::{fs, io};

use mkudf_ms::device::mmc::{Answer, Data, Disc, Transport};
use mkudf_ms::device::simulated::{SimulatedDrive, SimulatedMedium};
use mkudf_ms::device::{MemoryDevice, Recordable, WriteAt};
use mkudf_ms::media::Medium;
use mkudf_ms::plan::{Plan, Spec};
use mkudf_ms::progress::Progress;
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::{Attributes, Content, Kind, Name, Tree};
use udf::file::FileType;
use udf::general::Tag;
use udf::{BlockSize, Revision};

use crate::check::image::Image;
use crate::support::build::spec;

/// What the fuzz target has room for.
const BLOCK: usize = 512;
const BLOCKS: usize = 4096;

/// A line of a list of checksums.
const CHECKSUM: &[u8] = b"\\0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef  a\\n/b\n";

fn volume(spec: &Spec) -> Vec<u8> {
    let mut tree = Tree::new(Attributes { mode: 0o755, ..Attributes::default() });
    let name = |name: &str| Name::new(name).unwrap();
    let inside = tree.add_directory(Attributes::default());
    let inside = tree.link(tree.root(), &name("directory"), inside).unwrap();
    for (file, size) in [("embedded", 20), ("in blocks", 1500)] {
        let content = tree.add_body(vec![b'x'; size].into());
        let inode = tree.add_inode(Kind::File, Attributes::default(), content);
        tree.link(inside, &name(file), inode).unwrap();
        tree.link(tree.root(), &name(&format!("日本 {file}")), inode).unwrap();
    }
    let target = tree.add_text(b"../directory/embedded");
    let link = tree.add_inode(Kind::SymbolicLink, Attributes::default(), Content::Target(target));
    tree.link(inside, &name("link"), link).unwrap();
    let device = tree.add_inode(Kind::BlockDevice, Attributes::default(), Content::Device(8, 1));
    tree.link(inside, &name("device"), device).unwrap();
    let plan = Plan::create(&tree, spec).unwrap();
    let image = MemoryDevice::new();
    stream(&plan, &tree, &image, None, &Progress::new(), &StreamOptions::default()).unwrap();
    image.into_bytes()
}

/// Volumes of discs: with virtual allocation tables of both forms, with two states of them, and sparable ones.
fn optical() -> Vec<(&'static str, Vec<u8>)> {
    let [old, new] = [Revision::V1_50, Revision::V2_01].map(Image::with_virtual_partition);
    let (old_again, new_again) = (old.with_another_table(), new.with_another_table());
    let mut sparable = Image::with_small_sparable_partition();
    // What lies elsewhere is full of rubbish here, of which seeds need not be.
    for block in sparable.bytes.chunks_mut(2048).filter(|block| block.iter().all(|byte| *byte == 0xAA)) {
        block.fill(0);
    }
    [
        ("vat-1.50", old),
        ("vat-2.01", new),
        ("vats-1.50", old_again),
        ("vats-2.01", new_again),
        ("sparable", sparable),
    ]
    .map(|(name, image)| (name, image.bytes))
    .into()
}

/// Remembers what a drive replies.
#[derive(Debug)]
struct Overheard<'a> {
    drive: &'a SimulatedDrive,
    /// Each a byte of length and so many bytes.
    replies: Mutex<Vec<u8>>,
}

impl Transport for Overheard<'_> {
    fn execute(&self, command: &[u8], mut data: Data<'_>, timeout: Duration) -> io::Result<Answer> {
        let room = match &mut data {
            Data::In(room) => Data::In(room),
            Data::Out(bytes) => Data::Out(bytes),
            Data::None => Data::None,
        };
        let answer = self.drive.execute(command, room, timeout)?;
        let reply = match (answer, &data) {
            (Answer::Good(length), Data::In(room)) => room[..length.min(255)].to_vec(),
            (Answer::Good(_), _) => Vec::new(),
            // Sense data of the fixed format.
            (Answer::Check(sense, _), _) => {
                let mut bytes = vec![0; 18];
                (bytes[0], bytes[2], bytes[7]) = (0x70, sense.key.code(), 10);
                (bytes[12], bytes[13]) = sense.code;
                bytes
            }
            (Answer::Busy, _) => vec![0xFF],
        };
        let mut replies = self.replies.lock().unwrap();
        replies.push(u8::try_from(reply.len()).unwrap());
        replies.extend(reply);
        Ok(answer)
    }
}

/// What the drive of a medium replies from when the disc is looked at until it is finalized.
fn replies(medium: &'static Medium) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let simulated = SimulatedMedium::blank(&folder.path().join("disc"), medium, Some(60_000)).unwrap();
    let drive = SimulatedDrive::with(simulated);
    let overheard = Overheard { drive: &drive, replies: Mutex::default() };
    let disc = Disc::open(&overheard).unwrap().unwrap();
    disc.write_at(0, &vec![1; 32 * 2048]).unwrap();
    disc.flush().unwrap();
    // Not every medium has sessions.
    let _ = disc.close_session(&mut |_| ());
    drop(disc);
    overheard.replies.into_inner().unwrap()
}

/// Block number and length, two bytes each, then the bytes: for every stretch of blocks that are not zeros.
fn pieces(image: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, block) in
        image.chunks(BLOCK).enumerate().filter(|(_, block)| block.iter().any(|byte| *byte != 0))
    {
        let used = block.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        out.extend(u16::try_from(number).unwrap().to_le_bytes());
        out.extend(u16::try_from(used).unwrap().to_le_bytes());
        out.extend(&block[..used]);
    }
    out
}

/// The bodies of directories, as they are embedded in entries.
fn directories(image: &[u8]) -> Vec<Vec<u8>> {
    let is_directory = |block: &&[u8]| {
        block[27] == FileType::DIRECTORY.0 && Tag::read(block).unwrap().identifier.get() == 266
    };
    let found: Vec<_> = image.chunks(BLOCK).filter(is_directory).map(|block| block[216..].to_vec()).collect();
    assert_eq!(found.len(), 2);
    found
}

#[test]
fn seeds_for_the_fuzzer() {
    let folder = std::env::var_os("FUZZ_SEEDS").map(PathBuf::from);
    let write = |target: &str, name: String, bytes: &[u8]| {
        if let Some(folder) = &folder {
            fs::create_dir_all(folder.join(target)).unwrap();
            fs::write(folder.join(target).join(name), bytes).unwrap();
        }
    };
    for revision in Revision::ALL {
        let spec = spec(revision, BlockSize::B512);
        let rewritable = pieces(&volume(&Spec { rewritable_blocks: Some(2048), ..spec.clone() }));
        assert!(rewritable.len() < 65_536, "{revision}: {} bytes", rewritable.len());
        for target in ["in_place", "repair", "check"] {
            write(target, format!("rewritable-{revision}"), &rewritable);
        }
        if revision.rules().pseudo_overwrite {
            let spec = Spec { rewritable_blocks: Some(2048), pseudo_overwrite: true, ..spec.clone() };
            write("in_place", String::from("pseudo-overwrite"), &pieces(&volume(&spec)));
        }
        let image = volume(&spec);
        assert!(image.len() <= BLOCK * BLOCKS, "{revision}: {} blocks", image.len() / BLOCK);
        let seed = pieces(&image);
        assert!(seed.len() < 65_536, "{revision}: {} bytes", seed.len());
        for target in ["open_volume", "check", "extract", "append", "repair", "rescue"] {
            write(target, revision.to_string(), &seed);
        }
        for (number, block) in
            image.chunks(BLOCK).enumerate().filter(|(_, block)| block.iter().any(|byte| *byte != 0))
        {
            write("descriptors", format!("{revision}-{number}"), block);
        }
    }
    for (name, image) in optical() {
        assert!(image.len() <= BLOCK * BLOCKS, "{name}: {} blocks", image.len() / BLOCK);
        let seed = pieces(&image);
        assert!(seed.len() < 65_536, "{name}: {} bytes", seed.len());
        for target in ["open_volume", "check", "extract", "append", "repair", "rescue"] {
            write(target, name.into(), &seed);
        }
        if name == "sparable" {
            write("in_place", name.into(), &seed);
        }
        write(if name == "sparable" { "sparing" } else { "vat" }, name.into(), &seed);
    }
    for (number, body) in directories(&volume(&spec(Revision::V2_01, BlockSize::B512))).iter().enumerate() {
        write("directories", number.to_string(), body);
    }
    for medium in Medium::sequential() {
        let seed = replies(medium);
        assert!((100..65_536).contains(&seed.len()), "{}: {} bytes", medium.name, seed.len());
        write("drive", medium.name.into(), &seed);
    }
    for (number, name) in
        [&b"\x08name"[..], b"\x10\x65\xe5\x67\x2c", b"\x05\x05\0\0\x08dir1", b"\xfe\xff", CHECKSUM]
            .iter()
            .enumerate()
    {
        write("names", number.to_string(), name);
    }
}
