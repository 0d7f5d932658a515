//! Searching a device for a volume (ECMA-167 3/8.4.2, UDF 2.2.3): block size, recognition, anchors. Nothing is trusted yet.

use alloc::{format, vec, vec::Vec};
use core::fmt::Write as _;

use super::ReadAt;
use super::device::read_exact;
use super::space::whole_blocks;
use super::{partition_table, recognition};
use crate::error::{Error, Result};
use crate::general::{Descriptor, ExtentAd};
use crate::units::{BlockSize, Sector};
use crate::volume::AnchorVolumeDescriptorPointer;

/// What the caller knows of a volume, or demands of it. The default: find out everything, tolerate what can be.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    /// Where the session begins; 0 unless given.
    pub session_start: Option<Sector>,
    /// The last sector of the session, if the device has more: there are the last anchors and, on write-once media, the
    /// table that says which state of the files counts. An earlier table opens an earlier state.
    pub last_sector: Option<Sector>,
    /// The first sector of what is written in one go with the last one, if a drive tells it: on write-once media, the table is
    /// looked for as far back as this, however far that is.
    pub track_start: Option<Sector>,
    /// The block size; tried out unless given.
    pub block_size: Option<BlockSize>,
    /// Main and reserve volume descriptor sequence: opens the session that they describe, an older one for instance,
    /// with no need of anchors and recognition.
    pub sequences: Option<(ExtentAd, ExtentAd)>,
    /// Whatever would be a warning is an error, while opening and while reading: all of `docs/tolerances.md`.
    pub strict: bool,
}

impl OpenOptions {
    /// Those for the session that begins here; the first one of a device needs no looking for.
    #[must_use]
    pub fn of_session(start: Sector) -> Self {
        Self { session_start: (start.0 > 0).then_some(start), track_start: Some(start), ..Self::default() }
    }
}

/// An anchor with a good seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundAnchor {
    /// Where it lies.
    pub sector: Sector,
    /// The main volume descriptor sequence, as it says.
    pub main: ExtentAd,
    /// The reserve volume descriptor sequence, as it says.
    pub reserve: ExtentAd,
}

/// What a device shows of a volume before anything of it is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// The size of a block, at which the anchors say where they lie.
    pub block_size: BlockSize,
    /// Where the session begins.
    pub session_start: Sector,
    /// The anchors, the one to believe first.
    pub anchors: Vec<FoundAnchor>,
    /// The identifiers of the volume recognition sequence.
    pub recognition: Vec<[u8; 5]>,
    /// How far apart its descriptors lie.
    pub recognition_stride_bytes: u32,
}

impl Found {
    /// Looks for a volume: the first block size, of those that may be, at which there is an anchor.
    ///
    /// A device that has a sector size is searched with that and then with larger ones; an image with the sizes of
    /// [`BlockSize::PROBED`], in that order: where volumes of two block sizes overlap, that order decides.
    pub fn search<R: ReadAt>(device: &R, options: &OpenOptions) -> Result<Self> {
        refuse_raw_sectors(device)?;
        Self::candidates(device, options).next().ok_or_else(|| nothing_found(device, options))
    }

    /// All that [`search`](Self::search) could take: what remains of a volume of another block size may hide the real one.
    pub(super) fn candidates<R: ReadAt>(device: &R, options: &OpenOptions) -> impl Iterator<Item = Self> {
        let session_start = options.session_start.unwrap_or_default();
        let told = options.sequences.is_some();
        block_sizes(device, options)
            .into_iter()
            .map(move |block_size| Self::at(device, block_size, session_start, options.last_sector))
            .filter(move |found| told || !found.anchors.is_empty())
    }

    fn at<R: ReadAt>(device: &R, block_size: BlockSize, session_start: Sector, last: Option<Sector>) -> Self {
        let size_blocks = whole_blocks(block_size, device.size_bytes());
        let size_blocks =
            last.map_or(size_blocks, |last| size_blocks.min(u64::from(last.0).saturating_add(1)));
        let anchors_at = |spots: &[Spot]| {
            let mut anchors: Vec<FoundAnchor> = Vec::new();
            for spot in spots {
                if let Some(sector) = spot.sector(session_start, size_blocks)
                    && anchors.iter().all(|anchor| anchor.sector != sector)
                    && let Ok(anchor) = read_anchor(device, block_size, sector)
                    && spot.is_of(session_start, &anchor)
                {
                    anchors.push(anchor);
                }
            }
            anchors
        };
        let mut anchors = anchors_at(&SPOTS);
        if anchors.is_empty() {
            anchors = anchors_at(&NEARBY);
        }
        let (recognition, recognition_stride_bytes) = recognition::read(device, block_size, session_start);
        Self { block_size, session_start, anchors, recognition, recognition_stride_bytes }
    }
}

/// A sector where there may be an anchor.
#[derive(Clone, Copy)]
enum Spot {
    /// So many sectors behind the beginning of the session.
    Start(u32),
    /// So many sectors behind (before, if negative) the last sector of the device, N.
    End(i64),
}

/// Where anchors are (ECMA-167 3/8.4.2.1). The lower of the two at the end first, as other readers do.
const SPOTS: [Spot; 3] = [Spot::Start(256), Spot::End(-256), Spot::End(0)];

/// Where else they are looked for. Drives, and those who copy discs, are wrong about N by 1, 2, 150 or 152 sectors; the
/// order is that of Linux. At 512 there is one on discs that are still open and whose sector 256 lies in a reserved track
/// (UDF 2.2.3).
const NEARBY: [Spot; 11] = [
    Spot::End(-1),
    Spot::End(-257),
    Spot::End(1),
    Spot::End(-255),
    Spot::End(-2),
    Spot::End(-258),
    Spot::End(-150),
    Spot::End(-406),
    Spot::End(-152),
    Spot::End(-408),
    Spot::Start(512),
];

impl Spot {
    fn sector(self, session_start: Sector, size_blocks: u64) -> Option<Sector> {
        match self {
            Self::Start(count) => session_start.checked_add(count),
            Self::End(count) => {
                let last = size_blocks.checked_sub(1)?;
                Some(Sector(u32::try_from(last.checked_add_signed(count)?).ok()?))
            }
        }
    }

    /// Whether an anchor here is one of the session: those at the end are the last session's, so that for another they
    /// count only if they lead into it.
    fn is_of(self, session_start: Sector, anchor: &FoundAnchor) -> bool {
        matches!(self, Self::Start(_)) || anchor.main.start() >= session_start
    }
}

/// The anchor at a sector, if it says that it lies there.
pub(super) fn read_anchor<R: ReadAt>(
    device: &R,
    block_size: BlockSize,
    sector: Sector,
) -> Result<FoundAnchor> {
    let mut bytes = [0; size_of::<AnchorVolumeDescriptorPointer>()];
    read_exact(device, block_size.offset_of(sector), &mut bytes)?;
    let anchor = AnchorVolumeDescriptorPointer::view(&bytes, sector.0, sector)?;
    Ok(FoundAnchor {
        sector,
        main: anchor.main_volume_descriptor_sequence_extent,
        reserve: anchor.reserve_volume_descriptor_sequence_extent,
    })
}

fn block_sizes<R: ReadAt>(device: &R, options: &OpenOptions) -> Vec<BlockSize> {
    if let Some(block_size) = options.block_size {
        return vec![block_size];
    }
    let mut sizes = BlockSize::PROBED.to_vec();
    if let Some(least) = device.sector_size_bytes().and_then(BlockSize::new) {
        sizes.retain(|size| *size >= least);
        sizes.sort_unstable();
    }
    sizes
}

/// Images of whole CD sectors, with headers and error correction, look damaged everywhere; say what they are instead.
pub(super) fn refuse_raw_sectors<R: ReadAt>(device: &R) -> Result<()> {
    const SYNC: [u8; 12] = [0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0];
    let mut head = [0; SYNC.len()];
    if read_exact(device, 0, &mut head).is_ok() && head == SYNC {
        let what = "an image of raw CD sectors of 2352 bytes; convert it to sectors of 2048 bytes first";
        return Err(Error::Unsupported(what.into()));
    }
    Ok(())
}

pub(super) fn nothing_found<R: ReadAt>(device: &R, options: &OpenOptions) -> Error {
    let session = options.session_start.unwrap_or_default();
    let sizes = block_sizes(device, options);
    let (recognition, _) = recognition::read(device, BlockSize::B2048, session);
    let says = match recognition.as_slice() {
        found if recognition::says_udf(found) => "though there is a UDF recognition sequence",
        [] => "nor a recognition sequence",
        _ => "and the recognition sequence does not name UDF either",
    };
    let sizes = sizes.iter().map(alloc::string::ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "no anchor at sector 256 of the session at {session}, nor at the end, for blocks of {sizes} bytes, {says}"
    );
    for start in partition_table::partitions_with_udf(device) {
        // Writing to a text cannot fail.
        let _ = write!(
            text,
            "; but a partition of this disk holds a volume, from byte {start} on: name the partition's own device, or make \
             one for it (losetup --offset {start})"
        );
    }
    Error::NotUdf(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::general::Seal;
    use std::string::ToString;

    const SEAL: Seal = Seal { descriptor_version: 3, serial_number: 1 };

    /// A device of so many blocks with anchors at these sectors, each of which points to its own sector.
    fn device(block_size: BlockSize, blocks: usize, sectors: &[u32]) -> Vec<u8> {
        let mut image = vec![0; blocks * block_size.len()];
        for sector in sectors {
            let extent = ExtentAd::new(32768, Sector(*sector));
            let at = *sector as usize * block_size.len();
            AnchorVolumeDescriptorPointer::new(extent, extent).write(&[], &mut image[at..], SEAL, *sector);
        }
        image
    }

    fn anchors(device: &Vec<u8>, options: &OpenOptions) -> Vec<u32> {
        let found = Found::search(device, options).unwrap();
        found.anchors.iter().map(|anchor| anchor.sector.0).collect()
    }

    #[test]
    fn the_block_size_is_the_one_at_which_anchors_say_where_they_are() {
        for block_size in BlockSize::PROBED {
            let device = device(block_size, 600, &[256, 343, 599]);
            let found = Found::search(&device, &OpenOptions::default()).unwrap();
            assert_eq!(found.block_size, block_size);
            assert_eq!(found.anchors.len(), 3);
        }
    }

    #[test]
    fn anchors_are_believed_in_order_and_looked_for_nearby_only_if_need_be() {
        let all = OpenOptions::default();
        assert_eq!(anchors(&device(BlockSize::B2048, 1000, &[256, 743, 999, 998]), &all), [256, 743, 999]);
        assert_eq!(anchors(&device(BlockSize::B512, 128, &[127]), &all), [127]);
        assert_eq!(anchors(&device(BlockSize::B512, 1000, &[849]), &all), [849]);
        assert_eq!(anchors(&device(BlockSize::B512, 1000, &[744, 512]), &all), [744, 512]);
        assert!(Found::search(&device(BlockSize::B512, 1000, &[100]), &all).is_err());
    }

    #[test]
    fn a_session_has_its_own_first_anchor() {
        let device = device(BlockSize::B2048, 1000, &[256, 556]);
        let session = |start| OpenOptions { session_start: Some(Sector(start)), ..OpenOptions::default() };
        assert_eq!(anchors(&device, &session(0)), [256]);
        assert_eq!(anchors(&device, &session(300)), [556]);
        assert!(matches!(Found::search(&device, &session(400)), Err(Error::NotUdf(_))));
    }

    #[test]
    fn devices_know_their_sector_size() {
        struct Disk(Vec<u8>);
        impl ReadAt for Disk {
            fn size_bytes(&self) -> u64 {
                self.0.size_bytes()
            }
            fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), crate::BoxedError> {
                self.0.read_at(offset_bytes, out)
            }
            fn sector_size_bytes(&self) -> Option<u32> {
                Some(512)
            }
        }
        let mut both = device(BlockSize::B2048, 600, &[256]);
        let small = device(BlockSize::B512, 600, &[256]);
        both[256 * 512..257 * 512].copy_from_slice(&small[256 * 512..257 * 512]);
        let found = Found::search(&both, &OpenOptions::default()).unwrap();
        assert_eq!(found.block_size, BlockSize::B2048);
        assert_eq!(Found::search(&Disk(both), &OpenOptions::default()).unwrap().block_size, BlockSize::B512);
    }

    #[test]
    fn raw_sectors_are_called_by_their_name() {
        let mut image = vec![0; 4704];
        image[1..11].fill(255);
        let error = Found::search(&image, &OpenOptions::default()).unwrap_err();
        assert!(error.to_string().contains("2352"), "{error}");
    }
}
