//! What the fuzz targets share: images as short inputs, and mutations that keep them images.
//!
//! An input is a list of pieces, each `block number (2 bytes), length (2 bytes), bytes`, laid upon zeros: so a small input can be a
//! whole volume, which ends where the last piece does. Pieces that look like descriptors are sealed, so that a changed byte does
//! not end at the first checksum.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzzer_mutate;
use mkudf_ms::device::MemoryDevice;
use mkudf_ms::plan::{AppendSpec, Plan};
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::{Conflict, Options, Source, scan};
use mkudf_ms::session::{Import, ImportOptions};
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::Tree;
use udf::check::{Finding, Severity, check};
use udf::general::{Moment, Seal, Tag};
use udf::read::OpenOptions;

/// The size of a block of the image.
pub const BLOCK: usize = 512;
/// Blocks of the image at most: a volume with a virtual partition in sectors of 2048 bytes has 2480.
pub const BLOCKS: usize = 4096;
/// The image's size is a multiple of it, so that it can be one of sectors of 2048 bytes.
const SIZE_STEP: usize = 2048;
/// Descriptors lie at multiples of this in a directory's body.
const STEP: usize = 4;

/// A block number, and bytes from there on.
type Piece = (u16, Vec<u8>);

fn pieces(mut input: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    while let [low, high, length_low, length_high, rest @ ..] = input {
        let length = usize::from(u16::from_le_bytes([*length_low, *length_high])).min(rest.len());
        let (bytes, others) = rest.split_at(length);
        pieces.push((u16::from_le_bytes([*low, *high]), bytes.to_vec()));
        input = others;
    }
    pieces
}

/// The image that an input stands for.
pub fn image(input: &[u8]) -> Vec<u8> {
    let pieces: Vec<_> = pieces(input)
        .into_iter()
        .map(|(block, bytes)| {
            let start = usize::from(block) % BLOCKS * BLOCK;
            let length = bytes.len().min(BLOCK * BLOCKS - start);
            (start, length, bytes)
        })
        .collect();
    let end = pieces.iter().map(|(start, length, _)| start + length).max().unwrap_or(0);
    let mut image = vec![0; end.next_multiple_of(SIZE_STEP)];
    for (start, length, bytes) in &pieces {
        image[*start..start + length].copy_from_slice(&bytes[..*length]);
    }
    // Only now: a descriptor may be covered by several pieces.
    for (start, length, _) in &pieces {
        mend(&mut image[*start..], None, |identifier| matches!(identifier, 0..=9 | 256 | 258..=266));
        // File identifiers stand one behind the other, in blocks of their own or inside an entry, which covers them.
        mend_names(&mut image[*start..], *length, |_| None);
    }
    for (start, ..) in &pieces {
        mend(&mut image[*start..], None, |identifier| matches!(identifier, 261 | 266));
    }
    image
}

/// Seals all that begins in so many bytes as file identifiers do, at the block that `location` tells of an offset.
pub fn mend_names(bytes: &mut [u8], length: usize, location: impl Fn(usize) -> Option<u32>) {
    for at in (0..length).step_by(STEP) {
        mend(&mut bytes[at..], location(at), |identifier| identifier == 257);
    }
}

/// Seals what begins as a descriptor of such an identifier does.
fn mend(bytes: &mut [u8], location: Option<u32>, is_wanted: impl Fn(u16) -> bool) {
    let Some(tag) = Tag::read(bytes) else { return };
    let is_known = is_wanted(tag.identifier.get()) && matches!(tag.descriptor_version.get(), 2 | 3);
    let crc_bytes = usize::from(tag.descriptor_crc_length.get());
    if !is_known || tag.reserved != 0 || crc_bytes > bytes.len().saturating_sub(Tag::LEN) {
        return;
    }
    let seal =
        Seal { descriptor_version: tag.descriptor_version.get(), serial_number: tag.serial_number.get() };
    let location = location.unwrap_or(tag.location.get());
    Tag::seal_partly(bytes, tag.kind(), seal, location, crc_bytes);
}

/// The file that is added to volumes.
pub const NAME: &str = "a name that no seed has";
/// What is in it.
pub const BODY: &[u8] = b"what is appended";

/// A folder with that file.
pub fn source() -> &'static PathBuf {
    static SOURCE: OnceLock<PathBuf> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let folder = PathBuf::from(format!("/dev/shm/mkudf-ms-fuzz-source-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder in memory");
        fs::write(folder.join(NAME), BODY).expect("a file in memory");
        folder
    })
}

/// The image with that file added, after `edit`; nothing if any of it is refused.
pub fn with_file(
    image: &[u8],
    options: &ImportOptions,
    conflict: Conflict,
    edit: impl FnOnce(&mut Import<&MemoryDevice>, &mut Tree) -> Option<()>,
) -> Option<Vec<u8>> {
    let device = MemoryDevice::from(image.to_vec());
    let mut import = Import::open(&device, options).ok()?;
    let mut tree = import.tree().ok()?;
    edit(&mut import, &mut tree)?;
    let now = Moment::from_unix(1_800_000_000, 0);
    let options = Options { on_conflict: conflict, ..Options::new(now) };
    let outcome = scan(&mut tree, &mut import, &[Source::new(source())], &options, &Progress::new()).ok()?;
    let (base, _) = import.finish(&mut tree, &outcome).ok()?;
    let spec = AppendSpec { now, zone_minutes: 0, label: None, embed: true };
    let plan = Plan::append(&tree, &spec, base).ok()?;
    let options = StreamOptions { threads: 1, ..StreamOptions::default() };
    stream(&plan, &tree, &device, Some(&device), &Progress::new(), &options).ok()?;
    Some(device.into_bytes())
}

fn errors(image: &Vec<u8>) -> Vec<Finding> {
    let report = check(image, &OpenOptions::default(), &mut |_| ());
    report.findings.into_iter().filter(|finding| finding.severity >= Severity::Error).collect()
}

/// Nothing is wrong with a volume.
pub fn is_clean(image: &Vec<u8>) -> bool {
    errors(image).is_empty()
}

/// Nothing is wrong with what was sound before.
pub fn assert_clean(image: &Vec<u8>) {
    let errors = errors(image);
    assert!(errors.is_empty(), "a sound volume became {errors:#?}");
}

/// A folder in memory, with one file beside the folder that is extracted to.
pub struct Playground {
    top: PathBuf,
}

impl Playground {
    /// Makes it.
    pub fn new() -> Self {
        let top = PathBuf::from(format!("/dev/shm/mkudf-ms-fuzz-{}", std::process::id()));
        let made = Self { top };
        fs::create_dir_all(made.target()).expect("a folder in memory");
        fs::write(made.top.join("beside"), "beside").expect("a file in memory");
        made
    }

    /// Where to extract to.
    pub fn target(&self) -> PathBuf {
        self.top.join("target")
    }

    /// Nothing was made or changed outside the target; then all of it is removed.
    pub fn end(self) {
        let mut names: Vec<_> = fs::read_dir(&self.top)
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["beside", "target"]);
        assert_eq!(fs::read(self.top.join("beside")).expect("the file"), b"beside");
        // What was extracted may forbid its own removal, unless root asks.
        fs::remove_dir_all(&self.top).expect("the folder can be removed");
    }
}

impl Default for Playground {
    fn default() -> Self {
        Self::new()
    }
}

/// Mutates one piece, or which pieces there are, so that the rest of the volume stays where it is.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut pieces = pieces(&data[..size]);
    let mut dice = seed;
    let mut roll = |sides: usize| {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (dice >> 8) as usize % sides.max(1)
    };
    if pieces.is_empty() {
        return fuzzer_mutate(data, size, max_size);
    }
    let chosen = roll(pieces.len());
    // Mostly within what there is: where a volume ends matters to it.
    let reach = pieces.iter().map(|(block, _)| usize::from(*block) % BLOCKS + 1).max().unwrap_or(BLOCKS);
    let reach = if roll(16) == 0 { BLOCKS } else { reach };
    match roll(16) {
        0 => drop(pieces.remove(chosen)),
        1 => {
            let (_, bytes) = pieces[chosen].clone();
            pieces.push((u16::try_from(roll(reach)).unwrap_or(0), bytes));
        }
        2 => pieces[chosen].0 = u16::try_from(roll(reach)).unwrap_or(0),
        3 => {
            let other = roll(pieces.len());
            let bytes = pieces[other].1.clone();
            pieces[chosen].1 = bytes;
        }
        4..=9 => {
            // One field: small numbers, all ones, or a number that stands elsewhere already.
            let elsewhere = pieces[roll(pieces.len())].0;
            let bytes = &mut pieces[chosen].1;
            let at = roll(bytes.len());
            let value = [0, 1, 2, u32::MAX, 0x7FFF_FFFF, 0x3FFF_FFFF, u32::from(elsewhere), 512][roll(8)];
            let width = [1, 2, 4][roll(3)].min(bytes.len() - at);
            bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        }
        _ => {
            let bytes = &mut pieces[chosen].1;
            let old = bytes.len();
            bytes.resize(old + 64, 0);
            let new = fuzzer_mutate(bytes, old, old + 64);
            bytes.truncate(new);
        }
    }
    let mut out = Vec::with_capacity(size + 64);
    for (block, bytes) in pieces {
        out.extend(block.to_le_bytes());
        out.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend(bytes);
    }
    out.truncate(max_size.min(data.len()));
    data[..out.len()].copy_from_slice(&out);
    out.len()
}

/// A target on whole images: what it does with one, and mutations that keep it one.
#[macro_export]
macro_rules! image_target {
    (|$image:ident| $body:block) => {
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            $crate::mutate(data, size, max_size, seed)
        });
        libfuzzer_sys::fuzz_target!(|input: &[u8]| {
            let $image = $crate::image(input);
            $body
        });
    };
}
