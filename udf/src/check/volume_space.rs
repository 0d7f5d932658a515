//! The volume space in order: recognition, anchors, sequences and what is in them, and where all of it lies.

use alloc::vec::Vec;

use super::anchor::Sequences;
use super::context::Context;
use super::integrity::Integrity;
use super::layout::of_partition;
use super::sequence::{MAIN, RESERVE, Recorded, Sequence};
use crate::general::Descriptor;
use crate::read::{Found, OpenOptions, ReadAt};
use crate::revision::Revision;
use crate::units::Sector;
use crate::volume::{
    AccessType, ImplementationUseVolumeDescriptor, LogicalVolumeDescriptor, PartitionDescriptor,
    PrimaryVolumeDescriptor, UnallocatedSpaceDescriptor,
};

/// The descriptors that count: those of the main sequence, or those of the reserve where the main one has none.
struct Prevailing<'s> {
    main: &'s Sequence,
    reserve: &'s Sequence,
}

impl<'s> Prevailing<'s> {
    fn all<T: Descriptor>(&self) -> Vec<&'s Recorded> {
        let main: Vec<_> = self.main.all::<T>().collect();
        if main.is_empty() { self.reserve.all::<T>().collect() } else { main }
    }

    fn first<T: Descriptor>(&self) -> Option<&'s Recorded> {
        self.all::<T>().first().copied()
    }
}

impl<R: ReadAt> Context<'_, R> {
    /// Checks everything outside partitions. The integrity descriptor that counts.
    pub(super) fn volume_space(
        &mut self,
        found: &Found,
        options: &OpenOptions,
        sequences: Sequences,
    ) -> Option<Integrity> {
        let main = self.sequence(MAIN, sequences.0);
        let reserve = self.sequence(RESERVE, sequences.1);
        self.equivalence(&main, &reserve);
        let prevailing = Prevailing { main: &main, reserve: &reserve };
        let logical = prevailing.first::<LogicalVolumeDescriptor>();
        let fixed = logical.and_then(Recorded::as_logical);
        if let Some(fixed) = fixed {
            self.revision_number = fixed.domain_identifier.revision_number();
            self.revision = nearest_revision(self.revision_number);
        }
        self.is_virtual = logical.is_some_and(Recorded::names_virtual_partition);
        let partitions: Vec<PartitionDescriptor> = prevailing
            .all::<PartitionDescriptor>()
            .into_iter()
            .filter_map(|recorded| recorded.view().copied())
            .collect();
        self.is_rewritable = partitions.iter().any(|partition| {
            let access = AccessType::from_number(partition.access_type.get());
            matches!(access, Some(AccessType::Rewritable | AccessType::Overwritable))
        });
        let stretches: Vec<_> = partitions.iter().map(of_partition).collect();
        if options.sequences.is_none() {
            self.recognition(found);
        }
        let inside = |sector: Sector| {
            let sector = u64::from(sector.0);
            stretches.iter().any(|stretch| (stretch.first..stretch.end).contains(&sector))
        };
        self.anchors(found, options, sequences, &inside);
        let integrity = fixed.and_then(|fixed| self.integrity_sequence(fixed.integrity_sequence_extent));
        let closed = integrity.as_ref().map(|integrity| integrity.fixed.recording_date_and_time);
        self.recorded = self.table_time.or(closed);
        self.descriptors(&prevailing, &partitions, integrity.as_ref());
        self.layout(&stretches);
        if let Some(unallocated) = prevailing.first::<UnallocatedSpaceDescriptor>() {
            self.unallocated(unallocated, &stretches);
        }
        integrity
    }

    /// What the descriptors say.
    fn descriptors(
        &mut self,
        prevailing: &Prevailing<'_>,
        partitions: &[PartitionDescriptor],
        integrity: Option<&Integrity>,
    ) {
        if let Some(primary) = prevailing.first::<PrimaryVolumeDescriptor>() {
            self.primary(primary);
        }
        let Some(logical) = prevailing.first::<LogicalVolumeDescriptor>() else { return };
        let at = logical.at::<LogicalVolumeDescriptor>();
        let maps = self.logical(logical);
        self.maps_fit(at, &maps, partitions);
        self.upon_write_once(at, &maps, partitions);
        self.takes_tables(&maps, partitions);
        self.sparing(at, &maps, partitions);
        for partition in prevailing.all::<PartitionDescriptor>() {
            self.partition(partition, &maps);
        }
        let is_mapped = |partition: &&PartitionDescriptor| {
            maps.iter().any(|map| partition.partition_number == map.number)
        };
        let mapped: Vec<_> = partitions.iter().filter(is_mapped).collect();
        self.partitions(at, &mapped);
        let information = prevailing.main.information().chain(prevailing.reserve.information()).next();
        if let (Some(information), Some(fixed)) = (information, logical.as_logical()) {
            self.information(information);
            if let Some(label) = information.information_label() {
                self.label(
                    information.at::<ImplementationUseVolumeDescriptor>(),
                    label,
                    &fixed.logical_volume_identifier,
                );
            }
        }
        if let Some(integrity) = integrity {
            self.integrity(integrity, &maps, partitions);
            self.virtual_sizes(integrity, &maps);
        }
        if let Some(fixed) = logical.as_logical() {
            self.integrity_length(at, fixed, partitions);
        }
    }
}

/// The revision of this number, or the last before it.
fn nearest_revision(number: u16) -> Revision {
    let before = || Revision::ALL.into_iter().rev().find(|revision| revision.number() <= number);
    Revision::from_number(number).or_else(before).unwrap_or(Revision::V1_02)
}
