//! Builds UDF volumes and grows them.
#![deny(unsafe_code)]

pub mod device;
pub mod error;
pub mod extract;
pub mod media;
pub mod plan;
pub mod progress;
pub mod render;
pub mod scan;
pub mod session;
pub mod stream;
pub mod tree;

pub use error::{Error, Result, Warning};
