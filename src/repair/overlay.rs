//! The volume as it will be: the device, with the sectors that a repair would write laid over it. Nothing is written here.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use udf::read::ReadAt;
use udf::{BlockSize, BoxedError, Sector};

use super::plan::Phase;

/// Sectors to be written, by number, with the phase in which each is.
pub(super) type Changes = BTreeMap<u32, (Phase, Vec<u8>)>;

/// A device and what is to be written to it.
pub(super) struct Overlay<'d> {
    device: &'d dyn ReadAt,
    block_size: BlockSize,
    changes: Mutex<Changes>,
}

impl<'d> Overlay<'d> {
    pub(super) fn new(device: &'d dyn ReadAt, block_size: BlockSize) -> Self {
        Self { device, block_size, changes: Mutex::default() }
    }

    pub(super) fn block_size(&self) -> BlockSize {
        self.block_size
    }

    /// Whole sectors that there are.
    pub(super) fn sectors(&self) -> u32 {
        let sectors = self.device.size_bytes() / u64::from(self.block_size.bytes());
        u32::try_from(sectors).unwrap_or(u32::MAX)
    }

    /// A sector as it will be; `None` if it cannot be read.
    pub(super) fn sector(&self, sector: u32) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.block_size.len()];
        self.read_at(self.block_size.offset_of(Sector(sector)), &mut bytes).ok()?;
        Some(bytes)
    }

    /// A sector as it is; `None` if it cannot be read.
    pub(super) fn old_sector(&self, sector: u32) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.block_size.len()];
        self.device.read_at(self.block_size.offset_of(Sector(sector)), &mut bytes).ok()?;
        Some(bytes)
    }

    /// Lays bytes, as many as a sector has, over one; whether that changes anything.
    pub(super) fn put(&self, sector: u32, phase: Phase, bytes: Vec<u8>) -> bool {
        debug_assert_eq!(bytes.len(), self.block_size.len());
        if sector >= self.sectors() || self.sector(sector).as_ref() == Some(&bytes) {
            return false;
        }
        if self.old_sector(sector).as_ref() == Some(&bytes) {
            self.changes().remove(&sector);
        } else {
            let mut changes = self.changes();
            // What is new stays so, however often it is changed before it is written.
            let is_new = changes.get(&sector).is_some_and(|(phase, _)| *phase == Phase::Fill);
            changes.insert(sector, (if is_new { Phase::Fill } else { phase }, bytes));
        }
        true
    }

    /// What is laid over it.
    pub(super) fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Overlay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} sectors changed", self.changes().len())
    }
}

impl ReadAt for Overlay<'_> {
    fn size_bytes(&self) -> u64 {
        self.device.size_bytes()
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        let changes = self.changes();
        let len = u64::from(self.block_size.bytes());
        let end = offset_bytes.saturating_add(out.len() as u64);
        let sector = |at: u64| u32::try_from(at / len).unwrap_or(u32::MAX);
        let (first, last) = (sector(offset_bytes), sector(end.saturating_sub(1)));
        // A sector that cannot be read, but will be written, is read as what it will be.
        if let (true, Some((_, bytes))) = (first == last, changes.get(&first)) {
            let skip = usize::try_from(offset_bytes % len)?;
            out.copy_from_slice(bytes.get(skip..skip + out.len()).ok_or("beyond the sector")?);
            return Ok(());
        }
        self.device.read_at(offset_bytes, out)?;
        for (number, (_, bytes)) in changes.range(first..=last) {
            let start = u64::from(*number) * len;
            let (from, to) = (start.max(offset_bytes), (start + len).min(end));
            if from < to {
                let source = usize::try_from(from - start)?..usize::try_from(to - start)?;
                let target = usize::try_from(from - offset_bytes)?..usize::try_from(to - offset_bytes)?;
                out[target].copy_from_slice(&bytes[source]);
            }
        }
        Ok(())
    }

    fn sector_size_bytes(&self) -> Option<u32> {
        self.device.sector_size_bytes()
    }
}
