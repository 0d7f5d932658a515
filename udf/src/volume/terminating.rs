//! Terminating descriptor (ECMA-167 3/10.9, 4/14.2): the end of a sequence.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::general::{Descriptor, Tag, TagIdentifier};

/// Ends a volume descriptor sequence, an integrity sequence or a file set sequence.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct TerminatingDescriptor {
    /// Identifier 8.
    pub tag: Tag,
    /// 0.
    pub reserved: [u8; 496],
}

const _: () = assert!(size_of::<TerminatingDescriptor>() == 512);

impl Descriptor for TerminatingDescriptor {
    const IDENTIFIER: TagIdentifier = TagIdentifier::TERMINATING;
    const NAME: &'static str = "terminating descriptor";
}

impl TerminatingDescriptor {
    /// The descriptor, not yet sealed.
    #[must_use]
    pub fn new() -> Self {
        Self { tag: Tag::default(), reserved: [0; 496] }
    }
}

impl Default for TerminatingDescriptor {
    fn default() -> Self {
        Self::new()
    }
}
