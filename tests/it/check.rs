//! The checker: sound volumes have no finding, each planted fault has the one of its rule, and nothing brings it down.

mod faults;
mod foreign;
mod image;
mod optical;
mod reads;
mod sound;
