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
    // Without a path a stream is the volume's own.
    let own = (flags.paths.is_empty()).then_some(String::new());
    for path in flags.paths.iter().chain(&own) {
        let found = match &flags.stream {
            Some(name) => stream(&volume, own.is_none().then_some(path.as_str()), name),
            None => volume.lookup(path),
        };
        match found {
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
    open::tell_tolerated(&volume, &flags.reading.image, report);
    Ok(ending)
}

/// A named stream of a file, or of the volume.
fn stream<R: ReadAt>(volume: &Volume<R>, path: Option<&str>, name: &str) -> udf::Result<Entry> {
    let streams = match path {
        Some(path) => volume.streams(&volume.lookup(path)?)?,
        None => volume.system_streams()?,
    };
    let found = streams.map(|streams| volume.child(&streams, name)).transpose()?.flatten();
    let of = path.map_or_else(|| "of the volume".into(), |path| format!("of {path}"));
    let found = found.ok_or_else(|| udf::Error::NotFound(format!("the stream \"{name}\" {of}")))?;
    volume.entry(&found.icb)
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
