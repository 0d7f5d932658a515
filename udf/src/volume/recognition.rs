//! Volume structure descriptors (ECMA-167 2/9, UDF 2.1.7): the sequence that says "this is UDF".

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// One descriptor of the volume recognition sequence. It has neither tag nor CRC.
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct VolumeStructureDescriptor {
    /// 0, but in the descriptors of other standards.
    pub structure_type: u8,
    /// `BEA01`, `NSR02`, `NSR03`, `TEA01`, `BOOT2`, or another standard's.
    pub standard_identifier: [u8; 5],
    /// 1.
    pub structure_version: u8,
    /// 0 in those that UDF writes.
    pub structure_data: [u8; 2041],
}

const _: () = assert!(size_of::<VolumeStructureDescriptor>() == 2048);

impl VolumeStructureDescriptor {
    /// Opens the extended area.
    pub const BEGINNING: &'static [u8; 5] = b"BEA01";
    /// Closes it.
    pub const TERMINATING: &'static [u8; 5] = b"TEA01";
    /// The volume follows ECMA-167 2nd edition.
    pub const NSR02: &'static [u8; 5] = b"NSR02";
    /// The volume follows ECMA-167 3rd edition.
    pub const NSR03: &'static [u8; 5] = b"NSR03";

    /// The descriptor of this identifier, of version 1 and with no data.
    #[must_use]
    pub fn new(standard_identifier: &[u8; 5]) -> Self {
        Self {
            structure_type: 0,
            standard_identifier: *standard_identifier,
            structure_version: 1,
            structure_data: [0; 2041],
        }
    }
}

impl core::fmt::Debug for VolumeStructureDescriptor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { structure_type, standard_identifier, structure_version, .. } = self;
        let identifier = standard_identifier.escape_ascii();
        write!(f, "{identifier} type {structure_type} version {structure_version}")
    }
}
