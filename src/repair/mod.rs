//! Mending a damaged volume in place: a plan first, then, if it is wanted, its writes.
//!
//! ```text
//!   plan      what a repair is: mends with their reasons, sectors in steps
//!   overlay   the device with the repair laid over it: all reading, so that what is mended first helps with the rest
//!   search sequences fields anchors            from the device to the descriptors
//!   twins                                      what partitions are understood by, from its copy
//!   files                                      the tree: what can be proved is sealed again, what cannot is left; on it
//!     metadata  entry extents crossed  body directory name
//!   lost                                       entries that no name leads to
//!   space close                                free space from what is used; counts; integrity
//!   undo      what was there before, and the way back; carrying a plan out
//! ```
//!
//! Nothing is guessed: a field is changed if it can have one value only, or if another structure confirms it. What is left
//! is in the plan's `after`, which is what `udf::check` says of the overlay. File data is never written over.

mod anchors;
mod body;
mod bytes;
mod close;
mod crossed;
mod directory;
mod entry;
mod extents;
mod fields;
mod files;
mod lost;
mod metadata;
mod name;
mod overlay;
mod plan;
mod search;
mod sequences;
mod space;
mod twins;
mod undo;

use udf::check::{Report, Severity, check};
use udf::general::{Descriptor, EntityIdentifier, ExtentAd, Tag, TagIdentifier};
use udf::read::{Found, OpenOptions, PartitionKind, ReadAt, Volume};
use udf::revision::Revision;
use udf::volume::{ANCHOR_SECTOR, AccessType, AnchorVolumeDescriptorPointer as Anchor};
use udf::{BlockSize, Place, Sector};

pub use plan::{Mend, Phase, RepairPlan, Step, Write};
pub use undo::{Undo, apply};

use self::bytes::{Want, get32};
use self::files::Files;
use self::overlay::{Changes, Overlay};
use crate::error::{Error, Result};
use crate::plan::record::SessionRecord;
use crate::progress::Progress;

/// What all mending shares.
struct Mender<'a> {
    overlay: &'a Overlay<'a>,
    revision: Revision,
    revision_number: u16,
    /// Tags' serial number and descriptor version.
    serial: u16,
    version: u16,
    mends: Vec<Mend>,
    /// Stretches of sectors that anchors must not be put into.
    taken: Vec<(u64, u64)>,
}

impl Mender<'_> {
    fn block_size(&self) -> BlockSize {
        self.overlay.block_size()
    }

    fn mend(&mut self, rule: u8, place: impl Into<Place>, what: String) {
        self.mends.push(Mend { rule, place: place.into(), what });
    }

    fn want(&self, kind: TagIdentifier, location: u32) -> Want {
        Want { kind, location, crc_bytes: 0, version: self.version, serial: self.serial }
    }

    fn is_taken(&self, sector: u32) -> bool {
        self.taken.iter().any(|(first, end)| (*first..*end).contains(&u64::from(sector)))
    }

    /// Has the metadata map say whether the mirror has blocks of its own, as the files show; whether it did not.
    fn duplicate_flag(&mut self, volume: &Volume<&Overlay<'_>>) -> bool {
        let metadata = volume.partitions().iter().find_map(|partition| match &partition.kind {
            PartitionKind::Metadata(metadata) => Some(metadata),
            _ => None,
        });
        let Some(metadata) = metadata else { return false };
        let (Some(main), Some(mirror)) = (&metadata.main, &metadata.mirror) else { return false };
        let right = u8::from(main.extents() != mirror.extents());
        if metadata.map.flags & 1 == right {
            return false;
        }
        let mut changed = false;
        let (main, reserve) = volume.sequences();
        for (extent, phase) in [(reserve, Phase::Reserve), (main, Phase::Main)] {
            let sectors = extent.length.get().div_ceil(self.block_size().bytes()).min(64);
            for sector in extent.location.get()..extent.location.get().saturating_add(sectors) {
                let Some(mut block) = self.overlay.sector(sector) else { continue };
                // Behind a map of type 1, which has 6 bytes.
                let is_logical = block.starts_with(&TagIdentifier::LOGICAL_VOLUME.0.to_le_bytes());
                if is_logical
                    && get32(&block, 264) == 70
                    && block[440] == 1
                    && bytes::put(&mut block, 446 + 58, &[right])
                {
                    Tag::reseal(&mut block);
                    changed |= self.overlay.put(sector, phase, block);
                }
            }
        }
        if changed {
            let what = "logical volume descriptor: whether the mirror has blocks of its own, the files themselves say";
            self.mend(85, Place::Within, what.into());
        }
        changed
    }

    fn take(&mut self, extent: ExtentAd) {
        let first = u64::from(extent.location.get());
        self.taken.push((first, first + self.block_size().blocks_for(extent.length.get().into())));
    }
}

/// Works out how to repair the volume on a device. Nothing is written.
///
/// A volume on write-once media, one that cannot be understood, and one of a kind that is not mended yet are refused.
pub fn plan(device: &dyn ReadAt, options: &OpenOptions) -> Result<RepairPlan> {
    plan_watched(device, options, &Progress::new())
}

/// As [`plan`], and tells how far it is: names of files are counted, when the volume is judged and when the repair is.
pub fn plan_watched(device: &dyn ReadAt, options: &OpenOptions, progress: &Progress) -> Result<RepairPlan> {
    let before = watched(&device, options, progress);
    let (found, lost) = match Found::search(&device, options) {
        Ok(found) => (found, None),
        Err(error) => {
            let lost = search::sequences(device, &block_sizes(device, options)).ok_or(error)?;
            let overlay = Overlay::new(device, lost.block_size);
            lead_to(&overlay, &lost, options);
            (Found::search(&&overlay, options)?, Some(lost))
        }
    };
    let block_size = found.block_size;
    let nothing = |before: Report| RepairPlan {
        block_size,
        mends: Vec::new(),
        steps: Vec::new(),
        after: before.clone(),
        before,
    };
    // Two anchors are enough, but many readers know only the first.
    let first = found.session_start.0.saturating_add(ANCHOR_SECTOR);
    let has_first = found.anchors.iter().any(|anchor| anchor.sector.0 == first);
    if before.worst() <= Some(Severity::Note) && has_first {
        return Ok(nothing(before));
    }
    let overlay = Overlay::new(device, block_size);
    if let Some(lost) = &lost {
        lead_to(&overlay, lost, options);
    }
    let mut mender = Mender {
        overlay: &overlay,
        revision: Revision::V2_01,
        revision_number: Revision::V2_01.number(),
        serial: 1,
        version: 3,
        mends: Vec::new(),
        taken: Vec::new(),
    };
    if lost.is_some() {
        let what = "anchors: all are lost; both descriptor sequences were found without them";
        mender.mend(29, Place::Within, what.into());
    }
    volume_space(&mut mender, &found)?;
    let (claims, opening) = partitions(&mut mender, options)?;
    let after = watched(&&overlay, options, progress);
    let steps = plan::steps(&overlay, claims, opening);
    if steps.is_empty() {
        return Ok(nothing(before));
    }
    let errors = |report: &Report| {
        report.count(Severity::Fatal) * 1000
            + report.count(Severity::Error)
            + report.omitted.values().map(|more| usize::try_from(*more).unwrap_or(usize::MAX)).sum::<usize>()
    };
    if errors(&after) > errors(&before) {
        return Err(Error::refused(
            "what is wrong with the volume cannot be mended without making something else worse",
            "save its files: `mkudf-ms extract`",
        ));
    }
    Ok(RepairPlan { block_size, mends: mender.mends, steps, before, after })
}

/// Checks, and tells how far that is.
fn watched<R: ReadAt>(device: &R, options: &OpenOptions, progress: &Progress) -> Report {
    let before = progress.files();
    check(device, options, &mut |seen| {
        progress.add_files((before + seen.files + seen.directories).saturating_sub(progress.files()));
    })
}

/// The block sizes that a device may have.
fn block_sizes(device: &dyn ReadAt, options: &OpenOptions) -> Vec<BlockSize> {
    let told = options.block_size.or_else(|| BlockSize::new(device.sector_size_bytes()?));
    told.map_or_else(|| BlockSize::PROBED.to_vec(), |block_size| vec![block_size])
}

/// Lays the first anchor over a device that has none, so that it can be opened.
fn lead_to(overlay: &Overlay<'_>, lost: &search::Lost, options: &OpenOptions) {
    let sector = options.session_start.unwrap_or_default().0.saturating_add(ANCHOR_SECTOR);
    let mut block = vec![0; lost.block_size.len()];
    let seal = udf::general::Seal { descriptor_version: 3, serial_number: 1 };
    Anchor::new(lost.extents.0, lost.extents.1).write(&[], &mut block, seal, sector);
    overlay.put(sector, Phase::Anchors, block);
}

/// Sequences, anchors and recognition.
fn volume_space(mender: &mut Mender<'_>, found: &Found) -> Result<()> {
    for anchor in &found.anchors {
        let extents = (anchor.main, anchor.reserve);
        let Some(descriptors) = mender.sequences(extents) else { continue };
        mender.take(extents.0);
        mender.take(extents.1);
        for descriptor in &descriptors {
            let bytes = &descriptor.bytes;
            match descriptor.kind {
                TagIdentifier::PARTITION => {
                    let (first, length) = (u64::from(get32(bytes, 188)), u64::from(get32(bytes, 192)));
                    mender.taken.push((first, first + length));
                    unless_write_once(get32(bytes, 184))?;
                }
                TagIdentifier::LOGICAL_VOLUME => {
                    mender.take(ExtentAd::new(get32(bytes, 432), Sector(get32(bytes, 436))));
                    take_sparing_tables(mender, bytes);
                }
                _ => {}
            }
        }
        mender.anchors(found, extents);
        mender.recognition(found);
        return Ok(());
    }
    Err(Error::refused(
        "both volume descriptor sequences are lost, and with them where the partition lies",
        "an older session may still be readable",
    ))
}

/// Notes where sparing tables lie, which are outside partitions (UDF 2.2.9).
fn take_sparing_tables(mender: &mut Mender<'_>, logical: &[u8]) {
    let mut maps = logical.get(440..).unwrap_or_default();
    while let [kind, length, ..] = *maps {
        let Some((map, rest)) = maps.split_at_checked(usize::from(length.max(2))) else { break };
        if kind == 2
            && map.len() == 64
            && map[5..].starts_with(EntityIdentifier::SPARABLE_PARTITION.as_bytes())
        {
            for table in 0..usize::from(map[42].min(4)) {
                mender.take(ExtentAd::new(get32(map, 44), Sector(get32(map, 48 + 4 * table))));
            }
        }
        maps = rest;
    }
}

fn unless_write_once(access: u32) -> Result<()> {
    let access = AccessType::from_number(access);
    if matches!(access, Some(AccessType::WriteOnce | AccessType::PseudoOverwritable)) {
        return Err(Error::refused(
            "the volume is on a write-once medium, where nothing can be mended in place",
            "copy its files to a new volume: extract, then create",
        ));
    }
    Ok(())
}

/// The integrity descriptor while the volume is being changed.
type Opening = Option<(u32, Vec<u8>)>;

/// Everything in partitions.
fn partitions(mender: &mut Mender<'_>, options: &OpenOptions) -> Result<(Changes, Opening)> {
    let overlay = mender.overlay;
    let options = OpenOptions { strict: false, ..*options };
    let volume = Volume::open(overlay, &options)?;
    let known = |kind: &PartitionKind| {
        matches!(
            kind,
            PartitionKind::Physical { .. } | PartitionKind::Sparable(_) | PartitionKind::Metadata(_)
        )
    };
    if !volume.partitions().iter().all(|partition| known(&partition.kind)) {
        return Err(Error::refused(
            "the volume has a kind of partition whose files are not mended",
            "copy its files to a new volume: extract, then create",
        ));
    }
    let volume = if mender.twins(&volume) { Volume::open(overlay, &options)? } else { volume };
    let volume = if mender.duplicate_flag(&volume) { Volume::open(overlay, &options)? } else { volume };
    let mut files = Files::new(mender, &volume);
    files.mend_all();
    Ok((files.claims, files.opening))
}

/// The sectors of the newest session, if the volume says so: of a read-only partition nothing else may be changed.
fn own_session<R: ReadAt>(volume: &Volume<R>) -> Option<(u32, u32)> {
    let record = SessionRecord::read(volume.logical())?;
    let last = record.last.get();
    if record.previous_main.length.get() == 0 {
        return Some((0, last));
    }
    // A session begins behind the one before it.
    let options = OpenOptions {
        session_start: Some(Sector(record.previous_start.get())),
        block_size: Some(volume.block_size()),
        sequences: Some((record.previous_main, record.previous_reserve)),
        ..OpenOptions::default()
    };
    let before = Volume::open(volume.device(), &options).ok();
    let before = before.and_then(|volume| SessionRecord::read(volume.logical()));
    Some((before.map_or(record.start.get(), |before| before.last.get().saturating_add(1)), last))
}
