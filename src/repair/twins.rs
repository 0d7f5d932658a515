//! What is there twice, from the other one: the files of a metadata partition, and sparing tables (UDF 2.2.9, 2.2.13).

use udf::file::FileType;
use udf::general::{Descriptor, ExtentKind, Tag, TagIdentifier};
use udf::partition::{SparingEntry, SparingTable};
use udf::read::{Extent, MetadataFile, MetadataPartition, PartitionKind, SparablePartition, Volume};
use udf::volume::AccessType;
use udf::{BlockAddress, Sector};

use super::bytes::{Want, get32, is_sealed, put, seal};
use super::entry::Form;
use super::overlay::Overlay;
use super::plan::Phase;
use super::{Mender, own_session};

impl Mender<'_> {
    /// Mends what a partition cannot be understood without, if the other one is sound; whether anything was mended.
    pub(super) fn twins(&mut self, volume: &Volume<&Overlay<'_>>) -> bool {
        let mut changed = false;
        for partition in volume.partitions() {
            match &partition.kind {
                PartitionKind::Metadata(metadata) => {
                    changed |= self.metadata_file(volume, metadata).is_some();
                }
                PartitionKind::Sparable(sparable) => {
                    let end = sparable.start.0.saturating_add(partition.length_blocks);
                    changed |= self.sparing_tables(sparable, sparable.start.0..end);
                }
                _ => {}
            }
        }
        changed
    }

    /// The entry of main file or mirror, if it is lost.
    fn metadata_file(&mut self, volume: &Volume<&Overlay<'_>>, metadata: &MetadataPartition) -> Option<()> {
        let map = &metadata.map;
        let (location, kind, rest, name) = match (&metadata.main, &metadata.mirror) {
            (None, Some(mirror)) => {
                (map.metadata_file_location.get(), FileType::METADATA, mirror, "metadata file")
            }
            (Some(main), None) => (
                map.metadata_mirror_file_location.get(),
                FileType::METADATA_MIRROR,
                main,
                "metadata mirror file",
            ),
            _ => return None,
        };
        // What continues one cannot continue the other, too.
        if !rest.allocation_extents.is_empty() {
            return None;
        }
        let address = BlockAddress::new(metadata.lower.0, location);
        let sector = volume.locate(address).ok()?.sector.0;
        let access = volume.partitions().get(usize::from(metadata.lower.0))?.access;
        let may_change = matches!(access, Some(AccessType::Overwritable | AccessType::Rewritable))
            || own_session(volume).is_some_and(|(first, last)| (first..=last).contains(&sector));
        if !may_change {
            return None;
        }
        let mut block = self.overlay.sector(volume.locate(rest.entry.block).ok()?.sector.0)?;
        let (start, end) = Form::of(&block)?.allocation(&block)?;
        put(&mut block, 27, &[kind.0]);
        let shared = match self.other_extent(volume, metadata, rest) {
            // The descriptor is a short one: length, position.
            Some(position) => {
                put(&mut block, start + 4, &position.to_le_bytes());
                "its blocks were found again"
            }
            None => "it shares the blocks of the other one from now on",
        };
        let kind = Tag::read(&block)?.kind();
        seal(&mut block, &Want { crc_bytes: end - Tag::LEN, ..self.want(kind, location) });
        if !self.overlay.put(sector, Phase::Change, block) {
            return None;
        }
        self.mend(85, address, format!("{name}: its entry is lost, and made from the other one's; {shared}"));
        Some(())
    }

    /// Where the blocks lie that hold the same as those of a file, if the map says that there are such and they are in one
    /// piece.
    fn other_extent(
        &self,
        volume: &Volume<&Overlay<'_>>,
        metadata: &MetadataPartition,
        rest: &MetadataFile,
    ) -> Option<u32> {
        let [Extent { kind: ExtentKind::Recorded, start, .. }] = rest.extents()[..] else { return None };
        if metadata.map.flags & 1 == 0 {
            return None;
        }
        let blocks = u32::try_from(rest.extents().first()?.blocks(self.block_size())).ok()?;
        let partition = volume.partitions().get(usize::from(metadata.lower.0))?;
        let sector = |block: u32| {
            let run = volume.locate(BlockAddress::new(metadata.lower.0, block)).ok()?;
            self.overlay.sector(run.sector.0)
        };
        let first = sector(start.block.0)?;
        let alignment = usize::from(metadata.map.alignment_unit_size.get().max(1));
        let last = partition.length_blocks.min(self.overlay.sectors()).checked_sub(blocks)?;
        (0..=last).step_by(alignment).find(|position| {
            let apart = position.abs_diff(start.block.0) >= blocks;
            apart
                && sector(*position).as_ref() == Some(&first)
                && (1..blocks).all(|skip| sector(position + skip) == sector(start.block.0 + skip))
        })
    }

    /// Copies of a sparing table that are damaged or old, from the one that counts; whether there were such.
    fn sparing_tables(&mut self, sparable: &SparablePartition, partition: std::ops::Range<u32>) -> bool {
        let Some(newest) = sparable.prevailing.and_then(|index| sparable.copies.get(index)) else {
            return false;
        };
        let length = size_of::<SparingTable>() + newest.entries.len() * size_of::<SparingEntry>();
        let sectors = self.block_size().blocks_for(length as u64);
        let allocated = u64::from(sparable.map.size_of_each_sparing_table.get());
        let Some(table) = self.table(newest.sector, sectors).filter(|_| length as u64 <= allocated) else {
            return false;
        };
        let want = |mender: &Self, sector: Sector| Want {
            crc_bytes: length - Tag::LEN,
            ..mender.want(SparingTable::IDENTIFIER, sector.0)
        };
        if !is_sealed(&table, &want(self, newest.sector)) {
            return false;
        }
        let mut changed = false;
        for copy in &sparable.copies {
            let place = copy.sector.0;
            let is_apart = copy.sector != newest.sector && !partition.contains(&place);
            let old = self.table(copy.sector, sectors).unwrap_or_default();
            let is_same =
                is_sealed(&old, &want(self, copy.sector)) && old.get(16..length) == table.get(16..length);
            // Somebody else's table, or what is no table at all but a structure of another kind, is left.
            let is_ours = old.is_empty() || old.starts_with(&[0, 0]);
            if is_same || !is_apart || !is_ours {
                continue;
            }
            let mut bytes = table.clone();
            seal(&mut bytes, &want(self, copy.sector));
            let pieces = (place..).zip(bytes.chunks(self.block_size().len()));
            let written = pieces.fold(false, |written, (sector, piece)| {
                self.overlay.put(sector, Phase::Sparing, piece.to_vec()) | written
            });
            if written {
                let number = get32(&table, 52);
                self.mend(
                    81,
                    copy.sector,
                    format!("sparing table: it becomes what the other one is, number {number}"),
                );
            }
            changed |= written;
        }
        changed
    }

    fn table(&self, first: Sector, sectors: u64) -> Option<Vec<u8>> {
        let sectors = u32::try_from(sectors).ok()?;
        let pieces: Option<Vec<_>> =
            (0..sectors).map(|skip| self.overlay.sector(first.0.checked_add(skip)?)).collect();
        Some(pieces?.concat())
    }
}

const _: () = assert!(TagIdentifier::SPARING_TABLE.0 == 0);
