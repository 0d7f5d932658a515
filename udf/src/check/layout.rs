//! Where the structures of the volume space lie, against each other and against partitions (R033, R038, R046, R140).

use alloc::{format, string::String, vec::Vec};

use zerocopy::FromBytes;

use super::context::{At, Context, Stretch};
use super::sequence::{MAIN, RESERVE, Recorded};
use crate::general::ExtentAd;
use crate::read::ReadAt;
use crate::units::Sector;
use crate::volume::{PartitionDescriptor, UnallocatedSpaceDescriptor};

/// Two copies nearer to each other than the largest ECC block there is, that of BD, may be lost together. The standard wants
/// them "far apart" and has no number; how far they can be depends on what is free, in a session that was appended above all.
const LARGEST_ECC_BLOCKS: u64 = 32;

/// Unallocated extents that are looked at: there are as many as gaps between structures.
const MAX_UNALLOCATED: usize = 4096;

impl Stretch {
    fn overlaps(&self, other: &Self) -> bool {
        self.first < other.end && other.first < self.end
    }

    fn is_sequence(&self) -> bool {
        self.structure == MAIN || self.structure == RESERVE
    }

    fn at(&self) -> At {
        At::new(self.structure, Sector(u32::try_from(self.first).unwrap_or(u32::MAX)))
    }

    fn show(&self) -> String {
        format!("{} (sectors {} to {})", self.structure, self.first, self.end.saturating_sub(1))
    }
}

/// The sectors of a partition.
pub(super) fn of_partition(partition: &PartitionDescriptor) -> Stretch {
    let first = u64::from(partition.partition_starting_location.get());
    let end = first.saturating_add(partition.partition_length.get().into());
    Stretch { structure: "partition", first, end }
}

/// Whether a distance is less than what must be between two copies.
pub(super) fn is_near(sectors: u64) -> bool {
    sectors < LARGEST_ECC_BLOCKS
}

impl<R: ReadAt> Context<'_, R> {
    /// Judges all stretches that were noted.
    pub(super) fn layout(&mut self, partitions: &[Stretch]) {
        let stretches = core::mem::take(&mut self.stretches);
        for (number, stretch) in stretches.iter().enumerate() {
            let rule = if stretch.is_sequence() { 33 } else { 140 };
            // What one session records lies in a partition that began in an earlier one, and could not lie elsewhere.
            let is_older = |partition: &Stretch| partition.first < self.session_start.0.into();
            let others = partitions.iter().filter(|partition| partition.overlaps(stretch));
            let others: Vec<_> = others.filter(|other| !is_older(other) && !self.is_virtual).collect();
            for partition in others {
                self.error(rule, stretch.at(), format_args!("lies in the {}", partition.show()));
            }
            if stretch.is_sequence() && stretch.end > u64::from(self.last.0).saturating_add(1) {
                let (end, last) = (stretch.end, self.last.0);
                self.error(
                    33,
                    stretch.at(),
                    format_args!("ends before sector {end}, but the last is {last}"),
                );
            }
            for earlier in stretches.iter().take(number) {
                if earlier.overlaps(stretch) && (earlier.is_sequence() || stretch.is_sequence()) {
                    self.error(33, stretch.at(), format_args!("overlaps the {}", earlier.show()));
                }
            }
        }
        self.distance(&stretches);
        self.stretches = stretches;
    }

    fn distance(&mut self, stretches: &[Stretch]) {
        let first = |name| stretches.iter().find(|stretch| stretch.structure == name);
        let (Some(main), Some(reserve)) = (first(MAIN), first(RESERVE)) else { return };
        let distance = main.first.abs_diff(reserve.first);
        if self.rules().metadata_partition && is_near(distance) {
            let at = reserve.at();
            self.warning(38, at, format_args!("only {distance} sectors from the main one"));
        }
    }

    /// The extents of an unallocated space descriptor.
    pub(super) fn unallocated(&mut self, recorded: &Recorded, partitions: &[Stretch]) {
        let at = recorded.at::<UnallocatedSpaceDescriptor>();
        let list = recorded.bytes.get(size_of::<UnallocatedSpaceDescriptor>()..).unwrap_or_default();
        let Ok(extents) = <[ExtentAd]>::ref_from_bytes(list) else { return };
        let boot_area =
            Stretch { structure: "boot area", first: 0, end: self.block_size.boot_area_blocks().into() };
        let mut free: Vec<Stretch> = Vec::new();
        for extent in extents.iter().take(MAX_UNALLOCATED) {
            let first = u64::from(extent.location.get());
            let end = first.saturating_add(self.block_size.blocks_for(extent.length.get().into()));
            let stretch = Stretch { structure: "unallocated extent", first, end };
            if extent.length == 0 {
                self.error(46, at, format_args!("there is an empty extent"));
            }
            let others = self.stretches.iter().chain(partitions).chain([&boot_area]);
            let other = others.into_iter().find(|other| other.overlaps(&stretch)).map(Stretch::show);
            if let Some(other) = other {
                let one = stretch.show();
                self.error(46, at, format_args!("the {one} overlaps the {other}"));
            }
            free.push(stretch);
        }
        free.sort_unstable_by_key(|stretch| stretch.first);
        for (one, other) in free.iter().zip(free.iter().skip(1)) {
            if one.overlaps(other) {
                let (one, other) = (one.show(), other.show());
                self.error(46, at, format_args!("the {one} overlaps the {other}"));
            }
        }
    }
}
