//! Why the builder refuses something, under the names and numbers that IMAPI2 has for it.

use udf::Revision;

use crate::error::Error;
use crate::media::VolumeLayout;
use crate::media::multisession::MultisessionError;

/// What the builder refuses. Nothing was changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A path that no volume can hold.
    #[error("{path:?} cannot be a path on the volume: {why}")]
    InvalidPath {
        /// The path.
        path: String,
        /// Why.
        why: String,
    },
    /// There is nothing of this path.
    #[error("there is no {path:?}")]
    NotFound {
        /// The path.
        path: String,
    },
    /// The directory in which something was to be is not there.
    #[error("the directory that {path:?} would be in is not there\nhint: create it first")]
    ParentNotFound {
        /// The path.
        path: String,
    },
    /// A directory is wanted.
    #[error("{path:?}, or what it leads through, is no directory")]
    NotDirectory {
        /// The path.
        path: String,
    },
    /// A regular file is wanted.
    #[error("{path:?} is no regular file")]
    NotFile {
        /// The path, on the volume or on the host.
        path: String,
    },
    /// A directory would have to be empty.
    #[error("the directory {path:?} is not empty\nhint: remove the whole tree, if that is meant")]
    DirectoryNotEmpty {
        /// The path.
        path: String,
    },
    /// There is something of this path already.
    #[error("there is a {path:?} already\nhint: say that it is to be replaced or kept, or take another name")]
    Exists {
        /// The path.
        path: String,
    },
    /// A directory would be inside of itself.
    #[error("{from:?} cannot be moved to {to:?}, which is inside of it")]
    IntoItself {
        /// The directory.
        from: String,
        /// Where it was to go.
        to: String,
    },
    /// It is done with any path but that of the root directory.
    #[error("the root directory can be neither removed nor moved nor replaced")]
    Root,
    /// Something would have been made later than it was used.
    #[error("{path:?} cannot be created later than it was read or changed")]
    InvalidDate {
        /// The path.
        path: String,
    },
    /// Files of this revision, or of the program that made the volume, have no named streams.
    #[error(
        "files on this volume, of revision {revision}, have no named streams\nhint: they begin with revision 2.00"
    )]
    StreamsNotSupported {
        /// The revision.
        revision: Revision,
    },
    /// A label is empty, or does not fit.
    #[error("{label:?} cannot be a label: 1 to 126 characters fit, 63 if any is beyond U+00FF")]
    InvalidVolumeName {
        /// The label.
        label: String,
    },
    /// The revision is that of the imported volume.
    #[error("the imported volume is of revision {imported}, its next session cannot be of {asked}")]
    RevisionChangeNotAllowed {
        /// That of the volume.
        imported: Revision,
        /// The one asked for.
        asked: Revision,
    },
    /// There is no such change point, or it was locked.
    #[error("cannot go back to change point {asked}: only from {made} down to {locked}")]
    NoChangePoint {
        /// The one asked for.
        asked: usize,
        /// The lowest that is left.
        locked: usize,
        /// How many changes were made.
        made: usize,
    },
    /// A file or a directory of a tree could not be read.
    #[error("{path:?} cannot be added: {why}")]
    SourceUnreadable {
        /// On the host.
        path: String,
        /// Why.
        why: String,
    },
    /// There is nothing on the disc to append to.
    #[error("there is nothing on the disc: its first session is a new volume")]
    EmptyDisc,
    /// There is something on the medium already: a new volume would hide it.
    #[error("the medium is not blank\nhint: append to what is on it, or erase it first")]
    MediumNotBlank,
    /// The drive offers nothing by which a session could be written now.
    #[error("{0} ({name})", name = .0.imapi_name())]
    Multisession(#[from] MultisessionError),
    /// What is on the disc is no UDF.
    #[error("the disc holds {found}, and no UDF to append to")]
    NoSupportedFileSystem {
        /// What it seems to hold.
        found: String,
    },
    /// A new volume on this medium cannot grow so.
    #[error("a volume on this medium cannot have the layout {layout}\nhint: leave it to the medium")]
    LayoutNotSupported {
        /// The layout asked for.
        layout: VolumeLayout,
    },
    /// What is to be written needs a session of its own, and one is open.
    #[error("{why}, and the session is open\nhint: let the drive close the session, then import again")]
    SessionOpen {
        /// Why it cannot be continued.
        why: &'static str,
    },
    /// The previous session cannot be extended.
    #[error("{reason}\nhint: {hint}")]
    IncompatiblePreviousSession {
        /// Why not.
        reason: String,
        /// What the user can do.
        hint: String,
    },
    /// The volume is damaged.
    #[error("the volume cannot be read: {what}")]
    ReadConsistency {
        /// What is wrong, and where.
        what: String,
    },
}

/// What IMAPI2 calls an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImapiCode {
    /// Its name.
    pub name: &'static str,
    /// Its number, an `HRESULT`.
    pub hresult: u32,
}

const fn code(name: &'static str, hresult: u32) -> ImapiCode {
    ImapiCode { name, hresult }
}

const INVALID_PARAM: ImapiCode = code("IMAPI_E_INVALID_PARAM", 0xC0AA_B101);
const INVALID_VOLUME_NAME: ImapiCode = code("IMAPI_E_INVALID_VOLUME_NAME", 0xC0AA_B104);
const INVALID_DATE: ImapiCode = code("IMAPI_E_INVALID_DATE", 0xC0AA_B105);
const NOT_FILE: ImapiCode = code("IMAPI_E_NOT_FILE", 0xC0AA_B108);
const NOT_DIR: ImapiCode = code("IMAPI_E_NOT_DIR", 0xC0AA_B109);
const DIR_NOT_EMPTY: ImapiCode = code("IMAPI_E_DIR_NOT_EMPTY", 0xC0AA_B10A);
const INVALID_PATH: ImapiCode = code("IMAPI_E_INVALID_PATH", 0xC0AA_B110);
const DUP_NAME: ImapiCode = code("IMAPI_E_DUP_NAME", 0xC0AA_B112);
const ITEM_NOT_FOUND: ImapiCode = code("IMAPI_E_ITEM_NOT_FOUND", 0xC0AA_B118);
const DIR_NOT_FOUND: ImapiCode = code("IMAPI_E_DIR_NOT_FOUND", 0xC0AA_B11A);
const IMAGE_SIZE_LIMIT: ImapiCode = code("IMAPI_E_IMAGE_SIZE_LIMIT", 0xC0AA_B120);
const DATA_STREAM_INCONSISTENCY: ImapiCode = code("IMAPI_E_DATA_STREAM_INCONSISTENCY", 0xC0AA_B128);
const DATA_STREAM_READ_FAILURE: ImapiCode = code("IMAPI_E_DATA_STREAM_READ_FAILURE", 0xC0AA_B129);
const INCOMPATIBLE_PREVIOUS_SESSION: ImapiCode = code("IMAPI_E_INCOMPATIBLE_PREVIOUS_SESSION", 0xC0AA_B133);
const EMPTY_DISC: ImapiCode = code("IMAPI_E_EMPTY_DISC", 0xC0AA_B150);
const NO_SUPPORTED_FILE_SYSTEM: ImapiCode = code("IMAPI_E_NO_SUPPORTED_FILE_SYSTEM", 0xC0AA_B151);
const READ_CONSISTENCY: ImapiCode = code("IMAPI_E_FILE_SYSTEM_READ_CONSISTENCY_ERROR", 0xC0AA_B153);
const IMPORT_READ_FAILURE: ImapiCode = code("IMAPI_E_IMPORT_READ_FAILURE", 0xC0AA_B157);
const DISC_MISMATCH: ImapiCode = code("IMAPI_E_DISC_MISMATCH", 0xC0AA_B158);
const UDF_REVISION_CHANGE_NOT_ALLOWED: ImapiCode =
    code("IMAPI_E_UDF_REVISION_CHANGE_NOT_ALLOWED", 0xC0AA_B161);
/// There it is a success, with the stream left out; here nothing is left out in silence.
const FEATURE_NOT_SUPPORTED: ImapiCode = code("IMAPI_S_IMAGE_FEATURE_NOT_SUPPORTED", 0x00AA_B15F);
const MEDIA_NOT_BLANK: ImapiCode = code("E_IMAPI_DF2DATA_MEDIA_NOT_BLANK", 0xC0AA_0405);
const REQUEST_CANCELLED: ImapiCode = code("E_IMAPI_REQUEST_CANCELLED", 0xC0AA_0002);

impl BuildError {
    /// An error unless files on volumes of this revision have named streams.
    pub fn unless_streams(revision: Revision) -> Result<(), Self> {
        if revision.rules().streams { Ok(()) } else { Err(Self::StreamsNotSupported { revision }) }
    }

    /// What IMAPI2 calls it.
    #[must_use]
    pub fn imapi(&self) -> ImapiCode {
        match self {
            Self::InvalidPath { .. } | Self::Root => INVALID_PATH,
            Self::NotFound { .. } => ITEM_NOT_FOUND,
            Self::ParentNotFound { .. } => DIR_NOT_FOUND,
            Self::NotDirectory { .. } => NOT_DIR,
            Self::NotFile { .. } => NOT_FILE,
            Self::DirectoryNotEmpty { .. } => DIR_NOT_EMPTY,
            Self::Exists { .. } => DUP_NAME,
            Self::IntoItself { .. } | Self::NoChangePoint { .. } | Self::LayoutNotSupported { .. } => {
                INVALID_PARAM
            }
            Self::InvalidDate { .. } => INVALID_DATE,
            Self::StreamsNotSupported { .. } => FEATURE_NOT_SUPPORTED,
            Self::InvalidVolumeName { .. } => INVALID_VOLUME_NAME,
            Self::RevisionChangeNotAllowed { .. } => UDF_REVISION_CHANGE_NOT_ALLOWED,
            Self::SourceUnreadable { .. } => DATA_STREAM_READ_FAILURE,
            Self::EmptyDisc => EMPTY_DISC,
            Self::MediumNotBlank => MEDIA_NOT_BLANK,
            Self::Multisession(error) => code(error.imapi_name(), error.hresult()),
            Self::NoSupportedFileSystem { .. } => NO_SUPPORTED_FILE_SYSTEM,
            Self::IncompatiblePreviousSession { .. } | Self::SessionOpen { .. } => {
                INCOMPATIBLE_PREVIOUS_SESSION
            }
            Self::ReadConsistency { .. } => READ_CONSISTENCY,
        }
    }
}

impl Error {
    /// What IMAPI2 calls it, if it has a name for it.
    #[must_use]
    pub fn imapi(&self) -> Option<ImapiCode> {
        match self {
            Self::Build(error) => Some(error.imapi()),
            Self::Host { .. } => Some(DATA_STREAM_READ_FAILURE),
            Self::Volume(udf::Error::Read { .. }) => Some(IMPORT_READ_FAILURE),
            Self::Volume(_) => Some(READ_CONSISTENCY),
            Self::NoSpace { .. } => Some(IMAGE_SIZE_LIMIT),
            Self::Options(_) | Self::Limit { .. } => Some(INVALID_PARAM),
            Self::DataStreamInconsistency { .. } => Some(DATA_STREAM_INCONSISTENCY),
            Self::DiscMismatch { .. } => Some(DISC_MISMATCH),
            Self::Cancelled => Some(REQUEST_CANCELLED),
            _ => None,
        }
    }
}
