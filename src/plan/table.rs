//! The virtual allocation table of a new state: its bytes, and which of their blocks are recorded anew.

use udf::general::{DString, EntityIdentifier};
use udf::partition::{NO_BLOCK, VirtualTableHeader, VirtualTableTrailer};
use udf::revision::VirtualTableForm;
use zerocopy::IntoBytes;

use super::base::{BaseTable, Run};
use super::space::{Shape, Spaces};
use crate::error::{Error, Result};

/// The table, worked out but for where its ICB lies, which is what is written last.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Its bytes.
    pub(crate) body: Vec<u8>,
    /// Its blocks in their order: [`Run::first`] counts those of the table, [`Run::block`] is in the partition underneath.
    /// Empty if the bytes fit the ICB.
    pub(crate) runs: Vec<Run>,
    /// Blocks of the table that are recorded anew, in the order in which they are.
    pub(crate) new_blocks: Vec<u32>,
    /// The file set's number.
    pub(crate) file_set_number: u32,
    /// The unique id of its ICB: the highest there is (UDF 3.2.1.1).
    pub(crate) unique_id: u64,
    /// What an extended attribute of its ICB says, of a table that has no header to say it.
    pub(crate) extension: Option<Extension>,
}

/// Label and counts (UDF 1.50 errata, "VAT LVExtension").
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extension {
    pub(crate) label: DString<128>,
    pub(crate) files: u32,
    pub(crate) directories: u32,
}

/// Bytes of the extended attributes with it: their header, an attribute of 194 bytes, two to make that a multiple of 4.
pub(crate) const EXTENSION_LEN: usize = 24 + 196;

/// What the table says beside its entries.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) label: DString<128>,
    pub(super) files: u32,
    pub(super) directories: u32,
    /// The least revision for readers and for writers, and the highest of any writer.
    pub(super) revisions: [u16; 3],
    /// The ICB of the table before this one.
    pub(super) previous_icb: Option<u32>,
}

/// The entries of the new table: those of the old one, with what is gone, what is recorded elsewhere now, and what is new.
pub(super) fn entries(spaces: &Spaces, file_set: Option<(u32, u32)>, base: Option<&BaseTable>) -> Vec<u32> {
    let mut entries = base.map_or_else(Vec::new, |base| base.entries.clone());
    let mut set = |number: u32, block: u32| {
        let index = number as usize;
        if index >= entries.len() {
            entries.resize(index + 1, NO_BLOCK);
        }
        entries[index] = block;
    };
    for number in base.into_iter().flat_map(|base| &base.gone) {
        set(*number, NO_BLOCK);
    }
    if let Some((number, block)) = file_set {
        set(number, block);
    }
    for (inode, block) in spaces.entries.iter().zip(spaces.first_entry..) {
        set(spaces.places[inode.0 as usize].icb, block);
    }
    entries
}

/// The numbers that are free in a table: those that are marked so, then those behind its end.
pub(super) fn free_numbers(entries: &[u32]) -> impl Iterator<Item = u32> {
    let unused =
        entries.iter().zip(0u32..).filter(|(block, _)| **block == NO_BLOCK).map(|(_, number)| number);
    let end = u32::try_from(entries.len()).unwrap_or(NO_BLOCK);
    unused.chain(end..NO_BLOCK)
}

/// The bytes of a table.
pub(super) fn body(form: VirtualTableForm, entries: &[u32], facts: &Facts) -> Vec<u8> {
    let mut body = Vec::with_capacity(entries.len() * 4 + size_of::<VirtualTableHeader>());
    let previous = facts.previous_icb.unwrap_or(NO_BLOCK).into();
    if form == VirtualTableForm::Header {
        let [minimum_read, minimum_write, maximum_write] = facts.revisions;
        let header = VirtualTableHeader {
            length_of_header: HEADER_LEN.into(),
            length_of_implementation_use: 0.into(),
            logical_volume_identifier: facts.label,
            previous_icb_location: previous,
            number_of_files: facts.files.into(),
            number_of_directories: facts.directories.into(),
            minimum_udf_read_revision: minimum_read.into(),
            minimum_udf_write_revision: minimum_write.into(),
            maximum_udf_write_revision: maximum_write.into(),
            reserved: 0.into(),
        };
        body.extend_from_slice(header.as_bytes());
    }
    body.extend(entries.iter().flat_map(|block| block.to_le_bytes()));
    if form == VirtualTableForm::Trailer {
        let identifier = EntityIdentifier::udf(EntityIdentifier::VIRTUAL_TABLE, udf::Revision::V1_50);
        let trailer = VirtualTableTrailer { identifier, previous_icb_location: previous };
        body.extend_from_slice(trailer.as_bytes());
    }
    body
}

const HEADER_LEN: u16 = 152;
const _: () = assert!(size_of::<VirtualTableHeader>() == HEADER_LEN as usize);

impl Table {
    /// Divides the bytes of a table into those that the old one has already and those that go to `first` and behind it.
    pub(super) fn new(
        body: Vec<u8>,
        shape: Shape,
        base: Option<&BaseTable>,
        first: u32,
        (file_set_number, unique_id): (u32, u64),
        extension: Option<Extension>,
    ) -> Result<Self> {
        let mut table =
            Self { body, runs: Vec::new(), new_blocks: Vec::new(), file_set_number, unique_id, extension };
        let mut capacity = shape.entry_room();
        if extension.is_some() {
            // Never inside the ICB then: Linux looks for the table where the attributes are.
            capacity -= EXTENSION_LEN;
        } else if table.body.len() <= capacity {
            return Ok(table);
        }
        table.divide(shape, base, first);
        let most = capacity / SHORT_LEN;
        if table.runs.len() > most {
            // The extents would no longer fit the ICB: time to have them together again.
            table.divide(shape, None, first);
        }
        if table.runs.len() > most {
            return Err(Error::Limit {
                what: "bytes of the virtual allocation table",
                value: table.body.len() as u64,
                limit: u64::from(shape.block_size.max_extent_bytes()) * most as u64,
            });
        }
        Ok(table)
    }

    fn divide(&mut self, shape: Shape, base: Option<&BaseTable>, first: u32) {
        (self.runs, self.new_blocks) = (Vec::new(), Vec::new());
        let len = shape.block_size.len();
        let longest = shape.block_size.max_extent_bytes() / shape.block_size.bytes();
        let mut next = first;
        for (index, bytes) in (0u32..).zip(self.body.chunks(len)) {
            let old = base.and_then(|base| same_block(base, index as usize, bytes, len));
            let block = old.unwrap_or_else(|| {
                self.new_blocks.push(index);
                next += 1;
                next - 1
            });
            match self.runs.last_mut() {
                Some(run) if run.block + run.blocks == block && run.blocks < longest => run.blocks += 1,
                _ => self.runs.push(Run { first: index, block, blocks: 1 }),
            }
        }
    }
}

const SHORT_LEN: usize = 8;

/// Where the old table has these bytes, as a whole block: only the last block of a file may be shorter, and what is behind
/// its end is nobody's.
fn same_block(base: &BaseTable, index: usize, bytes: &[u8], len: usize) -> Option<u32> {
    let block = *base.body_blocks.get(index)?;
    let old = base.body.get(index * len..)?.get(..bytes.len())?;
    (old == bytes).then_some(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{SequentialTarget, Upper};
    use udf::{BlockSize, Revision};

    const SHAPE: Shape = Shape {
        revision: Revision::V2_01,
        block_size: BlockSize::B2048,
        embed: true,
        upper: Upper::Virtual,
        rewritable: false,
        space_file: false,
    };

    fn facts(files: u32) -> Facts {
        let revisions = [0x201, 0x201, 0x260];
        Facts { label: DString::EMPTY, files, directories: 1, revisions, previous_icb: Some(7) }
    }

    fn base(entries: Vec<u32>, form: VirtualTableForm) -> BaseTable {
        let body = body(form, &entries, &facts(1));
        let blocks = u32::try_from(body.len().div_ceil(2048)).unwrap();
        let target = SequentialTarget::blank(9_000_000, 32);
        BaseTable {
            entries,
            icb: 7,
            body,
            body_blocks: (1000..1000 + blocks).collect(),
            file_set_number: 0,
            gone: Vec::new(),
            partition_blocks: 9_000_000,
            target,
        }
    }

    #[test]
    fn small_tables_lie_in_their_icb_unless_it_has_attributes() {
        let extension = Extension { label: DString::EMPTY, files: 1, directories: 1 };
        for (form, extension, most) in [
            (VirtualTableForm::Header, None, (2048 - 216 - 152) / 4),
            (VirtualTableForm::Trailer, None, (2048 - 216 - 36) / 4),
            (VirtualTableForm::Trailer, Some(extension), 0),
        ] {
            let table = |count| {
                let body = body(form, &vec![1; count], &facts(1));
                Table::new(body, SHAPE, None, 500, (0, 99), extension).unwrap()
            };
            assert!(most == 0 || table(most).runs.is_empty(), "{form:?}");
            assert_eq!(table(most + 1).runs, [Run { first: 0, block: 500, blocks: 1 }], "{form:?}");
        }
    }

    #[test]
    fn blocks_of_the_old_table_that_stay_the_same_are_not_recorded_again() {
        for (form, new) in
            [(VirtualTableForm::Header, vec![0, 4, 19]), (VirtualTableForm::Trailer, vec![4, 19])]
        {
            let base = base((0..10_000).collect(), form);
            let mut entries = base.entries.clone();
            entries[2100] = 77_777;
            entries.push(88_888);
            let table =
                Table::new(body(form, &entries, &facts(2)), SHAPE, Some(&base), 5000, (0, 99), None).unwrap();
            assert_eq!(table.new_blocks, new, "{form:?}");
            let blocks: Vec<_> =
                table.runs.iter().flat_map(|run| run.block..run.block + run.blocks).collect();
            assert_eq!(blocks.len(), 20);
            for (index, block) in blocks.iter().enumerate() {
                let is_new = new.contains(&u32::try_from(index).unwrap());
                assert_eq!(*block >= 5000, is_new, "{form:?}: block {index}");
            }
        }
    }

    #[test]
    fn a_table_in_too_many_pieces_is_recorded_as_a_whole() {
        let base = base((0..1_000_000).collect(), VirtualTableForm::Header);
        let mut entries = base.entries.clone();
        entries.iter_mut().step_by(3000).for_each(|entry| *entry += 1);
        let body = body(VirtualTableForm::Header, &entries, &facts(2));
        let table = Table::new(body, SHAPE, Some(&base), 5000, (0, 99), None).unwrap();
        assert_eq!(table.runs, [Run { first: 0, block: 5000, blocks: 1954 }]);
    }

    #[test]
    fn free_numbers_are_used_again_before_the_table_grows() {
        let numbers: Vec<_> = free_numbers(&[5, NO_BLOCK, 6, NO_BLOCK]).take(4).collect();
        assert_eq!(numbers, [1, 3, 4, 5]);
    }
}
