//! What all checks share: the device, what the volume says of itself, and where findings go.

use alloc::{format, string::String, vec::Vec};
use core::fmt::{Arguments, Write};

use super::Known;
use super::finding::Findings;
use super::path::{Paths, Subject};
use super::rule::{Rule, Severity};
use crate::error::{Error, Place, Result};
use crate::general::Timestamp;
use crate::read::ReadAt;
use crate::revision::{Revision, Rules};
use crate::units::{BlockSize, Sector};

/// The structure that is looked at, and where it lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) structure: &'static str,
    pub(super) place: Place,
}

impl At {
    pub(super) fn new(structure: &'static str, place: impl Into<Place>) -> Self {
        Self { structure, place: place.into() }
    }
}

/// A stretch of the volume space that a structure takes: sectors `first` to before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) structure: &'static str,
    pub(super) first: u64,
    pub(super) end: u64,
}

/// How many blocks so many bytes fill.
pub(super) fn whole_blocks(block_size: BlockSize, bytes: u64) -> u64 {
    bytes >> block_size.bytes().trailing_zeros()
}

/// What all checks share.
#[derive(Debug)]
pub(super) struct Context<'a, R> {
    pub(super) device: &'a R,
    pub(super) block_size: BlockSize,
    /// Where the session begins.
    pub(super) session_start: Sector,
    /// `N`, the last sector of the session.
    pub(super) last: Sector,
    /// The revision whose rules hold, and the number that the volume has for it.
    pub(super) revision: Revision,
    pub(super) revision_number: u16,
    /// Whether a virtual partition is in use: then the disc may still be written to, block after block.
    pub(super) is_virtual: bool,
    /// Serial number and version of the first tag that was seen.
    pub(super) serial_number: Option<u16>,
    pub(super) descriptor_version: Option<u16>,
    /// When the volume was last changed, as the integrity descriptor says.
    pub(super) recorded: Option<Timestamp>,
    /// When the virtual allocation table was, which is recorded later than that descriptor.
    pub(super) table_time: Option<Timestamp>,
    /// Whether a partition can be written again and again, so that its disc may still be being formatted.
    pub(super) is_rewritable: bool,
    /// What the volume does not tell.
    pub(super) known: Known,
    /// Where structures of the volume space lie.
    pub(super) stretches: Vec<Stretch>,
    /// Sparing tables and spare packets that lie in their partition.
    pub(super) spares_inside: Vec<Stretch>,
    /// The file that is looked at, and the directories that lead to it.
    pub(super) subject: Subject,
    pub(super) paths: Paths,
    pub(super) findings: Findings,
}

impl<'a, R: ReadAt> Context<'a, R> {
    pub(super) fn new(device: &'a R, block_size: BlockSize, session_start: Sector) -> Self {
        let blocks = whole_blocks(block_size, device.size_bytes());
        let last = u32::try_from(blocks.saturating_sub(1)).unwrap_or(u32::MAX);
        Self {
            device,
            block_size,
            session_start,
            last: Sector(last),
            revision: Revision::V2_01,
            revision_number: Revision::V2_01.number(),
            is_virtual: false,
            serial_number: None,
            descriptor_version: None,
            recorded: None,
            table_time: None,
            is_rewritable: false,
            known: Known::default(),
            stretches: Vec::new(),
            spares_inside: Vec::new(),
            subject: Subject::default(),
            paths: Paths::default(),
            findings: Findings::default(),
        }
    }

    /// What the volume's revision demands.
    pub(super) fn rules(&self) -> &'static Rules {
        self.revision.rules()
    }

    pub(super) fn note(&mut self, rule: u8, at: At, message: Arguments<'_>) {
        self.add(Severity::Note, rule, at, message);
    }

    pub(super) fn warning(&mut self, rule: u8, at: At, message: Arguments<'_>) {
        self.add(Severity::Warning, rule, at, message);
    }

    pub(super) fn error(&mut self, rule: u8, at: At, message: Arguments<'_>) {
        self.add(Severity::Error, rule, at, message);
    }

    fn add(&mut self, severity: Severity, rule: u8, at: At, message: Arguments<'_>) {
        let (subject, paths) = (&self.subject, &self.paths);
        self.findings.add(severity, Rule(rule), at.place, || {
            let mut text = paths.show(subject).map_or_else(String::new, |path| format!("{path}: "));
            // Writing to a string cannot fail.
            let _ = write!(text, "{}: {message}", at.structure);
            text
        });
    }

    /// Reads from the device; what cannot be read is a finding. Whether it could.
    pub(super) fn read(&mut self, at: At, sector: Sector, out: &mut [u8]) -> bool {
        let result = self.try_read(sector, out);
        if let Err(error) = &result {
            self.error(0, at, format_args!("{error}"));
        }
        result.is_ok()
    }

    /// Reads from the device.
    pub(super) fn try_read(&self, sector: Sector, out: &mut [u8]) -> Result<()> {
        let (offset_bytes, bytes) = (self.block_size.offset_of(sector), out.len() as u64);
        self.device.read_at(offset_bytes, out).map_err(|source| Error::Read { offset_bytes, bytes, source })
    }

    /// Notes that a structure takes so many bytes from a sector on; `false` if it is known to already.
    pub(super) fn takes(&mut self, structure: &'static str, first: Sector, bytes: u64) -> bool {
        let first = u64::from(first.0);
        let stretch =
            Stretch { structure, first, end: first.saturating_add(self.block_size.blocks_for(bytes)) };
        let is_new = !self.stretches.contains(&stretch);
        if is_new {
            self.stretches.push(stretch);
        }
        is_new
    }
}
