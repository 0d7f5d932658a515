//! From the newest session to a tree of what it holds, read only as far as somebody asks.

use std::collections::{HashMap, HashSet};

use udf::BlockAddress;
use udf::file::{FileType, Strategy};
use udf::general::{ExtentAd, LongAd, Moment, Timestamp};
use udf::read::{DirectoryEntry, Entry, OpenOptions, PartitionKind, ReadAt, Volume};

use super::free::free_start;
use super::history::{Session, sessions};
use super::in_place::{is_pseudo_overwritable, is_rewritable, unless_changeable};
use super::refuse::{physical_start, unless_anchored, unless_appendable, unless_closed, unless_known};
use super::tables::virtual_partition;
use crate::error::{Error, Result, Warning};
use crate::media::multisession::PseudoOverwrite;
use crate::plan::{KeptEntry, SequentialTarget};
use crate::scan::{Existing, Facts, Sameness};
use crate::tree::{Attributes, Content, InodeId, Kept, Kind, Name, NodeId, Tree, path_names};

/// How a volume grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// Behind what is there: nothing of that is written over.
    #[default]
    Session,
    /// In the free blocks of its partition; what is no longer needed becomes free.
    InPlace,
    /// In place if the volume is made for that, and else by a session.
    AsMade,
}

/// How a session is imported.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportOptions {
    /// How the newest session is opened.
    pub open: OpenOptions,
    /// The target is a device, whose size is fixed, and not an image file, which grows.
    pub fixed_size: bool,
    /// How a volume grows that could be written in place.
    pub manner: Manner,
    /// Where one is changed in place, so many blocks are lost together if the power fails while one of them is written; 0 for one.
    pub write_unit_blocks: u32,
    /// A volume is changed in place though its integrity is open, and a session is appended to one that could be written in place.
    pub force: bool,
    /// The tree is that of the session of this number, and not of the newest: the next session goes back to it.
    pub tree_of: Option<u32>,
    /// The same, of a session that nothing may lead to: how it is opened ([`search`](super::search)). Counts before `tree_of`.
    pub tree_opened_by: Option<OpenOptions>,
    /// Where the medium goes on, if it is one that is written one sector after the other. Without it, a volume with a virtual
    /// allocation table goes on at the end of its image.
    pub sequential: Option<SequentialTarget>,
    /// What the drive says of a disc in pseudo-overwrite. Without it, such a volume is one in an image, which goes on behind its data.
    pub pseudo_overwrite: Option<PseudoOverwrite>,
}

/// A session of a volume, to be built on by the next one: as a rule the newest.
#[derive(Debug)]
pub struct Import<R> {
    /// As it is in the session that the tree is taken from.
    pub(super) volume: Volume<R>,
    pub(super) newest: Newest,
    pub(super) all_ours: bool,
    pub(super) fixed_size: bool,
    pub(super) sequential: Option<SequentialTarget>,
    /// It is changed in place, and so many blocks are lost together.
    pub(super) in_place: Option<u32>,
    /// What the drive says of it, if it is on a disc in pseudo-overwrite.
    pub(super) pseudo_overwrite: Option<PseudoOverwrite>,
    pub(super) entries: HashMap<InodeId, KeptEntry>,
    pub(super) further_names: HashMap<NodeId, (u32, u8)>,
    /// Kept files by their ICB: what several names stand for is one inode.
    pub(super) files: HashMap<BlockAddress, InodeId>,
    /// Directories that have been read, by their ICB.
    entered: HashSet<BlockAddress>,
    /// Kept files whose link count changes though none of their names is in the tree.
    pub(super) relinked: Vec<InodeId>,
    pub(super) warnings: Vec<Warning>,
}

/// What the next session goes on from, whichever session its tree is taken from.
#[derive(Debug)]
pub(super) struct Newest {
    pub(super) session: Session,
    pub(super) sequences: (ExtentAd, ExtentAd),
    pub(super) next_unique_id: u64,
    pub(super) recorded: Moment,
    partition_start: u32,
    /// Blocks of its first partition.
    pub(super) partition_blocks: u32,
    /// The ICB of its virtual allocation table, in the partition underneath.
    pub(super) table_icb: Option<u32>,
    /// The first sector after everything that any session needs.
    pub(super) free_start: u32,
}

impl Newest {
    fn new<R: ReadAt>(
        volume: &Volume<R>,
        session: Session,
        options: &ImportOptions,
        is_in_place: bool,
    ) -> Result<Self> {
        let integrity = volume.integrity();
        let free_start = match options.sequential {
            _ if is_in_place => 0,
            Some(target) => target.next_writable.0,
            None => free_start(volume, &session, options.fixed_size)?,
        };
        Ok(Self {
            sequences: volume.sequences(),
            next_unique_id: integrity.map_or(0, |integrity| integrity.next_unique_id),
            recorded: integrity.and_then(|integrity| integrity.recorded.moment()).unwrap_or_default(),
            partition_start: physical_start(volume).unwrap_or(0),
            partition_blocks: volume.partitions().first().map_or(0, |partition| partition.length_blocks),
            table_icb: volume.virtual_table().map(|table| table.head.entry.icb.block.0),
            free_start,
            session,
        })
    }
}

impl<R: ReadAt> Import<R> {
    /// Opens the newest session, unless nothing can be appended to it: then the error says why, and what to do.
    pub fn open(device: R, options: &ImportOptions) -> Result<Self> {
        let mut all = sessions(&device, &options.open)?;
        let all_ours = all.iter().all(|session| session.ours);
        let Some(session) = all.pop() else {
            return Err(Error::Options(String::from("the volume has no session")));
        };
        let older = options.tree_of.filter(|number| *number != session.number);
        let older = match options.tree_opened_by {
            None => older.map(|number| older_session(&all, &session, number)).transpose()?,
            known => known,
        };
        let mut volume = Volume::open(device, &options.open)?;
        let is_in_place = match options.manner {
            Manner::Session => false,
            Manner::InPlace => true,
            Manner::AsMade => is_rewritable(&volume) && options.sequential.is_none(),
        };
        if options.pseudo_overwrite.is_some() && !(is_in_place && is_pseudo_overwritable(&volume)) {
            return Err(Error::refused(
                "the disc is in pseudo-overwrite, and the volume on it is not, or is not changed in place",
                "copy the disc to an image, and change that; or make a new volume from its files",
            ));
        }
        if is_in_place {
            if older.is_some() {
                return Err(Error::refused(
                    "a volume that is changed in place has no older sessions to go back to",
                    "take the files from the older state: mkudf-ms extract --session",
                ));
            }
            unless_changeable(&volume)?;
            unless_closed(&volume, options.force)?;
        } else {
            unless_appendable(&volume, options.force, options.sequential.is_some())?;
            let begins_session = options.sequential.is_some_and(|target| target.begins_session);
            if virtual_partition(&volume).is_some() && !begins_session {
                unless_anchored(&volume)?;
            }
        }
        unless_behind(&session, options.sequential)?;
        let in_place = is_in_place.then_some(options.write_unit_blocks.max(1));
        let newest = Newest::new(&volume, session, options, is_in_place)?;
        if let Some(open) = older {
            volume = Volume::open(volume.into_device(), &open)?;
            unless_same_partition(&volume, &newest)?;
        }
        Ok(Self {
            volume,
            newest,
            all_ours,
            fixed_size: options.fixed_size,
            sequential: options.sequential,
            in_place,
            pseudo_overwrite: options.pseudo_overwrite,
            entries: HashMap::new(),
            further_names: HashMap::new(),
            files: HashMap::new(),
            entered: HashSet::new(),
            relinked: Vec::new(),
            warnings: Vec::new(),
        })
    }

    /// The volume as it is.
    pub fn volume(&self) -> &Volume<R> {
        &self.volume
    }

    /// The newest session.
    pub fn session(&self) -> &Session {
        &self.newest.session
    }

    /// What the session holds. Where entries stay where they are, in a metadata or virtual partition, only the root is read; elsewhere all
    /// directories are, because each names its parent's entry and moves with it.
    pub fn tree(&mut self) -> Result<Tree> {
        let mut tree = Tree::new(Attributes::default());
        let root = tree.root();
        let icb = self.volume.root_icb();
        let inode = tree.node(root).inode;
        tree.inode_mut(inode).kept = Some(kept(&icb, 0));
        self.read_directory(&mut tree, root)?;
        if self.entries_move() {
            let mut stack = vec![root];
            while let Some(directory) = stack.pop() {
                let inside = tree.children(directory).iter().copied();
                let below: Vec<_> = inside.filter(|id| tree.inode_of(*id).kind == Kind::Directory).collect();
                for directory in &below {
                    self.read_directory(&mut tree, *directory)?;
                }
                stack.extend(below);
            }
        }
        Ok(tree)
    }

    /// Whether an entry that changes goes elsewhere, and so gets another number.
    pub(super) fn entries_move(&self) -> bool {
        self.in_place.is_some() || !self.has_upper_partition()
    }

    /// Whether entries have numbers of their own, in a metadata or a virtual partition, that stay when they move.
    pub(super) fn has_upper_partition(&self) -> bool {
        let is_upper =
            |kind: &PartitionKind| matches!(kind, PartitionKind::Metadata(_) | PartitionKind::Virtual(_));
        self.volume.partitions().iter().any(|partition| is_upper(&partition.kind))
    }

    /// Takes a path out of the tree, and all below it.
    pub fn remove(&mut self, tree: &mut Tree, path: &str) -> Result<()> {
        let not_found = || Error::Volume(udf::Error::NotFound(path.into()));
        let mut at = tree.root();
        for name in path_names(path) {
            let inode = tree.inode_of(at);
            if inode.kind == Kind::Directory && matches!(inode.content, Content::None) {
                self.read_directory(tree, at)?;
            }
            let name = Name::new(name).map_err(|_| not_found())?;
            at = tree.child(at, &name).ok_or_else(not_found)?;
        }
        if at == tree.root() {
            return Err(Error::refused("the root directory cannot be removed", "name what is in it"));
        }
        let parent = tree.node(at).parent;
        tree.unlink(at);
        mark_changed(tree, parent);
        Ok(())
    }

    fn read_directory(&mut self, tree: &mut Tree, node: NodeId) -> Result<()> {
        let inode = tree.node(node).inode;
        let Some(kept) = tree.inode(inode).kept else { return Ok(()) };
        let entry = self.volume.entry(&kept.entry_icb())?;
        if !entry.is_directory() {
            return Err(Error::Volume(udf::Error::NotADirectory(tree.path(node))));
        }
        // Otherwise a directory that is in itself would be a tree without end.
        if !self.entered.insert(kept.icb) {
            return Err(Error::refused(
                format!("the directory {:?} is in itself, or has a second name elsewhere", tree.path(node)),
                "mend the volume first (mkudf-ms repair), or extract its files and make a new one",
            ));
        }
        let facts = self.facts(&entry)?;
        tree.open_directory(node, facts.attributes);
        self.entries.insert(inode, facts);
        // The iterator borrows the volume, and adding names needs all of this import.
        let mut names = self.volume.directory(&entry)?.live();
        let mut found = Vec::new();
        for name in names.by_ref() {
            found.push(name?);
        }
        drop(names);
        for name in &found {
            self.add_name(tree, node, name)?;
        }
        Ok(())
    }

    /// What rewriting an entry needs to know of it.
    pub(super) fn facts(&self, entry: &Entry) -> Result<KeptEntry> {
        if entry.strategy != Strategy::Single {
            return Err(Error::refused(
                format!("the entry at {} is of strategy 4096, which is not written", entry.icb),
                "make a new volume from the files: extract them, then create",
            ));
        }
        let size = self.volume.block_size();
        let fixed = if entry.extended {
            size_of::<udf::file::ExtendedFileEntry>()
        } else {
            size_of::<udf::file::FileEntry>()
        };
        let room = size.len().saturating_sub(fixed).saturating_sub(entry.extended_attributes.len());
        Ok(KeptEntry {
            offset_bytes: size.offset_of(self.volume.locate(entry.block)?.sector),
            mirror: self.mirror_of(entry.block)?,
            capacity_bytes: u32::try_from(room).unwrap_or(0),
            attributes: attributes(entry),
            has_attributes: !entry.extended_attributes.is_empty(),
            has_streams: entry.stream_directory.is_some(),
            lost_stream_bytes: 0,
        })
    }

    fn add_name(&mut self, tree: &mut Tree, directory: NodeId, found: &DirectoryEntry) -> Result<()> {
        let address = found.icb.start();
        let expected = u16::from(self.has_upper_partition());
        if address.partition.0 != expected {
            return Err(Error::refused(
                format!("{:?} has its entry at {address}, outside the metadata", found.name_text()),
                "make a new volume from the files: extract them, then create",
            ));
        }
        let known = if found.is_directory() { None } else { self.files.get(&address).copied() };
        let inode = known.unwrap_or_else(|| {
            let kind = if found.is_directory() { Kind::Directory } else { Kind::File };
            let inode = tree.add_inode(kind, Attributes::default(), Content::None);
            tree.inode_mut(inode).kept = Some(kept(&found.icb, found.characteristics));
            inode
        });
        if !found.is_directory() {
            self.files.insert(address, inode);
        }
        let node = self.link(tree, directory, found, inode);
        if known.is_some() {
            self.further_names.insert(node, (found.icb.unique_id.get(), found.characteristics));
        }
        Ok(())
    }

    /// Links a name as it is; one that is there already, which no directory should have, under a name of its own.
    fn link(&mut self, tree: &mut Tree, directory: NodeId, found: &DirectoryEntry, inode: InodeId) -> NodeId {
        let mut name = Name::from_volume(&found.name);
        for attempt in 1.. {
            match tree.link(directory, &name, inode) {
                Ok(node) if attempt == 1 => return node,
                Ok(node) => {
                    let warning = Warning::NameChanged {
                        path: tree.path(directory).into(),
                        why: format!("the volume has {:?} twice there", found.name_text()),
                        recorded: tree.name_text(node),
                    };
                    self.warnings.push(warning);
                    return node;
                }
                Err(_) => name = Name::mangled(found.name_text().as_bytes(), attempt),
            }
        }
        unreachable!("some number makes the name unique")
    }
}

impl<R: ReadAt> Existing for Import<R> {
    fn load(&mut self, tree: &mut Tree, directory: NodeId) -> Result<()> {
        self.read_directory(tree, directory)
    }

    fn compare(&mut self, tree: &Tree, node: NodeId, facts: &Facts<'_>) -> Result<Sameness> {
        let Some(kept) = tree.inode_of(node).kept else { return Ok(Sameness::Other) };
        let entry = self.volume.entry(&kept.entry_icb())?;
        let Some(kind) = kind_of(entry.kind) else { return Ok(Sameness::Other) };
        let same_content = match kind {
            Kind::File => entry.size_bytes == facts.size_bytes,
            Kind::SymbolicLink => self.volume.symlink_target(&entry)? == facts.target,
            Kind::BlockDevice | Kind::CharacterDevice => entry.device == Some(facts.device),
            Kind::Directory | Kind::Fifo | Kind::Socket => true,
        };
        let old = attributes(&entry);
        if kind != facts.kind || !same_content || old.modified != facts.attributes.modified {
            return Ok(Sameness::Other);
        }
        let owner = |of: &Attributes| (of.mode, of.uid, of.gid);
        Ok(if owner(&old) == owner(facts.attributes) { Sameness::All } else { Sameness::Content })
    }
}

/// An error unless block addresses of the session that the tree is taken from mean the same in the newest, and in the next.
fn unless_same_partition<R: ReadAt>(volume: &Volume<R>, newest: &Newest) -> Result<()> {
    unless_known(volume)?;
    if physical_start(volume) == Some(newest.partition_start) {
        return Ok(());
    }
    Err(Error::refused(
        "the partition of that session begins elsewhere than that of the newest",
        "extract the files of that session, and append them",
    ))
}

/// How to open the session of a number, one of `all` but the newest.
fn older_session(all: &[Session], newest: &Session, number: u32) -> Result<OpenOptions> {
    let found = all.iter().find(|session| session.number == number);
    found.map(|session| session.open).ok_or_else(|| {
        let reason = format!("there is no session {number}: the volume has {}", newest.number);
        Error::refused(reason, "see which there are: mkudf-ms sessions")
    })
}

/// Notes that the entry of a kept inode has to be recorded anew.
pub(super) fn mark_changed(tree: &mut Tree, node: NodeId) {
    let inode = tree.node(node).inode;
    if let Some(kept) = &mut tree.inode_mut(inode).kept {
        kept.changed = true;
    }
}

pub(super) fn kept(icb: &LongAd, characteristics: u8) -> Kept {
    Kept {
        icb: icb.start(),
        icb_bytes: icb.bytes(),
        unique_id: icb.unique_id.get(),
        characteristics,
        link_change: 0,
        changed: false,
    }
}

pub(crate) fn kind_of(kind: FileType) -> Option<Kind> {
    match kind {
        FileType::DIRECTORY => Some(Kind::Directory),
        FileType::REGULAR | FileType::REAL_TIME | FileType::UNSPECIFIED => Some(Kind::File),
        FileType::SYMBOLIC_LINK => Some(Kind::SymbolicLink),
        FileType::BLOCK_DEVICE => Some(Kind::BlockDevice),
        FileType::CHARACTER_DEVICE => Some(Kind::CharacterDevice),
        FileType::FIFO => Some(Kind::Fifo),
        FileType::SOCKET => Some(Kind::Socket),
        _ => None,
    }
}

pub(crate) fn attributes(entry: &Entry) -> Attributes {
    let modified = moment(&entry.modified);
    Attributes {
        mode: u16::try_from(entry.mode() & 0o7777).unwrap_or(0),
        uid: entry.uid,
        gid: entry.gid,
        accessed: moment(&entry.accessed),
        modified,
        changed: moment(&entry.attributes_changed),
        created: entry.created.as_ref().map_or(modified, moment),
    }
}

fn moment(timestamp: &Timestamp) -> Moment {
    timestamp.moment().unwrap_or_default()
}

/// An error if the place where a medium is said to go on is inside the newest session.
fn unless_behind(newest: &Session, target: Option<SequentialTarget>) -> Result<()> {
    match (target, newest.end) {
        (Some(target), Some(end)) if target.next_writable.0 < end => Err(Error::refused(
            format!(
                "the next session is to begin at {}, but the newest one reaches to {}",
                target.next_writable,
                udf::Sector(end.saturating_sub(1))
            ),
            "ask the drive, or mkudf-ms sessions --print-next, where it begins",
        )),
        _ => Ok(()),
    }
}
