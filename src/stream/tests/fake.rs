//! A plan that is made up, and what a volume of it must hold, put together in the simplest way.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use udf::general::Moment;
use udf::{BlockSize, Sector};

use crate::plan::{self, Fetch, From, Segment, Step};
use crate::render::Render;
use crate::tree::{Attributes, Content, HostFile, InodeId, Kind, Tree};

const SIZE: BlockSize = BlockSize::B2048;

/// Files to read from, and what they hold.
pub(super) struct Host {
    pub(super) tree: Tree,
    pub(super) files: Vec<(InodeId, Vec<u8>)>,
    pub(super) volume: Vec<u8>,
    _directory: Option<tempfile::TempDir>,
}

impl Host {
    /// The largest of the shared files, and its size.
    pub(super) const LARGEST: usize = 6;
    pub(super) const LARGEST_BYTES: u64 = 3_000_001;

    /// Files of some sizes, one of them in memory.
    pub(super) fn shared() -> &'static Self {
        static HOST: OnceLock<Host> = OnceLock::new();
        HOST.get_or_init(|| {
            let directory = tempfile::tempdir().unwrap();
            let sizes = [1, 2047, 2048, 5000, 300_000, 1 << 20, 3_000_001];
            let contents: Vec<_> =
                sizes.iter().enumerate().map(|(seed, bytes)| noise(seed, *bytes)).collect();
            let mut host = Self::new(directory.path(), &contents);
            let body = noise(99, 70_000);
            let content = host.tree.add_body(body.as_slice().into());
            host.files.push((host.tree.add_inode(Kind::File, Attributes::default(), content), body));
            Self { _directory: Some(directory), ..host }
        })
    }

    /// Files named `0`, `1` and so on.
    pub(super) fn new(directory: &Path, contents: &[Vec<u8>]) -> Self {
        let mut tree = Tree::new(Attributes::default());
        let host_directory = tree.add_host_directory(directory);
        let mut add = |(index, content): (usize, &Vec<u8>)| {
            let path = directory.join(index.to_string());
            fs::write(&path, content).unwrap();
            let metadata = fs::metadata(&path).unwrap();
            let nanoseconds = u32::try_from(metadata.mtime_nsec()).unwrap();
            let modified = Moment::from_unix(metadata.mtime(), nanoseconds);
            let name = tree.add_text(index.to_string().as_bytes());
            let file = HostFile { directory: host_directory, name, size_bytes: metadata.len(), holes: None };
            let attributes = Attributes { modified, ..Attributes::default() };
            (tree.add_inode(Kind::File, attributes, Content::Host(file)), content.clone())
        };
        let files = contents.iter().enumerate().map(&mut add).collect();
        Self { tree, files, volume: noise(100, 1 << 20), _directory: None }
    }
}

/// Bytes that differ wherever they are taken from.
pub(super) fn noise(seed: usize, bytes: usize) -> Vec<u8> {
    let mut state = seed as u64 + 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(&mut next).take(bytes).collect()
}

/// What a segment is to be.
#[derive(Clone, Debug)]
pub(super) enum Blueprint {
    /// Blocks that nobody writes.
    Gap(u32),
    /// The step ends here.
    Step,
    /// Blocks of zeros.
    Zeros(u32),
    /// The same as the segment of this number, if that is in the same step.
    Twin(usize),
    /// Blocks with something in them: for each, bytes left out, number of the file, where in it to begin, most bytes.
    Blocks { is_data: bool, blocks: u32, fetches: Vec<(u32, usize, u32, u32)> },
    /// A whole file.
    File(usize),
}

impl Blueprint {
    pub(super) fn data(blocks: u32) -> Self {
        Self::Blocks { is_data: true, blocks, fetches: vec![(0, Host::LARGEST, 1, u32::MAX)] }
    }
    pub(super) fn empty_data(blocks: u32) -> Self {
        Self::Blocks { is_data: true, blocks, fetches: Vec::new() }
    }
    pub(super) fn metadata(blocks: u32) -> Self {
        Self::Blocks { is_data: false, blocks, fetches: vec![(100, 1, 0, 500)] }
    }
    pub(super) fn volume(blocks: u32) -> Self {
        Self::Blocks { is_data: true, blocks, fetches: vec![(0, usize::MAX, 0, 2000)] }
    }
    pub(super) fn file(number: usize) -> Self {
        Self::File(number)
    }
    pub(super) fn zeros(blocks: u32) -> Self {
        Self::Zeros(blocks)
    }
    pub(super) fn twin_of(number: usize) -> Self {
        Self::Twin(number)
    }
    pub(super) fn step() -> Self {
        Self::Step
    }
}

/// Any of them. Most segments are small, some are longer than a chunk.
pub(super) fn blueprint() -> impl Strategy<Value = Blueprint> {
    let blocks = || prop_oneof![8 => 1_u32..20, 1 => 300_u32..1200];
    let fetch = (0_u32..5000, 0_usize..9, 0_u32..9000, 1_u32..200_000);
    let fetches = prop::collection::vec(fetch, 0..6);
    prop_oneof![
        2 => (1_u32..5).prop_map(Blueprint::Gap),
        1 => Just(Blueprint::Step),
        1 => blocks().prop_map(Blueprint::Zeros),
        2 => (0_usize..30).prop_map(Blueprint::Twin),
        3 => (0_usize..8).prop_map(Blueprint::File),
        8 => (any::<bool>(), blocks(), fetches)
            .prop_map(|(is_data, blocks, fetches)| Blueprint::Blocks { is_data, blocks, fetches }),
    ]
}

/// A plan made of them.
pub(super) struct Fake {
    pub(super) steps: Vec<Step>,
    /// What is to be fetched for the segments, by the number that is in their content.
    fetches: Vec<Vec<Fetch>>,
    end_blocks: u32,
    rendered_blocks: AtomicU32,
    panics_at: Option<Sector>,
}

impl Fake {
    pub(super) fn new(blueprints: &[Blueprint], host: &Host) -> Self {
        let mut fake = Self {
            steps: vec![Step::default()],
            fetches: Vec::new(),
            end_blocks: 0,
            rendered_blocks: AtomicU32::new(0),
            panics_at: None,
        };
        for blueprint in blueprints {
            fake.add(blueprint, host);
        }
        fake
    }

    pub(super) fn panicking_at(mut self, sector: u32) -> Self {
        self.panics_at = Some(Sector(sector));
        self
    }

    fn add(&mut self, blueprint: &Blueprint, host: &Host) {
        match blueprint {
            Blueprint::Gap(blocks) => self.end_blocks += blocks,
            Blueprint::Step => self.steps.push(Step::default()),
            Blueprint::Zeros(blocks) => self.push(*blocks, plan::Content::Zeros),
            Blueprint::Twin(number) => self.add_twin(*number),
            Blueprint::File(number) => {
                let (inode, content) = &host.files[*number];
                let from = From::File { inode: *inode, offset_bytes: 0 };
                let fetch = Fetch { at_bytes: 0, bytes: content.len() as u64, from };
                let blocks = u32::try_from(SIZE.blocks_for(fetch.bytes)).unwrap();
                self.push_fetching(true, blocks, vec![fetch]);
            }
            Blueprint::Blocks { is_data, blocks, fetches } => {
                let mut placed = Vec::new();
                let mut at_bytes = 0;
                for (skip, number, offset, most) in fetches {
                    at_bytes += u64::from(*skip);
                    let (content, inode) = match host.files.get(*number) {
                        Some((inode, content)) => (content, Some(*inode)),
                        None => (&host.volume, None),
                    };
                    let offset_bytes = u64::from(*offset) % content.len() as u64;
                    let room = SIZE.bytes_in(*blocks).saturating_sub(at_bytes);
                    let bytes = (content.len() as u64 - offset_bytes).min((*most).into()).min(room);
                    let from = match inode {
                        Some(inode) => From::File { inode, offset_bytes },
                        None => From::Volume { offset_bytes, mirror: None },
                    };
                    placed.extend((bytes > 0).then_some(Fetch { at_bytes, bytes, from }));
                    at_bytes += bytes;
                }
                self.push_fetching(*is_data, *blocks, placed);
            }
        }
    }

    fn push_fetching(&mut self, is_data: bool, blocks: u32, fetches: Vec<Fetch>) {
        let first = u32::try_from(self.fetches.len()).unwrap();
        self.fetches.push(fetches);
        let content = if is_data { plan::Content::Data { first } } else { plan::Content::Metadata { first } };
        self.push(blocks, content);
    }

    fn push(&mut self, blocks: u32, content: plan::Content) {
        let segment = Segment { start: Sector(self.end_blocks), blocks, twin: None, content };
        self.end_blocks += blocks;
        self.steps.last_mut().unwrap().segments.push(segment);
    }

    fn add_twin(&mut self, number: usize) {
        let start = Sector(self.end_blocks);
        let segments = &mut self.steps.last_mut().unwrap().segments;
        let Some(segment) = segments.get_mut(number).filter(|segment| segment.twin.is_none()) else { return };
        segment.twin = Some(start);
        let Segment { blocks, content, .. } = *segment;
        self.push(blocks, content);
    }

    /// What the volume must hold.
    pub(super) fn expected(&self, host: &Host) -> Vec<u8> {
        let mut image = vec![0; usize::try_from(SIZE.bytes_in(self.end_blocks)).unwrap()];
        for segment in self.steps.iter().flat_map(|step| &step.segments) {
            let start = usize::try_from(SIZE.offset_of(segment.start)).unwrap();
            let out = &mut image[start..][..segment.blocks as usize * SIZE.len()];
            for fetch in self.fetches_of(segment) {
                let (content, offset) = match fetch.from {
                    From::File { inode, offset_bytes } => {
                        (&host.files.iter().find(|(id, _)| *id == inode).unwrap().1, offset_bytes)
                    }
                    From::Volume { offset_bytes, .. } => (&host.volume, offset_bytes),
                };
                let [at, bytes, offset] =
                    [fetch.at_bytes, fetch.bytes, offset].map(|value| usize::try_from(value).unwrap());
                out[at..at + bytes].copy_from_slice(&content[offset..offset + bytes]);
            }
            complete(segment, 0, out);
        }
        image
    }

    /// In which step a byte of the device is written.
    pub(super) fn step_of(&self, offset_bytes: u64) -> usize {
        let sector = u32::try_from(offset_bytes / u64::from(SIZE.bytes())).unwrap();
        let holds = |segment: &Segment| (segment.start.0..segment.start.0 + segment.blocks).contains(&sector);
        self.steps.iter().position(|step| step.segments.iter().any(holds)).unwrap()
    }

    /// How many blocks were rendered since this was asked before.
    pub(super) fn take_rendered(&self) -> u32 {
        self.rendered_blocks.swap(0, Ordering::Relaxed)
    }

    fn fetches_of(&self, segment: &Segment) -> &[Fetch] {
        match segment.content {
            plan::Content::Data { first } | plan::Content::Metadata { first } => {
                &self.fetches[first as usize]
            }
            _ => &[],
        }
    }
}

/// Metadata have the number of each block in it, on top of what was fetched.
fn complete(segment: &Segment, first: u32, out: &mut [u8]) {
    if let plan::Content::Metadata { .. } = segment.content {
        for (number, block) in (first..).zip(out.chunks_mut(SIZE.len())) {
            block[7] ^= number.to_le_bytes()[0];
            block[8] = block[8].wrapping_add(1);
        }
    }
}

impl Render for Fake {
    fn block_size(&self) -> BlockSize {
        SIZE
    }

    fn steps(&self) -> &[Step] {
        &self.steps
    }

    fn end_blocks(&self) -> u32 {
        self.end_blocks
    }

    fn fetches(&self, _: &Tree, segment: &Segment, first: u32, blocks: u32, each: &mut dyn FnMut(Fetch)) {
        let (low, high) = (SIZE.bytes_in(first), SIZE.bytes_in(first + blocks));
        for fetch in self.fetches_of(segment) {
            let start = fetch.at_bytes.max(low);
            let end = (fetch.at_bytes + fetch.bytes).min(high);
            let skip = start - fetch.at_bytes;
            let from = match fetch.from {
                From::File { inode, offset_bytes } => From::File { inode, offset_bytes: offset_bytes + skip },
                From::Volume { offset_bytes, mirror } => {
                    From::Volume { offset_bytes: offset_bytes + skip, mirror }
                }
            };
            if start < end {
                each(Fetch { at_bytes: start - low, bytes: end - start, from });
            }
        }
    }

    fn render(&self, _: &Tree, segment: &Segment, first: u32, out: &mut [u8]) {
        let blocks = u32::try_from(out.len() / SIZE.len()).unwrap();
        let start = segment.start.0 + first;
        let bad = self.panics_at.is_some_and(|sector| (start..start + blocks).contains(&sector.0));
        assert!(!bad, "asked to");
        self.rendered_blocks.fetch_add(blocks, Ordering::Relaxed);
        complete(segment, first, out);
    }
}

/// Whether `bytes` is the beginning of `expected`, of which the rest is zeros.
pub(super) fn is_prefix(bytes: &[u8], expected: &[u8]) -> bool {
    expected.strip_prefix(bytes).is_some_and(|rest| rest.iter().all(|byte| *byte == 0))
}
