//! A drive with a simulated medium in it, by its commands: what a program says to a drive and is told by it, without a drive.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use udf::read::ReadAt;

use super::faults::Faults;
use super::replies::{inquiry, speeds};
use super::{SimulatedMedium, bytes_there};
use crate::device::mmc::command::{self, Command};
use crate::device::mmc::{Answer, Configuration, Data, Profile, SECTOR_BYTES, Sense, Transport};
use crate::device::{WriteAt, lock};

const BECOMING_READY: Sense = Sense::new(2, 0x04, 0x01);
const NO_MEDIUM: Sense = Sense::new(2, 0x3A, 0x01);
const CANNOT_READ: Sense = Sense::new(3, 0x11, 0x00);
const CANNOT_WRITE: Sense = Sense::new(3, 0x0C, 0x00);
const UNKNOWN_COMMAND: Sense = Sense::new(5, 0x20, 0x00);
pub(super) const UNKNOWN_FIELD: Sense = Sense::new(5, 0x24, 0x00);
const NOT_NEXT_WRITABLE: Sense = Sense::new(5, 0x21, 0x02);
const TRACK_FULL: Sense = Sense::new(5, 0x63, 0x00);
const INCOMPLETE_TRACK: Sense = Sense::new(5, 0x72, 0x03);
const INSERTED: Sense = Sense::new(6, 0x28, 0x00);

/// The number by which the track is known that is written to.
const INVISIBLE_TRACK: u16 = 0xFF;

/// A drive with a simulated medium in it.
#[derive(Debug)]
pub struct SimulatedDrive {
    medium: SimulatedMedium,
    inner: Mutex<Inner>,
    pub(super) faults: Mutex<Faults>,
}

#[derive(Debug)]
struct Inner {
    /// What it says once, before it does anything.
    pending: Vec<Sense>,
    /// The mode page of write parameters.
    page: [u8; 52],
    is_tray_open: bool,
    log: Vec<Vec<u8>>,
}

pub(super) type Done = Result<Vec<u8>, Sense>;

impl SimulatedDrive {
    /// A drive that the medium was just put into.
    #[must_use]
    pub fn with(medium: SimulatedMedium) -> Self {
        let mut page = [0; 52];
        (page[0], page[1], page[2], page[3], page[4]) = (5, 50, 1, 4, 8);
        let pending = vec![INSERTED, BECOMING_READY, BECOMING_READY];
        let inner = Inner { pending, page, is_tray_open: false, log: Vec::new() };
        Self { medium, inner: Mutex::new(inner), faults: Mutex::default() }
    }

    /// The medium.
    pub fn medium(&self) -> &SimulatedMedium {
        &self.medium
    }

    /// The drive says this, before it does anything else; what is said first comes first.
    pub fn say(&self, sense: Sense) {
        lock(&self.inner).pending.push(sense);
    }

    /// The command blocks that came so far.
    pub fn log(&self) -> Vec<Vec<u8>> {
        lock(&self.inner).log.clone()
    }

    fn carry_out(&self, block: &[u8], out: &[u8]) -> Done {
        let code = *block.first().ok_or(UNKNOWN_COMMAND)?;
        self.unless_dead()?;
        if code == command::RequestSense::CODE {
            return Ok(self.request_sense());
        }
        self.attend(code)?;
        match code {
            command::InquiryCommand::CODE => Ok(inquiry()),
            command::GetConfiguration::CODE => Ok(self.configuration()),
            command::StartStopUnit::CODE => {
                self.start_stop(block);
                Ok(Vec::new())
            }
            command::SetCdSpeed::CODE
            | command::SetStreaming::CODE
            | command::PreventAllowMediumRemoval::CODE => Ok(Vec::new()),
            _ if lock(&self.inner).is_tray_open => Err(NO_MEDIUM),
            command::TestUnitReady::CODE => Ok(Vec::new()),
            command::ReadDiscInformation::CODE => Ok(self.disc_information()),
            command::ReadTrackInformation::CODE => self.track_information(block),
            command::ReadFormatCapacities::CODE => Ok(self.format_capacities()),
            command::ReadCapacity::CODE => Ok(self.capacity()),
            command::Read10::CODE => self.read(block),
            command::Write10::CODE => self.write(block, out),
            command::SynchronizeCache::CODE => self.durably(|medium| nothing(medium.flush())),
            command::ReserveTrack::CODE => nothing(self.medium.reserve_track(word(block, 5))),
            command::CloseTrackSession::CODE => self.durably(|_| self.close(block)),
            command::Blank::CODE => self.durably(|medium| nothing(medium.erase())),
            command::FormatUnit::CODE => self.durably(|medium| nothing(medium.format())),
            command::ModeSense10::CODE => Ok([&[0; 8][..], &lock(&self.inner).page].concat()),
            command::ModeSelect10::CODE => self.mode_select(out),
            command::GetPerformance::CODE => Ok(speeds()),
            command::SendOpcInformation::CODE => Ok(Vec::new()),
            // A buffer of 2 MiB, three quarters of it full.
            command::ReadBufferCapacity::CODE => Ok(vec![0, 10, 0, 0, 0, 0x20, 0, 0, 0, 8, 0, 0]),
            command::GetEventStatusNotification::CODE => Ok(vec![0, 6, 4, 0x10, 0, 2, 0, 0]),
            command::ReadToc::CODE => self.last_session(),
            _ => Err(UNKNOWN_COMMAND),
        }
    }

    /// Does what writes the cache to the medium first.
    fn durably(&self, what: impl FnOnce(&SimulatedMedium) -> Done) -> Done {
        let done = what(&self.medium);
        self.cache_is_written();
        done
    }

    /// REQUEST SENSE: what would be said first, or that there is nothing to say.
    fn request_sense(&self) -> Vec<u8> {
        let mut inner = lock(&self.inner);
        let sense = if inner.pending.is_empty() { Sense::new(0, 0, 0) } else { inner.pending.remove(0) };
        let mut reply = vec![0; 18];
        (reply[0], reply[2], reply[7]) = (0x70, sense.key.code(), 10);
        (reply[12], reply[13]) = sense.code;
        reply
    }

    /// What has to be said first. INQUIRY and GET CONFIGURATION work at any time.
    fn attend(&self, code: u8) -> Result<(), Sense> {
        let mut inner = lock(&self.inner);
        let waits = !matches!(code, command::InquiryCommand::CODE | command::GetConfiguration::CODE);
        if waits && !inner.pending.is_empty() { Err(inner.pending.remove(0)) } else { Ok(()) }
    }

    fn start_stop(&self, block: &[u8]) {
        let mut inner = lock(&self.inner);
        match at(block, 4) & 3 {
            2 => inner.is_tray_open = true,
            3 if inner.is_tray_open => {
                inner.is_tray_open = false;
                inner.pending.push(INSERTED);
            }
            _ => {}
        }
    }

    fn profile(&self) -> Profile {
        if self.medium.medium().is_pseudo_overwritten() {
            return Profile::BD_R_SEQUENTIAL;
        }
        let is_it = |profile: &Profile| profile.medium() == Some(self.medium.medium());
        (1..0x60).map(Profile).find(is_it).unwrap_or(Profile::NONE)
    }

    fn configuration(&self) -> Vec<u8> {
        let profile = if lock(&self.inner).is_tray_open { Profile::NONE } else { self.profile() };
        let mut features = vec![0, 0, 3, 4];
        features.extend(profile.0.to_be_bytes());
        features.extend([1, 0]);
        if self.medium.medium().is_pseudo_overwritten() {
            let [high, low] = Configuration::PSEUDO_OVERWRITE.to_be_bytes();
            features.extend([high, low, 1, 0]);
        }
        let length = u32::try_from(features.len() + 4).unwrap_or(0);
        let mut reply = length.to_be_bytes().to_vec();
        reply.extend([0, 0]);
        reply.extend(profile.0.to_be_bytes());
        reply.extend(features);
        reply
    }

    fn read(&self, block: &[u8]) -> Done {
        let sectors = usize::from(u16::from_be_bytes([at(block, 7), at(block, 8)]));
        let mut bytes = vec![0; sectors * SECTOR_BYTES];
        let offset_bytes = u64::from(word(block, 2)) * SECTOR_BYTES as u64;
        let about = Sense { sector: Some(word(block, 2)), ..CANNOT_READ };
        if !self.medium.medium().is_sequential() {
            let there = bytes_there(self.medium.size_bytes(), offset_bytes, &bytes);
            self.medium.read_at(offset_bytes, &mut bytes[..there]).map_err(|_| about)?;
            return Ok(bytes);
        }
        self.medium.read_at(offset_bytes, &mut bytes).map_err(|_| about)?;
        Ok(bytes)
    }

    fn write(&self, block: &[u8], out: &[u8]) -> Done {
        let sectors = usize::from(u16::from_be_bytes([at(block, 7), at(block, 8)]));
        let bytes = out.get(..sectors * SECTOR_BYTES).ok_or(UNKNOWN_FIELD)?;
        let sector = word(block, 2);
        let offset_bytes = u64::from(sector) * SECTOR_BYTES as u64;
        self.before_write(offset_bytes, bytes.len())?;
        let result = self.medium.write_at(offset_bytes, bytes);
        result.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => NOT_NEXT_WRITABLE,
            io::ErrorKind::StorageFull => TRACK_FULL,
            _ => Sense { sector: Some(sector), ..CANNOT_WRITE },
        })?;
        Ok(Vec::new())
    }

    /// Where write parameters rule, a session with a track that is not complete cannot be closed (MMC-6, CLOSE TRACK SESSION).
    fn close(&self, block: &[u8]) -> Done {
        let has_parameters = self.profile().has_write_parameters();
        let open =
            self.tracks().into_iter().zip(1..).find(|(track, _)| track.is_open && track.last.is_some());
        match at(block, 2) & 7 {
            0 => Ok(Vec::new()),
            1 => {
                let wanted = u16::from_be_bytes([at(block, 4), at(block, 5)]);
                let (_, number) = open.ok_or(UNKNOWN_FIELD)?;
                if wanted != number && wanted != INVISIBLE_TRACK {
                    return Err(UNKNOWN_FIELD);
                }
                nothing(self.medium.close_track())
            }
            2 if has_parameters && open.is_some() => Err(INCOMPLETE_TRACK),
            2 => {
                let ends_the_disc = lock(&self.inner).page[3] >> 6 == 0 && has_parameters;
                nothing(if ends_the_disc { self.medium.finalize() } else { self.medium.close_session() })
            }
            6 if !has_parameters => nothing(self.medium.finalize()),
            _ => Err(UNKNOWN_FIELD),
        }
    }

    fn mode_select(&self, out: &[u8]) -> Done {
        let page = out.get(8..60).and_then(<[u8]>::first_chunk).filter(|page| page[0] & 0x3F == 5);
        lock(&self.inner).page = *page.ok_or(UNKNOWN_FIELD)?;
        Ok(Vec::new())
    }
}

fn nothing(result: io::Result<()>) -> Done {
    result.map(|()| Vec::new()).map_err(|_| UNKNOWN_FIELD)
}

pub(super) fn at(block: &[u8], index: usize) -> u8 {
    block.get(index).copied().unwrap_or(0)
}

pub(super) fn word(block: &[u8], index: usize) -> u32 {
    u32::from_be_bytes([0, 1, 2, 3].map(|more| at(block, index + more)))
}

impl Transport for SimulatedDrive {
    fn execute(&self, command: &[u8], data: Data<'_>, _timeout: Duration) -> io::Result<Answer> {
        lock(&self.inner).log.push(command.to_vec());
        let out = match &data {
            Data::Out(bytes) => *bytes,
            _ => &[],
        };
        match self.carry_out(command, out) {
            Err(sense) => Ok(Answer::Check(sense, 0)),
            Ok(reply) => {
                let Data::In(room) = data else { return Ok(Answer::Good(0)) };
                let length = reply.len().min(room.len());
                room[..length].copy_from_slice(&reply[..length]);
                Ok(Answer::Good(length))
            }
        }
    }

    fn pause(&self, _time: Duration) {}
}
