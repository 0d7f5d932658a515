//! Command blocks, byte for byte (MMC-6 6, SPC-4 6, SBC-3 5). Numbers are big endian.

use zerocopy::big_endian::{U16, U32};
use zerocopy::{Immutable, IntoBytes};

/// How long a drive may take for a command before something is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// It only has to think.
    Prompt,
    /// It may have to spin up, to seek, to calibrate, to empty its buffer.
    Mechanical,
    /// It does not answer before it has worked through the disc.
    Long,
}

impl Patience {
    /// In seconds.
    #[must_use]
    pub fn seconds(self) -> u64 {
        match self {
            Self::Prompt => 20,
            Self::Mechanical => 180,
            Self::Long => 4 * 3600,
        }
    }
}

/// A command.
pub trait Command: IntoBytes + Immutable {
    /// The first byte of the block.
    const CODE: u8;
    /// What the standard calls it.
    const NAME: &'static str;
    /// How long it may take.
    const PATIENCE: Patience;
}

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident = $code:literal $title:literal $patience:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, IntoBytes, Immutable)]
        #[repr(C)]
        pub struct $name {
            /// Operation code.
            pub code: u8,
            $($(#[$field_doc])* pub $field: $kind,)*
        }

        impl $name {
            /// With all fields 0 but the operation code.
            #[must_use]
            pub fn new() -> Self {
                Self { code: Self::CODE, ..Self::default() }
            }
        }

        impl Command for $name {
            const CODE: u8 = $code;
            const NAME: &'static str = $title;
            const PATIENCE: Patience = Patience::$patience;
        }
    )*

    #[cfg(test)]
    const SIZES: &[(&str, u8, usize)] = &[$(($title, $code, size_of::<$name>())),*];
    };
}

commands! {
    /// Whether the drive could do something with its disc (SPC-4 6.37).
    TestUnitReady = 0x00 "TEST UNIT READY" Prompt {
        /// 0.
        reserved: [u8; 4],
        /// 0.
        control: u8,
    }
    /// Why the last command failed (SPC-4 6.29).
    RequestSense = 0x03 "REQUEST SENSE" Prompt {
        /// Bit 0: descriptors instead of fixed fields.
        options: u8,
        /// 0.
        reserved: [u8; 2],
        /// Bytes that there is room for.
        allocation_length: u8,
        /// 0.
        control: u8,
    }
    /// Erases and divides the disc, by the parameter list that goes with it (MMC-6 6.5).
    FormatUnit = 0x04 "FORMAT UNIT" Long {
        /// Bit 4: a parameter list comes along; bits 0 to 2: its format, 1.
        options: u8,
        /// 0.
        reserved: [u8; 3],
        /// 0.
        control: u8,
    }
    /// Who made the drive (SPC-4 6.4).
    InquiryCommand = 0x12 "INQUIRY" Prompt {
        /// Bit 0: a page of vital product data.
        options: u8,
        /// Which.
        page: u8,
        /// Bytes that there is room for.
        allocation_length: U16,
        /// 0.
        control: u8,
    }
    /// Spins up or down, takes the disc in or gives it out (MMC-6 6.42).
    StartStopUnit = 0x1B "START STOP UNIT" Mechanical {
        /// Bit 0: answer at once.
        options: u8,
        /// 0.
        reserved: [u8; 2],
        /// Bit 0: start; bit 1: by way of the tray.
        action: u8,
        /// 0.
        control: u8,
    }
    /// Locks the tray, or not (MMC-6 6.13).
    PreventAllowMediumRemoval = 0x1E "PREVENT ALLOW MEDIUM REMOVAL" Prompt {
        /// 0.
        reserved: [u8; 3],
        /// Bit 0: prevent.
        prevent: u8,
        /// 0.
        control: u8,
    }
    /// How the disc could be formatted (MMC-6 6.23).
    ReadFormatCapacities = 0x23 "READ FORMAT CAPACITIES" Prompt {
        /// 0.
        reserved: [u8; 6],
        /// Bytes that there is room for.
        allocation_length: U16,
        /// 0.
        control: u8,
    }
    /// The last sector that can be read (MMC-6 6.19).
    ReadCapacity = 0x25 "READ CAPACITY" Prompt {
        /// 0.
        reserved: [u8; 8],
        /// 0.
        control: u8,
    }
    /// Reads sectors (MMC-6 6.16).
    Read10 = 0x28 "READ (10)" Mechanical {
        /// Bit 3: past the drive's cache.
        options: u8,
        /// The first.
        sector: U32,
        /// 0.
        group: u8,
        /// How many.
        sectors: U16,
        /// 0.
        control: u8,
    }
    /// Writes sectors (MMC-6 6.43).
    Write10 = 0x2A "WRITE (10)" Mechanical {
        /// Bit 3: past the drive's cache.
        options: u8,
        /// The first.
        sector: U32,
        /// 0.
        group: u8,
        /// How many.
        sectors: U16,
        /// 0.
        control: u8,
    }
    /// Writes what the drive has in its buffer to the disc (MMC-6 6.41).
    SynchronizeCache = 0x35 "SYNCHRONIZE CACHE" Mechanical {
        /// Bit 1: answer at once.
        options: u8,
        /// 0.
        sector: U32,
        /// 0.
        group: u8,
        /// 0 for all.
        sectors: U16,
        /// 0.
        control: u8,
    }
    /// The table of contents (MMC-6 6.25).
    ReadToc = 0x43 "READ TOC/PMA/ATIP" Prompt {
        /// Bit 1: minutes, seconds and frames instead of sectors.
        options: u8,
        /// 0 tracks, 1 sessions, 2 all of it, 4 what is in the groove.
        format: u8,
        /// 0.
        reserved: [u8; 3],
        /// The first track or session that is told of.
        first: u8,
        /// Bytes that there is room for.
        allocation_length: U16,
        /// 0.
        control: u8,
    }
    /// What the drive is and can do with this disc (MMC-6 6.6).
    GetConfiguration = 0x46 "GET CONFIGURATION" Prompt {
        /// 0 all features, 1 those that are current, 2 one.
        requested: u8,
        /// The first feature that is told of.
        starting_feature: U16,
        /// 0.
        reserved: [u8; 3],
        /// Bytes that there is room for.
        allocation_length: U16,
        /// 0.
        control: u8,
    }
    /// What happened since it was asked last (MMC-6 6.7).
    GetEventStatusNotification = 0x4A "GET EVENT STATUS NOTIFICATION" Prompt {
        /// Bit 0: answer at once.
        options: u8,
        /// 0.
        reserved: [u8; 2],
        /// Classes of events, a bit each: 4 is media.
        classes: u8,
        /// 0.
        more_reserved: [u8; 2],
        /// Bytes that there is room for.
        allocation_length: U16,
        /// 0.
        control: u8,
    }
    /// What the disc is like as a whole (MMC-6 6.21).
    ReadDiscInformation = 0x51 "READ DISC INFORMATION" Prompt {
        /// Bits 0 to 2: which kind of information; 0 is the standard one.
        kind: u8,
        /// 0.
        reserved: [u8; 5],
        /// Bytes that there is room for.
        allocation_length: U16,
        /// 0.
        control: u8,
    }
    /// What a track is like (MMC-6 6.26).
    ReadTrackInformation = 0x52 "READ TRACK INFORMATION" Prompt {
        /// Bits 0 and 1: the number is 0 a sector, 1 a track, 2 a session.
        kind: u8,
        /// Which.
        number: U32,
        /// 0.
        reserved: u8,
        /// Bytes that there is room for.
        allocation_length: U16,
        /// 0.
        control: u8,
    }
    /// Sets sectors aside as a track (MMC-6 6.30).
    ReserveTrack = 0x53 "RESERVE TRACK" Mechanical {
        /// 0.
        options: u8,
        /// 0.
        reserved: [u8; 3],
        /// How many.
        sectors: U32,
        /// 0.
        control: u8,
    }
    /// Calibrates the laser for this disc (MMC-6 6.32).
    SendOpcInformation = 0x54 "SEND OPC INFORMATION" Mechanical {
        /// Bit 0: do it.
        options: u8,
        /// 0.
        reserved: [u8; 5],
        /// 0: the drive knows best.
        parameter_list_length: U16,
        /// 0.
        control: u8,
    }
    /// Sets how is written (SPC-4 6.9, MMC-6 7).
    ModeSelect10 = 0x55 "MODE SELECT (10)" Prompt {
        /// Bit 4: pages as the standard has them.
        options: u8,
        /// 0.
        reserved: [u8; 5],
        /// Bytes that come along.
        parameter_list_length: U16,
        /// 0.
        control: u8,
    }
    /// How is written (SPC-4 6.11, MMC-6 7).
    ModeSense10 = 0x5A "MODE SENSE (10)" Prompt {
        /// Bit 3: no block descriptors.
        options: u8,
        /// Bits 0 to 5: which page; bits 6 and 7: 0 as it is, 1 what can be changed.
        page: u8,
        /// 0.
        reserved: [u8; 4],
        /// Bytes that there is room for.
        allocation_length: U16,
        /// 0.
        control: u8,
    }
    /// Ends a track, a session or the disc (MMC-6 6.3).
    CloseTrackSession = 0x5B "CLOSE TRACK SESSION" Long {
        /// Bit 0: answer at once.
        options: u8,
        /// 1 a track, 2 a session, 6 the disc.
        function: u8,
        /// 0.
        reserved: u8,
        /// Which track.
        track: U16,
        /// 0.
        more_reserved: [u8; 3],
        /// 0.
        control: u8,
    }
    /// How full the drive's buffer is (MMC-6 6.18).
    ReadBufferCapacity = 0x5C "READ BUFFER CAPACITY" Prompt {
        /// Bit 0: in sectors.
        options: u8,
        /// 0.
        reserved: [u8; 5],
        /// Bytes that there is room for.
        allocation_length: U16,
        /// 0.
        control: u8,
    }
    /// Makes a rewritable disc blank (MMC-6 6.2).
    Blank = 0xA1 "BLANK" Long {
        /// Bits 0 to 2: 0 all of it, 1 what says what is on it; bit 4: answer at once.
        options: u8,
        /// 0.
        start: U32,
        /// 0.
        reserved: [u8; 5],
        /// 0.
        control: u8,
    }
    /// Reads sectors, more of them (MMC-6 6.17).
    Read12 = 0xA8 "READ (12)" Mechanical {
        /// Bit 3: past the drive's cache.
        options: u8,
        /// The first.
        sector: U32,
        /// How many.
        sectors: U32,
        /// Bit 7: as a stream.
        streaming: u8,
        /// 0.
        control: u8,
    }
    /// Writes sectors, more of them (MMC-6 6.44).
    Write12 = 0xAA "WRITE (12)" Mechanical {
        /// Bit 3: past the drive's cache.
        options: u8,
        /// The first.
        sector: U32,
        /// How many.
        sectors: U32,
        /// Bit 7: as a stream.
        streaming: u8,
        /// 0.
        control: u8,
    }
    /// How fast the drive is (MMC-6 6.8).
    GetPerformance = 0xAC "GET PERFORMANCE" Prompt {
        /// For kind 0: what exactly.
        options: u8,
        /// The first sector that it is about.
        sector: U32,
        /// 0.
        reserved: [u8; 2],
        /// How many descriptors there is room for.
        descriptors: U16,
        /// 3: speeds at which it writes.
        kind: u8,
        /// 0.
        control: u8,
    }
    /// Sets how fast the drive reads and writes (MMC-6 6.39).
    SetStreaming = 0xB6 "SET STREAMING" Prompt {
        /// 0.
        reserved: [u8; 7],
        /// 0: a descriptor of performance.
        kind: u8,
        /// Bytes that come along.
        parameter_list_length: U16,
        /// 0.
        control: u8,
    }
    /// Sets how fast the drive reads and writes CDs (MMC-6 6.37).
    SetCdSpeed = 0xBB "SET CD SPEED" Prompt {
        /// 0.
        options: u8,
        /// In 1000 bytes a second.
        read_kilobytes_per_second: U16,
        /// In 1000 bytes a second.
        write_kilobytes_per_second: U16,
        /// 0.
        reserved: [u8; 5],
        /// 0.
        control: u8,
    }
}

/// What the standard calls the command of this code.
#[must_use]
pub fn name(code: u8) -> Option<&'static str> {
    NAMES.iter().find(|row| row.0 == code).map(|row| row.1)
}

macro_rules! names {
    ($($command:ident)*) => { &[$(($command::CODE, $command::NAME)),*] };
}

const NAMES: &[(u8, &str)] = names! {
    TestUnitReady RequestSense FormatUnit InquiryCommand StartStopUnit PreventAllowMediumRemoval ReadFormatCapacities
    ReadCapacity Read10 Write10 SynchronizeCache ReadToc GetConfiguration GetEventStatusNotification ReadDiscInformation
    ReadTrackInformation ReserveTrack SendOpcInformation ModeSelect10 ModeSense10 CloseTrackSession ReadBufferCapacity
    Blank Read12 Write12 GetPerformance SetStreaming SetCdSpeed
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_as_long_as_their_group_says() {
        for (name, code, bytes) in SIZES {
            let expected = match code >> 5 {
                0 => 6,
                1 | 2 => 10,
                5 => 12,
                _ => panic!("{name}: a group that is not used"),
            };
            assert_eq!(*bytes, expected, "{name}");
            assert_eq!(super::name(*code), Some(*name));
        }
        assert_eq!(SIZES.len(), NAMES.len());
    }

    #[test]
    fn fields_lie_where_the_standard_has_them() {
        let read = Read10 { sector: U32::new(0x0102_0304), sectors: U16::new(0x0506), ..Read10::new() };
        assert_eq!(read.as_bytes(), [0x28, 0, 1, 2, 3, 4, 0, 5, 6, 0]);
        let write = Write12 { sector: U32::new(9), sectors: U32::new(0x1_0000), ..Write12::new() };
        assert_eq!(write.as_bytes(), [0xAA, 0, 0, 0, 0, 9, 0, 1, 0, 0, 0, 0]);
        let close = CloseTrackSession { function: 1, track: U16::new(2), ..CloseTrackSession::new() };
        assert_eq!(close.as_bytes(), [0x5B, 0, 1, 0, 0, 2, 0, 0, 0, 0]);
        let track = ReadTrackInformation {
            kind: 1,
            number: U32::new(0xFF),
            allocation_length: U16::new(48),
            ..ReadTrackInformation::new()
        };
        assert_eq!(track.as_bytes(), [0x52, 1, 0, 0, 0, 0xFF, 0, 0, 48, 0]);
        let streaming = SetStreaming { parameter_list_length: U16::new(28), ..SetStreaming::new() };
        assert_eq!(streaming.as_bytes(), [0xB6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 28, 0]);
    }
}
