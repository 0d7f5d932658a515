//! The integrity descriptor: what was counted, what is free, and that the volume is consistent (ECMA-167 3/10.10, UDF 2.2.6).

use udf::Sector;
use udf::general::{Tag, TagIdentifier, Timestamp};
use udf::revision::Revision;
use udf::volume::{
    AccessType, IntegrityImplementationUse, IntegrityType, LogicalVolumeIntegrityDescriptor, NOT_COUNTED,
};
use zerocopy::{FromBytes, IntoBytes};

use super::bytes::{
    Want, content_is_sound, get16, get32, get64, is_sealed, is_zero, mend_developer, put, seal,
};
use super::files::Files;
use super::plan::Phase;
use crate::plan::record::developer;

const FIXED: usize = size_of::<LogicalVolumeIntegrityDescriptor>();
/// What UDF keeps behind the tables.
const USE_BYTES: usize = size_of::<IntegrityImplementationUse>();
const OPEN: u32 = IntegrityType::Open as u32;
const CLOSED: u32 = IntegrityType::Close as u32;

impl Files<'_, '_> {
    /// Brings the integrity descriptor up to date. Of a volume that is not understood in full nothing is counted, and it
    /// stays as open or closed as it was.
    pub(super) fn close(&mut self, free: &[Option<u32>]) {
        let (first, sectors) = self.integrity_extent();
        let found = self.volume.integrity().map(|integrity| integrity.sector.0);
        let sector = found.unwrap_or(first);
        let Some(old) = self.mender.overlay.sector(sector).filter(|_| sectors > 0) else { return };
        let kind = TagIdentifier::LOGICAL_VOLUME_INTEGRITY;
        let tables = 8 * self.spaces.len();
        let use_bytes = usize::try_from(get32(&old, 76)).unwrap_or(0);
        let is_one = get16(&old, 0) == kind.0 && found.is_some();
        let counted = usize::try_from(get32(&old, 72)).ok() == Some(self.spaces.len());
        let keeps = is_one && counted && use_bytes >= USE_BYTES && FIXED + tables + use_bytes <= old.len();
        let use_bytes = if keeps { use_bytes } else { USE_BYTES };
        let end = FIXED + tables + use_bytes;
        if end > old.len() {
            return;
        }
        let mut new = if keeps { old.clone() } else { vec![0; old.len()] };
        if is_one && !keeps {
            new[..FIXED].copy_from_slice(&old[..FIXED]);
        }
        if !is_one {
            put(&mut new, 28, &u32::from(!self.complete).to_le_bytes());
        }
        new[end..].fill(0);
        put(&mut new, 72, &u32::try_from(self.spaces.len()).unwrap_or(0).to_le_bytes());
        put(&mut new, 76, &u32::try_from(use_bytes).unwrap_or(0).to_le_bytes());
        put(&mut new, 48, &[0; 24]);
        self.time(&mut new);
        self.unique_id(&mut new);
        self.tables(&mut new, free);
        self.uses(&mut new, FIXED + tables, keeps);
        put(&mut new, 28, &if self.complete { CLOSED } else { get32(&old, 28).min(CLOSED) }.to_le_bytes());
        let want = Want { crc_bytes: end - Tag::LEN, ..self.mender.want(kind, sector) };
        if new == old && is_sealed(&old, &want) {
            return;
        }
        seal(&mut new, &want);
        if self.mender.overlay.put(sector, Phase::Close, new) {
            self.tell(&old, sector, is_one);
        }
        if found.is_none() && sectors > 1 {
            self.terminate(sector + 1);
        }
        self.open(&old, sector, end);
    }

    fn tell(&mut self, old: &[u8], sector: u32, is_one: bool) {
        let (rule, what) = match (is_one, get32(old, 28)) {
            (false, _) => (10, "there is none; it is made"),
            (true, OPEN) if self.complete => {
                (67, "counts and free space are those of the tree; the volume is closed")
            }
            _ => (69, "counts, free space and next unique id are those of the tree"),
        };
        self.mend(rule, Sector(sector), format!("integrity descriptor: {what}"));
    }

    /// Behind a descriptor that was made stands the end of the sequence, if nothing else does.
    fn terminate(&mut self, sector: u32) {
        if !self.mender.overlay.sector(sector).is_some_and(|bytes| is_zero(&bytes)) {
            return;
        }
        let mut bytes = vec![0; self.block_size().len()];
        let want = Want { crc_bytes: 496, ..self.mender.want(TagIdentifier::TERMINATING, sector) };
        seal(&mut bytes, &want);
        self.mender.overlay.put(sector, Phase::Close, bytes);
    }

    /// While the volume is changed, it is open; unless nobody could tell anyway.
    fn open(&mut self, old: &[u8], sector: u32, end: usize) {
        if get32(old, 28) != CLOSED || !content_is_sound(old, end.min(Tag::LEN + usize::from(get16(old, 10))))
        {
            return;
        }
        let mut open = old.to_vec();
        put(&mut open, 28, &OPEN.to_le_bytes());
        udf::general::Tag::reseal(&mut open);
        self.opening = Some((sector, open));
    }

    fn time(&self, new: &mut [u8]) {
        let old = Timestamp::read_from_bytes(&new[16..28]).ok().filter(|time| time.moment().is_some());
        let latest = [old, self.latest].into_iter().flatten().max_by_key(Timestamp::moment);
        let time = match (old, latest) {
            (Some(old), Some(latest)) if old.moment() >= latest.moment() => old,
            (_, latest) => latest.unwrap_or(self.volume.primary().recording_date_and_time),
        };
        put(new, 16, time.as_bytes());
    }

    fn unique_id(&self, new: &mut [u8]) {
        let old = get64(new, 40);
        let least = self.highest_id().saturating_add(1).max(16);
        let sane = old & 0xFFFF_FFFF >= 16 && old < 1 << 31;
        let next = if sane { old.max(least) } else { least };
        put(new, 40, &next.to_le_bytes());
    }

    fn tables(&self, new: &mut [u8], free: &[Option<u32>]) {
        let count = self.spaces.len();
        let partitions = self.volume.partitions().iter().zip(&self.spaces);
        for (index, (partition, space)) in partitions.enumerate() {
            let old = get32(new, FIXED + 4 * index);
            let right = match space.access {
                Some(AccessType::ReadOnly) => 0,
                Some(AccessType::PseudoOverwritable) => NOT_COUNTED,
                _ => free.get(index).copied().flatten().unwrap_or(old),
            };
            put(new, FIXED + 4 * index, &right.to_le_bytes());
            put(new, FIXED + 4 * (count + index), &partition.length_blocks.to_le_bytes());
        }
    }

    /// Who wrote last, how many files and directories there are, and what it takes to read and write the volume.
    fn uses(&self, new: &mut [u8], at: usize, keeps: bool) {
        if keeps {
            mend_developer(new, at);
        } else {
            put(new, at, developer().as_bytes());
        }
        if self.complete {
            let (files, directories) = self.counts();
            put(new, at + 32, &files.to_le_bytes());
            put(new, at + 36, &directories.to_le_bytes());
        }
        let rules = self.mender.revision.rules();
        let volume = self.mender.revision_number;
        let floor = if self.has_metadata() {
            0x0250
        } else if rules.streams {
            0x0200
        } else {
            0
        };
        let known = |number: u16| Revision::from_number(number).is_some();
        let least = |old: u16, right: u16| {
            if known(old) && (floor..=volume).contains(&old) { old } else { right }
        };
        let read = least(get16(new, at + 40), rules.minimum_read).min(0x0250);
        let write = least(get16(new, at + 42), rules.minimum_write);
        let most = get16(new, at + 44);
        let most = if known(most) && most >= volume { most } else { volume };
        put(new, at + 40, &read.to_le_bytes());
        put(new, at + 42, &write.to_le_bytes());
        put(new, at + 44, &most.to_le_bytes());
    }
}
