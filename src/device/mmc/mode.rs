//! How a disc is written: the mode page of write parameters (MMC-6 7.5).

use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::reply::Reply;

/// The page's code.
pub(super) const PAGE: u8 = 0x05;
/// Header of a list of mode pages, as the commands with ten bytes have it (SPC-4 7.5.5).
pub(super) const HEADER_BYTES: usize = 8;

/// Write parameters (MMC-6 7.5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct WriteParameters {
    /// Bits 0 to 5: 5.
    pub code: u8,
    /// Bytes that follow: 50.
    pub length: u8,
    /// Bits 0 to 3: 0 in packets, or bit by bit; 4: only try; 6: never let the buffer run empty.
    pub write_type: u8,
    /// Bits 0 to 3: kind of track, of CDs; 5: packets of one size; 6 and 7: 3 if another session can follow, 0 if not.
    pub track_mode: u8,
    /// Bits 0 to 3: 8 for sectors of 2048 bytes, mode 1.
    pub data_block_type: u8,
    /// Sectors between packets.
    pub link_size: u8,
    /// 0.
    pub reserved: u8,
    /// 0.
    pub application_code: u8,
    /// 0 for CD-ROM.
    pub session_format: u8,
    /// 0.
    pub more_reserved: u8,
    /// Sectors of a packet, if all are of one size.
    pub packet_blocks: U32,
    /// Of audio.
    pub audio_pause_length: U16,
    /// Of audio, and more of the same.
    pub rest: [u8; 36],
}

const _: () = assert!(size_of::<WriteParameters>() == 52);

impl Reply for WriteParameters {
    const LEAST_BYTES: usize = 16;
}

impl WriteParameters {
    /// What a list of mode pages says; `None` if the page is not in it.
    pub(super) fn parse_list(bytes: &[u8]) -> Option<Self> {
        let header = bytes.get(..HEADER_BYTES)?;
        let descriptors = usize::from(u16::from_be_bytes([header[6], header[7]]));
        let page = Self::parse(bytes.get(HEADER_BYTES + descriptors..)?)?;
        (page.code & 0x3F == PAGE).then_some(page)
    }

    /// For data that is written bit by bit, sector after sector, with or without another session to follow.
    #[must_use]
    pub fn incremental(self, is_cd: bool, is_last_session: bool) -> Self {
        const BUFFER_UNDERRUN_FREE: u8 = 0x40;
        const DATA_TRACK: u8 = 4;
        const INCREMENTAL: u8 = 1;
        const MULTI_SESSION: u8 = 3 << 6;
        let track_mode = if is_cd { DATA_TRACK | INCREMENTAL } else { DATA_TRACK };
        Self {
            code: PAGE,
            length: 50,
            write_type: BUFFER_UNDERRUN_FREE,
            track_mode: track_mode | if is_last_session { 0 } else { MULTI_SESSION },
            data_block_type: 8,
            link_size: if is_cd { 7 } else { 16 },
            session_format: 0,
            packet_blocks: U32::ZERO,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_found_behind_header_and_descriptors() {
        let mut bytes = vec![0u8; 8 + 8 + 52];
        bytes[7] = 8;
        (bytes[16], bytes[17], bytes[18]) = (0x85, 50, 0x42);
        let page = WriteParameters::parse_list(&bytes).unwrap();
        assert_eq!((page.write_type, page.length), (0x42, 50));
        let page = page.incremental(true, false);
        assert_eq!((page.code, page.write_type, page.track_mode, page.data_block_type), (5, 0x40, 0xC5, 8));
        assert_eq!(page.incremental(false, true).track_mode, 4);
        bytes[16] = 1;
        assert_eq!(WriteParameters::parse_list(&bytes), None);
        bytes[6] = 0xFF;
        assert_eq!(WriteParameters::parse_list(&bytes), None);
        assert_eq!(WriteParameters::parse_list(&[]), None);
    }
}
