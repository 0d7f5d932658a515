//! What all descriptors share (ECMA-167 part 1 and 3/7): tags, CRC, text, time, identifiers, extents.

mod crc;
pub mod entity;
pub mod extent;
pub mod tag;
pub mod text;
pub mod time;

pub use crc::crc16;
pub use entity::EntityIdentifier;
pub use extent::{ExtentAd, ExtentKind, LbAddr, LongAd, ShortAd};
pub use tag::{Descriptor, Seal, Tag, TagIdentifier};
pub use text::{CharSpec, DString};
pub use time::{Moment, Timestamp};
