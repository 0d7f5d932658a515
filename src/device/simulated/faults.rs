//! What goes wrong with a simulated drive when it is told to: it dies, or loses what was only in its cache.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::FileExt;

use super::commands::SimulatedDrive;
use super::state::State;
use super::{SimulatedMedium, bytes_there, lock};
use crate::device::mmc::{SECTOR_BYTES, Sense};

/// What a drive says that does nothing any more.
const FAILED: Sense = Sense::new(4, 0x44, 0x00);
const POWER_ON: Sense = Sense::new(6, 0x29, 0x00);

/// What is to go wrong.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// So many writes more are carried out.
    writes_left: Option<u64>,
    is_dead: bool,
    /// It tells of full tracks what is not so.
    pub(super) tells_full_tracks_as_open: bool,
    /// What only the cache holds, as far as the medium is concerned.
    cache: Option<Cache>,
}

/// Writes reach the image at once; this is what undoes them, back to the last SYNCHRONIZE CACHE.
#[derive(Debug, Default)]
struct Cache {
    /// How the medium was before the first of them.
    before: Option<(State, u64)>,
    /// Write units that were written: where, and what was there.
    units: Vec<(u64, Vec<u8>)>,
}

impl SimulatedDrive {
    /// Lets it die with the write behind so many more: from then on every command fails, until [`cut_power`](Self::cut_power).
    pub fn die_after(&self, writes: u64) {
        lock(&self.faults).writes_left = Some(writes);
    }

    /// Keeps what is written in a cache until SYNCHRONIZE CACHE, or until a track, a session or the disc is closed.
    pub fn use_volatile_cache(&self) {
        lock(&self.faults).cache = Some(Cache::default());
    }

    /// Tells of tracks in pseudo-overwrite that are full as if they went on at sector 0.
    pub fn tell_full_tracks_as_open(&self) {
        lock(&self.faults).tells_full_tracks_as_open = true;
    }

    /// The power is cut and comes back. Of the write units in the cache those are on the medium of which `survives` says so,
    /// asked in the order in which they were written; of a medium that is written one sector after the other, none behind the
    /// first that does not.
    pub fn cut_power(&self, mut survives: impl FnMut() -> bool) -> io::Result<()> {
        let mut faults = lock(&self.faults);
        faults.writes_left = None;
        faults.is_dead = false;
        if let Some(cache) = &mut faults.cache {
            std::mem::take(cache).lose(self.medium(), &mut survives)?;
        }
        self.say(POWER_ON);
        Ok(())
    }

    /// An error once it is dead.
    pub(super) fn unless_dead(&self) -> Result<(), Sense> {
        if lock(&self.faults).is_dead { Err(FAILED) } else { Ok(()) }
    }

    /// Before a write; an error if it is the one that it dies of.
    pub(super) fn before_write(&self, offset_bytes: u64, length_bytes: usize) -> Result<(), Sense> {
        let mut faults = lock(&self.faults);
        if let Some(left) = &mut faults.writes_left {
            let Some(less) = left.checked_sub(1) else {
                faults.is_dead = true;
                return Err(FAILED);
            };
            *left = less;
        }
        match &mut faults.cache {
            Some(cache) => cache.note(self.medium(), offset_bytes, length_bytes).map_err(|_| FAILED),
            None => Ok(()),
        }
    }

    /// All that was written is on the medium.
    pub(super) fn cache_is_written(&self) {
        if let Some(cache) = &mut lock(&self.faults).cache {
            *cache = Cache::default();
        }
    }
}

impl Cache {
    fn note(&mut self, medium: &SimulatedMedium, offset_bytes: u64, length_bytes: usize) -> io::Result<()> {
        let state = lock(&medium.state).clone();
        let unit_bytes = state.medium.block_size.bytes_in(state.medium.write_unit_blocks);
        if self.before.is_none() {
            self.before = Some((state, medium.image_bytes()));
        }
        let end_bytes = offset_bytes + length_bytes as u64;
        let mut at_bytes = offset_bytes;
        while at_bytes < end_bytes {
            let mut unit = vec![0; usize::try_from(unit_bytes).map_err(io::Error::other)?];
            let there = bytes_there(medium.image_bytes(), at_bytes, &unit);
            medium.image.read_exact_at(&mut unit[..there], at_bytes)?;
            self.units.push((at_bytes, unit));
            at_bytes += unit_bytes;
        }
        Ok(())
    }

    fn lose(self, medium: &SimulatedMedium, survives: &mut dyn FnMut() -> bool) -> io::Result<()> {
        let Some((before, size_bytes)) = self.before else { return Ok(()) };
        let is_sequential = before.medium.is_sequential();
        let kept: Vec<bool> = self.units.iter().map(|_| survives()).collect();
        let prefix = kept.iter().position(|kept| !kept).unwrap_or(kept.len());
        let is_kept = |index: usize| if is_sequential { index < prefix } else { kept[index] };
        let mut end_bytes = size_bytes;
        for (index, (at_bytes, unit)) in self.units.iter().enumerate().rev() {
            if is_kept(index) {
                end_bytes = end_bytes.max(at_bytes + unit.len() as u64);
            } else {
                medium.image.write_all_at(unit, *at_bytes)?;
            }
        }
        medium.image.set_len(end_bytes)?;
        let mut state = lock(&medium.state);
        // What the drive put elsewhere stays there.
        let (spare_units, spared) = (state.spare_units, state.spared.clone());
        let mut overwriting = state.overwriting.clone();
        let unit_of = |index: usize| self.units[index].0;
        let (kept, lost): (Vec<_>, Vec<_>) = (0..kept.len()).partition(|index| is_kept(*index));
        let arrived: BTreeSet<u64> = kept.into_iter().map(unit_of).collect();
        let lost = lost.into_iter().map(unit_of).filter(|at_bytes| !arrived.contains(at_bytes));
        let sector = |at_bytes: u64| u32::try_from(at_bytes / SECTOR_BYTES as u64).unwrap_or(u32::MAX);
        overwriting.lose(&before.overwriting, lost.map(sector));
        *state = State { spare_units, spared, overwriting, ..before };
        state.find_what_was_recorded(end_bytes);
        state.write(&medium.sidecar)
    }
}
