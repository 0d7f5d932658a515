//! Partition descriptors (R047 to R056, as far as they need nothing else).

use alloc::vec::Vec;

use super::context::{At, Context};
use super::identifier::Expected;
use super::logical::{Map, MapKind};
use super::sequence::Recorded;
use crate::general::ShortAd;
use crate::read::ReadAt;
use crate::revision::Revision;
use crate::volume::{ANCHOR_SECTOR, AccessType, PartitionDescriptor, PartitionHeaderDescriptor};

/// Access types, and the revision that brought each (UDF 2.2.14.2).
const ACCESS_TYPES: [(AccessType, Revision); 5] = [
    (AccessType::PseudoOverwritable, Revision::V2_60),
    (AccessType::ReadOnly, Revision::V1_02),
    (AccessType::WriteOnce, Revision::V1_02),
    (AccessType::Rewritable, Revision::V1_02),
    (AccessType::Overwritable, Revision::V1_02),
];

impl<R: ReadAt> Context<'_, R> {
    pub(super) fn partition(&mut self, recorded: &Recorded, maps: &[Map]) {
        let Some(partition) = recorded.view::<PartitionDescriptor>() else { return };
        let at = recorded.at::<PartitionDescriptor>();
        let number = partition.partition_number.get();
        if maps.iter().all(|map| map.number != number) {
            self.warning(56, at, format_args!("no partition map names partition {number}"));
        } else if partition.partition_flags != 1 {
            self.error(47, at, format_args!("flags are {:#x}, must be 1", partition.partition_flags.get()));
        }
        let contents = Expected::Contents(self.rules().partition_contents);
        self.identifier(at, "partition contents", &partition.partition_contents, contents);
        let developer = &partition.implementation_identifier;
        self.identifier(at, "implementation identifier", developer, Expected::Developer);
        self.partition_place(at, partition);
        let under_virtual = maps.iter().any(|map| map.kind == MapKind::Virtual && map.number == number);
        self.access(at, partition, under_virtual);
    }

    fn partition_place(&mut self, at: At, partition: &PartitionDescriptor) {
        let start = partition.partition_starting_location.get();
        if start < self.block_size.boot_area_blocks() {
            self.error(50, at, format_args!("begins at sector {start}, within the first 32 KiB"));
        } else if start <= ANCHOR_SECTOR {
            self.warning(50, at, format_args!("begins at sector {start}, before the first anchor"));
        }
        // What lies in a sparable partition is whole packets, whatever the medium.
        if let Some(ecc_blocks) = self.known.ecc_blocks.filter(|_| self.rules().metadata_partition)
            && start.checked_rem(ecc_blocks.get()) != Some(0)
        {
            self.error(52, at, format_args!("begins at sector {start}, inside an ECC block of {ecc_blocks}"));
        }
        let end = u64::from(start).saturating_add(partition.partition_length.get().into());
        let last = self.last.0;
        // While blocks are still to be recorded, the partition is longer than what there is of the disc.
        if end > u64::from(last).saturating_add(1) && !self.is_virtual {
            self.error(51, at, format_args!("ends before sector {end}, but the last there is is {last}"));
        }
    }

    /// Access type and free space. What lies under a virtual partition is written one block after the other, so that
    /// nobody needs to know what is free.
    fn access(&mut self, at: At, partition: &PartitionDescriptor, under_virtual: bool) {
        let number = partition.access_type.get();
        let access = AccessType::from_number(number).filter(|access| {
            ACCESS_TYPES.iter().any(|(known, since)| known == access && self.revision >= *since)
        });
        let header = &partition.partition_contents_use;
        if is_present(header.partition_integrity_table) {
            self.error(53, at, format_args!("there is a partition integrity table"));
        }
        let Some(access) = access else {
            return self.error(49, at, format_args!("access type is {number}"));
        };
        let has_set = [Space::Table, Space::Bitmap].iter().any(|form| form.is_in(header));
        let needs_none =
            under_virtual || matches!(access, AccessType::ReadOnly | AccessType::PseudoOverwritable);
        match (has_set, needs_none) {
            (true, true) => {
                let message = format_args!("free space is recorded, but access type is {number}");
                if self.rules().metadata_partition {
                    self.error(55, at, message);
                } else {
                    self.warning(55, at, message);
                }
            }
            (false, false) => {
                self.error(55, at, format_args!("no free space is recorded, but access type is {number}"));
            }
            _ => {}
        }
    }

    /// Tables and bitmaps must not be mixed; at most two partitions may be used, of different kinds.
    pub(super) fn partitions(&mut self, at: At, mapped: &[&PartitionDescriptor]) {
        let uses = |form: Space| mapped.iter().any(|partition| form.is_in(&partition.partition_contents_use));
        if uses(Space::Table) && uses(Space::Bitmap) {
            self.error(54, at, format_args!("free space is recorded in tables and in bitmaps"));
        }
        let access: Vec<_> =
            mapped.iter().map(|partition| AccessType::from_number(partition.access_type.get())).collect();
        match access.as_slice() {
            [] | [_] => {}
            [one, other] => {
                let read_only = |access: &Option<AccessType>| *access == Some(AccessType::ReadOnly);
                let remapped = access.contains(&Some(AccessType::PseudoOverwritable));
                if read_only(one) == read_only(other) || remapped {
                    self.error(
                        56,
                        at,
                        format_args!("of two partitions one must be read-only, the other not"),
                    );
                }
            }
            more => {
                self.error(56, at, format_args!("{} partitions are used, must be two at most", more.len()));
            }
        }
    }
}

/// How free space is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Space {
    Table,
    Bitmap,
}

impl Space {
    fn is_in(self, header: &PartitionHeaderDescriptor) -> bool {
        match self {
            Self::Table => is_present(header.unallocated_space_table) || is_present(header.freed_space_table),
            Self::Bitmap => {
                is_present(header.unallocated_space_bitmap) || is_present(header.freed_space_bitmap)
            }
        }
    }
}

fn is_present(extent: ShortAd) -> bool {
    extent.bytes() > 0
}
