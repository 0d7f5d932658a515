//! Who does which piece of work, who may write next, and whether to go on at all.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::device::lock;
use crate::error::{Error, Result};

/// Work for several threads. If it is ordered, each may write only when those who took their work before have written; so
/// there are never more finished buffers than threads.
#[derive(Debug)]
pub(super) struct Turns<I> {
    state: Mutex<State<I>>,
    changed: Condvar,
    is_ordered: bool,
}

#[derive(Debug)]
struct State<I> {
    jobs: I,
    taken: u64,
    written: u64,
    is_stopped: bool,
    failure: Option<Error>,
}

/// Which piece of work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket(u64);

impl<I: Iterator> Turns<I> {
    pub(super) fn new(jobs: I, is_ordered: bool) -> Self {
        let state = State { jobs, taken: 0, written: 0, is_stopped: false, failure: None };
        Self { state: Mutex::new(state), changed: Condvar::new(), is_ordered }
    }

    /// The next piece of work; `None` if there is none, or somebody failed.
    pub(super) fn take(&self) -> Option<(Ticket, I::Item)> {
        let mut state = lock(&self.state);
        if state.is_stopped {
            return None;
        }
        let job = state.jobs.next()?;
        state.taken += 1;
        Some((Ticket(state.taken - 1), job))
    }

    /// Waits until this may be written; `false` if it no longer is to be.
    pub(super) fn wait(&self, ticket: Ticket) -> bool {
        let is_early =
            |state: &mut State<I>| self.is_ordered && !state.is_stopped && state.written < ticket.0;
        let state = self.changed.wait_while(lock(&self.state), is_early);
        !state.unwrap_or_else(PoisonError::into_inner).is_stopped
    }

    /// Lets the next one write.
    pub(super) fn pass(&self) {
        lock(&self.state).written += 1;
        self.changed.notify_all();
    }

    /// Stops everybody, for this reason unless there was one before.
    pub(super) fn fail(&self, error: Error) {
        lock(&self.state).failure.get_or_insert(error);
        self.stop();
    }

    fn stop(&self) {
        lock(&self.state).is_stopped = true;
        self.changed.notify_all();
    }

    /// Whether all went well, when nobody works any more.
    pub(super) fn finish(self) -> Result<()> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).failure.map_or(Ok(()), Err)
    }
}

/// Held by a thread while it works: should it panic, the others must not wait for its turn to pass.
#[derive(Debug)]
pub(super) struct StopOnPanic<'a, I: Iterator>(pub(super) &'a Turns<I>);

impl<I: Iterator> Drop for StopOnPanic<'_, I> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}
