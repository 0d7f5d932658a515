//! The progress bar: on a terminal, for anything over a second; and Ctrl-C, which asks the work to stop.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mkudf_ms::progress::Progress;

use crate::report::Report;
use crate::text;

const PATIENCE: Duration = Duration::from_secs(1);
const REFRESH: Duration = Duration::from_millis(100);

/// Shows how far a [`Progress`] is until it is dropped.
#[derive(Debug)]
pub(crate) struct Bar {
    // Dropping the sender wakes and ends the thread.
    watched: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Bar {
    /// Begins to watch; shows something only to a person who did not ask for quiet.
    pub(crate) fn watch(progress: &Progress, report: &Report) -> Self {
        if report.is_quiet() || !io::stderr().is_terminal() {
            return Self { watched: None };
        }
        let progress = progress.clone();
        let (sender, receiver) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            if receiver.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            loop {
                show(&bar, &progress);
                if receiver.recv_timeout(REFRESH) != Err(RecvTimeoutError::Timeout) {
                    return bar.finish_and_clear();
                }
            }
        });
        Self { watched: Some((sender, thread)) }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.watched.take() {
            drop(sender);
            // A bar that panicked is no reason to fail.
            let _ = thread.join();
        }
    }
}

/// Work of a drive that nobody can stop; `work` is given whom to tell how much is done, of 65,536 parts.
pub(crate) fn long_work<T>(
    what: &'static str,
    report: &Report,
    work: impl FnOnce(&mut dyn FnMut(u16)) -> io::Result<T>,
) -> io::Result<T> {
    const PARTS: u64 = 1 << 16;
    let is_shown = !report.is_quiet() && io::stderr().is_terminal();
    let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(PARTS), target).with_message(what);
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {percent:>3}% {msg}, {elapsed}") {
        bar.set_style(style);
    }
    let result = work(&mut |parts| bar.set_position(parts.into()));
    bar.finish_and_clear();
    result
}

/// While the total is not known, files are counted; then bytes.
fn show(bar: &ProgressBar, progress: &Progress) {
    let (files, bytes, total) = (progress.files(), progress.bytes(), progress.total_bytes());
    let template = if total == 0 {
        "{spinner} {msg}, {bytes} in {elapsed}, {bytes_per_sec}"
    } else {
        "{bar:24} {percent:>3}% {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left ({msg})"
    };
    let files = text::things(files, "file", "files");
    bar.set_message(match progress.buffer_level_percent() {
        Some(percent) => format!("{files}, buffer {percent}% full"),
        None => files,
    });
    if bar.length() != Some(total).filter(|total| *total > 0)
        && let Ok(style) = ProgressStyle::with_template(template)
    {
        bar.set_style(style);
        if total > 0 {
            bar.set_length(total);
            bar.reset_eta();
        }
    }
    bar.set_position(bytes);
    bar.tick();
}

/// Makes Ctrl-C (and a polite kill) ask the work to stop, this and what was named before; a second one does not ask.
pub(crate) fn cancel_on_signal(progress: &Progress) -> anyhow::Result<()> {
    static ASKED: AtomicBool = AtomicBool::new(false);
    static WORK: Mutex<Vec<Progress>> = Mutex::new(Vec::new());
    let work = || WORK.lock().unwrap_or_else(PoisonError::into_inner);
    work().push(progress.clone());
    if work().len() > 1 {
        return Ok(());
    }
    ctrlc::set_handler(move || {
        if ASKED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        work().iter().for_each(Progress::cancel);
    })
    .context("cannot listen to Ctrl-C")
}
