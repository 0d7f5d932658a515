//! What was written to a device, between which flushes, and what a medium is when only a part of that has arrived.

use mkudf_ms::device::Event;

use super::random::Random;

/// Writes that may arrive in any order, each with its first byte; what follows begins when they are durable.
pub(crate) type Group<'a> = Vec<(usize, &'a [u8])>;

/// The writes between flushes; where there were none, there is no group.
pub(crate) fn groups(events: &[Event]) -> Vec<Group<'_>> {
    let mut groups = vec![Group::new()];
    for event in events {
        match event {
            Event::Write { offset_bytes, bytes } => {
                groups.last_mut().unwrap().push((usize::try_from(*offset_bytes).unwrap(), bytes.as_slice()));
            }
            Event::Flush => groups.push(Group::new()),
            Event::Reserve(_) => {}
        }
    }
    groups.retain(|group| !group.is_empty());
    groups
}

/// A write arrives; an image grows with it.
pub(crate) fn apply(bytes: &mut Vec<u8>, start: usize, piece: &[u8]) {
    bytes.resize(bytes.len().max(start + piece.len()), 0);
    bytes[start..start + piece.len()].copy_from_slice(piece);
}

/// Where a write tears.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tear {
    /// At sectors of so many bytes, each of which is old or new.
    Sectors(usize),
    /// At units of so many bytes; one that is being written has anything in it afterwards, whatever else it held.
    Units(usize),
}

/// What a device held, what was written to it, and how its writes tear.
#[derive(Debug)]
pub(crate) struct Cuts<'a> {
    pub(crate) name: &'a str,
    pub(crate) old: &'a [u8],
    pub(crate) events: &'a [Event],
    pub(crate) tear: Tear,
    /// Random parts of what is written between two flushes: so many, or `CRASH_STATES` times as many, by hand.
    pub(crate) parts: usize,
    pub(crate) seed: u64,
}

/// What a device holds when the power failed.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) bytes: Vec<u8>,
    /// Whose, and which: with the seed it says how to come by it again.
    pub(crate) context: String,
    /// Counted from 0.
    pub(crate) number: usize,
    /// It is one of the few that more is done with.
    pub(crate) is_chosen: bool,
}

impl Cuts<'_> {
    /// Every state: each prefix of the writes between two flushes, random parts of them, and at last everything. How many there were.
    pub(crate) fn judge_all(&self, mut judge: impl FnMut(State)) -> usize {
        let (mut random, mut number, mut durable) = (Random::new(self.seed), 0, self.old.to_vec());
        let factor = std::env::var("CRASH_STATES").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
        let mut one = |bytes, label: String, is_chosen| {
            let context = format!("{}, seed {}, {label}", self.name, self.seed);
            judge(State { bytes, context, number, is_chosen });
            number += 1;
        };
        for (at, group) in groups(self.events).iter().enumerate() {
            for end in 0..group.len() {
                let mut bytes = durable.clone();
                group[..end].iter().for_each(|(offset, piece)| apply(&mut bytes, *offset, piece));
                one(bytes, format!("group {at}, the first {end} writes"), end == 0);
            }
            for part in 0..self.parts * factor {
                let bytes = self.torn(&durable, group, &mut random);
                one(bytes, format!("group {at}, part {part}"), part % 8 == 0);
            }
            for (offset, piece) in group {
                apply(&mut durable, *offset, piece);
            }
        }
        one(durable, String::from("everything"), true);
        println!("crash states: {number} of {}", self.name);
        number
    }

    /// Some of a group's writes arrive, whole or torn.
    fn torn(&self, durable: &[u8], group: &Group<'_>, random: &mut Random) -> Vec<u8> {
        let (Tear::Sectors(unit) | Tear::Units(unit)) = self.tear;
        let fates = if matches!(self.tear, Tear::Units(_)) { 3 } else { 2 };
        let mut bytes = durable.to_vec();
        for (offset, piece) in group {
            let fate = random.below(3);
            if fate == 0 {
                apply(&mut bytes, *offset, piece);
            }
            let (mut at, end) = (*offset, *offset + piece.len());
            while fate == 1 && at < end {
                let next = ((at / unit + 1) * unit).min(end);
                match random.below(fates) {
                    0 => apply(&mut bytes, at, &piece[at - offset..next - offset]),
                    1 => {}
                    _ => {
                        let lost = at / unit * unit;
                        let lost_end = (lost + unit).min(bytes.len());
                        bytes[lost.min(lost_end)..lost_end].fill(0xA5);
                    }
                }
                at = next;
            }
        }
        bytes
    }
}
