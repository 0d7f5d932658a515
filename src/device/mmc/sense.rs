//! Why a drive did not do what it was told: sense data (SPC-4 4.5), and what people can make of it.

use std::fmt;

/// The kind of trouble (SPC-4 4.5.6).
#[allow(missing_docs, reason = "the names are the standard's")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SenseKey {
    NoSense,
    RecoveredError,
    NotReady,
    MediumError,
    HardwareError,
    IllegalRequest,
    UnitAttention,
    DataProtect,
    BlankCheck,
    VendorSpecific,
    CopyAborted,
    AbortedCommand,
    VolumeOverflow,
    Miscompare,
    /// One that is reserved.
    Other(u8),
}

impl SenseKey {
    const fn of(code: u8) -> Self {
        match code & 15 {
            0 => Self::NoSense,
            1 => Self::RecoveredError,
            2 => Self::NotReady,
            3 => Self::MediumError,
            4 => Self::HardwareError,
            5 => Self::IllegalRequest,
            6 => Self::UnitAttention,
            7 => Self::DataProtect,
            8 => Self::BlankCheck,
            9 => Self::VendorSpecific,
            10 => Self::CopyAborted,
            11 => Self::AbortedCommand,
            13 => Self::VolumeOverflow,
            14 => Self::Miscompare,
            other => Self::Other(other),
        }
    }

    /// Its number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Other(code) => code,
            key => (0..15).find(|code| Self::of(*code) == key).unwrap_or(15),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::NoSense => "nothing is wrong",
            Self::RecoveredError => "done after all, with effort",
            Self::NotReady => "the drive is not ready",
            Self::MediumError => "the disc is damaged or dirty there",
            Self::HardwareError => "the drive failed",
            Self::IllegalRequest => "the drive does not do that",
            Self::UnitAttention => "something changed in the drive",
            Self::DataProtect => "the disc is protected",
            Self::BlankCheck => "nothing is recorded there",
            Self::VendorSpecific => "the drive says something of its own",
            Self::CopyAborted | Self::AbortedCommand => "the drive gave up",
            Self::VolumeOverflow => "the disc is full",
            Self::Miscompare => "what was read is not what was written",
            Self::Other(_) => "the drive says something that no standard knows",
        }
    }
}

/// What a drive says of a command that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sense {
    /// The kind of trouble.
    pub key: SenseKey,
    /// Additional sense code, and its qualifier (SPC-4 4.5.6).
    pub code: (u8, u8),
    /// The sector that it is about, if it says so.
    pub sector: Option<u32>,
    /// Of something that takes long: how much of it is done, of 65,536 parts.
    pub progress: Option<u16>,
    /// It is about an earlier command, which the drive had called done; the last one was not begun (SPC-4 4.5.7).
    pub is_deferred: bool,
}

impl Sense {
    /// Of this kind, with this code and qualifier, about nothing in particular.
    #[must_use]
    pub const fn new(key: u8, code: u8, qualifier: u8) -> Self {
        Self {
            key: SenseKey::of(key),
            code: (code, qualifier),
            sector: None,
            progress: None,
            is_deferred: false,
        }
    }

    /// What the bytes say that a drive gave: fixed fields or descriptors. `None` if they are no sense data.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        match bytes.first()? & 0x7F {
            0x70 | 0x71 => Self::fixed(bytes),
            0x72 | 0x73 => Self::described(bytes),
            _ => None,
        }
    }

    /// Fixed fields (SPC-4 4.5.3).
    fn fixed(bytes: &[u8]) -> Option<Self> {
        let at = |index: usize| bytes.get(index).copied().unwrap_or(0);
        let word =
            |index: usize| u32::from_be_bytes([at(index), at(index + 1), at(index + 2), at(index + 3)]);
        let key = SenseKey::of(*bytes.get(2)?);
        Some(Self {
            key,
            code: (at(12), at(13)),
            sector: (at(0) & 0x80 != 0).then(|| word(3)),
            progress: (at(15) & 0x80 != 0).then(|| u16::from_be_bytes([at(16), at(17)])),
            is_deferred: at(0) & 0x7F == 0x71,
        })
    }

    /// Descriptors (SPC-4 4.5.2): of information (0) and of what is specific to the key (2).
    fn described(bytes: &[u8]) -> Option<Self> {
        let mut sense = Self::new(*bytes.get(1)?, *bytes.get(2)?, *bytes.get(3)?);
        sense.is_deferred = bytes[0] & 0x7F == 0x73;
        let mut rest = bytes.get(8..).unwrap_or_default();
        while let [kind, length, following @ ..] = rest {
            let body = following.get(..usize::from(*length)).unwrap_or(following);
            match (*kind, body) {
                (0, [valid, _, number @ ..]) if valid & 0x80 != 0 => {
                    let number = number.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
                    sense.sector = number.and_then(|number| u32::try_from(number).ok());
                }
                (2, [_, _, valid, high, low, ..]) if valid & 0x80 != 0 => {
                    sense.progress = Some(u16::from_be_bytes([*high, *low]));
                }
                _ => {}
            }
            rest = following.get(usize::from(*length)..).unwrap_or_default();
        }
        Some(sense)
    }

    /// Whether it is of this kind and has this code; any qualifier, if none is given.
    #[must_use]
    pub fn is(&self, key: SenseKey, code: u8, qualifier: Option<u8>) -> bool {
        self.key == key && self.code.0 == code && qualifier.is_none_or(|wanted| self.code.1 == wanted)
    }

    /// In the words of people.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        self.row().map_or(self.key.text(), |row| row.1)
    }

    /// What can be done about it.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        self.row().map(|row| row.2).filter(|remedy| !remedy.is_empty())
    }

    fn row(&self) -> Option<&'static (Codes, &'static str, &'static str)> {
        let fits = |row: &&(Codes, _, _)| {
            let (key, code, qualifier) = row.0;
            key.is_none_or(|key| key == self.key.code())
                && code == self.code.0
                && qualifier.is_none_or(|qualifier| qualifier == self.code.1)
        };
        MEANINGS.iter().find(fits)
    }
}

impl fmt::Display for Sense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, qualifier) = self.code;
        if self.is_deferred {
            f.write_str("of something written before: ")?;
        }
        write!(f, "{} (sense {:X}/{code:02X}/{qualifier:02X}", self.meaning(), self.key.code())?;
        match self.sector {
            Some(sector) => write!(f, ", sector {sector})"),
            None => f.write_str(")"),
        }
    }
}

type Codes = (Option<u8>, u8, Option<u8>);

const CLEAN: &str = "clean the disc and try again; what cannot be read is skipped by mkudf-ms rescue";
const ANOTHER: &str = "try again at a lower --speed; if that fails, take another disc, of another make";
const DRIVE: &str = "switch the drive off and on; check its cable and power";
const INSERT: &str = "insert a disc";
const WAIT: &str = "wait until the drive is done, then try again";

/// Sense key, code, qualifier (any, where there is none); what it means; what to do. The first that fits counts.
#[rustfmt::skip]
const MEANINGS: &[(Codes, &str, &str)] = &[
    ((Some(2), 0x04, Some(0x01)), "the drive is becoming ready", WAIT),
    ((Some(2), 0x04, Some(0x04)), "the disc is being formatted", WAIT),
    ((Some(2), 0x04, Some(0x07)), "the drive is busy with something that it began before", WAIT),
    ((Some(2), 0x04, Some(0x08)), "the drive is busy with a long write", WAIT),
    ((Some(2), 0x04, None),       "the drive is not ready", DRIVE),
    ((None,    0x30, Some(0x00)), "the drive cannot use this disc", "take a disc of a kind that the drive knows"),
    ((None,    0x30, Some(0x01)), "the drive cannot read this disc: it knows nothing of its format", ""),
    ((None,    0x30, Some(0x02)), "the drive cannot read this disc: the format is not compatible", ""),
    ((None,    0x30, Some(0x05)), "the drive cannot write to this disc as it is", "see mkudf-ms devices: it may be closed, or of a kind that is only read"),
    ((None,    0x30, Some(0x06)), "the drive cannot format this disc", ""),
    ((None,    0x30, Some(0x08)), "the drive has nobody's leave to write to this disc", ""),
    ((None,    0x30, Some(0x10)), "the disc is not formatted", "format it: mkudf-ms format"),
    ((None,    0x31, Some(0x00)), "the disc is not formatted, or its format is damaged", "format it: mkudf-ms format"),
    ((None,    0x31, Some(0x01)), "formatting failed", ANOTHER),
    ((None,    0x3A, Some(0x02)), "the tray is open", "close it"),
    ((None,    0x3A, None),       "no disc is in the drive", INSERT),
    ((Some(3), 0x02, None),       "the laser does not find its way there", CLEAN),
    ((Some(3), 0x0C, None),       "the drive could not write there", ANOTHER),
    ((Some(3), 0x03, None),       "the drive could not write", ANOTHER),
    ((Some(3), 0x11, None),       "the disc cannot be read there", CLEAN),
    ((Some(3), 0x15, None),       "the laser does not find its way there", CLEAN),
    ((Some(3), 0x57, None),       "the table of contents cannot be read", CLEAN),
    ((Some(3), 0x72, None),       "the session could not be closed", "what was written is kept; try mkudf-ms close again"),
    ((Some(3), 0x73, Some(0x03)), "the laser could not be calibrated for this disc", ANOTHER),
    ((Some(3), 0x73, None),       "the disc does not take what is written", ANOTHER),
    ((Some(4), 0x08, None),       "the drive does not answer", DRIVE),
    ((Some(4), 0x09, None),       "the laser lost its way", "clean the disc and the drive's lens"),
    ((Some(4), 0x3E, None),       "the drive does not answer", DRIVE),
    ((Some(4), 0x44, None),       "the drive failed", DRIVE),
    ((Some(5), 0x20, None),       "the drive does not know this command", ""),
    ((Some(5), 0x21, Some(0x02)), "that is not where the disc is written next", "somebody else may have written to it: see mkudf-ms devices, and begin again"),
    ((Some(5), 0x21, None),       "the disc has no such sector", ""),
    ((Some(5), 0x24, None),       "the drive does not know this command with these parameters", ""),
    ((Some(5), 0x26, None),       "the drive does not take these parameters", ""),
    ((Some(5), 0x2C, None),       "the drive expected something else first", "eject the disc, insert it, and begin again"),
    ((Some(5), 0x53, Some(0x02)), "somebody keeps the tray locked", "end the program that uses the drive"),
    ((Some(5), 0x55, None),       "the drive has no room for this", ""),
    ((Some(5), 0x63, None),       "the track has no room for this", "take a larger disc"),
    ((Some(5), 0x64, None),       "the track is not one that can be used so", ""),
    ((Some(5), 0x6F, None),       "the disc is protected against copies", ""),
    ((Some(5), 0x72, None),       "the session cannot be closed as it is", "a track of it is not complete: mkudf-ms close --finalize"),
    ((Some(6), 0x28, None),       "a disc was inserted", "begin again: nothing is written to a disc that was not looked at"),
    ((Some(6), 0x29, None),       "the drive was switched on, or reset", "begin again"),
    ((Some(6), 0x2A, None),       "somebody changed how the drive writes", "end the other program, and begin again"),
    ((Some(6), 0x2E, None),       "the drive lost power", "begin again"),
    ((Some(6), 0x3B, Some(0x0D)), "the tray was opened", "close it, and begin again"),
    ((Some(6), 0x5A, None),       "somebody wants the disc back", "leave the button alone until all is written"),
    ((Some(7), 0x27, None),       "the disc is protected against writing", "look for a notch or a cartridge's slide"),
    ((Some(7), 0x2A, None),       "the drive may not write to this disc", ""),
    ((Some(8), 0x64, None),       "the track is not one that can be used so", ""),
    ((None,    0x0C, Some(0x09)), "the drive waited for data in vain, and the track is spoilt", "try again at a lower --speed, with nothing else running"),
    ((None,    0x51, None),       "the disc could not be erased", ANOTHER),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let mut fixed = [0u8; 18];
        (fixed[0], fixed[2], fixed[7], fixed[12], fixed[13]) = (0xF0, 3, 10, 0x11, 5);
        fixed[3..7].copy_from_slice(&1000u32.to_be_bytes());
        let mut described = [0u8; 20];
        (described[0], described[1], described[2], described[3], described[7]) = (0x72, 3, 0x11, 5, 12);
        (described[8], described[9], described[10]) = (0, 10, 0x80);
        described[12..20].copy_from_slice(&1000u64.to_be_bytes());
        let expected = Sense { sector: Some(1000), ..Sense::new(3, 0x11, 5) };
        assert_eq!(Sense::parse(&fixed), Some(expected));
        assert_eq!(Sense::parse(&described), Some(expected));
        assert_eq!(expected.to_string(), "the disc cannot be read there (sense 3/11/05, sector 1000)");
    }

    #[test]
    fn progress_is_told_in_both_forms() {
        let mut fixed = [0u8; 18];
        (fixed[0], fixed[2], fixed[12], fixed[13]) = (0x70, 2, 4, 4);
        (fixed[15], fixed[16], fixed[17]) = (0x80, 0x40, 0);
        let described = [0x72, 2, 4, 4, 0, 0, 0, 8, 2, 6, 0, 0, 0x80, 0x40, 0, 0];
        for bytes in [&fixed[..], &described] {
            let sense = Sense::parse(bytes).unwrap();
            assert_eq!((sense.progress, sense.meaning()), (Some(0x4000), "the disc is being formatted"));
        }
    }

    #[test]
    fn whatever_bytes_come_end_in_something() {
        for length in 0..24 {
            for first in [0x70, 0x71, 0x72, 0x73, 0xF0, 0x7F, 0] {
                for fill in [0u8, 1, 2, 0x80, 0xFF] {
                    let mut bytes = vec![fill; length];
                    if let Some(byte) = bytes.first_mut() {
                        *byte = first;
                    }
                    if let Some(sense) = Sense::parse(&bytes) {
                        assert!(!sense.to_string().is_empty());
                    }
                }
            }
        }
    }

    #[test]
    fn no_row_hides_another() {
        let covers = |one: Codes, other: Codes| {
            (one.0.is_none() || one.0 == other.0) && one.1 == other.1 && (one.2.is_none() || one.2 == other.2)
        };
        for (index, row) in MEANINGS.iter().enumerate() {
            assert!(!MEANINGS[..index].iter().any(|before| covers(before.0, row.0)), "{row:?}");
        }
        for code in 0..16 {
            assert_eq!(SenseKey::of(code).code(), code);
        }
    }
}
