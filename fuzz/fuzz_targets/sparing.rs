//! Sparing tables: of all copies one counts, and each block is where the table says, or where it is without one.
#![no_main]

use mkudf_ms_fuzz::image_target;
use udf::BlockAddress;
use udf::read::{OpenOptions, PartitionKind, Volume};

/// Blocks that are looked up.
const MOST_BLOCKS: u32 = 4096;

image_target!(|image| {
    let Ok(volume) = Volume::open(&image, &OpenOptions::default()) else { return };
    for (number, partition) in (0..).zip(volume.partitions()) {
        let PartitionKind::Sparable(sparable) = &partition.kind else { continue };
        let packet = u32::from(sparable.map.packet_length.get());
        assert!(sparable.relocated().is_sorted_by(|(one, _), (other, _)| one < other));
        let _ = sparable.entries().len();
        for block in 0..partition.length_blocks.min(MOST_BLOCKS) {
            let Ok(run) = volume.locate(BlockAddress::new(number, block)) else { continue };
            assert!(run.blocks > 0, "block {block} is nowhere");
            let inside = block % packet;
            let first = block - inside;
            match sparable.relocated().iter().find(|(original, _)| *original == first) {
                Some((_, mapped)) => {
                    assert_eq!(run.sector.0, mapped + inside, "block {block} is relocated");
                    assert!(run.blocks <= packet - inside, "{} blocks of a packet", run.blocks);
                }
                None => {
                    assert_eq!(run.sector.0, sparable.start.0 + block, "block {block} stays where it is");
                    let next =
                        sparable.relocated().iter().map(|(original, _)| *original).find(|next| *next > block);
                    assert!(next.is_none_or(|next| run.blocks <= next - block), "beyond a relocated packet");
                }
            }
        }
    }
    let Ok(root) = volume.root() else { return };
    let mut buffer = vec![0; 4096];
    for (_, _, entry) in volume.walk(&root).take(500).flatten() {
        let _ = volume.read(&entry, 0, &mut buffer);
    }
});
