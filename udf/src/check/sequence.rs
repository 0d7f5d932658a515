//! The volume descriptor sequences: what is in each, and whether both hold the same (R034 to R037).

use alloc::{collections::BTreeMap, vec, vec::Vec};

use super::context::{At, Context};
use super::seal::{CrcLength, Expected, Sealed};
use crate::general::{Descriptor, EntityIdentifier, ExtentAd, Tag, TagIdentifier};
use crate::read::ReadAt;
use crate::units::Sector;
use crate::volume::{
    ImplementationUseVolumeDescriptor, LogicalVolumeDescriptor, PartitionDescriptor, PrimaryVolumeDescriptor,
    TerminatingDescriptor, UnallocatedSpaceDescriptor, VolumeDescriptorPointer,
};

pub(super) const MAIN: &str = "main volume descriptor sequence";
pub(super) const RESERVE: &str = "reserve volume descriptor sequence";

/// Extents that a sequence may be spread over, as in Linux.
const MAX_EXTENTS: u32 = 64;
/// Sectors looked at in one extent: sequences have tens of descriptors, never thousands.
const MAX_SECTORS: u32 = 1024;
/// Different descriptors kept of a sequence.
const MAX_KINDS: usize = 64;

/// What tells descriptors of one kind apart (ECMA-167 3/8.4.3): only one of each prevails.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    identifier: TagIdentifier,
    /// The fields that must be equal.
    fields: Vec<u8>,
}

/// A descriptor of a sequence.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) sector: Sector,
    /// The descriptor with its tag, without what follows it in its block.
    pub(super) bytes: Vec<u8>,
    sound: bool,
}

/// The descriptors that prevail in a sequence.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    descriptors: BTreeMap<Kind, Recorded>,
    /// Something in it could not be understood, so that nothing can be said of what lacks.
    damaged: bool,
}

enum Next {
    Sectors(u32),
    Extent(ExtentAd),
    End,
}

impl Recorded {
    /// The volume descriptor sequence number, which all but terminating descriptors have behind their tag.
    fn number(&self) -> u32 {
        let bytes = self.bytes.get(Tag::LEN..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    fn content(&self) -> &[u8] {
        self.bytes.get(Tag::LEN..).unwrap_or_default()
    }

    /// The descriptor as what it is.
    pub(super) fn view<T: Descriptor>(&self) -> Option<&T> {
        T::peek(&self.bytes, self.sector).ok()
    }

    /// Where it lies, for findings.
    pub(super) fn at<T: Descriptor>(&self) -> At {
        At::new(T::NAME, self.sector)
    }
}

impl Sequence {
    /// Those of one kind.
    pub(super) fn all<T: Descriptor>(&self) -> impl Iterator<Item = &Recorded> {
        self.descriptors.iter().filter(|(kind, _)| kind.identifier == T::IDENTIFIER).map(|(_, found)| found)
    }

    fn has(&self, identifier: TagIdentifier) -> bool {
        self.descriptors.keys().any(|kind| kind.identifier == identifier)
    }

    /// The `*UDF LV Info` descriptor.
    pub(super) fn information(&self) -> impl Iterator<Item = &Recorded> {
        self.all::<ImplementationUseVolumeDescriptor>().filter(|recorded| {
            recorded.view::<ImplementationUseVolumeDescriptor>().is_some_and(|descriptor| {
                descriptor.implementation_identifier.is(EntityIdentifier::LOGICAL_VOLUME_INFORMATION)
            })
        })
    }
}

impl<R: ReadAt> Context<'_, R> {
    /// Reads a sequence, over all its extents.
    pub(super) fn sequence(&mut self, name: &'static str, first: ExtentAd) -> Sequence {
        let mut sequence = Sequence::default();
        let mut extent = first;
        for _ in 0..MAX_EXTENTS {
            if !self.takes(name, extent.start(), extent.length.get().into()) {
                break;
            }
            match self.sequence_extent(name, extent, &mut sequence) {
                Some(next) => extent = next,
                None => break,
            }
        }
        if sequence.descriptors.is_empty() && !sequence.damaged {
            self.error(37, At::new(name, first.start()), format_args!("there is not a single descriptor"));
            sequence.damaged = true;
        }
        self.completeness(At::new(name, first.start()), &sequence);
        sequence
    }

    fn sequence_extent(
        &mut self,
        name: &'static str,
        extent: ExtentAd,
        sequence: &mut Sequence,
    ) -> Option<ExtentAd> {
        let count = extent.length.get().div_ceil(self.block_size.bytes()).min(MAX_SECTORS);
        let mut done = 0;
        while done < count {
            let sector = extent.start().checked_add(done)?;
            match self.descriptor(name, sector, count.saturating_sub(done), sequence) {
                Next::Sectors(sectors) => done = done.saturating_add(sectors),
                Next::Extent(next) => return Some(next),
                Next::End => return None,
            }
        }
        None
    }

    /// Looks at the descriptor at a sector, of which `room` more are in the extent.
    fn descriptor(&mut self, name: &'static str, sector: Sector, room: u32, sequence: &mut Sequence) -> Next {
        let mut block = vec![0; self.block_size.len()];
        if !self.read(At::new(name, sector), sector, &mut block) {
            sequence.damaged = true;
            return Next::End;
        }
        let tag = Tag::read(&block).unwrap_or_default();
        if tag == Tag::default() {
            return Next::End;
        }
        let Some((structure, bytes)) = shape(&block, tag.kind()) else {
            let kind = tag.identifier;
            self.error(37, At::new(name, sector), format_args!("no place for tag identifier {kind}"));
            sequence.damaged = true;
            return Next::Sectors(1);
        };
        let at = At::new(structure, sector);
        let sectors = self.block_size.blocks_for(bytes as u64);
        let Some(sectors) = u32::try_from(sectors).ok().filter(|sectors| *sectors <= room) else {
            let rule = if tag.kind() == TagIdentifier::LOGICAL_VOLUME { 59 } else { 46 };
            self.error(rule, at, format_args!("{bytes} bytes long, more than the sequence has left"));
            sequence.damaged = true;
            return Next::Sectors(1);
        };
        if sectors > 1 {
            block.resize(self.block_size.len().saturating_mul(sectors as usize), 0);
            if !self.read(at, sector, &mut block) {
                sequence.damaged = true;
                return Next::End;
            }
        }
        let expected = Expected { kind: tag.kind(), location: sector.0, bytes, crc: CrcLength::Whole };
        let sound = self.seal(at, &block, expected) == Sealed::Sound;
        self.zeros_behind(at, &block, bytes);
        block.truncate(bytes);
        match tag.kind() {
            TagIdentifier::TERMINATING => return Next::End,
            TagIdentifier::VOLUME_POINTER => {
                let next = VolumeDescriptorPointer::peek(&block, sector);
                return next
                    .map_or(Next::End, |next| Next::Extent(next.next_volume_descriptor_sequence_extent));
            }
            kind => self.keep(at, kind, Recorded { sector, bytes: block, sound }, sequence),
        }
        Next::Sectors(sectors)
    }

    /// Keeps a descriptor if it prevails over those of its kind so far (ECMA-167 3/8.4.3).
    fn keep(&mut self, at: At, identifier: TagIdentifier, new: Recorded, sequence: &mut Sequence) {
        sequence.damaged |= !new.sound;
        let kind = Kind { identifier, fields: identity(&new.bytes, identifier) };
        let full = sequence.descriptors.len() >= MAX_KINDS;
        match sequence.descriptors.get_mut(&kind) {
            None if full => sequence.damaged = true,
            None => {
                sequence.descriptors.insert(kind, new);
            }
            Some(old) => {
                let differs = new.number() == old.number() && new.content() != old.content();
                if differs && new.sound && old.sound {
                    let (number, other) = (new.number(), old.sector);
                    self.error(36, at, format_args!("number {number} like the different one at {other}"));
                }
                if new.number() >= old.number() {
                    *old = new;
                }
            }
        }
    }

    /// What must be there once, or at least once.
    fn completeness(&mut self, at: At, sequence: &Sequence) {
        if sequence.damaged {
            return;
        }
        let numbers = [
            (sequence.all::<PrimaryVolumeDescriptor>().count(), PrimaryVolumeDescriptor::NAME),
            (sequence.all::<LogicalVolumeDescriptor>().count(), LogicalVolumeDescriptor::NAME),
            (sequence.all::<UnallocatedSpaceDescriptor>().count(), UnallocatedSpaceDescriptor::NAME),
            (sequence.information().count(), "*UDF LV Info descriptor"),
            (sequence.all::<PartitionDescriptor>().count().min(1), PartitionDescriptor::NAME),
        ];
        for (number, name) in numbers {
            match number {
                1 => {}
                0 => self.error(35, at, format_args!("no {name}")),
                _ => self.error(35, at, format_args!("{number} different {name}s prevail, must be one")),
            }
        }
    }

    /// Both sequences must hold the same. What is damaged in one has been told, and is not compared.
    pub(super) fn equivalence(&mut self, main: &Sequence, reserve: &Sequence) {
        for (kind, one) in &main.descriptors {
            match reserve.descriptors.get(kind) {
                Some(other) if one.sound && other.sound && one.content() != other.content() => {
                    self.differs(one, kind, "a different one");
                }
                None if reserve.has(kind.identifier) => self.differs(one, kind, "a different one"),
                None if !reserve.damaged => self.differs(one, kind, "none of its kind"),
                _ => {}
            }
        }
        for (kind, one) in &reserve.descriptors {
            if !main.has(kind.identifier) && !main.damaged {
                self.differs(one, kind, "none of its kind");
            }
        }
    }

    fn differs(&mut self, recorded: &Recorded, kind: &Kind, other: &str) {
        let structure = shape(&recorded.bytes, kind.identifier).map_or("descriptor", |(name, _)| name);
        let at = At::new(structure, recorded.sector);
        self.error(34, at, format_args!("the other sequence has {other}"));
    }
}

/// The name and length in bytes of a descriptor that may be in a sequence.
fn shape(bytes: &[u8], kind: TagIdentifier) -> Option<(&'static str, usize)> {
    fn fixed<T: Descriptor>() -> (&'static str, usize) {
        (T::NAME, size_of::<T>())
    }
    let more = |(name, fixed): (&'static str, usize), count: u32, each: usize| {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        (name, count.saturating_mul(each).saturating_add(fixed))
    };
    Some(match kind {
        TagIdentifier::PRIMARY_VOLUME => fixed::<PrimaryVolumeDescriptor>(),
        TagIdentifier::VOLUME_POINTER => fixed::<VolumeDescriptorPointer>(),
        TagIdentifier::IMPLEMENTATION_USE_VOLUME => fixed::<ImplementationUseVolumeDescriptor>(),
        TagIdentifier::PARTITION => fixed::<PartitionDescriptor>(),
        TagIdentifier::TERMINATING => fixed::<TerminatingDescriptor>(),
        TagIdentifier::LOGICAL_VOLUME => {
            let maps = LogicalVolumeDescriptor::peek(bytes, Sector(0)).ok()?.map_table_length.get();
            more(fixed::<LogicalVolumeDescriptor>(), maps, 1)
        }
        TagIdentifier::UNALLOCATED_SPACE => {
            let descriptor = UnallocatedSpaceDescriptor::peek(bytes, Sector(0)).ok()?;
            let extents = descriptor.number_of_allocation_descriptors.get();
            more(fixed::<UnallocatedSpaceDescriptor>(), extents, size_of::<ExtentAd>())
        }
        _ => return None,
    })
}

/// The fields that descriptors of one kind share (ECMA-167 3/8.4.3).
fn identity(bytes: &[u8], kind: TagIdentifier) -> Vec<u8> {
    let (one, other) = match kind {
        // Number and volume identifier; volume set identifier and character set.
        TagIdentifier::PRIMARY_VOLUME => (20..56, 72..264),
        // The implementation identifier without its suffix.
        TagIdentifier::IMPLEMENTATION_USE_VOLUME => (20..44, 0..0),
        // The partition number.
        TagIdentifier::PARTITION => (22..24, 0..0),
        // Character set and logical volume identifier.
        TagIdentifier::LOGICAL_VOLUME => (20..212, 0..0),
        _ => (0..0, 0..0),
    };
    [one, other].map(|range| bytes.get(range).unwrap_or_default()).concat()
}
