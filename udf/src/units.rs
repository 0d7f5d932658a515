//! The vocabulary of places: sectors of the volume, blocks of a partition, and the size they share.

use core::fmt;

/// An absolute logical sector number of the volume space (ECMA-167 3/8.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sector(pub u32);

/// A logical block number inside one partition, 0 being the partition's first block (ECMA-167 4/7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block(pub u32);

/// An index into the partition maps of the logical volume descriptor (ECMA-167 3/10.7); *not* a partition number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionReference(pub u16);

/// A block of a partition of the logical volume: the host's form of `lb_addr` (ECMA-167 4/7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockAddress {
    /// Which partition map.
    pub partition: PartitionReference,
    /// Which block of it.
    pub block: Block,
}

impl Sector {
    /// The sector `count` further on; `None` beyond 2^32 - 1.
    #[must_use]
    pub fn checked_add(self, count: u32) -> Option<Self> {
        self.0.checked_add(count).map(Self)
    }
}

impl Block {
    /// The block `count` further on; `None` beyond 2^32 - 1.
    #[must_use]
    pub fn checked_add(self, count: u32) -> Option<Self> {
        self.0.checked_add(count).map(Self)
    }
}

impl BlockAddress {
    /// The address of `block` in the partition that map number `partition` describes.
    #[must_use]
    pub const fn new(partition: u16, block: u32) -> Self {
        Self { partition: PartitionReference(partition), block: Block(block) }
    }

    /// The address `count` blocks further on in the same partition.
    #[must_use]
    pub fn checked_add(self, count: u32) -> Option<Self> {
        Some(Self { block: self.block.checked_add(count)?, ..self })
    }
}

impl fmt::Display for Sector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sector {}", self.0)
    }
}

impl fmt::Display for BlockAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {} of partition {}", self.block.0, self.partition.0)
    }
}

/// The size of a logical block, which in UDF is the size of a logical and of a physical sector too (UDF 2.2.4.2).
///
/// A power of two from 512 to 32768 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockSize {
    shift: u8,
}

impl BlockSize {
    /// 512 bytes: hard disks and flash.
    pub const B512: Self = Self { shift: 9 };
    /// 1024 bytes: some magneto-optical discs.
    pub const B1024: Self = Self { shift: 10 };
    /// 2048 bytes: optical discs.
    pub const B2048: Self = Self { shift: 11 };
    /// 4096 bytes: hard disks with 4 KiB sectors.
    pub const B4096: Self = Self { shift: 12 };
    /// The sizes that are tried when nothing says which, likeliest first.
    pub const PROBED: [Self; 7] = [
        Self::B2048,
        Self::B512,
        Self::B4096,
        Self::B1024,
        Self { shift: 13 },
        Self { shift: 14 },
        Self { shift: 15 },
    ];

    /// The block size of so many bytes, if there is one.
    #[must_use]
    pub fn new(bytes: u32) -> Option<Self> {
        let shift = u8::try_from(bytes.trailing_zeros()).ok()?;
        ((9..=15).contains(&shift) && bytes.is_power_of_two()).then_some(Self { shift })
    }

    /// Bytes in a block.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        1 << self.shift
    }

    /// Bytes in a block, as a length in memory.
    #[must_use]
    pub const fn len(self) -> usize {
        1 << self.shift
    }

    /// A block is never empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        false
    }

    /// Bytes in so many blocks; 2^32 blocks of 32 KiB still fit.
    #[must_use]
    pub const fn bytes_in(self, blocks: u32) -> u64 {
        (blocks as u64) << self.shift
    }

    /// The byte at which a sector begins.
    #[must_use]
    pub const fn offset_of(self, sector: Sector) -> u64 {
        self.bytes_in(sector.0)
    }

    /// Blocks needed for so many bytes, the last perhaps only partly used.
    #[must_use]
    pub const fn blocks_for(self, bytes: u64) -> u64 {
        bytes.div_ceil(1 << self.shift)
    }

    /// Bytes from the beginning of a block to `bytes`, counted from any block's beginning.
    #[must_use]
    pub const fn offset_in_block(self, bytes: u64) -> u64 {
        bytes & (1u64 << self.shift).wrapping_sub(1)
    }

    /// The longest extent: the largest multiple of the block size below 2^30 bytes (ECMA-167 4/14.14.1.1).
    #[must_use]
    pub const fn max_extent_bytes(self) -> u32 {
        ((1 << 30) - 1) >> self.shift << self.shift
    }

    /// Distance between volume structure descriptors in blocks: each fills max(2048, block size) (ECMA-167 2/8).
    #[must_use]
    pub const fn recognition_stride_blocks(self) -> u32 {
        if self.shift >= 11 { 1 } else { 2048 >> self.shift }
    }

    /// Blocks of the 32 KiB that begin a volume or session and are left to the system (ECMA-167 2/8, UDF 2.1.7).
    #[must_use]
    pub const fn boot_area_blocks(self) -> u32 {
        32768 >> self.shift
    }
}

impl fmt::Display for BlockSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_sizes_are_powers_of_two_from_512_to_32768() {
        for bytes in [512, 1024, 2048, 4096, 8192, 16384, 32768] {
            assert_eq!(BlockSize::new(bytes).unwrap().bytes(), bytes);
        }
        for bytes in [0, 1, 256, 513, 2047, 65536, u32::MAX] {
            assert_eq!(BlockSize::new(bytes), None);
        }
    }

    #[test]
    fn the_longest_extent_is_a_multiple_of_the_block() {
        assert_eq!(BlockSize::B512.max_extent_bytes(), 0x3FFF_FE00);
        assert_eq!(BlockSize::B2048.max_extent_bytes(), 0x3FFF_F800);
        assert_eq!(BlockSize::B4096.max_extent_bytes(), 0x3FFF_F000);
    }
}
