//! The logical volume descriptor and its partition maps (R058 to R063).

use alloc::vec::Vec;

use super::context::{At, Context};
use super::identifier::Expected;
use super::seal::is_zero;
use super::sequence::Recorded;
use super::text::Empty;
use crate::general::{Descriptor, EntityIdentifier};
use crate::partition::{
    MetadataPartitionMap, PartitionMap, PartitionMaps, PhysicalPartitionMap, SparablePartitionMap,
};
use crate::read::ReadAt;
use crate::revision::Revision;
use crate::volume::{AccessType, LogicalVolumeDescriptor, PartitionDescriptor};
use zerocopy::FromBytes;

/// A partition map, as far as it must be understood to judge what refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Map {
    pub(super) kind: MapKind,
    /// The number of the partition that it names.
    pub(super) number: u16,
    /// All of it, if it is of a sparable partition.
    pub(super) sparable: Option<SparablePartitionMap>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MapKind {
    Physical,
    Sparable,
    Virtual,
    Metadata,
}

/// Type 2 maps, and how many bytes of them, at the end, are reserved (UDF 2.2.8 to 2.2.10).
const TYPE_2: [(&str, MapKind, usize); 3] = [
    (EntityIdentifier::VIRTUAL_PARTITION, MapKind::Virtual, 24),
    (EntityIdentifier::SPARABLE_PARTITION, MapKind::Sparable, 0),
    (EntityIdentifier::METADATA_PARTITION, MapKind::Metadata, 5),
];
const TYPE_2_BYTES: usize = size_of::<MetadataPartitionMap>();

impl<R: ReadAt> Context<'_, R> {
    /// The descriptor itself; its maps.
    pub(super) fn logical(&mut self, recorded: &Recorded) -> Vec<Map> {
        let Some(logical) = recorded.view::<LogicalVolumeDescriptor>() else { return Vec::new() };
        let at = recorded.at::<LogicalVolumeDescriptor>();
        self.character_set(at, "character set", &logical.descriptor_character_set);
        let label = &logical.logical_volume_identifier;
        self.text(at, "logical volume identifier", label, Empty::Forbidden);
        self.identifier(at, "domain identifier", &logical.domain_identifier, Expected::Domain);
        let domain = logical.domain_identifier.revision_number();
        if Revision::from_number(domain).is_none() {
            self.error(16, at, format_args!("there is no UDF revision {domain:#06x}"));
        }
        let developer = &logical.implementation_identifier;
        self.identifier(at, "implementation identifier", developer, Expected::Developer);
        self.sizes(at, logical);
        let table = recorded.bytes.get(size_of::<LogicalVolumeDescriptor>()..).unwrap_or_default();
        self.maps(at, table, logical.number_of_partition_maps.get())
    }

    fn sizes(&mut self, at: At, logical: &LogicalVolumeDescriptor) {
        let (recorded, used) = (logical.logical_block_size.get(), self.block_size.bytes());
        let sector = self.device.sector_size_bytes().unwrap_or(used);
        if recorded != used || recorded != sector {
            self.error(58, at, format_args!("logical block size is {recorded}, that of sectors {sector}"));
        }
    }

    /// The table of partition maps.
    fn maps(&mut self, at: At, table: &[u8], count: u32) -> Vec<Map> {
        let mut maps = Vec::new();
        let mut rest = table;
        let mut number = 0_u32;
        while let [kind, length, ..] = *rest {
            number = number.saturating_add(1);
            let Some((map, others)) = rest.split_at_checked(usize::from(length)).filter(|_| length >= 2)
            else {
                self.error(59, at, format_args!("map {number} of {length} bytes does not fit the table"));
                return maps;
            };
            rest = others;
            match (kind, map.len()) {
                (1, 6) => maps.extend(self.physical_map(at, map)),
                (2, TYPE_2_BYTES) => maps.extend(self.type_2_map(at, map)),
                _ => {
                    self.error(
                        59,
                        at,
                        format_args!("map {number} is of type {kind} and {length} bytes long"),
                    );
                }
            }
        }
        if number != count || !rest.is_empty() {
            let length = table.len();
            self.error(59, at, format_args!("{number} maps in a table of {length} bytes, must be {count}"));
        }
        maps
    }

    fn physical_map(&mut self, at: At, map: &[u8]) -> Option<Map> {
        let map = PhysicalPartitionMap::read_from_bytes(map).ok()?;
        self.volume_number(at, map.volume_sequence_number.get());
        Some(Map { kind: MapKind::Physical, number: map.partition_number.get(), sparable: None })
    }

    fn type_2_map(&mut self, at: At, bytes: &[u8]) -> Option<Map> {
        // Identifier, volume and partition number are at the same place in all maps of type 2.
        let map = MetadataPartitionMap::read_from_bytes(bytes).ok()?;
        let identifier = &map.partition_type_identifier;
        let Some((name, kind, reserved)) = TYPE_2.iter().find(|(name, ..)| identifier.is(name)) else {
            let found = identifier.text_bytes().escape_ascii();
            self.error(59, at, format_args!("unknown partition map \"{found}\""));
            return None;
        };
        self.identifier(at, "partition type identifier", identifier, Expected::Udf(name));
        let tail = bytes.len().checked_sub(*reserved).and_then(|start| bytes.get(start..));
        if map.reserved_1 != [0; 2] || !is_zero(tail.unwrap_or_default()) {
            self.error(59, at, format_args!("reserved bytes of the map \"{name}\" are not 0"));
        }
        self.volume_number(at, map.volume_sequence_number.get());
        if *kind == MapKind::Metadata && map.flags & !MetadataPartitionMap::DUPLICATE_METADATA != 0 {
            self.error(63, at, format_args!("flags of the metadata partition map are {:#x}", map.flags));
        }
        let sparable = SparablePartitionMap::read_from_bytes(bytes).ok();
        let sparable = sparable.filter(|_| *kind == MapKind::Sparable);
        if sparable.is_some_and(|map| map.reserved_2 != 0) {
            self.error(59, at, format_args!("reserved bytes of the map \"{name}\" are not 0"));
        }
        Some(Map { kind: *kind, number: map.partition_number.get(), sparable })
    }

    fn volume_number(&mut self, at: At, number: u16) {
        if number != 1 {
            self.error(60, at, format_args!("a partition map names volume {number}, must be 1"));
        }
    }

    /// Maps against each other and against the partitions that there are.
    pub(super) fn maps_fit(&mut self, at: At, maps: &[Map], partitions: &[PartitionDescriptor]) {
        for map in maps {
            let number = map.number;
            if partitions.iter().all(|partition| partition.partition_number != number) {
                self.error(
                    60,
                    at,
                    format_args!("a partition map names partition {number}, which is not there"),
                );
            }
            let is_below = |other: &&Map| {
                matches!(other.kind, MapKind::Physical | MapKind::Sparable) && other.number == number
            };
            let below = maps.iter().filter(is_below).count();
            if matches!(map.kind, MapKind::Metadata | MapKind::Virtual) && below != 1 {
                self.error(
                    61,
                    at,
                    format_args!("{below} maps of partition {number}, upon which another lies; must be one"),
                );
            }
        }
        self.metadata_map(at, maps, partitions);
    }

    /// Whether there is a metadata partition exactly where one must be (UDF 2.2.10).
    fn metadata_map(&mut self, at: At, maps: &[Map], partitions: &[PartitionDescriptor]) {
        let is_mapped = |partition: &&PartitionDescriptor| {
            maps.iter().any(|map| partition.partition_number == map.number)
        };
        let mapped: Vec<_> = partitions.iter().filter(is_mapped).collect();
        for partition in &mapped {
            let number = partition.partition_number.get();
            let upon = |kind| maps.iter().any(|map| map.kind == kind && map.number == number);
            let access = AccessType::from_number(partition.access_type.get());
            let kept_apart = match access {
                Some(AccessType::ReadOnly | AccessType::PseudoOverwritable) => mapped.len() == 1,
                Some(AccessType::Overwritable) => true,
                _ => false,
            };
            let needed = kept_apart && !upon(MapKind::Virtual) && self.rules().metadata_partition;
            if needed != upon(MapKind::Metadata) {
                let (is, access) = (if needed { "no" } else { "a" }, partition.access_type.get());
                let revision = self.revision;
                self.error(
                    62,
                    at,
                    format_args!("{is} metadata partition upon access type {access} in UDF {revision}"),
                );
            }
        }
    }
}

impl Recorded {
    /// Whether one of the partition maps that follow the logical volume descriptor is of a virtual partition.
    pub(super) fn names_virtual_partition(&self) -> bool {
        let table = self.bytes.get(size_of::<LogicalVolumeDescriptor>()..).unwrap_or_default();
        PartitionMaps::new(table).flatten().any(|map| matches!(map, PartitionMap::Virtual(_)))
    }

    /// The logical volume descriptor.
    pub(super) fn as_logical(&self) -> Option<&LogicalVolumeDescriptor> {
        LogicalVolumeDescriptor::peek(&self.bytes, self.sector).ok()
    }
}
