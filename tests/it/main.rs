//! Everything that is judged through the public face, in one binary.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a failed test may panic")]

mod builder;
mod check;
mod cli;
mod corpus;
mod determinism;
mod discs;
mod extract;
mod faults;
mod history;
mod in_place;
mod limits;
mod power_cut;
mod read_back;
mod repair;
mod rescue;
mod round_trip;
mod seeds;
mod sparable;
mod support;
mod tidy;
