//! Pipes, and whatever else takes bytes only one after the other.

use std::io::{self, Write};
use std::sync::Mutex;

use super::{Order, WriteAt, lock};

/// A target that takes each byte once, in order. What lies between writes is filled with zeros.
#[derive(Debug)]
pub struct Pipe<W> {
    state: Mutex<State<W>>,
}

#[derive(Debug)]
struct State<W> {
    writer: W,
    position_bytes: u64,
    end_bytes: u64,
}

impl<W: Write + Send> Pipe<W> {
    /// Writes into `writer`. Large pieces come, so it need not buffer: for the standard output, `File::from(OwnedFd)` is better
    /// than `io::stdout()`.
    pub fn new(writer: W) -> Self {
        Self { state: Mutex::new(State { writer, position_bytes: 0, end_bytes: 0 }) }
    }

    /// Fills up to where the volume ends, and gives the writer back.
    pub fn commit(self) -> io::Result<W> {
        let mut state = self.state.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.pad_to(state.end_bytes)?;
        state.writer.flush()?;
        Ok(state.writer)
    }
}

impl<W: Write> State<W> {
    fn pad_to(&mut self, end_bytes: u64) -> io::Result<()> {
        let gap_bytes = end_bytes.saturating_sub(self.position_bytes);
        self.position_bytes += io::copy(&mut io::Read::take(io::repeat(0), gap_bytes), &mut self.writer)?;
        Ok(())
    }
}

impl<W: Write + Send> WriteAt for Pipe<W> {
    fn order(&self) -> Order {
        Order::Ascending
    }

    fn reserve(&self, end_bytes: u64) -> io::Result<()> {
        lock(&self.state).end_bytes = end_bytes;
        Ok(())
    }

    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = lock(&self.state);
        if offset_bytes < state.position_bytes {
            return Err(io::Error::new(io::ErrorKind::NotSeekable, "a pipe cannot be written a second time"));
        }
        state.pad_to(offset_bytes)?;
        state.writer.write_all(bytes)?;
        state.position_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Hands over all that was written; whether it is durable, nobody knows who is at this end.
    fn flush(&self) -> io::Result<()> {
        lock(&self.state).writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_the_end_are_zeros_and_nothing_is_written_twice() {
        let pipe = Pipe::new(Vec::new());
        pipe.reserve(10).unwrap();
        pipe.write_at(2, b"ab").unwrap();
        pipe.write_at(4, b"c").unwrap();
        let error = pipe.write_at(4, b"d").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotSeekable);
        assert_eq!(pipe.commit().unwrap(), b"\0\0abc\0\0\0\0\0");
    }

    #[test]
    fn a_reader_who_leaves_is_an_error() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let error = Pipe::new(writer).write_at(0, b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
