//! Which disc it is, and in which state: so that no session is put on another one.

use std::fmt;

use udf::general::ExtentAd;
use udf::read::{OpenOptions, ReadAt, Volume};
use zerocopy::IntoBytes;

use crate::error::{Error, Result};

/// A digest of what every session changes: the newest session's descriptors, its integrity, the place of its files, and the
/// size of the disc. It tells discs and their states apart; it is no protection against somebody who forges one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscIdentifier(u128);

impl DiscIdentifier {
    /// That of the disc as it is now.
    pub fn of(device: &dyn ReadAt, options: &OpenOptions) -> Result<Self> {
        let volume = Volume::open(device, options)?;
        let mut digest = Digest::new();
        digest.add(&device.size_bytes().to_le_bytes());
        digest.add(volume.primary().as_bytes());
        digest.add(volume.logical().as_bytes());
        digest.add(volume.partition_map_table());
        let (main, reserve) = volume.sequences();
        let extents = [main, reserve, volume.logical().integrity_sequence_extent];
        digest.add(extents.as_bytes());
        for partition in volume.partition_descriptors() {
            digest.add(partition.as_bytes());
        }
        digest.extent(&volume, volume.logical().integrity_sequence_extent)?;
        // On write-once media nothing else changes.
        if let Some(table) = volume.virtual_table() {
            digest.add(table.entries().as_bytes());
            digest.add(&table.head.entry.icb.block.0.to_le_bytes());
        }
        digest.add(volume.file_set().as_bytes());
        let root = volume.root()?;
        digest.add(&root.size_bytes.to_le_bytes());
        digest.add(root.modified.as_bytes());
        Ok(Self(digest.0))
    }

    /// An error unless the disc is still the same.
    pub(super) fn verify(self, device: &dyn ReadAt, options: &OpenOptions) -> Result<()> {
        let mismatch = |what: String| Error::DiscMismatch { what };
        let now = Self::of(device, options).map_err(|error| mismatch(error.to_string()))?;
        if now == self {
            return Ok(());
        }
        Err(mismatch(format!("it was {self}, and is {now} now")))
    }
}

impl fmt::Display for DiscIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// FNV-1a of 128 bits.
struct Digest(u128);

impl Digest {
    fn new() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }

    /// The first blocks of an extent; integrity sequences are short.
    fn extent(&mut self, volume: &Volume<&dyn ReadAt>, extent: ExtentAd) -> Result<()> {
        const MOST_BYTES: u64 = 64 * 1024;
        let size = volume.block_size();
        let bytes = u64::from(extent.length.get()).min(MOST_BYTES) / u64::from(size.bytes());
        let mut blocks = vec![0; usize::try_from(bytes).unwrap_or(0) * size.len()];
        volume.read_sectors(udf::Sector(extent.location.get()), &mut blocks)?;
        self.add(&blocks);
        Ok(())
    }
}
