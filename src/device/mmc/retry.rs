//! What passes by itself: how often a command is sent again, and for how long in all. One table.

use std::time::Duration;

use super::sense::Sense;

/// What to do about what a drive said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was done after all.
    Done,
    /// Send the command again after a while.
    Again(Rule),
    /// It failed.
    Failed,
}

/// How a command is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) pause: Duration,
    /// All pauses for one command under this rule are at most so long.
    pub(super) limit: Duration,
}

const fn rule(pause_milliseconds: u64, limit_seconds: u64) -> Rule {
    Rule { pause: Duration::from_millis(pause_milliseconds), limit: Duration::from_secs(limit_seconds) }
}

/// The drive said that it is busy, and nothing else.
pub(super) const BUSY: Rule = rule(50, 60);

/// Sense key, code, qualifier (any, where there is none), and the rule.
#[rustfmt::skip]
const RULES: &[(u8, u8, Option<u8>, Rule)] = &[
    // It spins up.
    (0x2, 0x04, Some(0x01), rule(100, 90)),
    // It is busy with what it was told before: to blank, to close, to format.
    (0x2, 0x04, Some(0x07), rule(100, 300)),
    (0x2, 0x04, Some(0x04), rule(500, 4 * 3600)),
    // Its buffer is full, or it writes what it has. Short pauses: the buffer must not run empty.
    (0x2, 0x04, Some(0x08), rule(10, 180)),
    // It was switched on, or somebody changed its settings: said once, to each. That a disc was inserted is no such thing:
    // whoever looked at the one before must look again.
    (0x6, 0x29, None, rule(50, 1)),
    (0x6, 0x2A, None, rule(50, 1)),
    (0x6, 0x2E, None, rule(50, 1)),
    // It gave up in the middle of something.
    (0xB, 0x00, None, rule(50, 1)),
    (0xB, 0x08, None, rule(50, 1)),
    (0xB, 0x47, None, rule(50, 1)),
];

impl Verdict {
    pub(super) fn of(sense: &Sense) -> Self {
        if matches!(sense.key.code(), 0 | 1) {
            return if sense.is_deferred { Self::Again(BUSY) } else { Self::Done };
        }
        let fits = |row: &&(u8, u8, Option<u8>, Rule)| {
            row.0 == sense.key.code()
                && row.1 == sense.code.0
                && row.2.is_none_or(|wanted| wanted == sense.code.1)
        };
        RULES.iter().find(fits).map_or(Self::Failed, |row| Self::Again(row.3))
    }
}
