//! The command `mkudf-ms`: what was typed (`flags`) → what it means (`job`) → a file a command that does it.

mod bar;
mod cat;
mod extract;
mod facts;
mod flags;
mod list;
mod open;
mod report;
mod text;
mod values;

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::Parser as _;

use crate::flags::{Command, Flags};
use crate::report::{Ending, Report};

/// What shells make of SIGINT.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) => return usage(&error),
    };
    let report = Report::new(&flags.common);
    match run(&flags.command, &report) {
        Ok(ending) => ending.into(),
        Err(error) if report::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            report.error(&error);
            match (&flags.command, report::is_cancelled(&error)) {
                (_, true) => INTERRUPTED.into(),
                (Command::Check(_), _) => fsck::OPERATIONAL.into(),
                _ => Ending::Failed.into(),
            }
        }
    }
}

/// Exit codes of fsck, which `check` has too.
mod fsck {
    pub(crate) const OPERATIONAL: u8 = 8;
    pub(crate) const USAGE: u8 = 16;
}

/// Help and version are no errors; anything else is wrong usage, which `check` has its own code for.
fn usage(error: &clap::Error) -> ExitCode {
    // Nobody can be told that standard error is closed.
    let _ = error.print();
    let is_check = || std::env::args_os().skip(1).find(|word| !word.as_encoded_bytes().starts_with(b"-"));
    match error.exit_code() {
        0 => ExitCode::SUCCESS,
        _ if is_check().as_deref() == Some(OsStr::new("check")) => fsck::USAGE.into(),
        _ => 2.into(),
    }
}

fn run(command: &Command, report: &Report) -> anyhow::Result<Ending> {
    match command {
        Command::Ls(flags) => list::run(flags, report),
        Command::Cat(flags) => cat::run(flags, report),
        Command::Extract(flags) => extract::run(flags, report),
        _ => anyhow::bail!("not wired yet"),
    }
}
