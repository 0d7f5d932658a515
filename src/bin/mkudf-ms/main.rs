//! The command `mkudf-ms`: what was typed (`flags`) → what it means (`job`) → a file a command that does it.

mod append;
mod bar;
mod cat;
mod check;
mod create;
mod details;
mod devices;
mod diff;
mod disc;
mod edit;
mod explain;
mod extract;
mod facts;
mod flags;
mod further;
mod grow;
mod info;
mod job;
mod list;
mod media;
mod open;
mod read_back;
mod repair;
mod report;
mod rescue;
mod revert;
mod sessions;
mod start_new;
mod stopped;
mod summary;
mod text;
mod values;
mod verify;

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

use crate::flags::{Command, Flags};
use crate::job::Usage;
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
        // But a volume that did not arrive whole is no success.
        Err(error) if report::is_broken_pipe(&error) && !matches!(flags.command, Command::Create(_)) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            if let Some(wrong) = error.downcast_ref::<Usage>() {
                return usage(&Flags::command().error(ErrorKind::ValueValidation, wrong));
            }
            report.error(&error);
            match (&flags.command, report::is_cancelled(&error)) {
                (_, true) => INTERRUPTED.into(),
                (Command::Check(_) | Command::Repair(_), _) => fsck::OPERATIONAL.into(),
                _ => Ending::Failed.into(),
            }
        }
    }
}

/// Exit codes of fsck, which `check` and `repair` have too.
mod fsck {
    pub(crate) const OPERATIONAL: u8 = 8;
    pub(crate) const USAGE: u8 = 16;
}

/// Help and version are no errors; anything else is wrong usage, which `check` and `repair` have their own code for.
fn usage(error: &clap::Error) -> ExitCode {
    // Nobody can be told that standard error is closed.
    let _ = error.print();
    let command = || std::env::args_os().skip(1).find(|word| !word.as_encoded_bytes().starts_with(b"-"));
    match error.exit_code() {
        0 => ExitCode::SUCCESS,
        _ if ["check", "repair"].iter().any(|name| command().as_deref() == Some(OsStr::new(name))) => {
            fsck::USAGE.into()
        }
        _ => 2.into(),
    }
}

fn run(command: &Command, report: &Report) -> anyhow::Result<Ending> {
    match command {
        Command::Create(flags) => create::run(flags, report),
        Command::Append(flags) => append::run(flags, report),
        Command::Put(flags) => edit::put(flags, report),
        Command::Rm(flags) => edit::rm(flags, report),
        Command::Mv(flags) => edit::mv(flags, report),
        Command::Mkdir(flags) => edit::mkdir(flags, report),
        Command::Ls(flags) => list::run(flags, report),
        Command::Cat(flags) => cat::run(flags, report),
        Command::Extract(flags) => extract::run(flags, report),
        Command::Info(flags) => info::run(flags, report),
        Command::Sessions(flags) => sessions::run(flags, report),
        Command::Diff(flags) => diff::run(flags, report),
        Command::Revert(flags) => revert::run(flags, report),
        Command::Check(flags) => check::run(flags, report),
        Command::Close(flags) => disc::close(flags, report),
        Command::Blank(flags) => disc::blank(flags, report),
        Command::FormatDisc(flags) => disc::format(flags, report),
        Command::Eject(flags) => disc::eject(flags),
        Command::Verify(flags) => verify::run(flags, report),
        Command::Repair(flags) => repair::run(flags, report),
        Command::Media(_) => media::run(report),
        Command::Devices(flags) => devices::run(flags, report),
        Command::Rescue(flags) => rescue::run(flags, report),
    }
}
