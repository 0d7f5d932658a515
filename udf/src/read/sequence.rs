//! Volume descriptor sequences (ECMA-167 3/8.4): what prevails in one, and what the reserve must lend to the main one.

use alloc::{collections::BTreeMap, vec::Vec};

use super::ReadAt;
use super::sectors::{Sealed, Sectors};
use super::warning::{Remedy, Warnings};
use crate::error::{Corrupt, Error, Fault, Result};
use crate::general::{Descriptor, EntityIdentifier, ExtentAd, Tag, TagIdentifier};
use crate::partition::{PartitionMap, PartitionMaps};
use crate::units::{BlockSize, Sector};
use crate::volume::{
    ImplementationUseVolumeDescriptor, LogicalVolumeDescriptor, PartitionDescriptor, PrimaryVolumeDescriptor,
    VolumeDescriptorPointer,
};

/// Extents that a sequence may be spread over, as in Linux.
const MAX_EXTENTS: u32 = 64;

/// A logical volume descriptor with the table that follows it.
#[derive(Clone, Debug)]
pub(super) struct LogicalVolume {
    pub(super) fixed: LogicalVolumeDescriptor,
    /// `map_table_length` bytes of partition maps.
    pub(super) map_table: Vec<u8>,
}

/// The prevailing descriptors of a volume: all that it takes to go on.
#[derive(Clone, Debug)]
pub(super) struct Descriptors {
    pub(super) primary: PrimaryVolumeDescriptor,
    pub(super) logical: LogicalVolume,
    pub(super) information: Option<ImplementationUseVolumeDescriptor>,
    pub(super) partitions: Vec<PartitionDescriptor>,
    pub(super) used_reserve: bool,
}

impl Descriptors {
    /// Reads the main sequence and, if anything in it is damaged or missing, the reserve sequence too.
    pub(super) fn read<R: ReadAt>(
        device: &R,
        block_size: BlockSize,
        (main, reserve): (ExtentAd, ExtentAd),
        warnings: &mut Warnings,
    ) -> Result<Self> {
        let mut found = Prevailing::read(device, block_size, main);
        let mut used_reserve = false;
        let fault = found.fault.take().or_else(|| found.lacks(main).map(Error::from));
        if let Some(fault) = fault {
            used_reserve = found.borrow_from(Prevailing::read(device, block_size, reserve));
            if found.primary.is_none() || found.logical.is_none() || found.partitions.is_empty() {
                return Err(fault);
            }
            warnings.bend(fault, if used_reserve { Remedy::ReserveSequence } else { Remedy::PassedOver })?;
        }
        if let Some(cause) = found.unsealed.take() {
            warnings.bend(cause, Remedy::NoCrc)?;
        }
        let Prevailing { primary: Some(primary), logical: Some(logical), information, partitions, .. } =
            found
        else {
            return Err(Corrupt::new(SEQUENCE, main.start(), Fault::Missing("descriptors")).into());
        };
        let partitions = partitions.into_values().flatten().collect();
        Ok(Self { primary, logical, information, partitions, used_reserve })
    }
}

const SEQUENCE: &str = "volume descriptor sequence";

/// The prevailing descriptors as far as they have been seen.
#[derive(Debug, Default)]
struct Prevailing {
    primary: Option<PrimaryVolumeDescriptor>,
    logical: Option<LogicalVolume>,
    information: Option<ImplementationUseVolumeDescriptor>,
    /// By partition number; a slot is never empty but while it is filled.
    partitions: BTreeMap<u16, Option<PartitionDescriptor>>,
    /// The first thing that was wrong in the sequence.
    fault: Option<Error>,
    /// The first descriptor that has no CRC.
    unsealed: Option<Corrupt>,
}

enum Step {
    Taken,
    GoesOn(ExtentAd),
    End,
}

impl Prevailing {
    /// Reads a sequence, over all its extents. What is damaged is passed over and noted.
    fn read<R: ReadAt>(device: &R, block_size: BlockSize, first: ExtentAd) -> Self {
        let mut found = Self::default();
        let mut extent = first;
        for _ in 0..MAX_EXTENTS {
            let mut sectors = Sectors::new(device, block_size, extent);
            match found.read_extent(&mut sectors) {
                Some(next) => extent = next,
                None => return found,
            }
        }
        found
            .note(Corrupt::new(VolumeDescriptorPointer::NAME, extent.start(), Fault::Loop("extents")).into());
        found
    }

    /// Reads one extent of a sequence; where it goes on, if it does.
    fn read_extent<R: ReadAt>(&mut self, sectors: &mut Sectors<'_, R>) -> Option<ExtentAd> {
        loop {
            let step = match sectors.advance() {
                Ok(Some(sealed)) => self.take(&sealed).map_err(Error::from),
                Ok(None) => Ok(Step::End),
                Err(error) => Err(error),
            };
            match step {
                Ok(Step::Taken) => {}
                Ok(Step::GoesOn(next)) => return Some(next),
                Ok(Step::End) => return None,
                Err(error) => self.note(error),
            }
        }
    }

    fn note(&mut self, fault: Error) {
        self.fault.get_or_insert(fault);
    }

    fn take(&mut self, sealed: &Sealed<'_>) -> Result<Step, Corrupt> {
        let Sealed { sector, kind, bytes } = *sealed;
        if Tag::read(bytes).is_some_and(|tag| tag.descriptor_crc_length.get() == 0) {
            let fault = Fault::Field { field: "CRC length", value: 0 };
            self.unsealed.get_or_insert(Corrupt::new("volume descriptor", sector, fault));
        }
        match kind {
            TagIdentifier::PRIMARY_VOLUME => {
                prevail(&mut self.primary, *PrimaryVolumeDescriptor::peek(bytes, sector)?);
            }
            TagIdentifier::LOGICAL_VOLUME => prevail(&mut self.logical, LogicalVolume::split(bytes, sector)?),
            TagIdentifier::IMPLEMENTATION_USE_VOLUME => {
                let new = *ImplementationUseVolumeDescriptor::peek(bytes, sector)?;
                // Others than UDF's own are private to whoever wrote them.
                if new.implementation_identifier.is(EntityIdentifier::LOGICAL_VOLUME_INFORMATION) {
                    prevail(&mut self.information, new);
                }
            }
            TagIdentifier::PARTITION => {
                let new = *PartitionDescriptor::peek(bytes, sector)?;
                prevail(self.partitions.entry(new.partition_number.get()).or_default(), new);
            }
            TagIdentifier::VOLUME_POINTER => {
                let pointer = VolumeDescriptorPointer::peek(bytes, sector)?;
                return Ok(Step::GoesOn(pointer.next_volume_descriptor_sequence_extent));
            }
            TagIdentifier::TERMINATING => return Ok(Step::End),
            _ => {}
        }
        Ok(Step::Taken)
    }

    /// What should be there and is not.
    fn lacks(&self, extent: ExtentAd) -> Option<Corrupt> {
        let missing = |name| Some(Corrupt::new(SEQUENCE, extent.start(), Fault::Missing(name)));
        if self.primary.is_none() {
            return missing(PrimaryVolumeDescriptor::NAME);
        }
        let Some(logical) = &self.logical else { return missing(LogicalVolumeDescriptor::NAME) };
        let mut maps = PartitionMaps::new(&logical.map_table).flatten();
        // Metadata maps are known to name partitions that do not exist; that is no reason to distrust a sequence.
        let unknown = |map| match map {
            PartitionMap::Physical(map) => !self.partitions.contains_key(&map.partition_number.get()),
            _ => false,
        };
        if self.partitions.is_empty() || maps.any(unknown) {
            return missing(PartitionDescriptor::NAME);
        }
        None
    }

    /// Takes from the reserve sequence what is newer there or missing here; whether there was any.
    fn borrow_from(&mut self, reserve: Self) -> bool {
        let mut borrowed = lend(reserve.primary, &mut self.primary);
        borrowed |= lend(reserve.logical, &mut self.logical);
        borrowed |= lend(reserve.information, &mut self.information);
        for (number, partition) in reserve.partitions {
            borrowed |= lend(partition, self.partitions.entry(number).or_default());
        }
        borrowed
    }
}

/// A descriptor of which the one with the highest number prevails (ECMA-167 3/8.4.3).
trait Numbered {
    fn number(&self) -> u32;
}

macro_rules! numbered {
    ($($descriptor:ty),*) => {$(
        impl Numbered for $descriptor {
            fn number(&self) -> u32 {
                self.volume_descriptor_sequence_number.get()
            }
        }
    )*};
}
numbered!(PrimaryVolumeDescriptor, ImplementationUseVolumeDescriptor, PartitionDescriptor);

impl Numbered for LogicalVolume {
    fn number(&self) -> u32 {
        self.fixed.volume_descriptor_sequence_number.get()
    }
}

/// Puts a descriptor in its slot unless one of a higher number is there. At equal numbers, which should not be, the later
/// one wins, as in Linux.
fn prevail<T: Numbered>(slot: &mut Option<T>, new: T) {
    if slot.as_ref().is_none_or(|old| new.number() >= old.number()) {
        *slot = Some(new);
    }
}

/// Puts a descriptor of the reserve sequence in its slot if that makes a difference; whether it did.
fn lend<T: Numbered>(reserve: Option<T>, slot: &mut Option<T>) -> bool {
    let Some(new) = reserve else { return false };
    let better = slot.as_ref().is_none_or(|old| new.number() > old.number());
    if better {
        *slot = Some(new);
    }
    better
}

impl LogicalVolume {
    fn split(bytes: &[u8], sector: Sector) -> Result<Self, Corrupt> {
        let fixed = *LogicalVolumeDescriptor::peek(bytes, sector)?;
        let length = usize::try_from(fixed.map_table_length.get()).unwrap_or(usize::MAX);
        let needed = size_of::<LogicalVolumeDescriptor>().saturating_add(length);
        let map_table =
            bytes.get(size_of::<LogicalVolumeDescriptor>()..needed).map(<[u8]>::to_vec).ok_or_else(|| {
                let fault = Fault::TooShort { needed: needed as u64, found: bytes.len() as u64 };
                Corrupt::new(LogicalVolumeDescriptor::NAME, sector, fault)
            })?;
        Ok(Self { fixed, map_table })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, MAIN, RESERVE, Scratched, blank};
    use super::*;
    use crate::general::DString;

    fn read<R: ReadAt>(device: &R) -> Result<(Descriptors, Vec<Remedy>)> {
        let mut warnings = Warnings::new(false);
        let extent = |start| ExtentAd::new(32768, Sector(start));
        let sequences = (extent(MAIN), extent(RESERVE));
        let found = Descriptors::read(device, BlockSize::B2048, sequences, &mut warnings)?;
        Ok((found, warnings.into_list().iter().map(|warning| warning.remedy).collect()))
    }

    fn named(fixture: &Fixture, number: u32, label: &str) -> (LogicalVolumeDescriptor, Vec<u8>) {
        let (mut logical, maps) = fixture.logical(number);
        logical.logical_volume_identifier = DString::new(label).unwrap();
        (logical, maps)
    }

    fn label(found: &Descriptors) -> std::string::String {
        found.logical.fixed.logical_volume_identifier.decode_lossy()
    }

    #[test]
    fn the_highest_number_prevails_and_the_later_of_equals() {
        for (number, expected) in [(1, "a label"), (2, "new"), (3, "new")] {
            let mut fixture = Fixture::plain(BlockSize::B2048);
            let (logical, maps) = named(&fixture, number, "new");
            fixture.write(MAIN + 4, MAIN + 4, &logical, &maps);
            let (found, remedies) = read(&fixture.image).unwrap();
            assert_eq!((label(&found).as_str(), remedies.len()), (expected, 0), "number {number}");
        }
    }

    #[test]
    fn a_volume_descriptor_without_a_crc_is_believed_and_told() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        let seal = super::super::fixture::SEAL;
        Tag::seal_partly(fixture.sector(MAIN), TagIdentifier::PRIMARY_VOLUME, seal, MAIN, 0);
        assert_eq!(read(&fixture.image).unwrap().1, [Remedy::NoCrc]);
        let sequences = (ExtentAd::new(32768, Sector(MAIN)), ExtentAd::new(32768, Sector(RESERVE)));
        let mut strict = Warnings::new(true);
        assert!(Descriptors::read(&fixture.image, BlockSize::B2048, sequences, &mut strict).is_err());
    }

    #[test]
    fn what_the_main_sequence_lacks_is_borrowed_and_nothing_else() {
        for missing in 0..3 {
            let mut fixture = Fixture::plain(BlockSize::B2048);
            let (logical, maps) = named(&fixture, 2, "reserve");
            fixture.write(RESERVE + 1, RESERVE + 1, &logical, &maps);
            fixture.sector(MAIN + missing)[16] ^= 0xFF;
            let (found, remedies) = read(&fixture.image).unwrap();
            assert!(found.used_reserve);
            assert_eq!(remedies, [Remedy::ReserveSequence]);
            assert_eq!(label(&found), if missing == 1 { "reserve" } else { "a label" });
        }
    }

    #[test]
    fn where_the_main_sequence_is_damaged_a_newer_descriptor_of_the_reserve_counts() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        let (logical, maps) = named(&fixture, 9, "newer");
        fixture.write(RESERVE + 1, RESERVE + 1, &logical, &maps);
        assert_eq!(label(&read(&fixture.image).unwrap().0), "a label", "the reserve is not even looked at");
        fixture.sector(MAIN + 3)[16] ^= 0xFF;
        assert_eq!(label(&read(&fixture.image).unwrap().0), "newer");
    }

    #[test]
    fn sequences_go_on_elsewhere_but_not_for_ever() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        let to = |start| {
            let mut pointer: VolumeDescriptorPointer = blank();
            pointer.next_volume_descriptor_sequence_extent = ExtentAd::new(32768, Sector(start));
            pointer
        };
        fixture.sequence(700);
        let (logical, maps) = named(&fixture, 5, "elsewhere");
        fixture.write(701, 701, &logical, &maps);
        fixture.write(MAIN + 2, MAIN + 2, &to(700), &[]);
        assert_eq!(label(&read(&fixture.image).unwrap().0), "elsewhere");
        fixture.write(704, 704, &to(MAIN), &[]);
        let (found, remedies) = read(&fixture.image).unwrap();
        assert_eq!((label(&found).as_str(), remedies.as_slice()), ("elsewhere", &[Remedy::PassedOver][..]));
    }

    #[test]
    fn a_sequence_that_the_device_cannot_read_is_replaced() {
        let image = Fixture::plain(BlockSize::B2048).image;
        let mut device = Scratched { image, bad_sectors: std::vec![MAIN] };
        assert!(read(&device).unwrap().0.used_reserve);
        device.bad_sectors.push(RESERVE + 1);
        assert!(matches!(read(&device), Err(Error::Read { .. })));
    }

    #[test]
    fn a_table_of_maps_longer_than_its_descriptor_is_damage() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        for start in [MAIN, RESERVE] {
            let (mut logical, maps) = fixture.logical(2);
            logical.map_table_length = u32::MAX.into();
            fixture.write(start + 1, start + 1, &logical, &maps);
        }
        assert!(matches!(read(&fixture.image), Err(Error::Corrupt(_))));
    }
}
