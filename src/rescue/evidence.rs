//! Whether the newest state that can be read is the newest there was: what on the device speaks against it.

use udf::file::FileSetDescriptor;
use udf::general::Moment;
use udf::read::{Entry, PartitionKind, ReadAt};
use udf::volume::{
    AnchorVolumeDescriptorPointer, IntegrityImplementationUse, IntegrityType, LogicalVolumeDescriptor,
    LogicalVolumeIntegrityDescriptor, PrimaryVolumeDescriptor,
};
use zerocopy::FromBytes;

use super::catalogue::{Catalogue, Kind, Record, Whole};
use super::map::Status;
use super::survey::{Counted, Survey};
use super::verdict::Reason;
use super::view::{View, Way};

/// What speaks against the first view, once everything has been surveyed; `counted` is what was found in it.
pub(super) fn doubts<R: ReadAt>(survey: &Survey<'_, '_, R>, counted: Counted) -> Vec<Reason> {
    let Some(newest) = survey.views.first() else { return Vec::new() };
    let mut doubts = Vec::new();
    let lost = match newest.way {
        Way::Whole => None,
        Way::FoundFileSet => Some("the descriptors of the volume are lost, its file set was found"),
        Way::FoundRoot => Some("the file set of the volume is lost, its root directory was found"),
        Way::Lost => Some("the file set of the volume and its root directory are lost"),
    };
    if newest.is_put_together() {
        let what = "the newest virtual allocation table is lost, its entries were put together";
        doubts.push(Reason::Inferred(what));
    } else if let Some(what) =
        lost.filter(|_| is_displaced(survey, newest) || !is_all(survey.catalogue, newest, counted))
    {
        doubts.push(Reason::Inferred(what));
    }
    if is_unspared(newest) {
        let what = "the sparing table is lost, what it led elsewhere may be read where it was before";
        doubts.push(Reason::Inferred(what));
    }
    if let Some(why) = newer(survey, newest) {
        doubts.push(Reason::NewerLost(why));
    }
    doubts
}

/// Whether something may lie elsewhere than it is looked for: by a sparing table that is lost, or by one that was found by itself, which
/// may be of another volume. Every volume that has spare packets has an account of its free space, too.
fn is_displaced<R: ReadAt>(survey: &Survey<'_, '_, R>, newest: &View<'_, R>) -> bool {
    if newest.state.at_bytes.is_some() {
        return false;
    }
    let is_space =
        |record: &Record| record.kind == Kind::Space && !survey.ground.claimed.has(record.at_bytes);
    let map = newest.volume.device().device.map();
    let is_read = map.within(0, survey.size_bytes).all(|stretch| stretch.status == Status::Finished);
    let is_partition = survey.views.iter().any(|view| view.is_partition);
    is_partition || !is_read || survey.catalogue.records.iter().any(is_space)
}

/// Whether the partition has spare packets, and no copy of its sparing table can be read.
fn is_unspared<R: ReadAt>(view: &View<'_, R>) -> bool {
    view.volume
        .partitions()
        .iter()
        .any(|partition| matches!(&partition.kind, PartitionKind::Sparable(of) if of.prevailing.is_none()))
}

/// Whether what was found is as much as the newest integrity descriptor counts, if there is one and it is closed.
fn is_all<R: ReadAt>(catalogue: &Catalogue, view: &View<'_, R>, counted: Counted) -> bool {
    if view.state.table.is_some() {
        let integrity = view.volume.integrity();
        let counts = integrity.and_then(|integrity| integrity.files.zip(integrity.directories));
        return counts.is_some_and(|(files, directories)| {
            (u64::from(files), u64::from(directories)) == (counted.files, counted.directories)
        });
    }
    let in_frame = |whole: &Whole| view.state.frame.sector(whole.at_bytes) == Some(whole.location);
    let all = catalogue.of_kind::<LogicalVolumeIntegrityDescriptor>().filter(|(whole, _)| in_frame(whole));
    let newest =
        all.max_by_key(|(whole, integrity)| (integrity.recording_date_and_time.moment(), whole.at_bytes));
    let Some((whole, integrity)) = newest else { return false };
    let tables =
        usize::try_from(integrity.number_of_partitions.get()).ok().and_then(|count| count.checked_mul(8));
    let at = tables.and_then(|tables| tables.checked_add(size_of::<LogicalVolumeIntegrityDescriptor>()));
    let used = at.and_then(|at| IntegrityImplementationUse::read_from_prefix(whole.bytes.get(at..)?).ok());
    let Some((used, _)) = used else { return false };
    IntegrityType::from_number(integrity.integrity_type.get()) == Some(IntegrityType::Close)
        && (u64::from(used.number_of_files.get()), u64::from(used.number_of_directories.get()))
            == (counted.files, counted.directories)
}

/// A sign of a state that is newer than the newest that can be read.
fn newer<R: ReadAt>(survey: &Survey<'_, '_, R>, newest: &View<'_, R>) -> Option<String> {
    if let Some((whole, what)) = later_descriptor(survey, newest) {
        return Some(format!("there is a later {what} at byte {} of the device", whole.at_bytes));
    }
    if newest.way == Way::Whole
        && let Some(anchor) = anchor_to_nothing(survey, newest)
    {
        return Some(format!(
            "the anchor at byte {} of the device leads to descriptors that are lost",
            anchor.at_bytes
        ));
    }
    if let Some(record) = behind_table(survey.catalogue, newest) {
        return Some(format!(
            "an entry was recorded behind its virtual allocation table, at byte {} of the device",
            record.at_bytes
        ));
    }
    for (number, record) in survey.nameless() {
        let view = &survey.views[number];
        let Some(entry) = super::survey::entry_at(view, &record) else { continue };
        if is_later(newest, view, &record, &entry) {
            return Some(format!("the entry at byte {} of the device is of one", record.at_bytes));
        }
    }
    None
}

/// An entry behind the newest table, which was the last thing to be recorded.
fn behind_table<'s, R: ReadAt>(catalogue: &'s Catalogue, newest: &View<'_, R>) -> Option<&'s Record> {
    let table = newest.device_byte_of_table()?;
    let is_entry = |record: &&Record| matches!(record.kind, Kind::Entry(_));
    catalogue.records.iter().filter(is_entry).find(|record| record.at_bytes > table)
}

/// A descriptor of no state that can be read, recorded after the newest one.
fn later_descriptor<'s, R: ReadAt>(
    survey: &'s Survey<'_, '_, R>,
    newest: &View<'_, R>,
) -> Option<(&'s Whole, &'static str)> {
    let recorded = newest.recorded()?;
    let later = |moment: Option<Moment>| moment.is_some_and(|moment| moment > recorded);
    let known = |whole: &Whole| {
        survey.ground.claimed.has(whole.at_bytes) || survey.views.iter().any(|view| is_of(view, whole))
    };
    survey.catalogue.whole.iter().find_map(|whole| {
        let (moment, what) = if let Some(set) = whole.view::<FileSetDescriptor>() {
            (set.recording_date_and_time.moment(), "file set descriptor")
        } else if let Some(primary) = whole.view::<PrimaryVolumeDescriptor>() {
            (primary.recording_date_and_time.moment(), "primary volume descriptor")
        } else {
            let integrity = whole.view::<LogicalVolumeIntegrityDescriptor>()?;
            (integrity.recording_date_and_time.moment(), "integrity descriptor")
        };
        (later(moment) && !known(whole)).then_some((whole, what))
    })
}

/// Whether a descriptor is of a state that can be read.
fn is_of<R: ReadAt>(view: &View<'_, R>, whole: &Whole) -> bool {
    use zerocopy::IntoBytes;
    let same = |bytes: &[u8]| bytes.get(16..) == whole.content().get(..bytes.len() - 16);
    same(view.volume.file_set().as_bytes())
        || view.state.primary.is_some_and(|primary| same(primary.as_bytes()))
        || view
            .volume
            .integrity()
            .is_some_and(|integrity| view.state.frame.sector(whole.at_bytes) == Some(integrity.sector.0))
}

/// An anchor whose sequences hold no logical volume descriptor any more, unless it is known to be of an older state.
fn anchor_to_nothing<'s, R: ReadAt>(
    survey: &'s Survey<'_, '_, R>,
    newest: &View<'_, R>,
) -> Option<&'s Whole> {
    let frame = &newest.state.frame;
    let logical: Vec<u32> = survey
        .catalogue
        .of_kind::<LogicalVolumeDescriptor>()
        .filter_map(|(whole, _)| frame.sector(whole.at_bytes))
        .collect();
    let holds = |extent: udf::general::ExtentAd| {
        let blocks = extent.length.get().div_ceil(frame.block_size.bytes());
        let end = extent.start().0.saturating_add(blocks);
        logical.iter().any(|sector| (extent.start().0..end).contains(sector))
    };
    let mut anchors = survey.catalogue.of_kind::<AnchorVolumeDescriptorPointer>().filter(|(whole, _)| {
        frame.sector(whole.at_bytes) == Some(whole.location) && !survey.ground.claimed.has(whole.at_bytes)
    });
    let found = anchors.find(|(_, anchor)| {
        let main = anchor.main_volume_descriptor_sequence_extent;
        let is_older = newest.record.is_some_and(|record| main.start().0 < record.start.get());
        !is_older && !holds(main) && !holds(anchor.reserve_volume_descriptor_sequence_extent)
    });
    found.map(|(whole, _)| whole)
}

/// Whether an entry that nobody names is of a later state: it lies behind the newest one, is a root, or has a later time.
fn is_later<R: ReadAt>(newest: &View<'_, R>, view: &View<'_, R>, record: &Record, entry: &Entry) -> bool {
    if std::ptr::eq(newest, view)
        && let (Some(sector), Some(known)) = (newest.state.frame.sector(record.at_bytes), newest.record)
        && sector > known.last.get()
    {
        return true;
    }
    let is_closed =
        newest.volume.integrity().filter(|integrity| integrity.integrity_type == Some(IntegrityType::Close));
    if let Some(closed) = is_closed.and_then(|integrity| integrity.recorded.moment()) {
        let times = [entry.modified, entry.attributes_changed];
        if times.into_iter().any(|time| time.moment().is_some_and(|moment| moment > closed)) {
            return true;
        }
    }
    entry.is_directory() && is_root(view, entry)
}

fn is_root<R: ReadAt>(view: &View<'_, R>, entry: &Entry) -> bool {
    let first = view.volume.directory(entry).ok().and_then(|mut names| names.next()?.ok());
    first.is_some_and(|first| first.is_parent() && first.icb.start() == entry.icb)
}
