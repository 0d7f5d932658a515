//! The partitions of a logical volume: its partition maps, matched with the partition descriptors that they name.

use alloc::{boxed::Box, format, vec::Vec};

use super::metadata::MetadataPartition;
use super::sequence::Descriptors;
use super::space::Space;
use super::sparable::SparablePartition;
use super::virtual_partition::VirtualPartition;
use super::warning::{Remedy, Warnings};
use super::{OpenOptions, ReadAt};
use crate::error::{Corrupt, Error, Fault, Place, Result};
use crate::general::EntityIdentifier;
use crate::partition::{MetadataPartitionMap, PartitionMap, PartitionMaps, VirtualPartitionMap};
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
    /// One after the other on the device, but for packets that lie elsewhere.
    Sparable(Box<SparablePartition>),
    /// Where a table says.
    Virtual(Box<VirtualPartition>),
    /// In the metadata file.
    Metadata(Box<MetadataPartition>),
    /// In a way that is not known: the identifier of the map. What lies there cannot be read.
    Unsupported(EntityIdentifier),
}

/// A partition for each map of the logical volume.
///
/// Those that lie upon others come last, since reading their tables and files takes the others. `options` say where the
/// session ends.
pub(super) fn load<R: ReadAt>(
    device: &R,
    block_size: BlockSize,
    descriptors: &Descriptors,
    options: &OpenOptions,
    warnings: &mut Warnings,
) -> Result<Vec<Partition>> {
    let count =
        usize::try_from(descriptors.logical.fixed.number_of_partition_maps.get()).unwrap_or(usize::MAX);
    let mut partitions = Vec::new();
    let mut upon_others = Vec::new();
    for (map, reference) in PartitionMaps::new(&descriptors.logical.map_table).take(count).zip(0_u16..) {
        let map = map?;
        unless_of_first_volume(map.volume_sequence_number())?;
        let partition = match map {
            PartitionMap::Physical(map) => physical(map.partition_number.get(), descriptors, warnings)?,
            PartitionMap::Sparable(map) => {
                let partition = physical(map.partition_number.get(), descriptors, warnings)?;
                let start = partition.start().unwrap_or_default();
                let loaded = SparablePartition::load(device, block_size, map, start, warnings)?;
                Partition { kind: PartitionKind::Sparable(Box::new(loaded)), ..partition }
            }
            PartitionMap::Virtual(map) => {
                upon_others.push((reference, Upper::Virtual(map)));
                unsupported(map.partition_type_identifier)
            }
            PartitionMap::Metadata(map) => {
                upon_others.push((reference, Upper::Metadata(map)));
                unsupported(map.partition_type_identifier)
            }
            PartitionMap::Unsupported(identifier) => unsupported(identifier),
        };
        partitions.push(partition);
    }
    if partitions.is_empty() {
        let fault = Fault::Missing("partition maps");
        return Err(Corrupt::new("logical volume descriptor", Place::Within, fault).into());
    }
    let met = warnings.met.clone();
    let mut space = Space { device, block_size, partitions, met };
    for (reference, map) in upon_others {
        let partition = upper(&space, map, options, warnings)?;
        if let Some(slot) = space.partitions.get_mut(usize::from(reference)) {
            *slot = partition;
        }
    }
    Ok(space.partitions)
}

/// A map of a partition that lies upon another.
#[derive(Clone, Copy)]
enum Upper {
    Virtual(VirtualPartitionMap),
    Metadata(MetadataPartitionMap),
}

impl Partition {
    /// The first sector of a partition whose blocks lie one after the other on the device, but for relocated ones.
    #[must_use]
    pub fn start(&self) -> Option<Sector> {
        match &self.kind {
            PartitionKind::Physical { start } => Some(*start),
            PartitionKind::Sparable(sparable) => Some(sparable.start),
            _ => None,
        }
    }
}

/// An error that says so, if a part of the logical volume is on another volume of a set.
pub(super) fn unless_of_first_volume(number: u16) -> Result<()> {
    // 0 stands for nothing and is what some writers leave there.
    if number <= 1 {
        return Ok(());
    }
    let what = format!("a logical volume on several volumes of a set, of which volume {number} is one");
    Err(Error::Unsupported(what))
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

/// A virtual or a metadata partition lies upon the partition of the same number; some writers record any number there.
fn upper<R: ReadAt>(
    space: &Space<R>,
    map: Upper,
    options: &OpenOptions,
    warnings: &mut Warnings,
) -> Result<Partition> {
    let number = match map {
        Upper::Virtual(map) => map.partition_number.get(),
        Upper::Metadata(map) => map.partition_number.get(),
    };
    let mut on_device =
        space.partitions.iter().zip(0_u16..).filter(|(partition, _)| partition.start().is_some());
    let (lower, reference) =
        if let Some(same) = on_device.clone().find(|(partition, _)| partition.number == number) {
            same
        } else {
            let (Some(only), None) = (on_device.next(), on_device.next()) else {
                return Err(unknown_number(number).into());
            };
            warnings.bend(unknown_number(number), Remedy::OnlyPartition)?;
            only
        };
    let reference = PartitionReference(reference);
    let (kind, length_blocks) = match map {
        Upper::Virtual(map) => {
            let loaded = VirtualPartition::load(space, map, reference, options, warnings)?;
            let length_blocks = u32::try_from(loaded.table.entries().len()).unwrap_or(u32::MAX);
            (PartitionKind::Virtual(Box::new(loaded)), length_blocks)
        }
        Upper::Metadata(map) => {
            let loaded = MetadataPartition::load(space, map, reference, warnings)?;
            let length_blocks = loaded.first().map_or(0, |file| file.length_blocks(space.block_size));
            (PartitionKind::Metadata(Box::new(loaded)), length_blocks)
        }
    };
    Ok(Partition { number: lower.number, kind, length_blocks, access: lower.access })
}

fn unknown_number(number: u16) -> Corrupt {
    let fault = Fault::Field { field: "partition number", value: number.into() };
    Corrupt::new("partition map", Place::Within, fault)
}
