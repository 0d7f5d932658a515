//! Media: what each asks of a volume, and what it says of its sessions.

mod drive;
pub mod multisession;
mod table;

pub use drive::Drive;
pub use table::ALL;

use udf::{BlockSize, Revision};

/// A kind of medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Medium {
    /// What it is called.
    pub name: &'static str,
    /// What else it is called: by mkudffs, by IMAPI, on the box.
    pub aliases: &'static [&'static str],
    /// In a few words.
    pub description: &'static str,
    /// The size of its sectors.
    pub block_size: BlockSize,
    /// Sectors that are written as one: every write begins at a multiple of it and is a multiple of it long.
    pub write_unit_blocks: u32,
    /// Sectors that are lost together when one of them is damaged: an ECC block, or a packet.
    pub ecc_block_blocks: u32,
    /// The revision that its readers expect.
    pub revision: Revision,
    /// How a volume grows on it, unless something else is asked for.
    pub layout: VolumeLayout,
    /// Sectors of the usual size of it, if there is one.
    pub capacity_blocks: Option<u32>,
    /// Write units that drives keep to put what damaged ones would hold there.
    pub spare_units: u32,
    /// What is written in a second at single speed, in 1000 bytes, as drives count it: of a CD all 2352 bytes of a sector. `None`
    /// if it is no disc.
    pub single_speed_kilobytes: Option<u32>,
    /// How it is written.
    pub writing: Writing,
    /// What its sessions cost; `None` if it has but one.
    pub sessions: Option<Sessions>,
}

/// How a medium is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// Any sector, any time.
    Random,
    /// One after the other, each once, in sessions.
    Sequential,
    /// One after the other, each once, in sessions; but all of it can be blanked.
    SequentialErasable,
    /// Packets in place, with a table of spared ones.
    Packet,
    /// Any sector: the drive puts what is written again elsewhere.
    PseudoOverwrite,
    /// By a press only.
    Never,
}

/// How a volume grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeLayout {
    /// Each session is a file system of its own, which refers to the data of those before it.
    Session,
    /// A virtual allocation table at the end says where each file's entry is: only what changes is written (UDF 2.2.11).
    Vat,
    /// In place, with spare packets for those that wear out (UDF 2.2.12).
    Sparable,
    /// In place, on top of what the drive remaps (UDF 2.60 2.2.14.2).
    PseudoOverwrite,
}

/// What sessions cost on a medium, in sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// How many there can be.
    pub limit: u32,
    /// Sectors that cannot be used between the first session and the second: lead-out and lead-in, or border-out and -in.
    pub first_gap_blocks: u32,
    /// The same between later sessions.
    pub gap_blocks: u32,
    /// Sectors between what is written in one go and the next within a session: link, run-in and run-out blocks.
    pub link_blocks: u32,
    /// Those of them that follow the last block and are often counted as recorded.
    pub run_out_blocks: u32,
    /// Sectors between a track and the next one of the same session: run-out and pregap, or run-in.
    pub track_gap_blocks: u32,
}

impl Medium {
    /// The medium of this name, or of this other name, in capitals or not.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        let is = |other: &&str| other.eq_ignore_ascii_case(name);
        ALL.iter().find(|medium| is(&medium.name) || medium.aliases.iter().any(is))
    }

    /// Those that are written in any order.
    pub fn random() -> impl Iterator<Item = &'static Self> {
        ALL.iter().filter(|medium| medium.writing == Writing::Random)
    }

    /// Those that are written in packets, in place.
    pub fn in_packets() -> impl Iterator<Item = &'static Self> {
        ALL.iter().filter(|medium| medium.writing == Writing::Packet)
    }

    /// Those that are written one sector after the other, in sessions.
    pub fn sequential() -> impl Iterator<Item = &'static Self> {
        ALL.iter().filter(|medium| medium.is_sequential())
    }

    /// Whether all volumes on it are changed in place, and so have an account of what is free or leave that to the drive.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        matches!(self.writing, Writing::Packet | Writing::PseudoOverwrite)
    }

    /// Whether its drive puts elsewhere what is written again.
    #[must_use]
    pub fn is_pseudo_overwritten(&self) -> bool {
        self.writing == Writing::PseudoOverwrite
    }

    /// Whether what is new on it goes behind what there is.
    #[must_use]
    pub fn is_appended(&self) -> bool {
        self.is_sequential() || self.is_pseudo_overwritten()
    }

    /// Whether it is written one sector after the other.
    #[must_use]
    pub fn is_sequential(&self) -> bool {
        matches!(self.writing, Writing::Sequential | Writing::SequentialErasable)
    }
}

impl std::fmt::Display for Writing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Random => "random",
            Self::Sequential => "sequential, once",
            Self::SequentialErasable => "sequential",
            Self::Packet => "packets",
            Self::PseudoOverwrite => "pseudo-overwrite",
            Self::Never => "never",
        })
    }
}

impl std::fmt::Display for VolumeLayout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Session => "session",
            Self::Vat => "vat",
            Self::Sparable => "sparable",
            Self::PseudoOverwrite => "pseudo-overwrite",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_own_row() {
        for medium in ALL {
            for name in medium.aliases.iter().chain([&medium.name]) {
                assert_eq!(Medium::find(&name.to_uppercase()), Some(medium), "{name}");
            }
        }
        assert_eq!(Medium::find("tape"), None);
    }

    #[test]
    fn random_write_and_sequential_media_are_those_of_the_help() {
        let names: Vec<_> = Medium::random().map(|medium| medium.name).collect();
        assert_eq!(names, ["image", "hd", "hd4k", "flash", "dvd-ram", "dvd+rw", "dvd-rw", "bd-re"]);
        let names: Vec<_> = Medium::sequential().map(|medium| medium.name).collect();
        assert_eq!(names, ["cd-r", "cd-rw", "dvd-r", "dvd-rw-seq", "dvd+r", "dvd+r-dl", "bd-r"]);
    }

    #[test]
    fn every_row_agrees_with_itself() {
        for medium in ALL {
            let name = medium.name;
            assert!(medium.ecc_block_blocks.is_multiple_of(medium.write_unit_blocks), "{name}");
            assert_eq!(medium.sessions.is_some(), medium.is_sequential(), "{name}");
            assert_eq!(medium.layout == VolumeLayout::Vat, medium.is_sequential(), "{name}");
            if medium.layout == VolumeLayout::Vat {
                assert!(medium.revision.rules().virtual_table.is_some(), "{name}");
            }
        }
    }
}
