//! Kinds of disc as drives number them (MMC-6 table 86).

use std::fmt;

use crate::media::Medium;

/// A kind of disc.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Profile(pub u16);

impl Profile {
    /// No disc is in the drive.
    pub const NONE: Self = Self(0);
    /// DVD-RAM.
    pub const DVD_RAM: Self = Self(0x12);
    /// DVD-RW that is written in any order.
    pub const DVD_RW_RESTRICTED_OVERWRITE: Self = Self(0x13);
    /// DVD-RW that is written in sessions.
    pub const DVD_RW_SEQUENTIAL: Self = Self(0x14);
    /// DVD+RW.
    pub const DVD_PLUS_RW: Self = Self(0x1A);
    /// BD-R, written in sessions.
    pub const BD_R_SEQUENTIAL: Self = Self(0x41);
    /// BD-RE.
    pub const BD_RE: Self = Self(0x43);

    /// The medium that it is, if volumes can be on it.
    #[must_use]
    pub fn medium(self) -> Option<&'static Medium> {
        Self::ROWS.iter().find(|row| row.0 == self.0).and_then(|row| Medium::find(row.2))
    }

    /// Whether discs of this kind are told by a mode page how they are written, and whether another session follows: CDs, DVD-R
    /// and DVD-RW are, later discs know it (MMC-6 7.5.1).
    #[must_use]
    pub fn has_write_parameters(self) -> bool {
        matches!(self.0, 0x09 | 0x0A | 0x11 | 0x13..=0x16)
    }

    /// Number, what it is, and the name of its row in the table of media.
    #[rustfmt::skip]
    const ROWS: &[(u16, &'static str, &'static str)] = &[
        (0x08, "CD-ROM", "cd-rom"),
        (0x09, "CD-R", "cd-r"),
        (0x0A, "CD-RW", "cd-rw"),
        (0x10, "DVD-ROM", "dvd-rom"),
        (0x11, "DVD-R", "dvd-r"),
        (0x12, "DVD-RAM", "dvd-ram"),
        (0x13, "DVD-RW, restricted overwrite", "dvd-rw"),
        (0x14, "DVD-RW, sequential", "dvd-rw-seq"),
        (0x15, "DVD-R with two layers", "dvd-r"),
        (0x1A, "DVD+RW", "dvd+rw"),
        (0x1B, "DVD+R", "dvd+r"),
        (0x2A, "DVD+RW with two layers", "dvd+rw"),
        (0x2B, "DVD+R with two layers", "dvd+r-dl"),
        (0x40, "BD-ROM", "bd-rom"),
        (0x41, "BD-R", "bd-r"),
        (0x43, "BD-RE", "bd-re"),
        // Known, so that they can be named; volumes are not made for them.
        (0x16, "DVD-R with two layers, layer jump", ""),
        (0x42, "BD-R, random recording", ""),
        (0x50, "HD DVD-ROM", ""),
        (0x51, "HD DVD-R", ""),
        (0x52, "HD DVD-RAM", ""),
    ];
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::ROWS.iter().find(|row| row.0 == self.0) {
            Some(row) => f.write_str(row.1),
            None if *self == Self::NONE => f.write_str("no disc"),
            None => write!(f, "disc of profile {:#06x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_that_names_a_medium_finds_it() {
        for (number, name, medium) in Profile::ROWS {
            assert_eq!(Profile(*number).medium().is_some(), !medium.is_empty(), "{name}");
        }
        assert_eq!(Profile(0x7777).to_string(), "disc of profile 0x7777");
    }
}
