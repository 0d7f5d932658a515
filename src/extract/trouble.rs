//! What can go wrong with one file, and whether it is worth going on with the others.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::error::Error;

/// Why something was not extracted.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// This one; others may do better.
    Here(String),
    /// The work must end: the disk is full, somebody asked to stop.
    Everywhere(Error),
}

impl Trouble {
    /// The host refused to do something: `action` is "cannot write", "cannot make the directory".
    pub(crate) fn host(action: &'static str, path: &Path, error: Errno) -> Self {
        let everywhere = matches!(
            error,
            Errno::NOSPC
                | Errno::DQUOT
                | Errno::ROFS
                | Errno::IO
                | Errno::MFILE
                | Errno::NFILE
                | Errno::NOMEM
        );
        if everywhere {
            return Self::Everywhere(Error::Host { action, path: path.into(), source: error.into() });
        }
        match error {
            Errno::EXIST => Self::Here("there is something of this name already".into()),
            _ => Self::Here(format!("{action} it: {}", io::Error::from(error))),
        }
    }
}

impl From<udf::Error> for Trouble {
    fn from(error: udf::Error) -> Self {
        Self::Here(error.to_string())
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Everywhere(error)
    }
}
