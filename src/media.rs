//! Media: what each asks of a volume, one row of a table each and no code.

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
    /// Sectors that are written as one: an ECC block, or a packet.
    pub write_unit_blocks: u32,
    /// The revision that its readers expect.
    pub revision: Revision,
    /// Sectors of the usual size of it, if there is one.
    pub capacity_blocks: Option<u32>,
    /// How it is written.
    pub writing: Writing,
}

/// How a medium is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// Any sector, any time.
    Random,
    /// One after the other, each once, in sessions.
    Sequential,
    /// Packets in place, with a table of spared ones.
    Packet,
    /// By a press only.
    Never,
}

const DISC: Medium = Medium {
    name: "",
    aliases: &[],
    description: "",
    block_size: BlockSize::B2048,
    write_unit_blocks: 1,
    revision: Revision::V2_01,
    capacity_blocks: None,
    writing: Writing::Random,
};
const DVD: Medium = Medium { write_unit_blocks: 16, ..DISC };
const BD: Medium = Medium { write_unit_blocks: 32, revision: Revision::V2_50, ..DISC };
const ONCE: Writing = Writing::Sequential;

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
    Medium { name: "dvd-ram", aliases: &["dvdram"], description: "DVD-RAM", capacity_blocks: Some(2_236_704), ..DVD },
    Medium { name: "dvd+rw", aliases: &["dvdplusrw"], description: "DVD+RW", capacity_blocks: Some(2_295_104), ..DVD },
    Medium { name: "bd-re", aliases: &["bdre"], description: "rewritable Blu-ray disc",
             capacity_blocks: Some(11_826_176), ..BD },
    Medium { name: "cd-r", aliases: &["cdr"], description: "CD-R", write_unit_blocks: 32, writing: ONCE, ..DISC },
    Medium { name: "dvd-r", aliases: &["dvdr", "dvddashr"], description: "DVD-R", writing: ONCE, ..DVD },
    Medium { name: "dvd+r", aliases: &["dvdplusr"], description: "DVD+R", writing: ONCE, ..DVD },
    Medium { name: "bd-r", aliases: &["bdr"], description: "recordable Blu-ray disc", writing: ONCE, ..BD },
    Medium { name: "worm", aliases: &["mo"], description: "other media that are written once", writing: ONCE, ..DISC },
    Medium { name: "cd-rw", aliases: &["cdrw"], description: "CD-RW in packets", write_unit_blocks: 32,
             writing: Writing::Packet, ..DISC },
    Medium { name: "dvd-rw", aliases: &["dvdrw", "dvddashrw"], description: "DVD-RW in packets",
             writing: Writing::Packet, ..DVD },
    Medium { name: "cd-rom", aliases: &["cd", "cdrom"], description: "pressed CD", writing: Writing::Never, ..DISC },
    Medium { name: "dvd-rom", aliases: &["dvd", "dvdrom"], description: "pressed DVD", writing: Writing::Never, ..DVD },
    Medium { name: "bd-rom", aliases: &["bd", "bdrom"], description: "pressed Blu-ray disc",
             writing: Writing::Never, ..BD },
];

impl Medium {
    /// The medium of this name, or of this other name, in capitals or not.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        let is = |other: &&str| other.eq_ignore_ascii_case(name);
        ALL.iter().find(|medium| is(&medium.name) || medium.aliases.iter().any(is))
    }

    /// Those that are written in any order, which are those that volumes are made for today.
    pub fn random() -> impl Iterator<Item = &'static Self> {
        ALL.iter().filter(|medium| medium.writing == Writing::Random)
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
    fn random_write_media_are_those_of_the_help() {
        let names: Vec<_> = Medium::random().map(|medium| medium.name).collect();
        assert_eq!(names, ["image", "hd", "hd4k", "flash", "dvd-ram", "dvd+rw", "bd-re"]);
    }
}
