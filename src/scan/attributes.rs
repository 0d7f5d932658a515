//! Which attributes are recorded: those of the host, as far as the options do not say otherwise.

use rustix::fs::{Statx, StatxFlags, StatxTimestamp};
use udf::general::Moment;

use super::Options;
use crate::tree::{Attributes, Kind};

impl Options {
    /// The attributes to record for what the host says.
    pub(super) fn attributes(&self, kind: Kind, status: &Statx) -> Attributes {
        let [accessed, modified, changed] =
            [status.stx_atime, status.stx_mtime, status.stx_ctime].map(moment);
        let has_birth = status.stx_mask & StatxFlags::BTIME.bits() != 0;
        let created = if has_birth { moment(status.stx_btime) } else { Moment::MAX };
        let (uid, gid) = (status.stx_uid, status.stx_gid);
        let mode = status.stx_mode & 0o7777;
        self.adapt(kind, Attributes { mode, uid, gid, accessed, modified, changed, created })
    }

    /// Applies what the options say, and that nothing happens before its creation.
    pub(super) fn adapt(&self, kind: Kind, attributes: Attributes) -> Attributes {
        let mode = match kind {
            Kind::File => self.file_mode,
            Kind::Directory => self.directory_mode,
            _ => None,
        };
        let time = |own: Moment| self.time.unwrap_or(own).min(self.clamp_time.unwrap_or(Moment::MAX));
        let modified = time(attributes.modified);
        let accessed = if self.keep_access_time { time(attributes.accessed) } else { modified };
        let changed = time(attributes.changed);
        let created = time(attributes.created).min(accessed).min(modified).min(changed);
        Attributes {
            mode: mode.unwrap_or(attributes.mode) & 0o7777,
            uid: self.uid.unwrap_or(attributes.uid),
            gid: self.gid.unwrap_or(attributes.gid),
            accessed,
            modified,
            changed,
            created,
        }
    }
}

fn moment(time: StatxTimestamp) -> Moment {
    Moment::from_unix(time.tv_sec, time.tv_nsec)
}
