//! Which sessions a volume has: from the newest back along what each remembers of the one before it.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use udf::Sector;
use udf::general::Moment;
use udf::read::{OpenOptions, ReadAt, VirtualTableHead, Volume};
use zerocopy::IntoBytes as _;

use super::tables;
use crate::error::Result;
use crate::plan::record::SessionRecord;

/// How it is known that there is a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provenance {
    /// It is the one that is opened: the anchors, or whatever the caller said, lead to it.
    Current,
    /// A later session, or a later virtual allocation table, remembers it.
    Remembered,
    /// An anchor leads to it that disagrees with the one that counts, or what is led to so remembers it.
    OtherAnchor,
    /// The device was searched for it.
    Search,
}

/// One session of a volume.
#[derive(Clone, Debug)]
pub struct Session {
    /// 1 for the oldest.
    pub number: u32,
    /// Where it begins for those who look for sessions, such as `mount -o session=`.
    pub start: Sector,
    /// The label that it gave the volume.
    pub label: String,
    /// When it was recorded.
    pub recorded: Option<Moment>,
    /// Names of files in it.
    pub files: Option<u32>,
    /// Directories in it, the root among them.
    pub directories: Option<u32>,
    /// How much of the device it took.
    pub bytes: u64,
    /// How to open it.
    pub open: OpenOptions,
    /// Whether it was made by this implementation.
    pub ours: bool,
    /// How it is known of.
    pub provenance: Provenance,
    /// Where its virtual allocation table has its ICB, if it is a state of such a volume.
    pub table: Option<Sector>,
    /// The same of all that describe the same session, and hardly of another.
    pub(super) identity: u64,
    /// Ascends with the order of recording.
    pub(super) place: u32,
    /// The block after its last, if it says so.
    pub(super) end: Option<u32>,
}

/// The sessions of the volume on a device, oldest first; of one with a virtual allocation table, each state that has a table.
/// `options` tell how the newest is opened.
pub fn sessions<R: ReadAt>(device: &R, options: &OpenOptions) -> Result<Vec<Session>> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut open = *options;
    loop {
        let volume = match Volume::open(device, &open) {
            Ok(volume) => volume,
            // The newest must be sound; an older one may have been overwritten by others.
            Err(error) if found.is_empty() => return Err(error.into()),
            Err(_) => break,
        };
        if found.is_empty() && volume.virtual_table().is_some() {
            found = tables::states(device, volume, options);
            break;
        }
        let record = SessionRecord::read(volume.logical());
        let provenance = if found.is_empty() { Provenance::Current } else { Provenance::Remembered };
        found.push(Session { provenance, ..describe(&volume, record, open) });
        let Some(record) = record.filter(|record| record.previous_main.length.get() != 0) else { break };
        if !seen.insert(record.previous_main.location.get()) {
            break;
        }
        open = OpenOptions {
            session_start: Some(Sector(record.previous_start.get())),
            block_size: Some(volume.block_size()),
            sequences: Some((record.previous_main, record.previous_reserve)),
            last_sector: None,
            track_start: None,
            strict: options.strict,
        };
    }
    found.reverse();
    let block = found.first().and_then(|session| session.open.block_size);
    number(&mut found, block.map_or(0, |size| u64::from(size.bytes())));
    Ok(found)
}

fn describe<R: ReadAt>(volume: &Volume<R>, record: Option<SessionRecord>, open: OpenOptions) -> Session {
    let integrity = volume.integrity();
    let end = record.map(|record| record.last.get().saturating_add(1));
    let start = record.map_or(volume.found().session_start, |record| Sector(record.start.get()));
    Session {
        number: 0,
        start,
        label: volume.label(),
        recorded: volume.primary().recording_date_and_time.moment(),
        files: integrity.and_then(|integrity| integrity.files),
        directories: integrity.and_then(|integrity| integrity.directories),
        bytes: end.map_or(volume.device().size_bytes(), |end| volume.block_size().bytes_in(end)),
        // The newest is opened as asked; others at least know the size of a block.
        open: OpenOptions { block_size: Some(volume.block_size()), ..open },
        ours: record.is_some(),
        provenance: Provenance::Current,
        table: None,
        identity: identity(volume, None),
        place: record.map_or(volume.sequences().0.start().0, |record| record.last.get()),
        end,
    }
}

/// A number of all that the descriptors of a session say of it, and its table: copies of a table's ICB are one state.
pub(super) fn identity<R: ReadAt>(volume: &Volume<R>, table: Option<&VirtualTableHead>) -> u64 {
    const TAG_BYTES: usize = udf::general::Tag::LEN;
    let mut hasher = DefaultHasher::new();
    volume.primary().as_bytes()[TAG_BYTES..].hash(&mut hasher);
    volume.logical().as_bytes()[TAG_BYTES..].hash(&mut hasher);
    volume.partition_map_table().hash(&mut hasher);
    for partition in volume.partition_descriptors() {
        partition.as_bytes()[TAG_BYTES..].hash(&mut hasher);
    }
    if let Some(VirtualTableHead { entry, .. }) = table {
        entry.modified.as_bytes().hash(&mut hasher);
        (entry.unique_id, entry.size_bytes, &entry.allocation).hash(&mut hasher);
    }
    hasher.finish()
}

/// Numbers sessions from the oldest on; each takes what lies between its end and that of the one before.
pub(super) fn number(found: &mut [Session], block_bytes: u64) {
    let mut before = 0;
    for (number, session) in (1..).zip(found) {
        session.number = number;
        let end_bytes = session.end.map_or(session.bytes, |end| u64::from(end) * block_bytes);
        session.bytes = end_bytes.saturating_sub(before);
        before = end_bytes;
    }
}
