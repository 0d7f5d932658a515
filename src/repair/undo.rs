//! The undo file: what a repair overwrites, kept before it is overwritten, and the way back.
//!
//! ```text
//!   "mkudf-ms undo 1\n"   16 bytes
//!   block size            4 bytes    all numbers little-endian
//!   sectors               4 bytes
//!   size of the image     8 bytes
//!   digest                8 bytes    of all that follows
//!   per sector            its number (4 bytes), its old bytes, the digests (8 bytes each) of what the repair wrote there
//!                         first and last: a few are written twice
//! ```

use std::io;

use udf::read::ReadAt;
use udf::{BlockSize, Sector};

use super::plan::RepairPlan;
use crate::device::WriteAt;
use crate::error::{Error, Result};

const MAGIC: &[u8; 16] = b"mkudf-ms undo 1\n";
const HEAD_BYTES: usize = 16 + 4 + 4 + 8 + 8;

/// The old content of what a repair changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    block_size: BlockSize,
    image_bytes: u64,
    sectors: Vec<Kept>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    sector: u32,
    old: Vec<u8>,
    /// Of what the repair wrote there first and last.
    new_digests: [u64; 2],
}

impl Undo {
    /// Reads what the plan will overwrite.
    pub fn keep(plan: &RepairPlan, device: &dyn ReadAt) -> Result<Self> {
        let mut last = std::collections::BTreeMap::new();
        for write in plan.steps.iter().flat_map(|step| &step.writes) {
            let new = digest(&write.bytes);
            last.entry(write.sector).or_insert([new; 2])[1] = new;
        }
        let mut sectors = Vec::with_capacity(last.len());
        for (sector, new_digests) in last {
            let mut old = vec![0; plan.block_size.len()];
            let offset = plan.block_size.offset_of(Sector(sector));
            // What cannot be read cannot be restored either; zeros stand in for it.
            if device.read_at(offset, &mut old).is_err() {
                old.fill(0);
            }
            sectors.push(Kept { sector, old, new_digests });
        }
        Ok(Self { block_size: plan.block_size, image_bytes: device.size_bytes(), sectors })
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for kept in &self.sectors {
            body.extend(kept.sector.to_le_bytes());
            body.extend(&kept.old);
            body.extend(kept.new_digests.iter().flat_map(|digest| digest.to_le_bytes()));
        }
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.block_size.bytes().to_le_bytes());
        bytes.extend(u32::try_from(self.sectors.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend(self.image_bytes.to_le_bytes());
        bytes.extend(digest(&body).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    /// What a file holds.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::parse(bytes).ok_or_else(|| {
            Error::refused(
                "this is no undo file, or it is damaged",
                "name the file that `repair` has written",
            )
        })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, body) = bytes.split_at_checked(HEAD_BYTES)?;
        let long = |bytes: &[u8], at: usize| {
            bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes)
        };
        let number = |at: usize| long(head, at);
        let word = |bytes: &[u8], at: usize| {
            bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes)
        };
        if &head[..16] != MAGIC || number(32)? != digest(body) {
            return None;
        }
        let block_size = BlockSize::new(word(head, 16)?)?;
        let count = usize::try_from(word(head, 20)?).ok()?;
        let each = block_size.len() + 20;
        if body.len() != count.checked_mul(each)? {
            return None;
        }
        let kept = |piece: &[u8]| {
            let (old, new) = piece[4..].split_at(block_size.len());
            Some(Kept {
                sector: word(piece, 0)?,
                old: old.to_vec(),
                new_digests: [long(new, 0)?, long(new, 8)?],
            })
        };
        let sectors = body.chunks_exact(each).map(kept).collect::<Option<_>>()?;
        Some(Self { block_size, image_bytes: number(24)?, sectors })
    }

    /// Puts back what was there, if the volume still is what the repair left, or what a repair that was interrupted left.
    /// How many sectors were put back.
    pub fn revert<D: ReadAt + WriteAt>(&self, device: &D) -> Result<usize> {
        self.unless_changed(device)?;
        for kept in &self.sectors {
            let offset_bytes = self.block_size.offset_of(Sector(kept.sector));
            device.write_at(offset_bytes, &kept.old).map_err(|source| Error::Write {
                offset_bytes,
                bytes: kept.old.len() as u64,
                source,
            })?;
        }
        device.flush().map_err(Error::Flush)?;
        Ok(self.sectors.len())
    }

    fn unless_changed(&self, device: &dyn ReadAt) -> Result<()> {
        let hint =
            "the undo file belongs to the volume as `repair` left it; what came later would be destroyed";
        if device.size_bytes() != self.image_bytes {
            let (now, then) = (device.size_bytes(), self.image_bytes);
            return Err(Error::refused(
                format!("the volume has {now} bytes, when it was repaired {then}"),
                hint,
            ));
        }
        for kept in &self.sectors {
            let mut now = vec![0; self.block_size.len()];
            let offset_bytes = self.block_size.offset_of(Sector(kept.sector));
            device.read_at(offset_bytes, &mut now).map_err(|source| udf::Error::Read {
                offset_bytes,
                bytes: now.len() as u64,
                source,
            })?;
            if !kept.new_digests.contains(&digest(&now)) && now != kept.old {
                return Err(Error::refused(
                    format!("sector {} has been changed since the repair", kept.sector),
                    hint,
                ));
            }
        }
        Ok(())
    }
}

/// FNV-1a: enough to notice that something is not what it was.
fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

/// Carries a plan out. The undo file, if one is wanted, is durable by then: that is the caller's part.
pub fn apply(plan: &RepairPlan, device: &dyn WriteAt) -> Result<()> {
    for step in &plan.steps {
        for write in &step.writes {
            let offset_bytes = plan.block_size.offset_of(Sector(write.sector));
            device.write_at(offset_bytes, &write.bytes).map_err(|source: io::Error| Error::Write {
                offset_bytes,
                bytes: write.bytes.len() as u64,
                source,
            })?;
        }
        device.flush().map_err(Error::Flush)?;
    }
    Ok(())
}
