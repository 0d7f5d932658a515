//! The CRC of descriptors (ECMA-167 1/7.2.6): polynomial 0x1021, initial value 0, not reflected.

use crc::{CRC_16_XMODEM, Crc, Table};

static CRC: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_XMODEM);

/// The CRC of these bytes; of none, 0.
#[must_use]
pub fn crc16(bytes: &[u8]) -> u16 {
    CRC.checksum(bytes)
}

#[cfg(test)]
mod tests {
    use super::crc16;

    #[test]
    fn known_sums() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(crc16(&[0x70, 0x6A, 0x77]), 0x3299); // the standard's own example
        assert_eq!(crc16(&[]), 0);
    }
}
