//! Logical sessions on a medium that is written one sector after the other: each is a volume's beginning and its end.
//!
//! ```text
//!   S            S + 32   + 128       + 256    + 288                                              N - 256   N
//!   | recognition | main | integrity | anchor | file set, entries, directories, data | reserve | A       | A |
//! ```
//!
//! Data, entries and directories that do not change stay where older sessions have them: the partition begins where it began
//! in the first session, and ends with what is new. All of it is one step in ascending order. A session whose last anchor is
//! not there is none: it broke off.

use udf::Sector;

use super::{Plan, SequentialTarget, Spec, Step, frame};
use crate::error::{Error, Result};
use crate::tree::Tree;

impl Plan {
    /// Plans a new volume as a session of a medium that is written one sector after the other: the first one, or one that
    /// has nothing of those before it. The session is to be closed behind it.
    pub fn create_session(tree: &Tree, spec: &Spec, target: &SequentialTarget) -> Result<Self> {
        Self::create_at(tree, spec, Some(target))
    }

    pub(super) fn steps_of_sequential_session(&mut self, target: &SequentialTarget) -> Result<()> {
        if !target.begins_session {
            return Err(Error::refused(
                "the session on the disc is open, and a file system of its own needs one of its own",
                "close the session first: mkudf-ms close",
            ));
        }
        self.check_fits(target.capacity_blocks)?;
        let mut segments = self.frame.session_head(self.shape.block_size);
        segments.extend(self.partition_segments());
        segments.extend(self.frame.last_anchors());
        self.steps = vec![Step { segments: frame::tile(segments, target.next_writable.0, self.end_blocks) }];
        Ok(())
    }
}

impl SequentialTarget {
    /// Where the partition of a new volume begins: at a cluster's beginning behind the head of its session.
    pub(super) fn partition_start(&self) -> Result<Sector> {
        let start = u64::from(self.content_start()?).next_multiple_of(u64::from(frame::CLUSTER_BLOCKS));
        super::space::add_blocks(0, start).map(Sector)
    }
}
