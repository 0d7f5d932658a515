//! The builder at a drive: what it takes for defaults, which mechanism it chooses, why it refuses, and what it hands to burners.

use std::sync::Arc;

use mkudf_ms::builder::{Conflict, Defaults, FileSystemImage, probe_drive};
use mkudf_ms::device::simulated::SimulatedMedium;
use mkudf_ms::device::{MemoryDevice, WriteAt};
use mkudf_ms::media::multisession::{Mechanism, MediumState, Multisession, RandomWrite, Sequential};
use mkudf_ms::media::{Drive, Medium, Writing};
use mkudf_ms::progress::Progress;
use mkudf_ms::session::ImportOptions;
use udf::read::{OpenOptions, ReadAt, Volume};
use udf::{BoxedError, Revision};

use super::media::{Ground, burn};
use super::{bytes_of, made};
use crate::support::build::NOW;

/// A drive that says whatever a test wants.
struct Told {
    offered: Vec<Multisession>,
    state: MediumState,
    device: Arc<MemoryDevice>,
}

impl Drive for Told {
    fn medium(&self) -> &'static Medium {
        Medium::find("bd-re").unwrap()
    }

    fn capacity_blocks(&self) -> u32 {
        100_000
    }

    fn medium_state(&self) -> MediumState {
        self.state
    }

    fn multisession(&self) -> Vec<Multisession> {
        self.offered.clone()
    }
}

impl ReadAt for Told {
    fn size_bytes(&self) -> u64 {
        self.device.size_bytes()
    }

    fn read_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), BoxedError> {
        self.device.read_at(offset_bytes, out)
    }
}

const RANDOM: Mechanism =
    Mechanism::RandomWrite(RandomWrite { write_unit: 32, last_written: None, total_sectors: 90_000 });
const SEQUENTIAL: Mechanism = Mechanism::Sequential(Sequential {
    is_first_data_session: false,
    start_of_previous_session: Some(0),
    last_written_of_previous_session: Some(2000),
    open_session_start: None,
    next_writable: 4096,
    free_sectors: 50_000,
    write_unit: 16,
});

fn offer(mechanism: Mechanism, is_supported: bool, in_use: bool) -> Multisession {
    Multisession { is_supported_on_current_media_state: is_supported, in_use, mechanism }
}

#[test]
fn defaults_are_those_of_the_medium_in_the_drive() {
    let home = tempfile::tempdir().unwrap();
    for medium in mkudf_ms::media::ALL {
        if !medium.is_sequential() && medium.writing != Writing::Random {
            continue;
        }
        let image = home.path().join(medium.name);
        let capacity = medium.capacity_blocks.unwrap_or(50_000);
        let disc = SimulatedMedium::blank(&image, medium, Some(capacity)).unwrap();
        let defaults = Defaults::for_drive(&disc, "X", NOW);
        let name = medium.name;
        assert_eq!((defaults.revision, defaults.block_size), (medium.revision, medium.block_size), "{name}");
        assert_eq!(defaults.write_unit_blocks, medium.write_unit_blocks, "{name}");
        assert_eq!(defaults.capacity_blocks, Some(capacity), "{name}");
        assert_eq!(defaults.is_device, !medium.is_sequential(), "{name}");
        let mut image = FileSystemImage::new_on(&disc, defaults).unwrap();
        let result = image.create_result().unwrap();
        assert_eq!(image.free_blocks().unwrap(), Some(capacity - result.total_blocks()), "{name}");
        let is_table = result.plan().to_string().contains("TableEntry");
        assert_eq!(is_table, medium.is_sequential(), "{name}");
    }
}

/// The mechanism decides where the session goes; each refusal has its name.
#[test]
fn the_mechanism_is_chosen_by_the_rules_of_imapi() {
    const USABLE: MediumState = MediumState { is_blank: false, is_overwritable: true, is_closed: false };
    const BLANK: MediumState = MediumState { is_blank: true, is_overwritable: false, is_closed: false };
    const CLOSED: MediumState = MediumState { is_closed: true, ..USABLE };
    type Row = (&'static str, Vec<Multisession>, MediumState, Result<u32, &'static str>);
    let rows: [Row; 9] = [
        ("one", vec![offer(RANDOM, true, false)], USABLE, Ok(90_000)),
        (
            "the first that works",
            vec![offer(SEQUENTIAL, false, false), offer(RANDOM, true, false)],
            USABLE,
            Ok(90_000),
        ),
        (
            "the one wanted",
            vec![offer(SEQUENTIAL, true, false), offer(RANDOM, true, true)],
            USABLE,
            Ok(90_000),
        ),
        (
            "the wanted one does not work",
            vec![offer(SEQUENTIAL, false, true), offer(RANDOM, true, false)],
            USABLE,
            Err("IMAPI_E_INCOMPATIBLE_MULTISESSION_TYPE"),
        ),
        (
            "two are wanted",
            vec![offer(SEQUENTIAL, true, true), offer(RANDOM, true, true)],
            USABLE,
            Err("IMAPI_E_BAD_MULTISESSION_PARAMETER"),
        ),
        (
            "none works",
            vec![offer(RANDOM, false, false)],
            USABLE,
            Err("IMAPI_E_NO_COMPATIBLE_MULTISESSION_TYPE"),
        ),
        ("closed", vec![offer(RANDOM, true, false)], CLOSED, Err("IMAPI_E_NO_COMPATIBLE_MULTISESSION_TYPE")),
        ("none offered", Vec::new(), USABLE, Err("IMAPI_E_IMPORT_MEDIA_NOT_ALLOWED")),
        ("blank", vec![offer(RANDOM, true, false)], BLANK, Err("IMAPI_E_IMPORT_SEEK_FAILURE")),
    ];
    // The device is as long as the drive says.
    let made = made(Revision::V2_50, |image| image.add_bytes("/f", "f", Conflict::Error).unwrap());
    let mut bytes = bytes_of(&made);
    bytes.resize(90_000 * 2048, 0);
    let device = Arc::new(MemoryDevice::from(bytes));
    for (name, offered, state, expected) in rows {
        let drive = || Told { offered: offered.clone(), state, device: Arc::clone(&device) };
        let defaults = Defaults::for_drive(&drive(), "X", NOW);
        let probed = probe_drive(&drive()).map_err(|error| error.imapi().unwrap().name);
        assert_eq!(probed.err(), expected.err(), "{name}");
        let import = FileSystemImage::import_from(drive(), defaults, &ImportOptions::default());
        match (import, expected) {
            (Ok(mut image), Ok(blocks)) => {
                let used = image.used_blocks().unwrap();
                assert_eq!(image.free_blocks().unwrap(), Some(blocks - used), "{name}");
                let result = image.create_result().unwrap();
                let last = result.ranges().last().unwrap();
                assert_eq!((last.first, last.last), (256, 287), "{name}: the anchor, in its write unit");
                assert!(result.ranges().iter().any(|range| range.last == 89_999), "{name}");
            }
            (Err(error), Err(expected)) => assert_eq!(error.imapi().unwrap().name, expected, "{name}"),
            (found, expected) => panic!("{name}: {found:?}, {expected:?}"),
        }
    }
}

#[test]
fn a_medium_that_is_not_blank_is_not_begun_anew() {
    for medium in ["dvd+r", "bd-re"] {
        let ground = Ground::disc(medium, Revision::V2_01, Some(50_048));
        let Ground::Disc(disc, defaults, _) = &ground else { panic!() };
        assert!(probe_drive(disc).is_err(), "{medium}: nothing is there yet");
        ground.write(&ground.new_volume().create_result().unwrap());
        let error = FileSystemImage::new_on(disc, defaults.clone()).unwrap_err();
        assert_eq!(error.imapi().unwrap().hresult, 0xC0AA_0405, "{medium}");
        probe_drive(disc).unwrap();
        disc.finalize().unwrap();
        let error = probe_drive(disc).unwrap_err();
        assert_eq!(error.imapi().unwrap().name, "IMAPI_E_NO_COMPATIBLE_MULTISESSION_TYPE", "{medium}");
        assert!(ground.import(&ImportOptions::default()).is_err(), "{medium}");
    }
}

/// What is to be written on a sequential medium is one range from the next writable sector on, in whole write units; somebody
/// else's burner writes what we would; and nobody writes to a disc that has gone on.
#[test]
fn burners_get_whole_write_units_in_ascending_order() {
    for medium in ["cd-r", "dvd-r", "dvd+r", "bd-r"] {
        let [ours, theirs] = [(); 2].map(|()| Ground::disc(medium, Revision::V2_01, None));
        for (number, closes) in [false, true, false].into_iter().enumerate() {
            let results = [&ours, &theirs].map(|ground| {
                let Ground::Disc(disc, ..) = ground else { panic!() };
                let mut image = if number == 0 {
                    ground.new_volume()
                } else {
                    ground.import(&ImportOptions::default()).unwrap()
                };
                let unit = disc.medium().write_unit_blocks;
                let Mechanism::Sequential(facts) = disc.multisession()[0].mechanism else { panic!() };
                image.add_bytes(&format!("/file{number}"), vec![3; 100_000], Conflict::Error).unwrap();
                let result = image.create_result().unwrap();
                let [range] = result.ranges() else { panic!("{medium}: {:?}", result.ranges()) };
                assert_eq!(range.first, facts.next_writable, "{medium}");
                assert_eq!((range.last + 1) % unit, if unit == 1 { 0 } else { facts.next_writable % unit });
                assert_eq!(range.last + 1, result.total_blocks(), "{medium}");
                result
            });
            ours.write(&results[0]);
            let Ground::Disc(disc, ..) = &theirs else { panic!() };
            burn(&results[1], &**disc);
            assert!(ours.bytes() == theirs.bytes(), "{medium}, state {number}");
            if number > 0 {
                let error = results[0].write_to(&MemoryDevice::new(), &Progress::new()).unwrap_err();
                assert_eq!(error.imapi().unwrap().name, "IMAPI_E_DISC_MISMATCH", "{medium}");
            }
            drop(results);
            for ground in [&ours, &theirs] {
                let Ground::Disc(disc, ..) = ground else { panic!() };
                if closes {
                    disc.close_session().unwrap();
                }
            }
        }
        let device = MemoryDevice::from(ours.bytes());
        let volume = Volume::open(&device, &ours.open()).unwrap();
        assert!((0..3).all(|number| volume.lookup(&format!("file{number}")).is_ok()), "{medium}");
    }
}

/// With `closes_session` the session ends with its second anchor and its partition, and the drive closes it behind that.
#[test]
fn a_session_can_be_closed_in_one_go() {
    let ground = Ground::disc("dvd+r", Revision::V2_01, None);
    let Ground::Disc(disc, defaults, _) = &ground else { panic!() };
    let closing = Defaults { closes_session: true, ..defaults.clone() };
    for number in 0..3 {
        let mut image = if number == 0 {
            FileSystemImage::new_on(disc, closing.clone()).unwrap()
        } else {
            FileSystemImage::import_from(Arc::clone(disc), closing.clone(), &ImportOptions::default())
                .unwrap()
        };
        image.add_bytes(&format!("/file{number}"), "x", Conflict::Error).unwrap();
        let end = {
            let result = image.create_result().unwrap();
            assert!(result.closes_session());
            ground.write(&result);
            result.total_blocks()
        };
        let volume = Volume::open(&**disc, &ground.open()).unwrap();
        let anchors: Vec<_> = volume.found().anchors.iter().map(|anchor| anchor.sector.0).collect();
        assert!(anchors.contains(&(end - 257)), "{anchors:?}");
        assert_eq!(288 + volume.partitions()[0].length_blocks, end);
        assert_eq!(disc.closed_sessions().len(), number + 1);
    }
}

#[test]
fn a_disc_without_a_whole_volume_is_told_why() {
    let ground = Ground::disc("bd-r", Revision::V2_01, None);
    let Ground::Disc(disc, ..) = &ground else { panic!() };
    disc.write_at(0, &vec![0; 320 * 2048]).unwrap();
    disc.flush().unwrap();
    let error = probe_drive(disc).unwrap_err();
    assert_eq!(error.imapi().unwrap().name, "IMAPI_E_EMPTY_DISC");
    assert!(Volume::open(&**disc, &OpenOptions::default()).is_err());
}
