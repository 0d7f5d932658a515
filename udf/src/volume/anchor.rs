//! Anchor volume descriptor pointer (ECMA-167 3/10.2, UDF 2.2.3): where the descriptor sequences are.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::general::{Descriptor, ExtentAd, Tag, TagIdentifier};

/// At sectors 256, N - 256 and N; at least two of them, in which all but the tag is the same.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct AnchorVolumeDescriptorPointer {
    /// Identifier 2.
    pub tag: Tag,
    /// At least 16 sectors.
    pub main_volume_descriptor_sequence_extent: ExtentAd,
    /// At least 16 sectors, far from the main ones.
    pub reserve_volume_descriptor_sequence_extent: ExtentAd,
    /// 0.
    pub reserved: [u8; 480],
}

const _: () = assert!(size_of::<AnchorVolumeDescriptorPointer>() == 512);

impl Descriptor for AnchorVolumeDescriptorPointer {
    const IDENTIFIER: TagIdentifier = TagIdentifier::ANCHOR_VOLUME_POINTER;
    const NAME: &'static str = "anchor volume descriptor pointer";
}

impl AnchorVolumeDescriptorPointer {
    /// An anchor to these sequences, not yet sealed.
    #[must_use]
    pub fn new(main: ExtentAd, reserve: ExtentAd) -> Self {
        Self {
            tag: Tag::default(),
            main_volume_descriptor_sequence_extent: main,
            reserve_volume_descriptor_sequence_extent: reserve,
            reserved: [0; 480],
        }
    }
}
