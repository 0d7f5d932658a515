//! The table of partition maps: telling the kinds apart.

use zerocopy::FromBytes;

use super::{MetadataPartitionMap, PhysicalPartitionMap, SparablePartitionMap, VirtualPartitionMap};
use crate::error::{Corrupt, Fault, Place};
use crate::general::EntityIdentifier;

/// One partition map, by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartitionMap {
    /// The blocks of a partition.
    Physical(PhysicalPartitionMap),
    /// The blocks of a partition, but for packets that lie elsewhere.
    Sparable(SparablePartitionMap),
    /// The blocks that a table names.
    Virtual(VirtualPartitionMap),
    /// The blocks of the metadata file.
    Metadata(MetadataPartitionMap),
    /// A kind that is not read: its identifier.
    Unsupported(EntityIdentifier),
}

impl PartitionMap {
    /// The volume of the set that the partition is on; 0, which no volume is, of a kind that is not read.
    #[must_use]
    pub fn volume_sequence_number(&self) -> u16 {
        match self {
            Self::Physical(map) => map.volume_sequence_number.get(),
            Self::Sparable(map) => map.volume_sequence_number.get(),
            Self::Virtual(map) => map.volume_sequence_number.get(),
            Self::Metadata(map) => map.volume_sequence_number.get(),
            Self::Unsupported(_) => 0,
        }
    }
}

/// The maps in a logical volume descriptor's table, one after the other.
#[derive(Clone, Debug)]
pub struct PartitionMaps<'a> {
    table: &'a [u8],
}

impl<'a> PartitionMaps<'a> {
    /// The maps in this table, which is `map_table_length` bytes long.
    #[must_use]
    pub fn new(table: &'a [u8]) -> Self {
        Self { table }
    }
}

impl Iterator for PartitionMaps<'_> {
    type Item = Result<PartitionMap, Corrupt>;

    fn next(&mut self) -> Option<Self::Item> {
        let [kind, length, ..] = *self.table else { return None };
        let fault = |field, value| {
            Some(Err(Corrupt::new("partition map", Place::Within, Fault::Field { field, value })))
        };
        let Some((map, rest)) = self.table.split_at_checked(usize::from(length)) else {
            self.table = &[];
            return fault("partition map length", u64::from(length));
        };
        self.table = rest;
        match (kind, length) {
            (_, 0..2) => {
                self.table = &[];
                fault("partition map length", u64::from(length))
            }
            (1, 6) => PhysicalPartitionMap::read_from_bytes(map).ok().map(PartitionMap::Physical).map(Ok),
            (2, 64) => type_2(map).map(Ok),
            (1 | 2, _) => fault("partition map length", u64::from(length)),
            _ => fault("partition map type", u64::from(kind)),
        }
    }
}

fn type_2(map: &[u8]) -> Option<PartitionMap> {
    let (identifier, _) = EntityIdentifier::read_from_prefix(map.get(4..)?).ok()?;
    let is = |name| identifier.is(name);
    if is(EntityIdentifier::METADATA_PARTITION) {
        MetadataPartitionMap::read_from_bytes(map).ok().map(PartitionMap::Metadata)
    } else if is(EntityIdentifier::SPARABLE_PARTITION) {
        SparablePartitionMap::read_from_bytes(map).ok().map(PartitionMap::Sparable)
    } else if is(EntityIdentifier::VIRTUAL_PARTITION) {
        VirtualPartitionMap::read_from_bytes(map).ok().map(PartitionMap::Virtual)
    } else {
        Some(PartitionMap::Unsupported(identifier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;
    use zerocopy::IntoBytes;

    #[test]
    fn a_table_of_every_kind() {
        let mut table = PhysicalPartitionMap::new(7).as_bytes().to_vec();
        let mut unknown = [0; 64];
        unknown[..2].copy_from_slice(&[2, 64]);
        unknown[5..9].copy_from_slice(b"*odd");
        table.extend(unknown);
        let identifier = EntityIdentifier::udf(EntityIdentifier::VIRTUAL_PARTITION, crate::Revision::V2_01);
        table.extend(VirtualPartitionMap::new(identifier, 7).as_bytes());
        let maps = PartitionMaps::new(&table).collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(maps[0], PartitionMap::Physical(PhysicalPartitionMap::new(7)));
        assert!(matches!(maps[1], PartitionMap::Unsupported(identifier) if identifier.is("*odd")));
        assert_eq!(maps[2], PartitionMap::Virtual(VirtualPartitionMap::new(identifier, 7)));
    }

    #[test]
    fn a_table_that_lies_about_lengths_ends() {
        for table in [&[1, 0][..], &[1, 1], &[1, 200, 0], &[2, 6, 0, 0, 0, 0], &[9, 2]] {
            assert!(PartitionMaps::new(table).any(|map| map.is_err()), "{table:?}");
            assert!(PartitionMaps::new(table).count() <= 2);
        }
    }
}
