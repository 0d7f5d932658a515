//! Bitmaps of free space, that of a metadata partition in a file: where they lie, and what they call free (ECMA-167 4/14.12,
//! UDF 2.3.8, 2.2.13.2).

use std::ops::Range;

use udf::file::SpaceBitmapDescriptor;
use udf::general::{Descriptor, ExtentKind, Seal, ShortAd, Tag};
use udf::partition::NO_BITMAP_FILE;
use udf::volume::PartitionHeaderDescriptor;
use udf::{BlockSize, Sector};
use zerocopy::IntoBytes;

use super::{Content, Plan, Segment};

/// What is free of a partition, and the bitmap that says so.
#[derive(Debug)]
pub(crate) struct Bitmap {
    /// Its blocks in the partition: at least as many as it needs; of a file, with its entry before them. None where the drive keeps
    /// the account: then no bitmap is recorded (UDF 2.60 2.2.14.2).
    pub(crate) place: Range<u32>,
    /// What it calls free; ascending and apart.
    pub(crate) free: Vec<Range<u32>>,
}

impl Bitmap {
    /// Blocks that it takes.
    pub(crate) fn blocks(&self) -> u32 {
        self.place.end - self.place.start
    }

    /// How many blocks it calls free.
    pub(crate) fn free_blocks(&self) -> u32 {
        self.free.iter().map(|range| range.end - range.start).sum()
    }

    /// Whether the volume has it, and not the drive.
    pub(crate) fn is_recorded(&self) -> bool {
        !self.place.is_empty()
    }

    /// How many blocks the integrity descriptor calls free: nobody knows where the drive keeps the account (UDF 2.60 2.2.6.2).
    pub(crate) fn counted_blocks(&self) -> u32 {
        if self.is_recorded() { self.free_blocks() } else { u32::MAX }
    }

    /// Where the map of its partition has the bitmap file.
    pub(crate) fn file_location(&self) -> u32 {
        if self.is_recorded() { self.place.start } else { NO_BITMAP_FILE }
    }

    /// The header of a partition whose free space is in this bitmap and nowhere else (UDF 2.3.3).
    pub(crate) fn header(&self, block_size: BlockSize) -> PartitionHeaderDescriptor {
        if !self.is_recorded() {
            return PartitionHeaderDescriptor::NONE;
        }
        let bytes = block_size.bytes() * self.blocks();
        PartitionHeaderDescriptor {
            unallocated_space_bitmap: ShortAd::new(ExtentKind::Recorded, bytes, self.place.start),
            ..PartitionHeaderDescriptor::NONE
        }
    }
}

/// What a bitmap begins with that is about so many blocks and lies at `location`.
pub(crate) fn head(bits: u32, seal: Seal, location: u32) -> Vec<u8> {
    let head = SpaceBitmapDescriptor {
        tag: Tag::default(),
        number_of_bits: bits.into(),
        number_of_bytes: bits.div_ceil(8).into(),
    };
    let mut bytes = head.as_bytes().to_vec();
    let crc_bytes = bytes.len() - Tag::LEN;
    Tag::seal_partly(&mut bytes, SpaceBitmapDescriptor::IDENTIFIER, seal, location, crc_bytes);
    bytes
}

/// Blocks of a bitmap file that is about so many blocks: its entry, and the bitmap behind it.
pub(super) fn file_blocks(bits: u32, block_size: BlockSize) -> u32 {
    SpaceBitmapDescriptor::blocks(bits, block_size).saturating_add(1)
}

impl Plan {
    /// The segments of the bitmaps and bitmap files, in their order.
    pub(super) fn bitmap_segments(&self) -> Vec<Segment> {
        let segment = |bitmap: &Bitmap, content| Segment {
            start: Sector(self.partition_start.0 + bitmap.place.start),
            blocks: bitmap.blocks(),
            twin: None,
            content,
        };
        let recorded = |(_, bitmap): &(usize, &Bitmap)| bitmap.is_recorded();
        let bitmaps = self.bitmaps.iter().enumerate().filter(recorded);
        let bitmaps = bitmaps.map(|(which, bitmap)| segment(bitmap, Content::Bitmap { which, first: 0 }));
        let files = self.metadata_bitmaps.iter().enumerate().filter(recorded);
        let files = files.map(|(which, file)| segment(file, Content::MetadataBitmap { which, first: 0 }));
        bitmaps.chain(files).collect()
    }
}
