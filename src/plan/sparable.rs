//! New sparable volumes: a partition of whole packets, spare ones behind it, and two copies of the table that says which stand for
//! which (UDF 2.60 2.2.9, 2.2.12).
//!
//! ```text
//!   32       64             256   288 = P
//!   | reserve | sparing table | A | partition, in packets | spare packets | sparing table | trailer
//! ```
//!
//! The copies lie far apart, each in a packet of its own. Nothing of the partition is unusable when the volume is made, so the
//! Non-Allocatable Space is an empty stream of the system, or, before there were streams, an empty file (UDF 3.3.7.2, 1.50 2.3.13).

use udf::file::NON_ALLOCATABLE_FILE;
use udf::partition::{SparingEntry, SparingTable};
use udf::{BlockSize, Sector};
use zerocopy::IntoBytes;

use super::frame::{self, CLUSTER_BLOCKS, TRAILER_BLOCKS};
use super::order::FIRST_UNIQUE_ID;
use super::{Content, Plan, Segment, Shape, Spec};
use crate::error::{Error, Result};
use crate::tree::{Name, Tree};

/// One in so many packets is a spare one; the discs last for about a thousand writes.
const PACKETS_TO_A_SPARE: u32 = 32;
const FEWEST_SPARES: u32 = 4;
/// The one kind of packets that there was first.
const OLD_PACKET_BLOCKS: u16 = 32;

/// The unique id of the file that is the Non-Allocatable Space where there are no streams.
pub(crate) const SPACE_FILE_ID: u64 = FIRST_UNIQUE_ID;

/// Where a new sparable volume has what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sparing {
    /// Blocks of a packet.
    pub(crate) packet_blocks: u16,
    /// The copies of the sparing table.
    pub(crate) tables: [Sector; 2],
    /// The first spare packet; the others follow.
    pub(crate) first_spare: Sector,
    /// How many there are.
    pub(crate) spares: u32,
}

/// What fits a table of one block, which is as much as Linux reads: 249 on a disc.
fn most_spares(block_size: BlockSize) -> u32 {
    let room = block_size.len() - size_of::<SparingTable>();
    u32::try_from(room / size_of::<SparingEntry>()).unwrap_or(u32::MAX)
}

impl Sparing {
    /// The places on a volume of this specification, if it is to be sparable.
    pub(super) fn of(spec: &Spec) -> Result<Option<Self>> {
        let (Some(packet_blocks), Some(total)) = (spec.packet_blocks, spec.rewritable_blocks) else {
            return Ok(None);
        };
        let rules = spec.revision.rules();
        if !rules.sparable_partition || rules.metadata_partition {
            return Err(Error::refused(
                format!("sparable volumes of revision {} are not made", spec.revision),
                "choose 2.01, 2.00 or 1.50 (-r 2.01)",
            ));
        }
        let slot = frame::reserve_slots(spec.block_size).nth(1);
        let slot =
            slot.ok_or_else(|| Error::Options("no room for a table before the first anchor".into()))?;
        let packet_blocks = if rules.packet_is_ecc_block { packet_blocks.max(1) } else { OLD_PACKET_BLOCKS };
        let packet = u32::from(packet_blocks);
        let spares = (total / packet / PACKETS_TO_A_SPARE).clamp(FEWEST_SPARES, most_spares(spec.block_size));
        // The trailer begins with the last block of a cluster; what is before that is a table's.
        let trailer =
            total.saturating_sub(TRAILER_BLOCKS).saturating_add(1) / CLUSTER_BLOCKS * CLUSTER_BLOCKS;
        let table = trailer.saturating_sub(2 * CLUSTER_BLOCKS);
        let first_spare = table.saturating_sub(spares * packet) / CLUSTER_BLOCKS * CLUSTER_BLOCKS;
        let tables = [slot, Sector(table)];
        Ok(Some(Self { packet_blocks, tables, first_spare: Sector(first_spare), spares }))
    }

    /// Blocks of the partition.
    pub(super) fn partition_blocks(&self) -> u32 {
        self.first_spare.0.saturating_sub(frame::PARTITION_START.0)
    }

    /// Where the trailer may begin.
    pub(super) fn end(&self) -> u32 {
        self.tables[1].0.saturating_add(CLUSTER_BLOCKS)
    }

    /// The copies of the table.
    pub(super) fn segments(&self) -> impl Iterator<Item = Segment> + use<> {
        let segment = |start| Segment { start, blocks: 1, twin: None, content: Content::SparingTable };
        self.tables.into_iter().map(segment)
    }

    /// The entries of the table: all spare packets can be used.
    pub(crate) fn entries(&self) -> Vec<u8> {
        let packet = u32::from(self.packet_blocks);
        let entry = |number: u32| SparingEntry {
            original_location: SparingEntry::AVAILABLE.into(),
            mapped_location: (self.first_spare.0 + number * packet).into(),
        };
        (0..self.spares).flat_map(|number| entry(number).as_bytes().to_vec()).collect()
    }
}

impl Plan {
    /// Behind the file set, the directory of the system's streams and the Non-Allocatable Space in it, or that alone where it is a file;
    /// if there are any new ones.
    pub(crate) fn own_files(&self) -> std::ops::Range<u32> {
        let first = self.file_set_block.saturating_add(self.shape.file_set_blocks());
        first..first.saturating_add(self.sparing.map_or(0, |_| own_blocks(self.shape)))
    }
}

/// Blocks of what a new sparable volume has of itself: a directory and one stream in it, or a file.
pub(super) fn own_blocks(shape: Shape) -> u32 {
    if shape.space_file { 1 } else { 2 }
}

/// An error if a tree has the name of a file that the volume has of itself.
pub(super) fn unless_taken(tree: &Tree, shape: Shape) -> Result<()> {
    let name = Name::new(NON_ALLOCATABLE_FILE).ok().filter(|_| shape.space_file);
    match name.and_then(|name| tree.child(tree.root(), &name)) {
        None => Ok(()),
        Some(_) => Err(Error::refused(
            format!(
                "sparable volumes of revision {} have a file {NON_ALLOCATABLE_FILE:?} of their own",
                shape.revision
            ),
            "leave it out (--exclude), or choose 2.01 (-r 2.01)",
        )),
    }
}
