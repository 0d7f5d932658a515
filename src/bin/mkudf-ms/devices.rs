//! `devices`: the drives there are, what is in them, and what could be written to it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use mkudf_ms::device::mmc::{
    Configuration, Disc, DiscState, DiscStatus, Profile, ScsiGeneric, Transport, Unit, Usable, drives,
};
use mkudf_ms::media::multisession::Mechanism;
use mkudf_ms::media::{Drive as _, VolumeLayout};
use mkudf_ms::session;
use serde_json::{Value, json};
use udf::read::{OpenOptions, Volume};

use crate::flags;
use crate::report::{Ending, Report};
use crate::text;

/// What there is to say of a drive.
struct Found {
    path: PathBuf,
    name: String,
    profile: Profile,
    /// Kinds of disc that it knows.
    profiles: Vec<Profile>,
    disc: Option<FoundDisc>,
}

struct FoundDisc {
    state: DiscState,
    speeds: Vec<u32>,
    layouts: Vec<Usable>,
    label: Option<String>,
}

/// Lists drives.
pub(crate) fn run(flags: &flags::Devices, report: &Report) -> anyhow::Result<Ending> {
    let paths = if flags.devices.is_empty() { drives()? } else { flags.devices.clone() };
    if paths.is_empty() {
        report.note("no drive for discs is connected");
    }
    let mut ending = Ending::Done;
    let mut out = io::stdout().lock();
    for path in paths {
        match look(&path) {
            Ok(found) if report.json => writeln!(out, "{}", text::Json(&object(&found)))?,
            Ok(found) => print(&mut out, &found)?,
            Err(error) => {
                report.error(&error.context(path.display().to_string()));
                ending = Ending::Failed;
            }
        }
    }
    Ok(ending)
}

fn look(path: &Path) -> anyhow::Result<Found> {
    let transport = ScsiGeneric::open_for_reading(path)?;
    let unit = Unit::new(&transport);
    let name = unit.inquiry()?.name();
    let opened = match Disc::open(&transport) {
        Err(error) if error.is_no_disc() => None,
        opened => Some(opened?),
    };
    let configuration = unit.configuration()?;
    Ok(Found {
        path: path.to_owned(),
        name,
        profile: if opened.is_some() { configuration.profile } else { Profile::NONE },
        profiles: known(&configuration),
        disc: opened.flatten().map(|disc| FoundDisc::of(&disc)),
    })
}

fn known(configuration: &Configuration) -> Vec<Profile> {
    configuration.profiles().into_iter().filter(|profile| profile.medium().is_some()).collect()
}

impl FoundDisc {
    fn of<T: Transport>(disc: &Disc<T>) -> Self {
        let state = disc.state();
        let volume = volume(disc);
        // Some drives have none to tell.
        let speeds = disc.unit().write_speeds().unwrap_or_default();
        Self {
            speeds: speeds.iter().map(|speed| speed.kilobytes_per_second).collect(),
            layouts: state.layouts(volume.as_ref().map(|volume| volume.1)),
            label: volume.map(|volume| volume.0),
            state,
        }
    }
}

/// The label of the volume on a disc, and how it grows.
fn volume<T: Transport>(disc: &Disc<T>) -> Option<(String, VolumeLayout)> {
    let sessions = disc.sessions();
    let open = match &sessions[..] {
        [] => OpenOptions::default(),
        sessions => session::newest_whole(disc, sessions).options()?,
    };
    let volume = Volume::open(disc, &open).ok()?;
    Some((volume.label(), VolumeLayout::of(&volume)))
}

/// How many sectors are left on a disc that goes on somewhere, and where.
fn free(mechanism: &Mechanism) -> Option<(u32, u32)> {
    match mechanism {
        Mechanism::Sequential(facts) => Some((facts.free_sectors, facts.next_writable)),
        Mechanism::PseudoOverwrite(facts) => Some((facts.free_sectors, facts.next_writable)),
        _ => None,
    }
}

fn status(state: &DiscState) -> &'static str {
    match state.information.disc_status() {
        _ if !state.is_formatted => "not formatted",
        DiscStatus::Blank => "blank",
        DiscStatus::Appendable => "appendable",
        DiscStatus::Finalized if state.medium_state().is_closed => "closed",
        _ => "written in any order",
    }
}

fn object(found: &Found) -> Value {
    let disc = found.disc.as_ref().map(|disc| {
        let state = &disc.state;
        let offered = state.multisession();
        let facts = offered.iter().find_map(|one| free(&one.mechanism));
        let sessions = state.sessions();
        let sessions = sessions.iter().map(|one| {
            json!({ "number": one.number, "start": one.start, "last": one.last, "is_open": one.is_open })
        });
        let layouts = disc.layouts.iter().map(|one| {
            json!({ "layout": one.layout.to_string(), "usable": one.obstacle.is_none(), "obstacle": one.obstacle })
        });
        json!({
            "medium": state.medium.name,
            "status": status(state),
            "is_erasable": state.information.is_erasable(),
            "label": disc.label,
            "capacity_sectors": state.capacity_blocks,
            "free_sectors": facts.map(|(free_sectors, _)| free_sectors),
            "next_writable": facts.map(|(_, next_writable)| next_writable),
            "write_unit_sectors": state.medium.write_unit_blocks,
            "sessions": sessions.collect::<Vec<_>>(),
            "write_speeds_kilobytes_per_second": disc.speeds,
            "layouts": layouts.collect::<Vec<_>>(),
        })
    });
    json!({
        "device": found.path.display().to_string(),
        "drive": found.name,
        "profile": found.profile.0,
        "disc_kind": found.profile.to_string(),
        "known_discs": found.profiles.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "disc": disc,
    })
}

fn print(out: &mut impl Write, found: &Found) -> io::Result<()> {
    writeln!(out, "{}: {}", text::escaped(&found.path.display().to_string()), found.name)?;
    let Some(disc) = &found.disc else { return writeln!(out, "  {}", found.profile) };
    let state = &disc.state;
    writeln!(
        out,
        "  {}, {}, {} sectors, write unit {}",
        found.profile,
        status(state),
        state.capacity_blocks,
        state.medium.write_unit_blocks
    )?;
    if let Some(label) = &disc.label {
        writeln!(out, "  volume: {}", text::escaped(label))?;
    }
    for session in state.sessions() {
        let open = if session.is_open { ", open" } else { "" };
        writeln!(out, "  session {}: sectors {} to {}{open}", session.number, session.start, session.last)?;
    }
    let offered = state.multisession();
    let offered = offered.iter().filter(|one| one.is_supported_on_current_media_state);
    for (free_sectors, next_writable) in offered.filter_map(|one| free(&one.mechanism)) {
        writeln!(out, "  free: {free_sectors} sectors from {next_writable} on")?;
    }
    if !disc.speeds.is_empty() {
        let single = state.medium.single_speed_kilobytes;
        let named = |speed: &u32| match single {
            Some(single) => format!("{speed} kB/s ({}x)", (speed + single / 2) / single),
            None => format!("{speed} kB/s"),
        };
        let speeds = disc.speeds.iter().map(named).collect::<Vec<_>>().join(", ");
        writeln!(out, "  speeds: {speeds}")?;
    }
    for one in &disc.layouts {
        writeln!(out, "  layout {}: {}", one.layout, one.obstacle.unwrap_or("can be used"))?;
    }
    Ok(())
}
