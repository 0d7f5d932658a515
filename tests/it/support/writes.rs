//! What was written to a device, between which flushes, and what a medium is when only a part of that has arrived.

use mkudf_ms::device::Event;

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

/// How many states to try between two flushes: so many, or as many as `CRASH_STATES` says, by hand.
pub(crate) fn subsets(usual: usize) -> usize {
    std::env::var("CRASH_STATES").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// A write arrives; an image grows with it.
pub(crate) fn apply(bytes: &mut Vec<u8>, start: usize, piece: &[u8]) {
    bytes.resize(bytes.len().max(start + piece.len()), 0);
    bytes[start..start + piece.len()].copy_from_slice(piece);
}
