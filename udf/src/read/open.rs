//! Opening a volume: from what a device shows to what can be trusted (ECMA-167 3/8.4, UDF 2.2), falling back where it may.

use alloc::{format, string::String, sync::Arc, vec::Vec};

use super::ReadAt;
use super::file_set;
use super::found::{self, Found, OpenOptions};
use super::integrity::Integrity;
use super::partition::{self, Partition, PartitionKind};
use super::recognition;
use super::sequence::Descriptors;
use super::space::Space;
use super::tolerance::Met;
use super::virtual_table::VirtualTableHead;
use super::warning::{Remedy, Warning, Warnings};
use crate::error::{Corrupt, Error, Fault, Result};
use crate::file::FileSetDescriptor;
use crate::general::{Descriptor, ExtentAd};
use crate::units::BlockAddress;
use crate::volume::{ANCHOR_SECTOR, AnchorVolumeDescriptorPointer, LogicalVolumeDescriptor};

/// All that is known of an open volume, but for the device.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) found: Found,
    pub(super) sequences: (ExtentAd, ExtentAd),
    pub(super) descriptors: Descriptors,
    pub(super) partitions: Vec<Partition>,
    pub(super) integrity: Option<Integrity>,
    pub(super) file_set: FileSetDescriptor,
    pub(super) file_set_address: BlockAddress,
    pub(super) warnings: Vec<Warning>,
    pub(super) met: Arc<Met>,
}

impl Opened {
    /// Opens the first volume that can be: of each block size that may be, each pair of sequences that anchors point to.
    ///
    /// If none can be opened the error is that of the first, which is the one that should have been.
    pub(super) fn open<R: ReadAt>(device: &R, options: &OpenOptions) -> Result<Self> {
        found::refuse_raw_sectors(device)?;
        let mut first_failure = None;
        for found in Found::candidates(device, options) {
            match Self::open_found(device, &found, options) {
                Ok(mut opened) => {
                    // With sequences that the caller knows, the other sizes were only tried out.
                    if let Some(cause) = first_failure.filter(|_| options.sequences.is_none()) {
                        let remedy = Remedy::OtherBlockSize(found.block_size);
                        opened.warnings.push(Warning { cause, remedy });
                    }
                    return Ok(opened);
                }
                Err(error) if options.strict && options.sequences.is_none() => return Err(error),
                Err(error) => {
                    first_failure.get_or_insert(error);
                }
            }
        }
        Err(first_failure.unwrap_or_else(|| found::nothing_found(device, options)))
    }

    fn open_found<R: ReadAt>(device: &R, found: &Found, options: &OpenOptions) -> Result<Self> {
        if let Some(sequences) = options.sequences {
            let warnings = Warnings::new(options.strict);
            return Self::open_sequences(device, found, sequences, options, warnings);
        }
        if !recognition::says_udf(&found.recognition) {
            return Err(not_recognised(found));
        }
        let mut tried: Vec<(ExtentAd, ExtentAd)> = Vec::new();
        let mut failures = Vec::new();
        for anchor in &found.anchors {
            let sequences = (anchor.main, anchor.reserve);
            if tried.contains(&sequences) {
                continue;
            }
            tried.push(sequences);
            let mut warnings = Warnings::new(options.strict);
            check_search(device, found, &mut warnings)?;
            match Self::open_sequences(device, found, sequences, options, warnings) {
                Ok(mut opened) => {
                    let remedy = Remedy::OtherAnchor(anchor.sector);
                    opened.warnings.extend(failures.into_iter().map(|cause| Warning { cause, remedy }));
                    return Ok(opened);
                }
                Err(error) if options.strict => return Err(error),
                Err(error) => failures.push(error),
            }
        }
        Err(failures.into_iter().next().unwrap_or_else(|| not_recognised(found)))
    }

    fn open_sequences<R: ReadAt>(
        device: &R,
        found: &Found,
        sequences: (ExtentAd, ExtentAd),
        options: &OpenOptions,
        mut warnings: Warnings,
    ) -> Result<Self> {
        let block_size = found.block_size;
        let descriptors = Descriptors::read(device, block_size, sequences, &mut warnings)?;
        let logical = &descriptors.logical.fixed;
        let recorded = logical.logical_block_size.get();
        if recorded != block_size.bytes() {
            let fault = Fault::Field { field: "logical block size", value: recorded.into() };
            return Err(Corrupt::new(LogicalVolumeDescriptor::NAME, sequences.0.start(), fault).into());
        }
        partition::unless_of_first_volume(descriptors.primary.volume_sequence_number.get())?;
        let partitions = partition::load(device, block_size, &descriptors, options, &mut warnings)?;
        check_anchor_count(found, &partitions, &mut warnings)?;
        let met = warnings.met.clone();
        let space = Space { device, block_size, partitions, met };
        let (file_set, file_set_address) = file_set::read(&space, logical.logical_volume_contents_use)?;
        let integrity = match Integrity::read(device, block_size, logical.integrity_sequence_extent) {
            Ok(integrity) => Some(integrity.updated_by(virtual_table(&space.partitions))),
            Err(error) => {
                warnings.bend(error, Remedy::NoIntegrity)?;
                None
            }
        };
        Ok(Self {
            found: found.clone(),
            sequences,
            partitions: space.partitions,
            met: space.met,
            descriptors,
            integrity,
            file_set,
            file_set_address,
            warnings: warnings.into_list(),
        })
    }
}

/// The head of the table of the first virtual partition; there is never more than one.
pub(super) fn virtual_table(partitions: &[Partition]) -> Option<&VirtualTableHead> {
    partitions.iter().find_map(|partition| match &partition.kind {
        PartitionKind::Virtual(upper) => Some(&upper.table.head),
        _ => None,
    })
}

/// Notes what is bent in recognition sequence and anchors.
fn check_search<R: ReadAt>(device: &R, found: &Found, warnings: &mut Warnings) -> Result<()> {
    let block_size = found.block_size;
    let Some(first) = found.anchors.first() else { return Ok(()) };
    if found.recognition_stride_bytes < block_size.bytes() {
        let start = found.session_start.checked_add(block_size.boot_area_blocks()).unwrap_or_default();
        let value = found.recognition_stride_bytes.into();
        let fault = Fault::Field { field: "distance of descriptors", value };
        let cause = Corrupt::new("volume recognition sequence", start, fault);
        warnings.bend(cause, Remedy::NarrowRecognition)?;
    }
    if let Some(sector) = found.session_start.checked_add(ANCHOR_SECTOR)
        && sector != first.sector
        && let Err(error) = found::read_anchor(device, block_size, sector)
    {
        warnings.bend(error, Remedy::OtherAnchor(first.sector))?;
    }
    for anchor in &found.anchors {
        if (anchor.main, anchor.reserve) != (first.main, first.reserve) {
            let fault = Fault::Field { field: "sequence location", value: anchor.main.start().0.into() };
            warnings.bend(Corrupt::new(ANCHOR, anchor.sector, fault), Remedy::OtherAnchor(first.sector))?;
        }
    }
    Ok(())
}

/// One anchor alone is as it should be only while a write-once session is open (UDF 2.2.3).
fn check_anchor_count(found: &Found, partitions: &[Partition], warnings: &mut Warnings) -> Result<()> {
    if let [only] = found.anchors.as_slice()
        && virtual_table(partitions).is_none()
    {
        let cause = Corrupt::new(ANCHOR, only.sector, Fault::Missing("second one elsewhere"));
        warnings.bend(cause, Remedy::FewAnchors)?;
    }
    Ok(())
}

const ANCHOR: &str = AnchorVolumeDescriptorPointer::NAME;

fn not_recognised(found: &Found) -> Error {
    let identifiers: Vec<String> =
        found.recognition.iter().map(|identifier| format!("{}", identifier.escape_ascii())).collect();
    Error::NotUdf(format!(
        "there is an anchor, but neither NSR02 nor NSR03 in the recognition sequence of the session at {}: [{}]",
        found.session_start,
        identifiers.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::super::Volume;
    use super::super::fixture::{BLOCKS, Fixture, MAIN, RESERVE};
    use super::*;
    use crate::general::{DString, EntityIdentifier};
    use crate::units::BlockSize;
    use crate::units::Sector;
    use std::string::ToString;

    fn open(fixture: &Fixture) -> Result<Volume<Vec<u8>>> {
        Volume::open(fixture.image.clone(), &OpenOptions::default())
    }

    fn remedies(volume: &Volume<Vec<u8>>) -> Vec<Remedy> {
        volume.warnings().iter().map(|warning| warning.remedy).collect()
    }

    fn strict(fixture: &Fixture) -> Result<Volume<Vec<u8>>> {
        Volume::open(fixture.image.clone(), &OpenOptions { strict: true, ..OpenOptions::default() })
    }

    #[test]
    fn a_sound_volume_of_any_block_size_opens_without_a_warning() {
        for block_size in BlockSize::PROBED {
            let volume = strict(&Fixture::plain(block_size)).unwrap();
            assert_eq!(volume.block_size(), block_size);
            assert_eq!(volume.label(), "a label");
            assert_eq!(volume.revision_number(), 0x0201);
            assert_eq!(volume.sequences().0.start(), Sector(MAIN));
            assert_eq!(volume.integrity().unwrap().free_blocks, [7]);
            assert!(volume.warnings().is_empty() && volume.information().is_some() && !volume.used_reserve());
        }
        strict(&Fixture::with_metadata()).unwrap();
    }

    #[test]
    fn a_lost_first_anchor_is_replaced() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        fixture.sector(256)[20] ^= 1;
        let last = Sector(BLOCKS - 1);
        assert_eq!(remedies(&open(&fixture).unwrap()), [Remedy::OtherAnchor(last), Remedy::FewAnchors]);
        assert!(strict(&fixture).is_err());
    }

    #[test]
    fn an_anchor_that_leads_nowhere_gives_way_to_one_that_does() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        fixture.anchor(256, 700, 720);
        let volume = open(&fixture).unwrap();
        let last = Remedy::OtherAnchor(Sector(BLOCKS - 1));
        assert!(remedies(&volume).contains(&last));
        assert_eq!(volume.sequences().0.start(), Sector(MAIN));
        assert!(strict(&fixture).is_err());
    }

    #[test]
    fn a_destroyed_main_sequence_gives_way_to_the_reserve() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        fixture.sector(MAIN)[..5 * 2048].fill(0);
        let volume = open(&fixture).unwrap();
        assert!(volume.used_reserve());
        assert_eq!(remedies(&volume), [Remedy::ReserveSequence]);
        fixture.sector(RESERVE)[..5 * 2048].fill(0);
        assert!(open(&fixture).is_err());
    }

    #[test]
    fn sessions_are_opened_by_their_start_or_by_their_sequences() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        let recognition = fixture.sector(16)[..3 * 2048].to_vec();
        fixture.sector(400 + 16)[..3 * 2048].copy_from_slice(&recognition);
        fixture.anchor(400 + 256, 700, 720);
        fixture.sequence(700);
        let (mut logical, maps) = fixture.logical(2);
        logical.logical_volume_identifier = DString::new("second").unwrap();
        fixture.write(701, 701, &logical, &maps);
        let label = |session_start, sequences| {
            let options = OpenOptions { session_start, sequences, ..OpenOptions::default() };
            Volume::open(fixture.image.clone(), &options).map(|volume| volume.label())
        };
        let extent = |start| ExtentAd::new(32768, Sector(start));
        assert_eq!(label(None, None).unwrap(), "a label");
        assert_eq!(label(Some(Sector(400)), None).unwrap(), "second");
        assert_eq!(label(Some(Sector(400)), Some((extent(MAIN), extent(RESERVE)))).unwrap(), "a label");
        assert_eq!(label(None, Some((extent(700), extent(RESERVE)))).unwrap(), "second");
        assert!(label(Some(Sector(401)), None).is_err());
    }

    #[test]
    fn images_with_junk_behind_them_or_cut_by_a_few_blocks_are_read_and_told() {
        let reads = |fixture: &Fixture, context: &str| {
            let volume = open(fixture).unwrap();
            let hello = volume.lookup("hello.txt").unwrap();
            assert_eq!(volume.read_all(&hello, 100).unwrap(), b"hello world", "{context}");
            assert!(!volume.warnings().is_empty() && strict(fixture).is_err(), "{context}");
        };
        let size = Fixture::plain(BlockSize::B2048).image.len();
        for blocks in [1, 2, 150, 152, 999] {
            let mut fixture = Fixture::plain(BlockSize::B2048);
            fixture.image.resize(size + blocks * 2048, 0xFF);
            reads(&fixture, &format!("{blocks} too many"));
            // The last block is known only to be near.
            fixture.sector(256)[..512].fill(0);
            if blocks < 999 {
                reads(&fixture, &format!("{blocks} too many, and no first anchor"));
            }
        }
        for blocks in [1, 2, 3] {
            let mut fixture = Fixture::plain(BlockSize::B2048);
            fixture.image.truncate(size - blocks * 2048);
            reads(&fixture, &format!("{blocks} too few"));
        }
    }

    #[test]
    fn pseudo_overwritable_partitions_are_read_like_others() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        for start in [MAIN, RESERVE] {
            let mut partition = fixture.partition(3);
            partition.access_type = 0.into();
            fixture.write(start + 2, start + 2, &partition, &[]);
        }
        let options = OpenOptions { strict: true, ..OpenOptions::default() };
        let volume = Volume::open(fixture.image, &options).unwrap();
        assert_eq!(volume.partitions()[0].access, Some(crate::volume::AccessType::PseudoOverwritable));
        assert_eq!(volume.read_all(&volume.lookup("hello.txt").unwrap(), 100).unwrap(), b"hello world");
    }

    #[test]
    fn anchors_without_recognition_are_no_volume() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        fixture.image[34816..36864].fill(0);
        assert!(matches!(open(&fixture), Err(Error::NotUdf(_))));
        let extent = |start| ExtentAd::new(32768, Sector(start));
        let sequences = Some((extent(MAIN), extent(RESERVE)));
        let options = OpenOptions { sequences, ..OpenOptions::default() };
        assert_eq!(Volume::open(fixture.image, &options).unwrap().label(), "a label");
    }

    #[test]
    fn a_volume_that_is_formatted_anew_with_other_blocks_is_found_behind_what_remains() {
        let mut new = Fixture::plain(BlockSize::B512);
        new.image.resize(1 << 20, 0);
        let old = Fixture::plain(BlockSize::B2048);
        // The anchor of 2048-byte blocks was not overwritten; its sequence was.
        new.image[256 * 2048..257 * 2048].copy_from_slice(&old.image[256 * 2048..257 * 2048]);
        let volume = open(&new).unwrap();
        assert_eq!(volume.block_size(), BlockSize::B512);
        assert!(remedies(&volume).contains(&Remedy::OtherBlockSize(BlockSize::B512)));
        assert!(strict(&new).is_err());
    }

    #[test]
    fn kinds_of_partition_that_are_not_read_are_named() {
        for (identifier, when) in [("*odd", "use")] {
            let mut fixture = Fixture::with_metadata();
            for start in [MAIN, RESERVE] {
                let (mut logical, mut maps) = fixture.logical(2);
                maps[11..34].copy_from_slice(&EntityIdentifier::new(identifier, [0; 8]).identifier);
                logical.map_table_length = 70.into();
                fixture.write(start + 1, start + 1, &logical, &maps);
            }
            let error = open(&fixture).unwrap_err();
            assert!(
                matches!(error, Error::Unsupported(_)) && error.to_string().contains(identifier),
                "{when}: {error}"
            );
        }
    }

    #[test]
    fn sets_of_volumes_are_refused_by_name() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        for start in [MAIN, RESERVE] {
            let (logical, mut maps) = fixture.logical(2);
            maps[2] = 3;
            fixture.write(start + 1, start + 1, &logical, &maps);
        }
        let error = open(&fixture).unwrap_err();
        assert!(matches!(&error, Error::Unsupported(_)) && error.to_string().contains("volume 3"), "{error}");
    }

    #[test]
    fn a_missing_integrity_descriptor_is_a_warning() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        fixture.sector(super::super::fixture::INTEGRITY)[30] ^= 1;
        let volume = open(&fixture).unwrap();
        assert!(volume.integrity().is_none());
        assert_eq!(remedies(&volume), [Remedy::NoIntegrity]);
    }

    #[test]
    fn blocks_of_another_size_than_the_volume_says_are_refused() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        for start in [MAIN, RESERVE] {
            let (mut logical, maps) = fixture.logical(2);
            logical.logical_block_size = 4096.into();
            fixture.write(start + 1, start + 1, &logical, &maps);
        }
        assert!(open(&fixture).unwrap_err().to_string().contains("4096"));
    }
}
