//! Anchors and the recognition sequence: where readers begin (ECMA-167 2/8, 3/8.4.2).

use udf::general::{Descriptor, ExtentAd, TagIdentifier};
use udf::read::Found;
use udf::volume::{
    ANCHOR_SECTOR, AnchorVolumeDescriptorPointer as Anchor, MINIMUM_SEQUENCE_SECTORS, SECOND_ANCHOR_SECTOR,
    VolumeStructureDescriptor,
};
use udf::{BlockSize, Sector};
use zerocopy::IntoBytes;

use super::Mender;
use super::bytes::{Want, get32, is_sealed, is_zero};
use super::plan::Phase;

/// Main and reserve sequence.
pub(super) type Extents = (ExtentAd, ExtentAd);

impl Mender<'_> {
    /// Mends the anchors of the session, when the sequences are there that they should point to.
    pub(super) fn anchors(&mut self, found: &Found, extents: Extents) {
        let start = found.session_start.0;
        let last = self.overlay.sectors().saturating_sub(1);
        let extents = self.long_enough(extents);
        let (first, second) = (start + ANCHOR_SECTOR, start + SECOND_ANCHOR_SECTOR);
        let places = [first, last.saturating_sub(ANCHOR_SECTOR), last];
        for sector in places {
            self.anchor(sector, extents);
        }
        if !places.contains(&second) && !self.is_taken(second) && self.points_to(second).is_some() {
            let empty = vec![0; self.block_size().len()];
            if self.overlay.put(second, Phase::Anchors, empty) {
                self.mend(30, Sector(second), "anchor: there must be none here; it is removed".into());
            }
        }
    }

    /// Sequences of 16 sectors, if what lacks is free.
    fn long_enough(&self, (main, reserve): Extents) -> Extents {
        let least = MINIMUM_SEQUENCE_SECTORS * self.block_size().bytes();
        let longer = |extent: ExtentAd| {
            let first = extent.location.get().saturating_add(extent.length.get() / self.block_size().bytes());
            let end = extent.location.get().saturating_add(MINIMUM_SEQUENCE_SECTORS);
            let free = (first..end).all(|sector| {
                !self.is_taken(sector) && self.overlay.sector(sector).is_some_and(|bytes| is_zero(&bytes))
            });
            if extent.length.get() < least && free { ExtentAd::new(least, extent.start()) } else { extent }
        };
        (longer(main), longer(reserve))
    }

    fn anchor(&mut self, sector: u32, extents: Extents) {
        let Some(old) = self.overlay.sector(sector) else {
            // What cannot be read may be written, if nothing else can be there.
            if !self.is_taken(sector) {
                self.write_anchor(sector, extents, 0, "it cannot be read; it is recorded anew");
            }
            return;
        };
        let is_one = self.points_to(sector) == Some(extents);
        let want = Want { crc_bytes: 496, ..self.want(TagIdentifier::ANCHOR_VOLUME_POINTER, sector) };
        if is_one && is_sealed(&old, &want) && is_zero(&old[512..]) || self.is_taken(sector) {
            return;
        }
        let (rule, what) = match self.points_to(sector) {
            Some(_) if is_one => (4, "its seal does not fit; it is recorded anew"),
            Some(_) => (31, "it points elsewhere than the others; it is recorded anew"),
            None => (29, "there is none; it is recorded anew"),
        };
        self.write_anchor(sector, extents, rule, what);
    }

    fn write_anchor(&mut self, sector: u32, (main, reserve): Extents, rule: u8, what: &str) {
        let mut block = vec![0; self.block_size().len()];
        let want = self.want(TagIdentifier::ANCHOR_VOLUME_POINTER, sector);
        let seal = udf::general::Seal { descriptor_version: want.version, serial_number: want.serial };
        Anchor::new(main, reserve).write(&[], &mut block, seal, sector);
        if self.overlay.put(sector, Phase::Anchors, block) {
            self.mend(rule, Sector(sector), format!("anchor: {what}"));
        }
    }

    /// Where what looks like an anchor there points.
    fn points_to(&self, sector: u32) -> Option<Extents> {
        let bytes = self.overlay.sector(sector)?;
        let is_anchor = bytes.starts_with(&[2, 0]) && get32(&bytes, 12) == sector;
        let extent = |at| ExtentAd::new(get32(&bytes, at), Sector(get32(&bytes, at + 4)));
        is_anchor.then(|| (extent(16), extent(24)))
    }

    /// Mends the recognition sequence, unless there is more in it than UDF's own three descriptors.
    pub(super) fn recognition(&mut self, found: &Found) {
        let rules = self.revision.rules();
        let block_size = self.block_size();
        let stride = block_size.bytes().max(2048);
        let first = found.session_start.0 + block_size.boot_area_blocks();
        let right: [&[u8; 5]; 3] = [
            VolumeStructureDescriptor::BEGINNING,
            rules.recognition_identifier,
            VolumeStructureDescriptor::TERMINATING,
        ];
        // Another standard's, or a boot block: whoever put them there is asked.
        let per = stride / block_size.bytes();
        let others = (0..4 * per).any(|sector| {
            let block = self.overlay.sector(first + sector);
            block.is_some_and(|block| {
                block[1..6].is_ascii()
                    && [b"BOOT2", b"CD001", b"CDW02"].iter().any(|other| block[1..6] == other[..])
            })
        });
        if others || self.is_taken(first) {
            return;
        }
        let mut changed = false;
        for (index, identifier) in (0..).zip(right) {
            changed |= self.structure(
                block_size,
                first + index * per,
                VolumeStructureDescriptor::new(identifier).as_bytes(),
            );
        }
        if rules.blank_sector_after_recognition || found.recognition.len() > 3 {
            changed |= self.structure(block_size, first + 3 * per, &[0; 2048]);
        }
        if changed {
            self.mend(22, Sector(first), "recognition sequence: it is recorded anew".into());
        }
    }

    /// Writes a descriptor of the recognition sequence, if it is not there; whether it was not.
    fn structure(&mut self, block_size: BlockSize, sector: u32, bytes: &[u8]) -> bool {
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().max(block_size.len()), 0);
        let pieces = (sector..).zip(bytes.chunks(block_size.len()));
        pieces.fold(false, |changed, (sector, piece)| {
            self.overlay.put(sector, Phase::Anchors, piece.to_vec()) | changed
        })
    }
}
