//! Which session of a disc is the newest that is whole: power is lost, and the disc keeps what was written until then.

use udf::Sector;
use udf::read::{OpenOptions, ReadAt, Volume};

use super::in_place::is_pseudo_overwritable;
use super::refuse::nothing_whole;
use crate::error::{Result, Warning};
use crate::media::VolumeLayout;
use crate::plan::record::SessionRecord;

/// What is to be made of the sessions that a drive tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// First and last sector of the newest session that holds a volume and is complete; `None` if none does.
    pub newest: Option<(Sector, Sector)>,
    /// Where later ones begin, the oldest first, that broke off or hold no volume.
    pub broken: Vec<Sector>,
}

impl Whole {
    /// How the newest whole session is opened.
    #[must_use]
    pub fn options(&self) -> Option<OpenOptions> {
        let (start, last) = self.newest?;
        Some(OpenOptions {
            last_sector: (!self.broken.is_empty()).then_some(last),
            ..OpenOptions::of_session(start)
        })
    }
}

/// What the next session of a disc goes on from.
#[derive(Clone, Debug)]
pub struct Continuation {
    /// How the newest whole session is opened.
    pub open: OpenOptions,
    /// How its volume grows.
    pub layout: VolumeLayout,
    /// What is next needs a session of its own: one that is open is to be closed as it is.
    pub needs_session: bool,
    /// What broke off, and is passed over.
    pub warnings: Vec<Warning>,
}

impl Continuation {
    /// Looks at the volume of the newest whole session; an error if no session is whole.
    pub fn find<R: ReadAt>(device: &R, whole: &Whole) -> Result<Self> {
        let open = whole.options().ok_or_else(nothing_whole)?;
        let note = |start| {
            Warning::Note(format!(
                "the session that begins at {start} broke off before it was complete, or is no UDF: it is left as it is"
            ))
        };
        let mut warnings: Vec<_> = whole.broken.iter().map(note).collect();
        let volume = Volume::open(device, &open)?;
        if whole.broken.is_empty()
            && let Some((first, count)) = broken_off(&volume)
        {
            warnings.push(Warning::Note(format!(
                "{count} sectors, {first} the first, belong to no state of the volume: a write broke off there, and the next goes \
                 behind it"
            )));
        }
        let layout = VolumeLayout::of(&volume);
        let needs_session = !whole.broken.is_empty() || layout == VolumeLayout::Session;
        Ok(Self { open, layout, needs_session, warnings })
    }
}

impl VolumeLayout {
    /// How a volume grows that is appended to.
    pub fn of<R: ReadAt>(volume: &Volume<R>) -> Self {
        match volume.virtual_table() {
            Some(_) => Self::Vat,
            None if is_pseudo_overwritable(volume) => Self::PseudoOverwrite,
            None => Self::Session,
        }
    }
}

/// Looks at the sessions of a disc, first and last sector of each, the oldest first.
pub fn newest_whole<R: ReadAt>(device: &R, sessions: &[(Sector, Sector)]) -> Whole {
    let newest = sessions.iter().rposition(|(start, last)| is_whole(device, *start, *last));
    let later = newest.map_or(0, |index| index + 1);
    let broken = sessions.iter().skip(later).map(|(start, _)| *start).collect();
    Whole { newest: newest.and_then(|index| sessions.get(index).copied()), broken }
}

/// Whether a session can be opened by its start and has come to its end. With a virtual allocation table the newest table
/// tells what is complete; a logical session of ours ends with an anchor.
fn is_whole<R: ReadAt>(device: &R, start: Sector, last: Sector) -> bool {
    let options = OpenOptions { last_sector: Some(last), ..OpenOptions::of_session(start) };
    let Ok(volume) = Volume::open(device, &options) else { return false };
    if !(start..=last).contains(&volume.sequences().0.start()) {
        return false;
    }
    let record = SessionRecord::read(volume.logical()).filter(|_| volume.virtual_table().is_none());
    let Some(end) = record.map(|record| Sector(record.last.get())) else { return true };
    let options = OpenOptions { last_sector: Some(end), block_size: Some(volume.block_size()), ..options };
    end <= last
        && Volume::open(device, &options)
            .is_ok_and(|volume| volume.found().anchors.iter().any(|anchor| anchor.sector == end))
}

/// Sectors behind the newest table of a volume that has one, up to where the device ends: a write broke off there. The first,
/// and how many.
pub fn broken_off<R: ReadAt>(volume: &Volume<R>) -> Option<(Sector, u32)> {
    let table = volume.virtual_table()?;
    let last = volume.locate(table.head.entry.icb).ok()?.sector;
    let blocks = volume.block_size().blocks_for(volume.device().size_bytes());
    let first = last.checked_add(1)?;
    let count = u32::try_from(blocks).ok()?.checked_sub(first.0)?;
    (count > 0).then_some((first, count))
}
