//! One drive: each command as a call, its reply checked, and what passes by itself waited for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use zerocopy::IntoBytes;
use zerocopy::big_endian::{U16, U32};

use super::command::{self, Command, Patience};
use super::configuration::Configuration;
use super::error::MmcError;
use super::mode::{self, WriteParameters};
use super::reply::{
    self, BufferCapacity, DiscInformation, FormatCapacity, Inquiry, Reply, TrackInformation, WriteSpeed,
};
use super::retry::{self, Verdict};
use super::sense::{Sense, SenseKey};
use super::transport::{Answer, Data, Transport};

/// A result of a command.
pub(super) type Result<T, E = MmcError> = std::result::Result<T, E>;

/// Bytes of a sector.
pub(crate) const SECTOR_BYTES: usize = 2048;
/// Room for replies of any length: what the field of the length can say, of pages.
const REPLY_BYTES: u16 = 0xF000;
/// So often a drive may say that something changed before it is called broken.
const ATTENTIONS: usize = 16;

/// A drive.
#[derive(Debug)]
pub struct Unit<T> {
    transport: T,
    /// How long commands were waited for because the drive was not ready for them, in all.
    waited_milliseconds: AtomicU64,
}

/// Which track is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackOf {
    /// That in which this sector lies.
    Sector(u32),
    /// That of this number.
    Number(u16),
}

/// What is closed (MMC-6 table 222).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Formatting in the background ends as soon as it can.
    BackgroundFormat,
    /// A track.
    Track(u16),
    /// The last session.
    Session,
    /// The disc: nothing can be written any more.
    Disc,
}

impl<T: Transport> Unit<T> {
    /// A drive that is reached so.
    pub fn new(transport: T) -> Self {
        Self { transport, waited_milliseconds: AtomicU64::new(0) }
    }

    /// What carries the commands.
    pub fn transport(&self) -> &T {
        &self.transport
    }

    /// How long commands were waited for, in all: what a series of them may take is for who sends it to bound.
    pub(super) fn waited(&self) -> Duration {
        Duration::from_millis(self.waited_milliseconds.load(Ordering::Relaxed))
    }

    /// Has the drive do it; returns how many bytes came.
    fn run<C: Command>(&self, command: &C, mut data: Data<'_>) -> Result<usize> {
        let code = C::CODE;
        let timeout = Duration::from_secs(C::PATIENCE.seconds());
        let mut waited = Duration::ZERO;
        loop {
            let lent = match &mut data {
                Data::None => Data::None,
                Data::Out(bytes) => Data::Out(bytes),
                Data::In(bytes) => Data::In(bytes),
            };
            let answer = self.transport.execute(command.as_bytes(), lent, timeout);
            let answer = answer.map_err(|source| MmcError::Transport { code, source })?;
            let (rule, sense) = match answer {
                Answer::Good(bytes) => return Ok(bytes),
                Answer::Busy => (retry::BUSY, None),
                Answer::Check(sense, bytes) => match Verdict::of(&sense) {
                    Verdict::Done => return Ok(bytes),
                    Verdict::Again(rule) => (rule, Some(sense)),
                    Verdict::Failed => return Err(MmcError::Sense { code, sense }),
                },
            };
            if waited >= rule.limit {
                return Err(match sense {
                    Some(sense) if sense.key != SenseKey::NotReady => MmcError::Sense { code, sense },
                    sense => MmcError::Busy { code, seconds: waited.as_secs(), sense },
                });
            }
            self.transport.pause(rule.pause);
            waited += rule.pause;
            let milliseconds = u64::try_from(rule.pause.as_millis()).unwrap_or(u64::MAX);
            self.waited_milliseconds.fetch_add(milliseconds, Ordering::Relaxed);
        }
    }

    fn tell<C: Command>(&self, command: &C) -> Result<()> {
        self.run(command, Data::None).map(drop)
    }

    /// A reply of any length, as far as the drive gave it.
    fn list<C: Command>(&self, command: &C, room_bytes: u16) -> Result<Vec<u8>> {
        let mut reply = vec![0; usize::from(room_bytes)];
        let length = self.run(command, Data::In(&mut reply))?;
        reply.truncate(length);
        Ok(reply)
    }

    fn fixed<C: Command, R: Reply>(&self, command: &C) -> Result<R> {
        let mut room = R::new_zeroed();
        let length = self.run(command, Data::In(room.as_mut_bytes()))?;
        let bytes = room.as_bytes();
        R::parse(bytes.get(..length).unwrap_or(bytes))
            .ok_or(MmcError::Reply { code: C::CODE, what: "it is too short" })
    }

    /// Waits until a disc is ready, passing over what happened before anybody listened.
    pub fn wait_until_ready(&self) -> Result<()> {
        let mut attentions = 0;
        loop {
            match self.test_unit_ready() {
                Err(MmcError::Sense { sense, .. })
                    if sense.key == SenseKey::UnitAttention && attentions < ATTENTIONS =>
                {
                    attentions += 1;
                }
                result => return result,
            }
        }
    }

    /// Waits until something is done that the drive began and answered at once; told is how much, of 65,536 parts.
    fn wait_until_done(&self, code: u8, told: &mut dyn FnMut(u16)) -> Result<()> {
        const PAUSE: Duration = Duration::from_millis(500);
        let mut waited = Duration::ZERO;
        loop {
            let command = command::TestUnitReady::new();
            let timeout = Duration::from_secs(Patience::Prompt.seconds());
            let answer = self.transport.execute(command.as_bytes(), Data::None, timeout);
            let sense = match answer.map_err(|source| MmcError::Transport { code, source })? {
                Answer::Good(_) => return Ok(()),
                Answer::Busy => None,
                Answer::Check(sense, _) if sense.is(SenseKey::NotReady, 0x04, None) => Some(sense),
                Answer::Check(sense, _) => return Err(MmcError::Sense { code, sense }),
            };
            if let Some(progress) = sense.and_then(|sense| sense.progress) {
                told(progress);
            }
            if waited.as_secs() >= Patience::Long.seconds() {
                return Err(MmcError::Busy { code, seconds: waited.as_secs(), sense });
            }
            self.transport.pause(PAUSE);
            waited += PAUSE;
        }
    }

    /// TEST UNIT READY.
    pub fn test_unit_ready(&self) -> Result<()> {
        self.tell(&command::TestUnitReady::new())
    }

    /// REQUEST SENSE: what the drive is busy with, or what happened.
    pub fn request_sense(&self) -> Result<Sense> {
        let mut reply = [0; 252];
        let command = command::RequestSense { allocation_length: 252, ..command::RequestSense::new() };
        let length = self.run(&command, Data::In(&mut reply))?;
        Sense::parse(reply.get(..length).unwrap_or(&reply))
            .ok_or(MmcError::Reply { code: command.code, what: "it is no sense data" })
    }

    /// INQUIRY.
    pub fn inquiry(&self) -> Result<Inquiry> {
        let allocation_length = U16::new(36);
        self.fixed(&command::InquiryCommand { allocation_length, ..command::InquiryCommand::new() })
    }

    /// GET CONFIGURATION.
    pub fn configuration(&self) -> Result<Configuration> {
        let allocation_length = U16::new(REPLY_BYTES);
        let command = command::GetConfiguration { allocation_length, ..command::GetConfiguration::new() };
        let reply = self.list(&command, REPLY_BYTES)?;
        Configuration::parse(&reply).ok_or(MmcError::Reply { code: command.code, what: "it is too short" })
    }

    /// READ DISC INFORMATION.
    pub fn disc_information(&self) -> Result<DiscInformation> {
        let allocation_length = U16::new(34);
        self.fixed(&command::ReadDiscInformation { allocation_length, ..command::ReadDiscInformation::new() })
    }

    /// READ TRACK INFORMATION.
    pub fn track_information(&self, track: TrackOf) -> Result<TrackInformation> {
        let (kind, number) = match track {
            TrackOf::Sector(sector) => (0, sector),
            TrackOf::Number(number) => (1, u32::from(number)),
        };
        self.fixed(&command::ReadTrackInformation {
            kind,
            number: U32::new(number),
            allocation_length: U16::new(48),
            ..command::ReadTrackInformation::new()
        })
    }

    /// READ TOC: where the last complete session begins (MMC-6 6.25.3.3).
    pub fn last_session_start(&self) -> Result<u32> {
        let allocation_length = U16::new(12);
        let command = command::ReadToc { format: 1, allocation_length, ..command::ReadToc::new() };
        let reply = self.list(&command, 12)?;
        let start = reply.get(8..12).and_then(|bytes| bytes.first_chunk());
        let start = start.map(|bytes| u32::from_be_bytes(*bytes));
        start.ok_or(MmcError::Reply { code: command.code, what: "it is too short" })
    }

    /// READ CAPACITY: sectors that can be read.
    pub fn capacity_sectors(&self) -> Result<u32> {
        let command = command::ReadCapacity::new();
        let reply: reply::CapacityReply = self.fixed(&command)?;
        if reply.sector_bytes.get() as usize != SECTOR_BYTES {
            return Err(MmcError::Reply { code: command.code, what: "sectors have no 2048 bytes" });
        }
        Ok(reply.last.get().saturating_add(1))
    }

    /// READ FORMAT CAPACITIES: sectors of the disc as it is formatted, if it is; and how it could be.
    pub fn format_capacities(&self) -> Result<(Option<u32>, Vec<FormatCapacity>)> {
        const ROOM_BYTES: u16 = 4 + 255;
        let allocation_length = U16::new(ROOM_BYTES);
        let command =
            command::ReadFormatCapacities { allocation_length, ..command::ReadFormatCapacities::new() };
        reply::format_capacities(&self.list(&command, ROOM_BYTES)?)
            .ok_or(MmcError::Reply { code: command.code, what: "it is too short" })
    }

    /// READ BUFFER CAPACITY.
    pub fn buffer_capacity(&self) -> Result<BufferCapacity> {
        let allocation_length = U16::new(12);
        self.fixed(&command::ReadBufferCapacity { allocation_length, ..command::ReadBufferCapacity::new() })
    }

    /// GET PERFORMANCE: speeds at which the drive writes this disc, the fastest first.
    pub fn write_speeds(&self) -> Result<Vec<WriteSpeed>> {
        const DESCRIPTORS: u16 = 64;
        let descriptors = U16::new(DESCRIPTORS);
        let command = command::GetPerformance { kind: 3, descriptors, ..command::GetPerformance::new() };
        Ok(reply::write_speeds(&self.list(&command, 8 + 16 * DESCRIPTORS)?))
    }

    /// GET EVENT STATUS NOTIFICATION: whether a disc is in the drive, and the tray is open.
    pub fn media_status(&self) -> Result<(bool, bool)> {
        let command = command::GetEventStatusNotification {
            options: 1,
            classes: 1 << 4,
            allocation_length: U16::new(8),
            ..command::GetEventStatusNotification::new()
        };
        match self.list(&command, 8)?[..] {
            [_, _, class, _, _, status, ..] if class & 7 == 4 => Ok((status & 2 != 0, status & 1 != 0)),
            _ => Err(MmcError::Reply { code: command.code, what: "it is about no disc" }),
        }
    }

    /// MODE SENSE: how is written now.
    pub fn write_parameters(&self) -> Result<WriteParameters> {
        const ROOM_BYTES: u16 = 256;
        let command = command::ModeSense10 {
            options: 8,
            page: mode::PAGE,
            allocation_length: U16::new(ROOM_BYTES),
            ..command::ModeSense10::new()
        };
        WriteParameters::parse_list(&self.list(&command, ROOM_BYTES)?)
            .ok_or(MmcError::Reply { code: command.code, what: "there is no page of write parameters" })
    }

    /// MODE SELECT: how is to be written.
    pub fn set_write_parameters(&self, parameters: &WriteParameters) -> Result<()> {
        let mut list = vec![0; mode::HEADER_BYTES];
        list.extend(parameters.as_bytes());
        let command = command::ModeSelect10 {
            options: 0x10,
            parameter_list_length: U16::new(u16::try_from(list.len()).unwrap_or(u16::MAX)),
            ..command::ModeSelect10::new()
        };
        self.run(&command, Data::Out(&list)).map(drop)
    }

    /// READ (10): whole sectors, at most 65,535.
    pub fn read(&self, sector: u32, out: &mut [u8]) -> Result<()> {
        let sectors = U16::new(u16::try_from(out.len() / SECTOR_BYTES).unwrap_or(u16::MAX));
        let command = command::Read10 { sector: U32::new(sector), sectors, ..command::Read10::new() };
        let (wanted, came) = (out.len(), self.run(&command, Data::In(out))?);
        if came < wanted {
            return Err(MmcError::Reply { code: command.code, what: "fewer bytes came than were asked for" });
        }
        Ok(())
    }

    /// WRITE (10): whole sectors, at most 65,535.
    pub fn write(&self, sector: u32, bytes: &[u8]) -> Result<()> {
        let sectors = U16::new(u16::try_from(bytes.len() / SECTOR_BYTES).unwrap_or(u16::MAX));
        let command = command::Write10 { sector: U32::new(sector), sectors, ..command::Write10::new() };
        self.run(&command, Data::Out(bytes)).map(drop)
    }

    /// SYNCHRONIZE CACHE: returns when all that was written is on the disc.
    pub fn synchronize_cache(&self) -> Result<()> {
        self.tell(&command::SynchronizeCache::new())
    }

    /// RESERVE TRACK: sets sectors aside.
    pub fn reserve_track(&self, sectors: u32) -> Result<()> {
        self.tell(&command::ReserveTrack { sectors: U32::new(sectors), ..command::ReserveTrack::new() })
    }

    /// SEND OPC INFORMATION: calibrates for this disc.
    pub fn calibrate(&self) -> Result<()> {
        self.tell(&command::SendOpcInformation { options: 1, ..command::SendOpcInformation::new() })
    }

    /// CLOSE TRACK SESSION; returns when it is done.
    pub fn close(&self, what: Closing, told: &mut dyn FnMut(u16)) -> Result<()> {
        let (function, track) = match what {
            Closing::BackgroundFormat => (0, 0),
            Closing::Track(number) => (1, number),
            Closing::Session => (2, 0),
            Closing::Disc => (6, 0),
        };
        let track = U16::new(track);
        self.begin(
            told,
            |options| {
                self.tell(&command::CloseTrackSession {
                    options,
                    function,
                    track,
                    ..command::CloseTrackSession::new()
                })
            },
            command::CloseTrackSession::CODE,
            1,
        )
    }

    /// BLANK: all of the disc, or only what says what is on it; returns when it is done.
    pub fn blank(&self, is_full: bool, told: &mut dyn FnMut(u16)) -> Result<()> {
        let kind = u8::from(!is_full);
        self.begin(
            told,
            |options| self.tell(&command::Blank { options: options | kind, ..command::Blank::new() }),
            command::Blank::CODE,
            0x10,
        )
    }

    /// FORMAT UNIT, as one of the [`format_capacities`](Self::format_capacities); returns when the disc can be used.
    pub fn format(&self, as_one: FormatCapacity, told: &mut dyn FnMut(u16)) -> Result<()> {
        self.begin(
            told,
            |options| {
                let mut list = [0; 12];
                (list[1], list[3]) = (options, 8);
                list[4..8].copy_from_slice(&as_one.blocks.to_be_bytes());
                list[8] = as_one.kind << 2;
                list[9..12].copy_from_slice(&as_one.parameter);
                let command = command::FormatUnit { options: 0x11, ..command::FormatUnit::new() };
                self.run(&command, Data::Out(&list)).map(drop)
            },
            command::FormatUnit::CODE,
            2,
        )
    }

    /// Begins something that takes long; a drive that does not answer at once answers when it is done.
    fn begin(
        &self,
        told: &mut dyn FnMut(u16),
        command: impl Fn(u8) -> Result<()>,
        code: u8,
        immediate: u8,
    ) -> Result<()> {
        match command(immediate) {
            Err(error)
                if error.sense().is_some_and(|sense| sense.is(SenseKey::IllegalRequest, 0x24, None)) =>
            {
                command(0)?;
            }
            result => result?,
        }
        self.wait_until_done(code, told)
    }

    /// SET STREAMING, or SET CD SPEED: how fast is written.
    pub fn set_write_speed(&self, kilobytes_per_second: u32, end: u32, is_cd: bool) -> Result<()> {
        const SECOND_IN_MILLISECONDS: u32 = 1000;
        if is_cd {
            let write = U16::new(u16::try_from(kilobytes_per_second).unwrap_or(u16::MAX));
            return self.tell(&command::SetCdSpeed {
                read_kilobytes_per_second: U16::new(u16::MAX),
                write_kilobytes_per_second: write,
                ..command::SetCdSpeed::new()
            });
        }
        let fields = [
            0,
            0,
            end,
            kilobytes_per_second,
            SECOND_IN_MILLISECONDS,
            kilobytes_per_second,
            SECOND_IN_MILLISECONDS,
        ];
        let list: Vec<u8> = fields.iter().flat_map(|field| field.to_be_bytes()).collect();
        let command =
            command::SetStreaming { parameter_list_length: U16::new(28), ..command::SetStreaming::new() };
        self.run(&command, Data::Out(&list)).map(drop)
    }

    /// PREVENT ALLOW MEDIUM REMOVAL: locks the tray, or unlocks it.
    pub fn prevent_removal(&self, prevent: bool) -> Result<()> {
        let prevent = u8::from(prevent);
        self.tell(&command::PreventAllowMediumRemoval {
            prevent,
            ..command::PreventAllowMediumRemoval::new()
        })
    }

    /// START STOP UNIT: gives the disc out.
    pub fn eject(&self) -> Result<()> {
        self.tell(&command::StartStopUnit { action: 2, ..command::StartStopUnit::new() })
    }

    /// START STOP UNIT: takes the disc in.
    pub fn load(&self) -> Result<()> {
        self.tell(&command::StartStopUnit { action: 3, ..command::StartStopUnit::new() })
    }
}
