//! Opening the volume that a reading command is about: which session, and what was bent on the way.

use std::path::Path;
use std::sync::OnceLock;

use anyhow::Context as _;
use mkudf_ms::Error;
use mkudf_ms::device::{FileReader, Recordable};
use mkudf_ms::progress::Progress;
use mkudf_ms::session::{self, Provenance, Session, Whole};
use udf::read::{OpenOptions, ReadAt, Volume};
use udf::{BlockSize, BoxedError, Sector};

use crate::bar::{self, Bar};
use crate::disc::{self, Access};
use crate::flags::{Entrance, Place, Reading};
use crate::report::Report;

/// What a volume is read from.
#[derive(Debug)]
pub(crate) enum Device {
    /// An image, or a device that is like one.
    File(FileReader),
    /// A disc that knows its sessions, and which of its sectors cannot be read; and what is to be made of the sessions, once
    /// that was looked at.
    Disc(Box<dyn Recordable>, OnceLock<Whole>),
}

/// A volume in an image or on a device.
pub(crate) type OpenVolume = Volume<Device>;

impl Device {
    /// How what it holds is opened, if nothing else is known.
    pub(crate) fn newest(&self, block_size: Option<BlockSize>) -> OpenOptions {
        match self {
            Self::File(_) => OpenOptions { block_size, ..OpenOptions::default() },
            Self::Disc(disc, whole) => disc::newest(whole.get_or_init(|| disc::whole(&**disc)), block_size),
        }
    }

    /// Tells which sessions of a disc broke off, so that an older one is read.
    pub(crate) fn tell_broken_off(&self, report: &Report) {
        if let Self::Disc(disc, whole) = self {
            disc::tell_broken_off(&**disc, whole.get_or_init(|| disc::whole(&**disc)), report);
        }
    }

    fn inner(&self) -> &dyn ReadAt {
        match self {
            Self::File(file) => file,
            Self::Disc(disc, _) => disc,
        }
    }
}

impl ReadAt for Device {
    fn size_bytes(&self) -> u64 {
        self.inner().size_bytes()
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        self.inner().read_at(offset_bytes, out)
    }

    fn sector_size_bytes(&self) -> Option<u32> {
        self.inner().sector_size_bytes()
    }
}

/// Opens the volume, in the session asked for.
pub(crate) fn open(reading: &Reading, report: &Report) -> anyhow::Result<OpenVolume> {
    let name = || reading.image.display().to_string();
    let device = device(&reading.image)?;
    let options = options(&device, reading, report).with_context(name)?;
    let volume = Volume::open(device, &options).with_context(name)?;
    for warning in volume.warnings() {
        report.detail(&format!("{}: {warning}", name()));
    }
    volume.device().tell_broken_off(report);
    Ok(volume)
}

/// Tells what was bent in the files that have been read.
pub(crate) fn tell_tolerated<R: ReadAt>(volume: &Volume<R>, image: &Path, report: &Report) {
    for tolerated in volume.tolerated() {
        report.detail(&format!("{}: {tolerated}", image.display()));
    }
}

/// How to open the session asked for.
pub(crate) fn options(device: &Device, reading: &Reading, report: &Report) -> anyhow::Result<OpenOptions> {
    let place = Spot::of(device, &reading.image, &reading.place);
    match reading.session {
        None => place.newest(device, report),
        Some(number) => Ok(choose_from(&place.sessions(device, report)?, number)?.open),
    }
}

/// Where a volume is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot<'a> {
    pub(crate) image: &'a Path,
    pub(crate) block_size: Option<BlockSize>,
    pub(crate) last_sector: Option<u32>,
    pub(crate) entrance: &'a Entrance,
    /// How it is opened if nobody says anything: a disc knows where its newest session is.
    pub(crate) newest: OpenOptions,
}

impl<'a> Spot<'a> {
    pub(crate) fn new(image: &'a Path, place: &'a Place, newest: OpenOptions) -> Self {
        Self {
            image,
            block_size: place.block_size,
            last_sector: place.last_sector,
            entrance: &place.entrance,
            newest,
        }
    }

    pub(crate) fn of(device: &Device, image: &'a Path, place: &'a Place) -> Self {
        Self::new(image, place, device.newest(place.block_size))
    }

    /// How it is opened where nothing is searched.
    pub(crate) fn known(&self) -> OpenOptions {
        OpenOptions {
            block_size: self.block_size.or(self.newest.block_size),
            session_start: self.entrance.session_start.map(Sector).or(self.newest.session_start),
            last_sector: self.last_sector.map(Sector).or(self.newest.last_sector),
            strict: self.entrance.strict,
            ..self.newest
        }
    }

    /// All sessions, oldest first.
    pub(crate) fn sessions<R: ReadAt>(&self, device: &R, report: &Report) -> anyhow::Result<Vec<Session>> {
        let known = self.known();
        if !self.entrance.search {
            return Ok(session::all_sessions(device, &known)?);
        }
        let progress = Progress::new();
        bar::cancel_on_signal(&progress)?;
        let _bar = Bar::watch(&progress, report);
        Ok(session::search(device, &known, &progress)?)
    }

    /// How to open the newest session: the one that opens by itself, or else the last that a search finds.
    pub(crate) fn newest<R: ReadAt>(&self, device: &R, report: &Report) -> anyhow::Result<OpenOptions> {
        let known = self.known();
        if !self.entrance.search || Volume::open(device, &known).is_ok() {
            return Ok(known);
        }
        let sessions = self.sessions(device, report)?;
        let Some(newest) = sessions.last() else { return Ok(known) };
        let name = self.image.display();
        report.note(&format!("{name}: session {}, found by searching, is taken", newest.number));
        Ok(newest.open)
    }

    /// How to open the session that another is to follow: the newest, and nothing else must lie behind it.
    pub(crate) fn base<R: ReadAt>(&self, device: &R, report: &Report) -> anyhow::Result<OpenOptions> {
        let found = if self.entrance.search { self.sessions(device, report)? } else { Vec::new() };
        self.base_among(&found, device, report)
    }

    /// The same, when all sessions are known.
    pub(crate) fn base_among<R: ReadAt>(
        &self,
        sessions: &[Session],
        device: &R,
        report: &Report,
    ) -> anyhow::Result<OpenOptions> {
        let open = self.newest(device, report)?;
        self.unless_overwritten(sessions)?;
        let Some(chosen) = self.entrance.session_start else { return Ok(open) };
        let blank = Entrance { session_start: None, search: false, strict: false };
        let all = Spot { entrance: &blank, ..*self }.sessions(device, report).unwrap_or_default();
        if let Some(later) = all.iter().find(|session| session.start.0 > chosen) {
            let reason =
                format!("a later session begins at sector {}, which would be left behind", later.start.0);
            return Err(Error::refused(reason, "go back to the older one with mkudf-ms revert").into());
        }
        Ok(open)
    }

    /// An error if a search finds a session behind the one that is followed, where the next may be written.
    fn unless_overwritten(&self, sessions: &[Session]) -> mkudf_ms::Result<()> {
        if !self.entrance.search {
            return Ok(());
        }
        let current = sessions.iter().find(|session| session.provenance == Provenance::Current);
        let behind = |current: &Session| sessions.iter().find(|other| other.start > current.start);
        if let Some(behind) = current.and_then(behind) {
            let reason = format!(
                "session {}, at sector {}, lies behind the current one, to which the anchors lead: the next could be written over it",
                behind.number, behind.start.0
            );
            let hint =
                "extract what it has (extract --search --session), or leave out --search if nobody needs it";
            return Err(Error::refused(reason, hint));
        }
        Ok(())
    }
}

/// The session of this number, counted so.
pub(crate) fn choose_from(sessions: &[Session], number: i32) -> mkudf_ms::Result<&Session> {
    let wanted = usize::try_from(number.unsigned_abs()).ok().and_then(|count| count.checked_sub(1));
    let found = wanted.and_then(|index| match number {
        1.. => sessions.get(index),
        _ => sessions.iter().nth_back(index),
    });
    found.ok_or_else(|| {
        let count = sessions.len();
        let reason = format!("there is no session {number}: the volume has {count}");
        Error::refused(reason, format!("from 1, the oldest, to {count}; or from -1, the newest, to -{count}"))
    })
}

/// Opens what a volume is in.
pub(crate) fn device(path: &Path) -> anyhow::Result<Device> {
    let found = disc::at(path, Access::Read).with_context(|| path.display().to_string())?;
    if let Some(disc) = found {
        return Ok(Device::Disc(disc, OnceLock::new()));
    }
    let file = FileReader::open(path).with_context(|| format!("{}: cannot open", path.display()))?;
    Ok(Device::File(file))
}
