//! `cat`: the bytes of files, to standard output.

use std::io::{self, Write};

use udf::read::{Entry, ReadAt, Volume};

use crate::facts::Kind;
use crate::flags::Cat;
use crate::open;
use crate::report::{Ending, Report};

const CHUNK_BYTES: usize = 1 << 20;

/// Prints the files; what cannot be printed is told, and the others follow.
pub(crate) fn run(flags: &Cat, report: &Report) -> anyhow::Result<Ending> {
    let volume = open::open(&flags.reading, report)?;
    let mut out = io::stdout().lock();
    let mut ending = Ending::Done;
    for path in &flags.paths {
        match volume.lookup(path) {
            Ok(entry) if Kind::of(&entry) == Kind::File => {
                if let Err(why) = print(&volume, &entry, &mut out)? {
                    report.failure(&format!("{path}: {why}"));
                    ending = Ending::Failed;
                }
            }
            Ok(_) => {
                report.failure(&format!("{path}: is not a regular file"));
                ending = Ending::Failed;
            }
            Err(error) => {
                report.failure(&error.to_string());
                ending = Ending::Failed;
            }
        }
    }
    out.flush()?;
    Ok(ending)
}

/// Prints a file as far as it can be read; the outer error is that of the output.
fn print<R: ReadAt>(volume: &Volume<R>, entry: &Entry, out: &mut impl Write) -> io::Result<udf::Result<()>> {
    let body = match volume.body(entry) {
        Ok(body) => body,
        Err(error) => return Ok(Err(error)),
    };
    let mut buffer = vec![0; usize::try_from(body.len()).unwrap_or(usize::MAX).min(CHUNK_BYTES)];
    let mut at_bytes = 0;
    while at_bytes < body.len() {
        match body.read(at_bytes, &mut buffer) {
            Ok(count) => {
                out.write_all(&buffer[..count])?;
                at_bytes += count as u64;
            }
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(()))
}
