//! Layouts: what each medium allows, what continues what, and sessions that broke off.

use std::sync::Arc;

use mkudf_ms::builder::{BuildError, Conflict, Defaults, FileSystemImage, probe_drive};
use mkudf_ms::device::WriteAt;
use mkudf_ms::device::simulated::SimulatedMedium;
use mkudf_ms::media::{ALL, Medium, VolumeLayout, Writing};
use mkudf_ms::progress::Progress;
use mkudf_ms::session::ImportOptions;
use mkudf_ms::{Error, Warning};
use udf::read::{OpenOptions, Volume};
use udf::{Revision, Sector};

use super::media::Ground;

const LAYOUTS: [Option<VolumeLayout>; 5] = [
    None,
    Some(VolumeLayout::Session),
    Some(VolumeLayout::Vat),
    Some(VolumeLayout::Sparable),
    Some(VolumeLayout::PseudoOverwrite),
];

fn disc(ground: &Ground) -> (&Arc<SimulatedMedium>, &Defaults) {
    let Ground::Disc(disc, defaults, _) = ground else { panic!("a disc is wanted") };
    (disc, defaults)
}

/// What a medium makes of a layout that is asked for, in words of `docs/media.md`.
fn expected(medium: &Medium, asked: Option<VolumeLayout>) -> Option<VolumeLayout> {
    match (medium.is_sequential(), asked) {
        (true, None | Some(VolumeLayout::Vat)) => Some(VolumeLayout::Vat),
        (_, Some(VolumeLayout::Session)) | (false, None) => Some(VolumeLayout::Session),
        _ => None,
    }
}

#[test]
fn each_medium_has_its_layouts_and_a_volume_goes_on_as_it_began() {
    for medium in ALL.iter().filter(|medium| medium.is_sequential() || medium.writing == Writing::Random) {
        for asked in LAYOUTS {
            let capacity = medium.capacity_blocks.unwrap_or(50_048);
            let ground = Ground::disc(medium.name, Revision::V2_01, Some(capacity)).with_layout(asked);
            let context = format!("{}, {asked:?}", medium.name);
            let mut image = ground.new_volume();
            image.add_bytes("/first", "first", Conflict::Error).unwrap();
            let Some(layout) = expected(medium, asked) else {
                let layout = asked.unwrap();
                let error = image.create_result().unwrap_err();
                let Error::Build(error) = error else { panic!("{context}: {error}") };
                assert_eq!(error, BuildError::LayoutNotSupported { layout }, "{context}");
                assert_eq!(error.imapi().name, "IMAPI_E_INVALID_PARAM");
                continue;
            };
            let result = image.create_result().unwrap();
            let is_session = medium.is_sequential() && layout == VolumeLayout::Session;
            assert_eq!(result.closes_session(), is_session, "{context}");
            ground.write(&result);
            drop((result, image));
            goes_on(&ground, medium, layout, &context);
        }
    }
}

/// Tries each layout on a volume that has this one: only its own continues it.
fn goes_on(ground: &Ground, medium: &Medium, layout: VolumeLayout, context: &str) {
    let (device, defaults) = disc(ground);
    for next in LAYOUTS {
        let defaults = Defaults { layout: next, ..defaults.clone() };
        let import = FileSystemImage::import_from(Arc::clone(device), defaults, &ImportOptions::default());
        if next.is_some_and(|next| next != layout) {
            let error = import.unwrap_err();
            let code = error.imapi().unwrap();
            assert_eq!(code.name, "IMAPI_E_INCOMPATIBLE_PREVIOUS_SESSION", "{context}, {next:?}: {error}");
            continue;
        }
        let mut image = import.unwrap();
        image.add_bytes(&format!("/{next:?}"), "next", Conflict::Error).unwrap();
        let result = image.create_result().unwrap();
        let is_session = medium.is_sequential() && layout == VolumeLayout::Session;
        assert_eq!(result.closes_session(), is_session, "{context}, {next:?}");
        ground.write(&result);
        let volume = Volume::open(&**device, &ground.open()).unwrap();
        assert_eq!(VolumeLayout::of(&volume), layout, "{context}, {next:?}");
        for path in ["first".into(), format!("{next:?}")] {
            volume.lookup(&path).unwrap_or_else(|error| panic!("{context}: {path}: {error}"));
        }
    }
    let count = device.closed_sessions().len();
    assert_eq!(count, if medium.is_sequential() && layout == VolumeLayout::Session { 3 } else { 0 });
}

/// A session that has only begun, behind one that is whole: what was written until the power went.
fn break_off(ground: &Ground, keep_blocks: u32) -> Sector {
    let (device, defaults) = disc(ground);
    let mut image =
        FileSystemImage::import_from(Arc::clone(device), defaults.clone(), &ImportOptions::default())
            .unwrap();
    image.add_bytes("/lost", vec![1; 400_000], Conflict::Error).unwrap();
    let result = image.create_result().unwrap();
    let [range] = result.ranges() else { panic!() };
    let mut bytes = vec![0; keep_blocks as usize * 2048];
    let mut reader = result.reader(&Progress::new()).unwrap();
    std::io::Seek::seek(&mut reader, std::io::SeekFrom::Start(u64::from(range.first) * 2048)).unwrap();
    std::io::Read::read_exact(&mut reader, &mut bytes).unwrap();
    device.write_at(u64::from(range.first) * 2048, &bytes).unwrap();
    device.flush().unwrap();
    Sector(range.first)
}

#[test]
fn sessions_that_broke_off_are_passed_over_and_told_of() {
    // A session with a table that has its descriptors shows the table of the one before.
    for (layout, keep_blocks) in [(VolumeLayout::Session, 320), (VolumeLayout::Vat, 96)] {
        for medium in Medium::sequential().map(|medium| medium.name) {
            let ground = Ground::disc(medium, Revision::V2_01, None).with_layout(Some(layout));
            let context = format!("{medium}, {layout}");
            let (device, _) = disc(&ground);
            let mut image = ground.new_volume();
            image.add_bytes("/first", "first", Conflict::Error).unwrap();
            ground.write(&image.create_result().unwrap());
            if layout == VolumeLayout::Vat {
                device.close_session().unwrap();
            }
            // Two in a row: the drive's facts alone tell of no more than the last two sessions.
            let mut starts = Vec::new();
            for _ in 0..2 {
                starts.push(break_off(&ground, keep_blocks));
                let error = ground.import(&ImportOptions::default()).unwrap_err();
                assert!(matches!(error, Error::Build(BuildError::SessionOpen { .. })), "{context}: {error}");
                assert_eq!(error.imapi().unwrap().name, "IMAPI_E_INCOMPATIBLE_PREVIOUS_SESSION");
                assert!(probe_drive(device).is_err(), "{context}");
                device.close_session().unwrap();
            }
            probe_drive(device).unwrap();
            let before = ground.bytes();
            let mut image = ground.import(&ImportOptions::default()).unwrap();
            let told =
                |warning: &Warning| starts.iter().any(|at| warning.to_string().contains(&at.to_string()));
            assert_eq!(image.warnings().iter().filter(|warning| told(warning)).count(), 2, "{context}");
            image.add_bytes("/second", "second", Conflict::Error).unwrap();
            let result = image.create_result().unwrap();
            assert_eq!(result.warnings(), image.warnings(), "{context}");
            ground.write(&result);
            assert!(ground.bytes().starts_with(&before), "{context}");
            let volume = Volume::open(&**device, &ground.open()).unwrap();
            assert!(volume.lookup("first").is_ok() && volume.lookup("second").is_ok(), "{context}");
            assert!(volume.lookup("lost").is_err(), "{context}");
        }
    }
}

/// Within a session with a table, what broke off needs no session of its own: the next state goes behind it.
#[test]
fn a_state_that_broke_off_is_told_of_and_the_session_goes_on() {
    let media = Medium::sequential().map(|medium| medium.name);
    for (medium, begins) in media.flat_map(|medium| [(medium, false), (medium, true)]) {
        let ground = Ground::disc(medium, Revision::V2_01, None);
        let (device, _) = disc(&ground);
        let mut image = ground.new_volume();
        image.add_bytes("/first", "first", Conflict::Error).unwrap();
        ground.write(&image.create_result().unwrap());
        if begins {
            device.close_session().unwrap();
        }
        break_off(&ground, if begins { 320 } else { 32 });
        let mut image = ground.import(&ImportOptions::default()).unwrap();
        let [Warning::Note(note)] = image.warnings() else { panic!("{medium}: {:?}", image.warnings()) };
        assert!(note.contains("belong to no state of the volume"), "{medium}: {note}");
        image.add_bytes("/second", "second", Conflict::Error).unwrap();
        ground.write(&image.create_result().unwrap());
        let volume = Volume::open(&**device, &ground.open()).unwrap();
        assert!(volume.lookup("first").is_ok() && volume.lookup("second").is_ok(), "{medium}");
        assert!(volume.lookup("lost").is_err(), "{medium}");
        assert_eq!(device.closed_sessions().len(), usize::from(begins), "{medium}");
    }
}

/// Other programs close tracks: the next state of an open session then lies in another track.
#[test]
fn a_session_goes_on_in_its_next_track() {
    for medium in Medium::sequential().map(|medium| medium.name) {
        let ground = Ground::disc(medium, Revision::V2_01, None);
        let (device, _) = disc(&ground);
        let paths = ["/1", "/2", "/3"];
        for (number, path) in paths.into_iter().enumerate() {
            let mut image = match number {
                0 => ground.new_volume(),
                _ => ground.import(&ImportOptions::default()).unwrap(),
            };
            image.add_bytes(path, path, Conflict::Error).unwrap();
            ground.write(&image.create_result().unwrap());
            device.close_track().unwrap();
        }
        device.close_session().unwrap();
        assert_eq!(device.tracks().unwrap().iter().filter(|track| track.session == 1).count(), 3, "{medium}");
        let mut image = ground.import(&ImportOptions::default()).unwrap();
        image.add_bytes("/4", "/4", Conflict::Error).unwrap();
        ground.write(&image.create_result().unwrap());
        let volume = Volume::open(&**device, &ground.open()).unwrap();
        for path in paths.into_iter().chain(["/4"]) {
            let body = volume.read_all(&volume.lookup(&path[1..]).unwrap(), 10).unwrap();
            assert_eq!(body, path.as_bytes(), "{medium}");
        }
    }
}

/// What broke off may be longer than what is searched of an image that nothing is known of: a drive knows where the track begins.
#[test]
fn a_long_write_that_broke_off_is_passed_over() {
    let ground = Ground::disc("bd-r", Revision::V2_01, None);
    let mut image = ground.new_volume();
    image.add_bytes("/first", "first", Conflict::Error).unwrap();
    ground.write(&image.create_result().unwrap());
    drop(image);
    let Ground::Disc(disc, defaults, home) = ground else { panic!() };
    let path = home.path().join("disc.img");
    drop(disc);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() + (300 << 20)).unwrap();
    let disc = Arc::new(SimulatedMedium::open(&path).unwrap().unwrap());
    assert!(Volume::open(&*disc, &OpenOptions::default()).is_err());
    let mut image =
        FileSystemImage::import_from(Arc::clone(&disc), defaults, &ImportOptions::default()).unwrap();
    let [Warning::Note(note)] = image.warnings() else { panic!("{:?}", image.warnings()) };
    assert!(note.contains("153600 sectors"), "{note}");
    image.add_bytes("/second", "second", Conflict::Error).unwrap();
    image.create_result().unwrap().write_to(&*disc, &Progress::new()).unwrap();
    let volume = Volume::open(&*disc, &OpenOptions::default()).unwrap();
    assert!(volume.lookup("first").is_ok() && volume.lookup("second").is_ok());
}

#[test]
fn a_volume_behind_another_hides_it_and_needs_a_session_of_its_own() {
    for layout in [VolumeLayout::Session, VolumeLayout::Vat] {
        let ground = Ground::disc("dvd+r", Revision::V2_01, None).with_layout(Some(layout));
        let (device, defaults) = disc(&ground);
        assert!(FileSystemImage::new_behind(device, defaults.clone()).is_err(), "there is nothing yet");
        let mut image = ground.new_volume();
        image.add_bytes("/first", "first", Conflict::Error).unwrap();
        ground.write(&image.create_result().unwrap());
        if layout == VolumeLayout::Vat {
            let error = FileSystemImage::new_behind(device, defaults.clone()).unwrap_err();
            assert!(matches!(error, Error::Build(BuildError::SessionOpen { .. })), "{error}");
            device.close_session().unwrap();
        }
        let mut image = FileSystemImage::new_behind(device, defaults.clone()).unwrap();
        image.add_bytes("/second", "second", Conflict::Error).unwrap();
        ground.write(&image.create_result().unwrap());
        let volume = Volume::open(&**device, &ground.open()).unwrap();
        assert!(volume.lookup("first").is_err() && volume.lookup("second").is_ok(), "{layout}");
    }
    let ground = Ground::disc("bd-re", Revision::V2_01, Some(50_048));
    ground.write(&ground.new_volume().create_result().unwrap());
    let (device, defaults) = disc(&ground);
    let error = FileSystemImage::new_behind(device, defaults.clone()).unwrap_err();
    assert!(matches!(error, Error::Build(BuildError::MediumNotBlank)), "{error}");
}
