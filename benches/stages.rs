//! The stages of a build one by one, on ten thousand small files: scan, plan, render, stream, and reading back.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench may panic, and criterion's macros are not documented"
)]

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mkudf_ms::device::MemoryDevice;
use mkudf_ms::plan::{Identifiers, Plan, Spec, Uuid};
use mkudf_ms::progress::Progress;
use mkudf_ms::render::Render;
use mkudf_ms::scan::{NoSession, Options, Source, scan};
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::Tree;
use udf::general::Moment;
use udf::read::{OpenOptions, Volume};
use udf::{BlockSize, Revision};

const FILES: usize = 10_000;
const NOW: Moment = Moment { microseconds: 1_800_000_000_000_000 };

fn folder() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for index in 0..FILES {
        let inside = root.path().join(format!("directory {:03}", index / 100));
        std::fs::create_dir_all(&inside).unwrap();
        // A third of them embedded, a third in one block, a third in several.
        let size = [500, 2000, 9000][index % 3];
        std::fs::write(inside.join(format!("file {index}")), vec![u8::try_from(index % 256).unwrap(); size])
            .unwrap();
    }
    root
}

fn scanned(path: &Path) -> Tree {
    let options = Options::new(NOW);
    let mut tree = Tree::new(options.made);
    scan(&mut tree, &mut NoSession, &[Source::new(path)], &options, &Progress::new()).unwrap();
    tree
}

fn spec() -> Spec {
    Spec {
        revision: Revision::V2_50,
        block_size: BlockSize::B2048,
        identifiers: Identifiers {
            logical_volume: String::from("bench"),
            volume: None,
            volume_set: None,
            file_set: None,
            uuid: Uuid(1),
            owner: String::new(),
            organization: String::new(),
            contact: String::new(),
            application: String::new(),
        },
        now: NOW,
        zone_minutes: 0,
        redundant_metadata: true,
        embed: true,
        device_blocks: None,
        rewritable_blocks: None,
        packet_blocks: None,
        pseudo_overwrite: false,
    }
}

/// Renders everything without reading a file: what is left is the price of the format.
fn render_all(plan: &Plan, tree: &Tree, buffer: &mut Vec<u8>) {
    for segment in plan.steps().iter().flat_map(|step| &step.segments) {
        for first in (0..segment.blocks).step_by(512) {
            let blocks = (segment.blocks - first).min(512);
            buffer.clear();
            buffer.resize(blocks as usize * plan.block_size().len(), 0);
            plan.render(tree, segment, first, buffer);
        }
    }
}

fn stages(criterion: &mut Criterion) {
    let folder = folder();
    let tree = scanned(folder.path());
    let plan = Plan::create(&tree, &spec()).unwrap();
    let mut group = criterion.benchmark_group("ten thousand files");
    group.sample_size(20).throughput(Throughput::Elements(FILES as u64));
    group.bench_function("scan", |bencher| bencher.iter(|| scanned(folder.path())));
    group.bench_function("plan", |bencher| bencher.iter(|| Plan::create(black_box(&tree), &spec()).unwrap()));
    let mut buffer = Vec::new();
    group.bench_function("render", |bencher| bencher.iter(|| render_all(&plan, &tree, &mut buffer)));
    let write = || {
        let device = MemoryDevice::new();
        stream(&plan, &tree, &device, None, &Progress::new(), &StreamOptions::default()).unwrap();
        device
    };
    group.bench_function("stream", |bencher| bencher.iter(write));
    let device = write();
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            let volume = Volume::open(&device, &OpenOptions::default()).unwrap();
            volume.walk(&volume.root().unwrap()).count()
        });
    });
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
