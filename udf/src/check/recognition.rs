//! The volume recognition sequence (R022 to R028).

use zerocopy::FromZeros;
use zerocopy::IntoBytes;

use super::context::{At, Context};
use super::seal::is_zero;
use crate::read::{Found, ReadAt};
use crate::units::Sector;
use crate::volume::VolumeStructureDescriptor as Structure;

const NAME: &str = "volume recognition sequence";
const BOOT: &[u8; 5] = b"BOOT2";
/// More than any bridge of ISO 9660, its extensions and UDF has.
const MAX_DESCRIPTORS: u64 = 64;
/// Of every descriptor, unless a block is larger.
const LEAST_STRIDE_BYTES: u32 = 2048;

/// How often each descriptor was seen, and where the first of its kind stands.
#[derive(Debug, Default)]
struct Seen {
    beginnings: u32,
    terminations: u32,
    nsr02: u32,
    nsr03: u32,
    /// An NSR stands where no extended area is open.
    outside: bool,
    last_offset_bytes: Option<u64>,
}

impl<R: ReadAt> Context<'_, R> {
    pub(super) fn recognition(&mut self, found: &Found) {
        let boot_area = self.block_size.boot_area_blocks();
        let start = Sector(self.session_start.0.saturating_add(boot_area));
        let at = At::new(NAME, start);
        let right = self.block_size.bytes().max(LEAST_STRIDE_BYTES);
        let stride = found.recognition_stride_bytes;
        if stride != right {
            self.error(22, at, format_args!("descriptors lie {stride} bytes apart, must be {right}"));
        }
        let seen = self.structures(start, stride);
        self.areas(at, &seen);
        self.editions(at, &seen);
        if let Some(last) = seen.last_offset_bytes {
            let end = last.saturating_add(stride.into());
            self.takes(NAME, start, end.saturating_sub(self.block_size.offset_of(start)));
            self.blank_behind(at, end);
        }
    }

    /// Walks over the descriptors up to the first that is none.
    fn structures(&mut self, start: Sector, stride: u32) -> Seen {
        let first = self.block_size.offset_of(start);
        let mut seen = Seen::default();
        for number in 0..MAX_DESCRIPTORS {
            let offset = first.saturating_add(number.saturating_mul(stride.into()));
            let mut structure = Structure::new_zeroed();
            let read = self.device.read_at(offset, structure.as_mut_bytes()).is_ok();
            if read && is_known(structure.standard_identifier) {
                seen.last_offset_bytes = Some(offset);
                self.structure(offset, &structure, &mut seen);
            } else if number > 0 {
                // The first may be unreadable on a disc that is still open.
                break;
            }
        }
        seen
    }

    fn structure(&mut self, offset_bytes: u64, structure: &Structure, seen: &mut Seen) {
        let sector = offset_bytes >> self.block_size.bytes().trailing_zeros();
        let at = At::new(NAME, Sector(u32::try_from(sector).unwrap_or(u32::MAX)));
        let identifier = &structure.standard_identifier;
        let open = seen.beginnings > seen.terminations;
        let count = match identifier {
            Structure::BEGINNING => &mut seen.beginnings,
            Structure::TERMINATING => &mut seen.terminations,
            Structure::NSR02 => &mut seen.nsr02,
            Structure::NSR03 => &mut seen.nsr03,
            BOOT => return self.boot(at, structure),
            // Descriptors of other standards.
            _ => return,
        };
        *count = count.saturating_add(1);
        if matches!(identifier, Structure::NSR02 | Structure::NSR03) {
            seen.outside |= !open;
        }
        self.type_and_version(at, structure);
    }

    fn type_and_version(&mut self, at: At, structure: &Structure) {
        let Structure { structure_type, structure_version, standard_identifier, .. } = structure;
        if (*structure_type, *structure_version) != (0, 1) {
            let name = standard_identifier.escape_ascii();
            self.error(
                27,
                at,
                format_args!("{name} is of type {structure_type} and version {structure_version}"),
            );
        }
    }

    /// A boot descriptor: byte 7 and bytes 110-141 are reserved, of the flags at 108 only bit 0 has a meaning.
    fn boot(&mut self, at: At, structure: &Structure) {
        self.type_and_version(at, structure);
        let bytes = structure.as_bytes();
        let zero = |range| is_zero(bytes.get(range).unwrap_or_default());
        let flags = bytes.get(108).copied().unwrap_or_default() & !1;
        if !zero(7..8) || flags != 0 || !zero(109..142) {
            self.error(28, at, format_args!("reserved fields or flags of BOOT2 are not 0"));
        }
    }

    fn areas(&mut self, at: At, seen: &Seen) {
        for (count, name) in [(seen.beginnings, "BEA01"), (seen.terminations, "TEA01")] {
            if count == 0 {
                self.error(22, at, format_args!("there is no {name}"));
            }
        }
        let nsr = seen.nsr02.saturating_add(seen.nsr03);
        if nsr == 0 || seen.nsr02 > 1 || seen.nsr03 > 1 {
            self.error(22, at, format_args!("there are {nsr} NSR descriptors, must be one"));
        }
        let there = seen.beginnings > 0 && seen.terminations > 0;
        if there && (seen.beginnings != seen.terminations || seen.beginnings > 1) {
            let (beginnings, terminations) = (seen.beginnings, seen.terminations);
            self.warning(25, at, format_args!("{beginnings} BEA01 and {terminations} TEA01"));
        } else if there && seen.outside {
            self.warning(25, at, format_args!("the NSR descriptor is not between BEA01 and TEA01"));
        }
    }

    fn editions(&mut self, at: At, seen: &Seen) {
        if seen.nsr02 > 0 && seen.nsr03 > 0 {
            self.error(23, at, format_args!("NSR02 and NSR03 stand together"));
            return;
        }
        let rules = self.rules();
        let found = if seen.nsr03 > 0 { Structure::NSR03 } else { Structure::NSR02 };
        if seen.nsr02.saturating_add(seen.nsr03) > 0 && found != rules.recognition_identifier {
            let (found, right) = (found.escape_ascii(), rules.recognition_identifier.escape_ascii());
            let revision = self.revision;
            self.error(24, at, format_args!("{found} on a volume of UDF {revision}, must be {right}"));
        }
    }

    fn blank_behind(&mut self, at: At, end_bytes: u64) {
        if !self.rules().blank_sector_after_recognition {
            return;
        }
        let mut block = alloc::vec![0; self.block_size.len()];
        if self.device.read_at(end_bytes, &mut block).is_ok() && !is_zero(&block) {
            self.error(26, at, format_args!("the sector at byte {end_bytes}, behind the last, is not blank"));
        }
    }
}

fn is_known(identifier: [u8; 5]) -> bool {
    let others: [&[u8; 5]; 3] = [BOOT, b"CD001", b"CDW02"];
    let own = [Structure::BEGINNING, Structure::NSR02, Structure::NSR03, Structure::TERMINATING];
    own.contains(&&identifier) || others.contains(&&identifier)
}
