//! Commands to drives through the kernel's generic SCSI interface, `SG_IO` (linux/include/scsi/sg.h).

use std::ffi::c_void;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::ptr;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::ioctl;

use super::sense::Sense;
use super::transport::{Answer, Data, Transport};

const SG_IO: ioctl::Opcode = 0x2285;
const BLKSECTGET: ioctl::Opcode = 0x1267;
/// Larger transfers make nothing faster, and the kernel has to find memory for them.
const TRANSFER_BYTES: usize = 1 << 19;

const DIRECTION_NONE: i32 = -1;
const DIRECTION_OUT: i32 = -2;
const DIRECTION_IN: i32 = -3;

const STATUS_CHECK_CONDITION: u8 = 2;
const STATUS_BUSY: u8 = 8;
const STATUS_TASK_SET_FULL: u8 = 0x28;

/// `struct sg_io_hdr`.
#[derive(Debug)]
#[repr(C)]
struct Header {
    interface_id: i32,
    direction: i32,
    command_bytes: u8,
    sense_room_bytes: u8,
    iovec_count: u16,
    data_bytes: u32,
    data: *mut c_void,
    command: *const u8,
    sense: *mut u8,
    timeout_milliseconds: u32,
    flags: u32,
    pack_id: i32,
    user: *mut c_void,
    status: u8,
    masked_status: u8,
    message_status: u8,
    sense_bytes: u8,
    host_status: u16,
    driver_status: u16,
    residual_bytes: i32,
    duration_milliseconds: u32,
    info: u32,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Header>() == 88);

/// A drive as the kernel shows it, as a block device or as a generic one.
#[derive(Debug)]
pub struct ScsiGeneric {
    file: File,
    transfer_bytes: usize,
}

impl ScsiGeneric {
    /// Opens a drive for everything, if nobody else uses it: neither a mount nor another program.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::open_with(path, OpenOptions::new().read(true).write(true), OFlags::EXCL).map_err(|error| {
            match error.kind() {
                kind @ io::ErrorKind::ResourceBusy => {
                    io::Error::new(kind, "it is mounted, or in use by another program")
                }
                _ => error,
            }
        })
    }

    /// Opens a drive for looking at it and for reading. Nobody is disturbed.
    pub fn open_for_reading(path: &Path) -> io::Result<Self> {
        Self::open_with(path, OpenOptions::new().read(true), OFlags::empty())
    }

    /// The drive behind a block device that is open already.
    pub(crate) fn behind(device: &File) -> io::Result<Self> {
        Ok(Self { file: device.try_clone()?, transfer_bytes: transfer_limit(device) })
    }

    fn open_with(path: &Path, options: &mut OpenOptions, flags: OFlags) -> io::Result<Self> {
        // Without NONBLOCK the kernel waits for a disc.
        let flags = (flags | OFlags::NONBLOCK).bits().cast_signed();
        let file = options.custom_flags(flags).open(path)?;
        let transfer_bytes = transfer_limit(&file);
        Ok(Self { file, transfer_bytes })
    }
}

/// What the kernel says of the longest transfer, in sectors of 512 bytes; a value that all take, if it says nothing.
#[expect(unsafe_code, reason = "an ioctl")]
fn transfer_limit(file: &File) -> usize {
    // SAFETY: BLKSECTGET writes an unsigned short to a block device's, an int to a generic device's caller: four bytes that
    // begin as 0 hold either.
    let getter = unsafe { ioctl::Getter::<BLKSECTGET, [u16; 2]>::new() };
    // SAFETY: The file is open, and the pointer is that of the getter.
    let sectors = unsafe { ioctl::ioctl(file, getter) };
    let bytes = sectors.map_or(1 << 15, |sectors| usize::from(sectors[0]) << 9);
    bytes.clamp(1 << 15, TRANSFER_BYTES)
}

impl Transport for ScsiGeneric {
    fn transfer_bytes(&self) -> usize {
        self.transfer_bytes
    }

    /// `SG_IO` maps the pages for the drive, or copies them within the kernel.
    fn takes_pages(&self) -> bool {
        true
    }

    fn execute(&self, command: &[u8], data: Data<'_>, timeout: Duration) -> io::Result<Answer> {
        let mut sense = [0; 64];
        let (direction, pointer, length) = match data {
            Data::None => (DIRECTION_NONE, ptr::null_mut(), 0),
            Data::Out(bytes) => (DIRECTION_OUT, bytes.as_ptr().cast_mut(), bytes.len()),
            Data::In(bytes) => (DIRECTION_IN, bytes.as_mut_ptr(), bytes.len()),
        };
        let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let mut header = Header {
            interface_id: i32::from(b'S'),
            direction,
            command_bytes: u8::try_from(command.len()).map_err(invalid)?,
            sense_room_bytes: 64,
            iovec_count: 0,
            data_bytes: u32::try_from(length).map_err(invalid)?,
            data: pointer.cast(),
            command: command.as_ptr(),
            sense: sense.as_mut_ptr(),
            timeout_milliseconds: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
            flags: 0,
            pack_id: 0,
            user: ptr::null_mut(),
            status: 0,
            masked_status: 0,
            message_status: 0,
            sense_bytes: 0,
            host_status: 0,
            driver_status: 0,
            residual_bytes: 0,
            duration_milliseconds: 0,
            info: 0,
        };
        submit(&self.file, &mut header)?;
        answer(&header, &sense, length)
    }
}

#[expect(unsafe_code, reason = "an ioctl")]
fn submit(file: &File, header: &mut Header) -> io::Result<()> {
    // SAFETY: SG_IO reads and writes a struct sg_io_hdr, which `Header` is.
    let updater = unsafe { ioctl::Updater::<SG_IO, Header>::new(header) };
    // SAFETY: The pointers in the header lead to the caller's command, data and room for sense, each as long as the header says,
    // and all of them outlive the call, which returns when the kernel is done with them. Data are written to only if they
    // were lent for that: the direction says so.
    unsafe { ioctl::ioctl(file, updater) }.map_err(Into::into)
}

fn answer(header: &Header, sense: &[u8], data_bytes: usize) -> io::Result<Answer> {
    let left = usize::try_from(header.residual_bytes).unwrap_or(0);
    let came = data_bytes.saturating_sub(left);
    match header.host_status {
        0 => {}
        1 => return Err(io::Error::new(io::ErrorKind::NotConnected, "the drive is gone")),
        3 => return Err(io::Error::new(io::ErrorKind::TimedOut, "the drive did not answer in time")),
        status => {
            return Err(io::Error::other(format!(
                "the connection to the drive failed (host status {status:#x})"
            )));
        }
    }
    let sense = sense.get(..usize::from(header.sense_bytes)).unwrap_or(sense);
    match header.status & 0x3E {
        STATUS_BUSY | STATUS_TASK_SET_FULL => Ok(Answer::Busy),
        STATUS_CHECK_CONDITION => match Sense::parse(sense) {
            Some(sense) => Ok(Answer::Check(sense, came)),
            None => Err(io::Error::other("the drive failed and does not say why")),
        },
        0 => Ok(Answer::Good(came)),
        status => Err(io::Error::other(format!("the drive answered with status {status:#04x}"))),
    }
}

/// Whether this is a drive for discs, as a block device or as a generic one, by its major number.
pub fn is_drive(path: &Path) -> io::Result<bool> {
    const DISC_DRIVES: u32 = 11;
    const GENERIC: u32 = 21;
    let found = path.metadata()?;
    let (kind, major) = (found.file_type(), rustix::fs::major(found.rdev()));
    Ok(kind.is_block_device() && major == DISC_DRIVES || kind.is_char_device() && major == GENERIC)
}

/// The drives that the kernel shows, as block devices, in order.
pub fn drives() -> io::Result<Vec<PathBuf>> {
    let listing = match fs::read_dir("/sys/class/block") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing?,
    };
    let mut numbers = Vec::new();
    for entry in listing {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("sr")?.parse::<u32>().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers.into_iter().map(|number| PathBuf::from(format!("/dev/sr{number}"))).collect())
}
