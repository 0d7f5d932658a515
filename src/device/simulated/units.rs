//! Writes of any size to a medium that takes whole write units only.

use std::collections::BTreeSet;
use std::io;
use std::sync::Mutex;

use crate::device::{Recordable, WriteAt, lock};

/// A medium that is written in any order, as a drive shows it: what a write unit holds beside what is written is read first,
/// and written again.
#[derive(Debug)]
pub struct WholeUnits<'a> {
    medium: &'a dyn Recordable,
    /// Two writes may touch the same unit.
    turn: Mutex<()>,
}

impl<'a> WholeUnits<'a> {
    /// Writes to this medium.
    #[must_use]
    pub fn of(medium: &'a dyn Recordable) -> Self {
        Self { medium, turn: Mutex::new(()) }
    }
}

impl WriteAt for WholeUnits<'_> {
    fn order(&self) -> crate::device::Order {
        self.medium.order()
    }

    fn capacity_bytes(&self) -> Option<u64> {
        self.medium.capacity_bytes()
    }

    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        let _turn = lock(&self.turn);
        let medium = self.medium.medium();
        let unit = medium.block_size.bytes_in(medium.write_unit_blocks);
        let start = offset_bytes / unit * unit;
        let end = offset_bytes.saturating_add(bytes.len() as u64).next_multiple_of(unit);
        if start == offset_bytes && end == offset_bytes.saturating_add(bytes.len() as u64) {
            return self.medium.write_at(start, bytes);
        }
        let to_len = |bytes: u64| usize::try_from(bytes).map_err(io::Error::other);
        let mut whole = vec![0; to_len(end - start)?];
        let at = to_len(offset_bytes - start)?;
        // Only the first and the last unit keep anything.
        for unit_start in BTreeSet::from([start, end - unit]) {
            let place = to_len(unit_start - start)?;
            let is_covered = place >= at && place + to_len(unit)? <= at + bytes.len();
            // What was never written is zeros.
            let there = to_len(self.medium.size_bytes().saturating_sub(unit_start).min(unit))?;
            if !is_covered {
                let room = &mut whole[place..place + there];
                self.medium.read_at(unit_start, room).map_err(io::Error::other)?;
            }
        }
        whole[at..at + bytes.len()].copy_from_slice(bytes);
        self.medium.write_at(start, &whole)
    }

    fn flush(&self) -> io::Result<()> {
        self.medium.flush()
    }
}
