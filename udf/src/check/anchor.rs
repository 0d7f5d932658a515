//! Anchors, and with them where the session ends (R029 to R032).

use alloc::vec::Vec;

use super::context::{At, Context, whole_blocks};
use super::seal::{CrcLength, Expected, Sealed, is_zero};
use crate::general::{Descriptor, ExtentAd, Tag, TagIdentifier};
use crate::read::{Found, OpenOptions, ReadAt};
use crate::units::Sector;
use crate::volume::{
    ANCHOR_SECTOR, AnchorVolumeDescriptorPointer as Anchor, MINIMUM_SEQUENCE_SECTORS, SECOND_ANCHOR_SECTOR,
};

const ANCHOR_BYTES: u64 = size_of::<Anchor>() as u64;

/// Main and reserve volume descriptor sequence.
pub(super) type Sequences = (ExtentAd, ExtentAd);

impl<R: ReadAt> Context<'_, R> {
    /// Checks the anchors of the session, and finds its end. `inside` tells which sectors are in partitions.
    ///
    /// A session that was opened by its sequences has no anchors. One that was opened by its start may be older than the
    /// one that the anchors at the end of the device belong to: then the device tells nothing of its end, but an anchor at
    /// its sector 512 may.
    pub(super) fn anchors(
        &mut self,
        found: &Found,
        options: &OpenOptions,
        sequences: Sequences,
        inside: &dyn Fn(Sector) -> bool,
    ) {
        self.sequence_lengths(sequences);
        if options.sequences.is_some() {
            return;
        }
        let first = Sector(self.session_start.0.saturating_add(ANCHOR_SECTOR));
        let second = Sector(self.session_start.0.saturating_add(SECOND_ANCHOR_SECTOR));
        let before_last = |last: Sector| Sector(last.0.saturating_sub(ANCHOR_SECTOR));
        let belongs = |context: &Self, sector| context.peek_anchor(sector) == Some(sequences);
        let last = self.last;
        let ends_with_device = belongs(self, last) || belongs(self, before_last(last));
        if options.session_start.is_some() && !ends_with_device {
            if !belongs(self, second) {
                return;
            }
            self.last = second;
        }
        let mut places = alloc::vec![first, before_last(self.last), self.last];
        // A disc that is still open may have its only one there, if a track is reserved (UDF 6.10.1.1).
        if self.is_virtual {
            places.push(second);
        }
        // On a very small volume they fall together.
        places.sort_unstable();
        places.dedup();
        self.at_places(&places, sequences);
        let elsewhere = found.anchors.iter().map(|anchor| anchor.sector).chain([second]);
        for sector in elsewhere {
            if !places.contains(&sector) && !inside(sector) && belongs(self, sector) {
                let last = self.last;
                self.error(30, At::new(Anchor::NAME, sector), format_args!("none may be here; N is {last}"));
            }
        }
    }

    fn at_places(&mut self, places: &[Sector], sequences: Sequences) {
        let mut sound = Vec::new();
        for sector in places {
            let Some(pointed) = self.anchor(*sector) else { continue };
            sound.push(*sector);
            self.takes(Anchor::NAME, *sector, ANCHOR_BYTES);
            if pointed != sequences {
                let (main, reserve) = (pointed.0.start(), pointed.1.start());
                let at = At::new(Anchor::NAME, *sector);
                self.error(31, at, format_args!("points to {main} and {reserve}, unlike the first"));
            }
        }
        if sound.len() < 2 {
            let start = self.session_start;
            let at = At::new("anchors", start);
            let (number, last) = (sound.len(), self.last.0);
            let message = format_args!(
                "{number} sound at sector 256 of the session, N - 256 and N = {last}, must be 2"
            );
            // Enough while a disc is still being written.
            let in_front = sound.iter().all(|sector| {
                *sector < self.last && sector.0 <= start.0.saturating_add(SECOND_ANCHOR_SECTOR)
            });
            // That is also how a rewritable disc is left whose rest is still being formatted (UDF 6.13, 6.14).
            let is_unformatted = |sector: &Sector| sound.contains(sector) || self.is_blank(*sector);
            let is_being_formatted = || self.is_rewritable && places.iter().all(is_unformatted);
            if number == 1 && in_front && (self.is_virtual || is_being_formatted()) {
                self.warning(29, at, message);
            } else {
                self.error(29, at, message);
            }
        }
    }

    /// Checks the anchor at a sector, if there is one; where it points if it is sound.
    fn anchor(&mut self, sector: Sector) -> Option<Sequences> {
        self.peek_anchor(sector)?;
        let mut block = alloc::vec![0; self.block_size.len()];
        self.try_read(sector, &mut block).ok()?;
        let at = At::new(Anchor::NAME, sector);
        let expected = Expected {
            kind: TagIdentifier::ANCHOR_VOLUME_POINTER,
            location: sector.0,
            bytes: size_of::<Anchor>(),
            crc: CrcLength::Whole,
        };
        let sealed = self.seal(at, &block, expected);
        self.zeros_behind(at, &block, size_of::<Anchor>());
        let anchor = Anchor::peek(&block, sector).ok().filter(|_| sealed == Sealed::Sound)?;
        Some(pointed(anchor))
    }

    /// Where the anchor at a sector points, if there is anything that looks like one.
    fn peek_anchor(&self, sector: Sector) -> Option<Sequences> {
        let mut bytes = [0; size_of::<Anchor>()];
        self.try_read(sector, &mut bytes).ok()?;
        let tag = Tag::read(&bytes)?;
        // Of a damaged tag enough must be left to tell it from data.
        let intact = tag.location.get() == sector.0 || tag.checksum == tag.expected_checksum();
        let is_anchor = tag.kind() == TagIdentifier::ANCHOR_VOLUME_POINTER && intact;
        Anchor::peek(&bytes, sector).ok().filter(|_| is_anchor).map(pointed)
    }

    /// Whether nothing has been recorded in a sector.
    fn is_blank(&self, sector: Sector) -> bool {
        let mut block = alloc::vec![0; self.block_size.len()];
        self.try_read(sector, &mut block).is_err() || is_zero(&block)
    }

    fn sequence_lengths(&mut self, (main, reserve): Sequences) {
        for (extent, name) in [(main, super::sequence::MAIN), (reserve, super::sequence::RESERVE)] {
            let blocks = whole_blocks(self.block_size, extent.length.get().into());
            if blocks < MINIMUM_SEQUENCE_SECTORS.into() {
                let at = At::new(name, extent.start());
                self.error(32, at, format_args!("{blocks} sectors long, must be {MINIMUM_SEQUENCE_SECTORS}"));
            }
        }
    }
}

fn pointed(anchor: &Anchor) -> Sequences {
    (anchor.main_volume_descriptor_sequence_extent, anchor.reserve_volume_descriptor_sequence_extent)
}
