//! Where everything goes: pure arithmetic over a tree and a specification.

mod segment;

pub use segment::{Content, Fetch, From, Segment, Step};
