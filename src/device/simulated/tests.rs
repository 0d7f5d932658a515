//! What discs take, what they refuse, and what they say of themselves.

use super::*;

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
    for (name, gaps) in
        [("cd-r", [11_400, 6900]), ("dvd-r", [20_480, 6144]), ("dvd+r", [2048, 2048]), ("bd-r", [0, 0])]
    {
        let folder = tempfile::tempdir().unwrap();
        let disc = disc(&folder, name);
        let mut at = 0;
        for gap in gaps {
            write(&disc, at, 320).unwrap();
            disc.close_session().unwrap();
            let facts = facts(&disc);
            assert_eq!(facts.start_of_previous_session, Some(at), "{name}");
            assert_eq!(facts.last_written_of_previous_session, Some(at + 319), "{name}");
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
fn media_written_in_any_order_take_whole_units_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let disc = disc(&folder, "dvd+rw");
    write(&disc, 160, 16).unwrap();
    write(&disc, 32, 32).unwrap();
    write(&disc, 32, 16).unwrap();
    assert!(write(&disc, 8, 16).is_err());
    assert!(write(&disc, 16, 8).is_err());
    let expected = RandomWrite { write_unit: 16, last_written: Some(175), total_sectors: 60_000 };
    assert_eq!(disc.multisession()[0].mechanism, Mechanism::RandomWrite(expected));
    assert!(disc.state().is_overwritable);
    disc.erase().unwrap();
    assert_eq!((disc.size_bytes(), disc.state().is_blank), (0, true));
}

#[test]
fn only_what_can_be_written_again_can_be_blanked() {
    for (name, can) in [("cd-r", false), ("cd-rw", true), ("dvd-rw-seq", true), ("bd-r", false)] {
        let folder = tempfile::tempdir().unwrap();
        let disc = disc(&folder, name);
        write(&disc, 0, 320).unwrap();
        disc.finalize().unwrap();
        assert_eq!(disc.erase().is_ok(), can, "{name}");
        assert_eq!(disc.state().is_blank, can, "{name}");
    }
}
