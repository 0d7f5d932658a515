//! File entries: new ones from a tree's attributes, kept ones from the old entry with what changed.

use udf::BlockAddress;
use udf::file::{
    AllocationForm, ExtendedFileEntry, FileEntry, FileType, IcbTag, attribute, flags, permissions,
};
use udf::general::{ExtentKind, LongAd, ShortAd, Tag, TagIdentifier, Timestamp};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::plan::record::developer;
use crate::plan::{NOWHERE, Piece, Plan, Run, Upper, is_embedded, pieces};
use crate::tree::{Attributes, Content, InodeId, Kind, Tree};

/// What stands where the allocation descriptors would be, and what it amounts to.
pub(super) struct Body {
    pub(super) form: AllocationForm,
    /// Descriptors, or the embedded body; `None` if that is in its place already.
    pub(super) bytes: Option<Vec<u8>>,
    /// Bytes of them.
    pub(super) length: usize,
    pub(super) information_length: u64,
    pub(super) blocks_recorded: u64,
}

impl Plan {
    /// The entry of an inode at a block of the metadata space. `out` holds what was fetched for it.
    pub(super) fn entry(&self, tree: &Tree, id: InodeId, location: u32, out: &mut [u8]) {
        let inode = tree.inode(id);
        if inode.kept.is_some() {
            self.kept_entry(tree, id, location, out);
            return;
        }
        let body = self.body(tree, id, location, self.shape.capacity(inode));
        let mut attributes = Vec::new();
        let developer = developer();
        let kept = self.shape.attributes(inode, self.zone_minutes);
        kept.write(&mut attributes, self.shape.rules(), self.seal, location, developer);
        let unique_id = u64::from(self.spaces.places[id.0 as usize].unique_id);
        let (kind, more_flags) = self.role(tree, id);
        let icb_tag = IcbTag::new(kind, body.form, mode_flags(inode.attributes.mode) | more_flags);
        let links = self.links(tree, id) + u16::from(tree.streams(id).is_some());
        let fixed = if self.is_extended() {
            let mut entry = ExtendedFileEntry::new_zeroed();
            entry.checkpoint = 1.into();
            entry.implementation_identifier = developer;
            entry.unique_id = unique_id.into();
            write_fixed(out, &entry)
        } else {
            let mut entry = FileEntry::new_zeroed();
            entry.checkpoint = 1.into();
            entry.implementation_identifier = developer;
            entry.unique_id = unique_id.into();
            write_fixed(out, &entry)
        };
        out[fixed..fixed + attributes.len()].copy_from_slice(&attributes);
        self.lead_to_streams(tree, id, out);
        let head =
            Head { icb_tag, links, attributes: Some(inode.attributes), attributes_len: attributes.len() };
        self.finish(out, &head, &body, location);
    }

    /// The old entry with a new body, link count or attributes.
    fn kept_entry(&self, tree: &Tree, id: InodeId, location: u32, out: &mut [u8]) {
        let inode = tree.inode(id);
        let old = Old::of(out);
        let before = self.base.as_ref().and_then(|base| base.entries.get(&id)).map(|entry| entry.attributes);
        let attributes = (before != Some(inode.attributes)).then_some(inode.attributes);
        let attributes_end = old.fixed + old.attributes_len;
        let directory = matches!(inode.content, Content::Directory(_));
        let (body, links) = if directory {
            let capacity = self.block_size().len() - attributes_end;
            (self.body(tree, id, location, capacity), self.links(tree, id) + u16::from(old.has_streams))
        } else {
            let body = Body {
                form: old.icb_tag.allocation_form().unwrap_or(AllocationForm::Short),
                bytes: None,
                length: old.body_len,
                information_length: old.information_length,
                blocks_recorded: old.blocks_recorded,
            };
            let links = old.links.saturating_add_signed(inode.kept.map_or(0, |kept| kept.link_change));
            let gets_streams = !old.has_streams && tree.streams(id).is_some();
            (body, links.saturating_add(u16::from(gets_streams)))
        };
        let mode = attributes.map(|attributes| mode_flags(attributes.mode));
        let modes = flags::SET_UID | flags::SET_GID | flags::STICKY;
        let kept_flags = old.icb_tag.flags.get() & !flags::ALLOCATION_FORM;
        let new_flags = mode.map_or(kept_flags, |mode| kept_flags & !modes | mode) | body.form.bits();
        let icb_tag = IcbTag { flags: new_flags.into(), ..old.icb_tag };
        if let (Some(attributes), false) = (attributes, old.is_extended()) {
            // Where an entry has no field for it, the time of creation is an extended attribute, if the entry has one at all.
            let created = Timestamp::new(attributes.created, self.zone_minutes);
            attribute::set_creation(&mut out[old.fixed..attributes_end], created);
        }
        self.seal_attributes(&mut out[old.fixed..attributes_end], location);
        if body.bytes.is_some() {
            out[attributes_end..].fill(0);
        }
        self.lead_to_streams(tree, id, out);
        let head = Head { icb_tag, links, attributes, attributes_len: old.attributes_len };
        self.finish(out, &head, &body, location);
    }

    /// Fills in what fresh and kept entries share, and seals.
    pub(super) fn finish(&self, out: &mut [u8], head: &Head, body: &Body, location: u32) {
        let extended = Tag::read(out).is_some_and(|tag| tag.kind() == TagIdentifier::EXTENDED_FILE_ENTRY);
        let stamp = |moment| Timestamp::new(moment, self.zone_minutes);
        let length = u32::try_from(body.length).unwrap_or(u32::MAX);
        let attributes_len = u32::try_from(head.attributes_len).unwrap_or(u32::MAX);
        macro_rules! common {
            ($entry:ident) => {
                // Who changed it last (UDF 2.1.5).
                $entry.implementation_identifier = developer();
                $entry.icb_tag = head.icb_tag;
                $entry.file_link_count = head.links.into();
                $entry.information_length = body.information_length.into();
                $entry.logical_blocks_recorded = body.blocks_recorded.into();
                $entry.length_of_extended_attributes = attributes_len.into();
                $entry.length_of_allocation_descriptors = length.into();
                if let Some(attributes) = head.attributes {
                    $entry.uid = attributes.uid.into();
                    $entry.gid = attributes.gid.into();
                    $entry.permissions = permissions::from_mode(u32::from(attributes.mode)).into();
                    $entry.access_date_and_time = stamp(attributes.accessed);
                    $entry.modification_date_and_time = stamp(attributes.modified);
                    $entry.attribute_date_and_time = stamp(attributes.changed);
                }
            };
        }
        let fixed = if extended {
            let (entry, _) = ExtendedFileEntry::mut_from_prefix(out).expect("a block holds it");
            let streams = entry.object_size.get().saturating_sub(entry.information_length.get());
            common!(entry);
            entry.object_size = body.information_length.saturating_add(streams).into();
            if let Some(attributes) = head.attributes {
                entry.creation_date_and_time = stamp(attributes.created);
            }
            size_of::<ExtendedFileEntry>()
        } else {
            let (entry, _) = FileEntry::mut_from_prefix(out).expect("a block holds it");
            common!(entry);
            size_of::<FileEntry>()
        };
        let start = fixed + head.attributes_len;
        if let Some(bytes) = &body.bytes {
            out[start..start + bytes.len()].copy_from_slice(bytes);
        }
        let identifier =
            if extended { TagIdentifier::EXTENDED_FILE_ENTRY } else { TagIdentifier::FILE_ENTRY };
        Tag::seal(&mut out[..start + body.length], identifier, self.seal, location);
    }

    /// The file type and the flags of what is new: named streams and their directory are told by them.
    fn role(&self, tree: &Tree, id: InodeId) -> (FileType, u16) {
        match (tree.inode(id).kind, self.spaces.owners.contains_key(&id)) {
            (Kind::Directory, true) => (FileType::STREAM_DIRECTORY, 0),
            (kind, true) => (file_type(kind), flags::STREAM),
            (kind, false) => (file_type(kind), 0),
        }
    }

    /// Lets an entry, of which the fixed part is there, lead to the directory of its named streams, if that is recorded; and
    /// counts what is new in it and what is gone (ECMA-167 4/14.17.11, 4/14.17.22).
    fn lead_to_streams(&self, tree: &Tree, id: InodeId, out: &mut [u8]) {
        let Some(streams) = tree.streams(id) else { return };
        let directory = tree.node(streams.node).inode;
        let place = self.spaces.places[directory.index()];
        if place.icb == NOWHERE {
            return;
        }
        let Ok((entry, _)) = ExtendedFileEntry::mut_from_prefix(out) else { return };
        entry.stream_directory_icb = self.inode_icb(tree, directory, place.unique_id);
        let inodes = tree.children(streams.node).iter().map(|stream| tree.node(*stream).inode);
        let new_bytes: u64 = inodes.map(|stream| tree.size_bytes(stream)).sum();
        let old = self.base.as_ref().and_then(|base| base.entries.get(&id));
        let left = entry.object_size.get().saturating_sub(old.map_or(0, |old| old.lost_stream_bytes));
        entry.object_size = left.saturating_add(new_bytes).into();
    }

    /// Links of a fresh inode, or of a directory: itself and the directories in it (ECMA-167 4/14.9.6).
    fn links(&self, tree: &Tree, id: InodeId) -> u16 {
        let inode = tree.inode(id);
        let count = match tree.directory_node(id) {
            // Only its file leads there, and that is no name.
            Some(_) if self.spaces.owners.contains_key(&id) => 0,
            Some(node) => {
                let children = tree.children(node).iter();
                1 + children.filter(|child| tree.inode_of(**child).kind == Kind::Directory).count()
            }
            None => inode.links as usize,
        };
        u16::try_from(count).unwrap_or(u16::MAX)
    }

    fn body(&self, tree: &Tree, id: InodeId, location: u32, capacity: usize) -> Body {
        let inode = tree.inode(id);
        match inode.content {
            Content::Directory(_) => self.directory_body(tree, id, location),
            Content::Target(_) => {
                let target = &self.spaces.targets[&id];
                if target.len() <= capacity {
                    embedded(target.clone())
                } else {
                    self.extents(tree, id, target.len() as u64)
                }
            }
            Content::Memory(body) if is_embedded(tree.body(body).len() as u64, capacity, self.shape) => {
                embedded(tree.body(body).to_vec())
            }
            Content::Host(_) | Content::Input(_)
                if is_embedded(tree.size_bytes(id), capacity, self.shape) =>
            {
                let information_length = tree.size_bytes(id);
                let length = super::to_usize(information_length);
                Body { bytes: None, length, information_length, ..embedded(Vec::new()) }
            }
            Content::Host(_) | Content::Memory(_) | Content::Input(_) => {
                self.extents(tree, id, tree.size_bytes(id))
            }
            Content::Device(..) | Content::None => embedded(Vec::new()),
        }
    }

    fn directory_body(&self, tree: &Tree, id: InodeId, location: u32) -> Body {
        let index = self.spaces.places[id.0 as usize].body;
        if index == NOWHERE {
            let node = tree.directory_node(id).unwrap_or(tree.root());
            return embedded(self.embedded_directory(tree, node, location));
        }
        let body = &self.spaces.bodies[index as usize];
        let size = self.block_size();
        let longest = u64::from(size.max_extent_bytes());
        // A virtual extent ends with its block, so these are of the partition underneath.
        let is_long = self.shape.upper == Upper::Virtual;
        let first = self.spaces.block(body.first);
        let mut bytes = Vec::new();
        for index in 0..body.bytes.div_ceil(longest) {
            let length = (body.bytes - index * longest).min(longest);
            let block = first + u32::try_from(size.blocks_for(index * longest)).unwrap_or(0);
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            if is_long {
                let start = BlockAddress::new(0, block);
                bytes.extend_from_slice(LongAd::new(ExtentKind::Recorded, length, start).as_bytes());
            } else {
                bytes.extend_from_slice(ShortAd::new(ExtentKind::Recorded, length, block).as_bytes());
            }
        }
        Body {
            form: if is_long { AllocationForm::Long } else { AllocationForm::Short },
            length: bytes.len(),
            bytes: Some(bytes),
            information_length: body.bytes,
            blocks_recorded: size.blocks_for(body.bytes),
        }
    }

    fn extents(&self, tree: &Tree, id: InodeId, size_bytes: u64) -> Body {
        let mut parts = self.descriptor_parts(tree, id);
        let first = if parts.is_empty() { Vec::new() } else { parts.swap_remove(0) };
        let recorded: u64 = self
            .file_pieces(tree, id)
            .filter(|piece| piece.kind == ExtentKind::Recorded)
            .map(|piece| self.block_size().blocks_for(u64::from(piece.bytes)))
            .sum();
        Body {
            form: if self.shape.long_descriptors() { AllocationForm::Long } else { AllocationForm::Short },
            length: first.len(),
            bytes: Some(first),
            information_length: size_bytes,
            blocks_recorded: recorded,
        }
    }

    fn file_pieces<'a>(&'a self, tree: &'a Tree, id: InodeId) -> Box<dyn Iterator<Item = Piece> + 'a> {
        match self.spaces.targets.get(&id) {
            Some(target) => {
                let bytes = u32::try_from(target.len()).unwrap_or(u32::MAX);
                Box::new(std::iter::once(Piece { kind: ExtentKind::Recorded, bytes, block: 0 }))
            }
            None => Box::new(pieces(tree, id, self.block_size())),
        }
    }

    /// A piece of a file, cut where what lies together ends: kind, bytes and first block of each part.
    fn placed(&self, id: InodeId, piece: Piece) -> Vec<(ExtentKind, u32, u32)> {
        if piece.kind != ExtentKind::Recorded {
            return vec![(piece.kind, piece.bytes, 0)];
        }
        let size = self.block_size();
        let first = self.spaces.places[id.0 as usize].body + piece.block;
        let blocks = u32::try_from(size.blocks_for(piece.bytes.into())).unwrap_or(0);
        let mut left = u64::from(piece.bytes);
        let part = |run: Run| {
            let bytes = size.bytes_in(run.blocks).min(left);
            left -= bytes;
            (piece.kind, u32::try_from(bytes).unwrap_or(u32::MAX), run.block)
        };
        self.spaces.data_runs(self.layout.data, first, blocks).into_iter().map(part).collect()
    }

    /// The allocation descriptors of a file: those in its entry, then those in each allocation extent.
    pub(super) fn descriptor_parts(&self, tree: &Tree, id: InodeId) -> Vec<Vec<u8>> {
        let all: Vec<Vec<u8>> = self
            .file_pieces(tree, id)
            .flat_map(|piece| self.placed(id, piece))
            .map(|(kind, bytes, block)| self.descriptor(kind, bytes, BlockAddress::new(0, block)))
            .collect();
        let Some(chain) = self.spaces.chains.get(&id) else { return vec![all.concat()] };
        let mut room = self.shape.capacity(tree.inode(id)) / self.shape.descriptor_len();
        let (mut parts, mut rest) = (Vec::new(), all.as_slice());
        for block in chain.first.. {
            if rest.len() <= room {
                parts.push(rest.concat());
                break;
            }
            let (here, there) = rest.split_at(room - 1);
            let next = BlockAddress::new(self.body_reference(), self.spaces.block(block));
            let mut part = here.concat();
            part.extend(self.descriptor(ExtentKind::Continuation, self.block_size().bytes(), next));
            parts.push(part);
            (rest, room) = (there, self.shape.descriptors_in_extent());
        }
        parts
    }

    fn descriptor(&self, kind: ExtentKind, bytes: u32, start: BlockAddress) -> Vec<u8> {
        if self.shape.long_descriptors() {
            LongAd::new(kind, bytes, start).as_bytes().to_vec()
        } else {
            ShortAd::new(kind, bytes, start.block.0).as_bytes().to_vec()
        }
    }

    /// The beginnings of an entry that belongs to the volume itself.
    pub(super) fn nobodys_entry(&self) -> ExtendedFileEntry {
        let now = Timestamp::new(self.now, self.zone_minutes);
        let mut entry = ExtendedFileEntry::new_zeroed();
        entry.uid = u32::MAX.into();
        entry.gid = u32::MAX.into();
        entry.access_date_and_time = now;
        entry.modification_date_and_time = now;
        entry.creation_date_and_time = now;
        entry.attribute_date_and_time = now;
        entry.checkpoint = 1.into();
        entry.implementation_identifier = developer();
        entry
    }

    /// The entry of the metadata file or of its mirror (UDF 2.2.13.1): it belongs to nobody and has no name.
    pub(super) fn metadata_file_entry(&self, mirror: bool, out: &mut [u8]) {
        let Some(file) = &self.layout.metadata else { return };
        let (runs, location) =
            if mirror { (&file.mirror, file.mirror_entry) } else { (&file.main, file.main_entry) };
        let size = self.block_size();
        let bytes: Vec<u8> = runs
            .iter()
            .flat_map(|run| {
                let length = u32::try_from(size.bytes_in(run.blocks)).unwrap_or(u32::MAX);
                ShortAd::new(ExtentKind::Recorded, length, run.block).as_bytes().to_vec()
            })
            .collect();
        let information_length = size.bytes_in(file.blocks);
        write_fixed(out, &self.nobodys_entry());
        let kind = if mirror { FileType::METADATA_MIRROR } else { FileType::METADATA };
        let icb_tag = IcbTag::new(kind, AllocationForm::Short, 0);
        let body = Body {
            form: AllocationForm::Short,
            length: bytes.len(),
            bytes: Some(bytes),
            information_length,
            blocks_recorded: u64::from(file.blocks),
        };
        let head = Head { icb_tag, links: 0, attributes: None, attributes_len: 0 };
        self.finish(out, &head, &body, location);
    }
}

/// What an entry has beside its body.
pub(super) struct Head {
    pub(super) icb_tag: IcbTag,
    pub(super) links: u16,
    /// `None`: they stay as they are.
    pub(super) attributes: Option<Attributes>,
    pub(super) attributes_len: usize,
}

/// What is needed of an old entry.
struct Old {
    fixed: usize,
    attributes_len: usize,
    body_len: usize,
    icb_tag: IcbTag,
    links: u16,
    information_length: u64,
    blocks_recorded: u64,
    has_streams: bool,
}

impl Old {
    fn is_extended(&self) -> bool {
        self.fixed == size_of::<ExtendedFileEntry>()
    }

    fn of(block: &[u8]) -> Self {
        macro_rules! read {
            ($kind:ident, $has_streams:expr) => {{
                let (entry, _) = $kind::ref_from_prefix(block).expect("a block holds it");
                Self {
                    fixed: size_of::<$kind>(),
                    attributes_len: entry.length_of_extended_attributes.get() as usize,
                    body_len: entry.length_of_allocation_descriptors.get() as usize,
                    icb_tag: entry.icb_tag,
                    links: entry.file_link_count.get(),
                    information_length: entry.information_length.get(),
                    blocks_recorded: entry.logical_blocks_recorded.get(),
                    has_streams: $has_streams(entry),
                }
            }};
        }
        let old = if Tag::read(block).is_some_and(|tag| tag.kind() == TagIdentifier::EXTENDED_FILE_ENTRY) {
            read!(ExtendedFileEntry, |entry: &ExtendedFileEntry| entry.stream_directory_icb.bytes() != 0)
        } else {
            read!(FileEntry, |_: &FileEntry| false)
        };
        // The import has checked these lengths; the block may still have changed on the device since.
        let room = block.len() - old.fixed;
        let attributes_len = old.attributes_len.min(room);
        Self { attributes_len, body_len: old.body_len.min(room - attributes_len), ..old }
    }
}

/// Writes a fixed part with the tag identifier of its kind, for [`Plan::finish`] to go on with.
pub(super) fn write_fixed<T: udf::general::Descriptor>(out: &mut [u8], entry: &T) -> usize {
    let fixed = size_of::<T>();
    out[..fixed].copy_from_slice(entry.as_bytes());
    out[..2].copy_from_slice(&T::IDENTIFIER.0.to_le_bytes());
    fixed
}

pub(super) fn embedded(bytes: Vec<u8>) -> Body {
    let length = bytes.len();
    let form = AllocationForm::Embedded;
    Body { form, length, information_length: length as u64, blocks_recorded: 0, bytes: Some(bytes) }
}

fn file_type(kind: Kind) -> FileType {
    match kind {
        Kind::Directory => FileType::DIRECTORY,
        Kind::File => FileType::REGULAR,
        Kind::SymbolicLink => FileType::SYMBOLIC_LINK,
        Kind::BlockDevice => FileType::BLOCK_DEVICE,
        Kind::CharacterDevice => FileType::CHARACTER_DEVICE,
        Kind::Fifo => FileType::FIFO,
        Kind::Socket => FileType::SOCKET,
    }
}

/// The bits of a mode that the flags of an ICB tag hold (ECMA-167 4/14.6.8).
fn mode_flags(mode: u16) -> u16 {
    [(0o4000, flags::SET_UID), (0o2000, flags::SET_GID), (0o1000, flags::STICKY)]
        .into_iter()
        .filter(|(bit, _)| mode & bit != 0)
        .fold(0, |all, (_, flag)| all | flag)
}
