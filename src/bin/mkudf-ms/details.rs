//! What `info` tells beyond udfinfo: of one file all that its entry has, its extended attributes among it; with `-v` of a volume
//! how its free space is recorded, and the attributes of its root.

use std::io::{self, Write};

use serde_json::Value;
use udf::PartitionReference;
use udf::Place;
use udf::file::{KnownAttribute, attribute, known_attribute};
use udf::general::Timestamp;
use udf::read::{Entry, FreeForm, Freedom, ReadAt, Volume};

use crate::{facts, text};

/// No file of attributes is known to be as large as this.
const MAX_ATTRIBUTE_BYTES: u64 = 1 << 20;

/// Prints what there is to know of a file.
pub(crate) fn file<R: ReadAt>(volume: &Volume<R>, path: &str, is_json: bool) -> anyhow::Result<()> {
    let entry = volume.lookup(path)?;
    let target = volume.symlink_target(&entry).ok();
    let mut object = facts::json(path, &entry, target.as_deref(), false);
    object["icb"] = entry.icb.to_string().into();
    object["form"] = format!("{:?}", entry.form).to_lowercase().into();
    object["blocks"] = entry.blocks_recorded.into();
    object["attributes"] = attributes(volume, &entry).into();
    let mut out = io::stdout().lock();
    if is_json {
        writeln!(out, "{}", text::Json(&object))?;
        return Ok(());
    }
    for (key, value) in object.as_object().into_iter().flatten() {
        match value {
            Value::Array(lines) => lines
                .iter()
                .filter_map(Value::as_str)
                .try_for_each(|line| writeln!(out, "attribute={}", text::escaped(line)))?,
            Value::String(value) => writeln!(out, "{key}={}", text::escaped(&value.replace('\n', " ")))?,
            value => writeln!(out, "{key}={value}")?,
        }
    }
    Ok(())
}

/// What more there is to tell of a volume, each with its key.
pub(crate) fn of_volume<R: ReadAt>(volume: &Volume<R>) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    for reference in (0..=u16::MAX).take(volume.partitions().len()) {
        for set in volume.free_sets(PartitionReference(reference)) {
            let freedom = match set.freedom {
                Freedom::Unallocated => "unallocated",
                Freedom::Freed => "freed",
            };
            let form = match set.form {
                FreeForm::Table => "a table",
                FreeForm::Bitmap => "a bitmap",
                FreeForm::BitmapFile => "a bitmap file",
            };
            let what = match volume.free_blocks(&set) {
                Ok(blocks) => text::things(blocks, "block", "blocks"),
                Err(error) => format!("damaged: {error}"),
            };
            lines.push((
                "freespace",
                format!("{freedom} in partition {reference}, by {form} at {}: {what}", set.place),
            ));
        }
    }
    if let Ok(root) = volume.root() {
        lines.extend(attributes(volume, &root).into_iter().map(|line| ("rootattribute", line)));
    }
    lines
}

/// The extended attributes of an entry, and those in a file of their own, a line each.
fn attributes<R: ReadAt>(volume: &Volume<R>, entry: &Entry) -> Vec<String> {
    let mut lines = Vec::new();
    space(&entry.extended_attributes, entry.block.into(), &mut lines);
    match volume.extended_attribute_file(entry) {
        Ok(None) => {}
        Ok(Some(file)) => match volume.read_all(&file, MAX_ATTRIBUTE_BYTES) {
            Ok(bytes) => space(&bytes, file.block.into(), &mut lines),
            Err(error) => lines.push(format!("damaged: {error}")),
        },
        Err(error) => lines.push(format!("damaged: {error}")),
    }
    lines
}

fn space(bytes: &[u8], place: Place, lines: &mut Vec<String>) {
    lines.extend(attribute::iter(bytes, place).map(|found| match found {
        Ok((head, bytes)) => describe(&KnownAttribute::parse(head, bytes), bytes),
        Err(damage) => format!("damaged: {damage}"),
    }));
}

/// An attribute in words; those of UDF with a word on their checksum if it is wrong.
fn describe(known: &KnownAttribute<'_>, bytes: &[u8]) -> String {
    let printable = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let named = |bits: &'static [&'static str], times: &[(u8, Timestamp)]| {
        let each = times.iter().map(|(bit, time)| {
            let time = time.moment().map_or_else(|| String::from("unset"), facts::rfc3339);
            let name = bits.get(usize::from(*bit)).filter(|name| !name.is_empty());
            name.map_or_else(|| format!("bit {bit} {time}"), |name| format!("{name} {time}"))
        });
        each.collect::<Vec<_>>().join(", ")
    };
    let what = match known {
        KnownAttribute::CharacterSet(set, escapes) => {
            format!("character set {set}, escape sequences {}", printable(escapes))
        }
        KnownAttribute::AlternatePermissions(it) => format!(
            "alternate permissions {:#06x} of owner {}, group {}",
            it.permission, it.owner_identification, it.group_identification
        ),
        KnownAttribute::FileTimes(times) => {
            named(&["creation", "", "deletion", "effective", "", "last backup"], times)
        }
        KnownAttribute::InformationTimes(times) => {
            let bits = &["information creation", "information change", "expiration", "information effective"];
            named(bits, times)
        }
        KnownAttribute::Device(major, minor, _) => format!("device {major}, {minor}"),
        KnownAttribute::Free(bytes) => format!("{bytes} bytes that are free"),
        KnownAttribute::CopyManagement(it) => format!(
            "DVD copy management {:#04x}, structure {}, protection {}",
            it.cgms_information,
            it.data_structure_type,
            printable(&it.protection_system_information)
        ),
        KnownAttribute::Os2Length(it) => format!("OS/2 attributes of {} bytes", it.attribute_bytes),
        KnownAttribute::Os2Attributes(list) => format!("OS/2 attributes, {} bytes", list.len()),
        KnownAttribute::MacVolume(it) => {
            named(&["Macintosh volume: changed", "backup"], &[(0, it.last_modification), (1, it.last_backup)])
        }
        KnownAttribute::MacDirectory(it) => {
            format!("Macintosh directory in directory {}", it.parent_directory_id)
        }
        KnownAttribute::MacFile(it) => format!(
            "Macintosh file of type '{}', creator '{}', resource fork of {} bytes",
            printable(&it.file_type),
            printable(&it.creator),
            it.resource_fork_data_length
        ),
        KnownAttribute::MacUniqueIds(table) => {
            format!("Macintosh table of unique ids, {} bytes", table.len())
        }
        KnownAttribute::MacResourceFork(fork) => format!("Macintosh resource fork, {} bytes", fork.len()),
        KnownAttribute::Os400Directory(it) => format!("OS/400 directory information, {} bytes", it.len()),
        KnownAttribute::VirtualTableExtension(it) => {
            format!(
                "label \"{}\" of the virtual allocation table",
                it.logical_volume_identifier.decode_lossy()
            )
        }
        KnownAttribute::Implementation(whose, used) => {
            format!(
                "{} of {}",
                text::things(used.len() as u64, "byte", "bytes"),
                printable(whose.text_bytes())
            )
        }
        KnownAttribute::Application(whose, used) => format!(
            "{} of the application {}",
            text::things(used.len() as u64, "byte", "bytes"),
            printable(whose.text_bytes())
        ),
        KnownAttribute::Other(kind, bytes) => format!("of type {kind}, {} bytes", bytes.len()),
        _ => String::from("of a kind that has no words yet"),
    };
    if known_attribute::has_wrong_checksum(bytes) {
        format!("{what} (its header checksum is wrong)")
    } else {
        what
    }
}
