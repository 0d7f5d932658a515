//! What people are told, on standard error: errors with their hints, warnings, notes; and with which code the program ends.

use std::error::Error as StdError;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use crate::flags::{Common, When};
use crate::text;

/// How a command ended, if it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All is well.
    Done,
    /// It did not do what was asked for, and has said so.
    Failed,
    /// Something of the input did not arrive as it was.
    Losses,
    /// `check` and `repair`: there are errors.
    ErrorsFound,
    /// `repair`: there were errors.
    Corrected,
    /// `repair`: nobody has said that it may.
    Unconfirmed,
}

impl Ending {
    /// The worse of two ways in which work on a volume ends.
    pub(crate) fn or_worse(self, other: Self) -> Self {
        match (self, other) {
            (Self::Failed, _) | (_, Self::Failed) => Self::Failed,
            (Self::Done, other) => other,
            (ending, _) => ending,
        }
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(match ending {
            Ending::Done => 0,
            Ending::Failed | Ending::Corrected => 1,
            Ending::Unconfirmed => 2,
            Ending::Losses => 3,
            Ending::ErrorsFound => 4,
        })
    }
}

/// How much people want to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Quiet,
    Usual,
    Verbose,
}

/// The way to standard error.
#[derive(Debug)]
pub(crate) struct Report {
    /// Results go to standard output as JSON.
    pub(crate) json: bool,
    level: Level,
    color: bool,
}

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const CYAN: &str = "\x1b[36m";
const BOLD: &str = "\x1b[1m";
const RESET: &str = "\x1b[0m";

impl Report {
    /// As the options and the terminal have it. `NO_COLOR` counts unless colour is asked for.
    pub(crate) fn new(common: &Common) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let color = match common.color {
            When::Always => true,
            When::Never => false,
            When::Auto => !unwanted && io::stderr().is_terminal(),
        };
        let level = match (common.quiet, common.verbose) {
            (true, _) => Level::Quiet,
            (_, true) => Level::Verbose,
            _ => Level::Usual,
        };
        Self { json: common.json, level, color }
    }

    /// Whether only what failed or was lost is told.
    pub(crate) fn is_quiet(&self) -> bool {
        self.level == Level::Quiet
    }

    /// Whether more than usual is told.
    pub(crate) fn is_verbose(&self) -> bool {
        self.level == Level::Verbose
    }

    /// Why it failed: all causes in one line, hints below.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        let (what, mut hints) = sentence(error);
        hints.extend(error.chain().find_map(hint).map(String::from));
        self.line(RED, &what);
        for hint in hints {
            self.put(&format!("{}: {}", self.paint(CYAN, "hint"), text::escaped(&hint)));
        }
    }

    /// Something went wrong, and the work goes on.
    pub(crate) fn failure(&self, what: &str) {
        self.line(RED, what);
    }

    /// A warning of the library; what is no loss is kept from those who asked for quiet.
    pub(crate) fn warning(&self, warning: &mkudf_ms::Warning) {
        if warning.is_loss() || !self.is_quiet() {
            self.line(YELLOW, &format!("warning: {warning}"));
        }
    }

    /// Tells all warnings, and how a command that did its work ends with them.
    pub(crate) fn warnings<'a>(&self, warnings: impl IntoIterator<Item = &'a mkudf_ms::Warning>) -> Ending {
        let mut ending = Ending::Done;
        for warning in warnings {
            self.warning(warning);
            if warning.is_loss() {
                ending = Ending::Losses;
            }
        }
        ending
    }

    /// A line for those who did not ask for quiet.
    pub(crate) fn note(&self, what: &str) {
        if !self.is_quiet() {
            self.line(BOLD, what);
        }
    }

    /// A line for those who asked for more.
    pub(crate) fn detail(&self, what: &str) {
        if self.is_verbose() {
            self.line(BOLD, what);
        }
    }

    fn line(&self, style: &str, what: &str) {
        self.put(&format!("{}: {}", self.paint(style, "mkudf-ms"), text::escaped(what)));
    }

    fn paint(&self, style: &str, what: &str) -> String {
        if self.color { format!("{style}{what}{RESET}") } else { what.into() }
    }

    /// Nobody can be told that standard error is closed.
    #[allow(clippy::unused_self, reason = "all that is said goes through here")]
    fn put(&self, line: &str) {
        let _ = writeln!(io::stderr().lock(), "{line}");
    }
}

/// An error and its causes in one line, and the hints that came with them on lines of their own.
fn sentence(error: &anyhow::Error) -> (String, Vec<String>) {
    let mut parts: Vec<String> = Vec::new();
    let mut hints = Vec::new();
    for cause in error.chain() {
        let message = cause.to_string();
        let mut lines = message.lines();
        let first = lines.next().unwrap_or_default().to_owned();
        hints.extend(lines.filter_map(|line| line.strip_prefix("hint: ")).map(String::from));
        // Many errors end with their own cause; once is enough.
        if !parts.last().is_some_and(|last| last.contains(&first)) {
            parts.push(first);
        }
    }
    (parts.join(": "), hints)
}

/// What can be done about a cause, where the error itself cannot know.
fn hint(cause: &(dyn StdError + 'static)) -> Option<&'static str> {
    if let Some(error) = cause.downcast_ref::<mkudf_ms::Error>() {
        return match error {
            mkudf_ms::Error::NoSpace { .. } => {
                Some("leave something out with --exclude, or see with --dry-run what it takes")
            }
            mkudf_ms::Error::Volume(error) => volume_hint(error),
            _ => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<udf::Error>() {
        return volume_hint(error);
    }
    let error = cause.downcast_ref::<io::Error>()?;
    match error.kind() {
        io::ErrorKind::PermissionDenied => Some("does the file belong to somebody else? Devices need root"),
        _ => None,
    }
}

fn volume_hint(error: &udf::Error) -> Option<&'static str> {
    match error {
        udf::Error::NotUdf(_) => Some("if there is one, give its block size with -b"),
        udf::Error::NotFound(_) => Some("`mkudf-ms ls -R IMAGE` shows what there is"),
        _ => None,
    }
}

/// Whether a reader of our output went away, which is how `| head` ends.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Whether somebody asked to stop.
pub(crate) fn is_cancelled(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| matches!(cause.downcast_ref::<mkudf_ms::Error>(), Some(mkudf_ms::Error::Cancelled)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once_and_hints_apart() {
        let refused = mkudf_ms::Error::refused("the image exists", "use --force");
        let error = anyhow::Error::from(refused).context("x.udf");
        assert_eq!(sentence(&error), ("x.udf: the image exists".into(), vec!["use --force".into()]));
        let source = io::Error::from_raw_os_error(2);
        let host = mkudf_ms::Error::Host { action: "cannot open", path: "a".into(), source };
        let (what, _) = sentence(&host.into());
        assert_eq!(what, "cannot open \"a\": No such file or directory (os error 2)");
    }
}
