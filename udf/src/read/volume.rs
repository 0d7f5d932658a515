//! An open volume: what it says of itself, and its files.

use alloc::{string::String, vec::Vec};

use super::ReadAt;
use super::body::{self, Body};
use super::device::read_exact;
use super::directory::Directory;
use super::entry::Entry;
use super::extents::{Extent, Extents};
use super::found::{Found, OpenOptions};
use super::integrity::Integrity;
use super::open::Opened;
use super::partition::{Partition, PartitionKind};
use super::space::{Copy, Run, Space, whole_blocks};
use super::tolerance::{Met, Tolerated};
use super::virtual_table::{VirtualTable, VirtualTableHead};
use super::walk::Walk;
use super::warning::Warning;
use crate::error::Result;
use crate::file::FileSetDescriptor;
use crate::general::{ExtentAd, LongAd};
use crate::revision::Revision;
use crate::units::{BlockAddress, BlockSize, Sector};
use crate::volume::{
    ImplementationUseVolumeDescriptor, IntegrityType, LogicalVolumeDescriptor, PartitionDescriptor,
    PrimaryVolumeDescriptor,
};

/// A volume that has been opened: its descriptors are sound, its partitions can be read.
///
/// All reading is positioned and takes `&self`, so threads can share it.
#[derive(Debug)]
pub struct Volume<R> {
    space: Space<R>,
    opened: Opened,
}

impl<R: ReadAt> Volume<R> {
    /// Opens the volume on a device.
    pub fn open(device: R, options: &OpenOptions) -> Result<Self> {
        let mut opened = Opened::open(&device, options)?;
        let partitions = core::mem::take(&mut opened.partitions);
        let met = opened.met.clone();
        let space = Space { device, block_size: opened.found.block_size, partitions, met };
        Ok(Self { space, opened })
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &R {
        &self.space.device
    }

    /// The device, the volume given up.
    #[must_use]
    pub fn into_device(self) -> R {
        self.space.device
    }

    /// What the search of the device showed.
    #[must_use]
    pub fn found(&self) -> &Found {
        &self.opened.found
    }

    /// What was bent or broken while opening, and how it was got around.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.opened.warnings
    }

    /// What has been bent so far in the files that were read, and how often: one a kind, none with
    /// [`strict`](OpenOptions::strict), which makes each an error.
    #[must_use]
    pub fn tolerated(&self) -> Vec<Tolerated> {
        self.space.met.list()
    }

    pub(super) fn space(&self) -> &Space<R> {
        &self.space
    }

    pub(super) fn met(&self) -> &Met {
        &self.space.met
    }

    /// Whole blocks of the device.
    #[must_use]
    pub fn device_blocks(&self) -> u64 {
        whole_blocks(self.space.block_size, self.space.device.size_bytes())
    }

    /// The size of a block, which is a sector.
    #[must_use]
    pub fn block_size(&self) -> BlockSize {
        self.space.block_size
    }

    /// The revision as the logical volume's domain identifier has it, 0x0201 for 2.01.
    #[must_use]
    pub fn revision_number(&self) -> u16 {
        self.logical().domain_identifier.revision_number()
    }

    /// The revision, if it is one.
    #[must_use]
    pub fn revision(&self) -> Option<Revision> {
        Revision::from_number(self.revision_number())
    }

    /// The label: the logical volume identifier (UDF 2.2.4.1), or the one in the virtual allocation table, which is newer.
    #[must_use]
    pub fn label(&self) -> String {
        if let Some(label) = self.virtual_table().and_then(|table| table.head.label()) {
            return label;
        }
        self.logical().logical_volume_identifier.decode_lossy()
    }

    /// The prevailing primary volume descriptor.
    #[must_use]
    pub fn primary(&self) -> &PrimaryVolumeDescriptor {
        &self.opened.descriptors.primary
    }

    /// The prevailing logical volume descriptor, its fixed part.
    #[must_use]
    pub fn logical(&self) -> &LogicalVolumeDescriptor {
        &self.opened.descriptors.logical.fixed
    }

    /// The table of partition maps that follows the fixed part of the logical volume descriptor.
    #[must_use]
    pub fn partition_map_table(&self) -> &[u8] {
        &self.opened.descriptors.logical.map_table
    }

    /// The prevailing implementation use volume descriptor of UDF, if there is one.
    #[must_use]
    pub fn information(&self) -> Option<&ImplementationUseVolumeDescriptor> {
        self.opened.descriptors.information.as_ref()
    }

    /// The prevailing partition descriptors, by partition number.
    #[must_use]
    pub fn partition_descriptors(&self) -> &[PartitionDescriptor] {
        &self.opened.descriptors.partitions
    }

    /// The partitions of the logical volume, one a map; the index is the partition reference.
    #[must_use]
    pub fn partitions(&self) -> &[Partition] {
        &self.space.partitions
    }

    /// The main and the reserve volume descriptor sequence that describe this session.
    #[must_use]
    pub fn sequences(&self) -> (ExtentAd, ExtentAd) {
        self.opened.sequences
    }

    /// Whether the reserve sequence had to lend what the main one lacks.
    #[must_use]
    pub fn used_reserve(&self) -> bool {
        self.opened.descriptors.used_reserve
    }

    /// The table of the virtual partition, if there is one: with it, an open integrity descriptor is as it should be.
    #[must_use]
    pub fn virtual_table(&self) -> Option<&VirtualTable> {
        self.partitions().iter().find_map(|partition| match &partition.kind {
            PartitionKind::Virtual(upper) => Some(&upper.table),
            _ => None,
        })
    }

    /// What the table says whose ICB lies in this block of the partition under the virtual one: an earlier one, for
    /// instance, of those that lead to one another by `previous`.
    pub fn virtual_table_head(&self, icb: BlockAddress) -> Result<VirtualTableHead> {
        VirtualTableHead::load(&self.space, icb)
    }

    /// What the prevailing integrity descriptor says, if there is one; where there is a virtual allocation table, with its
    /// time, counts, revisions and unique id.
    #[must_use]
    pub fn integrity(&self) -> Option<&Integrity> {
        self.opened.integrity.as_ref()
    }

    /// Whether the volume is as a writer left it that was done: closed, or with a virtual allocation table, which is written
    /// last, while the integrity descriptor stays open for ever.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let integrity_type = self.integrity().and_then(|integrity| integrity.integrity_type);
        integrity_type == Some(IntegrityType::Close)
            || (integrity_type == Some(IntegrityType::Open) && self.virtual_table().is_some())
    }

    /// The file set descriptor that counts.
    #[must_use]
    pub fn file_set(&self) -> &FileSetDescriptor {
        &self.opened.file_set
    }

    /// Where the file set descriptor lies.
    #[must_use]
    pub fn file_set_address(&self) -> BlockAddress {
        self.opened.file_set_address
    }

    /// Where a block lies on the device, and how many of those that follow it lie behind it there.
    pub fn locate(&self, address: BlockAddress) -> Result<Run> {
        self.space.locate(Copy::First, address)
    }

    /// Reads blocks of a partition, wherever they lie; from the metadata mirror where the first copy cannot be read.
    pub fn read_blocks(&self, address: BlockAddress, out: &mut [u8]) -> Result<()> {
        self.space.read(address, 0, out)
    }

    /// Reads sectors of the volume space.
    pub fn read_sectors(&self, sector: Sector, out: &mut [u8]) -> Result<()> {
        read_exact(&self.space.device, self.space.block_size.offset_of(sector), out)
    }

    /// Reads of an extent what begins `skip_bytes` into it; zeros if it is not recorded.
    pub fn read_extent(&self, extent: &Extent, skip_bytes: u64, out: &mut [u8]) -> Result<()> {
        self.space.read_extent(extent, skip_bytes, out)
    }

    /// The ICB of the root directory.
    #[must_use]
    pub fn root_icb(&self) -> LongAd {
        self.file_set().root_directory_icb
    }

    /// The root directory.
    pub fn root(&self) -> Result<Entry> {
        self.entry(&self.root_icb())
    }

    /// The entry that counts in an ICB, of strategy 4 or 4096 (ECMA-167 4/8.10, UDF 2.3.5.1).
    pub fn entry(&self, icb: &LongAd) -> Result<Entry> {
        self.space.entry(icb.start())
    }

    /// The extents of a file's body, those behind its end too; none if it is embedded.
    #[must_use]
    pub fn extents<'a>(&'a self, entry: &'a Entry) -> Extents<'a, R> {
        Extents::new(&self.space, entry, (&entry.allocation).into())
    }

    /// A file's body, for large or many reads.
    pub fn body(&self, entry: &Entry) -> Result<Body<'_, R>> {
        Body::new(&self.space, entry)
    }

    /// Reads of a file's body from an offset on; fewer bytes than there is room for, perhaps none, where it ends.
    ///
    /// What is not recorded reads as zeros.
    pub fn read(&self, entry: &Entry, offset_bytes: u64, out: &mut [u8]) -> Result<usize> {
        Body::new(&self.space, entry)?.read(offset_bytes, out)
    }

    /// A file's whole body, if that is at most so long.
    pub fn read_all(&self, entry: &Entry, limit_bytes: u64) -> Result<Vec<u8>> {
        body::read_all(&self.space, entry, limit_bytes)
    }

    /// The file identifiers in a directory's body.
    pub fn directory(&self, entry: &Entry) -> Result<Directory<'_, R>> {
        Directory::new(&self.space, entry)
    }

    /// All files below a directory.
    #[must_use]
    pub fn walk(&self, directory: &Entry) -> Walk<'_, R> {
        Walk::new(&self.space, directory)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, HELLO, PARTITION, ROOT};
    use super::*;

    #[test]
    fn threads_can_share_a_volume() {
        fn shared<T: Send + Sync>(_: &T) {}
        shared(&Fixture::plain(BlockSize::B2048).open());
    }

    #[test]
    fn blocks_and_sectors_are_the_same_bytes() {
        let fixture = Fixture::plain(BlockSize::B1024);
        let volume = fixture.open();
        let run = volume.locate(fixture.at(HELLO)).unwrap();
        assert_eq!(run.sector, Sector(PARTITION + HELLO));
        let (mut blocks, mut sectors) = ([0; 2048], [0; 2048]);
        volume.read_blocks(fixture.at(HELLO), &mut blocks).unwrap();
        volume.read_sectors(run.sector, &mut sectors).unwrap();
        assert_eq!(blocks, sectors);
        assert!(blocks.windows(11).any(|bytes| bytes == b"hello world"));
        assert_eq!(volume.root_icb().start(), fixture.at(ROOT));
        assert_eq!(volume.file_set_address(), fixture.at(0));
        assert_eq!(volume.partition_map_table().len(), 6);
        assert_eq!(volume.into_device(), fixture.image);
    }
}
