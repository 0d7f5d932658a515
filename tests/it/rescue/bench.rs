//! What the tests of rescue share: a volume of several sessions, and the judge of what comes out of it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use mkudf_ms::device::MemoryDevice;
use mkudf_ms::plan::Uuid;
use mkudf_ms::progress::Progress;
use mkudf_ms::rescue::{Item, Map, Options, RoughDevice, Summary, Verdict, rescue};
use udf::general::Moment;
use udf::read::{OpenOptions, Volume};
use udf::{BlockSize, Revision};

use crate::support::build::{Append, NOW, append, create, spec};
use crate::support::folder::Folder;
use crate::support::manifest::{Manifest, assert_same, of_folder};
use crate::support::scratched::Scratched;

/// Revisions with and without a metadata partition, blocks of all sizes that volumes are made with.
pub(crate) const FORMATS: [(Revision, BlockSize); 6] = [
    (Revision::V1_02, BlockSize::B2048),
    (Revision::V1_50, BlockSize::B512),
    (Revision::V2_00, BlockSize::B1024),
    (Revision::V2_01, BlockSize::B2048),
    (Revision::V2_50, BlockSize::B2048),
    (Revision::V2_60, BlockSize::B512),
];

/// A volume of some sessions, and what was in each.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) image: Vec<u8>,
    pub(crate) block_size: BlockSize,
    /// By session, the oldest first.
    pub(crate) sessions: Vec<Manifest>,
}

impl Case {
    pub(crate) fn new(revision: Revision, block_size: BlockSize, seed: u64, sessions: u32) -> Self {
        Self::made(revision, block_size, seed, sessions, NOW)
    }

    /// One that was made at some time.
    pub(crate) fn made(
        revision: Revision,
        block_size: BlockSize,
        seed: u64,
        sessions: u32,
        now: Moment,
    ) -> Self {
        let mut spec = spec(revision, block_size);
        spec.now = now;
        spec.identifiers.uuid = Uuid::new(now, u32::try_from(seed).unwrap());
        let mut folder = Folder::new(seed);
        folder.change(60);
        let device = MemoryDevice::new();
        create(folder.path(), &spec, &device).unwrap();
        let mut states = vec![of_folder(folder.path())];
        for _ in 1..sessions {
            folder.change(15);
            let request = Append { folder: folder.path(), mirror: true, update: false, fixed_size: false };
            append(&device, &request).unwrap();
            states.push(of_folder(folder.path()));
        }
        let name = format!("{revision} with blocks of {block_size}, seed {seed}, {sessions} sessions");
        Self { name, image: device.into_bytes(), block_size, sessions: states }
    }

    pub(crate) fn newest(&self) -> &Manifest {
        self.sessions.last().unwrap()
    }

    pub(crate) fn volume(&self) -> Volume<&[u8]> {
        Volume::open(self.image.as_slice(), &OpenOptions::default()).unwrap()
    }

    /// Rescues an image of which some ranges cannot be read.
    pub(crate) fn rescue(&self, image: &[u8], bad: Vec<Range<u64>>) -> Rescued {
        self.rescue_with(image, bad, None, &Options::default())
    }

    pub(crate) fn rescue_with(
        &self,
        image: &[u8],
        bad: Vec<Range<u64>>,
        map: Option<Map>,
        options: &Options,
    ) -> Rescued {
        let device = RoughDevice::new(Scratched::new(image, bad), map, 1);
        let folder = tempfile::tempdir().unwrap();
        let mut options = options.clone();
        options.extract.same_owner = rustix::process::geteuid().is_root();
        let mut items = Vec::new();
        let mut tell = |item: &Item| items.push(item.clone());
        let summary = rescue(&device, folder.path(), &options, &Progress::new(), &mut tell)
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let mut rescued = Rescued { folder, items: BTreeMap::new(), summary, map: device.map() };
        for item in items {
            let path = item.path.to_str().unwrap().trim_start_matches('/').to_owned();
            let before = rescued.items.insert(path.clone(), item);
            assert!(before.is_none(), "{}: told of {path} twice", self.name);
        }
        rescued.assert_counted(self);
        rescued
    }
}

/// What came out.
pub(crate) struct Rescued {
    pub(crate) folder: tempfile::TempDir,
    /// By path, the root as the empty one.
    pub(crate) items: BTreeMap<String, Item>,
    pub(crate) summary: Summary,
    pub(crate) map: Map,
}

impl Rescued {
    pub(crate) fn of(&self, verdict: Verdict) -> impl Iterator<Item = (&String, &Item)> {
        self.items.iter().filter(move |(_, item)| item.verdict == verdict)
    }

    pub(crate) fn found(&self) -> Manifest {
        of_folder(self.folder.path())
    }

    fn assert_counted(&self, case: &Case) {
        let count = |verdict| self.of(verdict).count() as u64;
        let counts = self.summary.counts;
        assert_eq!(
            (counts.certain, counts.doubtful, counts.lost),
            (count(Verdict::Certain), count(Verdict::Doubtful), count(Verdict::Lost)),
            "{}",
            case.name
        );
    }

    /// Everything is there, as it was, and certain.
    pub(crate) fn assert_whole(&self, case: &Case) {
        assert_same(case.newest(), &self.found(), &case.name);
        let not_certain: Vec<_> =
            self.items.values().filter(|item| item.verdict != Verdict::Certain).take(3).collect();
        assert!(not_certain.is_empty(), "{}: {not_certain:#?}", case.name);
        assert_eq!(self.items.len(), case.newest().len(), "{}", case.name);
    }

    /// What is certain is as it was in the newest session; what of that is missing was told of.
    ///
    /// Link counts differ where a name is missing.
    pub(crate) fn assert_honest(&self, case: &Case, context: &str) {
        let context = format!("{}, {context}", case.name);
        let found = self.found();
        for (path, _) in self.of(Verdict::Certain).filter(|(path, _)| !path.starts_with("older/")) {
            let (was, is) = (case.newest().get(path), found.get(path));
            let facts = |item: Option<&crate::support::manifest::Item>| {
                item.map(|item| (item.kind, item.mode, item.modified, item.target.clone(), item.body.clone()))
            };
            let (was, is) = (facts(was), facts(is));
            // A directory's own facts are certain, what is in it is told of by name.
            assert!(was.is_some() && was == is, "{context}: {path} is not what it was");
        }
        for (path, item) in self.of(Verdict::Lost) {
            let there = found.get(path).is_some_and(|found| found.kind != "directory");
            assert!(!there, "{context}: {path} is there, but {item:?}");
        }
        for path in found.keys() {
            let is_ours = ["lost+found", "older"].iter().any(|ours| path.starts_with(ours));
            assert!(is_ours || self.items.contains_key(path), "{context}: nothing was said of {path}");
        }
    }

    /// All bodies that came out, certain or not, without what is known to miss something.
    pub(crate) fn bodies(&self) -> Vec<Vec<u8>> {
        let found = self.found();
        let whole = self.items.iter().filter(|(_, item)| item.missing_bytes == 0);
        whole.filter_map(|(path, _)| found.get(path)?.body.clone()).collect()
    }
}

impl fmt::Debug for Rescued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.summary)?;
        for (path, item) in self.items.iter().filter(|(_, item)| item.verdict != Verdict::Certain) {
            let reasons: Vec<String> = item.reasons.iter().map(ToString::to_string).collect();
            writeln!(f, "{} {path}: {}", item.verdict, reasons.join("; "))?;
        }
        Ok(())
    }
}
