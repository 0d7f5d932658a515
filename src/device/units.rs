//! Writes of any size to a medium that takes whole write units only, and of one in pseudo-overwrite nothing behind the sector
//! where a track goes on.

use std::fs::File;
use std::io;
use std::sync::Mutex;

use super::{Order, Recordable, Taking, WriteAt, lock};
use crate::media::multisession::OpenTrack;

/// Zeros are written in pieces of so many bytes, which are whole write units of every medium.
const ZEROS_BYTES: usize = 1 << 20;

/// A medium that is written in any order, as a drive shows it: what a write unit holds beside what is written is read first,
/// and written again. In pseudo-overwrite, what lies between the next writable sector of a track and what is written behind it
/// is filled with zeros.
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

    /// The same for a new volume: what is blank in pseudo-overwrite is divided into these tracks first
    /// ([`Plan::tracks`](crate::plan::Plan::tracks)), unless it was before. An error if it is not blank, or divided otherwise: zeros
    /// would have to fill it up.
    pub fn of_blank(medium: &'a dyn Recordable, tracks: &[u32]) -> io::Result<Self> {
        let this = Self::of(medium);
        if !medium.medium().is_pseudo_overwritten() {
            return Ok(this);
        }
        let refuse = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        if tracks.is_empty() {
            return refuse("the volume is not one for pseudo-overwrite, and could not be changed there");
        }
        if !medium.medium_state().is_blank {
            return refuse("the disc is not blank, and what is recorded on it cannot be taken back");
        }
        let mut border = 0_u32;
        let borders = tracks.iter().map(|sectors| {
            border = border.saturating_add(*sectors);
            border
        });
        let wanted: Vec<u32> = std::iter::once(0).chain(borders).collect();
        let there: Vec<u32> = medium.open_tracks()?.iter().map(|track| track.start).collect();
        if there.is_empty() || !wanted.starts_with(&there) {
            return refuse("the disc is blank, but divided into other tracks than the volume needs");
        }
        let missing = &tracks[there.len() - 1..];
        if !missing.is_empty() {
            medium.reserve_tracks(missing)?;
        }
        Ok(this)
    }

    fn sector_bytes(&self) -> u64 {
        self.medium.medium().block_size.bytes().into()
    }

    fn unit_bytes(&self) -> u64 {
        let medium = self.medium.medium();
        medium.block_size.bytes_in(medium.write_unit_blocks)
    }

    /// What a unit holds; of what was never written, zeros.
    fn read_unit(&self, start_bytes: u64, out: &mut [u8]) -> io::Result<()> {
        let sector = start_bytes / self.sector_bytes();
        let is_behind =
            |track: &OpenTrack| (u64::from(track.next_writable)..u64::from(track.end)).contains(&sector);
        if self.medium.open_tracks()?.iter().any(is_behind) {
            return Ok(());
        }
        let there = self.medium.size_bytes().saturating_sub(start_bytes).min(out.len() as u64);
        let there = usize::try_from(there).map_err(io::Error::other)?;
        self.medium.read_at(start_bytes, &mut out[..there]).map_err(io::Error::other)
    }

    /// Writes whole units.
    fn put(&self, mut offset_bytes: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = self.go_on_to(offset_bytes)?.min(bytes.len() as u64);
            let (piece, rest) = bytes.split_at(usize::try_from(room).map_err(io::Error::other)?);
            self.medium.write_at(offset_bytes, piece)?;
            (offset_bytes, bytes) = (offset_bytes + room, rest);
        }
        Ok(())
    }

    /// Fills a track up to where something is to be written; how many bytes from there on are of one kind: recorded before, or
    /// where the track goes on.
    fn go_on_to(&self, offset_bytes: u64) -> io::Result<u64> {
        if !self.medium.medium().is_pseudo_overwritten() {
            return Ok(u64::MAX);
        }
        let size = self.sector_bytes();
        let sector = offset_bytes / size;
        let contains = |track: &OpenTrack| (track.start.into()..u64::from(track.end)).contains(&sector);
        let tracks = self.medium.open_tracks()?;
        if let Some(track) = tracks.iter().find(|track| contains(track)) {
            if track.next_writable < track.start {
                return Err(io::Error::other("the drive says that a track goes on before it begins"));
            }
            let zeros = vec![0; if sector > track.next_writable.into() { ZEROS_BYTES } else { 0 }];
            let mut at_bytes = u64::from(track.next_writable) * size;
            while at_bytes < offset_bytes {
                let piece =
                    &zeros[..zeros.len().min(usize::try_from(offset_bytes - at_bytes).unwrap_or(usize::MAX))];
                self.medium.write_at(at_bytes, piece)?;
                at_bytes += piece.len() as u64;
            }
        }
        let borders = tracks.iter().flat_map(|track| [track.start, track.next_writable, track.end]);
        let next = borders.map(u64::from).filter(|border| *border > sector).min();
        Ok(next.map_or(u64::MAX, |border| (border - sector) * size))
    }
}

impl WriteAt for WholeUnits<'_> {
    fn order(&self) -> Order {
        self.medium.order()
    }

    fn capacity_bytes(&self) -> Option<u64> {
        self.medium.capacity_bytes()
    }

    fn alignment_bytes(&self) -> usize {
        self.medium.alignment_bytes()
    }

    fn taking(&self) -> Taking {
        self.medium.taking()
    }

    /// What is asked for are whole write units.
    fn copy_from(
        &self,
        offset_bytes: u64,
        file: &File,
        file_offset_bytes: u64,
        bytes: u64,
    ) -> io::Result<u64> {
        let _turn = lock(&self.turn);
        let room = self.go_on_to(offset_bytes)?.min(bytes);
        self.medium.copy_from(offset_bytes, file, file_offset_bytes, room)
    }

    fn buffer_level_percent(&self) -> Option<u8> {
        self.medium.buffer_level_percent()
    }

    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        let _turn = lock(&self.turn);
        let unit = self.unit_bytes();
        let start = offset_bytes / unit * unit;
        let end_bytes = offset_bytes.saturating_add(bytes.len() as u64);
        let end = end_bytes.next_multiple_of(unit);
        if start == offset_bytes && end == end_bytes {
            return self.put(start, bytes);
        }
        let to_len = |bytes: u64| usize::try_from(bytes).map_err(io::Error::other);
        let (mut whole, unit_len) = (vec![0; to_len(end - start)?], to_len(unit)?);
        let mut read = |unit_start: u64| {
            let place = to_len(unit_start - start)?;
            self.read_unit(unit_start, &mut whole[place..place + unit_len])
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
        self.put(start, &whole)
    }

    fn flush(&self) -> io::Result<()> {
        self.medium.flush()
    }
}
