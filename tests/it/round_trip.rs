//! Random folders become volumes and grow by three sessions; what is read back is what was in the folder, in each session.

use mkudf_ms::device::MemoryDevice;
use mkudf_ms::session::sessions;
use udf::read::{OpenOptions, Volume};
use udf::{BlockSize, Revision};

use crate::support::build::{Append, append, create, spec};
use crate::support::folder::Folder;
use crate::support::manifest::{self, Manifest, assert_same};

const BLOCK_SIZES: [BlockSize; 4] = [BlockSize::B512, BlockSize::B1024, BlockSize::B2048, BlockSize::B4096];

#[test]
fn folders_survive_in_every_revision_block_size_and_session() {
    for revision in Revision::ALL {
        for block_size in BLOCK_SIZES {
            let seed = u64::from(revision.number()) << 16 | u64::from(block_size.bytes());
            grow(revision, block_size, seed, false);
        }
    }
}

#[test]
fn many_small_histories() {
    for seed in 0..24 {
        let revision = Revision::ALL[usize::try_from(seed % 6).unwrap()];
        let block_size = BLOCK_SIZES[usize::try_from(seed / 6).unwrap()];
        grow(revision, block_size, 1000 + seed, false);
        grow(revision, block_size, 2000 + seed, true);
    }
}

/// With `update`, what did not change is kept where it is; without, it is recorded again.
fn grow(revision: Revision, block_size: BlockSize, seed: u64, update: bool) {
    let context = |session: usize| {
        format!("revision {revision}, block size {block_size}, seed {seed}, session {session}")
    };
    let mut folder = Folder::new(seed);
    folder.change(40);
    let mut expected = vec![manifest::of_folder(folder.path())];
    let mut device = MemoryDevice::new();
    let warnings = create(folder.path(), &spec(revision, block_size), &device).unwrap();
    assert_eq!(warnings, [], "{}", context(1));
    check(&device, &expected, &context);
    for _ in 0..3 {
        let old = device.into_bytes();
        device = MemoryDevice::from(old.clone());
        folder.change(12);
        expected.push(manifest::of_folder(folder.path()));
        let request = Append { folder: folder.path(), mirror: true, update, fixed_size: false };
        append(&device, &request).unwrap();
        check(&device, &expected, &context);
        let new = device.into_bytes();
        assert_old_untouched(&old, &new, block_size, &context(expected.len()));
        device = MemoryDevice::from(new);
    }
}

fn check(device: &MemoryDevice, expected: &[Manifest], context: &dyn Fn(usize) -> String) {
    let found = sessions(device, &OpenOptions::default()).unwrap();
    assert_eq!(found.len(), expected.len(), "{}", context(expected.len()));
    for (session, expected) in found.iter().zip(expected) {
        let context = context(usize::try_from(session.number).unwrap());
        let volume = Volume::open(device, &session.open).unwrap();
        assert_eq!(volume.warnings().len(), 0, "{context}: {:?}", volume.warnings());
        assert_same(expected, &manifest::of_volume(&volume), &context);
        let names = expected.values().filter(|item| item.kind != "directory").count();
        assert_eq!(session.files.map(|files| files as usize), Some(names), "{context}");
        assert_eq!(
            session.directories.map(|count| count as usize),
            Some(expected.len() - names),
            "{context}"
        );
        // And by its start, as other readers find it.
        let by_start = OpenOptions { session_start: Some(session.start), ..OpenOptions::default() };
        let volume = Volume::open(device, &by_start).unwrap();
        assert_same(expected, &manifest::of_volume(&volume), &context);
    }
}

/// Of what an old session recorded, only the anchor at 256 and a slot for a reserve sequence may change.
fn assert_old_untouched(old: &[u8], new: &[u8], block_size: BlockSize, context: &str) {
    let len = block_size.len();
    for (block, (old, new)) in old.chunks(len).zip(new.chunks(len)).enumerate() {
        let was_blank = old.iter().all(|byte| *byte == 0);
        assert!(old == new || block == 256 || (block < 256 && was_blank), "{context}: block {block} changed");
    }
}
