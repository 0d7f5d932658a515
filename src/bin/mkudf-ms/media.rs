//! `media`: which there are, and what volumes on them are like.

use std::io::{self, Write};

use mkudf_ms::media::{self, Medium, VolumeLayout};
use serde_json::json;

use crate::report::{Ending, Report};

/// Prints the table of media.
pub(crate) fn run(report: &Report) -> anyhow::Result<Ending> {
    let mut out = io::stdout().lock();
    if !report.json {
        writeln!(
            out,
            "{:13} {:>5} {:>10} {:>4} {:>3} {:4} {:8} {:8} {:>12} description",
            "name", "bytes", "sectors", "unit", "ecc", "udf", "layout", "sessions", "gaps"
        )?;
    }
    for medium in media::ALL {
        if report.json {
            writeln!(out, "{}", object(medium))?;
        } else {
            writeln!(out, "{}", line(medium))?;
        }
    }
    Ok(Ending::Done)
}

fn object(medium: &Medium) -> serde_json::Value {
    json!({
        "name": medium.name,
        "aliases": medium.aliases,
        "description": medium.description,
        "block_size": medium.block_size.bytes(),
        "capacity_sectors": medium.capacity_blocks,
        "write_unit_sectors": medium.write_unit_blocks,
        "ecc_block_sectors": medium.ecc_block_blocks,
        "revision": medium.revision.to_string(),
        "layout": medium.layout.to_string(),
        "writing": medium.writing.to_string(),
        "sessions": medium.sessions.map(|sessions| json!({
            "limit": sessions.limit,
            "first_gap_sectors": sessions.first_gap_blocks,
            "gap_sectors": sessions.gap_blocks,
            "link_sectors": sessions.link_blocks,
            "track_gap_sectors": sessions.track_gap_blocks,
            "run_out_sectors": sessions.run_out_blocks,
        })),
    })
}

fn line(medium: &Medium) -> String {
    let or_none = |number: Option<u32>| number.map_or_else(|| String::from("-"), |number| number.to_string());
    let gaps =
        medium.sessions.map(|sessions| format!("{}, {}", sessions.first_gap_blocks, sessions.gap_blocks));
    let layout = match medium.layout {
        VolumeLayout::PseudoOverwrite => String::from("pow"),
        other => other.to_string(),
    };
    format!(
        "{:13} {:>5} {:>10} {:>4} {:>3} {:4} {layout:8} {:>8} {:>12} {}",
        medium.name,
        medium.block_size.bytes(),
        or_none(medium.capacity_blocks),
        medium.write_unit_blocks,
        medium.ecc_block_blocks,
        medium.revision.to_string(),
        or_none(medium.sessions.map(|sessions| sessions.limit)),
        gaps.unwrap_or_else(|| String::from("-")),
        medium.description,
    )
}
