//! Discs in simulated drives, and drives that talk nonsense.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use udf::read::ReadAt;

use super::*;
use crate::device::simulated::{SimulatedDrive, SimulatedMedium};
use crate::device::{Recordable, Taking, WriteAt};
use crate::media::multisession::{MediumState, Sequential};
use crate::media::{Drive, Medium};

struct Tray {
    /// Holds the medium's files.
    _folder: tempfile::TempDir,
    drive: SimulatedDrive,
}

impl Tray {
    fn with(
        medium: &'static Medium,
        make: fn(&std::path::Path, &'static Medium) -> io::Result<SimulatedMedium>,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let image: PathBuf = folder.path().join("disc");
        Self { drive: SimulatedDrive::with(make(&image, medium).expect("a medium")), _folder: folder }
    }

    fn blank(medium: &'static Medium) -> Self {
        Self::with(medium, |image, medium| SimulatedMedium::blank(image, medium, Some(60_000)))
    }

    fn disc(&self) -> Disc<&SimulatedDrive> {
        Disc::open(&self.drive).expect("a drive").expect("a disc")
    }

    fn commands(&self) -> Vec<u8> {
        self.drive.log().iter().map(|block| block[0]).collect()
    }
}

fn facts(disc: &impl Drive) -> Option<Sequential> {
    disc.multisession().iter().find_map(|one| one.mechanism.sequential().copied())
}

fn quietly() -> impl FnMut(u16) {
    |_| ()
}

#[test]
fn sessions_are_written_closed_and_told_as_the_medium_has_them() {
    for medium in Medium::sequential() {
        let name = medium.name;
        let tray = Tray::blank(medium);
        let disc = tray.disc();
        assert_eq!(disc.medium(), medium, "{name}");
        assert!(disc.medium_state().is_blank, "{name}");
        let unit = 32 * SECTOR_BYTES;
        for round in 1..=3u8 {
            let before = facts(&disc).unwrap();
            assert_eq!(facts(tray.drive.medium()), Some(before), "{name} {round}");
            let content = vec![round; 2 * unit];
            let at = u64::from(before.next_writable) * SECTOR_BYTES as u64;
            disc.write_at(at, &content[..unit]).unwrap();
            disc.write_at(at + unit as u64, &content[unit..]).unwrap();
            disc.flush().unwrap();
            let open = facts(&disc).unwrap();
            assert_eq!(open.open_session_start, Some(before.next_writable), "{name} {round}");
            assert_eq!(facts(tray.drive.medium()), Some(open), "{name} {round}");
            let mut back = vec![0; content.len()];
            disc.read_at(at, &mut back).unwrap();
            assert!(back == content, "{name} {round}");
            disc.close_session(&mut quietly()).unwrap();
            let closed = facts(&disc).unwrap();
            assert_eq!(facts(tray.drive.medium()), Some(closed), "{name} {round}");
            assert_eq!(closed.start_of_previous_session, Some(before.next_writable), "{name} {round}");
            assert_eq!(disc.sessions().len(), usize::from(round), "{name}");
        }
        disc.finalize(&mut quietly()).unwrap();
        assert!(
            disc.medium_state().is_closed
                && disc.multisession().iter().all(|one| !one.is_supported_on_current_media_state),
            "{name}"
        );
        assert_eq!(disc.sessions().len(), 3, "{name}");
    }
}

/// Other programs close a track and leave its session open.
#[test]
fn tracks_that_were_closed_belong_to_their_session() {
    for medium in Medium::sequential() {
        let name = medium.name;
        let tray = Tray::blank(medium);
        let disc = tray.disc();
        let content = vec![1; 32 * SECTOR_BYTES];
        for round in 1..=3 {
            let next = facts(&disc).unwrap().next_writable;
            disc.write_at(u64::from(next) * SECTOR_BYTES as u64, &content).unwrap();
            disc.flush().unwrap();
            if disc.state().profile.has_write_parameters() {
                let error = disc.unit().close(Closing::Session, &mut quietly()).unwrap_err();
                assert!(error.to_string().contains("cannot be closed as it is"), "{name}: {error}");
            }
            let number = disc.state().writable_track().unwrap().number;
            assert_eq!(number, round, "{name}");
            disc.unit().close(Closing::Track(number), &mut quietly()).unwrap();
            disc.look_again().unwrap();
            assert_eq!(facts(&disc), facts(tray.drive.medium()), "{name}");
            assert_eq!(Drive::sessions(&disc), Drive::sessions(tray.drive.medium()), "{name}");
            assert_eq!(disc.state().sessions().len(), 1, "{name}");
        }
        Recordable::close_session(&disc, &mut quietly()).unwrap();
        assert_eq!(facts(&disc), facts(tray.drive.medium()), "{name}");
        assert_eq!(Drive::sessions(&disc), Drive::sessions(tray.drive.medium()), "{name}");
        let tracks: Vec<_> = disc.state().tracks.iter().map(|track| (track.session, track.start)).collect();
        let expected = tray.drive.medium().tracks().unwrap();
        let expected: Vec<_> = expected.iter().map(|track| (track.session, track.start)).collect();
        assert_eq!(tracks, expected, "{name}");
        assert_eq!(tracks.len(), 4, "{name}");
    }
}

#[test]
fn a_drive_tells_what_it_is_asked_for() {
    let tray = Tray::blank(Medium::find("dvd+r").unwrap());
    let disc = tray.disc();
    disc.write_at(0, &vec![1; 32 * SECTOR_BYTES]).unwrap();
    disc.flush().unwrap();
    Recordable::close_session(&disc, &mut quietly()).unwrap();
    let unit = disc.unit();
    assert_eq!(unit.last_session_start().unwrap(), 0);
    assert_eq!(unit.media_status().unwrap(), (true, false));
    assert_eq!(unit.buffer_capacity().unwrap().level_percent(), Some(75));
    assert!(unit.inquiry().is_ok() && unit.calibrate().is_ok());
    assert_eq!(unit.request_sense().unwrap(), Sense::new(0, 0, 0));
    tray.drive.say(Sense::new(2, 0x04, 0x08));
    assert_eq!(unit.request_sense().unwrap(), Sense::new(2, 0x04, 0x08), "what it is busy with");
    assert!(
        unit.reserve_track(320).unwrap_err().is_unknown_to_the_drive(),
        "this one knows no reserved tracks"
    );
}

/// The drive's own speed that is not above what is asked for; CDs have a command of their own.
#[test]
fn the_speed_is_one_that_the_drive_has() {
    for (name, command) in [("cd-r", 0xBB), ("dvd+r", 0xB6), ("bd-r", 0xB6), ("dvd+rw", 0xB6)] {
        let tray = Tray::blank(Medium::find(name).unwrap());
        let disc = tray.disc();
        for (asked, given) in [(11_080, 11_080), (99_999, 11_080), (8000, 5540), (1, 5540)] {
            assert_eq!(Recordable::set_speed(&disc, asked).unwrap(), Some(given), "{name}, {asked}");
            let told = tray.drive.log().pop().unwrap();
            assert_eq!(told[0], command, "{name}");
            if command == 0xBB {
                assert_eq!(u32::from(u16::from_be_bytes([told[4], told[5]])), given, "{name}");
            }
        }
    }
}

/// The buffer is looked at once a second, not with every write; a drive that does not know is not asked again.
#[test]
fn the_buffer_is_looked_at_now_and_then() {
    let tray = Tray::blank(Medium::find("bd-r").unwrap());
    let disc = tray.disc();
    for sector in 0..10 {
        disc.write_at(sector * 32 * SECTOR_BYTES as u64, &vec![1; 32 * SECTOR_BYTES]).unwrap();
        assert_eq!(disc.buffer_level_percent(), Some(75));
    }
    let asked = tray.commands().into_iter().filter(|code| *code == 0x5C).count();
    assert!((1..10).contains(&asked), "{asked} times");
    let parts = [(100, 100, Some(0)), (100, 0, Some(100)), (3, 1, Some(66)), (0, 0, None), (1, 2, None)];
    for (size, free, level) in parts {
        let [size_bytes, available_bytes] = [size, free].map(zerocopy::big_endian::U32::new);
        let buffer = BufferCapacity { length: 10.into(), reserved: [0; 2], size_bytes, available_bytes };
        assert_eq!(buffer.level_percent(), level, "{free} of {size}");
    }
}

#[test]
fn only_what_needs_it_is_told_how_it_is_written_and_only_once() {
    for medium in Medium::sequential() {
        let tray = Tray::blank(medium);
        let disc = tray.disc();
        let unit = vec![1; 32 * SECTOR_BYTES];
        disc.write_at(0, &unit).unwrap();
        disc.write_at(unit.len() as u64, &unit).unwrap();
        let selections = tray.drive.log().iter().filter(|block| block[0] == 0x55).count();
        let expected = usize::from(medium.name.starts_with("cd") || medium.name.starts_with("dvd-r"));
        assert_eq!(selections, expected, "{}", medium.name);
        disc.flush().unwrap();
        disc.close_session(&mut quietly()).unwrap();
        let order: Vec<_> =
            tray.commands().into_iter().filter(|code| matches!(code, 0x2A | 0x35 | 0x5B)).collect();
        assert_eq!(
            order,
            [0x2A, 0x2A, 0x35, 0x35, 0x5B, 0x5B],
            "{}: written, on the disc, track closed, session closed",
            medium.name
        );
        let calibrations = tray.commands().into_iter().filter(|code| *code == 0x54).count();
        assert_eq!(calibrations, expected, "{}: before the first write, not before closing", medium.name);
    }
}

#[test]
fn nothing_is_written_but_what_comes_next() {
    let tray = Tray::blank(Medium::find("bd-r").unwrap());
    let disc = tray.disc();
    let unit = vec![1; 32 * SECTOR_BYTES];
    let error = disc.write_at(unit.len() as u64, &unit).unwrap_err();
    assert!(error.to_string().contains("which is 0"), "{error}");
    assert!(disc.write_at(0, &unit[..100]).is_err());
    assert!(!tray.commands().contains(&0x2A));
}

#[test]
fn what_is_written_in_any_order_is_formatted_first() {
    for medium in Medium::random().filter(|medium| medium.capacity_blocks.is_some()) {
        let name = medium.name;
        let tray =
            Tray::with(medium, |image, medium| SimulatedMedium::unformatted(image, medium, Some(60_000)));
        let disc = tray.disc();
        assert_eq!(
            disc.medium_state(),
            MediumState { is_blank: true, is_overwritable: true, is_closed: false },
            "{name}"
        );
        assert!(disc.multisession().iter().all(|one| !one.is_supported_on_current_media_state), "{name}");
        assert!(disc.format(&mut quietly()).unwrap(), "{name}");
        assert!(disc.multisession().iter().all(|one| one.is_supported_on_current_media_state), "{name}");
        assert_eq!(disc.capacity_blocks(), 60_000, "{name}");
        let content = vec![7; 64 * SECTOR_BYTES];
        let at = 320 * SECTOR_BYTES as u64;
        disc.write_at(at, &content).unwrap();
        disc.flush().unwrap();
        let mut back = vec![0; 100];
        disc.read_at(at + 1000, &mut back).unwrap();
        assert!(back == content[..100], "{name}");
    }
}

#[test]
fn discs_that_cannot_be_blanked_are_not_and_others_are() {
    for medium in Medium::sequential() {
        let tray = Tray::blank(medium);
        let disc = tray.disc();
        disc.write_at(0, &vec![1; 32 * SECTOR_BYTES]).unwrap();
        disc.flush().unwrap();
        let result = disc.blank(false, &mut quietly());
        let is_erasable = medium.writing == crate::media::Writing::SequentialErasable;
        assert_eq!(result.is_ok(), is_erasable, "{}", medium.name);
        assert_eq!(disc.medium_state().is_blank, is_erasable, "{}", medium.name);
    }
}

#[test]
fn what_passes_by_itself_is_waited_for() {
    let tray = Tray::blank(Medium::find("dvd+r").unwrap());
    let disc = tray.disc();
    for _ in 0..20 {
        tray.drive.say(Sense::new(2, 0x04, 0x08));
    }
    disc.write_at(0, &vec![1; 16 * SECTOR_BYTES]).unwrap();
    tray.drive.say(Sense::new(2, 0x04, 0x07));
    disc.flush().unwrap();
}

#[test]
fn a_disc_that_was_exchanged_is_not_written_to() {
    let tray = Tray::blank(Medium::find("dvd+r").unwrap());
    let disc = tray.disc();
    disc.write_at(0, &vec![1; 16 * SECTOR_BYTES]).unwrap();
    tray.drive.say(Sense::new(6, 0x28, 0));
    let error = disc.write_at(16 * SECTOR_BYTES as u64, &vec![1; 16 * SECTOR_BYTES]).unwrap_err();
    assert!(error.to_string().contains("a disc was inserted"), "{error}");
}

#[test]
fn where_writing_failed_is_told_and_where_it_goes_on_is_known() {
    use crate::device::simulated::{Defect, DefectKind};
    let tray = Tray::blank(Medium::find("dvd+r").unwrap());
    tray.drive.medium().damage(Defect { first: 70, last: 70, kind: DefectKind::Unwritable }).unwrap();
    let disc = tray.disc();
    let error = disc.write_at(0, &vec![1; 128 * SECTOR_BYTES]).unwrap_err();
    assert!(error.to_string().starts_with("WRITE (10): the drive could not write there"), "{error}");
    let next = facts(&disc).unwrap().next_writable;
    assert_eq!(next, 80, "the write unit is lost");
    disc.write_at(u64::from(next) * SECTOR_BYTES as u64, &vec![1; 32 * SECTOR_BYTES]).unwrap();
}

/// Always says the same.
#[derive(Debug)]
struct Stubborn {
    answer: Answer,
    waited_milliseconds: AtomicU64,
}

impl Transport for Stubborn {
    fn execute(&self, _command: &[u8], _data: Data<'_>, _timeout: Duration) -> io::Result<Answer> {
        Ok(self.answer)
    }

    fn pause(&self, time: Duration) {
        let milliseconds = u64::try_from(time.as_millis()).expect("a short time");
        self.waited_milliseconds.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

/// A drive at whose transport pages may be gone.
#[derive(Debug)]
struct Paging<'a> {
    drive: &'a SimulatedDrive,
    writes_left: AtomicU64,
}

impl Transport for Paging<'_> {
    fn execute(&self, command: &[u8], data: Data<'_>, timeout: Duration) -> io::Result<Answer> {
        let is_write = command[0] == 0x2A;
        if is_write && self.writes_left.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(rustix::io::Errno::FAULT.into());
        }
        self.drive.execute(command, data, timeout)
    }

    fn takes_pages(&self) -> bool {
        true
    }
}

#[test]
fn pages_of_files_are_taken_up_to_those_that_are_gone() {
    let content: Vec<u8> = (0..40_u32 * 32_768).map(|at| (at % 251) as u8).collect();
    let mut file = tempfile::tempfile().unwrap();
    io::Write::write_all(&mut file, &content).unwrap();
    for (writes, expected) in [(0, 0), (3, 3 * 65_536), (100, 20 * 65_536)] {
        let tray = Tray::blank(Medium::find("dvd+r").unwrap());
        let disc = Disc::open(Paging { drive: &tray.drive, writes_left: writes.into() }).unwrap().unwrap();
        assert_eq!((disc.taking(), disc.alignment_bytes()), (Taking::Mapped, 32_768));
        let taken = disc.copy_from(0, &file, 0, 20 * 65_536).unwrap();
        assert_eq!((taken, disc.write_times().unwrap().from_pages_bytes), (expected, expected));
        let rest = &content[usize::try_from(taken).unwrap()..20 * 65_536];
        if !rest.is_empty() {
            disc.write_at(taken, rest).unwrap();
        }
        disc.flush().unwrap();
        let mut back = vec![0; 20 * 65_536];
        disc.read_at(0, &mut back).unwrap();
        assert!(back == content[..20 * 65_536], "{writes} writes");
        let error = disc.copy_from(0, &file, 0, 65_536).unwrap_err();
        assert!(error.to_string().contains("not the next one"), "{error}");
    }
    let tray = Tray::blank(Medium::find("dvd+r").unwrap());
    assert_eq!(tray.disc().taking(), Taking::Nothing, "a simulated drive would look at pages that are gone");
}

#[test]
fn nothing_is_waited_for_without_end() {
    for (answer, least, most, is_busy) in [
        (Answer::Check(Sense::new(2, 4, 1), 0), 60, 200, true),
        (Answer::Check(Sense::new(2, 4, 8), 0), 60, 400, true),
        (Answer::Check(Sense::new(0xB, 0, 0), 0), 0, 20, false),
        (Answer::Check(Sense::new(6, 0x29, 0), 0), 0, 40, false),
        (Answer::Check(Sense::new(5, 0x20, 0), 0), 0, 0, false),
        (Answer::Busy, 30, 120, true),
    ] {
        let unit = Unit::new(Stubborn { answer, waited_milliseconds: AtomicU64::new(0) });
        let error = unit.wait_until_ready().unwrap_err();
        let seconds = unit.transport().waited_milliseconds.load(Ordering::Relaxed) / 1000;
        assert!((least..=most).contains(&seconds), "{answer:?}: {seconds} s");
        assert_eq!(matches!(error, MmcError::Busy { .. }), is_busy, "{error}");
    }
}

/// Is busy for nearly a minute before it says what a track is.
#[derive(Debug)]
struct Dawdling<'a> {
    drive: &'a SimulatedDrive,
    asked: AtomicU64,
    waited_milliseconds: AtomicU64,
}

impl Transport for Dawdling<'_> {
    fn execute(&self, command: &[u8], data: Data<'_>, timeout: Duration) -> io::Result<Answer> {
        if command[0] == 0x52 && self.asked.fetch_add(1, Ordering::Relaxed) % 1100 != 1099 {
            return Ok(Answer::Busy);
        }
        self.drive.execute(command, data, timeout)
    }

    fn pause(&self, time: Duration) {
        let milliseconds = u64::try_from(time.as_millis()).expect("a short time");
        self.waited_milliseconds.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

#[test]
fn a_disc_of_many_tracks_is_not_waited_for_track_by_track() {
    let tray = Tray::blank(Medium::find("cd-r").unwrap());
    for sessions in 1..=8 {
        let disc = tray.disc();
        let next = u64::from(facts(&disc).unwrap().next_writable) * SECTOR_BYTES as u64;
        disc.write_at(next, &vec![1; 32 * SECTOR_BYTES]).unwrap();
        disc.close_session(&mut quietly()).unwrap();
        let drive =
            Dawdling { drive: &tray.drive, asked: AtomicU64::new(0), waited_milliseconds: AtomicU64::new(0) };
        let opened = Disc::open(&drive);
        let seconds = drive.waited_milliseconds.load(Ordering::Relaxed) / 1000;
        assert!(seconds <= 6 * 60, "{sessions} sessions: {seconds} s");
        match sessions {
            ..=4 => assert!(opened.is_ok(), "{sessions} sessions"),
            6.. => assert!(matches!(opened, Err(MmcError::Busy { code: 0x52, .. })), "{sessions} sessions"),
            _ => {}
        }
    }
}

/// Answers each command with the next of its replies, or with sense data made of it.
#[derive(Debug)]
struct Nonsense {
    replies: Vec<Vec<u8>>,
    next: AtomicU64,
}

impl Transport for Nonsense {
    fn execute(&self, _command: &[u8], data: Data<'_>, _timeout: Duration) -> io::Result<Answer> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.replies.len() as u64;
        let reply = &self.replies[usize::try_from(index % count).expect("an index")];
        // No drive is listened to for ever.
        if index > 100_000 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if let [0x70..=0x73, ..] = reply[..]
            && let Some(sense) = Sense::parse(reply)
        {
            return Ok(Answer::Check(sense, 0));
        }
        let Data::In(room) = data else { return Ok(Answer::Good(0)) };
        let length = reply.len().min(room.len());
        room[..length].copy_from_slice(&reply[..length]);
        // A transport may claim that more came than there was room for.
        Ok(Answer::Good(reply.len()))
    }

    fn pause(&self, _time: Duration) {}
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn drives_that_talk_nonsense_are_listened_to_without_harm(
        replies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 1..12),
        profile in prop_oneof![Just(9u8), Just(0x11), Just(0x12), Just(0x1A), Just(0x1B), Just(0x41), Just(0x43)],
    ) {
        let mut replies = replies;
        // The second command asks which disc it is: often enough one that is known.
        if replies.len() > 1 && replies[1].len() >= 8 {
            (replies[1][6], replies[1][7]) = (0, profile);
        }
        let drive = Nonsense { replies, next: AtomicU64::new(0) };
        if let Ok(Some(disc)) = Disc::open(&drive) {
            let _ = (disc.sessions(), disc.multisession(), disc.medium_state(), disc.size_bytes());
            let _ = disc.write_at(0, &[0; 2048]);
            let _ = disc.read_at(0, &mut [0; 100]);
            let _ = disc.flush();
            let _ = disc.close_session(&mut quietly());
            let _ = disc.format(&mut quietly());
            let _ = disc.unit().write_speeds();
        }
    }
}
