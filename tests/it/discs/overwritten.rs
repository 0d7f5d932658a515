//! Discs in pseudo-overwrite, in a drive: formatted, divided into tracks, changed round after round. Data only go where the disc
//! goes on, what is written again takes clusters of those that are left, and a disc that is full loses nothing.

use std::ops::Range;

use mkudf_ms::Error;
use mkudf_ms::builder::{BuildError, Conflict, Defaults, FileSystemImage};
use mkudf_ms::device::mmc::Disc;
use mkudf_ms::device::simulated::{SimulatedDrive, SimulatedMedium};
use mkudf_ms::device::{Recordable, WholeUnits, WriteAt};
use mkudf_ms::media::multisession::{Mechanism, OpenTrack, PseudoOverwrite};
use mkudf_ms::media::{Drive, Medium, VolumeLayout};
use mkudf_ms::plan::Plan;
use mkudf_ms::progress::Progress;
use mkudf_ms::session::{ImportOptions, Manner};
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::Tree;
use udf::read::{OpenOptions, Volume};

use crate::in_place::assert_clean;
use crate::support::build::{Append, NOW, plan_append_with};
use crate::support::folder::Folder;
use crate::support::manifest::{self, assert_same};

const UNIT: u32 = 32;
const WRITE_10: u8 = 0x2A;
const RESERVE_TRACK: u8 = 0x53;

type Burner<'d> = Disc<&'d SimulatedDrive>;

/// A drive with a BD-R in it that nothing was done to.
fn drive(home: &tempfile::TempDir, sectors: u32) -> SimulatedDrive {
    let image = home.path().join("disc.img");
    SimulatedDrive::with(
        SimulatedMedium::blank(&image, Medium::find("bd-r").unwrap(), Some(sectors)).unwrap(),
    )
}

fn disc(drive: &SimulatedDrive) -> Burner<'_> {
    Disc::open(drive).unwrap().unwrap()
}

/// A disc that is formatted, with a volume of what a folder holds.
fn made<'d>(drive: &'d SimulatedDrive, folder: &Folder) -> Burner<'d> {
    let disc = disc(drive);
    if disc.medium().name == "bd-r" {
        Recordable::format(&disc, &mut |_| ()).unwrap();
    }
    let defaults = Defaults::for_drive(&disc, "Overwritten", NOW);
    let mut image = FileSystemImage::new_on(&disc, defaults).unwrap();
    image.add_tree(folder.path(), "/", Conflict::Error).unwrap();
    image.create_result().unwrap().write_to_disc(&disc, &Progress::new()).unwrap();
    disc
}

fn facts(disc: &Burner<'_>) -> PseudoOverwrite {
    match disc.multisession()[0].mechanism {
        Mechanism::PseudoOverwrite(facts) => facts,
        other => panic!("{other:?}"),
    }
}

fn plan_change(disc: &Burner<'_>, folder: &Folder) -> mkudf_ms::Result<(Tree, Plan)> {
    plan_with(disc, folder, false)
}

fn plan_with(disc: &Burner<'_>, folder: &Folder, force: bool) -> mkudf_ms::Result<(Tree, Plan)> {
    let options = ImportOptions {
        manner: Manner::AsMade,
        write_unit_blocks: UNIT,
        fixed_size: true,
        pseudo_overwrite: Some(facts(disc)),
        force,
        ..ImportOptions::default()
    };
    let request = Append { folder: folder.path(), mirror: true, update: true, fixed_size: true };
    plan_append_with(disc, &request, &options)
}

fn write(disc: &Burner<'_>, (tree, plan): &(Tree, Plan)) -> mkudf_ms::Result<()> {
    let units = WholeUnits::of(disc);
    stream(plan, tree, &units, Some(disc), &Progress::new(), &StreamOptions::default()).map(drop)
}

fn assert_holds(disc: &Burner<'_>, folder: &Folder, context: &str) {
    assert_clean(disc, context);
    let volume = Volume::open(disc, &OpenOptions::default()).unwrap();
    assert_same(&manifest::of_folder(folder.path()), &manifest::of_volume(&volume), context);
}

/// The sectors that each command of a drive wrote, from that with this number on.
fn written(drive: &SimulatedDrive, from: usize) -> Vec<Range<u32>> {
    let writes = drive.log().into_iter().skip(from).filter(|block| block[0] == WRITE_10);
    writes
        .map(|block| {
            let start = u32::from_be_bytes(block[2..6].try_into().unwrap());
            start..start + u32::from(u16::from_be_bytes([block[7], block[8]]))
        })
        .collect()
}

fn metadata_blocks(disc: &Burner<'_>) -> u32 {
    Volume::open(disc, &OpenOptions::default()).unwrap().partitions()[1].length_blocks
}

/// The track that data are in: that which most is left of.
fn data_track(disc: &Burner<'_>) -> OpenTrack {
    let tracks = disc.open_tracks().unwrap();
    tracks.into_iter().max_by_key(OpenTrack::free_sectors).unwrap()
}

#[test]
fn a_blank_disc_is_formatted_divided_into_tracks_and_changed() {
    for (seed, replaces_elsewhere) in (700..).zip([false, true]) {
        let home = tempfile::tempdir().unwrap();
        let drive = drive(&home, 24_000);
        let mut folder = Folder::new(seed);
        folder.change(40);
        let disc = made(&drive, &folder);
        drive.medium().set_replaces_elsewhere(replaces_elsewhere).unwrap();
        assert_eq!(disc.medium().name, "bd-r-pow");
        assert_eq!(drive.log().iter().filter(|block| block[0] == RESERVE_TRACK).count(), 3);
        assert_eq!(disc.state().tracks.len(), 4);
        // The last track is full, with the anchor at its end.
        assert_eq!(disc.open_tracks().unwrap().len(), 3);
        let usable: Vec<_> = disc.state().layouts(Some(VolumeLayout::PseudoOverwrite));
        let usable: Vec<_> =
            usable.iter().filter(|one| one.obstacle.is_none()).map(|one| one.layout).collect();
        assert_eq!(usable, [VolumeLayout::PseudoOverwrite]);
        assert_holds(&disc, &folder, "made");
        // The one anchor that readers look at first was kept back, and written over zeros.
        assert_eq!(drive.medium().replacements(), 1);
        for round in 0..12 {
            let context = format!("seed {seed}, round {round}");
            folder.change(10);
            std::fs::write(folder.path().join("body"), vec![round; 70_000]).unwrap();
            let (track, replaced, log) =
                (data_track(&disc), drive.medium().replacements(), drive.log().len());
            let metadata = metadata_blocks(&disc);
            write(&disc, &plan_change(&disc, &folder).unwrap()).unwrap();
            assert_holds(&disc, &folder, &context);
            if metadata_blocks(&disc) > metadata {
                continue;
            }
            // Data come first, each cluster once, from where the disc went on.
            let writes = written(&drive, log);
            let mut next = track.next_writable;
            let is_new = |range: &&Range<u32>| (track.next_writable..track.end).contains(&range.start);
            for range in writes.iter().filter(is_new) {
                assert_eq!(range.start, next, "{context}");
                next = range.end;
            }
            assert!(next > track.next_writable, "{context}");
            let clusters: u32 = writes.iter().map(|range| (range.end - range.start) / UNIT).sum();
            let again = drive.medium().replacements() - replaced;
            assert!(again > 0 && again < clusters, "{context}: {again} of {clusters}");
            // What was written again took clusters from the track of the data, or from their own.
            let moved = data_track(&disc).next_writable - next;
            assert_eq!(moved, if replaces_elsewhere { again * UNIT } else { moved }, "{context}");
        }
    }
}

/// Zeros go where a track was not written to yet, and what is there is never read: it cannot be.
#[test]
fn a_metadata_partition_that_grows_does_so_where_the_disc_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let drive = drive(&home, 40_000);
    let folder = Folder::new(710);
    let disc = made(&drive, &folder);
    let before = metadata_blocks(&disc);
    for round in 0..4 {
        for number in 0..400 {
            std::fs::write(folder.path().join(format!("{round} {number}")), vec![round; 3000]).unwrap();
        }
        write(&disc, &plan_change(&disc, &folder).unwrap()).unwrap();
        assert_holds(&disc, &folder, &format!("round {round}"));
    }
    assert!(metadata_blocks(&disc) > before, "{before}");
}

#[test]
fn a_disc_that_is_full_loses_nothing_and_takes_what_fits() {
    let home = tempfile::tempdir().unwrap();
    let drive = drive(&home, 6400);
    let mut folder = Folder::new(720);
    folder.change(20);
    let disc = made(&drive, &folder);
    let (mut rounds, mut body) = (0, 1_500_000);
    let body_path = folder.path().join("body");
    let kept = loop {
        let kept = std::fs::read(&body_path).ok();
        std::fs::write(&body_path, vec![rounds; body]).unwrap();
        match plan_change(&disc, &folder) {
            Ok(planned) => write(&disc, &planned).unwrap(),
            Err(Error::NoSpace { needed_bytes, available_bytes }) => {
                assert!(needed_bytes > available_bytes);
                if body < 4000 {
                    break kept;
                }
                body /= 4;
                std::fs::write(&body_path, kept.unwrap_or_default()).unwrap();
                continue;
            }
            Err(error) => panic!("{error}"),
        }
        rounds += 1;
        assert_holds(&disc, &folder, &format!("round {rounds}"));
    };
    assert!(rounds > 3, "{rounds}");
    std::fs::write(&body_path, kept.unwrap()).unwrap();
    let found = manifest::of_volume(&Volume::open(&disc, &OpenOptions::default()).unwrap());
    assert_eq!(found["body"].body, std::fs::read(&body_path).ok());
    assert_clean(&disc, "full");
}

#[test]
fn what_cannot_be_done_with_such_a_disc_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let drive = drive(&home, 12_000);
    let folder = Folder::new(730);
    let disc = disc(&drive);
    assert!(disc.reserve_tracks(&[320]).is_err(), "it is not formatted");
    Recordable::format(&disc, &mut |_| ()).unwrap();
    let blank =
        FileSystemImage::import_from(&disc, Defaults::for_drive(&disc, "", NOW), &ImportOptions::default());
    assert!(matches!(blank.map(drop), Err(Error::Build(BuildError::Multisession(_)))));
    let disc = made(&drive, &folder);
    assert!(
        Recordable::format(&disc, &mut |_| ()).unwrap_err().to_string().contains("as long as it is blank")
    );
    let again = FileSystemImage::new_on(&disc, Defaults::for_drive(&disc, "", NOW)).map(drop);
    assert!(matches!(again, Err(Error::Build(BuildError::MediumNotBlank))));
    assert!(disc.reserve_tracks(&[320]).is_err(), "there is a volume");
    // Nothing is written behind the sector where a track goes on.
    let track = data_track(&disc);
    let far = u64::from(track.next_writable + UNIT) * 2048;
    assert!(disc.write_at(far, &vec![1; 65_536]).is_err());
    assert_holds(&disc, &folder, "refused");
}

/// A drive that tells of a full track that it goes on before it begins.
#[test]
fn an_address_that_is_none_of_a_track_is_not_believed() {
    let home = tempfile::tempdir().unwrap();
    let drive = drive(&home, 12_000);
    let mut folder = Folder::new(740);
    folder.change(20);
    let disc = made(&drive, &folder);
    let tracks = disc.open_tracks().unwrap();
    drive.tell_full_tracks_as_open();
    disc.look_again().unwrap();
    assert_eq!(disc.open_tracks().unwrap(), tracks);
    std::fs::write(folder.path().join("body"), vec![7; 50_000]).unwrap();
    write(&disc, &plan_change(&disc, &folder).unwrap()).unwrap();
    assert_holds(&disc, &folder, "changed");
}

/// What was reserved before somebody stopped is used, and completed; other tracks are not filled with zeros.
#[test]
fn a_blank_disc_is_divided_no_second_time_and_not_otherwise() {
    let folder = Folder::new(750);
    for reserved in 0..=4 {
        let home = tempfile::tempdir().unwrap();
        let drive = drive(&home, 12_000);
        let first = disc(&drive);
        Recordable::format(&first, &mut |_| ()).unwrap();
        let defaults = Defaults::for_drive(&first, "Again", NOW);
        let tracks =
            FileSystemImage::new_on(&first, defaults).unwrap().create_result().unwrap().plan().tracks();
        assert_eq!(tracks.len(), 3);
        let before = if reserved == 4 { vec![3200] } else { tracks[..reserved].to_vec() };
        first.reserve_tracks(&before).unwrap();
        drop(first);
        if reserved < 4 {
            let disc = made(&drive, &folder);
            assert_eq!(disc.state().tracks.len(), 4);
            assert_holds(&disc, &folder, &format!("{reserved} reserved before"));
            continue;
        }
        let disc = disc(&drive);
        let mut image = FileSystemImage::new_on(&disc, Defaults::for_drive(&disc, "", NOW)).unwrap();
        let error = image.create_result().unwrap().write_to_disc(&disc, &Progress::new()).unwrap_err();
        assert!(error.to_string().contains("other tracks"), "{error}");
        assert!(disc.medium_state().is_blank);
    }
}

/// A result is for the disc as it was when it was made: another volume hides nothing, and nothing is written twice.
#[test]
fn a_result_is_written_once() {
    let home = tempfile::tempdir().unwrap();
    let drive = drive(&home, 12_000);
    let folder = Folder::new(760);
    let disc = disc(&drive);
    Recordable::format(&disc, &mut |_| ()).unwrap();
    let mut image = FileSystemImage::new_on(&disc, Defaults::for_drive(&disc, "Once", NOW)).unwrap();
    image.add_tree(folder.path(), "/", Conflict::Error).unwrap();
    let result = image.create_result().unwrap();
    result.write_to_disc(&disc, &Progress::new()).unwrap();
    let error = result.write_to_disc(&disc, &Progress::new()).unwrap_err();
    assert!(error.to_string().contains("not blank"), "{error}");
    let import = || {
        let defaults = Defaults::for_drive(&disc, "", NOW);
        FileSystemImage::import_from(&disc, defaults, &ImportOptions::default()).unwrap()
    };
    let mut image = import();
    image.add_bytes("/new", vec![1; 100_000], Conflict::Error).unwrap();
    let result = image.create_result().unwrap();
    // Somebody broke off: data are there that nothing leads to.
    drive.die_after(1);
    result.write_to_disc(&disc, &Progress::new()).unwrap_err();
    drive.cut_power(|| true).unwrap();
    disc.look_again().unwrap();
    let error = result.write_to_disc(&disc, &Progress::new()).unwrap_err();
    assert!(matches!(error, Error::DiscMismatch { .. }), "{error}");
    let mut image = import();
    image.add_bytes("/new", vec![1; 100_000], Conflict::Error).unwrap();
    image.create_result().unwrap().write_to_disc(&disc, &Progress::new()).unwrap();
    assert_clean(&disc, "written again");
}

/// Where a change broke off, the reserve sequence is written first; data go where the disc goes on all the same.
#[test]
fn a_forced_change_writes_data_once() {
    let home = tempfile::tempdir().unwrap();
    let drive = drive(&home, 24_000);
    let mut folder = Folder::new(770);
    folder.change(20);
    let disc = made(&drive, &folder);
    drive.medium().set_replaces_elsewhere(true).unwrap();
    std::fs::write(folder.path().join("body"), vec![7; 50_000]).unwrap();
    let planned = plan_change(&disc, &folder).unwrap();
    // Up to where the reserve sequence leads to the new tree.
    let writes = {
        let before = std::fs::read(home.path().join("disc.img")).unwrap();
        let sidecar = std::fs::read(home.path().join("disc.img.media")).unwrap();
        let log = drive.log().len();
        write(&disc, &planned).unwrap();
        let writes = written(&drive, log);
        let reserve = writes.iter().position(|range| range.start < 256).unwrap();
        std::fs::write(home.path().join("disc.img"), before).unwrap();
        std::fs::write(home.path().join("disc.img.media"), sidecar).unwrap();
        reserve
    };
    drop(disc);
    drop(drive);
    let drive = SimulatedDrive::with(SimulatedMedium::open(&home.path().join("disc.img")).unwrap().unwrap());
    let disc = self::disc(&drive);
    drive.die_after(writes as u64 + 1);
    write(&disc, &planned).unwrap_err();
    drive.cut_power(|| true).unwrap();
    drop(disc);
    let disc = self::disc(&drive);
    std::fs::write(folder.path().join("large"), vec![9; 2_000_000]).unwrap();
    let track = data_track(&disc);
    let (log, replaced) = (drive.log().len(), drive.medium().replacements());
    write(&disc, &plan_with(&disc, &folder, true).unwrap()).unwrap();
    assert_holds(&disc, &folder, "forced");
    let data: u32 = written(&drive, log)
        .iter()
        .filter(|range| (track.next_writable..track.end).contains(&range.start))
        .map(|range| range.end - range.start)
        .sum();
    let replaced = drive.medium().replacements() - replaced;
    assert!(data > 900 && replaced < 20, "{data} sectors of data, {replaced} clusters written again");
}

/// A volume of another kind that was copied to such a disc.
#[test]
fn other_volumes_on_such_discs_are_only_read() {
    let home = tempfile::tempdir().unwrap();
    let drive = drive(&home, 12_000);
    let disc = disc(&drive);
    Recordable::format(&disc, &mut |_| ()).unwrap();
    let mut image = FileSystemImage::new(Defaults::for_medium(Medium::find("bd-re").unwrap(), "Other", NOW));
    image.create_result().unwrap().write_to(&WholeUnits::of(&disc), &Progress::new()).unwrap();
    assert_eq!(Volume::open(&disc, &OpenOptions::default()).unwrap().label(), "Other");
    let error =
        FileSystemImage::import_from(&disc, Defaults::for_drive(&disc, "", NOW), &ImportOptions::default());
    let error = error.map(drop).unwrap_err();
    assert!(error.to_string().contains("pseudo-overwrite, and the volume on it is not"), "{error}");
}
