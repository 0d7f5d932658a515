//! The files of a volume while it is mended: what is known of each entry, which blocks are used, and in which order all is done.

use std::collections::BTreeMap;

use udf::file::{FileSetDescriptor, FileType};
use udf::general::{Descriptor, LongAd, Tag, TagIdentifier, Timestamp};
use udf::read::Volume;
use udf::volume::AccessType;
use udf::{BlockAddress, BlockSize, Place};
use zerocopy::{FromBytes, IntoBytes};

use super::body::Dangling;
use super::bytes::{Want, is_sealed, put, seal};
use super::crossed::Crossed;
use super::entry::{Facts, Form, LINKS, Loaded, OBJECT_SIZE};
use super::extents::Piece;
use super::overlay::{Changes, Overlay};
use super::plan::Phase;
use super::space::Space;
use super::{Mender, fields, own_session};

/// What an entry is on its volume, by the way that led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Root,
    Named,
    /// The directory of the streams of a file of this unique id.
    Streams(u64),
    Stream(u64),
    SystemStreams,
    SystemStream,
    Attributes,
    Metadata,
    Mirror,
    MetadataBitmap,
}

impl Role {
    pub(super) fn is_stream(self) -> bool {
        matches!(self, Self::Stream(_) | Self::SystemStream)
    }

    pub(super) fn is_metadata_file(self) -> bool {
        matches!(self, Self::Metadata | Self::Mirror | Self::MetadataBitmap)
    }

    pub(super) fn allows(self, kind: FileType) -> bool {
        match self {
            Self::Root => kind == FileType::DIRECTORY,
            Self::Named => matches!(kind.0, 4..=7 | 9 | 10 | 12 | 249),
            Self::Streams(_) | Self::SystemStreams => kind == FileType::STREAM_DIRECTORY,
            Self::Stream(_) | Self::SystemStream => matches!(kind.0, 5 | 249),
            Self::Attributes => kind == FileType::EXTENDED_ATTRIBUTES,
            Self::Metadata => kind == FileType::METADATA,
            Self::Mirror => kind == FileType::METADATA_MIRROR,
            Self::MetadataBitmap => kind == FileType::METADATA_BITMAP,
        }
    }

    pub(super) fn of_children(self) -> Self {
        match self {
            Self::Streams(owner) => Self::Stream(owner),
            Self::SystemStreams => Self::SystemStream,
            _ => Self::Named,
        }
    }
}

/// What is kept of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) facts: Facts,
    pub(super) role: Role,
    /// Names that lead to it.
    pub(super) names: u16,
    /// Of a directory: those in it.
    pub(super) subdirectories: u16,
    /// Of a directory of streams: the bytes of all of them.
    pub(super) stream_bytes: u64,
    /// The directory above; of a directory of streams the file.
    pub(super) parent: BlockAddress,
    /// Where in the parent's body its first name begins.
    pub(super) name_at: usize,
    /// Everything in it could be read.
    pub(super) whole: bool,
}

pub(super) struct Files<'m, 'd> {
    pub(super) mender: &'m mut Mender<'d>,
    pub(super) volume: &'m Volume<&'d Overlay<'d>>,
    pub(super) spaces: Vec<Space>,
    pub(super) nodes: BTreeMap<BlockAddress, Node>,
    /// Directories to be looked into.
    pub(super) jobs: Vec<BlockAddress>,
    /// Extents that are used by something else too, and the entries that have them.
    pub(super) crossed: Vec<Crossed>,
    /// Entries that were sealed only because all in them fits, as they were: what is seen later may not fit them.
    pub(super) doubtful: BTreeMap<BlockAddress, Vec<u8>>,
    pub(super) dangling: Vec<Dangling>,
    /// Nothing was passed over because it could not be understood.
    pub(super) complete: bool,
    pub(super) depth: u32,
    /// The next unique id, as far as the integrity descriptor can be believed.
    pub(super) next_id: Option<u64>,
    /// The highest id beside any name.
    pub(super) highest_beside: u32,
    pub(super) latest: Option<Timestamp>,
    /// Of a read-only partition only these sectors may be changed.
    own: Option<(u32, u32)>,
    pub(super) claims: Changes,
    pub(super) opening: Option<(u32, Vec<u8>)>,
}

impl<'m, 'd> Files<'m, 'd> {
    pub(super) fn new(mender: &'m mut Mender<'d>, volume: &'m Volume<&'d Overlay<'d>>) -> Self {
        let integrity = volume.integrity();
        let closed =
            integrity.filter(|integrity| integrity.integrity_type == Some(udf::volume::IntegrityType::Close));
        let next_id =
            closed.map(|integrity| integrity.next_unique_id).filter(|next| (16..1 << 31).contains(next));
        Self {
            own: own_session(volume),
            mender,
            volume,
            spaces: Vec::new(),
            nodes: BTreeMap::new(),
            jobs: Vec::new(),
            crossed: Vec::new(),
            doubtful: BTreeMap::new(),
            dangling: Vec::new(),
            complete: true,
            depth: 0,
            next_id,
            highest_beside: 0,
            latest: None,
            claims: Changes::new(),
            opening: None,
        }
    }

    /// Mends all that is in partitions, in an order in which each helps with the next.
    pub(super) fn mend_all(&mut self) {
        self.load_spaces();
        self.metadata_files();
        let Some(file_set) = self.file_set() else {
            self.complete = false;
            return;
        };
        self.top(file_set.root_directory_icb, Role::Root);
        if file_set.system_stream_directory_icb.bytes() > 0 {
            self.top(file_set.system_stream_directory_icb, Role::SystemStreams);
        }
        self.walk();
        self.find_lost();
        self.uncross();
        self.finish_entries();
        let free = self.record_free();
        self.close(&free);
        self.mirror();
    }

    pub(super) fn walk(&mut self) {
        while let Some(directory) = self.jobs.pop() {
            self.directory(directory);
        }
    }

    fn top(&mut self, icb: LongAd, role: Role) {
        let address = icb.start();
        let Loaded::Entry(facts) = self.load(address, role, None) else {
            self.complete = false;
            return;
        };
        self.register(address, facts, role, address, 0);
    }

    /// Notes an entry, has its streams looked at, and its names if it is a directory.
    pub(super) fn register(
        &mut self,
        icb: BlockAddress,
        facts: Facts,
        role: Role,
        parent: BlockAddress,
        name_at: usize,
    ) {
        let node =
            Node { facts, role, names: 1, subdirectories: 0, stream_bytes: 0, parent, name_at, whole: true };
        self.nodes.insert(icb, node);
        if facts.is_directory() {
            self.jobs.push(icb);
        }
        let Some(streams) = facts.streams.map(|icb| icb.start()) else { return };
        if self.nodes.contains_key(&streams) {
            return;
        }
        let role = Role::Streams(facts.unique_id);
        match self.load(streams, role, None) {
            Loaded::Entry(found) if found.is_directory() => self.register(streams, found, role, icb, 0),
            _ => self.complete = false,
        }
    }

    pub(super) fn block_size(&self) -> BlockSize {
        self.mender.block_size()
    }

    pub(super) fn mend(&mut self, rule: u8, place: impl Into<Place>, what: String) {
        self.mender.mend(rule, place, what);
    }

    /// Whether a block may be written: not one of an older session, nor of a partition that others made read-only.
    pub(super) fn may_change(&self, block: BlockAddress) -> bool {
        let Some(sector) = self.sector_of(block) else { return false };
        let access = self.spaces.get(usize::from(block.partition.0)).and_then(|space| space.access);
        match access {
            Some(AccessType::Overwritable | AccessType::Rewritable) => true,
            _ => self.own.is_some_and(|(first, last)| (first..=last).contains(&sector)),
        }
    }

    /// Writes a block, if it may be; whether it could.
    pub(super) fn rewrite(&mut self, block: BlockAddress, bytes: &[u8]) -> bool {
        let Some(sector) = self.sector_of(block).filter(|_| self.may_change(block)) else { return false };
        self.mender.overlay.put(sector, Phase::Change, bytes.to_vec());
        true
    }

    /// Changes a block that begins with a descriptor and seals it again; whether anything is changed.
    pub(super) fn edit(
        &mut self,
        block: BlockAddress,
        phase: Phase,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let Some(old) = self.block(block) else { return false };
        let Some(sector) = self.sector_of(block).filter(|_| self.may_change(block)) else { return false };
        let mut bytes = old.clone();
        change(&mut bytes);
        if bytes == old {
            return false;
        }
        if let (Some(form), Some(tag)) = (Form::of(&bytes), Tag::read(&bytes)) {
            if let Some((_, end)) = form.allocation(&bytes) {
                seal(
                    &mut bytes,
                    &Want { crc_bytes: end - Tag::LEN, ..self.mender.want(tag.kind(), block.block.0) },
                );
            }
        } else {
            udf::general::Tag::reseal(&mut bytes);
        }
        self.mender.overlay.put(sector, phase, bytes)
    }

    /// The file set descriptor, mended.
    fn file_set(&mut self) -> Option<FileSetDescriptor> {
        let extent = self.volume.logical().logical_volume_contents_use;
        let blocks = u32::try_from(self.block_size().blocks_for(extent.bytes().into())).ok()?;
        self.claim(extent.start(), blocks.max(1));
        let address = self.volume.file_set_address();
        let mut block = self.best_copy(address)?;
        let old = block.clone();
        let label = *self.volume.logical();
        let mut told: Vec<(u8, &str)> = Vec::new();
        let mut when = |changed: bool, rule, what| {
            if changed {
                told.push((rule, what));
            }
        };
        when(
            put(&mut block, 28, &[3, 0, 3, 0])
                | put(&mut block, 40, &[0; 8])
                | put(&mut block, 448, &[0; 16])
                | put(&mut block, 480, &[0; 32]),
            90,
            "fields that can have one value only",
        );
        when(put(&mut block, 32, &[1, 0, 0, 0, 1, 0, 0, 0]), 12, "character set lists");
        let cs0 = udf::general::CharSpec::OSTA_COMPRESSED_UNICODE;
        when(
            put(&mut block, 48, cs0.as_bytes()) | put(&mut block, 240, cs0.as_bytes()),
            11,
            "character sets",
        );
        when(
            put(&mut block, 112, label.logical_volume_identifier.as_bytes()),
            45,
            "the label is the logical volume's",
        );
        for (at, length, may_be_empty) in [(304, 32, false), (336, 32, true), (368, 32, true)] {
            let label = label.logical_volume_identifier.as_bytes();
            when(fields::mend_text(&mut block[at..at + length], may_be_empty, label), 13, "a text field");
        }
        when(
            put(&mut block, 416, label.domain_identifier.as_bytes()),
            16,
            "the domain is the logical volume's",
        );
        if Timestamp::read_from_bytes(&block[16..28]).is_ok_and(|time| time.moment().is_none()) {
            let time = self.volume.primary().recording_date_and_time;
            when(put(&mut block, 16, time.as_bytes()), 20, "its time is the volume's");
        }
        block[512..].fill(0);
        let want = Want { crc_bytes: 496, ..self.mender.want(TagIdentifier::FILE_SET, address.block.0) };
        if !is_sealed(&block, &want) || block != old {
            seal(&mut block, &want);
            if self.rewrite(address, &block) {
                for (rule, what) in told {
                    self.mend(rule, address, format!("file set descriptor: {what}"));
                }
            }
        }
        self.note_time(&block, 16);
        FileSetDescriptor::peek(&block, address).ok().copied()
    }

    /// Remembers the latest time of all.
    pub(super) fn note_time(&mut self, block: &[u8], at: usize) {
        let Ok(time) = Timestamp::read_from_bytes(&block[at..at + 12]) else { return };
        if time.moment().is_some() && self.latest.is_none_or(|latest| latest.moment() < time.moment()) {
            self.latest = Some(time);
        }
    }

    /// Links, object sizes and unique ids: known when every name has been seen.
    fn finish_entries(&mut self) {
        let nodes = self.nodes.clone();
        let mut owners: BTreeMap<u64, BlockAddress> = BTreeMap::new();
        for (icb, node) in &nodes {
            if node.role == Role::Named && owners.insert(node.facts.unique_id, *icb).is_some() {
                self.new_id(*icb, node);
            }
        }
        if !self.complete {
            return;
        }
        for (icb, node) in &nodes {
            if !node.whole || node.role == Role::Attributes {
                continue;
            }
            let streams = node.facts.streams.map(|streams| streams.start());
            let own = match node.role {
                Role::Streams(_) => 0,
                _ if node.facts.is_directory() => 1,
                _ => node.names,
            };
            let links = own.saturating_add(node.subdirectories).saturating_add(u16::from(streams.is_some()));
            if self.edit(*icb, Phase::Change, |bytes| {
                put(bytes, LINKS, &links.to_le_bytes());
            }) {
                self.mend(99, *icb, format!("entry: {links} names lead to it"));
            }
            let Some(streams) = streams.and_then(|streams| nodes.get(&streams)) else { continue };
            let object = node.facts.size_bytes.saturating_add(streams.stream_bytes);
            if self.edit(*icb, Phase::Change, |bytes| {
                put(bytes, OBJECT_SIZE, &object.to_le_bytes());
            }) {
                self.mend(104, *icb, format!("entry: body and streams have {object} bytes"));
            }
        }
    }

    /// An id that nobody has, for an entry whose id another has too.
    fn new_id(&mut self, icb: BlockAddress, node: &Node) {
        let id = self.highest_id().saturating_add(1);
        let changed = self.edit(icb, Phase::Change, |bytes| {
            if let Some(form) = Form::of(bytes) {
                put(bytes, form.unique_id, &id.to_le_bytes());
            }
        });
        if changed {
            if let Some(known) = self.nodes.get_mut(&icb) {
                known.facts.unique_id = id;
            }
            self.name_has_id(node.parent, node.name_at, id);
            let below = self.nodes.iter().filter(|(child, below)| {
                below.parent == icb
                    && below.facts.is_directory()
                    && **child != icb
                    && below.role == Role::Named
            });
            for directory in below.map(|(child, _)| *child).collect::<Vec<_>>() {
                // The first name leads to the parent.
                self.name_has_id(directory, 0, id);
            }
            self.mend(105, icb, format!("entry: its unique id is another's too; it gets {id}"));
        }
    }

    /// The highest unique id of any entry or name.
    pub(super) fn highest_id(&self) -> u64 {
        let entries = self.nodes.values().map(|node| node.facts.unique_id).max().unwrap_or(0);
        entries.max(self.highest_beside.into()).max(self.next_id.unwrap_or(16).saturating_sub(1)).max(15)
    }

    pub(super) fn may_change_entry(&self, piece: &Piece) -> bool {
        self.may_change(piece.place())
    }

    /// Names of files, and directories.
    pub(super) fn counts(&self) -> (u32, u32) {
        let named = self.nodes.values().filter(|node| matches!(node.role, Role::Named | Role::Root));
        let (mut files, mut directories) = (0_u32, 0_u32);
        for node in named {
            if node.facts.is_directory() {
                directories = directories.saturating_add(1);
            } else {
                files = files.saturating_add(node.names.into());
            }
        }
        (files, directories)
    }

    /// Sectors of the integrity sequence, where it begins.
    pub(super) fn integrity_extent(&self) -> (u32, u32) {
        let extent = self.volume.logical().integrity_sequence_extent;
        let sectors = extent.length.get().div_ceil(self.block_size().bytes());
        (extent.location.get(), sectors)
    }
}
