//! The checker: sound volumes have no finding, each planted fault has the one of its rule, and nothing brings it down.

pub(crate) mod faults;
mod foreign;
pub(crate) mod image;
mod memory;
pub(crate) mod optical;
mod reads;
mod sound;
