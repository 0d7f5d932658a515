//! A volume's view of a rough device: its own first byte, and descriptors put in the place of those that are lost.

use udf::BoxedError;
use udf::read::ReadAt;

use super::frame::Frame;
use super::rough::RoughDevice;

/// Bytes that are not on the device, or stand in for what is there.
#[derive(Clone, Debug)]
pub(super) struct Patch {
    pub(super) volume_bytes: u64,
    pub(super) bytes: Vec<u8>,
}

/// The device as a volume sees it.
#[derive(Clone, Debug)]
pub(super) struct Framed<'a, R> {
    pub(super) device: &'a RoughDevice<R>,
    pub(super) frame: Frame,
    pub(super) patches: Vec<Patch>,
    /// Bytes of the volume behind the end of the device that are patches.
    pub(super) more_bytes: u64,
}

impl<R: ReadAt> ReadAt for Framed<'_, R> {
    fn size_bytes(&self) -> u64 {
        self.frame.volume_byte(self.device.size_bytes()).unwrap_or(0).saturating_add(self.more_bytes)
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        for patch in &self.patches {
            let skip =
                offset_bytes.checked_sub(patch.volume_bytes).and_then(|skip| usize::try_from(skip).ok());
            let within = skip.and_then(|skip| patch.bytes.get(skip..skip.checked_add(out.len())?));
            if let Some(bytes) = within {
                out.copy_from_slice(bytes);
                return Ok(());
            }
        }
        let device_bytes =
            self.frame.device_byte(offset_bytes).ok_or("the beginning of the volume is cut off")?;
        self.device.read_at(device_bytes, out)
    }
}
