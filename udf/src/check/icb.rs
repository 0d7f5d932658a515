//! Information control blocks: their tags, and the chains of entries of strategy 4096 (R091 to R094).

use alloc::vec::Vec;

use super::context::At;
use super::entry::View;
use super::files::Files;
use super::role::Role;
use super::seal::{CrcLength, Expected, Sealed, is_zero};
use crate::file::{AllocationForm, IcbTag, IndirectEntry, Strategy, TerminalEntry, flags};
use crate::general::{Descriptor, LongAd, Tag};
use crate::read::ReadAt;
use crate::units::BlockAddress;
use crate::volume::AccessType;

/// Entries of one ICB of strategy 4096, as in Linux.
const MAX_CHAIN: u32 = 1024;
/// Flags that say what UDF does not allow: sorted, transformed, several versions, reserved (UDF 2.3.5.4).
const FORBIDDEN: u16 = flags::SORTED | flags::TRANSFORMED | flags::MULTI_VERSIONS | 0xC000;
/// Flags that a writer should not set, because it ties the hands of others (UDF 2.3.5.4).
const UNWANTED: u16 = flags::NON_RELOCATABLE | flags::CONTIGUOUS;

impl<R: ReadAt> Files<'_, R> {
    pub(super) fn icb_tag(&mut self, view: &View<'_>, role: Role) {
        let (at, tag) = (view.at(), &view.fixed.icb_tag);
        let kind = tag.kind();
        if tag.reserved != 0 {
            self.error(92, at, format_args!("reserved byte of the ICB tag is {}", tag.reserved));
        }
        if !role.allows(kind, self.context.revision) {
            let number = if role.is_metadata_file() { 83 } else { 92 };
            self.error(number, at, format_args!("file type is {}", kind.0));
        }
        if tag.strategy() == Some(Strategy::Single) && BlockAddress::from(tag.parent_icb_location) != NOWHERE
        {
            let parent = BlockAddress::from(tag.parent_icb_location);
            self.error(93, at, format_args!("parent ICB location is {parent}, must be 0"));
        }
        self.icb_flags(at, tag, role);
    }

    fn icb_flags(&mut self, at: At, tag: &IcbTag, role: Role) {
        let found = tag.flags.get();
        if matches!(tag.allocation_form(), None | Some(AllocationForm::Extended)) {
            let form = found & flags::ALLOCATION_FORM;
            self.error(94, at, format_args!("allocation descriptors are of type {form}, must be 0, 1 or 3"));
        }
        if found & FORBIDDEN != 0 {
            self.error(
                94,
                at,
                format_args!("ICB flags are {found:#06x}, of which {FORBIDDEN:#06x} must be 0"),
            );
        }
        if found & UNWANTED != 0 {
            self.warning(
                94,
                at,
                format_args!("ICB flags are {found:#06x}, of which {UNWANTED:#06x} should be 0"),
            );
        }
        let marked = found & flags::STREAM != 0;
        if marked != role.is_stream() {
            let not = if marked { "" } else { "not " };
            self.error(94, at, format_args!("{not}marked as a stream"));
        }
    }

    /// Marks the blocks of an ICB as used and follows its chain. Where the entry that counts lies, and in `later` its block,
    /// if that is not the first.
    pub(super) fn latest(
        &mut self,
        icb: &LongAd,
        first: &View<'_>,
        later: &mut Vec<u8>,
    ) -> Option<BlockAddress> {
        let at = first.at();
        let strategy = first.fixed.icb_tag.strategy();
        self.parameters(at, &first.fixed.icb_tag, 0);
        let access = self.partition(icb.start().partition).and_then(|partition| partition.access);
        if strategy == Some(Strategy::Chain)
            && self.context.rules().chains_on_write_once_only
            && access != Some(AccessType::WriteOnce)
        {
            let revision = self.context.revision;
            self.error(91, at, format_args!("strategy 4096 in UDF {revision} where blocks can be rewritten"));
        }
        let blocks: u32 = if strategy == Some(Strategy::Chain) { 2 } else { 1 };
        let (bytes, right) = (icb.bytes(), self.block_size().bytes().saturating_mul(blocks));
        if bytes != right {
            self.error(91, at, format_args!("the ICB is {bytes} bytes long, must be {right}"));
        }
        let sole = self.take(at, icb.start(), blocks.into());
        if strategy == Some(Strategy::Chain) && sole { self.chain(icb.start(), later) } else { None }
    }

    /// Strategy, its parameter, and how many entries there were before.
    fn parameters(&mut self, at: At, tag: &IcbTag, prior: u32) {
        let (parameter, most) = match tag.strategy() {
            Some(Strategy::Single) => (0, 1),
            Some(Strategy::Chain) => (1, 2),
            None => return self.error(91, at, format_args!("strategy is {}", tag.strategy_type)),
        };
        let found = (
            tag.strategy_parameter.get(),
            tag.maximum_number_of_entries.get(),
            tag.prior_recorded_number_of_direct_entries.get(),
        );
        if found != (parameter, most, prior) {
            let right = (parameter, most, prior);
            self.error(
                91,
                at,
                format_args!("parameter, most entries and entries before are {found:?}, must be {right:?}"),
            );
        }
    }

    /// Walks along the indirect entries of a chain, whose first entry lies at `icb`.
    fn chain(&mut self, icb: BlockAddress, later: &mut Vec<u8>) -> Option<BlockAddress> {
        let mut found = None;
        let mut behind = icb.checked_add(1)?;
        for prior in 1..MAX_CHAIN {
            let at = At::new("ICB", behind);
            let block = self.read_block(at, behind)?;
            let Some(next) = self.chain_end(behind, &block, prior) else { return found };
            if !self.take(at, next, 2) {
                return found;
            }
            let entry = self.read_block(At::new("ICB", next), next)?;
            // The ICB tag is at the same place in all that has one.
            if let Ok(tagged) = TerminalEntry::peek(&entry, next) {
                self.parameters(At::new("ICB", next), &tagged.icb_tag, prior);
            }
            *later = entry;
            found = Some(next);
            behind = next.checked_add(1)?;
        }
        self.error(91, At::new("ICB", icb), format_args!("more than {MAX_CHAIN} entries"));
        found
    }

    /// What follows an entry of a chain: a terminal entry, an indirect entry, or on write-once media nothing yet.
    fn chain_end(&mut self, address: BlockAddress, block: &[u8], prior: u32) -> Option<BlockAddress> {
        if is_zero(block) {
            return None;
        }
        let leads_on = Tag::read(block)?.kind() == IndirectEntry::IDENTIFIER;
        let (kind, name, bytes) = if leads_on {
            (IndirectEntry::IDENTIFIER, IndirectEntry::NAME, size_of::<IndirectEntry>())
        } else {
            (TerminalEntry::IDENTIFIER, TerminalEntry::NAME, size_of::<TerminalEntry>())
        };
        let at = At::new(name, address);
        let expected = Expected { kind, location: address.block.0, bytes, crc: CrcLength::Whole };
        if self.context.seal(at, block, expected) == Sealed::Missing {
            return None;
        }
        self.context.zeros_behind(at, block, bytes);
        let entry = IndirectEntry::peek(block, address).ok()?;
        self.parameters(at, &entry.icb_tag, prior);
        (leads_on && entry.indirect_icb.bytes() > 0).then(|| entry.indirect_icb.start())
    }
}

/// Block 0 of partition 0, which stands for no address at all.
const NOWHERE: BlockAddress = BlockAddress::new(0, 0);
