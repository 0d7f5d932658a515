//! The partitions of a logical volume: its partition maps, matched with the partition descriptors that they name.

use alloc::{boxed::Box, format, vec::Vec};

use super::ReadAt;
use super::metadata::MetadataPartition;
use super::sequence::Descriptors;
use super::space::Space;
use super::warning::{Remedy, Warnings};
use crate::error::{Corrupt, Error, Fault, Place, Result};
use crate::general::EntityIdentifier;
use crate::partition::{MetadataPartitionMap, PartitionMap, PartitionMaps};
use crate::units::{BlockSize, PartitionReference, Sector};
use crate::volume::AccessType;

/// What a partition map stands for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Partition {
    /// The number of the partition descriptor.
    pub number: u16,
    /// How its blocks are found.
    pub kind: PartitionKind,
    /// How many blocks it has.
    pub length_blocks: u32,
    /// How the partition beneath may be written; `None` for a number that has no meaning.
    pub access: Option<AccessType>,
}

/// How the blocks of a partition are found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PartitionKind {
    /// One after the other on the device.
    Physical {
        /// The first.
        start: Sector,
    },
    /// In the metadata file.
    Metadata(Box<MetadataPartition>),
    /// In a way that is not known: the identifier of the map. What lies there cannot be read.
    Unsupported(EntityIdentifier),
}

/// A partition for each map of the logical volume.
///
/// Metadata partitions come last, since reading their files takes the others.
pub(super) fn load<R: ReadAt>(
    device: &R,
    block_size: BlockSize,
    descriptors: &Descriptors,
    warnings: &mut Warnings,
) -> Result<Vec<Partition>> {
    let count =
        usize::try_from(descriptors.logical.fixed.number_of_partition_maps.get()).unwrap_or(usize::MAX);
    let mut partitions = Vec::new();
    let mut upon_others = Vec::new();
    for (map, reference) in PartitionMaps::new(&descriptors.logical.map_table).take(count).zip(0_u16..) {
        let partition = match map? {
            PartitionMap::Physical(map) => physical(map.partition_number.get(), descriptors, warnings)?,
            PartitionMap::Metadata(map) => {
                upon_others.push((reference, map));
                unsupported(map.partition_type_identifier)
            }
            PartitionMap::Unsupported(identifier) if is_known(&identifier) => {
                let name = identifier.text_bytes().escape_ascii();
                return Err(Error::Unsupported(format!("the partition map \"{name}\"")));
            }
            PartitionMap::Unsupported(identifier) => unsupported(identifier),
        };
        partitions.push(partition);
    }
    if partitions.is_empty() {
        let fault = Fault::Missing("partition maps");
        return Err(Corrupt::new("logical volume descriptor", Place::Within, fault).into());
    }
    let mut space = Space { device, block_size, partitions };
    for (reference, map) in upon_others {
        let partition = metadata(&space, map, warnings)?;
        if let Some(slot) = space.partitions.get_mut(usize::from(reference)) {
            *slot = partition;
        }
    }
    Ok(space.partitions)
}

/// Maps of UDF itself that are not read yet: a volume with one of them is not worth opening without.
fn is_known(identifier: &EntityIdentifier) -> bool {
    identifier.is(EntityIdentifier::VIRTUAL_PARTITION) || identifier.is(EntityIdentifier::SPARABLE_PARTITION)
}

fn unsupported(identifier: EntityIdentifier) -> Partition {
    Partition { number: 0, kind: PartitionKind::Unsupported(identifier), length_blocks: 0, access: None }
}

fn physical(number: u16, descriptors: &Descriptors, warnings: &mut Warnings) -> Result<Partition> {
    let named = descriptors.partitions.iter().find(|descriptor| descriptor.partition_number == number);
    let descriptor = match (named, descriptors.partitions.as_slice()) {
        (Some(descriptor), _) => descriptor,
        (None, [only]) => {
            warnings.bend(unknown_number(number), Remedy::OnlyPartition)?;
            only
        }
        (None, _) => return Err(unknown_number(number).into()),
    };
    Ok(Partition {
        number: descriptor.partition_number.get(),
        kind: PartitionKind::Physical { start: Sector(descriptor.partition_starting_location.get()) },
        length_blocks: descriptor.partition_length.get(),
        access: AccessType::from_number(descriptor.access_type.get()),
    })
}

/// A metadata partition lies upon the partition of the same number; some writers record any number there.
fn metadata<R: ReadAt>(
    space: &Space<R>,
    map: MetadataPartitionMap,
    warnings: &mut Warnings,
) -> Result<Partition> {
    let number = map.partition_number.get();
    let mut physical = space
        .partitions
        .iter()
        .zip(0_u16..)
        .filter(|(partition, _)| matches!(partition.kind, PartitionKind::Physical { .. }));
    let (lower, reference) =
        if let Some(same) = physical.clone().find(|(partition, _)| partition.number == number) {
            same
        } else {
            let (Some(only), None) = (physical.next(), physical.next()) else {
                return Err(unknown_number(number).into());
            };
            warnings.bend(unknown_number(number), Remedy::OnlyPartition)?;
            only
        };
    let loaded = MetadataPartition::load(space, map, PartitionReference(reference), warnings)?;
    let length_blocks = loaded.first().map_or(0, |file| file.length_blocks(space.block_size));
    let (number, access) = (lower.number, lower.access);
    Ok(Partition { number, kind: PartitionKind::Metadata(Box::new(loaded)), length_blocks, access })
}

fn unknown_number(number: u16) -> Corrupt {
    let fault = Fault::Field { field: "partition number", value: number.into() };
    Corrupt::new("partition map", Place::Within, fault)
}
