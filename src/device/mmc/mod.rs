//! Optical drives: the commands of MMC-6 and what drives reply, over whatever carries commands to them.
//!
//! ```text
//!   Disc            a disc in a drive: what was recorded, where the next write goes; read, write, close, blank, format
//!    |
//!   Unit            one drive: each command as a call, its reply checked, what passes by itself waited for
//!    |
//!   Transport       carries a command block and its data: SG_IO of Linux, or a simulated medium
//! ```

pub mod command;
mod configuration;
mod disc;
mod error;
mod layouts;
mod mode;
mod profile;
mod reply;
mod retry;
pub mod sense;
mod sg;
mod state;
#[cfg(all(test, feature = "simulator"))]
mod tests;
mod transport;
mod unit;
mod writing;

pub use configuration::{Configuration, Feature};
pub use disc::Disc;
pub use error::MmcError;
pub use layouts::Usable;
pub use mode::WriteParameters;
pub use profile::Profile;
pub use reply::{
    BufferCapacity, DiscInformation, DiscStatus, FormatCapacity, Inquiry, SessionStatus, TrackInformation,
    WriteSpeed,
};
pub use sense::Sense;
pub use sg::{ScsiGeneric, drives, is_drive};
pub use state::{DiscState, RecordedSession, Track};
pub use transport::{Answer, Data, Transport};
#[cfg(feature = "simulator")]
pub(crate) use unit::SECTOR_BYTES;
pub use unit::{Closing, TrackOf, Unit};
