//! A body that can only be read from its beginning on, for threads that want its parts in nearly that order.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};

use crate::device::buffer::length;
use crate::tree::Input;

/// What is kept of one gap at most: more than threads are ever ahead of each other.
const MOST_PASSED_BYTES: u64 = 64 << 20;
const SKIP_BYTES: u64 = 1 << 20;

/// The reader, how far it is, and what was read past for those who come later.
#[derive(Default)]
pub(super) struct Tape {
    reader: Option<Box<dyn Read + Send>>,
    position: u64,
    /// By first byte. Threads take their parts in order, so there are never more than threads.
    passed: BTreeMap<u64, Vec<u8>>,
}

impl std::fmt::Debug for Tape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tape").field("position", &self.position).finish_non_exhaustive()
    }
}

/// How many bytes are there, and why no more.
type Missing = (usize, String);

impl Tape {
    /// Reads a part. What comes back may be a way in which the body is not what it is said to be, though nothing is missing.
    pub(super) fn read(
        &mut self,
        input: &Input,
        offset_bytes: u64,
        out: &mut [u8],
    ) -> Result<Option<String>, Missing> {
        if self.take_passed(offset_bytes, out) {
            return Ok(None);
        }
        if self.reader.is_none() || offset_bytes < self.position {
            self.reader = Some(input.open().map_err(|error| (0, error.to_string()))?);
            self.position = 0;
            self.passed.clear();
        }
        if offset_bytes > self.position {
            let start = self.position;
            if offset_bytes - start > MOST_PASSED_BYTES {
                // Nobody who writes a plan from end to end is so far ahead; who reads here and there comes back by opening anew.
                self.skip(offset_bytes - start)?;
            } else {
                let mut passed = vec![0; length(offset_bytes - start)];
                self.fill(&mut passed).map_err(|(_, why)| (0, why))?;
                self.passed.insert(start, passed);
            }
        }
        self.fill(out)?;
        if self.position < input.size_bytes {
            return Ok(None);
        }
        let is_longer = self.fill(&mut [0]).is_ok();
        self.reader = None;
        Ok(is_longer.then(|| format!("it has more than the {} bytes that were announced", input.size_bytes)))
    }

    /// Takes a part from what was passed, if all of it is there.
    fn take_passed(&mut self, offset_bytes: u64, out: &mut [u8]) -> bool {
        let Some((start, passed)) = self.passed.range(..=offset_bytes).next_back() else { return false };
        let (start, skip) = (*start, length(offset_bytes - start));
        let Some(part) = passed.get(skip..).and_then(|rest| rest.get(..out.len())) else { return false };
        out.copy_from_slice(part);
        let (head, tail) = (passed[..skip].to_vec(), passed[skip + out.len()..].to_vec());
        self.passed.remove(&start);
        let rest = [(start, head), (offset_bytes + out.len() as u64, tail)];
        self.passed.extend(rest.into_iter().filter(|(_, bytes)| !bytes.is_empty()));
        true
    }

    fn skip(&mut self, mut bytes: u64) -> Result<(), Missing> {
        let mut scratch = vec![0; length(bytes.min(SKIP_BYTES))];
        while bytes > 0 {
            let step = bytes.min(SKIP_BYTES);
            self.fill(&mut scratch[..length(step)]).map_err(|(_, why)| (0, why))?;
            bytes -= step;
        }
        Ok(())
    }

    /// Reads as much as there is.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), Missing> {
        let Some(reader) = &mut self.reader else { return Err((0, String::from("it is not open"))) };
        let mut done = 0;
        while done < out.len() {
            match reader.read(&mut out[done..]) {
                Ok(0) => return Err((done, format!("it ends after {} bytes", self.position))),
                Ok(bytes) => {
                    done += bytes;
                    self.position += bytes as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err((done, error.to_string())),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn body(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| u8::try_from(at % 251).unwrap()).collect()
    }

    #[test]
    fn parts_may_be_wanted_out_of_order() {
        let all = body(1000);
        let input = Input::once("x", 1000, Cursor::new(all.clone()));
        let mut tape = Tape::default();
        for (start, end) in [(300, 400), (100, 200), (600, 1000), (0, 100), (400, 600), (200, 300)] {
            let mut out = vec![0; end - start];
            assert_eq!(tape.read(&input, start as u64, &mut out), Ok(None));
            assert_eq!(out, all[start..end]);
        }
        assert!(tape.passed.is_empty());
        let (done, why) = tape.read(&input, 0, &mut [0; 10]).unwrap_err();
        assert!(done == 0 && why.contains("only once"), "{why}");
    }

    #[test]
    fn what_can_be_opened_again_is() {
        let opened = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&opened);
        let input = Input::reopened("x", 1000, move || {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(Box::new(Cursor::new(body(1000))))
        });
        let mut tape = Tape::default();
        for start in [900, 900, 0] {
            let mut out = vec![0; 100];
            assert_eq!(tape.read(&input, start, &mut out), Ok(None));
            assert_eq!(out, body(1000)[length(start)..][..100]);
        }
        assert_eq!(opened.load(Ordering::Relaxed), 2, "what was passed is at hand");
    }

    #[test]
    fn another_length_is_noticed() {
        let mut tape = Tape::default();
        let short = Input::once("x", 1000, Cursor::new(body(700)));
        assert_eq!(tape.read(&short, 0, &mut [0; 1000]), Err((700, "it ends after 700 bytes".into())));
        let mut tape = Tape::default();
        let long = Input::once("x", 1000, Cursor::new(body(1001)));
        assert!(tape.read(&long, 0, &mut [0; 1000]).unwrap().unwrap().contains("more than the 1000"));
    }
}
