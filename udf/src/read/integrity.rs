//! The integrity sequence of the logical volume (ECMA-167 3/8.8.2, 3/10.10, UDF 2.2.6): open or closed, free space, counts.

use alloc::vec::Vec;

use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

use super::ReadAt;
use super::sectors::{Sealed, Sectors};
use super::virtual_table::VirtualTableHead;
use crate::error::{Corrupt, Error, Fault, Result};
use crate::general::{Descriptor, EntityIdentifier, ExtentAd, TagIdentifier, Timestamp};
use crate::units::{BlockSize, Sector};
use crate::volume::{IntegrityImplementationUse, IntegrityType, LogicalVolumeIntegrityDescriptor};

/// Extents that a sequence may be spread over, as in Linux.
const MAX_EXTENTS: u32 = 1000;

/// What the prevailing integrity descriptor says, and on volumes with a virtual partition the table, which is newer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Integrity {
    /// Where it lies.
    pub sector: Sector,
    /// Open or closed; `None` for a number that has no meaning.
    pub integrity_type: Option<IntegrityType>,
    /// When the volume was last changed.
    pub recorded: Timestamp,
    /// The next unique id that is free.
    pub next_unique_id: u64,
    /// Free blocks of each partition, by partition reference.
    pub free_blocks: Vec<u32>,
    /// Blocks of each partition, by partition reference.
    pub size_blocks: Vec<u32>,
    /// Who wrote last.
    pub implementation: Option<EntityIdentifier>,
    /// Files on the volume.
    pub files: Option<u32>,
    /// Directories on the volume, the root among them.
    pub directories: Option<u32>,
    /// The least revision that a reader must know.
    pub minimum_read: Option<u16>,
    /// The least revision that a writer must know.
    pub minimum_write: Option<u16>,
    /// The highest revision that any writer of this volume knew.
    pub maximum_write: Option<u16>,
}

impl Integrity {
    /// The last good descriptor of the sequence; an error if there is none.
    pub(super) fn read<R: ReadAt>(device: &R, block_size: BlockSize, first: ExtentAd) -> Result<Self> {
        let mut last = None;
        let mut fault = None;
        let mut extent = first;
        // A chain that never ends is cut: what was read last prevails, as in Linux.
        for _ in 0..MAX_EXTENTS {
            let mut sectors = Sectors::new(device, block_size, extent);
            let next = read_extent(&mut sectors, &mut last).unwrap_or_else(|error| {
                fault.get_or_insert(error);
                None
            });
            match next {
                Some(next) => extent = next,
                None => break,
            }
        }
        last.ok_or_else(|| {
            let missing = Fault::Missing(LogicalVolumeIntegrityDescriptor::NAME);
            fault.unwrap_or_else(|| Corrupt::new("integrity sequence", first.start(), missing).into())
        })
    }

    /// With what the virtual allocation table says instead: the descriptor of such a volume is written once and stays open
    /// (UDF 2.60 2.2.11, 3.2.1.1).
    pub(super) fn updated_by(self, table: Option<&VirtualTableHead>) -> Self {
        let Some(head) = table else { return self };
        let header = head.header.as_ref();
        let (files, directories) = head.counts().unzip();
        Self {
            recorded: head.entry.modified,
            // The id of the table's own entry is the highest there is.
            next_unique_id: self.next_unique_id.max(head.entry.unique_id.saturating_add(1)),
            files: files.or(self.files),
            directories: directories.or(self.directories),
            minimum_read: header.map(|header| header.minimum_udf_read_revision.get()).or(self.minimum_read),
            minimum_write: header
                .map(|header| header.minimum_udf_write_revision.get())
                .or(self.minimum_write),
            maximum_write: header
                .map(|header| header.maximum_udf_write_revision.get())
                .or(self.maximum_write),
            ..self
        }
    }

    fn parse(sealed: &Sealed<'_>) -> Result<(Self, ExtentAd), Corrupt> {
        let fixed = LogicalVolumeIntegrityDescriptor::peek(sealed.bytes, sealed.sector)?;
        let tail = sealed.bytes.get(size_of::<LogicalVolumeIntegrityDescriptor>()..).unwrap_or_default();
        let partitions = usize::try_from(fixed.number_of_partitions.get()).unwrap_or(usize::MAX);
        let too_short = |_| {
            let needed = u64::from(fixed.number_of_partitions.get()).saturating_mul(8);
            let fault = Fault::TooShort { needed, found: tail.len() as u64 };
            Corrupt::new(LogicalVolumeIntegrityDescriptor::NAME, sealed.sector, fault)
        };
        let (free, rest) =
            <[U32]>::ref_from_prefix_with_elems(tail, partitions).map_err(|e| too_short(e.into_src()))?;
        let (sizes, rest) =
            <[U32]>::ref_from_prefix_with_elems(rest, partitions).map_err(|e| too_short(e.into_src()))?;
        let recorded_use =
            fixed.length_of_implementation_use.get() as usize >= size_of::<IntegrityImplementationUse>();
        let in_use = IntegrityImplementationUse::ref_from_prefix(rest)
            .ok()
            .map(|(used, _)| used)
            .filter(|_| recorded_use);
        let integrity = Self {
            sector: sealed.sector,
            integrity_type: IntegrityType::from_number(fixed.integrity_type.get()),
            recorded: fixed.recording_date_and_time,
            next_unique_id: fixed.unique_id.get(),
            free_blocks: free.iter().map(|blocks| blocks.get()).collect(),
            size_blocks: sizes.iter().map(|blocks| blocks.get()).collect(),
            implementation: in_use.map(|used| used.implementation_id),
            files: in_use.map(|used| used.number_of_files.get()),
            directories: in_use.map(|used| used.number_of_directories.get()),
            minimum_read: in_use.map(|used| used.minimum_udf_read_revision.get()),
            minimum_write: in_use.map(|used| used.minimum_udf_write_revision.get()),
            maximum_write: in_use.map(|used| used.maximum_udf_write_revision.get()),
        };
        Ok((integrity, fixed.next_integrity_extent))
    }
}

/// Reads one extent into `last`; where the sequence goes on, if it does.
fn read_extent<R: ReadAt>(
    sectors: &mut Sectors<'_, R>,
    last: &mut Option<Integrity>,
) -> Result<Option<ExtentAd>, Error> {
    while let Some(sealed) = sectors.advance()? {
        if sealed.kind != TagIdentifier::LOGICAL_VOLUME_INTEGRITY {
            break;
        }
        let (integrity, next) = Integrity::parse(&sealed)?;
        *last = Some(integrity);
        if next.length.get() != 0 {
            return Ok(Some(next));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, INTEGRITY};
    use super::*;

    fn read(fixture: &Fixture) -> Result<Integrity> {
        Integrity::read(&fixture.image, BlockSize::B2048, ExtentAd::new(8192, Sector(INTEGRITY)))
    }

    #[test]
    fn the_last_one_prevails_over_all_extents() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        let none = ExtentAd::default();
        fixture.integrity(INTEGRITY + 1, 17, none);
        let integrity = read(&fixture).unwrap();
        assert_eq!((integrity.sector, integrity.next_unique_id), (Sector(INTEGRITY + 1), 17));
        assert_eq!((integrity.files, integrity.directories), (Some(3), Some(2)));
        assert_eq!(
            (integrity.free_blocks.as_slice(), integrity.size_blocks.as_slice()),
            (&[7][..], &[735][..])
        );
        assert_eq!(integrity.integrity_type, Some(IntegrityType::Close));

        fixture.integrity(INTEGRITY + 2, 18, ExtentAd::new(4096, Sector(800)));
        fixture.integrity(800, 19, none);
        assert_eq!(read(&fixture).unwrap().next_unique_id, 19);
    }

    #[test]
    fn a_chain_that_leads_back_ends_and_a_damaged_one_says_so() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        fixture.integrity(INTEGRITY, 20, ExtentAd::new(4096, Sector(INTEGRITY)));
        assert_eq!(read(&fixture).unwrap().next_unique_id, 20);
        fixture.sector(INTEGRITY)[40] ^= 1;
        assert!(matches!(read(&fixture), Err(Error::Corrupt(Corrupt { fault: Fault::Crc { .. }, .. }))));
        fixture.sector(INTEGRITY)[..2048].fill(0);
        assert!(matches!(read(&fixture), Err(Error::Corrupt(Corrupt { fault: Fault::Missing(_), .. }))));
    }

    #[test]
    fn more_partitions_than_there_are_bytes_is_damage() {
        let mut fixture = Fixture::plain(BlockSize::B2048);
        fixture.sector(INTEGRITY)[72..76].fill(0xFF);
        super::super::fixture::seal_again(&mut fixture.sector(INTEGRITY)[..134]);
        assert!(matches!(read(&fixture), Err(Error::Corrupt(Corrupt { fault: Fault::TooShort { .. }, .. }))));
    }
}
