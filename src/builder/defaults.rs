//! What a volume is made with: everything that would otherwise come from the environment, with defaults from a medium.

use udf::general::Moment;
use udf::read::ReadAt;
use udf::{BlockSize, Revision};

use super::BuildError;
use crate::device::WriteAt;
use crate::error::Result;
use crate::media::{Medium, VolumeLayout, Writing};
use crate::plan::{Identifiers, Plan, SequentialTarget, Spec, Uuid};
use crate::session::{ImportOptions, Manner};
use crate::tree::{Attributes, Tree};

#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
/// With which properties a volume is made. Same defaults, same changes, same bytes.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The revision of a new volume.
    pub revision: Revision,
    /// The block size of a new volume: the sector size of its medium.
    pub block_size: BlockSize,
    /// Which volume a new one is. The label is `logical_volume`.
    pub identifiers: Identifiers,
    /// The time of recording, and of whatever has none of its own.
    pub now: Moment,
    /// The zone in which times are recorded, in minutes east of UTC.
    pub zone_minutes: i16,
    /// From 2.50 on: the metadata is recorded a second time, far from the first.
    pub redundant_metadata: bool,
    /// Small files are recorded inside their entries.
    pub embed: bool,
    /// Blocks of the medium, which the volume may not exceed; `None` for no limit.
    pub capacity_blocks: Option<u32>,
    /// Every write to the medium begins at a multiple of so many blocks, and is a multiple of them long.
    pub write_unit_blocks: u32,
    /// A new volume is made to be changed in place, and takes so many blocks ([`Spec::rewritable_blocks`]); `None` for one that
    /// grows by sessions.
    pub rewritable_blocks: Option<u32>,
    /// Such a volume has spare packets for those that wear out, each of so many blocks ([`Spec::packet_blocks`]).
    pub packet_blocks: Option<u16>,
    /// Such a volume is for a drive that puts elsewhere what is written again ([`Spec::pseudo_overwrite`]).
    pub pseudo_overwrite: bool,
    /// The target is a device of just `capacity_blocks` blocks, and not a file that ends where the volume ends.
    pub is_device: bool,
    /// Where the medium goes on, if it is one that is written one sector after the other. A drive says so
    /// ([`FileSystemImage::new_on`](super::FileSystemImage::new_on)).
    pub sequential: Option<SequentialTarget>,
    /// How the volume grows; `None` as its medium has it, and for an imported one as it does. One that is imported must grow so
    /// already.
    pub layout: Option<VolumeLayout>,
    /// On such a medium, the session is to be closed behind what is written: it ends with its second anchor. Logical sessions
    /// always are.
    pub closes_session: bool,
    /// A source that cannot be read, or is no longer what it was when it was added, is an error and not a warning.
    pub is_strict: bool,
    /// Owner of what has none.
    pub uid: u32,
    /// Group of what has none.
    pub gid: u32,
}

impl Defaults {
    /// What suits a medium. The UUID of a new volume is made of `now`; to have volumes of one microsecond told apart, set
    /// [`Identifiers::uuid`].
    #[must_use]
    pub fn for_medium(medium: &Medium, label: &str, now: Moment) -> Self {
        let in_packets = medium.writing == Writing::Packet;
        Self {
            revision: medium.revision,
            block_size: medium.block_size,
            identifiers: Identifiers {
                logical_volume: label.into(),
                volume: None,
                volume_set: None,
                file_set: None,
                uuid: Uuid::new(now, u32::try_from(now.microseconds.rem_euclid(1_000_000)).unwrap_or(0)),
                owner: String::new(),
                organization: String::new(),
                contact: String::new(),
                application: String::from("mkudf-ms"),
            },
            now,
            zone_minutes: 0,
            redundant_metadata: true,
            embed: true,
            capacity_blocks: medium.capacity_blocks,
            write_unit_blocks: medium.write_unit_blocks,
            rewritable_blocks: medium.capacity_blocks.filter(|_| medium.is_in_place()),
            packet_blocks: u16::try_from(medium.write_unit_blocks).ok().filter(|_| in_packets),
            pseudo_overwrite: medium.is_pseudo_overwritten(),
            is_device: false,
            sequential: None,
            layout: None,
            closes_session: false,
            is_strict: true,
            uid: u32::MAX,
            gid: u32::MAX,
        }
    }

    /// What suits a device: its sectors, and its size where that is fixed. Anything else is that of an image file.
    #[must_use]
    pub fn for_device<D: WriteAt + ReadAt>(device: &D, label: &str, now: Moment) -> Self {
        let image = Medium::find("image").unwrap_or(&crate::media::ALL[0]);
        let mut defaults = Self::for_medium(image, label, now);
        if let Some(size) = device.sector_size_bytes().and_then(BlockSize::new) {
            defaults.block_size = size;
        }
        if let Some(bytes) = device.capacity_bytes() {
            let blocks = bytes / u64::from(defaults.block_size.bytes());
            defaults.capacity_blocks = Some(u32::try_from(blocks).unwrap_or(u32::MAX));
            defaults.is_device = true;
        }
        defaults
    }

    /// How [`FileSystemImage::import`](super::FileSystemImage::import) imports with them; for [`probe`](super::probe), too.
    #[must_use]
    pub fn import_options(&self) -> ImportOptions {
        ImportOptions {
            fixed_size: self.is_device,
            manner: match self.layout {
                None | Some(VolumeLayout::PseudoOverwrite) => Manner::AsMade,
                Some(_) => Manner::Session,
            },
            write_unit_blocks: self.write_unit_blocks,
            ..ImportOptions::default()
        }
    }

    pub(super) fn spec(&self) -> Spec {
        Spec {
            revision: self.revision,
            block_size: self.block_size,
            identifiers: self.identifiers.clone(),
            now: self.now,
            zone_minutes: self.zone_minutes,
            redundant_metadata: self.redundant_metadata,
            embed: self.embed,
            device_blocks: self.capacity_blocks.filter(|_| self.is_device),
            rewritable_blocks: self.rewritable_blocks,
            packet_blocks: self.packet_blocks,
            pseudo_overwrite: self.pseudo_overwrite,
        }
    }

    /// Plans a new volume, in the layout that the medium has.
    pub(super) fn plan(&self, tree: &Tree, label: Option<&str>) -> Result<Plan> {
        let mut spec = self.spec();
        if let Some(label) = label {
            spec.identifiers.logical_volume = label.into();
        }
        match (self.sequential, self.layout) {
            (Some(target), Some(VolumeLayout::Session)) => {
                Plan::create_session(tree, &spec, &self.target(target))
            }
            (Some(target), None | Some(VolumeLayout::Vat)) => {
                Plan::create_with_table(tree, &spec, &self.target(target))
            }
            (None, None | Some(VolumeLayout::Session)) => Plan::create(tree, &spec),
            (None, Some(VolumeLayout::Sparable)) if self.packet_blocks.is_some() => Plan::create(tree, &spec),
            (None, Some(VolumeLayout::PseudoOverwrite)) if self.pseudo_overwrite => Plan::create(tree, &spec),
            (_, Some(layout)) => Err(BuildError::LayoutNotSupported { layout }.into()),
        }
    }

    /// Where a medium goes on, and whether its session is closed there.
    pub(super) fn target(&self, target: SequentialTarget) -> SequentialTarget {
        let closes_session = self.closes_session || self.layout == Some(VolumeLayout::Session);
        SequentialTarget { closes_session, ..target }
    }

    pub(super) fn file_attributes(&self) -> Attributes {
        let Self { uid, gid, now, .. } = *self;
        Attributes { mode: 0o644, uid, gid, accessed: now, modified: now, changed: now, created: now }
    }

    pub(super) fn directory_attributes(&self) -> Attributes {
        Attributes { mode: 0o755, ..self.file_attributes() }
    }
}
