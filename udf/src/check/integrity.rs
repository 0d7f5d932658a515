//! The logical volume integrity sequence (R066 to R073, as far as they need no counting).

use alloc::{vec, vec::Vec};

use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

use super::context::{At, Context};
use super::identifier::Expected;
use super::logical::{Map, MapKind};
use super::seal::{CrcLength, Expected as ExpectedTag, Sealed};
use crate::general::{Descriptor, ExtentAd, Tag, TagIdentifier};
use crate::read::ReadAt;
use crate::revision::Revision;
use crate::units::Sector;
use crate::volume::{
    AccessType, IntegrityImplementationUse, IntegrityType, LogicalVolumeDescriptor,
    LogicalVolumeIntegrityDescriptor, PartitionDescriptor,
};

pub(super) const SEQUENCE: &str = "integrity sequence";
/// Extents that a sequence may be spread over, as in Linux.
const MAX_EXTENTS: u32 = 1000;
/// Sectors looked at in one extent.
const MAX_SECTORS: u32 = 1024;
/// The least length of the sequence where it can be rewritten (UDF 2.2.4.6).
const LEAST_BYTES: u32 = 8192;
/// The highest revision that readers must know of any volume: what is new in 2.60 concerns those who write (UDF 2.2.6.4).
const MOST_TO_READ: u16 = 0x0250;
/// The number of the revision that brought the fields for them.
const FIRST_WITH_REVISIONS: u16 = 0x0102;
/// Ids below are reserved (UDF 3.2.1.1).
pub(super) const FIRST_UNIQUE_ID: u32 = 16;
/// Above, old systems cannot tell ids apart (UDF 3.2.1.1).
const OLD_LIMIT: u64 = 1 << 31;

/// What the prevailing integrity descriptor says, as far as it is compared with what is counted.
#[derive(Clone, Debug)]
pub(super) struct Integrity {
    pub(super) at: At,
    pub(super) fixed: LogicalVolumeIntegrityDescriptor,
    pub(super) free_blocks: Vec<u32>,
    pub(super) size_blocks: Vec<u32>,
    pub(super) used: Option<IntegrityImplementationUse>,
}

/// The revisions that readers and writers must know (UDF 2.2.6.4).
#[derive(Clone, Copy, Debug)]
pub(super) struct Revisions {
    pub(super) read: u16,
    pub(super) write: u16,
    pub(super) most: u16,
}

impl Integrity {
    /// Whether what it says holds: not while the volume is being written.
    pub(super) fn is_closed(&self) -> bool {
        IntegrityType::from_number(self.fixed.integrity_type.get()) == Some(IntegrityType::Close)
    }
}

enum Next {
    Sectors(u32),
    Extent(ExtentAd),
    End,
}

impl<R: ReadAt> Context<'_, R> {
    /// Reads the sequence; what prevails in it is the last.
    pub(super) fn integrity_sequence(&mut self, first: ExtentAd) -> Option<Integrity> {
        let mut last = None;
        let mut extent = first;
        for _ in 0..MAX_EXTENTS {
            // A sequence that leads back into itself ends there.
            if !self.takes(SEQUENCE, extent.start(), extent.length.get().into()) {
                break;
            }
            match self.integrity_extent(extent, &mut last) {
                Some(next) => extent = next,
                None => break,
            }
        }
        if last.is_none() {
            self.error(10, At::new(SEQUENCE, first.start()), format_args!("no integrity descriptor"));
        }
        last
    }

    fn integrity_extent(&mut self, extent: ExtentAd, last: &mut Option<Integrity>) -> Option<ExtentAd> {
        let count = extent.length.get().div_ceil(self.block_size.bytes()).min(MAX_SECTORS);
        let mut done = 0;
        while done < count {
            let sector = extent.start().checked_add(done)?;
            match self.integrity_at(sector, count.saturating_sub(done), last) {
                Next::Sectors(sectors) => done = done.saturating_add(sectors),
                Next::Extent(next) => return Some(next),
                Next::End => return None,
            }
        }
        None
    }

    fn integrity_at(&mut self, sector: Sector, room: u32, last: &mut Option<Integrity>) -> Next {
        let at = At::new(LogicalVolumeIntegrityDescriptor::NAME, sector);
        let mut block = vec![0; self.block_size.len()];
        if !self.read(at, sector, &mut block) {
            return Next::End;
        }
        let kind = Tag::read(&block).unwrap_or_default().kind();
        if kind != TagIdentifier::LOGICAL_VOLUME_INTEGRITY {
            return Next::End;
        }
        let Ok(bytes) = LogicalVolumeIntegrityDescriptor::peek(&block, sector).map(length) else {
            return Next::End;
        };
        let sectors = u32::try_from(self.block_size.blocks_for(bytes)).unwrap_or(u32::MAX);
        if sectors > room {
            self.error(68, at, format_args!("{bytes} bytes long, more than the sequence has left"));
            return Next::End;
        }
        block.resize(self.block_size.len().saturating_mul(sectors as usize), 0);
        if !self.read(at, sector, &mut block) {
            return Next::End;
        }
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let expected = ExpectedTag { kind, location: sector.0, bytes, crc: CrcLength::Whole };
        let sealed = self.seal(at, &block, expected);
        self.zeros_behind(at, &block, bytes);
        if sealed == Sealed::Missing {
            return Next::End;
        }
        let Some(found) = Integrity::parse(at, &block) else { return Next::End };
        let next = found.fixed.next_integrity_extent;
        *last = Some(found);
        if next.length == 0 { Next::Sectors(sectors) } else { Next::Extent(next) }
    }

    /// What the prevailing descriptor says of itself.
    pub(super) fn integrity(
        &mut self,
        integrity: &Integrity,
        maps: &[Map],
        partitions: &[PartitionDescriptor],
    ) {
        let (at, fixed) = (integrity.at, &integrity.fixed);
        match IntegrityType::from_number(fixed.integrity_type.get()) {
            Some(found) if (found == IntegrityType::Open) == self.is_virtual => {}
            Some(IntegrityType::Close) => {
                self.error(
                    67,
                    at,
                    format_args!("closed, but with a virtual partition it stays open for ever"),
                );
            }
            Some(IntegrityType::Open) => {
                self.error(67, at, format_args!("the volume is open: an update was not completed"));
            }
            None => self.error(67, at, format_args!("integrity type is {}", fixed.integrity_type)),
        }
        let (recorded, count) = (fixed.number_of_partitions.get(), maps.len());
        if usize::try_from(recorded).ok() != Some(count) {
            self.error(68, at, format_args!("{recorded} partitions, but {count} partition maps"));
        }
        self.reserved(73, at, "what follows the unique id", &fixed.reserved);
        self.next_unique_id(at, fixed.unique_id.get());
        // Compared with itself it is never later.
        self.time(at, "recording time", &fixed.recording_date_and_time);
        let Some(used) = &integrity.used else {
            let length = fixed.length_of_implementation_use;
            self.error(68, at, format_args!("{length} bytes of implementation use, must be 46"));
            return;
        };
        self.identifier(at, "implementation id", &used.implementation_id, Expected::Developer);
        self.revisions(at, used, maps, partitions);
    }

    fn next_unique_id(&mut self, at: At, next: u64) {
        let low = next & u64::from(u32::MAX);
        if low < FIRST_UNIQUE_ID.into() {
            self.error(
                70,
                at,
                format_args!("next unique id is {next}, its low 32 bits below {FIRST_UNIQUE_ID}"),
            );
        } else if self.rules().streams && next > u64::from(u32::MAX) {
            self.error(70, at, format_args!("next unique id is {next}, beyond 32 bits"));
        } else if next >= OLD_LIMIT {
            self.warning(70, at, format_args!("next unique id is {next}, beyond 31 bits"));
        }
    }

    /// The revisions that readers and writers must know (UDF 2.2.6.4).
    fn revisions(
        &mut self,
        at: At,
        used: &IntegrityImplementationUse,
        maps: &[Map],
        partitions: &[PartitionDescriptor],
    ) {
        // The fields came with 1.02; before it they are reserved.
        if self.revision_number < FIRST_WITH_REVISIONS {
            return;
        }
        let recorded = Revisions {
            read: used.minimum_udf_read_revision.get(),
            write: used.minimum_udf_write_revision.get(),
            most: used.maximum_udf_write_revision.get(),
        };
        self.known_revisions(at, recorded);
        let Revisions { read, write, .. } = recorded;
        let (least_read, least_write) = self.least_revisions(maps, partitions);
        if read < least_read.number() || write < least_write.number() {
            self.error(
                72,
                at,
                format_args!("minimum read {read:#06x}, minimum write {write:#06x}, must be {least_read}, {least_write}"),
            );
        }
    }

    /// Whether the revisions exist and fit that of the volume.
    pub(super) fn known_revisions(&mut self, at: At, recorded: Revisions) {
        let Revisions { read, write, most } = recorded;
        for (number, name) in [(read, "minimum read"), (write, "minimum write"), (most, "maximum write")] {
            if Revision::from_number(number).is_none() {
                self.error(72, at, format_args!("{name} revision is {number:#06x}, which does not exist"));
            }
        }
        let volume = self.revision.number();
        if read > volume || write > volume || most < volume {
            self.error(
                72,
                at,
                format_args!(
                    "minimum read {read:#06x}, minimum write {write:#06x}, maximum write {most:#06x} on a volume of {volume:#06x}"
                ),
            );
        }
        if read > MOST_TO_READ {
            self.error(
                72,
                at,
                format_args!("minimum read revision is {read:#06x}, must be at most {MOST_TO_READ:#06x}"),
            );
        }
    }

    /// What the features of the volume demand of readers and of writers: ECMA-167 3rd edition, the kinds of partitions.
    fn least_revisions(&self, maps: &[Map], partitions: &[PartitionDescriptor]) -> (Revision, Revision) {
        let has = |kind| maps.iter().any(|map| map.kind == kind);
        let pseudo = AccessType::PseudoOverwritable.number();
        if partitions.iter().any(|partition| partition.access_type == pseudo) {
            return (Revision::V2_50, Revision::V2_60);
        }
        let least = if has(MapKind::Metadata) {
            Revision::V2_50
        } else if self.rules().streams {
            Revision::V2_00
        } else if has(MapKind::Sparable) || has(MapKind::Virtual) {
            Revision::V1_50
        } else {
            Revision::V1_02
        };
        (least, least)
    }
}

impl<R: ReadAt> Context<'_, R> {
    /// Where blocks can be rewritten, the sequence is longer than one.
    pub(super) fn integrity_length(
        &mut self,
        at: At,
        logical: &LogicalVolumeDescriptor,
        partitions: &[PartitionDescriptor],
    ) {
        let bytes = logical.integrity_sequence_extent.length.get();
        let rewritable = partitions.iter().any(|partition| {
            let access = AccessType::from_number(partition.access_type.get());
            matches!(access, Some(AccessType::Rewritable | AccessType::Overwritable))
        });
        if rewritable && bytes < LEAST_BYTES {
            self.error(
                66,
                at,
                format_args!("integrity sequence is {bytes} bytes long, must be {LEAST_BYTES}"),
            );
        }
    }
}

/// Bytes of a descriptor, tables and implementation use included.
fn length(fixed: &LogicalVolumeIntegrityDescriptor) -> u64 {
    let tables = u64::from(fixed.number_of_partitions.get()).saturating_mul(8);
    let used = fixed.length_of_implementation_use.get();
    (size_of::<LogicalVolumeIntegrityDescriptor>() as u64).saturating_add(tables).saturating_add(used.into())
}

impl Integrity {
    /// The descriptor in these bytes, which hold all of it.
    fn parse(at: At, bytes: &[u8]) -> Option<Self> {
        let (fixed, rest) = LogicalVolumeIntegrityDescriptor::read_from_prefix(bytes).ok()?;
        let partitions = usize::try_from(fixed.number_of_partitions.get()).ok()?;
        let (free, rest) = <[U32]>::ref_from_prefix_with_elems(rest, partitions).ok()?;
        let (sizes, rest) = <[U32]>::ref_from_prefix_with_elems(rest, partitions).ok()?;
        let length = usize::try_from(fixed.length_of_implementation_use.get()).ok()?;
        let used =
            rest.get(..length).and_then(|used| IntegrityImplementationUse::read_from_prefix(used).ok());
        Some(Self {
            at,
            fixed,
            free_blocks: free.iter().map(|blocks| blocks.get()).collect(),
            size_blocks: sizes.iter().map(|blocks| blocks.get()).collect(),
            used: used.map(|(used, _)| used),
        })
    }
}
