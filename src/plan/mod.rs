//! Where everything goes: pure arithmetic over a tree and a specification.

mod segment;
mod spec;

pub use segment::{Content, Fetch, From, Segment, Step};
pub use spec::{Identifiers, Spec, Uuid};
