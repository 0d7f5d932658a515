//! What a repair is: mends, each with its reason, and the sectors that they write, in steps with flushes between.

use std::fmt;

use udf::check::{Finding, Report, Severity};
use udf::{BlockSize, Place};

use super::overlay::{Changes, Overlay};

/// When a sector is written. After each phase what was written is made durable, so that a crash leaves the volume no worse
/// than it was, and to be repaired in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The reserve volume descriptor sequence.
    Reserve,
    /// The main volume descriptor sequence, when the reserve one is sound.
    Main,
    /// Anchors and recognition, when there is something that they can point to.
    Anchors,
    /// Copies of sparing tables that differ from the one that counts.
    Sparing,
    /// The volume is marked as being changed.
    Open,
    /// Free blocks that will be used are marked so.
    Claim,
    /// They are written.
    Fill,
    /// Entries, and directories where they lie.
    Change,
    /// The metadata mirror follows.
    Mirror,
    /// Blocks that nobody uses become free.
    Release,
    /// Counts, free space, next unique id; the volume is marked as consistent.
    Close,
}

impl Phase {
    const ALL: [Self; 11] = [
        Self::Reserve,
        Self::Main,
        Self::Anchors,
        Self::Sparing,
        Self::Open,
        Self::Claim,
        Self::Fill,
        Self::Change,
        Self::Mirror,
        Self::Release,
        Self::Close,
    ];

    /// What it is for, in a few words.
    #[must_use]
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::Reserve => "reserve volume descriptor sequence",
            Self::Main => "main volume descriptor sequence",
            Self::Anchors => "anchors and recognition sequence",
            Self::Sparing => "sparing tables",
            Self::Open => "mark the volume as being changed",
            Self::Claim => "mark blocks as used before they are",
            Self::Fill => "fill new blocks",
            Self::Change => "entries and directories",
            Self::Mirror => "metadata mirror",
            Self::Release => "free space",
            Self::Close => "counts and integrity; close the volume",
        }
    }
}

/// One thing that is mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mend {
    /// The number of the rule that was broken, as `check` has them.
    pub rule: u8,
    /// Where.
    pub place: Place,
    /// What was wrong, and what is done about it.
    pub what: String,
}

impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R{:03}: {}", self.rule, self.what)?;
        if self.place == Place::Within { Ok(()) } else { write!(f, " [{}]", self.place) }
    }
}

/// A sector and what it will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Which.
    pub sector: u32,
    /// A whole sector.
    pub bytes: Vec<u8>,
}

/// Writes that may become durable in any order; before the next step begins, all of them are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What they are for.
    pub phase: Phase,
    /// Ascending.
    pub writes: Vec<Write>,
}

/// A repair, worked out and not begun.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RepairPlan {
    /// The size of a sector.
    pub block_size: BlockSize,
    /// What is mended.
    pub mends: Vec<Mend>,
    /// In the order in which they are written.
    pub steps: Vec<Step>,
    /// What is wrong now.
    pub before: Report,
    /// What would still be wrong afterwards: what cannot be mended.
    pub after: Report,
}

impl RepairPlan {
    /// Whether nothing is to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Findings that stay, but for mere notes.
    pub fn left(&self) -> impl Iterator<Item = &Finding> {
        self.after.findings.iter().filter(|finding| finding.severity > Severity::Note)
    }

    /// How many sectors are written, those that are written twice counted twice.
    #[must_use]
    pub fn sectors(&self) -> usize {
        self.steps.iter().map(|step| step.writes.len()).sum()
    }
}

/// Sorts changes into steps; `claims` and `opening` are what sectors are before they become what the changes make of them.
pub(super) fn steps(overlay: &Overlay<'_>, claims: Changes, opening: Option<(u32, Vec<u8>)>) -> Vec<Step> {
    let changes = overlay.changes();
    let claims = claims.into_iter().filter(|(sector, (_, bytes))| overlay.old_sector_is_not(*sector, bytes));
    let touches_partition = changes.values().any(|(phase, _)| {
        matches!(phase, Phase::Claim | Phase::Fill | Phase::Change | Phase::Mirror | Phase::Release)
    });
    let opening = opening.filter(|_| touches_partition).map(|(sector, bytes)| (sector, (Phase::Open, bytes)));
    let all: Vec<(Phase, Write)> = claims
        .chain(opening)
        .chain(changes.iter().map(|(sector, change)| (*sector, change.clone())))
        .map(|(sector, (phase, bytes))| (phase, Write { sector, bytes }))
        .collect();
    let of_phase = |phase: Phase| {
        let mut writes: Vec<Write> =
            all.iter().filter(|(of, _)| *of == phase).map(|(_, write)| write.clone()).collect();
        writes.sort_unstable_by_key(|write| write.sector);
        Step { phase, writes }
    };
    Phase::ALL.into_iter().map(of_phase).filter(|step| !step.writes.is_empty()).collect()
}

impl Overlay<'_> {
    fn old_sector_is_not(&self, sector: u32, bytes: &[u8]) -> bool {
        self.old_sector(sector).is_none_or(|old| old != bytes)
    }
}
