//! The parts that entries play: what is legal for one is a fault in another.

use crate::file::FileType;
use crate::revision::Revision;

/// What an entry is on its volume, by the way that led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The root directory.
    Root,
    /// What has a name in a directory.
    Named,
    /// The directory of the streams of a file, which has this unique id.
    Streams(u64),
    /// A stream of a file, which has this unique id.
    Stream(u64),
    /// The directory of the streams of the volume.
    SystemStreams,
    /// A stream of the volume.
    SystemStream,
    /// The metadata file.
    Metadata,
    /// Its mirror.
    MetadataMirror,
    /// Its bitmap.
    MetadataBitmap,
    /// A file of extended attributes.
    Attributes,
    /// The virtual allocation table.
    VirtualTable,
}

/// File types that have names, and the revision that brought each (UDF 2.3.5.2).
const NAMED: [(FileType, Revision); 8] = [
    (FileType::DIRECTORY, Revision::V1_02),
    (FileType::REGULAR, Revision::V1_02),
    (FileType::BLOCK_DEVICE, Revision::V1_02),
    (FileType::CHARACTER_DEVICE, Revision::V1_02),
    (FileType::FIFO, Revision::V1_02),
    (FileType::SOCKET, Revision::V1_02),
    (FileType::SYMBOLIC_LINK, Revision::V1_02),
    (FileType::REAL_TIME, Revision::V2_01),
];

impl Role {
    /// Whether the entry may be of this type.
    pub(super) fn allows(self, kind: FileType, revision: Revision) -> bool {
        match self {
            Self::Root => kind == FileType::DIRECTORY,
            Self::Named => NAMED.iter().any(|(known, since)| kind == *known && revision >= *since),
            Self::Streams(_) | Self::SystemStreams => kind == FileType::STREAM_DIRECTORY,
            Self::Stream(_) | Self::SystemStream => matches!(kind, FileType::REGULAR | FileType::REAL_TIME),
            Self::Metadata => kind == FileType::METADATA,
            Self::MetadataMirror => kind == FileType::METADATA_MIRROR,
            Self::MetadataBitmap => kind == FileType::METADATA_BITMAP,
            Self::VirtualTable => {
                matches!(kind, FileType::UNSPECIFIED | FileType::VIRTUAL_ALLOCATION_TABLE)
            }
            Self::Attributes => kind == FileType::EXTENDED_ATTRIBUTES,
        }
    }

    /// Whether it is one of the files that make up a metadata partition.
    pub(super) fn is_metadata_file(self) -> bool {
        matches!(self, Self::Metadata | Self::MetadataMirror | Self::MetadataBitmap)
    }

    /// Whether it is a named stream, not the directory of such.
    pub(super) fn is_stream(self) -> bool {
        matches!(self, Self::Stream(_) | Self::SystemStream)
    }

    /// Whether it belongs to what streams are made of.
    pub(super) fn is_of_streams(self) -> bool {
        self.is_stream() || matches!(self, Self::Streams(_) | Self::SystemStreams)
    }

    /// The part of what has a name in a directory that plays this one.
    pub(super) fn of_children(self) -> Self {
        match self {
            Self::Streams(unique_id) => Self::Stream(unique_id),
            Self::SystemStreams => Self::SystemStream,
            _ => Self::Named,
        }
    }
}
