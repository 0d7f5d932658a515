//! What discs take, what they refuse, and what they say of themselves.

use super::*;
use crate::device::WholeUnits;

fn disc(folder: &tempfile::TempDir, name: &str) -> SimulatedMedium {
    let image = folder.path().join("disc.img");
    SimulatedMedium::blank(&image, Medium::find(name).unwrap(), Some(60_000)).unwrap()
}

fn facts(disc: &SimulatedMedium) -> Sequential {
    match disc.multisession()[0].mechanism {
        Mechanism::Sequential(facts) => facts,
        other => panic!("{other:?}"),
    }
}

fn write(disc: &SimulatedMedium, first: u32, blocks: usize) -> io::Result<()> {
    disc.write_at(u64::from(first) * 2048, &vec![7; blocks * 2048])
}

#[test]
fn sequential_media_take_whole_units_at_the_next_writable_sector_and_nothing_else() {
    for (name, unit) in [("dvd-r", 16), ("dvd+r", 16), ("bd-r", 32)] {
        let folder = tempfile::tempdir().unwrap();
        let disc = disc(&folder, name);
        assert!(disc.state().is_blank);
        write(&disc, 0, 2 * unit).unwrap();
        let next = u32::try_from(2 * unit).unwrap();
        assert_eq!(facts(&disc).next_writable, next, "{name}");
        for (first, blocks) in [(0, unit), (next + 16, unit), (next, unit - 1), (next, 0), (next, 60_000)] {
            assert!(write(&disc, first, blocks).is_err(), "{name}: {blocks} at {first}");
        }
        write(&disc, next, unit).unwrap();
    }
}

#[test]
fn sessions_have_gaps_and_a_closed_disc_stays_closed() {
    // A CD counts two blocks of running out as recorded.
    for (name, gaps, run_out) in [
        ("cd-r", [11_400, 6900], 2),
        ("dvd-r", [20_480, 6144], 0),
        ("dvd+r", [2048, 2048], 0),
        ("bd-r", [0, 0], 0),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let disc = disc(&folder, name);
        let mut at = 0;
        for gap in gaps {
            write(&disc, at, 320).unwrap();
            disc.close_session().unwrap();
            let facts = facts(&disc);
            assert_eq!(facts.start_of_previous_session, Some(at), "{name}");
            assert_eq!(facts.last_written_of_previous_session, Some(at + 319 + run_out), "{name}");
            let told = crate::media::Drive::sessions(&disc);
            assert_eq!(told.last().unwrap().1.0, at + 319 + run_out, "{name}");
            assert_eq!(disc.closed_sessions().last().unwrap().last, at + 319, "{name}");
            assert_eq!((facts.next_writable, facts.open_session_start), (at + 320 + gap, None), "{name}");
            at = facts.next_writable;
        }
        assert!(disc.close_session().is_err(), "{name}: nothing is open");
        write(&disc, at, 32).unwrap();
        disc.finalize().unwrap();
        assert!(disc.state().is_closed);
        assert!(!disc.multisession()[0].is_supported_on_current_media_state);
        assert!(write(&disc, facts(&disc).next_writable, 32).is_err(), "{name}");
    }
}

#[test]
fn the_state_survives_and_so_does_what_a_power_cut_left() {
    for (name, next) in [("bd-r", 128), ("cd-r", 108)] {
        let folder = tempfile::tempdir().unwrap();
        let first = disc(&folder, name);
        write(&first, 0, 64).unwrap();
        first.flush().unwrap();
        let image = folder.path().join("disc.img");
        drop(first);
        let links = if name == "cd-r" { 7 } else { 0 };
        let second = SimulatedMedium::open(&image).unwrap().unwrap();
        assert_eq!(facts(&second).next_writable, 64 + links, "{name}");
        drop(second);
        // Not a whole unit, and nothing noted beside it.
        let file = OpenOptions::new().write(true).open(&image).unwrap();
        file.set_len(101 * 2048).unwrap();
        let third = SimulatedMedium::open(&image).unwrap().unwrap();
        assert_eq!(facts(&third).next_writable, next, "{name}");
        write(&third, next, 32).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plain.img"), [0; 2048]).unwrap();
    assert!(SimulatedMedium::open(&folder.path().join("plain.img")).unwrap().is_none());
}

#[test]
fn media_written_in_any_order_take_whole_units_anywhere_once_they_are_formatted() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disc.img");
    let medium = Medium::find("dvd+rw").unwrap();
    let disc = SimulatedMedium::unformatted(&image, medium, Some(60_000)).unwrap();
    assert!(write(&disc, 160, 16).unwrap_err().to_string().contains("not formatted"));
    disc.format().unwrap();
    write(&disc, 160, 16).unwrap();
    write(&disc, 32, 32).unwrap();
    write(&disc, 32, 16).unwrap();
    assert!(write(&disc, 8, 16).is_err());
    assert!(write(&disc, 16, 8).is_err());
    assert!(write(&disc, 60_000 - 8, 16).is_err());
    let expected = RandomWrite { write_unit: 16, last_written: Some(175), total_sectors: 60_000 };
    assert_eq!(disc.multisession()[0].mechanism, Mechanism::RandomWrite(expected));
    assert!(disc.state().is_overwritable);
    drop(disc);
    let disc = SimulatedMedium::open(&folder.path().join("disc.img")).unwrap().unwrap();
    write(&disc, 0, 16).unwrap();
    assert!(disc.close_session().is_err(), "there are no sessions");
    disc.format().unwrap();
    assert_eq!((disc.size_bytes(), disc.state().is_blank), (0, true));
}

/// What can be blanked, what can be formatted, and what it is then.
#[test]
fn media_are_blanked_or_formatted_or_neither() {
    for (name, blanked, formatted) in [
        ("cd-r", None, None),
        ("cd-rw", Some("cd-rw"), None),
        ("dvd-r", None, None),
        ("dvd-rw-seq", Some("dvd-rw-seq"), Some("dvd-rw")),
        ("dvd-rw", Some("dvd-rw-seq"), Some("dvd-rw")),
        ("dvd+r", None, None),
        ("dvd+rw", None, Some("dvd+rw")),
        ("dvd-ram", None, Some("dvd-ram")),
        ("bd-r", None, None),
        ("bd-re", None, Some("bd-re")),
    ] {
        for (is_blanking, becomes) in [(true, blanked), (false, formatted)] {
            let folder = tempfile::tempdir().unwrap();
            let disc = disc(&folder, name);
            if disc.medium().is_sequential() {
                write(&disc, 0, 320).unwrap();
                disc.finalize().unwrap();
            } else {
                disc.format().unwrap();
                write(&disc, 0, 320).unwrap();
            }
            let before = (disc.size_bytes(), disc.state());
            let done = if is_blanking { disc.erase() } else { disc.format() };
            assert_eq!(done.is_ok(), becomes.is_some(), "{name}: {done:?}");
            let Some(becomes) = becomes else {
                assert_eq!((disc.size_bytes(), disc.state()), before, "{name}: nothing was done");
                continue;
            };
            assert_eq!((disc.size_bytes(), disc.state().is_blank), (0, true), "{name}");
            assert_eq!(disc.medium().name, becomes, "{name}");
            write(&disc, 0, 32).unwrap();
        }
    }
}

#[test]
fn what_was_never_recorded_cannot_be_read() {
    for (name, first, last) in [("cd-r", 320, 11_719), ("dvd-r", 320, 20_799), ("dvd+r", 320, 2367)] {
        let folder = tempfile::tempdir().unwrap();
        let disc = disc(&folder, name);
        write(&disc, 0, 320).unwrap();
        disc.close_session().unwrap();
        write(&disc, last + 1, 32).unwrap();
        for (sector, can) in [(first - 1, true), (first, false), (last, false), (last + 1, true)] {
            assert_eq!(read(&disc, sector, 1).is_ok(), can, "{name}: sector {sector}");
        }
        assert!(read(&disc, 0, 321).is_err() && read(&disc, 0, 320).is_ok(), "{name}");
    }
    // Between what is written in one go and the next, a CD has seven sectors of linking.
    let folder = tempfile::tempdir().unwrap();
    let cd = disc(&folder, "cd-r");
    write(&cd, 0, 50).unwrap();
    cd.flush().unwrap();
    assert!(write(&cd, 50, 50).is_err());
    write(&cd, 57, 50).unwrap();
    drop(cd);
    let cd = SimulatedMedium::open(&folder.path().join("disc.img")).unwrap().unwrap();
    let can: Vec<_> = (48..60).filter(|sector| read(&cd, *sector, 1).is_ok()).collect();
    assert_eq!(can, [48, 49, 57, 58, 59]);
}

fn read(disc: &SimulatedMedium, first: u32, blocks: usize) -> Result<(), BoxedError> {
    disc.read_at(u64::from(first) * 2048, &mut vec![0; blocks * 2048])
}

#[test]
fn defects_are_where_they_are_and_outlast_a_blanking() {
    let folder = tempfile::tempdir().unwrap();
    let cd = disc(&folder, "cd-rw");
    cd.damage(Defect { first: 10, last: 12, kind: DefectKind::Unreadable }).unwrap();
    write(&cd, 0, 40).unwrap();
    for round in 0..2 {
        let bad: Vec<_> = (0..40).filter(|sector| read(&cd, *sector, 1).is_err()).collect();
        assert_eq!(bad, [10, 11, 12], "round {round}");
        cd.erase().unwrap();
        write(&cd, 0, 40).unwrap();
    }
}

#[test]
fn a_write_ends_at_what_cannot_be_written_and_the_disc_goes_on_behind_it() {
    for (name, unit) in [("cd-r", 1), ("dvd+r", 16), ("bd-r", 32)] {
        let folder = tempfile::tempdir().unwrap();
        let disc = disc(&folder, name);
        disc.set_spare_units(0).unwrap();
        disc.damage(Defect { first: 100, last: 100, kind: DefectKind::Unwritable }).unwrap();
        let error = write(&disc, 0, 320).unwrap_err();
        assert!(error.to_string().contains("sector 100 cannot be written"), "{name}: {error}");
        let whole = 100 / unit * unit;
        assert!(read(&disc, 0, usize::try_from(whole).unwrap()).is_ok(), "{name}");
        assert!(read(&disc, 100, 1).is_err(), "{name}");
        let next = facts(&disc).next_writable;
        assert_eq!(next, whole + unit, "{name}");
        write(&disc, next, 320).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let disc = disc(&folder, "bd-re");
    disc.format().unwrap();
    disc.set_spare_units(0).unwrap();
    disc.damage(Defect { first: 40, last: 40, kind: DefectKind::Unwritable }).unwrap();
    assert!(write(&disc, 32, 32).is_err());
    write(&disc, 64, 32).unwrap();
    assert!(write(&disc, 0, 96).is_err());
}

#[test]
fn a_disc_takes_so_many_sessions_and_so_many_sectors_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let disc = disc(&folder, "cd-r");
    write(&disc, 0, 40_000).unwrap();
    disc.close_session().unwrap();
    let next = facts(&disc).next_writable;
    assert_eq!(facts(&disc).free_sectors, 60_000 - next);
    assert!(write(&disc, next, 60_001 - next as usize).unwrap_err().raw_os_error().is_some());
    write(&disc, next, 10).unwrap();
    // Behind this session's lead-out there is no room for another.
    assert!(disc.after_closing(0).is_ok());
    assert!(disc.after_closing(60_000 - next - 6900).is_err());
    write(&disc, facts(&disc).next_writable, 59_000 - next as usize).unwrap();
    disc.close_session().unwrap();
    assert!(disc.state().is_closed);
    assert!(!disc.multisession()[0].is_supported_on_current_media_state);
}

#[test]
fn a_drive_completes_write_units() {
    let folder = tempfile::tempdir().unwrap();
    let disc = disc(&folder, "bd-re");
    disc.format().unwrap();
    let units = WholeUnits::of(&disc);
    let mut expected = vec![0; 64 * 2048];
    for (sector, count, byte) in [(3, 2, 1), (30, 4, 2), (33, 1, 3), (0, 32, 4), (31, 1, 5)] {
        units.write_at(sector * 2048, &vec![byte; count * 2048]).unwrap();
        let start = usize::try_from(sector).unwrap() * 2048;
        expected[start..start + count * 2048].fill(byte);
    }
    let mut found = vec![9; 64 * 2048];
    disc.read_at(0, &mut found).unwrap();
    assert!(found == expected);
    assert!(units.write_at(59_999 * 2048, &[0; 4096]).is_err());
}

/// Gaps between tracks as `docs/media.md` has them; a track that holds nothing goes with its session.
#[test]
fn a_session_has_as_many_tracks_as_were_closed_in_it() {
    for (name, gap) in [("cd-r", 152), ("dvd-r", 0), ("dvd+r", 16), ("bd-r", 0)] {
        let folder = tempfile::tempdir().unwrap();
        let first = disc(&folder, name);
        assert!(first.close_track().is_err(), "{name}: nothing is in it");
        write(&first, 0, 320).unwrap();
        first.close_track().unwrap();
        assert!(first.close_track().is_err(), "{name}: nothing is in the next one");
        let second = 320 + gap;
        assert_eq!(
            (facts(&first).next_writable, facts(&first).open_session_start),
            (second, Some(0)),
            "{name}"
        );
        assert_eq!(facts(&first).free_sectors, 60_000 - second, "{name}");
        write(&first, second, 32).unwrap();
        first.close_track().unwrap();
        let can = |sector| read(&first, sector, 1).is_ok();
        assert!(can(319) && can(second) && (gap == 0 || !can(320) && !can(second - 1)), "{name}");
        drop(first);
        let disc = SimulatedMedium::open(&folder.path().join("disc.img")).unwrap().unwrap();
        let end = second + 32;
        let of = |session, start, last: Option<u32>, is_open| Track { session, start, last, is_open };
        let closed = [of(1, 0, Some(319), false), of(1, second, Some(end - 1), false)];
        assert_eq!(disc.tracks().unwrap()[..2], closed, "{name}");
        assert_eq!(disc.tracks().unwrap()[2..], [of(1, end + gap, None, true)], "{name}");
        disc.close_session().unwrap();
        let last = disc.closed_sessions()[0];
        assert_eq!((last.start, last.last), (0, end - 1), "{name}");
        assert_eq!(disc.tracks().unwrap()[..2], closed, "{name}");
        assert_eq!(disc.tracks().unwrap()[2..], [of(2, facts(&disc).next_writable, None, true)], "{name}");
        disc.finalize().unwrap();
        assert_eq!(disc.tracks().unwrap(), closed, "{name}");
    }
}

/// What is damaged is elsewhere once it is written again, until nothing is left; what was there is lost.
#[test]
fn spare_areas_take_what_damaged_units_would_hold() {
    for (name, unit, spares) in
        [("dvd-ram", 16, 800), ("bd-re", 32, 12_288), ("bd-r", 32, 12_288), ("dvd+rw", 16, 0)]
    {
        let folder = tempfile::tempdir().unwrap();
        let disc = disc(&folder, name);
        assert_eq!(disc.spare_units(), spares, "{name}");
        if spares == 0 {
            continue;
        }
        disc.set_spare_units(3).unwrap();
        // Two units, of which the second lies on a border; and one that can be written, but not read.
        let first = 2 * unit;
        disc.damage(Defect { first: first + 1, last: first + unit, kind: DefectKind::Unwritable }).unwrap();
        disc.damage(Defect { first: 0, last: 0, kind: DefectKind::Unreadable }).unwrap();
        write(&disc, 0, 6 * unit as usize).unwrap();
        assert_eq!(disc.spare_units(), 0, "{name}");
        assert!(read(&disc, 0, 6 * unit as usize).is_ok(), "{name}");
        drop(disc);
        let disc = SimulatedMedium::open(&folder.path().join("disc.img")).unwrap().unwrap();
        assert!(read(&disc, 0, 6 * unit as usize).is_ok() && disc.spare_units() == 0, "{name}: it is kept");
        // What is elsewhere can be damaged as well, and now nothing spares it.
        disc.damage(Defect { first, last: first, kind: DefectKind::Unwritable }).unwrap();
        assert!(read(&disc, first, 1).is_err(), "{name}");
        if !disc.medium().is_sequential() {
            assert!(write(&disc, first, unit as usize).is_err(), "{name}");
            disc.set_spare_units(1).unwrap();
            write(&disc, first, unit as usize).unwrap();
            assert!(read(&disc, first, unit as usize).is_ok(), "{name}");
            disc.format().unwrap();
            assert_eq!(disc.spare_units(), 3, "{name}: what was spared is free again");
        }
    }
}
