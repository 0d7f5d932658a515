//! The metadata partition: its files, and its mirror (UDF 2.2.13).

use udf::file::FileType;
use udf::general::ExtentKind;
use udf::read::{MetadataPartition, PartitionKind};
use udf::{BlockAddress, Place};

use super::entry::{Form, Loaded};
use super::files::{Files, Role};
use super::plan::Phase;

impl<'m> Files<'m, '_> {
    pub(super) fn has_metadata(&self) -> bool {
        self.metadata().is_some()
    }

    pub(super) fn is_in_metadata(&self, block: BlockAddress) -> bool {
        self.metadata().is_some_and(|(reference, _)| block.partition.0 == reference)
    }

    pub(super) fn metadata(&self) -> Option<(u16, &'m MetadataPartition)> {
        let partitions = self.volume.partitions().iter().zip(0_u16..);
        partitions.into_iter().find_map(|(partition, reference)| match &partition.kind {
            PartitionKind::Metadata(metadata) => Some((reference, &**metadata)),
            _ => None,
        })
    }

    /// The metadata mirror's copy of a block.
    pub(super) fn mirror_block(&self, address: BlockAddress) -> Option<Vec<u8>> {
        self.mender.overlay.sector(self.mirror_sector(address)?)
    }

    pub(super) fn mirror_sector(&self, address: BlockAddress) -> Option<u32> {
        let (reference, metadata) = self.metadata()?;
        if address.partition.0 != reference {
            return None;
        }
        let (main, mirror) = (metadata.main.as_ref()?, metadata.mirror.as_ref()?);
        if main.extents() == mirror.extents() {
            return None;
        }
        let mut first = 0_u32;
        for extent in mirror.extents() {
            let blocks = u32::try_from(extent.blocks(self.block_size())).ok()?;
            if (first..first.checked_add(blocks)?).contains(&address.block.0) {
                let block = extent.start.checked_add(address.block.0 - first)?;
                return (extent.kind == ExtentKind::Recorded).then(|| self.sector_of(block)).flatten();
            }
            first += blocks;
        }
        None
    }

    /// The mirror becomes what the metadata file is.
    pub(super) fn mirror(&mut self) {
        let Some((reference, _)) = self.metadata() else { return };
        let used = self.spaces[usize::from(reference)].used.clone();
        let mut differing = 0;
        for block in used.blocks().filter(|block| used.get(*block)) {
            let address = BlockAddress::new(reference, block);
            let Some(sector) = self.mirror_sector(address) else { continue };
            let Some(main) = self.block(address) else { continue };
            differing += u32::from(self.mender.overlay.put(sector, Phase::Mirror, main));
        }
        if differing > 0 {
            self.mend(
                85,
                Place::Within,
                format!("{differing} blocks of the metadata mirror become those of the metadata file"),
            );
        }
    }

    /// The files of the metadata partition, and the blocks that they take.
    pub(super) fn metadata_files(&mut self) {
        let Some((_, metadata)) = self.metadata() else { return };
        let lower = metadata.lower.0;
        let map = metadata.map;
        let places = [
            (map.metadata_file_location.get(), Role::Metadata),
            (map.metadata_mirror_file_location.get(), Role::Mirror),
            (map.metadata_bitmap_file_location.get(), Role::MetadataBitmap),
        ];
        let shared = match (&metadata.main, &metadata.mirror) {
            (Some(main), Some(mirror)) => main.extents() == mirror.extents(),
            _ => false,
        };
        for (block, role) in places {
            if block == u32::MAX {
                continue;
            }
            let address = BlockAddress::new(lower, block);
            self.type_of_metadata_file(address, role);
            let before = self.crossed.len();
            if !matches!(self.load(address, role, None), Loaded::Entry(_)) {
                self.complete = false;
            }
            if shared {
                self.crossed.truncate(before);
            }
        }
    }

    pub(super) fn type_of_metadata_file(&mut self, address: BlockAddress, role: Role) {
        let right = match role {
            Role::Metadata => FileType::METADATA,
            Role::Mirror => FileType::METADATA_MIRROR,
            _ => FileType::METADATA_BITMAP,
        };
        let is_entry = self.block(address).is_some_and(|block| Form::of(&block).is_some());
        if is_entry && self.edit(address, Phase::Change, |bytes| bytes[27] = right.0) {
            self.mend(83, address, format!("metadata file: its type is {}", right.0));
        }
    }
}
