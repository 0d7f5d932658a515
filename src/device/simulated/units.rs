//! Writes of any size to a medium that takes whole write units only.

use std::io;
use std::sync::Mutex;

use super::bytes_there;
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
        let end_bytes = offset_bytes.saturating_add(bytes.len() as u64);
        let end = end_bytes.next_multiple_of(unit);
        if start == offset_bytes && end == end_bytes {
            return self.medium.write_at(start, bytes);
        }
        let to_len = |bytes: u64| usize::try_from(bytes).map_err(io::Error::other);
        let (mut whole, unit_len) = (vec![0; to_len(end - start)?], to_len(unit)?);
        let mut read = |unit_start: u64| {
            let place = to_len(unit_start - start)?;
            let out = &mut whole[place..place + unit_len];
            let there = bytes_there(self.medium.size_bytes(), unit_start, out);
            self.medium.read_at(unit_start, &mut out[..there]).map_err(io::Error::other)
        };
        // Only the first and the last unit keep anything, and they may be one.
        let last = end - unit;
        if start < offset_bytes {
            read(start)?;
        }
        if end_bytes < end && (last > start || start == offset_bytes) {
            read(last)?;
        }
        let at = to_len(offset_bytes - start)?;
        whole[at..at + bytes.len()].copy_from_slice(bytes);
        self.medium.write_at(start, &whole)
    }

    fn flush(&self) -> io::Result<()> {
        self.medium.flush()
    }
}
