//! What drives reply, byte for byte (MMC-6 6, SPC-4 6.4). Numbers are big endian; what a shorter reply leaves out is 0.

use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A reply of fixed form.
pub(super) trait Reply: FromBytes + IntoBytes + Immutable + Sized {
    /// Fewer bytes than this say nothing.
    const LEAST_BYTES: usize;

    /// What these bytes say. More of them than are known here are passed over, as the standards ask.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut whole = Self::new_zeroed();
        let length = bytes.len().min(size_of::<Self>());
        whole.as_mut_bytes()[..length].copy_from_slice(&bytes[..length]);
        (bytes.len() >= Self::LEAST_BYTES).then_some(whole)
    }
}

/// Who made the drive (SPC-4 6.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Inquiry {
    /// Bits 0 to 4: 5 is a drive for CDs and what came after them.
    pub device_type: u8,
    /// Bit 7: the disc can be taken out.
    pub removable: u8,
    /// Of the standard.
    pub version: u8,
    /// How this is to be read.
    pub format: u8,
    /// Bytes that follow.
    pub additional_length: u8,
    /// What it can do.
    pub flags: [u8; 3],
    /// Its maker, filled up with spaces.
    pub vendor: [u8; 8],
    /// What its maker calls it.
    pub product: [u8; 16],
    /// Of its firmware.
    pub revision: [u8; 4],
}

impl Reply for Inquiry {
    const LEAST_BYTES: usize = 5;
}

const _: () = assert!(size_of::<Inquiry>() == 36);

/// What the disc is like as a whole (MMC-6 6.21.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct DiscInformation {
    /// Bytes that follow it.
    pub length: U16,
    /// Bits 0 and 1: status of the disc; 2 and 3: of its last session; 4: erasable; 5 to 7: kind of information.
    pub status: u8,
    /// Number of the first track.
    pub first_track: u8,
    /// How many sessions there are, the one that is open or could be begun included: the low byte.
    pub sessions_low: u8,
    /// Number of the first track of the last session: the low byte.
    pub first_track_of_last_session_low: u8,
    /// Number of its last track: the low byte.
    pub last_track_low: u8,
    /// Bits 0 and 1: formatting in the background: 0 none, 1 begun, 2 going on, 3 done.
    pub flags: u8,
    /// Of CDs.
    pub disc_type: u8,
    /// The high byte.
    pub sessions_high: u8,
    /// The high byte.
    pub first_track_of_last_session_high: u8,
    /// The high byte.
    pub last_track_high: u8,
    /// A number of the disc.
    pub identification: U32,
    /// Of CDs: where the last session's lead-in begins.
    pub last_lead_in_start: U32,
    /// Of CDs: where the lead-out can begin at the latest.
    pub last_possible_lead_out_start: U32,
    /// A number of the disc.
    pub bar_code: [u8; 8],
    /// For what it was made.
    pub application_code: u8,
    /// Tables of calibration that follow.
    pub opc_tables: u8,
}

impl Reply for DiscInformation {
    const LEAST_BYTES: usize = 12;
}

const _: () = assert!(size_of::<DiscInformation>() == 34);

/// What a track is like (MMC-6 6.26.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct TrackInformation {
    /// Bytes that follow it.
    pub length: U16,
    /// Its number: the low byte.
    pub track_low: u8,
    /// Its session's: the low byte.
    pub session_low: u8,
    /// 0.
    pub reserved: u8,
    /// Bits 0 to 3: how it is written, of CDs; 4: may be copied; 5: damaged.
    pub mode: u8,
    /// Bits 0 to 3: kind of its sectors; 4: packets of one size; 5: in packets, or bit by bit; 6: blank; 7: set aside.
    pub flags: u8,
    /// Bit 0: the next writable address is valid; 1: the last recorded one is.
    pub valid: u8,
    /// First sector.
    pub start: U32,
    /// Where the next write must begin.
    pub next_writable: U32,
    /// Sectors that can still be written.
    pub free_blocks: U32,
    /// Sectors of a packet, or of an ECC block.
    pub packet_blocks: U32,
    /// Sectors, written or not.
    pub size_blocks: U32,
    /// The last sector that was written.
    pub last_recorded: U32,
    /// The high byte.
    pub track_high: u8,
    /// The high byte.
    pub session_high: u8,
    /// 0.
    pub more_reserved: [u8; 2],
    /// Of DVD+R with two layers and others: not needed.
    pub layers: [U32; 3],
}

impl Reply for TrackInformation {
    const LEAST_BYTES: usize = 28;
}

const _: () = assert!(size_of::<TrackInformation>() == 48);

/// The last sector that can be read, and the size of one (MMC-6 6.19.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct CapacityReply {
    /// The last sector.
    pub(super) last: U32,
    /// In bytes.
    pub(super) sector_bytes: U32,
}

impl Reply for CapacityReply {
    const LEAST_BYTES: usize = 8;
}

const _: () = assert!(size_of::<CapacityReply>() == 8);

/// How full the drive's buffer is (MMC-6 6.18.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct BufferCapacity {
    /// Bytes that follow it.
    pub length: U16,
    /// 0.
    pub reserved: [u8; 2],
    /// Of all of it.
    pub size_bytes: U32,
    /// Of what is free.
    pub available_bytes: U32,
}

impl BufferCapacity {
    /// How full it is; `None` if it has no size, or more is free than there is.
    #[must_use]
    pub fn level_percent(&self) -> Option<u8> {
        let (size, free) = (u64::from(self.size_bytes.get()), u64::from(self.available_bytes.get()));
        let full = size.checked_sub(free)?;
        u8::try_from((full * 100).checked_div(size)?).ok()
    }
}

impl Reply for BufferCapacity {
    const LEAST_BYTES: usize = 12;
}

const _: () = assert!(size_of::<BufferCapacity>() == 12);

/// A way in which the disc is or can be formatted (MMC-6 6.23.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct FormatDescriptor {
    /// Sectors.
    pub(super) blocks: U32,
    /// Bits 2 to 7: kind of format. Of the first descriptor, bits 0 and 1: 1 not formatted, 2 formatted, 3 no disc.
    pub(super) kind: u8,
    /// What it means depends on the kind.
    pub(super) parameter: [u8; 3],
}

impl Reply for FormatDescriptor {
    const LEAST_BYTES: usize = 8;
}

const _: () = assert!(size_of::<FormatDescriptor>() == 8);

/// A speed at which the drive writes this disc (MMC-6 6.8.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct SpeedDescriptor {
    /// Of rotation, and whether it is exact.
    pub(super) flags: [u8; 4],
    /// The last sector that can be written so.
    pub(super) end: U32,
    /// In 1000 bytes a second.
    pub(super) read_kilobytes_per_second: U32,
    /// In 1000 bytes a second.
    pub(super) write_kilobytes_per_second: U32,
}

impl Reply for SpeedDescriptor {
    const LEAST_BYTES: usize = 16;
}

const _: () = assert!(size_of::<SpeedDescriptor>() == 16);

impl Inquiry {
    /// Maker, product and revision, as people know the drive.
    #[must_use]
    pub fn name(&self) -> String {
        let parts = [&self.vendor[..], &self.product, &self.revision].map(printable);
        parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// What can be done with the disc (MMC-6 table 367).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscStatus {
    /// Nothing was written.
    Blank,
    /// Something was, and more can be.
    Appendable,
    /// Nothing can be written any more.
    Finalized,
    /// It is written in any order.
    Other,
}

/// What can be done with its last session (MMC-6 table 366).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    /// Nothing is in it.
    Empty,
    /// Something is, and more can be.
    Incomplete,
    /// It is damaged.
    Damaged,
    /// It is closed; with a disc that is not, that cannot be.
    Complete,
}

impl DiscInformation {
    /// Of the disc.
    #[must_use]
    pub fn disc_status(&self) -> DiscStatus {
        match self.status & 3 {
            0 => DiscStatus::Blank,
            1 => DiscStatus::Appendable,
            2 => DiscStatus::Finalized,
            _ => DiscStatus::Other,
        }
    }

    /// Of the last session.
    #[must_use]
    pub fn session_status(&self) -> SessionStatus {
        match self.status >> 2 & 3 {
            0 => SessionStatus::Empty,
            1 => SessionStatus::Incomplete,
            2 => SessionStatus::Damaged,
            _ => SessionStatus::Complete,
        }
    }

    /// Whether what was written can be erased.
    #[must_use]
    pub fn is_erasable(&self) -> bool {
        self.status & 0x10 != 0
    }

    /// How many sessions there are, the one that is open or could be begun included.
    #[must_use]
    pub fn sessions(&self) -> u16 {
        u16::from_be_bytes([self.sessions_high, self.sessions_low])
    }

    /// Number of the last track.
    #[must_use]
    pub fn last_track(&self) -> u16 {
        u16::from_be_bytes([self.last_track_high, self.last_track_low])
    }
}

impl TrackInformation {
    /// Its number.
    #[must_use]
    pub fn track(&self) -> u16 {
        u16::from_be_bytes([self.track_high, self.track_low])
    }

    /// Its session's.
    #[must_use]
    pub fn session(&self) -> u16 {
        u16::from_be_bytes([self.session_high, self.session_low])
    }
}

/// A way in which the disc can be formatted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatCapacity {
    /// Sectors that there are then.
    pub blocks: u32,
    /// Which kind of format (MMC-6 table 250).
    pub kind: u8,
    /// What it means depends on the kind.
    pub parameter: [u8; 3],
}

/// How a disc is formatted now: `None` if it is not; and how it could be. `None` if the reply makes no sense (MMC-6 6.23.3).
pub(super) fn format_capacities(bytes: &[u8]) -> Option<(Option<u32>, Vec<FormatCapacity>)> {
    let list = bytes.get(4..)?;
    let list = list.get(..usize::from(bytes[3])).unwrap_or(list);
    let mut descriptors = list.chunks_exact(8).filter_map(FormatDescriptor::parse);
    let current = descriptors.next()?;
    let formatted = (current.kind & 3 == 2).then_some(current.blocks.get());
    let capacity = |one: FormatDescriptor| FormatCapacity {
        blocks: one.blocks.get(),
        kind: one.kind >> 2,
        parameter: one.parameter,
    };
    Some((formatted, descriptors.map(capacity).collect()))
}

/// A speed at which the drive can write the disc that is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteSpeed {
    /// In 1000 bytes a second.
    pub kilobytes_per_second: u32,
}

/// Speeds, the fastest first, each once (MMC-6 6.8.3.4).
pub(super) fn write_speeds(bytes: &[u8]) -> Vec<WriteSpeed> {
    let list = bytes.get(8..).unwrap_or_default();
    let mut speeds: Vec<u32> = list
        .chunks_exact(16)
        .filter_map(SpeedDescriptor::parse)
        .map(|one| one.write_kilobytes_per_second.get())
        .filter(|speed| *speed > 0)
        .collect();
    speeds.sort_unstable_by(|a, b| b.cmp(a));
    speeds.dedup();
    speeds.into_iter().map(|kilobytes_per_second| WriteSpeed { kilobytes_per_second }).collect()
}

/// Text of fixed length without the spaces at its ends; what is no printable character is `?`.
fn printable(bytes: &[u8]) -> String {
    let printable = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '?' };
    bytes.iter().map(printable).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_replies_are_filled_up_and_shorter_ones_refused() {
        let mut bytes = [0u8; 28];
        (bytes[2], bytes[3], bytes[7]) = (3, 2, 1);
        bytes[8..12].copy_from_slice(&5000u32.to_be_bytes());
        bytes[12..16].copy_from_slice(&5020u32.to_be_bytes());
        let track = TrackInformation::parse(&bytes).unwrap();
        assert_eq!((track.track(), track.session(), track.start.get()), (3, 2, 5000));
        assert_eq!((track.next_writable.get(), track.last_recorded.get()), (5020, 0));
        assert_eq!(TrackInformation::parse(&bytes[..27]), None);
        assert!(TrackInformation::parse(&[0; 200]).is_some());
    }

    #[test]
    fn statuses_are_bits_of_one_byte() {
        let mut bytes = [0u8; 34];
        bytes[2] = 0x15;
        (bytes[4], bytes[9], bytes[6], bytes[11]) = (1, 1, 2, 0);
        let disc = DiscInformation::parse(&bytes).unwrap();
        assert_eq!(
            (
                disc.disc_status(),
                disc.session_status(),
                disc.is_erasable(),
                disc.sessions(),
                disc.last_track()
            ),
            (DiscStatus::Appendable, SessionStatus::Incomplete, true, 257, 2)
        );
    }

    #[test]
    fn formats_are_those_that_the_list_holds() {
        let mut bytes = vec![0, 0, 0, 16];
        bytes.extend([0, 0, 0x10, 0, 2, 0, 8, 0]);
        bytes.extend([0, 0, 0x20, 0, 0x26 << 2, 0, 0, 1]);
        bytes.extend([9; 8]);
        let (formatted, formats) = format_capacities(&bytes).unwrap();
        assert_eq!(formatted, Some(4096));
        assert_eq!(formats, [FormatCapacity { blocks: 8192, kind: 0x26, parameter: [0, 0, 1] }]);
        assert_eq!(format_capacities(&[0, 0, 0, 255]), None);
        bytes[8] = 1;
        assert_eq!(format_capacities(&bytes).unwrap().0, None);
    }

    #[test]
    fn speeds_are_sorted_and_told_once() {
        let mut bytes = vec![0u8; 8];
        for speed in [5540u32, 11_080, 0, 5540] {
            bytes.extend([0; 12]);
            bytes.extend(speed.to_be_bytes());
        }
        bytes.extend([1; 15]);
        let speeds: Vec<_> = write_speeds(&bytes).iter().map(|one| one.kilobytes_per_second).collect();
        assert_eq!(speeds, [11_080, 5540]);
        assert!(write_speeds(&[]).is_empty());
    }

    #[test]
    fn texts_of_drives_are_printable() {
        assert_eq!(printable(b"  ACME\x1b[2J  "), "ACME?[2J");
    }
}
