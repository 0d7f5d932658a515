//! The media there are: a row each and no code. `docs/media.md` argues the defaults.

use udf::{BlockSize, Revision};

use super::{Medium, Sessions, VolumeLayout, Writing};

const DISC: Medium = Medium {
    name: "",
    aliases: &[],
    description: "",
    block_size: BlockSize::B2048,
    write_unit_blocks: 1,
    ecc_block_blocks: 1,
    revision: Revision::V2_01,
    layout: VolumeLayout::Session,
    capacity_blocks: None,
    spare_units: 0,
    single_speed_kilobytes: None,
    writing: Writing::Random,
    sessions: None,
};
const CD: Medium = Medium {
    ecc_block_blocks: 32,
    capacity_blocks: Some(359_847),
    single_speed_kilobytes: Some(176),
    ..DISC
};
const DVD: Medium =
    Medium { write_unit_blocks: 16, ecc_block_blocks: 16, single_speed_kilobytes: Some(1385), ..DISC };
const BD: Medium = Medium {
    write_unit_blocks: 32,
    ecc_block_blocks: 32,
    revision: Revision::V2_50,
    single_speed_kilobytes: Some(4496),
    ..DISC
};
// Of the default format: what is left of 12 219 392 sectors.
const BD_SPARE_UNITS: u32 = 12_288;

// A session begins with the cluster behind the one before, and so does a track.
const BD_SESSIONS: Sessions = Sessions {
    limit: 7927,
    first_gap_blocks: 0,
    gap_blocks: 0,
    link_blocks: 0,
    run_out_blocks: 0,
    track_gap_blocks: 0,
};
// Lead-out (6750 once, then 2250), lead-in (4500) and pregap (150); a link block, four to run in and two to run out. Between
// two tracks the two and a pregap.
const CD_SESSIONS: Sessions = Sessions {
    limit: 99,
    first_gap_blocks: 11_400,
    gap_blocks: 6900,
    link_blocks: 7,
    run_out_blocks: 2,
    track_gap_blocks: 152,
};
// Border-out and border-in: what drives leave out between two borders, about 40 and 12 MiB.
const DVD_DASH_SESSIONS: Sessions =
    Sessions { limit: 99, first_gap_blocks: 20_480, gap_blocks: 6144, ..BD_SESSIONS };
// Closure and intro zone; a fragment runs in for an ECC block.
const DVD_PLUS_SESSIONS: Sessions =
    Sessions { limit: 191, first_gap_blocks: 2048, gap_blocks: 2048, track_gap_blocks: 16, ..BD_SESSIONS };

const fn sequential(medium: Medium, sessions: Sessions) -> Medium {
    Medium { layout: VolumeLayout::Vat, writing: Writing::Sequential, sessions: Some(sessions), ..medium }
}

const CD_R: Medium = sequential(CD, CD_SESSIONS);
const DVD_R: Medium = sequential(DVD, DVD_DASH_SESSIONS);
const DVD_PLUS_R: Medium = sequential(DVD, DVD_PLUS_SESSIONS);
const BD_R: Medium = sequential(BD, BD_SESSIONS);

/// All of them. What is here but not written yet is refused by name, which helps more than "unknown".
#[rustfmt::skip]
pub const ALL: &[Medium] = &[
    Medium { name: "image", aliases: &["file", "iso"], description: "an image file, for any use", ..DISC },
    Medium { name: "hd", aliases: &["disk", "hdd", "ssd"], description: "a disk with sectors of 512 bytes",
             block_size: BlockSize::B512, ..DISC },
    Medium { name: "hd4k", aliases: &["hdd4k", "4kn"], description: "a disk with sectors of 4096 bytes",
             block_size: BlockSize::B4096, ..DISC },
    Medium { name: "flash", aliases: &["usb", "sd", "stick"], description: "a memory stick or card",
             block_size: BlockSize::B512, ..DISC },
    Medium { name: "dvd-ram", aliases: &["dvdram"], description: "DVD-RAM", capacity_blocks: Some(2_236_704),
             spare_units: 800, ..DVD },
    Medium { name: "dvd+rw", aliases: &["dvdplusrw"], description: "DVD+RW", capacity_blocks: Some(2_295_104), ..DVD },
    Medium { name: "dvd-rw", aliases: &["dvdrw", "dvddashrw", "dvd-rw-overwrite"],
             description: "DVD-RW, restricted overwrite", capacity_blocks: Some(2_297_888), ..DVD },
    Medium { name: "bd-re", aliases: &["bdre"], description: "rewritable Blu-ray disc",
             capacity_blocks: Some(11_826_176), spare_units: BD_SPARE_UNITS, ..BD },
    Medium { name: "cd-r", aliases: &["cdr"], description: "CD-R", ..CD_R },
    Medium { name: "cd-rw", aliases: &["cdrw"], description: "CD-RW, in sessions",
             writing: Writing::SequentialErasable, ..CD_R },
    Medium { name: "dvd-r", aliases: &["dvdr", "dvddashr"], description: "DVD-R",
             capacity_blocks: Some(2_298_496), ..DVD_R },
    Medium { name: "dvd-rw-seq", aliases: &["dvd-rw-sequential"], description: "DVD-RW, sequential",
             capacity_blocks: Some(2_298_496), writing: Writing::SequentialErasable, ..DVD_R },
    Medium { name: "dvd+r", aliases: &["dvdplusr"], description: "DVD+R",
             capacity_blocks: Some(2_295_104), ..DVD_PLUS_R },
    Medium { name: "dvd+r-dl", aliases: &["dvdplusr-dl", "dvd+rdl"], description: "DVD+R with two layers",
             capacity_blocks: Some(4_173_824), ..DVD_PLUS_R },
    Medium { name: "bd-r", aliases: &["bdr"], description: "recordable Blu-ray disc, sequential",
             capacity_blocks: Some(11_826_176), spare_units: BD_SPARE_UNITS, ..BD_R },
    Medium { name: "bd-r-pow", aliases: &["bdr-pow"], description: "recordable Blu-ray disc, pseudo-overwrite",
             capacity_blocks: Some(11_826_176), spare_units: BD_SPARE_UNITS, writing: Writing::PseudoOverwrite,
             revision: Revision::V2_60, layout: VolumeLayout::PseudoOverwrite, ..BD },
    Medium { name: "cd-rw-packet", aliases: &["cdrw-packet"], description: "CD-RW in packets", write_unit_blocks: 32,
             capacity_blocks: Some(295_264), writing: Writing::Packet, layout: VolumeLayout::Sparable, ..CD },
    Medium { name: "dvd-rw-packet", aliases: &["dvdrw-packet"], description: "DVD-RW in packets",
             capacity_blocks: Some(2_297_888), writing: Writing::Packet, layout: VolumeLayout::Sparable, ..DVD },
    Medium { name: "cd-rom", aliases: &["cd", "cdrom"], description: "pressed CD", writing: Writing::Never, ..CD },
    Medium { name: "dvd-rom", aliases: &["dvd", "dvdrom"], description: "pressed DVD",
             capacity_blocks: Some(2_295_104), writing: Writing::Never, ..DVD },
    Medium { name: "bd-rom", aliases: &["bd", "bdrom"], description: "pressed Blu-ray disc",
             capacity_blocks: Some(12_219_392), writing: Writing::Never, ..BD },
];
