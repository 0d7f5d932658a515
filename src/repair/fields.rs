//! Fields of volume descriptors that can have one value only, or are told elsewhere: a table, and the few that need thought.

use udf::Place;
use udf::general::{CharSpec, EntityIdentifier, TagIdentifier, text};
use udf::revision::Revision;
use zerocopy::IntoBytes;

use super::Mender;
use super::bytes::{get16, get32, is_zero, mend_developer, put};
use super::sequences::{Recorded, missing};
use crate::plan::record::developer;

const PRIMARY: TagIdentifier = TagIdentifier::PRIMARY_VOLUME;
const LOGICAL: TagIdentifier = TagIdentifier::LOGICAL_VOLUME;
const PARTITION: TagIdentifier = TagIdentifier::PARTITION;
const INFORMATION: TagIdentifier = TagIdentifier::IMPLEMENTATION_USE_VOLUME;

/// Kind, offset, what must be there, the rule, and the field's name.
type Constant = (TagIdentifier, usize, &'static [u8], u8, &'static str);

const CONSTANTS: &[Constant] = &[
    (PRIMARY, 20, &[0; 4], 39, "primary volume descriptor number"),
    (PRIMARY, 64, &[1, 0, 0, 0], 12, "character set list"),
    (PRIMARY, 68, &[1, 0, 0, 0], 12, "maximum character set list"),
    (PRIMARY, 490, &[0; 22], 44, "reserved bytes"),
    (LOGICAL, 216, &[0], 16, "flags of the domain identifier"),
    (PARTITION, 20, &[1, 0], 47, "partition flags"),
    (PARTITION, 24, &[0], 16, "flags of the partition contents"),
    (PARTITION, 56 + 16, &[0; 8], 53, "partition integrity table"),
];

/// Character sets, of which there is one.
const CHARACTER_SETS: [(TagIdentifier, usize); 4] =
    [(PRIMARY, 200), (PRIMARY, 264), (LOGICAL, 20), (INFORMATION, 52)];

/// Identifiers of implementations.
const DEVELOPERS: [(TagIdentifier, usize); 4] =
    [(PRIMARY, 388), (LOGICAL, 272), (PARTITION, 196), (INFORMATION, 352)];

/// Text fields, their lengths, and whether they may be empty.
const TEXTS: [(TagIdentifier, usize, usize, bool); 6] = [
    (PRIMARY, 24, 32, false),
    (LOGICAL, 84, 128, false),
    (INFORMATION, 116, 128, false),
    (INFORMATION, 244, 36, true),
    (INFORMATION, 280, 36, true),
    (INFORMATION, 316, 36, true),
];

/// Mends what can be mended of the descriptors of a sequence.
pub(super) fn mend(mender: &mut Mender<'_>, all: &mut Vec<Recorded>) {
    let Some(logical) = all.iter().find(|one| one.kind == LOGICAL).map(|one| one.bytes.clone()) else {
        return;
    };
    complete(mender, all, &logical);
    for one in all.iter_mut() {
        let mut tell = |rule: u8, what: &str| {
            mender.mend(rule, Place::Within, format!("{}: {what}", name(one.kind)));
        };
        for (_, at, right, rule, field) in CONSTANTS.iter().filter(|(kind, ..)| *kind == one.kind) {
            if put(&mut one.bytes, *at, right) {
                tell(*rule, &format!("{field} can only be {right:?}"));
            }
        }
        for (_, at) in CHARACTER_SETS.iter().filter(|(kind, _)| *kind == one.kind) {
            if put(&mut one.bytes, *at, CharSpec::OSTA_COMPRESSED_UNICODE.as_bytes()) {
                tell(11, "the character set can only be CS0");
            }
        }
        if one.kind == INFORMATION && !is_information(&one.bytes) {
            continue;
        }
        for (_, at) in DEVELOPERS.iter().filter(|(kind, _)| *kind == one.kind) {
            if let Some(rule) = mend_developer(&mut one.bytes, *at) {
                tell(rule, "the implementation identifier is ours now");
            }
        }
        for (_, at, length, may_be_empty) in TEXTS.iter().filter(|(kind, ..)| *kind == one.kind) {
            if mend_text(&mut one.bytes[*at..*at + *length], *may_be_empty, &logical[84..212]) {
                tell(13, "a text field is not what text must be; it is cut, or emptied, or holds the label");
            }
        }
    }
    for one in all.iter_mut() {
        match one.kind {
            PRIMARY => primary(mender, &mut one.bytes),
            LOGICAL => mend_logical(mender, &mut one.bytes),
            PARTITION => partition(mender, &mut one.bytes),
            INFORMATION if is_information(&one.bytes) && put(&mut one.bytes, 116, &logical[84..212]) => {
                mender.mend(
                    45,
                    Place::Within,
                    "implementation use volume descriptor: the label is the logical volume's".into(),
                );
            }
            _ => {}
        }
    }
    relations(mender, all);
}

/// What must be there and can be made.
fn complete(mender: &mut Mender<'_>, all: &mut Vec<Recorded>, logical: &[u8]) {
    let number = all.iter().map(|one| get32(&one.bytes, 16)).max().unwrap_or(0).saturating_add(1);
    let has_information = all.iter().any(|one| one.kind == INFORMATION && is_information(&one.bytes));
    let has_unallocated = all.iter().any(|one| one.kind == TagIdentifier::UNALLOCATED_SPACE);
    for (has, kind) in [(has_unallocated, TagIdentifier::UNALLOCATED_SPACE), (has_information, INFORMATION)] {
        if !has {
            all.push(missing(kind, number, logical, mender.revision));
            mender.mend(35, Place::Within, format!("{}: there is none; it is made", name(kind)));
        }
    }
}

fn primary(mender: &mut Mender<'_>, bytes: &mut [u8]) {
    let mut tell =
        |rule, what: &str| mender.mend(rule, Place::Within, format!("primary volume descriptor: {what}"));
    let (number, most) = (get16(bytes, 56), get16(bytes, 58));
    if number == 0 || number > most {
        put(bytes, 56, &[1, 0]);
        put(bytes, 58, &most.max(1).to_le_bytes());
        tell(40, "it is volume 1 of its set");
    }
    let (level, most) = (get16(bytes, 60), get16(bytes, 62));
    if !(2..=3).contains(&level) || level > most || !(2..=3).contains(&most) {
        let level = if get16(bytes, 58) > 1 { 3_u16 } else { 2 };
        put(bytes, 60, &level.to_le_bytes());
        put(bytes, 62, &if (level..=3).contains(&most) { most } else { level }.to_le_bytes());
        tell(41, "the interchange level follows from the number of volumes");
    }
    let flags = get16(bytes, 488);
    if flags > 1 {
        put(bytes, 488, &(flags & 1).to_le_bytes());
        tell(43, "flags that have no meaning are cleared");
    }
    if bytes[345..].starts_with(b"*UDF") || bytes[345..].starts_with(b"*OSTA") {
        put(bytes, 344, EntityIdentifier::EMPTY.as_bytes());
        tell(18, "the application identifier was one that only UDF may give; it is emptied");
    }
}

fn mend_logical(mender: &mut Mender<'_>, bytes: &mut [u8]) {
    let block = mender.block_size().bytes();
    let mut tell =
        |rule, what: &str| mender.mend(rule, Place::Within, format!("logical volume descriptor: {what}"));
    if put(bytes, 212, &block.to_le_bytes()) {
        tell(58, "the block size is that at which the anchors lie");
    }
    let table = bytes.len();
    let (mut at, mut maps) = (440, 0_u32);
    while let Some([kind, length]) = bytes.get(at..at + 2).and_then(|head| <[u8; 2]>::try_from(head).ok()) {
        if length < 2 || at + usize::from(length) > table {
            break;
        }
        if kind == 2 && bytes[at + 5..].starts_with(EntityIdentifier::METADATA_PARTITION.as_bytes()) {
            if put(bytes, at + 2, &[0; 2]) | put(bytes, at + 59, &[0; 5]) {
                tell(59, "reserved bytes of the metadata map are cleared");
            }
            if bytes[at + 58] > 1 {
                bytes[at + 58] &= 1;
                tell(63, "flags of the metadata map that have no meaning are cleared");
            }
        }
        (at, maps) = (at + usize::from(length), maps + 1);
    }
    if at == table && maps > 0 && put(bytes, 268, &maps.to_le_bytes()) {
        tell(59, "the number of partition maps is how many there are");
    }
}

fn partition(mender: &mut Mender<'_>, bytes: &mut [u8]) {
    let contents = mender.revision.rules().partition_contents.as_bytes();
    let mut field = [0; 23];
    field[..contents.len()].copy_from_slice(contents);
    if put(bytes, 25, &field) {
        mender.mend(48, Place::Within, "partition descriptor: the contents follow from the revision".into());
    }
    // A bitmap is what every writer expects.
    let (table, bitmap) = (56, 64);
    if get32(bytes, bitmap) > 0 && (put(bytes, table, &[0; 8]) | put(bytes, 80, &[0; 8])) {
        mender.mend(
            54,
            Place::Within,
            "partition descriptor: beside a bitmap there is no table of free space".into(),
        );
    }
}

/// What one descriptor says of another.
fn relations(mender: &mut Mender<'_>, all: &mut [Recorded]) {
    let numbers: Vec<u16> =
        all.iter().filter(|one| one.kind == PARTITION).map(|one| get16(&one.bytes, 22)).collect();
    let access: Vec<u32> =
        all.iter().filter(|one| one.kind == PARTITION).map(|one| get32(&one.bytes, 184)).collect();
    let partitions: Vec<(u64, u64)> = all
        .iter()
        .filter(|one| one.kind == PARTITION)
        .map(|one| (u64::from(get32(&one.bytes, 188)), u64::from(get32(&one.bytes, 192))))
        .collect();
    let len = u64::from(mender.block_size().bytes());
    for one in all {
        if one.kind == LOGICAL {
            let mut at = 440;
            while let Some([kind, length]) =
                one.bytes.get(at..at + 2).and_then(|head| <[u8; 2]>::try_from(head).ok())
            {
                if length < 2 {
                    break;
                }
                if put(&mut one.bytes, at + if kind == 1 { 2 } else { 36 }, &[1, 0]) {
                    mender.mend(
                        60,
                        Place::Within,
                        "logical volume descriptor: its partition is of volume 1".into(),
                    );
                }
                let field = at + if kind == 1 { 4 } else { 38 };
                let number = get16(&one.bytes, field);
                if let [only] = numbers[..]
                    && number != only
                    && put(&mut one.bytes, field, &only.to_le_bytes())
                {
                    mender.mend(
                        60,
                        Place::Within,
                        "logical volume descriptor: its map names the only partition there is".into(),
                    );
                }
                let identifier = one.bytes.get(at + 5..).unwrap_or_default();
                let is_metadata =
                    kind == 2 && identifier.starts_with(EntityIdentifier::METADATA_PARTITION.as_bytes());
                if is_metadata && access == [1] && put(&mut one.bytes, at + 48, &u32::MAX.to_le_bytes()) {
                    let what = "logical volume descriptor: where nothing can be allocated there is no metadata bitmap file";
                    mender.mend(87, Place::Within, what.into());
                }
                at += usize::from(length);
            }
        }
        if one.kind == TagIdentifier::UNALLOCATED_SPACE {
            let extents = one.bytes[24..].to_vec();
            let sound = |extent: &&[u8]| {
                let (bytes, first) = (u64::from(get32(extent, 0)), u64::from(get32(extent, 4)));
                let end = first + bytes.div_ceil(len);
                bytes > 0 && partitions.iter().all(|(start, length)| end <= *start || start + length <= first)
            };
            let kept: Vec<&[u8]> = extents.chunks_exact(8).filter(sound).collect();
            if kept.len() * 8 != extents.len() {
                put(&mut one.bytes, 20, &u32::try_from(kept.len()).unwrap_or(0).to_le_bytes());
                one.bytes.truncate(24);
                one.bytes.extend(kept.concat());
                let what = "unallocated space descriptor: extents that are in partitions are none of its";
                mender.mend(46, Place::Within, what.into());
            }
        }
    }
}

fn is_information(bytes: &[u8]) -> bool {
    bytes[21..].starts_with(EntityIdentifier::LOGICAL_VOLUME_INFORMATION.as_bytes())
}

/// The fields of UDF's implementation use descriptor, for a volume of this label.
pub(super) fn information(bytes: &mut [u8], logical: &[u8], revision: Revision) {
    let identifier = EntityIdentifier::udf(EntityIdentifier::LOGICAL_VOLUME_INFORMATION, revision);
    put(bytes, 20, identifier.as_bytes());
    put(bytes, 52, CharSpec::OSTA_COMPRESSED_UNICODE.as_bytes());
    put(bytes, 116, &logical[84..212]);
    put(bytes, 352, developer().as_bytes());
}

/// Makes a text field legal, if it is not; whether it was not.
pub(super) fn mend_text(field: &mut [u8], may_be_empty: bool, label: &[u8]) -> bool {
    let last = field.len() - 1;
    let used = usize::from(field[last]);
    let empty = is_zero(field);
    let legal = (2..=last).contains(&used)
        && matches!(field[0], 8 | 16)
        && text::decode(&field[..used]).is_ok()
        && is_zero(&field[used..last]);
    if legal || empty && may_be_empty {
        return false;
    }
    let old = field.to_vec();
    let content = field[..last].iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    if !empty && content >= 2 && matches!(field[0], 8 | 16) && text::decode(&field[..content]).is_ok() {
        field[last] = u8::try_from(content).unwrap_or(0);
    } else {
        field.fill(0);
        if !may_be_empty {
            let used = usize::from(label[label.len() - 1]).min(label.len() - 1);
            let decoded = text::decode_lossy(&label[..used]);
            let mut encoded = text::encode(if decoded.is_empty() { "volume" } else { &decoded });
            let most = if encoded[0] == 16 { last & !1 | 1 } else { last };
            encoded.truncate(most.min(last - (last + 1) % 2 * usize::from(encoded[0] == 16)));
            field[..encoded.len()].copy_from_slice(&encoded);
            field[last] = u8::try_from(encoded.len()).unwrap_or(0);
        }
    }
    field != old
}

fn name(kind: TagIdentifier) -> &'static str {
    match kind {
        PRIMARY => "primary volume descriptor",
        LOGICAL => "logical volume descriptor",
        PARTITION => "partition descriptor",
        INFORMATION => "implementation use volume descriptor",
        TagIdentifier::UNALLOCATED_SPACE => "unallocated space descriptor",
        _ => "volume descriptor",
    }
}
