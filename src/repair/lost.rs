//! Entries that no name leads to, and names that lead nowhere: each other's match, or `lost+found`.

use std::collections::{BTreeMap, BTreeSet};

use udf::BlockAddress;
use udf::file::{FileIdentifierDescriptor as Identifier, FileType, characteristics};
use udf::general::{Descriptor, LongAd, ShortAd, Tag, text};
use zerocopy::IntoBytes;

use super::body::{Dangling, low};
use super::bytes::{Want, get16, get32, get64, put, seal};
use super::entry::{Facts, Form, LINKS, Loaded, OBJECT_SIZE, SIZE};
use super::files::{Files, Node, Role};
use super::plan::Phase;

const LOST_AND_FOUND: &str = "lost+found";

/// A sealed entry that no name leads to.
#[derive(Clone, Copy, Debug)]
struct Orphan {
    unique_id: u64,
    is_directory: bool,
}

/// A name to be added to a directory.
struct NewName {
    called: String,
    icb: BlockAddress,
    unique_id: u64,
    is_directory: bool,
}

impl Files<'_, '_> {
    pub(super) fn find_lost(&mut self) {
        let root = self.nodes.iter().find(|(_, node)| node.role == Role::Root).map(|(icb, _)| *icb);
        let Some(root) = root else { return };
        let mut orphans = self.orphans(root.partition.0);
        self.match_names(&mut orphans);
        // Before directories are recorded anew, so that names are where they were found.
        for name in std::mem::take(&mut self.dangling) {
            self.drop_name(&name);
        }
        if self.complete && self.is_writable(root.partition.0) {
            self.adopt(root, &mut orphans);
        }
        if !orphans.is_empty() {
            // They use blocks, whatever is thought of them.
            self.complete = false;
        }
    }

    /// Entries in blocks that are in use and that nothing leads to. Of a read-only partition none are looked for unless names
    /// have lost theirs.
    fn orphans(&self, partition: u16) -> BTreeMap<BlockAddress, Orphan> {
        let mut orphans = BTreeMap::new();
        let Some(space) = self.spaces.get(usize::from(partition)) else { return orphans };
        let writable = self.is_writable(partition);
        if writable && space.free.is_none() || !writable && self.dangling.is_empty() {
            return orphans;
        }
        for block in space.used.blocks() {
            let is_free = space.free.as_ref().is_some_and(|free| free.get(block));
            let address = BlockAddress::new(partition, block);
            if space.used.get(block) || is_free || !self.may_change(address) {
                continue;
            }
            if let Some(orphan) = self.block(address).and_then(|bytes| orphan(&bytes, address)) {
                orphans.insert(address, orphan);
            }
        }
        let known = self.known_ids();
        orphans.retain(|icb, orphan| {
            !self.is_unfinished(*icb, orphan) && !known.contains(&(orphan.unique_id, orphan.is_directory))
        });
        orphans
    }

    /// Unique ids of what has names, if no two have the same. What has one of them and no name is an older recording of that, or one
    /// that was to take its place when a change was interrupted.
    fn known_ids(&self) -> BTreeSet<(u64, bool)> {
        let named = self.nodes.values().filter(|node| matches!(node.role, Role::Root | Role::Named));
        let all: Vec<_> = named.map(|node| (node.facts.unique_id, node.facts.is_directory())).collect();
        let known: BTreeSet<_> = all.iter().copied().collect();
        if known.len() == all.len() { known } else { BTreeSet::new() }
    }

    /// Whether it is a `lost+found` that a repair had made when it was interrupted: it has an id that was never given, and
    /// only names that such a directory has.
    fn is_unfinished(&self, icb: BlockAddress, orphan: &Orphan) -> bool {
        let next = self.volume.integrity().map_or(0, |integrity| integrity.next_unique_id);
        let is_ours = |bytes: &Vec<u8>| {
            bytes[18] & characteristics::PARENT != 0
                || text::decode_lossy(name_of(bytes)) == format!("block-{}", get32(bytes, 24))
        };
        orphan.is_directory && orphan.unique_id >= next && self.identifiers(icb).iter().all(is_ours)
    }

    /// Names that say which entry they meant by its unique id.
    fn match_names(&mut self, orphans: &mut BTreeMap<BlockAddress, Orphan>) {
        for name in std::mem::take(&mut self.dangling) {
            let fits = |orphan: &Orphan| {
                name.unique_id.is_some_and(|id| low(orphan.unique_id) == id)
                    && orphan.is_directory == name.is_directory
            };
            let mut found =
                orphans.iter().filter(|(_, orphan)| fits(orphan)).map(|(icb, orphan)| (*icb, *orphan));
            let (Some((icb, orphan)), None) = (found.next(), found.next()) else {
                if !self.match_known(&name) {
                    self.dangling.push(name);
                }
                continue;
            };
            let led = self.lead_to(&name, icb, orphan.unique_id, orphan.is_directory);
            if !led || !self.take_in(icb, name.directory, name.at) {
                self.dangling.push(name);
                continue;
            }
            self.mend(139, icb, "file identifier: it leads again to the entry whose unique id it has".into());
            self.walk();
            let nodes = &self.nodes;
            orphans.retain(|icb, _| !nodes.contains_key(icb));
        }
    }

    /// A name whose entry is known, because it has another.
    fn match_known(&mut self, name: &Dangling) -> bool {
        let Some(id) = name.unique_id.filter(|_| !name.is_directory) else { return false };
        let fits = |node: &Node| {
            node.role == Role::Named && low(node.facts.unique_id) == id && !node.facts.is_directory()
        };
        let mut found =
            self.nodes.iter().filter(|(_, node)| fits(node)).map(|(icb, node)| (*icb, node.facts.unique_id));
        let (Some((icb, id)), None) = (found.next(), found.next()) else { return false };
        if !self.lead_to(name, icb, id, false) {
            return false;
        }
        self.nodes.entry(icb).and_modify(|node| node.names = node.names.saturating_add(1));
        self.mend(139, icb, "file identifier: it leads again to the entry whose unique id it has".into());
        true
    }

    /// Registers an entry that has got a name.
    fn take_in(&mut self, icb: BlockAddress, parent: BlockAddress, name_at: usize) -> bool {
        let Loaded::Entry(facts) = self.load(icb, Role::Named, None) else { return false };
        self.register(icb, facts, Role::Named, parent, name_at);
        if facts.is_directory() {
            self.nodes
                .entry(parent)
                .and_modify(|node| node.subdirectories = node.subdirectories.saturating_add(1));
        }
        true
    }

    /// A name that leads nowhere, and never will.
    fn drop_name(&mut self, name: &Dangling) {
        let certain = name.is_nothing || self.is_writable(name.directory.partition.0);
        if certain && self.delete_name(name) {
            self.mend(120, name.directory, "file identifier: what it led to is gone; it is deleted".into());
        } else {
            self.complete = false;
        }
    }

    /// Gives orphans names in `lost+found`: of those that are in directories the directories.
    fn adopt(&mut self, root: BlockAddress, orphans: &mut BTreeMap<BlockAddress, Orphan>) {
        let mut children: BTreeSet<BlockAddress> = BTreeSet::new();
        for icb in orphans.iter().filter(|(_, orphan)| orphan.is_directory).map(|(icb, _)| *icb) {
            // A parent is no child: it leads upwards.
            children.extend(self.led_to(icb).into_iter().filter(|child| *child != icb));
        }
        let tops: Vec<BlockAddress> = orphans.keys().copied().filter(|icb| !children.contains(icb)).collect();
        if tops.is_empty() {
            return;
        }
        let Some(home) = self.lost_and_found(root) else { return };
        let taken = self.names_in(home);
        let mut names = Vec::new();
        for icb in tops {
            let Some(orphan) = orphans.get(&icb).copied() else { continue };
            let called = format!("block-{}", icb.block.0);
            if taken.contains(&called) || !self.is_unshared(icb) {
                continue;
            }
            names.push(NewName {
                called,
                icb,
                unique_id: orphan.unique_id,
                is_directory: orphan.is_directory,
            });
        }
        let Some(places) = self.add_names(home, &names) else { return };
        for (name, at) in names.iter().zip(places) {
            if self.take_in(name.icb, home, at) {
                self.mend(
                    126,
                    name.icb,
                    format!("entry: no name leads to it; it becomes \"/{LOST_AND_FOUND}/{}\"", name.called),
                );
            }
        }
        self.walk();
        let nodes = &self.nodes;
        orphans.retain(|icb, _| !nodes.contains_key(icb));
    }

    /// Whether nothing that is in use belongs to an orphan too.
    fn is_unshared(&self, icb: BlockAddress) -> bool {
        let Some(entry) = self.block(icb) else { return false };
        let pieces = self.pieces(&entry, icb);
        pieces.whole
            && pieces.list.iter().all(|piece| {
                let used = self.spaces.get(usize::from(piece.start.partition.0)).map(|space| &space.used);
                let end = piece.start.block.0.saturating_add(self.blocks_of(piece));
                piece.kind == udf::general::ExtentKind::Unallocated
                    || used.is_some_and(|used| {
                        end <= used.len() && (piece.start.block.0..end).all(|block| !used.get(block))
                    })
            })
    }

    /// What the names in a directory lead to, the parent left out.
    fn led_to(&self, directory: BlockAddress) -> Vec<BlockAddress> {
        let live = |bits: u8| bits & (characteristics::DELETED | characteristics::PARENT) == 0;
        let of = |bytes: &[u8]| BlockAddress::new(get16(bytes, 28), get32(bytes, 24));
        self.identifiers(directory).iter().filter(|bytes| live(bytes[18])).map(|bytes| of(bytes)).collect()
    }

    fn names_in(&self, directory: BlockAddress) -> BTreeSet<String> {
        self.identifiers(directory).iter().map(|bytes| text::decode_lossy(name_of(bytes))).collect()
    }

    /// The file identifiers of a directory, one by one.
    fn identifiers(&self, directory: BlockAddress) -> Vec<Vec<u8>> {
        let Some(body) = self.body(directory) else { return Vec::new() };
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(len) =
            body.bytes.get(at..).and_then(|rest| Identifier::split(rest, directory).ok().map(|_| rest))
        {
            let total = Identifier::peek(len, directory).map_or(4, Identifier::total_len);
            found.push(len[..total.min(len.len())].to_vec());
            at += total;
        }
        found
    }

    /// The directory `lost+found` in the root; it is made if it is not there.
    fn lost_and_found(&mut self, root: BlockAddress) -> Option<BlockAddress> {
        for bytes in self.identifiers(root) {
            let icb = BlockAddress::new(get16(&bytes, 28), get32(&bytes, 24));
            if text::decode_lossy(name_of(&bytes)) == LOST_AND_FOUND
                && bytes[18] & characteristics::DELETED == 0
            {
                return self.known(icb).is_some_and(|facts| facts.is_directory()).then_some(icb);
            }
        }
        let icb = self.allocate(root.partition.0, 1)?;
        let unique_id = self.highest_id() + 1;
        let mut entry = self.block(root)?;
        let form = Form::of(&entry)?;
        entry[form.fixed..].fill(0);
        let mut body = Vec::new();
        let parent = LongAd::icb(self.block_size().bytes(), root, 0);
        let mark = characteristics::PARENT | characteristics::DIRECTORY;
        Identifier::new(mark, parent).append_to(&[], &[], &mut body, self.seal(), icb.block.0);
        put(&mut entry, 34, &3_u16.to_le_bytes());
        put(&mut entry, LINKS, &[1, 0]);
        put(&mut entry, form.unique_id, &unique_id.to_le_bytes());
        put(&mut entry, form.attribute_bytes, &[0; 8]);
        if form.extended {
            put(&mut entry, 152, &[0; 16]);
        }
        embed(&mut entry, form, &body);
        self.write_entry(icb, &mut entry, Phase::Fill);
        let name = NewName { called: LOST_AND_FOUND.into(), icb, unique_id, is_directory: true };
        let at = *self.add_names(root, &[name])?.first()?;
        let facts =
            Facts { kind: FileType::DIRECTORY, unique_id, size_bytes: body.len() as u64, streams: None };
        let node = Node {
            facts,
            role: Role::Named,
            names: 1,
            subdirectories: 0,
            stream_bytes: 0,
            parent: root,
            name_at: at,
            whole: true,
        };
        self.nodes.insert(icb, node);
        self.nodes.entry(root).and_modify(|node| node.subdirectories = node.subdirectories.saturating_add(1));
        self.mend(126, icb, format!("directory: \"/{LOST_AND_FOUND}\" is made"));
        Some(icb)
    }

    fn seal(&self) -> udf::general::Seal {
        udf::general::Seal { descriptor_version: self.mender.version, serial_number: self.mender.serial }
    }

    fn write_entry(&mut self, icb: BlockAddress, entry: &mut [u8], phase: Phase) {
        let (Some(form), Some(tag)) = (Form::of(entry), Tag::read(entry)) else { return };
        if let Some((_, end)) = form.allocation(entry) {
            seal(entry, &Want { crc_bytes: end - Tag::LEN, ..self.mender.want(tag.kind(), icb.block.0) });
        }
        if let Some(sector) = self.sector_of(icb) {
            self.mender.overlay.put(sector, phase, entry.to_vec());
        }
    }

    /// Adds names to a directory, by recording its body anew: within the entry if it fits, else in blocks that are free. The
    /// entry, which is one block, decides which of the bodies counts. Where the new names begin.
    fn add_names(&mut self, directory: BlockAddress, names: &[NewName]) -> Option<Vec<usize>> {
        let old: Vec<Vec<u8>> = self
            .identifiers(directory)
            .into_iter()
            .filter(|bytes| bytes[18] & characteristics::DELETED == 0)
            .collect();
        let mut entry = self.block(directory)?;
        let form = Form::of(&entry)?;
        let (start, _) = form.allocation(&entry)?;
        let has_ids = self.mender.revision.rules().streams;
        let bytes_of_block = self.block_size().bytes();
        let mut new: Vec<Vec<u8>> = old.clone();
        for name in names {
            let id = if has_ids { low(name.unique_id) } else { 0 };
            let mark = if name.is_directory { characteristics::DIRECTORY } else { 0 };
            let mut bytes = Vec::new();
            let icb = LongAd::icb(bytes_of_block, name.icb, id);
            Identifier::new(mark, icb).append_to(
                &[],
                &text::encode(&name.called),
                &mut bytes,
                self.seal(),
                0,
            );
            new.push(bytes);
        }
        let length: usize = new.iter().map(Vec::len).sum();
        let old_pieces = self.pieces(&entry, directory);
        let embedded = start + length <= entry.len();
        let blocks = u32::try_from(self.block_size().blocks_for(length as u64)).ok()?;
        let place = if embedded { directory } else { self.allocate(directory.partition.0, blocks)? };
        let mut body: Vec<u8> = Vec::new();
        let mut places = Vec::new();
        for bytes in &mut new {
            let skip = if embedded { 0 } else { u32::try_from(body.len() / self.block_size().len()).ok()? };
            let location = place.block.0.checked_add(skip)?;
            let want = Want {
                crc_bytes: bytes.len() - Tag::LEN,
                ..self.mender.want(Identifier::IDENTIFIER, location)
            };
            seal(bytes, &want);
            places.push(body.len());
            body.extend_from_slice(bytes);
        }
        if embedded {
            entry[start..].fill(0);
            let flags = get16(&entry, 34) | 7;
            put(&mut entry, 34, &(flags & !4).to_le_bytes());
            embed(&mut entry, form, &body);
        } else {
            for (skip, piece) in (0..).zip(body.chunks(self.block_size().len())) {
                let mut block = piece.to_vec();
                block.resize(self.block_size().len(), 0);
                let sector = self.sector_of(place.checked_add(skip)?)?;
                self.mender.overlay.put(sector, Phase::Fill, block);
            }
            let bytes = u32::try_from(length).ok()?;
            let extent = ShortAd::new(udf::general::ExtentKind::Recorded, bytes, place.block.0);
            let flags = get16(&entry, 34) & !7;
            put(&mut entry, 34, &flags.to_le_bytes());
            entry[start..].fill(0);
            set_lengths(&mut entry, form, length as u64, 8, blocks.into());
            put(&mut entry, start, extent.as_bytes());
        }
        self.write_entry(directory, &mut entry, Phase::Change);
        self.release(&old_pieces);
        let size = length as u64;
        self.nodes.entry(directory).and_modify(|node| node.facts.size_bytes = size);
        self.moved(directory, &new);
        Some(places[old.len()..].to_vec())
    }

    /// What the entries remember of where their names are.
    fn moved(&mut self, directory: BlockAddress, new: &[Vec<u8>]) {
        let mut at = 0;
        for bytes in new {
            let icb = BlockAddress::new(get16(bytes, 28), get32(bytes, 24));
            if let Some(node) = self.nodes.get_mut(&icb).filter(|node| node.parent == directory) {
                node.name_at = at;
            }
            at += bytes.len();
        }
    }

    fn release(&mut self, pieces: &super::extents::Pieces) {
        for piece in &pieces.list {
            let blocks = self.blocks_of(piece);
            if let Some(space) = self.spaces.get_mut(usize::from(piece.start.partition.0)) {
                let first = piece.start.block.0;
                (first..first.saturating_add(blocks)).for_each(|block| space.used.set(block, false));
            }
        }
    }
}

/// The entry in a block, if it is whole, sealed, and of a kind that has names.
fn orphan(bytes: &[u8], address: BlockAddress) -> Option<Orphan> {
    let form = Form::of(bytes)?;
    let kind = Tag::read(bytes)?.kind();
    Tag::check(bytes, kind, address.block.0, "", address).ok()?;
    form.allocation(bytes)?;
    let named = Role::Named.allows(FileType(bytes[27])) && get16(bytes, 20) == 4 && get16(bytes, LINKS) > 0;
    // Streams are their file's.
    let is_stream = get16(bytes, 34) & 1 << 13 != 0;
    let unique_id = get64(bytes, form.unique_id);
    (named && !is_stream && unique_id >= 16).then_some(Orphan { unique_id, is_directory: bytes[27] == 4 })
}

fn name_of(bytes: &[u8]) -> &[u8] {
    let start = Identifier::FIXED_LEN + usize::from(get16(bytes, 36));
    bytes.get(start..start + usize::from(bytes[19])).unwrap_or_default()
}

fn embed(entry: &mut [u8], form: Form, body: &[u8]) {
    let start = form.fixed + get32(entry, form.attribute_bytes) as usize;
    set_lengths(entry, form, body.len() as u64, u32::try_from(body.len()).unwrap_or(0), 0);
    put(entry, start, body);
}

fn set_lengths(entry: &mut [u8], form: Form, size: u64, allocation_bytes: u32, blocks: u64) {
    put(entry, SIZE, &size.to_le_bytes());
    if form.extended {
        put(entry, OBJECT_SIZE, &size.to_le_bytes());
    }
    put(entry, form.blocks_recorded, &blocks.to_le_bytes());
    put(entry, form.attribute_bytes + 4, &allocation_bytes.to_le_bytes());
}
