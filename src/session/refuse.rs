//! What cannot be appended to, why, and what the user can do instead.

use udf::Sector;
use udf::general::Descriptor as _;
use udf::read::{PartitionKind, ReadAt, Volume};
use udf::volume::{
    ANCHOR_SECTOR, AccessType, AnchorVolumeDescriptorPointer, IntegrityType, SECOND_ANCHOR_SECTOR,
};

use super::in_place::is_pseudo_overwritable;
use super::tables::virtual_partition;
use crate::error::{Error, Result};
use crate::media::VolumeLayout;

/// An error unless a logical session can be put behind the newest session of this volume. `is_sequential`: the medium says
/// where, and has a place of its own for each session's anchor; nothing inside older partitions can be written anyway.
pub(super) fn unless_appendable<R: ReadAt>(
    volume: &Volume<R>,
    force: bool,
    is_sequential: bool,
) -> Result<()> {
    unless_known(volume)?;
    unless_closed(volume, false)?;
    if virtual_partition(volume).is_some() || is_sequential {
        return unless_damaged(volume);
    }
    unless_read_only(volume, force)?;
    // It is looked at itself: a session that is opened by its start has its anchors elsewhere.
    let mut bytes = vec![0; volume.block_size().len()];
    let sector = Sector(ANCHOR_SECTOR);
    let anchor = volume.read_sectors(sector, &mut bytes).is_ok()
        && AnchorVolumeDescriptorPointer::view(&bytes, sector.0, sector).is_ok();
    let start = physical_start(volume).unwrap_or(0);
    if !anchor || start <= ANCHOR_SECTOR {
        return Err(Error::refused(
            "the volume has no readable anchor at sector 256 outside its partition, where readers would look for the new session",
            "make a new volume from its files: extract them, then create",
        ));
    }
    unless_damaged(volume)
}

/// An error unless the anchor that readers try first lies where the session's beginning says, and leads to the volume: those at
/// the session's end are elsewhere when more is written to it.
pub(super) fn unless_anchored<R: ReadAt>(volume: &Volume<R>) -> Result<()> {
    let found = volume.found();
    let at = |offset: u32| {
        let sector = found.session_start.0.checked_add(offset)?;
        found.anchors.iter().find(|anchor| anchor.sector.0 == sector)
    };
    let leads = at(ANCHOR_SECTOR)
        .or_else(|| at(SECOND_ANCHOR_SECTOR))
        .is_some_and(|anchor| (anchor.main, anchor.reserve) == volume.sequences());
    if leads {
        return Ok(());
    }
    Err(Error::refused(
        "the session has no readable anchor at its sector 256 or 512 that leads to the volume; those at its end would no longer be \
         found when more is written",
        "close the session, so that the next one has anchors of its own (mkudf-ms close), or copy the files to a new volume",
    ))
}

fn unless_damaged<R: ReadAt>(volume: &Volume<R>) -> Result<()> {
    if volume.used_reserve() {
        return Err(Error::refused(
            "the main volume descriptor sequence is damaged; only the reserve one could be read",
            "copy the volume's files to a new volume before anything else is lost: extract, then create",
        ));
    }
    Ok(())
}

/// One partition, read directly and perhaps through a metadata file upon it.
pub(super) fn unless_known<R: ReadAt>(volume: &Volume<R>) -> Result<()> {
    let known = match volume.partitions() {
        [one] => matches!(one.kind, PartitionKind::Physical { .. }),
        [one, two] => {
            matches!(one.kind, PartitionKind::Physical { .. })
                && (matches!(two.kind, PartitionKind::Metadata(_)) || virtual_partition(volume).is_some())
        }
        _ => false,
    };
    if known && volume.revision().is_some() {
        return Ok(());
    }
    let revision = volume.revision_number();
    Err(Error::refused(
        format!(
            "a session can be appended to volumes with one physical partition, or one with a metadata or virtual partition upon it; \
             this one has {} partition maps and is of revision {:x}.{:02x}",
            volume.partitions().len(),
            revision >> 8,
            revision & 0xFF
        ),
        "make a new volume from its files: extract them, then create",
    ))
}

/// An error if the volume is marked as being changed, unless that is to be ignored.
pub(super) fn unless_closed<R: ReadAt>(volume: &Volume<R>, force: bool) -> Result<()> {
    let integrity = volume.integrity().and_then(|integrity| integrity.integrity_type);
    if force || integrity == Some(IntegrityType::Close) || volume.is_consistent() {
        return Ok(());
    }
    let reason = if integrity.is_some() {
        "the volume is marked as being written (its integrity is open): an update was interrupted, or it is mounted elsewhere"
    } else {
        "the volume has no readable integrity descriptor, so nobody can tell whether it is consistent"
    };
    let hint = if integrity.is_some() && is_pseudo_overwritable(volume) {
        "unmount it where it is mounted, or go on with --force: its tree tells all that is needed"
    } else {
        "unmount it where it is mounted, or mend it first: mkudf-ms repair"
    };
    Err(Error::refused(reason, hint))
}

fn unless_read_only<R: ReadAt>(volume: &Volume<R>, force: bool) -> Result<()> {
    let access = volume.partitions().first().and_then(|partition| partition.access);
    match access {
        Some(AccessType::ReadOnly) => Ok(()),
        Some(AccessType::Overwritable | AccessType::WriteOnce) if force => Ok(()),
        Some(AccessType::PseudoOverwritable) => Err(Error::refused(
            "the volume's partition is changed in place; the drive knows what of it is free",
            "change it in place (append --in-place)",
        )),
        _ => Err(Error::refused(
            "the volume's partition can be written in place; a session appended to it would make it read-only, and free \
             space inside it would be lost",
            "change it in place (append --in-place), or use --force to append a read-only session all the same",
        )),
    }
}

/// Where the partition begins.
pub(super) fn physical_start<R: ReadAt>(volume: &Volume<R>) -> Option<u32> {
    match volume.partitions().first()?.kind {
        PartitionKind::Physical { start } => Some(start.0),
        _ => None,
    }
}

/// An error unless a volume grows as it is asked to: a session cannot change that.
pub fn unless_other_layout<R: ReadAt>(volume: &Volume<R>, asked: VolumeLayout) -> Result<()> {
    let found = VolumeLayout::of(volume);
    if found == asked {
        return Ok(());
    }
    let reason = match (found, asked) {
        (VolumeLayout::Vat, VolumeLayout::Session) => String::from(
            "the volume has a virtual allocation table: its entries have numbers there, and a file system without the table would \
             not find them",
        ),
        (_, VolumeLayout::Vat) => String::from(
            "the volume consists of logical sessions: its directories name blocks, and a virtual allocation table would need \
             every one of them recorded anew",
        ),
        _ => format!("the volume grows with the layout {found}, and not {asked}"),
    };
    let hint = "leave the layout as the volume has it, or begin anew behind it, which hides what is there (append --start-new)";
    Err(Error::refused(reason, hint))
}

/// Nothing that is on a disc can be gone on from.
pub(super) fn nothing_whole() -> Error {
    Error::refused(
        "no session of the disc is whole: what was written to it broke off, or is no UDF",
        "begin anew behind it: mkudf-ms append --start-new",
    )
}
