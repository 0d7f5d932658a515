//! Damages, and what must survive them.

use std::collections::HashSet;
use std::ops::Range;

use udf::BlockAddress;
use udf::Place;
use udf::file::AllocationForm;
use udf::general::{ExtentAd, ExtentKind, Tag, TagIdentifier};
use udf::read::{Entry, PartitionKind, Volume};

use super::bench::{Case, Rescued};
use crate::support::manifest::Item;
use crate::support::random::Random;

type Bad = Vec<Range<u64>>;

fn block(case: &Case, sector: u64) -> Range<u64> {
    let bytes = u64::from(case.block_size.bytes());
    sector * bytes..(sector + 1) * bytes
}

/// The sectors at which there is a descriptor of these kinds.
fn sectors(case: &Case, wanted: impl Fn(TagIdentifier) -> bool) -> Vec<u64> {
    let blocks = case.image.chunks(case.block_size.len()).zip(0..);
    blocks
        .filter(|(bytes, _)| {
            let kind = Tag::read(bytes).unwrap_or_default().kind();
            wanted(kind) && Tag::check_any_location(bytes, kind, "", Place::Within).is_ok()
        })
        .map(|(_, sector)| sector)
        .collect()
}

fn is_volume_descriptor(kind: TagIdentifier) -> bool {
    (TagIdentifier::PRIMARY_VOLUME..=TagIdentifier::LOGICAL_VOLUME_INTEGRITY).contains(&kind)
}

fn sequence(case: &Case, extent: ExtentAd) -> Range<u64> {
    let start = case.block_size.offset_of(extent.start());
    start..start + u64::from(extent.length.get())
}

/// Damages that leave a copy of each volume descriptor of the newest session.
pub(crate) fn volume_descriptors(case: &Case) -> Vec<(String, Bad)> {
    let volume = case.volume();
    let (main, reserve) = volume.sequences();
    let anchors = sectors(case, |kind| kind == TagIdentifier::ANCHOR_VOLUME_POINTER);
    let all_anchors: Bad = anchors.iter().map(|sector| block(case, *sector)).collect();
    let mut damages: Vec<(String, Bad)> =
        anchors.iter().map(|sector| (format!("no anchor at {sector}"), vec![block(case, *sector)])).collect();
    for (what, extent) in [("main", main), ("reserve", reserve)] {
        let lost = sequence(case, extent);
        damages.push((
            format!("no anchors, no {what} sequence"),
            [all_anchors.clone(), vec![lost.clone()]].concat(),
        ));
        damages.push((format!("no {what} sequence"), vec![lost]));
        for number in 0..3 {
            let first = u64::from(extent.start().0);
            damages.push((
                format!("descriptor {number} of the {what} sequence"),
                vec![block(case, first + number)],
            ));
        }
    }
    let integrity = sectors(case, |kind| kind == TagIdentifier::LOGICAL_VOLUME_INTEGRITY);
    damages.push(("no integrity".into(), integrity.iter().map(|sector| block(case, *sector)).collect()));
    damages.push(("no anchors".into(), all_anchors));
    damages.push(("no beginning".into(), std::iter::once(0..case.block_size.bytes_in(257)).collect()));
    damages
}

/// Images without any volume descriptor, but for the integrity descriptor in one.
pub(crate) fn all_volume_descriptors(case: &Case) -> Vec<(String, Vec<u8>)> {
    let without = |wanted: &dyn Fn(TagIdentifier) -> bool| {
        let mut image = case.image.clone();
        for sector in sectors(case, wanted) {
            let at = block(case, sector);
            image[usize::try_from(at.start).unwrap()..usize::try_from(at.end).unwrap()].fill(0);
        }
        image
    };
    let integrity = TagIdentifier::LOGICAL_VOLUME_INTEGRITY;
    vec![
        (
            "the integrity descriptor stays".into(),
            without(&|kind| is_volume_descriptor(kind) && kind != integrity),
        ),
        ("nothing stays".into(), without(&is_volume_descriptor)),
    ]
}

pub(crate) fn file_set(case: &Case) -> Bad {
    sectors(case, |kind| kind == TagIdentifier::FILE_SET)
        .into_iter()
        .map(|sector| block(case, sector))
        .collect()
}

/// All copies of an entry.
fn copies(case: &Case, volume: &Volume<&[u8]>, address: BlockAddress) -> Bad {
    let mut bytes = vec![0; case.block_size.len()];
    volume.read_blocks(address, &mut bytes).unwrap();
    let blocks = case.image.chunks(case.block_size.len()).zip(0..);
    blocks.filter(|(block, _)| *block == bytes).map(|(_, sector)| block(case, sector)).collect()
}

pub(crate) fn root(case: &Case) -> Bad {
    let volume = case.volume();
    copies(case, &volume, volume.root_icb().start())
}

/// Directories and files, and all copies of their entries: all directories and every third file.
pub(crate) fn entries(case: &Case) -> Vec<(String, &'static str, Bad)> {
    let volume = case.volume();
    let chosen = case.newest().iter().enumerate().filter(|(number, (path, item))| {
        !path.is_empty() && (item.kind == "directory" || (item.kind == "file" && number % 3 == 0))
    });
    chosen
        .map(|(_, (path, item))| {
            let entry = volume.lookup(path).unwrap();
            (path.clone(), item.kind, copies(case, &volume, entry.block))
        })
        .collect()
}

pub(crate) fn metadata_files(case: &Case) -> Bad {
    let volume = case.volume();
    let kinds = volume.partitions().iter().map(|partition| &partition.kind);
    let files = kinds.filter_map(|kind| match kind {
        PartitionKind::Metadata(metadata) => Some([metadata.main.clone()?, metadata.mirror.clone()?]),
        _ => None,
    });
    files.flatten().flat_map(|file| copies(case, &volume, file.entry.block)).collect()
}

/// Images that lack their beginning or their end.
pub(crate) fn cuts(case: &Case) -> Vec<(String, Vec<u8>)> {
    let (bytes, len) = (case.block_size.len(), case.image.len());
    let mut cuts = Vec::new();
    for blocks in [1, 100, 257, 289, 300] {
        cuts.push((format!("without the first {blocks} blocks"), case.image[blocks * bytes..].to_vec()));
    }
    for part in [100, 300, 600] {
        cuts.push((format!("without the last {part} blocks"), case.image[..len - part * bytes].to_vec()));
    }
    let front = [vec![0; 1 << 20], case.image.clone()].concat();
    cuts.push(("a MiB into the device".into(), front));
    cuts
}

/// Each structure that leads to the files, and all of them.
pub(crate) fn every_structure(case: &Case) -> Vec<(String, Bad)> {
    let mut damages = volume_descriptors(case);
    let all: Bad =
        sectors(case, is_volume_descriptor).into_iter().map(|sector| block(case, sector)).collect();
    damages.push(("no volume descriptors".into(), all.clone()));
    damages.push(("no file set".into(), file_set(case)));
    damages.push(("no root".into(), root(case)));
    damages.push(("nothing of that".into(), [all, file_set(case), root(case)].concat()));
    damages
}

/// Sectors that cannot be read, and descriptors that are garbage.
pub(crate) fn random(case: &Case, seed: u64) -> (Bad, Vec<u8>) {
    let mut random = Random::new(seed);
    let mut image = case.image.clone();
    let blocks = image.len() / case.block_size.len();
    let mut bad = Vec::new();
    for _ in 0..=random.below(20) {
        let start = random.below(blocks) as u64;
        let end = start + 1 + random.below(8) as u64;
        bad.push(block(case, start).start..block(case, end).start);
    }
    let descriptors = sectors(case, |_| true);
    for _ in 0..random.below(8) {
        let at = block(case, descriptors[random.below(descriptors.len())]);
        let (start, end) = (usize::try_from(at.start).unwrap(), usize::try_from(at.end).unwrap());
        image[start..end].iter_mut().for_each(|byte| *byte ^= u8::try_from(random.below(256)).unwrap());
        bad.push(at);
    }
    (bad, image)
}

/// The ranges of the image that a file needs: its entry and its content.
fn needs(case: &Case, volume: &Volume<&[u8]>, entry: &Entry) -> Bad {
    let place = |address: BlockAddress, bytes: u64| {
        let start = case.block_size.offset_of(volume.locate(address).unwrap().sector);
        start..start + bytes
    };
    let mut needs = vec![place(entry.block, case.block_size.bytes().into())];
    if entry.form != AllocationForm::Embedded {
        let body = volume.body(entry).unwrap();
        let recorded = body.extents().iter().filter(|extent| extent.kind == ExtentKind::Recorded);
        needs.extend(recorded.map(|extent| place(extent.start, extent.bytes)));
    }
    needs
}

/// Every body whose entry and extents are not touched by what is bad came out.
pub(crate) fn assert_left_but(case: &Case, image: &[u8], bad: &Bad, rescued: &Rescued, context: &str) {
    let volume = case.volume();
    let bodies: HashSet<Vec<u8>> = rescued.bodies().into_iter().collect();
    let touched = |range: &Range<u64>| {
        range.end > image.len() as u64 || bad.iter().any(|bad| range.start < bad.end && bad.start < range.end)
    };
    // Without the metadata file's entry its blocks cannot be told to belong together.
    let is_mapped = |address: BlockAddress| match &volume.partitions()[usize::from(address.partition.0)].kind
    {
        PartitionKind::Metadata(metadata) => {
            let entry = &metadata.main.as_ref().unwrap().entry;
            !needs(case, &volume, entry)[..1].iter().any(touched)
        }
        _ => true,
    };
    for (path, item) in case.newest().iter().filter(|(_, item)| item.body.is_some()) {
        let entry = volume.lookup(path).unwrap();
        if is_mapped(entry.icb) && !needs(case, &volume, &entry).iter().any(touched) {
            assert!(
                bodies.contains(item.body.as_ref().unwrap()),
                "{context}: {path} is left and did not come out"
            );
        }
    }
}

/// The same for an image that lacks its beginning, its end, or nothing but has something before it.
pub(crate) fn assert_left(case: &Case, image: &[u8], rescued: &Rescued, context: &str) {
    let lacking = (case.image.len() as u64).saturating_sub(image.len() as u64);
    let bad = [if case.image.starts_with(image) { image.len() as u64..u64::MAX } else { 0..lacking }];
    assert_left_but(case, &case.image, &bad.to_vec(), rescued, context);
}

/// Every body of the newest session came out, of those that are wanted.
pub(crate) fn assert_all_bodies(
    case: &Case,
    rescued: &Rescued,
    wanted: impl Fn(&Item) -> bool,
    context: &str,
) {
    let bodies: HashSet<Vec<u8>> = rescued.bodies().into_iter().collect();
    for (path, item) in case.newest().iter().filter(|(_, item)| item.body.is_some() && wanted(item)) {
        assert!(
            bodies.contains(item.body.as_ref().unwrap()),
            "{context}: the content of {path} did not come out"
        );
    }
}

/// Whether what is in a directory or a file is in its entry.
pub(crate) fn is_embedded(case: &Case, path: &str) -> bool {
    case.volume().lookup(path).unwrap().form == AllocationForm::Embedded
}
