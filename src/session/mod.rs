//! Sessions of a volume: which there are, and how the newest becomes the base of the next.

mod base;
mod close;
mod diff;
mod free;
mod history;
mod import;
mod in_place;
mod metadata_in_place;
mod recorded;
mod refuse;
mod search;
mod streams;
pub(crate) mod survey;
mod tables;
mod used;
mod whole;

pub use close::end_of_session;
pub use diff::{Change, Difference, diff};
pub use history::{Provenance, Session, sessions};
pub use import::{Import, ImportOptions, Manner};
pub(crate) use import::{attributes, kind_of};
pub use in_place::{is_pseudo_overwritable, is_rewritable};
pub use refuse::unless_other_layout;
pub use search::{all_sessions, search};
pub use whole::{Continuation, Whole, broken_off, newest_whole};
