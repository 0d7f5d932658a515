//! The UDF file system format: ECMA-167 (2nd and 3rd edition) as profiled by OSTA UDF 1.02 to 2.60.
//!
//! ```text
//!  sector 0        32 KiB            256                      P                                   N
//!  | boot area | recognition | ... | anchor | ...            | partition ...            | ... | anchor |
//!                                      |                       ^          |
//!                                      v                       |          v
//!                volume descriptors: primary, partition, logical volume   file set -> root ICB -> ...
//! ```
//!
//! A walk along it: the *volume recognition sequence* says that this is UDF; an *anchor* points to the *volume
//! descriptor sequence*; that describes partitions and the *logical volume* with its *partition maps*; the logical volume
//! points to the *file set descriptor*, which points to the root directory's *ICB*; from there on it is file entries,
//! directories of file identifier descriptors, and extents of data.
//!
//! The rooms, lowest first:
//! - [`units`]: the three address spaces that must never mix; [`error`]; [`revision`]: what each revision asks for;
//! - [`general`] (ECMA-167 part 1): tags, CRC, strings, timestamps, identifiers, extents;
//! - [`volume`] (parts 2 and 3), [`partition`] (UDF 2.2.8-2.2.13), [`mod@file`] (part 4): one struct a descriptor, for
//!   reading *and* writing, little-endian on any machine, no padding, nothing validated until asked;
//! - [`read`]: from a device to a [`read::Volume`], its directories and data;
//! - [`check`]: what is wrong with a volume, rule by rule.
//!
//! Nothing here opens a file or knows of threads; a device is whatever implements [`read::ReadAt`].
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects, clippy::indexing_slicing))]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed test may panic"))]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod check;
pub mod error;
pub mod file;
pub mod general;
pub mod partition;
pub mod read;
pub mod revision;
pub mod units;
pub mod volume;

pub use error::{BoxedError, Corrupt, Error, Fault, Place, Result};
pub use revision::Revision;
pub use units::{Block, BlockAddress, BlockSize, PartitionReference, Sector};
