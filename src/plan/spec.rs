//! What is asked of a new volume, beside its tree: everything that would otherwise come from the environment.

use udf::general::Moment;
use udf::{BlockSize, Revision};

/// A specification: same tree, same specification, same bytes.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The revision of UDF.
    pub revision: Revision,
    /// The size of a block: the sector size of the medium.
    pub block_size: BlockSize,
    /// Which volume this is.
    pub identifiers: Identifiers,
    /// The time of recording.
    pub now: Moment,
    /// The zone in which all times are recorded, in minutes east of UTC.
    pub zone_minutes: i16,
    /// From 2.50 on: the metadata is recorded a second time, far from the first.
    pub redundant_metadata: bool,
    /// Small bodies are recorded inside their file entries.
    pub embed: bool,
    /// The size of the device; `None` for an image, which ends where the volume ends.
    pub device_blocks: Option<u32>,
    /// The volume takes so many blocks, whatever is in it, and can be changed in place; `None` for one that ends behind its
    /// content and grows by sessions. Linux changes such volumes up to 2.01.
    pub rewritable_blocks: Option<u32>,
    /// Its partition is sparable: packets of so many blocks, 16 or 32, a few of them spare for those that wear out (UDF 2.2.9).
    /// Only with `rewritable_blocks`; 1.50 and 2.00, where packets always have 32 blocks, and 2.01.
    pub packet_blocks: Option<u16>,
    /// Its partition is pseudo-overwritable: the drive puts elsewhere what is written again, and keeps the account of what is free
    /// (UDF 2.60 2.2.14.2). Only with `rewritable_blocks`; 2.60.
    pub pseudo_overwrite: bool,
}

/// The texts by which a volume is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifiers {
    /// The label: logical volume identifier, at most 126 8-bit or 63 16-bit characters.
    pub logical_volume: String,
    /// Volume identifier, at most 30 or 15 characters; `None` for as much of the label as fits.
    pub volume: Option<String>,
    /// Volume set identifier after the 16 digits of the UUID; `None` for the label.
    pub volume_set: Option<String>,
    /// File set identifier, at most 30 or 15 characters; `None` for as much of the label as fits.
    pub file_set: Option<String>,
    /// What begins the volume set identifier: 16 lower-case hexadecimal digits, the first 8 those of a time (UDF 2.2.2.5).
    pub uuid: Uuid,
    /// Owner, at most 34 or 17 characters.
    pub owner: String,
    /// Organisation, at most 34 or 17 characters.
    pub organization: String,
    /// Contact, at most 34 or 17 characters.
    pub contact: String,
    /// Application, at most 23 ASCII characters, without the leading `*`.
    pub application: String,
}

/// 16 hexadecimal digits that tell volumes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uuid(pub u64);

impl Uuid {
    /// The time of recording and 32 more bits.
    #[must_use]
    pub fn new(now: Moment, rest: u32) -> Self {
        let seconds = u64::try_from(now.seconds()).unwrap_or(0) & 0xFFFF_FFFF;
        Self(seconds << 32 | u64::from(rest))
    }
}

impl std::fmt::Display for Uuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl std::str::FromStr for Uuid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let legal =
            text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase());
        legal
            .then(|| u64::from_str_radix(text, 16).ok())
            .flatten()
            .map(Self)
            .ok_or_else(|| String::from("a UUID is 16 lower-case hexadecimal digits"))
    }
}
