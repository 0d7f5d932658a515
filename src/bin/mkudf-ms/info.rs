//! `info`: what a volume says of itself, key by key as udfinfo prints it.
//!
//! Keys, their order and their formats are those of udfinfo 2.3, with the same meaning. `winserialnum` is what Windows shows:
//! four sums over the file set descriptor. `usedblocks` and `freeblocks` are of the physical partition; `behindblocks` lie
//! behind all that the volume uses. `startblock` is there only if it is not 0. Of several integrity descriptors the one that
//! counts is shown as `LVID`, where udfinfo shows them all. Where udfinfo gives up (`opened` volumes without their end), so
//! much as can be known is printed. The keys of streams, which udfinfo has not, are there only if there are streams.

use std::io::{self, Write};

use serde_json::{Map, Value};
use udf::general::{EntityIdentifier, ExtentAd};
use udf::read::{Entry, PartitionKind, ReadAt, SparablePartition, Volume};
use udf::volume::{AccessType, IntegrityType};
use zerocopy::IntoBytes as _;

use crate::flags::Info;
use crate::report::{Ending, Report};
use crate::{details, open, text, values};

/// Prints the facts of a volume.
pub(crate) fn run(flags: &Info, report: &Report) -> anyhow::Result<Ending> {
    let volume = open::open(&flags.reading, report)?;
    if let Some(path) = &flags.path {
        details::file(&volume, &values::volume_path(path), report.json)?;
        open::tell_tolerated(&volume, &flags.reading.image, report);
        return Ok(Ending::Done);
    }
    let details = if report.is_verbose() { details::of_volume(&volume) } else { Vec::new() };
    let facts = facts(&flags.reading.image.display().to_string(), &volume);
    let areas = areas(&volume);
    let mut out = io::stdout().lock();
    if report.json {
        let mut object: Map<String, Value> =
            facts.into_iter().map(|(key, value)| (key.into(), value)).collect();
        for key in ["freespace", "rootattribute"] {
            let lines: Vec<&str> =
                details.iter().filter(|(its, _)| *its == key).map(|(_, line)| &**line).collect();
            if !lines.is_empty() {
                object.insert(key.into(), lines.into());
            }
        }
        object.insert("areas".into(), areas.iter().map(Area::json).collect());
        writeln!(out, "{}", text::Json(&Value::Object(object)))?;
    } else {
        for (key, value) in facts {
            match value {
                // A line of text must stay one.
                Value::String(value) => {
                    writeln!(out, "{key}={}", text::escaped(&value.replace('\n', " ")))?;
                }
                value => writeln!(out, "{key}={value}")?,
            }
        }
        for (key, line) in &details {
            writeln!(out, "{key}={}", text::escaped(line))?;
        }
        for Area { start, blocks, kind } in areas {
            writeln!(out, "start={start}, blocks={blocks}, type={kind}")?;
        }
    }
    open::tell_tolerated(&volume, &flags.reading.image, report);
    if !volume.is_consistent() {
        report.note("warning: the volume was not closed: it may be in the middle of a change");
    }
    Ok(Ending::Done)
}

fn facts<R: ReadAt>(name: &str, volume: &Volume<R>) -> Vec<(&'static str, Value)> {
    let (primary, file_set) = (volume.primary(), volume.file_set());
    let set = primary.volume_set_identifier.decode_lossy();
    let (uuid, set_rest) = uuid(&set);
    let information = |field: fn(&udf::volume::ImplementationUseVolumeDescriptor) -> String| {
        volume.information().map_or(String::new(), field)
    };
    let ascii = |identifier: &EntityIdentifier| -> String {
        identifier.text_bytes().iter().map(|byte| char::from(*byte)).collect()
    };
    let integrity = volume.integrity();
    let (free, used) = space(volume);
    let [soft, hard] = protection(volume);
    let yes_no = |flag: bool| if flag { "yes" } else { "no" };
    let blocks = volume.device_blocks();
    let domain = volume.revision_number();
    let least = integrity.and_then(|i| i.minimum_read).filter(|number| *number != 0);
    let mut facts: Vec<(&'static str, Value)> = vec![
        ("filename", name.into()),
        ("label", volume.label().into()),
        ("uuid", uuid.into()),
        ("lvid", volume.label().into()),
        ("vid", primary.volume_identifier.decode_lossy().into()),
        ("vsid", set_rest.into()),
        ("fsid", file_set.file_set_identifier.decode_lossy().into()),
        ("fullvsid", set.into()),
        ("owner", information(|i| i.logical_volume_information_1.decode_lossy()).into()),
        ("organization", information(|i| i.logical_volume_information_2.decode_lossy()).into()),
        ("contact", information(|i| i.logical_volume_information_3.decode_lossy()).into()),
        ("appid", ascii(&primary.application_identifier).into()),
        ("impid", ascii(&primary.implementation_identifier).into()),
        ("winserialnum", format!("0x{:08x}", windows_serial_number(file_set.as_bytes())).into()),
        ("blocksize", volume.block_size().bytes().into()),
        ("blocks", blocks.into()),
        ("usedblocks", used.into()),
        ("freeblocks", free.into()),
        ("behindblocks", behind(volume, blocks).into()),
        ("numfiles", integrity.and_then(|i| i.files).unwrap_or(0).into()),
        ("numdirs", integrity.and_then(|i| i.directories).unwrap_or(0).into()),
        ("udfrev", revision(least.unwrap_or(domain)).into()),
        ("udfwriterev", revision(integrity.and_then(|i| i.minimum_write).unwrap_or(0).max(domain)).into()),
    ];
    let start = volume.found().session_start.0;
    if start != 0 {
        facts.push(("startblock", start.into()));
    }
    if let Some(run) = volume.virtual_table().and_then(|table| volume.locate(table.head.entry.icb).ok()) {
        facts.push(("vatblock", run.sector.0.into()));
    }
    facts.extend([
        ("integrity", integrity_name(volume).into()),
        ("accesstype", access_name(volume).into()),
        ("softwriteprotect", yes_no(soft).into()),
        ("hardwriteprotect", yes_no(hard).into()),
    ]);
    facts.extend(streams(volume));
    facts
}

/// The streams that the volume has for itself, and those that the root directory has, if there are any.
fn streams<R: ReadAt>(volume: &Volume<R>) -> Vec<(&'static str, Value)> {
    let of_root = volume.root().and_then(|root| volume.streams(&root));
    let keys = [
        ("systemstreams", "systemstreamnames", volume.system_streams()),
        ("rootstreams", "rootstreamnames", of_root),
    ];
    let mut facts = Vec::new();
    for (count_key, names_key, directory) in keys {
        let Some(directory) = directory.transpose() else { continue };
        match directory.and_then(|directory| stream_names(volume, &directory)) {
            Ok(names) if names.is_empty() => {}
            Ok(names) => {
                let names: Vec<String> = names.iter().map(|name| text::escaped(name).into_owned()).collect();
                facts.extend([(count_key, names.len().into()), (names_key, names.join(", ").into())]);
            }
            Err(error) => facts.push((count_key, format!("damaged: {error}").into())),
        }
    }
    facts
}

fn stream_names<R: ReadAt>(volume: &Volume<R>, directory: &Entry) -> udf::Result<Vec<String>> {
    volume.directory(directory)?.live().map(|stream| Ok(stream?.name_text())).collect()
}

/// The UUID in a volume set identifier, and what follows it, by the rules that libblkid and udftools share: 16 hexadecimal
/// digits; or 8 of them and four bytes in hexadecimal; or eight bytes in hexadecimal.
fn uuid(set: &str) -> (String, &str) {
    let digits = set.bytes().take(16).take_while(u8::is_ascii_hexdigit).count();
    let hex = |from: usize, count: usize| -> String {
        let bytes = set.bytes().chain(std::iter::repeat(0)).skip(from).take(count);
        let value = bytes.fold(0u64, |value, byte| value << 8 | u64::from(byte));
        format!("{value:0width$x}", width = 2 * count)
    };
    let rest = |characters: usize| set.char_indices().nth(characters).map_or("", |(at, _)| &set[at..]);
    match digits {
        _ if set.len() < 8 => (String::new(), set),
        0..8 => (hex(0, 8), set),
        8..16 => (set[..8].to_ascii_lowercase() + &hex(8, 4), rest(8)),
        _ => (set[..16].to_ascii_lowercase(), rest(16)),
    }
}

/// Four sums modulo 256, each over every fourth byte, the first byte's in the low end.
fn windows_serial_number(file_set: &[u8]) -> u32 {
    let mut sums = [0u8; 4];
    for (byte, index) in file_set.iter().zip((0..4).cycle()) {
        sums[index] = sums[index].wrapping_add(*byte);
    }
    u32::from_le_bytes(sums)
}

/// Free and used blocks of the physical partition; on write-once media all behind the last table are free.
fn space<R: ReadAt>(volume: &Volume<R>) -> (u32, u32) {
    let reference = volume.partitions().iter().position(|partition| partition.start().is_some()).unwrap_or(0);
    let counted = volume.integrity().and_then(|integrity| integrity.free_blocks.get(reference).copied());
    let free = counted.filter(|free| *free != udf::volume::NOT_COUNTED).unwrap_or(0);
    let total = volume.partitions().get(reference).map_or(0, |partition| partition.length_blocks);
    if let Some(table) = volume.virtual_table() {
        let used = table.head.entry.icb.block.0.saturating_add(1).min(total);
        return (total - used, used);
    }
    (free, total.saturating_sub(free))
}

/// Soft and hard write protection; the hard one implies the soft one (UDF 2.1.5.3).
fn protection<R: ReadAt>(volume: &Volume<R>) -> [bool; 2] {
    let flags = volume.file_set().domain_identifier.suffix[2] | volume.logical().domain_identifier.suffix[2];
    [flags & 3 != 0, flags & 1 != 0]
}

fn revision(number: u16) -> String {
    format!("{:x}.{:02x}", number >> 8, number & 0xFF)
}

fn integrity_name<R: ReadAt>(volume: &Volume<R>) -> &'static str {
    match volume.integrity().and_then(|integrity| integrity.integrity_type) {
        _ if volume.is_consistent() => "closed",
        Some(IntegrityType::Open) => "opened",
        Some(IntegrityType::Close) => "closed",
        None => "unknown",
    }
}

fn access_name<R: ReadAt>(volume: &Volume<R>) -> &'static str {
    match volume.partitions().iter().find_map(|partition| partition.access) {
        Some(AccessType::Overwritable) => "overwritable",
        Some(AccessType::Rewritable) => "rewritable",
        Some(AccessType::WriteOnce) => "writeonce",
        Some(AccessType::ReadOnly) => "readonly",
        Some(AccessType::PseudoOverwritable) => "pseudo-overwritable",
        _ => "unknown",
    }
}

/// Blocks that serve one purpose.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Area {
    start: u32,
    blocks: u32,
    kind: &'static str,
}

impl Area {
    fn json(&self) -> Value {
        serde_json::json!({"start": self.start, "blocks": self.blocks, "type": self.kind})
    }
}

/// What lies where, in the order of places.
fn areas<R: ReadAt>(volume: &Volume<R>) -> Vec<Area> {
    let (found, block_size) = (volume.found(), volume.block_size());
    let blocks = |bytes: u32| bytes.div_ceil(block_size.bytes());
    let recognition_bytes =
        u32::try_from(found.recognition.len()).unwrap_or(0) * found.recognition_stride_bytes;
    let recognition = found.session_start.0.saturating_add(block_size.boot_area_blocks());
    let mut areas = vec![Area { start: recognition, blocks: blocks(recognition_bytes), kind: "VRS" }];
    let (main, reserve) = volume.sequences();
    let sequence = |extent: ExtentAd, kind| {
        let (start, blocks) = (extent.location.get(), blocks(extent.length.get()));
        Area { start, blocks, kind }
    };
    areas.push(sequence(main, "MVDS"));
    // Some writers have no reserve sequence and point nowhere, or to the main one.
    if reserve.location.get() != 0 && reserve.location != main.location {
        areas.push(sequence(reserve, "RVDS"));
    }
    areas.extend(volume.integrity().map(|i| Area { start: i.sector.0, blocks: 1, kind: "LVID" }));
    areas.extend(found.anchors.iter().map(|anchor| Area {
        start: anchor.sector.0,
        blocks: 1,
        kind: "ANCHOR",
    }));
    for partition in volume.partitions() {
        if let Some(start) = partition.start() {
            areas.push(Area { start: start.0, blocks: partition.length_blocks, kind: "PSPACE" });
        }
        if let PartitionKind::Sparable(sparable) = &partition.kind {
            areas.extend(sparing(volume.block_size().bytes(), sparable));
        }
    }
    areas.retain(|area| area.blocks > 0);
    areas.sort();
    areas
}

/// Sparing tables and spare packets, which are one area where they lie behind one another.
fn sparing(block_bytes: u32, sparable: &SparablePartition) -> Vec<Area> {
    let blocks = sparable.map.size_of_each_sparing_table.get().div_ceil(block_bytes);
    let mut areas: Vec<Area> =
        sparable.copies.iter().map(|copy| Area { start: copy.sector.0, blocks, kind: "STABLE" }).collect();
    let mut packets: Vec<u32> = sparable.entries().iter().map(|entry| entry.mapped_location.get()).collect();
    packets.sort_unstable();
    let packet_blocks = u32::from(sparable.map.packet_length.get());
    for start in packets {
        match areas.last_mut() {
            Some(last) if last.kind == "SSPACE" && last.start.checked_add(last.blocks) == Some(start) => {
                last.blocks = last.blocks.saturating_add(packet_blocks);
            }
            _ => areas.push(Area { start, blocks: packet_blocks, kind: "SSPACE" }),
        }
    }
    areas
}

fn behind<R: ReadAt>(volume: &Volume<R>, blocks: u64) -> u64 {
    let end = areas(volume).iter().map(|area| u64::from(area.start) + u64::from(area.blocks)).max();
    blocks.saturating_sub(end.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_as_blkid_has_them() {
        assert_eq!(uuid("6B0403D600000B08"), ("6b0403d600000b08".into(), ""));
        assert_eq!(uuid("6b0403d61ecf3e32LinuxUDF"), ("6b0403d61ecf3e32".into(), "LinuxUDF"));
        assert_eq!(uuid("3f5d2b17Nero disc"), ("3f5d2b174e65726f".into(), "Nero disc"));
        assert_eq!(uuid("Some set of volumes"), ("536f6d6520736574".into(), "Some set of volumes"));
        assert_eq!(uuid("short"), (String::new(), "short"));
        assert_eq!(uuid("日本日本"), ("e697a5e69cace697".into(), "日本日本"));
    }

    #[test]
    fn serial_numbers_as_windows_has_them() {
        assert_eq!(windows_serial_number(&[1, 2, 3, 4, 0xFF, 0, 0, 0x10]), 0x1403_0200);
    }
}
