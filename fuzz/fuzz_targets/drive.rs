//! Drives that talk nonsense: what is asked of them ends, and does no harm.
//!
//! The input is the drive's replies, each a byte of length and so many bytes; what looks like sense data is given as such. After
//! the last comes the first again. Who has waited for it for too long in all pulls the cable.
#![no_main]

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mkudf_ms::device::mmc::{Answer, Data, Disc, Sense, Transport};
use mkudf_ms::device::{Recordable, WriteAt};
use mkudf_ms::media::Drive;
use udf::read::ReadAt;

/// Commands that a drive may be given without a pause between them: more are a loop that nothing ends. A disc claims up to
/// 10,000 tracks, and is looked at a dozen times.
const MOST_COMMANDS: u64 = 500_000;
/// What may be waited for it in all before it fails for good.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Nonsense<'a> {
    replies: Vec<&'a [u8]>,
    next: AtomicU64,
    waited_milliseconds: AtomicU64,
}

impl Transport for Nonsense<'_> {
    fn execute(&self, _command: &[u8], data: Data<'_>, _timeout: Duration) -> io::Result<Answer> {
        if u128::from(self.waited_milliseconds.load(Ordering::Relaxed)) > PATIENCE.as_millis() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        assert!(index < MOST_COMMANDS, "the drive is asked for ever");
        let reply = self.replies[(index % self.replies.len() as u64) as usize];
        if let [0x70..=0x73, ..] = reply
            && let Some(sense) = Sense::parse(reply)
        {
            return Ok(Answer::Check(sense, 0));
        }
        if reply == [0xFF] {
            return Ok(Answer::Busy);
        }
        let Data::In(room) = data else { return Ok(Answer::Good(0)) };
        let length = reply.len().min(room.len());
        room[..length].copy_from_slice(&reply[..length]);
        // A transport may claim that more came than there was room for.
        Ok(Answer::Good(reply.len()))
    }

    fn pause(&self, time: Duration) {
        let milliseconds = u64::try_from(time.as_millis()).expect("a short time");
        self.waited_milliseconds.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

fn replies(mut input: &[u8]) -> Vec<&[u8]> {
    let mut replies = Vec::new();
    while let [length, rest @ ..] = input {
        let (reply, others) = rest.split_at(usize::from(*length).min(rest.len()));
        replies.push(reply);
        input = others;
    }
    replies
}

fuzz_target!(|input: &[u8]| {
    let replies = replies(input);
    if replies.is_empty() {
        return;
    }
    let drive = Nonsense { replies, next: AtomicU64::new(0), waited_milliseconds: AtomicU64::new(0) };
    let Ok(Some(disc)) = Disc::open(&drive) else { return };
    let _ = (
        disc.sessions(),
        disc.multisession(),
        disc.medium_state(),
        disc.size_bytes(),
        disc.state().layouts(None),
    );
    let _ = disc.read_at(0, &mut [0; 100]);
    let _ = disc.write_at(0, &[0; 2048]);
    let _ = disc.flush();
    let _ = disc.look_again();
    let _ = disc.set_speed(1000);
    let _ = disc.close_session(&mut |_| ());
    let _ = disc.blank(false, &mut |_| ());
    let _ = disc.format(&mut |_| ());
    let _ = disc.finalize(&mut |_| ());
    let _ = disc.unit().write_speeds();
    let _ = format!("{:?}", disc.state());
});
