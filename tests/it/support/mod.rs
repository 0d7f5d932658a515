//! What the tests share.

pub(crate) mod build;
pub(crate) mod dump;
pub(crate) mod folder;
pub(crate) mod images;
pub(crate) mod manifest;
pub(crate) mod patch;
pub(crate) mod random;
pub(crate) mod scratched;
pub(crate) mod writes;
