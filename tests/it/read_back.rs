//! Reading back: what was written is what a plan says, on volumes of every manner, and each block that is not is found.

use std::io::Read as _;

use mkudf_ms::device::{MemoryDevice, WriteAt as _};
use mkudf_ms::plan::Plan;
use mkudf_ms::progress::Progress;
use mkudf_ms::scan::{NoSession, Options, Source, scan};
use mkudf_ms::session::{ImportOptions, Manner};
use mkudf_ms::stream::{Difference, Fault, PlanReader, StreamOptions, read_back, stream};
use mkudf_ms::tree::Tree;
use udf::read::ReadAt as _;
use udf::{BlockSize, Revision, Sector};

use crate::support::build::{Append, NOW, plan_append_with, spec};
use crate::support::folder::Folder;
use crate::support::scratched::Scratched;

fn bytes_of(device: &MemoryDevice) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(device.size_bytes()).unwrap()];
    device.read_at(0, &mut bytes).unwrap();
    bytes
}

/// A plan, and what it was written to.
struct Written {
    tree: Tree,
    plan: Plan,
    device: MemoryDevice,
}

impl Written {
    fn new(tree: Tree, plan: Plan, device: MemoryDevice) -> Self {
        let before: Option<&dyn udf::read::ReadAt> = (device.size_bytes() > 0).then_some(&device);
        let mut shown = Vec::new();
        let (progress, options) = (Progress::new(), StreamOptions::default());
        PlanReader::new(&plan, &tree, before, &progress, &options).read_to_end(&mut shown).unwrap();
        assert_eq!(stream(&plan, &tree, &device, before, &progress, &options).unwrap(), []);
        assert!(
            shown == bytes_of(&device),
            "a reader of the plan shows what the device holds after the last step"
        );
        Self { tree, plan, device }
    }

    fn differences(&self, device: &dyn udf::read::ReadAt) -> Vec<Difference> {
        let (progress, options) = (Progress::new(), StreamOptions::default());
        let volume: &dyn udf::read::ReadAt = &self.device;
        let (differences, warnings) =
            read_back(&self.plan, &self.tree, device, Some(volume), &progress, &options).unwrap();
        assert_eq!(warnings, []);
        assert_eq!(progress.bytes(), progress.total_bytes());
        differences
    }

    /// Some sector that is written: of a descriptor sequence, which several steps may write, and of a file.
    fn sectors(&self) -> [Sector; 2] {
        let segments = || self.plan.steps().iter().flat_map(|step| &step.segments);
        let last = segments().last().unwrap().start;
        let (_, data, _) = self.plan.files(&self.tree).next().unwrap();
        [last, data]
    }
}

/// A new volume, a session of it, and changes in place, each of which writes some sectors several times.
fn each_manner(test: impl Fn(&str, &Written)) {
    let size = BlockSize::B2048;
    for (name, revision, rewritable_blocks) in
        [("session", Revision::V2_50, None), ("in place", Revision::V2_01, Some(8192))]
    {
        let folder = Folder::new(7);
        std::fs::write(folder.path().join("large"), vec![1; 300_000]).unwrap();
        let mut tree = Tree::new(Options::new(NOW).made);
        let sources = [Source::new(folder.path())];
        scan(&mut tree, &mut NoSession, &sources, &Options::new(NOW), &Progress::new()).unwrap();
        let spec = mkudf_ms::plan::Spec { rewritable_blocks, ..spec(revision, size) };
        let plan = Plan::create(&tree, &spec).unwrap();
        let made = Written::new(tree, plan, MemoryDevice::new());
        test(&format!("new, {name}"), &made);
        std::fs::write(folder.path().join("more"), vec![2; 70_000]).unwrap();
        let request = Append { folder: folder.path(), mirror: true, update: true, fixed_size: false };
        let options = ImportOptions { manner: Manner::AsMade, ..ImportOptions::default() };
        let (tree, plan) = plan_append_with(&made.device, &request, &options).unwrap();
        test(name, &Written::new(tree, plan, made.device));
    }
}

#[test]
fn what_was_written_is_found_as_it_was_written() {
    each_manner(|name, written| assert_eq!(written.differences(&written.device), [], "{name}"));
}

#[test]
fn each_block_that_is_not_as_written_is_found() {
    let size = BlockSize::B2048;
    each_manner(|name, written| {
        for start in written.sectors() {
            let mut block = vec![0; size.len()];
            written.device.read_at(size.offset_of(start), &mut block).unwrap();
            let mut spoilt = block.clone();
            spoilt[size.len() - 1] ^= 1;
            written.device.write_at(size.offset_of(start), &spoilt).unwrap();
            let expected = [Difference { start, blocks: 1, fault: Fault::Differs }];
            assert_eq!(written.differences(&written.device), expected, "{name}");
            written.device.write_at(size.offset_of(start), &block).unwrap();

            let bytes = bytes_of(&written.device);
            let bad = size.offset_of(start)..size.offset_of(start) + size.len() as u64;
            let scratched = Scratched::new(&bytes, vec![bad]);
            let expected = [Difference { start, blocks: 1, fault: Fault::Unreadable }];
            assert_eq!(written.differences(&scratched), expected, "{name}");
        }
    });
}
