//! The extents of a file: which parts are recorded, in which order they lie, and how many descriptors that takes.

use udf::BlockSize;
use udf::general::ExtentKind;

use crate::tree::{DataRange, InodeId, Tree};

/// A stretch of a file's body: recorded data or a hole, in whole blocks but for the file's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Whether blocks are recorded for it.
    pub recorded: bool,
    /// Its first byte in the file.
    pub offset_bytes: u64,
    /// Its length.
    pub bytes: u64,
    /// The first of its blocks, counted from the first block of the file; of a hole, where it would be.
    pub block: u32,
}

/// One allocation descriptor's worth of a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Recorded or not allocated at all.
    pub kind: ExtentKind,
    /// Bytes, below 2^30.
    pub bytes: u32,
    /// The first block, counted from the first block of the file; 0 for a hole.
    pub block: u32,
}

/// The stretches of a body, in order and without gaps. Data is rounded out to whole blocks.
pub fn stretches(tree: &Tree, inode: InodeId, block_size: BlockSize) -> impl Iterator<Item = Stretch> {
    let size = tree.size_bytes(inode);
    let unit = u64::from(block_size.bytes());
    let mut data: Vec<DataRange> = Vec::new();
    for range in &*tree.data_ranges(inode) {
        let start_bytes = range.start_bytes / unit * unit;
        let end_bytes = range.end_bytes.next_multiple_of(unit).min(size);
        match data.last_mut() {
            Some(last) if start_bytes <= last.end_bytes => last.end_bytes = end_bytes.max(last.end_bytes),
            _ if start_bytes < end_bytes => data.push(DataRange { start_bytes, end_bytes }),
            _ => {}
        }
    }
    let (mut at, mut block, mut ranges) = (0, 0, data.into_iter().peekable());
    std::iter::from_fn(move || {
        if at >= size {
            return None;
        }
        let recorded = ranges.peek().is_some_and(|range| range.start_bytes == at);
        let end = if recorded {
            ranges.next().map_or(size, |range| range.end_bytes)
        } else {
            ranges.peek().map_or(size, |range| range.start_bytes)
        };
        let stretch = Stretch { recorded, offset_bytes: at, bytes: end - at, block };
        if recorded {
            // The plan has refused what does not fit 2^32 blocks.
            block += u32::try_from(block_size.blocks_for(end - at)).unwrap_or(u32::MAX);
        }
        at = end;
        Some(stretch)
    })
}

/// Blocks that are recorded for a body; more than 2^32 is for the caller to refuse.
pub(super) fn recorded_blocks(tree: &Tree, inode: InodeId, block_size: BlockSize) -> u64 {
    match tree.inode(inode).content {
        // All but sparse files: without making a list.
        crate::tree::Content::Host(crate::tree::HostFile { holes: Some(_), .. }) => {
            stretches(tree, inode, block_size)
                .filter(|stretch| stretch.recorded)
                .map(|stretch| block_size.blocks_for(stretch.bytes))
                .sum()
        }
        _ => block_size.blocks_for(tree.size_bytes(inode)),
    }
}

/// The stretches cut to what one allocation descriptor can say (ECMA-167 4/14.14.1.1).
pub fn pieces(tree: &Tree, inode: InodeId, block_size: BlockSize) -> impl Iterator<Item = Piece> {
    let longest = u64::from(block_size.max_extent_bytes());
    stretches(tree, inode, block_size).flat_map(move |stretch| {
        (0..stretch.bytes.div_ceil(longest)).map(move |index| {
            let bytes = (stretch.bytes - index * longest).min(longest);
            let before = block_size.blocks_for(index * longest);
            Piece {
                kind: if stretch.recorded { ExtentKind::Recorded } else { ExtentKind::Unallocated },
                bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
                block: if stretch.recorded {
                    stretch.block + u32::try_from(before).unwrap_or(u32::MAX)
                } else {
                    0
                },
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Attributes, Content, HostFile, Kind};
    use std::path::Path;

    fn sparse(size_bytes: u64, data: &[(u64, u64)]) -> (Tree, InodeId) {
        let mut tree = Tree::new(Attributes::default());
        let directory = tree.add_host_directory(Path::new("/"));
        let ranges = data
            .iter()
            .map(|(start_bytes, end_bytes)| DataRange { start_bytes: *start_bytes, end_bytes: *end_bytes });
        let holes = Some(tree.add_holes(ranges.collect()));
        let name = tree.add_text(b"sparse");
        let content = Content::Host(HostFile { directory, name, size_bytes, holes });
        let inode = tree.add_inode(Kind::File, Attributes::default(), content);
        (tree, inode)
    }

    #[test]
    fn holes_are_whole_blocks_and_everything_is_covered() {
        let (tree, inode) = sparse(10_000, &[(100, 200), (300, 2100), (8192, 9000)]);
        let found: Vec<_> = stretches(&tree, inode, BlockSize::B2048)
            .map(|s| (s.recorded, s.offset_bytes, s.bytes, s.block))
            .collect();
        assert_eq!(found, [(true, 0, 4096, 0), (false, 4096, 4096, 2), (true, 8192, 1808, 2)]);
        assert_eq!(recorded_blocks(&tree, inode, BlockSize::B2048), 3);
    }

    #[test]
    fn a_hole_at_the_end_and_nothing_but_a_hole() {
        let (tree, inode) = sparse(5000, &[(0, 1)]);
        let found: Vec<_> = stretches(&tree, inode, BlockSize::B512).map(|s| (s.recorded, s.bytes)).collect();
        assert_eq!(found, [(true, 512), (false, 4488)]);
        let (tree, inode) = sparse(3 << 30, &[]);
        let found: Vec<_> = pieces(&tree, inode, BlockSize::B2048).collect();
        assert!(found.iter().all(|piece| piece.kind == ExtentKind::Unallocated));
        assert_eq!(found.iter().map(|piece| u64::from(piece.bytes)).sum::<u64>(), 3 << 30);
        assert_eq!(found.len(), 4);
        assert_eq!(recorded_blocks(&tree, inode, BlockSize::B2048), 0);
    }

    #[test]
    fn long_files_are_cut_where_descriptors_end() {
        let (tree, inode) = sparse(5 << 30, &[(0, 5 << 30)]);
        let found: Vec<_> = pieces(&tree, inode, BlockSize::B2048).collect();
        assert_eq!(found.len(), 6);
        assert_eq!((found[0].block, found[1].block), (0, 524_287));
        assert_eq!(found[5].bytes, 5 * 2048);
    }
}
