//! What every plan begins as, whatever it is for: a new volume, or what follows a state that is there.

use std::collections::BTreeMap;

use udf::Sector;
use udf::general::{Moment, Seal};

use super::frame::Frame;
use super::heads::Heads;
use super::order::UniqueIds;
use super::space::{Shape, Spaces};
use super::{AppendSpec, Base, Layout, Plan, Spec, data_bytes};
use crate::tree::Tree;

/// What is known of a volume before anything is laid out on it.
pub(super) struct Outset {
    zone_minutes: i16,
    now: Moment,
    recorded: Moment,
    seal: Seal,
    heads: Heads,
    partition_start: Sector,
    partition_number: u16,
    base: Option<Base>,
}

impl Outset {
    /// That of a new volume; `latest` is the latest of the times in its tree.
    pub(super) fn of_new_volume(spec: &Spec, heads: Heads, partition_start: Sector, latest: Moment) -> Self {
        let descriptor_version = spec.revision.rules().descriptor_version;
        Self {
            zone_minutes: spec.zone_minutes,
            now: spec.now,
            recorded: latest.max(spec.now),
            seal: Seal { descriptor_version, serial_number: 1 },
            heads,
            partition_start,
            partition_number: 0,
            base: None,
        }
    }

    /// That of what follows `base`; `latest` is the latest of the new times in the tree.
    pub(super) fn following(base: Base, spec: &AppendSpec, heads: Heads, latest: Moment) -> Self {
        Self {
            zone_minutes: spec.zone_minutes,
            now: spec.now,
            recorded: latest.max(spec.now).max(base.recorded),
            seal: base.seal,
            heads,
            partition_start: base.partition_start,
            partition_number: base.partition_number,
            base: Some(base),
        }
    }
}

/// A tree that is laid out.
pub(super) struct Laid {
    pub(super) shape: Shape,
    pub(super) spaces: Spaces,
    pub(super) unique_ids: UniqueIds,
    pub(super) layout: Layout,
    pub(super) frame: Frame,
    /// Names of files, and directories.
    pub(super) counts: (u32, u32),
}

impl Plan {
    /// A plan without steps: its file set is where the spaces have it, its partition ends where the frame's trailer begins, and
    /// nothing of an older state is recorded again where it was.
    pub(super) fn begun(tree: &Tree, outset: Outset, laid: Laid) -> Self {
        let Outset { zone_minutes, now, recorded, seal, heads, partition_start, partition_number, base } =
            outset;
        let Laid { shape, spaces, unique_ids, layout, frame, counts: (files, directories) } = laid;
        Self {
            shape,
            zone_minutes,
            now,
            seal,
            heads,
            root_entry: spaces.icb(tree, tree.node(tree.root()).inode),
            data_bytes: data_bytes(tree, &spaces),
            file_set_block: spaces.file_set,
            spaces,
            layout,
            frame,
            partition_start,
            partition_number,
            partition_blocks: None,
            table: None,
            unique_ids,
            patches: BTreeMap::new(),
            base,
            recorded,
            files,
            directories,
            bitmaps: Vec::new(),
            metadata_bitmaps: Vec::new(),
            sparing: None,
            prepared: Vec::new(),
            steps: Vec::new(),
            end_blocks: frame.last.0 + 1,
        }
    }
}
